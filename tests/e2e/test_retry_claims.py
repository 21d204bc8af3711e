"""A pod's answer is given up only for a place that is had: elsewhere, or
among those who wait for one."""
import pytest

from busy import H2Load, Work, queued, send, settle, sum_of, wait_queued
from client import Client, Load, get
from h2pod import Answer
from harness import wait_for
from pods import answer


def retrying(limits, **retry):
    return {"retry": {"on": ["status"], **retry}, "limits": limits}


def failing(pod):
    return pod(lambda asked: answer(500, "mine"))


def count(p, name):
    return sum_of(p, f"shunt_{name}")


def test_no_room_elsewhere(shop, pod, loop):
    """Each is the first pod's, and none costs the budget a retry."""
    work = Work(loop)
    p = shop({"v1": [failing(pod).port, pod(work).port]}, workers=1,
             service=retrying({"pod_requests": 1}, budget="0.01%"))
    held = send(p)
    work.wait(1)
    made = count(p, "retries_total")
    for _ in range(60):
        reply = get(p.port)
        assert reply.status == 500 and reply.body == b"mine"
    assert count(p, "retries_total") == made
    assert count(p, "retries_refused_total") == 0
    work.open()
    assert held.response().status == 200
    assert get(p.port).body == b"done"
    settle(p)


def test_over_http2(shop, h2_pod, loop):
    work = Work(loop, h2=True)
    bad = h2_pod(lambda asked: Answer(500, b"mine"))
    p = shop({"v1": [bad.port, h2_pod(work).port]}, workers=1,
             service={**retrying({"pod_requests": 1}), "protocol": "h2c"})
    held = send(p)
    work.wait(1)
    for _ in range(20):
        # the client may have it all before the stream has ended
        wait_for(lambda: p.inflight() == 1, "the place is back")
        assert get(p.port).body == b"mine"
    work.open()
    assert held.response().status == 200
    assert get(p.port).body == b"done"
    settle(p)


def elsewhere(shop, pod, work, bad, **limits):
    """What v2 fails at goes to v1, where there is one place."""
    return shop({"v1": [pod(work).port], "v2": [bad.port]}, workers=2,
                service={"weights": {"v1": 0, "v2": 1},
                         "rules": [{"match": {"path": "/held"},
                                    "version": "v1"}],
                         **retrying({"pod_requests": 1, **limits},
                                    version="stable", budget="100%")})


def test_in_the_queue_of_another_version(shop, pod, loop):
    """Who finds a place there waits; who finds none has the answer."""
    work = Work(loop)
    p = elsewhere(shop, pod, work, failing(pod), queue=1, queue_timeout="5m")
    held = send(p, "/held")
    work.wait(1)
    waits = send(p, "/waits")
    wait_queued(p, 1)
    for _ in range(10):
        assert get(p.port).body == b"mine"
    assert queued(p) == 1 and count(p, "queue_rejected_total") == 0
    work.let_go()
    assert held.response().status == 200
    work.let_go()
    assert waits.response().body == b"done"
    settle(p)
    assert work.order == ["/held", "/waits"]


def test_the_wait_may_be_in_vain(shop, pod, loop):
    """The answer was given up for it."""
    work = Work(loop)
    p = elsewhere(shop, pod, work, failing(pod), queue=5,
                  queue_timeout="200ms")
    held = send(p, "/held")
    work.wait(1)
    reply = get(p.port)
    assert reply.status == 503 and b"no pod had room in time" in reply.body
    work.open()
    assert held.response().status == 200
    settle(p)


def test_the_place_at_the_version_goes_along(shop, pod, loop):
    """It may be the only one: nobody can take it in between."""
    work = Work(loop, seconds=0.001)
    bad = Work(loop, seconds=0.001)
    bad.answer = lambda status, body=b"": answer(500, b"mine")
    p = shop({"v1": [pod(bad).port, pod(work).port]}, workers=2,
             service=retrying({"version_requests": 1, "queue": 1000,
                               "queue_timeout": "5m"}, budget="100%"))
    load = Load(p.port, 8, 200).run()
    assert load.failures() == []
    assert work.most == 1 and bad.most == 1
    settle(p)
    assert p.version("v1")["errors"] == count(p, "retries_total") > 0


@pytest.mark.parametrize("kind", ["h1", "h2"])
def test_no_place_is_lost(shop, pod, h2_pod, loop, kind):
    """Under load each answer is the one or the other, never one of ours."""
    h2 = kind == "h2"
    start = h2_pod if h2 else pod
    reply = Answer(500, b"mine") if h2 else answer(500, "mine")
    works = [Work(loop, seconds=0.001, h2=h2) for _ in range(2)]
    bad = start(lambda asked: reply)
    p = shop({"v1": [bad.port] + [start(w).port for w in works]}, workers=2,
             service={"protocol": "h2c" if h2 else "h1",
                      **retrying({"pod_requests": 2, "queue": 100,
                                  "queue_timeout": "5m"}, budget="100%")})
    load = H2Load(p.port, 4, 8, 20).run()
    assert set(load.statuses) <= {200, 500}, set(load.statuses)
    assert all(w.most <= 2 for w in works)
    settle(p)


def test_reloads_meanwhile(shop, pod, loop):
    """Who waits for a place goes on by the plan of the day."""
    work = Work(loop)
    p = elsewhere(shop, pod, work, failing(pod), queue=1, queue_timeout="5m")
    with Client(p.port) as held, Client(p.port) as waits:
        held.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        work.wait(1)
        waits.send(b"GET /waits HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_queued(p, 1)
        config = dict(p.config)
        config["services"]["shop"]["limits"]["pod_requests"] = 2
        p.write(config)
        assert p.api("POST", "/api/v1/reload")[0] == 200
        work.wait(2)
        work.open()
        assert waits.response().body == held.response().body == b"done"
    settle(p)


def test_a_pod_that_refuses_is_no_other(shop, pod, ports):
    """It has just refused a connection: better the answer that is there."""
    bad = failing(pod)
    p = shop({"v1": [bad.port, ports.reserve()]}, workers=1,
             service={"retry": {"on": ["connect", "status"],
                                "budget": "100%"}, "balance": "round_robin"})

    def refused():
        before = count(p, "retries_total")
        statuses = [get(p.port).status for _ in range(4)]
        return statuses == [500] * 4 and \
            count(p, "retries_total") == before
    wait_for(refused, "four in a row within the second")
