"""HTTP/2 floods: others are served, memory is bounded, the flood ends."""
import asyncio
import multiprocessing
import statistics
import time

import pytest

from client import Client
from h2client import CALM, H2Client
from harness import PATIENCE, SAN, wait_for
from pods import answer, app_answer
from rawh2 import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GET,
                   POST, PRIORITY, HEADERS, RawH2, block, frame, headers,
                   literal, ping, reset, settings, window_update)

KIB = 1024
GROWTH_KIB = (512 if SAN else 32) * KIB  # a sanitizer keeps what is freed
ANSWERED_S = 10 if SAN else 1
FLOOD_S = 1
ENDED_S = 5 * ANSWERED_S  # a flood that goes on for so long is not ended
PRIORITY_UPDATE = 0x10


def numbers():
    n = 1
    while True:
        yield n
        n += 2


def rapid_reset():
    """CVE-2023-44487."""
    for n in numbers():
        yield headers(n) + reset(n)


def resets_of_one():
    """Each does nothing; but for nothing they are too many."""
    yield headers(1)
    while True:
        yield reset(1) * 100


def reset_by_errors():
    """The same by making us reset them: a window that grows by nothing."""
    for n in numbers():
        yield headers(n, POST, END_HEADERS) + window_update(n, 0)


def continuations():
    """CVE-2024-27316: a field section without an end."""
    yield frame(HEADERS, 0, 1, block(GET))
    while True:
        yield frame(CONTINUATION, 0, 1, literal(b"x", b"y" * 1000)) * 8


def continuations_without_payload():
    yield frame(HEADERS, 0, 1, block(GET))
    while True:
        yield frame(CONTINUATION, 0, 1) * 100


def hpack_bomb():
    """CVE-2016-6581: one entry of 4,000 bytes, named 16,000 times a frame;
    each makes a field section of 60 MiB out of 16 KiB."""
    entry = b"\x40" + literal(b"x", b"y" * 3900)[1:]
    first = True
    for n in numbers():
        section = block(GET) + (entry if first else b"")
        first = False
        yield frame(HEADERS, END_HEADERS | END_STREAM, n,
                    section + b"\xbe" * (16000 - len(section)))


def settings_flood():
    while True:
        yield settings((4, 65535), (1, 4096)) * 20


def settings_table_churn():
    """Each makes the peer drop and rebuild its table."""
    while True:
        yield settings((1, 0)) + settings((1, 4096))


def pings():
    while True:
        yield ping() * 50


def empty_data():
    """CVE-2019-9518."""
    yield headers(1, POST, END_HEADERS)
    while True:
        yield frame(DATA, 0, 1) * 50


def padded_empty_data():
    yield headers(1, POST, END_HEADERS)
    while True:
        yield frame(DATA, 8, 1, b"\0") * 50


def priorities():
    """CVE-2019-9513."""
    for n in numbers():
        yield b"".join(frame(PRIORITY, 0, 1 + i * 2, bytes(
            (0, 0, 0, (n + i) % 100 * 2, 16))) for i in range(100))


def priority_updates():
    while True:
        yield frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\1u=1") * 100


def window_updates():
    yield headers(1, [(":method", "GET"), *GET[1:3], (":path", "/wait")])
    while True:
        yield window_update(0, 1) * 100 + window_update(1, 1) * 100


FLOODS = [
    (rapid_reset, "resets"), (resets_of_one, "resets"),
    (continuations, "continuations"),
    (continuations_without_payload, None),
    (hpack_bomb, "headers"), (settings_flood, "settings"),
    (settings_table_churn, "settings"), (pings, "pings"),
    (empty_data, "empty_frames"),
    (padded_empty_data, "empty_frames"), (priorities, "priorities"),
    (priority_updates, "priorities"), (window_updates, "window_updates")]


class Flood:
    """Connection after connection does the same, for a while; a process of
    its own, so that it holds up no client of ours."""

    def __init__(self, port, make, context=None):
        fork = multiprocessing.get_context("fork")
        self.result, result = fork.Pipe(False)
        self.process = fork.Process(target=self.run, daemon=True, args=(
            result, port, make, context))
        self.process.start()
        result.close()

    @staticmethod
    def run(result, port, make, context):
        codes, end = [], time.monotonic() + FLOOD_S
        try:
            while not codes or time.monotonic() < end:
                with RawH2(port, context) as c:
                    codes.append(c.pump(make(), ENDED_S))
            result.send((codes, None))
        except (OSError, AssertionError) as e:
            result.send((codes, repr(e)))

    def running(self):
        return self.process.is_alive()

    def wait(self):
        """Codes of the GOAWAYs, one per connection."""
        codes, error = self.result.recv()
        self.process.join(PATIENCE)
        assert error is None, error
        return codes


def floods(p):
    """{kind: count} of those that are not 0."""
    found = p.metrics().get("shunt_http2_floods_total", {})
    return {k.split('"')[1]: n for k, n in found.items() if n}


def respond(asked):
    async def wait():
        await asyncio.Event().wait()
    return wait() if asked.target == "/wait" else app_answer("1")


@pytest.fixture
def p(tls_shop, pod):
    """Two listeners, one worker: the flood and the others share it."""
    return tls_shop({"v1": [pod(respond).port]}, workers=1)


def others_are_served(p, flood, secure=None):
    """On an old connection, and on new ones of both protocols: how long that
    took in the middle. (The longest says more about a busy machine.)"""
    took = []

    def ask(c):
        start = time.monotonic()
        assert c.ask().status == 200
        took.append(time.monotonic() - start)
    with H2Client(p.port) as kept:
        while flood.running() or not took:
            ask(kept)
            with Client(p.port) as fresh:
                ask(fresh)
            with H2Client(p.tls if secure else p.port, secure) as fresh:
                ask(fresh)
    return statistics.median(took)


@pytest.mark.parametrize("make,kind", FLOODS,
                         ids=[make.__name__ for make, _ in FLOODS])
def test_floods(p, make, kind):
    with H2Client(p.port) as c:
        assert c.ask().status == 200
    before = p.peak_kib()
    flood = Flood(p.port, make)
    answered = others_are_served(p, flood)
    codes = flood.wait()
    assert set(codes) == {CALM}, codes
    assert answered < ANSWERED_S
    assert p.peak_kib() - before < GROWTH_KIB
    counted = floods(p)
    if kind:
        assert counted == {kind: len(codes)}
    else:
        assert sum(counted.values()) == len(codes)


@pytest.mark.parametrize("make,kind", [
    (rapid_reset, "resets"), (continuations, "continuations"),
    (pings, "pings")], ids=["resets", "continuations", "pings"])
def test_floods_over_tls(p, certs, make, kind):
    secure = certs.client_context(["h2"])
    flood = Flood(p.tls, make, secure)
    assert others_are_served(p, flood, secure) < ANSWERED_S
    codes = flood.wait()
    assert set(codes) == {CALM} and floods(p) == {kind: len(codes)}


def test_a_limit_beyond_what_is_usual(shop, pod):
    """It is the config's that holds, no library's own."""
    p = shop({"v1": [pod(respond).port]}, workers=1,
             config={"limits": {"http2": {"resets": 3000}}})
    with RawH2(p.port) as c:
        for n in range(1, 4002, 400):
            c.send(b"".join(headers(i) + reset(i)
                            for i in range(n, n + 400, 2)))
            c.ping()
        c.send(headers(5001))
        assert c.status(5001) == 200
    assert floods(p) == {}


def test_made_to_reset(p):
    """CVE-2025-8671. A connection may also end with its first error."""
    flood = Flood(p.port, reset_by_errors)
    assert others_are_served(p, flood) < ANSWERED_S
    assert set(flood.wait()) <= {CALM, 1}
    p.wait_idle()


def test_what_was_reset_leaves_the_pods(p):
    flood = Flood(p.port, rapid_reset)
    flood.wait()
    p.wait_idle()
    wait_for(lambda: p.sockets() < 60, "connections to the pod are closed")


# Each kind up to its limit is no flood.
WITHIN = {
    "resets": b"".join(headers(n) + reset(n) for n in range(1, 200, 2)),
    "continuations": frame(HEADERS, END_STREAM, 1, block(GET))
    + frame(CONTINUATION, 0, 1, literal(b"x", b"y")) * 15
    + frame(CONTINUATION, END_HEADERS, 1, literal(b"x", b"y")),
    "settings": settings() * 19,
    "pings": ping() * 100,
    "empty_frames": headers(1, POST, END_HEADERS) + frame(DATA, 0, 1) * 100
    + frame(DATA, END_STREAM, 1),
    "priorities": frame(PRIORITY, 0, 9, bytes((0, 0, 0, 0, 9))) * 1000,
    "window_updates": headers(1) + window_update(0, 1) * 1000,
}


@pytest.mark.parametrize("kind", WITHIN)
def test_as_much_as_the_limit_is_no_flood(p, kind):
    with RawH2(p.port) as c:
        c.send(WITHIN[kind])
        c.send(headers(1001))
        assert c.status(1001) == 200
    assert floods(p) == {}


LIMITS = {"continuations": 2, "resets": 5, "settings": 3, "pings": 5,
          "empty_frames": 5, "priorities": 10}


@pytest.mark.parametrize("kind", LIMITS)
def test_limits_of_the_config(shop, pod, kind):
    """One more than allowed is a flood, and just that many are none."""
    allowed = LIMITS[kind]
    one = {"continuations": frame(CONTINUATION, 0, 1, literal(b"x", b"y")),
           "settings": settings(), "pings": ping(),
           "empty_frames": frame(DATA, 0, 1),
           "priorities": frame(PRIORITY, 0, 9, bytes((0, 0, 0, 0, 9)))}
    start = {"continuations": frame(HEADERS, END_STREAM, 1, block(GET)),
             "empty_frames": headers(1, POST, END_HEADERS)}.get(kind, b"")

    def times(n):
        if kind == "resets":
            return b"".join(headers(i) + reset(i)
                            for i in range(1, 2 * n, 2))
        # The first SETTINGS of the connection are one of them.
        return start + one[kind] * (n - (kind == "settings"))
    p = shop({"v1": [pod(respond).port]}, workers=1,
             config={"limits": {"http2": {kind: allowed}}})
    with RawH2(p.port) as c:
        c.send(times(allowed))
        if kind != "continuations":  # with nothing between them
            c.send(headers(1001))
            assert c.status(1001) == 200
        assert floods(p) == {}
    with RawH2(p.port) as c:
        c.send(times(allowed + 1))
        assert c.goaway() == CALM
    wait_for(lambda: floods(p) == {kind: 1}, "it is counted")


# Stalls

LARGE = bytes(2 << 20)


@pytest.fixture
def stalling(shop, pod):
    return shop({"v1": [pod(lambda asked: answer(
        200, b"small" if asked.target == "/small" else LARGE)).port]},
        workers=1, config={"timeouts": {"body": "600ms"}})


def test_zero_window_stalls(stalling):
    """Large answers asked for, and no window for them: the streams are
    reset after timeouts.body, the connection may go on."""
    p = stalling
    before = p.peak_kib()
    with RawH2(p.port, first=settings((4, 0))) as c, \
            H2Client(p.port) as other:
        for n in range(1, 201, 2):
            c.send(headers(n))
        took = []
        for _ in range(20):
            start = time.monotonic()
            assert other.ask(path="/small").status == 200
            took.append(time.monotonic() - start)
        assert statistics.median(took) < ANSWERED_S
        over = set()
        while len(over) < 100:
            over.add(c.until(lambda g: g.kind == 3, "a reset").stream)
        assert over == set(range(1, 201, 2))
    assert p.peak_kib() - before < 2 * GROWTH_KIB
    assert floods(p).get("stalls", 0) >= 1
    p.wait_idle()


def test_a_connection_window_that_stays_closed(stalling):
    """One answer took all of it; the others wait for nothing."""
    p = stalling
    with RawH2(p.port, first=settings((4, 1 << 30))) as c:
        for n in range(1, 21, 2):
            c.send(headers(n))
        over = set()
        while len(over) < 10:
            over.add(c.until(lambda g: g.kind == 3, "a reset").stream)
    assert floods(p).get("stalls", 0) >= 1
    p.wait_idle()


def test_nobody_reads_the_socket(stalling):
    """Windows are wide open, but the kernel's buffers fill up."""
    p = stalling
    before = p.peak_kib()
    with RawH2(p.port, first=settings((4, 1 << 30))
               + window_update(0, 1 << 30)) as c:
        for n in range(1, 101, 2):
            c.send(headers(n))
        wait_for(lambda: p.inflight() > 0, "they are at the pod")
        p.wait_idle()
        with H2Client(p.port) as other:
            assert other.ask(path="/small").status == 200
    assert p.peak_kib() - before < 2 * GROWTH_KIB


def test_trickling_holds_up_nobody_else(stalling):
    """A byte of window now and then: nobody else waits for it."""
    p = stalling
    with RawH2(p.port, first=settings((4, 0))) as c, \
            H2Client(p.port) as other:
        c.send(headers(1))
        took = []
        for _ in range(20):
            c.quietly(window_update(1, 1))
            start = time.monotonic()
            assert other.ask(path="/small").status == 200
            took.append(time.monotonic() - start)
        assert statistics.median(took) < ANSWERED_S
    p.wait_idle()
