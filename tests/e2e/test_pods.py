"""Pods that die, refuse, hang or send rubbish, and what clients see."""
import asyncio
import json

import pytest

from client import Client, Load, Paced, get, request
from harness import wait_for
from pods import FullPod, answer, app_answer

HEALTH = {"path": "/healthz", "interval": "100ms", "timeout": "1s",
          "rise": 2, "fall": 2}


def test_killed_pod_leaves_and_comes_back(shop, app):
    """SIGKILL under load. With the default single retry on connect and reset
    no GET fails while other pods live, which is what is asked here."""
    apps = [app("1") for _ in range(3)]
    p = shop({"v1": [a.port for a in apps]}, service={"health": HEALTH})
    p.wait_pods("v1", up=3)
    load = Load(p.port, connections=20).start()
    load.wait(300)
    victim = apps[1]
    for _ in range(2):
        victim.kill()
        wait_for(lambda: p.pods("v1")[victim.port] == "down", "down")
        reason = next(x["reason"] for x in p.version("v1")["pods"]
                      if x["state"] == "down")
        assert reason
        load.wait(300)
        victim.start()
        p.wait_pods("v1", up=3)
        load.wait(300)
    load.stop()
    assert load.failures() == []


def test_a_hidden_failure_still_counts_against_the_pod(shop, pod):
    """The retry hides it from the client, not from the error rate."""
    broken, good = pod(lambda asked: None), pod(lambda a: app_answer("1"))
    p = shop({"v1": [broken.port, good.port]},
             service={"balance": "round_robin",
                      "retry": {"budget": "100%"}}, workers=1)
    load = Load(p.port, 4, 100).run()
    assert load.failures() == []
    v1 = p.version("v1")
    assert len(good.asked) == 100
    assert v1["errors"] == len(broken.asked) > 0
    errors = p.metrics()["shunt_errors_total"]
    key = next(k for k in errors if 'reason="reset"' in k)
    assert errors[key] == len(broken.asked)
    retries = sum(p.metrics()["shunt_retries_total"].values())
    assert retries == len(broken.asked)


def test_post_is_not_sent_twice(shop, pod):
    broken = pod(lambda asked: None)
    good = pod(lambda a: app_answer("1"))
    p = shop({"v1": [broken.port, good.port]},
             service={"balance": "round_robin"}, workers=1)
    statuses = [get_post(p.port).status for _ in range(20)]
    assert statuses.count(502) == len(broken.asked) > 0
    assert len(broken.asked) + len(good.asked) == 20


def get_post(port):
    with Client(port) as c:
        return c.ask("POST", "/", body=b"once")


def error_of(port, status, *words, **named):
    """The proxy's own answer: the status, and a body that says why."""
    reply = get(port, **named)
    assert reply.status == status, (reply.status, reply.body)
    for word in words:
        assert word.encode() in reply.body, reply.body
    return reply


def test_refused_is_502(shop, ports):
    p = shop({"v1": [ports.reserve()]})
    error_of(p.port, 502, "did not accept")
    assert p.version("v1")["errors"] >= 1


def test_connect_timeout_is_504(shop, ports):
    full = FullPod(ports.reserve())
    try:
        p = shop({"v1": [full.port]},
                 config={"timeouts": {"connect": "200ms"}},
                 service={"retry": {"attempts": 0}})
        error_of(p.port, 504, "did not accept in time")
    finally:
        full.stop()


def test_response_timeout_is_504_and_others_go_on(shop, pod):
    async def hang(asked):
        if asked.target == "/hang":
            await asyncio.sleep(30)
        return app_answer("1")
    p = shop({"v1": [pod(hang).port]},
             config={"timeouts": {"response": "3s"}})
    load = Paced(p.port, 200, 4).load.start()
    error_of(p.port, 504, "did not answer in time", path="/hang")
    load.wait(50)
    load.stop()
    assert load.failures() == []
    errors = p.metrics()["shunt_errors_total"]
    assert sum(n for k, n in errors.items() if 'reason="timeout"' in k) == 1


RUBBISH = {
    "no HTTP": b"220 smtp.example ESMTP\r\n",
    "binary": bytes(range(256)),
    "bad status": b"HTTP/1.1 abc OK\r\n\r\n",
    "bad field": b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                   b"Content-Length: 2\r\n\r\nab",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "huge head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000 + b"\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_is_502_for_that_connection_only(shop, pod, name):
    async def respond(asked):
        return RUBBISH[name] if asked.target == "/bad" else app_answer("1")
    p = shop({"v1": [pod(respond).port]}, workers=1)
    with Client(p.port) as bystander:
        assert bystander.ask().status == 200
        error_of(p.port, 502, "malformed", path="/bad")
        assert bystander.ask().status == 200
    assert get(p.port).status == 200


def test_closed_without_an_answer_is_502(shop, pod):
    p = shop({"v1": [pod(lambda asked: None).port]})
    error_of(p.port, 502, "closed the connection early")


@pytest.mark.parametrize("part", [
    b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9"])
def test_half_a_head_is_502(shop, pod, part):
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(part)
        await writer.drain()
    p = shop({"v1": [pod(raw=half).port]})
    error_of(p.port, 502)


@pytest.mark.parametrize("head,body", [
    (b"Content-Length: 100", b"only this"),
    (b"Transfer-Encoding: chunked", b"9\r\nonly this\r\n"),
    (b"Transfer-Encoding: chunked", b"9\r\nonly this\r\nrubbish\r\n")])
def test_a_body_that_breaks_off_is_never_whole(shop, pod, head, body):
    """The head is gone already: the client must see that bytes are missing."""
    async def cut(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
        await writer.drain()
    p = shop({"v1": [pod(raw=cut).port]})
    with Client(p.port) as c:
        c.send(request())
        with pytest.raises((EOFError, ConnectionResetError, ValueError)):
            c.response()
    wait_for(lambda: p.version("v1")["errors"] >= 1, "an error is counted")


def test_no_ready_pod_is_503_with_retry_after(shop, ports):
    p = shop({"v1": [ports.reserve()]}, service={"health": HEALTH})
    reply = error_of(p.port, 503, "no pod is ready")
    assert int(reply.get("Retry-After")) >= 1


def test_empty_version_falls_back_to_stable_or_not(shop, app, ports):
    """`empty: stable` sends its share to stable; `empty: 503` does not."""
    dead, live = ports.reserve(), app("1").port
    for empty, want in (("stable", {200}), (503, {200, 503})):
        p = shop({"v1": [live], "v2": [dead]}, service={
            "health": HEALTH, "weights": {"v1": 50, "v2": 50},
            "empty": empty})
        p.wait_pods("v1", up=1)
        load = Load(p.port, 4, 40).run()
        assert {d.status for d in load.done} == want
        if empty == 503:
            assert len([d for d in load.done if d.status == 503]) == 20


def test_a_pods_own_5xx_passes_untouched(shop, pod):
    """The pod's words reach the client; only the error rate takes note."""
    p = shop({"v1": [pod(lambda a: answer(503, "mine", [("X-Pod", "y")]))
                     .port]})
    reply = get(p.port)
    assert (reply.status, reply.body, reply.get("X-Pod")) == (
        503, b"mine", "y")
    v1 = p.version("v1")
    assert (v1["requests"], v1["errors"]) == (1, 1)


def test_interim_answers_are_not_the_answer(shop, pod):
    def respond(asked):
        return (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                + app_answer("1"))
    p = shop({"v1": [pod(respond).port]})
    with Client(p.port) as c:
        c.send(request())
        reply = c.response()
        if reply.status == 103:
            reply = c.response()
        assert reply.status == 200
        assert json.loads(reply.body)["appVersion"] == "1"
        assert c.ask().status in (103, 200)


def test_idle_pod_connections_may_close_any_time(shop, pod):
    """A pod that closes after each answer costs no request."""
    async def once(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(app_answer("1"))
        await writer.drain()
    p = shop({"v1": [pod(raw=once).port]})
    load = Load(p.port, 5, 300).run()
    assert load.failures() == []


def test_unasked_bytes_from_an_idle_pod_are_not_the_next_answer(shop, pod):
    """Bytes that nobody asked for must not answer the next request."""
    async def chatty(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(app_answer("1") + answer(200, "stolen"))
        await writer.drain()
        await reader.read()
    p = shop({"v1": [pod(raw=chatty).port]}, workers=1)
    for _ in range(5):
        assert b"stolen" not in get(p.port).body
