"""Fixtures: ports, pods, demo apps and proxies, all ended by the test."""
import faulthandler
import os

import pytest

import certs as certs_module
import h2client
import h2pod
import harness
import pods as pods_module
import rawh2


def pytest_addoption(parser):
    parser.addoption("--part", default="0/1", help="of the tests, I of N")


def pytest_collection_modifyitems(config, items):
    """Those in a part are far from each other: what is slow is shared out."""
    part, parts = map(int, config.getoption("--part").split("/"))
    items[:] = items[part::parts]


def pytest_configure(config):
    del config
    assert os.access(harness.BIN, os.X_OK), f"{harness.BIN} is not built"
    # A test that hangs says where.
    faulthandler.dump_traceback_later(500, exit=True)


@pytest.fixture(scope="session")
def loop():
    return pods_module.Loop()


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return certs_module.Certs(tmp_path_factory.mktemp("certs"))


@pytest.fixture
def ports():
    p = harness.Ports()
    yield p
    p.release()


@pytest.fixture
def pod(loop, ports):
    """A function that starts a scripted pod."""
    started = []

    def start(respond=pods_module.echo, raw=None, port=None, context=None,
              **options):
        p = pods_module.Pod(loop, port or ports.reserve(), respond, raw,
                            context, **options)
        started.append(p)
        return p
    yield start
    for p in started:
        p.stop()


@pytest.fixture
def gate(pod, loop):
    """A function that starts a pod whose answers wait."""
    made = []

    def start(version="1"):
        made.append(pods_module.Gate(pod, loop, version))
        return made[-1]
    yield start
    for g in made:
        g.open()


@pytest.fixture
def ws_pod(loop, ports):
    p = pods_module.WebSocketPod(loop, ports.reserve())
    yield p
    p.stop()


@pytest.fixture
def h2_pod(loop, ports):
    """A function that starts a pod for HTTP/2, with a context over TLS."""
    started = []

    def start(respond=h2pod.told, port=None, **options):
        p = h2pod.H2Pod(loop, port or ports.reserve(), respond, **options)
        started.append(p)
        return p
    yield start
    for p in started:
        p.stop()


@pytest.fixture
def app(ports):
    """A function that starts the demo app."""
    started = []

    def start(version, *options):
        a = harness.App(ports, version, *options)
        started.append(a)
        return a
    yield start
    try:
        for a in started:
            a.stop()
    finally:
        for a in started:
            if a.process.poll() is None:
                a.kill()


@pytest.fixture
def proxy(ports, request):
    """A function that starts the proxy; every proxy is judged at the end."""
    started = []

    def start(config, wait=True, **options):
        p = harness.Proxy(ports, config, **options)
        started.append(p)
        return p.start() if wait else p
    yield start
    try:
        for p in started:
            p.stop()
    finally:
        for p in started:
            p.remove()


@pytest.fixture
def shop(proxy):
    """A proxy before one service: shop({"v1": [port]}, weights=...)."""
    def start(versions, config=None, service=None, **options):
        whole = dict(config or {})
        whole["services"] = {"shop": harness.service(
            versions, **(service or {}))}
        return proxy(whole, **options)
    return start


@pytest.fixture
def tls_shop(shop, certs, ports):
    """A shop with two doors: p.port in clear text, p.tls over TLS."""
    def start(versions, tls=None, listener=None, config=None, **options):
        plain, secure = ports.reserve(), ports.reserve()
        listen = [{"address": f"127.0.0.1:{plain}"},
                  {"address": f"127.0.0.1:{secure}",
                   "tls": tls or certs.shop().tls(), **(listener or {})}]
        p = shop(versions, config={"listen": listen, **(config or {})},
                 **options)
        p.port, p.tls = plain, secure
        return p
    return start


class Door:
    """Connections of one kind to a proxy."""

    def __init__(self, p, certs, kind):
        self.p, self.kind = p, kind
        self.port = p.tls if kind == "tls" else p.port
        self.context = certs.client_context(["h2"]) if kind == "tls" else None

    def client(self, **named):
        return h2client.H2Client(self.port, self.context, **named)

    def raw(self, **named):
        return rawh2.RawH2(self.port, self.context, **named)


@pytest.fixture(params=["clear", "tls"])
def door(request, tls_shop, pod, certs):
    """door(respond): a proxy before one pod for HTTP/1.1."""
    def start(respond=pods_module.echo, raw=None, **options):
        options.setdefault("workers", 1)
        backend = pod(respond, raw)
        d = Door(tls_shop({"v1": [backend.port]}, **options), certs,
                 request.param)
        d.pod = backend
        return d
    return start


@pytest.fixture
def plain(shop, pod):
    """The same in clear text only, where the door makes no difference."""
    def start(respond=pods_module.echo, raw=None, **options):
        options.setdefault("workers", 1)
        backend = pod(respond, raw)
        p = shop({"v1": [backend.port]}, **options)
        p.pod = backend
        return p
    return start
