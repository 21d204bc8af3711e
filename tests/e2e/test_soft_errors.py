"""Answers that say 200 and mean failure: what is counted, and for whom."""
import asyncio
import gzip
import itertools
import re

import pytest

from client import Client, Load, get, request
from h2pod import Answer
from harness import PATIENCE, wait_for
from pods import answer, app_answer
from test_vanish import vanish

BAD = '{"appVersion":"2","status": "500"}'
GOOD = '{"appVersion":"2","status": "200"}'
RULE = {"body": '"status": *"500"'}
LIMIT = 65536


def start(shop, *ports, errors=None, **options):
    return shop({"v1": list(ports)},
                service={"errors": errors or RULE, **options})


def errors_of(p, version="v1"):
    """{reason: errors} of a version, zeros left out."""
    found = {}
    for labels, n in p.metrics()["shunt_errors_total"].items():
        if f'version="{version}"' in labels and n:
            found[re.search('reason="([^"]*)"', labels).group(1)] = n
    return found


def counted(p, n, errors, version="v1"):
    """Once n answers are counted, these are errors."""
    wait_for(lambda: p.version(version)["requests"] == n, f"{n} are counted")
    assert errors_of(p, version) == errors
    assert p.version(version)["errors"] == sum(errors.values())


def chunked(*pieces, fields=()):
    head = ["HTTP/1.1 200 X", *(f"{n}: {v}" for n, v in fields),
            "Transfer-Encoding: chunked"]
    return "\r\n".join([*head, "", ""]).encode() + b"".join(
        b"%x\r\n%s\r\n" % (len(x), x) for x in pieces) + b"0\r\n\r\n"


def test_the_app_that_says_500_in_its_body(shop, pod):
    turn = itertools.count()
    one = pod(lambda asked: answer(200, BAD if next(turn) % 4 == 0 else GOOD))
    p = start(shop, one.port)
    with Client(p.port) as c:
        for i in range(200):
            assert c.ask().body.decode() == (BAD if i % 4 == 0 else GOOD)
    counted(p, 200, {"body": 50})
    assert p.version("v1")["error_ratio"] == pytest.approx(0.25)
    assert 'code="200"' in str(p.metrics()["shunt_requests_total"])


def test_an_answer_counts_once(shop, pod):
    answers = iter([answer(500, BAD), answer(500, BAD, [("X-Bad", "1")]),
                    answer(200, BAD, [("X-Bad", "1")]),
                    answer(200, BAD), answer(200, GOOD, [("x-bad", "2")]),
                    answer(200, GOOD)])
    one = pod(lambda asked: next(answers))
    p = start(shop, one.port,
              errors={**RULE, "header": {"X-Bad": {"present": True}}})
    for _ in range(6):
        get(p.port)
    counted(p, 6, {"status": 2, "header": 2, "body": 1})


def test_headers(shop, pod):
    """All of a map must hold, one map of a list is enough."""
    one = pod(lambda asked: answer(200, "", [
        tuple(f.split("=")) for f in asked.target[1:].split(",")]))
    p = start(shop, one.port, errors={"header": [
        {"X-Status": {"regex": "^5"}, "X-App": "shop"},
        {"X-Kind": {"contains": "err"}}]})
    for target in ["/X-Status=500,X-App=shop", "/X-Status=500,X-App=other",
                   "/X-Status=200,X-App=shop", "/x-kind=an-error",
                   "/X-Kind=fine"]:
        get(p.port, target)
    with Client(p.port) as c:
        c.ask("HEAD", "/X-Kind=err")
    counted(p, 6, {"header": 3})


@pytest.mark.parametrize("at", [0, 1000, 4095, 30000, LIMIT - len(BAD)])
def test_far_in_a_large_body(shop, pod, at):
    body = b"x" * at + BAD.encode() + b"y" * 3_000_000
    one = pod(lambda asked: answer(200, body))
    p = start(shop, one.port)
    with Client(p.port) as c:
        for _ in range(3):
            assert c.ask().body == body
    counted(p, 3, {"body": 3})


@pytest.mark.parametrize("at,n", [(1000, 1), (LIMIT - 500, 1), (LIMIT, 0)])
def test_a_body_that_would_be_spliced(shop, pod, loop, at, n):
    """It comes behind its head, so all of it could pass unread."""
    seen = asyncio.Event()
    body = b"x" * at + BAD.encode() + b"y" * 3_000_000

    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n"
                     % len(body))
        await writer.drain()
        await asyncio.wait_for(seen.wait(), PATIENCE)
        writer.write(body)
        await writer.drain()
        await reader.read()
    one = pod(raw=raw)
    p = start(shop, one.port)
    with Client(p.port) as c:
        c.send(request())
        c.head()
        loop.loop.call_soon_threadsafe(seen.set)
        assert c.exactly(len(body)) == body
    counted(p, 1, {"body": 1} if n else {})


def test_behind_what_is_looked_at(shop, pod):
    body = b"x" * (LIMIT - len(BAD) + 2) + BAD.encode() + b"y" * 1_000_000
    one = pod(lambda asked: answer(200, body))
    p = start(shop, one.port)
    assert get(p.port).body == body
    counted(p, 1, {})


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_chunks(shop, pod, size):
    body = b"-" * 2000 + BAD.encode() + b"-" * 2000
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    one = pod(lambda asked: chunked(*pieces))
    p = start(shop, one.port)
    assert get(p.port).body == body
    counted(p, 1, {"body": 1})


def test_a_body_that_ends_with_the_connection(shop, pod):
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\n\r\n" + BAD.encode())
        await writer.drain()
    one = pod(raw=raw)
    p = start(shop, one.port)
    assert get(p.port).body.decode() == BAD
    counted(p, 1, {"body": 1})


def test_compressed_bodies_are_not_judged(shop, pod):
    """Not even where the bytes would match."""
    answers = iter([
        answer(200, BAD, [("Content-Encoding", "gzip")]),
        answer(200, gzip.compress(BAD.encode()),
               [("Content-Encoding", "gzip")]),
        answer(200, BAD, [("Content-Encoding", "identity")])])
    one = pod(lambda asked: next(answers))
    p = start(shop, one.port)
    for _ in range(3):
        get(p.port)
    counted(p, 3, {"body": 1})


def test_answers_without_a_body(shop, pod):
    def respond(asked):
        if asked.method == "HEAD":
            return answer(200, BAD).replace(BAD.encode(), b"")
        return b"HTTP/1.1 204 X\r\n\r\n"
    one = pod(respond)
    p = start(shop, one.port, errors={"body": "."})
    with Client(p.port) as c:
        assert c.ask("HEAD", "/").status == 200
        assert c.ask().status == 204
    counted(p, 2, {})


def test_tunnels_are_not_judged(shop, pod):
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: any\r\n\r\n" + BAD.encode())
        await writer.drain()
        await reader.read()
    one = pod(raw=raw)
    p = start(shop, one.port)
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "upgrade"),
                               ("Upgrade", "any")]))
        assert c.head().status == 101
        assert c.exactly(len(BAD)).decode() == BAD
    counted(p, 1, {})


@pytest.mark.parametrize("head", [
    b"Content-Length: 60\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
def test_nothing_is_held_back(shop, pod, loop, head):
    """The pod sends the rest when the client has seen the first part."""
    seen = asyncio.Event()
    first, last = b"-" * 28 + b'"stat', b'us":"500"' + b"-" * 18

    def part(piece):
        return b"%x\r\n%s\r\n" % (len(piece), piece) if b"chunked" in head \
            else piece

    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\n" + head + part(first))
        await writer.drain()
        await asyncio.wait_for(seen.wait(), PATIENCE)
        writer.write(part(last) + (b"0\r\n\r\n" if b"chunked" in head
                                   else b""))
        await writer.drain()
        await reader.read()
    one = pod(raw=raw)
    p = start(shop, one.port)
    with Client(p.port) as c:
        c.send(request())
        assert c.head().status == 200
        assert c.exactly(len(part(first))) == part(first)
        loop.loop.call_soon_threadsafe(seen.set)
        assert c.exactly(len(part(last))) == part(last)
    counted(p, 1, {"body": 1})


@pytest.mark.parametrize("size", [0, 3000, 200000])
def test_pods_of_http2(shop, h2_pod, size):
    one = h2_pod(lambda asked: Answer(
        200, " " * (size // 4) + (BAD if asked.target == "/bad" else GOOD)
        + " " * size))
    p = start(shop, one.port, protocol="h2c")
    for path in ["/bad", "/good", "/bad"]:
        assert get(p.port, path).status == 200
    counted(p, 3, {"body": 2})


def test_a_client_that_leaves(shop, pod, loop):
    """What had come by then is judged; nobody waits for more."""
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n"
                     + BAD.encode())
        await writer.drain()
        await reader.read()
    one = pod(raw=raw)
    p = start(shop, one.port)
    with Client(p.port) as c:
        c.send(request())
        c.head()
        c.exactly(len(BAD))
        vanish(c, reset=True)
    wait_for(lambda: errors_of(p) == {"body": 1, "client_abort": 1},
             "both are counted")


def test_the_pod_that_fails_is_ejected(shop, pod):
    """Its version does well with the other one."""
    bad, good = pod(lambda asked: answer(200, BAD)), pod(
        lambda asked: app_answer("1"))
    p = start(shop, bad.port, good.port, retry={"attempts": 0}, outlier={
        "consecutive_errors": 5, "error_ratio": "0%", "eject": "1h",
        "max_eject": "1h"})
    load = Load(p.port, 8).start()
    wait_for(lambda: p.pods("v1")[bad.port] == "ejected", "it is ejected")
    load.stop()
    assert len(bad.asked) <= 5 - 1 + 8
    assert errors_of(p) == {"body": len(bad.asked)}


def test_copies_of_a_mirror(shop, pod):
    real, copies = pod(lambda asked: answer(200, GOOD)), pod(
        lambda asked: answer(200, BAD))
    p = shop({"v1": [real.port], "v2": [copies.port]},
             service={"errors": RULE, "mirror": {"version": "v2"}})
    for _ in range(5):
        assert get(p.port).body.decode() == GOOD
    wait_for(lambda: p.status()["mirror"]["requests"] == 5, "copies are over")
    assert errors_of(p) == {} and errors_of(p, "v2") == {}
    mirrored = p.metrics()["shunt_mirror_errors_total"]
    assert {k: v for k, v in mirrored.items() if v} == {
        'service="shop",version="v2",reason="body"': 5}


def test_a_reload_in_the_middle_of_an_answer(shop, pod, loop):
    """An answer is judged by the file that its request came under."""
    go_on = asyncio.Event()

    async def respond(asked):
        if asked.target == "/slow":
            await asyncio.wait_for(go_on.wait(), PATIENCE)
        return answer(200, BAD)
    one = pod(respond)
    p = start(shop, one.port)
    with Client(p.port) as c:
        c.send(request(path="/slow"))
        wait_for(lambda: one.asked, "it is under way")
        config = dict(p.config)
        del config["services"]["shop"]["errors"]
        p.write(config)
        assert p.api("POST", "/api/v1/reload")[0] == 200
        loop.loop.call_soon_threadsafe(go_on.set)
        assert c.response().body.decode() == BAD
        c.ask()
    counted(p, 2, {"body": 1})


def test_evil_regex(shop, pod):
    """A body of 64 KiB that costs a plain search seconds costs little."""
    one = pod(lambda asked: answer(200, "a" * LIMIT * 2))
    p = start(shop, one.port, errors={"body": "a*[bc]"})
    load = Load(p.port, 4, 40).run()
    assert load.failures() == []
    counted(p, 40, {})
