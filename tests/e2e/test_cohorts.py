"""Cohorts: who stays with a version while weights change, and where users
get the cookie that tells them apart."""
import base64
import collections
import hashlib
import json
import re

import pytest

from client import Client, Load, get, request
from h2client import H2Client
from harness import service, wait_for
from pods import answer, app_answer
from tls_client import TlsClient, tls_get

HEX = re.compile(r"[0-9a-f]{32}")
STEPS = (1, 5, 25, 100)
USERS = 400
SHOP = "/api/v1/services/shop/weights"


@pytest.fixture
def three(pod):
    """One scripted pod for each of v1, v2, v3."""
    return {name: [pod(lambda _, n=name: app_answer(n)).port]
            for name in ("v1", "v2", "v3")}


def two(three):
    return {name: three[name] for name in ("v1", "v2")}


def weigh(p, of="shop", **weights):
    code, said = p.api("PUT", f"/api/v1/services/{of}/weights", weights)
    assert code == 200, said


class ByAddress:
    """Users known by the address they come from."""
    cohort = "client_ip"
    count = 120  # each is a connection of its own

    def versions(self, p):
        return [self.ask(p, i) for i in range(self.count)]

    def ask(self, p, i):
        with Client(p.port, source=f"127.0.{i // 200}.{i % 200 + 1}") as c:
            return c.ask().json()["appVersion"]


class ByField:
    """Users known by a field; all over one connection."""
    count = USERS

    def __init__(self, cohort, name, value):
        self.cohort, self.name, self.value = cohort, name, value

    def versions(self, p):
        with Client(p.port) as c:
            return [c.ask(fields=[(self.name, self.value % i)]).json()[
                "appVersion"] for i in range(self.count)]


KINDS = {
    "client_ip": ByAddress(),
    "header": ByField({"header": "x-user"}, "X-User", "user-%d"),
    "cookie": ByField({"cookie": "uid"}, "Cookie", "a=b; uid=user-%d; c=d"),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_users_never_flip_while_a_canary_grows_and_shrinks(shop, three, kind):
    p = shop(two(three), service={"cohort": kind.cohort,
                                  "weights": {"v1": 100, "v2": 0}})
    seen = {0: kind.versions(p)}
    assert set(seen[0]) == {"v1"}
    for share in STEPS:
        weigh(p, v1=100 - share, v2=share)
        seen[share] = kind.versions(p)
        assert seen[share] == kind.versions(p)
    for less, more in zip((0, *STEPS), STEPS):
        assert all(b == "v2" or a == "v1"
                   for a, b in zip(seen[less], seen[more])), more
    assert set(seen[100]) == {"v2"}
    part = seen[25].count("v2") / kind.count
    assert abs(part - .25) < 5 * (.25 * .75 / kind.count) ** .5
    # On the way back the last added go first.
    for share in (*reversed(STEPS), 0):
        weigh(p, v1=100 - share, v2=share)
        assert kind.versions(p) == seen[share]


def test_replicas_agree(shop, three, kind):
    options = {"cohort": kind.cohort, "weights": {"v1": 70, "v2": 20, "v3": 10}}
    p = shop(three, service=options, workers=1)
    q = shop(three, service={**options, "weights": {
        "v1": 7, "v2": 2, "v3": 1}}, workers=2)
    first = kind.versions(p)
    assert set(first) == {"v1", "v2", "v3"}
    assert kind.versions(q) == first
    # Also when one of them was told later, or has started anew.
    weigh(p, v1=40, v2=40, v3=20)
    assert kind.versions(p) != first
    weigh(q, v1=2, v2=2, v3=1)
    assert kind.versions(q) == kind.versions(p)
    assert kind.versions(shop(three, service={
        **options, "weights": {"v1": 40, "v2": 40, "v3": 20}})) \
        == kind.versions(p)


def test_a_reload_moves_nobody(shop, three):
    users = KINDS["header"]
    p = shop(two(three), service={"cohort": users.cohort,
                                  "weights": {"v1": 80, "v2": 20}})
    before = users.versions(p)
    # The new version is stable now, and there is one more, behind the others.
    p.config["services"]["shop"]["stable"] = "v2"
    p.config["services"]["shop"]["versions"]["v3"] = {
        "pods": [f"127.0.0.1:{three['v3'][0]}"]}
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert users.versions(p) == before
    # Taken from stable only.
    weigh(p, v1=80, v2=10, v3=10)
    after = users.versions(p)
    assert all(a == b or (b, a) == ("v2", "v3")
               for a, b in zip(after, before))
    assert after.count("v3") > USERS / 20
    # Without a cohort each request is by itself again.
    del p.config["services"]["shop"]["cohort"]
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    counted = Load(p.port, 4, 100, request(
        fields=[("X-User", "ann")])).run().versions()
    assert counted == {"v1": 80, "v2": 10, "v3": 10}


def test_services_share_out_users_independently(proxy, three):
    def one(host):
        return service(two(three), routes=[{"host": host}],
                       cohort={"header": "X-User"},
                       weights={"v1": 50, "v2": 50})
    p = proxy({"services": {"a": one("a.test"), "b": one("b.test")}})
    both = collections.Counter()
    with Client(p.port) as c:
        for i in range(USERS):
            both["".join(c.ask(host=h, fields=[("X-User", f"u{i}")]).json()[
                "appVersion"] for h in ("a.test", "b.test"))] += 1
    # A quarter each, within 5 standard errors.
    assert len(both) == 4
    for n in both.values():
        assert abs(n - USERS / 4) < 5 * (USERS * 3 / 16) ** .5, both


def test_behind_a_trusted_proxy_the_client_counts(shop, three):
    options = {"cohort": "client_ip", "weights": {"v1": 50, "v2": 50}}
    p = shop(two(three), service=options,
             config={"forward": {"trusted": ["127.0.0.1"]}})

    def versions(fields, source=None):
        with Client(p.port, source=source) as c:
            return [c.ask(fields=fields(i)).json()["appVersion"]
                    for i in range(60)]

    def forwarded(i):
        return [("X-Forwarded-For", f"203.0.113.{i}")]
    first = versions(forwarded)
    assert set(first) == {"v1", "v2"}
    assert versions(forwarded) == first
    # An IPv4 address in IPv6 clothes is the same client.
    assert versions(lambda i: [(
        "X-Forwarded-For", f"::ffff:203.0.113.{i}")]) == first
    assert len(set(versions(lambda i: []))) == 1
    # Who is not trusted is one client, whatever he says.
    assert len(set(versions(forwarded, "127.0.0.2"))) == 1


@pytest.mark.parametrize("cohort,fields", [
    ({"header": "X-User"}, []),
    ({"header": "X-User"}, [("X-User", "")]),
    ({"cookie": "uid"}, []),
    ({"cookie": "uid"}, [("Cookie", "uid=; xuid=1; UID=2")]),
])
def test_without_a_key_weights_are_exact(shop, three, cohort, fields):
    p = shop(three, service={"cohort": cohort,
                             "weights": {"v1": 70, "v2": 20, "v3": 10}})
    ask = request(fields=fields)
    for n in (10, 100, 200):
        load = Load(p.port, min(n, 9), n, ask).run()
        assert load.failures() == []
        assert load.versions() == {"v1": .7 * n, "v2": .2 * n, "v3": .1 * n}
        # Users draw none of the tickets.
        KINDS["header"].versions(p)


def test_a_rule_with_weights_goes_by_the_cohort_too(shop, three):
    p = shop(three, service={
        "cohort": {"header": "X-User"},
        "weights": {"v1": 80, "v2": 20, "v3": 0},
        "rules": [{"match": {"path": "/ab"},
                   "weights": {"v1": 20, "v2": 40, "v3": 40}},
                  {"match": {"path": "/three"}, "version": "v3"}]})

    def versions(path):
        with Client(p.port) as c:
            return [c.ask(path=path, fields=[("X-User", f"user-{i}")]).json()[
                "appVersion"] for i in range(USERS)]
    by_rule, by_service = versions("/ab"), versions("/")
    counted = collections.Counter(by_rule)
    for name, share in (("v1", .2), ("v2", .4), ("v3", .4)):
        assert abs(counted[name] - share * USERS) < 5 * (
            USERS * share * (1 - share)) ** .5, counted
    # The same place: whom v2 has by the service it has by the rule.
    assert all(r == "v2" for r, s in zip(by_rule, by_service) if s == "v2")
    weigh(p, v1=0, v2=100)
    assert versions("/ab") == by_rule
    assert set(versions("/three")) == {"v3"}
    # Nobody in particular: exactly.
    load = Load(p.port, 5, 50, request(path="/ab")).run()
    assert load.versions() == {"v1": 10, "v2": 20, "v3": 20}


def test_users_of_an_empty_version_come_back(shop, three, app):
    down = app("2")
    users = KINDS["header"]
    p = shop({"v1": three["v1"], "v2": [down.port]}, service={
        "cohort": users.cohort, "weights": {"v1": 50, "v2": 50},
        "health": {"path": "/healthz", "interval": "50ms", "rise": 1,
                   "fall": 1}})
    p.wait_pods("v1", up=1)
    p.wait_pods("v2", up=1)
    before = users.versions(p)
    assert set(before) == {"v1", "2"}
    down.kill()
    p.wait_pods("v2", down=1)
    assert set(users.versions(p)) == {"v1"}
    down.start()
    p.wait_pods("v2", up=1)
    assert users.versions(p) == before


def test_the_access_log_says_weight(shop, three, tmp_path):
    log = tmp_path / "access.log"
    p = shop(two(three), service={"cohort": {"header": "X-User"}}, workers=1,
             config={"access_log": {"path": str(log)}})
    get(p.port, fields=[("X-User", "ann")])
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"), "a line")
    assert json.loads(log.read_text())["chosen"] == "weight"


# The cookie that the proxy sets.

GIVEN = {"cohort": {"cookie": "uid", "ttl": "30d"},
         "weights": {"v1": 50, "v2": 50}}


def given(answered, secure=False):
    """The id in the one Set-Cookie of ours, and nothing else in it."""
    ours = [v for v in answered.all("Set-Cookie") if v.startswith("uid=")]
    assert len(ours) == 1, answered.fields
    m = re.fullmatch(r"uid=([0-9a-f]{32}); Max-Age=2592000; Path=/; HttpOnly; "
                     r"SameSite=Lax" + ("; Secure" if secure else ""), ours[0])
    assert m, ours
    return m.group(1)


def test_a_newcomer_stays_where_he_began(shop, three):
    p = shop(two(three), service=GIVEN)
    ids, first = set(), []
    for _ in range(60):
        answered = get(p.port)
        uid, version = given(answered), answered.json()["appVersion"]
        ids.add(uid)
        first.append((uid, version))
    assert len(ids) == 60
    assert {v for _, v in first} == {"v1", "v2"}
    # On all replicas, and nothing is set again.
    q = shop(two(three), service=GIVEN)
    for uid, version in first:
        for port in (p.port, q.port):
            answered = get(port, fields=[("Cookie", f"x=y; uid={uid}")])
            assert answered.json()["appVersion"] == version
            assert answered.get("Set-Cookie") is None


def test_without_ttl_nothing_is_set(shop, three):
    p = shop(two(three), service={**GIVEN, "cohort": {"cookie": "uid"}})
    assert get(p.port).get("Set-Cookie") is None
    assert get(p.port, fields=[("Cookie", "uid=7")]).get("Set-Cookie") is None


def test_an_empty_cookie_is_none(shop, three):
    p = shop(two(three), service=GIVEN)
    given(get(p.port, fields=[("Cookie", "uid=")]))


def test_newcomers_share_by_weight(shop, three):
    p = shop(two(three), service={**GIVEN, "weights": {"v1": 75, "v2": 25}})
    load = Load(p.port, 4, 800).run()
    assert load.failures() == []
    assert abs(load.versions()["v2"] - 200) < 5 * (800 * 3 / 16) ** .5


def test_over_tls_the_cookie_is_secure(tls_shop, three, certs):
    p = tls_shop(two(three), service=GIVEN)
    context = certs.client_context()
    answered = tls_get(p.tls, context)
    uid = given(answered, secure=True)
    again = tls_get(p.tls, context, fields=[("Cookie", f"uid={uid}")])
    assert again.get("Set-Cookie") is None
    assert again.json() == answered.json()
    given(get(p.port), secure=False)


def test_over_http2(tls_shop, three, certs):
    p = tls_shop(two(three), service=GIVEN)
    for port, context in ((p.port, None),
                          (p.tls, certs.client_context(["h2"]))):
        with H2Client(port, context) as c:
            seen = {}
            for answered in c.responses([c.request() for _ in range(30)]):
                uid = given(answered, secure=context is not None)
                seen[uid] = answered.json()["appVersion"]
            assert len(seen) == 30 and set(seen.values()) == {"v1", "v2"}
            for uid, version in seen.items():
                # Crumbs: RFC 9113 8.2.3.
                answered = c.ask(fields=[("cookie", "a=b"),
                                         ("cookie", f"uid={uid}")])
                assert answered.json()["appVersion"] == version
                assert answered.get("set-cookie") is None


def test_a_pods_own_cookies_and_the_routes_edits_stay(shop, pod):
    def respond(_):
        return answer(200, "x", [("Set-Cookie", "a=1"), ("X-A", "1"),
                                 ("set-cookie", "b=2; Path=/"),
                                 ("Server", "pod")])
    p = shop({"v1": [pod(respond).port]}, service={
        "cohort": GIVEN["cohort"], "routes": [
            {"path": "/"},
            {"path": "/edited", "response_headers": {
                "set": {"Set-Cookie": "c=3"}, "remove": ["Server"]}}]},
        config={"forward": {"version": True}})
    plain, edited = get(p.port), get(p.port, "/edited")
    assert plain.all("Set-Cookie")[:2] == ["a=1", "b=2; Path=/"]
    assert plain.get("X-A") == "1" and plain.get("Server") == "pod"
    assert edited.all("Set-Cookie")[:1] == ["c=3"]
    assert edited.get("Server") is None
    for answered in (plain, edited):
        given(answered)
        assert answered.get("X-Shunt-Version") == "v1"
        assert answered.body == b"x"


def test_our_own_answers_set_nothing(shop, three):
    p = shop({"v1": [], "v2": three["v2"]}, service={
        **GIVEN, "empty": "503", "weights": {"v1": 1, "v2": 0},
        "routes": [{"host": "shop.test"},
                   {"path": "/r", "redirect": {"path": "/x"}}],
        "rules": [{"match": {"path": "/two"}, "version": "v2"}]})
    for path, host, status in (("/", "shop.test", 503), ("/r", "a", 302),
                               ("/none", "a", 404)):
        answered = get(p.port, path, host=host)
        assert answered.status == status
        assert answered.get("Set-Cookie") is None
    # Nor where a rule said where to go, whoever it is.
    answered = get(p.port, "/two")
    assert answered.status == 200 and answered.get("Set-Cookie") is None


def test_interim_answers_set_nothing(shop, pod):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    p = shop({"v1": [pod(lambda _: hints + app_answer("1")).port]},
             service={"cohort": GIVEN["cohort"]})
    with Client(p.port) as c:
        c.send(request())
        interim = c.head()
        assert interim.status == 103 and interim.get("Set-Cookie") is None
        given(c.response())
    with H2Client(p.port) as c:
        answered = c.ask()
        assert [s for s, _ in answered.interim] == [103]
        assert "set-cookie" not in dict(answered.interim[0][1])
        given(answered)


async def switch(reader, writer):
    """A WebSocket that says nothing more: RFC 6455 4.2.2."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    key = re.search(r"(?i)sec-websocket-key: (\S+)", head).group(1)
    digest = hashlib.sha1(
        (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                 b"Upgrade: websocket\r\nSec-WebSocket-Accept: "
                 + base64.b64encode(digest) + b"\r\n\r\n")
    await writer.drain()
    await reader.read()


def test_tunnels_greet_as_well(shop, pod):
    """The answer to a handshake may set cookies (RFC 6455 4.1)."""
    p = shop({"v1": [pod(raw=switch).port]},
             service={"cohort": GIVEN["cohort"]})
    with Client(p.port) as c:
        c.send(request(fields=[
            ("Connection", "upgrade"), ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]))
        answered = c.head()
        assert answered.status == 101
        given(answered)
    with H2Client(p.port) as c:
        stream = c.start(lines=[
            (":method", "CONNECT"), (":protocol", "websocket"),
            (":scheme", "http"), (":path", "/"), (":authority", "shop.test"),
            ("sec-websocket-version", "13")])
        reply = c.replies[stream]
        c.until(lambda: reply.status is not None, "the head")
        assert reply.status == 200
        given(reply)


def test_a_retry_keeps_the_id(shop, pod, three):
    """v2 closes each connection: v1 answers, and the user is told who he is
    all the same."""
    broken = pod(lambda _: None)
    p = shop({"v1": three["v1"], "v2": [broken.port]}, service={
        **GIVEN, "retry": {"version": "stable", "budget": "100%"}})
    for _ in range(30):
        answered = get(p.port)
        assert answered.json()["appVersion"] == "v1"
        given(answered)
    assert len(broken.asked) > 0


def test_heads_without_a_body_have_it_too(shop, pod):
    p = shop({"v1": [pod(lambda asked: answer(
        304 if asked.target == "/304" else 200)).port]},
        service={"cohort": GIVEN["cohort"]})
    with Client(p.port) as c:
        given(c.ask("HEAD"))
        assert given(c.ask("GET", "/304")) != given(c.ask("HEAD"))


def test_the_largest_heads(shop, pod):
    """A request head at the limit, and the longest cookie: either the user
    is given one and is chosen for by it, or nobody is new."""
    name = "n" * 128
    p = shop({"v1": [pod(lambda _: answer(200, "", [
        ("X", "y" * 900)])).port]}, workers=1, service={
            "cohort": {"cookie": name, "ttl": "3650d"},
            "routes": [{"path": "/", "response_headers": {
                "add": {"X-Long": "z" * 500}}}]},
        config={"limits": {"header_bytes": "1KiB"},
                "forward": {"version": True}})
    seen = set()
    for n in range(0, 1100, 25):
        answered = get(p.port, fields=[("X-Fill", "f" * n)])
        seen.add(answered.status)
        if answered.status == 200:
            cookie = answered.all("Set-Cookie")
            assert len(cookie) == 1
            assert HEX.fullmatch(cookie[0][len(name) + 1:][:32]), cookie
    assert seen == {200, 431}


def test_garbage_cookies_are_users_like_others(shop, three):
    p = shop(two(three), service=GIVEN)
    for value in ("x", "\x80\xff", "=" * 50, '"quoted"', "a" * 8000,
                  "%00", "uid=uid"):
        versions = set()
        for _ in range(3):
            with Client(p.port) as c:
                answered = c.ask(fields=[("Cookie", f"uid={value}")])
                assert answered.status == 200
                assert answered.get("Set-Cookie") is None, value
                versions.add(answered.json()["appVersion"])
        assert len(versions) == 1


def test_weights_under_load_move_nobody_back(shop, three):
    """Weights grow under load while each connection is one user."""
    p = shop(two(three), service={"cohort": {"header": "X-User"},
                                  "weights": {"v1": 100, "v2": 0}})
    loads = [Load(p.port, 1, data=request(
        fields=[("X-User", f"user-{i}")])).start() for i in range(24)]
    for share in range(0, 101, 10):
        weigh(p, v1=100 - share, v2=share)
    for load in loads:
        load.wait(2)
        load.stop()
        assert load.failures() == []
        seen = [d.version for d in load.done]
        assert seen == sorted(seen) and seen[-1] == "v2"


def test_beside_a_sticky_cookie(shop, three):
    """A newcomer gets both; the sticky one goes first while it holds."""
    p = shop(two(three), service={**GIVEN, "sticky": {"cookie": "stay"}})
    first = []
    for _ in range(20):
        answered = get(p.port)
        uid, version = given(answered), answered.json()["appVersion"]
        (stay,) = [v.split(";")[0] for v in answered.all("Set-Cookie")
                   if v.startswith("stay=")]
        first.append((f"uid={uid}", stay, version))
    assert {v for _, _, v in first} == {"v1", "v2"}

    def ask(*cookies):
        answered = get(p.port, fields=[("Cookie", "; ".join(cookies))])
        assert answered.status == 200
        return answered
    weigh(p, v1=100, v2=0)
    for uid, stay, version in first:
        kept = ask(stay, uid)
        assert kept.json()["appVersion"] == version
        assert kept.get("Set-Cookie") is None
        # Who is known by the sticky one is no newcomer.
        assert ask(stay).get("Set-Cookie") is None
        assert ask(uid).json()["appVersion"] == "v1"
    assert p.cli("weight", "shop", "v1=1", "v2=1").returncode == 0
    for uid, _, version in first:
        assert ask(uid).json()["appVersion"] == version


def test_errors_in_the_config_are_told(shop, three):
    p = shop(two(three), service={"cohort": "client_ip"})
    p.config["services"]["shop"]["cohort"] = {"header": "X-User",
                                              "ttl": "1h"}
    p.write(p.config)
    code, said = p.api("POST", "/api/v1/reload")
    assert code == 400 and '"ttl" needs "cookie"' in json.dumps(
        said).replace('\\"', '"')
    done = p.cli("check", "-c", p.path)
    assert done.returncode == 1
    assert re.search(r"shunt.yaml:\d+:\d+: \"ttl\" needs", done.stderr)
