"""HTTP/2 as no client should send it (RFC 9113): what it is answered."""
import asyncio
import struct

import pytest

from h2client import H2Client
from pods import app_answer
from rawh2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET,
                   GOAWAY, HEADERS, PADDED, PING, POST, PREFACE, PRIORITY,
                   PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
                   WITH_PRIORITY, RawH2, block, frame, headers, ping, reset,
                   settings, window_update)

NO, PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, \
    COMPRESSION = range(10)


def without(name):
    return [f for f in GET if f[0] != name]


def changed(name, value):
    return [(n, value if n == name else v) for n, v in GET]


# Header sets that are malformed: the stream is reset with PROTOCOL_ERROR or
# answered with 400, and the connection lives on (8.1.1).
MALFORMED = {
    "upper case": GET + [("X-Upper", "1")],
    "space in a name": GET + [("x y", "1")],
    "colon in a name": GET + [("x:y", "1")],
    "an empty name": GET + [("", "1")],
    "a name beyond ASCII": GET + [(b"x\xe9", b"1")],
    "NUL in a value": GET + [("x", "a\0b")],
    "CR in a value": GET + [("x", "a\rb")],
    "LF in a value": GET + [("x", "a\nb: c")],
    "CR LF in a value": GET + [("x", "a\r\ny: z")],
    "space before a value": GET + [("x", " a")],
    "space behind a value": GET + [("x", "a ")],
    "tab before a value": GET + [("x", "\ta")],
    "no method": without(":method"),
    "no scheme": without(":scheme"),
    "no path": without(":path"),
    "an empty method": changed(":method", ""),
    "a method of spaces": changed(":method", "GE T"),
    "a method with CR LF": changed(":method", "GET / HTTP/1.1\r\nx: y"),
    "an empty path": changed(":path", ""),
    "a path without slash": changed(":path", "a"),
    "a path with a space": changed(":path", "/a b"),
    "a path with CR LF": changed(":path", "/ HTTP/1.1\r\nx: y\r\n"),
    "a path with a fragment": changed(":path", "/a#b"),
    "a path with NUL": changed(":path", "/\0"),
    "an absolute path": changed(":path", "http://a.test/"),
    "* for GET": changed(":path", "*"),
    "a scheme of rubbish": changed(":scheme", "ht tp"),
    "two methods": [(":method", "GET"), *GET],
    "two paths": [*GET, (":path", "/b")],
    "two schemes": [*GET, (":scheme", "http")],
    "two authorities": [*GET, (":authority", "shop.test")],
    "an unknown pseudo-header": [*GET, (":unknown", "1")],
    ":status in a request": [*GET, (":status", "200")],
    ":protocol without CONNECT": [*GET, (":protocol", "websocket")],
    "a pseudo-header behind a field": [*GET[:3], ("x", "y"), GET[3]],
    "authority and host differ": GET + [("host", "other.test")],
    "an authority with user": changed(":authority", "me@shop.test"),
    "an authority with a space": changed(":authority", "shop .test"),
    "an authority with a slash": changed(":authority", "shop.test/a"),
    "an empty authority": changed(":authority", ""),
    "nothing names the host": without(":authority"),
    "two hosts": without(":authority") + [("host", "shop.test"),
                                          ("host", "other.test")],
    "connection": GET + [("connection", "close")],
    "keep-alive": GET + [("keep-alive", "timeout=5")],
    "proxy-connection": GET + [("proxy-connection", "keep-alive")],
    "transfer-encoding": GET + [("transfer-encoding", "chunked")],
    "upgrade": GET + [("upgrade", "websocket")],
    "te other than trailers": GET + [("te", "gzip")],
    "te and trailers": GET + [("te", "trailers, deflate")],
    "a length that is none": GET + [("content-length", "abc")],
    "a negative length": GET + [("content-length", "-1")],
    "a signed length": GET + [("content-length", "+0")],
    "a huge length": GET + [("content-length", "9" * 30)],
    "two lengths": GET + [("content-length", "0"), ("content-length", "1")],
    "a list of lengths": GET + [("content-length", "0, 1")],
    "a length without a body": GET + [("content-length", "5")],
}
REFUSALS = (400, f"reset {PROTOCOL}")


@pytest.fixture
def p(plain):
    return plain()


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_requests(p, what):
    with RawH2(p.port) as c:
        c.send(headers(1, MALFORMED[what]))
        assert c.status(1) in REFUSALS
        c.send(headers(3))
        assert c.status(3) == 200
    assert len(p.pod.asked) == 1 and p.pod.asked[0].target == "/"


def test_malformed_requests_over_tls(tls_shop, pod, certs):
    """All of them on one connection."""
    backend = pod()
    p = tls_shop({"v1": [backend.port]}, workers=1)
    with RawH2(p.tls, certs.client_context(["h2"])) as c:
        for i, fields in enumerate(MALFORMED.values()):
            fields = [(n, "https" if (n, v) == (":scheme", "http") else v)
                      for n, v in fields]
            c.send(headers(4 * i + 1, fields))
            assert c.status(4 * i + 1) in REFUSALS, fields
        last = 4 * len(MALFORMED) + 1
        c.send(headers(last))
        assert c.status(last) == 200
    assert len(backend.asked) == 1


def test_connect_is_not_for_pods(p):
    with RawH2(p.port) as c:
        c.send(headers(1, [(":method", "CONNECT"),
                           (":authority", "shop.test:443")]))
        assert c.status(1) in (400, 405, 501, "reset 1", "reset 7",
                               "reset 10")
        c.send(headers(3, [(":method", "CONNECT"), (":protocol", "unheard"),
                           *GET[1:]], END_HEADERS))
        assert c.status(3) in (400, 501, "reset 1")
        c.send(headers(5))
        assert c.status(5) == 200
    assert len(p.pod.asked) == 1


# What looks odd and is right.
GOOD = {
    "te: trailers": (GET + [("te", "trailers")], None),
    "authority and host agree": (GET + [("host", "shop.test")], None),
    "they agree without case": (GET + [("host", "SHOP.test")], None),
    "host alone": (without(":authority") + [("host", "shop.test")],
                   ("host", "shop.test")),
    "an empty value": (GET + [("x", "")], ("x", "")),
    "beyond ASCII in a value": (GET + [(b"x", b"\xe9")], ("x", "\xe9")),
    "a tab in a value": (GET + [("x", "a\tb")], ("x", "a\tb")),
    "cookie crumbs": (GET + [("cookie", "a=1"), ("x", "y"),
                             ("cookie", "b=2; c=3"), ("cookie", "d=4")],
                      ("cookie", "a=1; b=2; c=3; d=4")),
    "a method of its own": (changed(":method", "PURGE"), None),
    "* for OPTIONS": ([(":method", "OPTIONS"), *GET[1:3], (":path", "*")],
                      None),
}


@pytest.mark.parametrize("what", GOOD)
def test_good_requests(p, what):
    fields, wanted = GOOD[what]
    with RawH2(p.port) as c:
        c.send(headers(1, fields))
        assert c.status(1) == 200
    (asked,) = p.pod.asked
    assert asked.all("host") == ["shop.test"] or wanted is None
    assert len(asked.all("host")) == 1
    if wanted:
        assert asked.all(wanted[0]) == [wanted[1]]


def test_rules_see_joined_cookies(shop, pod):
    one, two = (pod(lambda asked, v=v: app_answer(v)) for v in "12")
    p = shop({"v1": [one.port], "v2": [two.port]}, workers=1, service={
        "rules": [{"match": {"cookie": {"b": "2"}}, "version": "v2"}]})
    with H2Client(p.port) as c:
        for crumbs, version in ((["a=1", "b=2"], "2"), (["a=1"], "1"),
                                (["b=2", "a=1"], "2")):
            got = c.ask(fields=[("cookie", x) for x in crumbs])
            assert got.json()["appVersion"] == version


def test_malformed_trailers(p):
    with RawH2(p.port) as c:
        for i, bad in enumerate(([(":path", "/")], [("X-Upper", "1")],
                                 [("x", "a\nb")], [("connection", "x")])):
            n = 2 * i + 1
            c.send(headers(n, POST, END_HEADERS)
                   + frame(DATA, 0, n, b"abc") + headers(n, bad))
            assert c.status(n) in REFUSALS, bad
        # Trailers that do not end the stream are none, either.
        c.send(headers(11, POST, END_HEADERS) + frame(DATA, 0, 11, b"abc")
               + headers(11, [("x", "y")], END_HEADERS))
        assert c.status(11) in REFUSALS
        c.send(headers(13))
        assert c.status(13) == 200


@pytest.mark.parametrize("said,sent", [(5, 3), (3, 5), (0, 1), (10, 0)])
def test_lengths_that_are_not_so(p, said, sent):
    with RawH2(p.port) as c:
        c.send(headers(1, POST + [("content-length", str(said))],
                       END_HEADERS) + frame(DATA, END_STREAM, 1, b"x" * sent))
        assert c.status(1) in REFUSALS
        c.send(headers(3))
        assert c.status(3) == 200
    p.wait_idle()
    # No pod has seen a whole request of it.
    assert [a.target for a in p.pod.asked if not a.get("Content-Length")] \
        == ["/"]


# Frames that are wrong: the connection ends with a GOAWAY of this code. The
# stream 1 is open, and waits for the pod; 3 is done; 5 was reset by us.
BIG = 16385
WRONG = {
    "DATA on an idle stream": (frame(DATA, 0, 9, b"x"), PROTOCOL),
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), PROTOCOL),
    "HEADERS on stream 0": (headers(0), PROTOCOL),
    "an even stream": (headers(2), PROTOCOL),
    "a number that goes back": (headers(13) + headers(11), PROTOCOL),
    "WINDOW_UPDATE on an idle stream": (window_update(9, 1), PROTOCOL),
    "RST_STREAM on an idle stream": (reset(9), PROTOCOL),
    "RST_STREAM on stream 0": (reset(0), PROTOCOL),
    "HEADERS on a closed stream": (headers(3), CLOSED),
    "DATA on a closed stream": (frame(DATA, END_STREAM, 3, b"x"), CLOSED),
    "PUSH_PROMISE": (frame(PUSH_PROMISE, END_HEADERS, 1,
                           struct.pack(">I", 2) + block(GET)), PROTOCOL),
    "CONTINUATION alone": (frame(CONTINUATION, END_HEADERS, 9, block(GET)),
                           PROTOCOL),
    "HEADERS and no CONTINUATION": (headers(9, GET, END_STREAM) + ping(),
                                    PROTOCOL),
    "CONTINUATION of another": (
        headers(9, GET[:2], END_STREAM)
        + frame(CONTINUATION, END_HEADERS, 11, block(GET[2:])), PROTOCOL),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), PROTOCOL),
    "SETTINGS of 5 bytes": (frame(SETTINGS, 0, 0, b"12345"), SIZE),
    "SETTINGS ACK with a payload": (settings((4, 1), flags=ACK), SIZE),
    "a window of 2^31": (settings((4, 1 << 31)), FLOW),
    "frames of 100 bytes": (settings((5, 100)), PROTOCOL),
    "frames of 2^24": (settings((5, 1 << 24)), PROTOCOL),
    "ENABLE_PUSH 2": (settings((2, 2)), PROTOCOL),
    "PING of 7 bytes": (frame(PING, 0, 0, b"1234567"), SIZE),
    "PING on a stream": (frame(PING, 0, 1, b"12345678"), PROTOCOL),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    "GOAWAY of 7 bytes": (frame(GOAWAY, 0, 0, bytes(7)), SIZE),
    "WINDOW_UPDATE of 3 bytes": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
    "WINDOW_UPDATE by 0": (window_update(0, 0), PROTOCOL),
    "a window beyond 2^31-1": (window_update(0, (1 << 31) - 1), FLOW),
    "RST_STREAM of 3 bytes": (frame(RST_STREAM, 0, 1, bytes(3)), SIZE),
    "a frame too large": (frame(DATA, 0, 7, bytes(BIG)), SIZE),
    "HEADERS too large": (frame(HEADERS, END_HEADERS, 9, bytes(BIG)), SIZE),
    "more padding than frame": (frame(DATA, PADDED, 7, b"\x09abc"),
                                PROTOCOL),
    "padding in HEADERS": (frame(HEADERS, PADDED | END_HEADERS, 9,
                                 b"\xff" + block(GET)), PROTOCOL),
    "HPACK: an index of nothing": (frame(
        HEADERS, END_HEADERS | END_STREAM, 9, b"\xff\xff\xff\x7f"),
        COMPRESSION),
    "HPACK: index 0": (frame(HEADERS, END_HEADERS | END_STREAM, 9, b"\x80"),
                       COMPRESSION),
    "HPACK: cut off": (frame(HEADERS, END_HEADERS | END_STREAM, 9,
                             b"\x00\x7fabc"), COMPRESSION),
    "HPACK: a table too large": (frame(
        HEADERS, END_HEADERS | END_STREAM, 9, b"\x3f\xff\xff\x07"
        + block(GET)), COMPRESSION),
    "HPACK: Huffman of rubbish": (frame(
        HEADERS, END_HEADERS | END_STREAM, 9, b"\x00\x81\xff\x84"
        b"\xff\xff\xff\xff"), COMPRESSION),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_frames(plain, what):
    frames, code = WRONG[what]
    gate = asyncio.Event()

    async def respond(asked):
        if asked.target == "/wait":
            await gate.wait()
        return app_answer("1")
    p = plain(respond)
    with RawH2(p.port) as c, H2Client(p.port) as other:
        c.send(headers(1, changed(":path", "/wait")) + headers(3))
        assert c.status(3) == 200
        c.send(headers(5) + reset(5))
        c.send(headers(7, [(":method", "POST"), *changed(
            ":path", "/wait")[1:]], END_HEADERS))
        c.ping()
        c.send(frames)
        got = c.goaway()
        # A closed stream may be forgotten: 5.1 allows both of these.
        assert got == code or {got, code} <= {CLOSED, PROTOCOL}
        assert other.ask().status == 200
    p.pod.loop.loop.call_soon_threadsafe(gate.set)
    p.wait_idle()


@pytest.mark.parametrize("first", [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", PREFACE + ping(),
    PREFACE + headers(1), PREFACE + settings(flags=ACK),
    PREFACE + b"GET / HTTP/1.1\r\n\r\n"])
def test_wrong_prefaces(p, first):
    """SETTINGS come first, behind the right 24 bytes."""
    with RawH2(p.port, greet=False) as c:
        c.send(first)
        try:
            assert c.goaway() in (PROTOCOL, SIZE)
        except EOFError:
            pass  # may go without a word (3.4)
    with RawH2(p.port) as c:
        c.send(headers(1))
        assert c.status(1) == 200


# Frames that may end a stream only, with this code.
STREAM_ERRORS = {
    "WINDOW_UPDATE by 0": (window_update(1, 0), PROTOCOL),
    "a window beyond 2^31-1": (window_update(1, (1 << 31) - 1), FLOW),
    "DATA behind END_STREAM": (frame(DATA, END_STREAM, 1, b"x"), CLOSED),
    "HEADERS behind END_STREAM": (headers(1, [("x", "y")]), CLOSED),
    "PRIORITY of 4 bytes": (frame(PRIORITY, 0, 1, bytes(4)), SIZE),
}


@pytest.mark.parametrize("what", STREAM_ERRORS)
def test_errors_of_a_stream(plain, what):
    async def respond(asked):
        if asked.target == "/wait":
            await asyncio.Event().wait()
        return app_answer("1")
    p = plain(respond)
    frames, code = STREAM_ERRORS[what]
    with RawH2(p.port) as c:
        c.send(headers(1, changed(":path", "/wait")))
        c.ping()
        c.send(frames)
        got = c.until(lambda g: g.kind in (RST_STREAM, GOAWAY), "an error")
        assert got.code == code
        if got.kind == RST_STREAM:
            c.send(headers(3))
            assert c.status(3) == 200


# Frames that look odd and are right.
HARMLESS = {
    "unknown frames": frame(0x77, 0xff, 0, b"x") + frame(0x78, 0, 1, b"y"),
    "unknown settings": settings((0x7777, 1), (0xffff, 2)),
    "unknown flags": frame(PING, 0xfe, 0, b"12345678"),
    "the reserved bit": frame(PING, 0, 1 << 31, b"12345678"),
    "PRIORITY of an idle stream": frame(PRIORITY, 0, 99, bytes(5)),
    "WINDOW_UPDATE of a closed stream": window_update(1, 10),
    "RST_STREAM of a closed stream": reset(1),
    "RST_STREAM once more": reset(1) * 3,
    "RST_STREAM of one that we reset": headers(3) + reset(3) * 3,
    "WINDOW_UPDATE behind RST_STREAM": headers(3) + reset(3)
    + window_update(3, 10),
    "PRIORITY of a closed stream": frame(PRIORITY, 0, 1, bytes(5)),
    "a GOAWAY": frame(GOAWAY, 0, 0, bytes(8) + b"bye"),
    "an empty SETTINGS": settings(),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_harmless_frames(p, what):
    with RawH2(p.port) as c:
        c.send(headers(1))
        assert c.status(1) == 200
        c.until(lambda g: g.stream == 1 and g.flags & END_STREAM, "its end")
        c.send(HARMLESS[what])
        if what != "a GOAWAY":
            c.send(headers(5))
            assert c.status(5) == 200


def test_padding_priority_and_continuations(p):
    whole = block(POST)
    with RawH2(p.port) as c:
        c.send(frame(HEADERS, PADDED | WITH_PRIORITY, 1,
                     b"\x05" + bytes(5) + whole[:7] + bytes(5))
               + frame(CONTINUATION, 0, 1, whole[7:8])
               + frame(CONTINUATION, END_HEADERS, 1, whole[8:])
               + frame(DATA, PADDED, 1, b"\x03abc" + bytes(3))
               + frame(DATA, PADDED | END_STREAM, 1, b"\xff" + bytes(255)))
        assert c.status(1) == 200
    (asked,) = p.pod.asked
    assert asked.body == b"abc"
