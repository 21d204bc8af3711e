"""A pod that is killed, frozen or resets in every state of a transaction.

Whatever breaks, the client has an end within the timeouts: an answer of the
proxy's own, or the pod's, cut short for all to see; never the wrong bytes.
And a POST reaches no pod twice.
"""
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from broken_pod import body_of
from client import Client, request
from harness import PATIENCE, SAN, wait_for

PROGRAM = os.path.join(os.path.dirname(__file__), "broken_pod.py")
# Long enough for a healthy pod on a busy machine, short enough to wait out.
TIMEOUT = 3 if SAN else 1
TIMEOUTS = {"connect": f"{TIMEOUT}s", "response": f"{TIMEOUT}s",
            "body": f"{TIMEOUT}s", "header": "30s"}


class BrokenPod:
    def __init__(self, port):
        self.port = port
        self.said = []
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, str(self.port)], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.thread = threading.Thread(
            target=self.listen, args=(self.process.stdout,), daemon=True)
        times = self.said.count("listens")
        self.thread.start()
        wait_for(lambda: self.said.count("listens") > times, "it listens")

    def listen(self, out):
        for line in out:
            self.said.append(line.strip())
        out.close()

    def wait(self, line):
        wait_for(lambda: line in self.said, f"the pod says: {line}")

    def heard(self, name):
        """How often a request of that name has reached it."""
        return len([s for s in self.said
                    if s.startswith("head ") and s.endswith(" " + name)])

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join(PATIENCE)


class Kill:
    """SIGKILL: the kernel closes all, and nobody listens."""

    @staticmethod
    def strike(pod):
        pod.stop()

    @staticmethod
    def mend(pod):
        pod.start()


class Freeze:
    """SIGSTOP: the kernel still takes connections and bytes."""

    @staticmethod
    def strike(pod):
        pod.process.send_signal(signal.SIGSTOP)

    @staticmethod
    def mend(pod):
        pod.process.send_signal(signal.SIGCONT)


class Reset:
    """All connections are reset; the pod itself is well."""

    @staticmethod
    def strike(pod):
        times = pod.said.count("reset")
        pod.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: pod.said.count("reset") > times, "it resets")

    @staticmethod
    def mend(pod):
        del pod


FAULTS = [Kill, Freeze, Reset]


@pytest.fixture
def broken(ports):
    started = []

    def start():
        started.append(BrokenPod(ports.reserve()))
        return started[-1]
    yield start
    for p in started:
        p.stop()


@pytest.fixture
def pod(broken):
    return broken()


@pytest.fixture
def p(shop, pod):
    """One pod, no configured retry: each failure is seen as it is."""
    return shop({"v1": [pod.port]}, workers=1,
                config={"timeouts": TIMEOUTS},
                service={"retry": {"attempts": 0}})


def whole(got, name):
    """The pod's own answer, every byte of it."""
    return got.status == 200 and got.body == body_of(name)


def ask(p, name, method="GET", stop="all", body=None):
    with Client(p.port) as c:
        return c.ask(method, f"/{stop}/{name}", body=body)


def recovers(p, pod, fault):
    """Afterwards all is as before, and nothing is left in flight."""
    p.wait_idle()
    fault.mend(pod)
    wait_for(lambda: whole(ask(p, "after"), "after"), "it serves again")
    for i in range(5):
        assert whole(ask(p, f"after-{i}"), f"after-{i}")
    p.wait_idle()


def judge(fault, got, name, healthy_after_reset):
    """What a client may hear when no byte of an answer had come."""
    if fault is Freeze:
        assert got.status == 504, got.body
    elif fault is Reset and healthy_after_reset:
        assert whole(got, name)
    else:
        assert got.status == 502, got.body


def in_time(began):
    """Each of connect, response and body may be waited out once."""
    assert time.monotonic() - began < 3 * TIMEOUT + PATIENCE / 4


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
def test_idle(p, pod, fault, method):
    """A reset connection in the pool costs no request."""
    assert whole(ask(p, "before"), "before")
    fault.strike(pod)
    began = time.monotonic()
    got = ask(p, "it", method, body=b"x" if method == "POST" else None)
    in_time(began)
    judge(fault, got, "it", True)
    recovers(p, pod, fault)
    assert pod.heard("it") <= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_request_head_half_sent(p, pod, fault):
    assert whole(ask(p, "before"), "before")
    data = request(path="/all/it")
    with Client(p.port) as c:
        c.send(data[:20])
        fault.strike(pod)
        began = time.monotonic()
        c.send(data[20:])
        judge(fault, c.response(), "it", True)
    in_time(began)
    recovers(p, pod, fault)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_request_body_half_sent(p, pod, fault, warm):
    """The pod has seen the head: nobody may send that POST again."""
    if warm:
        assert whole(ask(p, "before"), "before")
    with Client(p.port) as c:
        c.send(request("POST", "/all/it",
                       fields=[("Content-Length", "20000")]) + b"x" * 10000)
        pod.wait("head POST it")
        fault.strike(pod)
        began = time.monotonic()
        try:
            c.send(b"x" * 10000)
        except OSError:
            pass  # it may have been answered and closed already
        judge(fault, c.response(), "it", False)
        in_time(began)
    recovers(p, pod, fault)
    assert pod.heard("it") == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
def test_response_head_half_read(p, pod, fault, method):
    with Client(p.port) as c:
        c.send(request(method, "/half-head/it",
                       body=b"x" if method == "POST" else None))
        pod.wait(f"stopped {method} it")
        fault.strike(pod)
        began = time.monotonic()
        judge(fault, c.response(), "it", False)
        in_time(began)
    recovers(p, pod, fault)
    assert pod.heard("it") == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", FAULTS)
def test_response_body_half_read(p, pod, fault, method):
    """The head has gone out: the end must not look like one."""
    body = body_of("it")
    with Client(p.port) as c:
        c.send(request(method, "/half-body/it",
                       body=b"x" if method == "POST" else None))
        got = c.head()
        assert got.status == 200
        assert got.get("Content-Length") == str(len(body))
        assert c.exactly(1000) == body[:1000]
        pod.wait(f"stopped {method} it")
        fault.strike(pod)
        began = time.monotonic()
        try:
            rest = c.rest()
        except ConnectionResetError:
            rest = c.buffer
        in_time(began)
        assert len(rest) < len(body) - 1000
        assert body[1000:].startswith(rest)
    recovers(p, pod, fault)
    assert pod.heard("it") == 1
    assert p.version("v1")["errors"] >= 1


@pytest.mark.parametrize("fault", FAULTS)
def test_many_at_once(p, pod, fault):
    """Each state together, on one worker: none harms another's."""
    assert whole(ask(p, "before"), "before")
    clients = [Client(p.port) for _ in range(30)]
    for i, c in enumerate(clients):
        stop = ("half-head", "half-body", "all")[i % 3]
        if stop == "all":
            c.send(request("POST", f"/all/n{i}",
                           fields=[("Content-Length", "20")]) + b"half")
            pod.wait(f"head POST n{i}")
        else:
            c.send(request(path=f"/{stop}/n{i}"))
            pod.wait(f"stopped GET n{i}")
    fault.strike(pod)
    for i, c in enumerate(clients):
        if i % 3 == 2:
            try:
                c.send(b"x" * 16)
            except OSError:
                pass
    for i, c in enumerate(clients):
        if i % 3 == 1:
            with pytest.raises((EOFError, ConnectionResetError)):
                c.response()
            assert body_of(f"n{i}").startswith(c.buffer)
        else:
            assert c.response().status == (504 if fault is Freeze else 502)
        c.close()
    recovers(p, pod, fault)
    for i in range(30):
        assert pod.heard(f"n{i}") == 1


# With another pod to turn to

def test_get_turns_to_the_other_pod_and_post_does_not(shop, broken):
    """With `retry` as it is by default: a reset in half a head."""
    pods = [broken(), broken()]
    p = shop({"v1": [b.port for b in pods]}, workers=1,
             service={"balance": "round_robin"},
             config={"timeouts": TIMEOUTS})
    for method, want in (("GET", 504), ("POST", 502)):
        with Client(p.port) as c:
            c.send(request(method, f"/half-head/{method}",
                           body=b"x" if method == "POST" else None))
            stopped = f"stopped {method} {method}"
            wait_for(lambda: [b for b in pods if stopped in b.said],
                     "one pod has it")
            first = next(b for b in pods if stopped in b.said)
            other = pods[1 - pods.index(first)]
            Reset.strike(first)
            # The other one stops there, too, and is waited for.
            assert c.response().status == want
        assert first.heard(method) == 1
        assert other.heard(method) == (1 if method == "GET" else 0)
    p.wait_idle()


def test_no_post_is_delivered_twice_under_resets(shop, broken):
    """Resets at any moment under load; each name is heard at most once, and
    exactly once when the answer was the pod's."""
    pods = [broken(), broken()]
    p = shop({"v1": [b.port for b in pods]}, workers=2,
             config={"timeouts": TIMEOUTS},
             service={"balance": "round_robin"})
    outcomes = {}

    def load(which):
        for i in range(60):
            name = f"post-{which}-{i}"
            got = ask(p, name, "POST", body=b"x" * 3000)
            outcomes[name] = (got.status, whole(got, name))
    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    turn = 0
    while any(t.is_alive() for t in threads):
        Reset.strike(pods[turn % 2])
        turn += 1
    for t in threads:
        t.join()
    assert len(outcomes) == 240
    assert (200, True) in outcomes.values()
    for name, (status, complete) in outcomes.items():
        heard = sum(b.heard(name) for b in pods)
        assert heard <= 1, name
        if status == 200:
            assert complete and heard == 1, name
        else:
            assert status == 502, (name, status)
    p.wait_idle()
