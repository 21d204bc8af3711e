"""Explanations: each is compared with what really happens to the request."""
import json
import random
import re

import pytest

from client import Client, Load, get
from harness import run_cli, service, wait_for
from pods import answer

PATH = "/api/v1/explain"


def ask(p, url, **named):
    code, told = p.api("POST", PATH, {"url": url, **named})
    assert code == 200, told
    assert set(told) == {"service", "route", "version", "rule", "bucket",
                         "pods", "reason"}
    return told


@pytest.fixture
def named(pod):
    """A function that starts a pod which says whose it is."""
    def start(of, version):
        return pod(lambda asked: answer(200, "", [
            ("X-Pod", f"{of}/{version}")])).port
    return start


# the same question, put to the proxy

class Asked:
    """A request: what explain is told of it, and what is sent."""

    def __init__(self, host, path, method="GET", fields=(), source=None):
        self.host, self.path, self.method = host, path, method
        self.fields, self.source = list(fields), source

    def question(self):
        headers = {}
        for name, value in self.fields:
            headers.setdefault(name, []).append(value)
        asked = {"url": f"http://{self.host}{self.path}",
                 "method": self.method, "client": self.source or "127.0.0.1",
                 "headers": {n: v if len(v) > 1 else v[0]
                             for n, v in headers.items()}}
        return asked

    def send(self, port):
        # Lines of one name together, as the question has them.
        fields = [(n, v) for n, values in self.question()["headers"].items()
                  for v in ([values] if isinstance(values, str) else values)]
        lines = [f"{self.method} {self.path} HTTP/1.1",
                 *(f"{n}: {v}" for n, v in fields)]
        if not any(n.lower() == "host" for n, _ in fields):
            lines.insert(1, f"Host: {self.host}")
        with Client(port, source=self.source) as c:
            c.send("\r\n".join([*lines, "", ""]).encode())
            return c.response(self.method == "HEAD")

    def __repr__(self):
        return repr(self.__dict__)


def compare(p, one):
    """Explains, sends, and holds one against the other; returns both."""
    question = one.question()
    told = ask(p, question.pop("url"), **question)
    got = one.send(p.port)
    seen = (one, told, got.status, got.fields)
    candidates = [x for x in told["pods"] or [] if x["candidate"]]
    if candidates:
        assert got.status == 200, seen
        assert got.get("X-Pod") == f"{told['service']}/{told['version']}", seen
    elif got.status in (301, 302, 303, 307, 308):
        assert told["version"] is None and got.get("Location"), seen
        assert f"the client gets {got.status} with Location " in \
            told["reason"], seen
        assert got.get("Location") in told["reason"], seen
    elif got.status == 404:
        assert told["service"] is told["route"] is told["version"] is None
        assert "so the client gets 404." in told["reason"], seen
    elif got.status == 503:
        assert told["version"] is not None, seen
        assert told["reason"].endswith("the client gets 503."), seen
    else:
        assert told["version"] is None and told["pods"] is None, seen
        assert f"answers {got.status} itself:" in told["reason"], seen
    return told, got


SHOP_RULES = [
    {"match": {"header": {"X-Team": ["red", {"prefix": "b"}]}},
     "version": "v2"},
    {"match": {"cookie": {"release": "beta"}}, "version": "v2"},
    {"match": {"query": {"v": {"regex": "^v?2$"}}}, "version": "v2"},
    {"match": {"path": {"prefix": "/api/"}, "method": ["PUT", "DELETE"]},
     "version": "v3"},
    {"match": {"client": ["127.0.0.2", "198.51.100.0/24"]},
     "weights": {"v2": 2, "v1": 1}},
    {"match": {"user_agent": {"contains": "Bot"},
               "header": {"X-Human": {"not": {"present": True}}}},
     "version": "gone"},
    {"match": [{"path": "/a", "method": "POST"}, {"query": {"gone": "1"}}],
     "version": "gone", "empty": "503"},
    {"match": {"path": {"regex": r"\.js$"},
               "client": {"not": ["127.0.0.1", "127.0.0.9"]}},
     "version": "v1"},
    {"match": {"cookie": {"uid": {"not": ["1", "2", "3"]},
                          "seen": {"present": True}}},
     "weights": {"v1": 1, "v2": 1, "gone": 1}},
]


HEALTH = {"path": "/healthz", "interval": "1h", "rise": 1}


@pytest.fixture
def town(proxy, named, ports):
    """Several services with everything that routes and rules can be."""
    dead = ports.reserve()
    p = proxy({
        "forward": {"trusted": ["127.0.0.9", "10.0.0.0/8"]},
        "limits": {"uri_bytes": 256, "header_count": 8},
        "services": {
            "shop": service(
                {"v1": [named("shop", "v1"), named("shop", "v1")],
                 "v2": [named("shop", "v2")], "v3": [named("shop", "v3")],
                 "gone": []},
                routes=[{"host": "shop.test", "path": "/"},
                        {"host": "*.shop.test", "path": "/"},
                        {"host": "shop.test", "path": {"exact": "/old"},
                         "redirect": {"path": "/new", "status": 301}},
                        {"host": "shop.test", "path": "/moved",
                         "redirect": {"prefix": "/m", "host": "b.test"}},
                        {"host": "shop.test", "path": "/self",
                         "redirect": {"path": "/self", "status": 307}}],
                weights={"v1": 70, "v2": 30}, rules=SHOP_RULES),
            "cart": service(
                {"v1": [named("cart", "v1")]},
                routes=[{"host": "*.shop.test", "path": "/cart"},
                        {"host": "api.test", "path": "/a",
                         "rewrite": {"prefix": "/b"}}]),
            "deep": service(
                {"v1": [named("deep", "v1")]},
                routes=[{"host": "*.a.shop.test", "path": "/cart/x"}]),
            "reader": service(
                {"v1": [named("reader", "v1")]},
                routes=[{"host": "api.test", "path": "/a",
                         "method": ["GET", "HEAD"]},
                        {"host": "api.test", "path": {"regex": "^/v[0-9]+/"},
                         "method": "GET"}]),
            "writer": service(
                {"v1": [named("writer", "v1")], "v2": [dead]},
                routes=[{"host": "api.test", "path": {"regex": "^/v[0-9]/"}},
                        {"host": "api.test", "path": {"regex": r"\.js$"}}],
                weights={"v1": 1, "v2": 2}, health=dict(HEALTH)),
            "dead": service(
                {"v1": [dead], "v2": []}, health=dict(HEALTH),
                routes=[{"path": "/dead"}], weights={"v1": 1, "v2": 1}),
            "any": service({"v1": [named("any", "v1")]},
                           routes=[{"path": "/api"}]),
            "users": service(
                {"v1": [named("users", "v1"), named("users", "v1")],
                 "v2": [named("users", "v2"), named("users", "v2")],
                 "gone": []},
                routes=[{"host": "users.test"}], cohort={"cookie": "uid"},
                weights={"v1": 3, "v2": 2, "gone": 1},
                sticky={"cookie": "stick", "pod": True},
                rules=[{"match": {"query": {"v": {"present": True}}},
                        "weights": {"v1": 1, "v2": 1}}]),
        }})
    wait_for(lambda: p.pods("v1", of="writer").popitem()[1] == "up",
             "the writer's pod is up")
    return p


HOSTS = ["shop.test"] * 6 + [
    "SHOP.test.", "shop.test:8080", "x.shop.test", "y.x.shop.test",
    "z.a.shop.test:1", "b.a.shop.test", "api.test", "api.test", "other.test",
    "[::1]:80", "shopxtest", "users.test", "users.test"]
PATHS = ["/", "/a", "/a/b", "/api", "/api/x", "/api/x.js", "/apix", "/cart",
         "/cart/x", "/cart/x/y", "/cartx", "/v1/x", "/v22/x", "/v/x", "/x.js", "/x.jsx", "/old",
         "/old/", "/moved/a", "/movedx", "/self", "/self/x", "/dead/x",
         "/A", "/a%2Fb", "/%61", "/" + "l" * 260, "//", "/a/../old"]
QUERIES = ["", "", "", "?v=2", "?v=v2&v=3", "?v=%32", "?V=2", "?gone=1",
           "?x=1&gone=1", "?", "?v=22", "?/api/"]
METHODS = ["GET"] * 5 + ["HEAD", "PUT", "DELETE", "POST", "PATCH", "get",
                         "OPTIONS"]
SOURCES = [None, None, None, "127.0.0.2", "127.0.0.3", "127.0.0.9"]
FIELDS = [
    ("X-Team", "red"), ("x-team", "blue"), ("X-Team", "green"),
    ("Cookie", "release=beta"), ("Cookie", "a=b; release=beta2"),
    ("Cookie", "seen=; uid=1"), ("cookie", "seen=1; uid=7"),
    ("Cookie", "seen=1"), ("User-Agent", "a Bot/1"), ("User-Agent", "bot"),
    ("X-Human", ""), ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-For", "198.51.100.7, 10.1.2.3"),
    ("X_Forwarded_For", "198.51.100.7"), ("X-Forwarded-For", "127.0.0.2"),
    ("Max-Forwards", "0"), ("Accept", "*/*"), ("X-Empty", ""),
    ("Connection", "X-Team"), ("Host", "other.test"), ("Host", "shop.test")]


def somebody(chance):
    fields = chance.sample(FIELDS, chance.choice([0, 1, 1, 2, 2, 3, 8]))
    return Asked(chance.choice(HOSTS),
                 chance.choice(PATHS) + chance.choice(QUERIES),
                 chance.choice(METHODS),
                 fields, chance.choice(SOURCES))


def test_it_never_disagrees_with_the_proxy(town):
    """Whatever is asked; and all of it has been asked in the end."""
    chance = random.Random(20260131)
    services, rules, statuses, stood_in = set(), {}, {}, 0
    hashed, stuck = 0, 0
    cookies = []
    for _ in range(2000):
        one = somebody(chance)
        if cookies and one.host == "users.test" and chance.getrandbits(1):
            one.fields.insert(0, ("Cookie", chance.choice(cookies)))
        told, got = compare(town, one)
        cookies += [c.split(";")[0] for c in got.all("Set-Cookie")]
        services.add(told["service"])
        hashed += told["bucket"] is not None
        stuck += "cookie stick holds, so" in told["reason"]
        statuses[got.status] = statuses.get(got.status, 0) + 1
        stood_in += "stands in." in told["reason"]
        if told["service"] == "shop" and told["version"]:
            rule = told["rule"]["index"] if told["rule"] else None
            rules[rule] = rules.get(rule, 0) + 1
    assert services == {*town.config["services"], None}
    assert set(rules) == {None, *range(len(SHOP_RULES))}, rules
    assert set(statuses) >= {200, 301, 302, 307, 400, 404, 414, 431, 503}
    assert stood_in > 10 and hashed > 5 and stuck > 10


def test_weights_are_foretold_and_no_ticket_is_drawn(shop, named):
    """Each request goes where it was said; 50 looks move nothing."""
    p = shop({"v1": [named("shop", "v1")], "v2": [named("shop", "v2")]},
             service={"weights": {"v1": 70, "v2": 30}, "rules": [
                 {"match": {"path": "/own"},
                  "weights": {"v1": 1, "v2": 2}}]})
    counts = {}
    for i in range(100):
        for _ in range(50 if i % 25 == 0 else 1):
            told = ask(p, "http://shop.test/")
            ask(p, "http://shop.test/own")
        own, _ = compare(p, Asked("shop.test", "/own"))
        assert own["rule"]["index"] == 0
        _, got = compare(p, Asked("shop.test", "/"))
        assert got.get("X-Pod") == f"shop/{told['version']}"
        counts[got.get("X-Pod")] = counts.get(got.get("X-Pod"), 0) + 1
    assert counts == {"shop/v1": 70, "shop/v2": 30}


def cookie(text):
    return [("Cookie", text)]


COHORTS = [
    ("client_ip", lambda i: {"source": f"127.0.{i // 250}.{i % 250 + 1}"},
     "client address"),
    ({"header": "X-User"}, lambda i: {"fields": [("x-user", f"u{i}")]},
     "header X-User"),
    ({"cookie": "uid"}, lambda i: {"fields": cookie(f"a=b; uid=u{i}")},
     "cookie uid"),
]


@pytest.mark.parametrize("cohort,user,key", COHORTS,
                         ids=[c[2] for c in COHORTS])
def test_cohorts(shop, named, cohort, user, key):
    """The bucket is the user's, whatever the weights, and says who wins."""
    p = shop({"v1": [named("shop", "v1")], "v2": [named("shop", "v2")]},
             service={"weights": {"v1": 70, "v2": 30}, "cohort": cohort,
                      "rules": [{"match": {"path": "/own"},
                                 "weights": {"v1": 1, "v2": 1}}]})
    buckets, wins = [], 0
    for i in range(100):
        told, _ = compare(p, Asked("shop.test", "/", **user(i)))
        own, _ = compare(p, Asked("shop.test", "/own", **user(i)))
        assert 0 <= told["bucket"] < 1
        assert own["bucket"] == told["bucket"]
        assert f"the place of its {key}, 0." in told["reason"]
        # v2 is the second version, and has the right end.
        assert told["version"] == ("v2" if told["bucket"] >= 0.7 else "v1")
        assert own["version"] == ("v2" if told["bucket"] >= 0.5 else "v1")
        buckets.append(told["bucket"])
        wins += told["version"] == "v2"
    assert len(set(buckets)) == 100 and 10 < wins < 60
    done = p.cli("explain", "http://shop.test/", "-H", "X-User: u0", "-H",
                 "Cookie: uid=u0", "--client", "127.0.0.1", check=True)
    assert re.search(r"^bucket   0\.\d{6}$", done.stdout, re.M)
    told = ask(p, "http://shop.test/", client="127.0.0.1",
               headers={"X-User": "u0", "Cookie": "uid=u0"})
    assert told["bucket"] == buckets[0]


def test_a_cohort_without_its_key_goes_by_turns(shop, named):
    p = shop({"v1": [named("shop", "v1")], "v2": [named("shop", "v2")]},
             service={"weights": {"v1": 2, "v2": 1},
                      "cohort": {"header": "X-User"}})
    found = []
    for fields in ([], [("X-User", "")], [("X-Other", "u")]) * 3:
        told, _ = compare(p, Asked("shop.test", "/", fields=fields))
        assert told["bucket"] is None
        assert "the next request without header X-User gets" in \
            told["reason"]
        found.append(told["version"])
    assert (found.count("v1"), found.count("v2")) == (6, 3)


def test_newcomers_are_left_to_chance(shop, named):
    """Nobody can say what the proxy's own new id will be."""
    p = shop({"v1": [named("shop", "v1")], "v2": [named("shop", "v2")]},
             service={"weights": {"v1": 1, "v2": 1},
                      "cohort": {"cookie": "uid", "ttl": "30d"},
                      "rules": [{"match": {"path": "/2"}, "version": "v2"}]})
    told = ask(p, "http://shop.test/")
    assert told["version"] is told["pods"] is told["bucket"] is None
    assert told["service"] == "shop" and told["route"]["path"] == "/"
    assert told["reason"].endswith(
        "by the weights v1 1, v2 1 chance will tell: it is given a cookie uid "
        "of its own.")
    assert ask(p, "http://shop.test/2")["version"] == "v2"
    seen = set()
    while seen != {"shop/v1", "shop/v2"}:
        got = get(p.port)
        seen.add(got.get("X-Pod"))
        text = got.get("Set-Cookie").split(";")[0]
        told, _ = compare(p, Asked("shop.test", "/", fields=cookie(text)))
        assert f"shop/{told['version']}" == got.get("X-Pod")
        assert told["bucket"] is not None
    # Where there is no choice chance has none.
    p.cli("weight", "shop", "v1=0", check=True)
    assert compare(p, Asked("shop.test", "/"))[0]["version"] == "v2"


def test_sticky_cookies(shop, named):
    """Before the weights, after the rules; and the pod, if it is named."""
    p = shop({"v1": [named("shop", "v1")],
              "v2": [named("shop", "v2") for _ in range(3)]}, service={
                  "weights": {"v1": 0, "v2": 1},
                  "sticky": {"cookie": "stick", "pod": True},
                  "rules": [{"match": {"path": "/1"}, "version": "v1"}]})
    told, got = compare(p, Asked("shop.test", "/"))
    assert ", and no cookie stick holds: by the weights" in told["reason"]
    assert len([x for x in told["pods"] if x["candidate"]]) == 3
    text = got.get("Set-Cookie").split(";")[0]
    p.cli("weight", "shop", "v1=1", "v2=0", check=True)
    one = Asked("shop.test", "/", fields=cookie(text))
    told, got = compare(p, one)
    assert (told["version"], told["rule"]) == ("v2", None)
    assert ("The only rule does not match, but cookie stick holds, so weights "
            "play no part: it names version v2. 3 of 3 pods of v2 are up; the "
            "cookie picks ") in told["reason"]
    assert got.get("Set-Cookie") is None  # it was the pod that it names
    assert sorted(x["reason"] for x in told["pods"]) == [
        "", "the sticky cookie names another pod",
        "the sticky cookie names another pod"]
    assert compare(p, Asked("shop.test", "/1", fields=cookie(text)))[0][
        "version"] == "v1"
    forged = Asked("shop.test", "/", fields=cookie(text[:-1] + "~"))
    assert compare(p, forged)[0]["version"] == "v1"
    p.cli("weight", "shop", "v2=0", "--void-sticky", check=True)
    told, got = compare(p, one)
    assert told["version"] == "v1" and "no cookie stick" in told["reason"]


def test_what_it_counts_is_nothing(shop, named):
    p = shop({"v1": [named("shop", "v1")]})
    before = p.status()
    for _ in range(20):
        ask(p, "http://shop.test/")
    after = p.status()
    assert before == after and after["versions"][0]["requests"] == 0


def test_the_whole_answer(town):
    told = ask(town, "http://y.x.shop.test/a?gone=1", method="HEAD",
               headers={"User-Agent": "x"}, client="192.0.2.7")
    reason = told.pop("reason")
    assert told == {
        "service": "shop", "version": "gone", "bucket": None,
        "route": {"host": "*.shop.test", "path": "/", "kind": "prefix",
                  "methods": []},
        "rule": {"index": 6, "match": "path = /a and method = POST, or "
                                      "query gone = 1"},
        "pods": []}
    assert reason == (
        "The most special route that takes the request, host *.shop.test and "
        "prefix /, leads to service shop. Rule 6 (path = /a and method = "
        "POST, or query gone = 1) is the first that matches, so the service's "
        "weights play no part: it names version gone. gone has no pods, and "
        "with empty: 503 no other stands in: the client gets 503.")
    told = ask(town, "http://api.test/v1/x", method="GET")
    assert told["route"] == {"host": "api.test", "path": "^/v[0-9]+/",
                             "kind": "regex", "methods": ["GET"]}
    assert told["rule"] is None
    assert [(x["state"], x["candidate"], x["reason"])
            for x in told["pods"]] == [("up", True, "")]
    told = ask(town, "http://a.test/dead")
    assert (told["service"], told["version"]) == ("dead", "v1")
    assert [(x["state"], x["candidate"]) for x in told["pods"]] == [
        ("starting", False)]
    assert told["pods"][0]["reason"] != ""


def test_through_changes(shop, pod, named):
    """Weights, health, a reload: it goes by the plan that is in force."""
    doomed = pod(lambda asked: answer(200, "", [("X-Pod", "shop/v2")]))
    health = {"interval": "50ms", "timeout": "2s", "rise": 1, "fall": 1}
    p = shop({"v1": [named("shop", "v1")], "v2": [doomed.port]}, service={
        "health": health, "weights": {"v1": 0, "v2": 1}})
    p.wait_pods("v1", up=1)
    p.wait_pods("v2", up=1)
    one = Asked("shop.test", "/")
    assert compare(p, one)[0]["version"] == "v2"
    p.cli("weight", "shop", "v1=1", "v2=0", check=True)
    assert compare(p, one)[0]["version"] == "v1"
    p.cli("weight", "shop", "v1=0", "v2=1", check=True)
    doomed.stop()
    p.wait_pods("v2", down=1)
    wait_for(lambda: ask(p, "http://shop.test/")["version"] == "v1",
             "the plan knows it")
    told = compare(p, one)[0]
    assert "Of 1 pods of v2 none is up, so stable v1 stands in." in \
        told["reason"]
    p.config["services"]["shop"]["empty"] = "503"
    p.config["services"]["shop"]["routes"] = [{"host": "shop.test"}]
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    told = compare(p, one)[0]
    assert told["version"] == "v2" and told["pods"][0]["state"] == "down"
    assert told["pods"][0]["candidate"] is False
    assert told["pods"][0]["reason"] != ""
    assert compare(p, Asked("other.test", "/"))[0]["service"] is None
    doomed.start()
    p.wait_pods("v2", up=1)
    wait_for(lambda: ask(p, "http://shop.test/")["pods"][0]["candidate"],
             "the plan knows it")
    assert compare(p, one)[1].get("X-Pod") == "shop/v2"


def test_under_load(shop, named):
    """It disturbs nobody, and nobody it."""
    p = shop({"v1": [named("shop", "v1")], "v2": [named("shop", "v2")]},
             service={"weights": {"v1": 1, "v2": 1}})
    load = Load(p.port, 4).start()
    for i in range(100):
        p.api("PUT", "/api/v1/services/shop/weights", {"v1": i % 5, "v2": 1})
        assert ask(p, "http://shop.test/")["version"] in ("v1", "v2")
    load.stop()
    assert load.failures() == []


def test_listeners_that_redirect(proxy, named, ports):
    """By the URL's port, else by what all listeners of its scheme do."""
    open_port, closed = ports.reserve(), ports.reserve()
    listen = [{"address": f"127.0.0.1:{closed}", "redirect": "https:8443"}]
    p = proxy({"listen": [*listen, {"address": f"127.0.0.1:{open_port}"}],
               "services": {"shop": service({"v1": [named("shop", "v1")]})}})
    host = f"shop.test:{closed}"
    told = ask(p, f"http://{host}/x?y")
    got = get(closed, "/x?y", host=host)
    assert got.status == 301 and got.get("Location") in told["reason"]
    assert told["version"] is told["service"] is None
    p.port = open_port
    assert compare(p, Asked(f"shop.test:{open_port}", "/"))[0]["version"]
    assert compare(p, Asked("shop.test", "/"))[0]["version"] == "v1"
    # A port in the URL, another Host: as a client sends it to an address.
    told = ask(p, f"http://127.0.0.1:{closed}/", headers={"Host": "a.test"})
    assert "Location https://a.test:8443/." in told["reason"]


def test_over_tls_the_scheme_counts(tls_shop, named, certs):
    p = tls_shop({"v1": [named("shop", "v1")]}, service={"routes": [
        {"path": "/", "redirect": {"scheme": "https", "port": 8443}}]})
    told = ask(p, "http://shop.test/x")
    assert "with Location https://shop.test:8443/x." in told["reason"]
    assert get(p.port, "/x").get("Location") == "https://shop.test:8443/x"
    told = ask(p, "https://shop.test:8443/x")
    assert told["version"] == "v1"


# what cannot be asked

URL = '{"url": "http://a.test/"'
WRONG = [
    ("", "JSON, line"), ("{", "JSON, line"), ("nope", "JSON, line"),
    ("[]", 'expected an object such as {"url"'), ("7", "JSON, line"),
    ('"http://a.test/"', "JSON, line"),
    ("{}", '"url": expected it in an object such as'),
    ('{"url": 7}', '"url": expected a string'),
    ('{"url": null}', '"url": expected a string'),
    ('{"url": "x"}', 'url: expected a URL such as http://shop.example.com/'),
    ('{"url": "http://"}', "url: expected a host"),
    ('{"url": "http://a.test/\\u0000"}', "JSON, line"),
    ('{"url": "http://a.test/\\u00e9"}', "visible ASCII as %XX"),
    ('{"url": "http://a.test/\\r\\nX: y"}', "visible ASCII as %XX"),
    (URL + ', "url": "http://a.test/"}', "JSON, line"),
    (URL + ', "uri": 1}',
     'unknown member "uri" (known: url, method, headers, client)'),
    (URL + ', "method": 1}', '"method": expected a string'),
    (URL + ', "method": ""}', "method: expected a method such as GET"),
    (URL + ', "method": "A B"}', "method: expected a method such as GET"),
    (URL + ', "client": []}', '"client": expected a string'),
    (URL + ', "client": "a.test"}', "client: expected an IP address such as"),
    (URL + ', "client": "10.0.0.0/8"}', "client: expected an IP address"),
    (URL + ', "headers": []}', '"headers": expected an object such as'),
    (URL + ', "headers": {"X": 1}}',
     '"X": expected a string, or a list of strings'),
    (URL + ', "headers": {"X": []}}', '"X": expected at least one string'),
    (URL + ', "headers": {"X": ["a", 1]}}', '"X": expected a string, or a'),
    (URL + ', "headers": {"X": {"a": "b"}}}', '"X": expected a string, or'),
    (URL + ', "headers": {"": "a"}}', "expected the name of a header"),
    (URL + ', "headers": {"X Y": "a"}}', "expected the name of a header"),
    (URL + ', "headers": {"X\\r\\nY": "a"}}', "expected the name of a header"),
    (URL + ', "headers": {"X": "a\\nb"}}', "without control characters"),
]


def test_wrong_questions(shop, named):
    p = shop({"v1": [named("shop", "v1")]})
    for text, expected in WRONG:
        code, told = p.api("POST", PATH, text=text)
        assert code == 400, (text, told)
        assert expected in told["error"], (text, told)
    assert p.api("GET", PATH)[0] == 405
    code, told = p.api("POST", PATH, text="[" * 100000)
    assert code == 400
    assert p.api("POST", PATH, text=URL + ', "headers": {"X": "'
                 + "x" * (1 << 20) + '"}}')[0] == 413
    # It is a good question what becomes of a head that is too large.
    told = ask(p, "http://a.test/", headers={"X": "x" * 500000})
    assert "answers 431 itself" in told["reason"]
    told = ask(p, "http://a.test/", headers={f"X-{i}": "" for i in range(999)})
    assert "answers 431 itself" in told["reason"]
    assert ask(p, "http://a.test/")["version"] == "v1"


def test_answers_are_json_whatever_the_config_says(shop, named):
    """Texts of every kind pass through, cut where they are too long."""
    text = '"\\\t' + "é€🚂" * 300
    p = shop({"v1": [named("shop", "v1")]}, service={"rules": [
        {"match": {"header": {"X": {"not": text}}}, "version": "v1"}]})
    told = ask(p, "http://a.test/")
    assert told["rule"]["match"].startswith('not X = "\\\t' + "é€🚂")
    assert told["reason"].endswith("least_request picks.")


# on the command line

def test_table(town):
    done = town.cli("explain", "http://shop.test/a", "-X", "POST",
                    "-H", "Cookie: release=beta", check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("The most special route that takes")
    assert "Rule 1 (cookie release = beta)" in lines[0]
    port = list(town.pods("v2"))[0]
    assert lines[1:8] == [
        "", "service  shop", "route    shop.test / (prefix)",
        "rule     1: cookie release = beta", "version  v2", "",
        lines[7]]
    assert lines[7].split() == ["POD", "STATE", "CANDIDATE", "REASON"]
    assert [line.split() for line in lines[8:]] == [
        [f"127.0.0.1:{port}", "up", "yes"]]
    done = town.cli("explain", "http://none.test/", check=True)
    assert done.stdout == (
        'No route takes host "none.test", path "/" and method "GET", so the '
        "client gets 404.\n\nservice  -\n")
    done = town.cli("explain", "http://api.test/v1/x", check=True)
    assert "\nroute    GET api.test ^/v[0-9]+/ (regex)\n" in done.stdout


def test_json_is_the_apis(town):
    """Any of the random questions, put in words of the command line."""
    chance = random.Random(7)
    for _ in range(25):
        one = somebody(chance)
        question = one.question()
        words = ["explain", question["url"], "-X", question["method"],
                 "--client", question["client"], "-o", "json"]
        for name, value in one.fields:
            words += ["-H", f"{name}: {value}"]
        done = town.cli(*words, check=True)
        told = ask(town, question.pop("url"), **question)
        assert json.loads(done.stdout) == told, words


def test_lines_of_one_name_stay_in_order(shop, named):
    """The last element of X-Forwarded-For that is not trusted counts."""
    p = shop({"v1": [named("shop", "v1")], "v2": [named("shop", "v2")]},
             config={"forward": {"trusted": ["127.0.0.1"]}}, service={
                 "rules": [{"match": {"client": "192.0.2.1"},
                            "version": "v2"}]})
    for lines, version in ((["192.0.2.2", "192.0.2.1"], "v2"),
                           (["192.0.2.1", "192.0.2.2"], "v1")):
        done = p.cli("explain", "http://a/", "-o", "json",
                     "-H", f"X-Forwarded-For: {lines[0]}", "-H", "X: y",
                     "-H", f"x-forwarded-for:{lines[1]}", check=True)
        assert json.loads(done.stdout)["version"] == version
    done = p.cli("explain", "http://a/", "--client", "192.0.2.1", check=True)
    assert "\nversion  v2\n" in done.stdout


@pytest.mark.parametrize("words,said", [
    ([], "something is missing"),
    (["http://a/", "http://b/"], "what is"),
    (["http://a/", "-Z"], "-- 'Z'"),
    (["http://a/", "-o", "xml"], "expected table|json"),
    (["shop.test"], "url: expected a URL such as"),
    (["http://a/#b"], "url: expected no fragment"),
    (["http://a/", "-X", "A B"], "method: expected a method"),
    (["http://a/", "-H", "nothing"], "expected 'NAME: VALUE', found "
                                     '"nothing"'),
    (["http://a/", "-H", ": x"], "expected 'NAME: VALUE'"),
    (["http://a/", "-H", "A B: x"], "headers: expected the name of a header"),
    (["http://a/", "-H", "A: x\ny"], "without control characters"),
    (["http://a/", "--client", "me"], "client: expected an IP address"),
    (["http://a/", *["-H", "A: x"] * 257], "given more than 256 times"),
    (["http://a/", "-H", b"A: \xff"], "not UTF-8"),
])
def test_wrong_usage(words, said):
    done = run_cli("explain", *words, env={"SHUNT_SOCKET": "/nonexistent"})
    assert done.returncode == 2, done.stderr
    assert said in done.stderr and done.stdout == ""
    assert "usage: shunt explain [OPTION]... URL" in done.stderr


def test_failures(shop, named, tmp_path):
    path = str(tmp_path / "none.sock")
    done = run_cli("explain", "http://a/", "--socket", path)
    assert done.returncode == 1 and path in done.stderr
    p = shop({"v1": [named("shop", "v1")]})
    done = p.cli("explain", "http://a/", *["-H", "A: " + "x" * 100000] * 12)
    assert done.returncode == 1
    assert re.search(r"larger than \d+ bytes", done.stderr)
