"""Bodies of any size, streamed both ways in bounded memory."""
import asyncio
import hashlib
import os
import socket
import threading
import time

import pytest

from client import Client, request
from harness import PATIENCE, SAN, wait_for
from pods import answer

MIB = 1 << 20
# A sanitizer makes each byte slow and keeps freed memory on purpose.
SIZE = int(os.environ.get("SHUNT_BODY_MIB", 64 if SAN else 1024)) * MIB
PEAK_KIB = 64 * 1024
BLOCK = os.urandom(MIB)


def blocks(size):
    """`size` bytes in pieces that all differ."""
    view = memoryview(BLOCK)
    for i in range(size // MIB):
        yield i.to_bytes(8, "big")
        yield view[8:]


def digest_of(size):
    digest = hashlib.sha1()
    for piece in blocks(size):
        digest.update(piece)
    return digest.hexdigest()


def send_body(out, size, chunked):
    """The framing asked for; the pieces of `blocks`."""
    for piece in blocks(size):
        if chunked:
            out.sendall(b"%x\r\n" % len(piece))
            out.sendall(piece)
            out.sendall(b"\r\n")
        else:
            out.sendall(piece)
    if chunked:
        out.sendall(b"0\r\n\r\n")


class Reader:
    """Reads one body off a socket into a digest, in large pieces."""

    def __init__(self, sock, have=b""):
        self.sock, self.have = sock, bytearray(have)
        self.digest, self.size = hashlib.sha1(), 0
        self.room = bytearray(MIB)

    def take(self, n):
        while n > 0:
            if self.have:
                piece = self.have[:n]
                del self.have[:n]
            else:
                got = self.sock.recv_into(self.room, min(n, MIB))
                if got == 0:
                    raise EOFError("the body broke off")
                piece = memoryview(self.room)[:got]
            self.digest.update(piece)
            self.size += len(piece)
            n -= len(piece)

    def line(self):
        while b"\r\n" not in self.have:
            piece = self.sock.recv(1 << 16)
            if not piece:
                raise EOFError("the body broke off")
            self.have += piece
        at = self.have.index(b"\r\n")
        line = bytes(self.have[:at])
        del self.have[:at + 2]
        return line

    def body(self, length):
        if length is not None:
            self.take(length)
            return self
        while True:
            n = int(self.line().split(b";")[0], 16)
            if n == 0:
                break
            self.take(n)
            assert self.line() == b""
        while self.line() != b"":
            pass
        return self


class BigPod:
    """Blocking sockets in threads: GET streams a body, PUT digests one."""

    def __init__(self, port):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(16)
        self.port, self.sent = port, 0
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,),
                             daemon=True).start()

    def serve(self, sock):
        try:
            with sock:
                while self.one(sock):
                    pass
        except (OSError, EOFError):
            pass

    def one(self, sock):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(1 << 16)
            if not piece:
                return False
            data += piece
        head, rest = data.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(b": ", 1)
                      for line in head.split(b"\r\n")[1:])
        if head.startswith(b"PUT"):
            length = fields.get(b"content-length")
            reader = Reader(sock, rest).body(
                int(length) if length is not None else None)
            text = f"{reader.size} {reader.digest.hexdigest()}".encode()
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(text), text))
            return True
        chunked = head.startswith(b"GET /chunked")
        sock.sendall(b"HTTP/1.1 200 OK\r\n"
                     + (b"Transfer-Encoding: chunked" if chunked else
                        b"Content-Length: %d" % SIZE) + b"\r\n\r\n")
        if head.startswith(b"GET /counted"):
            for piece in blocks(SIZE):
                sock.sendall(piece)
                self.sent += len(piece)
        else:
            send_body(sock, SIZE, chunked)
        return True

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)


@pytest.fixture
def big(ports):
    p = BigPod(ports.reserve())
    yield p
    p.stop()


@pytest.fixture(scope="module")
def digest():
    return digest_of(SIZE)


def small(p):
    """The proxy never held more than a little of it."""
    if SAN:
        print("peak memory is not judged under a sanitizer")
        return
    assert p.peak_kib() < PEAK_KIB


@pytest.mark.parametrize("chunked", [False, True])
def test_body_down(shop, big, digest, chunked):
    p = shop({"v1": [big.port]}, workers=1)
    with Client(p.port, 120) as c:
        c.send(request(path="/chunked" if chunked else "/length"))
        got = c.head()
        assert got.status == 200
        length = got.get("Content-Length")
        assert (length is None) == chunked
        reader = Reader(c.socket, c.buffer).body(
            int(length) if length else None)
    assert reader.size == SIZE
    assert reader.digest.hexdigest() == digest
    small(p)


@pytest.mark.parametrize("chunked", [False, True])
def test_body_up(shop, big, digest, chunked):
    p = shop({"v1": [big.port]}, workers=1)
    framing = ("Transfer-Encoding", "chunked") if chunked else (
        "Content-Length", SIZE)
    with Client(p.port, 120) as c:
        c.send(request("PUT", fields=[framing]))
        send_body(c.socket, SIZE, chunked)
        got = c.response()
    assert got.status == 200
    assert got.body.decode() == f"{SIZE} {digest}"
    small(p)


def settled(value):
    """The value, once it has not moved for a while."""
    last, since = value(), time.monotonic()
    end = since + PATIENCE
    while time.monotonic() - since < 0.5:
        assert time.monotonic() < end, "it never stands still"
        if value() != last:
            last, since = value(), time.monotonic()
        time.sleep(0.01)
    return last


def test_a_reader_that_stops_stops_the_pod(shop, big):
    """Back-pressure: the pod is held up, not the proxy's memory filled."""
    p = shop({"v1": [big.port]}, workers=1)
    clients = []
    for _ in range(8):
        c = Client(p.port)
        c.send(request(path="/counted"))
        assert c.head().status == 200
        clients.append(c)
    wait_for(lambda: big.sent > 0, "the pod sends")
    sent = settled(lambda: big.sent)
    # What sockets hold, and a little: far from what the pod has to send.
    assert sent < 8 * min(SIZE, 32 * MIB), sent
    small(p)
    for c in clients:
        c.close()
    p.wait_idle()


def test_a_pod_that_stops_reading_stops_the_client(shop, pod):
    async def deaf(reader, writer):
        reader._transport.pause_reading()
        await asyncio.sleep(3600)
    # A client that left while it was held up is noticed by its silence.
    p = shop({"v1": [pod(raw=deaf).port]}, workers=1,
             config={"timeouts": {"body": "5s"}})
    with Client(p.port) as c:
        c.send(request("PUT", fields=[("Content-Length", 1 << 40)]))
        c.socket.setblocking(False)
        sent = 0
        last = time.monotonic()
        while time.monotonic() - last < 0.5:
            try:
                sent += c.socket.send(BLOCK)
                last = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            assert sent < 64 * MIB, "nobody holds the client up"
        small(p)
    p.wait_idle()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 16384, 65535, 65536,
                                  65537, 300000])
def test_every_size_around_the_buffers(shop, pod, size):
    def respond(asked):
        return answer(200, asked.body,
                      [("X-Sum", hashlib.sha1(asked.body).hexdigest())])
    p = shop({"v1": [pod(respond).port]}, workers=1)
    body = (BLOCK * 2)[:size]
    with Client(p.port) as c:
        for named in ({"body": body},
                      {"chunks": [body[i:i + 7000]
                                  for i in range(0, size, 7000)]}):
            got = c.ask("POST", **named)
            assert got.status == 200
            assert got.body == body
            assert got.get("X-Sum") == hashlib.sha1(body).hexdigest()


def test_body_limit(shop, pod):
    p = shop({"v1": [pod().port]}, config={"limits": {"body_bytes": "1KiB"}})
    with Client(p.port) as c:
        assert c.ask("POST", body=b"x" * 1024).status == 200
        c.send(request("POST", fields=[("Content-Length", "1025")]))
        got = c.response()
        assert got.status == 413 and b"exceeds the limit" in got.body
    with Client(p.port) as c:
        c.send(request("POST", chunks=[b"x" * 600] * 4))
        assert c.response().status == 413
