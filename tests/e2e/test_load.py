"""`shunt load` against servers of known behaviour: what it reports is what
they did."""
import asyncio
import collections
import html
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import urllib.request

import pytest

from h2pod import Answer
from harness import BIN, PATIENCE, is_clean, run_cli, wait_for
from pods import answer

SECONDS = 120  # within which any of these runs is over, however slow we are


def start(*arguments, **options):
    return subprocess.Popen([BIN, "load", *arguments], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **options)


def finish(child):
    out, err = child.communicate(timeout=SECONDS)
    assert is_clean(err), err
    return child.returncode, out, err


def load(*arguments, status=0):
    """The report as JSON, of a run that ended with that status."""
    code, out, err = finish(start("-o", "json", *arguments))
    assert code == status, (code, err, out[:2000])
    return json.loads(out)


def url(pod, path="/"):
    return f"http://127.0.0.1:{pod.port}{path}"


def by(rows, key):
    return {row[key]: row for row in rows}


def number(asked):
    """Of a request to /{user}, from 0 on."""
    return int(asked.target.rsplit("/", 1)[1]) - 1


# numbers

def test_counts_shares_and_errors(pod):
    """Every tenth request fails, every fourth is v2's: by its number, so that
    the counts are certain."""
    def respond(asked):
        k = number(asked)
        return answer(503 if k % 10 == 9 else 200, "x", [
            ("X-Shunt-Version", "v2" if k % 4 == 3 else "v1")])
    got = load(url(pod(respond), "/{user}"), "--rate", "400", "-n", "800",
               "--agent", "A=70%", "--agent", "B=30%")
    failed = [k for k in range(800) if k % 10 == 9]
    versions, profiles = by(got["versions"], "version"), by(
        got["profiles"], "profile")
    assert set(versions) == {"v1", "v2"}
    assert versions["v2"]["requests"] == 200
    assert versions["v2"]["share"] == 0.25
    of_v2 = sum(1 for k in failed if k % 4 == 3)
    assert versions["v2"]["errors"] == of_v2
    assert versions["v2"]["error_ratio"] == pytest.approx(of_v2 / 200)
    assert versions["v1"]["errors"] == 80 - of_v2
    assert profiles["A"]["requests"] == 560
    assert profiles["B"]["share"] == 0.3
    totals = got["totals"]
    assert totals["requests"] == 800 and totals["errors"] == 80
    assert totals["errors_by_kind"] == {"status": 80}
    assert totals["statuses"] == {"200": 720, "503": 80}
    # A window for each: from its intended time to that of the next one.
    assert [round(w["start_s"] * 400) for w in got["downtime"]] == failed
    assert {w["length_s"] for w in got["downtime"]} == {0.0025}
    assert {w["failed"] for w in got["downtime"]} == {1}
    slots = got["timeline"]["slots"]
    assert sum(v["requests"] for s in slots
               for v in s["versions"].values()) == 800


def test_latency_is_the_servers(pod):
    """Half of the answers take 0.4 s and half 0.8 s, by the server's own
    clock."""
    took = []

    async def respond(asked):
        begin = time.monotonic()
        delay = 0.8 if number(asked) % 2 else 0.4
        await asyncio.sleep(delay)
        took.append((delay, time.monotonic() - begin))
        return answer(200, "x", [("X-Shunt-Version", f"{delay}")])
    got = load(url(pod(respond), "/{user}"), "--rate", "50", "-n", "100")
    versions = by(got["versions"], "version")
    for delay in (0.4, 0.8):
        real = sorted(t for d, t in took if d == delay)
        row = versions[f"{delay}"]
        # What a slow machine adds is on top, and is known to both sides.
        slack = 50 + got["totals"]["lag_max_ms"]
        assert row["p50_ms"] >= 1000 * delay * 0.99
        assert row["p50_ms"] <= 1000 * real[-1] * 1.01 + slack
        assert row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= \
            row["p999_ms"] <= row["max_ms"]
        assert row["mean_ms"] >= 1000 * delay * 0.99
    assert got["totals"]["errors"] == 0


def test_who_waits_for_a_paused_server_is_counted(pod):
    """One connection, and a pause of 2 s: the hundred requests that were due
    meanwhile waited, too. Without omission a quarter of all waits for at
    least 1 s; with it one single request would have."""
    async def respond(asked):
        if number(asked) == 50:
            await asyncio.sleep(2)
        return answer(200)
    got = load(url(pod(respond), "/{user}"), "--rate", "50", "-n", "200",
               "-c", "1")
    totals = got["totals"]
    assert totals["errors"] == 0 and got["downtime"] == []
    assert totals["max_ms"] >= 1980
    # The k-th of the 100 waited 2 s less k/50 s.
    slow = [s for s in got["timeline"]["slots"] if s["max_ms"] >= 1000]
    assert sum(s["versions"]["-"]["requests"] for s in slow) >= 45
    assert totals["p90_ms"] >= 1550
    assert totals["waited"] >= 90


def test_a_pause_beyond_the_timeout_is_downtime(pod):
    """The server does not answer what was due in 2 s of the run."""
    async def respond(asked):
        if 50 <= number(asked) < 150:
            await asyncio.sleep(SECONDS)
        return answer(200)
    got = load(url(pod(respond), "/{user}"), "--rate", "50", "-n", "200",
               "--timeout", "3s", "-c", "200")
    assert got["totals"]["errors_by_kind"] == {"timeout": 100}
    assert got["downtime"] == [
        {"start_s": 1.0, "length_s": 2.0, "failed": 100}]
    assert got["totals"]["downtime_s"] == 2.0


def test_a_server_that_dies_and_comes_back(pod):
    p = pod(lambda asked: answer(200))
    child = start("-o", "json", url(p), "--rate", "100", "-d", "1h")
    wait_for(lambda: len(p.asked) >= 50, "requests arrive")
    p.stop()
    down = time.monotonic()
    time.sleep(2)
    before = time.monotonic()
    p.start()
    up, n = time.monotonic(), len(p.asked)
    wait_for(lambda: len(p.asked) >= n + 50, "requests arrive again")
    child.send_signal(signal.SIGINT)
    code, out, err = finish(child)
    assert code == 0, err
    got = json.loads(out)
    slack = 0.03 + got["totals"]["lag_max_ms"] / 1000
    longest = max(got["downtime"], key=lambda w: w["length_s"])
    assert before - down - slack <= longest["length_s"]
    assert longest["length_s"] <= up - down + slack + 0.2
    kinds = got["totals"]["errors_by_kind"]
    assert kinds["connect"] >= 1 and set(kinds) <= {"connect", "reset"}
    assert sum(w["failed"] for w in got["downtime"]) == sum(kinds.values())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_thread_does_its_part(pod, threads):
    """Numbers are dealt to threads without a gap, and shares stay exact."""
    p = pod(lambda asked: answer(200))
    got = load(url(p, "/{user}"), "--rate", "100..300", "-d", "2s", "-t",
               str(threads), "--agent", "A=75%", "--agent", "B=25%")
    assert got["totals"]["requests"] == 400
    assert sorted(number(a) for a in p.asked) == list(range(400))
    agents = collections.Counter(a.get("User-Agent") for a in p.asked)
    assert agents == {"A": 300, "B": 100}
    assert got["totals"]["errors"] == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_closed_loop(pod, threads):
    busy = {"now": 0, "most": 0}

    async def respond(asked):
        del asked
        busy["now"] += 1
        busy["most"] = max(busy["most"], busy["now"])
        await asyncio.sleep(0.05)
        busy["now"] -= 1
        return answer(200)
    p = pod(respond)
    got = load(url(p), "--closed", "-c", "6", "-n", "60", "-t", str(threads),
               "--agent", "A=50%", "--agent", "B=50%")
    assert got["loop"] == "closed"
    assert got["totals"]["requests"] == len(p.asked) == 60
    assert busy["most"] <= 6 and p.connections == 6
    assert got["totals"]["p50_ms"] >= 49.5
    assert abs(by(got["profiles"], "profile")["A"]["requests"] - 30) <= threads


def test_closed_loop_ends_in_time(pod):
    p = pod(lambda asked: answer(200))
    begin = time.monotonic()
    got = load(url(p), "--closed", "-c", "2", "-d", "1s")
    assert time.monotonic() - begin >= 1
    assert got["totals"]["duration_s"] >= 1
    assert got["totals"]["requests"] == len(p.asked) > 0


# what is asked and what is told

def test_profiles_ask_differently(pod):
    p = pod(lambda asked: answer(200))
    load(url(p, "/x"), "-n", "4", "--rate", "100", "--profile", "a=50%",
         "--profile", "b=50%", "-H", "X-All: 1", "-H", "[a] X-One: a",
         "--cookie", "[b] c=2", "-X", "[a] DELETE", "--body", "[b] hello")
    (a,) = {(x.method, x.get("X-All"), x.get("X-One"), x.get("Cookie"),
             x.body) for x in p.asked if x.method == "DELETE"}
    (b,) = {(x.method, x.get("X-All"), x.get("X-One"), x.get("Cookie"),
             x.body) for x in p.asked if x.method == "POST"}
    assert a == ("DELETE", "1", "a", None, b"")
    assert b == ("POST", "1", None, "c=2", b"hello")


def test_version_and_success_from_the_body(app):
    one = app("1", "--fail-agent", "Sometimes-Fail", "--fail-rate", "100%")
    got = load(url(one), "--rate", "100", "-n", "100",
               "--agent", "Always-Good=50%", "--agent", "Sometimes-Fail=50%",
               "--version-from", "json:appVersion",
               "--ok-when", "json:status=200")
    (version,) = got["versions"]
    assert version["version"] == "1" and version["requests"] == 100
    assert version["errors"] == 50
    assert got["totals"]["errors_by_kind"] == {"body": 50}
    profiles = by(got["profiles"], "profile")
    assert profiles["Always-Good"]["errors"] == 0
    assert profiles["Sometimes-Fail"]["error_ratio"] == 1


def test_chunked_close_and_interim(pod):
    """Bodies of every framing are read to their end."""
    async def raw(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            k = int(re.search(rb"GET /(\d+)", head).group(1)) % 3
            body = b'{"v": "c%d"}' % k
            if k == 0:
                writer.write(b"HTTP/1.1 103 X\r\nLink: x\r\n\r\n"
                             b"HTTP/1.1 200 X\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n")
                for byte in body:
                    writer.write(b"1\r\n%c\r\n" % byte)
                    await writer.drain()
                writer.write(b"0\r\nX-T: 1\r\n\r\n")
            elif k == 1:
                for byte in b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s" \
                        % (len(body), body):
                    writer.write(bytes([byte]))
                    await writer.drain()
            else:
                writer.write(b"HTTP/1.1 200 X\r\n\r\n" + body)
                await writer.drain()
                return
    got = load(url(pod(raw=raw), "/{user}"), "--rate", "100", "-n", "30",
               "--version-from", "json:v")
    assert {v["version"]: v["requests"] for v in got["versions"]} == {
        "c0": 10, "c1": 10, "c2": 10}
    assert got["totals"]["errors"] == 0


# users

def test_each_user_has_a_jar(pod):
    """Who comes without a cookie is given a name, and keeps it."""
    given, seen = [], collections.Counter()

    def respond(asked):
        cookie = asked.get("Cookie") or ""
        assert "from=u" in cookie
        m = re.search(r"id=(\d+)", cookie)
        if m:
            seen[m.group(1), re.search(r"from=u(\d+)", cookie).group(1)] += 1
            return answer(200, "", [("Set-Cookie", "gone=1; Max-Age=0")])
        given.append(cookie)
        return answer(200, "", [
            ("Set-Cookie", f"id={len(given)}; Path=/"),
            ("Set-Cookie", "gone=1")])
    got = load(url(pod(respond)), "--rate", "100", "-n", "200", "--users",
               "10", "-c", "1", "--cookie", "from=u{user}")
    assert got["totals"]["errors"] == 0 and got["totals"]["users"] == 10
    assert len(given) == 10
    assert len(seen) == 10 and sum(seen.values()) == 190


def test_flips_are_counted(pod):
    """User 1 sees a b a b ..., user 2 a b b b ..., user 3 always a."""
    visits = collections.Counter()

    def respond(asked):
        user = asked.target[1:]
        n = visits[user]
        visits[user] += 1
        version = {"1": "ab"[n % 2], "2": "a" if n == 0 else "b",
                   "3": "a"}[user]
        return answer(200, "", [("X-Shunt-Version", version)])
    command = [url(pod(respond), "/{user}"), "--rate", "100", "-n", "30",
               "--users", "3", "-c", "1"]
    got = load(*command)
    assert visits == {"1": 10, "2": 10, "3": 10}
    assert got["totals"]["flips"] == 8
    visits.clear()
    code, _, err = finish(start(*command, "--expect", "flips=0"))
    assert code == 1
    assert "shunt load: expected flips=0, found 8\n" in err


# expectations and words

def test_expectations_decide_the_exit_status(pod):
    def respond(asked):
        k = number(asked)
        return answer(200, "", [("X-Shunt-Version",
                                 "v2" if k % 5 == 0 else "v1")])
    p = pod(respond)
    command = [url(p, "/{user}"), "--rate", "200", "-n", "100"]
    code, _, err = finish(start(
        *command, "--expect", "failures=0", "--expect", "share:v2=20%±1%",
        "--expect", "flips=0", "--expect", "downtime=0"))
    assert (code, err) == (0, "")
    code, out, err = finish(start(
        *command, "-o", "json", "--expect", "share:v2=30%±1%", "--expect",
        "requests=100", "--expect", "p99:v3<1s"))
    assert code == 1
    assert err == ("shunt load: expected share:v2=30%±1%, found 20%\n"
                   "shunt load: expected p99:v3<1s, found no answer\n")
    assert [(e["expect"], e["met"]) for e in json.loads(out)["expectations"]
            ] == [("share:v2=30%±1%", False), ("requests=100", True),
                  ("p99:v3<1s", False)]


@pytest.mark.parametrize("arguments, words", [
    ([], "something is missing"),
    (["a", "b"], 'what is "b" for?'),
    (["shop"], "expected a URL as http://HOST[:PORT]/PATH"),
    (["http://127.0.0.1/", "--rate", "0"], "--rate: expected requests per"),
    (["http://127.0.0.1/", "--rate", "1..2", "-n", "5"], "--duration or"),
    (["http://127.0.0.1/", "--ramp", "1s"], "--ramp: expected a rate that"),
    (["http://127.0.0.1/", "--closed", "-r", "5"], "--closed: its rate"),
    (["http://127.0.0.1/", "-t", "9", "-c", "8"], "--threads: expected at"),
    (["http://127.0.0.1/", "-t", "2", "--users", "1"], "--users: expected"),
    (["http://127.0.0.1/", "--agent", "A=50%"], "expected 100%"),
    (["http://127.0.0.1/", "--expect", "speed=1"], "--expect: expected as"),
    (["http://127.0.0.1/", "--ok-when", "x"], "--ok-when: expected"),
    (["http://127.0.0.1/", "--version-from", "x"], "--version-from: exp"),
    (["http://127.0.0.1/", "-H", "x"], "--header: expected NAME: VALUE"),
    (["http://127.0.0.1/", "--timeout", "0"], "--timeout: expected"),
    (["http://127.0.0.1/", "--connect", "x"], "--connect: expected IP:PORT"),
    (["http://127.0.0.1/", "--protocol", "h3"], "expected auto|h1|h2"),
])
def test_wrong_usage(arguments, words):
    code, out, err = finish(start(*arguments))
    assert code == 2 and words in err and out == "", err
    assert "usage: shunt load [OPTION]... URL" in err


@pytest.mark.parametrize("option, words", [
    ("--metrics", "--metrics: expected IP:PORT"),
    ("--admin", "--admin: expected IP:PORT or the path"),
])
def test_what_cannot_be_carried_out(pod, option, words):
    code, _, err = finish(start(url(pod()), "-n", "1", option, "nowhere"))
    assert code == 1 and words in err


def test_text_report(pod):
    p = pod(lambda asked: answer(500 if number(asked) == 3 else 200, "", [
        ("X-Shunt-Version", "v7")]))
    code, out, err = finish(start(url(p, "/{user}"), "-n", "20"))
    assert (code, err) == (0, "")
    assert re.search(r"^  v7 +20 100.000% +1 +5.000% ", out, re.M)
    assert "errors by kind: status 1\n" in out
    assert "downtime: 1 window, 0.010 s in all\n" in out
    assert re.search(r"schedule: 20 requests, taken up at most", out)


# failures

@pytest.mark.parametrize("reply, kind", [
    (b"garbage\r\n\r\n", "protocol"),
    (b"HTTP/2.0 200 OK\r\n\r\n", "protocol"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
     "protocol"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
     "protocol"),
    (b"HTTP/1.1 101 X\r\n\r\n", "protocol"),
    (b"HTTP/1.1 200 OK\r\nX: " + 70000 * b"x", "protocol"),
    (b"HTTP/1.1 200 OK\r\n" + 200 * b"X: y\r\n" + b"\r\n", "protocol"),
    (b"HTTP/1.1 200 OK\r\nContent-Le", "reset"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123", "reset"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", "reset"),
    (b"", "reset"),
])
def test_broken_answers(pod, reply, kind):
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
    got = load(url(pod(raw=raw)), "--rate", "100", "-n", "10", status=1)
    assert got["totals"]["errors_by_kind"] == {kind: 10}
    assert got["totals"]["p99_ms"] == 0
    assert by(got["versions"], "version")["-"]["errors"] == 10


def test_refused(ports):
    code, out, err = finish(start(
        f"http://127.0.0.1:{ports.reserve()}/", "-o", "json", "-n", "20"))
    assert code == 1 and "no request was answered" in err
    got = json.loads(out)
    assert got["totals"]["errors_by_kind"] == {"connect": 20}
    assert got["downtime"] == [
        {"start_s": 0.0, "length_s": 0.2, "failed": 20}]


def test_refused_in_a_closed_loop(ports):
    """It does not ask all the time: a server that refuses gets its rest."""
    got = load(f"http://127.0.0.1:{ports.reserve()}/", "--closed", "-c", "2",
               "-d", "1s", status=1)
    assert 2 <= got["totals"]["requests"] <= 210
    assert len(got["downtime"]) == 1


def test_what_finds_no_connection_is_not_sent(pod):
    """One connection that is stuck, and room for five to wait."""
    async def respond(asked):
        await asyncio.sleep(SECONDS)
        return answer(200)
    got = load(url(pod(respond)), "--rate", "100", "-n", "30", "-c", "1",
               "--queue", "5", "--timeout", "2s", status=1)
    kinds = got["totals"]["errors_by_kind"]
    assert sum(kinds.values()) == 30 and set(kinds) == {"not_sent", "timeout"}
    assert kinds["not_sent"] >= 24


def test_an_idle_connection_that_is_closed_is_no_failure(pod):
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200))
        await writer.drain()
    got = load(url(pod(raw=raw)), "--rate", "4", "-n", "6")
    assert got["totals"]["errors"] == 0
    assert got["totals"]["connections"] == 6


def test_interrupted(pod):
    p = pod(lambda asked: answer(200))
    child = start(url(p), "-o", "json", "--rate", "100", "-d", "1h")
    wait_for(lambda: len(p.asked) >= 20, "requests arrive")
    child.send_signal(signal.SIGINT)
    code, out, err = finish(child)
    got = json.loads(out)
    assert (code, err) == (0, "") and got["interrupted"] is True
    assert got["totals"]["requests"] == len(p.asked)
    assert got["totals"]["errors"] == 0


def test_interrupted_twice_does_not_wait(pod):
    async def respond(asked):
        await asyncio.sleep(SECONDS)
        return answer(200)
    p = pod(respond)
    child = start(url(p), "--rate", "10", "-d", "1h", "--timeout", "1h")
    wait_for(lambda: p.asked, "a request arrives")
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)
    code, _, err = finish(child)
    assert code == 1 and "no request was answered" in err


# other ways to talk

def test_tls(pod, certs):
    context = certs.server_context(certs.shop(), ["http/1.1"])
    p = pod(lambda asked: answer(200), context=context)
    secure = f"https://127.0.0.1:{p.port}/"
    got = load(secure, "-n", "30", "--ca", certs.ca)
    assert got["totals"]["errors"] == 0
    assert got["totals"]["http2_connections"] == 0
    named = load("https://shop.test/", "--connect", f"127.0.0.1:{p.port}",
                 "-n", "5", "--ca", certs.ca)
    assert named["totals"]["errors"] == 0
    assert p.asked[-1].get("Host") == "shop.test"
    assert load(secure, "-n", "5", "-k")["totals"]["errors"] == 0
    for wrong in (["--ca", certs.other], []):
        got = load(secure, "-n", "5", *wrong, status=1)
        assert got["totals"]["errors_by_kind"] == {"tls": 5}
    got = load("https://else.test/", "--connect", f"127.0.0.1:{p.port}",
               "-n", "5", "--ca", certs.ca, status=1)
    assert got["totals"]["errors_by_kind"] == {"tls": 5}
    got = load(secure, "-n", "5", "-k", "--protocol", "h2", status=1)
    assert set(got["totals"]["errors_by_kind"]) <= {"tls", "protocol"}


def test_tls_towards_clear_text(pod):
    p = pod(lambda asked: answer(200))
    got = load(f"https://127.0.0.1:{p.port}/", "-n", "5", "-k", "--timeout",
               "1s", status=1)
    assert got["totals"]["errors_by_kind"] == {"tls": 5}


async def h2_respond(asked):
    await asked.whole()
    await asked.answer(Answer(
        500 if asked.target.endswith("9") else 200, b"x" * 100000,
        [("X-Shunt-Version", "v" + (asked.get("x-n") or "?"))]))


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("kind", [["--rate", "100"], ["--closed"]])
def test_http2(h2_pod, certs, secure, kind):
    options = {}
    if secure:
        options["context"] = certs.server_context(certs.shop(), ["h2"])
    p = h2_pod(h2_respond, **options)
    scheme, more = ("https", ["--ca", certs.ca]) if secure else (
        "http", ["--protocol", "h2"])
    got = load(f"{scheme}://127.0.0.1:{p.port}/{{user}}", *kind, *more,
               "-n", "50", "-c", "2", "--streams", "4", "-H", "X-N: 7",
               "--body", 3000 * "b")
    assert by(got["versions"], "version")["v7"]["requests"] == 50
    assert got["totals"]["errors_by_kind"] == {"status": 5}
    assert 1 <= got["totals"]["http2_connections"] <= 2
    assert got["totals"]["received_bytes"] >= 50 * 100000


def test_http2_users_and_timeouts(h2_pod):
    """A stream that is not answered is given up, its connection is not."""
    visits = []

    async def respond(asked):
        if asked.target == "/3":
            visits.append(asked.get("cookie"))
            if len(visits) > 1:
                return
        await asked.answer(Answer(200, b"", [
            ("set-cookie", "n=1"), ("X-Shunt-Version", "v1")]))
    p = h2_pod(respond)
    got = load(f"http://127.0.0.1:{p.port}/{{user}}", "--protocol", "h2",
               "--rate", "50", "-n", "40", "--users", "4", "--cookie",
               "id={user}", "--timeout", "5s", "-c", "1")
    assert got["totals"]["connections"] == 1
    assert got["totals"]["errors_by_kind"] == {"timeout": 9}
    assert by(got["versions"], "version")["v1"]["requests"] == 31
    assert visits[0] == "id=3" and visits[-1] == "id=3; n=1"


def test_http2_spoken_to_a_server_of_http1(pod):
    p = pod(lambda asked: answer(200))
    got = load(url(p), "--protocol", "h2", "-n", "5", status=1)
    assert set(got["totals"]["errors_by_kind"]) <= {"protocol", "reset"}
    assert got["totals"]["errors"] == 5


def test_through_a_unix_socket(loop, tmp_path):
    path = str(tmp_path / "app.sock")

    async def serve(reader, writer):
        while not reader.at_eof():
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"\r\nHost: shop\r\n" in head
            writer.write(answer(200))
        writer.close()
    server = loop.call(asyncio.start_unix_server(serve, path))
    got = load("http://shop/", "--connect", f"unix:{path}", "-n", "20")
    loop.loop.call_soon_threadsafe(server.close)
    assert got["totals"]["errors"] == 0


# beside the run

def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                timeout=PATIENCE) as f:
        text = f.read().decode()
    found = {}
    for line in text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) .*|\w+(\{(\w+="([^"\\]|\\.)*",?)*\})? \S+', line)
        m = re.fullmatch(r"(\w+(?:\{.*\})?) (\S+)", line)
        if m and not line.startswith("#"):
            found[m.group(1)] = float(m.group(2))
    return found


def test_metrics_while_it_runs(pod, ports):
    def respond(asked):
        return answer(500 if number(asked) % 4 == 0 else 200, "", [
            ("X-Shunt-Version", "v1")])
    port, p = ports.reserve(), pod(respond)
    child = start("-o", "json", url(p, "/{user}"), "--rate", "100", "-d",
                  "1h", "--metrics", f"127.0.0.1:{port}", "-t", "2",
                  "--agent", 'a"b=100%')
    labels = 'version="v1",profile="a\\"b"'
    key = f"shunt_load_requests_total{{{labels}}}"

    def counted():
        try:
            got = scrape(port)
        except OSError:
            return None
        return got if got.get(key, 0) >= 40 else None
    first = wait_for(counted, "the metrics count")
    second = scrape(port)
    child.send_signal(signal.SIGINT)
    code, out, _ = finish(child)
    assert code == 0
    final = json.loads(out)["totals"]
    failed = f'shunt_load_errors_total{{{labels},kind="status"}}'
    assert first[key] <= second[key] <= final["requests"]
    assert 0 < first[failed] <= second[failed] <= final["errors"]
    inf = f'shunt_load_request_duration_seconds_bucket{{{labels},le="+Inf"}}'
    assert second[inf] >= first[key]
    buckets = [v for k, v in second.items() if "_bucket{" in k]
    assert buckets == sorted(buckets)


def test_metrics_whose_address_is_taken(pod):
    p = pod()
    code, _, err = finish(start(url(p), "-n", "1", "--metrics",
                                f"127.0.0.1:{p.port}"))
    assert code == 1 and "--metrics: cannot listen at" in err


def test_progress_in_a_terminal(pod):
    p = pod(lambda asked: answer(200, "", [("X-Shunt-Version", "v1")]))
    control, terminal = pty.openpty()
    child = subprocess.Popen(
        [BIN, "load", url(p), "--rate", "50", "-d", "1h"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    seen, end = b"", time.monotonic() + PATIENCE
    wanted = rb"\r\x1b\[K[\d.]+ s  \d+/s  \d+ requests, 0 failed " \
        rb"\(0 now\), \d+ in flight  v1 100\.0%"
    try:
        while not re.search(wanted, seen) and time.monotonic() < end:
            if select.select([control], [], [], 1)[0]:
                seen += os.read(control, 4096)
        assert re.search(wanted, seen), seen
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=SECONDS)
        os.close(control)
    assert child.returncode == 0


# marks and the page

def test_marks_of_what_shunt_does(shop, app, tmp_path):
    p = shop({"v1": [app("1").port], "v2": [app("2").port]},
             config={}, service={"weights": {"v1": 100, "v2": 0}})
    page = str(tmp_path / "report.html")
    child = start("-o", "json", f"http://127.0.0.1:{p.port}/", "--rate", "100",
                  "-d", "1h", "--admin", p.socket, "--version-from",
                  "json:appVersion", "--html", page)
    wait_for(lambda: p.version("v1")["requests"] >= 50, "requests to v1")
    p.cli("weight", "shop", "v1=0", "v2=100", check=True)
    wait_for(lambda: p.version("v2")["requests"] >= 50, "requests to v2")
    child.send_signal(signal.SIGINT)
    code, out, err = finish(child)
    assert code == 0, err
    got = json.loads(out)
    (mark,) = [m for m in got["marks"] if m["kind"] == "weights"]
    assert mark["text"].startswith("shop: ") and "v2" in mark["text"]
    assert {"1", "2"} == {v["version"] for v in got["versions"]}
    # Where the mark is, the traffic changes.
    changed = [s["at_s"] for s in got["timeline"]["slots"]
               if "2" in s["versions"]][0]
    width = got["timeline"]["width_s"]
    assert changed - 3 <= mark["at_s"] <= changed + width + 3
    with open(page, encoding="utf-8") as f:
        assert 'class="mark"' in f.read()


def test_marks_of_a_rollout(shop, app):
    """Each phase is a mark with its words; the run sees no failure, and users
    with cookies do not go back."""
    p = shop({"v1": [app("1").port], "v2": [app("2").port]}, service={
        "sticky": {"cookie": "shunt", "ttl": "1h"},
        "release": {"strategy": "canary", "canary": {
            "gates": "off", "steps": [{"weight": 50}]}}})
    child = start("-o", "json", f"http://127.0.0.1:{p.port}/", "--rate", "100",
                  "-d", "1h", "--admin", p.socket, "--version-from",
                  "json:appVersion", "--users", "50",
                  "--expect", "failures=0", "--expect", "flips=0")
    wait_for(lambda: p.version("v1")["requests"] >= 50, "requests to v1")
    p.cli("rollout", "start", "shop", "--to", "v2", "--wait", check=True)
    wait_for(lambda: p.version("v2")["requests"] >= 50, "requests to v2")
    child.send_signal(signal.SIGINT)
    code, out, err = finish(child)
    assert code == 0, err
    told = [m["text"] for m in json.loads(out)["marks"]
            if m["kind"] == "rollout"]
    assert any("done" in text for text in told), told
    assert all(text.startswith("shop") for text in told)


def test_a_burst_uses_what_is_free(pod):
    """More are due at once than may wait, but connections are free for them:
    the generator is held up for a while, as by a busy machine."""
    p = pod(lambda asked: answer(200))
    child = start("-o", "json", url(p), "--rate", "100", "-n", "200",
                  "--queue", "1", "-c", "100")
    wait_for(lambda: len(p.asked) >= 20, "requests arrive")
    child.send_signal(signal.SIGSTOP)
    wait_for(lambda: stopped(child.pid), "it stands still")
    time.sleep(0.3)
    child.send_signal(signal.SIGCONT)
    code, out, err = finish(child)
    assert code == 0, err
    totals = json.loads(out)["totals"]
    assert totals["requests"] == 200
    assert totals["lag_max_ms"] >= 250 and totals["max_ms"] >= 250
    assert totals["errors_by_kind"].get("not_sent", 0) == 0


def stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(") ", 1)[1][0] == "T"


def test_an_admin_api_that_is_not_there(pod, tmp_path):
    code, out, err = finish(start(
        url(pod()), "-n", "5", "--admin", str(tmp_path / "none.sock")))
    assert (code, err) == (0, "")
    assert re.search(r"^events: 0\n  \(.+\)$", out, re.M)


PROBE = """
<script>
addEventListener('load', function () {
  var svg = document.querySelector('#rate');
  var box = svg.getBoundingClientRect();
  svg.dispatchEvent(new MouseEvent('mousemove', {
    clientX: box.left + box.width / 2, clientY: box.top + 20}));
  var drawn = [].filter.call(document.querySelectorAll('svg.plot path'),
    function (p) { return p.getBBox().width > 0; }).length;
  document.body.setAttribute('data-probe', JSON.stringify({
    errors: window.failures, drawn: drawn,
    tip: document.querySelector('#tip').textContent,
    shown: getComputedStyle(document.querySelector('#tip')).display,
    ids: [].map.call(document.querySelectorAll('svg.plot'),
                     function (s) { return s.id; }),
    down: document.querySelectorAll('#errors .down').length,
    rows: document.querySelectorAll('#versions tbody tr').length}));
});
</script>
"""
WATCH = "<script>window.failures = []; onerror = function (m) {" \
    "failures.push(String(m)); };</script>"


def in_chromium(page, tmp_path):
    """What the page is when a browser has run it."""
    with open(page, encoding="utf-8") as f:
        text = f.read()
    assert not re.search(r"(src|href)\s*=|url\(|@import|https?://(?!127)",
                         text), "the page needs something else"
    watched = str(tmp_path / "watched.html")
    with open(watched, "w", encoding="utf-8") as f:
        f.write(text.replace("<style>", WATCH + "<style>", 1).replace(
            "</body>", PROBE + "</body>", 1))
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
         "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}/profile",
         "--enable-logging=stderr", "--virtual-time-budget=2000",
         "--dump-dom", "file://" + watched],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=SECONDS)
    m = re.search(r'data-probe="([^"]*)"', done.stdout)
    assert m, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr, done.stderr
    return json.loads(html.unescape(m.group(1)))


def test_the_page_in_a_browser(pod, tmp_path):
    """A hostile version's name, errors, a window of downtime."""
    name = "v<2>&\"'</script>"

    def respond(asked):
        k = number(asked)
        return answer(503 if 40 <= k < 60 else 200, "", [
            ("X-Shunt-Version", name if k % 3 else "v1")])
    page = str(tmp_path / "report.html")
    load(url(pod(respond), "/{user}"), "--rate", "100", "-n", "200",
         "--html", page, "--expect", "failures<=20")
    seen = in_chromium(page, tmp_path)
    assert seen["errors"] == []
    assert seen["ids"] == ["rate", "share", "errors", "latency"]
    assert seen["drawn"] == 2 + 2 + 2 + 3  # areas and lines
    assert seen["down"] == 1 and seen["rows"] == 2
    assert seen["shown"] == "block"
    assert "requests" in seen["tip"] and name in seen["tip"]


def test_the_page_of_a_run_without_answers(ports, tmp_path):
    page = str(tmp_path / "report.html")
    load(f"http://127.0.0.1:{ports.reserve()}/", "-n", "3", "--html", page,
         status=1)
    seen = in_chromium(page, tmp_path)
    assert seen["errors"] == [] and len(seen["ids"]) == 4


def test_a_page_that_cannot_be_written(pod):
    code, _, err = finish(start(url(pod()), "-n", "1", "--html",
                                "/nowhere/at/all.html"))
    assert code == 1 and "cannot write /nowhere/at/all.html" in err


def test_help_and_place_in_the_table():
    done = run_cli("help")
    assert re.search(r"^  load +an open-loop load tester", done.stdout, re.M)
    done = run_cli("load", "--help")
    assert done.returncode == 0
    for option in ("--rate", "--agent", "--expect", "--html", "--metrics"):
        assert option in done.stdout
