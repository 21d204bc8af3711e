"""HTTP/2 to clients: known clients, requests and answers, trailers."""
import asyncio
import os
import subprocess

import pytest

from client import Client, get
from h2client import H2Client
from harness import wait_for
from pods import answer, app_answer
from rawh2 import RawH2, headers, settings

MIB = 1 << 20


def fields_of(reply):
    assert reply.status == 200, (reply.status, reply.body)
    return [(n.lower(), v) for n, v in reply.json()["fields"]]


# Known clients

@pytest.mark.parametrize("arguments", [
    ["--http2"], ["--http2", "-d", "x=1"], ["--http2", "-I"],
    ["--http1.1"]])
def test_curl_over_tls(tls_shop, pod, certs, arguments):
    p = tls_shop({"v1": [pod().port]}, workers=1)
    done = curl(f"https://localhost:{p.tls}/", "--cacert", certs.ca,
                *arguments)
    assert done == ("1.1 200" if "--http1.1" in arguments else "2 200")


@pytest.mark.parametrize("arguments", [[], ["-d", "x=1"], ["-I"]])
def test_curl_with_prior_knowledge(plain, arguments):
    p = plain()
    assert curl(f"http://localhost:{p.port}/", "--http2-prior-knowledge",
                *arguments) == "2 200"


def test_curl_upgrade_is_not_taken(plain):
    """RFC 9113 has no Upgrade: h2c any more; HTTP/1.1 answers."""
    p = plain()
    assert curl(f"http://localhost:{p.port}/", "--http2") == "1.1 200"
    (asked,) = p.pod.asked
    for name in ("Upgrade", "HTTP2-Settings"):
        assert asked.get(name) is None


def curl(url, *arguments):
    """"VERSION STATUS" of the answer."""
    done = subprocess.run(
        ["curl", "-s", "--max-time", "30", "-o", os.devnull, "-w",
         "%{http_version} %{http_code}", *arguments, url],
        stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.returncode
    return done.stdout.decode()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_h2load_fails_nothing(tls_shop, app, scheme):
    p = tls_shop({"v1": [app("1").port]})
    port = p.port if scheme == "http" else p.tls
    done = subprocess.run(
        ["h2load", "-n", "3000", "-c", "10", "-m", "20",
         f"{scheme}://127.0.0.1:{port}/"], stdout=subprocess.PIPE, text=True,
        timeout=60)
    assert "3000 succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout


def test_http2_can_be_turned_off(tls_shop, pod, certs):
    """In clear text the preface is then a bad request of HTTP/1."""
    p = tls_shop({"v1": [pod().port]}, listener={"http2": False}, workers=1)
    config = {**p.config, "listen": [
        {**listener, "http2": False} for listener in p.config["listen"]]}
    p.write(config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    with Client(p.port) as c:
        c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        got = c.rest()
    assert got.startswith((b"HTTP/1.1 400", b"HTTP/1.1 505", b"HTTP/1.1 501"))
    assert get(p.port).status == 200 and certs


def test_the_preface_may_come_byte_by_byte(plain):
    p = plain()
    with RawH2(p.port, greet=False) as c:
        whole = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings() + headers(1)
        for byte in whole:
            c.send(bytes([byte]))
        assert c.status(1) == 200


# Requests and answers

def test_a_request_as_the_pod_sees_it(door):
    d = door()
    with d.client() as c:
        reply = c.ask("GET", "/a/b?c=d", fields=[("X-One", "1"),
                                                 ("x-two", "2")])
        got = reply.json()
        fields = fields_of(reply)
    assert (got["method"], got["target"], got["protocol"]) == (
        "GET", "/a/b?c=d", "HTTP/1.1")
    assert [v for n, v in fields if n == "host"] == ["shop.test"]
    assert ("x-one", "1") in fields and ("x-two", "2") in fields
    assert not [n for n, _ in fields if n.startswith(":")]
    assert ("x-forwarded-proto",
            "https" if d.kind == "tls" else "http") in fields
    assert ("x-forwarded-host", "shop.test") in fields
    assert ("x-forwarded-for", "127.0.0.1") in fields
    assert any(n == "via" and v.startswith("2") for n, v in fields)


def test_an_answer_as_the_client_sees_it(plain):
    p = plain(lambda asked: answer(200, "x", [
        ("X-Mixed-Case", "1"), ("Connection", "keep-alive, x-hop"),
        ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"), ("Upgrade", "h2c")]))
    with H2Client(p.port) as c:
        reply = c.ask()
    names = [n for n, _ in reply.fields]
    assert reply.get("x-mixed-case") == "1"
    assert reply.all("set-cookie") == ["a=1", "b=2"]
    assert not {"connection", "x-hop", "keep-alive", "upgrade",
                "transfer-encoding"} & set(names)
    assert reply.get("content-length") == "1"
    assert reply.get("date") and bytes(reply.body) == b"x"


def test_many_streams_in_parallel(door):
    """All are at the pod at once, and answered in the order it likes."""
    gate, waiting = asyncio.Event(), []

    async def respond(asked):
        waiting.append(asked.target)
        await gate.wait()
        return answer(200, asked.target)
    d = door(respond)
    with d.client() as c:
        streams = [c.request(path=f"/{i}") for i in range(100)]
        wait_for(lambda: len(waiting) == 100, "all have reached the pod")
        d.pod.loop.loop.call_soon_threadsafe(gate.set)
        got = [bytes(r.body).decode() for r in c.responses(streams)]
    assert got == [f"/{i}" for i in range(100)]


def test_an_answer_overtakes(plain):
    gate = asyncio.Event()

    async def respond(asked):
        if asked.target == "/slow":
            await gate.wait()
        return app_answer("1")
    p = plain(respond)
    with H2Client(p.port) as c:
        slow = c.request(path="/slow")
        assert [c.ask().status for _ in range(5)] == [200] * 5
        assert not c.replies[slow].ended
        p.pod.loop.loop.call_soon_threadsafe(gate.set)
        assert c.response(slow).status == 200


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 65535, 65536, MIB])
def test_bodies_of_every_size(plain, size):
    data = os.urandom(size)
    p = plain(lambda asked: answer(200, asked.body))
    with H2Client(p.port) as c:
        for fields in ((), (("Content-Length", str(size)),)):
            reply = c.ask("POST", fields=fields, body=data)
            assert reply.status == 200 and reply.body == data


def test_bodies_both_ways_on_many_streams(door):
    data = [os.urandom(300_000) for _ in range(8)]
    d = door(lambda asked: answer(200, asked.body))
    with d.client() as c:
        streams = [c.start("POST", f"/{i}") for i in range(8)]
        for at in range(0, 300_000, 30_000):
            for stream, body in zip(streams, data):
                c.send(stream, body[at:at + 30_000])
        for stream in streams:
            c.send(stream, end=True)
        assert [r.body for r in c.responses(streams)] == data


def test_a_length_that_is_known_stays(plain):
    p = plain()
    with H2Client(p.port) as c:
        known = fields_of(c.ask("POST", fields=[("Content-Length", "5")],
                                body=b"hello"))
        assert ("content-length", "5") in known
        assert "transfer-encoding" not in dict(known)
        unknown = fields_of(c.ask("POST", body=b"hello"))
        assert ("transfer-encoding", "chunked") in unknown
        nothing = fields_of(c.ask("GET"))
        assert not {"transfer-encoding", "content-length"} & {
            n for n, _ in nothing}


@pytest.mark.parametrize("method,status", [
    ("HEAD", 200), ("GET", 204), ("GET", 304), ("POST", 204)])
def test_answers_without_a_body(door, method, status):
    def respond(asked):
        if asked.method == "HEAD":
            return b"HTTP/1.1 200 X\r\nContent-Length: 1234\r\n\r\n"
        return f"HTTP/1.1 {status} X\r\nX-A: b\r\n\r\n".encode()
    with door(respond).client() as c:
        for _ in range(3):
            reply = c.ask(method)
            assert (reply.status, bytes(reply.body)) == (status, b"")
            if method == "HEAD":
                assert reply.get("content-length") == "1234"


def test_interim_answers(plain):
    async def respond(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 103 X\r\nLink: </a>\r\n\r\n" * 2
                         + app_answer("1"))
    p = plain(raw=respond)
    with H2Client(p.port) as c:
        for _ in range(2):
            reply = c.ask()
            assert reply.status == 200
            assert [s for s, _ in reply.interim] == [103, 103]
            assert ("link", "</a>") in reply.interim[0][1]


def test_100_continue(plain):
    """Asked for by the client, given by the pod, before the body."""
    p = plain()
    with H2Client(p.port) as c:
        stream = c.start("POST", fields=[("Expect", "100-continue"),
                                         ("Content-Length", "5")])
        reply = c.replies[stream]
        c.until(lambda: reply.interim, "a 100")
        assert reply.interim[0][0] == 100 and reply.status is None
        c.send(stream, b"hello", end=True)
        assert c.response(stream).json()["body"] == "hello"


def test_an_answer_before_the_end_of_the_request(plain):
    """The stream is reset with NO_ERROR, or read to its end; others live."""
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(413, "no", [("Connection", "close")]))
        await writer.drain()
        await reader.read()
    p = plain(raw=refuse)
    with H2Client(p.port) as c:
        stream = c.start("POST", fields=[("Content-Length", "10000000")])
        reply = c.replies[stream]
        while not reply.ended and c.send(stream, bytes(65536)):
            pass
        c.response(stream)
        assert (reply.status, bytes(reply.body)) == (413, b"no")
        assert reply.reset in (None, 0)
        assert c.ask().status == 413


# Trailers

def test_trailers_of_requests(door):
    d = door()
    with d.client() as c:
        reply = c.ask("POST", body=b"abc", trailers=[("x-sum", "7")])
        assert reply.json()["body"] == "abc"
        reply = c.ask("POST", trailers=[("x-sum", "8")])
        assert reply.json()["body"] == ""
    assert [a.trailers for a in d.pod.asked] == [
        [("x-sum", "7")], [("x-sum", "8")]]


def test_trailers_of_answers(door):
    body = b"3\r\nabc\r\n"

    def respond(asked):
        return (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
                + (body if asked.target == "/" else b"")
                + b"0\r\nX-Sum: 7\r\nX-Two: 8\r\n\r\n")
    with door(respond).client() as c:
        for path, want in (("/", b"abc"), ("/none", b"")):
            reply = c.ask(path=path)
            assert bytes(reply.body) == want
            assert reply.trailers == [("x-sum", "7"), ("x-two", "8")]
