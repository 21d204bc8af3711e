"""Pods that names resolve to: a real name server, real pods, traffic."""
import asyncio
import json
import signal
import socket
import urllib.parse

import pytest

import harness
from client import Client, Load, Paced, get, request
from dns_server import Dns
from harness import run_cli, wait_for
from pods import answer, app_answer

NAME = "app.internal"
# Silence has to be waited for; a server that is only slow must not be silent.
QUICK = {"timeout": "4s" if harness.SAN else "2s", "tries": 1,
         "min_ttl": "100ms", "backoff": "100ms", "max_backoff": "300ms"}
HEALTH = {"path": "/healthz", "interval": "100ms", "timeout": "1s",
          "rise": 2, "fall": 2}


@pytest.fixture
def dns(ports, tmp_path):
    """A function that starts a name server."""
    started = []

    def start(run=True, **names):
        d = Dns(ports.reserve(), str(tmp_path))
        d.names = {k.replace("_", "."): v for k, v in names.items()}
        d.write()
        started.append(d)
        return d.start() if run else d
    yield start
    for d in started:
        d.stop()


@pytest.fixture
def named(proxy):
    """A shop whose versions have these items as pods."""
    def start(server, pods, config=None, service=None, resolver=None,
              **options):
        versions = pods if isinstance(pods, dict) else {"v1": pods}
        whole = dict(config or {})
        whole["resolver"] = {"servers": [server.address], **QUICK,
                             **(resolver or {})}
        whole["services"] = {"shop": {
            "versions": {n: {"pods": list(x)} for n, x in versions.items()},
            **(service or {})}}
        return proxy(whole, **options)
    return start


@pytest.fixture
def farm(pod, ports):
    """Pods of one port at 127.0.0.1, .2, .3, ...: each answers its host."""
    port = ports.reserve()

    def start(*hosts, respond=None):
        def make(host):
            return pod(respond or (lambda asked: app_answer(host)), port=port,
                       host=host)
        return [make(h) for h in hosts]
    start.port = port
    return start


def states(p, version="v1"):
    """State by address without port."""
    return {x["address"].rsplit(":", 1)[0]: x["state"]
            for x in p.version(version)["pods"]}


def wait_states(p, expected, version="v1"):
    def right():
        return p.status()["in_force"] and states(p, version) == expected
    try:
        wait_for(right, "states")
    except AssertionError:
        raise AssertionError(
            f"{states(p, version)}, not {expected}\n{p.stderr()}") from None


def up(*hosts):
    return {h: "up" for h in hosts}


def name_of(p, text=None, version="v1"):
    return next(n for n in p.version(version)["names"]
                if text in (None, n["name"]))


def wait_name(p, state, error="", **named):
    def right():
        n = name_of(p, **named)
        return n if n["state"] == state and error in n["error"] else None
    return wait_for(right, f"the name is {state} {error}")


def answered_by(p, n=20):
    return {get(p.port).json()["appVersion"] for _ in range(n)}


def pods_path(address, version="v1"):
    return (f"/api/v1/services/shop/versions/{version}/pods/"
            + urllib.parse.quote(address, safe=""))


def details(p, version="v1"):
    code, body = p.api("GET", f"/api/v1/services/shop/versions/{version}/pods")
    assert code == 200
    return {x["address"].rsplit(":", 1)[0]: x for x in body["pods"]}


# Coming and going

def test_joins_as_starting_and_is_up_after_its_checks(dns, named, farm):
    ready = set()

    def respond(asked):
        host = asked.get("Host").rsplit(":", 1)[0]
        if asked.target == "/healthz":
            return answer(200 if host in ready else 503)
        return app_answer("1")
    farm("127.0.0.1", "127.0.0.2", respond=respond)
    ready.add("127.0.0.1")
    d = dns(app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"], service={"health": HEALTH})
    wait_states(p, up("127.0.0.1"))
    d.set(NAME, A=["127.0.0.2", "127.0.0.1"])
    wait_states(p, {"127.0.0.1": "up", "127.0.0.2": "starting"})
    assert get(p.port).status == 200
    ready.add("127.0.0.2")
    wait_states(p, up("127.0.0.1", "127.0.0.2"))
    both = details(p)
    assert all(x["source"] == "name" and x["names"] == [f"{NAME}:{farm.port}"]
               for x in both.values())
    assert "absent -> starting: a name resolves to it" in p.stderr()


def test_removal_drains_and_fails_no_request(dns, named, farm, loop):
    async def make():
        return asyncio.Event()
    opened = loop.call(make())

    async def respond(asked):
        if asked.target == "/slow":
            await opened.wait()
        return app_answer("leaving")
    farm("127.0.0.1")
    farm("127.0.0.2", respond=respond)
    d = dns(app_internal={"A": ["127.0.0.2"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.2"))
    with Client(p.port) as slow:
        slow.send(request(path="/slow"))
        wait_for(lambda: p.inflight() == 1, "one in flight")
        load = Load(p.port, connections=16).start()
        load.wait(100)
        d.set(NAME, A=["127.0.0.1"])
        wait_states(p, {"127.0.0.1": "up", "127.0.0.2": "draining"})
        (reason,) = [x["reason"] for x in p.version("v1")["pods"]
                     if x["state"] == "draining"]
        assert reason == "no name resolves to it any longer"
        assert {k: x["source"] for k, x in details(p).items()} == {
            "127.0.0.1": "name", "127.0.0.2": "name"}
        load.wait(200)
        load.stop()
        assert load.failures() == []
        assert answered_by(p) == {"127.0.0.1"}
        loop.loop.call_soon_threadsafe(opened.set)
        assert slow.response().json()["appVersion"] == "leaving"
    wait_states(p, up("127.0.0.1"))


def test_flapping_answers_under_load_fail_nothing(dns, named, farm):
    farm("127.0.0.1", "127.0.0.2", "127.0.0.3")
    d = dns(app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.1"))
    load = Load(p.port, connections=16).start()
    for hosts in (["127.0.0.2", "127.0.0.1"], ["127.0.0.3"],
                  ["127.0.0.1", "127.0.0.3", "127.0.0.2"], ["127.0.0.2"],
                  ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"],
                  ["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]):
        d.set(NAME, A=hosts)
        wait_states(p, up(*hosts))
        load.wait(100)
    load.stop()
    assert load.failures() == []


def test_starts_without_a_resolver_and_joins_when_it_answers(dns, named, farm):
    farm("127.0.0.1")
    d = dns(run=False, app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    assert get(p.port).status == 503
    n = wait_name(p, "failing")
    assert n["addresses"] == 0 and n["last_resolved"] is None
    d.start()
    wait_states(p, up("127.0.0.1"))
    assert get(p.port).status == 200
    assert name_of(p)["last_resolved"] is not None


# Failures

def test_a_resolver_that_stops_answering_keeps_the_last_answer(dns, named,
                                                               farm):
    farm("127.0.0.1", "127.0.0.2")
    d = dns(app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.1"))
    load = Paced(p.port, 200, connections=8).load.start()
    d.freeze()
    n = wait_name(p, "failing", "no name server answered in time")
    assert n["addresses"] == 1
    before = p.metrics()["shunt_dns_queries_total"]['outcome="timeout"']
    wait_for(lambda: p.metrics()["shunt_dns_queries_total"]
             ['outcome="timeout"'] >= before + 2, "it goes on asking")
    load.wait(100)
    assert states(p) == up("127.0.0.1")
    d.set(NAME, A=["127.0.0.2"])
    d.thaw()
    wait_states(p, up("127.0.0.2"))
    wait_name(p, "resolved")
    load.wait(100)
    load.stop()
    assert load.failures() == []
    assert p.stderr().count("failing -> resolved") == 1, p.stderr()


FAILURES = {
    "servfail": ("failing", "SERVFAIL", "servfail"),
    "notimp": ("failing", "SERVFAIL", "servfail"),
    "refused": ("failing", "REFUSED", "refused"),
    "silent": ("failing", "in time", "timeout"),
    "garbage": ("failing", "in time", "timeout"),
    "wrong_id": ("failing", "in time", "timeout"),
    "other_name": ("failing", "in time", "timeout"),
    "malformed": ("failing", "cannot be read", "malformed"),
    "short": ("failing", "cannot be read", "malformed"),
    "no_tcp": ("failing", "", None),
    "loop": ("failing", "cannot be read", "malformed"),
    "nxdomain": ("empty", "NXDOMAIN", "nxdomain"),
    "empty": ("empty", "no addresses", "empty"),
}


@pytest.mark.parametrize("mode", FAILURES)
def test_each_failure_keeps_the_last_answer(dns, named, farm, mode):
    state, words, outcome = FAILURES[mode]
    farm("127.0.0.1", "127.0.0.2")
    d = dns(app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.1"))
    good = wait_name(p, "resolved")["last_resolved"]
    d.mode(NAME, mode)
    n = wait_name(p, state, words)
    assert n["addresses"] == 1 and n["last_resolved"] >= good
    told = p.stderr().count(f" {state}: ")
    asked = len(d.asked(NAME))
    more = 2 if "in time" in words else 8
    wait_for(lambda: len(d.asked(NAME)) >= asked + more, "it goes on asking")
    assert p.stderr().count(f" {state}: ") == told  # once for all tries
    assert states(p) == up("127.0.0.1") and get(p.port).status == 200
    metrics = p.metrics()
    label = f'service="shop",version="v1",name="{NAME}:{farm.port}"'
    assert metrics["shunt_dns_name_resolved"][label] == 0
    assert metrics["shunt_dns_name_addresses"][label] == 1
    assert metrics["shunt_dns_name_age_seconds"][label] > 0
    if outcome:
        assert metrics["shunt_dns_queries_total"][
            f'outcome="{outcome}"'] > 0
    assert f"resolved -> {state}" in p.stderr()
    assert "; the last answer is kept, 1 address" in p.stderr()
    d.set(NAME, A=["127.0.0.1", "127.0.0.2"])
    wait_states(p, up("127.0.0.1", "127.0.0.2"))
    assert name_of(p)["error"] == ""
    wait_for(lambda: p.metrics()["shunt_dns_name_resolved"][label] == 1,
             "the metric follows")


@pytest.mark.parametrize("mode", ["nxdomain", "empty"])
def test_an_empty_answer_counts_when_the_config_says_so(dns, named, farm,
                                                        mode):
    farm("127.0.0.1")
    d = dns(app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"], resolver={"empty": "300ms"})
    wait_states(p, up("127.0.0.1"))
    d.mode(NAME, mode)
    wait_name(p, "empty")
    wait_states(p, {})
    assert name_of(p)["addresses"] == 0
    assert get(p.port).status == 503
    # A failure never does.
    d.mode(NAME, "")
    wait_states(p, up("127.0.0.1"))
    d.mode(NAME, "servfail")
    wait_name(p, "failing")
    asked = len(d.asked(NAME))
    wait_for(lambda: len(d.asked(NAME)) > asked + 8, "it goes on asking")
    assert states(p) == up("127.0.0.1")


def test_the_next_server_is_asked(dns, named, farm, ports):
    farm("127.0.0.1")
    dead, bad = ports.reserve(), dns(app_internal={"mode": "servfail"})
    d = dns(app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"], resolver={
        "servers": [f"127.0.0.1:{dead}", bad.address, d.address]})
    wait_states(p, up("127.0.0.1"))
    wait_name(p, "resolved")
    n = len(bad.asked())
    assert n > 0
    # The one that answered is asked first from now on.
    asked = len(d.asked())
    wait_for(lambda: len(d.asked()) > asked + 6, "it is asked")
    assert len(bad.asked()) == n
    d.stop()
    wait_name(p, "failing")
    assert states(p) == up("127.0.0.1")
    bad.set(NAME, A=["127.0.0.1"])
    wait_name(p, "resolved")


# Kinds of records

def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on loopback")
def test_aaaa_only_and_both(dns, named, farm):
    farm("127.0.0.1", "::1")
    d = dns(app_internal={"AAAA": ["::1"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("[::1]"))
    assert answered_by(p, 3) == {"::1"}
    d.set(NAME, AAAA=["::1"], A=["127.0.0.1"])
    wait_states(p, up("127.0.0.1", "[::1]"))
    # One that fails keeps what it gave; the other one goes on.
    d.set(NAME, A=["127.0.0.1", "127.0.0.2"], **{"mode:AAAA": "servfail"})
    wait_states(p, up("127.0.0.1", "127.0.0.2", "[::1]"))
    n = wait_name(p, "failing", f"AAAA of {NAME}")
    assert n["addresses"] == 3
    # One that has none any more gives none.
    d.set(NAME, AAAA=["::1"])
    wait_states(p, up("[::1]"))
    wait_name(p, "resolved")


@pytest.mark.parametrize("family, kinds", [
    ("both", {"A", "AAAA"}), ("ipv4", {"A"}), ("ipv6", {"AAAA"})])
def test_family(dns, named, family, kinds):
    d = dns(app_internal={"A": ["127.0.0.1"], "AAAA": ["::1"]})
    p = named(d, [f"{NAME}:80"], resolver={"family": family})
    wait_name(p, "resolved")
    assert {x["type"] for x in d.asked()} == kinds
    assert len(states(p)) == len(kinds)


def test_srv_weights_and_ports_change(dns, named, pod):
    one, two, three = (pod(lambda a, n=n: app_answer(n)) for n in "123")
    d = dns(a_internal={"A": ["127.0.0.1"]}, b_internal={"A": ["127.0.0.1"]})
    srv = "_http._tcp.app.internal"

    def records(*rows):
        d.set(srv, SRV=[[10, w, x.port, h + ".internal"] for w, x, h in rows]
              + [[20, 1, three.port, "a.internal"]])

    def weights(*rows):
        expected = {x.port: w for w, x in rows}
        wait_for(lambda: {int(a["address"].split(":")[1]): a["weight"]
                          for a in p.api("GET", "/api/v1/services/shop/"
                                         "versions/v1/pods")[1]["pods"]}
                 == expected, f"weights are {expected}")
    records((30, one, "a"), (10, two, "b"))
    p = named(d, [srv], workers=1, service={"balance": "round_robin"})
    weights((30, one), (10, two))
    done = Load(p.port, 1, 400).run().done
    assert sum(x.version == "1" for x in done) == 300
    assert sum(x.version == "2" for x in done) == 100
    # Beyond our own range they keep their proportion; 0 is the least.
    records((60000, one, "a"), (30000, two, "b"), (0, three, "b"))
    weights((1000, one), (500, two), (1, three))
    records((5, three, "a"))
    weights((5, three))
    assert answered_by(p, 5) == {"3"}
    # Nobody is left but those of the next priority; then none: it is kept.
    d.set(srv, SRV=[[20, 1, one.port, "a.internal"]])
    weights((1, one))
    d.set(srv, SRV=[[0, 0, 0, ""]])
    wait_name(p, "empty")
    assert answered_by(p, 5) == {"1"}


def test_srv_hosts_follow_while_srv_fails(dns, named, farm):
    farm("127.0.0.1", "127.0.0.2")
    d = dns(web_service_consul={"SRV": [[1, 1, farm.port, "node.internal"]]},
            node_internal={"A": ["127.0.0.1"]})
    p = named(d, ["srv:web.service.consul"])
    wait_states(p, up("127.0.0.1"))
    d.mode("web.service.consul", "servfail")
    wait_name(p, "failing", "SRV of web.service.consul")
    d.set("node.internal", A=["127.0.0.2"])
    wait_states(p, up("127.0.0.2"))
    d.mode("web.service.consul", "")
    d.mode("node.internal", "servfail")
    wait_name(p, "failing", "A of node.internal")
    asked = len(d.asked("node.internal"))
    wait_for(lambda: len(d.asked("node.internal")) > asked + 4, "asked")
    assert states(p) == up("127.0.0.2")


def test_cname(dns, named, farm):
    farm("127.0.0.1", "127.0.0.2")
    d = dns(app_internal={"CNAME": "real.internal"},
            real_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.1"))
    d.set("real.internal", A=["127.0.0.2"])
    wait_states(p, up("127.0.0.2"))


def test_truncated_answers_come_by_tcp(dns, named, farm):
    farm("127.0.0.1")
    d = dns(app_internal={"A": ["127.0.0.1"], "mode": "truncate"})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.1"))
    assert {x["over"] for x in d.asked(kind="A")} == {"udp", "tcp"}
    # So do long ones; what is too much is left out, always the same.
    many = [f"127.9.{i // 250}.{i % 250 + 1}" for i in range(1200)]
    d.set(NAME, A=many)
    wait_for(lambda: len(states(p)) == 1000 and name_of(p)["cut"], "cut")
    first = set(states(p))
    d.set(NAME, A=many[::-1])
    asked = len(d.asked(kind="A"))
    wait_for(lambda: len(d.asked(kind="A")) > asked + 6, "asked again")
    assert set(states(p)) == first == set(many[:1000])
    assert p.stderr().count("more than 1000 addresses") == 1


def test_duplicates_and_addresses_of_the_file(dns, named, farm):
    farm("127.0.0.1", "127.0.0.2", "127.0.0.3")
    d = dns(app_internal={"A": ["127.0.0.1", "127.0.0.1", "127.0.0.2",
                                "0.0.0.0"]},
            two_internal={"A": ["127.0.0.2", "127.0.0.3"]})
    p = named(d, [f"127.0.0.1:{farm.port}", f"{NAME}:{farm.port}",
                  f"two.internal:{farm.port}"])
    wait_states(p, up("127.0.0.1", "127.0.0.2", "127.0.0.3"))
    shown = details(p)
    assert shown["127.0.0.1"]["source"] == "file"
    assert shown["127.0.0.1"]["names"] == [f"{NAME}:{farm.port}"]
    assert sorted(shown["127.0.0.2"]["names"]) == [
        f"{NAME}:{farm.port}", f"two.internal:{farm.port}"]
    # Nobody goes whom somebody else still gives.
    d.set(NAME, A=["127.0.0.3"])
    wait_for(lambda: details(p)["127.0.0.1"]["names"] == [], "it lets go")
    assert states(p) == up("127.0.0.1", "127.0.0.2", "127.0.0.3")


# When

def times(d, name, kind="A"):
    return [x["time"] for x in d.asked(name, kind)]


def test_ttl_and_its_bounds(dns, named):
    d = dns(zero_internal={"A": ["127.0.0.1"], "ttl": 0},
            two_internal={"A": ["127.0.0.1"], "ttl": 2},
            huge_internal={"A": ["127.0.0.1"], "ttl": 0x7fffffff},
            wrong_internal={"A": ["127.0.0.1"], "ttl": 0xffffffff})
    names = ["zero.internal", "two.internal", "huge.internal",
             "wrong.internal"]
    p = named(d, [f"{n}:{80 + i}" for i, n in enumerate(names)],
              resolver={"min_ttl": "300ms", "max_ttl": "3s",
                        "timeout": "10s"})
    wait_for(lambda: len(times(d, "huge.internal")) >= 3, "asked thrice")

    def gaps(name):
        t = times(d, name)
        return [b - a for a, b in zip(t, t[1:])]
    # Never sooner; how much later is the machine's affair.
    assert min(gaps("zero.internal")) > 0.29
    assert min(gaps("wrong.internal")) > 0.29
    assert min(gaps("two.internal")) > 1.99
    assert min(gaps("huge.internal")) > 2.99
    assert len(gaps("zero.internal")) > len(gaps("two.internal"))
    n = name_of(p, "huge.internal:82")
    assert n["next_s"] is None or n["next_s"] <= 3.2


def test_a_thousand_names_are_not_asked_in_one_burst(dns, named):
    names = {f"n{i}.internal": {"A": [f"127.8.{i // 250}.{i % 250 + 1}"],
                                "ttl": 3600} for i in range(1000)}
    d = dns()
    d.names = names
    d.write()
    p = named(d, [f"{n}:80" for n in names],
              resolver={"timeout": "20s", "max_ttl": "1h"})
    wait_for(lambda: all(n["state"] == "resolved"
                         for n in p.version("v1")["names"]), "all resolved")
    assert len(states(p)) == 1000
    t = sorted(x["time"] for x in d.asked())
    assert len(t) == 2000  # A and AAAA, each once
    assert t[-1] - t[0] > 0.99
    assert get(p.port, path="/").status in (502, 504)


def test_questions_under_way_are_bounded(dns, named):
    """Of a server that is silent no more than 32 wait for an answer."""
    d = dns()
    d.names = {f"n{i}.internal": {"mode": "silent"} for i in range(40)}
    d.write()
    p = named(d, [f"{n}:80" for n in d.names],
              resolver={"timeout": "2s", "backoff": "1m",
                        "max_backoff": "1m"})
    wait_for(lambda: all(n["state"] == "failing"
                         for n in p.version("v1")["names"]), "all failed")
    t = sorted(x["time"] for x in d.asked())
    assert len(t) == 80
    # The server sees them a little later than they are sent.
    assert min(b - a for a, b in zip(t, t[33:])) > 1


# Reloads, restarts, people

def reload(p):
    code, body = p.api("POST", "/api/v1/reload")
    assert code == 200, body


def test_reload_keeps_names_that_are_still_there(dns, named, farm):
    farm("127.0.0.1", "127.0.0.2", "127.0.0.3")
    d = dns(app_internal={"A": ["127.0.0.1"]},
            old_internal={"A": ["127.0.0.2"]},
            new_internal={"A": ["127.0.0.3"]})
    p = named(d, [f"{NAME}:{farm.port}", f"old.internal:{farm.port}"])
    wait_states(p, up("127.0.0.1", "127.0.0.2"))
    load = Load(p.port, connections=8).start()
    d.freeze()
    pods = p.config["services"]["shop"]["versions"]["v1"]["pods"]
    pods[:] = [{"address": f"{NAME}:{farm.port}", "weight": 7},
               f"new.internal:{farm.port}"]
    p.write(p.config)
    reload(p)
    # Nobody has to be asked for that: it is gone, the other one stays.
    wait_states(p, up("127.0.0.1"))
    assert details(p)["127.0.0.1"]["weight"] == 7
    for _ in range(5):
        reload(p)  # in the middle of questions
    assert states(p) == up("127.0.0.1")
    d.thaw()
    wait_states(p, up("127.0.0.1", "127.0.0.3"))
    load.wait(100)
    load.stop()
    assert load.failures() == []
    # Another resolver takes effect, too.
    other = dns(app_internal={"A": ["127.0.0.2"]},
                new_internal={"A": ["127.0.0.2"]})
    p.config["resolver"]["servers"] = [other.address]
    p.write(p.config)
    reload(p)
    wait_states(p, up("127.0.0.2"))
    # And no names at all.
    pods[:] = [f"127.0.0.1:{farm.port}"]
    p.write(p.config)
    reload(p)
    wait_states(p, up("127.0.0.1"))
    assert p.version("v1")["names"] == []
    assert "shunt_dns_queries_total" not in p.metrics()


def test_a_broken_reload_changes_nothing(dns, named, farm):
    farm("127.0.0.1")
    d = dns(app_internal={"A": ["127.0.0.1"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.1"))
    p.write(json.dumps({**p.config, "resolver": {"servers": ["dns.test"]}}))
    code, body = p.api("POST", "/api/v1/reload")
    assert code != 200 and "expected the address of a name server" in body[
        "error"]
    asked = len(d.asked())
    wait_for(lambda: len(d.asked()) > asked + 4, "it goes on asking")
    assert states(p) == up("127.0.0.1")


def test_what_people_did_outlives_a_restart(dns, named, farm, tmp_path):
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    farm(*hosts)
    d = dns(app_internal={"A": hosts})
    p = named(d, [f"{NAME}:{farm.port}"],
              config={"state": str(tmp_path / "shunt.db")})
    wait_states(p, up(*hosts))
    p.cli("pod", "drain", "shop", "v1", f"127.0.0.1:{farm.port}", check=True)
    p.cli("pod", "remove", "shop", "v1", f"127.0.0.2:{farm.port}", "--wait",
          check=True)
    after = {"127.0.0.1": "draining", "127.0.0.3": "up"}
    wait_states(p, after)
    d.freeze()
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    p.start()
    # The resolver does not answer: it starts, without these pods.
    wait_name(p, "failing")
    assert states(p) == {}
    reload(p)
    wait_for(lambda: name_of(p)["state"] == "failing", "failing")
    d.thaw()
    wait_states(p, after)
    p.process.kill()
    p.process.wait()
    p.start()
    wait_states(p, after)
    # It is void when the config has the name no longer.
    p.config["services"]["shop"]["versions"]["v1"]["pods"] = []
    p.write(p.config)
    reload(p)
    wait_states(p, {})
    p.config["services"]["shop"]["versions"]["v1"]["pods"] = [
        f"{NAME}:{farm.port}"]
    p.write(p.config)
    reload(p)
    wait_states(p, up(*hosts))


def test_people_and_names(dns, named, farm):
    """Who was removed stays away as long as the name resolves to him."""
    farm("127.0.0.1", "127.0.0.2")
    d = dns(app_internal={"A": ["127.0.0.1", "127.0.0.2"]})
    p = named(d, [f"{NAME}:{farm.port}"])
    wait_states(p, up("127.0.0.1", "127.0.0.2"))
    p.cli("pod", "remove", "shop", "v1", f"127.0.0.2:{farm.port}", "--wait",
          check=True)
    asked = len(d.asked())
    wait_for(lambda: len(d.asked()) > asked + 6, "asked again")
    assert states(p) == up("127.0.0.1")
    d.set(NAME, A=["127.0.0.1"])
    asked = len(d.asked())
    wait_for(lambda: len(d.asked()) > asked + 6, "asked again")
    d.set(NAME, A=["127.0.0.1", "127.0.0.2"])
    wait_states(p, up("127.0.0.1", "127.0.0.2"))


# What is shown

def test_status_and_events(dns, named, farm):
    farm("127.0.0.1")
    d = dns(app_internal={"A": ["127.0.0.1"], "ttl": 5})
    p = named(d, [f"{NAME}:{farm.port}", "gone.internal:80"],
              resolver={"min_ttl": "5s"})
    wait_states(p, up("127.0.0.1"))
    wait_name(p, "empty", text="gone.internal:80")
    n = name_of(p, f"{NAME}:{farm.port}")
    assert n["state"] == "resolved" and n["addresses"] == 1
    assert not n["cut"] and n["error"] == ""
    assert n["last_resolved"].endswith("Z")
    for words in (["status"], ["pod", "list", "shop", "v1"]):
        out = p.cli(*words, check=True).stdout
        (head,) = [x for x in out.splitlines() if "ADDRESSES" in x]
        assert head.split() == ["NAME", "VERSION", "STATE", "ADDRESSES",
                                "RESOLVED", "NEXT", "ERROR"]
        assert "there is no such name (NXDOMAIN)" in out and "never" in out
    out = p.cli("pod", "list", "shop", "v1", "-o", "json", check=True).stdout
    assert {x["name"] for x in json.loads(out)["names"]} == {
        f"{NAME}:{farm.port}", "gone.internal:80"}
    connection = harness.UnixConnection(p.socket, harness.PATIENCE)
    connection.request("GET", "/api/v1/events?after=0")
    stream, found = connection.getresponse(), []
    while len(found) < 2:
        line = stream.readline().decode()
        if line.startswith("data:") and '"kind":"name"' in line.replace(
                " ", ""):
            found.append(json.loads(line[5:]))
    connection.close()
    good = next(x for x in found if x["to"] == "resolved")
    assert good["name"] == f"{NAME}:{farm.port}" and good["from"] == "new"
    assert good["reason"] == "1 address"
    bad = next(x for x in found if x["to"] == "empty")
    assert bad["reason"] == ("A of gone.internal: there is no such name "
                             "(NXDOMAIN); it gives no pods")


def test_check_counts_names(tmp_path):
    path = tmp_path / "shunt.yaml"
    path.write_text("listen: [{address: 127.0.0.1:80}]\nservices: {s: "
                    "{versions: {v: {pods: [a.b:80, '127.0.0.1:1']}}}}\n")
    done = run_cli("check", "-c", str(path))
    assert "1 pod, 1 name)" in done.stdout
