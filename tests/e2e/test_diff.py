"""`shunt diff`: where what is in force differs from the file."""
import json
import os

import pytest

from harness import run_cli, wait_for

PAUSING = {"strategy": "canary",
           "canary": {"gates": "off",
                      "steps": [{"weight": 10, "pause": True}]}}


@pytest.fixture
def two(shop, app, tmp_path):
    """v1 with two pods and v2 with one, kept over restarts."""
    return shop({"v1": [app("1").port, app("1").port],
                 "v2": [app("2").port]},
                config={"state": str(tmp_path / "shunt.db")},
                service={"release": PAUSING,
                         "weights": {"v1": 80, "v2": 20}})


def diff(p):
    code, answer = p.api("GET", "/api/v1/diff")
    assert code == 200, answer
    return answer


def rows(p):
    return [(d["kind"], d["version"], d["pod"], d["file"], d["running"])
            for d in diff(p)["differences"]]


def test_the_same(two):
    done = two.cli("diff")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert diff(two) == {
        "same": True, "differences": [],
        "file": {"path": two.path, "changed": False, "errors": []}}


def test_weights(two):
    two.cli("weight", "shop", "v1=8", "v2=2", check=True)
    assert rows(two) == []  # the same shares
    two.cli("weight", "shop", "v1=3", "v2=1", check=True)
    assert rows(two) == [("weight", "v1", None, "80%", "75%"),
                         ("weight", "v2", None, "20%", "25%")]
    done = two.cli("diff")
    assert done.returncode == 1 and not done.stderr
    title, one, other = done.stdout.splitlines()
    assert title.split() == ["SERVICE", "WHAT", "VERSION", "POD", "FILE",
                             "RUNNING"]
    assert one.split() == ["shop", "weight", "v1", "-", "80%", "75%"]
    assert other.split() == ["shop", "weight", "v2", "-", "20%", "25%"]
    two.cli("weight", "shop", "v1=80", "v2=20", check=True)
    assert two.cli("diff").returncode == 0


def test_pods(two, app):
    new, (gone, old) = app("2"), sorted(two.pods("v1"))
    new, gone, old = (f"127.0.0.1:{port}" for port in (new.port, gone, old))
    two.cli("pod", "add", "shop", "v2", new, "--weight", "3", check=True)
    two.cli("pod", "remove", "shop", "v1", gone, "--wait", check=True)
    two.cli("pod", "maint", "shop", "v1", old, "--wait", check=True)
    expected = {("pod_added", "v2", new, None, "weight 3"),
                ("pod_removed", "v1", gone, "weight 1", None),
                ("pod_order", "v1", old, "ready", "maint")}
    assert set(rows(two)) == expected
    done = two.cli("diff", "-o", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == diff(two)
    for word in ("pod added", "pod removed", "pod ordered", new, gone, old):
        assert word in two.cli("diff").stdout
    # what was set outlives a restart, and so does the difference
    two.process.terminate()
    assert two.wait() == 0
    two.start()
    assert set(rows(two)) == expected
    two.cli("pod", "ready", "shop", "v1", old, check=True)
    two.cli("pod", "add", "shop", "v1", gone, check=True)
    two.cli("pod", "remove", "shop", "v2", new, "--wait", check=True)
    assert two.cli("diff").returncode == 0


def rollout(p):
    return p.api("GET", "/api/v1/services/shop/rollout")[1]


def wait_phase(p, phase):
    wait_for(lambda: rollout(p)["phase"] == phase, phase)


def test_rollouts(two):
    two.cli("rollout", "start", "shop", "--to", "v2", check=True)
    wait_phase(two, "paused")
    first = rows(two)[0]
    assert first == ("rollout", "v2", None, None,
                     "canary v1 -> v2, paused, step 1 of 1")
    two.cli("rollout", "promote", "shop", "--wait", check=True)
    expected = [("stable", None, None, "v1", "v2"),
                ("weight", "v1", None, "80%", "0%"),
                ("weight", "v2", None, "20%", "100%")]
    assert rows(two) == expected
    two.process.terminate()
    assert two.wait() == 0
    two.start()
    assert rows(two) == expected
    code, answer = two.api("POST", "/api/v1/reload")
    assert code == 200, answer
    assert rows(two) == expected
    # a file that says so is no difference
    shop = two.config["services"]["shop"]
    shop["stable"], shop["weights"] = "v2", {"v1": 0, "v2": 100}
    two.write(two.config)
    assert two.api("POST", "/api/v1/reload")[0] == 200
    assert rows(two) == [] and diff(two)["same"]


def test_the_file_has_changed(two):
    with open(two.path, "a", encoding="utf-8") as f:
        f.write("\n")
    answer = diff(two)
    assert answer["file"]["changed"] and answer["file"]["errors"] == []
    assert not answer["same"] and answer["differences"] == []
    done = two.cli("diff")
    assert done.returncode == 1
    assert two.path in done.stdout and "changed" in done.stdout
    assert two.api("POST", "/api/v1/reload")[0] == 200
    assert two.cli("diff").returncode == 0


def test_the_file_is_broken(two):
    with open(two.path, "a", encoding="utf-8") as f:
        f.write("nonsense: 1\n")
    assert two.api("POST", "/api/v1/reload")[0] == 400
    answer = diff(two)
    assert answer["file"]["changed"]
    (line,) = answer["file"]["errors"]
    assert line.startswith(two.path) and "nonsense" in line
    said = two.cli("diff").stdout
    assert "cannot be loaded" in said and "nonsense" in said


def test_the_file_is_gone(two):
    os.rename(two.path, two.path + ".away")
    assert diff(two)["file"]["changed"] and diff(two)["file"]["errors"]
    os.rename(two.path + ".away", two.path)
    assert diff(two)["same"]


def test_usage(tmp_path):
    assert run_cli("diff", "shop").returncode == 2
    assert run_cli("diff", "--nonsense").returncode == 2
    # 1 is an answer: trouble is told apart, as diff does
    done = run_cli("diff", "--socket", str(tmp_path / "none.sock"))
    assert done.returncode == 2 and "none.sock" in done.stderr


def test_wrong_methods(two):
    assert two.api("POST", "/api/v1/diff")[0] == 405
