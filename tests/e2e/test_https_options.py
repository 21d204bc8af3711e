"""What HTTPS and HTTP/2 leave in the log and the counters."""
import json
import re

import pytest

from client import Client, raw
from h2client import H2Client
from harness import wait_for
from pods import answer, app_answer
from tls_client import tls_get


def lines(path, n):
    wait_for(lambda: path.exists() and path.read_bytes().count(b"\n") >= n,
             f"{n} lines in the log")
    found = path.read_text().splitlines()
    assert len(found) == n
    return found


def log_to(path, how="json"):
    return {"access_log": {"path": str(path), "format": how}}


@pytest.mark.parametrize("how", ["json", "combined"])
def test_the_log_names_the_protocol(tls_shop, pod, certs, tmp_path, how):
    path = tmp_path / "access.log"
    p = tls_shop({"v1": [pod().port]}, workers=1, config=log_to(path, how))
    raw(p.port, b"GET /old HTTP/1.0\r\n\r\n")
    lines(path, 1)
    tls_get(p.tls, certs.client_context(), "/tls")
    lines(path, 2)
    with H2Client(p.port) as c:
        assert c.ask("POST", "/clear?x", body=b"12345").status == 200
    lines(path, 3)
    with H2Client(p.tls, certs.client_context(["h2"])) as c:
        assert c.ask("GET", "/h2").status == 200
    wanted = [("GET", "/old", "HTTP/1.0"), ("GET", "/tls", "HTTP/1.1"),
              ("POST", "/clear?x", "HTTP/2.0"), ("GET", "/h2", "HTTP/2.0")]
    found = lines(path, 4)
    if how == "combined":
        assert [tuple(re.search(r'"(.*?)"', line)[1].split())
                for line in found] == wanted
        return
    entries = [json.loads(line) for line in found]
    assert [(e["method"], e["target"], e["protocol"])
            for e in entries] == wanted
    assert entries[2]["request_bytes"] == 5
    assert entries[2]["host"] == "shop.test"
    assert all(e["version"] == "v1" and e["status"] == 200 for e in entries)


@pytest.fixture
def redirect(shop, pod, ports, tmp_path):
    path = tmp_path / "access.log"

    def start(to="https"):
        port = ports.reserve()
        backend = pod(lambda asked: app_answer("1"))
        p = shop({"v1": [backend.port]}, workers=1, config={
            "listen": [{"address": f"127.0.0.1:{port}", "redirect": to}],
            **log_to(path)})
        p.port, p.backend, p.access = port, backend, path
        return p
    return start


def test_redirects_are_logged_and_counted_for_no_version(redirect):
    p = redirect()
    with Client(p.port) as c:
        assert c.ask("GET", "/a?b", host="shop.test:80").status == 301
        assert c.ask("DELETE", "/c").status == 308
    with H2Client(p.port) as c:
        assert c.ask("GET", "/d").status == 301
    entries = [json.loads(line) for line in lines(p.access, 3)]
    assert [(e["method"], e["target"], e["status"], e["protocol"])
            for e in entries] == [
        ("GET", "/a?b", 301, "HTTP/1.1"), ("DELETE", "/c", 308, "HTTP/1.1"),
        ("GET", "/d", 301, "HTTP/2.0")]
    for e in entries:
        assert e["service"] is e["version"] is e["pod"] is None
        assert "https" in e["reason"]
    assert p.version("v1")["requests"] == 0
    assert p.metrics().get("shunt_requests_total", {}) == {}
    assert p.backend.asked == []


def test_a_redirect_says_it_in_its_body_but_not_to_head(redirect):
    p = redirect()
    with Client(p.port) as c:
        reply = c.ask("GET", "/")
        assert reply.body.startswith(b"301 ") and reply.body.endswith(b"\n")
        assert reply.get("Content-Type").startswith("text/plain")
        assert c.ask("HEAD", "/").body == b""
        assert c.ask("GET", "/").status == 301  # the connection goes on


def test_redirect_needs_a_host(redirect):
    p = redirect()
    assert raw(p.port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    found = raw(p.port, b"GET /x HTTP/1.0\r\nHost: [::1]:8080\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 301 ")
    assert b"\r\nLocation: https://[::1]/x\r\n" in found


def test_redirects_keep_the_limits(shop, pod, ports):
    port = ports.reserve()
    p = shop({"v1": [pod().port]}, workers=1, config={
        "listen": [{"address": f"127.0.0.1:{port}", "redirect": "https"}],
        "limits": {"uri_bytes": "256"}})
    p.port = port
    with Client(p.port) as c:
        reply = c.ask("GET", "/" + "u" * 300)
        assert (reply.status, reply.get("Location")) == (414, None)


def test_our_own_answers_have_hsts_too(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod(lambda asked: answer(204)).port]}, workers=1,
                 listener={"hsts": "1h"}, service={
                     "routes": [{"path": "/known"}]})
    context = certs.client_context()
    for path, status in (("/known", 204), ("/unknown", 404)):
        reply = tls_get(p.tls, context, path)
        assert (reply.status, reply.all("Strict-Transport-Security")) == (
            status, ["max-age=3600"])


def test_each_kind_of_flood_has_a_counter(tls_shop, pod):
    p = tls_shop({"v1": [pod().port]})
    kinds = p.metrics()["shunt_http2_floods_total"]
    assert {"kind=\"resets\"", "kind=\"continuations\"", "kind=\"headers\"",
            "kind=\"settings\"", "kind=\"pings\"", "kind=\"empty_frames\"",
            "kind=\"priorities\"", "kind=\"window_updates\"",
            "kind=\"stalls\""} <= set(kinds)
    assert set(kinds.values()) == {0}
