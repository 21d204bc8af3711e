"""Routes from the outside: methods, rewriting, header edits, redirects."""
import json

import pytest

from client import Client
from h2client import H2Client
from h2pod import Answer
from harness import service, wait_for
from pods import answer, app_answer


class Edge:
    """One proxy before a pod of HTTP/1.1 or HTTP/2, asked by a client of
    either; the pod keeps what it was asked."""

    def __init__(self, p, pod, client):
        self.p, self.pod, self.client = p, pod, client

    def ask(self, *arguments, **named):
        with self.client(self.p.port) as c:
            return c.ask(*arguments, **named)

    def seen(self):
        """The last request, as the pod got it."""
        return self.pod.asked[-1]


def host_of(asked):
    return asked.get("Host") or asked.get(":authority")


@pytest.fixture(params=["h1-h1", "h1-h2c", "h2-h1", "h2-h2c"])
def edge(request, shop, pod, h2_pod):
    """edge(routes): over each pair of protocols, client's and pod's."""
    def start(routes, fields=(), config=None):
        client, speaks = request.param.split("-")
        if speaks == "h1":
            backend = pod(lambda asked: answer(200, "x", fields))
        else:
            backend = h2_pod(lambda asked: Answer(200, "x", fields))
        p = shop({"v1": [backend.port]}, workers=1, config=config, service={
            "routes": routes, "protocol": "h2c" if speaks == "h2c" else "h1"})
        return Edge(p, backend, H2Client if client == "h2" else Client)
    return start


def test_paths_are_rewritten(edge):
    e = edge([{"path": "/a", "rewrite": {"prefix": "/v2"}},
              {"path": "/strip", "rewrite": {"prefix": "/"}},
              {"path": {"regex": "^/r[0-9]"}, "rewrite": {"path": "/all"}},
              {"path": {"regex": "^/"}}])
    for path, target in [
            ("/a", "/v2"), ("/a/b?c=/a", "/v2/b?c=/a"), ("/ab", "/ab"),
            ("/strip", "/"), ("/strip/", "/"), ("/strip/x/strip", "/x/strip"),
            ("/r7/x?q", "/all?q"), ("/r", "/r")]:
        assert e.ask("GET", path).status == 200
        assert e.seen().target == target, path


def test_the_host_is_rewritten(edge):
    e = edge([{"path": "/a", "rewrite": {"host": "inner.test:8000"}},
              {"path": "/"}])
    assert e.ask("GET", "/a", host="shop.test:81").status == 200
    assert host_of(e.seen()) == "inner.test:8000"
    assert e.seen().all("X-Forwarded-Host") == ["shop.test:81"]
    assert e.ask("GET", "/").status == 200
    assert host_of(e.seen()) == "shop.test"


def test_request_fields_are_edited(edge):
    e = edge([{"request_headers": {
        "set": {"X-One": "mine", "X-Forwarded-Proto": "https"},
        "add": {"X-Two": "mine"}, "remove": ["X-Gone", "Via"]}}])
    assert e.ask("POST", "/", body=b"12345", fields=[
        ("X-One", "1"), ("X-Two", "2"), ("x-one", "3"), ("X-Gone", "4"),
        ("X-Kept", "5"), ("x-gone", "6")]).status == 200
    seen = e.seen()
    assert seen.all("X-One") == ["mine"]
    assert seen.all("X-Two") == ["2", "mine"]
    assert seen.all("X-Gone") == seen.all("Via") == []
    assert seen.all("X-Kept") == ["5"]
    assert seen.all("X-Forwarded-Proto") == ["https"]
    assert seen.all("X-Forwarded-For") == ["127.0.0.1"]


def test_response_fields_are_edited(edge):
    e = edge([{"path": "/a", "response_headers": {
        "set": {"X-One": "mine"}, "add": {"Set-Cookie": "b=2"},
        "remove": ["Server"]}}, {"path": "/"}],
        fields=[("X-One", "1"), ("Server", "pod"), ("X-One", "2"),
                ("Set-Cookie", "a=1"), ("X-Kept", "3")])
    got = e.ask("GET", "/a")
    assert (got.status, bytes(got.body)) == (200, b"x")
    assert got.all("X-One") == ["mine"]
    assert got.all("Server") == []
    assert got.all("Set-Cookie") == ["a=1", "b=2"]
    assert got.all("X-Kept") == ["3"]
    assert got.all("Content-Length") == ["1"]
    got = e.ask("GET", "/other")
    assert got.all("X-One") == ["1", "2"]
    assert got.all("Server") == ["pod"]


def test_heads_at_their_limits_take_the_most_edits(edge):
    """A head of as many fields as may be, and the largest edits: it fits."""
    room = 1024 - 32 * len("X-00: \r\n")
    edits = {f"X-{i:02}": "v" * (room // 32) for i in range(32)}
    fields = [(f"P-{i:03}", "p" * 50) for i in range(100)]
    e = edge([{"request_headers": {"add": edits},
               "response_headers": {"set": dict(edits)}}], fields=fields,
             config={"limits": {"header_count": 120, "header_bytes": "8KiB"}})
    got = e.ask("GET", "/", fields=fields)
    assert got.status == 200
    for name, value in {**edits, **dict(fields)}.items():
        assert got.all(name) == [value]
        assert e.seen().all(name) == [value]


def test_own_answers_are_not_edited(shop):
    p = shop({"v1": []}, service={"routes": [{
        "response_headers": {"set": {"X-One": "mine"}}}]})
    with Client(p.port) as c:
        got = c.ask("GET", "/")
        assert (got.status, got.get("X-One")) == (503, None)


def test_interim_answers_are_not_edited(shop, pod):
    def respond(asked):
        return b"HTTP/1.1 103 Early\r\nX-One: 1\r\n\r\n" + answer(200, "x")
    p = shop({"v1": [pod(respond).port]}, service={"routes": [{
        "response_headers": {"set": {"X-One": "mine"}}}]})
    with Client(p.port) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        assert c.response().all("X-One") == ["1"]
        assert c.response().all("X-One") == ["mine"]


@pytest.mark.parametrize("client", [Client, H2Client])
def test_methods_choose_among_services(proxy, pod, client):
    pods = {name: pod(lambda asked, name=name: app_answer(name))
            for name in ("any", "get", "put")}
    p = proxy({"services": {
        "any": service({"v": [pods["any"].port]},
                       routes=[{"path": "/a"}]),
        "get": service({"v": [pods["get"].port]},
                       routes=[{"path": "/a", "method": ["GET", "HEAD"]}]),
        "put": service({"v": [pods["put"].port]},
                       routes=[{"path": "/a", "method": "PUT"},
                               {"path": "/only", "method": "PUT"}])}})
    with client(p.port) as c:
        for method, path, wanted in [
                ("GET", "/a", "get"), ("PUT", "/a/b", "put"),
                ("DELETE", "/a", "any"), ("PUT", "/only", "put")]:
            assert c.ask(method, path).json()["appVersion"] == wanted
        assert c.ask("GET", "/only").status == 404


@pytest.mark.parametrize("client", [Client, H2Client])
def test_redirects(shop, pod, tmp_path, client):
    path = tmp_path / "access.log"
    backend = pod()
    p = shop({"v1": [backend.port]}, workers=1, config={
        "access_log": {"path": str(path)}}, service={"routes": [
            {"path": "/a", "redirect": {"prefix": "/b", "status": 301}},
            {"path": "/c", "redirect": {"host": "other.test"}},
            {"path": "/d", "redirect": {"scheme": "https", "port": 8443,
                                        "path": "/x", "status": 308}},
            {"path": "/e", "redirect": {"path": "/e/f", "status": 303}},
            {"path": "/g", "redirect": {"path": "/x", "status": 307}}]})
    asked = [
        ("GET", "/a/z?q=1", 301, f"http://shop.test:{p.port}/b/z?q=1"),
        ("GET", "/c/z", 302, "http://other.test/c/z"),
        ("POST", "/d", 308, "https://shop.test:8443/x"),
        ("PUT", "/e?", 303, f"http://shop.test:{p.port}/e/f?"),
        ("GET", "/g", 307, f"http://shop.test:{p.port}/x")]
    with client(p.port) as c:
        for method, target, status, location in asked:
            got = c.ask(method, target, host=f"shop.test:{p.port}")
            assert (got.status, got.get("Location")) == (status, location)
        # where it leads to itself, the pod answers
        assert c.ask("GET", "/e/f").status == 200
    assert [a.target for a in backend.asked] == ["/e/f"]
    wait_for(lambda: path.read_text().count("\n") == 6, "the log")
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(e["method"], e["target"], e["status"]) for e in found[:5]] == [
        (method, target, status) for method, target, status, _ in asked]
    assert all(e["service"] == "shop" for e in found)
    assert p.version("v1")["requests"] == 1


def test_to_https_and_no_further(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod().port]}, workers=1, service={"routes": [
        {"redirect": {"scheme": "https", "status": 301}}]})
    with Client(p.port) as c:
        got = c.ask("GET", "/x")
        assert (got.status, got.get("Location")) == (
            301, "https://shop.test/x")
    with H2Client(p.tls, certs.client_context(["h2"])) as c:
        got = c.ask("GET", "/x", host=f"shop.test:{p.tls}")
        assert (got.status, got.json()["target"]) == (200, "/x")


def test_the_log_shows_what_was_asked(edge, tmp_path):
    path = tmp_path / "access.log"
    e = edge([{"path": "/a", "rewrite": {"prefix": "/v2", "host": "inner"},
               "request_headers": {"remove": ["User-Agent"]}}],
             config={"access_log": {"path": str(path)}})
    assert e.ask("GET", "/a/b?c", fields=[("User-Agent", "me")]).status == 200
    assert e.seen().target == "/v2/b?c"
    assert e.seen().all("User-Agent") == []
    wait_for(lambda: path.read_text().endswith("\n"), "the log")
    entry = json.loads(path.read_text())
    assert (entry["target"], entry["host"], entry["user_agent"]) == (
        "/a/b?c", "shop.test", "me")


def test_rules_see_what_was_asked_and_retries_what_was_changed(shop, pod):
    lost = pod(lambda asked: None)
    good = pod(lambda asked: answer(200, asked.target))
    p = shop({"v1": [lost.port], "v2": [good.port]}, workers=1, service={
        "routes": [{"path": "/a", "rewrite": {"prefix": "/v2"},
                    "request_headers": {"set": {"X-Who": "proxy"}}}],
        "rules": [{"match": {"header": {"X-Who": "client"}},
                   "version": "v1"}],
        "weights": {"v2": 100},
        "retry": {"attempts": 1, "version": "any"}})
    with Client(p.port) as c:
        got = c.ask("GET", "/a/b", fields=[("X-Who", "client")])
    assert (got.status, got.body) == (200, b"/v2/b")
    assert [a.target for a in lost.asked] == ["/v2/b"]
    assert [a.get("X-Who") for a in lost.asked + good.asked] == ["proxy"] * 2


def test_a_reload_changes_routes(shop, pod):
    p = shop({"v1": [pod().port]}, service={"routes": [
        {"rewrite": {"prefix": "/one"}}]})
    with Client(p.port) as c:
        assert c.ask("GET", "/x").json()["target"] == "/one/x"
        p.config["services"]["shop"]["routes"] = [
            {"rewrite": {"prefix": "/two"}}]
        p.write(p.config)
        assert p.api("POST", "/api/v1/reload")[0] == 200
        assert c.ask("GET", "/x").json()["target"] == "/two/x"
