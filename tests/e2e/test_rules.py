"""Rules: every test both ways, splits of their own, and versions that are
empty."""
import collections
import json

import pytest

from client import Client, Load, get, request
from h2client import H2Client
from harness import wait_for
from pods import app_answer

ALWAYS_V1 = {"v1": 1, "v2": 0, "v3": 0}


def versions(pod, *names):
    """One scripted pod per version, answering as the demo app does."""
    return {name: [pod(lambda asked, n=name: app_answer(n)).port]
            for name in names}


def version(p, method="GET", path="/", fields=(), source=None):
    with Client(p.port, source=source) as c:
        c.send(request(method, path, fields=fields))
        answer = c.response(method == "HEAD")
    assert answer.status == 200
    return json.loads(answer.body)["appVersion"]


# A match, and requests that it takes and does not.
MATCHES = [
    ({"query": {"release": "beta"}},
     [{"path": "/?release=beta"}, {"path": "/x?a=1&release=%62eta&b"},
      {"path": "/?release=a&release=beta"}],
     [{}, {"path": "/?release=beta2"}, {"path": "/?xrelease=beta"},
      {"path": "/release=beta"}, {"path": "/?Release=beta"}]),
    ({"query": {"q": "a b", "debug": {"present": True}}},
     [{"path": "/?q=a+b&debug"}, {"path": "/?debug=&q=a%20b"}],
     [{"path": "/?q=a+b"}, {"path": "/?debug"},
      {"path": "/?q=a%2Bb&debug"}]),
    ({"method": ["PUT", "DELETE"]},
     [{"method": "PUT"}, {"method": "DELETE"}],
     [{}, {"method": "POST"}, {"method": "put"}]),
    ({"method": {"not": "GET"}}, [{"method": "POST"}], [{}]),
    ({"path": "/cart"}, [{"path": "/cart"}, {"path": "/cart?a"}],
     [{}, {"path": "/cart/"}, {"path": "/CART"}]),
    ({"path": {"prefix": "/api/"}}, [{"path": "/api/"}, {"path": "/api/x"}],
     [{"path": "/api"}, {"path": "/x/api/"}, {"path": "/?/api/"}]),
    ({"path": {"regex": r"\.(js|css)$"}},
     [{"path": "/a.js"}, {"path": "/b/c.css?v=1"}],
     [{"path": "/a.jsx"}, {"path": "/?a.js"}]),
    ({"client": "127.0.0.2"}, [{"source": "127.0.0.2"}],
     [{}, {"source": "127.0.0.3"},
      {"fields": [("X-Forwarded-For", "127.0.0.2")]}]),
    ({"client": ["::1", "127.0.4.0/22"]},
     [{"source": "127.0.7.255"}, {"source": "127.0.4.0"}],
     [{}, {"source": "127.0.8.0"}]),
    ({"client": {"not": "127.0.0.1"}}, [{"source": "127.0.0.2"}], [{}]),
    ({"user_agent": {"contains": "Bot"}},
     [{"fields": [("user-agent", "a Bot/1")]}],
     [{}, {"fields": [("User-Agent", "a bot")]}]),
    ({"header": {"X-Team": ["red", {"prefix": "b"}]}},
     [{"fields": [("X-Team", "red")]}, {"fields": [("X-Team", "blue")]}],
     [{}, {"fields": [("X-Team", "green")]}]),
    ({"header": {"X-Team": {"not": {"regex": "^r"}}}},
     [{}, {"fields": [("X-Team", "blue")]}],
     [{"fields": [("X-Team", "red")]},
      {"fields": [("X-Team", "blue"), ("X-Team", "red")]}]),
    ({"cookie": {"uid": {"present": False}}},
     [{}, {"fields": [("Cookie", "xuid=1")]}],
     [{"fields": [("Cookie", "uid=1")]}, {"fields": [("Cookie", "uid=")]}]),
    ([{"path": "/a", "method": "GET"}, {"query": {"b": "1"}}],
     [{"path": "/a"}, {"path": "/x?b=1"}, {"method": "PUT", "path": "/a?b=1"}],
     [{}, {"method": "PUT", "path": "/a"}, {"path": "/a2"}]),
]


@pytest.mark.parametrize("match,hits,misses", MATCHES,
                         ids=[json.dumps(m[0]) for m in MATCHES])
def test_a_match_takes_what_it_says(shop, pod, match, hits, misses):
    p = shop(versions(pod, "v1", "v2"), service={
        "weights": {"v1": 1, "v2": 0},
        "rules": [{"match": match, "version": "v2"}]})
    for asked in hits:
        assert version(p, **asked) == "v2", asked
    for asked in misses:
        assert version(p, **asked) == "v1", asked


def forwarded(*fields):
    return {"fields": [("X-Forwarded-For", f) for f in fields]}


def test_the_client_behind_a_trusted_proxy(shop, pod):
    p = shop(versions(pod, "v1", "v2"),
             config={"forward": {"trusted": ["127.0.0.1", "10.0.0.0/8"]}},
             service={"weights": {"v1": 1, "v2": 0}, "rules": [
                 {"match": {"client": ["198.51.100.0/24", "2001:db8::/32"]},
                  "version": "v2"}]})
    for asked in (forwarded("198.51.100.7"), forwarded("2001:db8::7"),
                  forwarded("203.0.113.1, 198.51.100.7, 10.1.2.3"),
                  forwarded("203.0.113.1", "[2001:db8::7]:4711, 10.1.2.3")):
        assert version(p, **asked) == "v2", asked
    for asked in ({}, forwarded("203.0.113.1"),
                  forwarded("198.51.100.7, 203.0.113.1"),
                  forwarded("198.51.100.7, unknown"),
                  {**forwarded("198.51.100.7"), "source": "127.0.0.2"}):
        assert version(p, **asked) == "v1", asked


def test_a_rule_splits_exactly_what_it_matches(shop, pod):
    p = shop(versions(pod, "v1", "v2", "v3"), service={
        "weights": ALWAYS_V1,
        "rules": [{"match": {"path": "/ab"},
                   "weights": {"v1": 50, "v2": 30, "v3": 20}}]}, workers=2)
    total = collections.Counter()
    for n in (1, 7, 92, 200):
        load = Load(p.port, min(n, 9), n, request(path="/ab")).run()
        assert load.failures() == []
        total.update(load.versions())
        for name, share in (("v1", .5), ("v2", .3), ("v3", .2)):
            assert abs(total[name] - share * total.total()) <= 1, total
        assert Load(p.port, 3, 11).run().versions() == {"v1": 11}


def test_weights_at_run_time_leave_rules_alone(shop, pod):
    p = shop(versions(pod, "v1", "v2", "v3"), service={
        "weights": ALWAYS_V1,
        "rules": [{"match": {"path": "/ab"},
                   "weights": {"v1": 1, "v2": 1, "v3": 2}}]})
    ask = request(path="/ab")
    seen = collections.Counter(Load(p.port, 1, 3, ask).run().versions())
    p.cli("weight", "shop", "v1=0", "v3=1", check=True)
    assert Load(p.port, 3, 10).run().versions() == {"v3": 10}
    seen.update(Load(p.port, 1, 1, ask).run().versions())
    assert seen == {"v1": 1, "v2": 1, "v3": 2}


def test_empty_of_a_rule_goes_before_that_of_the_service(shop, pod):
    def rules():
        for path, more in (("/503", {"empty": "503"}),
                           ("/stable", {"empty": "stable"}), ("/", {})):
            yield {"match": {"path": path}, "version": "v2", **more}
            yield {"match": {"path": path + "w"}, "weights": {"v2": 1},
                   **more}
    for own, want in (("stable", 200), ("503", 503)):
        p = shop({**versions(pod, "v1"), "v2": []}, service={
            "weights": {"v1": 1}, "empty": own, "rules": list(rules())})
        for tail in ("", "w"):
            assert get(p.port, path="/503" + tail).status == 503
            assert get(p.port, path="/stable" + tail).status == 200
            assert get(p.port, path="/" + tail).status == want


def test_the_access_log_names_the_rule(shop, pod, tmp_path):
    log = tmp_path / "access.log"
    p = shop(versions(pod, "v1", "v2"), workers=1,
             config={"access_log": {"path": str(log)}}, service={
                 "weights": {"v1": 1, "v2": 0}, "rules": [
                     {"match": {"method": "PUT"}, "version": "v2"},
                     {"match": {"query": {"a": {"present": True}}},
                      "weights": {"v2": 1}}]})
    for path in ("/", "/?a", "/?b"):
        get(p.port, path=path)

    def lines():
        return log.read_text().splitlines() if log.exists() else []
    wait_for(lambda: len(lines()) == 3, "three lines")
    assert [(e["rule"], e["version"]) for e in map(json.loads, lines())] == [
        (None, "v1"), (1, "v2"), (None, "v1")]


def test_no_pattern_stalls_a_worker(shop, pod):
    """Each would run for ages on each of these values."""
    def costly():
        return {"regex": "^(a+)+$"}
    p = shop(versions(pod, "v1", "v2"), workers=1, service={
        "weights": {"v1": 1, "v2": 0},
        "rules": [{"match": [
            {"header": {"X": costly()}}, {"query": {"x": costly()}},
            {"path": {"regex": "^/(a+)+$"}}, {"cookie": {"x": costly()}}],
            "version": "v2"}]})
    value = "a" * 2000 + "!"
    fields = [("X", value)] * 5 + [("Cookie", "x=" + value)] * 5
    query = "&".join(["x=" + "a" * 30 + "%21"] * 100)
    for _ in range(20):
        assert version(p, path=f"/{value}?{query}", fields=fields) == "v1"
    assert version(p, path="/aaa") == "v2"


def test_over_http2_rules_see_the_same(shop, pod):
    p = shop(versions(pod, "v1", "v2"), service={
        "weights": {"v1": 1, "v2": 0},
        "rules": [{"match": {"method": "GET", "query": {"q": "a b"},
                             "path": "/x", "client": "127.0.0.0/8",
                             "cookie": {"uid": "7"}, "user_agent": "Bot"},
                   "version": "v2"}]})
    fields = [("user-agent", "Bot"), ("cookie", "a=b"), ("cookie", "uid=7")]
    with H2Client(p.port) as c:
        for path, sent, want in (("/x?q=a+b", fields, "v2"),
                                 ("/x?q=a", fields, "v1"),
                                 ("/x?q=a+b", fields[:2], "v1")):
            answer = c.ask("GET", path, fields=sent)
            assert answer.json()["appVersion"] == want, (path, sent)
