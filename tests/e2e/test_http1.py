"""HTTP/1 as RFC 9112 has it, on both sides."""
import asyncio
import subprocess

import pytest

from client import Client, Load, get, request
from harness import wait_for
from pods import answer, app_answer


@pytest.fixture
def echo(shop, pod):
    backend = pod()
    p = shop({"v1": [backend.port]}, workers=1)
    p.backend = backend
    return p


def test_pipelined_requests_are_answered_in_order(shop, pod):
    async def uneven(asked):
        if asked.target in ("/0", "/3"):
            await asyncio.sleep(0.1)
        return answer(200, asked.target)
    p = shop({"v1": [pod(uneven).port, pod(uneven).port]}, workers=1)
    with Client(p.port) as c:
        c.send(b"".join(request(path=f"/{i}") for i in range(20)))
        assert [c.response().body.decode() for _ in range(20)] == [
            f"/{i}" for i in range(20)]


def test_pipelined_with_bodies_and_in_odd_pieces(echo):
    data = b"".join(request("POST", f"/{i}", body=b"x" * i) if i % 2 else
                    request("POST", f"/{i}", chunks=[b"y" * (i + 1), b"z"])
                    for i in range(12))
    for step in (1, 7, 100, len(data)):
        with Client(echo.port) as c:
            for at in range(0, len(data), step):
                c.send(data[at:at + step])
            for i in range(12):
                seen = c.response().json()
                assert seen["target"] == f"/{i}"
                assert seen["body"] == (
                    "x" * i if i % 2 else "y" * (i + 1) + "z")


def test_head_has_no_body_and_keeps_the_length(shop, pod):
    def respond(asked):
        body = b"0123456789"
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
        return head if asked.method == "HEAD" else head + body
    p = shop({"v1": [pod(respond).port]}, workers=1)
    with Client(p.port) as c:
        for _ in range(3):
            got = c.ask("HEAD")
            assert got.status == 200 and got.get("Content-Length") == "10"
            assert c.ask("GET").body == b"0123456789"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(shop, pod, status):
    def respond(asked):
        if asked.target == "/none":
            return f"HTTP/1.1 {status} X\r\nETag: \"a\"\r\n\r\n".encode()
        return app_answer("1")
    p = shop({"v1": [pod(respond).port]}, workers=1)
    with Client(p.port) as c:
        for _ in range(3):
            got = c.ask(path="/none")
            assert got.status == status and got.get("ETag") == '"a"'
            assert c.ask().status == 200


def test_chunked_request(echo):
    with Client(echo.port) as c:
        for chunks in ([], [b"a"], [b"hello", b" ", b"world"],
                       [b"x" * 50000] * 3):
            seen = c.ask("POST", chunks=chunks).json()
            assert seen["body"] == b"".join(chunks).decode()


def test_chunked_request_with_trailer_and_extension(echo):
    with Client(echo.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
               b"\r\n5;ext=\"v\"\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n")
        assert c.response().json()["body"] == "hello"
        assert c.ask().status == 200


def test_chunked_response(shop, pod):
    async def chunky(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                         b"\r\n")
            for piece in (b"5\r\nhello\r\n", b"1\r", b"\n \r\n5;x\r\nwor",
                          b"ld\r\n0", b"\r\nX-Sum: 7\r\n", b"\r\n"):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.005)
    p = shop({"v1": [pod(raw=chunky).port]}, workers=1)
    with Client(p.port) as c:
        for _ in range(3):
            assert c.ask().body == b"hello world"


def test_response_until_close(shop, pod):
    """Without a length the pod's close is the end; a client of HTTP/1.1 gets
    chunks or a close, and nothing is missing."""
    async def closing(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100000)
        await writer.drain()
    p = shop({"v1": [pod(raw=closing).port]}, workers=1)
    for _ in range(3):
        assert get(p.port).body == b"x" * 100000
    with Client(p.port) as c:
        c.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        got = c.head()
        assert got.get("Transfer-Encoding") is None
        assert c.rest() == b"x" * 100000


def test_http_1_0_client(shop, pod):
    async def chunky(asked):
        if asked.target == "/chunked":
            return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"5\r\nhello\r\n0\r\n\r\n")
        return app_answer("1")
    p = shop({"v1": [pod(chunky).port]}, workers=1)
    with Client(p.port) as c:
        c.send(b"GET / HTTP/1.0\r\n\r\n")
        got = c.response()
        assert got.status == 200 and got.json()["appVersion"] == "1"
        assert c.closed()
    with Client(p.port) as c:
        for _ in range(2):
            c.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            got = c.response()
            assert got.status == 200
            assert (got.get("Connection") or "").lower() == "keep-alive"
    with Client(p.port) as c:  # chunks are not for HTTP/1.0
        c.send(b"GET /chunked HTTP/1.0\r\n\r\n")
        got = c.head()
        assert got.get("Transfer-Encoding") is None
        assert c.rest() == b"hello"


def test_connection_close_is_obeyed(echo):
    with Client(echo.port) as c:
        got = c.ask(fields=[("Connection", "close")])
        assert got.status == 200 and got.closes()
        assert c.closed()


def test_expect_100_continue_with_curl(echo, tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"x" * 5000)
    done = subprocess.run(
        ["curl", "-sv", "-H", "Expect: 100-continue", "--expect100-timeout",
         "20", "--data-binary", f"@{body}",
         f"http://127.0.0.1:{echo.port}/"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 0, done.stderr
    assert b"x" * 5000 in done.stdout
    assert b"100 Continue" in done.stderr, done.stderr
    # It was asked for at once, not waited out.
    assert b"Done waiting for 100-continue" not in done.stderr


def test_expectation_comes_before_the_body(echo):
    with Client(echo.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
               b"Content-Length: 5\r\n\r\n")
        assert c.head().status == 100
        c.send(b"hello")
        got = c.response()
        assert got.status == 200 and got.json()["body"] == "hello"


def test_pod_connections_are_kept_and_shared(shop, pod):
    backend = pod(lambda a: app_answer("1"))
    p = shop({"v1": [backend.port]}, workers=1)
    with Client(p.port) as c:
        for _ in range(50):
            assert c.ask().status == 200
    for _ in range(50):
        assert get(p.port).status == 200
    assert len(backend.asked) == 100
    assert backend.connections == 1


def test_no_more_pod_connections_than_requests_at_once(shop, pod):
    backend = pod(lambda a: app_answer("1"))
    p = shop({"v1": [backend.port]}, workers=1)
    load = Load(p.port, 10, 1000).run()
    assert load.failures() == []
    assert backend.connections <= 10


def test_early_answer_while_the_body_still_comes(shop, pod):
    """The pod says no before it has read the body; the client hears it."""
    async def early(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(403, "no"))
        await writer.drain()
        while await reader.read(1 << 16):
            pass
    p = shop({"v1": [pod(raw=early).port]}, workers=1)
    with Client(p.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
               b"\r\nsome")
        got = c.response()
        assert (got.status, got.body) == (403, b"no")
    p.wait_idle()
    assert get(p.port).status == 403


def test_options_star_and_odd_methods(echo):
    with Client(echo.port) as c:
        for method in ("PATCH", "DELETE", "PROPFIND", "X-ODD"):
            assert c.ask(method).json()["method"] == method
        assert c.ask("OPTIONS", "*").json()["target"] == "*"


def test_two_workers_share_connections(shop, app):
    p = shop({"v1": [app("1").port]}, workers=2)
    load = Load(p.port, 40, 400).run()
    assert load.failures() == []
    listener = p.metrics()["shunt_connections"]
    assert len(listener) == 1
    wait_for(lambda: sum(p.metrics()["shunt_connections"].values()) == 0,
             "no connection is left")
