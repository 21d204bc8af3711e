"""Clients that vanish: nothing leaks, nobody else notices."""
import asyncio
import socket
import struct

import pytest

from client import Client, Load, get, request
from harness import wait_for
from pods import app_answer


def vanish(c, reset):
    """A close, or the RST of a client that crashed."""
    if reset:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
    c.close()


async def endless(reader, writer):
    """Streams until the connection goes."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


async def slow(asked):
    if asked.target == "/slow":
        await asyncio.sleep(3600)
    return app_answer("1")


@pytest.mark.parametrize("reset", [False, True])
def test_client_leaves_in_the_middle_of_its_body(shop, pod, reset):
    backend = pod(slow)
    p = shop({"v1": [backend.port]}, workers=1)
    for _ in range(20):
        c = Client(p.port)
        c.send(request("PUT", fields=[("Content-Length", "1000000")])
               + b"x" * 5000)
        wait_for(lambda: p.inflight() == 1, "in flight")
        vanish(c, reset)
        p.wait_idle()
    assert get(p.port).status == 200
    # Half a request leaves no connection to the pod behind.
    wait_for(lambda: len(backend.writers) <= 1, "pod connections close")
    errors = p.metrics()["shunt_errors_total"]
    assert sum(n for k, n in errors.items() if "client_abort" in k) == 20
    assert p.version("v1")["errors"] == 0


@pytest.mark.parametrize("reset", [False, True])
def test_client_leaves_in_the_middle_of_the_answer(shop, pod, reset):
    backend = pod(raw=endless)
    p = shop({"v1": [backend.port]}, workers=1)
    for _ in range(20):
        c = Client(p.port)
        c.send(request())
        assert c.head().status == 200
        c.exactly(10000)
        vanish(c, reset)
    p.wait_idle()
    wait_for(lambda: not backend.writers, "pod connections close")
    assert p.version("v1")["errors"] == 0


def test_client_leaves_while_the_pod_thinks(shop, pod):
    """Long before any timeout: the pod is told not to go on."""
    async def thinking(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()  # until the proxy closes
    backend = pod(raw=thinking)
    p = shop({"v1": [backend.port]}, workers=1,
             config={"timeouts": {"response": "1h"}})
    c = Client(p.port)
    c.send(request(path="/slow"))
    wait_for(lambda: p.inflight() == 1, "in flight")
    vanish(c, True)
    p.wait_idle()
    wait_for(lambda: not backend.writers, "the pod hears of it")


def test_many_vanish_at_once(shop, pod):
    p = shop({"v1": [pod(raw=endless).port, pod(raw=endless).port]})
    clients = [Client(p.port) for _ in range(100)]
    for c in clients:
        c.send(request())
    for c in clients[:50]:
        assert c.head().status == 200
    for i, c in enumerate(clients):
        vanish(c, i % 2 == 0)
    p.wait_idle()
    wait_for(lambda: sum(p.metrics()["shunt_connections"].values()) == 0,
             "no client connection is left")


def test_half_close_still_gets_its_answer(shop, pod):
    """A client may close its sending side after the request."""
    p = shop({"v1": [pod(lambda a: app_answer("1")).port]})
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "close")]))
        c.socket.shutdown(socket.SHUT_WR)
        assert c.response().status == 200


def test_descriptors_come_back(shop, app):
    p = shop({"v1": [app("1").port]})
    Load(p.port, 4, 40).run()
    wait_for(lambda: sum(p.metrics()["shunt_connections"].values()) == 0,
             "no client connection is left")
    before = p.sockets()
    for _ in range(5):
        Load(p.port, 30, 60).run()
        for _ in range(20):
            c = Client(p.port)
            c.send(request("PUT", fields=[("Content-Length", "9")]))
            vanish(c, True)
    wait_for(lambda: sum(p.metrics()["shunt_connections"].values()) == 0,
             "no client connection is left")
    p.wait_idle()
    # Only idle connections to the pod may be more than they were.
    assert p.sockets() <= before + 2 * 30
