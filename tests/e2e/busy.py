"""Work for pods that can be counted, and held as long as a test likes."""
import asyncio
import socket
import struct
import threading
import time

from client import Client, request
from h2client import H2Client
from h2pod import Answer
from harness import PATIENCE, wait_for
from pods import answer


class Work:
    """What a pod does with requests: each takes `seconds`, or is held until
    the test lets it go. For pods of either protocol; several may share one."""

    def __init__(self, loop, seconds=None, h2=False, body=b"done"):
        self.loop, self.seconds, self.h2, self.body = loop, seconds, h2, body
        self.now = self.most = 0
        self.order = []  # the targets, as they came
        self.held = []
        self.healthy = True
        self.opened = seconds is not None

    async def __call__(self, asked):
        if asked.target == "/healthz":
            return self.answer(200 if self.healthy else 500)
        self.now += 1
        self.most = max(self.most, self.now)
        self.order.append(asked.target)
        try:
            if self.seconds is not None:
                await asyncio.sleep(self.seconds)
            elif not self.opened:
                held = asyncio.get_running_loop().create_future()
                self.held.append(held)
                await held
            return self.answer(200, str(len(asked.body)).encode()
                               if asked.body else self.body)
        finally:
            self.now -= 1

    def answer(self, status, body=b""):
        return Answer(status, body) if self.h2 else answer(status, body)

    def wait(self, n):
        """Until it has so many requests."""
        wait_for(lambda: self.now == n, f"{n} requests, has {self.now}")

    def let_go(self, n=1):
        """The oldest ones are answered, once they are there."""
        wait_for(lambda: len(self.held) >= n, f"{n} requests are held")

        async def go():
            for held in self.held[:n]:
                if not held.done():
                    held.set_result(None)
            del self.held[:n]
        self.loop.call(go())

    def open(self):
        """All, and from now on nothing is held."""
        self.opened = True
        self.let_go(len(self.held))


def queued(p, version="v1"):
    return p.version(version)["queued"]


def wait_queued(p, n, version="v1"):
    wait_for(lambda: queued(p, version) == n, f"{n} requests wait")


def send(p, path="/", **named):
    """A client that has asked and is not answered."""
    c = Client(p.port)
    c.send(request(path=path, **named))
    return c


def reset(c):
    """Closes so that the peer gets an RST."""
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
    c.close()


def settle(p, version="v1"):
    """Nothing waits and nothing is in flight."""
    wait_for(lambda: queued(p, version) == 0 and p.inflight() == 0,
             f"nothing is left: {queued(p, version)} wait, "
             f"{p.inflight()} in flight")


def sum_of(p, name, *labels):
    return sum(n for k, n in p.metrics()[name].items()
               if all(label in k for label in labels))


class H2Load:
    """Connections of HTTP/2 that ask again and again, some at a time."""

    def __init__(self, port, connections, streams, rounds):
        self.port, self.streams, self.rounds = port, streams, rounds
        self.statuses, self.errors = [], []
        self.threads = [threading.Thread(target=self.one, daemon=True)
                        for _ in range(connections)]

    def one(self):
        try:
            with H2Client(self.port) as c:
                for _ in range(self.rounds):
                    asked = [c.request() for _ in range(self.streams)]
                    for reply in c.responses(asked):
                        self.statuses.append(reply.status)
        except (OSError, AssertionError) as e:
            self.errors.append(e)

    def run(self):
        for t in self.threads:
            t.start()
        end = time.monotonic() + 2 * PATIENCE
        for t in self.threads:
            t.join(max(0, end - time.monotonic()))
            assert not t.is_alive(), "the load hangs"
        assert self.errors == []
        return self
