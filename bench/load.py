"""The load generators: each makes one work for some seconds and reports

    requests, duration (us), p50 and p99 (us)

and raises Failed when a request went wrong, not when there was none. wrk
would take up its TLS sessions again, but it opens its connections once.
"""

import json
import os
import re
import subprocess

import clients
from programs import LOAD_CPU, Failed, find, spawn

STREAMS = 16  # per connection of HTTP/2
SMALL = 100  # bytes of the pods' usual body
WRK_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "wrk.lua")


def run_child(command, seconds):
    """(status, output) of a load generator."""
    child = spawn(command, LOAD_CPU, stdout=subprocess.PIPE,
                  stderr=subprocess.STDOUT, text=True)
    try:
        output = child.communicate(timeout=seconds + 30)[0]
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end") from None
    finally:
        child.kill()
        child.wait()
    return child.returncode, output


def wrk(program, work, seconds):
    """What wrk reports; Failed when any request went wrong."""
    command = [find("wrk"), "-t1", f"-c{work.connections}", f"-d{seconds}s",
               "--timeout", "10s", "--latency", "-s", WRK_SCRIPT]
    for name, value in work.headers.items():
        command += ["-H", f"{name}: {value}"]
    status, output = run_child(
        [*command, program.url(work.path, work.secure)], seconds)
    last = output.rstrip().split("\n")[-1]
    if status != 0 or not last.startswith("{"):
        raise Failed(f"wrk against {program.name} failed:\n{output}")
    told = json.loads(last)
    for kind in ("connect", "read", "write", "status", "timeout"):
        if told[kind]:
            raise Failed(f"{program.name} failed {told[kind]} of "
                         f"{told['requests']} requests of the work "
                         f"'{work.name}' ({kind} errors)")
    return told


def h2load(program, work, seconds):
    """What h2load reports; its log of requests has the percentiles."""
    log = program.path("h2load.log")
    if os.path.exists(log):
        os.unlink(log)  # it would append
    command = [find("h2load"), "-t1", f"-c{work.connections}", f"-m{STREAMS}",
               f"-D{seconds}", f"--log-file={log}"]
    for name, value in work.headers.items():
        command += ["-H", f"{name}: {value}"]
    status, output = run_child(
        [*command, program.url(work.path, work.secure)], seconds)
    counted = {kind: int(number) for number, kind in re.findall(
        r"\b(\d+) (succeeded|failed|errored|timeout|2xx)\b", output)}
    answered = counted.get("succeeded")
    if status != 0 or answered is None or counted["2xx"] != answered or \
            counted["failed"] or counted["errored"] or counted["timeout"]:
        raise Failed(f"h2load against {program.name} failed:\n{output}")
    with open(log) as f:
        took = sorted(int(line.split("\t")[2]) for line in f)
    return {"requests": answered, "duration": seconds * 1e6,
            **percentiles(took)}


def handshakes(program, work, seconds):
    """A connection for every request, and a full handshake for each."""
    request = clients.h1_request(work.path, {"Connection": "close"})
    try:
        took, duration = clients.run_visits(
            program.tls_port, work.connections, seconds, request, SMALL)
    except (OSError, Failed) as error:
        raise Failed(f"{program.name} failed at '{work.name}': "
                     f"{error}") from error
    return {"requests": len(took), "duration": duration * 1e6,
            **percentiles(sorted(s * 1e6 for s in took))}


def percentiles(ordered):
    if not ordered:
        return {"p50": 0, "p99": 0}
    return {"p50": ordered[len(ordered) // 2],
            "p99": ordered[len(ordered) * 99 // 100]}
