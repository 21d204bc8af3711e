"""What a request costs: four I/O calls, no epoll_ctl."""
import os
import re
import signal
import subprocess

import pytest

from client import Load
from harness import PATIENCE, SAN, wait_for

REQUESTS = 4000
IO = {"read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg",
      "sendmsg"}


def can_trace():
    try:
        return subprocess.run(["strace", "-o", "/dev/null", "true"],
                              stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(bool(SAN), reason="a sanitizer adds calls of its own")
@pytest.mark.skipif(not can_trace(), reason="strace cannot trace here")
def test_four_io_calls_per_request(shop, app, tmp_path):
    p = shop({"v1": [app("1").port], "v2": [app("2").port]}, workers=1,
             service={"weights": {"v1": 80, "v2": 20}})
    Load(p.port, 4, 100).run()  # connections to the pods are there
    out = tmp_path / "calls"
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-U", "time,calls,errors,name", "-o", out,
         "-p", str(p.process.pid)], stderr=subprocess.PIPE, text=True)
    try:
        # "attached" comes once per thread; all of them are there already.
        threads = len(os.listdir(f"/proc/{p.process.pid}/task"))
        wait_for(lambda: traced(p.process.pid) == threads, "strace is there")
        load = Load(p.port, 4, REQUESTS).run()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE)
        tracer.stderr.close()
    assert load.failures() == []
    calls = {m.group(3): int(m.group(1)) for m in re.finditer(
        r"^\s*[\d.]+\s+(\d+)\s+(\d+\s+)?(\w+)$", out.read_text(), re.M)}
    io = sum(n for name, n in calls.items() if name in IO)
    assert 3.9 <= io / REQUESTS <= 4.2, calls
    assert calls.get("epoll_ctl", 0) <= 0.02 * REQUESTS, calls
    for name in ("getsockopt", "setsockopt", "mmap", "brk", "futex"):
        assert calls.get(name, 0) <= 0.02 * REQUESTS, calls


def traced(pid):
    n = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            n += "TracerPid:\t0\n" not in f.read()
    return n
