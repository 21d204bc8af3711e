"""Releases: each strategy forward, stopped, failing, and back."""
import asyncio
import datetime
import re
import time

import pytest

import rollout
from client import Client, Load, get, request
from harness import wait_for
from pods import answer, app_answer
from rollout import (actions, history, now, reason_of, released, start, until,
                     until_weight, verb, weights)

OFTEN = {"path": "/", "interval": "50ms", "rise": 1, "fall": 2}
QUICK = {
    "recreate": {"park": "20s"},
    "rolling": {"min_ready": "20ms"},
    "blue_green": {"keep_old": "100ms"},
    "canary": {"steps": [{"weight": 10, "hold": "200ms"},
                         {"weight": 50, "hold": "200ms"}],
               "gates": {"min_requests": 10, "max_error_rate": "1%"}},
    "ab": {"match": {"header": {"X-Beta": "1"}}, "duration": "1s"},
}
SLOW = {
    "recreate": {"park": "20s"},
    "rolling": {"min_ready": "1h"},
    "blue_green": {"keep_old": "1h"},
    "canary": {"steps": [{"weight": 10, "hold": "1h"}]},
    "ab": {"match": {"header": {"X-Beta": "1"}}, "duration": "1d"},
}
STRATEGIES = list(QUICK)


@pytest.fixture
def begin(proxy, tmp_path):
    """A proxy with a state file before one service."""
    def run(versions, options=None, **release):
        release.setdefault("progress_deadline", "2h")
        s = released(versions, **release)
        s.update(options or {})
        return proxy({"state": str(tmp_path / "shunt.db"),
                      "services": {"shop": s}})
    return run


@pytest.fixture
def fixed(begin, app):
    """Three pods of either version."""
    def run(options=None, **release):
        return begin({"v1": [app("1").port for _ in range(3)],
                      "v2": [app("2").port for _ in range(3)]},
                     options, **release)
    return run


def restart(p):
    p.process.kill()
    p.process.wait()
    p.start()


def served(p, n=20):
    return {get(p.port).json()["appVersion"] for _ in range(n)}


def forward(p, strategy):
    load = Load(p.port, connections=8).start()
    start(p, strategy=strategy)
    if strategy == "ab":
        until(p, "paused")
        verb(p, "promote")
    r = until(p, *rollout.ENDED)
    load.wait(50)
    load.stop()
    assert r["phase"] == "done", r
    assert load.failures() == []
    assert weights(p) == {"v1": 0, "v2": 1}
    assert p.status()["stable"] == "v2"
    assert served(p) == {"2"}
    assert actions(r)[0] == "start" and actions(r)[-1] == "done"
    return r


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_forward_with_fixed_pods(fixed, strategy):
    forward(fixed(**QUICK), strategy)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_forward_with_launched_pods(begin, strategy):
    """From three to two; the old ones are gone then."""
    p = begin({"v1": rollout.launched("1", 3), "v2": rollout.launched("2", 2)},
              {"health": OFTEN}, **QUICK)
    p.wait_pods("v1", up=3)
    forward(p, strategy)
    p.wait_pods("v2", up=2)
    wait_for(lambda: p.version("v1")["pods"] == [], "v1's are gone")


def test_between_fixed_and_launched(begin, app):
    p = begin({"v1": [app("1").port for _ in range(3)],
               "v2": rollout.launched("2", 2)}, {"health": OFTEN}, **QUICK)
    p.wait_pods("v1", up=3)
    forward(p, "rolling")
    start(p, "v1", "rolling")
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "done", r
    assert served(p) == {"1"}
    wait_for(lambda: p.version("v2")["pods"] == [], "v2's are gone")


@pytest.mark.parametrize("launch", [False, True])
@pytest.mark.parametrize("strategy", [s for s in STRATEGIES
                                      if s != "recreate"])
def test_aborted_midway(begin, app, strategy, launch):
    """Nobody notices; the candidate has weight 0, and its pods are gone."""
    v2 = rollout.launched("2", 3) if launch else [
        app("2").port for _ in range(3)]
    p = begin({"v1": [app("1").port for _ in range(3)], "v2": v2},
              {"health": OFTEN}, **SLOW)
    p.wait_pods("v1", up=3)
    load = Load(p.port, connections=8).start()
    start(p, strategy=strategy)
    until(p, "progressing")
    share = {"rolling": .25, "canary": .1, "blue_green": 1, "ab": 0}[strategy]
    until_weight(p, share)
    load.wait(100)
    verb(p, "abort")
    assert weights(p)["v2"] == 0 or strategy == "rolling"
    verb(p, "abort")
    r = until(p, *rollout.ENDED)
    load.wait(50)
    load.stop()
    assert r["phase"] == "rolled_back", r
    assert actions(r).count("abort") == 1
    assert load.failures() == []
    assert weights(p) == {"v1": 1, "v2": 0}
    assert p.status()["stable"] == "v1"
    assert served(p) == {"1"}
    if launch:
        wait_for(lambda: p.version("v2")["pods"] == [], "v2's are gone")
    # when nothing runs it is a success that changes nothing
    verb(p, "abort")
    assert len(history(p)) == 1 and weights(p) == {"v1": 1, "v2": 0}


@pytest.mark.parametrize("launch", [False, True])
def test_recreate_aborted_while_closed(begin, app, pod, launch):
    """The candidate never gets ready: requests wait, and are answered by the
    stable version."""
    v1 = (rollout.launched("1", 2) if launch
          else [app("1").port for _ in range(2)])
    p = begin({"v1": v1, "v2": [pod(lambda _: answer(503)).port]},
              {"health": OFTEN}, **SLOW)
    p.wait_pods("v1", up=2)
    p.wait_pods("v2", down=1)
    load = Load(p.port, connections=8).start()
    start(p, strategy="recreate")
    wait_for(lambda: "of 1 pods are ready" in now(p)["reason"],
             "v1 is stopped")
    status, told = p.api("POST", "/api/v1/services/shop/rollout/pause")
    assert status == 409 and "no version takes requests" in told["error"]
    before = load.finished()
    with Client(p.port) as c:
        c.send(request())
        verb(p, "abort")
        assert c.response().json()["appVersion"] == "1"
    r = until(p, *rollout.ENDED)
    load.wait(50)
    load.stop()
    assert r["phase"] == "rolled_back", r
    assert "closed: no version takes requests" in actions(r)
    assert "open again" in actions(r)
    assert load.failures() == [] and load.finished() > before
    assert weights(p) == {"v1": 1, "v2": 0}


# gates

def failing(pod, n=1):
    return [pod(lambda _: answer(500)).port for _ in range(n)]


@pytest.mark.parametrize("strategy", ["canary", "rolling", "blue_green", "ab"])
def test_a_version_that_fails_every_request_is_rolled_back(
        begin, app, pod, strategy):
    release = {s: dict(terms) for s, terms in SLOW.items()}
    release[strategy]["gates"] = {"min_requests": 100, "window": "10s",
                                  "max_error_rate": "1%"}
    release["blue_green"]["preview"] = {"header": {"X-Beta": "1"}}
    p = begin({"v1": [app("1").port for _ in range(3)], "v2": failing(pod, 3)},
              **release)
    start(p, strategy=strategy)
    until(p, "progressing")
    load = Load(p.port, connections=4,
                data=request(fields=[("X-Beta", "1")])).start()
    r = until(p, *rollout.ENDED)
    load.wait(20)
    load.stop()
    assert r["phase"] == "rolled_back"
    assert "limit 1 %" in reason_of(r, "rollback")
    assert "v2: 100 % errors of" in reason_of(r, "rollback")
    assert r["verdict"] == "fail"
    assert r["reason"] == reason_of(r, "rollback")
    failed = [d for d in load.done if d.status == 500]
    assert failed and len(load.failures()) == len(failed)
    assert (failed[-1].ended - failed[0].ended < 1
            or int(re.search(r"errors of (\d+)", reason_of(
                r, "rollback")).group(1)) < 200)
    assert weights(p) == {"v1": 1, "v2": 0}
    # a rollback is not rolled back, and nothing else follows
    assert actions(r)[-1] == "rolled back"
    assert actions(r).count("rollback") == 1


def test_the_rollback_begins_within_a_second_of_the_first_error(
        begin, app, loop, ports):
    """Once the candidate turns bad, its errors are few and quickly over."""
    import pods as pods_module
    bad = []
    errors = []

    def respond(asked):
        del asked
        if not bad:
            return app_answer("2")
        errors.append(time.time())
        return answer(500)
    b = pods_module.Pod(loop, ports.reserve(), respond)
    try:
        p = begin({"v1": [app("1").port for _ in range(2)], "v2": [b.port]},
                  canary={"steps": [{"weight": 20, "hold": "1h"}],
                          "gates": {"window": "1m", "min_requests": 50,
                                    "max_error_rate": "1%"}})
        load = Load(p.port, connections=8).start()
        start(p)
        until_weight(p, .2)
        load.wait(500)
        bad.append(True)
        r = until(p, "rolled_back")
        load.stop()
    finally:
        b.stop()
    turned = next(d["time"] for d in r["decisions"]
                  if d["action"] == "rollback")
    turned = datetime.datetime.fromisoformat(
        turned.replace("Z", "+00:00")).timestamp()
    # on a machine that hardly serves anything, by what was needed to judge
    assert turned - errors[0] < 1 or len(errors) < 50, (
        turned - errors[0], len(errors))
    assert "limit 1 %" in reason_of(r, "rollback")


def test_a_good_version_with_few_errors_goes_on(begin, app, pod):
    """One error in a hundred is no evidence against a limit of 5 %."""
    n = [0]

    def respond(asked):
        del asked
        n[0] += 1
        return answer(500) if n[0] % 100 == 50 else app_answer("2")
    p = begin({"v1": [app("1").port], "v2": [pod(respond).port]},
              canary={"steps": [{"weight": 50, "hold": "300ms"}],
                      "gates": {"min_requests": 200, "window": "1m",
                                "max_error_rate": "5%"}})
    load = Load(p.port, connections=4).start()
    start(p)
    r = until(p, *rollout.ENDED)
    load.stop()
    assert r["phase"] == "done", r
    assert "v2: 1" in reason_of(r, "promote") or "v2: 0." in reason_of(
        r, "promote")


def test_no_traffic_is_no_data(fixed):
    """It holds, and goes on when requests have come."""
    p = fixed(canary=QUICK["canary"])
    start(p)
    wait_for(lambda: "hold" in actions(now(p)), "it holds")
    r = now(p)
    assert r["phase"] == "progressing" and r["verdict"] == "no_data"
    assert reason_of(r, "hold") == "v2: 0 of 10 requests seen"
    assert actions(r).count("hold") == 1
    load = Load(p.port, connections=4).start()
    assert until(p, *rollout.ENDED)["phase"] == "done"
    load.stop()
    assert load.failures() == []


@pytest.mark.parametrize("then", ["advance", "rollback"])
def test_what_no_data_leads_to(fixed, then):
    p = fixed(canary={**QUICK["canary"], "on_no_data": then})
    start(p)
    r = until(p, *rollout.ENDED)
    assert r["phase"] == ("done" if then == "advance" else "rolled_back")


def test_a_failed_gate_may_pause(begin, app, pod):
    p = begin({"v1": [app("1").port], "v2": failing(pod)},
              canary={"steps": [{"weight": 50, "hold": "1h"}],
                      "on_fail": "pause",
                      "gates": {"min_requests": 10, "max_error_rate": "1%"}})
    start(p)
    until_weight(p, .5)
    Load(p.port, 2, 40).run()
    r = until(p, "paused")
    assert "limit 1 %" in reason_of(r, "pause")
    assert weights(p) == {"v1": .5, "v2": .5}
    # going on needs new evidence, which there is soon
    verb(p, "resume")
    assert until(p, "progressing")["verdict"] == "no_data"
    Load(p.port, 2, 40).run()
    until(p, "paused")
    # a person may go past it
    verb(p, "promote")
    assert until(p, *rollout.ENDED)["phase"] == "done"


def test_an_increase_over_stable_counts(begin, app, pod):
    """Both fail for the same clients: that is not the candidate's doing."""
    def half(version):
        n = [0]

        def respond(asked):
            del asked
            n[0] += 1
            return answer(500) if n[0] % 2 else app_answer(version)
        return respond
    p = begin({"v1": [pod(half("1")).port], "v2": [pod(half("2")).port]},
              canary={"steps": [{"weight": 50, "hold": "300ms"}],
                      "gates": {"min_requests": 50, "window": "1m",
                                "max_error_rate": "100%",
                                "max_error_increase": "30%"}})
    load = Load(p.port, connections=3).start()
    start(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    load.stop()


def test_latency_counts(begin, app, pod):
    async def slow(asked):
        del asked
        await asyncio.sleep(.03)
        return app_answer("2")
    p = begin({"v1": [app("1").port], "v2": [pod(slow).port]},
              canary={"steps": [{"weight": 50, "hold": "1h"}],
                      "gates": {"min_requests": 20, "window": "10s",
                                "max_p99": "15ms"}})
    start(p)
    until_weight(p, .5)
    load = Load(p.port, connections=4).start()
    r = until(p, *rollout.ENDED)
    load.stop()
    assert r["phase"] == "rolled_back"
    assert "p99" in reason_of(r, "rollback")
    assert "limit 15.0 ms" in reason_of(r, "rollback")
    assert load.failures() == []


# pods

def test_pods_that_never_get_ready(begin, app, pod):
    p = begin({"v1": [app("1").port], "v2": [pod(lambda _: answer(503)).port]},
              {"health": OFTEN}, progress_deadline="300ms",
              rolling={"min_ready": "0s"})
    p.wait_pods("v2", down=1)
    load = Load(p.port, connections=4).start()
    for strategy in ("canary", "blue_green", "rolling"):
        start(p, strategy=strategy)
        r = until(p, *rollout.ENDED)
        assert r["phase"] == "rolled_back"
        assert "0 of 1 pods are ready" in reason_of(r, "rollback")
        assert "progressing" not in actions(r)
    load.stop()
    assert load.failures() == [] and load.versions().keys() == {"1"}


def test_processes_that_cannot_start(begin, app):
    p = begin({"v1": [app("1").port],
               "v2": {"launch": {"command": ["/bin/false"], "replicas": 2}}},
              progress_deadline="500ms", rolling={"min_ready": "0s"})
    start(p, strategy="rolling")
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "rolled_back", r
    assert served(p) == {"1"}
    wait_for(lambda: p.version("v2")["pods"] == [], "nothing is left")


@pytest.mark.parametrize("strategy", [
    "recreate", "rolling", "blue_green", "canary", "ab"])
def test_starts_that_fail_end_it_with_the_reason(begin, app, strategy):
    """Long before the deadline, and in the words of the launcher."""
    p = begin({"v1": [app("1").port],
               "v2": {"launch": {"command": ["/bin/sh", "-c", "exit 3"],
                                 "backoff": {"min": "1ms", "max": "10ms"}}}},
              progress_deadline="1h", rolling={"min_ready": "0s"},
              ab={"match": {"path": "/b"}})
    start(p, strategy=strategy)
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "rolled_back", r
    assert "have failed" in r["reason"] and "status 3" in r["reason"], r
    assert served(p) == {"1"}


def test_a_share_of_the_starts_may_fail(begin, app):
    """Two of four: the third that fails is one too many."""
    p = begin({"v1": [app("1").port],
               "v2": {"launch": {"command": ["/bin/sh", "-c", "exit 3"],
                                 "replicas": 4,
                                 "backoff": {"min": "1ms", "max": "10ms"}}}},
              progress_deadline="1h",
              rolling={"min_ready": "0s", "max_failed": "74%"})
    start(p, strategy="rolling")
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "rolled_back", r
    assert re.search(r"\b([3-9]|\d\d+) starts of pods have failed, "
                     r"max_failed allows 2;", r["reason"]), r


def test_rolling_by_shares_of_the_pods(begin, app):
    """A reload brings others, a restart keeps them."""
    p = begin({"v1": [app("1").port for _ in range(4)],
               "v2": [app("2").port for _ in range(4)]},
              rolling={"min_ready": "1h", "max_surge": "26%"})
    release = p.config["services"]["shop"]["release"]
    start(p, strategy="rolling")
    until_weight(p, 2 / 6)  # 1.04 of 4 pods are 2
    release["rolling"].update(max_surge="75%")
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    until_weight(p, 3 / 7)
    assert "terms" in actions(now(p))
    restart(p)
    until_weight(p, 3 / 7)
    release["rolling"].update(max_unavailable="49%")
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    until_weight(p, 4 / 7)  # 1.96 are 1: one of v1 goes, one of v2 comes
    release["rolling"].update(min_ready="0s")
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert until(p, *rollout.ENDED)["phase"] == "done"


def test_a_program_that_is_gone_is_no_candidate(begin, app, tmp_path):
    """Said before an old pod is stopped for it."""
    program = tmp_path / "app"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    p = begin({"v1": [app("1").port],
               "v2": {"launch": {"command": [str(program)]}}})
    program.unlink()
    status, told = p.api("POST", "/api/v1/services/shop/rollouts",
                         {"to": "v2", "strategy": "recreate"})
    assert status == 409 and "cannot be launched" in told["error"], told
    assert "No such file" in told["error"]
    assert now(p) is None and served(p) == {"1"}


def test_candidates_pods_die_under_way(begin, app):
    """No share goes to a version without a ready pod."""
    one, two = app("1"), app("2")
    p = begin({"v1": [one.port], "v2": [two.port]},
              {"health": OFTEN, "retry": {"attempts": 1, "version": "any"}},
              **SLOW)
    p.wait_pods("v1", up=1)
    p.wait_pods("v2", up=1)
    start(p)
    until_weight(p, .1)
    two.kill()
    until_weight(p, 0)
    assert reason_of(now(p), "step 1 of 1: weight 0 %") == (
        "0 of 1 pods of v2 are ready")
    two.start()
    until_weight(p, .1)
    two.kill()
    verb(p, "abort")
    assert until(p, *rollout.ENDED)["phase"] == "rolled_back"
    assert served(p) == {"1"}


# verbs

def test_pause_and_resume(fixed):
    p = fixed(canary={"steps": [{"weight": 10, "hold": "2s"},
                                {"weight": 20, "hold": "100ms"}],
                      "gates": "off"})
    start(p)
    until_weight(p, .1)
    verb(p, "pause")
    verb(p, "pause")
    assert now(p)["phase"] == "paused"
    end = time.monotonic() + 2.1
    while time.monotonic() < end:
        assert weights(p)["v2"] == .1
    r = verb(p, "resume")
    assert r["phase"] == "progressing" and weights(p)["v2"] == .1
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "done" and actions(r).count("pause") == 1
    assert r["paused_ms"] >= 2100
    code, answer_ = rollout.post(p, "resume")
    assert code == 409 and "under way" in answer_["error"]


def test_what_is_over_keeps_the_step_that_it_reached(fixed):
    """Done, rolled back, and with a strategy that has none."""
    p = fixed(canary={"steps": [{"weight": 10, "pause": True},
                                {"weight": 20, "pause": True},
                                {"weight": 30}], "gates": "off"},
              blue_green={"keep_old": "0s"})
    start(p)
    until(p, "paused")
    verb(p, "promote")
    until(p, "paused")
    verb(p, "abort")
    r = until(p, *rollout.ENDED)
    assert (r["phase"], r["step"], r["steps"]) == ("rolled_back", 2, 3)
    told = p.cli("rollout", "status", "shop", check=True).stdout
    assert "rolled_back at step 2 of 3: aborted" in told, told
    # also when it comes back from the store
    restart(p)
    assert now(p)["step"] == 2 and now(p)["steps"] == 3
    start(p)
    until(p, "paused")
    verb(p, "promote", full=True)
    r = until(p, *rollout.ENDED)
    assert (r["phase"], r["step"], r["steps"]) == ("done", 3, 3)
    start(p, "v1", "blue_green")
    r = until(p, *rollout.ENDED)
    assert (r["phase"], r["step"], r["steps"]) == ("done", 0, 0)
    assert p.status()["rollout"]["step"] == 0
    told = p.cli("rollout", "status", "shop", check=True).stdout
    assert "step" not in told, told


@pytest.mark.parametrize("strategy", ["canary", "blue_green", "ab"])
def test_nothing_is_said_of_gates_where_there_are_none(fixed, strategy):
    p = fixed(canary={"steps": [{"weight": 10, "hold": "1h"}],
                      "gates": "off"},
              blue_green=SLOW["blue_green"], ab=SLOW["ab"])
    start(p, strategy=strategy)
    r = until(p, "progressing")
    assert not r["gated"] and r["verdict"] == "no_data"
    assert p.status()["rollout"]["gated"] is False
    for words in [r["reason"], *(d["reason"] for d in r["decisions"])]:
        assert "requests" not in words and "v2: " not in words, r
    if strategy == "canary":
        wait_for(lambda: re.fullmatch(r"3\d\d\d s to go", now(p)["reason"]),
                 "it says only how long")
    told = p.cli("rollout", "status", "shop", check=True).stdout
    assert "no_data" not in told and "requests" not in told, told
    verb(p, "abort")
    assert not until(p, *rollout.ENDED)["gated"]


def test_a_step_waits_for_a_person(fixed):
    p = fixed(canary={"steps": [{"weight": 10, "pause": True},
                                {"weight": 20, "pause": True}],
                      "gates": "off"})
    start(p)
    r = until(p, "paused")
    assert reason_of(r, "pause") == "waiting to be promoted"
    assert weights(p)["v2"] == .1
    assert verb(p, "promote")["step"] == 2
    until(p, "paused")
    assert weights(p)["v2"] == .2
    verb(p, "resume")
    assert until(p, *rollout.ENDED)["phase"] == "done"


def test_promote_step_by_step_and_full(fixed):
    steps = [{"weight": w, "hold": "1h"} for w in (1, 2, 3, 4)]
    p = fixed(canary={"steps": steps})
    start(p)
    until_weight(p, .01)
    assert verb(p, "promote")["step"] == 2
    assert weights(p)["v2"] == .02
    verb(p, "promote", full=True)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    assert weights(p)["v2"] == 1


def test_paused_then_promoted(fixed):
    p = fixed(**SLOW)
    start(p)
    until_weight(p, .1)
    verb(p, "pause")
    verb(p, "promote")
    assert until(p, *rollout.ENDED)["phase"] == "done"


def test_blue_green_waits_and_keeps(fixed):
    p = fixed(blue_green={"auto_promote": False, "keep_old": "1h",
                          "preview": {"header": {"X-Preview": "1"}}})
    start(p, strategy="blue_green")
    r = until(p, "paused")
    assert "the clients of preview are led to it" in actions(r)
    assert served(p) == {"1"}
    assert get(p.port, fields=[("X-Preview", "1")]).json()[
        "appVersion"] == "2"
    verb(p, "promote")
    assert weights(p) == {"v1": 0, "v2": 1} and served(p) == {"2"}
    assert p.status()["stable"] == "v1"
    verb(p, "promote")
    assert until(p, *rollout.ENDED)["phase"] == "done"
    assert p.status()["stable"] == "v2"


def test_ab_leads_its_clients(fixed):
    p = fixed(**SLOW)
    start(p, strategy="ab")
    until(p, "progressing")
    wait_for(lambda: get(p.port, fields=[("X-Beta", "1")]).json()[
        "appVersion"] == "2", "they are led")
    assert served(p) == {"1"} and weights(p) == {"v1": 1, "v2": 0}
    verb(p, "abort")
    assert get(p.port, fields=[("X-Beta", "1")]).json()["appVersion"] == "1"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_undo(fixed, strategy):
    p = fixed(**{**SLOW, "strategy": strategy,
                 "rolling": {"min_ready": "20ms"}})
    start(p)
    if strategy != "recreate":  # which waits for nothing
        assert rollout.post(p, "undo")[0] == 409
        verb(p, "promote", full=True)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    load = Load(p.port, connections=4).start()
    verb(p, "undo")
    r = until(p, *rollout.ENDED)
    load.stop()
    assert r["phase"] == "done" and actions(r)[0] == "undo"
    assert (r["from"], r["to"]) == ("v2", "v1")
    assert load.failures() == [] and served(p) == {"1"}
    assert p.status()["stable"] == "v1"
    # and the other way
    verb(p, "undo")
    assert until(p, *rollout.ENDED)["to"] == "v2"


def test_another_start_replaces_the_candidate(begin, app):
    p = begin({f"v{i}": [app(str(i)).port] for i in (1, 2, 3)}, **SLOW)
    load = Load(p.port, connections=4).start()
    start(p)
    until_weight(p, .1)
    start(p, "v3")
    until_weight(p, .1, "v3")
    load.stop()
    assert load.failures() == []
    assert weights(p) == {"v1": .9, "v2": 0, "v3": .1}
    new, old = history(p)
    assert (new["from"], new["to"], new["phase"]) == ("v1", "v3",
                                                      "progressing")
    assert old["phase"] == "rolled_back"
    assert "superseded by a rollout to v3" in old["reason"]
    verb(p, "abort")
    until(p, "rolled_back")
    assert weights(p) == {"v1": 1, "v2": 0, "v3": 0}


def test_others_keep_their_share(begin, app):
    p = begin({f"v{i}": [app(str(i)).port] for i in (1, 2, 3)},
              {"weights": {"v1": 70, "v2": 0, "v3": 30}}, **SLOW)
    start(p)
    until_weight(p, .07)
    assert weights(p) == {"v1": .63, "v2": .07, "v3": .3}
    verb(p, "promote", full=True)
    until(p, "done")
    assert weights(p) == {"v1": 0, "v2": .7, "v3": .3}


def test_who_is_led_to_the_candidate_before_keeps_its_pods(begin, app):
    """Rules have all of its pods run already: a step of 10 % takes none."""
    p = begin({"v1": [app("1").port], "v2": rollout.launched("2", 3)},
              {"health": OFTEN,
               "rules": [{"match": {"header": {"X-Beta": "1"}},
                          "version": "v2"}]}, **SLOW)
    p.wait_pods("v2", up=3)
    start(p)
    until_weight(p, .1)
    assert len(p.version("v2")["pods"]) == 3
    verb(p, "abort")
    until(p, "rolled_back")
    p.wait_pods("v2", up=3)


def test_a_share_is_exact(fixed):
    p = fixed(canary={"steps": [{"weight": 0.01, "hold": "1h"},
                                {"weight": 12.34, "hold": "1h"}]})
    start(p)
    until_weight(p, .0001)
    verb(p, "promote")
    until_weight(p, .1234)
    Load(p.port, 8, 5000).run()
    assert p.version("v2")["requests"] == pytest.approx(617, abs=1)


def test_a_ramp_grows(fixed):
    p = fixed(canary={"steps": [{"weight": 100, "hold": "2s",
                                 "ramp": True}], "gates": "off"})
    seen = []
    start(p)
    while now(p)["phase"] not in rollout.ENDED:
        seen.append(weights(p)["v2"])
    assert seen == sorted(seen)
    assert {w for w in seen if 0 < w < 1}, seen
    assert actions(now(p)).count("hold") == 0
    shares = [a for a in actions(now(p)) if "step 1 of 1: weight" in a]
    assert len(shares) == 1, shares


REFUSED = [
    ({"to": "v9"}, "no version \"v9\""),
    ({"to": "v1"}, "v1 is the stable version of shop already"),
    ({"to": "v3"}, "v3 has neither pods nor launch"),
    ({"to": "v2", "strategy": "magic"},
     "there is: recreate, rolling, blue_green, canary, ab"),
    ({"to": "v2", "strategy": "ab"}, "release.ab has none"),
]


@pytest.mark.parametrize("body,words", REFUSED)
def test_refused(begin, app, body, words):
    p = begin({"v1": [app("1").port], "v2": [app("2").port], "v3": []})
    code, answer_ = rollout.post(p, None, body)
    assert code in (400, 404, 409) and words in answer_["error"], answer_
    assert p.status()["rollout"] is None and history(p) == []
    for name in ("pause", "resume", "promote", "undo"):
        assert rollout.post(p, name)[0] == 409
    assert rollout.post(p, "abort")[0] == 200


def test_weights_belong_to_the_rollout(fixed):
    p = fixed(**SLOW)
    start(p)
    until_weight(p, .1)
    code, wrong = p.api("PUT", "/api/v1/services/shop/weights", {"v2": 50})
    assert code in (400, 409)
    assert wrong["error"] == ("a rollout to v2 is progressing: abort it or "
                              "let it end")
    assert weights(p)["v2"] == .1
    code, wrong = rollout.post(p, None, {"to": "v2"})
    assert code == 409 and "progressing already" in wrong["error"]
    verb(p, "abort")
    until(p, "rolled_back")
    assert p.api("PUT", "/api/v1/services/shop/weights", {"v2": 50})[0] == 200


def test_cookies_of_a_rolled_back_candidate_are_void(fixed):
    p = fixed({"sticky": {"cookie": "stick"}},
              canary={"steps": [{"weight": 50, "hold": "1h"}]})

    def cookie_of(version):
        while True:
            r = get(p.port)
            if r.json()["appVersion"] == version:
                return r.get("Set-Cookie").split(";")[0]
    start(p)
    until_weight(p, .5)
    kept = [("Cookie", cookie_of("2"))]
    assert get(p.port, fields=kept).json()["appVersion"] == "2"
    verb(p, "abort")
    assert get(p.port, fields=kept).json()["appVersion"] == "1"


def test_it_is_seen_from_outside(fixed):
    p = fixed(**QUICK)
    assert "shunt_rollout_phase" not in p.metrics()
    load = Load(p.port, connections=4).start()
    start(p)
    m = p.metrics()
    assert sum(m["shunt_rollout_phase"].values()) == 1
    assert len(m["shunt_rollout_phase"]) == 8
    until(p, "done")
    load.stop()
    m = p.metrics()
    assert m["shunt_rollout_phase"]['service="shop",phase="done"'] == 1
    assert m["shunt_rollout_step"]['service="shop"'] == 2
    ended = m["shunt_rollouts_total"]
    assert ended['service="shop",outcome="done"'] == 1
    assert ended['service="shop",outcome="failed"'] == 0
    told = [line for line in p.stderr().splitlines() if "rollout of" in line]
    assert any("progressing -> promoting" in line for line in told)
    assert any("step 2 of 2: weight 50 %: v2: 0 % errors of" in line
               for line in told), told
    assert p.status()["rollout"]["phase"] == "done"
