"""Releases outlive the process and reloads; hooks and windows hold them."""
import copy
import datetime
import json
import signal
import sqlite3

import pytest

import rollout
from client import Client, Load, get, request
from harness import wait_for
from pods import answer
from rollout import (actions, history, now, reason_of, released, start, until,
                     until_weight, verb, weights)
from test_rollouts import OFTEN, SLOW, begin, fixed, served

__all__ = ["begin", "fixed"]


def kill(p, edit=None):
    """As a crash would; then it is started again."""
    p.process.kill()
    p.process.wait()
    if edit:
        edit(p)
    p.start()


def terms(p, **options):
    """Other terms of release in the file."""
    p.config["services"]["shop"]["release"].update(options)
    p.write(p.config)


def reload(p):
    code, words = p.api("POST", "/api/v1/reload")
    assert code == 200, words


def state_of(p):
    return sqlite3.connect(p.config["state"])


def to_starting(p):
    start(p, strategy="blue_green")
    return until(p, "starting")


def to_progressing(p):
    start(p)
    until_weight(p, .1)
    return until(p, "progressing")


def to_paused(p):
    to_progressing(p)
    verb(p, "pause")
    return now(p)


HUNG = {
    "starting": to_starting,
    "progressing": to_progressing,
    "paused": to_paused,
    "promoting": to_progressing,
    "rolling_back": to_progressing,
}


class Moody:
    """Pods of one version, well or not."""

    def __init__(self, pod, version, well=True):
        self.well = well
        self.version = version
        self.ports = [pod(self.respond).port for _ in range(2)]

    def respond(self, asked):
        if asked.target == "/healthz" and not self.well:
            return answer(503)
        return answer(200, json.dumps({"appVersion": self.version}))


@pytest.mark.parametrize("phase", HUNG)
def test_killed_in_every_phase(begin, pod, phase):
    """It goes on where it was, twice; then it can be ended as ever."""
    old, new = Moody(pod, "1"), Moody(pod, "2", phase != "starting")
    p = begin({"v1": old.ports, "v2": new.ports},
              {"health": {**OFTEN, "path": "/healthz"}},
              **SLOW)
    p.wait_pods("v1", up=2)
    if new.well:
        p.wait_pods("v2", up=2)
    HUNG[phase](p)
    if phase == "promoting":  # with no candidate to promote
        new.well = False
        p.wait_pods("v2", down=2)
        verb(p, "promote", full=True)
    if phase == "rolling_back":  # with nobody to roll back to
        old.well = False
        p.wait_pods("v1", down=2)
        verb(p, "abort")
    until(p, phase)
    share = {"progressing": .1, "paused": .1, "rolling_back": 1}.get(phase, 0)
    for _ in range(2):
        until_weight(p, share)
        kill(p)
        r = now(p)
        assert (r["id"], r["phase"], r["from"], r["to"]) == (
            1, phase, "v1", "v2")
        assert p.status()["stable"] == "v1"
        assert sum(weights(p).values()) == 1
    assert actions(now(p)).count("restart") == 2
    old.well = True
    verb(p, "abort")
    assert until(p, *rollout.ENDED)["phase"] == "rolled_back"
    assert weights(p) == {"v1": 1, "v2": 0}
    assert served(p) == {"1"}
    kill(p)
    assert [r["phase"] for r in history(p)] == ["rolled_back"]
    assert weights(p) == {"v1": 1, "v2": 0}


def test_killed_while_closed(begin, app, pod):
    """No version gets a request before the release says so again."""
    p = begin({"v1": [app("1").port], "v2": [pod(lambda _: answer(503)).port]},
              {"health": OFTEN}, recreate={"park": "20s"})
    p.wait_pods("v1", up=1)
    start(p, strategy="recreate")
    wait_for(lambda: "of 1 pods are ready" in now(p)["reason"], "closed")
    kill(p)
    assert now(p)["phase"] == "starting"
    count = p.version("v1")["requests"]
    with Client(p.port) as c:
        c.send(request())
        wait_for(lambda: sum(p.metrics().get("shunt_parked", {0: 1}).values()),
                 "it waits")
        assert p.version("v1")["requests"] == count
        verb(p, "abort")
        assert c.response().json()["appVersion"] == "1"
    assert until(p, *rollout.ENDED)["phase"] == "rolled_back"


def test_killed_after_the_end(fixed):
    """Stable and weights are those of the release, until the file says
    otherwise."""
    p = fixed(**SLOW)
    start(p)
    until_weight(p, .1)
    verb(p, "promote", full=True)
    until(p, "done")

    def check(stable, v2):
        assert p.status()["stable"] == stable
        assert weights(p)["v2"] == v2
        assert now(p)["phase"] == "done"
    kill(p)
    check("v2", 1)
    reload(p)
    check("v2", 1)
    verb(p, "undo")
    assert until(p, *rollout.ENDED)["phase"] == "done"
    check("v1", 0)
    kill(p)
    check("v1", 0)
    verb(p, "undo")
    until(p, "done")
    wait_for(lambda: p.status()["stable"] == "v2", "undone")
    # the file follows, as people do who keep it in version control
    shop = p.config["services"]["shop"]
    shop["stable"] = "v2"
    shop["weights"] = {"v1": 0, "v2": 100}
    p.write(p.config)
    reload(p)
    check("v2", 1)
    # and its own word counts again
    shop["stable"] = "v1"
    shop["weights"] = {"v1": 100, "v2": 0}
    p.write(p.config)
    reload(p)
    check("v1", 0)
    kill(p)
    check("v1", 0)
    assert [r["id"] for r in history(p)] == [3, 2, 1]


@pytest.mark.parametrize("then,phase", [("rollback", "rolled_back"),
                                        ("pause", "paused"),
                                        ("continue", "progressing")])
def test_what_a_restart_leads_to(fixed, then, phase):
    p = fixed(**SLOW, on_restart=then)
    start(p)
    until_weight(p, .1)
    kill(p)
    r = until(p, phase)
    assert weights(p)["v2"] == (0 if then == "rollback" else .1)
    assert "restart" in actions(r)
    if then == "pause":
        kill(p)
        assert now(p)["phase"] == "paused"
        verb(p, "resume")
        assert until(p, "progressing")


def test_a_canary_ends_after_a_kill(fixed):
    p = fixed(canary={"steps": [{"weight": 10, "hold": "300ms"},
                                {"weight": 50, "hold": "300ms"}],
                      "gates": {"min_requests": 20,
                                "max_error_rate": "1%"}})
    start(p)
    until_weight(p, .1)
    kill(p)
    load = Load(p.port, connections=4).start()
    assert until(p, *rollout.ENDED)["phase"] == "done"
    load.stop()
    assert load.failures() == []


def test_killed_with_launched_pods(begin):
    p = begin({"v1": rollout.launched("1", 2), "v2": rollout.launched("2", 2)},
              {"health": OFTEN}, **SLOW)
    p.wait_pods("v1", up=2)
    start(p)
    until_weight(p, .1)
    p.wait_pods("v2", up=1)
    kill(p)
    p.wait_pods("v1", up=2)
    p.wait_pods("v2", up=1)
    assert now(p)["phase"] == "progressing" and len(
        p.version("v2")["pods"]) == 1
    until_weight(p, .1)
    verb(p, "promote", full=True)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    p.wait_pods("v2", up=2)


def test_a_stop_is_no_end(fixed):
    p = fixed(**SLOW)
    start(p)
    until_weight(p, .1)
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    p.start()
    assert now(p)["phase"] == "progressing" and weights(p)["v2"] == .1


BROKEN = ["strategy = 'magic'", "phase = 'nowhere'", "stage = 99",
          "share = 2000000", "new_replicas = 1 << 40", "lead = 7",
          "paused_by = 9", "from_version = ''"]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_row_that_cannot_be_read(fixed, broken):
    """The stable version gets everything, and it is said."""
    p = fixed(**SLOW)
    start(p)
    until_weight(p, .1)

    def edit(p):
        db = state_of(p)
        db.execute(f"UPDATE rollouts SET {broken}")
        db.commit()
        db.close()
    kill(p, edit)
    r = now(p)
    assert r["phase"] == "failed" and r["ended"]
    assert "cannot be read" in reason_of(r, "fail")
    if "from_version" not in broken:
        assert weights(p) == {"v1": 1, "v2": 0}
    kill(p)
    assert now(p)["phase"] == "failed"
    assert actions(now(p)).count("fail") == 1
    start(p)
    assert now(p)["id"] == 2


def test_without_a_state_file(proxy, app):
    s = released({"v1": [app("1").port], "v2": [app("2").port]},
                 canary=SLOW["canary"])
    p = proxy({"services": {"shop": s}})
    for i in range(3):
        start(p)
        until_weight(p, .1)
        verb(p, "abort")
        until(p, "rolled_back")
    assert [r["id"] for r in history(p)] == [3, 2, 1]
    kill(p)
    assert history(p) == [] and weights(p) == {"v1": 1, "v2": 0}


# reloads

def test_reloads_under_way_change_nothing(fixed):
    p = fixed(**SLOW)
    load = Load(p.port, connections=4).start()
    start(p)
    until_weight(p, .1)
    for _ in range(5):
        reload(p)
        assert weights(p) == {"v1": .9, "v2": .1}
    assert now(p)["phase"] == "progressing"
    assert "terms" not in actions(now(p))
    load.stop()
    assert load.failures() == []


def test_weights_edited_under_way(fixed):
    """What the two have together is the file's; how they share it is not."""
    p = fixed(**SLOW)
    start(p)
    until_weight(p, .1)
    p.config["services"]["shop"]["weights"] = {"v1": 30, "v2": 170}
    p.write(p.config)
    reload(p)
    assert weights(p) == {"v1": .9, "v2": .1}
    kill(p)
    assert weights(p) == {"v1": .9, "v2": .1}


def test_a_candidate_that_leaves_the_file(fixed):
    p = fixed(**SLOW)
    start(p)
    until_weight(p, .1)
    p.config["services"]["shop"]["versions"].pop("v2")
    p.write(p.config)
    load = Load(p.port, connections=4).start()
    reload(p)
    r = until(p, *rollout.ENDED)
    load.stop()
    assert r["phase"] == "failed"
    assert r["reason"] == "v2 is no longer in the config"
    assert load.failures() == [] and weights(p) == {"v1": 1}


def test_a_candidate_that_leaves_while_closed(begin, app, pod):
    p = begin({"v1": [app("1").port], "v2": [pod(lambda _: answer(503)).port]},
              {"health": OFTEN}, recreate={"park": "20s"})
    p.wait_pods("v1", up=1)
    start(p, strategy="recreate")
    wait_for(lambda: "of 1 pods are ready" in now(p)["reason"], "closed")
    with Client(p.port) as c:
        c.send(request())
        p.config["services"]["shop"]["versions"].pop("v2")
        p.write(p.config)
        reload(p)
        assert c.response().json()["appVersion"] == "1"
    assert until(p, *rollout.ENDED)["phase"] == "failed"


def test_a_service_that_leaves_the_file(proxy, app, tmp_path):
    both = {name: released({"v1": [app("1").port], "v2": [app("2").port]},
                           **copy.deepcopy({"canary": SLOW["canary"]}))
            for name in ("shop", "other")}
    both["other"]["routes"] = [{"path": "/other"}]
    p = proxy({"state": str(tmp_path / "s.db"), "services": both})
    start(p)
    until_weight(p, .1)
    shop = p.config["services"].pop("shop")
    p.write(p.config)
    reload(p)
    assert p.api("GET", "/api/v1/services/shop/rollout")[0] == 404
    p.config["services"]["shop"] = shop
    p.write(p.config)
    reload(p)
    r = now(p)
    assert r["phase"] == "failed"
    assert r["reason"] == "the service is no longer in the config"
    assert weights(p) == {"v1": 1, "v2": 0}


def test_other_terms(fixed):
    """Fewer steps: it goes on with the last one."""
    p = fixed(canary={"steps": [{"weight": w, "hold": "1h"}
                                for w in (1, 2, 3)]})
    start(p)
    verb(p, "promote")
    verb(p, "promote")
    until_weight(p, .03)
    terms(p, canary={"steps": [{"weight": 7, "hold": "1h"}]})
    reload(p)
    until_weight(p, .07)
    r = now(p)
    assert "goes on with the last one" in reason_of(r, "terms")
    assert (r["step"], r["steps"]) == (1, 1)
    terms(p, canary={"steps": [{"weight": 7, "hold": "0s"}], "gates": "off"})
    reload(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"


def test_the_file_names_another_stable_version(begin, app):
    p = begin({f"v{i}": [app(str(i)).port] for i in (1, 2, 3)}, **SLOW)
    start(p)
    until_weight(p, .1)
    p.config["services"]["shop"]["stable"] = "v3"
    p.write(p.config)
    reload(p)
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "rolled_back"
    assert "names v3" in reason_of(r, "rollback")
    assert p.status()["stable"] == "v3"
    assert weights(p) == {"v1": 0, "v2": 0, "v3": 1}
    kill(p)
    assert weights(p) == {"v1": 0, "v2": 0, "v3": 1}


def test_the_file_names_the_candidate_stable(begin, app):
    p = begin({f"v{i}": [app(str(i)).port] for i in (1, 2)}, **SLOW)
    start(p)
    until_weight(p, .1)
    p.config["services"]["shop"]["stable"] = "v2"
    p.write(p.config)
    reload(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    verb(p, "abort")
    assert p.status()["stable"] == "v2"
    assert weights(p) == {"v1": 0, "v2": 1}


# windows

def closed_now():
    """A day that is neither today nor tomorrow."""
    day = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(3)
    return day.strftime("%a").lower()


def test_steps_wait_for_a_window(fixed):
    p = fixed(canary={"steps": [{"weight": 10, "hold": "0s"}], "gates": "off"},
              only=[closed_now() + " 00:00-24:00 UTC"])
    start(p)
    wait_for(lambda: "hold" in actions(now(p)), "it holds")
    assert "windows of only" in reason_of(now(p), "hold")
    assert weights(p)["v2"] == 0
    terms(p, only=["00:00-24:00"])
    reload(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    # a rollback may happen always
    terms(p, only=[closed_now()])
    reload(p)
    verb(p, "undo")
    assert until(p, *rollout.ENDED)["phase"] == "done"
    wait_for(lambda: weights(p)["v2"] == 0, "undone")


# webhooks

class Hook:
    def __init__(self, pod, *statuses):
        self.statuses = list(statuses)
        self.pod = pod(self.respond)
        self.url = f"http://127.0.0.1:{self.pod.port}/hook?x=1"

    def respond(self, asked):
        del asked
        status = (self.statuses.pop(0) if len(self.statuses) > 1
                  else self.statuses[0])
        return answer(status)

    def told(self):
        return [json.loads(a.body) for a in list(self.pod.asked)]


def test_hooks_are_told(fixed, pod):
    hook = Hook(pod, 500)
    p = fixed(**SLOW, webhooks=[{"url": hook.url},
                                {"url": "http://127.0.0.1:1/nobody"}])
    start(p)
    until_weight(p, .1)
    verb(p, "abort")
    until(p, "rolled_back")
    wait_for(lambda: len(hook.told()) == 4, "told of four phases")
    told = hook.told()
    assert sorted(t["phase"] for t in told) == [
        "progressing", "rolled_back", "rolling_back", "starting"]
    for t in told:
        assert (t["service"], t["from"], t["to"], t["strategy"],
                t["rollout"]) == ("shop", "v1", "v2", "canary", 1)
    assert hook.pod.asked[0].method == "POST"
    assert hook.pod.asked[0].target == "/hook?x=1"
    assert "webhook http://127.0.0.1:1/nobody" in p.stderr()


@pytest.mark.parametrize("phase", ["starting", "progressing", "promoting",
                                   "done"])
def test_hooks_are_asked(fixed, pod, phase):
    hook = Hook(pod, 503, 200)
    p = fixed(canary={"steps": [{"weight": 10, "hold": "0s"}], "gates": "off"},
              webhooks=[{"url": hook.url, "phases": [phase], "wait": True,
                         "retry": "100ms"}])
    start(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    assert [t["phase"] for t in hook.told()] == [phase, phase]
    assert "a webhook is asked" in reason_of(now(p), "hold")


@pytest.mark.parametrize("phase", ["starting", "progressing", "promoting",
                                   "done"])
def test_a_hook_may_stop_it(fixed, pod, phase):
    hook = Hook(pod, 403)
    p = fixed(canary={"steps": [{"weight": 10, "hold": "0s"}], "gates": "off"},
              webhooks=[{"url": hook.url, "phases": [phase, "rolling_back"],
                         "wait": True}])
    start(p)
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "rolled_back"
    assert reason_of(r, "rollback") == "a webhook answered 403"
    assert weights(p) == {"v1": 1, "v2": 0}


def test_a_hook_that_never_answers(begin, app, ports):
    p = begin({"v1": [app("1").port], "v2": [app("2").port]},
              progress_deadline="500ms", rolling={"min_ready": "0s"},
              webhooks=[{"url": f"http://127.0.0.1:{ports.reserve()}/",
                         "phases": ["progressing"], "wait": True,
                         "retry": "100ms"}])
    start(p)
    r = until(p, *rollout.ENDED)
    assert r["phase"] == "rolled_back"
    assert "no webhook said yes" in reason_of(r, "rollback")
    assert get(p.port).json()["appVersion"] == "1"
