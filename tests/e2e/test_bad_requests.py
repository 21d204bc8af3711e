"""Requests that are wrong get one answer that says why, and a close."""
import time

import pytest

from client import Client, Load, get, raw, request
from harness import wait_for
from pods import app_answer

H = b"Host: a\r\n"
MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64,
    "two spaces": b"GET  / HTTP/1.1\r\n" + H + b"\r\n",
    "bare LF": b"GET / HTTP/1.1\n" + H + b"\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\n" + H + H + b"\r\n",
    "bad Host": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "folded": b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n b\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\n" + H + b"X : a\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\n" + H + b"X: a\x00b\r\n\r\n",
    "length and chunked": b"POST / HTTP/1.1\r\n" + H +
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + H +
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "negative length": b"POST / HTTP/1.1\r\n" + H +
        b"Content-Length: -5\r\n\r\n",
    "huge length": b"POST / HTTP/1.1\r\n" + H +
        b"Content-Length: 99999999999999999999\r\n\r\n",
    "unknown coding": b"POST / HTTP/1.1\r\n" + H +
        b"Transfer-Encoding: gzip\r\n\r\n",
    "chunked in 1.0": b"POST / HTTP/1.0\r\n" + H +
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.fixture
def p(shop, pod):
    return shop({"v1": [pod(lambda a: app_answer("1")).port]}, workers=1)


@pytest.fixture
def hasty(shop, pod):
    return shop({"v1": [pod(lambda a: app_answer("1")).port]}, workers=1,
                config={"timeouts": {"header": "1s", "idle": "1s",
                                     "body": "1s"}})


def parts(data):
    head, body = data.split(b"\r\n\r\n", 1)
    return int(head.split(b" ")[1]), head.lower(), body


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_is_400_and_close(p, name):
    with Client(p.port) as bystander:
        assert bystander.ask().status == 200
        status, head, body = parts(raw(p.port, MALFORMED[name]))
        assert status == 400
        assert b"connection: close" in head
        assert b"malformed request" in body
        assert bystander.ask().status == 200
    # Nothing of it reached the pod.
    assert p.version("v1")["requests"] == 2


def test_malformed_in_pieces(p):
    with Client(p.port) as c:
        for byte in b"GET / HTTP/1.1\r\nHost : a\r\n\r\n":
            try:
                c.send(bytes([byte]))
            except OSError:
                break  # answered and closed already
        assert b" 400 " in c.rest()


def test_malformed_after_a_good_one(p):
    with Client(p.port) as c:
        c.send(request() + b"rubbish\r\n\r\n")
        assert c.response().status == 200
        assert c.response().status == 400
        assert c.closed()


@pytest.mark.parametrize("line", [b"GET / HTTP/2.0", b"GET / HTTP/0.9"])
def test_other_versions_are_505(p, line):
    assert parts(raw(p.port, line + b"\r\n" + H + b"\r\n"))[0] == 505


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n" + H + b"X: " + b"x" * 70000 + b"\r\n\r\n",
    b"GET /" + b"x" * 70000 + b" HTTP/1.1\r\n" + H + b"\r\n",
    b"GET / HTTP/1.1\r\n" + H + b"X: y\r\n" * 200 + b"\r\n",
    b"X" * 100000,
])
def test_oversized_head_is_431(p, data):
    status, head, body = parts(raw(p.port, data))
    # A method without end may as well be called malformed.
    assert status == 431 or (data[:2] == b"XX" and status in (400, 431))
    assert b"connection: close" in head and body


def test_head_just_below_the_limit_passes(p):
    assert get(p.port, fields=[("X", "x" * 60000)]).status == 200
    assert get(p.port, fields=[("X", "y")] * 120).status == 200


def test_slow_head_is_408(hasty):
    with Client(hasty.port) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        status, head, body = parts(c.rest())
        assert status == 408 and b"too long" in body
        assert b"connection: close" in head


def test_slow_head_byte_by_byte_is_408(hasty):
    """The time runs from the first byte, not from the last one."""
    with Client(hasty.port) as c:
        c.send(b"GET / HTTP/1.1\r\nX: ")
        c.socket.settimeout(0.05)
        end = time.monotonic() + 15
        while time.monotonic() < end:
            try:
                if not c.more():
                    break
            except TimeoutError:
                try:
                    c.send(b"x")
                except OSError:
                    break
            except ConnectionResetError:
                break
        assert b" 408 " in c.buffer


def test_slow_body_ends_the_request(hasty):
    with Client(hasty.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert b" 408 " in c.rest()
    hasty.wait_idle()


def test_idle_connection_is_closed_quietly(hasty):
    with Client(hasty.port) as c:
        assert c.ask().status == 200
        assert c.rest() == b""
    with Client(hasty.port) as c:
        assert c.rest() == b""


def test_bad_chunk_ends_the_request(p):
    with Client(p.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked"
               b"\r\n\r\n5\r\nhello\r\nrubbish\r\n")
        assert b" 400 " in c.rest()
    p.wait_idle()
    assert get(p.port).status == 200


def test_a_flood_of_rubbish_harms_nobody(p):
    load = Load(p.port, 4).start()
    for i in range(100):
        data = list(MALFORMED.values())[i % len(MALFORMED)]
        assert raw(p.port, data).startswith(b"HTTP/1.1 400 ")
    load.wait(20)
    load.stop()
    assert load.failures() == []


def test_smuggled_request_is_not_seen(shop, pod):
    """What hides behind an ambiguous body must not become a request."""
    backend = pod(lambda a: app_answer("1"))
    p = shop({"v1": [backend.port]}, workers=1)
    raw(p.port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 43\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n")
    assert backend.asked == []
    assert get(p.port).status == 200
    wait_for(lambda: len(backend.asked) == 1, "one request")
