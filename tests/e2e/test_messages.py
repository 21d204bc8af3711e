"""Messages as RFC 9110 and 9112 have them, seen from both ends at once."""
import asyncio
import re
import socket
import subprocess
import time

import pytest

from client import Client, get, raw, request
from harness import wait_for
from pods import answer, app_answer, echo, read_request

DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|"
                  r"Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT")


@pytest.fixture
def one(shop, pod):
    """A proxy before one pod: one(respond) or one(raw=...)."""
    def start(respond=echo, raw=None, **options):
        backend = pod(respond, raw)
        options.setdefault("workers", 1)
        p = shop({"v1": [backend.port]}, **options)
        p.backend = backend
        return p
    return start


def statuses(c, n, **named):
    return [c.response(**named).status for _ in range(n)]


def trailers_of(c):
    """(body, trailer lines) of a chunked body."""
    body = b""
    while True:
        n = int(c.until(b"\r\n"), 16)
        if n == 0:
            break
        body += c.exactly(n)
        assert c.exactly(2) == b"\r\n"
    lines = []
    while True:
        line = c.until(b"\r\n")[:-2]
        if not line:
            return body, lines
        lines.append(line.decode())


# Answers in order

def test_pipelined_answers_of_every_shape(one):
    """None of them may take a byte of its neighbour's."""
    def respond(asked):
        kind = asked.target[1:]
        if kind == "none":
            return b"HTTP/1.1 204 X\r\n\r\n"
        if kind == "same":
            return b"HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n"
        if kind == "chunks":
            return (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"3\r\nabc\r\n0\r\n\r\n")
        data = answer(200, b"12345")
        return data[:-5] if asked.method == "HEAD" else data
    p = one(respond)
    asked = [("GET", "/none"), ("HEAD", "/body"), ("GET", "/body"),
             ("GET", "/same"), ("HEAD", "/body"), ("GET", "/chunks"),
             ("POST", "/none"), ("GET", "/body")]
    want = [(204, b""), (200, b""), (200, b"12345"), (304, b""), (200, b""),
            (200, b"abc"), (204, b""), (200, b"12345")]
    with Client(p.port) as c:
        for _ in range(3):
            c.send(b"".join(request(m, t) for m, t in asked))
            got = [c.response(head_method=m == "HEAD") for m, _ in asked]
            assert [(g.status, g.body) for g in got] == want
    assert p.backend.connections == 1


def test_a_body_after_204_is_not_the_next_answer(one):
    """The pod frames wrongly: what it sent too much must go nowhere."""
    async def wrong(reader, writer):
        while True:
            asked = await read_request(reader, writer)
            if asked.target == "/204":
                writer.write(b"HTTP/1.1 204 X\r\nContent-Length: 45\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
                writer.write(answer(200, b"stolen"))
            else:
                writer.write(answer(200, b"right"))
    p = one(raw=wrong)
    for _ in range(5):
        assert get(p.port, "/204").status == 204
        assert get(p.port).body == b"right"


# Interim answers

def interim(*codes):
    async def respond(reader, writer):
        while True:
            await read_request(reader, writer)
            for code in codes:
                writer.write(f"HTTP/1.1 {code} X\r\nLink: </{code}>\r\n\r\n"
                             .encode())
                await writer.drain()
                await asyncio.sleep(0.005)
            writer.write(app_answer("1"))
    return respond


@pytest.mark.parametrize("codes", [[103], [103, 103], [102, 103], [100],
                                   [199, 100, 103]])
def test_interim_answers_pass_in_order(one, codes):
    p = one(raw=interim(*codes))
    with Client(p.port) as c:
        for _ in range(3):
            c.send(request())
            heads = [c.head() for _ in codes]
            assert [h.status for h in heads] == codes
            assert [h.get("Link") for h in heads] == [
                f"</{code}>" for code in codes]
            got = c.response()
            assert got.status == 200 and got.json()["appVersion"] == "1"


def test_several_100s_answer_one_expectation(one):
    async def eager(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 3)
        assert await reader.readexactly(5) == b"hello"
        writer.write(answer(200, b"thanks"))
        await writer.drain()
    p = one(raw=eager)
    with Client(p.port) as c:
        c.send(request("POST", fields=[("Expect", "100-continue"),
                                       ("Content-Length", "5")]))
        assert statuses(c, 3) == [100] * 3
        c.send(b"hello")
        assert c.response().body == b"thanks"


def test_http_1_0_knows_no_interim_answers(one):
    p = one(raw=interim(100, 103))
    got = raw(p.port, b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert got.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n",
    b"HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 100 X\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n"])
def test_answers_that_nobody_may_give_are_502(one, data):
    p = one(lambda asked: data + app_answer("1"))
    got = get(p.port)
    assert got.status == 502 and b"malformed" in got.body
    assert p.version("v1")["errors"] == 1


@pytest.mark.parametrize("status", [401, 413, 417])
def test_expectation_refused_at_once(one, status):
    """The answer comes before the body, which nobody wants any more."""
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(status, b"no"))
        await writer.drain()
        await reader.read()
    p = one(raw=refuse)
    with Client(p.port) as c:
        c.send(request("POST", fields=[("Expect", "100-continue"),
                                       ("Content-Length", "1000000")]))
        got = c.response()
        assert (got.status, got.body) == (status, b"no")
        # Whatever comes now could be a body or a request: so it is over.
        assert got.closes() and c.closed()
    p.wait_idle()


def curl(p, *arguments):
    return subprocess.run(
        ["curl", "-sv", "--max-time", "60", "-H", "Expect: 100-continue",
         *arguments, f"http://127.0.0.1:{p.port}/"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=90)


@pytest.mark.parametrize("status", [401, 403])
def test_expectation_refused_with_curl(one, tmp_path, status):
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(status, b"no"))
        await writer.drain()
        await reader.read()
    body = tmp_path / "body"
    body.write_bytes(b"x" * 3_000_000)
    done = curl(one(raw=refuse), "--expect100-timeout", "60",
                "--data-binary", f"@{body}")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"no"
    assert f"< HTTP/1.1 {status} ".encode() in done.stderr


# Trailers

def test_trailers_reach_the_client_that_takes_them(one):
    async def respond(reader, writer):
        while True:
            asked = await read_request(reader, writer)
            assert asked.get("TE") == "trailers"
            assert "te" in asked.get("Connection").lower()
            writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n"
                         b"Trailer: X-Sum, X-Sign\r\n\r\n"
                         b"3\r\nabc\r\n0\r\nX-Sum: 7\r\nX-S")
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(b"ign: z\r\n\r\n")
    p = one(raw=respond)
    with Client(p.port) as c:
        for _ in range(3):
            c.send(request(fields=[("TE", "trailers"),
                                   ("Connection", "TE")]))
            got = c.head()
            assert got.get("Trailer") == "X-Sum, X-Sign"
            assert trailers_of(c) == (b"abc", ["X-Sum: 7", "X-Sign: z"])


def test_trailers_reach_the_pod(one):
    seen = []

    async def respond(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readuntil(b"\r\n0\r\n")
            rest = b""
            while True:
                line = await reader.readuntil(b"\r\n")
                if line == b"\r\n":
                    break
                rest += line
            seen.append((head, body, rest))
            writer.write(app_answer("1"))
    p = one(raw=respond)
    data = (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            b"Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n"
            b"X-Other:  y \r\n\r\n")
    with Client(p.port) as c:
        c.send(data)
        assert c.response().status == 200
        for byte in data:
            c.send(bytes([byte]))
        assert c.response().status == 200
    for head, _, rest in seen:
        assert b"Trailer: X-Sum\r\n" in head
        assert rest == b"X-Sum: 7\r\nX-Other: y\r\n"
    assert len(seen) == 2


FORBIDDEN = ["Content-Length: 5", "Transfer-Encoding: chunked", "Host: evil",
             "Authorization: x", "Connection: close", "Content-Type: x",
             "X-Forwarded-For: 1.2.3.4", "Set-Cookie: a=b", "TE: trailers"]


@pytest.mark.parametrize("line", FORBIDDEN)
def test_trailers_that_would_change_the_head_are_dropped(one, line):
    """RFC 9110 6.5.1: framing, routing and the like have no place there."""
    seen = []

    async def respond(reader, writer):
        await reader.readuntil(b"\r\n0\r\n")
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"0\r\nX: y\r\n" + line.encode() + b"\r\n\r\n")
        await writer.drain()
    p = one(raw=respond)
    with Client(p.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
               b"TE: trailers\r\nConnection: TE\r\n\r\n1\r\na\r\n0\r\nX: y\r\n"
               + line.encode() + b"\r\n\r\n")
        assert c.head().status == 200
        assert trailers_of(c) == (b"", ["X: y"])
    assert seen == [b"X: y\r\n\r\n"]


BAD_TRAILERS = [b"X : y", b"X", b": y", b"X: a\x01", b" X: y", b"X: y\r\n z",
                b"GET / HTTP/1.1"]


@pytest.mark.parametrize("line", BAD_TRAILERS)
def test_malformed_trailers_are_refused(one, line):
    """They come too late for a whole request to have reached the pod."""
    p = one()
    got = raw(p.port, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                      b"chunked\r\n\r\n1\r\na\r\n0\r\n" + line + b"\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.") == 1
    assert p.backend.asked == []


# Chunks

BAD_CHUNKS = [b"-1\r\na\r\n", b"+1\r\na\r\n", b" 1\r\na\r\n", b"0x1\r\na\r\n",
              b"1\na\r\n", b"1\r\na\n", b"1\r\nab\r\n", b"g\r\n", b"\r\n",
              b";x\r\na\r\n", b"1 1\r\na\r\n", b"1\x0b\r\na\r\n",
              b"1;a\rb\r\na\r\n", b"1;a\nb\r\na\r\n", b"1;\x00\r\na\r\n",
              b"fffffffffffffffff\r\na", b"10000000000000001\r\na\r\n",
              b"1" + b";x" * 400 + b"\r\na\r\n",
              b"1" + b" " * 800 + b"\r\na\r\n", b"1\r\na\r\n0\n\r\n",
              b"1\r\na\r\n0\r\n\n", b"1\r\na\r\n00000000000000000\r\n\r\n"]


@pytest.mark.parametrize("body", BAD_CHUNKS, ids=lambda b: repr(b[:12]))
def test_malformed_chunks_are_400(one, body):
    p = one()
    got = raw(p.port, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                      b"chunked\r\n\r\n" + body + b"0\r\n\r\n"
                      + request(path="/smuggled"))
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.") == 1
    assert p.backend.asked == []


@pytest.mark.parametrize("body", BAD_CHUNKS, ids=lambda b: repr(b[:12]))
def test_malformed_chunks_of_a_pod_end_the_answer(one, body):
    """The head is gone: what the client can see is that it is not whole."""
    async def wrong(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(body)
        await writer.drain()
        await reader.read()
    p = one(raw=wrong)
    got = raw(p.port, request())
    assert got.startswith(b"HTTP/1.1 200 ")
    assert not got.endswith(b"0\r\n\r\n")
    assert p.version("v1")["errors"] == 1


# Answers that end with their connection

async def closing(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 X\r\nX-A: b\r\n\r\n" + b"x" * 70000)
    await writer.drain()


def test_close_delimited_becomes_chunks(one):
    """So that the client's connection lives on, and the end is certain."""
    p = one(raw=closing)
    with Client(p.port) as c:
        for _ in range(3):
            got = c.ask()
            assert got.get("Transfer-Encoding") == "chunked"
            assert got.body == b"x" * 70000 and got.get("X-A") == "b"


def test_close_delimited_to_http_1_0(one):
    p = one(raw=closing)
    for line in (b"", b"Connection: keep-alive\r\n"):
        with Client(p.port) as c:
            c.send(b"GET / HTTP/1.0\r\n" + line + b"\r\n")
            got = c.head()
            assert got.get("Transfer-Encoding") is None
            assert (got.get("Connection") or "close").lower() == "close"
            assert c.rest() == b"x" * 70000


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("length", [False, True])
def test_http_1_0_pods(one, keep, length):
    """Their connections are used again only when they say so."""
    async def old(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 X\r\n"
                         + (b"Connection: keep-alive\r\n" if keep else b"")
                         + (b"Content-Length: 3\r\n" if length else b"")
                         + b"\r\nold")
            await writer.drain()
            if not length:
                return
    p = one(raw=old)
    with Client(p.port) as c:
        for _ in range(4):
            c.send(request())
            got = c.head()
            assert (got.minor, got.status) == (1, 200)
            if got.get("Transfer-Encoding"):
                assert c.chunked() == b"old"
            else:
                assert c.exactly(int(got.get("Content-Length"))) == b"old"
    assert p.backend.connections == (1 if keep and length else 4)


# Answers before the body's end

@pytest.mark.parametrize("chunked", [False, True])
def test_413_and_close_in_the_middle_of_a_body(one, chunked):
    """The pod leaves unread bytes behind, so its kernel resets: the client
    still gets its words."""
    async def full(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1000)
        writer.write(answer(413, b"enough", [("Connection", "close")]))
        await writer.drain()
    p = one(raw=full)
    framing = ("Transfer-Encoding", "chunked") if chunked else (
        "Content-Length", str(1 << 30))
    piece = b"x" * 65536
    if chunked:
        piece = b"10000\r\n" + piece + b"\r\n"
    for _ in range(5):
        with Client(p.port) as c:
            c.send(request("POST", fields=[framing]) + piece)
            got = c.response()
            assert (got.status, got.body) == (413, b"enough")
            assert got.closes()
            end = time.monotonic() + 20
            with pytest.raises(OSError):  # it is not read for ever
                while time.monotonic() < end:
                    c.send(piece)
    p.wait_idle()


def test_413_while_the_pod_reads_on(one):
    async def polite(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(413, b"enough"))
        await writer.drain()
        while await reader.read(1 << 16):
            pass
    p = one(raw=polite)
    with Client(p.port) as c:
        c.send(request("POST", fields=[("Content-Length", "3000000")]))
        got = c.response()
        assert (got.status, got.body) == (413, b"enough")
        assert got.closes()
    p.wait_idle()
    assert get(p.port).status == 413


def test_an_answer_with_a_long_body_before_the_request_ended(one):
    """Both directions move at once."""
    async def both(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            piece = await reader.readexactly(1000)
            writer.write(b"3e8\r\n" + piece + b"\r\n")
            await writer.drain()
            if piece[:1] == b"9":
                writer.write(b"0\r\n\r\n")
                return
    p = one(raw=both)
    with Client(p.port) as c:
        c.send(request("POST", fields=[("Content-Length", "10000")]))
        assert c.head().status == 200
        for i in range(10):
            c.send(b"%d" % i * 1000)
            body = b""
            while len(body) < 1000:
                n = int(c.until(b"\r\n"), 16)
                body += c.exactly(n)
                c.exactly(2)
            assert body == b"%d" % i * 1000
        assert c.until(b"\r\n\r\n") == b"0\r\n\r\n"


# Clients that close one direction

def test_half_closed_client_gets_all_its_answers(one):
    async def slow(asked):
        await asyncio.sleep(0.1)
        return answer(200, asked.target)
    p = one(slow)
    with Client(p.port) as c:
        c.send(b"".join(request(path=f"/{i}") for i in range(3)))
        c.socket.shutdown(socket.SHUT_WR)
        assert [c.response().body for _ in range(3)] == [b"/0", b"/1", b"/2"]
        assert c.closed()
    p.wait_idle()


def test_half_closed_with_half_a_body(one):
    """It will never be whole: nothing waits for it."""
    p = one()
    with Client(p.port) as c:
        c.send(request("POST", fields=[("Content-Length", "10")]) + b"half")
        c.socket.shutdown(socket.SHUT_WR)
        got = c.rest()
        assert got == b"" or got.startswith(b"HTTP/1.1 400 ")
    p.wait_idle()
    assert p.backend.asked == []


def test_half_closed_with_half_a_head(one):
    p = one()
    with Client(p.port) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        c.socket.shutdown(socket.SHUT_WR)
        got = c.rest()
        assert got == b"" or got.startswith(b"HTTP/1.1 400 ")
    assert p.backend.asked == []


# Methods and targets

@pytest.mark.parametrize("method", [
    "M-SEARCH", "FOO!", "get", "PROPPATCH", "X" * 100,
    "!#$%&'*+-.^_`|~09aZ"])
def test_any_token_is_a_method(one, method):
    p = one()
    with Client(p.port) as c:
        assert c.ask(method).json()["method"] == method
        assert c.ask(method, body=b"abc").json()["body"] == "abc"


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_max_forwards(one, method):
    """Counted down, and at 0 the proxy is the last recipient."""
    p = one()
    with Client(p.port) as c:
        for have, want in (("5", "4"), ("1", "0"), ("007", "6")):
            seen = c.ask(method, fields=[("Max-Forwards", have)]).json()
            assert ["Max-Forwards", want] in seen["fields"]
        before = len(p.backend.asked)
        got = c.ask(method, fields=[("Max-Forwards", "0")])
        assert len(p.backend.asked) == before
        if method == "OPTIONS":
            assert got.status in (200, 204)
        assert c.ask("GET").status == 200


def test_max_forwards_is_no_business_of_other_methods(one):
    p = one()
    with Client(p.port) as c:
        for value in ("0", "5", "x"):
            seen = c.ask("GET", fields=[("Max-Forwards", value)]).json()
            assert ["Max-Forwards", value] in seen["fields"]


def test_absolute_targets(one):
    p = one()
    with Client(p.port) as c:
        for target, want in (("http://a/b?c", "/b?c"), ("http://a", "/"),
                             ("http://a?c", "/?c"), ("HTTP://A/", "/")):
            seen = c.ask("GET", target, host="a").json()
            assert seen["target"] == want
            assert ["Host", "a"] in seen["fields"]
    # HTTP/1.0 may leave Host away: then the target says it, port and all.
    with Client(p.port) as c:
        c.send(b"GET http://a.example:81/b HTTP/1.0\r\n\r\n")
        seen = c.response().json()
        assert seen["target"] == "/b"
        assert [v for n, v in seen["fields"] if n.lower() == "host"] == [
            "a.example:81"]


def test_http_1_0_without_any_host(one):
    """HTTP/1.1 needs one, and nginx, for one, takes no empty one: then it is
    where the request arrived."""
    p = one()
    with Client(p.port) as c:
        c.send(b"GET / HTTP/1.0\r\n\r\n")
        seen = c.response().json()
    hosts = [v for n, v in seen["fields"] if n.lower() == "host"]
    assert hosts == [f"127.0.0.1:{p.port}"]


@pytest.mark.parametrize("data", [
    b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://u@a/ HTTP/1.0\r\n\r\n",
    b"GET http://a\"b/ HTTP/1.0\r\n\r\n",
    b"GET http://a,b/ HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"])
def test_whom_it_is_for_must_be_certain(one, data):
    p = one()
    assert raw(p.port, data).startswith(b"HTTP/1.1 400 ")
    assert p.backend.asked == []


# Date

def test_date_is_added_where_it_is_missing(one):
    def respond(asked):
        if asked.target == "/own":
            return answer(200, "x", [("Date", "long ago")])
        if asked.target == "/dropped":
            return answer(200, "x", [("Connection", "date"),
                                     ("Date", "long ago")])
        return answer(200, "x")
    p = one(respond)
    with Client(p.port) as c:
        assert c.ask(path="/own").all("Date") == ["long ago"]
        for path in ("/", "/dropped"):
            dates = c.ask(path=path).all("Date")
            assert len(dates) == 1 and DATE.fullmatch(dates[0]), dates
    assert DATE.search(raw(p.port, b"rubbish\r\n\r\n").decode())


# Lists without end

def test_a_connection_field_without_end_is_refused(one):
    p = one()
    with Client(p.port) as c:
        assert c.ask(fields=[("Connection", ", ".join("abcdefgh"))]
                     ).status == 200
    got = get(p.port, fields=[("Connection", ",".join("x" * 20000))])
    assert got.status == 431 and got.closes()
    wait_for(lambda: len(p.backend.asked) == 1, "one request")
