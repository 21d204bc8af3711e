"""The works: what every program must do the same, and how each is measured."""

import re
import select
import signal
import subprocess

import clients
import load
from probe import BULK
from programs import COOKIE_RULE, LOAD_CPU, PROXY_CPU, Failed, find, spawn

IDLE_CONNECTIONS = 2000
IO_CALLS = {"read", "readv", "recvfrom", "recvmsg", "recvmmsg", "write",
            "writev", "sendto", "sendmsg", "sendmmsg", "sendfile", "splice"}
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
    """A load. The target is for shunt's CPU time against the best peer's."""

    def __init__(self, name, title, connections, path="/", headers=None,
                 size=0, secure=False, by=load.wrk, target=1.00):
        self.name = name
        self.title = title
        self.connections = connections
        self.path = path
        self.headers = headers or {}
        self.size = size  # of a body so large that unfinished ones count
        self.secure = secure
        self.by = by
        self.target = target

    def answers(self, told):
        """How many requests were answered, unfinished large ones too."""
        return told["bytes"] / self.size if self.size else told["requests"]


WORKS = [
    Work("small", "HTTP/1.1 keep-alive, small GET", 32, target=0.85),
    Work("rules", "same, 6 headers, decided by User-Agent regex and cookie",
         32, headers=REALISTIC, target=0.85),
    Work("close", "a new connection for every request", 32,
         headers={"Connection": "close"}, target=0.85),
    Work("bulk", "10 MiB response, plain", 4, path=f"/bytes/{BULK}",
         size=BULK, target=0.85),
    Work("tls", "TLS 1.3 keep-alive, small GET", 32, secure=True),
    Work("h2", f"HTTP/2 over TLS, 16 connections of {load.STREAMS} streams, "
         "small GET", 16, secure=True, by=load.h2load),
    Work("handshake", "a full TLS handshake for every request", 16,
         secure=True, by=load.handshakes),
    Work("tls-10m", "10 MiB response, TLS", 4, path=f"/bytes/{BULK}",
         size=BULK, secure=True),
]


# What a load cost.

def proxy_cpu_ticks():
    """(busy, stolen, all) ticks of the CPU that the programs are pinned to;
    stolen ones, which the host gave to others, are busy too."""
    with open("/proc/stat") as f:
        line = re.search(rf"^cpu{PROXY_CPU} (.*)$", f.read(), re.M).group(1)
    user, nice, system, idle, iowait, irq, softirq, steal = \
        map(int, line.split()[:8])
    busy = user + nice + system + irq + softirq + steal
    return busy, steal, busy + idle + iowait


def answered(program, work, seconds):
    """(what the load told, the program's CPU time); a busy machine may let
    a short round pass without one reply: then there is another."""
    for last in (False, False, True):
        cpu = program.cpu_us()
        told = work.by(program, work, seconds)
        if work.answers(told) > 0:
            return told, program.cpu_us() - cpu
        if last:
            raise Failed(f"{program.name} answered nothing of '{work.name}'")


def measure(program, work, seconds):
    """One round of one program, as a dict of figures."""
    ticks = proxy_cpu_ticks()
    told, cpu = answered(program, work, seconds)
    busy, stolen, total = (
        now - then for now, then in zip(proxy_cpu_ticks(), ticks))
    share = cpu / told["duration"]
    answers = work.answers(told)
    return {"cpu": cpu / answers, "rate": answers * 1e6 / told["duration"],
            "p50": told["p50"], "p99": told["p99"], "load": share,
            "stolen": stolen / total,
            "others": max(0.0, busy / total - share)}


class Idle:
    """Idle connections of one kind; `open_one` makes one that has had a reply.

    The target is for shunt's memory against the best peer's."""

    def __init__(self, name, title, open_one, target, secure=True):
        self.name = name
        self.title = title
        self.open_one = open_one
        self.target = target
        self.secure = secure


def answer_once(sock):
    """One request and its 100-byte reply, read to the end."""
    sock.sendall(clients.h1_request("/", REALISTIC))
    got = b""
    while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 100:
        more = sock.recv(65536)
        if not more:
            raise Failed("a connection was closed instead of kept idle")
        got += more
    if clients.h1_body(got) is None:
        raise Failed("an idle connection's request was not answered 200")
    return sock


def open_plain(program):
    return answer_once(clients.connect(program.port))


def open_tls(program):
    return answer_once(clients.secured(program.tls_port, clients.H1))


def open_h2(program):
    client = clients.Http2(program.tls_port)
    if b"appVersion" not in client.get("/", REALISTIC):
        raise Failed("an idle connection's request was not answered")
    return client


IDLES = [
    Idle("idle", "memory per idle keep-alive connection", open_plain, 0.90,
         secure=False),
    Idle("idle-tls", "memory per idle TLS connection, HTTP/1.1", open_tls,
         1.00),
    Idle("idle-h2", "memory per idle TLS connection, HTTP/2", open_h2, 1.00),
]


def open_idle(program, idle, count, opened):
    for _ in range(count):
        opened.append(idle.open_one(program))


def close_all(opened):
    for one in opened:
        one.close()
    opened.clear()


def measure_idle(program, idle, count=IDLE_CONNECTIONS):
    """Bytes per idle kept-alive connection, in a program just started."""
    program.stop()
    program.start()
    opened = []
    try:
        open_idle(program, idle, 50, opened)
        close_all(opened)
        before = program.memory()
        open_idle(program, idle, count, opened)
        used = program.memory() - before
        gone = select.poll()
        for one in opened:
            gone.register(one, select.POLLRDHUP)
        if gone.poll(0):
            raise Failed(f"{program.name} closed idle connections")
    finally:
        close_all(opened)
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
    load.wrk(program, work, 1)  # connections to pods are opened uncounted
    child = spawn(command, LOAD_CPU, stderr=subprocess.PIPE, text=True)
    try:
        for _ in pids:
            if "attached" not in child.stderr.readline():
                return None
        requests = load.wrk(program, work, seconds)["requests"]
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
