"""An attempt that is lost while its request body is on the way.

The body and the pod's reset reach the proxy in one turn of its loop: it is
stopped while both are sent. Whatever a retry does then, the pod that answers
has the whole body, nobody else's request is taken for a part of it, and the
process lives.
"""
import os
import signal
import socket
import struct
import threading

import pytest

from client import Client, request
from harness import PATIENCE, wait_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Pod:
    """Runs `serve(pod, connection, number)` in a thread per connection."""

    def __init__(self, serve, rcvbuf=None):
        self.socket = socket.socket()
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.serve = serve
        self.bodies = []  # (request line, body)
        self.reached, self.go = threading.Event(), threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        number = 0
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self.run, args=(connection, number),
                             daemon=True).start()

    def run(self, connection, number):
        try:
            self.serve(self, connection, number)
        except (OSError, EOFError):
            pass
        connection.close()

    def head(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                raise EOFError
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def whole(self, connection):
        head, body = self.head(connection)
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            more = connection.recv(65536)
            if not more:
                raise EOFError
            body += more
        self.bodies.append((head.split(b"\r\n")[0], body))

    def reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
        connection.close()


def good(pod, connection, _):
    while True:
        pod.whole(connection)
        connection.sendall(OK)


def resetting(pod, connection, _):
    """Takes a head, and resets when it is told to."""
    pod.head(connection)
    pod.reached.set()
    assert pod.go.wait(PATIENCE)
    pod.reset(connection)


def stale(pod, connection, number):
    """The first connection serves once, then it is lost in the second."""
    if number == 1:
        pod.whole(connection)
        connection.sendall(OK)
        resetting(pod, connection, number)
    else:
        good(pod, connection, number)


@pytest.fixture
def pods():
    made = []

    def make(*args, **more):
        made.append(Pod(*args, **more))
        return made[-1]
    yield make
    for pod in made:
        pod.go.set()
        pod.socket.close()


def stopped(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "T"


def in_one_turn(p, client, pod, body):
    """The body and the pod's reset are there when the proxy looks again."""
    pid = p.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: stopped(pid), "it is stopped")
        client.send(body)
        pod.go.set()
        wait_for(lambda: not connected_to(pod.port), "the reset is there")
    finally:
        os.kill(pid, signal.SIGCONT)


def connected_to(port):
    """Whether a connection that was accepted on the port still lives."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return any(int(r[1].split(":")[1], 16) == port and r[3] == "01"
               for r in rows)


def put(size, path="/big"):
    return request("PUT", path, fields=[("Content-Length", str(size))])


def pattern(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", [1000, 60000])
def test_a_kept_body_is_sent_again_whole(shop, pods, size):
    bad, fine = pods(resetting), pods(good)
    p = shop({"v1": [fine.port, bad.port]}, workers=1,
             service={"balance": "round_robin"})
    with Client(p.port) as c:
        c.send(request(path="/warm"))
        assert c.response().status == 200
        c.send(put(size))
        assert bad.reached.wait(PATIENCE)
        in_one_turn(p, c, bad, pattern(size))
        assert c.response().status == 200
        c.send(request(path="/after"))
        assert c.response().status == 200
    assert (b"PUT /big HTTP/1.1", pattern(size)) in fine.bodies
    p.wait_idle()


def test_a_kept_body_may_grow_while_it_is_sent_again(shop, pods):
    bad, fine = pods(resetting), pods(good)
    size = 300000
    p = shop({"v1": [fine.port, bad.port]}, workers=1,
             service={"balance": "round_robin",
                      "retry": {"body_bytes": "1MiB"}})
    with Client(p.port) as c:
        c.send(request(path="/warm"))
        assert c.response().status == 200
        c.send(put(size))
        assert bad.reached.wait(PATIENCE)
        in_one_turn(p, c, bad, pattern(size))
        assert c.response().status == 200
    assert (b"PUT /big HTTP/1.1", pattern(size)) in fine.bodies
    p.wait_idle()


def test_a_body_that_was_not_kept_is_never_sent_in_part(shop, pods):
    """Or another client's request would fill the gap."""
    pod = pods(stale)
    size = 300000
    p = shop({"v1": [pod.port]}, workers=1,
             service={"retry": {"attempts": 0}})
    with Client(p.port) as c, Client(p.port) as other:
        c.send(request(path="/warm"))
        assert c.response().status == 200
        c.send(put(size))
        assert pod.reached.wait(PATIENCE)
        in_one_turn(p, c, pod, pattern(size))
        assert c.response().status == 502
        other.send(request(path="/other"))
        assert other.response().status == 200
    assert [line for line, _ in pod.bodies] == [
        b"GET /warm HTTP/1.1", b"GET /other HTTP/1.1"]
    p.wait_idle()


def test_a_client_that_was_held_back_goes_on_with_the_next_pod(shop, pods):
    bad, fine = pods(resetting, rcvbuf=2048), pods(good)
    size = 3000000
    p = shop({"v1": [fine.port, bad.port]}, workers=1,
             service={"balance": "round_robin",
                      "retry": {"body_bytes": "16MiB"}})
    with Client(p.port) as c:
        c.send(put(size, "/warm") + pattern(size))
        assert c.response().status == 200
        c.send(put(size))
        assert bad.reached.wait(PATIENCE)
        pusher = threading.Thread(target=c.send, args=(pattern(size),))
        pusher.start()
        pusher.join(0.5)  # it cannot end before the pod is gone
        bad.go.set()
        assert c.response().status == 200
        pusher.join(PATIENCE)
    assert (b"PUT /big HTTP/1.1", pattern(size)) in fine.bodies
    p.wait_idle()
