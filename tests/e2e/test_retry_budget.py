"""The budget of retries: over all workers, counted and told."""
from client import Load, Paced, get
from harness import PATIENCE, wait_for
from pods import answer, app_answer
from test_events import Listener

WORKERS = 2
START = 20 * WORKERS  # retries that no request has paid for


def count(p, name):
    return sum(p.metrics()[f"shunt_{name}"].values())


def broken(shop, pod, budget="10%", failure=None, **retry):
    """A proxy before two pods, each failing every request."""
    moods = []

    def respond(asked):
        del asked
        return failure if moods else app_answer("1")

    pods = [pod(respond), pod(respond)]
    p = shop({"v1": [x.port for x in pods]}, workers=WORKERS, service={
        "balance": "round_robin", "retry": {"budget": budget, **retry}})
    moods.append("bad")
    return p, moods


def test_all_workers_together(shop, pod):
    """However many connections, and whoever has them."""
    p, _ = broken(shop, pod)
    load = Load(p.port, 8, 1000).run()
    assert len(load.failures()) == 1000
    made, refused = count(p, "retries_total"), count(p, "retries_refused_total")
    assert made + refused == 1000
    assert 100 + START - 2 * WORKERS <= made <= 100 + START


def test_answers_that_failed(shop, pod):
    """With `on: [status]` these are retried, or refused, as well."""
    p, _ = broken(shop, pod, "0.01%", answer(500), on=["status"])
    load = Load(p.port, 4, START + 10).run()
    assert {status for status, _ in load.failures()} == {500}
    assert count(p, "retries_total") == START
    assert count(p, "retries_refused_total") == 10


def test_one_worker_may_use_it_all(shop, pod):
    p, _ = broken(shop, pod, "0.01%")
    load = Load(p.port, 1, START + 10).run()
    assert len(load.failures()) == START + 10
    assert count(p, "retries_total") == START
    assert count(p, "retries_refused_total") == 10


def test_told_when_spent_and_when_free(shop, pod):
    p, moods = broken(shop, pod, "50%")
    told = Listener(p, "/api/v1/events?after=0")
    budget = p.status()["retry_budget"]
    assert budget == {"spent": False, "left": START, "retries": 0,
                      "refused": 0}
    load = Paced(p.port, 200, 4).load.start()
    wait_for(lambda: p.status()["retry_budget"]["spent"], "it is spent")
    assert "its retry budget is spent" in p.cli(
        "status", "shop", check=True).stdout
    assert set(p.metrics()["shunt_retry_budget_spent"].values()) == {1}
    wait_for(lambda: p.status()["retry_budget"]["left"] == 0, "all of it")
    moods.clear()
    wait_for(lambda: not p.status()["retry_budget"]["spent"], "it is free",
             PATIENCE + 10)
    load.stop()
    assert "spent" not in p.cli("status", "shop", check=True).stdout
    budget = p.status()["retry_budget"]
    assert budget["left"] > START / 2
    assert budget["retries"] == count(p, "retries_total") > START
    assert budget["refused"] == count(p, "retries_refused_total") > 0
    spent, free = told.event(), told.event()
    assert told.nothing()
    told.close()
    assert spent["kind"] == free["kind"] == "retry_budget"
    assert (spent["service"], spent["from"], spent["to"]) == (
        "shop", "free", "spent")
    assert "the budget being 50% of the requests" in spent["reason"]
    assert (free["from"], free["to"]) == ("spent", "free")
    assert free["reason"].startswith(
        f"{budget['refused']} of {budget['refused'] + budget['retries']} ")
    log = p.stderr()
    assert log.count("retry budget of shop is spent") == 1
    assert log.count("retry budget of shop is free again") == 1


def test_what_is_owed_survives_a_reload(shop, pod):
    """As counters do; and a limit that is taken away ends it."""
    p, moods = broken(shop, pod, "0.01%")
    Load(p.port, 1, START + 10).run()
    p.config["services"]["shop"]["retry"]["budget"] = "0.02%"
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert get(p.port).status == 502
    assert p.status()["retry_budget"]["left"] == 0
    assert count(p, "retries_total") == START
    p.config["services"]["shop"]["retry"]["budget"] = "100%"
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert p.status()["retry_budget"]["left"] is None
    assert get(p.port).status == 502
    assert count(p, "retries_total") == START + 1
    moods.clear()


def test_what_was_never_to_be_retried_is_not_refused(shop, pod):
    p, _ = broken(shop, pod, "0%")
    assert len(Load(p.port, 2, 50).run().failures()) == 50
    assert count(p, "retries_refused_total") == 0
    budget = p.status()["retry_budget"]
    assert budget == {"spent": False, "left": 0, "retries": 0, "refused": 0}
    assert "retry budget" not in p.stderr()
