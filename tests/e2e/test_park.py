"""A release that recreates: while no version takes requests, they are parked.
v2's pod fails its checks until the test goes on, and so long it is closed."""
import asyncio
import copy
import json
import random
import re
import select
import signal
import time

import pytest

from busy import Work, reset, send, sum_of
from client import Client, Load, get, request
from h2client import CANCEL, H2Client
from harness import SAN, wait_for
from pods import answer, app_answer

CHECKS = {"path": "/healthz", "interval": "50ms", "rise": 1, "fall": 1}
CLOSED = b"no version takes requests"
FULL = b"too many requests are parked"
LATE = b"parked for too long"
BASE = "/api/v1/services/shop"
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
           ("Sec-WebSocket-Version", "13")]


class Shop:
    """A proxy, and what its two versions do."""

    def __init__(self, p, old, new):
        self.p, self.old, self.new = p, old, new

    def parked(self):
        return self.p.status()["parked"]

    def wait_parked(self, n):
        wait_for(lambda: self.parked() == n, f"{n} requests are parked")

    def close(self):
        """Until no worker lets a request through."""
        self.p.cli("rollout", "start", "shop", "--to", "v2", "--strategy",
                   "recreate", check=True)
        self.wait_closed()

    def wait_closed(self, closed=True):
        def seen():
            s = self.p.status()
            return s["closed"] == closed and s["in_force"]
        wait_for(seen, "closed" if closed else "open")

    def open(self):
        self.new.healthy = True

    def reload(self, change):
        config = copy.deepcopy(self.p.config)
        change(config["services"])
        self.p.write(config)
        code, said = self.p.api("POST", "/api/v1/reload")
        assert code == 200, said

    def rejected(self):
        found = self.p.metrics()["shunt_park_rejected_total"]
        assert all(k.startswith('service="shop",reason=') for k in found)
        return {k.split('"')[3]: v for k, v in found.items() if v}

    def settle(self):
        """Nothing is parked, and nobody is blamed for what was."""
        wait_for(lambda: self.parked() == 0 and self.p.inflight() == 0,
                 "nothing is left")
        for v in self.p.status()["versions"]:
            assert v["errors"] == 0 and v["queued"] == 0


@pytest.fixture
def start(shop, pod, loop):
    """A function: v1 works at once, v2 once the test opens the shop."""
    def begin(park="5m", limit=1000, old=None, workers=2, config=None,
              **service):
        old = old or Work(loop, 0, body=b"old")
        new = Work(loop, 0, body=b"new")
        new.healthy = False
        p = shop({"v1": [pod(old).port], "v2": [pod(new).port]},
                 workers=workers, config=config, service={
                     "health": CHECKS,
                     "release": {"recreate": {"park": park,
                                              "park_limit": limit}},
                     **service})
        p.wait_pods("v1", up=1)
        p.wait_pods("v2", down=1)
        return Shop(p, old, new)
    return begin


# who waits, and goes on


def test_parked_requests_go_to_the_new_version_in_turn(start):
    s = start(workers=1, limits={"pod_requests": 1, "queue": 1000,
                                 "queue_timeout": "5m"})
    assert get(s.p.port).body == b"old"
    assert s.p.status()["closed"] is False
    s.close()
    clients = []
    for i in range(20):
        clients.append(send(s.p, f"/{i}"))
        s.wait_parked(i + 1)
    assert sum_of(s.p, "shunt_parked") == 20
    assert "closed, 20 parked" in s.p.cli("status", check=True).stdout
    assert s.new.order == []
    s.open()
    replies = [c.response() for c in clients]
    assert [(r.status, r.body) for r in replies] == [(200, b"new")] * 20
    assert s.new.order == [f"/{i}" for i in range(20)] and s.new.most == 1
    assert s.old.order == ["/"]
    s.settle()
    assert sum_of(s.p, "shunt_parked") == 0
    assert sum_of(s.p, "shunt_park_wait_seconds_count") == 20
    assert s.rejected() == {}
    wait_for(lambda: s.p.status()["stable"] == "v2", "v2 is stable")
    assert get(s.p.port).body == b"new"


def test_the_wait_is_told_but_not_blamed_on_the_version(start, tmp_path):
    log = tmp_path / "log"
    s = start(config={"access_log": {"path": str(log)}})
    s.close()
    c = send(s.p, "/waits")
    s.wait_parked(1)
    time.sleep(1)
    s.open()
    assert c.response().status == 200

    def logged():
        lines = [json.loads(x) for x in log.read_text().splitlines()]
        return next((x for x in lines if x["target"] == "/waits"), None)
    line = wait_for(logged, "its line")
    assert line["queue_ms"] >= 1000 and line["total_ms"] >= 1000
    assert (line["version"], line["chosen"]) == ("v2", "weight")
    took = s.p.metrics()["shunt_request_duration_seconds_sum"]
    parked = sum_of(s.p, "shunt_park_wait_seconds_sum")
    assert parked >= 1
    assert took['service="shop",version="v2"'] + parked <= \
        line["total_ms"] / 1000 + 0.01


def test_a_kept_alive_connection_and_what_is_pipelined(start):
    s = start()
    with Client(s.p.port) as c:
        assert c.ask().body == b"old"
        s.close()
        c.send(b"".join(request(path=f"/{i}") for i in range(5)))
        s.wait_parked(1)  # one of a connection at a time
        s.open()
        assert [c.response().body for _ in range(5)] == [b"new"] * 5
        assert c.ask().body == b"new"
    assert s.new.order[:5] == [f"/{i}" for i in range(5)]
    s.settle()


def test_streams_of_one_connection(start):
    s = start()
    with H2Client(s.p.port) as c:
        assert c.ask().body == b"old"
        s.close()
        streams = [c.request(path=f"/{i}") for i in range(30)]
        s.wait_parked(30)
        s.open()
        assert {bytes(r.body) for r in c.responses(streams)} == {b"new"}
    s.settle()


@pytest.mark.parametrize("h2", [False, True])
def test_bodies_wait_with_their_requests(start, h2):
    """Nothing is read of them beyond a buffer: the client cannot go on."""
    size = 8 << 20
    s = start()
    s.close()
    before = s.p.peak_kib()
    if h2:
        with H2Client(s.p.port) as c:
            stream = c.start("POST", fields=[("content-length", str(size))])
            s.wait_parked(1)
            s.open()
            c.send(stream, b"x" * size, end=True)
            reply = c.response(stream)
    else:
        with Client(s.p.port) as c:
            c.send(request("POST", body=b"")[:-4].replace(
                b"Content-Length: 0", b"Content-Length: %d" % size)
                + b"\r\n\r\n" + b"x" * 1000)
            s.wait_parked(1)
            c.socket.settimeout(0.5)
            sent = 1000
            with pytest.raises(TimeoutError):
                while sent < size:
                    sent += c.socket.send(b"x" * min(1 << 16, size - sent))
            assert s.p.peak_kib() - before < 2048 * (4 if SAN else 1)
            s.open()
            c.socket.settimeout(60)
            c.send(b"x" * (size - sent))
            reply = c.response()
    assert (reply.status, reply.body) == (200, str(size).encode())
    s.settle()


def test_an_upgrade_waits_too(shop, pod):
    async def echoes(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/healthz" in head.split(b"\r\n")[0]:
            writer.write(answer(200 if ready else 500))
            return
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: websocket\r\n\r\n")
        while data := await reader.read(1000):
            writer.write(data)
    ready = []
    p = shop({"v1": [pod().port], "v2": [pod(raw=echoes).port]}, service={
        "health": CHECKS, "release": {"recreate": {"park": "5m"}}})
    p.wait_pods("v1", up=1)
    s = Shop(p, None, None)
    s.close()
    with send(p, fields=UPGRADE) as c:
        s.wait_parked(1)
        ready.append(True)
        assert c.head().status == 101
        c.send(b"hello")
        assert c.exactly(5) == b"hello"
    s.settle()


def test_rules_decide_when_it_opens(shop, pod, loop):
    """By the request as it came, not as it was to be sent on."""
    works = {v: Work(loop, 0, body=v.encode()) for v in ("v1", "v2", "v3")}
    works["v2"].healthy = False
    rules = [{"match": {"header": {"X-Forwarded-Proto": "https"}},
              "version": "v3"},
             {"match": {"query": {"to": "v3"}}, "version": "v3"}]
    p = shop({v: [pod(w).port] for v, w in works.items()}, service={
        "health": CHECKS, "weights": {"v1": 1}, "rules": rules,
        "release": {"recreate": {"park": "5m"}}})
    p.wait_pods("v2", down=1)
    s = Shop(p, works["v1"], works["v2"])
    s.close()
    clients = [send(p, fields=[("X-Forwarded-Proto", "https")]),
               send(p, "/?to=v3"), send(p)]
    s.wait_parked(3)
    s.open()
    assert [c.response().body for c in clients] == [b"v3", b"v3", b"v2"]
    s.settle()


def test_those_in_a_queue_are_parked(start, loop):
    """They waited for a version that nobody is to get any more."""
    old = Work(loop, body=b"old")
    s = start(old=old, limits={"pod_requests": 1, "queue": 100,
                               "queue_timeout": "5m"})
    first = send(s.p, "/first")
    old.wait(1)
    clients = [send(s.p, f"/{i}") for i in range(10)]
    wait_for(lambda: s.p.version("v1")["queued"] == 10, "they wait")
    s.close()
    s.wait_parked(10)
    assert s.p.version("v1")["queued"] == 0
    old.open()
    assert first.response().body == b"old"
    s.open()
    assert [c.response().body for c in clients] == [b"new"] * 10
    assert old.order == ["/first"]
    s.settle()


def test_patience_for_room_is_another_one(start):
    s = start(limits={"pod_requests": 1, "queue": 10, "queue_timeout": "3s"})
    s.close()
    clients = [send(s.p) for _ in range(4)]
    s.wait_parked(4)
    time.sleep(3.2)
    s.open()
    assert [c.response().body for c in clients] == [b"new"] * 4
    s.settle()


def test_a_retry_is_parked(shop, pod, loop):
    """Its pod went down with the old version: nobody has to know."""
    async def breaks(asked):
        if asked.target == "/healthz":
            return answer(200)
        there.append(asked.target)
        while not broken:
            await asyncio.sleep(0.01)
        return None
    there, broken = [], []
    new = Work(loop, 0, body=b"new")
    new.healthy = False
    p = shop({"v1": [pod(breaks).port], "v2": [pod(new).port]}, service={
        "health": CHECKS, "retry": {"attempts": 1, "budget": "100%"},
        "rules": [{"match": {"cookie": {"a": "b"}}, "version": "v2"}],
        "release": {"recreate": {"park": "5m"}}})
    p.wait_pods("v1", up=1)
    s = Shop(p, None, new)
    clients = [send(p), send(p, method="PUT", body=b"kept"),
               send(p, method="POST", body=b"begun")]
    wait_for(lambda: len(there) == 3, "they are at the old version")
    s.close()
    broken.append(True)
    assert clients[2].response().status == 502  # as ever: not idempotent
    s.wait_parked(2)
    s.open()
    assert [c.response().body for c in clients[:2]] == [b"new", b"4"]
    assert p.version("v1")["errors"] == 3
    wait_for(lambda: s.parked() == 0 and p.inflight() == 0, "nothing is left")
    assert p.version("v2")["errors"] == 0


def test_an_abort_opens_it_again(start):
    s = start()
    s.close()
    clients = [send(s.p) for _ in range(5)]
    s.wait_parked(5)
    s.p.cli("rollout", "abort", "shop", check=True)
    assert [c.response().body for c in clients] == [b"old"] * 5
    s.wait_closed(False)
    assert get(s.p.port).body == b"old"
    s.settle()


def test_explain_tells(start):
    s = start(park="30s", limit=50)
    s.close()
    code, said = s.p.api("POST", "/api/v1/explain",
                         {"url": f"http://127.0.0.1:{s.p.port}/"})
    assert code == 200 and said["version"] is None
    assert ("No version takes requests: the release of v2 parks them for up "
            "to 30s, 50 at a time." in said["reason"])
    shown = s.p.cli("explain", f"http://127.0.0.1:{s.p.port}/", check=True)
    assert "the release of v2 parks them" in shown.stdout


# who does not


def test_nothing_is_parked_unless_one_says_so(start):
    s = start(park="0s")
    s.close()
    with Client(s.p.port) as c:
        for _ in range(3):
            reply = c.ask()
            assert reply.status == 503 and CLOSED in reply.body
            assert reply.get("Retry-After") == "1"
    assert s.rejected() == {"closed": 3}
    assert sum_of(s.p, "shunt_requests_total", 'version=""') == 3
    assert sum_of(s.p, "shunt_errors_total") == 0
    s.settle()


def test_no_more_than_the_limit(start):
    """Over all workers; who leaves makes room."""
    s = start(limit=4)
    s.close()
    clients = [send(s.p) for _ in range(4)]
    s.wait_parked(4)
    with Client(s.p.port) as c:
        reply = c.ask()
        assert reply.status == 503 and FULL in reply.body
        assert reply.get("Retry-After") == "1"
        assert s.rejected() == {"full": 1}
        clients.pop().close()
        s.wait_parked(3)
        c.send(request())
        s.wait_parked(4)
        s.open()
        assert c.response().body == b"new"
    assert [c.response().body for c in clients] == [b"new"] * 3
    s.settle()


def test_too_late(start, tmp_path):
    log = tmp_path / "log"
    s = start(park="500ms", config={"access_log": {"path": str(log)}})
    s.close()
    began = time.monotonic()
    reply = get(s.p.port)
    assert time.monotonic() - began >= 0.5
    assert reply.status == 503 and LATE in reply.body
    assert reply.get("Retry-After") == "1"
    assert s.rejected() == {"timeout": 1}
    line = json.loads(wait_for(log.read_text, "its line"))
    assert line["reason"] == LATE.decode() and line["version"] is None
    assert line["queue_ms"] >= 500 and line["chosen"] is None
    s.settle()


@pytest.mark.parametrize("leave", [
    lambda c: c.close(), reset, lambda c: c.socket.shutdown(1)])
def test_clients_that_leave_are_forgotten(start, leave):
    s = start()
    s.close()
    clients = [send(s.p, "/leaves") for _ in range(10)]
    clients += [send(s.p, "/leaves", method="POST", body=b"x")
                for _ in range(10)]
    stays = send(s.p, "/stays")
    s.wait_parked(21)
    for c in clients:
        leave(c)
    s.wait_parked(1)
    s.open()
    assert stays.response().body == b"new"
    assert s.new.order == ["/stays"]
    s.settle()


def test_streams_that_are_reset_are_forgotten(start):
    s = start()
    s.close()
    with H2Client(s.p.port) as c:
        streams = [c.request(path=f"/{i}") for i in range(10)]
        s.wait_parked(10)
        for stream in streams[1:]:
            c.h2.reset_stream(stream, CANCEL)
        c.flush()
        s.wait_parked(1)
        s.open()
        assert c.response(streams[0]).body == b"new"
    assert s.new.order == ["/0"]
    s.settle()


# reloads, and the end


def test_a_reload_keeps_them(start):
    s = start()
    s.close()
    clients = [send(s.p) for _ in range(5)]
    s.wait_parked(5)
    for i in range(4):
        s.reload(lambda services, i=i: services["shop"].update(
            {"empty": ["stable", 503][i % 2]}))
        assert s.p.status()["closed"] and s.parked() == 5
    # another park holds for who comes after it
    s.reload(lambda services: services["shop"]["release"]["recreate"].update(
        {"park": "0s"}))
    assert CLOSED in get(s.p.port).body
    assert s.parked() == 5
    s.open()
    assert [c.response().body for c in clients] == [b"new"] * 5
    s.settle()


def test_time_goes_on_over_plans(start):
    """It would never end, were it to begin anew with each of them."""
    s = start(park="2s")
    s.close()
    began = time.monotonic()
    c = send(s.p)
    plans = 0

    def answered():
        nonlocal plans
        plans += 1
        s.reload(lambda services: services["shop"].update(
            {"empty": ["stable", 503][plans % 2]}))
        return select.select([c.socket], [], [], 0.2)[0]
    wait_for(answered, "it is too late")
    reply = c.response()
    assert reply.status == 503 and LATE in reply.body
    assert time.monotonic() - began >= 2


def test_a_reload_takes_the_service(start):
    s = start()
    s.close()
    clients = [send(s.p) for _ in range(5)]
    s.wait_parked(5)

    def change(services):
        services["other"] = services.pop("shop")
    s.reload(change)
    assert {c.response().status for c in clients} == {503}


def test_sigterm_answers_them(start):
    """Nothing will open it any more; others may be asked."""
    s = start()
    s.close()
    with H2Client(s.p.port) as h2:
        streams = [h2.request() for _ in range(5)]
        clients = [send(s.p) for _ in range(5)]
        s.wait_parked(10)
        s.p.signal(signal.SIGTERM)
        replies = [c.response() for c in clients]
        assert all(r.closes() for r in replies)
        replies += h2.responses(streams)
    assert {r.status for r in replies} == {503}
    assert all(CLOSED in r.body for r in replies)
    assert all(r.get("Retry-After") == "1" for r in replies)
    assert s.p.wait() == 0


# many


def test_a_thousand_go_at_once(start):
    s = start()
    s.close()
    clients = [send(s.p) for _ in range(1000)]
    s.wait_parked(1000)
    before = s.p.peak_kib()
    s.open()
    assert {c.response().body for c in clients} == {b"new"}
    assert s.p.peak_kib() - before < 64 << (4 if SAN else 0) << 10
    s.settle()
    assert sum_of(s.p, "shunt_park_wait_seconds_count") == 1000


def test_load_over_a_release_sees_no_error(shop, pod, loop):
    """To and fro under load: downtime has become waiting."""
    p = shop({v: [pod(lambda asked, v=v: app_answer(v)).port]
              for v in ("v1", "v2")},
             service={"health": CHECKS,
                      "release": {"strategy": "recreate",
                                  "recreate": {"park": "1m"}}})
    p.wait_pods("v1", up=1)
    p.wait_pods("v2", up=1)
    with_load = Load(p.port, connections=8).start()
    for to in ("v2", "v1", "v2"):
        p.cli("rollout", "start", "shop", "--to", to, "--wait", check=True)
        assert p.status()["stable"] == to
        n = len(with_load.done)
        wait_for(lambda n=n: len(with_load.done) > n + 50, "load goes on")
    with_load.stop()
    assert {d.status for d in with_load.done} == {200}
    assert not [d for d in with_load.done if d.error]
    seen = "".join(d.version[1] for d in with_load.done)
    assert re.search("1.*2.*1.*2", seen)


def test_it_closes_and_opens_all_the_time(shop, pod, loop):
    """Also who waits for room, sticks, leaves or tries again is answered."""
    works = {v: Work(loop, 0.002, body=v.encode()) for v in ("v1", "v2")}
    p = shop({v: [pod(w).port] for v, w in works.items()}, service={
        "health": CHECKS, "cohort": {"cookie": "uid"}, "sticky": {"cookie": "shunt"},
        "mirror": {"version": "v2"},
        "limits": {"pod_requests": 3, "queue": 1000, "queue_timeout": "5m"},
        "retry": {"attempts": 2, "on": ["connect", "reset"],
                  "budget": "100%"},
        "release": {"strategy": "recreate", "recreate": {"park": "5m"}}})
    p.wait_pods("v1", up=1)
    p.wait_pods("v2", up=1)
    s = Shop(p, works["v1"], works["v2"])
    loads = [Load(p.port, connections=12).start(),
             Load(p.port, connections=4,
                  data=request("POST", body=b"x" * 20000)).start()]
    chance = random.Random(7)
    for i in range(12):
        to = "v1" if p.status()["stable"] == "v2" else "v2"
        p.cli("rollout", "start", "shop", "--to", to)
        leaving = [send(p, method="PUT", body=b"x") for _ in range(10)]
        time.sleep(chance.random() * 0.3)
        if i % 3 == 0:
            s.reload(lambda services, i=i: services["shop"].update(
                {"empty": ["stable", 503][i % 2]}))
        if i % 4 == 1:
            p.cli("rollout", "abort", "shop")
        for c in leaving:
            reset(c)
    s.wait_closed(False)
    for load in loads:
        load.stop()
        assert {d.status for d in load.done} == {200}
        assert not [d for d in load.done if d.error]
    s.settle()
