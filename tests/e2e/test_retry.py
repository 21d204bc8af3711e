"""Where a failed request goes next, how often, and with which body."""
import pytest

from client import Client, Load, get
from h2pod import Answer
from pods import answer, app_answer

BODY = b"0123456789" * 1000


def dead(asked):
    """Reads the request and closes."""
    del asked


def retries(p):
    return sum(p.metrics()["shunt_retries_total"].values())


def named(pod, version):
    return pod(lambda asked: app_answer(version))


def version_of(reply):
    assert reply.status == 200, reply.body
    return reply.json()["appVersion"]


def start(shop, versions, weights, stable="v1", workers=1, protocol="h1",
          **retry):
    return shop(versions, workers=workers, service={
        "weights": weights, "stable": stable, "balance": "round_robin",
        "protocol": protocol,
        "retry": {"budget": "100%", **retry}})


def test_same_stays_in_the_version(shop, pod):
    """However many others live: their pods are not asked."""
    broken, other = pod(dead), named(pod, "1")
    p = start(shop, {"v1": [other.port], "v2": [broken.port]}, {"v2": 1})
    assert get(p.port).status == 502
    assert other.asked == []


def test_same_is_another_pod(shop, pod):
    broken, good = pod(dead), named(pod, "2")
    p = start(shop, {"v1": [named(pod, "1").port],
                     "v2": [broken.port, good.port]}, {"v2": 1})
    for _ in range(10):
        assert version_of(get(p.port)) == "2"
    assert len(good.asked) == 10 and retries(p) == len(broken.asked) > 0


def test_stable(shop, pod):
    broken, stable = pod(dead), named(pod, "1")
    heavy = named(pod, "3")
    p = start(shop, {"v1": [stable.port], "v2": [broken.port],
                     "v3": [heavy.port]},
              {"v2": 1}, version="stable")
    for _ in range(10):
        assert version_of(get(p.port)) == "1"
    assert heavy.asked == []
    # The failure is booked on the version that failed.
    assert p.version("v2")["errors"] == len(broken.asked) == 10
    assert p.version("v1")["errors"] == p.version("v3")["errors"] == 0


def test_stable_fails_itself(shop, pod):
    """Then the retry is another pod of the stable version."""
    broken, good = pod(dead), named(pod, "1")
    p = start(shop, {"v1": [broken.port, good.port],
                     "v2": [named(pod, "2").port]},
              {"v1": 1}, version="stable")
    for _ in range(10):
        assert version_of(get(p.port)) == "1"
    assert p.version("v1")["errors"] == len(broken.asked) > 0


def test_any_is_the_heaviest_other(shop, pod):
    """By weight among those with a ready pod; 2:1:1, v2 fails."""
    broken, light, heavy = pod(dead), named(pod, "1"), named(pod, "3")
    p = start(shop, {"v1": [light.port], "v2": [broken.port],
                     "v3": [heavy.port], "v4": []},
              {"v1": 1, "v2": 2, "v3": 4, "v4": 9}, version="any")
    load = Load(p.port, 1, 160).run()
    assert load.failures() == []
    assert len(broken.asked) == 20
    # v4 has no pod: its share goes to the stable version.
    assert load.versions() == {"1": 10 + 90, "3": 40 + 20}


@pytest.mark.parametrize("version", ["same", "stable", "any"])
def test_every_attempt_fails(shop, pod, version):
    """Attempts + 1 of them, then the client hears it."""
    pods = [pod(dead) for _ in range(6)]
    p = start(shop, {"v1": [x.port for x in pods[:3]],
                     "v2": [x.port for x in pods[3:]]},
              {"v2": 1}, version=version, attempts=2)
    assert get(p.port).status == 502
    assert sum(len(x.asked) for x in pods) == 3
    assert retries(p) == 2
    assert sum(p.version(v)["errors"] for v in ("v1", "v2")) == 3


def test_connect_only(shop, pod, ports):
    """A pod that took the request and died is not asked again."""
    good = named(pod, "1")
    p = start(shop, {"v1": [ports.reserve(), good.port]}, {"v1": 1},
              on=["connect"])
    for _ in range(10):
        assert get(p.port).status == 200
    broken = pod(dead)
    p = start(shop, {"v1": [broken.port, good.port]}, {"v1": 1},
              on=["connect"])
    statuses = [get(p.port).status for _ in range(10)]
    assert statuses.count(502) == len(broken.asked) > 0
    assert retries(p) == 0


def fails(shop, pod, requests, **retry):
    """(retries, requests that failed) before two pods, one of them dead."""
    p = start(shop, {"v1": [pod(dead).port, named(pod, "1").port]},
              {"v1": 1}, **retry)
    load = Load(p.port, 1, requests).run()
    failed = load.failures()
    assert all(status == 502 for status, _ in failed), failed
    return retries(p), len(failed)


def test_budget_bounds_retries(shop, pod):
    """10 % of 400 requests, and a start of at most 20."""
    done, failed = fails(shop, pod, 400, budget="10%")
    assert 40 <= done <= 61
    assert failed > 80


def test_budget_is_not_felt_by_a_few(shop, pod):
    """A quiet service retries as it likes."""
    done, failed = fails(shop, pod, 20, budget="10%")
    assert failed == 0 and done > 0


def test_without_budget(shop, pod):
    done, failed = fails(shop, pod, 400, budget="100%")
    assert failed == 0 and done >= 199


def test_a_budget_of_nothing(shop, pod):
    done, failed = fails(shop, pod, 40, budget="0%")
    assert done == 0 and failed == 20


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [1, 5000, 10000])
def test_a_kept_body_is_sent_again(shop, pod, size, chunked):
    """PUT is idempotent: the second pod gets the same bytes."""
    broken = pod(dead)
    good = pod(lambda asked: answer(200, asked.body))
    p = start(shop, {"v1": [broken.port, good.port]}, {"v1": 1},
              body_bytes=10000)
    body = BODY[:size]
    how = {"chunks": [body[i:i + 3000] for i in range(0, size, 3000)]} \
        if chunked else {"body": body}
    with Client(p.port) as c:
        for _ in range(6):
            reply = c.ask("PUT", **how)
            assert reply.status == 200 and reply.body == body
    assert retries(p) == len(broken.asked) > 0
    assert all(asked.body == body for asked in broken.asked)


@pytest.mark.parametrize("limit", [0, 9999])
def test_a_longer_body_is_not(shop, pod, limit):
    broken, good = pod(dead), named(pod, "1")
    p = start(shop, {"v1": [broken.port, good.port]}, {"v1": 1},
              body_bytes=limit)
    statuses = []
    for _ in range(6):
        with Client(p.port) as c:
            statuses.append(c.ask("PUT", body=BODY).status)
    assert statuses.count(502) == len(broken.asked) > 0
    assert retries(p) == 0
    assert len(good.asked) + len(broken.asked) == 6


def test_no_post_is_sent_twice(shop, pod):
    """Whatever is configured: it may have been done already."""
    broken, good = pod(dead), named(pod, "1")
    p = start(shop, {"v1": [broken.port], "v2": [good.port]},
              {"v1": 1, "v2": 1}, version="any", attempts=5)
    statuses = []
    for i in range(20):
        with Client(p.port) as c:
            statuses.append(
                c.ask("POST", body=b"once" if i % 2 else b"").status)
    assert statuses.count(502) == len(broken.asked) == 10
    assert len(good.asked) == 10 and retries(p) == 0


# what an error of the pod itself leads to

def test_a_status_is_retried_where_it_may_be(shop, pod):
    """The client sees the other pod's answer; the version has both."""
    broken = pod(lambda asked: answer(503, b"no" * 50000))
    good = named(pod, "1")
    p = start(shop, {"v1": [broken.port, good.port]}, {"v1": 1},
              on=["status"])
    for _ in range(10):
        assert version_of(get(p.port)) == "1"
    assert len(good.asked) == 10
    assert retries(p) == len(broken.asked) > 0
    assert p.version("v1")["errors"] == len(broken.asked)
    assert p.version("v1")["requests"] == 10 + len(broken.asked)
    p.wait_idle()


def test_the_last_status_is_the_clients(shop, pod):
    pods = [pod(lambda asked: answer(500, "mine")) for _ in range(3)]
    p = start(shop, {"v1": [x.port for x in pods]}, {"v1": 1},
              on=["status"], attempts=2)
    reply = get(p.port)
    assert reply.status == 500 and reply.body == b"mine"
    assert sum(len(x.asked) for x in pods) == 3


@pytest.mark.parametrize("on", ["status", "timeout"])
def test_the_only_pod_is_not_made_to_work_twice(shop, pod, on):
    def silent(reader, writer):
        asked.append(1)
        return reader.read()
    asked = []
    if on == "status":
        only = pod(lambda _: answer(500, "mine"))
        asked = only.asked
    else:
        only = pod(raw=silent)
    p = shop({"v1": [only.port]}, workers=1,
             config={"timeouts": {"response": "2s"}},
             service={"retry": {"on": [on], "attempts": 3,
                                "budget": "100%"}})
    assert get(p.port).status == (500 if on == "status" else 504)
    assert len(asked) == 1 and retries(p) == 0


def test_only_statuses_that_count_as_errors(shop, pod):
    odd = pod(lambda asked: answer(404, "none"))
    p = start(shop, {"v1": [odd.port, named(pod, "1").port]}, {"v1": 1},
              on=["status"])
    assert 404 in [get(p.port).status for _ in range(6)]
    assert retries(p) == 0


def test_a_status_of_a_post_is_the_clients(shop, pod):
    broken = pod(lambda asked: answer(500, "mine"))
    p = start(shop, {"v1": [broken.port, named(pod, "1").port]}, {"v1": 1},
              on=["status", "timeout", "reset"])
    statuses = []
    for _ in range(6):
        with Client(p.port) as c:
            statuses.append(c.ask("POST", body=BODY).status)
    assert statuses.count(500) == len(broken.asked) > 0
    assert retries(p) == 0


def test_a_status_before_the_body_is_there(shop, pod):
    """The pod answers the head; what it got of the body goes on elsewhere,
    and so does what follows."""
    def early(reader, writer):
        async def talk():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(500))
            await writer.drain()
            await reader.read()
        return talk()
    broken = pod(raw=early)
    good = pod(lambda asked: answer(200, asked.body))
    p = start(shop, {"v1": [broken.port, good.port]}, {"v1": 1},
              on=["status"])
    for _ in range(4):
        with Client(p.port) as c:
            c.send(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n"
                   b"\r\n" + BODY[:3000])
            c.send(BODY[3000:])
            reply = c.response()
            assert reply.status == 200 and reply.body == BODY
    assert retries(p) > 0


def test_a_silent_pods_request_goes_elsewhere(shop, pod):
    silent = pod(raw=lambda reader, writer: reader.read())
    good = named(pod, "1")
    p = shop({"v1": [silent.port, good.port]}, workers=1,
             config={"timeouts": {"response": "2s"}},
             service={"balance": "round_robin",
                      "retry": {"on": ["timeout"], "budget": "100%"}})
    for _ in range(4):
        assert version_of(get(p.port)) == "1"
    assert retries(p) > 0
    assert p.version("v1")["errors"] == retries(p)


def test_a_status_over_http2(shop, h2_pod):
    """A stream is given up for one on another trunk."""
    pods = [h2_pod(lambda asked: Answer(503, b"no" * 50000)),
            h2_pod(lambda asked: Answer(200, b"yes"))]
    p = start(shop, {"v1": [x.port for x in pods]}, {"v1": 1},
              protocol="h2c", on=["status"])
    for _ in range(6):
        assert get(p.port).body == b"yes"
    assert retries(p) == len(pods[0].asked) > 0
    p.wait_idle()
