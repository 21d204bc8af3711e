"""The admin socket: who may, what it answers, and to whom it belongs."""
import os
import socket
import stat
import subprocess

import pytest

from client import get
from harness import BIN, PATIENCE, Proxy, UnixConnection, service


@pytest.fixture
def p(shop, app):
    return shop({"v1": [app("1").port], "v2": [app("2").port]},
                service={"weights": {"v1": 80, "v2": 20}})


def test_socket_is_for_its_owner_only(p):
    mode = os.stat(p.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_stale_socket_is_replaced(p):
    p.process.kill()
    p.process.wait()
    assert os.path.exists(p.socket)
    p.start()
    assert get(p.port).status == 200


def test_second_instance_is_refused(p):
    done = subprocess.run([BIN, "run", "-c", p.path], timeout=PATIENCE,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and p.socket in done.stderr
    assert get(p.port).status == 200
    assert p.api("GET", "/readyz")[0] == 200


def test_a_file_that_is_no_socket_is_left_alone(ports, tmp_path, app):
    path = tmp_path / "precious"
    path.write_text("data")
    one = Proxy(ports, {"admin": {"socket": str(path)},
                        "services": {"shop": service(
                            {"v1": [app("1").port]})}})
    try:
        one.spawn()
        assert one.wait() == 1
        assert str(path) in one.stderr()
        assert path.read_text() == "data"
    finally:
        one.remove()


def test_services(p):
    code, answer = p.api("GET", "/api/v1/services")
    assert code == 200 and [s["name"] for s in answer["services"]] == ["shop"]
    one = answer["services"][0]
    assert set(one) == {"name", "stable", "closed", "parked", "in_force",
                        "versions", "mirror", "retry_budget", "rollout"}
    assert one["closed"] is False and one["parked"] == 0
    assert one["in_force"] in (True, False)
    assert one["stable"] == "v1"
    assert one["mirror"] is None and one["rollout"] is None
    version = one["versions"][0]
    assert set(version) == {"name", "weight", "share", "requests", "errors",
                            "error_ratio", "p50_ms", "p99_ms", "queued",
                            "panic", "launch", "names",
                            "pods"}
    assert set(version["pods"][0]) == {"address", "state", "inflight",
                                       "reason"}
    assert p.api("GET", "/api/v1/services/shop")[1]["name"] == "shop"


def test_unknown_things(p):
    code, answer = p.api("GET", "/api/v1/services/nope")
    assert code == 404
    assert "nope" in answer["error"] and "shop" in answer["error"]
    assert p.api("GET", "/nope")[0] == 404
    assert p.api("DELETE", "/api/v1/services")[0] == 405
    assert p.api("GET", "/api/v1/reload")[0] == 405


def test_probes(p):
    assert p.api("GET", "/healthz")[0] == 200
    assert p.api("GET", "/readyz")[0] == 200


RUBBISH = [b"hello\r\n\r\n", b"\x00" * 100, b"GET",
           b"PUT /api/v1/services/shop/weights HTTP/1.1\r\n"
           b"Content-Length: 999999999\r\n\r\n{",
           b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\n\r\n"]


@pytest.mark.parametrize("data", RUBBISH)
def test_rubbish_on_the_socket(p, data):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(p.socket)
        s.settimeout(PATIENCE)
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert p.api("GET", "/healthz")[0] == 200
    assert get(p.port).status == 200


def test_a_page_of_another_site_cannot_change_anything(p):
    """Browsers reach the TCP address, too: they send Origin."""
    connection = UnixConnection(p.socket, PATIENCE)
    connection.request("PUT", "/api/v1/services/shop/weights",
                       body='{"v1":0,"v2":1}',
                       headers={"Origin": "http://evil.test"})
    assert connection.getresponse().status == 403
    connection.close()
    assert p.version("v1")["weight"] == pytest.approx(0.8)
