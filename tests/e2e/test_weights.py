"""Shifting weights while it runs: at once, everywhere, at nobody's cost."""
import json
import os
import time

import pytest

from client import Load
from harness import run_cli


@pytest.fixture
def two(shop, app):
    """v1 and v2 at 50/50 behind two workers."""
    return shop({"v1": [app("1").port], "v2": [app("2").port]},
                service={"weights": {"v1": 50, "v2": 50}}, workers=2)


def test_weights_to_0_and_100_under_load(two):
    load = Load(two.port, connections=20).start()
    load.wait(300)
    for gone, left in (("1", "2"), ("2", "1"), ("1", "2")):
        two.cli("weight", "shop", f"v{gone}=0", f"v{left}=100", check=True)
        since = time.monotonic()
        load.wait(500)
        counted = load.versions(since)
        assert gone not in counted, counted
        assert counted[left] >= 400
    load.stop()
    assert load.failures() == []


def test_many_changes_under_load_fail_nothing(two):
    load = Load(two.port, connections=20).start()
    for i in range(50):
        code, answer = two.api("PUT", "/api/v1/services/shop/weights",
                               {"v1": i, "v2": 50 - i})
        assert code == 200, answer
    load.wait(100)
    load.stop()
    assert load.failures() == []
    weights = [two.version(v)["weight"] for v in ("v1", "v2")]
    assert weights == pytest.approx([49 / 50, 1 / 50])


def test_counters_go_on_through_changes(two):
    Load(two.port, 5, 100).run()
    two.cli("weight", "shop", "v1=1", "v2=3", check=True)
    Load(two.port, 5, 100).run()
    assert two.version("v1")["requests"] == 50 + 25
    assert two.version("v2")["requests"] == 50 + 75


def test_versions_not_named_keep_their_weight(two):
    two.cli("weight", "shop", "v2=150", check=True)
    assert two.version("v1")["weight"] == pytest.approx(0.25)
    assert two.version("v2")["weight"] == pytest.approx(0.75)


WRONG = [
    (["weight", "shop", "v9=10"], 1, ["v9", "v1", "v2"]),
    (["weight", "nope", "v1=10"], 1, ["nope", "shop"]),
    (["weight", "shop", "v1=-1"], None, ["v1"]),
    (["weight", "shop", "v1=abc"], None, ["abc"]),
    (["weight", "shop", "v1=0", "v2=0"], 1, []),
    (["weight", "shop", "v1=1", "v1=2"], None, ["v1"]),
    (["weight", "shop"], 2, []),
    (["weight"], 2, []),
    (["weight", "shop", "v1"], 2, []),
]


@pytest.mark.parametrize("arguments,status,named", WRONG)
def test_wrong_weights_change_nothing(two, arguments, status, named):
    before = two.status()
    done = two.cli(*arguments)
    assert done.returncode == (status or done.returncode) != 0
    assert done.returncode in (1, 2)
    for word in named:
        assert word in done.stderr, done.stderr
    assert done.stderr.strip() and not done.stdout
    assert two.status() == before


API = [
    ("shop", {"v9": 1}, 400, ["v9", "v1, v2"]),
    ("nope", {"v1": 1}, 404, ["nope", "shop"]),
    ("shop", {"v1": -1}, 400, ["v1", "negative"]),
    ("shop", {"v1": "80"}, 400, ["v1", "number"]),
    ("shop", {"v1": 0, "v2": 0}, 400, []),
    ("shop", {}, 400, []),
    ("shop", [1], 400, []),
    ("shop", {"v1": 1e300}, 400, ["v1"]),
    ("shop", {"v1": 0.00001}, 400, ["v1"]),
]


@pytest.mark.parametrize("name,weights,status,named", API)
def test_wrong_weights_on_the_api(two, name, weights, status, named):
    before = two.status()
    code, answer = two.api("PUT", f"/api/v1/services/{name}/weights", weights)
    assert code == status, answer
    assert list(answer) == ["error"]
    for word in named:
        assert word in answer["error"]
    assert two.status() == before


def test_broken_json_on_the_api(two):
    for text in ("", "{", '{"v1": 1} x', '{"v1": 1, "v1": 2}', "\x00"):
        code, answer = two.api("PUT", "/api/v1/services/shop/weights",
                               text=text)
        assert code == 400 and answer["error"], text


def test_status_for_people_and_for_scripts(two):
    Load(two.port, 4, 40).run()
    table = two.cli("status", check=True).stdout
    for word in ("shop", "v1", "v2"):
        assert word in table
    one = json.loads(two.cli("status", "shop", "-o", "json",
                             check=True).stdout)
    assert one["name"] == "shop" and one["rollout"] is None
    assert [v["requests"] for v in one["versions"]] == [20, 20]
    everything = json.loads(two.cli("status", "-o", "json",
                                    check=True).stdout)
    assert [s["name"] for s in everything["services"]] == ["shop"]
    wrong = two.cli("status", "nope")
    assert wrong.returncode == 1
    assert "nope" in wrong.stderr and "shop" in wrong.stderr


def test_no_proxy_there_is_said(tmp_path):
    done = run_cli("status", "--socket", os.path.join(tmp_path, "none.sock"))
    assert done.returncode == 1 and "none.sock" in done.stderr


def test_usage():
    assert run_cli("nonsense").returncode == 2
    assert "nonsense" in run_cli("nonsense").stderr
    assert run_cli().returncode == 2
    assert run_cli("help").returncode == 0
    assert run_cli("status", "--nonsense").returncode == 2
