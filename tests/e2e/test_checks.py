"""What health checks ask, what they take for a good answer, and when."""
import asyncio
import select
import signal
import socket
import threading
import time

import pytest

from client import get
from h2pod import Answer
from harness import wait_for
from pods import FullPod, app_answer

# Pods: (of which fixture, over TLS, `protocol`).
KINDS = {"http": (False, False, "h1"), "https": (False, True, "h1"),
         "h2": (True, True, "h2"), "h2c": (True, False, "h2c")}


def rules(**other):
    return {"interval": "50ms", "timeout": "5s", "rise": 2, "fall": 2, **other}


class Patient:
    """A pod of any kind: `respond(asked)` answers checks, which are recorded;
    what is not a check is served."""

    def __init__(self):
        self.asked, self.times, self.served = [], [], 0
        self.respond = lambda asked: Answer(200, "fine")

    def answer(self, asked):
        if not (asked.get("user-agent") or "").startswith("shunt-health/"):
            self.served += 1
            return Answer(200, "served")
        self.asked.append(asked)
        self.times.append(time.monotonic())
        return self.respond(asked)

    def h1(self, asked):
        return self.answer(asked).h1(asked.method)

    def say(self, *arguments, **named):
        self.respond = lambda asked: Answer(*arguments, **named)


@pytest.fixture
def start(shop, pod, h2_pod, certs):
    """start(kind, health): a proxy before one pod, which is p.patient."""
    def begin(kind="http", health=None, **service):
        http2, secure, protocol = KINDS[kind]
        patient = Patient()
        context = certs.server_context(
            certs.shop(), alpn=["h2" if kind == "h2" else "http/1.1"]
        ) if secure else None
        backend = (h2_pod(patient.answer, context=context) if http2 else
                   pod(patient.h1, context=context))
        if secure:
            service["tls"] = {"ca": certs.ca, "name": "shop.test"}
        p = shop({"v1": [backend.port]}, service={
            "protocol": protocol, "health": rules(**(health or {})),
            **service})
        p.patient, p.backend = patient, backend
        return p
    return begin


def reason(p):
    return p.version("v1")["pods"][0]["reason"]


def wait_reason(p, words):
    """Until the pod is not up for this reason."""
    try:
        wait_for(lambda: words in reason(p), f"the reason is {words!r}")
    except AssertionError as e:
        raise AssertionError(f"{e}, and not {reason(p)!r}") from None


def wait_down(p, words):
    p.wait_pods("v1", down=1)
    wait_reason(p, words)


# what is asked

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_method_host_and_headers(start, kind, method):
    p = start(kind, {"path": "/ready?full=1", "method": method,
                     "host": "inner.shop.test:81",
                     "headers": {"X-Check": "a, b", "X-Empty": "",
                                 "ACCEPT": "text/plain"}})
    p.wait_pods("v1", up=1)
    asked = p.patient.asked[0]
    assert (asked.method, asked.target) == (method, "/ready?full=1")
    assert asked.get("Host" if not KINDS[kind][0] else ":authority") == \
        "inner.shop.test:81"
    assert asked.get("X-Check") == "a, b"
    assert asked.get("X-Empty") == ""
    names = [n.lower() for n, _ in asked.fields]
    assert names.count("accept") == 1
    assert asked.get("accept") == "text/plain"
    assert asked.get("Content-Length") == ("0" if method == "POST" else None)
    assert asked.body == b""
    assert get(p.port).body == b"served"
    wait_for(lambda: p.version("v1")["requests"] == 1, "it is counted")


@pytest.mark.parametrize("kind", ["http", "h2c"])
def test_own_user_agent(shop, pod, h2_pod, kind):
    seen = []

    def respond(asked):
        seen.append(asked.all("User-Agent"))
        return Answer(200, "x")
    http2 = KINDS[kind][0]
    backend = h2_pod(respond) if http2 else pod(
        lambda asked: respond(asked).h1(asked.method))
    p = shop({"v1": [backend.port]}, service={
        "protocol": KINDS[kind][2],
        "health": rules(headers={"user-agent": "it is me"})})
    p.wait_pods("v1", up=1)
    assert seen[0] == ["it is me"]


def test_another_port(shop, pod):
    """What is checked is not what serves."""
    patient, served = Patient(), pod(lambda asked: app_answer("1"))
    checked = pod(patient.h1)
    p = shop({"v1": [served.port]},
             service={"health": rules(port=checked.port)})
    p.wait_pods("v1", up=1)
    assert patient.asked[0].get("Host") == f"127.0.0.1:{checked.port}"
    assert get(p.port).json()["appVersion"] == "1"
    assert [a.target for a in served.asked] == ["/"]
    patient.say(500)
    wait_down(p, "status 500")
    assert get(p.port).status == 503


# what is a good answer

@pytest.mark.parametrize("kind", KINDS)
def test_lists_of_statuses(start, kind):
    p = start(kind, {"expect": {"status": ["200-201", 404, "500-599"]}})
    for good, bad in [(404, 403), (201, 202), (599, 405)]:
        p.patient.say(good, "x")
        p.wait_pods("v1", up=1)
        p.patient.say(bad, "x")
        wait_down(p, f"status {bad}")


@pytest.mark.parametrize("kind", KINDS)
def test_body(start, kind):
    p = start(kind, {"expect": {"body": '^\\{"database": *"(ok|slow)"'}})
    for good, bad in [('{"database":"ok"}', '{"database":"gone"}'),
                      ('{"database":   "slow", "x": 1}', ''),
                      ('{"database":"ok"', ' {"database":"ok"}')]:
        p.patient.say(200, good)
        p.wait_pods("v1", up=1)
        p.patient.say(200, bad)
        wait_down(p, "status 200, but the body does not match")
        # the status is told first
        p.patient.say(503, good)
        wait_reason(p, "status 503")


@pytest.mark.parametrize("kind", KINDS)
def test_body_is_searched_to_64_kib(start, kind):
    p = start(kind, {"expect": {"body": "needle"}})
    last = b"x" * (64 * 1024 - 6) + b"needle"
    p.patient.say(200, last + b"y" * 100_000)
    p.wait_pods("v1", up=1)
    p.patient.say(200, b"x" + last)
    wait_down(p, "does not match")
    p.patient.say(200, last, trailers=[("x-t", "1")])  # chunked in HTTP/1.1
    p.wait_pods("v1", up=1)
    p.patient.say(200, b"x" + last, trailers=[("x-t", "1")])
    wait_down(p, "does not match")


def test_costly_expression(start):
    """It is given up, and the main thread goes on."""
    p = start(health={"expect": {"body": "a*[bc]"}})
    p.patient.say(200, b"a" * 65_536)
    wait_down(p, "status 200, but the pattern is too costly for the body")
    p.patient.say(200, b"aaa")
    wait_down(p, "does not match")
    p.patient.say(200, b"aaab")
    p.wait_pods("v1", up=1)


class Written:
    """A pod that writes its answers to checks piece by piece."""

    def __init__(self):
        self.pieces, self.checks = [], 0

    async def raw(self, reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"shunt-health/" not in head:
                return
            self.checks += 1
            for piece in self.pieces:
                if callable(piece):
                    await piece()
                else:
                    writer.write(piece)
                    await writer.drain()
            if b"Content-Length" not in self.pieces[0]:
                return


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def written(shop, pod):
    """written(health, pieces): the proxy, before a pod that writes these."""
    def begin(pieces, **health):
        w = Written()
        w.pieces = pieces
        backend = pod(raw=w.raw)
        p = shop({"v1": [backend.port]}, service={"health": rules(**health)})
        p.written = w
        return p
    return begin


def test_body_that_ends_with_the_connection(written):
    p = written([OK + b"\r\n", b"the nee", b"dle"],
                expect={"body": "needle$"})
    p.wait_pods("v1", up=1)
    p.written.pieces = [OK + b"\r\n", b"the nee", b"dles"]
    wait_down(p, "does not match")


def test_body_without_end(written):
    """It is read only begun, and the pod is not taken for a bad one."""
    p = written([OK + b"\r\n", b"needle " * 10_000] + [b"x" * 65536] * 1000,
                expect={"body": "needle"})
    p.wait_pods("v1", up=1)
    p.written.pieces[1] = b"x" * 65536
    wait_down(p, "does not match")


def test_slow_body(written):
    """The timeout is for all of the answer; a trickle does not extend it."""
    async def pause():
        await asyncio.sleep(0.02)
    trickle = [OK + b"Content-Length: 400\r\n\r\n"]
    for _ in range(400):
        trickle += [b"x", pause]
    p = written(trickle, timeout="1s", fall=1)
    wait_down(p, "timeout after 1000 ms")
    p.written.pieces = [OK + b"Content-Length: 4\r\n\r\n", pause, b"xx", pause,
                        b"xx"]
    p.wait_pods("v1", up=1)


@pytest.mark.parametrize("pieces,words", [
    ([OK + b"Content-Length: 9\r\nX: y\r\n\r\n", b"x"], "timeout"),
    ([OK + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nab"],
     "closed before the answer was complete"),
    ([OK + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n"],
     "malformed answer: chunks"),
    ([OK + b"X: " + b"y" * 9000 + b"\r\n\r\n"], "head exceeds 8192 bytes"),
    ([OK + b"X: " + b"y" * 4000, b"y" * 9000], "head exceeds 8192 bytes"),
    ([b"\x16\x03\x01\x00\x05hello\r\n\r\n"], "malformed answer"),
    ([b"HTTP/1.1 200 O"], "closed before the answer was complete"),
    ([b""], "closed without an answer"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_bad_answers(written, pieces, words):
    p = written([OK + b"Content-Length: 0\r\n\r\n"], timeout="500ms")
    p.wait_pods("v1", up=1)
    p.written.pieces = pieces
    wait_down(p, words)
    p.written.pieces = [OK + b"Content-Length: 0\r\n\r\n"]
    p.wait_pods("v1", up=1)


# connections

def test_tcp(shop, pod):
    """Whoever accepts is up, and is asked nothing."""
    said = []

    async def raw(reader, writer):
        said.append(await reader.read())
    backend = pod(raw=raw)
    p = shop({"v1": [backend.port]}, service={"health": rules(type="tcp")})
    p.wait_pods("v1", up=1)
    backend.stop()
    wait_down(p, "connect: Connection refused")
    backend.start()
    p.wait_pods("v1", up=1)
    wait_for(lambda: len(said) > 2, "the ends of checks")
    assert set(said) == {b""}


def test_tcp_timeout(shop, ports):
    full = FullPod(ports.reserve())
    try:
        p = shop({"v1": [full.port]}, service={
            "health": rules(type="tcp", timeout="200ms")})
        wait_down(p, "timeout after 200 ms")
    finally:
        full.stop()


def test_tcp_over_tls(shop, pod, certs):
    """It is connected when hands are shaken, with the right pod."""
    backend = pod(context=certs.server_context(certs.shop()))
    p = shop({"v1": [backend.port]}, service={
        "health": rules(type="tcp"),
        "tls": {"ca": certs.ca, "name": "shop.test"}})
    p.wait_pods("v1", up=1)
    p = shop({"v1": [backend.port]}, service={
        "health": rules(type="tcp"),
        "tls": {"ca": certs.ca, "name": "other.test"}})
    wait_down(p, "TLS: hostname mismatch")
    clear = pod()
    p = shop({"v1": [clear.port]}, service={
        "health": rules(type="tcp", timeout="500ms"),
        "tls": {"ca": certs.ca, "name": "shop.test"}})
    p.wait_pods("v1", down=1)


# gRPC

def message(data):
    return b"\0" + len(data).to_bytes(4, "big") + data


def health(status):
    return message(bytes([8, status]))


def grpc(body, status="0"):
    return Answer(200, body, [("content-type", "application/grpc")],
                  trailers=[("grpc-status", status)])


@pytest.mark.parametrize("kind", ["h2", "h2c"])
def test_grpc(start, kind):
    p = start(kind, {"type": "grpc", "grpc_service": "shop.Cart",
                     "headers": {"X-Token": "secret"}})
    p.patient.respond = lambda asked: grpc(health(1))
    p.wait_pods("v1", up=1)
    asked = p.patient.asked[0]
    assert (asked.method, asked.target) == (
        "POST", "/grpc.health.v1.Health/Check")
    assert asked.get("content-type") == "application/grpc"
    assert asked.get("te") == "trailers"
    assert asked.get("grpc-timeout") == "5000m"
    assert asked.get("x-token") == "secret"
    assert asked.get(":scheme") == ("https" if kind == "h2" else "http")
    assert asked.body == message(b"\x0a\x09shop.Cart")
    p.patient.respond = lambda asked: grpc(health(2))
    wait_down(p, "NOT_SERVING")
    p.patient.respond = lambda asked: grpc(health(1))
    p.wait_pods("v1", up=1)


@pytest.mark.parametrize("answer,words", [
    (grpc(health(0)), "UNKNOWN"),
    (grpc(message(b"")), "UNKNOWN"),
    (grpc(health(3)), "SERVICE_UNKNOWN"),
    (grpc(b""), "malformed answer"),
    (grpc(b"\1" + health(1)[1:]), "malformed answer"),
    (grpc(health(1) * 2), "malformed answer"),
    (grpc(message(b"x" * 300_000)), "grpc-status"),
    (grpc(health(1), "12"), "grpc-status 12"),
    (Answer(200, health(1), trailers=[("x", "y")]), "no grpc-status"),
    (Answer(200, b"", [("grpc-status", "5")]), "grpc-status 5"),
    (Answer(503, health(1), trailers=[("grpc-status", "0")]), "status 503"),
], ids=lambda v: v.replace(" ", "-") if isinstance(v, str) else "")
def test_grpc_answers(start, answer, words):
    p = start("h2c", {"type": "grpc"})
    p.patient.respond = lambda asked: grpc(health(1))
    p.wait_pods("v1", up=1)
    assert p.patient.asked[0].body == message(b"")
    p.patient.respond = lambda asked: answer
    wait_down(p, words)


def test_grpc_reset(start):
    p = start("h2c", {"type": "grpc"})
    p.patient.respond = lambda asked: asked.cancel(8)
    wait_down(p, "the pod reset the request")


# when

def test_fast_while_starting(start):
    """At the interval it would take hours."""
    p = start(health={"interval": "1h", "fast_interval": "20ms", "rise": 5})
    p.wait_pods("v1", up=1)
    assert len(p.patient.asked) == 5


def test_fast_while_changing(start):
    p = start(health={"interval": "700ms", "fast_interval": "20ms",
                      "rise": 10, "fall": 10})
    p.wait_pods("v1", up=1)
    since = len(p.patient.times)
    wait_for(lambda: len(p.patient.times) >= since + 3, "checks of an up pod")
    calm = p.patient.times[since:since + 3]
    p.patient.say(500)
    p.wait_pods("v1", down=1)
    failing = p.patient.times[-9:]
    # That a row of ten takes at least so long holds on any machine; that it
    # is faster than one calm interval would not.
    gaps = [b - a for a, b in zip(failing, failing[1:])]
    assert min(gaps) < 0.6 < max(b - a for a, b in zip(calm, calm[1:]))


@pytest.mark.parametrize("row,state", [
    ([500] * 6, "starting"),
    ([500, 500, 500, 200, 500], "starting"),
    ([500, 500, 500, 200, 500, 500], "down"),
    ([200, 500, 500], "down"),
    ([500, 200, 200, 200], "up")])
def test_start_period_ends_with_a_good_check(shop, pod, row, state):
    """A row of checks, and then one that is never answered: what came of it."""
    statuses, silent = iter(row), []

    async def silence():
        silent.append(True)
        await asyncio.sleep(3600)

    def respond(asked):
        status = next(statuses, None)
        return Answer(status).h1(asked.method) if status else silence()
    backend = pod(respond)
    p = shop({"v1": [backend.port]}, service={"health": rules(
        start_period="1h", rise=3, timeout="1h")})
    wait_for(lambda: silent, "the row is over")
    assert list(p.pods("v1").values()) == [state]


def test_reload_while_checks_are_under_way(shop, pod):
    """Those end by the rules they began with; then the new ones hold."""
    silent, freed = [], asyncio.Event()

    async def silence():
        silent.append(True)
        await freed.wait()
        return Answer(200, "x").h1("GET")

    def respond(asked):
        return silence() if asked.target == "/old" else \
            Answer(200, "new").h1(asked.method)
    backend = pod(respond)
    p = shop({"v1": [backend.port]}, service={"health": rules(
        path="/old", timeout="1h", rise=1, expect={"body": "x"},
        headers={"X-Old": "1"})})
    wait_for(lambda: silent, "a check is under way")
    whole = dict(p.config)
    shop_ = whole["services"]["shop"] = dict(whole["services"]["shop"])
    shop_["health"] = rules(path="/new", rise=1, expect={"body": "new"})
    p.write(whole)
    p.signal(signal.SIGHUP)
    wait_for(lambda: "reload: in force" in p.stderr(), "the reload")
    assert list(p.pods("v1").values()) == ["starting"]
    backend.loop.loop.call_soon_threadsafe(freed.set)
    p.wait_pods("v1", up=1)
    wait_for(lambda: any(a.target == "/new" for a in backend.asked),
             "checks by the new rules")


def order(p, pod, state):
    code, answer = p.api(
        "PATCH", f"/api/v1/services/shop/versions/v1/pods/127.0.0.1:{pod.port}",
        {"state": state})
    assert code == 200, answer


def test_checked_while_draining(start):
    """So it is known what the pod is when it is wanted again."""
    p = start()
    p.wait_pods("v1", up=1)
    order(p, p.backend, "drain")
    p.wait_pods("v1", draining=1)
    seen = len(p.patient.asked)
    wait_for(lambda: len(p.patient.asked) > seen + 3, "checks go on")
    p.patient.say(500)
    seen = len(p.patient.asked)
    wait_for(lambda: len(p.patient.asked) > seen + 3, "bad ones, too")
    assert list(p.pods("v1").values()) == ["draining"]
    order(p, p.backend, "ready")
    assert list(p.pods("v1").values()) == ["down"]
    p.patient.say(200)
    p.wait_pods("v1", up=1)


def test_not_checked_in_maint_and_at_once_behind_it(shop, pod):
    """The checks of a second pod tell the time."""
    a, b = Patient(), Patient()
    pods = [pod(a.h1), pod(b.h1)]
    p = shop({"v1": [q.port for q in pods]}, service={
        "health": rules(interval="50ms", rise=2)})
    p.wait_pods("v1", up=2)
    order(p, pods[0], "maint")
    p.wait_pods("v1", maint=1, up=1)
    seen, clock = len(a.asked), len(b.asked)
    wait_for(lambda: len(b.asked) > clock + 10, "time to go by")
    assert len(a.asked) <= seen + 1  # one may have been on its way
    a.say(500)
    order(p, pods[0], "ready")
    # It does not go on as what it was: it starts, and fails to.
    p.wait_pods("v1", up=1, down=1)
    a.say(200)
    p.wait_pods("v1", up=2)


def test_maint_ends_with_a_check_at_once(start):
    """However long the interval is."""
    p = start(health={"interval": "1h", "rise": 1})
    for _ in range(3):
        p.wait_pods("v1", up=1)
        order(p, p.backend, "maint")
        assert list(p.pods("v1").values()) == ["maint"]
        order(p, p.backend, "ready")


def test_maint_while_a_check_is_under_way(shop, pod):
    """That one is cut, and counts for nothing."""
    silent, answers = [], [200, 200]

    async def silence():
        silent.append(True)
        await asyncio.sleep(3600)

    def respond(asked):
        status = answers.pop() if answers else None
        return Answer(status).h1(asked.method) if status else silence()
    backend = pod(respond)
    p = shop({"v1": [backend.port]}, service={
        "health": rules(timeout="1h", rise=2)})
    p.wait_pods("v1", up=1)
    for _ in range(3):
        wait_for(lambda: silent, "a check is under way")
        order(p, backend, "maint")
        assert list(p.pods("v1").values()) == ["maint"]
        answers += [200, 200]
        silent.clear()
        order(p, backend, "ready")
        p.wait_pods("v1", up=1)


class Crowd:
    """Any number of pods: one server on a port of all addresses of this
    machine, which answers whatever it is asked and writes down when."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("0.0.0.0", 0))
        self.listener.listen(4096)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.times, self.over = [], False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        loop = select.epoll()
        loop.register(self.listener, select.EPOLLIN)
        open_ = {}
        while not self.over:
            for fd, _ in loop.poll(0.2):
                if fd == self.listener.fileno():
                    self.accept(loop, open_)
                    continue
                s = open_.pop(fd)
                loop.unregister(fd)
                try:
                    if s.recv(4096):
                        s.send(OK + b"Content-Length: 0\r\n"
                               b"Connection: close\r\n\r\n")
                except OSError:
                    pass
                s.close()
        for s in open_.values():
            s.close()
        loop.close()

    def accept(self, loop, open_):
        try:
            while True:
                s, _ = self.listener.accept()
                self.times.append(time.monotonic())
                s.setblocking(False)
                open_[s.fileno()] = s
                loop.register(s, select.EPOLLIN)
        except BlockingIOError:
            pass

    def stop(self):
        self.over = True
        self.thread.join()
        self.listener.close()


def most_in_a_slice(times, begin, seconds):
    """The largest share of the checks of a time that one 100 ms of it has."""
    within = [t for t in times if begin <= t < begin + seconds]
    slices = [0] * (int(seconds * 10) + 1)
    for t in within:
        slices[int((t - begin) * 10)] += 1
    return max(slices) / len(within), len(within)


@pytest.fixture
def crowd():
    c = Crowd()
    yield c
    c.stop()


def crowd_config(crowd, n, **health):
    pods = [f"127.1.{i // 200}.{i % 200 + 1}:{crowd.port}" for i in range(n)]
    return {"services": {"many": {
        "versions": {"v1": {"pods": pods}},
        "health": {"interval": "2s", "timeout": "10s", "rise": 1, **health}}}}


def states(p):
    return [pod["state"] for pod in p.version("v1", "many")["pods"]]


def test_first_checks_are_spread(proxy, crowd):
    """No tenth of a second has more than 15 % of an interval's checks: even
    ones have 5 %. A machine that stands still for long makes all that were
    due come at once, so one of several starts has to show it."""
    shares = []
    for _ in range(5):
        crowd.times.clear()
        p = proxy(crowd_config(crowd, 500))
        wait_for(lambda: len(crowd.times) >= 500, "the first checks")
        p.stop()
        share, count = most_in_a_slice(crowd.times, crowd.times[0], 2)
        shares.append((share, count))
        if share <= 0.15 and count >= 400:
            return
    raise AssertionError(f"never even: {shares}")


def test_checks_stay_spread(proxy, crowd):
    """All come up; later intervals are as even as the first, and no pod is
    checked more often than it should be."""
    p = proxy(crowd_config(crowd, 500))
    wait_for(lambda: states(p) == ["up"] * 500, "all are up")
    seen = len(crowd.times)

    def even():
        times = list(crowd.times)
        share, count = most_in_a_slice(times, times[-1] - 2, 2)
        return share <= 0.15 and 400 <= count <= 600
    wait_for(lambda: len(crowd.times) > seen + 2500, "five intervals")
    assert crowd.times[seen + 2499] - crowd.times[seen] > 5  # of ten
    wait_for(even, "an even interval")
