"""SIGTERM: nothing that was begun is cut, and then it is over."""
import asyncio
import os
import signal
import socket
import time

import pytest

from client import Client, Load, request
from harness import wait_for
from pods import app_answer


def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return False
    except OSError:
        return True


def test_sigterm_under_load_cuts_no_request(shop, app):
    """Every request sent before the signal gets its whole answer. One sent
    later may meet a closed connection, but never half an answer."""
    for _ in range(3):
        p = shop({"v1": [app("1").port]}, workers=2)
        load = Load(p.port, connections=30, reconnect=False).start()
        load.wait(500)
        before = time.monotonic()
        p.signal(signal.SIGTERM)
        assert p.wait() == 0
        load.stop()
        cut = [(d.error, d.status) for d in load.done
               if d.error and (d.began < before or d.status is not None)]
        assert cut == []
        assert load.finished() >= 500


def test_slow_request_is_finished_and_the_rest_closes(shop, pod):
    gate = asyncio.Event()

    async def slow(asked):
        if asked.target == "/slow":
            await gate.wait()
        return app_answer("1")
    backend = pod(slow)
    p = shop({"v1": [backend.port]}, workers=1)
    with Client(p.port) as idle, Client(p.port) as busy:
        assert idle.ask().status == 200
        busy.send(request(path="/slow"))
        wait_for(lambda: p.inflight() == 1, "one in flight")
        p.signal(signal.SIGTERM)
        assert idle.closed()
        wait_for(lambda: refused(p.port), "new connections are refused")
        assert p.process.poll() is None
        backend.loop.loop.call_soon_threadsafe(gate.set)
        reply = busy.response()
        assert reply.status == 200 and b'"appVersion"' in reply.body
        assert busy.closed()
    assert p.wait() == 0


def test_connections_in_the_queue_were_promised_an_answer(shop, app):
    """The kernel has accepted them, and they have asked, before the signal:
    stopping the process makes sure of that order."""
    p = shop({"v1": [app("1").port]}, workers=2)
    p.signal(signal.SIGSTOP)
    clients = [Client(p.port) for _ in range(300)]
    for c in clients:
        c.send(request())
    p.signal(signal.SIGTERM)
    p.signal(signal.SIGCONT)
    assert [c.response().status for c in clients] == [200] * 300
    assert all(c.closed() for c in clients)
    assert p.wait() == 0


def test_upload_in_flight_is_finished(shop, pod):
    p = shop({"v1": [pod().port]}, workers=1)
    with Client(p.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
        wait_for(lambda: p.inflight() == 1, "one in flight")
        p.signal(signal.SIGTERM)
        wait_for(lambda: refused(p.port), "new connections are refused")
        c.send(b"half")
        reply = c.response()
        assert reply.status == 200 and reply.json()["body"] == "halfhalf"
    assert p.wait() == 0


def test_drain_ends_at_its_timeout(shop, pod):
    async def never(asked):
        await asyncio.sleep(600)
    p = shop({"v1": [pod(never).port]},
             config={"timeouts": {"drain": "300ms"}})
    with Client(p.port) as c:
        c.send(request())
        wait_for(lambda: p.inflight() == 1, "one in flight")
        p.signal(signal.SIGTERM)
        assert p.wait() == 0


def test_readyz_says_no_while_draining(shop, pod):
    async def slow(asked):
        await asyncio.sleep(600)
    p = shop({"v1": [pod(slow).port]},
             config={"timeouts": {"drain": "20s"}})
    with Client(p.port) as c:
        c.send(request())
        wait_for(lambda: p.inflight() == 1, "one in flight")
        p.signal(signal.SIGTERM)
        wait_for(lambda: p.api("GET", "/readyz")[0] == 503, "not ready")
        assert p.api("GET", "/healthz")[0] == 200
        p.signal(signal.SIGTERM)  # the second one is at once
        assert p.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_proxy_ends_at_once_and_leaves_nothing(shop, app, number):
    p = shop({"v1": [app("1").port]})
    assert os.path.exists(p.socket)
    p.signal(number)
    assert p.wait() == 0
    assert not os.path.exists(p.socket)
    assert refused(p.port)
