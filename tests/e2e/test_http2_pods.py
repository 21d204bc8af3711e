"""HTTP/2 to pods, and every mix of protocols on both sides."""
import asyncio
import concurrent.futures
import hashlib
import os
import socket
import struct
import types

import h2.events
import pytest

from client import Client, Load, Response, get, request
from h2client import REFUSED, H2Client
from h2pod import STREAMS, Answer, H2Connection, told
from harness import PATIENCE, wait_for
from pods import app_answer
from rawh2 import (END_HEADERS, END_STREAM, HEADERS, PING, block, frame,
                   settings)

MIB = 1 << 20
OK = Answer(200, b'{"appVersion": "1"}')


@pytest.fixture
def h2c(shop, h2_pod):
    """h2c(respond): a proxy before one pod that speaks h2c."""
    def start(respond=told, config=None, service=None, workers=1, **options):
        backend = h2_pod(respond, **options)
        p = shop({"v1": [backend.port]}, workers=workers, config=config,
                 service={"protocol": "h2c", **(service or {})})
        p.pod = backend
        return p
    return start


# The mixes

CLIENTS = ["h1", "h2c", "h2"]
PODS = ["h1", "h2c", "h2"]


class OneClient:
    """A client of any protocol with one way to ask."""

    def __init__(self, kind, p, certs):
        self.h1 = kind == "h1"
        self.client = Client(p.port) if self.h1 else H2Client(
            p.tls if kind == "h2" else p.port,
            certs.client_context(["h2"]) if kind == "h2" else None)

    def ask(self, method="GET", path="/", fields=(), body=None,
            trailers=None):
        if not self.h1:
            return self.client.ask(method, path, fields=fields, body=body,
                                   trailers=trailers)
        if trailers is None:
            self.client.send(request(method, path, fields=fields, body=body))
        else:
            self.client.send(request(method, path, fields=[
                *fields, ("Transfer-Encoding", "chunked")]))
            self.client.send(b"%x\r\n%s\r\n0\r\n" % (len(body), body)
                             + b"".join(f"{n}: {v}\r\n".encode()
                                        for n, v in trailers) + b"\r\n")
        return self.answer(method)

    def answer(self, method):
        """With interim answers and trailers, as H2Client has them."""
        interim = []
        while True:
            head = Response(self.client.until(b"\r\n\r\n"))
            if head.status >= 200:
                break
            interim.append((head.status, head.fields))
        head.interim, head.trailers, head.reset = interim, None, None
        if head.bodiless(method == "HEAD"):
            return head
        if not head.get("Transfer-Encoding"):
            head.body = self.client.exactly(int(head.get("Content-Length")))
            return head
        body = bytearray()
        while n := int(self.client.until(b"\r\n"), 16):
            body += self.client.exactly(n)
            assert self.client.exactly(2) == b"\r\n"
        head.body, lines = body, []
        while (line := self.client.until(b"\r\n")) != b"\r\n":
            name, value = line.decode().split(":", 1)
            lines.append((name.lower(), value.strip()))
        head.trailers = lines or None
        return head

    def close(self):
        self.client.close()


@pytest.fixture(params=[(c, p) for c in CLIENTS for p in PODS],
                ids=lambda pair: "-".join(pair))
def mix(request, tls_shop, pod, h2_pod, certs):
    """mix(respond): a client of one kind before a pod of another."""
    kind, to = request.param
    made = []

    def start(respond=told, **options):
        m = types.SimpleNamespace()
        m.kind, m.to = kind, to
        if to == "h1":
            m.pod = pod(lambda asked: respond(asked).h1(asked.method))
        else:
            m.pod = h2_pod(respond, context=certs.server_context(
                certs.shop(), ["h2"]) if to == "h2" else None)
        service = {"protocol": to}
        if to == "h2":
            service["tls"] = {"ca": certs.ca}
        m.p = tls_shop({"v1": [m.pod.port]}, workers=1, service=service,
                       **options)
        m.client = OneClient(kind, m.p, certs)
        made.append(m.client)
        return m
    yield start
    for client in made:
        client.close()


def test_mix_of_requests(mix):
    """Method, target, host, fields and body arrive as they were sent."""
    m = mix()
    for method, path, body in (("GET", "/a?b=c", None), ("DELETE", "/x", None),
                               ("POST", "/y", b"hello"),
                               ("PUT", "/z", os.urandom(100_000))):
        reply = m.client.ask(method, path, [("X-One", "1"), ("Cookie", "a=1"),
                                            ("Cookie", "b=2")], body)
        assert reply.status == 200, reply.body
        got = reply.json()
        assert (got["method"], got["target"], got["authority"]) == (
            method, path, "shop.test")
        fields = [tuple(f) for f in got["fields"]]
        assert ("x-one", "1") in fields
        assert "; ".join(v for n, v in fields if n == "cookie") == "a=1; b=2"
        assert ("x-forwarded-proto",
                "https" if m.kind == "h2" else "http") in fields
        if m.to != "h1":
            assert (":scheme", m.to == "h2" and "https" or "http") in fields
            names = {n for n, _ in fields}
            assert not {"host", "connection", "transfer-encoding"} & names
        assert got["body"].encode("latin-1") == (body or b"")


def test_mix_of_answers(mix):
    """Statuses, fields, bodies, and answers that have none."""
    def respond(asked):
        if asked.method == "HEAD":
            return Answer(200, b"x" * 4711, [("X-A", "b")])
        status = int(asked.target[1:4])
        return Answer(status, b"" if status in (204, 304) else b"body",
                      [("X-A", "b"), ("Set-Cookie", "a=1"),
                       ("Set-Cookie", "b=2")])
    m = mix(respond)
    for _ in range(2):
        for status in (200, 204, 304, 404, 201):
            reply = m.client.ask(path=f"/{status}")
            assert reply.status == status
            assert bytes(reply.body) == (
                b"" if status in (204, 304) else b"body")
            assert reply.get("x-a") == "b"
            assert reply.all("set-cookie") == ["a=1", "b=2"]
        reply = m.client.ask("HEAD")
        assert (reply.status, bytes(reply.body)) == (200, b"")
        assert reply.get("content-length") == "4711"


def test_mix_of_large_bodies(mix):
    data = os.urandom(2 * MIB)

    def respond(asked):
        if asked.method == "POST":
            return Answer(200, hashlib.sha256(asked.body).hexdigest())
        return Answer(200, data)
    m = mix(respond)
    digest = hashlib.sha256(data).hexdigest()
    assert bytes(m.client.ask("POST", body=data).body).decode() == digest
    assert m.client.ask("POST", body=data, trailers=[("x-sum", "1")]
                        ).body.decode() == digest
    assert m.client.ask().body == data


def test_mix_of_trailers(mix):
    def respond(asked):
        return Answer(200, asked.body, trailers=[
            ("X-Got", dict(asked.trailers).get("x-sum", "none"))])
    m = mix(respond)
    for body in (b"abc", b"x" * 50000):
        reply = m.client.ask("POST", body=body, trailers=[("x-sum", "7")])
        assert reply.status == 200 and reply.body == body
        assert reply.trailers == [("x-got", "7")]
    reply = m.client.ask()
    assert reply.trailers == [("x-got", "none")]


def test_mix_of_interim_answers(mix):
    m = mix(lambda asked: Answer(200, b"x", interim=[103, 103]))
    for _ in range(2):
        reply = m.client.ask()
        assert reply.status == 200
        assert [code for code, _ in reply.interim] == [103, 103]


def test_mix_of_100_continue(mix):
    m = mix()
    fields = [("Expect", "100-continue")]
    if m.kind == "h1":
        m.client.client.send(request("POST", fields=[
            *fields, ("Content-Length", "5")]))
        if m.to == "h1":
            assert m.client.client.head().status == 100
        m.client.client.send(b"hello")
        reply = m.client.answer("POST")
    else:
        reply = m.client.ask("POST", fields=fields, body=b"hello")
    assert reply.status == 200 and reply.json()["body"] == "hello"


# Connections

def test_many_streams_on_few_connections(h2c):
    """100 requests at once from 100 clients of HTTP/1."""
    gate = asyncio.Event()

    async def respond(asked):
        await gate.wait()
        return OK
    p = h2c(respond)
    clients = [Client(p.port) for _ in range(100)]
    for c in clients:
        c.send(request())
    wait_for(lambda: len(p.pod.asked) == 100, "all are at the pod")
    assert p.pod.connections <= 3
    p.pod.loop.loop.call_soon_threadsafe(gate.set)
    assert [c.response().status for c in clients] == [200] * 100
    for c in clients:
        c.close()


def test_the_pods_limit_of_streams_holds(h2c):
    """10 are allowed: more wait or go to other connections; none fails."""
    now, most = [0], [0]

    async def respond(asked):
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.01)
        now[0] -= 1
        return OK
    p = h2c(respond, settings={STREAMS: 10})
    load = Load(p.port, 60, 600).run()
    assert load.failures() == []
    assert p.version("v1")["errors"] == 0
    by_connection = {}
    for asked in p.pod.asked:
        by_connection.setdefault(asked.connection, []).append(asked)
    assert max(len(v) for v in by_connection.values()) > 1


def test_keep_alive_across_requests(h2c):
    p = h2c()
    assert [get(p.port).status for _ in range(30)] == [200] * 30
    assert p.pod.connections == 1


# A pod that leaves

def test_goaway_fails_no_request(h2c):
    """Again and again, under load."""
    async def respond(asked):
        await asyncio.sleep(0.002)
        return OK
    p = h2c(respond)
    load = Load(p.port, 20).start()
    for _ in range(10):
        p.pod.goaway()
        load.wait(40)
    assert load.stop().failures() == []
    assert p.version("v1")["errors"] == 0
    assert p.pod.connections >= 10


def test_goaway_gives_back_what_was_not_begun(h2c):
    """Streams above its last one are asked again, POST too."""
    seen = []

    def respond(asked):
        seen.append(asked.stream)
        if len(seen) == 1:
            asked.connection.goaway(0, 0)  # none of them, says the pod
            return None
        return OK
    p = h2c(respond)
    with Client(p.port) as c:
        assert c.ask("POST", body=b"x").status == 200
    assert len(seen) == 2 and p.pod.connections == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_refused_streams_are_asked_again(shop, h2_pod, method):
    """REFUSED_STREAM: nothing was done, so any method may be repeated."""
    refusals = []

    def refuse(asked):
        refusals.append(asked.method)
        asked.cancel(REFUSED)
    bad, good = h2_pod(refuse), h2_pod(lambda asked: OK)
    p = shop({"v1": [bad.port, good.port]}, workers=1, service={
        "protocol": "h2c", "balance": "round_robin",
        "retry": {"budget": "100%"}})
    with H2Client(p.port) as c:
        for _ in range(6):
            body = b"x" * 1000 if method == "POST" else None
            assert c.ask(method, body=body).status == 200
    assert len(good.asked) == 6 and len(refusals) >= 1


def test_a_stream_that_is_reset_is_502(h2c):
    """Only its own request; POST is not repeated."""
    def respond(asked):
        if asked.target == "/bad":
            asked.cancel(2)
            return None
        return OK
    p = h2c(respond)
    with Client(p.port) as c:
        assert c.ask("POST", "/bad", body=b"x").status == 502
    assert get(p.port).status == 200
    assert p.pod.connections == 1
    assert [a.target for a in p.pod.asked] == ["/bad", "/"]


def test_reset_behind_the_head_cuts_the_answer(h2c):
    """The client must not take half of it for the whole."""
    async def respond(asked):
        asked.head(200, [])
        await asked.data(b"begun")
        asked.cancel(2)
    p = h2c(respond)
    with Client(p.port) as c:
        c.send(request())
        with pytest.raises((EOFError, OSError)):
            c.response()
    with H2Client(p.port) as c:
        reply = c.ask()
        assert reply.reset not in (None, 0)


def test_a_pod_that_dies_mid_stream(h2c):
    async def respond(asked):
        asked.head(200, [])
        await asked.data(b"begun")
        asked.connection.writer.transport.abort()
    p = h2c(respond)
    with H2Client(p.port) as c:
        streams = [c.request() for _ in range(5)]
        for reply in c.responses(streams):
            assert reply.reset is not None or reply.status == 502
        c.ping()
    p.wait_idle()


def test_a_silent_connection_is_found_out(h2c):
    """No word and no FIN comes any more: the pod is sent a PING, and when
    that stays unanswered the connection is given up. Another one works."""
    p = h2c(lambda asked: OK, config={"timeouts": {"response": "1s"}},
            service={"retry": {"budget": "100%"}})
    assert get(p.port).status == 200
    p.pod.deafen()
    (dead,) = p.pod.open

    def asks():
        return get(p.port).status == 200
    wait_for(asks, "requests are answered again")
    assert [get(p.port).status for _ in range(10)] == [200] * 10
    assert p.pod.connections >= 2
    assert PING in [kind for kind, *_ in frames(dead.unheard)]
    wait_for(lambda: dead not in p.pod.open, "it is closed")


async def slowly(asked):
    await asyncio.sleep(1)
    return OK


@pytest.mark.parametrize("body,response,status", [
    ("300ms", "60s", 200), ("60s", "300ms", 504)])
def test_behind_the_body_the_response_is_awaited(h2c, body, response, status):
    """As long as timeouts.response says, whatever that of bodies is."""
    p = h2c(slowly, config={
        "timeouts": {"body": body, "response": response}})
    with Client(p.port) as c:
        assert c.ask("POST", body=b"x" * 1000).status == status


def frames(data):
    """(kind, flags, stream) of frames in a row."""
    while len(data) >= 9:
        n = int.from_bytes(data[:3], "big")
        yield data[3], data[4], int.from_bytes(data[5:9], "big")
        data = data[9 + n:]


def test_pings_of_the_pod_are_answered(h2c):
    answers = []

    async def respond(asked):
        asked.connection.h2.ping(b"12345678")
        asked.connection.flush()
        return OK
    p = h2c(respond)
    take = H2Connection.take

    def spy(self, event):
        if isinstance(event, h2.events.PingAckReceived):
            answers.append(event.ping_data)
        take(self, event)
    H2Connection.take = spy
    try:
        assert get(p.port).status == 200
        wait_for(lambda: answers == [b"12345678"], "the pod has its answer")
    finally:
        H2Connection.take = take


# Windows towards the pod

def test_a_slow_upload_does_not_block_another(h2c):
    gate = asyncio.Event()

    async def respond(asked):
        if asked.target == "/slow":
            asked.auto = False
            await gate.wait()
            return OK
        return Answer(200, str(len((await asked.whole()).body)))
    p = h2c(respond, streaming=True)
    with Client(p.port) as slow, Client(p.port) as c:
        slow.send(request("POST", "/slow", fields=[
            ("Content-Length", "50000000")]))
        wait_for(lambda: len(p.pod.asked) == 1, "it is at the pod")
        slow.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            slow.send(bytes(50_000_000))
        slow.socket.settimeout(PATIENCE)
        assert c.ask("POST", body=bytes(30000)).body == b"30000"
        p.pod.loop.loop.call_soon_threadsafe(gate.set)


def test_a_slow_reader_does_not_block_another(h2c):
    """Two answers share a connection to the pod; one client stops."""
    data = os.urandom(8 * MIB)
    p = h2c(lambda asked: Answer(200, data if asked.target == "/big"
                                 else b"small"))
    before = p.peak_kib()
    with Client(p.port) as slow:
        slow.send(request(path="/big"))
        wait_for(lambda: len(p.pod.asked) == 1, "it is at the pod")
        for _ in range(10):
            assert get(p.port).body == b"small"
        assert p.peak_kib() - before < 64 * 1024
        assert slow.response().body == data
    assert p.pod.connections == 1


@pytest.mark.parametrize("http2", [False, True])
def test_clients_that_leave_cancel_their_streams(h2c, http2):
    """A FIN of HTTP/1 is none: there may be somebody who reads."""
    async def respond(asked):
        await asyncio.Event().wait()
    p = h2c(respond)
    with H2Client(p.port) if http2 else Client(p.port) as c:
        if http2:
            c.request()
        else:
            c.send(request())
        wait_for(lambda: len(p.pod.asked) == 1, "it is at the pod")
        if not http2:
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
    wait_for(lambda: p.pod.resets == [8], "the stream is cancelled")
    p.wait_idle()
    assert p.pod.connections == 1 and len(p.pod.open) == 1


# Pods that are not what they should be

@pytest.mark.parametrize("said", [
    b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"\0\0\x08\x07\0\0\0\0\0" + bytes(8), b"rubbish" * 100])
def test_pods_that_speak_something_else(shop, pod, said):
    async def respond(reader, writer):
        await reader.read(24)
        writer.write(said)
        await writer.drain()
    p = shop({"v1": [pod(raw=respond).port]}, workers=1, service={
        "protocol": "h2c", "retry": {"attempts": 0}},
        config={"timeouts": {"response": "1s", "connect": "1s"}})
    assert get(p.port).status in (502, 504)
    assert p.version("v1")["errors"] == 1


BAD_ANSWERS = [
    [("server", "x")], [(":status", "abc")], [(":status", "99")],
    [(":status", "200"), (":status", "200")], [(":status", "101")],
    [(":status", "200"), ("connection", "close")],
    [(":status", "200"), ("transfer-encoding", "chunked")],
    [(":status", "200"), ("X-Upper", "1")],
    [(":status", "200"), ("x", "a\r\nb: c")],
    [(":status", "200"), (":path", "/")],
    [(":status", "200"), ("content-length", "x")]]


@pytest.mark.parametrize("fields", BAD_ANSWERS)
def test_malformed_answers_are_502(shop, pod, fields):
    """Whatever HTTP/1 clients would make of it; others go on."""
    async def respond(reader, writer):
        await reader.readexactly(24)
        writer.write(settings())
        while True:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            stream = int.from_bytes(head[5:], "big")
            if head[3] == HEADERS:
                good = stream > 1
                writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream,
                                   block([(":status", "204")] if good
                                         else fields)))
    p = shop({"v1": [pod(raw=respond).port]}, workers=1,
             service={"protocol": "h2c", "retry": {"attempts": 0}})
    assert get(p.port).status == 502
    assert p.version("v1")["errors"] == 1


def test_health_checks_and_versions_of_each_protocol(proxy, pod, h2_pod):
    """v1 speaks HTTP/1.1, v2 h2c; both are checked in their own tongue."""
    one, two = pod(lambda asked: app_answer("1")), h2_pod(
        lambda asked: Answer(200, b'{"appVersion": "2"}'))
    p = proxy({"services": {"shop": {
        "versions": {"v1": {"pods": [f"127.0.0.1:{one.port}"]},
                     "v2": {"pods": [f"127.0.0.1:{two.port}"],
                            "protocol": "h2c"}},
        "weights": {"v1": 50, "v2": 50},
        "health": {"interval": "50ms", "rise": 1}}}})
    wait_for(lambda: set(Load(p.port, 2, 4).run().versions()) == {"1", "2"},
             "the workers know that both are up")
    assert Load(p.port, 4, 40).run().versions() == {"1": 20, "2": 20}


def test_retries_reach_across_versions(proxy, pod, h2_pod, ports):
    """The h2c version has no pod that listens; the stable one answers."""
    one = pod(lambda asked: app_answer("1"))
    p = proxy({"services": {"shop": {
        "versions": {"v1": {"pods": [f"127.0.0.1:{one.port}"]},
                     "v2": {"pods": [f"127.0.0.1:{ports.reserve()}"],
                            "protocol": "h2c"}},
        "weights": {"v2": 1}, "retry": {"version": "stable",
                                        "budget": "100%"}}}})
    assert get(p.port).json()["appVersion"] == "1" and h2_pod
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: get(p.port).status,
                             range(20))) == [200] * 20
