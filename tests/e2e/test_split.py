"""Who gets a request: exact shares of the weights, and rules before them."""
import asyncio
import random
import re
import subprocess

import pytest

from client import Load, get, request
from harness import PATIENCE, SAN, service
from pods import app_answer


def versions(pod, *names):
    """One scripted pod per version, answering as the demo app does."""
    return {name: [pod(lambda asked, n=name: app_answer(n)).port]
            for name in names}


def test_80_20_is_exact_over_1000_requests(shop, app):
    p = shop({"v1": [app("1").port, app("1").port], "v2": [app("2").port]},
             service={"weights": {"v1": 80, "v2": 20}}, workers=2)
    load = Load(p.port, connections=50, total=1000).run()
    assert load.failures() == []
    assert load.versions() == {"1": 800, "2": 200}
    assert p.version("v1")["requests"] == 800
    assert p.version("v2")["requests"] == 200
    assert p.version("v1")["weight"] == pytest.approx(0.8)
    assert p.version("v2")["weight"] == pytest.approx(0.2)


def test_any_number_of_requests_is_within_one(shop, app):
    p = shop({"v1": [app("1").port], "v2": [app("2").port]},
             service={"weights": {"v1": 2, "v2": 1}}, workers=2)
    sent = 0
    for total in (1, 1, 5, 30, 60):
        load = Load(p.port, connections=min(total, 7), total=total).run()
        assert load.failures() == []
        sent += total
        for name, share in (("v1", 2 / 3), ("v2", 1 / 3)):
            assert abs(p.version(name)["requests"] - sent * share) <= 1, (
                name, sent)


def test_three_versions_down_to_a_hundredth_percent(shop, app):
    p = shop({"v1": [app("1").port], "v2": [app("2").port],
              "v3": [app("3").port]},
             service={"weights": {"v1": 98.99, "v2": 1, "v3": 0.01}})
    load = Load(p.port, connections=40, total=10000).run()
    assert load.failures() == []
    assert load.versions() == {"1": 9899, "2": 100, "3": 1}


def send_exactly(port, n):
    done = subprocess.run(
        ["h2load", "--h1", "-n", str(n), "-c", "40", "-t", "1",
         f"http://127.0.0.1:{port}/"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=10 * PATIENCE)
    good = re.search(r"(\d+) succeeded", done.stdout)
    assert good and int(good.group(1)) == n, done.stdout


def test_hundreds_of_thousands_on_two_workers(shop, app):
    """Many periods of the split, and each of its prefixes that we look at."""
    shares = {"v1": 98.99, "v2": 1, "v3": 0.01}
    p = shop({f"v{i}": [app(str(i)).port] for i in (1, 2, 3)},
             service={"weights": shares}, workers=2)
    sent = 0
    for n in ((777, 9_223, 10_000) if SAN else (33_333, 66_667, 100_000)):
        send_exactly(p.port, n)
        sent += n
        counts = {v: p.version(v)["requests"] for v in shares}
        assert sum(counts.values()) == sent
        for v, share in shares.items():
            assert abs(counts[v] - sent * share / 100) <= 1, (sent, counts)
    if not SAN:
        assert counts == {"v1": 197_980, "v2": 2_000, "v3": 20}


def test_each_of_100_weights_under_load_is_kept(shop, app):
    """Between two changes each version gets its share of what was asked: no
    burst behind a change, and nothing at all at weight 0. What was in flight
    at a change may count on either side of it."""
    connections, chance = 10, random.Random(20)
    p = shop({"v1": [app("1").port], "v2": [app("2").port],
              "v3": [app("3").port]}, workers=2)

    def counts():
        return [v["requests"] for v in p.status()["versions"]]
    load = Load(p.port, connections=connections).start()
    for i in range(100):
        weights = [chance.choice([0, 0.01, 1, 5, 50, 99]) for _ in range(3)]
        if sum(weights) == 0:
            weights[i % 3] = 1
        code, answer = p.api("PUT", "/api/v1/services/shop/weights", {
            f"v{k + 1}": w for k, w in enumerate(weights)})
        assert code == 200, answer
        before = counts()
        load.wait(50)
        got = [b - a for a, b in zip(before, counts())]
        for k, w in enumerate(weights):
            share = w / sum(weights) * sum(got)
            assert abs(got[k] - share) <= connections + 1, (i, weights, got)
    load.stop()
    assert load.failures() == []


def test_weight_0_gets_strictly_nothing(shop, app):
    p = shop({"v1": [app("1").port], "v2": [app("2").port]},
             service={"weights": {"v1": 1, "v2": 0}})
    load = Load(p.port, connections=10, total=500).run()
    assert load.failures() == [] and load.versions() == {"1": 500}


def test_round_robin_serves_pods_alike(shop, pod):
    pods = [pod() for _ in range(4)]
    p = shop({"v1": [x.port for x in pods]},
             service={"balance": "round_robin"}, workers=1)
    load = Load(p.port, connections=5, total=400).run()
    assert load.failures() == []
    assert [len(x.asked) for x in pods] == [100] * 4


def test_least_request_avoids_the_busy_pod(shop, pod):
    async def slow(asked):
        await asyncio.sleep(0.2)
        return app_answer("1")
    busy, free = pod(slow), pod(lambda asked: app_answer("1"))
    p = shop({"v1": [busy.port, free.port]},
             service={"balance": "least_request"}, workers=1)
    load = Load(p.port, connections=10, total=400).run()
    assert load.failures() == []
    assert len(free.asked) > 3 * len(busy.asked)


RULES = [
    ({"header": {"User-Agent": {"contains": "Always-Good"}}},
     [("User-Agent", "x Always-Good/2")], [("User-Agent", "always-good")]),
    ({"header": {"User-Agent": {"regex": "^Bot/[0-9]+$"}}},
     [("User-Agent", "Bot/42")], [("User-Agent", "Bot/42x")]),
    ({"header": {"X-Group": {"exact": "beta"}}},
     [("x-group", "beta")], [("X-Group", "beta2")]),
    ({"header": {"X-Group": "beta"}},
     [("X-Group", "beta")], [("X-Group", "Beta")]),
    ({"cookie": {"release": "beta"}},
     [("Cookie", "a=b; release=beta; c=d")], [("Cookie", "release=betax")]),
    ({"cookie": {"release": {"regex": "^b"}}},
     [("Cookie", "release=b7")], [("Cookie", "xrelease=b7; a=release=b")]),
]


@pytest.mark.parametrize("match,hit,miss", RULES)
def test_a_rule_overrides_the_weights(shop, pod, match, hit, miss):
    """Both ways: v2 has weight 0, and only the rule leads there."""
    p = shop(versions(pod, "v1", "v2"), service={
        "weights": {"v1": 100, "v2": 0},
        "rules": [{"match": match, "version": "v2"}]})
    for fields, want in ((hit, "v2"), (miss, "v1"), ([], "v1")):
        for _ in range(5):
            answer = get(p.port, fields=fields)
            assert answer.json()["appVersion"] == want, fields


def test_rules_do_not_use_up_the_split(shop, pod):
    p = shop(versions(pod, "v1", "v2"), service={
        "weights": {"v1": 50, "v2": 50},
        "rules": [{"match": {"header": {"User-Agent": "forced"}},
                   "version": "v2"}]})
    forced = Load(p.port, 5, 101, request(fields=[("User-Agent", "forced")]))
    assert forced.run().versions() == {"v2": 101}
    assert Load(p.port, 5, 100).run().versions() == {"v1": 50, "v2": 50}


def test_the_first_matching_rule_wins_and_parts_are_joined(shop, pod):
    p = shop(versions(pod, "v1", "v2", "v3"), service={
        "weights": {"v1": 1, "v2": 0, "v3": 0},
        "rules": [
            {"match": {"header": {"X-A": "1", "X-B": "2"}}, "version": "v3"},
            {"match": {"header": {"X-A": "1"}}, "version": "v2"}]})

    def version(*fields):
        return get(p.port, fields=fields).json()["appVersion"]
    assert version(("X-A", "1"), ("X-B", "2")) == "v3"
    assert version(("X-A", "1")) == "v2"
    assert version(("X-B", "2")) == "v1"
    # A header that is there twice matches when one of them does.
    assert version(("X-A", "0"), ("X-A", "1")) == "v2"


def test_hosts_and_paths_lead_to_services(proxy, pod, ports):
    names = ["exact", "prefix", "wild", "any"]
    ports_by = {n: pod(lambda asked, n=n: app_answer(n)).port for n in names}
    routes = {"exact": [{"host": "shop.test", "path": {"exact": "/cart"}}],
              "prefix": [{"host": "shop.test", "path": "/"}],
              "wild": [{"host": "*.test"}],
              "any": [{"path": "/any"}]}
    p = proxy({"services": {
        n: service({"v1": [ports_by[n]]}, routes=routes[n]) for n in names}})

    def where(host, path):
        answer = get(p.port, path, host=host)
        return (answer.json()["appVersion"] if answer.status == 200
                else answer.status)
    assert where("shop.test", "/cart") == "exact"
    assert where("SHOP.test:8080", "/cart?x=y") == "exact"
    assert where("shop.test", "/cart/1") == "prefix"
    assert where("a.b.test", "/") == "wild"
    assert where("elsewhere", "/any/thing") == "any"
    assert where("elsewhere", "/anything") == 404
    assert where("elsewhere", "/") == 404
    assert b"no service" in get(p.port, "/", host="elsewhere").body
