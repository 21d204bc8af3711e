"""Too many, too long, too few: it says no, and recovers."""
import select
import time

import pytest

from client import Client, get, request
from harness import PATIENCE, wait_for
from pods import app_answer


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


@pytest.mark.parametrize("limit", [256, 8192])
def test_uri_limit(shop, pod, limit):
    """The target to its last byte is asked; one more is 414, and the end."""
    backend = pod()
    config = {} if limit == 8192 else {"limits": {"uri_bytes": limit}}
    p = shop({"v1": [backend.port]}, workers=1, config=config)
    longest = "/" + "a" * (limit - 1)
    with Client(p.port) as c:
        assert c.ask("GET", longest).status == 200
        # the query is part of it
        assert c.ask("GET", "/?" + longest[2:]).status == 200
    for target in (longest + "a", "/?" + longest[1:],
                   f"http://shop.test{longest}"):
        with Client(p.port) as c:
            reply = c.ask("GET", target)
            assert reply.status == 414, target[:20]
            assert b"target exceeds the limit" in reply.body
            assert reply.closes() and c.closed()
    assert len(backend.asked) == 2
    assert p.version("v1")["errors"] == 0


def test_uri_that_never_ends(shop, pod):
    """Refused when the limit of a head is reached, not read on for ever."""
    backend = pod()
    p = shop({"v1": [backend.port]}, workers=1)
    with Client(p.port) as c:
        c.send(b"GET /")
        try:
            for _ in range(1000):
                c.send(b"a" * 1000)
        except OSError:
            pass  # closed by the proxy already
        try:
            assert c.head().status in (414, 431)
        except (ConnectionResetError, EOFError):
            pass  # its answer was lost behind what we went on sending
    assert backend.asked == []
    assert get(p.port).status == 200


def refused(c):
    """A connection over the limit: 503 with a reason, or closed at once."""
    try:
        reply = c.response()
    except (OSError, EOFError):
        return True
    assert reply.status == 503 and reply.get("Retry-After") == "1"
    assert b"too many connections from this address" in reply.body
    return reply.closes() and c.closed()


@pytest.mark.parametrize("workers", [1, 3])
def test_connections_per_client(shop, app, workers):
    p = shop({"v1": [app("1").port]}, workers=workers,
             config={"limits": {"connections_per_client": 3}})

    def ask(source):
        with Client(p.port, source=source) as c:
            return outcome(c)
    held = [Client(p.port, source="127.0.0.1") for _ in range(3)]
    for c in held:
        assert outcome(c) == 200
    for _ in range(5):
        with Client(p.port, source="127.0.0.1") as c:
            assert refused(c)
    # Another address has its own three.
    held += [Client(p.port, source="127.0.0.2") for _ in range(3)]
    for c in held:
        assert outcome(c) == 200
    with Client(p.port, source="127.0.0.2") as c:
        assert refused(c)
    # One leaves, one may come.
    held.pop(0).close()
    wait_for(lambda: ask("127.0.0.1") == 200, "there is room again")
    with Client(p.port, source="127.0.0.2") as c:
        assert refused(c)
    for c in held:
        c.close()
    for source in ("127.0.0.1", "127.0.0.2"):
        wait_for(lambda s=source: ask(s) == 200, "all have left")


def test_connections_per_client_are_given_back(shop, pod):
    """However a connection ends, it counts no longer."""
    p = shop({"v1": [pod(lambda a: app_answer("1")).port]}, workers=2,
             config={"limits": {"connections_per_client": 1}})

    def ask(data):
        def tried():
            with Client(p.port) as c:
                try:
                    c.send(data)
                    return c.head().status != 503
                except (OSError, EOFError):
                    return False
        wait_for(tried, "the one connection is free")
    for _ in range(10):
        ask(request())
        ask(request(fields=[("Connection", "close")]))
        ask(b"rubbish\r\n\r\n")
        ask(request("PUT", fields=[("Content-Length", "9")]) + b"x" * 10)


def test_connections_per_client_after_a_reload(shop, pod):
    p = shop({"v1": [pod(lambda a: app_answer("1")).port]}, workers=2)
    before = [Client(p.port) for _ in range(3)]
    for c in before:
        assert outcome(c) == 200

    def reload(limits):
        p.write({**p.config, "limits": limits})
        assert p.api("POST", "/api/v1/reload")[0] == 200
    # Those who were there before the limit do not count, and may leave.
    reload({"connections_per_client": 1})
    one = Client(p.port)
    assert outcome(one) == 200
    with Client(p.port) as c:
        assert refused(c)
    for c in before:
        assert outcome(c) == 200
        c.close()
    with Client(p.port) as c:
        assert refused(c)
    # Those who count leave when there is no limit any more.
    reload({})
    with Client(p.port) as c:
        assert outcome(c) == 200
    one.close()
    reload({"connections_per_client": 1})
    wait_for(lambda: outcome_of_new(p.port) == 200, "it was counted off")


def test_requests_per_connection(shop, pod):
    backend = pod(lambda a: app_answer("1"))
    p = shop({"v1": [backend.port]}, workers=1,
             config={"limits": {"requests_per_connection": 3}})
    for _ in range(2):
        with Client(p.port) as c:
            for last in (False, False, True):
                reply = c.ask()
                assert reply.status == 200 and reply.closes() == last
            assert c.closed()
    # Pipelined ones beyond the limit are not served.
    with Client(p.port) as c:
        c.send(request() * 5)
        assert [c.response().closes() for _ in range(3)] == [
            False, False, True]
        assert c.closed()
    assert len(backend.asked) == 9
