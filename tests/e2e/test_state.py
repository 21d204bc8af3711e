"""What was set at run time outlives the process, in the state file."""
import asyncio
import os
import resource
import signal
import sqlite3

import pytest

import harness
from client import Client, get, request
from harness import run_cli, wait_for
from test_pod_verbs import address, listed, path


@pytest.fixture
def kept(shop, tmp_path):
    """A shop with a state file."""
    def start(versions, **options):
        config = options.pop("config", {})
        config.setdefault("state", str(tmp_path / "shunt.db"))
        p = shop(versions, config=config, **options)
        p.state = config["state"]
        return p
    return start


def restart(p, by):
    if by == "kill":
        p.process.kill()
        p.process.wait()
    else:
        p.signal(signal.SIGTERM)
        assert p.wait() == 0
    p.start()


def edit(p, change):
    change(p.config["services"]["shop"])
    p.write(p.config)


@pytest.mark.parametrize("by", ["kill", "term"])
def test_weights_pods_and_orders_outlive_it(kept, app, by):
    one, two, three, extra = (app("1").port for _ in range(4))
    p = kept({"v1": [one, two, three], "v2": []},
             service={"weights": {"v1": 90, "v2": 10}})
    p.cli("weight", "shop", "v1=25", "v2=75", check=True)
    p.cli("pod", "add", "shop", "v2", address(extra), "--weight", "7",
          check=True)
    p.cli("pod", "remove", "shop", "v1", address(one), "--wait", check=True)
    p.cli("pod", "drain", "shop", "v1", address(two), check=True)
    p.cli("pod", "maint", "shop", "v1", address(three), check=True)
    before = (listed(p), listed(p, "v2"))
    for _ in range(2):
        restart(p, by)
        assert (listed(p), listed(p, "v2")) == before
        assert p.version("v2")["weight"] == pytest.approx(0.75)
        assert get(p.port).status == 200
    assert before[0][two]["state"] == "draining"
    assert before[0][two]["reason"] == "ordered to drain"
    assert before[0][three]["state"] == "maint"
    # What is taken back does not come back either.
    p.cli("pod", "ready", "shop", "v1", address(two), check=True)
    p.cli("pod", "add", "shop", "v1", address(one), check=True)
    p.cli("pod", "remove", "shop", "v2", address(extra), "--wait",
          check=True)
    restart(p, by)
    assert {x: s["state"] for x, s in listed(p).items()} == {
        one: "up", two: "up", three: "maint"}
    assert listed(p, "v2") == {}


def test_killed_right_behind_each_answer(kept, app):
    """What was answered is kept, whatever happens then."""
    pods = [app("1").port for _ in range(3)]
    p = kept({"v1": pods, "v2": []})
    for i in range(8):
        share, state = 10 + i, ("drain", "maint", "ready")[i % 3]
        assert p.api("PUT", "/api/v1/services/shop/weights",
                     {"v1": 100 - share, "v2": share})[0] == 200
        assert p.api("PATCH", path(port=pods[i % 3]),
                     {"state": state})[0] == 200
        p.process.kill()
        p.process.wait()
        p.start()
        assert p.version("v2")["weight"] == pytest.approx(share / 100)
        want = {"drain": "draining", "maint": "maint", "ready": "up"}[state]
        assert listed(p)[pods[i % 3]]["state"] == want


def test_a_removal_under_way_is_done_at_the_next_start(kept, pod):
    async def forever(asked):
        await asyncio.sleep(600)
    one, two = pod(forever), pod()
    p = kept({"v1": [one.port, two.port]}, workers=1,
             service={"balance": "round_robin"})
    with Client(p.port) as a, Client(p.port) as b:
        a.send(request())
        b.send(request())
        wait_for(lambda: listed(p)[one.port]["inflight"] == 1, "in flight")
        code, body = p.api("DELETE", path(port=one.port))
        assert code == 200 and body["state"] == "draining"
        p.process.kill()
        p.process.wait()
    p.start()
    assert list(listed(p)) == [two.port]


def test_the_file_wins_when_it_was_edited(kept, app):
    one, two = app("1").port, app("2").port
    p = kept({"v1": [one], "v2": [two]},
             service={"weights": {"v1": 90, "v2": 10}})
    p.cli("weight", "shop", "v1=0", "v2=100", check=True)
    p.cli("pod", "maint", "shop", "v1", address(one), check=True)

    # An edit of something else changes nothing.
    edit(p, lambda s: s.update(retry={"attempts": 0}))
    restart(p, "term")
    assert p.version("v2")["weight"] == 1
    assert "set at run time, kept: v1 0, v2 100" in p.stderr()

    edit(p, lambda s: s.update(weights={"v1": 50, "v2": 50}))
    restart(p, "term")
    assert p.version("v2")["weight"] == pytest.approx(0.5)
    assert "changed in the file, which replace" in p.stderr()
    assert listed(p)[one]["state"] == "maint"
    # And it has won for good.
    edit(p, lambda s: s.update(weights={"v1": 90, "v2": 10}))
    restart(p, "kill")
    assert p.version("v2")["weight"] == pytest.approx(0.1)

    # What the file has no longer is forgotten.
    edit(p, lambda s: s["versions"]["v1"].update(pods=[]))
    restart(p, "kill")
    edit(p, lambda s: s["versions"]["v1"].update(pods=[address(one)]))
    restart(p, "kill")
    assert listed(p)[one]["state"] == "up"


def test_versions_and_services_that_went_are_forgotten(kept, app):
    one, two = app("1").port, app("2").port
    p = kept({"v1": [one], "v2": [two]})
    p.cli("pod", "drain", "shop", "v2", address(two), check=True)
    p.cli("weight", "shop", "v2=100", check=True)
    edit(p, lambda s: s["versions"].pop("v2"))
    restart(p, "kill")
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    db = sqlite3.connect(p.state)
    assert db.execute("SELECT count(*) FROM pods").fetchone() == (0,)
    db.close()
    p.start()
    assert get(p.port).status == 200


def test_a_reload_and_then_a_restart(kept, app):
    one, two = app("1").port, app("2").port
    p = kept({"v1": [one], "v2": [two]},
             service={"weights": {"v1": 90, "v2": 10}})
    p.cli("weight", "shop", "v1=40", "v2=60", check=True)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    restart(p, "kill")
    assert p.version("v2")["weight"] == pytest.approx(0.6)
    edit(p, lambda s: s.update(weights={"v1": 80, "v2": 20}))
    assert p.api("POST", "/api/v1/reload")[0] == 200
    restart(p, "kill")
    assert p.version("v2")["weight"] == pytest.approx(0.2)
    edit(p, lambda s: s.update(weights={"v1": 90, "v2": 10}))
    restart(p, "kill")
    assert p.version("v2")["weight"] == pytest.approx(0.1)


def test_without_a_state_file_it_ends_with_the_process(shop, app):
    p = shop({"v1": [app("1").port], "v2": []})
    p.cli("weight", "shop", "v2=100", check=True)
    restart(p, "term")
    assert p.version("v2")["weight"] == 0


# The file itself

def refused(config, seconds=harness.PATIENCE):
    """What a start that must fail says."""
    done = run_cli("run", "-c", config, seconds=seconds)
    assert done.returncode == 1, done
    return done.stderr


def test_one_process_at_a_time(kept, proxy, app, ports):
    one = app("1").port
    p = kept({"v1": [one]})
    q = proxy({"state": p.state, "services": p.config["services"]},
              wait=False)
    said = refused(q.path)
    assert f"process {p.process.pid} has it open" in said
    # It has taken nothing from the first, not even a connection.
    assert "listening" not in said
    p.cli("pod", "drain", "shop", "v1", address(one), check=True)
    restart(p, "term")
    assert listed(p)[one]["state"] == "draining"
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    q.start()
    assert listed(q)[one]["state"] == "draining"


def corrupt(name):
    with open(name, "r+b") as f:
        f.seek(4096)
        f.write(b"\xff" * 8192)


@pytest.mark.parametrize("kind,words", [
    ("text", "it is no SQLite database"),
    ("other", "it is the database of another program"),
    ("newer", "a newer shunt has written it"),
    ("damaged", "it is damaged"),
    ("no folder", "its folder must exist"),
    ("a folder", "directory"),
])
def test_a_file_that_is_of_no_use(kept, app, tmp_path, kind, words):
    p = kept({"v1": [app("1").port]})
    p.cli("weight", "shop", "v1=5", check=True)
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    name = p.state
    if kind == "text":
        with open(name, "w", encoding="ascii") as f:
            f.write("not a database, but notes of somebody\n" * 40)
    elif kind == "other":
        os.unlink(name)
        db = sqlite3.connect(name)
        db.execute("CREATE TABLE people (name)")
        db.commit()
        db.close()
    elif kind == "newer":
        db = sqlite3.connect(name)
        db.execute("PRAGMA user_version = 99")
        db.close()
    elif kind == "damaged":
        corrupt(name)
    elif kind == "no folder":
        p.config["state"] = str(tmp_path / "no" / "x.db")
    elif kind == "a folder":
        p.config["state"] = str(tmp_path)
    p.write(p.config)
    before = open(name, "rb").read()
    said = refused(p.path)
    assert words in said and p.config["state"] in said, said
    assert said.count("\n") == 1, said
    assert open(name, "rb").read() == before


def test_a_path_of_its_own(shop, app):
    """Relative ones start where the config file is, wherever we are."""
    p = shop({"v1": [app("1").port]}, config={"state": "here.db"})
    name = os.path.join(p.folder, "here.db")
    assert os.stat(name).st_mode & 0o777 == 0o600
    p.cli("weight", "shop", "v1=5", check=True)
    restart(p, "kill")
    assert os.path.exists(name)
    p.config["state"] = "there.db"
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert "state: the change takes effect at the next start" in p.stderr()


def limit_file_size(p, size):
    """As a disk that is full: from now on, for that process."""
    resource.prlimit(p.process.pid, resource.RLIMIT_FSIZE,
                     (size, resource.RLIM_INFINITY))


def test_a_full_disk_stops_nothing(kept, app):
    one, two = app("1").port, app("1").port
    p = kept({"v1": [one], "v2": [two]})
    p.cli("pod", "maint", "shop", "v1", address(one), check=True)
    limit_file_size(p, 1)
    code, body = p.api("PATCH", path(port=one), {"state": "ready"})
    assert code == 200 and body["state"] == "up"
    assert "not kept over a restart" in body["warning"]
    done = p.cli("pod", "drain", "shop", "v2", address(two), check=True)
    assert "warning: in force, but not kept" in done.stderr
    done = p.cli("weight", "shop", "v1=30", "v2=70", check=True)
    assert "warning: in force, but not kept" in done.stderr
    assert p.version("v2")["weight"] == pytest.approx(0.7)
    assert get(p.port).status == 200
    # Everything is made up for as soon as there is room.
    limit_file_size(p, resource.RLIM_INFINITY)
    wait_for(lambda: "everything is written" in p.stderr(), "it is written")
    restart(p, "kill")
    assert p.version("v2")["weight"] == pytest.approx(0.7)
    assert listed(p)[one]["state"] == "up"
    assert listed(p, "v2")[two]["state"] == "draining"


def test_what_was_stored_is_judged(kept, app):
    """Rows that make no sense are left out, and said."""
    one = app("1").port
    p = kept({"v1": [one]})
    p.cli("pod", "drain", "shop", "v1", address(one), check=True)
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    db = sqlite3.connect(p.state)
    for row in (("shop", "v1", "nonsense", 1, 0, 1, 0, None),
                ("shop", "v1", "10.0.0.1:80", 1, 0, 5000, 0, None),
                ("shop", "v1", "10.0.0.2:80", 1, 0, 1, 9, None)):
        db.execute("INSERT INTO pods VALUES (?,?,?,?,?,?,?,?)", row)
    db.execute("INSERT INTO weights VALUES ('shop', 'v1', -5, 100)")
    db.commit()
    db.close()
    p.start()
    assert list(listed(p)) == [one]
    assert p.stderr().count("not understood, left out") == 3
    assert p.version("v1")["weight"] == 1
