"""X-Shunt-Version: the version that answered, on what pods answer only."""
import asyncio

import pytest

from client import Client, get, raw, request
from h2client import H2Client
from h2pod import Answer
from harness import service
from pods import answer, read_request

NAMED = {"forward": {"version": True}}
NAME = "X-Shunt-Version"


@pytest.fixture(params=["h1-h1", "h1-h2c", "h2-h1", "h2-h2c"])
def edge(request, shop, pod, h2_pod):
    """edge(fields): (proxy, client) over each pair of protocols; rules lead
    X-V: 2 to v2."""
    def start(fields=(), config=None, routes=None):
        client, speaks = request.param.split("-")
        if speaks == "h1":
            one = pod(lambda asked: Answer(200, "x", fields).h1(asked.method))
        else:
            one = h2_pod(lambda asked: Answer(200, "x", fields))
        p = shop({"v1": [one.port], "v2": [one.port]},
                 config=NAMED if config is None else config, service={
                     "routes": routes or [{"path": "/"}],
                     "weights": {"v1": 1, "v2": 0},
                     "protocol": "h2c" if speaks == "h2c" else "h1",
                     "rules": [{"match": {"header": {"X-V": "2"}},
                                "version": "v2"}]})
        return p, H2Client if client == "h2" else Client
    return start


def test_it_names_the_version(edge):
    p, client = edge()
    with client(p.port) as c:
        for method in ("GET", "HEAD", "POST"):
            for sent, version in (([], "v1"), ([("X-V", "2")], "v2")):
                got = c.ask(method, "/", fields=sent)
                assert got.status == 200
                assert got.all(NAME) == [version], method
                assert bytes(got.body) == (b"" if method == "HEAD" else b"x")


def test_it_is_off_by_default(edge):
    p, client = edge(config={})
    with client(p.port) as c:
        assert c.ask("GET", "/").all(NAME) == []


def test_what_is_off_passes(edge):
    p, client = edge([(NAME.lower(), "mine")], config={})
    with client(p.port) as c:
        assert c.ask("GET", "/").all(NAME) == ["mine"]


def test_a_pod_cannot_say_it(edge):
    p, client = edge([(NAME.lower(), "v9"), ("x-kept", "1"),
                      (NAME.lower(), "v1"), ("x-kept", "2")])
    with client(p.port) as c:
        got = c.ask("GET", "/", fields=[("X-V", "2")])
        assert got.all(NAME) == ["v2"]
        assert got.all("X-Kept") == ["1", "2"]


def test_it_stands_beside_the_edits_of_a_route(edge):
    p, client = edge([("server", "pod")], routes=[
        {"path": "/a", "response_headers": {
            "set": {NAME: "set", "X-One": "1"}, "remove": ["Server"]}},
        {"path": "/b", "response_headers": {
            "add": {NAME: "added"}}},
        {"path": "/c", "response_headers": {"remove": [NAME]}}])
    with client(p.port) as c:
        got = c.ask("GET", "/a", fields=[("X-V", "2")])
        assert got.all(NAME) == ["v2"]
        assert got.all("X-One") == ["1"] and got.all("Server") == []
        assert c.ask("GET", "/b").all(NAME) == ["v1"]
        assert c.ask("GET", "/c").all(NAME) == ["v1"]


def test_it_finds_room_in_a_head_at_its_limits(edge):
    """As many fields as may be, the most edits, and then ours."""
    edits = {f"X-{i:02}": "v" for i in range(32)}
    fields = [(f"p-{i:03}", "p") for i in range(20)]
    p, client = edge(fields, config={**NAMED, "limits": {"header_count": 24}},
                     routes=[{"response_headers": {"add": edits}}])
    with client(p.port) as c:
        for _ in range(2):
            got = c.ask("GET", "/")
            assert got.status == 200 and got.all(NAME) == ["v1"]
            for name, value in {**edits, **dict(fields)}.items():
                assert got.all(name) == [value]


def test_what_the_client_says_of_it_is_nothing(edge):
    p, client = edge()
    with client(p.port) as c:
        got = c.ask("GET", "/", fields=[(NAME.lower(), "v2")])
        assert got.all(NAME) == ["v1"]


@pytest.mark.parametrize("client", [Client, H2Client])
def test_the_proxys_own_answers_have_none(proxy, pod, ports, client):
    def torn(asked):
        del asked
    p = proxy({**NAMED, "services": {
        "empty": service({"v1": []}, routes=[{"path": "/empty"}]),
        "refused": service({"v1": [ports.reserve()]},
                           routes=[{"path": "/refused"}]),
        "torn": service({"v1": [pod(torn).port]}, routes=[{"path": "/torn"}]),
        "moved": service({"v1": [pod().port]}, routes=[
            {"path": "/moved", "redirect": {"path": "/new"}}])}})
    for path, status in (("/empty", 503), ("/refused", 502), ("/torn", 502),
                         ("/moved", 302), ("/none", 404)):
        with client(p.port) as c:
            got = c.ask("GET", path)
            assert (got.status, got.all(NAME)) == (status, []), path
    with Client(p.port) as c:
        c.send(b"GET / HTTP/1.1\r\n\r\n")
        got = c.response()
        assert (got.status, got.all(NAME)) == (400, [])


def test_answers_of_any_status_have_it(shop, pod):
    p = shop({"v1": [pod(lambda asked: Answer(
        int(asked.target[1:]), "", [(NAME, "x")]).h1(asked.method)).port]},
        config=NAMED)
    with Client(p.port) as c:
        for status in (200, 204, 301, 304, 404, 500, 503):
            got = c.ask("GET", f"/{status}")
            assert (got.status, got.all(NAME)) == (status, ["v1"])


def test_interim_answers_have_none(shop, pod):
    p = shop({"v1": [pod(lambda asked: b"HTTP/1.1 103 X\r\nLink: y\r\n\r\n"
                         + answer(200, "x")).port]}, config=NAMED)
    with Client(p.port) as c:
        c.send(request())
        first, last = c.response(), c.response()
        assert (first.status, first.all(NAME)) == (103, [])
        assert (last.status, last.all(NAME)) == (200, ["v1"])


def test_a_tunnel_has_it(shop, pod):
    async def tunnel(reader, writer):
        asked = await read_request(reader, writer)
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: " + asked.get("Upgrade").encode() +
                     b"\r\nX-Shunt-Version: mine\r\n\r\n")
        writer.write(await reader.readexactly(5))
        await writer.drain()
    p = shop({"v1": [pod(raw=tunnel).port]}, config=NAMED)
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "upgrade"),
                               ("Upgrade", "x-echo")]))
        got = c.head()
        assert (got.status, got.all(NAME)) == (101, ["v1"])
        c.send(b"hello")
        assert c.exactly(5) == b"hello"


def test_chunks_and_large_bodies_are_untouched(shop, pod):
    body = bytes(range(256)) * 4000

    async def respond(asked):
        await asyncio.sleep(0)
        if asked.target == "/chunks":
            return (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        return answer(200, body)
    p = shop({"v1": [pod(respond).port]}, config=NAMED)
    with Client(p.port) as c:
        for path in ("/chunks", "/length"):
            got = c.ask("GET", path)
            assert got.all(NAME) == ["v1"] and got.body == body


def test_after_a_retry_it_names_who_answered(shop, pod):
    """v2 closes without an answer, v3 is asked instead."""
    def torn(asked):
        del asked
    broken = pod(torn)
    p = shop({"v1": [pod().port], "v2": [broken.port], "v3": [pod().port]},
             config=NAMED, service={
                 "weights": {"v1": 0, "v2": 1, "v3": 0}, "stable": "v3",
                 "retry": {"version": "stable", "budget": "100%"}})
    for _ in range(3):
        got = get(p.port)
        assert (got.status, got.all(NAME)) == (200, ["v3"])
    assert len(broken.asked) == 3


def test_stable_in_place_of_an_empty_version(shop, pod):
    p = shop({"v1": [pod().port], "v2": []}, config=NAMED,
             service={"weights": {"v2": 1}})
    assert get(p.port).all(NAME) == ["v1"]


def test_a_reload_switches_it(shop, pod):
    p = shop({"v1": [pod().port]}, workers=1)
    with Client(p.port) as c:
        for on in (True, False, True):
            p.config["forward"] = {"version": on}
            p.write(p.config)
            assert p.api("POST", "/api/v1/reload")[0] == 200
            assert c.ask().all(NAME) == (["v1"] if on else [])


def test_nothing_odd_can_break_it(shop, pod):
    """A head that the proxy refuses ends before there is a version."""
    p = shop({"v1": [pod(lambda asked: b"HTTP/1.1 200 X\r\nA b\r\n\r\n"
                         ).port]}, config=NAMED)
    head = raw(p.port, request(fields=[("Connection", "close")]))
    assert head.startswith(b"HTTP/1.1 502 ")
    assert NAME.lower().encode() not in head.lower()
