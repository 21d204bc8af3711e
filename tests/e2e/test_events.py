"""What happens, told as server-sent events to whoever listens."""
import json
import queue
import signal
import socket
import threading
import time

import pytest

from harness import PATIENCE, wait_for

HEARTBEAT = 15


class Listener:
    """A reader of /api/v1/events: heads, events and comments as they come."""

    def __init__(self, p, path="/api/v1/events", fields=(), read=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE + HEARTBEAT)
        self.socket.connect(p.socket)
        head = [f"GET {path} HTTP/1.1", "Host: x",
                *(f"{n}: {v}" for n, v in fields)]
        self.socket.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        self.events, self.comments = queue.Queue(), queue.Queue()
        self.head, self.ended, self.whole = None, False, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        if read:
            self.thread.start()
            wait_for(lambda: self.head, "a head")

    def run(self):
        file = self.socket.makefile("rb")
        try:
            lines = []
            while (line := file.readline()) not in (b"\r\n", b""):
                lines.append(line.decode().strip())
            self.head = lines
            body = b""
            while (size := file.readline()).strip():
                n = int(size, 16)
                body += file.read(n)
                file.read(2)
                if n == 0:
                    self.whole = True
                    break
                *blocks, body = body.split(b"\n\n")
                for block in blocks:
                    self.take(block.decode())
        except OSError:
            pass
        self.ended = True

    def take(self, block):
        fields = {}
        for line in block.split("\n"):
            name, value = line.split(": ", 1)
            if name == "":
                self.comments.put(value)
            else:
                fields[name] = value
        if fields:
            data = json.loads(fields["data"])
            assert fields["id"] == str(data["id"])
            assert fields["event"] == data["kind"]
            self.events.put(data)

    def event(self):
        return self.events.get(timeout=PATIENCE)

    def comment(self, seconds=PATIENCE):
        return self.comments.get(timeout=seconds)

    def nothing(self):
        """Up to now, as something that comes later shows."""
        return self.events.empty()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def listen():
    started = []

    def start(*args, **named):
        started.append(Listener(*args, **named))
        return started[-1]
    yield start
    for one in started:
        one.socket.close()


@pytest.fixture
def two(shop, ports):
    """v1 and v2, with pods that nobody is."""
    return shop({"v1": [ports.reserve()], "v2": [ports.reserve()]})


def shift(p, *weights):
    for w in weights:
        code, answer = p.api("PUT", "/api/v1/services/shop/weights",
                             {"v1": w, "v2": 100 - w})
        assert code == 200, answer


def test_weights_and_reloads(two, listen):
    shift(two, 90)
    one = listen(two)
    assert "200 OK" in one.head[0]
    assert "Content-Type: text/event-stream" in one.head
    shift(two, 80)
    event = one.event()
    assert event["kind"] == "weights" and event["service"] == "shop"
    assert event["id"] == 2  # what was before it came is not told
    assert "v1 90 -> 80" in event["reason"]
    assert event["time"].endswith("Z") and "pod" not in event
    assert two.api("POST", "/api/v1/reload")[0] == 200
    event = one.event()
    assert event["kind"] == "reload" and event["reason"] == "in force"
    two.write("listen: 7\n")
    assert two.api("POST", "/api/v1/reload")[0] == 400
    assert "expected" in one.event()["reason"]


def test_releases(two, listen):
    one = listen(two)
    code, answer = two.api("POST", "/api/v1/services/shop/rollouts",
                           {"to": "v2"})
    assert code == 200, answer
    event = one.event()
    assert (event["kind"], event["service"], event["version"]) == (
        "rollout", "shop", "v2")
    assert (event["from"], event["to"]) == ("starting", "starting")
    assert event["reason"] == "start: v1 -> v2 by canary"
    assert two.api("POST", "/api/v1/services/shop/rollout/abort")[0] == 200
    seen = [one.event() for _ in range(5)]
    assert ("progressing", "rolling_back", "abort: aborted by a person") in [
        (e["from"], e["to"], e["reason"]) for e in seen], seen


def test_pods(shop, pod, listen):
    from pods import answer
    status = [200]
    backend = pod(lambda asked: answer(status[0]))
    p = shop({"v1": [backend.port]}, service={
        "panic": "1%", "health": {"interval": "50ms", "rise": 1, "fall": 1}})
    p.wait_pods("v1", up=1)
    one = listen(p)
    status[0] = 503
    event = one.event()
    assert (event["kind"], event["from"], event["to"]) == ("pod", "up",
                                                           "down")
    assert event["pod"] == f"127.0.0.1:{backend.port}"
    assert event["version"] == "v1" and "503" in event["reason"]
    event = one.event()
    assert (event["kind"], event["to"]) == ("panic", "on")
    status[0] = 200
    assert one.event()["to"] == "up"
    assert one.event()["to"] == "off"


def test_the_past(two, listen):
    shift(two, 10, 20, 30)

    def ids(n, path, **fields):
        one = listen(two, f"/api/v1/events{path}", fields.items())
        return [one.event()["id"] for _ in range(n)]
    assert ids(3, "?after=0") == [1, 2, 3]
    assert ids(1, "?after=2") == [3]
    # A client that comes again says so in the header, the query still there.
    assert ids(2, "?after=0", **{"Last-Event-ID": "1"}) == [2, 3]
    # An id of the process before this one: all is new.
    assert ids(3, "?after=900") == [1, 2, 3]
    late = listen(two, "/api/v1/events?after=3")
    shift(two, 40)
    assert late.event()["id"] == 4


@pytest.mark.parametrize("what", ["x", "-1", "", "1e3", "99999999999999999999"])
def test_wrong_ids(two, what):
    code, answer = two.api("GET", f"/api/v1/events?after={what}")
    assert code == 400 and "?after=17" in answer["error"]


def test_other_methods(two):
    assert two.api("POST", "/api/v1/events")[0] == 405
    assert two.api("HEAD", "/api/v1/events")[0] == 200


def test_what_is_no_longer_kept(two, listen):
    """The ring holds 1024: the gap is said, the rest is told in order."""
    for i in range(1030):
        shift(two, i % 100)
    one = listen(two, "/api/v1/events?after=2")
    assert one.comment() == "kept are those from 7 on"
    assert [one.event()["id"] for _ in range(1024)] == list(range(7, 1031))


def test_clients_that_leave(two, listen):
    before = two.sockets()
    for _ in range(3):
        many = [listen(two, "/api/v1/events?after=0") for _ in range(20)]
        shift(two, 50)
        for i, one in enumerate(many):
            if i % 2:
                one.close()
            else:
                one.socket.shutdown(socket.SHUT_WR)
        shift(two, 40)
        for one in many:
            one.socket.close()
    wait_for(lambda: two.sockets() <= before, "all are gone")


def test_one_too_many(two, listen):
    many = [listen(two) for _ in range(100)]
    code, answer = two.api("GET", "/api/v1/events")
    assert code == 503 and "100 others" in answer["error"]
    many[0].close()
    wait_for(lambda: "200" in listen(two).head[0], "there is room again")


def test_a_client_that_does_not_read(shop, ports, listen):
    """It is cut when the ring has gone past it, or when it has taken nothing
    for 30 s; the others go on."""
    names = [f"version-with-a-long-name-{i:02}" for i in range(20)]
    p = shop({n: [ports.reserve()] for n in names})
    idle = listen(p, read=False)
    good = listen(p)
    before = p.sockets()
    for i in range(5000):
        code, _ = p.api("PUT", "/api/v1/services/shop/weights",
                        {n: (i + k) % 90 + 1 for k, n in enumerate(names)})
        assert code == 200
        assert good.event()["id"] == i + 1
        if i % 50 == 49 and p.sockets() < before:
            break
    assert p.sockets() < before
    idle.thread.start()
    wait_for(lambda: idle.ended, "it is cut")
    assert not idle.whole and not good.ended


def test_heartbeat(two, listen):
    one = listen(two)
    assert one.comment() == "events"
    began = time.monotonic()
    assert one.comment(HEARTBEAT + PATIENCE) == "still here"
    assert time.monotonic() - began < HEARTBEAT + PATIENCE
    assert one.nothing()


@pytest.mark.parametrize("ends", [signal.SIGTERM, signal.SIGINT])
def test_shutdown_ends_them(two, listen, ends):
    shift(two, 70)
    many = [listen(two, "/api/v1/events?after=0") for _ in range(5)]
    for one in many:
        assert one.event()["id"] == 1
    two.signal(ends)
    assert two.wait() == 0
    for one in many:
        wait_for(lambda one=one: one.ended, "it ends")
        assert one.whole


def test_rubbish_behind_the_request(two, listen):
    """A client that talks on is not listened to, and does no harm."""
    one = listen(two)
    one.socket.setblocking(False)
    try:
        for _ in range(1000):
            one.socket.send(b"x" * 65536)
    except BlockingIOError:
        pass
    one.socket.setblocking(True)
    shift(two, 30)
    assert one.event()["kind"] == "weights"
    assert two.peak_kib() < 512 * 1024
