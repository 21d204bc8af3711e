"""Limits of pods, versions and connections: never exceeded, always used."""
import asyncio
import contextlib
import copy

import pytest

from busy import (H2Load, Work, queued, reset, send, settle, sum_of, wait_queued)
from client import Client, Load, get, request
from harness import wait_for
from pods import FullPod

POLICIES = ["round_robin", "random", "least_request", "ewma",
            {"hash": "uri"}, {"hash": "client"}]


def limited(**named):
    return {"limits": {"queue": 1000, "queue_timeout": "5m", **named}}


@pytest.fixture
def full_pod(ports):
    """A function that starts a pod to which no connection is ever made."""
    with contextlib.ExitStack() as stack:
        def start():
            p = FullPod(ports.reserve())
            stack.callback(p.stop)
            return p
        yield start


@pytest.mark.parametrize("kind", ["h1", "h2c"])
@pytest.mark.parametrize("client", ["h1", "h2"])
def test_a_pod_never_has_more(shop, pod, h2_pod, loop, kind, client):
    """Two workers; what is asked of them is far more than the pods may have,
    and they have as much as that."""
    works = [Work(loop, 0.004, h2=kind == "h2c") for _ in range(3)]
    p = shop({"v1": [(h2_pod if kind == "h2c" else pod)(w).port
                     for w in works]}, workers=2,
             service={**limited(pod_requests=3), "protocol": kind})
    if client == "h1":
        load = Load(p.port, 40, 600).run()
        assert load.failures() == []
    else:
        assert H2Load(p.port, 4, 15, 10).run().statuses == [200] * 600
    assert [w.most for w in works] == [3, 3, 3]
    assert sum(len(w.order) for w in works) == 600
    settle(p)


def test_a_version_never_has_more(shop, pod, loop):
    """Of all its pods together; another version has its own."""
    works = {v: Work(loop, 0.004) for v in ("v1", "v2")}
    p = shop({v: [pod(w).port for _ in range(4)] for v, w in works.items()},
             workers=2, service={**limited(version_requests=5),
                                 "weights": {"v1": 1, "v2": 1}})
    assert Load(p.port, 40, 600).run().failures() == []
    assert [w.most for w in works.values()] == [5, 5]
    settle(p, "v1")
    settle(p, "v2")


def test_both_limits(shop, pod, loop):
    """The narrower one of a pod holds, and that of the version."""
    works = [Work(loop) for _ in range(3)]
    p = shop({"v1": [pod(w).port for w in works]}, workers=2,
             service=limited(pod_requests=2, version_requests=5))
    clients = [send(p) for _ in range(12)]
    wait_queued(p, 7)
    wait_for(lambda: sum(w.now for w in works) == 5, "five are served")
    assert sorted(w.now for w in works) == [1, 2, 2]
    for w in works:
        w.open()
    assert [c.response().status for c in clients] == [200] * 12
    assert max(w.most for w in works) == 2
    settle(p)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_full_pods_are_passed_over(shop, pod, loop, policy):
    """By every policy, until all are full: each has exactly what it may."""
    works = [Work(loop) for _ in range(5)]
    p = shop({"v1": [pod(w).port for w in works]}, workers=2,
             service={**limited(pod_requests=2), "balance": policy})
    clients = [send(p) for _ in range(10)]
    wait_for(lambda: [w.now for w in works] == [2] * 5, "all pods are full")
    assert queued(p) == 0
    clients += [send(p) for _ in range(3)]
    wait_queued(p, 3)
    # The one that has room gets them, whatever the policy would prefer.
    works[3].open()
    wait_queued(p, 0)
    for w in works:
        w.open()
    assert [c.response().status for c in clients] == [200] * 13
    assert [w.most for w in works] == [2] * 5
    assert len(works[3].order) == 5
    settle(p)


def test_hundreds_of_pods(shop, pod, loop):
    """More than are looked at for each request: all are filled to the last
    place, and each place is found again when it is free."""
    work = Work(loop)
    p = shop({"v1": [pod(work).port for _ in range(400)]}, workers=2,
             service=limited(pod_requests=1))
    clients = [send(p) for _ in range(400)]
    work.wait(400)
    wait_queued(p, 0)
    clients += [send(p) for _ in range(20)]
    wait_queued(p, 20)
    for left in range(19, -1, -1):
        work.let_go()
        wait_queued(p, left)
        work.wait(400)
    work.open()
    assert [c.response().status for c in clients] == [200] * 420
    assert work.most == 400
    settle(p)


def test_weighted_pods_fill_up(proxy, pod, loop):
    heavy, light = Work(loop), Work(loop)
    p = proxy({"services": {"shop": {**limited(pod_requests=3), "versions": {
        "v1": {"pods": [
            {"address": f"127.0.0.1:{pod(heavy).port}", "weight": 100},
            {"address": f"127.0.0.1:{pod(light).port}"}]}}}}})
    clients = [send(p) for _ in range(6)]
    wait_for(lambda: (heavy.now, light.now) == (3, 3), "both are full")
    heavy.open()
    light.open()
    assert [c.response().status for c in clients] == [200] * 6
    settle(p)


# connections that are being made


def test_pending_connects_pass_over(shop, pod, full_pod, loop):
    """One hangs at the pod that does not accept; the others go elsewhere."""
    work = Work(loop, 0)
    p = shop({"v1": [full_pod().port, pod(work).port]}, workers=1,
             config={"timeouts": {"connect": "1d"}}, service={
                 **limited(pending_connects=1), "balance": "round_robin"})
    hangs = [Client(p.port) for _ in range(6)]
    for c in hangs:
        c.send(request())
    wait_for(lambda: len(work.order) == 5, "five are answered")
    for _ in range(20):
        assert get(p.port).status == 200
    assert len(work.order) == 25
    for c in hangs:
        c.close()


@pytest.mark.parametrize("queue", [0, 10])
def test_pending_connects_queue(shop, full_pod, loop, queue):
    p = shop({"v1": [full_pod().port]}, workers=1,
             config={"timeouts": {"connect": "2s"}}, service={
                 **limited(pending_connects=2, queue=queue),
                 "retry": {"attempts": 0}})
    clients = [send(p) for _ in range(2)]
    wait_for(lambda: p.inflight() == 2, "two connect")
    if queue == 0:
        assert get(p.port).status == 503
        assert sum_of(p, "shunt_queue_rejected_total", "full") == 1
    else:
        clients += [send(p) for _ in range(2)]
        wait_queued(p, 2)
    # When two have failed the next two try, and fail in their turn.
    assert {c.response().status for c in clients} == {504}
    settle(p)


def test_idle_connections_are_no_pending_ones(shop, pod, loop):
    """With every pending one taken, who needs none goes on."""
    work = Work(loop, 0)
    p = shop({"v1": [pod(work).port]}, workers=2,
             service=limited(pending_connects=1))
    assert Load(p.port, 30, 900).run().failures() == []
    settle(p)


def test_h2_trunks_are_one_connection(shop, h2_pod, loop):
    work = Work(loop, 0.002, h2=True)
    backend = h2_pod(work)
    p = shop({"v1": [backend.port]}, workers=1, service={
        **limited(pending_connects=1), "protocol": "h2c"})
    assert H2Load(p.port, 4, 20, 5).run().statuses == [200] * 400
    assert backend.connections <= 2
    settle(p)


# what counts


def test_a_tunnel_counts_as_long_as_it_lives(shop, pod, loop):
    async def tunnel(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if b"Upgrade" not in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: x\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data)
    p = shop({"v1": [pod(raw=tunnel).port]}, workers=1,
             service=limited(pod_requests=1))
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "upgrade"), ("Upgrade", "x")]))
        assert c.head().status == 101
        c.send(b"hello")
        assert c.exactly(5) == b"hello"
        waits = send(p)
        wait_queued(p, 1)
        c.send(b"again")
        assert c.exactly(5) == b"again"
        assert queued(p) == 1
    assert waits.response().status == 200
    settle(p)


def test_a_retry_needs_a_place_and_is_first(shop, pod, loop):
    """Its pod is gone: it waits for the other one, before all the rest."""
    living, dying = Work(loop), Work(loop)
    dies = pod(dying)
    p = shop({"v1": [pod(living).port, dies.port]}, workers=1, service={
        **limited(pod_requests=1),
        "retry": {"attempts": 3, "budget": "100%"}})
    clients = [send(p, f"/{i}") for i in range(2)]
    living.wait(1)
    dying.wait(1)
    clients += [send(p, f"/later{i}") for i in range(3)]
    wait_queued(p, 3)
    dies.stop()
    wait_queued(p, 4)
    living.let_go()
    living.wait(1)
    assert living.order[1] == dying.order[0]
    living.open()
    assert [c.response().status for c in clients] == [200] * 5
    assert living.order[2:] == [f"/later{i}" for i in range(3)]
    assert living.most == 1
    settle(p)


def test_a_retry_finds_pods_that_came_later(shop, pod, loop):
    """Its attempt began before the reload; it would wait for what it knew."""
    dying, full, new = Work(loop), Work(loop), Work(loop)
    dies, other = pod(dying), pod(full)
    p = shop({"v1": [dies.port, other.port]}, workers=1, service={
        **limited(pod_requests=1), "retry": {"attempts": 3,
                                             "budget": "100%"}})
    clients = [send(p, f"/{i}") for i in range(2)]
    dying.wait(1)
    full.wait(1)
    config = copy.deepcopy(p.config)
    config["services"]["shop"]["versions"]["v1"]["pods"].append(
        f"127.0.0.1:{pod(new).port}")
    p.write(config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    dies.stop()
    new.wait(1)
    assert new.order == dying.order
    new.open()
    full.open()
    assert [c.response().status for c in clients] == [200] * 2
    settle(p)


def test_slow_bodies_hold_their_place(shop, pod, loop):
    """A request whose body is on its way is in flight."""
    work = Work(loop, 0)
    p = shop({"v1": [pod(work).port]}, workers=1,
             service=limited(pod_requests=1))
    with Client(p.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
        wait_for(lambda: p.inflight() == 1, "one in flight")
        waits = send(p)
        wait_queued(p, 1)
        c.send(b"half")
        assert c.response().body == b"8"
    assert waits.response().status == 200
    settle(p)


def test_a_client_that_goes_frees_the_place(shop, pod, loop):
    """While its request is at the pod, by a reset."""
    event, hits = loop.call(make_event()), []

    async def first_hangs(asked):
        hits.append(asked.target)
        if len(hits) == 1:
            await event.wait()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    p = shop({"v1": [pod(first_hangs).port]}, workers=1,
             service=limited(pod_requests=1))
    goes = send(p)
    wait_for(lambda: len(hits) == 1, "it is at the pod")
    waits = send(p, "/waits")
    wait_queued(p, 1)
    reset(goes)
    assert waits.response().status == 200
    loop.loop.call_soon_threadsafe(event.set)
    settle(p)


async def make_event():
    return asyncio.Event()
