"""Upgrades: WebSocket with a real client and server, and raw tunnels."""
import asyncio
import os
import signal
import socket
import struct
import time

import pytest
import websockets

from client import Client, get, request
from harness import PATIENCE, SAN, wait_for
from pods import Asked, WebSocketPod, answer, app_answer

MIB = 1 << 20
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "x-echo")]


@pytest.fixture
def p(shop, ws_pod):
    """With timeouts for messages that no tunnel could keep."""
    return shop({"v1": [ws_pod.port]}, workers=1, config={"timeouts": {
        "header": "1s", "idle": "1s", "body": "1s", "response": "2s"}})


def dial(p, path="/", **named):
    named.setdefault("max_size", None)
    named.setdefault("ping_interval", None)
    return websockets.connect(f"ws://127.0.0.1:{p.port}{path}", **named)


def run(coroutine):
    asyncio.run(asyncio.wait_for(coroutine, PATIENCE * 2))


def switched(p):
    """How many 101s the version has given."""
    total = p.metrics()["shunt_requests_total"]
    return sum(n for k, n in total.items()
               if 'code="101"' in k and 'version="v1"' in k)


# WebSocket

def test_messages_of_every_size(p):
    async def talk():
        async with dial(p) as ws:
            for size in (0, 1, 125, 126, 65535, 65536, MIB, 3 * MIB):
                data = os.urandom(size)
                await ws.send(data)
                assert await ws.recv() == data
            await ws.send("täxt")
            assert await ws.recv() == "täxt"
    run(talk())
    p.wait_idle()


def test_many_messages_in_flight(p):
    async def talk():
        async with dial(p) as ws:
            sent = [os.urandom(i * 37 % 5000) for i in range(1000)]

            async def send():
                for data in sent:
                    await ws.send(data)
            sending = asyncio.ensure_future(send())
            assert [await ws.recv() for _ in sent] == sent
            await sending
    run(talk())


def test_pings_pass_and_silence_is_no_failure(p):
    """Longer than each timeout of a message."""
    async def talk():
        async with dial(p) as ws:
            for _ in range(2):
                await asyncio.wait_for(await ws.ping(), PATIENCE)
                await asyncio.sleep(1.2)
            await ws.send("still there")
            assert await ws.recv() == "still there"
    run(talk())


def test_the_client_closes(p, ws_pod):
    async def talk():
        ws = await dial(p)
        await ws.close(4001, "enough")
        assert ws.close_code == 4001
    run(talk())
    wait_for(lambda: ws_pod.closed == [(4001, "enough")], "the pod hears it")
    p.wait_idle()


def test_the_pod_closes(p, ws_pod):
    async def bye(ws):
        await ws.send("last words")
        await ws.close(4002, "tired")
    ws_pod.handlers["/bye"] = bye

    async def talk():
        async with dial(p, "/bye") as ws:
            assert await ws.recv() == "last words"
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (4002, "tired")
    run(talk())
    p.wait_idle()


def test_the_handshake_reaches_the_pod(p, ws_pod):
    async def talk():
        async with dial(p, "/chat?room=1", subprotocols=["a", "b"],
                        extra_headers={"Cookie": "x=y"}):
            pass
    run(talk())
    seen = ws_pod.asked[0]
    assert seen.path == "/chat?room=1"
    assert seen.request_headers["Cookie"] == "x=y"
    assert seen.request_headers["Upgrade"].lower() == "websocket"
    assert seen.request_headers["Connection"].lower() == "upgrade"
    assert seen.request_headers["X-Forwarded-For"] == "127.0.0.1"


def test_tunnels_are_counted_for_their_version(shop, ws_pod, pod):
    p = shop({"v1": [ws_pod.port], "v2": [pod().port]},
             service={"weights": {"v1": 100, "v2": 0}}, workers=1)

    async def talk():
        all_ = [await dial(p) for _ in range(5)]
        wait_for(lambda: p.inflight() == 5, "five tunnels are in flight")
        for ws in all_:
            await ws.send("x")
            assert await ws.recv() == "x"
            await ws.close()
    run(talk())
    p.wait_idle()
    wait_for(lambda: switched(p) == 5, "five are counted")
    assert p.version("v1")["errors"] == 0
    assert p.version("v2")["requests"] == 0


def test_rules_and_weights_choose_the_version(shop, loop, ports):
    one, two = (WebSocketPod(loop, ports.reserve()) for _ in range(2))
    try:
        p = shop({"v1": [one.port], "v2": [two.port]}, service={
            "weights": {"v1": 50, "v2": 50}, "rules": [
                {"match": {"header": {"X-Beta": {"exact": "1"}}},
                 "version": "v2"}]})

        async def talk(**named):
            async with dial(p, **named) as ws:
                await ws.send("x")
                assert await ws.recv() == "x"
        for _ in range(10):
            run(talk())
        assert (len(one.asked), len(two.asked)) == (5, 5)
        for _ in range(3):
            run(talk(extra_headers={"X-Beta": "1"}))
        assert (len(one.asked), len(two.asked)) == (5, 8)
    finally:
        one.stop()
        two.stop()


def test_silence_ends_a_tunnel_at_its_own_timeout(shop, ws_pod):
    p = shop({"v1": [ws_pod.port]}, workers=1,
             config={"timeouts": {"tunnel": "2s"}})

    async def talk():
        async with dial(p) as ws:
            # Each byte starts the time anew, whichever way it goes.
            began = time.monotonic()
            while time.monotonic() - began < 3:
                await asyncio.sleep(0.1)
                last = time.monotonic()
                await ws.send("x")
                assert await ws.recv() == "x"
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert time.monotonic() - last > 1.9
    run(talk())
    p.wait_idle()
    wait_for(lambda: ws_pod.open == 0, "the pod's side is closed, too")


# Stopping

def test_sigterm_leaves_tunnels_until_they_end(shop, ws_pod):
    p = shop({"v1": [ws_pod.port]}, workers=1,
             config={"timeouts": {"drain": "60s"}})

    async def talk():
        async with dial(p) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"
            p.signal(signal.SIGTERM)
            wait_for(lambda: p.api("GET", "/readyz")[0] == 503, "draining")
            for _ in range(5):
                await asyncio.sleep(0.2)
                await ws.send("y")
                assert await ws.recv() == "y"
    run(talk())
    assert p.wait() == 0


def test_sigterm_ends_tunnels_at_the_drain_timeout(shop, ws_pod):
    p = shop({"v1": [ws_pod.port]}, workers=1,
             config={"timeouts": {"drain": "1s"}})

    async def talk():
        async with dial(p) as ws:
            began = time.monotonic()
            p.signal(signal.SIGTERM)
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert time.monotonic() - began > 0.5
    run(talk())
    assert p.wait() == 0
    wait_for(lambda: ws_pod.open == 0, "the pod's side is closed, too")


def test_a_reload_leaves_tunnels_alone(shop, ws_pod, pod):
    p = shop({"v1": [ws_pod.port]}, workers=1)
    config = dict(p.config)

    async def talk():
        async with dial(p) as ws:
            config["services"]["shop"]["versions"] = {
                "v2": {"pods": [f"127.0.0.1:{pod().port}"]}}
            config["services"]["shop"]["stable"] = "v2"
            p.write(config)
            code, said = p.api("POST", "/api/v1/reload")
            assert code == 200, said
            assert get(p.port).status == 200
            await ws.send("x")
            assert await ws.recv() == "x"
    run(talk())


# Raw tunnels

def echoing(asked_list=None, early=b""):
    """A pod that switches to echoing bytes when it is asked to."""
    async def respond(reader, writer):
        while True:
            head = Asked(await reader.readuntil(b"\r\n\r\n"))
            if asked_list is not None:
                asked_list.append(head)
            if head.get("Upgrade") is None:
                writer.write(app_answer("1"))
                continue
            writer.write(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n"
                         b"Upgrade: " + head.get("Upgrade").encode()
                         + b"\r\n\r\n" + early)
            while True:
                data = await reader.read(1 << 16)
                if not data:
                    writer.write(b"bye")
                    return
                writer.write(data)
                await writer.drain()
    return respond


@pytest.mark.parametrize("token", ["x-echo", "foo/2.1", "WebSocket",
                                   "a/1, b/2"])
def test_any_protocol_may_be_agreed_on(shop, pod, token):
    asked = []
    p = shop({"v1": [pod(raw=echoing(asked)).port]}, workers=1)
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "keep-alive, Upgrade"),
                               ("Upgrade", token)]))
        got = c.head()
        assert got.status == 101
        assert got.get("Connection").lower() == "upgrade"
        assert got.get("Upgrade") == token
        for data in (b"\x00\xff", b"GET / HTTP/1.1\r\n\r\n", b"x" * 100000):
            c.send(data)
            assert c.exactly(len(data)) == data
        c.socket.shutdown(socket.SHUT_WR)
        assert c.rest() == b"bye"
    assert asked[0].get("Upgrade") == token
    p.wait_idle()


def test_bytes_right_behind_the_heads_are_not_lost(shop, pod):
    """The client does not wait for the 101, nor the pod with its words."""
    p = shop({"v1": [pod(raw=echoing(early=b"hello ")).port]}, workers=1)
    for _ in range(5):
        with Client(p.port) as c:
            c.send(request(fields=UPGRADE) + b"too early")
            assert c.head().status == 101
            assert c.exactly(15) == b"hello too early"


def test_an_interim_answer_before_the_switch(shop, pod):
    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 X\r\nLink: </a>\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: x-echo\r\n\r\nhi")
        await writer.drain()
        await reader.read()
    p = shop({"v1": [pod(raw=respond).port]}, workers=1)
    with Client(p.port) as c:
        c.send(request(fields=UPGRADE))
        assert [c.head().status for _ in range(2)] == [103, 101]
        assert c.exactly(2) == b"hi"


@pytest.mark.parametrize("status", [200, 400, 426, 503])
def test_upgrade_refused_is_an_ordinary_answer(shop, pod, status):
    """And the connection goes on as it was: no bytes of it are a tunnel."""
    seen = []

    async def respond(asked):
        seen.append(asked.target)
        return answer(status, b"no " + asked.target.encode())
    p = shop({"v1": [pod(respond).port]}, workers=1)
    with Client(p.port) as c:
        c.send(request(path="/a", fields=UPGRADE) + request(path="/b"))
        for path in (b"/a", b"/b"):
            got = c.response()
            assert (got.status, got.body) == (status, b"no " + path)
            assert got.get("Upgrade") is None
        assert c.ask(path="/c").body == b"no /c"
    assert seen == ["/a", "/b", "/c"]


def test_h2c_is_never_agreed_on(shop, pod):
    """Behind it a client would speak past every rule of ours."""
    asked = []
    p = shop({"v1": [pod(raw=echoing(asked)).port]}, workers=1)
    for token in ("h2c", "H2C", "x-echo, h2c"):
        got = get(p.port, fields=[
            ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", token),
            ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")])
        assert got.status == 200
    for seen in asked:
        assert seen.get("Upgrade") is None
        assert seen.get("Connection") is None
        assert seen.get("HTTP2-Settings") is None


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x-echo\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\n"
    b"Upgrade: x-echo\r\n\r\n"])
def test_half_an_upgrade_is_none(shop, pod, data):
    asked = []
    p = shop({"v1": [pod(raw=echoing(asked)).port]}, workers=1)
    with Client(p.port) as c:
        c.send(data)
        assert c.response().status == 200
    assert asked[0].get("Upgrade") is None
    assert "upgrade" not in (asked[0].get("Connection") or "").lower()


def test_an_upgrade_with_a_body_is_an_ordinary_request(shop, pod):
    p = shop({"v1": [pod().port]}, workers=1)
    with Client(p.port) as c:
        seen = c.ask("POST", fields=UPGRADE, body=b"abc").json()
        assert seen["body"] == "abc"
        assert not [n for n, _ in seen["fields"] if n.lower() == "upgrade"]
        assert c.ask().status == 200


def test_each_direction_ends_alone(shop, pod):
    """The client stops sending; the pod may go on, and the other way."""
    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: x-echo\r\n\r\n")
        first = await reader.readexactly(4)
        if first == b"pod!":  # its own direction first
            writer.write(b"done")
            writer.write_eof()
            seen.append(await reader.read())
        else:
            seen.append(await reader.read())
            writer.write(b"x" * 300000)
            await writer.drain()
    seen = []
    p = shop({"v1": [pod(raw=respond).port]}, workers=1)
    with Client(p.port) as c:
        c.send(request(fields=UPGRADE) + b"self" + b"rest")
        assert c.head().status == 101
        c.socket.shutdown(socket.SHUT_WR)
        assert c.rest() == b"x" * 300000
    with Client(p.port) as c:
        c.send(request(fields=UPGRADE) + b"pod!")
        assert c.head().status == 101
        assert c.rest() == b"done"
        c.send(b"y" * 300000)
        c.socket.shutdown(socket.SHUT_WR)
        wait_for(lambda: len(seen) == 2, "the pod has all of it")
    assert seen == [b"rest", b"y" * 300000]
    p.wait_idle()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))


@pytest.mark.parametrize("hard", [False, True])
def test_a_client_that_vanishes_ends_the_pods_side(shop, pod, hard):
    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: x-echo\r\n\r\n")
        await reader.read()
    backend = pod(raw=respond)
    p = shop({"v1": [backend.port]}, workers=1)
    for _ in range(5):
        c = Client(p.port)
        c.send(request(fields=UPGRADE))
        assert c.head().status == 101
        if hard:
            reset(c.socket)
        c.close()
    p.wait_idle()
    wait_for(lambda: not backend.writers, "the pod's connections close")


@pytest.mark.parametrize("hard", [False, True])
def test_a_pod_that_vanishes_ends_the_clients_side(shop, pod, hard):
    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: x-echo\r\n\r\n")
        await reader.readexactly(3)
        if hard:
            reset(writer.get_extra_info("socket"))
            writer.transport.abort()
    p = shop({"v1": [pod(raw=respond).port]}, workers=1)
    with Client(p.port) as c:
        c.send(request(fields=UPGRADE))
        assert c.head().status == 101
        c.send(b"end")
        assert c.closed()
    p.wait_idle()


def test_a_reader_that_stops_stops_the_sender(shop, pod):
    """Bounded memory in both directions of a tunnel."""
    sent = [0]

    async def flood(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: x-echo\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent[0] += 65536
    p = shop({"v1": [pod(raw=flood).port]}, workers=1)
    with Client(p.port) as c:
        c.send(request(fields=UPGRADE))
        assert c.head().status == 101
        wait_for(lambda: sent[0] > 0, "the pod sends")
        last, since = sent[0], time.monotonic()
        while time.monotonic() - since < 0.5:
            if sent[0] != last:
                last, since = sent[0], time.monotonic()
            assert sent[0] < 64 * MIB, "nobody holds the pod up"
            time.sleep(0.01)
        if not SAN:
            assert p.peak_kib() < 64 * 1024
        # It was only held up: everything comes, in order.
        assert c.exactly(8 * MIB) == b"x" * (8 * MIB)


def test_tunnels_leave_nothing_behind(shop, pod):
    p = shop({"v1": [pod(raw=echoing()).port]}, workers=1)
    before = p.sockets()
    for _ in range(3):
        clients = [Client(p.port) for _ in range(50)]
        for c in clients:
            c.send(request(fields=UPGRADE) + b"x")
        for c in clients:
            assert c.head().status == 101
            assert c.exactly(1) == b"x"
            c.close()
        p.wait_idle()
    wait_for(lambda: p.sockets() <= before + 1, "descriptors come back")
