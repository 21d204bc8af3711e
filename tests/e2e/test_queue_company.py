"""Waiting together with cookies and mirrors, through reloads."""
import copy

import pytest

from busy import Work, send, settle, sum_of, wait_queued
from client import Client, get
from harness import wait_for

LIMITS = {"pod_requests": 1, "queue": 100, "queue_timeout": "5m"}


@pytest.fixture
def pair(shop, pod, loop):
    """(proxy, work of v1, work of v2), limited, all weight on v1."""
    def start(**service):
        works = Work(loop), Work(loop)
        p = shop({"v1": [pod(works[0]).port], "v2": [pod(works[1]).port]},
                 workers=1, service={"limits": LIMITS, "weights": {"v1": 1},
                                     **service})
        return p, *works
    return start


def reload(p, change):
    config = copy.deepcopy(p.config)
    change(config["services"]["shop"])
    p.write(config)
    code, said = p.api("POST", "/api/v1/reload")
    assert code == 200, said


def cookie_of(reply):
    found = reply.all("Set-Cookie")
    return found[0].split(";")[0] if found else None


# cookies


def test_the_cookie_comes_after_a_wait(pair):
    p, work, _ = pair(sticky={"cookie": "c"})
    first = send(p)
    work.wait(1)
    late = send(p)
    wait_queued(p, 1)
    reload(p, lambda s: s.update({"weights": {"v1": 1, "v2": 1}}))
    work.open()
    assert cookie_of(first.response()).startswith("c=v1.")
    assert cookie_of(late.response()).startswith("c=v1.")
    settle(p)


@pytest.mark.parametrize("later", [None, {"cookie": "other"}])
def test_cookies_change_while_it_waits(pair, later):
    """None is given that the service knows nothing of any more."""
    p, work, _ = pair(sticky={"cookie": "c"})
    first = send(p)
    work.wait(1)
    late = send(p)
    wait_queued(p, 1)

    def change(service):
        del service["sticky"]
        if later:
            service["sticky"] = later
    reload(p, change)
    work.open()
    assert cookie_of(first.response()).startswith("c=v1.")
    cookie = cookie_of(late.response())
    assert cookie is None if later is None else cookie.startswith("other=v1.")
    settle(p)


def test_the_cookies_pod_is_full(shop, pod, loop):
    """Its requests go to another pod rather than beyond the limit."""
    works = Work(loop), Work(loop)
    p = shop({"v1": [pod(w).port for w in works]}, workers=1, service={
        "limits": LIMITS, "sticky": {"cookie": "c", "pod": True}})
    first = send(p)
    wait_for(lambda: works[0].now + works[1].now == 1, "one is served")
    mine, other = works if works[0].now else works[::-1]
    mine.let_go()
    cookie = cookie_of(first.response())
    named = {"fields": [("Cookie", cookie)]}
    clients = [send(p, **named)]
    mine.wait(1)
    clients.append(send(p, **named))
    other.wait(1)
    clients.append(send(p, **named))
    wait_queued(p, 1)
    assert mine.most == other.most == 1
    mine.open()
    other.open()
    assert [c.response().status for c in clients] == [200] * 3
    settle(p)


def test_the_version_limit_holds_for_cookies(shop, pod, loop):
    work = Work(loop)
    p = shop({"v1": [pod(work).port]}, workers=1, service={
        "limits": {**LIMITS, "pod_requests": 0, "version_requests": 2},
        "sticky": {"cookie": "c", "pod": True}})
    first = send(p)
    work.let_go()
    named = {"fields": [("Cookie", cookie_of(first.response()))]}
    clients = [send(p, **named) for _ in range(5)]
    wait_queued(p, 3)
    work.wait(2)
    work.open()
    assert [c.response().status for c in clients] == [200] * 5
    assert work.most == 2
    settle(p)


# mirrors


def test_copies_do_not_wait(pair):
    """Nor do they take what a request waits for."""
    p, old, new = pair(mirror={"version": "v2"})
    old.open()
    for _ in range(3):
        assert get(p.port).status == 200
    new.wait(1)
    wait_queued(p, 0, "v2")
    assert sum_of(p, "shunt_mirror_skipped_total", 'reason="limit"') == 2
    assert new.most == 1
    new.open()
    wait_for(lambda: new.now == 0, "the copy is over")


def test_a_copy_makes_room(pair):
    """Copies and requests share the places of a pod."""
    p, old, new = pair(mirror={"version": "v2"}, rules=[
        {"match": {"path": {"prefix": "/v2"}}, "version": "v2"}])
    old.open()
    assert get(p.port).status == 200
    new.wait(1)
    clients = [send(p, "/v2") for _ in range(3)]
    wait_queued(p, 3, "v2")
    new.let_go()
    wait_queued(p, 2, "v2")
    new.wait(1)
    assert get(p.port).status == 200  # its copy stands back
    new.open()
    assert [c.response().status for c in clients] == [200] * 3
    assert new.order == ["/"] + ["/v2"] * 3 and new.most == 1
    settle(p, "v2")


def test_the_mirror_goes_while_it_waits(pair):
    """The request has a copy; the plan by which it goes on has no mirror."""
    p, old, new = pair(mirror={"version": "v2"})
    first = send(p)
    old.wait(1)
    late = [send(p), send(p, method="POST", body=b"x" * 100)]
    wait_queued(p, 2)
    new.wait(1)

    def change(service):
        del service["mirror"]
    reload(p, change)
    new.open()
    old.open()
    assert first.response().status == 200
    assert [c.response().status for c in late] == [200] * 2
    settle(p)
    with Client(p.port) as c:
        assert c.ask().status == 200
    settle(p)
