"""HTTP/2 to clients: windows, memory, limits, resets, the end."""
import asyncio
import hashlib
import os
import signal
import socket
import subprocess
import threading

from h2client import CALM, CANCEL, CODES, REFUSED, H2Client, whole_frames
from harness import PATIENCE, SAN, wait_for
from pods import Asked, answer, app_answer
from rawh2 import (END_STREAM, GET, GOAWAY, PREFACE, RST_STREAM, SETTINGS,
                   RawH2, headers, reset, settings, window_update)

MIB = 1 << 20


# Windows

def test_a_slow_reader_does_not_block_another_stream(door):
    data = os.urandom(4 * MIB)
    d = door(lambda asked: answer(200, data if asked.target == "/big"
                                  else "small"))
    with d.client() as c:
        slow = c.start(path="/big", end=True)
        c.held.add(slow)
        for _ in range(5):
            assert bytes(c.ask().body) == b"small"
        assert not c.replies[slow].ended
        c.release(slow)
        assert c.response(slow).body == data


def test_a_slow_pod_does_not_block_another_stream(plain):
    """One stream's upload stands still; others upload past it."""
    gate = asyncio.Event()

    async def serve(reader, writer):
        asked = Asked(await reader.readuntil(b"\r\n\r\n"))
        if asked.target == "/slow":
            await gate.wait()
        n = int(asked.get("Content-Length"))
        writer.write(answer(200, hashlib.sha256(
            await reader.readexactly(n)).hexdigest()))
        await writer.drain()
    p = plain(raw=serve)
    data = os.urandom(12 * MIB)
    length = [("Content-Length", str(len(data)))]
    with H2Client(p.port) as c:
        slow = c.start("POST", "/slow", fields=length)
        sent = fill(c, slow, data)
        assert sent < len(data)
        other = data[:MIB]
        reply = c.ask("POST", fields=[("Content-Length", str(MIB))],
                      body=other)
        assert bytes(reply.body).decode() == hashlib.sha256(other).hexdigest()
        p.pod.loop.loop.call_soon_threadsafe(gate.set)
        assert c.send(slow, data[sent:], end=True)
        assert bytes(c.response(slow).body).decode() == hashlib.sha256(
            data).hexdigest()


def fill(c, stream, data):
    """Sends until windows close for good; how much went."""
    sent = 0
    while sent < len(data):
        room = min(c.h2.local_flow_control_window(stream), 16384,
                   len(data) - sent)
        if room == 0:
            c.ping()  # whatever was granted is here now
            try:
                c.socket.settimeout(0.5)
                c.more()
            except TimeoutError:
                break
            finally:
                c.socket.settimeout(PATIENCE)
            continue
        c.h2.send_data(stream, data[sent:sent + room])
        c.flush()
        sent += room
    return sent


GROWTH_KIB = 48 * 1024 if SAN else 16 * 1024


def test_memory_with_a_reader_that_stops(plain):
    """100 MiB wait at the pod, not in the proxy."""
    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 104857600\r\n\r\n")
        for _ in range(100):
            writer.write(bytes(MIB))
            await writer.drain()
    p = plain(raw=respond)
    before = p.peak_kib()
    # A window of 100 MiB at the stream's level, and nobody reads the socket.
    with RawH2(p.port, first=settings((4, 200 * MIB))) as c:
        c.send(window_update(0, 200 * MIB) + headers(1))
        wait_for(lambda: p.inflight() == 1, "the answer begins")
        with H2Client(p.port) as other:
            for _ in range(10):
                other.ping()
        assert p.peak_kib() - before < GROWTH_KIB
    # And one who reads the socket, but gives no window back.
    with H2Client(p.port) as c:
        stream = c.start(end=True)
        c.held.add(stream)
        c.until(lambda: len(c.replies[stream].body) >= 65535, "its window")
        c.ping()
        assert p.peak_kib() - before < GROWTH_KIB
    done = subprocess.run(
        ["curl", "-s", "--max-time", "60", "--http2-prior-knowledge", "-w",
         "%{size_download}", "-o", os.devnull, f"http://localhost:{p.port}/"],
        stdout=subprocess.PIPE, timeout=90)
    assert done.stdout == b"104857600"
    assert p.peak_kib() - before < GROWTH_KIB


def test_memory_with_a_pod_that_stops(plain):
    async def stuck(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()
    p = plain(raw=stuck)
    before = p.peak_kib()
    with H2Client(p.port) as c:
        stream = c.start("POST", fields=[("Content-Length", "104857600")])
        assert fill(c, stream, bytes(100 * MIB)) < 100 * MIB
        c.ping()
        assert p.peak_kib() - before < GROWTH_KIB


# Limits

def test_the_limit_of_streams(plain):
    """What is announced holds: ten at a time are served, and who opens one
    more, against what it was told, loses the connection (nghttp2 makes a
    connection error of it where a stream error would do)."""
    gate = asyncio.Event()

    async def respond(asked):
        if asked.target == "/wait":
            await gate.wait()
        return app_answer("1")
    p = plain(respond, config={"limits": {"http2": {"streams": 10}}})
    with RawH2(p.port) as c:
        told = c.until(lambda g: g.kind == SETTINGS, "settings").payload
        pairs = {told[i:i + 2]: told[i + 2:i + 6]
                 for i in range(0, len(told), 6)}
        assert pairs[b"\0\x03"] == b"\0\0\0\x0a"
        c.ping()
        for i in range(30):  # ten at a time, any number in all
            c.send(headers(1 + 2 * i))
            assert c.status(1 + 2 * i) == 200
        waits = [(n, "/wait" if n == ":path" else v) for n, v in GET]
        for i in range(30, 40):
            c.send(headers(1 + 2 * i, waits))
        c.ping()
        c.send(headers(81))
        assert c.goaway() == 1
    p.pod.loop.loop.call_soon_threadsafe(gate.set)
    p.wait_idle()


def test_streams_are_128_by_default(plain):
    with H2Client(plain().port) as c:
        assert c.announced(CODES.MAX_CONCURRENT_STREAMS) == 128
        assert c.announced(CODES.ENABLE_CONNECT_PROTOCOL) == 1


def test_large_heads_are_refused(plain):
    """431, or the stream is reset: the connection lives on."""
    p = plain(config={"limits": {"header_bytes": "4KiB"}})
    with RawH2(p.port) as c:
        n = 1
        for fields in ([("x", "y" * 5000)],
                       [(f"x{i}", "y" * 100) for i in range(60)],
                       [("cookie", "y" * 100)] * 60):
            c.send(headers(n, GET + fields))
            assert c.status(n) in (431, "reset 1", "reset 7", "reset 11")
            c.send(headers(n + 2))
            assert c.status(n + 2) == 200
            n += 4
    assert len(p.pod.asked) == 3


def test_many_fields_are_refused(plain):
    p = plain(config={"limits": {"header_count": 20}})
    with RawH2(p.port) as c:
        c.send(headers(1, GET + [(f"x{i}", "y") for i in range(21)]))
        assert c.status(1) in (431, "reset 1", "reset 11")
        c.send(headers(3, GET + [(f"x{i}", "y") for i in range(15)]))
        assert c.status(3) == 200


def test_long_targets_and_bodies_are_refused(plain):
    p = plain(config={"limits": {"uri_bytes": 256, "body_bytes": "64KiB"}})
    with H2Client(p.port) as c:
        assert c.ask(path="/" + "a" * 255).status == 200
        assert c.ask(path="/" + "a" * 256).status == 414
        assert c.ask("POST", body=bytes(65536)).status == 200
        for fields in ((), (("Content-Length", "65537"),)):
            stream = c.start("POST", fields=fields)
            c.send(stream, bytes(65537), end=True)
            assert c.response(stream).status == 413
        assert c.ask().status == 200


def test_requests_per_connection(plain):
    """The last one is announced by a GOAWAY, and answered."""
    p = plain(config={"limits": {"requests_per_connection": 3}})
    with H2Client(p.port) as c:
        assert [c.ask().status for _ in range(3)] == [200] * 3
        assert c.closed() and c.goaway and c.goaway[0] == 0
    assert len(p.pod.asked) == 3


def test_an_idle_connection_is_closed_with_goaway(plain):
    p = plain(config={"timeouts": {"idle": "1s"}})
    with H2Client(p.port) as c:
        assert c.ask().status == 200
        assert c.closed() and c.goaway and c.goaway[0] == 0


def test_a_request_that_stops_half_way(plain):
    p = plain(config={"timeouts": {"body": "300ms"}})
    with H2Client(p.port) as c:
        stream = c.start("POST", fields=[("Content-Length", "10")])
        c.send(stream, b"12345")
        reply = c.response(stream)
        assert reply.status == 408 or reply.reset is not None
        assert c.ask().status == 200
    p.wait_idle()


# Resets

def test_a_cancelled_stream_leaves_the_pod_too(plain):
    came, gone = [], []

    async def wait(reader, writer):
        came.append(await reader.readuntil(b"\r\n\r\n"))
        gone.append(await reader.read())
    p = plain(raw=wait)
    with H2Client(p.port) as c:
        stream = c.request()
        wait_for(lambda: came, "it is at the pod")
        c.h2.reset_stream(stream, CANCEL)
        c.flush()
        wait_for(lambda: gone == [b""], "the pod's connection closes")
        p.wait_idle()
        c.ping()
    assert p.version("v1")["errors"] == 0


BODY = bytes(400000)


def test_frames_that_cross_a_reset_may_be_answered_with_more(plain):
    """One for each, and one that crosses the end; beyond it is a flood."""
    p = plain(lambda asked: answer(200, BODY))
    with RawH2(p.port, first=settings((4, 1 << 20))) as c:
        c.send(window_update(0, 1 << 20) + headers(1))
        c.until(lambda g: g.stream == 1 and g.flags & END_STREAM, "its end")
        frames = sum(g.stream == 1 for g in c.seen)
        assert frames > 4
        c.send(reset(1) * (1 + frames))
        c.send(headers(3))
        assert c.status(3) == 200
        c.until(lambda g: g.stream == 3 and g.flags & END_STREAM, "its end")
        frames = sum(g.stream == 3 for g in c.seen)
        c.send(reset(1) * (frames + 100))
        c.ping()
        c.send(reset(1))
        assert c.goaway() == CALM


class Sending(H2Client):
    """Knows how many resets it has sent."""
    resets = 0

    def flush(self):
        data = self.h2.data_to_send()
        frames = whole_frames(bytearray(data.removeprefix(PREFACE)))
        self.resets += sum(kind == RST_STREAM for kind, _ in frames)
        if data:
            self.socket.sendall(data)


def test_resets_of_a_well_known_client(plain):
    """Python's h2 sends one for each frame of a stream that it has reset."""
    p = plain(lambda asked: answer(200, BODY))
    with Sending(p.port, settings={CODES.INITIAL_WINDOW_SIZE: 1 << 20}) as c:
        c.h2.increment_flow_control_window(1 << 20)
        stream = c.start(end=True)
        c.until(lambda: c.replies[stream].body, "a first piece")
        wait_for(lambda: len(c.socket.recv(MIB, socket.MSG_PEEK)) > 50000,
                 "more is on its way")
        c.h2.reset_stream(stream, CANCEL)
        c.flush()
        assert len(c.ask().body) == len(BODY)
        assert c.resets > 3
        c.ping()
        assert c.goaway is None


def test_a_pod_that_breaks_off_resets_the_stream_only(plain):
    async def cut(reader, writer):
        while True:
            asked = Asked(await reader.readuntil(b"\r\n\r\n"))
            if asked.target == "/cut":
                writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 99\r\n\r\n"
                             b"begun")
                return
            writer.write(app_answer("1"))
    p = plain(raw=cut)
    with H2Client(p.port) as c:
        reply = c.ask(path="/cut")
        assert reply.status == 200 and reply.reset not in (None, 0)
        assert c.ask().status == 200


# The end

def test_graceful_stop(door):
    """SIGTERM: GOAWAY, what is in flight is finished, then it is over."""
    gate = asyncio.Event()

    async def respond(asked):
        await gate.wait()
        return answer(200, "x" * 200_000)
    d = door(respond)
    p = d.p
    with d.client() as c, d.client() as idle:
        idle.ping()
        streams = [c.request(path=f"/{i}") for i in range(10)]
        wait_for(lambda: p.inflight() == 10, "all are at the pod")
        p.signal(signal.SIGTERM)
        c.until(lambda: c.goaway, "a GOAWAY")
        assert c.goaway[0] == 0
        assert idle.closed() and idle.goaway[0] == 0
        d.pod.loop.loop.call_soon_threadsafe(gate.set)
        for reply in c.responses(streams):
            assert reply.status == 200 and len(reply.body) == 200_000
        assert c.closed()
    assert p.wait() == 0


def test_requests_cross_the_goaway(plain):
    """Each stream that the final GOAWAY covers is answered; and it comes,
    however busy the client is, and though it never answers the PING."""
    p = plain(lambda asked: app_answer("1"))
    done, last = [], []

    def load():
        with RawH2(p.port) as c:
            c.send(window_update(0, 1 << 30))
            try:
                while True:
                    n = 1 + 2 * len(done)
                    c.send(headers(n))
                    done.append(c.status(n))
            except (OSError, EOFError):
                last.extend((int.from_bytes(g.payload[:4], "big"),
                             int.from_bytes(g.payload[4:8], "big"))
                            for g in c.seen if g.kind == GOAWAY)
    t = threading.Thread(target=load)
    t.start()
    wait_for(lambda: len(done) > 50, "it runs")
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    t.join(PATIENCE)
    assert [code for _, code in last] == [0, 0], last
    assert set(done) == {200} and 2 * len(done) - 1 >= last[-1][0]
