"""Pods that fail on live traffic: how many requests that costs, at most.

A client here asks again as soon as it has its answer, so with C connections
at most C requests are under way. A pod is passed over by all workers from its
n-th error in a row on; those that it has by then may still fail. So a pod
that fails whatever it gets costs at most n - 1 + C requests, and with one
retry of whatever failed none.
"""
import signal
import time

import pytest

from client import Client, Load, get, request
from harness import SAN, wait_for
from pods import answer
from test_vanish import vanish

CONNECTIONS = 8
ERRORS = 5
REFUSED = 3
# The last good answers of a pod that dies may be read between its failures.
BOUND = ERRORS - 1 + CONNECTIONS
BOUND_DYING = BOUND + ERRORS - 1
PATIENT = 3 if SAN else 1  # seconds that no pod in good health takes


def rules(**other):
    return {"consecutive_errors": ERRORS, "connect_failures": REFUSED,
            "error_ratio": "0%", "eject": "1h", "max_eject": "1h", **other}


def start(shop, ports, attempts=0, config=None, **service):
    service.setdefault("outlier", rules())
    return shop({"v1": ports}, config=config, service={
        "retry": {"attempts": attempts, "budget": "100%", "on": [
            "connect", "reset", "timeout", "status"]}, **service})


def reason(p, port, version="v1"):
    return next(x["reason"] for x in p.version(version)["pods"]
                if x["address"].endswith(f":{port}"))


def ejections(p, version="v1"):
    return sum(n for labels, n in
               p.metrics()["shunt_pod_ejections_total"].items()
               if f'version="{version}"' in labels)


def state(p, port, version="v1"):
    return p.pods(version)[port]


def ejected(p, port):
    """Until every worker knows, and what it was asked before is over."""
    def over():
        shop = p.status()
        (pod,) = [x for v in shop["versions"] for x in v["pods"]
                  if x["address"].endswith(f":{port}")]
        return shop["in_force"] and pod["state"] == "ejected" and \
            pod["inflight"] == 0
    wait_for(over, "it is ejected")


class Moody:
    """A pod that answers what the test says."""

    def __init__(self, pod):
        self.status, self.healthy = 200, True
        self.pod = pod(self.respond)
        self.port = self.pod.port

    @property
    def served(self):
        return len(self.pod.asked)

    def respond(self, asked):
        if asked.target == "/healthz":
            return answer(200 if self.healthy else 500)
        if self.status is None:
            return None
        return answer(self.status, '{"appVersion": "1"}')


@pytest.fixture
def moody(pod):
    return lambda: Moody(pod)


# what a failing pod costs

@pytest.mark.parametrize("attempts", [0, 1])
def test_a_pod_that_dies(shop, app, attempts):
    apps = [app("1") for _ in range(3)]
    p = start(shop, [a.port for a in apps], attempts)
    load = Load(p.port, CONNECTIONS).start()
    load.wait(100)
    apps[0].kill()
    ejected(p, apps[0].port)
    load.wait(200)
    load.stop()
    assert len(load.failures()) <= (0 if attempts else BOUND_DYING)
    assert "in a row" in reason(p, apps[0].port)
    assert ejections(p) == 1
    assert list(p.pods("v1").values()).count("up") == 2


@pytest.mark.parametrize("attempts", [0, 1])
def test_a_pod_that_refuses(shop, app, ports, attempts):
    """It never listened. Each worker that is refused passes it over for a
    second, all of them once it is ejected."""
    dead, good = ports.reserve(), app("1")
    p = start(shop, [dead, good.port], attempts)
    load = Load(p.port, CONNECTIONS).start()
    ejected(p, dead)
    load.stop()
    assert len(load.failures()) <= (0 if attempts else
                                    REFUSED - 1 + CONNECTIONS)
    assert "connections in a row failed" in reason(p, dead)
    before = p.version("v1")["errors"]
    load = Load(p.port, CONNECTIONS, 200).run()
    assert load.failures() == []
    assert p.version("v1")["errors"] == before


def test_a_refusing_pod_gets_nothing_before_it_is_ejected(shop, app, ports):
    """Passing over is not ejecting, and needs neither plan nor check."""
    dead, good = ports.reserve(), app("1")
    p = start(shop, [dead, good.port], 0, outlier=rules(
        connect_failures=1000, consecutive_errors=1000))
    began = time.monotonic()
    load = Load(p.port, 1, 300).run()
    passed = time.monotonic() - began
    # Two workers, each of which asks it once per second.
    assert len(load.failures()) <= 2 * (1 + int(passed))
    assert state(p, dead) == "up"


@pytest.mark.parametrize("attempts", [0, 1])
def test_a_pod_that_hangs(shop, app, attempts):
    """Frozen by SIGSTOP: it accepts and says nothing."""
    apps = [app("1") for _ in range(3)]
    p = start(shop, [a.port for a in apps], attempts,
              config={"timeouts": {"response": f"{PATIENT}s"}})
    load = Load(p.port, CONNECTIONS).start()
    load.wait(100)
    apps[0].process.send_signal(signal.SIGSTOP)
    try:
        ejected(p, apps[0].port)
        load.wait(200)
        load.stop()
    finally:
        apps[0].process.send_signal(signal.SIGCONT)
    failed = load.failures()
    assert len(failed) <= (0 if attempts else BOUND_DYING)
    assert all(what == 504 for what, _ in failed), failed
    assert "errors in a row" in reason(p, apps[0].port)


@pytest.mark.parametrize("attempts", [0, 1])
def test_a_pod_that_answers_500(shop, moody, attempts):
    pods = [moody() for _ in range(3)]
    p = start(shop, [x.port for x in pods], attempts)
    load = Load(p.port, CONNECTIONS).start()
    load.wait(50)
    pods[0].status = 500
    ejected(p, pods[0].port)
    since = pods[0].served
    load.wait(200)
    load.stop()
    assert len(load.failures()) <= (0 if attempts else BOUND_DYING)
    assert pods[0].served == since
    assert ejections(p) == 1


def test_a_pod_that_resets_is_found_out_behind_retries(shop, moody):
    """No client has noticed, the pod goes all the same."""
    pods = [moody() for _ in range(3)]
    p = start(shop, [x.port for x in pods], 1)
    load = Load(p.port, CONNECTIONS).start()
    load.wait(50)
    pods[0].status = None
    ejected(p, pods[0].port)
    load.wait(100)
    load.stop()
    assert load.failures() == []


def test_client_aborts_are_no_errors(shop, pod):
    """Requests that clients give up on are not the pod's fault."""
    silent = [pod(raw=lambda reader, writer: reader.read())
              for _ in range(2)]
    p = start(shop, [x.port for x in silent],
              outlier=rules(consecutive_errors=1))
    for _ in range(10):
        c = Client(p.port)
        c.send(request())
        wait_for(lambda: p.inflight() == 1, "in flight")
        vanish(c, True)
        p.wait_idle()
    errors = p.metrics()["shunt_errors_total"]
    assert sum(n for k, n in errors.items() if "client_abort" in k) == 10
    assert ejections(p) == 0


@pytest.mark.parametrize("everywhere,attempts",
                         [(False, 0), (False, 1), (True, 0)])
def test_500_for_one_path_only(shop, pod, everywhere, attempts):
    """Never many in a row: the share of errors tells, compared with the
    others'. What all pods fail alike is the application's fault; of 300
    requests chance makes no difference of 20 % there."""
    def respond(broken):
        def answers(asked):
            bad = broken and asked.target == "/bad"
            return answer(500 if bad else 200)
        return answers
    pods = [pod(respond(everywhere or i == 0)) for i in range(3)]
    p = start(shop, [x.port for x in pods], attempts, balance="round_robin",
              outlier=rules(consecutive_errors=0, error_ratio="20%",
                            window="10s", min_requests=300))
    loads = [Load(p.port, 2, data=request(path=path)).start()
             for path in ("/", "/bad")]
    if everywhere:
        wait_for(lambda: all(len(x.asked) > 600 for x in pods), "a few")
        for load in loads:
            load.wait(100)
        assert set(p.pods("v1").values()) == {"up"}
    else:
        ejected(p, pods[0].port)
        assert "% errors of " in reason(p, pods[0].port)
        assert "others 0%" in reason(p, pods[0].port)
    for load in loads:
        load.stop()
        assert attempts == 0 or load.failures() == []


# how long, and how many

def test_it_comes_back_and_goes_for_longer(shop, moody):
    a, b = moody(), moody()
    p = start(shop, [a.port, b.port],
              outlier=rules(eject="500ms", max_eject="1s"))
    load = Load(p.port, 4).start()
    a.status = 500
    for length in ("500ms", "1s", "1s"):
        wait_for(lambda: f"out for {length}" in p.stderr().rsplit(
            "up -> ejected", 1)[-1], f"out for {length}")
        seen = p.stderr().count("ejected -> up")
        wait_for(lambda: p.stderr().count("ejected -> up") > seen,
                 "it comes back")
    a.status = 200
    wait_for(lambda: state(p, a.port) == "up", "it heals")
    since = a.served
    wait_for(lambda: a.served > since + 20, "it serves")
    load.stop()
    log = p.stderr()
    assert log.count("out for 500ms") == 1
    assert ejections(p) == log.count("up -> ejected")
    assert "back in" not in reason(p, a.port)


def test_reason_says_when_it_is_back(shop, moody):
    a, b = moody(), moody()
    a.status = 500
    p = start(shop, [a.port, b.port], outlier=rules(eject="1h"))
    load = Load(p.port, 4).start()
    ejected(p, a.port)
    load.stop()
    assert "errors in a row: out for 1h, back in " in reason(p, a.port)
    table = p.cli("status", "shop", check=True).stdout
    assert "ejected" in table and "back in" in table


@pytest.mark.parametrize("npods,share,gone", [
    (1, "100%", 0), (2, "50%", 1), (3, "10%", 1), (4, "50%", 2),
    (4, "100%", 3)])
def test_max_ejected(shop, moody, npods, share, gone):
    """All of them fail. One may go, and never the last one that is up."""
    pods = [moody() for _ in range(npods)]
    for x in pods:
        x.status = 500
    p = start(shop, [x.port for x in pods],
              outlier=rules(max_ejected=share))
    load = Load(p.port, CONNECTIONS).start()
    wait_for(lambda: list(p.pods("v1").values()).count("ejected") == gone,
             f"{gone} are ejected")
    load.wait(200)
    load.stop()
    assert list(p.pods("v1").values()).count("ejected") == gone
    assert {d.status for d in load.done} == {500}
    # Those that stay are still asked, and well again when they are.
    left = [x for x in pods if state(p, x.port) == "up"]
    for x in left:
        x.status = 200
    assert Load(p.port, 4, 40).run().failures() == []
    assert all(x.served > 0 for x in left)


def test_kept_pods_go_when_there_is_room(shop, moody):
    """Two of four fail, one may go: the other one follows after its return
    or when a reload allows it."""
    pods = [moody() for _ in range(4)]
    p = start(shop, [x.port for x in pods],
              outlier=rules(max_ejected="25%"))
    load = Load(p.port, CONNECTIONS).start()
    pods[0].status = 500
    ejected(p, pods[0].port)
    pods[1].status = 500
    load.wait(100)
    assert state(p, pods[1].port) == "up"
    p.config["services"]["shop"]["outlier"]["max_ejected"] = "50%"
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    ejected(p, pods[1].port)
    load.stop()


def test_without_outlier_nobody_is_ejected(shop, moody):
    a, b = moody(), moody()
    a.status = 500
    p = shop({"v1": [a.port, b.port]})
    Load(p.port, 4, 200).run()
    assert set(p.pods("v1").values()) == {"up"}
    assert ejections(p) == 0


# along with the rest

def test_checks_decide_when_they_know(shop, moody):
    """Ejected, then down by checks: it is up as soon as they say so."""
    a, b = moody(), moody()
    p = start(shop, [a.port, b.port], health={
        "interval": "50ms", "timeout": f"{PATIENT}s", "rise": 2, "fall": 2})
    p.wait_pods("v1", up=2)
    load = Load(p.port, 4).start()
    a.status = 500
    ejected(p, a.port)
    a.healthy = False
    wait_for(lambda: state(p, a.port) == "down", "checks find it")
    a.status, a.healthy = 200, True
    wait_for(lambda: state(p, a.port) == "up", "and find it well")
    load.stop()


def test_reload_and_weights_leave_it_ejected(shop, moody):
    pods = [moody() for _ in range(3)]
    p = start(shop, [x.port for x in pods[:2]])
    load = Load(p.port, 4).start()
    pods[0].status = 500
    ejected(p, pods[0].port)
    p.cli("weight", "shop", "v1=7", check=True)
    assert state(p, pods[0].port) == "ejected"
    shop_now = p.config["services"]["shop"]
    shop_now["versions"]["v1"]["pods"].append(f"127.0.0.1:{pods[2].port}")
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert p.pods("v1") == {pods[0].port: "ejected", pods[1].port: "up",
                            pods[2].port: "up"}
    since = pods[0].served
    load.wait(100)
    assert pods[0].served == since
    # A pod that goes is forgotten.
    del shop_now["versions"]["v1"]["pods"][0]
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert list(p.pods("v1")) == [x.port for x in pods[1:]]
    shop_now["versions"]["v1"]["pods"].append(f"127.0.0.1:{pods[0].port}")
    pods[0].status = 200
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert state(p, pods[0].port) == "up"
    load.stop()


def test_a_reload_without_outlier_takes_all_back(shop, moody):
    a, b = moody(), moody()
    p = start(shop, [a.port, b.port])
    a.status = 500
    load = Load(p.port, 4).start()
    ejected(p, a.port)
    load.stop()
    del p.config["services"]["shop"]["outlier"]
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    wait_for(lambda: state(p, a.port) == "up", "it is back")


def test_states_as_metrics(shop, moody):
    a, b = moody(), moody()
    p = start(shop, [a.port, b.port])
    a.status = 500
    load = Load(p.port, 4).start()
    ejected(p, a.port)
    load.stop()
    m = p.metrics()
    now = {labels: n for labels, n in m["shunt_pod_state"].items() if n}
    assert sorted(now) == sorted(
        f'service="shop",version="v1",pod="127.0.0.1:{port}",state="{s}"'
        for port, s in ((a.port, "ejected"), (b.port, "up")))
    assert m["shunt_pod_state_changes_total"][
        'service="shop",version="v1",state="ejected"'] == 1
    assert ejections(p) == 1


# panic

def test_panic(shop, moody):
    """Checks fail where the application does not: all of them are asked."""
    pods = [moody() for _ in range(4)]
    p = start(shop, [x.port for x in pods], panic="50%", health={
        "interval": "50ms", "timeout": f"{PATIENT}s", "rise": 1, "fall": 2})
    p.wait_pods("v1", up=4)
    load = Load(p.port, 4).start()
    for n, x in enumerate(pods):
        x.healthy = False
        p.wait_pods("v1", down=n + 1)
        wait_for(lambda: p.version("v1")["panic"] == (n > 1),
                 f"panic with {n + 1} of 4 down")
        before = [x.served for x in pods]
        load.wait(100)
        asked = [x.served - b > 4 for x, b in zip(pods, before)]
        assert asked == [n > 1 or i > n for i in range(4)]
    assert "panic" in p.cli("status", "shop", check=True).stdout
    assert set(p.metrics()["shunt_version_panic"].values()) == {1}
    told = p.cli("explain", "http://shop.test/", check=True).stdout
    assert "none is up. 0 of 4" in told and "in panic all 4" in told
    for x in pods:
        x.healthy = True
    p.wait_pods("v1", up=4)
    wait_for(lambda: not p.version("v1")["panic"], "it is over")
    load.stop()
    assert load.failures() == []
    log = p.stderr()
    assert log.count("panic: 1 of 4 pods up, less than 50%") == 1
    assert log.count("panic is over") == 1


def test_ejections_begin_no_panic(shop, moody):
    pods = [moody() for _ in range(4)]
    for x in pods:
        x.status = 500
    p = start(shop, [x.port for x in pods], panic="60%",
              outlier=rules(max_ejected="100%"))
    load = Load(p.port, CONNECTIONS).start()
    wait_for(lambda: list(p.pods("v1").values()).count("ejected") == 1,
             "one is ejected")
    load.wait(300)
    load.stop()
    assert list(p.pods("v1").values()).count("ejected") == 1
    assert "panic" not in p.stderr()


# slow start

SLOW = 4  # seconds


def shares(load, counts, seconds, parts):
    """The first one's share of what all count, in each part of the time."""
    found = []
    for _ in range(parts):
        before = counts()
        end = time.monotonic() + seconds / parts
        while time.monotonic() < end:
            load.wait(20)
        got = [n - b for n, b in zip(counts(), before)]
        found.append(got[0] / sum(got))
    return found


def grows(found, whole):
    """From 10 % to all of it, along a line; give or take a slow machine."""
    assert found[0] < 0.75 * whole, found
    assert all(b > a - 0.05 for a, b in zip(found, found[1:])), found


def test_slow_start(shop, moody):
    cold, warm = moody(), moody()
    p = start(shop, [cold.port, warm.port], slow_start=f"{SLOW}s",
              balance="round_robin", health={
                  "interval": "50ms", "timeout": f"{PATIENT}s", "rise": 1,
                  "fall": 1})
    p.wait_pods("v1", up=2)
    load = Load(p.port, 4).start()

    def counts():
        return cold.served, warm.served
    # The first pods of a service are warm.
    assert shares(load, counts, 0.5, 1)[0] == pytest.approx(0.5, abs=0.05)
    cold.healthy = False
    p.wait_pods("v1", down=1)
    cold.healthy = True
    p.wait_pods("v1", up=2)
    found = shares(load, counts, SLOW, 4)
    grows(found, 0.5)
    load.wait(50)
    assert shares(load, counts, 0.5, 1)[0] == pytest.approx(0.5, abs=0.05)
    load.stop()
    assert load.failures() == []


def test_ramp(shop, moody):
    """v2 loses its only pod and gets it back: half of the requests are its
    own again, by and by. The weights people see stay as they are."""
    stable, other = moody(), moody()
    p = shop({"v1": [stable.port], "v2": [other.port]}, service={
        "ramp": f"{SLOW}s", "weights": {"v1": 1, "v2": 1}, "health": {
            "interval": "50ms", "timeout": f"{PATIENT}s", "rise": 1,
            "fall": 1}})
    p.wait_pods("v1", up=1)
    p.wait_pods("v2", up=1)
    load = Load(p.port, 4).start()

    def counts():
        return other.served, stable.served
    assert shares(load, counts, 0.5, 1)[0] == pytest.approx(0.5, abs=0.05)
    other.healthy = False
    p.wait_pods("v2", down=1)
    other.healthy = True
    p.wait_pods("v2", up=1)
    assert p.version("v2")["weight"] == 0.5
    grows(shares(load, counts, SLOW, 4), 0.5)
    load.wait(50)
    assert shares(load, counts, 0.5, 1)[0] == pytest.approx(0.5, abs=0.05)
    load.stop()
    assert load.failures() == []


def test_still_answers(shop, moody):
    """Everything at once, with a reload in the middle."""
    pods = [moody() for _ in range(3)]
    p = start(shop, [x.port for x in pods], panic="30%", slow_start="1s",
              ramp="1s", outlier=rules(eject="200ms", max_eject="400ms"))
    load = Load(p.port, CONNECTIONS).start()
    for n in range(12):
        pods[n % 3].status = 500 if n % 2 else 200
        load.wait(50)
        if n % 4 == 3:
            assert p.api("POST", "/api/v1/reload")[0] == 200
    for x in pods:
        x.status = 200
    wait_for(lambda: set(p.pods("v1").values()) == {"up"}, "all are back")
    load.stop()
    assert load.failures((200, 500)) == []
    assert get(p.port).status == 200
