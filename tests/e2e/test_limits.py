"""Too many connections, too few descriptors: it says no, and recovers."""
import select
import time

import pytest

from client import Client, get, request
from harness import PATIENCE, wait_for


def outcome(c):
    """200, 503, or "closed"."""
    try:
        c.send(request())
        return c.response().status
    except (OSError, EOFError):
        return "closed"


def test_connection_limit(shop, app):
    p = shop({"v1": [app("1").port]}, workers=2,
             config={"limits": {"connections": 20}})
    held = [Client(p.port) for _ in range(20)]
    for c in held:
        assert outcome(c) == 200
    extra = [Client(p.port) for _ in range(20)]
    results = [outcome(c) for c in extra]
    assert set(results) <= {503, "closed"}, results
    # Those who were there first go on.
    for c in held:
        assert outcome(c) == 200
    for c in held + extra:
        c.close()
    wait_for(lambda: outcome_of_new(p.port) == 200, "it recovers")


def outcome_of_new(port):
    with Client(port) as c:
        return outcome(c)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_descriptors_left(shop, app, workers):
    """64 descriptors, 200 connections: some wait or fail, none harms it."""
    p = shop({"v1": [app("1").port]}, workers=workers, files=64)
    assert get(p.port).status == 200
    clients = [Client(p.port) for _ in range(200)]
    for c in clients:
        try:
            c.send(request())
        except OSError:
            pass  # closed by the proxy already
    some, _, _ = select.select([c.socket for c in clients], [], [], PATIENCE)
    assert some, "not one of them hears anything"
    wait_for(lambda: p.sockets() >= 60, "descriptors are used up")
    assert p.process.poll() is None
    for c in clients:
        c.close()
    wait_for(lambda: recovered(p), "it recovers")
    wait_for(lambda: p.api("GET", "/healthz")[0] == 200, "admin answers")


def recovered(p):
    try:
        return outcome_of_new(p.port) == 200
    except OSError:
        return False


def test_descriptors_are_not_burnt_while_there_are_none(shop, app):
    """A listener that cannot accept must not spin."""
    p = shop({"v1": [app("1").port]}, workers=1, files=64)
    clients = [Client(p.port) for _ in range(150)]

    def ticks():
        with open(f"/proc/{p.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    wait_for(lambda: p.sockets() >= 60, "descriptors are used up")
    before = ticks()
    time.sleep(1)  # what is measured is the time itself
    assert ticks() - before < 50, "half a CPU is spent on waiting"
    for c in clients:
        c.close()
    wait_for(lambda: recovered(p), "it recovers")
