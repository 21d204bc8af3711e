"""Peers of HTTP/2 that break off, hold back or say wrong things: only their
own streams suffer, and what they held is given back."""
import asyncio
import base64
import contextlib
import fcntl
import hashlib
import os
import re
import signal
import socket
import struct
import termios
import threading
import time

import pytest

from client import Client, Load, request
from h2client import CANCEL, REFUSED, H2Client
from h2pod import Answer
from harness import PATIENCE, service, wait_for
from pods import answer
from rawh2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET,
                   GOAWAY, HEADERS, PING, POST, RST_STREAM, RawH2, RawPod,
                   block, frame, headers, ping, settings,
                   window_update)

MIB = 1 << 20
OK = Answer(200, b"ok")


class Given(Client):
    """One end of a connection that is there already."""

    def __init__(self, sock):  # pylint: disable=super-init-not-called
        self.socket, self.buffer = sock, b""

    def request(self):
        """The head of one, as a pod reads it."""
        return self.until(b"\r\n\r\n")

    def reset(self):
        reset(self.socket)


def reset(sock):
    """An RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


class PlayedPod:
    """A pod that the test plays itself, one connection after another."""

    def __init__(self, rcvbuf=None):
        self.socket = socket.socket()
        if rcvbuf:
            narrow(self.socket, rcvbuf)
        self.socket.settimeout(PATIENCE)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.made = []

    def accept(self, kind=Given, **options):
        sock, _ = self.socket.accept()
        sock.settimeout(PATIENCE)
        self.made.append(sock)
        return kind(sock, **options)

    def close(self):
        for sock in [*self.made, self.socket]:
            sock.close()


def narrow(sock, rcvbuf):
    """The kernel keeps little on the way to it. Segments are as small as on
    a network: the loopback's would let it keep megabytes."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)


@pytest.fixture
def played():
    made = []

    def start(**options):
        made.append(PlayedPod(**options))
        return made[-1]
    yield start
    for one in made:
        one.close()


@pytest.fixture
def stage(shop, played):
    """stage(): a proxy before one pod that the test plays."""
    def start(service=None, config=None, **options):
        backend = played(**options)
        p = shop({"v1": [backend.port]}, workers=1, service=service,
                 config=config)
        p.pod = backend
        return p
    return start


H2C = {"protocol": "h2c", "retry": {"attempts": 0}}


# What is to happen in one turn of the proxy's loop

def stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


@contextlib.contextmanager
def frozen(p):
    """All that is done meanwhile is there at once when it looks again."""
    pid = p.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: stopped(pid), "it is stopped")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def deliver(sock, data):
    """Sends, until the other side's kernel has it all."""
    sock.sendall(data)
    left = bytearray(4)

    def taken():
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, left)
        return struct.unpack("i", left)[0] == 0
    wait_for(taken, "it has arrived")


def connected(local=None, remote=None):
    """How many connections there are of that port, or to it."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(1 for r in rows if r[3] == "01"
               and local in (None, int(r[1].split(":")[1], 16))
               and remote in (None, int(r[2].split(":")[1], 16)))


def gone(what, **ports):
    wait_for(lambda: connected(**ports) == 0, what)


# Peers that break off

def test_trailers_too_large_in_a_tunnel(stage):
    p = stage()
    connect = [(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:],
               ("sec-websocket-version", "13")]
    with RawH2(p.port) as c:
        c.send(headers(1, connect, END_HEADERS))
        there = p.pod.accept()
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)",
                        there.request()).group(1)
        accept = base64.b64encode(hashlib.sha1(
            key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        there.send(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: "
                   b"Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept)
        assert c.status(1) == 200
        piece = block([("x-a", "y" * 15000)])
        c.send(frame(HEADERS, END_STREAM, 1, piece)
               + frame(CONTINUATION, 0, 1, piece) * 3
               + frame(CONTINUATION, END_HEADERS, 1, piece))
        c.until(lambda g: g.kind in (RST_STREAM, GOAWAY) and g.code != 0,
                "an error")
        assert there.closed()
    p.wait_idle()
    with H2Client(p.port) as c:
        c.ping()


def test_an_early_answer_and_a_reset_beside_another_upload(proxy, played):
    """Both bodies are in one read of the proxy; in the midst of it the pod
    of one turns out to have answered and left."""
    bad, good = played(), played()
    p = proxy({"services": {
        "bad": service({"v1": [bad.port]}, routes=[{"path": "/bad"}]),
        "good": service({"v1": [good.port]})}}, workers=1)
    size = 24010
    lines = [*POST, ("content-length", str(size))]
    with RawH2(p.port) as c:
        c.send(headers(1, [(n, "/bad" if n == ":path" else v)
                           for n, v in lines], END_HEADERS)
               + headers(3, lines, END_HEADERS)
               + frame(DATA, 0, 1, b"b" * 10) + frame(DATA, 0, 3, b"G" * 10))
        leaves, stays = bad.accept(), good.accept()
        for there in (leaves, stays):
            there.request()
            there.exactly(10)
        with frozen(p):
            deliver(c.socket, b"".join(
                frame(DATA, 0, 1, b"b" * 4000)
                + frame(DATA, i == 5, 3, b"G" * 4000) for i in range(6)))
            deliver(leaves.socket, answer(413, b"X" * 30000))
            leaves.reset()
            gone("the reset is there", local=p.port, remote=bad.port)
        assert stays.exactly(size - 10) == b"G" * (size - 10)
        stays.send(answer(200))
        statuses = {}
        while len(statuses) < 2:
            got = c.until(lambda g: g.kind == HEADERS, "an answer")
            statuses[got.stream] = dict(got.fields)[":status"]
        assert statuses == {1: "413", 3: "200"}


def test_a_client_resets_while_much_is_on_its_way(stage):
    """The write that fails is one of many streams' at once."""
    p = stage()
    n = 21
    c = RawH2(p.port, first=settings((4, 2**31 - 1)))
    c.send(window_update(0, 2**31 - 65536)
           + b"".join(headers(1 + 2 * i) for i in range(n)))
    pods = [p.pod.accept() for _ in range(n)]
    for there in pods:
        there.request()
        there.send(b"HTTP/1.1 200 X\r\nContent-Length: 10000000\r\n\r\n")
    for _ in range(n):
        c.until(lambda g: g.kind == HEADERS, "an answer")
    with frozen(p):
        for there in pods[:-1]:
            deliver(there.socket, bytes(7000))
        deliver(pods[-1].socket, bytes(20000))
        reset(c.socket)
        gone("the reset is there", local=p.port)
    for there in pods:
        assert there.closed()
    p.wait_idle()
    with H2Client(p.port) as c:
        c.ping()


# What cancelled streams held is given back

def test_cancelled_downloads_do_not_use_up_the_trunk(shop, h2_pod):
    """Each leaves a window's worth behind that nobody takes."""
    data = os.urandom(3 * MIB)
    backend = h2_pod(lambda asked: Answer(200, data), streaming=True)
    p = shop({"v1": [backend.port]}, workers=1, service=H2C)
    for _ in range(2):
        clients = [H2Client(p.port) for _ in range(12)]
        for c in clients:
            stream = c.start(end=True)
            c.held.add(stream)
            c.until(lambda c=c, n=stream: len(c.replies[n].body) == 65535,
                    "its window")
        wait_for(lambda: all(
            c.h2.outbound_flow_control_window == 0
            or all(c.h2.local_flow_control_window(asked.stream) == 0
                   for asked in backend.asked if asked.reset is None)
            for c in list(backend.open)), "the pod is held up")
        for c in clients:
            c.close()
        p.wait_idle()
    with H2Client(p.port) as c:
        assert c.ask().body == data
    assert backend.connections == 1


def fill(c, stream, data):
    """Sends until there is no room, and none comes for a ping."""
    sent, reply = 0, c.replies[stream]
    while sent < len(data) and not reply.ended:
        room = min(c.h2.local_flow_control_window(stream), 16384,
                   len(data) - sent)
        if room == 0:
            c.ping()
            if c.h2.local_flow_control_window(stream) == 0:
                break
            continue
        c.h2.send_data(stream, data[sent:sent + room])
        c.flush()
        sent += room
    return sent


@pytest.mark.parametrize("how", ["reset", "early"])
def test_held_uploads_do_not_use_up_the_connection(stage, how):
    """The pod does not read them: they are reset, or it answers early."""
    p = stage(rcvbuf=2048)
    data = bytes(12 * MIB)
    length = [("Content-Length", str(len(data)))]
    with H2Client(p.port) as c:
        for _ in range(20):
            stream = c.start("POST", fields=length)
            there = p.pod.accept()
            there.request()
            assert fill(c, stream, data) < len(data)
            if how == "reset":
                c.h2.reset_stream(stream, CANCEL)
                c.flush()
                p.wait_idle()
            else:
                there.send(answer(401, b"no"))
                assert c.response(stream).status == 401
            there.socket.close()
        c.ping()
        assert c.h2.outbound_flow_control_window > 100_000
        body = os.urandom(200_000)
        stream = c.start("POST", fields=[("Content-Length", str(len(body)))])
        there = p.pod.accept()
        there.request()
        sender = threading.Thread(target=c.send, args=(stream, body, True))
        sender.start()
        assert there.exactly(len(body)) == body
        sender.join(PATIENCE)
        there.send(answer(200))
        assert c.response(stream).status == 200


@pytest.mark.parametrize("status", [413, 502])
def test_bodies_that_could_not_be_sent(stage, status):
    """The pod answers early, or leaves. What waits for its window is freed:
    the leak sanitizer looks."""
    p = stage(service=H2C)
    with RawH2(p.port) as c:
        for i in range(5):
            first, second = 1 + 4 * i, 3 + 4 * i
            c.send(headers(first))
            there = p.pod.accept(RawPod, first=settings((4, 0)))
            there.answer(there.request(), 204)
            there.ping()  # it knows the settings now
            assert c.status(first) == 204
            c.send(headers(second, POST, END_HEADERS)
                   + frame(DATA, END_STREAM, second, b"u" * 12000))
            c.ping()
            stream = there.request()
            if status == 413:
                there.answer(stream, status)
                assert c.status(second) == status
            there.close()
            if status == 502:
                assert c.status(second) == status
    p.wait_idle()


# One stream's failure is not the connection's

def test_a_ping_and_a_malformed_answer_at_once(stage):
    """502 for that client; the trunk's own frames stay whole."""
    p = stage(service=H2C)
    with Client(p.port) as waits, Client(p.port) as c:
        waits.send(request())
        there = p.pod.accept(RawPod)
        good = there.request()
        c.send(request())
        bad = there.request()
        there.send(ping() + frame(HEADERS, END_HEADERS, bad, block(
            [(":status", "200"), ("Upper", "x")])))
        assert c.response().status == 502
        got = there.until(lambda g: g.kind == PING and g.flags & ACK,
                          "the answer to the ping")
        assert (got.flags, got.stream, got.payload) == (ACK, 0, b"12345678")
        c.send(request())
        there.answer(there.request(), 204)
        assert c.response().status == 204
        there.answer(good, 204)
        assert waits.response().status == 204


def test_the_end_of_a_request_does_not_stop_the_clock(stage):
    """The answer waits for a window that never comes."""
    p = stage(config={"timeouts": {"body": "2s"}})
    with RawH2(p.port) as c:
        c.send(headers(1, POST, END_HEADERS) + frame(DATA, 0, 1, b"abc"))
        there = p.pod.accept()
        there.request()
        there.send(b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n"
                   + bytes(200_000))
        got = 0
        while got < 65535:
            got += len(c.until(lambda g: g.kind == DATA, "data").payload)
        c.send(frame(DATA, END_STREAM, 1, b"abc"))
        last = c.until(lambda g: g.kind in (RST_STREAM, GOAWAY), "a reset")
        assert (last.kind, last.stream) == (RST_STREAM, 1)
        c.ping()
    p.wait_idle()


def test_a_malformed_request_starts_no_clock(stage):
    """Long after timeouts.header another stream of it goes on."""
    p = stage(config={"timeouts": {"header": "1s"}})
    with RawH2(p.port) as c:
        c.send(headers(1))
        there = p.pod.accept()
        there.request()
        there.send(b"HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\n")
        c.send(headers(3, [*GET, ("Upper", "x")]))
        assert c.status(1) == 200 and c.status(3) == "reset 1"
        for _ in range(50):
            there.send(b"x")
            time.sleep(0.05)
        c.until(lambda g: g.stream == 1 and g.kind == DATA
                and g.flags & END_STREAM, "the end of the answer")
        c.ping()


# Pods that leave or refuse, again and again

@pytest.mark.parametrize("closes", [True, False])
def test_a_pod_that_leaves_after_every_few_requests(shop, h2_pod, closes):
    """As nginx does by its keepalive_requests; nothing piles up."""
    most = [0]

    def respond(asked):
        at = asked.connection
        most[0] = max(most[0], len(at.pod.open))
        if asked.stream == 2 * 20 - 1:
            if closes:
                at.goaway()
            else:  # the proxy is to, once all is answered
                at.writer.write(frame(GOAWAY, 0, 0, struct.pack(
                    ">II", at.h2.highest_inbound_stream_id, 0)))
        return OK
    backend = h2_pod(respond)
    p = shop({"v1": [backend.port]}, workers=1,
             service={"protocol": "h2c"})
    load = Load(p.port, 20, 2000).run()
    assert load.failures() == []
    assert p.version("v1")["errors"] == 0
    assert 50 <= backend.connections
    assert most[0] < 30
    assert len(backend.open) < 30
    assert connected(remote=backend.port) < 30


def test_a_pod_that_refuses_over_its_limit(shop, h2_pod):
    """It has announced 100, and takes 8 per connection at a time."""
    now, refusals = {}, []

    def respond(asked):
        at = asked.connection
        if now.get(at, 0) < 8:
            now[at] = now.get(at, 0) + 1
            return serve(at)
        refusals.append(at)
        asked.cancel(REFUSED)
        return None

    async def serve(at):
        await asyncio.sleep(0.002)
        now[at] -= 1
        return OK
    backend = h2_pod(respond)
    p = shop({"v1": [backend.port]}, workers=1, service={
        "protocol": "h2c", "retry": {"attempts": 3, "budget": "100%"}})
    load = Load(p.port, 16, 2000).run()
    assert load.failures() == []
    assert refusals
    assert backend.connections < 30


# Peers that are slow but steady: each of them takes longer than timeouts.body

SLOW = {"timeouts": {"body": "1s"}}
STEP = 12 << 10


class SlowReader(Given):
    def more(self):
        time.sleep(0.04)
        data = self.socket.recv(STEP)
        self.buffer += data
        return bool(data)


def slow_h1(port):
    sock = socket.socket()
    narrow(sock, 4096)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", port))
    with SlowReader(sock) as c:
        c.send(request())
        return c.response().body


def slow_h2(port):
    with H2Client(port) as c:
        stream = c.start(end=True)
        c.held.add(stream)
        while not c.replies[stream].ended:
            c.ping()  # all that its window lets through is here
            time.sleep(0.1)
            if not c.replies[stream].ended:
                c.h2.increment_flow_control_window(STEP, stream)
                c.flush()
        assert c.replies[stream].reset is None
        return c.replies[stream].body


@pytest.mark.parametrize("download", [slow_h1, slow_h2])
@pytest.mark.parametrize("length", [True, False], ids=["length", "close"])
def test_a_slow_download(plain, download, length):
    data = os.urandom(300_000)
    until = b"Content-Length: 300000" if length else b"Connection: close"

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\n" + until + b"\r\n\r\n" + data)
        await writer.drain()
        if length:
            await reader.read()
    p = plain(raw=serve, config=SLOW)
    began = time.monotonic()
    assert download(p.port) == data
    assert time.monotonic() - began > 1.5


def upload_h1(c, size):
    c.send(request("POST", fields=[("Content-Length", str(size))]))
    return lambda piece, last: c.send(piece), c.response


def upload_h2(c, size):
    stream = c.start("POST", fields=[("Content-Length", str(size))])
    return (lambda piece, last: c.send(stream, piece, last),
            lambda: c.response(stream))


@pytest.mark.parametrize("client,upload", [
    (Client, upload_h1), (H2Client, upload_h2)], ids=["h1", "h2"])
@pytest.mark.parametrize("ahead", [False, True], ids=["step", "ahead"])
def test_a_slow_upload(stage, client, upload, ahead):
    """Pod and client keep step, or the client is held back all the time."""
    p = stage(config=SLOW, rcvbuf=4096)
    step, steps = 30_000, 25
    data = os.urandom(step * steps)
    with client(p.port) as c:
        send, response = upload(c, len(data))
        there = p.pod.accept()
        there.request()
        sender = threading.Thread(target=send, args=(data, True))
        if ahead:
            sender.start()
        for i in range(steps):
            piece = data[i * step:(i + 1) * step]
            if not ahead:
                send(piece, i == steps - 1)
            assert there.exactly(step) == piece
            time.sleep(0.1)
        if ahead:
            sender.join(PATIENCE)
        there.send(answer(200))
        assert response().status == 200
