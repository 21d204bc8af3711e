"""Pods that come, drain and go at run time, by CLI and API."""
import asyncio
import json
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest
import websockets

from client import Client, Load, Paced, get, request
from h2client import H2Client
from h2pod import Answer
from harness import BIN, PATIENCE, SAN, App, wait_for
from pods import answer, app_answer
from test_websocket_h2 import TEXT, Socket


def address(port):
    return f"127.0.0.1:{port}"


def path(version="v1", port=None, query="", of="shop"):
    base = f"/api/v1/services/{of}/versions/{version}/pods"
    if port is not None:
        base += "/" + urllib.parse.quote(address(port), safe="")
    return base + query


def listed(p, version="v1"):
    """The API's pods by port."""
    code, body = p.api("GET", path(version))
    assert code == 200, body
    return {int(x["address"].rsplit(":", 1)[1]): x for x in body["pods"]}


def state(p, port, version="v1"):
    """Such that every worker goes by it."""
    found = listed(p, version).get(port)
    wait_for(lambda: p.status()["in_force"], "workers go by that")
    return found["state"] if found else "gone"


def ask_slowly(p, port):
    """A request in flight at the pod of that port."""
    c = Client(p.port)
    c.send(request(path="/slow"))
    wait_for(lambda: listed(p)[port]["inflight"] == 1, "one in flight")
    return c


class Later:
    """A command that is left to itself."""

    def __init__(self, p, *words):
        self.done = None
        self.thread = threading.Thread(
            target=self.run, args=(p, words), daemon=True)
        self.thread.start()

    def run(self, p, words):
        self.done = p.cli(*words)

    def wait(self):
        self.thread.join(PATIENCE)
        assert self.done is not None, "it did not return"
        return self.done


# The verbs

def test_each_verb_by_cli(shop, app):
    one, two, extra = app("1").port, app("1").port, app("1").port
    p = shop({"v1": [one, two]})
    out = p.cli("pod", "list", "shop", "v1", check=True).stdout
    assert out.split("\n")[0].split() == [
        "POD", "STATE", "INFLIGHT", "WEIGHT", "SOURCE", "REASON"]
    assert f"127.0.0.1:{one}" in out and "file" in out
    p.cli("pod", "add", "shop", "v1", address(extra), "--weight", "3",
          check=True)
    assert listed(p)[extra] == {
        "address": address(extra), "state": "up", "inflight": 0, "reason": "",
        "weight": 3, "source": "run_time", "removing": False, "names": []}
    out = p.cli("pod", "drain", "shop", "v1", address(one), check=True).stdout
    assert "draining" in out and "ordered to drain" in out
    p.cli("pod", "maint", "shop", "v1", address(two), check=True)
    assert (state(p, one), state(p, two)) == ("draining", "maint")
    assert all(get(p.port).status == 200 for _ in range(10))
    p.cli("pod", "ready", "shop", "v1", address(one), check=True)
    p.cli("pod", "ready", "shop", "v1", address(two), check=True)
    assert (state(p, one), state(p, two)) == ("up", "up")
    out = p.cli("pod", "remove", "shop", "v1", address(two), "--wait",
                check=True).stdout
    assert out == f"127.0.0.1:{two} gone, 0 in flight\n"
    assert sorted(listed(p)) == sorted([one, extra])
    out = p.cli("pod", "list", "shop", "v1", "-o", "json", check=True).stdout
    assert json.loads(out) == p.api("GET", path())[1]
    # Back by its own name: it is the file's again.
    p.cli("pod", "add", "shop", "v1", address(two), check=True)
    assert listed(p)[two]["source"] == "file"


def test_each_verb_by_api(shop, app):
    one, extra = app("1").port, app("1").port
    p = shop({"v1": [one], "v2": []})
    code, body = p.api("POST", path("v2"), {"address": address(extra)})
    assert code == 200 and body["state"] == "up" and body["weight"] == 1
    assert body["warning"] is None and "result" not in body
    for word, then in (("drain", "draining"), ("maint", "maint"),
                       ("ready", "up")):
        code, body = p.api("PATCH", path(port=one), {"state": word})
        assert code == 200 and body["state"] == then, body
        assert body["result"] == "begun"
    code, body = p.api("PATCH", path(port=one, query="?wait=1"),
                       {"state": "drain"})
    assert code == 200 and body["result"] == "drained" and body["cut"] == 0
    # It was the last one: allowed, and said.
    assert body["warning"] == "version v1 has no pod that is up"
    assert get(p.port).status == 503
    code, body = p.api("DELETE", path("v2", extra, "?wait=1&timeout=5s"))
    assert code == 200 and body["state"] == "gone"
    assert body["result"] == "drained" and body["address"] == address(extra)
    assert listed(p, "v2") == {}
    code, body = p.api("DELETE", path("v2", extra))
    assert code == 404 and address(extra) in body["error"]


def test_empty_words(shop, app):
    """As scripts have them whose variables are not set."""
    p = shop({"v1": [app("1").port]})
    for words, expected in [
            (("pod", "drain", "shop", "v1", ""), "ADDRESS"),
            (("pod", "add", "shop", "v1", ""), "ADDRESS"),
            (("pod", "list", "shop", ""), "VERSION"),
            (("pod", "list", "", "v1"), "SERVICE"),
            (("status", ""), "SERVICE"),
            (("rollout", "status", ""), "SERVICE"),
            (("weight", "shop", "v1=1", ""), "VERSION=WEIGHT")]:
        done = p.cli(*words)
        assert done.returncode == 2
        assert f'expected {expected}, found ""' in done.stderr, done.stderr


def test_what_is_wrong_is_said(shop, app):
    one = app("1").port
    p = shop({"v1": [one]})
    for code, method, where, body, words in [
            (404, "GET", path(of="news"), None, 'no service "news"'),
            (404, "GET", path("v7"), None, 'no version "v7"; there is: v1'),
            (404, "POST", path("v7"), {"address": "10.0.0.1:1"}, '"v7"'),
            (404, "PATCH", path(port=1), {"state": "drain"}, "no pod"),
            (404, "DELETE", path(port=1), None, "no pod 127.0.0.1:1"),
            (400, "DELETE", path() + "/here", None, '"here"'),
            (409, "POST", path(), {"address": address(one)},
             "is there already"),
            (400, "POST", path(), {"address": "shop.test:80"}, "shop.test"),
            (400, "POST", path(), {"address": "0.0.0.0:80"},
             "of one machine, not the unspecified one"),
            (400, "POST", path(), {"address": "[::]:80"}, "unspecified"),
            (400, "POST", path(), {"address": "[::ffff:0.0.0.0]:80"},
             "unspecified"),
            (400, "POST", path(), {"address": "224.0.0.1:80"}, "multicast"),
            (400, "POST", path(), {"address": "[ff02::1]:80"}, "multicast"),
            (400, "POST", path(), {"address": "255.255.255.255:80"},
             "broadcast"),
            (400, "POST", path(), {"address": "10.0.0.1:0"},
             "an address such as 10.0.0.1:8000"),
            (400, "POST", path(), {"address": 8000}, "expected an object"),
            (400, "POST", path(), [], "expected an object"),
            (400, "POST", path(), {}, "expected an object"),
            (400, "POST", path(), {"adress": "10.0.0.1:1"}, "no key"),
            (400, "POST", path(), {"address": "10.0.0.1:1", "weight": 0},
             "from 1 to 1000"),
            (400, "POST", path(), {"address": "10.0.0.1:1", "weight": 1001},
             "from 1 to 1000"),
            (400, "POST", path(), {"address": "10.0.0.1:1", "weight": "1"},
             "from 1 to 1000"),
            (400, "PATCH", path(port=one), {"state": "up"}, "drain"),
            (400, "PATCH", path(port=one), {"state": "drain", "x": 1},
             "expected"),
            (400, "PATCH", path(port=one), None, "JSON"),
            (400, "PATCH", path(port=one, query="?wait=yes"),
             {"state": "drain"}, "wait"),
            (400, "PATCH", path(port=one, query="?timeout=soon"),
             {"state": "drain"}, "timeout"),
            (400, "DELETE", path(port=one, query="?timeout=25h"), None,
             "timeout"),
            (405, "PUT", path(port=one), None, "PATCH"),
    ]:
        got, answered = p.api(method, where, body)
        assert got == code, (method, where, body, answered)
        assert words in answered["error"], answered
    assert listed(p)[one]["state"] == "up"
    for words in (["list", "shop"], ["drain", "shop", "v1"],
                  ["list", "shop", "v1", address(one)],
                  ["frob", "shop", "v1"], ["ready", "shop", "v1",
                                           address(one), "--wait"],
                  ["add", "shop", "v1", address(one), "--weight", "0"],
                  ["drain", "shop", "v1", address(one), "--timeout", "x"],
                  ["drain", "shop", "v1", address(one), "more"]):
        done = p.cli("pod", *words)
        assert done.returncode == 2 and "usage:" in done.stderr, words
    for words in (["list", "shop", "v7"], ["add", "shop", "v1", "x"],
                  ["remove", "shop", "v1", "10.0.0.1:1"]):
        done = p.cli("pod", *words)
        assert done.returncode == 1 and done.stderr.startswith("shunt: ")


# What is in flight

def test_in_flight_is_seen_and_finishes(shop, gate):
    slow, other = gate("slow"), gate("other")
    p = shop({"v1": [slow.port, other.port]}, workers=2)
    clients = []
    while listed(p)[slow.port]["inflight"] == 0:
        clients.append(Client(p.port))
        clients[-1].send(request(path="/slow"))
        wait_for(lambda: p.inflight() == len(clients), "they are in flight")
    n = listed(p)[slow.port]["inflight"]
    code, body = p.api("PATCH", path(port=slow.port), {"state": "drain"})
    assert code == 200 and body["inflight"] == n and body["result"] == "begun"
    out = p.cli("pod", "list", "shop", "v1", check=True).stdout
    line = next(x for x in out.split("\n") if str(slow.port) in x).split()
    assert line[1:3] == ["draining", str(n)]
    # Nothing new comes to it.
    wait_for(lambda: len(slow.pod.asked) == n, "it has what it was sent")
    load = Load(p.port, 4, 60).run()
    assert load.failures() == []
    assert load.versions() == {"other": 60} and len(slow.pod.asked) == n
    waits = Later(p, "pod", "drain", "shop", "v1", address(slow.port),
                  "--wait")
    slow.open()
    other.open()
    assert [c.response().status for c in clients] == [200] * len(clients)
    assert waits.wait().returncode == 0
    for c in clients:
        c.close()
    assert state(p, slow.port) == "draining"


@pytest.mark.parametrize("verb", ["drain", "maint", "remove"])
def test_wait_returns_at_zero(shop, gate, verb):
    slow = gate()
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        waits = Later(p, "pod", verb, "shop", "v1", address(slow.port),
                      "--wait", "--timeout", "60s")
        wait_for(lambda: state(p, slow.port) != "up", "it drains")
        assert listed(p)[slow.port]["inflight"] == 1
        assert waits.done is None
        slow.open()
        assert c.response().status == 200
    done = waits.wait()
    assert done.returncode == 0, done.stderr
    assert ", 0 in flight" in done.stdout and "cut" not in done.stdout
    assert state(p, slow.port) == {
        "drain": "draining", "maint": "maint", "remove": "gone"}[verb]


def test_wait_returns_at_the_timeout(shop, gate):
    """Of a pod that only drains, requests are left alone."""
    slow = gate()
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        done = p.cli("pod", "drain", "shop", "v1", address(slow.port),
                     "--wait", "--timeout", "200ms")
        assert done.returncode == 1
        assert "1 in flight, time is over" in done.stdout
        code, body = p.api(
            "PATCH", path(port=slow.port, query="?wait=1&timeout=0s"),
            {"state": "drain"})
        assert code == 200
        assert (body["result"], body["inflight"]) == ("timeout", 1)
        slow.open()
        assert c.response().status == 200
    p.wait_idle()


def test_removing_cuts_at_the_timeout(shop, gate, pod):
    """503 where nothing was answered yet, an end where it was."""
    slow = gate()

    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await reader.read()
    p = shop({"v1": [slow.port], "v2": [pod(raw=half).port]}, service={
        "rules": [{"match": {"path": "/half"}, "version": "v2"}]})
    other = next(iter(listed(p, "v2")))
    with ask_slowly(p, slow.port) as c, Client(p.port) as d:
        d.send(request(path="/half"))
        d.until(b"half")
        code, body = p.api(
            "DELETE", path(port=slow.port, query="?wait=1&timeout=100ms"))
        assert code == 200
        assert (body["result"], body["cut"]) == ("timeout", 1)
        assert (body["state"], body["inflight"]) == ("gone", 0)
        reply = c.response()
        assert reply.status == 503 and b"pod was taken away" in reply.body
        code, body = p.api(
            "DELETE", path("v2", other, "?wait=1&timeout=0s"))
        assert code == 200 and body["cut"] == 1
        assert d.closed()
        # The connection of the other lives on.
        assert c.ask().status == 503
    # Nothing of this is booked on the versions.
    assert p.version("v1")["errors"] == 0


def test_removed_at_timeouts_drain_without_anybody_waiting(shop, gate):
    slow = gate()
    p = shop({"v1": [slow.port]}, config={"timeouts": {"drain": "300ms"}})
    with ask_slowly(p, slow.port) as c:
        code, body = p.api("DELETE", path(port=slow.port))
        assert code == 200 and body["result"] == "begun"
        assert body["state"] == "draining" and body["removing"] is True
        code, body = p.api("POST", path(), {"address": address(slow.port)})
        assert code == 409 and "to be removed" in body["error"]
        code, body = p.api("PATCH", path(port=slow.port),
                           {"state": "ready"})
        assert code == 409 and "to be removed" in body["error"]
        assert c.response().status == 503
        wait_for(lambda: state(p, slow.port) == "gone", "it is gone")


def test_ready_ends_the_waiting(shop, gate):
    slow = gate()
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        waits = Later(p, "pod", "drain", "shop", "v1", address(slow.port),
                      "--wait")
        wait_for(lambda: state(p, slow.port) == "draining", "it drains")
        p.cli("pod", "ready", "shop", "v1", address(slow.port), check=True)
        done = waits.wait()
        assert done.returncode == 1 and "ordered back" in done.stderr
        slow.open()
        assert c.response().status == 200
        assert c.ask().status == 200


def test_who_waits_may_go(shop, gate):
    """The order stands, and nobody is told of its end."""
    slow = gate()
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        with socket.socket(socket.AF_UNIX) as waiter:
            waiter.connect(p.socket)
            waiter.sendall(request("DELETE", path(port=slow.port,
                                                  query="?wait=1")))
            wait_for(lambda: state(p, slow.port) == "draining", "it drains")
        slow.open()
        assert c.response().status == 200
    wait_for(lambda: state(p, slow.port) == "gone", "it is gone")


def test_stopping_answers_who_waits(shop, gate):
    slow = gate()
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        waits = Later(p, "pod", "remove", "shop", "v1", address(slow.port),
                      "--wait")
        wait_for(lambda: state(p, slow.port) == "draining", "it drains")
        p.signal(signal.SIGTERM)
        done = waits.wait()
        assert done.returncode == 1 and "shutting down" in done.stderr
        slow.open()
        assert c.response().status == 200
    assert p.wait() == 0


# Connections towards the pod

def test_idle_connections_are_closed(shop, pod):
    one, two = pod(), pod()
    p = shop({"v1": [one.port, two.port]}, workers=1,
             service={"balance": "round_robin"})
    Load(p.port, 4, 40).run()
    assert one.writers and two.writers
    p.cli("pod", "drain", "shop", "v1", address(one.port), check=True)
    wait_for(lambda: not one.writers, "connections to it are closed")
    assert two.writers
    # So is one that a request gives back.
    assert get(p.port).status == 200 and not one.writers


def test_a_connection_is_not_kept_behind_its_last_request(shop, gate):
    slow = gate()
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        p.cli("pod", "drain", "shop", "v1", address(slow.port), check=True)
        wait_for(lambda: len(slow.pod.writers) == 1, "the pod has taken it")
        slow.open()
        assert c.response().status == 200
        wait_for(lambda: not slow.pod.writers, "it is closed")


@pytest.mark.parametrize("verb", ["drain", "remove"])
def test_trunks_take_no_stream_and_say_goaway(shop, h2_pod, loop, verb):
    """Streams on it finish; then the pod is told, and it ends."""
    async def make():
        return asyncio.Event()
    release = loop.call(make())
    seen = []

    async def respond(asked):
        seen.append(asked.target)
        if asked.target == "/slow":
            await release.wait()
        return Answer(200, b"done")
    one, two = h2_pod(respond), h2_pod(lambda a: Answer(200, b"two"))
    p = shop({"v1": [one.port]}, workers=1, service={"protocol": "h2c"})
    with H2Client(p.port) as c:
        stream = c.start(path="/slow", end=True)
        wait_for(lambda: "/slow" in seen, "it is at the pod")
        p.cli("pod", "add", "shop", "v1", address(two.port), check=True)
        p.cli("pod", verb, "shop", "v1", address(one.port), check=True)
        assert listed(p)[one.port]["inflight"] == 1
        assert [c.ask(path=f"/{i}").body for i in range(5)] == [b"two"] * 5
        # Not told yet that we go: it might take that for the end of all.
        assert seen == ["/slow"] and one.open and not one.goaways
        loop.loop.call_soon_threadsafe(release.set)
        reply = c.response(stream)
        assert reply.status == 200 and reply.body == b"done"
    wait_for(lambda: not one.open, "the trunk has ended")
    assert one.goaways == [0]
    wait_for(lambda: state(p, one.port) == (
        "draining" if verb == "drain" else "gone"), "and then it is over")


def test_idle_trunks_say_goaway(shop, h2_pod):
    one = h2_pod(lambda a: Answer(200, b"one"))
    p = shop({"v1": [one.port]}, workers=1, service={"protocol": "h2c"})
    assert get(p.port).status == 200
    p.cli("pod", "maint", "shop", "v1", address(one.port), check=True)
    wait_for(lambda: not one.open, "the trunk has ended")
    assert one.goaways == [0]
    p.cli("pod", "ready", "shop", "v1", address(one.port), check=True)
    assert get(p.port).status == 200 and one.connections == 2


# Tunnels

async def in_thread(function, *arguments, **named):
    return await asyncio.get_running_loop().run_in_executor(
        None, lambda: function(*arguments, **named))


@pytest.mark.parametrize("verb", ["drain", "maint", "remove"])
def test_websockets_end_at_the_deadline(shop, ws_pod, verb):
    p = shop({"v1": [ws_pod.port]}, workers=1)

    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{p.port}/",
                                      ping_interval=None) as ws:
            await ws.send("one")
            assert await ws.recv() == "one"
            began = time.monotonic()
            ends = asyncio.ensure_future(in_thread(
                p.cli, "pod", verb, "shop", "v1", address(ws_pod.port),
                "--wait", "--timeout", "500ms"))
            await in_thread(wait_for, lambda: state(p, ws_pod.port) != "up",
                            "it drains")
            # Until then it goes on.
            await ws.send("two")
            assert await ws.recv() == "two"
            await ws.wait_closed()
            assert time.monotonic() - began > 0.45
            done = await ends
            assert done.returncode == 0, done.stdout + done.stderr
            assert ", 0 in flight, time is over, 1 cut" in done.stdout
    asyncio.run(asyncio.wait_for(talk(), 2 * PATIENCE))
    wait_for(lambda: ws_pod.open == 0, "the pod's side has ended, too")
    p.wait_idle()


def test_websockets_over_http2_end_at_the_deadline(shop, ws_pod):
    p = shop({"v1": [ws_pod.port]}, workers=1)
    with H2Client(p.port) as c:
        s = Socket(c)
        assert s.answer() == 200
        s.send(TEXT, b"one")
        assert s.recv() == (TEXT, b"one")
        code, body = p.api(
            "DELETE", path(port=ws_pod.port, query="?wait=1&timeout=50ms"))
        assert code == 200 and body["cut"] == 1
        assert s.recv() is None  # an end, after all that came before
        # What the client still sends would go nowhere: it is told so.
        c.until(lambda: s.reply.reset is not None, "its stream is closed")
        assert s.reply.reset == 0
        # The connection lives on.
        assert c.ask().status == 503
    wait_for(lambda: ws_pod.open == 0, "the pod's side has ended, too")


def test_a_client_that_does_not_read_is_cut_as_well(shop, pod):
    """Both sides are held back when the time is over."""
    async def flood(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\n"
                     b"Upgrade: x\r\n\r\n")
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()
    one = pod(raw=flood)
    p = shop({"v1": [one.port]}, workers=1)
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "Upgrade"),
                               ("Upgrade", "x")]))
        assert c.head().status == 101
        wait_for(lambda: p.inflight() == 1, "one in flight")
        code, body = p.api(
            "DELETE", path(port=one.port, query="?wait=1&timeout=50ms"))
        assert code == 200 and body["cut"] == 1
        wait_for(lambda: not one.writers, "the pod is rid of it")
        assert c.rest()  # what had come, and then the end


# Checks

def test_maint_is_checked_anew(shop, pod):
    one = pod(lambda a: answer(200))
    p = shop({"v1": [one.port]}, service={"health": {
        "path": "/healthz", "interval": "50ms", "rise": 2}})
    p.wait_pods("v1", up=1)
    code, body = p.api("PATCH", path(port=one.port), {"state": "maint"})
    assert body["state"] == "maint"
    code, body = p.api("PATCH", path(port=one.port), {"state": "ready"})
    assert code == 200 and body["state"] == "starting"
    p.wait_pods("v1", up=1)
    # From draining it comes back at once: it was checked all the time.
    p.api("PATCH", path(port=one.port), {"state": "drain"})
    code, body = p.api("PATCH", path(port=one.port), {"state": "ready"})
    assert code == 200 and body["state"] == "up"


def test_a_pod_that_is_added_is_checked_first(shop, pod):
    ready, first = [], iter([200])
    good = pod(lambda a: answer(200 if ready else 500))
    bad = pod(lambda a: answer(next(first, 500)))
    p = shop({"v1": []}, service={"health": {
        "path": "/healthz", "interval": "50ms", "fall": 1,
        "start_period": "1h"}})
    code, body = p.api("POST", path(), {"address": address(good.port)})
    assert code == 200 and body["state"] == "starting"
    ready.append(True)
    p.api("POST", path(), {"address": address(bad.port)})
    p.wait_pods("v1", up=1, down=1)
    assert state(p, good.port) == "up"


# With all the rest

def test_a_reload_leaves_it_alone(shop, app):
    one, two, extra = app("1").port, app("1").port, app("1").port
    p = shop({"v1": [one, two]})
    p.cli("pod", "add", "shop", "v1", address(extra), check=True)
    p.cli("pod", "remove", "shop", "v1", address(one), "--wait", check=True)
    p.cli("pod", "drain", "shop", "v1", address(two), check=True)

    def reload(pods):
        config = dict(p.config)
        config["services"]["shop"]["versions"]["v1"]["pods"] = [
            address(x) for x in pods]
        p.write(config)
        assert p.api("POST", "/api/v1/reload")[0] == 200
    reload([one, two])
    assert {x: s["state"] for x, s in listed(p).items()} == {
        two: "draining", extra: "up"}
    # The file takes over what it has, and forgets what it has not.
    reload([two, extra])
    assert listed(p)[extra]["source"] == "file"
    reload([one])
    assert {x: s["state"] for x, s in listed(p).items()} == {one: "up"}
    reload([one, two, extra])
    assert {x: s["state"] for x, s in listed(p).items()} == {
        one: "up", two: "up", extra: "up"}


def test_a_broken_reload_forgets_nothing(shop, app):
    one, extra = app("1").port, app("1").port
    p = shop({"v1": [one]})
    p.cli("pod", "add", "shop", "v1", address(extra), check=True)
    p.cli("pod", "remove", "shop", "v1", address(one), "--wait", check=True)
    p.write("listen: [")
    assert p.api("POST", "/api/v1/reload")[0] == 400
    assert list(listed(p)) == [extra]
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert list(listed(p)) == [extra]


def test_a_reload_while_it_drains(shop, gate):
    slow = gate()
    p = shop({"v1": [slow.port]})
    with ask_slowly(p, slow.port) as c:
        waits = Later(p, "pod", "remove", "shop", "v1", address(slow.port),
                      "--wait")
        wait_for(lambda: state(p, slow.port) == "draining", "it drains")
        for _ in range(3):
            assert p.api("POST", "/api/v1/reload")[0] == 200
        assert listed(p)[slow.port]["inflight"] == 1
        slow.open()
        assert c.response().status == 200
    assert waits.wait().returncode == 0
    assert listed(p) == {}


def test_the_version_goes_while_it_drains(shop, gate, app):
    slow, other = gate(), app("2").port
    p = shop({"v1": [slow.port], "v2": [other]})
    with ask_slowly(p, slow.port) as c:
        waits = Later(p, "pod", "drain", "shop", "v1", address(slow.port),
                      "--wait")
        wait_for(lambda: state(p, slow.port) == "draining", "it drains")
        config = dict(p.config)
        del config["services"]["shop"]["versions"]["v1"]
        config["services"]["shop"]["stable"] = "v2"
        p.write(config)
        assert p.api("POST", "/api/v1/reload")[0] == 200
        # what is in flight is still waited for
        assert waits.done is None
        slow.open()
        assert c.response().status == 200
        assert waits.wait().returncode == 0


def test_one_address_in_two_services(proxy, app):
    one = app("1").port

    def service(way):
        return {"routes": [{"path": way}],
                "versions": {"v1": {"pods": [address(one)]}}}
    p = proxy({"services": {"shop": service("/"), "blog": service("/b")}})
    p.cli("pod", "maint", "shop", "v1", address(one), check=True)
    assert get(p.port).status == 503 and get(p.port, "/b").status == 200
    p.cli("pod", "remove", "blog", "v1", address(one), "--wait", check=True)
    assert state(p, one) == "maint" and get(p.port, "/b").status == 503


def test_clients_that_stick_to_a_pod(shop, pod):
    """They stay where they are when pods join, and go when theirs drains."""
    one, two, three = (pod(lambda a, n=n: app_answer(n))
                       for n in ("one", "two", "three"))
    p = shop({"v1": [one.port, two.port]}, service={
        "sticky": {"cookie": "stick", "ttl": "1h", "pod": True}})
    reply = get(p.port)
    mine = reply.json()["appVersion"]
    cookie = reply.get("Set-Cookie").split(";")[0]

    def where():
        return {get(p.port, fields=[("Cookie", cookie)]).json()["appVersion"]
                for _ in range(12)}
    p.cli("pod", "add", "shop", "v1", address(three.port), check=True)
    assert where() == {mine}
    port = {"one": one, "two": two}[mine].port
    p.cli("pod", "drain", "shop", "v1", address(port), check=True)
    assert mine not in where()
    p.cli("pod", "ready", "shop", "v1", address(port), check=True)
    assert where() == {mine}


def test_thousands_of_pods(shop):
    """Each change is one plan; ten thousand pods are no square of them."""
    p = shop({"v1": []})
    config = dict(p.config)
    config["services"]["shop"]["versions"]["v1"]["pods"] = [
        f"127.{i >> 16}.{i >> 8 & 255}.{i & 255}:9" for i in range(10000)]
    p.write(config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    config["services"]["shop"]["versions"]["v1"]["pods"].reverse()
    p.write(config)
    began = time.monotonic()
    assert p.api("POST", "/api/v1/reload")[0] == 200
    for i in range(20):
        where = f"/api/v1/services/shop/versions/v1/pods/127.0.1.{i}%3A9"
        assert p.api("DELETE", where + "?wait=1")[0] == 200
    assert p.api("POST", path(), {"address": "127.9.9.9:9"})[0] == 200
    took = time.monotonic() - began
    assert len(p.version("v1")["pods"]) == 10000 - 20 + 1
    assert took < (120 if SAN else 20), took


def test_events_say_it(shop, app):
    one = app("1").port
    p = shop({"v1": []})
    p.cli("pod", "add", "shop", "v1", address(one), check=True)
    p.cli("pod", "remove", "shop", "v1", address(one), "--wait", check=True)
    log = p.stderr()
    pod = f"pod shop/v1/127.0.0.1:{one} "
    assert pod + "absent -> up: added" in log
    assert pod + "up -> draining: being removed" in log
    assert pod + "draining -> gone: drained" in log
    # Once for all changes, without a state file.
    assert log.count("there is no state file") == 1


# A release by hand

def test_ten_pods_restarted_one_by_one_under_load(shop, ports):
    """Drain, wait, stop, start, ready, under 2,000 requests per second: nobody
    notices."""
    apps = [App(ports, "1") for _ in range(10)]
    load = None
    try:
        p = shop({"v1": [a.port for a in apps]}, workers=2,
                 service={"retry": {"attempts": 0}})
        load = subprocess.Popen(
            [BIN, "load", f"http://127.0.0.1:{p.port}/", "-o", "json",
             "--rate", "150" if SAN else "2000", "--duration", "10m"],
            stdout=subprocess.PIPE, text=True)

        def served(n):
            """So many more requests than now."""
            until = p.version("v1")["requests"] + n
            wait_for(lambda: p.version("v1")["requests"] >= until, "load")
        served(100)
        for a in apps:
            p.cli("pod", "drain", "shop", "v1", address(a.port), "--wait",
                  check=True)
            a.stop()
            a.start()
            p.cli("pod", "ready", "shop", "v1", address(a.port), check=True)
            served(50)
        load.send_signal(signal.SIGINT)
        totals = json.loads(load.communicate(timeout=PATIENCE)[0])["totals"]
        assert totals["errors"] == 0, totals
        assert totals["requests"] > 500
    finally:
        if load is not None and load.poll() is None:
            load.kill()
            load.wait()
        for a in apps:
            if a.process.poll() is None:
                a.stop()


def test_pods_replaced_under_load(shop, ports):
    """Add a new one, remove an old one: nobody notices either."""
    old = [App(ports, "old") for _ in range(4)]
    new = [App(ports, "new") for _ in range(4)]
    try:
        p = shop({"v1": [a.port for a in old]}, workers=2,
                 service={"retry": {"attempts": 0}})
        load = Paced(p.port, 150 if SAN else 1500, 30).load.start()
        load.wait(100)
        for a, b in zip(old, new):
            p.cli("pod", "add", "shop", "v1", address(b.port), check=True)
            p.cli("pod", "remove", "shop", "v1", address(a.port), "--wait",
                  check=True)
            a.stop()
            load.wait(100)
        load.stop()
        assert load.failures() == []
        assert sorted(listed(p)) == sorted(a.port for a in new)
    finally:
        for a in old + new:
            if a.process.poll() is None:
                a.stop()
