"""Health checks: who may take requests, and since when."""
import asyncio
import time

import pytest

from client import Load, get
from harness import wait_for
from pods import answer, app_answer


class Patient:
    """A pod whose /healthz answers what the test says."""

    def __init__(self, pod, name="1"):
        self.status, self.checks, self.served = 200, 0, 0
        self.bad_once = False
        self.name = name
        self.pod = pod(self.respond)
        self.port = self.pod.port

    def respond(self, asked):
        if asked.target.startswith("/healthz"):
            status = 500 if self.bad_once else self.status
            self.bad_once = False
            self.checks += 1
            return answer(status, "x")
        self.served += 1
        return app_answer(self.name)


def rules(**other):
    return {"path": "/healthz", "interval": "50ms", "timeout": "5s",
            "rise": 2, "fall": 3, **other}


def test_a_cold_pod_never_serves(shop, app):
    """--warmup: the app is not ready for its first two seconds."""
    warm, cold = app("1"), app("2", "--warmup", "2s")
    began = time.monotonic()
    p = shop({"v1": [warm.port], "v2": [cold.port]}, service={
        "health": rules(fall=100), "weights": {"v1": 1, "v2": 1}})
    p.wait_pods("v1", up=1)
    load = Load(p.port, 8).start()
    p.wait_pods("v2", up=1)
    assert time.monotonic() - began > 1
    load.wait(100)
    load.stop()
    assert load.failures() == []
    assert set(load.versions()) == {"1", "2"}


def test_rise_and_fall(shop, pod):
    a, b = Patient(pod), Patient(pod)
    a.status = 500
    p = shop({"v1": [a.port, b.port]}, service={"health": rules(rise=4)})
    wait_for(lambda: p.pods("v1")[b.port] == "up", "b is up")
    assert b.checks >= 4
    assert p.pods("v1")[a.port] in ("starting", "down")
    load = Load(p.port, 4).start()
    load.wait(50)
    assert a.served == 0
    a.status, a.checks = 200, 0
    wait_for(lambda: p.pods("v1")[a.port] == "up", "a is up")
    assert a.checks >= 4
    wait_for(lambda: a.served > 0, "a serves")
    b.status, b.checks = 503, 0
    p.wait_pods("v1", up=1, down=1)
    assert b.checks >= 3
    since = b.served
    load.wait(50)
    load.stop()
    assert load.failures() == []
    assert b.served - since <= 4  # those already on their way


def test_one_bad_check_is_forgiven(shop, pod):
    a = Patient(pod)
    p = shop({"v1": [a.port]}, service={"health": rules(fall=3)})
    p.wait_pods("v1", up=1)
    for _ in range(3):
        a.bad_once = True
        wait_for(lambda: not a.bad_once, "a bad check")
        seen = a.checks
        wait_for(lambda: a.checks > seen + 3, "good ones")
    assert p.pods("v1")[a.port] == "up" and "-> down" not in p.stderr()


def test_reason_is_told(shop, pod):
    a = Patient(pod)
    p = shop({"v1": [a.port]}, service={"health": rules()})
    p.wait_pods("v1", up=1)

    def reason():
        return p.version("v1")["pods"][0]["reason"]
    assert reason() == ""
    a.status = 418
    p.wait_pods("v1", down=1)
    assert "418" in reason()
    assert "418" in p.cli("status", "shop", check=True).stdout
    a.status = 200
    p.wait_pods("v1", up=1)
    assert reason() == ""


def test_expected_status(shop, pod):
    a = Patient(pod)
    a.status = 302
    p = shop({"v1": [a.port]}, service={
        "health": rules(expect={"status": "300-399"})})
    p.wait_pods("v1", up=1)
    a.status = 200
    p.wait_pods("v1", down=1)


@pytest.mark.parametrize("how", ["hang", "close", "rubbish", "half"])
def test_checks_that_get_no_answer(shop, pod, how):
    broken = []

    async def raw(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            if not broken:
                writer.write(answer(200))
            elif how == "hang":
                await asyncio.sleep(3600)
            elif how == "close":
                return
            elif how == "rubbish":
                writer.write(b"\x00\xff rubbish\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            await writer.drain()
    backend = pod(raw=raw)
    p = shop({"v1": [backend.port]},
             service={"health": rules(timeout="200ms", fall=2)})
    p.wait_pods("v1", up=1)
    broken.append(True)
    p.wait_pods("v1", down=1)
    broken.clear()
    p.wait_pods("v1", up=1)


def test_initial_up(shop, ports):
    """`initial: up` trusts a pod until checks say otherwise."""
    p = shop({"v1": [ports.reserve()]}, service={
        "health": rules(initial="up", interval="1h", timeout="1s")})
    assert p.pods("v1") and get(p.port).status == 502


def test_without_checks_a_pod_is_up_at_once(shop, ports):
    p = shop({"v1": [ports.reserve()]})
    assert list(p.pods("v1").values()) == ["up"]


def test_start_period_forgives_a_starting_pod(shop, pod):
    a = Patient(pod)
    a.status = 503
    p = shop({"v1": [a.port]}, service={
        "health": rules(start_period="1h", fall=1)})
    wait_for(lambda: a.checks >= 5, "bad checks")
    assert p.pods("v1")[a.port] == "starting"
    a.status = 200
    p.wait_pods("v1", up=1)


def test_checks_name_the_pod_and_their_path(shop, pod):
    seen = []

    def respond(asked):
        seen.append(asked)
        return answer(200)
    backend = pod(respond)
    p = shop({"v1": [backend.port]},
             service={"health": rules(path="/healthz?full=1")})
    p.wait_pods("v1", up=1)
    assert seen[0].method == "GET"
    assert seen[0].target == "/healthz?full=1"
    assert seen[0].get("Host")
    assert p.version("v1")["requests"] == 0
