"""Versions whose pods shunt runs: traffic, weights, reloads, the API."""
import json
import os
import shutil
import stat

import pytest

import launching
from client import Load, get
from harness import BIN, SAN, run_cli, wait_for
from launching import (Asking, app, config, counts, kill, pods_of, script, shell, up,
                       wait_up)

FAST = {"backoff": {"min": "20ms", "max": "100ms"}}


def seen(p):
    """What a scripted pod says of itself."""
    answer = get(p.port)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def test_launched_pods_take_the_traffic(proxy):
    p = proxy(config({"v1": app("v1", replicas=3)}))
    wait_up(p, 3)
    load = Load(p.port, total=300)
    load.run()
    assert [d.status for d in load.done] == [200] * 300
    assert counts(p) == {"replicas": 3, "wanted": 3, "pods": 3, "leaving": 0,
                         "failed": 0, "reason": None}
    out = p.cli("pod", "list", "shop", "v1", check=True).stdout
    assert out.count("launch") == 3, out
    names = p.metrics()
    of = 'service="shop",version="v1"'
    assert names["shunt_launch_wanted"] == {of: 3}
    assert names["shunt_launch_starts_total"] == {of: 3}
    assert names["shunt_launch_exits_total"] == {of: 0}


def test_a_version_runs_while_something_leads_to_it(proxy):
    p = proxy(config(
        {"v1": app("v1"), "v2": app("v2", replicas=2), "v3": app("v3"),
         "v4": app("v4"), "v5": app("v5")},
        rules=[{"match": {"header": {"X-Three": "1"}}, "version": "v3"}],
        mirror={"version": "v4", "share": "1%"}))
    for version in ("v1", "v3", "v4"):
        wait_up(p, 1, version)
    assert counts(p, "v2")["pods"] == counts(p, "v5")["pods"] == 0
    assert get(p.port, fields=[("X-Three", "1")]).get(
        "X-App-Version") == "v3"
    load = Load(p.port)
    load.start()
    p.cli("weight", "shop", "v1=0", "v2=100", check=True)
    wait_up(p, 2, "v2")
    wait_for(lambda: get(p.port).get("X-App-Version") == "v2", "v2 answers")
    assert counts(p, "v1")["pods"] == 1  # it is stable
    p.cli("weight", "shop", "v1=100", "v2=0", check=True)
    wait_for(lambda: counts(p, "v2")["pods"] == counts(p, "v2")["leaving"]
             == 0, "v2 has ended")
    load.stop()
    assert [d for d in load.done if d.status != 200] == []
    assert not p.version("v2")["pods"]


def test_requests_finish_before_their_pod_ends(proxy):
    p = proxy(config({"v1": app("v1"),
                      "v2": app("v2", "--delay", "1s")},
                     weights={"v1": 0, "v2": 1}, stable="v1"))
    wait_up(p, 1, "v2")
    asking = Asking(p, 4)
    p.cli("weight", "shop", "v1=1", "v2=0", check=True)
    assert asking.statuses() == [200] * 4
    wait_for(lambda: counts(p, "v2")["leaving"] == 0, "it has ended")
    assert "exited with status 0" in p.stderr()


def test_a_killed_pod_is_replaced_without_a_failed_request(proxy):
    p = proxy(config({"v1": app("v1", replicas=3, **FAST)},
                     retry={"attempts": 3, "budget": "100%"}))
    wait_up(p, 3)
    before = sorted(up(p))
    load = Load(p.port)
    load.start()
    for i in range(3):
        kill(pods_of(p)[0])
        wait_for(lambda: p.metrics()["shunt_launch_exits_total"][
            'service="shop",version="v1"'] == i + 1, "it was seen")
        wait_up(p, 3)
    load.stop()
    assert len(load.done) > 10
    assert [(d.status, d.error) for d in load.done if d.status != 200] == []
    assert sorted(up(p)) == before  # who comes back has its old place
    assert "killed by signal 9 (SIGKILL), again in 20ms" in p.stderr()


def test_what_ended_shows_in_status_and_events(proxy):
    p = proxy(config({"v1": app("v1", backoff={"min": "1m", "max": "1m"})}))
    wait_up(p, 1)
    kill(pods_of(p)[0])
    wait_for(lambda: p.version("v1")["pods"][0]["state"] == "down",
             "it is down")
    reason = "killed by signal 9 (SIGKILL)"
    assert p.version("v1")["pods"][0]["reason"] == reason
    assert reason in p.cli("status", check=True).stdout
    assert get(p.port).status == 503
    assert f"up -> down: {reason}" in p.stderr()
    assert "SIGKILL), again in 1m" in p.stderr()
    # nothing was wrong with its start
    assert counts(p)["failed"] == 0


def test_checks_say_when_a_pod_joins(proxy):
    p = proxy(config({"v1": app("v1", "--warmup", "700ms", **FAST)},
                     health={"path": "/healthz", "interval": "50ms",
                             "rise": 2}))
    wait_up(p, 1)
    kill(pods_of(p)[0])
    wait_for(lambda: "up -> down" in p.stderr(), "it is out")
    wait_up(p, 1)
    log = p.stderr()
    assert log.index("absent -> starting") < log.index("-> up") \
        < log.index("up -> down") < log.index(
            "down -> starting: not checked yet")


def test_no_request_before_it_takes_connections(proxy):
    p = proxy(config({"v1": shell(f'sleep 2; exec {BIN} app --version v1 '
                                  '--port "$PORT"')}))
    wait_for(lambda: pods_of(p), "its process runs")
    assert p.version("v1")["pods"] == []
    wait_up(p, 1)
    assert "connect" not in "".join(
        line for line in p.stderr().splitlines() if " warn " in line)


# What a pod gets

def test_placeholders_and_the_environment(proxy):
    p = proxy(config({"v1": script(
        "{port}", "{address}", "{pod}", "{service}/{version}", "{{port}}",
        '{"a": {"b": 1}}', "{}", "{Port}",
        env={"WHO": "{service}-{version}", "SHUNT_POD": "mine"})}))
    wait_up(p, 1)
    told = seen(p)
    port = up(p)[0].rsplit(":", 1)[1]
    assert told["argv"] == [
        port, "127.0.0.1", f"127.0.0.1:{port}", "shop/v1", "{port}",
        '{"a": {"b": 1}}', "{}", "{Port}"]
    env = told["env"]
    assert env["PORT"] == env["SHUNT_PORT"] == port
    assert env["SHUNT_ADDRESS"] == "127.0.0.1"
    assert (env["SHUNT_SERVICE"], env["SHUNT_VERSION"]) == ("shop", "v1")
    assert (env["WHO"], env["SHUNT_POD"]) == ("shop-v1", "mine")
    assert env["PATH"] == os.environ["PATH"]
    assert "SHUNT_SOCKET" not in env


def test_nothing_else_is_handed_down(proxy):
    p = proxy(config({"v1": script()}))
    wait_up(p, 1)
    told = seen(p)
    # 0 to 2, what it has opened itself: its two sockets and that list
    assert told["fds"][:3] == [0, 1, 2] and len(told["fds"]) <= 6, told["fds"]
    assert told["stdin"] == "/dev/null"
    assert told["umask"] == 0o022
    blocked, ignored = (int(line.split()[1], 16) for line in told["mask"])
    assert blocked == 0
    # Python's own: SIGPIPE and SIGXFSZ; 32 and 33 are the C library's
    assert ignored & ~(1 << 12 | 1 << 24 | 1 << 31 | 1 << 32) == 0


def test_directory_and_limits(proxy, tmp_path):
    limits = {"files": 200, "processes": 5000}
    if not SAN:  # a sanitizer's own memory is beyond any limit
        limits["memory"] = "4GiB"
    p = proxy(config({"v1": script(directory=str(tmp_path), limits=limits)}))
    wait_up(p, 1)
    told = seen(p)
    assert told["cwd"] == str(tmp_path)
    assert told["files"] == [200, 200]
    assert SAN or told["memory"] == [4 << 30, 4 << 30]
    assert told["processes"] == [5000, 5000]


def test_paths_are_relative_to_the_config(proxy):
    p = proxy(config({"v1": {"launch": {"command": ["./run"]}}}), wait=False)
    run = os.path.join(p.folder, "run")
    with open(run, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\npwd\nexec {BIN} app --version v1 '
                '--port "$PORT"\n')
    os.chmod(run, 0o755)
    p.start()
    wait_up(p, 1)
    assert f"| {p.folder}" in p.stderr()


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become others")
def test_user_and_group(proxy):
    p = proxy(config({
        "v1": script(user="nobody", directory="/"),
        "v2": script(user="nobody", group="www-data", directory="/")},
        rules=[{"match": {"header": {"X-Two": "1"}}, "version": "v2"}]))
    wait_up(p, 1)
    wait_up(p, 1, "v2")
    told = seen(p)
    assert (told["uid"], told["gid"]) == (65534, 65534)
    assert told["groups"] == [65534]
    told = json.loads(get(p.port, fields=[("X-Two", "1")]).body)
    assert (told["uid"], told["gid"]) == (65534, 33)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become others")
def test_a_socket_of_another_user(proxy):
    p = proxy(config({"v1": script(user="nobody", listen="socket",
                                   directory="/")}))
    wait_up(p, 1)
    assert seen(p)["uid"] == 65534


def test_unix_sockets(proxy):
    p = proxy(config({"v1": script("{socket}", "{pod}", listen="socket",
                                   replicas=2, **FAST)}))
    wait_up(p, 2)
    told = seen(p)
    path = told["env"]["SHUNT_SOCKET"]
    assert told["argv"] == [path, f"unix:{path}"]
    assert "PORT" not in told["env"]
    folder = os.path.dirname(path)
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    kill(told["pid"])
    wait_for(lambda: p.metrics()["shunt_launch_exits_total"][
        'service="shop",version="v1"'] == 1, "it was seen")
    wait_up(p, 2)
    p.stop()
    assert not os.path.exists(folder)


def test_ports_of_others_are_passed_over(proxy, ports, pod):
    first = ports.reserve()
    taken = pod(port=first)
    p = proxy(config({
        "v1": app("v1", replicas=2, ports=f"{first}-{first + 20}"),
        "v2": app("v2", replicas=2, ports=f"{first}-{first + 20}")},
        weights={"v1": 1, "v2": 1}))
    wait_up(p, 2, "v1")
    wait_up(p, 2, "v2")
    found = up(p, "v1") + up(p, "v2")
    assert len(set(found)) == 4
    assert f"127.0.0.1:{taken.port}" not in found
    assert get(p.port).status == 200


def test_no_port_is_free(proxy, ports, pod):
    port = pod(port=ports.reserve()).port
    p = proxy(config({"v1": app("v1", ports=f"{port}-{port}", **FAST)}))
    wait_for(lambda: counts(p)["failed"] > 1, "it failed")
    assert counts(p)["reason"] == f"no port of {port}-{port} is free"


# Reloads

def reload(p, versions, **service):
    changed = dict(p.config)
    changed.update(config(versions, **service))
    p.write(changed)
    code, answer = p.api("POST", "/api/v1/reload")
    assert code == 200, answer


def test_replicas_follow_a_reload(proxy):
    p = proxy(config({"v1": app("v1", replicas=1)}))
    wait_up(p, 1)
    first = up(p)
    load = Load(p.port)
    load.start()
    reload(p, {"v1": app("v1", replicas=4)})
    wait_up(p, 4)
    reload(p, {"v1": app("v1", replicas=1)})
    wait_for(lambda: len(pods_of(p)) == 1, "three have ended")
    load.stop()
    assert up(p) == first  # the newest went
    assert [d for d in load.done if d.status != 200] == []
    assert p.metrics()["shunt_launch_starts_total"][
        'service="shop",version="v1"'] == 4


def test_another_command_replaces_pods_one_by_one(proxy):
    p = proxy(config({"v1": app("old", replicas=3)}))
    wait_up(p, 3)
    load = Load(p.port)
    load.start()
    reload(p, {"v1": app("new", replicas=3)})
    fewest = []

    def replaced():
        fewest.append(len(up(p)))
        return (len(pods_of(p)) == 3 and counts(p)["leaving"] == 0 and
                get(p.port).get("X-App-Version") == "new" and
                p.metrics()["shunt_launch_starts_total"][
                    'service="shop",version="v1"'] == 6)
    wait_for(replaced, "all are new")
    load.stop()
    assert min(fewest) >= 3
    assert [d for d in load.done if d.status != 200] == []
    assert p.metrics()["shunt_launch_exits_total"][
        'service="shop",version="v1"'] == 0


def test_a_command_that_fails_leaves_the_old_pods(proxy):
    p = proxy(config({"v1": app("old", replicas=2)}))
    wait_up(p, 2)
    reload(p, {"v1": shell("exit 7", replicas=2, **FAST)})
    wait_for(lambda: counts(p)["failed"] >= 3, "it failed")
    assert counts(p)["reason"] == "exited with status 7"
    assert len(up(p)) == 2
    assert get(p.port).get("X-App-Version") == "old"


def test_a_version_that_leaves_the_file(proxy):
    p = proxy(config({"v1": app("v1"), "v2": app("v2", "--delay", "1s")},
                     weights={"v1": 0, "v2": 1}))
    wait_up(p, 1, "v2")
    wait_up(p, 1, "v1")
    asking = Asking(p, 2)
    reload(p, {"v1": app("v1")})
    assert asking.statuses() == [200, 200]
    wait_for(lambda: len(pods_of(p)) == 1, "v2's process has ended")
    assert get(p.port).get("X-App-Version") == "v1"


def test_from_launch_to_pods_and_back(proxy, app):
    other = app("other")
    p = proxy(config({"v1": launching.app("v1", replicas=2)}))
    wait_up(p, 2)
    load = Load(p.port)
    load.start()
    reload(p, {"v1": {"pods": [f"127.0.0.1:{other.port}"]}})
    wait_for(lambda: up(p) == [f"127.0.0.1:{other.port}"], "others' pods")
    wait_for(lambda: pods_of(p) == [], "ours have ended")
    reload(p, {"v1": launching.app("v1")})
    wait_for(lambda: len(p.version("v1")["pods"]) == 1 and
             get(p.port).get("X-App-Version") == "v1", "ours again")
    load.stop()
    # nobody was there between the file's pod and ours
    assert [d for d in load.done if d.status not in (200, 503)] == []


# People

def test_verbs_on_launched_pods(proxy):
    p = proxy(config({"v1": app("v1", replicas=2, **FAST)}))
    wait_up(p, 2)
    one, other = up(p)
    done = p.cli("pod", "remove", "shop", "v1", one)
    assert done.returncode == 1 and "is run by shunt" in done.stderr
    p.cli("pod", "drain", "shop", "v1", one, check=True)
    wait_for(lambda: up(p) == [other], "one is out")
    assert counts(p)["pods"] == 2
    for pid in pods_of(p):
        kill(pid)
    wait_for(lambda: p.metrics()["shunt_launch_exits_total"][
        'service="shop",version="v1"'] == 2 and up(p) == [other],
        "the order holds for the next process")
    p.cli("pod", "maint", "shop", "v1", one, check=True)
    p.cli("pod", "ready", "shop", "v1", one, check=True)
    wait_up(p, 2)


def test_nothing_of_them_is_kept(proxy, tmp_path):
    state = str(tmp_path / "state.db")
    p = proxy({**config({"v1": app("v1")}), "state": state})
    wait_up(p, 1)
    p.cli("pod", "drain", "shop", "v1", up(p)[0], check=True)
    p.stop()
    p.start()
    wait_up(p, 1)


# What is known before

@pytest.mark.parametrize("launch, place, words", [
    ({"command": ["./nosuch"]}, 7, "expected a program, found "),
    ({"command": ["no-such-program"]}, 7,
     'expected a program in a folder of PATH, found "no-such-program"'),
    ({"command": ["/"]}, 7, "it is no file"),
    ({"command": ["/etc/passwd"]}, 7, "Permission denied"),
    ({"command": ["true"], "directory": "nosuch"}, 8, "expected a folder"),
    ({"command": ["true"], "user": "no-such-user"}, 8,
     'expected the name of a user, found "no-such-user"'),
])
def test_a_config_that_cannot_work(tmp_path, launch, place, words):
    path = tmp_path / "shunt.yaml"
    lines = ["listen: [{address: 127.0.0.1:8080}]", "services:", "  shop:",
             "    versions:", "      v1:", "        launch:"]
    lines += [f"          {k}: {json.dumps(v)}" for k, v in launch.items()]
    path.write_text("\n".join(lines) + "\n")
    done = run_cli("check", "-c", str(path))
    assert done.returncode == 1
    assert f"shunt.yaml:{place}:" in done.stderr and words in done.stderr, \
        done.stderr


def test_many_pods(proxy):
    n = 15 if SAN else 100
    p = proxy(config({"v1": app("v1", replicas=n)}))
    wait_up(p, n)
    assert len(pods_of(p)) == n
    before = [d for d in pods_of(p)]
    load = Load(p.port, total=500)
    load.run()
    assert [d for d in load.done if d.status != 200] == []
    p.stop()
    launching.wait_gone(before, "all have ended")


def test_a_program_beside_the_config(tmp_path):
    shutil.copy(BIN, tmp_path / "app")
    path = tmp_path / "shunt.yaml"
    path.write_text(
        "listen: [{address: 127.0.0.1:8080}]\n"
        "services:\n  shop:\n    versions:\n      v2:\n"
        "        launch: { command: [./app, --port, \"{port}\"], "
        "replicas: 3 }\n")
    done = run_cli("check", "-c", str(path))
    assert done.returncode == 0, done.stderr
