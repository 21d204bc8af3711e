"""Processes that shunt runs: how they end, whoever dies first; what they
write."""
import os
import re
import signal
import socket
import statistics
import time

from client import Load, get
from harness import BIN, PATIENCE, SAN, wait_for
from launching import (SCRIPT, PYTHON, Asking, app, below, config, counts, guard, kill,
                       pods_of, processes, script, shell, up, wait_gone,
                       wait_up)

FAST = {"backoff": {"min": "20ms", "max": "100ms"}}
BRIEF = {**FAST, "grace": "300ms"}
OF = 'service="shop",version="v1"'

# A family: a child, a grandchild in a session of its own, and an orphan that
# has left every trace of where it came from.
FAMILY = (f'sleep 10001 & (setsid sh -c "sleep 10002 & sleep 10003") & '
          f'setsid sh -c "(sleep 10004 &)" ; '
          f'{BIN} app --version v1 --port "$PORT"')


def exits(p):
    return p.metrics()["shunt_launch_exits_total"][OF]


def family(p, replicas=1):
    """All processes below shunt, once they are complete."""
    def complete():
        found = below(p.process.pid)
        # guard; keeper, shell, app, 10001, 10002, 10003, 10004, their shell
        return found if len(found) >= 1 + 8 * replicas else None
    wait_up(p, replicas)
    return wait_for(complete, "the family is complete")


def test_crashes_are_retried_with_back_off(proxy):
    p = proxy(config({"v1": shell("exit 3", backoff={"min": "30ms",
                                                    "max": "200ms"})}))
    wait_for(lambda: counts(p)["failed"] >= 6, "it failed often")
    assert counts(p)["reason"] == "exited with status 3"
    assert p.version("v1")["pods"] == []
    waits = re.findall(r"exited with status 3, again in (\w+)", p.stderr())
    assert waits[:5] == ["30ms", "60ms", "120ms", "200ms", "200ms"]
    assert "1 pods" not in p.stderr()
    assert "starts failed: exited with status 3" in p.cli(
        "status", check=True).stdout


def test_a_program_that_went_away(proxy):
    p = proxy(config({"v1": {"launch": {"command": ["./run"], **FAST}}}),
              wait=False)
    run = os.path.join(p.folder, "run")
    with open(run, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\nexec {BIN} app --version v1 --port "$PORT"\n')
    os.chmod(run, 0o755)
    p.start()
    wait_up(p, 1)
    os.unlink(run)
    kill(pods_of(p)[0])
    wait_for(lambda: counts(p)["failed"] > 1, "it failed")
    assert counts(p)["reason"] == "its command: No such file or directory"


def test_limits_that_cannot_be_had_are_told(proxy, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    p = proxy(config({"v1": app("v1", directory=str(folder), **FAST)}))
    wait_up(p, 1)
    folder.rmdir()
    kill(pods_of(p)[0])
    wait_for(lambda: counts(p)["failed"] > 0, "it failed")
    assert counts(p)["reason"] == "its directory: No such file or directory"


def test_a_process_that_never_listens(proxy):
    p = proxy(config({"v1": shell("sleep 10000", start="150ms", **FAST)}))
    wait_for(lambda: counts(p)["failed"] >= 2, "it was given up")
    assert counts(p)["reason"] == "took no connection in its start time"
    assert p.version("v1")["pods"] == []
    wait_for(lambda: len([c for c in below(p.process.pid)]) <= 4,
             "none is left over")


def test_sigterm_reaches_all_of_the_family(proxy):
    """Each ends by it, wherever it is: nobody waits for the grace time."""
    p = proxy(config({"v1": shell(FAMILY, **FAST, grace="1h")}))
    every = family(p)
    p.signal(signal.SIGTERM)
    wait_gone(every, "all of them have ended")
    assert p.process.wait(PATIENCE) == 0
    assert "its grace time is over" not in p.stderr()
    p.process = None


def test_sigterm_then_sigkill(proxy):
    p = proxy(config({"v1": script("deaf", grace="300ms"), "v2": app("v2")},
                     weights={"v1": 1}, stable="v2"))
    wait_up(p, 1)
    (pid,) = pods_of(p, "deaf")
    p.cli("weight", "shop", "v1=0", "v2=1", check=True)
    wait_gone([pid], "it was killed")
    wait_for(lambda: counts(p)["leaving"] == 0, "it is gone")
    assert "its grace time is over, it is killed" in p.stderr()
    assert "killed by signal 9 (SIGKILL)" in p.stderr()


def test_shunt_killed_takes_everybody_along(proxy):
    p = proxy(config({"v1": shell(FAMILY, replicas=2, **BRIEF)}))
    every = family(p, 2)
    p.process.kill()
    p.process.wait()
    wait_gone(every, "nobody is left")
    p.process = None


def test_shunt_killed_while_a_pod_is_deaf(proxy):
    p = proxy(config({"v1": script("deaf", grace="300ms", listen="socket")}))
    wait_up(p, 1)
    every = below(p.process.pid)
    path = up(p)[0].removeprefix("unix:")
    assert os.path.exists(path)
    p.process.kill()
    p.process.wait()
    wait_gone(every, "nobody is left")
    assert not os.path.exists(os.path.dirname(path))
    p.process = None


def test_the_next_shunt_starts_its_own(proxy):
    """Also while those of the one before still have their ports."""
    p = proxy(config({"v1": script("deaf", grace="700ms", replicas=2)}))
    wait_up(p, 2)
    before, old = sorted(up(p)), below(p.process.pid)
    p.process.kill()
    p.process.wait()
    p.start()
    wait_up(p, 2)
    assert not set(up(p)) & set(before)
    wait_gone(old, "those of before have ended")
    load = Load(p.port, total=50)
    load.run()
    assert [d for d in load.done if d.status != 200] == []


def test_the_guard_killed(proxy):
    p = proxy(config({"v1": shell(FAMILY, replicas=2, **BRIEF)}))
    every, first = family(p, 2), guard(p)
    kill(first)
    wait_gone(every, "nobody is left")
    family(p, 2)
    assert guard(p) != first
    assert "the guard of the pods, has ended" in p.stderr()
    assert get(p.port).status == 200


def test_the_guard_and_its_keepers_killed(proxy):
    p = proxy(config({"v1": shell(FAMILY, **BRIEF)}))
    every, first = family(p), guard(p)
    keepers = [k for k, of in processes().items() if of == first]
    for pid in keepers + [first]:
        kill(pid)
    wait_gone(every, "nobody is left")
    family(p)


def test_a_keeper_killed(proxy):
    p = proxy(config({"v1": shell(FAMILY, **BRIEF)}))
    every, first = family(p), guard(p)
    (keeper,) = [k for k, of in processes().items() if of == first]
    kill(keeper)
    every.remove(first)
    wait_gone(every, "nobody is left")
    wait_for(lambda: exits(p) == 1, "it was seen")
    family(p)
    assert guard(p) == first


def test_shunt_and_its_guard_killed_at_once(proxy):
    p = proxy(config({"v1": shell(FAMILY, **BRIEF)}))
    every = family(p)
    os.kill(p.process.pid, signal.SIGSTOP)
    kill(guard(p))
    p.process.kill()
    p.process.wait()
    wait_gone(every, "nobody is left")
    p.process = None


def test_what_a_dead_pod_leaves_behind(proxy):
    p = proxy(config({"v1": shell(FAMILY, **BRIEF)}))
    every, first = family(p), guard(p)
    (pid,) = pods_of(p)[:1]
    kill(pid)
    every.remove(first)
    wait_gone(every, "nobody is left")
    family(p)


def test_sigterm_ends_requests_then_pods(proxy):
    p = proxy(config({"v1": app("v1", "--delay", "1s", replicas=2)}))
    wait_up(p, 2)
    every = below(p.process.pid)
    asking = Asking(p, 4)
    p.signal(signal.SIGTERM)
    assert asking.statuses() == [200] * 4
    assert p.wait() == 0
    wait_gone(every, "nobody is left")
    log = p.stderr()
    assert (log.index("every request has finished") <
            log.index("exited with status 0") < log.index("info  stopped"))
    assert "killed" not in log


def asked_while_it_ends(p):
    """The API goes on until the last pod has ended."""
    if p.process.poll() is not None:
        return True
    try:
        assert p.api("GET", "/readyz")[0] == 503
        assert counts(p)["leaving"] == 1
        p.metrics()
        assert "shutting down" in p.cli("weight", "shop", "v1=2").stderr
        return True
    except OSError:
        return False


def test_sigterm_waits_for_the_grace_time(proxy):
    p = proxy(config({"v1": script("deaf", grace="1s")}))
    wait_up(p, 1)
    p.signal(signal.SIGTERM)
    wait_for(lambda: "every request has finished" in p.stderr(), "it drains")
    wait_for(lambda: asked_while_it_ends(p), "it answers, or has ended")
    assert p.wait() == 0
    assert "its grace time is over, it is killed" in p.stderr()


def test_a_second_sigterm_kills_at_once(proxy):
    p = proxy(config({"v1": script("deaf", grace="1h")}))
    wait_up(p, 1)
    pids = pods_of(p)
    p.signal(signal.SIGTERM)
    wait_for(lambda: "every request has finished" in p.stderr(), "it drains")
    time.sleep(0.05)  # nothing happens, and there is nothing to see of it
    assert pids[0] in processes()
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    wait_gone(pids, "it was killed")


def test_shunt_starts_and_stops_under_crashes(proxy):
    p = proxy(config({"v1": shell("exit 1", replicas=5, backoff={
        "min": "1ms", "max": "1ms"})}))
    wait_for(lambda: counts(p)["failed"] > 30, "they crash")
    p.stop()


# Output

def lines_of(p):
    return [line.split(" | ", 1)[1] for line in p.stderr().splitlines()
            if " | " in line]


def test_lines_in_the_log(proxy):
    text = (r'printf "one\ntwo\r\n\n\ttab \033[31mred \377\303\244\302\205\n";'
            r' echo to stderr >&2; printf "no end"; exec ')
    p = proxy(config({"v1": shell(
        text + f'{BIN} app --version v1 --port "$PORT"')}))
    wait_up(p, 1)
    wait_for(lambda: len(lines_of(p)) >= 5, "the lines are there")
    lines = lines_of(p)
    assert lines[:5] == ["one", "two", "",
                         r" tab \x1b[31mred \xffä\xc2\x85", "to stderr"]
    assert re.search(r"info  pod shop/v1/127\.0\.0\.1:\d+ \| one",
                     p.stderr())


def test_a_long_line_is_cut_into_pieces(proxy):
    p = proxy(config({"v1": {"launch": {"command": [
        PYTHON, "-c", "print('ä' * 2500 + 'END'); print('next')\n" + SCRIPT],
        "env": {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}}}}))
    wait_up(p, 1)
    wait_for(lambda: "next" in lines_of(p), "all is there")
    lines = lines_of(p)
    pieces = lines[:lines.index("next")]
    assert len(pieces) > 4
    assert all(piece.endswith(" [...]") for piece in pieces[:-1])
    assert "".join(p.removesuffix(" [...]") for p in pieces) == \
        "ä" * 2500 + "END"
    assert max(len(piece.encode()) for piece in pieces) < 1024


def test_a_pod_that_writes_much(proxy):
    megabytes = 10 if SAN else 100
    p = proxy(config({"v1": {"launch": {"command": [
        PYTHON, "-c",
        "import os, threading\n"
        "def write():\n"
        f"    for i in range({megabytes} * 16):\n"
        "        os.write(1, (b'x' * 1023 + b'\\n') * 64)\n"
        "    os.write(1, b'that is all\\n')\n"
        "threading.Thread(target=write, daemon=True).start()\n" + SCRIPT]}}}))
    wait_up(p, 1)
    before = p.peak_kib()
    took = []
    while "that is all" not in tail(p):
        begun = time.monotonic()
        assert get(p.port).status == 200
        assert counts(p)["pods"] == 1
        took.append(time.monotonic() - begun)
    assert os.stat(p.log).st_size > megabytes << 20
    assert p.peak_kib() - before < 20 * 1024
    # The longest one tells about the disk that the log is on.
    assert statistics.median(took) < (10 if SAN else 3)


def tail(p):
    with open(p.log, "rb") as f:
        f.seek(max(0, os.stat(p.log).st_size - 4096))
        return f.read().decode(errors="replace")


def test_a_log_that_nobody_reads_blocks_only_who_writes(proxy):
    """The log is a pipe, full: the pod waits, shunt does not."""
    read, write = os.pipe()
    p = proxy(config({"v1": {"launch": {"command": [
        PYTHON, "-c",
        "import os, threading\n"
        "def write():\n"
        "    while True:\n"
        "        os.write(1, (b'y' * 99 + b'\\n') * 64)\n"
        "threading.Thread(target=write, daemon=True).start()\n" + SCRIPT]}}}),
        wait=False)
    p.log = f"/proc/{os.getpid()}/fd/{write}"
    p.spawn()
    os.close(write)
    p.log = os.devnull
    wait_for(p.ready, "the proxy is ready")
    wait_up(p, 1)
    wait_for(lambda: waits_to_write(pods_of(p)[0]), "the pod waits")
    load = Load(p.port, total=50)
    load.run()
    assert [d for d in load.done if d.status != 200] == []
    assert counts(p)["pods"] == 1
    drain = Drain(read)
    p.stop()
    drain.join()


def waits_to_write(pid):
    """Some thread of it waits for room in a pipe."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/wchan", encoding="ascii") as f:
            if "pipe" in f.read():
                return True
    return False


class Drain:
    """Reads a pipe to its end."""

    def __init__(self, fd):
        import threading
        self.fd = fd
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while os.read(self.fd, 65536):
            pass
        os.close(self.fd)

    def join(self):
        self.thread.join(10)


def test_a_port_taken_while_its_pod_was_dead(proxy):
    p = proxy(config({"v1": app("v1", backoff={"min": "300ms",
                                               "max": "300ms"})}))
    wait_up(p, 1)
    (before,) = up(p)
    kill(pods_of(p)[0])
    host, port = before.rsplit(":", 1)
    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    wait_for(lambda: try_bind(thief, host, int(port)), "the port is ours")
    thief.listen()
    wait_for(lambda: len(up(p)) == 1 and up(p) != [before],
             "it has another place")
    # up is what main knows; the workers' plan follows
    wait_for(lambda: get(p.port).status == 200, "it answers")
    thief.close()


def try_bind(s, host, port):
    try:
        s.bind((host, port))
        return True
    except OSError:
        return False
