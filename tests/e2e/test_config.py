"""A broken config never starts, and every error in it is told at once."""
import os
import re
import socket
import subprocess

import pytest

from client import get
from harness import BIN, PATIENCE, run_cli, service, wait_for

GOOD = """
listen:
  - address: 127.0.0.1:%(port)d
admin: { socket: %(socket)s }
services:
  shop:
    routes: [{ path: / }]
    versions:
      v1: { pods: [127.0.0.1:9101] }
    stable: v1
"""

BROKEN = """listen:
  - address: 127.0.0.1
timeouts: { idel: 75s }
limits: { header_bytes: 64Kb }
workers: -1
services:
  shop:
    routes: [{ path: nowhere }]
    versions:
      v1: { pods: [127.0.0.1:70000] }
    stable: v2
    balance: fastest
    rules:
      - { match: { header: { User-Agent: { regex: "(" } } }, version: v1 }
      - { match: { cookie: { a: b } }, version: v9 }
"""
# Line, what is named in the message.
EXPECTED = [(2, ["127.0.0.1"]), (3, ["idel", "idle"]), (4, ["64Kb"]),
            (5, ["workers|-1"]), (8, ["nowhere|/"]), (10, ["70000"]),
            (11, ["v2"]), (12, ["fastest", "least_request"]), (14, ["parenthesis"]),
            (15, ["v9"])]


def write(folder, text):
    path = os.path.join(folder, "shunt.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def good(folder, port=8080):
    return GOOD % {"port": port, "socket": os.path.join(folder, "s")}


def test_check_of_a_good_file(tmp_path):
    path = write(tmp_path, good(tmp_path))
    done = run_cli("check", "-c", path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr and not os.path.exists(tmp_path / "s")


@pytest.mark.parametrize("command", ["check", "run"])
def test_all_errors_at_once_with_places(tmp_path, command):
    path = write(tmp_path, BROKEN)
    done = run_cli(command, "-c", path)
    assert done.returncode == 1
    found = re.findall(rf"{re.escape(path)}:(\d+):(\d+): (.*)", done.stderr)
    assert found, done.stderr
    lines = [int(n) for n, _, _ in found]
    assert lines == sorted(lines)
    for line, words in EXPECTED:
        said = " ".join(m for n, _, m in found if int(n) == line)
        assert said, f"nothing about line {line}:\n{done.stderr}"
        for word in words:
            assert re.search(word, said), (line, word, said)
    assert {n for n, _ in EXPECTED} == set(lines), done.stderr


BAD_FILES = {
    "not yaml": "listen: [",
    "tabs": "listen:\n\t- x",
    "empty": "",
    "a list": "- 1\n- 2\n",
    "a word": "hello\n",
    "twice": "workers: 1\nworkers: 2\n",
    "no services": "listen: [{ address: 127.0.0.1:1 }]\n",
    "binary": "\x00\x01\x02",
    "deep": "a: " * 3 + "[" * 5000,
    "alias": "listen: &a [*a]\n",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_are_no_config(tmp_path, name):
    path = write(tmp_path, BAD_FILES[name])
    for command in ("check", "run"):
        done = run_cli(command, "-c", path)
        assert done.returncode == 1, (done.returncode, done.stderr)
        assert "shunt.yaml" in done.stderr


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_not_there(tmp_path, command):
    done = run_cli(command, "-c", str(tmp_path / "none.yaml"))
    assert done.returncode == 1
    assert "none.yaml" in done.stderr


def test_weights_that_add_up_to_nothing(tmp_path):
    path = write(tmp_path, good(tmp_path) + "    weights: { v1: 0 }\n")
    done = run_cli("check", "-c", path)
    assert done.returncode == 1 and "weights" in done.stderr


def test_nothing_is_left_of_a_start_that_fails(ports, tmp_path):
    """The second listener cannot be had: exit 1, and all is as before."""
    free, taken = ports.reserve(), ports.reserve()
    text = good(tmp_path, free).replace(
        f"127.0.0.1:{free}",
        f"127.0.0.1:{free}\n  - address: 127.0.0.1:{taken}", 1)
    path = write(tmp_path, text)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", taken))
        s.listen()
        done = run_cli("run", "-c", path)
    assert done.returncode == 1
    assert str(taken) in done.stderr
    assert not os.path.exists(tmp_path / "s")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", free), 5)


def test_workers_auto_and_no_admin(ports, tmp_path):
    """The smallest file there is: listen and one service."""
    port = ports.reserve()
    path = write(tmp_path, f"""
listen: [{{ address: 127.0.0.1:{port} }}]
services:
  shop:
    routes: [{{ path: / }}]
    versions: {{ v1: {{ pods: [127.0.0.1:{ports.reserve()}] }} }}
    stable: v1
""")

    def answers():
        try:
            return get(port).status == 502
        except OSError:
            return False
    with subprocess.Popen([BIN, "run", "-c", path],
                          stderr=subprocess.PIPE) as process:
        try:
            wait_for(answers, "the proxy answers")
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            if process.poll() is None:
                process.kill()


def test_many_services_are_no_trouble(proxy, ports):
    """1,000 services with 10 pods each load, and the last one is found."""
    dead = ports.reserve()
    # Loopback has many addresses; nobody listens on these.
    services = {
        f"s{i}": service(
            {"v1": []}, routes=[{"host": f"s{i}.test", "path": f"/{i}"}])
        for i in range(1000)}
    for i, one in enumerate(services.values()):
        one["versions"]["v1"]["pods"] = [
            f"127.1.{i % 250}.{j + 1}:{dead}" for j in range(10)]
    p = proxy({"services": services})
    assert get(p.port, "/999", host="s999.test").status == 502
    assert get(p.port, "/998", host="s999.test").status == 404
