"""The works: what every program must do the same, and how each is measured."""

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess

from programs import AGENT_RULE, COOKIE_RULE, LOAD_CPU, PROXY_CPU
from programs import Failed, find, spawn

BULK = 10 * 1024 * 1024
IDLE_CONNECTIONS = 2000
IO_CALLS = {"read", "readv", "recvfrom", "recvmsg", "recvmmsg", "write",
            "writev", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice"}
WRK_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "wrk.lua")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 " \
    "Firefox/128.0"
REALISTIC = {
    "User-Agent": BROWSER,
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,"
              "image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "http://shop.example.com/catalogue/shoes?page=3",
    "Cookie": "session=1f0c8a2e77b94d6f; theme=dark; "
              + "=".join(COOKIE_RULE) + "; seen=12",
}


class Work:
    def __init__(self, name, title, connections, path="/", headers=None,
                 size=0):
        self.name = name
        self.title = title
        self.connections = connections
        self.path = path
        self.headers = headers or {}
        self.size = size  # of a body so large that unfinished ones count

    def answers(self, told):
        """How many requests wrk had answered, unfinished large ones too."""
        return told["bytes"] / self.size if self.size else told["requests"]


WORKS = [
    Work("small", "HTTP/1.1 keep-alive, small GET", 32),
    Work("rules", "same, 6 headers, decided by User-Agent regex and cookie",
         32, headers=REALISTIC),
    Work("close", "a new connection for every request", 32,
         headers={"Connection": "close"}),
    Work("bulk", "10 MiB response, plain", 4, path=f"/bytes/{BULK}",
         size=BULK),
]


# The same work, before anything is measured.

class Probe:
    """One kept-alive client of one program."""

    def __init__(self, program):
        self.program = program
        self.http = http.client.HTTPConnection("127.0.0.1", program.port,
                                               timeout=10)

    def get(self, path="/", headers=None):
        try:
            self.http.request("GET", path, headers=headers or {})
            answer = self.http.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.fail(f"GET {path}: {error!r}")
        if answer.status != 200:
            self.fail(f"GET {path} was answered {answer.status}")
        return body

    def version(self, headers=None):
        return json.loads(self.get("/", headers))["appVersion"]

    def echo(self):
        """(connections the pods have seen, the head a pod received)"""
        line, head = self.get("/echo", {
            "Cookie": "=".join(COOKIE_RULE)}).decode().split("\n", 1)
        return int(line.split()[1]), head

    def fail(self, what):
        raise Failed(f"{self.program.name} does not do the same work: {what}")


def check_forwarded(probe, head):
    fields = dict(re.findall(r"^([\w-]+): *(.*?)\r$", head, re.M))
    fields = {name.lower(): value for name, value in fields.items()}
    for name, wanted in [("X-Forwarded-For", "127.0.0.1"),
                         ("X-Forwarded-Proto", "http"),
                         ("X-Forwarded-Host", fields.get("host"))]:
        if fields.get(name.lower()) != wanted:
            probe.fail(f"{name} is {fields.get(name.lower())!r}, "
                       f"not {wanted!r}")


def check_rule(probe, what, headers):
    seen = {probe.version(headers) for _ in range(100)}
    if seen != {"v2"}:
        probe.fail(f"{what} led to {', '.join(sorted(seen))}, not v2")


def check_split(probe, requests=1000, slack=0.06):
    share = sum(probe.version() == "v2" for _ in range(requests)) / requests
    if abs(share - 0.2) > slack:
        probe.fail(f"v2 had {share:.1%} of {requests} requests, not 20 %")


def check_close(probe):
    for _ in range(20):
        probe.get("/", {"Connection": "close"})
        if probe.http.sock is not None:
            probe.fail("Connection: close was not answered in kind")


def check(program):
    """Raises Failed when a program does less than, or not, the same work."""
    probe = Probe(program)
    before, head = probe.echo()
    if len(probe.get(f"/bytes/{BULK}")) != BULK:
        probe.fail("10 MiB arrived short")
    if not program.routes:
        return
    check_forwarded(probe, head)
    check_split(probe)
    check_rule(probe, f"User-Agent {AGENT_RULE}",
               {"User-Agent": f"Mozilla/5.0 {AGENT_RULE}/1.0"})
    check_rule(probe, "the cookie " + "=".join(COOKIE_RULE), REALISTIC)
    check_close(probe)
    opened = probe.echo()[0] - before
    if opened > 100:
        probe.fail(f"connections to pods are not kept: {opened} opened "
                   "for about 1,200 requests")


# Load, and what it cost.

def wrk(program, work, seconds):
    """What wrk reports; Failed when any request went wrong."""
    command = [find("wrk"), "-t1", f"-c{work.connections}", f"-d{seconds}s",
               "--timeout", "10s", "--latency", "-s", WRK_SCRIPT]
    for name, value in work.headers.items():
        command += ["-H", f"{name}: {value}"]
    child = spawn([*command, program.url(work.path)], LOAD_CPU,
                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output = child.communicate(timeout=seconds + 30)[0]
    finally:
        child.kill()
        child.wait()
    last = output.rstrip().split("\n")[-1]
    if child.returncode != 0 or not last.startswith("{"):
        raise Failed(f"wrk against {program.name} failed:\n{output}")
    told = json.loads(last)
    for kind in ("connect", "read", "write", "status", "timeout"):
        if told[kind]:
            raise Failed(f"{program.name} failed {told[kind]} of "
                         f"{told['requests']} requests of the work "
                         f"'{work.name}' ({kind} errors)")
    if told["requests"] == 0:
        raise Failed(f"{program.name} answered nothing of '{work.name}'")
    return told


def proxy_cpu_ticks():
    """(busy, all) ticks of the CPU that the programs are pinned to."""
    with open("/proc/stat") as f:
        line = re.search(rf"^cpu{PROXY_CPU} (.*)$", f.read(), re.M).group(1)
    user, nice, system, idle, iowait, irq, softirq, steal = \
        map(int, line.split()[:8])
    busy = user + nice + system + irq + softirq + steal
    return busy, busy + idle + iowait


def measure(program, work, seconds):
    """One round of one program, as a dict of figures."""
    ticks, cpu = proxy_cpu_ticks(), program.cpu_us()
    told = wrk(program, work, seconds)
    cpu = program.cpu_us() - cpu
    busy, total = (now - then for now, then in zip(proxy_cpu_ticks(), ticks))
    load = cpu / told["duration"]
    answers = work.answers(told)
    return {"cpu": cpu / answers, "rate": answers * 1e6 / told["duration"],
            "p50": told["p50"], "p99": told["p99"], "load": load,
            "others": max(0.0, busy / total - load)}


def answer_once(sock, request):
    """One request and its 100-byte reply, read to the end."""
    sock.sendall(request)
    got = b""
    while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 100:
        more = sock.recv(65536)
        if not more:
            raise Failed("a connection was closed instead of kept idle")
        got += more
    if not got.startswith(b"HTTP/1.1 200"):
        raise Failed("an idle connection's request was not answered 200")


def open_idle(program, count):
    request = b"GET / HTTP/1.1\r\nHost: shop.example.com\r\n" + b"".join(
        f"{name}: {value}\r\n".encode()
        for name, value in REALISTIC.items()) + b"\r\n"
    socks = []
    try:
        for _ in range(count):
            socks.append(socket.create_connection(
                ("127.0.0.1", program.port), 10))
            answer_once(socks[-1], request)
    except (Failed, OSError):
        close_all(socks)
        raise
    return socks


def close_all(socks):
    for s in socks:
        s.close()


def measure_idle(program, count=IDLE_CONNECTIONS):
    """Bytes per idle kept-alive connection, in a program just started."""
    program.stop()
    program.start()
    close_all(open_idle(program, 50))
    before = program.memory()
    socks = open_idle(program, count)
    try:
        used = program.memory() - before
        gone = select.poll()
        for s in socks:
            gone.register(s, select.POLLIN)
        if gone.poll(0):
            raise Failed(f"{program.name} closed idle connections")
    finally:
        close_all(socks)
    return used / count


def count_calls(program, work, seconds):
    """({call: number}, requests, strace's table), or None without strace."""
    try:
        command = [find("strace"), "-c", "-f", "-o", program.path("calls")]
    except Failed:
        return None
    pids = program.pids()
    for pid in pids:
        command += ["-p", str(pid)]
    wrk(program, work, 1)  # connections to pods are opened uncounted
    child = spawn(command, LOAD_CPU, stderr=subprocess.PIPE, text=True)
    try:
        for _ in pids:
            if "attached" not in child.stderr.readline():
                return None
        requests = wrk(program, work, seconds)["requests"]
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)
    finally:
        child.kill()
        child.wait()
    with open(program.path("calls")) as f:
        table = f.read()
    calls = {}
    for line in table.split("\n"):
        word = line.split()
        if len(word) >= 5 and word[3].isdigit() and word[-1] != "total":
            calls[word[-1]] = int(word[3])
    return calls, requests, table


def calls_per_request(calls, requests):
    io = sum(n for call, n in calls.items() if call in IO_CALLS)
    wait = sum(n for call, n in calls.items() if call.startswith("epoll_")
               and "wait" in call)
    return {"io": io / requests, "wait": wait / requests,
            "other": (sum(calls.values()) - io - wait) / requests}
