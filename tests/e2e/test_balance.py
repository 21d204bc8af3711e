"""Weights of pods, and the policies that look at keys and at latency."""
import asyncio

import pytest

from client import Client, Load, get
from harness import wait_for
from pods import app_answer

HEALTH = {"path": "/healthz", "interval": "50ms", "timeout": "1s",
          "rise": 1, "fall": 1}


def weighted(pods, weights):
    return {"pods": [{"address": f"127.0.0.1:{p.port}", "weight": w}
                     for p, w in zip(pods, weights)]}


def asked(pods):
    """How many requests each has had, health checks apart."""
    return [sum(a.target != "/healthz" for a in p.asked) for p in pods]


def with_pods(proxy, version, **options):
    """A proxy before one version, given as it stands in the file."""
    return proxy({"services": {"shop": {
        "versions": {"v1": version}, **options}}}, workers=1)


def takers(p, pods, requests):
    """Which pod took each of the requests, named by header fields."""
    taken = []
    for request in requests:
        before = asked(pods)
        assert get(p.port, **request).status == 200
        after = asked(pods)
        taken.append([b != a for b, a in zip(before, after)].index(True))
    return taken


def users(n):
    return [{"fields": [("X-User", f"user-{i}")]} for i in range(n)]


def test_round_robin_by_weight(proxy, pod):
    pods = [pod() for _ in range(3)]
    p = with_pods(proxy, weighted(pods, [1, 2, 5]), balance="round_robin")
    assert Load(p.port, connections=5, total=800).run().failures() == []
    assert asked(pods) == [100, 200, 500]


# Not ewma: there a pod's share is its weight over the latency measured.
@pytest.mark.parametrize("policy", ["random", "least_request"])
def test_chance_by_weight(proxy, pod, policy):
    pods = [pod() for _ in range(2)]
    p = with_pods(proxy, weighted(pods, [1, 4]), balance=policy)
    assert Load(p.port, connections=1, total=500).run().failures() == []
    assert asked(pods)[1] > 2 * asked(pods)[0]


def test_weights_change_by_reload(proxy, pod):
    pods = [pod() for _ in range(2)]
    p = with_pods(proxy, weighted(pods, [1, 3]), balance="round_robin")
    assert Load(p.port, connections=1, total=40).run().failures() == []
    assert asked(pods) == [10, 30]
    p.config["services"]["shop"]["versions"]["v1"] = weighted(pods, [4, 1])
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert Load(p.port, connections=1, total=50).run().failures() == []
    assert asked(pods) == [50, 40]


@pytest.mark.parametrize("on,requests", [
    ({"header": "x-user"}, users(40)),
    ({"cookie": "uid"},
     [{"fields": [("Cookie", f"a=b; uid={i}")]} for i in range(40)]),
    ("uri", [{"path": f"/item/1?page={i}"} for i in range(40)]),
])
def test_hash(shop, pod, on, requests):
    """The same key, the same pod, also after a restart with another order."""
    pods = [pod() for _ in range(4)]
    p = shop({"v1": [x.port for x in pods]},
             service={"balance": {"hash": on}})
    first = takers(p, pods, requests)
    assert len(set(first)) == 4
    assert takers(p, pods, requests) == first
    other = shop({"v1": [x.port for x in reversed(pods)]},
                 service={"balance": {"hash": on}})
    assert takers(other, pods, requests) == first


def test_hash_of_the_client(shop, pod):
    pods = [pod() for _ in range(3)]
    p = shop({"v1": [x.port for x in pods]},
             service={"balance": {"hash": "client"}})
    used = set()
    for i in range(1, 31):
        before = asked(pods)
        for path in ("/a", "/b?c", "/d"):
            with Client(p.port, source=f"127.0.0.{i}") as c:
                assert c.ask("GET", path).status == 200
        more = [b - a for a, b in zip(before, asked(pods))]
        assert sorted(more) == [0, 0, 3]
        used.add(more.index(3))
    assert used == {0, 1, 2}


def test_hash_without_key_goes_by_chance(shop, pod):
    pods = [pod() for _ in range(3)]
    p = shop({"v1": [x.port for x in pods]},
             service={"balance": {"hash": {"header": "X-User"}}})
    assert Load(p.port, connections=1, total=200).run().failures() == []
    assert min(asked(pods)) > 20


def test_hash_moves_only_the_keys_of_a_dead_pod(shop, app):
    apps = [app(str(i)) for i in range(4)]
    p = shop({"v1": [a.port for a in apps]}, service={
        "balance": {"hash": {"header": "X-User"}}, "health": HEALTH})
    p.wait_pods("v1", up=4)

    def owners():
        return [get(p.port, **user).json()["appVersion"]
                for user in users(60)]
    before = owners()
    apps[1].kill()
    p.wait_pods("v1", up=3, down=1)
    after = owners()
    assert "1" in before and "1" not in after
    assert all(b in ("1", a) for b, a in zip(before, after))
    apps[1].start()
    p.wait_pods("v1", up=4)
    assert owners() == before


def test_hash_is_bounded(shop, pod):
    """All ask with the same key and nobody gets an answer: with 40 requests
    in flight no pod has more than 1.25 times a fourth of them."""
    hold = asyncio.Event()

    async def wait(_):
        await hold.wait()
        return app_answer("1")
    pods = [pod(wait) for _ in range(4)]
    p = shop({"v1": [x.port for x in pods]}, workers=1,
             service={"balance": {"hash": {"header": "X-User"}}})
    clients = [Client(p.port) for _ in range(40)]
    for c in clients:
        c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-User: ann\r\n\r\n")
    wait_for(lambda: sum(asked(pods)) == 40, "all are at pods")
    assert max(asked(pods)) == 13 and min(asked(pods)) < 10
    pods[0].loop.loop.call_soon_threadsafe(hold.set)
    for c in clients:
        assert c.response().status == 200
        c.close()


def test_ewma_prefers_the_faster_pod(shop, pod):
    async def slow(_):
        await asyncio.sleep(0.5)
        return app_answer("1")
    pods = [pod(slow), pod(lambda _: app_answer("1"))]
    p = shop({"v1": [x.port for x in pods]}, workers=1,
             service={"balance": "ewma"})
    assert Load(p.port, connections=4, total=200).run().failures() == []
    assert asked(pods)[0] <= 20


def test_ewma_does_not_love_a_pod_that_fails_fast(shop, pod):
    pods = [pod(lambda _: None), pod(lambda _: app_answer("1"))]
    p = shop({"v1": [x.port for x in pods]}, workers=1,
             service={"balance": "ewma", "retry": {"budget": "100%"}})
    assert Load(p.port, connections=4, total=200).run().failures() == []
    assert asked(pods)[0] <= 20
