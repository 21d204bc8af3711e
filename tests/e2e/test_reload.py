"""SIGHUP and POST /api/v1/reload: the new file, or nothing at all."""
import copy
import os
import signal
import socket

import pytest

from client import Client, Load, get, request
from harness import service, wait_for
from pods import app_answer


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except OSError:
        return False


def reload(p, config, by="api"):
    """The new config is in force when this returns."""
    p.write(config)
    if by == "api":
        code, answer = p.api("POST", "/api/v1/reload")
        assert code == 200, answer
    else:
        p.signal(signal.SIGHUP)


@pytest.mark.parametrize("by", ["api", "hup"])
def test_listeners_come_and_go(shop, app, ports, by):
    p = shop({"v1": [app("1").port]})
    second = ports.reserve()
    both = copy.deepcopy(p.config)
    both["listen"].append({"address": f"127.0.0.1:{second}"})
    with Client(p.port) as old:
        assert old.ask().status == 200
        reload(p, both, by)
        wait_for(lambda: accepts(second), "the new listener accepts")
        assert get(second).status == 200 and get(p.port).status == 200
        only = copy.deepcopy(p.config)
        only["listen"] = [{"address": f"127.0.0.1:{second}"}]
        reload(p, only, by)
        wait_for(lambda: not accepts(p.port), "the old listener is gone")
        assert get(second).status == 200
        # Its connections live on.
        assert old.ask().status == 200
    reload(p, both, by)
    wait_for(lambda: accepts(p.port), "it accepts again")
    assert get(p.port).status == 200


def test_a_listener_that_goes_answers_its_queue(shop, app, ports):
    """Connections that the kernel had accepted before the reload."""
    p = shop({"v1": [app("1").port]})
    config = copy.deepcopy(p.config)
    config["listen"] = [{"address": f"127.0.0.1:{ports.reserve()}"}]
    p.write(config)
    p.signal(signal.SIGSTOP)
    clients = [Client(p.port) for _ in range(300)]
    for c in clients:
        c.send(request())
    p.signal(signal.SIGHUP)
    p.signal(signal.SIGCONT)
    assert [c.response().status for c in clients] == [200] * 300
    wait_for(lambda: not accepts(p.port), "the listener is gone")
    assert [c.ask().status for c in clients] == [200] * 300


@pytest.mark.parametrize("by", ["api", "hup"])
def test_services_versions_and_pods_come_and_go(shop, pod, by):
    one, two, three = (pod(lambda a, n=n: app_answer(n))
                       for n in ("one", "two", "three"))
    p = shop({"v1": [one.port]}, workers=1)
    assert get(p.port).json()["appVersion"] == "one"
    config = copy.deepcopy(p.config)
    config["services"]["shop"] = service({"v1": [two.port]})
    config["services"]["blog"] = service(
        {"v7": [three.port]}, routes=[{"path": "/blog"}])
    reload(p, config, by)

    def names():
        return [s["name"] for s in p.api("GET", "/api/v1/services")[1][
            "services"]]
    wait_for(lambda: names() == ["shop", "blog"], "both services are there")
    assert get(p.port).json()["appVersion"] == "two"
    assert get(p.port, "/blog").json()["appVersion"] == "three"
    # The pod that left has lost its idle connections.
    wait_for(lambda: not one.writers, "connections to the old pod close")
    reload(p, p.config, by)
    wait_for(lambda: names() == ["shop"], "the service is gone")
    assert get(p.port, "/blog").json()["appVersion"] == "one"


def test_counters_go_on(shop, app):
    one, two = app("1"), app("1")
    p = shop({"v1": [one.port]})
    Load(p.port, 4, 40).run()
    config = copy.deepcopy(p.config)
    config["services"]["shop"] = service({"v1": [one.port, two.port]})
    reload(p, config)
    Load(p.port, 4, 40).run()
    assert p.version("v1")["requests"] == 80
    total = p.metrics()["shunt_requests_total"]
    assert sum(n for k, n in total.items() if 'code="200"' in k) == 80


def test_weights_set_at_run_time_are_kept(shop, app):
    p = shop({"v1": [app("1").port], "v2": [app("2").port]},
             service={"weights": {"v1": 90, "v2": 10}})
    p.cli("weight", "shop", "v1=0", "v2=100", check=True)
    config = copy.deepcopy(p.config)
    config["timeouts"] = {"idle": "30s"}
    reload(p, config)
    assert p.version("v2")["weight"] == 1
    assert Load(p.port, 4, 40).run().versions() == {"2": 40}
    # Unless the file itself says something new about them.
    config["services"]["shop"]["weights"] = {"v1": 50, "v2": 50}
    reload(p, config)
    assert p.version("v2")["weight"] == pytest.approx(0.5)


def test_reloads_under_load_fail_nothing(shop, app, ports):
    """20 reloads that change pods, weights, rules and listeners."""
    pods = [app("1").port for _ in range(3)]
    p = shop({"v1": pods})
    extra = ports.reserve()
    load = Load(p.port, connections=20).start()
    for i in range(20):
        config = copy.deepcopy(p.config)
        keep = [pods[j] for j in range(3) if j != i % 3]
        config["services"]["shop"] = service(
            {"v1": keep, "v2": [pods[i % 3]]},
            weights={"v1": 1 + i, "v2": 1})
        if i % 2:
            config["listen"].append({"address": f"127.0.0.1:{extra}"})
        reload(p, config, "hup" if i % 4 == 3 else "api")
        load.wait(40)
    load.stop()
    assert load.failures() == []
    answered = sum(p.version(v)["requests"] for v in ("v1", "v2"))
    assert answered >= load.finished()


def test_a_broken_file_changes_nothing_and_says_why(shop, app):
    p = shop({"v1": [app("1").port]})
    before = p.api("GET", "/api/v1/services")[1]
    p.write("listen:\n  - adress: 127.0.0.1:1\nservices:\n  shop:\n"
            "    versions: { v1: { pods: [nonsense] } }\n    stable: v3\n")
    code, answer = p.api("POST", "/api/v1/reload")
    assert code == 400
    lines = answer["error"].split("\n")
    assert len(lines) >= 3, lines
    for line, where in zip(lines[:1], ("2:5",)):
        assert f"shunt.yaml:{where}: " in line and "address" in line
    assert any("shunt.yaml:5:" in line and "nonsense" in line
               for line in lines)
    assert any("v3" in line for line in lines)
    assert get(p.port).status == 200
    after = p.api("GET", "/api/v1/services")[1]
    assert names(after) == names(before)
    p.signal(signal.SIGHUP)
    wait_for(lambda: "nonsense" in p.stderr(), "the log says why")
    assert get(p.port).status == 200
    reload(p, p.config)
    assert get(p.port).status == 200


def names(services):
    return [(s["name"], [v["name"] for v in s["versions"]])
            for s in services["services"]]


def test_a_listener_that_cannot_be_had_changes_nothing(shop, app, ports):
    p = shop({"v1": [app("1").port]})
    taken, free = ports.reserve(), ports.reserve()
    config = copy.deepcopy(p.config)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", taken))
        s.listen()
        config["listen"] = [{"address": f"127.0.0.1:{free}"},
                            {"address": f"127.0.0.1:{taken}"}]
        p.write(config)
        code, answer = p.api("POST", "/api/v1/reload")
    assert code >= 400 and str(taken) in answer["error"]
    assert get(p.port).status == 200 and not accepts(free)


def test_a_file_that_is_gone_changes_nothing(shop, app):
    p = shop({"v1": [app("1").port]})
    os.unlink(p.path)
    code, answer = p.api("POST", "/api/v1/reload")
    assert code == 400 and "shunt.yaml" in answer["error"]
    assert get(p.port).status == 200
