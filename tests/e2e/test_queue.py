"""Requests that wait for a pod to have room: who, how long, and what for."""
import copy
import json
import random
import signal
import socket
import threading
import time

import pytest

from busy import (H2Load, Work, queued, reset, send, settle, sum_of,
                  wait_queued)
from client import Client, Load, get, request
from h2client import CANCEL, H2Client
from harness import PATIENCE, SAN, wait_for

FULL = b"every pod is busy, the queue full"
LATE = b"no pod had room in time"


def limits(**named):
    return {"limits": {"pod_requests": 1, "queue": 1000,
                       "queue_timeout": "5m", **named}}


@pytest.fixture
def work(loop):
    return Work(loop)


@pytest.fixture
def one(shop, pod, work):
    """A proxy of one worker before one pod, limited as one likes."""
    def start(workers=1, config=None, service=None, **named):
        p = shop({"v1": [pod(work).port]}, workers=workers, config=config,
                 service={**limits(**named), **(service or {})})
        return p
    return start


def reload(p, change):
    config = copy.deepcopy(p.config)
    change(config["services"]["shop"])
    p.write(config)
    code, said = p.api("POST", "/api/v1/reload")
    assert code == 200, said


# order


def test_first_come_first_served(one, work):
    p = one()
    clients = []
    for i in range(12):
        clients.append(send(p, f"/{i}"))
        wait_queued(p, i)
        work.wait(1)
    for c in clients:
        work.let_go()
        assert c.response().status == 200
    assert work.order == [f"/{i}" for i in range(12)]
    assert work.most == 1
    settle(p)


def test_streams_of_one_connection(one, work):
    p = one()
    with H2Client(p.port) as c:
        streams = [c.request(path=f"/{i}") for i in range(30)]
        wait_queued(p, 29)
        work.open()
        assert {r.status for r in c.responses(streams)} == {200}
    assert work.order == [f"/{i}" for i in range(30)] and work.most == 1


def test_pipelined_requests_wait_in_turn(one, work):
    """One of a connection waits, its others are not looked at."""
    p = one()
    first = send(p, "/first")
    work.wait(1)
    with Client(p.port) as c:
        c.send(b"".join(request(path=f"/{i}") for i in range(5)))
        wait_queued(p, 1)
        work.open()
        assert [c.response().status for _ in range(5)] == [200] * 5
    assert first.response().status == 200
    assert work.order == ["/first"] + [f"/{i}" for i in range(5)]


# answers without a pod


def test_too_late(one, work, tmp_path):
    log = tmp_path / "log"
    p = one(queue_timeout="300ms", config={"access_log": {"path": str(log)}})
    busy = send(p)
    work.wait(1)
    began = time.monotonic()
    reply = get(p.port, "/late")
    took = time.monotonic() - began
    assert reply.status == 503 and LATE in reply.body
    assert reply.get("Retry-After") == "1"
    assert took >= 0.3
    assert work.order == ["/"]
    work.let_go()
    assert busy.response().status == 200
    settle(p)
    # It is told, and not held against the version.
    assert sum_of(p, "shunt_errors_total", "queue_timeout") == 1
    assert sum_of(p, "shunt_queue_rejected_total", "timeout") == 1
    assert sum_of(p, "shunt_queue_rejected_total", "full") == 0
    assert sum_of(p, "shunt_queue_wait_seconds_count") == 1
    assert sum_of(p, "shunt_queue_wait_seconds_sum") >= 0.3
    assert sum_of(p, "shunt_queue_wait_seconds_bucket", 'le="0.262144"') == 0
    assert sum_of(p, "shunt_requests_total", 'version="v1"') == 1
    version = p.version("v1")
    assert version["errors"] == 0 and version["requests"] == 1

    def logged():
        lines = [json.loads(x) for x in log.read_text().splitlines()]
        return next((x for x in lines if x["target"] == "/late"), None)
    line = wait_for(logged, "the line of the late one")
    assert LATE.decode() == line["reason"] and line["status"] == 503
    assert line["queue_ms"] >= 300 and line["pod"] is None


def test_the_wait_is_in_the_log(one, work, tmp_path):
    log = tmp_path / "log"
    p = one(config={"access_log": {"path": str(log)}})
    first, second = send(p, "/1"), None
    work.wait(1)
    second = send(p, "/2")
    wait_queued(p, 1)
    time.sleep(0.2)
    work.open()
    assert first.response().status == second.response().status == 200
    wait_for(lambda: log.exists() and log.read_text().count("\n") == 2,
             "two lines")
    line = next(x for x in map(json.loads, log.read_text().splitlines())
                if x["target"] == "/2")
    assert 200 <= line["queue_ms"] <= line["total_ms"]


def test_the_queue_is_full(one, work):
    """Over all workers; who is turned away has not waited."""
    p = one(workers=2, queue=3)
    clients = [send(p)]
    work.wait(1)
    for i in range(3):
        clients.append(send(p))
        wait_queued(p, i + 1)
    for _ in range(10):
        reply = get(p.port)
        assert reply.status == 503 and FULL in reply.body
        assert reply.get("Retry-After") == "1"
    assert queued(p) == 3
    assert sum_of(p, "shunt_queue_length") == 3
    assert sum_of(p, "shunt_queue_rejected_total", "full") == 10
    assert sum_of(p, "shunt_errors_total", "queue_full") == 10
    work.open()
    assert [c.response().status for c in clients] == [200] * 4
    settle(p)
    assert p.version("v1")["errors"] == 0
    assert sum_of(p, "shunt_queue_wait_seconds_count") == 3


def test_no_queue(one, work):
    p = one(queue=0)
    first = send(p)
    work.wait(1)
    assert FULL in get(p.port).body
    with H2Client(p.port) as c:
        reply = c.ask()
        assert reply.status == 503 and FULL in reply.body
    work.let_go()
    assert first.response().status == 200
    work.open()
    assert get(p.port).status == 200


# clients that go


@pytest.mark.parametrize("how", ["fin", "half", "rst"])
def test_who_gives_up_is_forgotten(one, work, how):
    p = one()
    first = send(p, "/first")
    work.wait(1)
    gone, stays = send(p, "/gone"), None
    wait_queued(p, 1)
    stays = send(p, "/stays")
    wait_queued(p, 2)
    if how == "half":
        gone.socket.shutdown(socket.SHUT_WR)
    elif how == "rst":
        reset(gone)
    else:
        gone.close()
    wait_queued(p, 1)
    work.open()
    assert first.response().status == stays.response().status == 200
    assert work.order == ["/first", "/stays"]
    settle(p)
    assert p.version("v1")["errors"] == 0


def test_who_had_gone_before_it_waited(one, work):
    """The end of the connection came together with the request."""
    p = one()
    first = send(p)
    work.wait(1)
    with Client(p.port) as c:
        c.send(request(path="/gone"))
        c.socket.shutdown(socket.SHUT_WR)
        assert c.closed()
    wait_queued(p, 0)
    work.open()
    assert first.response().status == 200
    assert "/gone" not in work.order


@pytest.mark.parametrize("how", ["stream", "connection"])
def test_h2_clients_give_up(one, work, how):
    p = one()
    with H2Client(p.port) as c:
        first = c.request()
        work.wait(1)
        d = H2Client(p.port)
        gone = [d.request(path="/gone") for _ in range(3)]
        wait_queued(p, 3)
        if how == "stream":
            for s in gone:
                d.h2.reset_stream(s, CANCEL)
            d.flush()
        else:
            d.close()
        wait_queued(p, 0)
        d.close()
        work.open()
        assert c.response(first).status == 200
    assert "/gone" not in work.order
    settle(p)


# bodies


def test_a_body_is_not_read_while_it_waits(one, work):
    """Back-pressure: the client's socket fills up, the proxy does not."""
    p = one()
    first = send(p)
    work.wait(1)
    body = b"x" * (24 << 20)
    before = p.peak_kib()
    with Client(p.port) as c:
        sender = threading.Thread(target=c.send, daemon=True, args=(
            request("POST", "/body", body=body),))
        sender.start()
        wait_queued(p, 1)
        sender.join(0.3)
        assert sender.is_alive(), "all of the body was read"
        work.open()
        reply = c.response()
        assert reply.status == 200 and int(reply.body) == len(body)
        sender.join(PATIENCE)
    assert first.response().status == 200
    assert p.peak_kib() - before < 8 << 10


@pytest.mark.parametrize("chunked", [True, False])
def test_bodies_arrive_whole(one, work, chunked):
    p = one()
    first = send(p)
    work.wait(1)
    pieces = [b"a" * 3000, b"b" * 70000, b"c"]
    named = {"chunks": pieces} if chunked else {"body": b"".join(pieces)}
    clients = [send(p, f"/{i}", method="POST", **named) for i in range(5)]
    wait_queued(p, 5)
    work.open()
    assert first.response().status == 200
    assert [c.response().body for c in clients] == [b"73001"] * 5
    settle(p)


def test_an_h2_body_waits_in_its_window(one, work):
    p = one()
    with H2Client(p.port) as c:
        first = c.request()
        work.wait(1)
        body = b"y" * 300000
        stream = c.start("POST", "/body")
        wait_queued(p, 1)
        sent = 0
        while (room := c.h2.local_flow_control_window(stream)) > 0:
            n = min(room, c.h2.max_outbound_frame_size)
            c.h2.send_data(stream, body[:n])
            sent += n
            c.flush()
        c.ping()
        assert sent == 65535
        assert c.h2.local_flow_control_window(stream) == 0
        work.open()
        assert c.response(first).status == 200
        assert c.send(stream, body[sent:], end=True)
        assert c.response(stream).body == b"300000"
    settle(p)


# pods and plans that change


CHECKS = {"path": "/healthz", "interval": "50ms", "rise": 1, "fall": 1}


@pytest.mark.parametrize("empty", ["stable", 503])
def test_the_version_loses_its_pods(shop, pod, loop, empty):
    old, new = Work(loop, 0), Work(loop)
    p = shop({"v1": [pod(old).port], "v2": [pod(new).port]}, service={
        **limits(), "weights": {"v2": 1}, "empty": empty, "health": CHECKS})
    p.wait_pods("v2", up=1)
    p.wait_pods("v1", up=1)
    first = send(p, "/first")
    new.wait(1)
    clients = [send(p, f"/{i}") for i in range(6)]
    wait_queued(p, 6, "v2")
    new.healthy = False
    replies = [c.response() for c in clients]
    if empty == 503:
        assert {r.status for r in replies} == {503}
        assert all(b"no pod is ready" in r.body for r in replies)
    else:
        assert {r.status for r in replies} == {200}
        assert len(old.order) == 6
    new.open()
    assert first.response().status == 200
    assert new.order == ["/first"]
    settle(p, "v2")
    assert p.version("v2")["errors"] == 0


def test_a_pod_comes_back(shop, pod, loop):
    full, back = Work(loop), Work(loop)
    back.healthy = False
    p = shop({"v1": [pod(full).port, pod(back).port]}, service={
        **limits(), "health": CHECKS})
    p.wait_pods("v1", up=1, down=1)
    first = send(p, "/first")
    full.wait(1)
    clients = [send(p) for _ in range(3)]
    wait_queued(p, 3)
    back.healthy = True
    back.wait(1)
    wait_queued(p, 2)
    assert full.most == back.most == 1
    back.open()
    assert [c.response().status for c in clients] == [200] * 3
    full.open()
    assert first.response().status == 200
    settle(p)


def test_the_pod_dies(shop, pod, loop):
    """Who waits for it goes to the one that lives; retries need room, too."""
    dying, living = Work(loop), Work(loop)
    dies = pod(dying)
    p = shop({"v1": [dies.port, pod(living).port]}, workers=2, service={
        **limits(), "retry": {"attempts": 3, "budget": "100%"}})
    clients = [send(p) for _ in range(2)]
    dying.wait(1)
    living.wait(1)
    clients += [send(p) for _ in range(20)]
    wait_queued(p, 20)
    dies.stop()
    living.open()
    assert [c.response().status for c in clients] == [200] * 22
    assert living.most == 1
    settle(p)


@pytest.mark.parametrize("new", [{"pod_requests": 4}, None])
def test_a_reload_lets_them_go(one, work, new):
    p = one(workers=2)
    clients = [send(p, f"/{i}") for i in range(8)]
    work.wait(1)
    wait_queued(p, 7)

    def change(service):
        if new is None:
            del service["limits"]
        else:
            service["limits"].update(new)
    reload(p, change)
    work.wait(4 if new else 8)
    wait_queued(p, 4 if new else 0)
    assert work.most == (4 if new else 8)
    work.open()
    assert [c.response().status for c in clients] == [200] * 8
    settle(p)


def test_a_reload_brings_a_limit(shop, pod, work):
    """What is in flight already counts, and nothing more gets through."""
    p = shop({"v1": [pod(work).port]}, workers=2)
    clients = [send(p, f"/{i}") for i in range(5)]
    work.wait(5)
    reload(p, lambda s: s.update(limits(pod_requests=3)))
    late = [send(p, "/late") for _ in range(4)]
    wait_queued(p, 4)
    work.let_go(2)
    assert sum(c.response().status for c in clients[:0]) == 0
    work.wait(3)
    assert queued(p) == 4
    work.let_go()
    wait_queued(p, 3)
    work.wait(3)
    work.open()
    assert [c.response().status for c in clients + late] == [200] * 9
    settle(p)


@pytest.mark.parametrize("gone", ["version", "service"])
def test_a_reload_takes_what_they_wait_for(shop, pod, loop, gone):
    old, new = Work(loop, 0), Work(loop)
    p = shop({"v1": [pod(old).port], "v2": [pod(new).port]}, service={
        **limits(), "weights": {"v2": 1}})
    first = send(p, "/first")
    new.wait(1)
    clients = [send(p) for _ in range(5)]
    wait_queued(p, 5, "v2")
    config = copy.deepcopy(p.config)
    services = config["services"]
    if gone == "version":
        del services["shop"]["versions"]["v2"]
        services["shop"]["weights"] = {"v1": 1}
    else:
        services["other"] = services.pop("shop")
    p.write(config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    statuses = {c.response().status for c in clients}
    assert statuses == ({200} if gone == "version" else {503})
    new.open()
    assert first.response().status == 200


def test_plans_change_all_the_time(shop, pod, loop):
    """Weights and reloads while requests wait: each keeps its version."""
    works = {"v1": Work(loop), "v2": Work(loop)}
    p = shop({v: [pod(w).port] for v, w in works.items()}, workers=2,
             service={**limits(), "weights": {"v1": 1, "v2": 1}})
    clients = [send(p) for _ in range(2)]
    for w in works.values():
        w.wait(1)
    clients += [send(p) for _ in range(20)]
    wait_queued(p, 10, "v1")
    wait_queued(p, 10, "v2")
    for i in range(30):
        p.api("PUT", "/api/v1/services/shop/weights",
              {"v1": 1 + i % 3, "v2": 0})
        if i % 10 == 0:
            reload(p, lambda s, i=i: s.update({"empty": ["stable", 503][
                i // 10 % 2]}))
    assert queued(p, "v1") == queued(p, "v2") == 10
    for w in works.values():
        w.open()
    assert [c.response().status for c in clients] == [200] * 22
    assert len(works["v2"].order) == 11 and works["v2"].most == 1
    settle(p, "v1")
    settle(p, "v2")


# the end


def test_sigterm_lets_them_finish(one, work):
    p = one(workers=2)
    clients = [send(p) for _ in range(6)]
    work.wait(1)
    wait_queued(p, 5)
    p.signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in p.stderr() or "drain" in p.stderr(),
             "it stops")
    for _ in clients:
        work.wait(1)
        work.let_go()
    replies = [c.response() for c in clients]
    assert {r.status for r in replies} == {200}
    assert all(r.closes() for r in replies[1:])
    assert p.wait() == 0


def test_the_drain_timeout_cuts_them(one, work):
    p = one(workers=2, config={"timeouts": {"drain": "200ms"}})
    clients = [send(p) for _ in range(6)]
    work.wait(1)
    wait_queued(p, 5)
    with H2Client(p.port) as c:
        for _ in range(5):
            c.request()
        wait_queued(p, 10)
        p.signal(signal.SIGTERM)
        assert p.wait() == 0
        assert c.closed()
    assert all(c.closed() for c in clients)


# many


def test_hundreds_wait_in_little_memory(one, work):
    p = one(workers=2, pod_requests=5)
    n = 600
    warm = [send(p) for _ in range(20)]
    work.wait(5)
    wait_queued(p, 15)
    before = p.peak_kib()
    clients = [send(p) for _ in range(n)]
    wait_queued(p, n + 15)
    assert p.peak_kib() - before < (64 if SAN else 16) * n
    work.open()
    assert {c.response().status for c in warm + clients} == {200}
    assert work.most == 5
    settle(p)


def test_every_worker_gets_its_share(shop, pod, loop):
    """One place, many connections on two workers: none is left behind."""
    work = Work(loop, 0.002)
    p = shop({"v1": [pod(work).port]}, workers=2, service=limits())
    loads = [Load(p.port, 1).start() for _ in range(16)]
    wait_for(lambda: sum(x.finished() for x in loads) >= 480, "480 answers")
    counts = [x.stop().finished() for x in loads]
    assert all(x.failures() == [] for x in loads)
    assert min(counts) * 2 > sum(counts) / len(counts), counts
    assert work.most == 1
    settle(p)


@pytest.mark.parametrize("kind", ["h1", "h2c"])
def test_nothing_is_left_behind(shop, pod, h2_pod, loop, kind):
    """Clients that come and go as they like, over both protocols: in the end
    nobody waits, nothing is in flight, and every place is free again."""
    works = [Work(loop, 0.003, h2=kind == "h2c") for _ in range(2)]
    pods = [(h2_pod if kind == "h2c" else pod)(w) for w in works]
    p = shop({"v1": [x.port for x in pods]}, workers=2, service={
        **limits(pod_requests=2, version_requests=3, queue=20,
                 queue_timeout="50ms"), "protocol": kind})
    end = time.monotonic() + 4
    problems, done = [], []

    def h1(chance):
        while time.monotonic() < end:
            with Client(p.port) as c:
                for _ in range(chance.randrange(1, 5)):
                    c.send(request())
                    if chance.random() < 0.3:
                        time.sleep(chance.random() * 0.02)
                        if chance.random() < 0.5:
                            reset(c)
                        break
                    done.append(c.response().status)

    def h2(chance):
        while time.monotonic() < end:
            with H2Client(p.port) as c:
                streams = [c.request() for _ in range(6)]
                if chance.random() < 0.5:
                    done.extend(r.status for r in c.responses(streams))
                    continue
                for s in streams:
                    if chance.random() < 0.5:
                        c.h2.reset_stream(s, CANCEL)
                        c.flush()
                time.sleep(chance.random() * 0.02)

    def run(what, seed):
        try:
            what(random.Random(seed))
        except (OSError, EOFError, AssertionError) as e:
            problems.append(repr(e))
    threads = [threading.Thread(target=run, args=(what, i), daemon=True)
               for i, what in enumerate([h1] * 8 + [h2] * 4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(PATIENCE)
        assert not t.is_alive(), "a client hangs"
    assert problems == []
    settle(p)
    assert set(done) <= {200, 503} and done.count(200) > 20
    assert sum_of(p, "shunt_queue_length") == 0
    # Every place is there again, and not one more.
    for w in works:
        w.seconds, w.opened, w.most = None, False, w.now
    clients = [send(p) for _ in range(3)]
    wait_for(lambda: sum(w.now for w in works) == 3, "three are served")
    assert get(p.port).status == 503
    for w in works:
        w.open()
    assert [c.response().status for c in clients] == [200] * 3
    settle(p)


def test_h2_load_on_both_sides(shop, h2_pod, loop):
    works = [Work(loop, 0.001, h2=True) for _ in range(3)]
    p = shop({"v1": [h2_pod(w).port for w in works]}, workers=2,
             service={**limits(pod_requests=4), "protocol": "h2c"})
    load = H2Load(p.port, 6, 20, 5).run()
    assert load.statuses == [200] * 600
    assert [w.most <= 4 for w in works] == [True] * 3
    assert sum(len(w.order) for w in works) == 600
    settle(p)
