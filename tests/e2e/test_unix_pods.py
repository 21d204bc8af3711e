"""Pods on Unix sockets, and on IPv6: what holds for others holds for them."""
import asyncio
import json
import os
import shutil
import socket
import tempfile

import pytest

from client import Client, Load, get
from h2pod import Answer, H2Pod, told
from harness import run_cli, wait_for
from pods import Pod, answer, app_answer, echo


class UnixPod(Pod):
    """`port` is a path, or @ and an abstract name."""

    async def open(self):
        return await asyncio.start_unix_server(
            self.serve, self.port.replace("@", "\0", 1), limit=1 << 20,
            ssl=self.context)

    def vanish(self):
        """The process dies and somebody tidies up."""
        self.stop()
        os.unlink(self.port)


class UnixH2Pod(H2Pod):
    async def listen(self):
        return await asyncio.start_unix_server(self.serve, self.port,
                                               ssl=self.context)


class V6Pod(Pod):
    async def open(self):
        return await asyncio.start_server(self.serve, "::1", self.port)


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="shunt-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def socket_pod(loop, folder):
    """A function that starts a pod at NAME.sock, or at an @name."""
    started = []

    def start(name="v1", respond=echo, kind=UnixPod, **named):
        where = name if name[0] == "@" else os.path.join(folder,
                                                         name + ".sock")
        started.append(kind(loop, where, respond, **named))
        return started[-1]
    yield start
    for p in started:
        p.stop()


def abstract(name):
    """Nobody else's on this machine."""
    return f"@shunt-{os.getpid()}-{name}"


def unix(*pods):
    return [f"unix:{p.port}" for p in pods]


@pytest.fixture
def shop_of(proxy):
    """A proxy before one version with these pods, as the file has them."""
    def start(pods, config=None, version=None, **options):
        return proxy({**(config or {}), "services": {"shop": {
            "versions": {"v1": {"pods": pods, **(version or {})}},
            **options}}}, workers=1)
    return start


def states(p):
    return {pod["address"]: pod["state"] for pod in p.version("v1")["pods"]}


def wait_states(p, wanted):
    wait_for(lambda: states(p) == wanted, f"pods are {wanted}")


def health(**other):
    return {"interval": "50ms", "timeout": "5s", "rise": 2, "fall": 2, **other}


def test_traffic(shop_of, socket_pod):
    """Bodies of all kinds and sizes, over one connection to the pod."""
    body = os.urandom(64 * 1024) * 80

    def respond(asked):
        if asked.target == "/large":
            return answer(200, body)
        return answer(200, asked.body) if asked.method == "POST" else \
            echo(asked)
    pod = socket_pod(respond=respond)
    p = shop_of(unix(pod))
    with Client(p.port) as c:
        told = c.ask("GET", "/a?b", fields=[("X-A", "b")]).json()
        assert (told["method"], told["target"]) == ("GET", "/a?b")
        assert dict(told["fields"])["Host"] == "shop.test"
        assert c.ask("POST", "/", body=body[:300_000]).body == body[:300_000]
        assert c.ask("POST", "/", chunks=[b"ab", b"c"]).body == b"abc"
        assert c.ask("GET", "/large").body == body
        assert c.ask("GET", "/large").body == body
    assert pod.connections == 1


def test_abstract_name(shop_of, socket_pod):
    pod = socket_pod(abstract("name"))
    p = shop_of(unix(pod), health=health())
    wait_states(p, {f"unix:{pod.port}": "up"})
    assert get(p.port).json()["method"] == "GET"
    pod.stop()
    wait_states(p, {f"unix:{pod.port}": "down"})


def test_longest_path(shop_of, socket_pod, folder):
    name = "x" * (107 - len(os.path.join(folder, ".sock")))
    pod = socket_pod(name)
    log = os.path.join(folder, "log")
    p = shop_of(unix(pod), {"access_log": {"path": log}})
    assert get(p.port).status == 200
    assert f"unix:{pod.port}" in p.cli("status", "shop", check=True).stdout
    assert list(states(p)) == [f"unix:{pod.port}"]
    labels = f'service="shop",version="v1",pod="unix:{pod.port}"'
    assert p.metrics()["shunt_pod_up"][labels] == 1

    def entry():
        with open(log, encoding="utf-8") as f:
            return f.readline()
    assert json.loads(wait_for(entry, "an entry"))["pod"] == f"unix:{pod.port}"


@pytest.mark.parametrize("kind", ["https", "h2"])
def test_tls(shop_of, socket_pod, certs, kind):
    """Secured as elsewhere; a name is needed, or no verification."""
    http2 = kind == "h2"
    context = certs.server_context(certs.shop(),
                                   alpn=["h2" if http2 else "http/1.1"])
    pod = socket_pod(kind=UnixH2Pod, respond=lambda a: Answer(200, "x"),
                     context=context) if http2 else \
        socket_pod(respond=lambda a: answer(200, "x"), context=context)
    for tls, status in [({"ca": certs.ca, "name": "shop.test"}, 200),
                        ({"verify": False}, 200),
                        ({"ca": certs.ca, "name": "other.test"}, 502)]:
        p = shop_of(unix(pod), protocol="h2" if http2 else "h1", tls=tls)
        assert get(p.port).status == status
    p = shop_of(unix(pod), protocol="h2" if http2 else "h1", health=health(),
                tls={"ca": certs.ca, "name": "shop.test"})
    wait_states(p, {f"unix:{pod.port}": "up"})


def test_http2(shop_of, socket_pod):
    pod = socket_pod(respond=told, kind=UnixH2Pod)
    p = shop_of(unix(pod), protocol="h2c")
    load = Load(p.port, connections=8, total=200).run()
    assert load.failures() == []
    assert len(pod.asked) == 200
    assert pod.connections <= 8


@pytest.mark.parametrize("type_", ["http", "tcp", "grpc"])
def test_checks(shop_of, socket_pod, type_):
    asked = []

    def respond(a):
        asked.append(a)
        return Answer(200, b"\0\0\0\0\2\x08\1",
                      trailers=[("grpc-status", "0")])
    pod = socket_pod(kind=UnixH2Pod, respond=respond) if type_ == "grpc" else \
        socket_pod(respond=lambda a: respond(a).h1(a.method))
    p = shop_of(unix(pod), protocol="h2c" if type_ == "grpc" else "h1",
                health=health(type=type_))
    wait_states(p, {f"unix:{pod.port}": "up"})
    if type_ == "http":
        assert asked[0].get("Host") == "localhost"
    elif type_ == "grpc":
        assert asked[0].get(":authority") == "localhost"
    else:
        assert asked == []


def test_socket_that_vanishes_and_returns(shop_of, socket_pod):
    """Down with the reason, up again at the same path; nobody notices."""
    a = socket_pod("a", lambda asked: app_answer("1"))
    b = socket_pod("b", lambda asked: app_answer("1"))
    p = shop_of(unix(a, b), health=health(),
                retry={"attempts": 1, "budget": "100%"})
    both = unix(a, b)
    wait_states(p, dict.fromkeys(both, "up"))
    load = Load(p.port, 4).start()
    for _ in range(2):
        load.wait(50)
        a.vanish()
        wait_states(p, {both[0]: "down", both[1]: "up"})
        reason = p.version("v1")["pods"][0]["reason"]
        assert reason == "connect: No such file or directory"
        a.start()
        wait_states(p, dict.fromkeys(both, "up"))
        before = a.connections
        wait_for(lambda: a.connections > before, "it is used again")
    load.stop()
    assert load.failures() == []


def test_no_socket_and_nobody_behind_it(shop_of, socket_pod, folder):
    """502 for each, until somebody listens; another pod is tried first."""
    there = os.path.join(folder, "stale.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(there)
    missing = os.path.join(folder, "missing.sock")
    for path in (there, missing, abstract("nobody")):
        p = shop_of([f"unix:{path}"], retry={"attempts": 0})
        reply = get(p.port)
        assert reply.status == 502
        assert b"did not accept" in reply.body
        assert p.version("v1")["errors"] == 1
    pod = socket_pod()
    p = shop_of([f"unix:{there}", f"unix:{missing}", *unix(pod)],
                balance="round_robin", retry={"attempts": 2, "budget": "100%"})
    assert Load(p.port, connections=2, total=60).run().failures() == []
    # Who refused is passed over: not every round meets both again.
    assert p.version("v1")["errors"] < 60


def test_full_queue(shop_of, socket_pod, folder):
    """connect(2) says EAGAIN then: the pod's fault, so another is tried."""
    path = os.path.join(folder, "full.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    waiting = []
    try:
        for _ in range(8):
            s = socket.socket(socket.AF_UNIX)
            waiting.append(s)
            s.setblocking(False)
            if s.connect_ex(path) != 0:
                break
        pod = socket_pod()
        p = shop_of([f"unix:{path}", *unix(pod)], balance="round_robin",
                    retry={"attempts": 1, "budget": "100%"})
        assert Load(p.port, connections=2, total=40).run().failures() == []
        p = shop_of([f"unix:{path}"], health=health(fall=1))
        wait_states(p, {f"unix:{path}": "down"})
        assert p.version("v1")["pods"][0]["reason"].startswith("connect: ")
    finally:
        for s in [*waiting, listener]:
            s.close()


def v6_pod(loop, ports, respond):
    return V6Pod(loop, ports.reserve(), respond)


def test_all_kinds_together(shop_of, socket_pod, pod, loop, ports):
    """By weight, whatever the address is."""
    six = v6_pod(loop, ports, echo)
    try:
        pods = [pod(), socket_pod(), socket_pod(abstract("mixed")), six]
        addresses = [f"127.0.0.1:{pods[0].port}", *unix(*pods[1:3]),
                     f"[::1]:{six.port}"]
        p = shop_of([{"address": a, "weight": w}
                     for a, w in zip(addresses, [1, 2, 3, 4])],
                    balance="round_robin", health=health(path="/healthz"))
        wait_states(p, dict.fromkeys(addresses, "up"))
        assert Load(p.port, connections=4, total=200).run().failures() == []
        assert [sum(a.target != "/healthz" for a in q.asked)
                for q in pods] == [20, 40, 60, 80]
    finally:
        six.stop()


def test_ipv6_pod(shop_of, loop, ports, certs):
    six = v6_pod(loop, ports, echo)
    try:
        p = shop_of([f"[::1]:{six.port}"], health=health())
        wait_states(p, {f"[::1]:{six.port}": "up"})
        with Client(p.port) as c:
            for _ in range(3):
                assert c.ask().status == 200
        six.stop()
        wait_states(p, {f"[::1]:{six.port}": "down"})
        assert p.version("v1")["pods"][0]["reason"] == \
            "connect: Connection refused"
    finally:
        six.stop()


def test_hash_ring(shop_of, socket_pod):
    """A user stays with a pod, and goes nowhere else when others vanish."""
    pods = [socket_pod(f"p{i}", health_aware(i)) for i in range(4)]
    p = shop_of(unix(*pods), balance={"hash": {"header": "X-User"}},
                health=health(path="/healthz"))
    wait_states(p, dict.fromkeys(unix(*pods), "up"))

    def takers():
        return [get(p.port, fields=[("X-User", f"u{i}")]).body
                for i in range(60)]
    before = takers()
    assert before == takers()
    assert len(set(before)) == 4
    pods[0].vanish()
    wait_states(p, {**dict.fromkeys(unix(*pods), "up"),
                    f"unix:{pods[0].port}": "down"})
    after = takers()
    assert all(a == b for a, b in zip(after, before) if b != b"pod 0")
    assert b"pod 0" not in after


def health_aware(i):
    return lambda asked: answer(200, f"pod {i}")


def test_reload_to_another_socket(shop_of, socket_pod):
    """The old pod's idle connections go, the new one serves."""
    old = socket_pod("old", lambda asked: app_answer("1"))
    new = socket_pod("new", lambda asked: app_answer("2"))
    p = shop_of(unix(old))
    load = Load(p.port, 4).start()
    load.wait(20)
    p.config["services"]["shop"]["versions"]["v1"]["pods"] = unix(new)
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    load.wait(20)
    load.stop()
    assert load.failures() == []
    assert get(p.port).json()["appVersion"] == "2"
    wait_for(lambda: not old.writers, "its connections are closed")


def test_added_and_removed_at_run_time(shop_of, socket_pod, certs, folder):
    """The slashes of a path are encoded in the API's URLs."""
    a = socket_pod("a", lambda asked: app_answer("1"))
    b = socket_pod("b", lambda asked: app_answer("2"))
    p = shop_of(unix(a), health=health())
    wait_states(p, {f"unix:{a.port}": "up"})
    p.cli("pod", "add", "shop", "v1", f"unix:{b.port}", check=True)
    wait_states(p, dict.fromkeys(unix(a, b), "up"))
    p.cli("pod", "maint", "shop", "v1", f"unix:{a.port}", check=True)
    assert get(p.port).json()["appVersion"] == "2"
    p.cli("pod", "remove", "shop", "v1", f"unix:{a.port}", check=True)
    wait_states(p, {f"unix:{b.port}": "up"})
    for bad in ("unix:", "unix:relative.sock", "unix:/" + "x" * 107):
        done = p.cli("pod", "add", "shop", "v1", bad)
        assert done.returncode == 1 and "expected an address" in done.stderr
    p = shop_of([], protocol="h2", tls={"ca": certs.ca})
    done = p.cli("pod", "add", "shop", "v1", f"unix:{folder}/x.sock")
    assert done.returncode == 1
    assert "no IP address to be verified" in done.stderr


@pytest.mark.parametrize("key", ["listen", "admin"])
def test_listeners_are_refused(folder, key):
    """With the place, and what is expected."""
    value = {"listen": "listen: [{ address: unix:/run/shunt.sock }]",
             "admin": "listen: [{ address: 127.0.0.1:8080 }]\n"
                      "admin: { address: unix:/run/shunt.sock }"}[key]
    path = os.path.join(folder, "shunt.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(value + "\nservices: { s: { versions: { v: { pods: [] } } } }")
    done = run_cli("check", "-c", path)
    assert done.returncode == 1
    assert "only pods can have the address of a Unix socket" in done.stderr
    assert {"listen": ":1:21: ", "admin": ":2:19: "}[key] in done.stderr
