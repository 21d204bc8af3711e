"""Pods that a reload takes out of the file, or puts into it."""
import asyncio
import copy
import json

import websockets

import launching
from client import Client, Load, get, request
from harness import PATIENCE, UnixConnection, service, wait_for
from launching import Asking, config, pods_of, wait_up
from pods import answer
from test_pod_verbs import Later, address, ask_slowly, listed, state
from test_reload import reload

def with_shop(p, versions, drain=None, **options):
    """The config with other versions of the service."""
    made = copy.deepcopy(p.config)
    made["services"]["shop"] = service(versions, **options)
    if drain is not None:
        made["timeouts"] = {**made.get("timeouts", {}), "drain": drain}
    return made


def moves(p, port, count):
    """The first `count` events of that pod: (version, from, to, reason)."""
    connection = UnixConnection(p.socket, PATIENCE)
    connection.request("GET", "/api/v1/events?after=0")
    stream, found = connection.getresponse(), []
    while len(found) < count:
        line = stream.readline().decode()
        event = json.loads(line[5:]) if line.startswith("data:") else {}
        if event.get("kind") == "pod" and event["pod"] == address(port):
            found.append(tuple(event[k] for k in (
                "version", "from", "to", "reason")))
    connection.close()
    return found


GONE = "the file has it no longer"
VERSION_GONE = "its version is gone"


def test_one_that_goes_is_shown_until_it_is_empty(shop, gate, app):
    slow, new = gate(), app("new").port
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        reload(p, with_shop(p, {"v1": [new]}))
        found = listed(p)
        assert found[slow.port]["state"] == "draining"
        assert found[slow.port]["inflight"] == 1
        assert found[slow.port]["reason"] == GONE
        assert found[slow.port]["source"] == "file"
        # not one request more
        load = Load(p.port, 4, 40).run()
        assert load.versions() == {"new": 40}
        slow.open()
        assert c.response().status == 200
    wait_for(lambda: state(p, slow.port) == "gone", "it has gone")
    assert moves(p, slow.port, 2) == [
        ("v1", "up", "draining", GONE), ("v1", "draining", "gone", "drained")]
    assert moves(p, new, 1) == [("v1", "absent", "up", "the file has it")]


def test_one_without_requests_is_gone_with_the_answer(shop, app):
    old, new = app("old").port, app("new").port
    p = shop({"v1": [old, new]})
    for _ in range(2):
        reload(p, with_shop(p, {"v1": [new]}))
        assert list(listed(p)) == [new]
        reload(p, p.config)
    assert moves(p, old, 6) == 2 * [
        ("v1", "up", "draining", GONE), ("v1", "draining", "gone", "drained"),
        ("v1", "absent", "up", "the file has it")]


def test_pods_that_come_and_go_fail_nothing(shop, app):
    old, new = app("old").port, app("new").port
    p = shop({"v1": [old, new]})
    load = Load(p.port, 4).start()
    for i in range(10):
        reload(p, with_shop(p, {"v1": [[old, new][i % 2]]}))
        reload(p, with_shop(p, {"v1": [old, new]}))
    load.stop()
    assert load.done
    assert [d.status for d in load.done if d.status != 200] == []


def test_it_is_cut_at_the_deadline(shop, gate, app):
    slow, new = gate(), app("new").port
    p = shop({"v1": [slow.port]}, service={"retry": {"attempts": 0}})
    with ask_slowly(p, slow.port) as c:
        reload(p, with_shop(p, {"v1": [new]}, drain="200ms"))
        c.response()  # of whatever kind: it ends
        wait_for(lambda: state(p, slow.port) == "gone", "it has gone")
    assert moves(p, slow.port, 2)[1] == (
        "v1", "draining", "gone", "drain timeout")


def test_the_file_takes_it_back(shop, gate, app):
    slow, other = gate(), app("other").port
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        reload(p, with_shop(p, {"v1": [other]}))
        assert state(p, slow.port) == "draining"
        reload(p, with_shop(p, {"v1": [slow.port, other]}))
        assert state(p, slow.port) == "up"
        slow.open()
        assert c.response().status == 200
    load = Load(p.port, 4, 40).run()
    assert set(load.versions()) == {"1", "other"}
    assert moves(p, slow.port, 2)[1][:3] == ("v1", "draining", "up")


def test_a_reload_that_fails_keeps_all_pods(shop, app, pod):
    """Its listener is taken: that is found out before any pod has to go."""
    old, other = app("old").port, pod()
    p = shop({"v1": [old]})
    wrong = with_shop(p, {"v1": [other.port]})
    wrong["listen"].append({"address": address(other.port)})
    p.write(wrong)
    code, answer = p.api("POST", "/api/v1/reload")
    assert code >= 400 and str(other.port) in answer["error"]
    assert list(listed(p)) == [old] and state(p, old) == "up"


def test_whole_versions_and_services(proxy, gate, app):
    """Nothing can show their pods any more, but they are treated alike."""
    one, two, rest = app("1").port, gate(), app("rest").port
    p = proxy({"services": {
        "shop": service({"v1": [one], "v2": [rest]}),
        "blog": service({"v7": [two.port]}, routes=[{"path": "/slow"}])}})
    with Client(p.port) as c:
        c.send(request(path="/slow"))
        wait_for(lambda: p.version("v7", "blog")["pods"][0]["inflight"] == 1,
                 "one runs")
        only = with_shop(p, {"v2": [rest]})
        del only["services"]["blog"]
        reload(p, only)
        assert get(p.port, "/slow").json()["appVersion"] == "rest"
        assert moves(p, one, 2) == [
            ("v1", "up", "draining", VERSION_GONE),
            ("v1", "draining", "gone", "drained")]
        assert moves(p, two.port, 1) == [
            ("v7", "up", "draining", VERSION_GONE)]
        two.open()
        assert c.response().status == 200
    assert moves(p, two.port, 2)[1] == ("v7", "draining", "gone", "drained")


def test_tunnels_of_a_version_that_goes_end_at_the_deadline(shop, ws_pod, app):
    p = shop({"v1": [ws_pod.port]})

    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{p.port}/") as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            await asyncio.to_thread(reload, p, with_shop(
                p, {"v2": [app("2").port]}, drain="300ms"))
            await asyncio.wait_for(ws.wait_closed(), PATIENCE)
    asyncio.run(talk())
    assert moves(p, ws_pod.port, 2)[1] == (
        "v1", "draining", "gone", "drain timeout")


def test_a_version_that_comes_back_while_the_old_one_drains(shop, gate, app):
    slow, other = gate(), app("2").port
    p = shop({"v1": [slow.port], "v2": [other]}, service={
        "weights": {"v1": 1, "v2": 0}})
    with ask_slowly(p, slow.port) as c:
        for _ in range(3):
            reload(p, with_shop(p, {"v2": [other]}))
            reload(p, p.config)
            assert state(p, slow.port) == "up"
            assert get(p.port).json()["appVersion"] == "1"
        slow.open()
        assert c.response().status == 200
    # three of that address have come and gone
    found = [m[1:3] for m in moves(p, slow.port, 9)]
    assert found.count(("absent", "up")) == 3
    assert found.count(("draining", "gone")) == 3


def test_launched_pods_live_until_they_are_empty(proxy):
    p = proxy(config({"v1": launching.app("v1"),
                      "v2": launching.app("v2", "--delay", "1s")},
                     weights={"v1": 0, "v2": 1}))
    wait_up(p, 1, "v2")
    wait_up(p, 1, "v1")
    (port,) = listed(p, "v2")
    asking = Asking(p, 2)
    reload(p, {**p.config, **config({"v1": launching.app("v1")})})
    assert asking.statuses() == [200, 200]
    wait_for(lambda: len(pods_of(p)) == 1 and
             "exited with status 0" in p.stderr(), "v2's process has ended")
    log = p.stderr()
    assert log.index(f"{address(port)}: drained") < log.index(
        "exited with status 0")


# Requests that were there before

def breaking(gate):
    """Makes that pod break off what it holds once it is opened."""
    async def respond(asked):
        if asked.target != "/slow":
            return await type(gate).respond(gate, asked)
        await gate.event.wait()
        return None
    gate.pod.respond = respond
    return gate


def test_a_retry_goes_to_the_pods_of_the_new_file(shop, gate, pod, app):
    slow, old, new = breaking(gate()), pod(), app("new").port
    p = shop({"v1": [slow.port]}, service={
        "retry": {"attempts": 1, "on": ["connect", "reset"]}})
    with ask_slowly(p, slow.port) as c:
        reload(p, with_shop(p, {"v1": [slow.port, old.port]}))
        reload(p, with_shop(p, {"v1": [new]}))
        slow.open()
        got = c.response()
        assert (got.status, got.json()["appVersion"]) == (200, "new")
    assert old.asked == []


def test_a_retry_without_its_version_goes_where_empty_says(shop, gate, app):
    slow, other = breaking(gate()), app("2").port
    for empty, status in (("stable", 200), ("503", 503)):
        slow.close()
        p = shop({"v1": [slow.port], "v2": [other]}, service={
            "weights": {"v1": 1, "v2": 0}, "empty": empty})
        with ask_slowly(p, slow.port) as c:
            reload(p, with_shop(p, {"v2": [other]}, empty=empty))
            slow.open()
            assert c.response().status == status
        wait_for(lambda: len(moves(p, slow.port, 2)) == 2, "it has gone")


def test_a_retry_leaves_a_version_that_is_down(shop, gate, app):
    """Its connection was an idle one, which is excused."""
    slow, other = breaking(gate()), app("2").port
    well = slow.pod.respond
    p = shop({"v2": [other], "v1": [slow.port]}, workers=1, service={
        "weights": {"v1": 1, "v2": 0}, "health": {
            "path": "/healthz", "interval": "50ms", "rise": 1, "fall": 1}})
    p.wait_pods("v1", up=1)
    p.wait_pods("v2", up=1)
    assert get(p.port).json()["appVersion"] == "1"
    with ask_slowly(p, slow.port) as c:
        slow.pod.respond = lambda asked: (
            answer(500) if asked.target == "/healthz" else well(asked))
        p.wait_pods("v1", down=1)
        slow.open()
        got = c.response()
        assert (got.status, got.json()["appVersion"]) == (200, "2")


def test_a_copy_does_not_go_to_a_version_that_has_left(shop, pod, app):
    one, two = app("1").port, pod()
    p = shop({"v1": [one], "v2": [two.port]}, service={
        "weights": {"v1": 1, "v2": 0}, "mirror": {"version": "v2"}})
    with Client(p.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        wait_for(lambda: listed(p)[one]["inflight"] == 1, "it is under way")
        reload(p, with_shop(p, {"v1": [one]}))
        c.send(b"cd")
        assert c.response().status == 200
    assert moves(p, two.port, 2)[1][:3] == ("v2", "draining", "gone")
    assert two.asked == []


def test_a_drain_keeps_its_own_deadline(shop, ws_pod, app):
    p = shop({"v1": [ws_pod.port]}, config={"timeouts": {"drain": "1h"}})

    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{p.port}/") as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            waits = Later(p, "pod", "drain", "shop", "v1",
                          address(ws_pod.port), "--wait", "--timeout", "2s")
            await asyncio.to_thread(
                wait_for, lambda: state(p, ws_pod.port) == "draining",
                "it drains")
            await asyncio.to_thread(reload, p, with_shop(
                p, {"v1": [app("2").port]}))
            await asyncio.wait_for(ws.wait_closed(), PATIENCE)
            return waits.wait()
    assert "1 cut" in asyncio.run(talk()).stdout
    assert moves(p, ws_pod.port, 2)[1][1:3] == ("draining", "gone")


def test_a_tunnel_that_was_cut_leaves_no_connection(shop, pod, app):
    """Its client neither closes nor stops sending."""
    async def upgrade(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: x\r\n\r\n")
        await reader.read()
    old = pod(raw=upgrade)
    p = shop({"v1": [old.port]})
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "Upgrade"), ("Upgrade", "x")]))
        assert c.head().status == 101
        reload(p, with_shop(p, {"v1": [app("2").port]}, drain="50ms"))

        def is_gone():
            try:
                c.socket.send(b"more")
            except OSError:
                return True
            return False
        wait_for(is_gone, "its connection is gone")
    assert sum(p.metrics()["shunt_connections"].values()) == 0


def test_a_gap_is_warned_of(shop, app, ports):
    p = shop({"v1": [app("1").port]}, service={"health": {"path": "/"}})
    p.wait_pods("v1", up=1)
    reload(p, with_shop(p, {"v1": [ports.reserve()]}, health={"path": "/"}))
    assert "shop/v1: no pod of before is in the file" in p.stderr()
