"""`shunt rollout` and its API: what they take, what they say, and following
one to its end. Steps that pause make each moment last until the test goes on;
the strategies have their own tests."""
import asyncio
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from client import Client, Load, request
from harness import BIN, PATIENCE, UnixConnection, run_cli, wait_for
from pods import app_answer

BASE = "/api/v1/services/shop"
KEYS = {"id", "strategy", "from", "to", "phase", "step", "steps", "gated",
        "verdict", "reason"}
MORE = {"started", "ended", "took_ms", "paused_ms", "decisions"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def canary(*steps, **options):
    options.setdefault("gates", "off")
    return {"strategy": "canary", "canary": {"steps": list(steps), **options}}


PAUSING = canary({"weight": 10, "pause": True}, {"weight": 50, "pause": True})
QUICK = canary({"weight": 50})


@pytest.fixture
def two(shop, app, tmp_path):
    """A function: v1 and v2 and how they are released."""
    def start(release, state=False, v2=(), **options):
        config = {"state": str(tmp_path / "shunt.db")} if state else {}
        return shop({"v1": [app("1").port], "v2": [app("2", *v2).port]},
                    config=config,
                    service={"release": release, **options})
    return start


def rollout(p):
    code, answer = p.api("GET", f"{BASE}/rollout")
    assert code == 200, answer
    return answer


def wait_phase(p, phase, step=None):
    def there():
        now = rollout(p)
        return (now and now["phase"] == phase
                and (step is None or now["step"] == step) and now)
    return wait_for(there, f"{phase}, step {step}")


def history(p):
    return p.api("GET", f"{BASE}/rollouts")[1]["rollouts"]


# The API.

def test_nothing_was_ever_released(two):
    p = two(PAUSING)
    assert rollout(p) is None
    assert p.status()["rollout"] is None
    assert history(p) == []
    assert p.api("POST", f"{BASE}/rollout/abort") == (200, None)
    for verb in ("pause", "resume", "promote", "undo"):
        code, answer = p.api("POST", f"{BASE}/rollout/{verb}")
        assert code == 409 and list(answer) == ["error"], (verb, answer)
    assert rollout(p) is None and history(p) == []


def test_documents(two):
    p = two(PAUSING)
    code, begun = p.api("POST", f"{BASE}/rollouts", {"to": "v2"})
    assert code == 200 and KEYS | MORE <= set(begun)
    assert (begun["strategy"], begun["from"], begun["to"]) == (
        "canary", "v1", "v2")
    now = wait_phase(p, "paused", 1)
    assert set(now) == KEYS | MORE
    assert now["id"] == begun["id"] and now["steps"] == 2
    assert now["ended"] is None and TIME.fullmatch(now["started"])
    assert now["gated"] is False and now["verdict"] == "no_data"
    short = p.status()["rollout"]
    assert set(short) == KEYS
    assert all(short[key] == now[key] for key in KEYS)
    p.api("POST", f"{BASE}/rollout/abort")
    over = wait_phase(p, "rolled_back")
    assert TIME.fullmatch(over["ended"]) and over["decisions"]
    for decision in over["decisions"]:
        assert set(decision) == {"time", "action", "reason"}
        assert TIME.fullmatch(decision["time"])
    assert history(p) == [over]


def test_promote_by_step_and_full(two):
    p = two(PAUSING)
    p.api("POST", f"{BASE}/rollouts", {"to": "v2"})
    wait_phase(p, "paused", 1)
    assert p.api("POST", f"{BASE}/rollout/promote")[0] == 200
    wait_phase(p, "paused", 2)
    assert p.api("POST", f"{BASE}/rollout/promote", {"full": False})[0] == 200
    wait_phase(p, "done")
    assert p.status()["stable"] == "v2"
    assert p.api("POST", f"{BASE}/rollouts", {"to": "v1"})[0] == 200
    wait_phase(p, "paused", 1)
    assert p.api("POST", f"{BASE}/rollout/promote", {"full": True})[0] == 200
    wait_phase(p, "done")
    assert p.status()["stable"] == "v1"


def test_undo_asks_nobody(two):
    """It is for those in a hurry: no step waits."""
    p = two(PAUSING)
    p.cli("rollout", "start", "shop", "--to", "v2", check=True)
    wait_phase(p, "paused", 1)
    assert p.cli("rollout", "undo", "shop").returncode == 1  # abort is meant
    p.cli("rollout", "promote", "shop", "--full", "--wait", check=True)
    p.cli("rollout", "undo", "shop", "--wait", check=True)
    assert p.status()["stable"] == "v1"
    assert [(r["from"], r["to"], r["phase"]) for r in history(p)] == [
        ("v2", "v1", "done"), ("v1", "v2", "done")]


def test_history_is_newest_first_and_limited(two):
    p = two(QUICK)
    for to in ("v2", "v1", "v2"):
        assert p.api("POST", f"{BASE}/rollouts", {"to": to})[0] == 200
        wait_phase(p, "done")
    ids = [r["id"] for r in history(p)]
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == 3
    one = p.api("GET", f"{BASE}/rollouts?limit=1")[1]["rollouts"]
    assert [r["id"] for r in one] == ids[:1]
    for wrong in ("0", "-1", "x", "1001", ""):
        code, answer = p.api("GET", f"{BASE}/rollouts?limit={wrong}")
        assert code == 400 and "limit" in answer["error"]


START = [
    ("nope", '{"to": "v2"}', 404, ["nope", "shop"]),
    ("shop", '{"to": "v9"}', 404, ["v9", "v1, v2"]),
    ("shop", '{"to": "v1"}', 409, ["v1", "stable"]),
    ("shop", '{"to": "v2", "strategy": "fast"}', 400,
     ["fast", "recreate, rolling, blue_green, canary, ab"]),
    ("shop", '{"to": "v2", "strategy": 1}', 400, ["strategy"]),
    ("shop", '{"to": "v2", "speed": 1}', 400, ["speed"]),
    ("shop", '{"strategy": "canary"}', 400, ['"to"']),
    ("shop", '{"to": 2}', 400, ['"to"']),
    ("shop", '{"to": "v2", "to": "v1"}', 400, ["JSON"]),
    ("shop", '["v2"]', 400, ['"to"']),
    ("shop", '"v2"', 400, []),
    ("shop", "", 400, []),
    ("shop", "{", 400, ["JSON"]),
    ("shop", '{"to": "v2"} x', 400, ["JSON"]),
    ("shop", '{"to": "\\u0000"}', 400, []),
    ("shop", '{"to": "' + "x" * 100000 + '"}', 404, []),
]


@pytest.mark.parametrize("name,text,status,named", START)
def test_wrong_starts_begin_nothing(two, name, text, status, named):
    p = two(PAUSING)
    code, answer = p.api("POST", f"/api/v1/services/{name}/rollouts",
                         text=text)
    assert code == status, answer
    assert list(answer) == ["error"]
    for word in named:
        assert word in answer["error"], answer
    assert rollout(p) is None


def test_wrong_bodies_of_verbs(two):
    p = two(PAUSING)
    p.api("POST", f"{BASE}/rollouts", {"to": "v2"})
    before = wait_phase(p, "paused", 1)
    for verb, text in (("promote", '{"full": 1}'), ("promote", "[]"),
                       ("promote", '{"fully": true}'), ("promote", "{"),
                       ("promote", '{"full": true, "x": 1}'),
                       ("abort", '{"full": true}'), ("abort", "x"),
                       ("pause", "[1]")):
        code, answer = p.api("POST", f"{BASE}/rollout/{verb}", text=text)
        assert code == 400 and answer["error"], (verb, text, answer)
    assert rollout(p)["decisions"] == before["decisions"]
    assert p.api("POST", f"{BASE}/rollout/abort", {})[0] == 200


@pytest.mark.parametrize("method,path,allowed", [
    ("DELETE", "/rollout", "GET, HEAD"),
    ("PUT", "/rollouts", "GET, HEAD, POST"),
    ("GET", "/rollout/pause", "POST"),
    ("PATCH", "/rollout/abort", "POST"),
])
def test_wrong_methods(two, method, path, allowed):
    p = two(PAUSING)
    connection = UnixConnection(p.socket, PATIENCE)
    connection.request(method, BASE + path)
    answer = connection.getresponse()
    assert answer.status == 405 and answer.getheader("Allow") == allowed
    connection.close()
    assert p.api("POST", f"{BASE}/rollout/skip")[0] == 404


def test_a_huge_body(two):
    p = two(PAUSING)
    code, answer = p.api("POST", f"{BASE}/rollouts",
                         text='{"to": "' + "x" * (1 << 20) + '"}')
    assert code == 413 and answer["error"]
    assert rollout(p) is None


def test_nothing_begins_while_it_drains(shop, pod):
    gate = asyncio.Event()

    async def slow(asked):
        assert asked
        await gate.wait()
        return app_answer("1")
    backend = pod(slow)
    p = shop({"v1": [backend.port], "v2": [pod().port]},
             service={"release": PAUSING}, workers=1)
    with Client(p.port) as busy:
        busy.send(request())
        wait_for(lambda: p.inflight() == 1, "one in flight")
        p.signal(signal.SIGTERM)
        wait_for(lambda: p.api("GET", "/readyz")[0] == 503, "it drains")
        for path, body in ((f"{BASE}/rollouts", {"to": "v2"}),
                           (f"{BASE}/rollout/abort", None)):
            code, answer = p.api("POST", path, body)
            assert code == 503 and "shutting down" in answer["error"]
        done = p.cli("rollout", "start", "shop", "--to", "v2")
        assert done.returncode == 1 and "shutting down" in done.stderr
        backend.loop.loop.call_soon_threadsafe(gate.set)
        assert busy.response().status == 200
    assert p.wait() == 0


def test_weights_are_the_rollouts(two):
    p = two(PAUSING)
    p.cli("rollout", "start", "shop", "--to", "v2", check=True)
    wait_phase(p, "paused", 1)
    before = [v["weight"] for v in p.status()["versions"]]
    assert before == pytest.approx([0.9, 0.1])
    done = p.cli("weight", "shop", "v2=100")
    assert done.returncode == 1 and "rollout" in done.stderr, done.stderr
    code, answer = p.api("PUT", f"{BASE}/weights", {"v2": 100})
    assert code == 409 and "rollout" in answer["error"]
    assert [v["weight"] for v in p.status()["versions"]] == before


# The command line.

USAGE = [
    [], ["start"], ["start", "shop"], ["go", "shop"], ["status"],
    ["start", "shop", "--to"], ["start", "shop", "v2"],
    ["start", "shop", "--to", "v2", "--full"],
    ["start", "shop", "--to", "v2", "--strategy", "fast"],
    ["pause", "shop", "--to", "v2"], ["undo", "shop", "--strategy", "ab"],
    ["pause", "shop", "--wait"], ["status", "shop", "--wait"],
    ["history", "shop", "--full"], ["status", "shop", "-o", "xml"],
    ["start", "shop", "--to", b"\xff"],
]


@pytest.mark.parametrize("words", USAGE)
def test_usage(words):
    done = run_cli("rollout", *words)
    assert done.returncode == 2 and not done.stdout
    assert "shunt rollout" in done.stderr


def test_an_unknown_strategy_names_the_known_ones():
    done = run_cli("rollout", "start", "shop", "--to", "v2", "--strategy",
                   "fast")
    assert "recreate, rolling, blue_green, canary, ab" in done.stderr


@pytest.mark.parametrize("words,named", [
    (["start", "nope", "--to", "v2"], ["nope", "shop"]),
    (["start", "shop", "--to", "v9"], ["v9", "v1, v2"]),
    (["start", "shop", "--to", "v1"], ["v1", "stable"]),
    (["status", "nope"], ["nope"]),
    (["pause", "shop"], []), (["resume", "shop"], []),
    (["promote", "shop"], []), (["undo", "shop"], []),
])
def test_failures(two, words, named):
    p = two(PAUSING)
    done = p.cli("rollout", *words)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("shunt: ")
    for word in named:
        assert word in done.stderr


def test_words_for_people(two):
    p = two(PAUSING)
    for words in (["status"], ["history"], ["abort"], ["abort", "--wait"]):
        said = p.cli("rollout", words[0], "shop", *words[1:], check=True)
        assert said.stdout == "shop: nothing was ever released\n"
    said = p.cli("rollout", "start", "shop", "--to", "v2", "--strategy",
                 "canary", check=True).stdout
    assert "canary v1 → v2" in said
    wait_phase(p, "paused", 1)
    said = p.cli("rollout", "status", "shop", check=True).stdout
    assert "paused, step 1 of 2" in said and "DECISION" in said
    assert "started" in said and " ago" in said
    assert "canary v1 → v2, paused, step 1 of 2" in p.cli(
        "status", "shop", check=True).stdout
    said = p.cli("rollout", "abort", "shop", check=True).stdout
    assert "nothing is under way" not in said
    wait_phase(p, "rolled_back")
    said = p.cli("rollout", "history", "shop", check=True).stdout
    title, row = said.splitlines()
    assert title.split() == ["ID", "STRATEGY", "RELEASE", "OUTCOME",
                             "STARTED", "TOOK", "REASON"]
    assert row.split()[:6] == ["1", "canary", "v1", "→", "v2", "rolled_back"]
    # an arrow is one column
    assert title.index("OUTCOME") == row.index("rolled_back")


def test_json_is_that_of_the_api(two):
    p = two(PAUSING)
    assert json.loads(p.cli("rollout", "status", "shop", "-o", "json",
                            check=True).stdout) is None
    begun = json.loads(p.cli("rollout", "start", "shop", "--to", "v2", "-o",
                             "json", check=True).stdout)
    assert begun["to"] == "v2"
    wait_phase(p, "paused", 1)
    p.cli("rollout", "abort", "shop", check=True)
    over = wait_phase(p, "rolled_back")
    assert json.loads(p.cli("rollout", "status", "shop", "-o", "json",
                            check=True).stdout) == over
    assert json.loads(p.cli("rollout", "history", "shop", "-o", "json",
                            check=True).stdout) == {"rollouts": [over]}


def test_abort_may_be_said_again(two):
    p = two(PAUSING)
    p.cli("rollout", "start", "shop", "--to", "v2", check=True)
    wait_phase(p, "paused", 1)
    for _ in range(3):
        p.cli("rollout", "abort", "shop", "--wait", check=True)
    assert rollout(p)["phase"] == "rolled_back"
    assert len(history(p)) == 1
    assert p.version("v2")["weight"] == 0


def test_pause_and_resume(two):
    p = two(canary({"weight": 10, "hold": "1h"}))
    p.cli("rollout", "start", "shop", "--to", "v2", check=True)
    wait_phase(p, "progressing", 1)
    p.cli("rollout", "pause", "shop", check=True)
    assert rollout(p)["phase"] == "paused"
    p.cli("rollout", "resume", "shop", check=True)
    wait_phase(p, "progressing", 1)
    done = p.cli("rollout", "resume", "shop")
    assert done.returncode == 1 and done.stderr


# --wait

def test_wait_until_done(two):
    p = two(QUICK)
    done = p.cli("rollout", "start", "shop", "--to", "v2", "--wait",
                 check=True)
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"shop: v2 is the stable version now "
                        r"\(rollout 1, .+\)", lines[-1])
    assert "\r" not in done.stdout and "\x1b" not in done.stdout
    assert p.status()["stable"] == "v2"
    done = p.cli("rollout", "undo", "shop", "--wait", check=True)
    assert "v1 is the stable version now" in done.stdout


def test_wait_says_each_change_once(two):
    p = two(PAUSING)
    watch = Watch(p)
    for step in (1, 2):
        watch.wait(f"paused, step {step} of 2")
        p.cli("rollout", "promote", "shop", check=True)
    assert watch.end() == 0
    lines = [line.split("shop: ", 1)[1] for line in watch.text.splitlines()]
    assert len(lines) == len(set(lines)), watch.text


def test_wait_for_a_rollback(two):
    p = two(canary({"weight": 50, "hold": "1h"},
                   gates={"max_error_rate": "1%"}),
            v2=("--fail-agent", "bad", "--fail-status", "500"))
    load = Load(p.port, 4, data=request(fields=[("User-Agent", "bad")]))
    load.start()
    try:
        done = p.cli("rollout", "start", "shop", "--to", "v2", "--wait")
    finally:
        load.stop()
    assert done.returncode == 1, done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith("shop: rolled back to v1: "), last
    assert rollout(p)["phase"] == "rolled_back"
    assert any("limit 1 %" in d["reason"] for d in rollout(p)["decisions"])


def test_wait_with_json_prints_only_the_end(two):
    p = two(QUICK)
    done = p.cli("rollout", "start", "shop", "--to", "v2", "--wait", "-o",
                 "json", check=True)
    assert json.loads(done.stdout) == rollout(p)
    assert rollout(p)["phase"] == "done"


class Watch:
    """`shunt rollout start --wait` in a pipe, read as it comes."""

    def __init__(self, p, *words):
        self.process = subprocess.Popen(
            [BIN, "rollout", "start", "shop", "--to", "v2", "--wait", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "SHUNT_SOCKET": p.socket})
        self.text = ""
        self.errors = ""

    def wait(self, what):
        end = time.monotonic() + PATIENCE
        while what not in self.text:
            left = end - time.monotonic()
            assert left > 0, self.text
            if select.select([self.process.stdout], [], [], left)[0]:
                piece = os.read(self.process.stdout.fileno(), 65536)
                assert piece, self.text + self.process.stderr.read().decode()
                self.text += piece.decode()

    def end(self):
        out, errors = self.process.communicate(timeout=PATIENCE)
        self.text += out.decode()
        self.errors = errors.decode()
        return self.process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_watches_may_leave(two, number):
    p = two(PAUSING)
    watch = Watch(p)
    watch.wait("paused, step 1 of 2")
    watch.process.send_signal(number)
    assert watch.end() == 1
    assert "goes on" in watch.errors
    assert "shunt rollout abort shop" in watch.errors
    assert rollout(p)["phase"] == "paused"
    p.cli("rollout", "promote", "shop", "--full", "--wait", check=True)


def restart(p):
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    p.start()


def test_waiting_survives_a_restart(two):
    p = two(PAUSING, state=True)
    watch = Watch(p)
    watch.wait("paused, step 1 of 2")
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    watch.wait("waiting for it")
    p.start()
    wait_phase(p, "paused", 1)
    p.cli("rollout", "promote", "shop", "--full", check=True)
    assert watch.end() == 0, watch.errors
    assert "v2 is the stable version now" in watch.text


def test_waiting_survives_a_crash(two):
    p = two(PAUSING, state=True)
    watch = Watch(p)
    watch.wait("paused, step 1 of 2")
    p.process.kill()
    p.process.wait()
    p.start()
    wait_phase(p, "paused", 1)
    p.cli("rollout", "abort", "shop", check=True)
    assert watch.end() == 1
    assert "rolled back to v1" in watch.text


def test_a_restart_without_state_ends_the_waiting(two):
    p = two(PAUSING)
    watch = Watch(p)
    watch.wait("paused, step 1 of 2")
    restart(p)
    assert watch.end() == 1
    assert "state" in watch.errors


def test_another_start_ends_the_waiting(shop, app):
    p = shop({v: [app(v[1]).port] for v in ("v1", "v2", "v3")},
             service={"release": PAUSING})
    watch = Watch(p)
    watch.wait("paused, step 1 of 2")
    p.cli("rollout", "start", "shop", "--to", "v3", check=True)
    assert watch.end() == 1, watch.text
    wait_phase(p, "paused", 1)
    p.cli("rollout", "abort", "shop", "--wait", check=True)


# On a terminal.

COLUMNS = 60


class Terminal:
    """`shunt rollout start --wait` on a terminal of 60 columns."""

    def __init__(self, p):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [BIN, "rollout", "start", "shop", "--to", "v2", "--wait"],
            stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=self.control,
            env={**os.environ, "SHUNT_SOCKET": p.socket})
        os.close(slave)
        self.data = b""

    @staticmethod
    def control():
        """The terminal is ours: Ctrl-C on it is a signal."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read(self, until):
        """Until that matches, or, with None, until its end."""
        end = time.monotonic() + PATIENCE
        while until is None or not re.search(until, self.data):
            assert time.monotonic() < end, self.data
            if not select.select([self.master], [], [], 1)[0]:
                continue
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # it has gone: EIO on Linux
                piece = b""
            if not piece:
                assert until is None, self.data
                return
            self.data += piece

    def end(self):
        self.read(None)
        os.close(self.master)
        return self.process.wait(PATIENCE)


def test_a_live_line(two):
    p = two(PAUSING)
    t = Terminal(p)
    # on the live line: the first answer, which stands, may say so, too
    t.read(rb"\r[^\r\n]*paused, step 1 of 2")
    p.cli("rollout", "promote", "shop", check=True)
    t.read(rb"\r[^\r\n]*step 2 of 2")
    p.cli("rollout", "promote", "shop", check=True)
    assert t.end() == 0
    text = t.data.decode()
    live = re.findall(r"\r([^\r\n]*)\x1b\[K", text)
    assert len(live) >= 3
    assert all(len(line) < COLUMNS for line in live), live
    # one line is rewritten: the first answer and the end stand by themselves
    assert text.count("\n") == 2, text
    assert "v2 is the stable version now" in text.splitlines()[-1]


def test_ctrl_c_on_a_terminal(two):
    p = two(PAUSING)
    t = Terminal(p)
    t.read(b"paused, step 1 of 2")
    os.write(t.master, b"\x03")
    assert t.end() == 1
    assert b"goes on" in t.data
    assert rollout(p)["phase"] == "paused"
    p.cli("rollout", "abort", "shop", "--wait", check=True)
