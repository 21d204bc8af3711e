"""The access log: a true line for every request, and no price for a slow
disk."""
import asyncio
import copy
import json
import os
import re
import signal
import socket
import struct
import threading
import time
from datetime import datetime, timezone

import pytest

from client import Client, Load, get, raw, request
from harness import wait_for
from pods import answer, app_answer

FIELDS = ["time", "client", "method", "target", "host", "protocol", "status",
          "request_bytes", "response_bytes", "service", "version", "pod",
          "rule", "chosen", "reason", "retries", "queue_ms", "connect_ms",
          "first_byte_ms", "total_ms", "user_agent", "referer"]
COMBINED = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>[^]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r'(?P<status>\d{3}|-) (?P<bytes>\d+|-) "(?P<referer>(?:[^"\\]|\\.)*)" '
    r'"(?P<agent>(?:[^"\\]|\\.)*)"(?P<rest>(?: \w+=(?:"(?:[^"\\]|\\.)*"|\S+))*)')


@pytest.fixture
def logged(shop, tmp_path):
    """shop() with an access log; .lines(n) waits for n lines."""
    path = tmp_path / "access.log"

    def start(versions, log_format="json", **named):
        config = dict(named.pop("config", {}))
        config.setdefault("access_log",
                          {"path": str(path), "format": log_format})
        p = shop(versions, config=config, **named)
        p.access = path
        return p
    return start


def whole_lines(path):
    """The complete lines; what comes after the last newline is not one."""
    with open(path, "rb") as f:
        return f.read().split(b"\n")[:-1]


def entries(path, n):
    """Exactly n lines, as JSON."""
    wait_for(lambda: len(whole_lines(path)) >= n, f"{n} lines in {path}")
    found = [json.loads(line) for line in whole_lines(path)]
    assert len(found) == n
    return found


def dropped(p):
    return p.metrics()["shunt_access_log_dropped_total"][""]


def sized(asked):
    """/N answers with N bytes."""
    digits = asked.target.split("?")[0][1:]
    return answer(200, "x" * int(digits or 0))


# what a line says


def test_every_field_of_a_request(logged, pod):
    one, two = pod(sized), pod(sized)
    p = logged({"v1": [one.port], "v2": [two.port]}, service={
        "weights": {"v1": 1, "v2": 0},
        "rules": [{"match": {"header": {"X-V": "none"}}, "version": "v1"},
                  {"match": {"header": {"X-V": "2"}}, "version": "v2"}]})
    before = time.time()
    with Client(p.port) as c:
        c.ask("GET", "/17?q=%20", host="shop.example.com:81", fields=[
            ("User-Agent", "a test/1.0"), ("Referer", "http://else/where")])
        c.ask("POST", "/5", fields=[("X-V", "2")], body=b"b" * 1234)
        c.ask("PUT", "/0", chunks=[b"abc", b"defg"])
        c.ask("HEAD", "/9")
    after = time.time()
    first, second, third, fourth = entries(p.access, 4)
    for e in (first, second, third, fourth):
        assert list(e) == FIELDS
        assert e["client"] == "127.0.0.1" and e["protocol"] == "HTTP/1.1"
        assert (e["status"], e["service"]) == (200, "shop")
        assert e["reason"] is None and e["retries"] == 0
        at = datetime.strptime(e["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(
            tzinfo=timezone.utc).timestamp()
        assert before - 0.1 <= at <= after + 0.1
        assert 0 <= e["queue_ms"] <= e["first_byte_ms"] <= e["total_ms"]
        assert e["total_ms"] < (after - before) * 1000 + 100
    assert (first["method"], first["target"], first["host"]) == (
        "GET", "/17?q=%20", "shop.example.com:81")
    assert (first["user_agent"], first["referer"]) == (
        "a test/1.0", "http://else/where")
    assert (first["request_bytes"], first["response_bytes"]) == (0, 17)
    assert (first["version"], first["pod"], first["rule"],
            first["chosen"]) == ("v1", f"127.0.0.1:{one.port}", None, "weight")
    assert first["connect_ms"] is not None
    assert (second["version"], second["pod"], second["rule"],
            second["chosen"]) == ("v2", f"127.0.0.1:{two.port}", 1, "rule")
    assert (second["request_bytes"], second["response_bytes"]) == (1234, 5)
    assert second["user_agent"] is None and second["referer"] is None
    assert (third["method"], third["request_bytes"],
            third["response_bytes"]) == ("PUT", 7, 0)
    assert (fourth["method"], fourth["response_bytes"]) == ("HEAD", 0)


def test_combined(logged, pod):
    one = pod(sized)
    p = logged({"v1": [one.port]}, log_format="combined")
    with Client(p.port) as c:
        c.ask("GET", "/17", fields=[("User-Agent", 'say "hi" \\'),
                                    ("Referer", "http://else/where")])
        c.ask("POST", "/0", body=b"1234")
    wait_for(lambda: len(whole_lines(p.access)) == 2, "two lines")
    first, second = [COMBINED.fullmatch(line.decode("ascii"))
                     for line in whole_lines(p.access)]
    assert first["client"] == "127.0.0.1"
    assert first["request"] == "GET /17 HTTP/1.1"
    assert (first["status"], first["bytes"]) == ("200", "17")
    assert first["referer"] == "http://else/where"
    assert first["agent"] == r'say \"hi\" \\'
    at = datetime.strptime(first["time"], "%d/%b/%Y:%H:%M:%S %z")
    assert abs(at.timestamp() - time.time()) < 60
    rest = dict(re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)")?', first["rest"]))
    assert rest["service"] == "shop" and rest["version"] == "v1"
    assert rest["pod"] == f"127.0.0.1:{one.port}"
    assert rest["chosen"] == "weight" and rest["host"] == "shop.test"
    assert re.search(r" rule=- .* retries=0 request_bytes=0 queue_ms=\d+\.\d{3} "
                     r"connect_ms=\S+ first_byte_ms=\d+\.\d{3} "
                     r"total_ms=\d+\.\d{3}$", first["rest"])
    assert (second["request"], second["bytes"]) == ("POST /0 HTTP/1.1", "-")
    assert (second["agent"], second["referer"]) == ("-", "-")
    assert " request_bytes=4 " in second["rest"]


def test_who_chose_the_version(logged, pod):
    """A rule, its own weights, the service's, or stable for each of them;
    the rule that decided is named whoever answers."""
    one, two = pod(sized), pod(sized)
    p = logged({"v1": [one.port], "v2": [two.port], "v3": []}, service={
        "weights": {"v1": 1, "v2": 1, "v3": 2}, "rules": [
            {"match": {"path": "/1"}, "version": "v2"},
            {"match": {"path": "/2"}, "version": "v3"},
            {"match": {"path": "/3"}, "weights": {"v2": 1}},
            {"match": {"path": "/4"}, "weights": {"v3": 1}},
            {"match": {"path": "/5"}, "version": "v3", "empty": "503"}]})
    with Client(p.port) as c:
        for path in ("/1", "/2", "/3", "/4", "/5", *["/6"] * 4):
            c.ask("GET", path)
    found = [(e["version"], e["rule"], e["chosen"], e["status"])
             for e in entries(p.access, 9)]
    assert found[:5] == [("v2", 0, "rule", 200), ("v1", 1, "stable", 200),
                         ("v2", 2, "rule", 200), ("v1", 3, "stable", 200),
                         ("v3", 4, "rule", 503)]
    assert sorted(found[5:]) == [
        ("v1", None, "stable", 200), ("v1", None, "stable", 200),
        ("v1", None, "weight", 200), ("v2", None, "weight", 200)]


def test_what_we_answer_ourselves(logged, ports, pod):
    """Each has its reason; what played no part is null."""
    p = logged({"v1": [pod(lambda a: None).port]}, config={
        "limits": {"body_bytes": 10}}, service={
            "routes": [{"path": "/", "host": "shop.test"}]})
    with Client(p.port) as c:
        assert c.ask(host="nobody.test").status == 404
    assert b" 400 " in raw(p.port, b"GET / HTTP/1.1\r\nbroken\r\n\r\n")
    with Client(p.port) as c:
        assert c.ask("POST", "/big", body=b"x" * 11).status == 413
    assert get(p.port, "/cut").status == 502
    found = {e["status"]: e for e in entries(p.access, 4)}
    assert set(found) == {400, 404, 413, 502}
    assert all(e["reason"] for e in found.values())
    assert found[404]["host"] == "nobody.test"
    assert found[404]["service"] is None and found[404]["version"] is None
    assert found[404]["pod"] is None and found[404]["chosen"] is None
    assert found[404]["queue_ms"] is None
    assert found[404]["first_byte_ms"] is None
    assert found[400]["service"] is None and found[400]["client"] == "127.0.0.1"
    assert (found[413]["service"], found[413]["target"]) == ("shop", "/big")
    assert (found[502]["version"], found[502]["target"]) == ("v1", "/cut")
    assert "pod" in found[502]["reason"]
    assert found[502]["first_byte_ms"] is None


def test_a_retry_is_counted_and_the_last_pod_named(logged, ports, pod):
    dead, good = ports.reserve(), pod(sized)
    p = logged({"v1": [dead, good.port]}, workers=1, service={
        "balance": "round_robin", "retry": {"attempts": 2}})
    for _ in range(4):
        assert get(p.port, "/3").status == 200
    found = entries(p.access, 4)
    assert {e["retries"] for e in found} == {0, 1}
    assert all(e["pod"] == f"127.0.0.1:{good.port}" for e in found)


def test_a_client_that_leaves_has_its_line(logged, pod):
    asked = threading.Event()

    def never(_):
        asked.set()
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"
    p = logged({"v1": [pod(never).port]})
    with Client(p.port) as c:
        c.send(request("GET", "/leave"))
        assert asked.wait(20)
        c.until(b"half")
        # A reset: an end of stream alone may be a client that still reads.
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            struct.pack("ii", 1, 0))
    e, = entries(p.access, 1)
    assert (e["target"], e["status"], e["version"]) == ("/leave", 200, "v1")
    assert e["response_bytes"] == 4 and e["reason"]


def test_first_byte_and_total_are_measured(logged, pod):
    async def slow(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.15)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        await writer.drain()
        await asyncio.sleep(0.15)
        writer.write(b"b")
        await writer.drain()
        await reader.read()
    p = logged({"v1": [pod(raw=slow).port]})
    for n in range(1, 11):
        assert get(p.port).body == b"ab"
        e = entries(p.access, n)[-1]
        assert 145 <= e["first_byte_ms"] <= e["total_ms"] >= 290
        # A machine that stands still just there makes these long, too.
        if e["queue_ms"] < 145 and e["connect_ms"] < 145:
            return
    raise AssertionError(f"they have their share of the pod's time: {e}")


def test_any_byte_stays_within_its_field(logged, pod):
    """Quotes, backslashes, tabs, 0x80 to 0xff: one valid line each, and what
    was sent can be read from it."""
    agents = ['","status":200,"x":"', "back\\slash\\", "tab\there",
              "".join(map(chr, range(0x80, 0x100))),
              "caf\u00e9".encode().decode("latin-1"),
              "\xe2\x82", "\xed\xa0\x80", "%n%s", "\x9b31m"]
    p = logged({"v1": [pod(sized).port]})
    with Client(p.port) as c:
        for agent in agents:
            assert c.ask(fields=[("User-Agent", agent)]).status == 200
    found = [e["user_agent"] for e in entries(p.access, len(agents))]
    for sent, logged_ in zip(agents, found):
        try:
            sent = sent.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            pass
        assert logged_ == sent
    for line in whole_lines(p.access):
        assert not re.search(rb"[\x00-\x1f\x7f]", line)


def test_any_byte_in_combined(logged, pod):
    p = logged({"v1": [pod(sized).port]}, log_format="combined")
    agent = 'x" 200 1 "-" \\' + "".join(map(chr, range(0x80, 0x100)))
    assert get(p.port, fields=[("User-Agent", agent)]).status == 200
    wait_for(lambda: whole_lines(p.access), "a line")
    line, = whole_lines(p.access)
    m = COMBINED.fullmatch(line.decode("ascii"))
    unescaped = re.sub(r"\\(x..|.)", lambda e: chr(int(e[1][1:], 16))
                       if e[1][0] == "x" else e[1], m["agent"])
    assert unescaped == agent


# the file


def test_rotation_under_load_loses_no_line(logged, pod):
    p = logged({"v1": [pod(lambda a: app_answer("1")).port]})
    load = Load(p.port, 8).start()
    parts = []
    for i in range(12):
        load.wait(60)
        parts.append(p.access.with_name(f"access.log.{i}"))
        os.rename(p.access, parts[-1])
        p.signal(signal.SIGUSR1)
        wait_for(p.access.exists, "the log is made anew")
    load.stop()
    assert load.failures() == []
    n = load.finished()
    p.stop()
    sizes = [len(whole_lines(path)) for path in [*parts, p.access]]
    assert sum(sizes) == n
    assert sum(1 for size in sizes if size) > 6
    for path in [*parts, p.access]:
        for line in whole_lines(path):
            assert json.loads(line)["status"] == 200


def test_a_reopen_that_fails_keeps_the_old_file(logged, pod):
    p = logged({"v1": [pod(sized).port]})
    get(p.port, "/1")
    entries(p.access, 1)
    moved = p.access.with_name("moved")
    os.rename(p.access, moved)
    os.mkdir(p.access)
    p.signal(signal.SIGUSR1)
    wait_for(lambda: "cannot be reopened" in p.stderr(), "the log says so")
    get(p.port, "/2")
    assert [e["target"] for e in entries(moved, 2)] == ["/1", "/2"]


def test_all_is_written_before_the_end(logged, pod):
    p = logged({"v1": [pod(lambda a: app_answer("1")).port]})
    load = Load(p.port, 8, 500).run()
    p.stop()
    assert load.failures() == []
    assert len(whole_lines(p.access)) == 500


def test_a_path_that_cannot_be_opened_is_an_error(shop, pod, tmp_path):
    p = shop({"v1": [pod().port]}, wait=False, config={
        "access_log": {"path": str(tmp_path / "no" / "such.log")}})
    p.spawn()
    assert p.wait() == 1
    log = p.stderr()
    assert "such.log" in log and "No such file" in log
    p.process = None


def test_a_reload_changes_path_and_format(logged, pod, tmp_path):
    p = logged({"v1": [pod(sized).port]})
    second = tmp_path / "second.log"

    def reload(log, wanted=200):
        config = copy.deepcopy(p.config)
        del config["access_log"]
        if log:
            config["access_log"] = log
        p.write(config)
        code, said = p.api("POST", "/api/v1/reload")
        assert code == wanted, said
        return said
    get(p.port, "/1")
    # What waits to be written may go to either file.
    wait_for(lambda: whole_lines(p.access), "a line in the first file")
    reload({"path": str(second), "format": "combined"})
    get(p.port, "/2")
    wait_for(lambda: whole_lines(second), "a line in the second file")
    assert COMBINED.fullmatch(whole_lines(second)[0].decode())
    # What cannot be opened changes nothing.
    said = reload({"path": str(tmp_path / "no" / "such.log")}, wanted=400)
    assert "such.log" in said["error"]
    get(p.port, "/3")
    wait_for(lambda: len(whole_lines(second)) == 2, "the second file goes on")
    reload(None)
    get(p.port, "/4")
    reload({"path": str(p.access)})
    get(p.port, "/5")
    assert [e["target"] for e in entries(p.access, 2)] == ["/1", "/5"]
    assert [b'"GET /2 ' in second_line or b'"GET /3 ' in second_line
            for second_line in whole_lines(second)] == [True, True]
    assert dropped(p) == 0


def test_stdout(logged, pod):
    p = logged({"v1": [pod(sized).port]}, config={"access_log": {"path": "-"}})
    for i in range(20):
        get(p.port, f"/{i}")

    def found():
        return [json.loads(line)["target"]
                for line in p.stderr().splitlines() if line.startswith("{")]
    wait_for(lambda: len(found()) == 20, "20 lines on stdout")
    assert set(found()) == {f"/{i}" for i in range(20)}


def test_off_writes_nothing(shop, pod):
    p = shop({"v1": [pod(sized).port]})
    get(p.port)
    p.signal(signal.SIGUSR1)
    assert get(p.port).status == 200
    assert dropped(p) == 0


# what a slow or full disk costs


def test_a_full_disk_costs_no_request(logged, pod):
    p = logged({"v1": [pod(lambda a: app_answer("1")).port]},
               config={"access_log": {"path": "/dev/full"}})
    load = Load(p.port, 8, 1000).run()
    assert load.failures() == []
    wait_for(lambda: dropped(p) == 1000, "every entry is counted as dropped")
    warnings = re.findall(r"/dev/full: .*dropped: No space left", p.stderr())
    assert len(warnings) <= 2


def test_a_reader_that_stops_costs_no_request(logged, pod, tmp_path):
    """A pipe that nobody reads is full soon, and then a ring of 1 MiB, too."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    p = logged({"v1": [pod(lambda a: app_answer("1")).port]}, workers=1,
               config={"access_log": {"path": str(pipe)}})
    # Long texts fill the ring before the test gets long.
    load = Load(p.port, 8, data=request(fields=[
        ("User-Agent", "u" * 1000), ("Referer", "r" * 2000)])).start()
    wait_for(lambda: dropped(p) > 100, "entries are dropped")
    load.wait(200)
    load.stop()
    assert load.failures() == []
    assert max(d.ended - d.began for d in load.done) < 5
    wait_for(lambda: re.search(r"pipe: \d+ entries dropped", p.stderr()),
             "the log says so")
    assert len(re.findall(r"entries dropped", p.stderr())) <= 3
    # The reader comes back: what was not dropped is all there.
    lines = read_pipe(pipe, load.finished() - int(dropped(p)))
    assert len(lines) + dropped(p) == load.finished()
    assert all(json.loads(line)["status"] == 200 for line in lines)


def read_pipe(path, n):
    """n lines of the pipe, and what else comes with them."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    data = [b""]

    def more():
        try:
            data[0] += os.read(fd, 1 << 20)
        except BlockingIOError:
            pass
        return data[0].count(b"\n") >= n
    try:
        wait_for(more, f"{n} lines from the pipe")
    finally:
        os.close(fd)
    assert data[0].endswith(b"\n")
    return data[0].split(b"\n")[:-1]


def test_the_end_does_not_wait_for_a_reader(logged, pod, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    p = logged({"v1": [pod(lambda a: app_answer("1")).port]},
               config={"access_log": {"path": str(pipe)}})
    Load(p.port, 8, 1500).run()
    start = time.monotonic()
    p.stop()
    assert time.monotonic() - start < 10
