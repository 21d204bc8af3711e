"""WebSocket where one side or both speak HTTP/2 (RFC 8441)."""
import asyncio
import os
import signal
import struct

import pytest
import websockets

from client import Client, get, request
from h2client import CODES, H2Client
from h2pod import Answer
from harness import PATIENCE, wait_for
from pods import answer

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SIZES = [0, 1, 125, 126, 5000, 65536, 300_000]


def frame(kind, data, mask):
    """RFC 6455 5.2; a mask of zeros is a mask."""
    n = len(data)
    bit = 0x80 if mask else 0
    head = bytes([0x80 | kind])
    if n < 126:
        head += bytes([bit | n])
    elif n < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", n)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", n)
    return head + (bytes(4) if mask else b"") + data


def take(buffer):
    """(kind, data) of the first frame, taken off; None while it is not
    whole."""
    if len(buffer) < 2:
        return None
    n, at = buffer[1] & 127, 2
    if n > 125:
        size = 2 if n == 126 else 8
        if len(buffer) < 2 + size:
            return None
        n, at = int.from_bytes(buffer[2:2 + size], "big"), 2 + size
    mask = bytes(4)
    if buffer[1] & 0x80:
        mask, at = bytes(buffer[at:at + 4]), at + 4
    if len(buffer) < at + n:
        return None
    data = bytes(buffer[at:at + n])
    if mask.strip(b"\0"):
        whole = mask * (n // 4 + 1)
        data = (int.from_bytes(data, "big") ^ int.from_bytes(
            whole[:n], "big")).to_bytes(n, "big")
    kind = buffer[0] & 15
    del buffer[:at + n]
    return kind, data


class Socket:
    """A WebSocket on a stream of an H2Client."""

    def __init__(self, client, path="/", fields=(), **changes):
        self.client = client
        pseudo = {":method": "CONNECT", ":protocol": "websocket",
                  ":scheme": client.scheme, ":authority": "shop.test",
                  ":path": path, **changes}
        self.stream = client.start(lines=[
            *pseudo.items(), ("sec-websocket-version", "13"), *fields])
        self.reply = client.replies[self.stream]

    def answer(self):
        self.client.until(lambda: self.reply.status or self.reply.ended,
                          "an answer")
        return self.reply.status

    def send(self, kind, data):
        self.client.send(self.stream, frame(kind, data, True))

    def recv(self):
        while True:
            got = take(self.reply.body)
            if got:
                return got
            if self.reply.ended:
                return None
            assert self.client.more(), "closed"

    def echo(self, data):
        self.send(BINARY, data)
        return self.recv() == (BINARY, data)


class WebSocketPod:
    """HTTP/1.1; echoes, and keeps what it saw of each handshake."""

    def __init__(self, loop, port):
        self.loop, self.port = loop, port
        self.asked, self.closed = [], []
        self.server = loop.call(self.start())

    async def start(self):
        return await websockets.serve(
            self.serve, "127.0.0.1", self.port, max_size=None,
            ping_interval=None, subprotocols=["chat"])

    async def serve(self, ws):
        self.asked.append(ws)
        try:
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass
        finally:
            await ws.wait_closed()
            self.closed.append((ws.close_code, ws.close_reason))

    def stop(self):
        self.server.close()
        self.loop.call(self.server.wait_closed())


@pytest.fixture
def ws_pod(loop, ports):
    p = WebSocketPod(loop, ports.reserve())
    yield p
    p.stop()


async def h2_echo(asked):
    """A pod for extended CONNECT; pings, closes and all."""
    if asked.method != "CONNECT":
        return Answer(200, b"no tunnel")
    asked.head(200, [("sec-websocket-protocol", "chat")]
               if asked.get("sec-websocket-protocol") else [])
    buffer = bytearray()
    while chunk := await asked.chunk():
        buffer += chunk
        while got := take(buffer):
            kind, data = got
            await asked.data(frame(PONG if kind == PING else kind, data,
                                   False))
            if kind == CLOSE:
                asked.connection.h2.end_stream(asked.stream)
                asked.connection.flush()
                return None
    return None


SHORT = {"timeouts": {"header": "1s", "idle": "1s", "body": "1s",
                      "response": "2s"}}


@pytest.fixture
def p(tls_shop, ws_pod):
    """Before a pod of HTTP/1.1, with timeouts that no tunnel could keep."""
    return tls_shop({"v1": [ws_pod.port]}, workers=1, config=SHORT)


@pytest.fixture
def q(tls_shop, h2_pod):
    """Before a pod of h2c."""
    backend = h2_pod(h2_echo, streaming=True)
    p = tls_shop({"v1": [backend.port]}, workers=1, config=SHORT,
                 service={"protocol": "h2c"})
    p.pod = backend
    return p


@pytest.fixture(params=["clear", "tls"])
def dial(request, certs):
    def start(p):
        if request.param == "tls":
            return H2Client(p.tls, certs.client_context(["h2"]))
        return H2Client(p.port)
    return start


def test_extended_connect_is_announced(p, dial):
    with dial(p) as c:
        assert c.announced(CODES.ENABLE_CONNECT_PROTOCOL) == 1


# HTTP/2 client, HTTP/1.1 pod

def test_messages_of_every_size(p, dial, ws_pod):
    with dial(p) as c:
        ws = Socket(c, "/chat?x=1", [("sec-websocket-protocol", "chat"),
                                     ("origin", "http://shop.test")])
        assert ws.answer() == 200
        assert ws.reply.get("sec-websocket-protocol") == "chat"
        for name in ("upgrade", "connection", "sec-websocket-accept"):
            assert ws.reply.get(name) is None
        for size in SIZES:
            assert ws.echo(os.urandom(size))
        ws.send(PING, b"there?")
        assert ws.recv() == (PONG, b"there?")
    (asked,) = ws_pod.asked
    assert asked.path == "/chat?x=1"
    assert asked.request_headers["Host"] == "shop.test"
    assert asked.request_headers["Origin"] == "http://shop.test"
    assert len(asked.request_headers["Sec-WebSocket-Key"]) == 24


def test_beside_other_streams(p, dial):
    """Several tunnels and requests on one connection."""
    with dial(p) as c:
        sockets = [Socket(c) for _ in range(5)]
        assert [ws.answer() for ws in sockets] == [200] * 5
        for i in range(10):
            assert all(ws.echo(b"%d" % i) for ws in sockets)
            assert c.ask().status == 426  # says websockets to plain requests


def test_silence_is_no_failure(p, dial):
    """Longer than each timeout of a message."""
    with dial(p) as c:
        ws = Socket(c)
        assert ws.answer() == 200
        for _ in range(3):
            c.socket.settimeout(0.4)
            with pytest.raises(TimeoutError):
                c.more()
                c.more()
                c.more()
            c.socket.settimeout(PATIENCE)
            assert ws.echo(b"still there")


def test_the_client_closes(p, dial, ws_pod):
    with dial(p) as c:
        ws = Socket(c)
        assert ws.answer() == 200
        ws.send(CLOSE, struct.pack(">H", 4001) + b"enough")
        assert ws.recv() == (CLOSE, struct.pack(">H", 4001) + b"enough")
        c.send(ws.stream, end=True)
        c.response(ws.stream)
        assert ws.reply.reset in (None, 0, 8)
        wait_for(lambda: ws_pod.closed == [(4001, "enough")], "it hears it")
        p.wait_idle()
        c.ping()


def test_the_client_resets_or_leaves(p, dial, ws_pod):
    with dial(p) as c:
        ws = Socket(c)
        assert ws.answer() == 200 and ws.echo(b"x")
        c.h2.reset_stream(ws.stream, 8)
        c.flush()
        wait_for(lambda: len(ws_pod.closed) == 1, "the pod notices")
        assert Socket(c).answer() == 200
    wait_for(lambda: len(ws_pod.closed) == 2, "the pod notices")
    p.wait_idle()


def test_the_pod_goes(p, dial, ws_pod):
    with dial(p) as c:
        ws = Socket(c)
        assert ws.answer() == 200
        wait_for(lambda: ws_pod.asked, "the pod is in its handler")
        ws_pod.loop.loop.call_soon_threadsafe(
            ws_pod.asked[0].transport.abort)
        reply = c.response(ws.stream)
        assert reply.ended
        assert Socket(c).answer() == 200


def test_a_slow_reader_holds_up_nobody(p, dial):
    with dial(p) as c:
        ws, other = Socket(c), Socket(c)
        assert ws.answer() == other.answer() == 200
        c.held.add(ws.stream)
        for _ in range(4):
            ws.send(BINARY, bytes(20000))
        assert all(other.echo(os.urandom(1000)) for _ in range(20))
        c.release(ws.stream)
        assert [ws.recv()[1] for _ in range(4)] == [bytes(20000)] * 4


def test_a_pod_that_refuses(tls_shop, pod, dial):
    p = tls_shop({"v1": [pod(lambda asked: answer(403, "no")).port]},
                 workers=1)
    with dial(p) as c:
        ws = Socket(c)
        assert ws.answer() == 403
        assert bytes(c.response(ws.stream).body) == b"no"


@pytest.mark.parametrize("changes", [
    {":protocol": "something"}, {":path": ""}, {":method": "GET"}])
def test_other_tunnels_are_refused(p, changes):
    with H2Client(p.port) as c:
        c.h2.config.validate_outbound_headers = False
        ws = Socket(c, **changes)
        assert ws.answer() in (400, 501, None)
        assert Socket(c).answer() == 200


# HTTP/1.1 client, h2c pod

def test_http1_client_and_h2_pod(q):
    async def talk():
        async with websockets.connect(
                f"ws://127.0.0.1:{q.port}/chat?x=1", max_size=None,
                ping_interval=None, subprotocols=["chat"]) as ws:
            assert ws.subprotocol == "chat"
            for size in SIZES:
                data = os.urandom(size)
                await ws.send(data)
                assert await ws.recv() == data
            await asyncio.wait_for(await ws.ping(), PATIENCE)
            await asyncio.sleep(1.2)
            await ws.send("still there")
            assert await ws.recv() == "still there"
        assert ws.close_code == 1000
    asyncio.run(asyncio.wait_for(talk(), PATIENCE * 2))
    (asked,) = q.pod.asked
    assert (asked.method, asked.get(":protocol"), asked.target) == (
        "CONNECT", "websocket", "/chat?x=1")
    for name in ("upgrade", "connection", "sec-websocket-key", "host"):
        assert asked.get(name) is None
    assert asked.get("sec-websocket-version") == "13"
    q.wait_idle()


def test_an_h2_pod_that_knows_no_tunnels(tls_shop, h2_pod):
    """It announces none: the handshake fails, requests go on."""
    backend = h2_pod(lambda asked: Answer(200, b"x"), settings={
        CODES.ENABLE_CONNECT_PROTOCOL: 0})
    p = tls_shop({"v1": [backend.port]}, workers=1,
                 service={"protocol": "h2c"})
    with Client(p.port) as c:
        c.send(request(fields=[
            ("Connection", "Upgrade"), ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]))
        # Upgrade may be left alone (RFC 9110 7.8), or it is an error.
        assert c.response().status in (200, 501, 502)
    assert get(p.port).status == 200
    assert [a.method for a in backend.asked if a.method == "CONNECT"] == []


# HTTP/2 on both sides

def test_h2_on_both_sides(q, dial):
    with dial(q) as c:
        sockets = [Socket(c) for _ in range(3)]
        assert [ws.answer() for ws in sockets] == [200] * 3
        for size in SIZES:
            data = os.urandom(size)
            assert all(ws.echo(data) for ws in sockets)
        for ws in sockets:
            ws.send(CLOSE, b"\x03\xe8")
            assert ws.recv() == (CLOSE, b"\x03\xe8")
            c.send(ws.stream, end=True)
            c.response(ws.stream)
        assert bytes(c.ask().body) == b"no tunnel"
    assert q.pod.connections == 1
    q.wait_idle()


def test_a_stop_ends_tunnels_in_bounded_time(tls_shop, ws_pod):
    p = tls_shop({"v1": [ws_pod.port]}, workers=1,
                 config={"timeouts": {"drain": "300ms"}})
    with H2Client(p.port) as c:
        assert Socket(c).answer() == 200
        p.signal(signal.SIGTERM)
        assert p.wait() == 0
        assert c.closed()
