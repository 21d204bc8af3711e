"""Configs with `launch`, and looking at the processes that come of them."""
import os
import signal
import sys
import threading

from client import Load
from harness import BIN, PATIENCE, wait_for

PYTHON = sys.executable

# A pod in one script: it says what it sees, and can be told to misbehave.
SCRIPT = r"""
import http.server, json, os, resource, signal, socket, socketserver, sys

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "-"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        body = json.dumps({
            "pid": os.getpid(), "argv": sys.argv[1:],
            "env": dict(os.environ), "cwd": os.getcwd(),
            "uid": os.getuid(), "gid": os.getgid(),
            "groups": os.getgroups(), "umask": os.umask(0o022),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
            "memory": resource.getrlimit(resource.RLIMIT_AS),
            "processes": resource.getrlimit(resource.RLIMIT_NPROC),
            "fds": sorted(int(n) for n in os.listdir("/proc/self/fd")),
            "mask": [l for l in open("/proc/self/status")
                     if l.startswith(("SigBlk", "SigIgn"))],
            "stdin": os.readlink("/proc/self/fd/0")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Tcp(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "SHUNT_SOCKET" in os.environ:
    Unix(os.environ["SHUNT_SOCKET"], Answer).serve_forever()
Tcp((os.environ["SHUNT_ADDRESS"], int(os.environ["PORT"])),
    Answer).serve_forever()
"""


def app(version, *options, **launch):
    """A version of the demo app, run by shunt."""
    return {"launch": {"command": [BIN, "app", "--version", version, "--port",
                                   "{port}", *options], **launch}}


def script(*arguments, **launch):
    return {"launch": {"command": [PYTHON, "-c", SCRIPT, *arguments],
                       **launch}}


def shell(text, **launch):
    return {"launch": {"command": ["/bin/sh", "-c", text], **launch}}


def config(versions, **service):
    return {"services": {"shop": {"versions": versions, **service}}}


def counts(p, version="v1"):
    return p.version(version)["launch"]


def up(p, version="v1"):
    return [pod["address"] for pod in p.version(version)["pods"]
            if pod["state"] == "up"]


def wait_up(p, n, version="v1"):
    wait_for(lambda: len(up(p, version)) == n and p.status()["in_force"],
             f"{n} pods of {version} are up")


def processes():
    """Parents by process, without those that are dead already."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8",
                      errors="replace") as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(name)] = int(parent)
    return found


def below(pid):
    """All that come from this process."""
    every, found, more = processes(), [], [pid]
    while more:
        parent = more.pop()
        children = [p for p, of in every.items() if of == parent]
        found += children
        more += children
    return found


def command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def guard(p):
    """The child of shunt; its children are keepers."""
    def find():
        every = processes()
        found = [c for c, of in every.items() if of == p.process.pid and
                 command(c)[1:2] == ["pod-guard"]]
        return found[0] if len(found) == 1 else None
    return wait_for(find, "there is one guard")


def pods_of(p, word=None):
    """The processes themselves, children of keepers; or those whose command
    has this word."""
    of_shunt, every = guard(p), processes()
    keepers = {k for k, of in every.items() if of == of_shunt}
    return [c for c, of in every.items() if of in keepers and
            (word is None or word in command(c))]


def wait_gone(pids, what):
    def gone():
        alive = processes()
        return not [pid for pid in pids if pid in alive]
    wait_for(gone, what)


class Asking(Load):
    """So many requests at once, waited for later."""

    def __init__(self, p, n):
        super().__init__(p.port, connections=n, total=n)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        wait_for(lambda: p.inflight() == n, "they are in flight")

    def statuses(self):
        self.thread.join(PATIENCE)
        return [d.status for d in self.done]


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)
