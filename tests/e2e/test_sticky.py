"""The sticky cookie: who gets one, what it holds against, and when it ends."""
import copy
import hashlib
import hmac
import json
import re
import signal
import sqlite3
import time

import pytest

from client import Client, Load, get, request
from h2client import H2Client
from harness import run_cli, service, wait_for
from pods import answer, app_answer
from test_reload import reload
from tls_client import tls_get

SECRET = b"0123456789abcdef0123456789abcdef"
HOUR = 3600
VALUE = re.compile(r"([\w.-]{1,63})\.(\d+)\.(\d+)\.([0-9a-f]+)"
                   r"\.([0-9a-f]{32})")


def bake(version, left, epoch=0, pod="0", of="shop", secret=SECRET):
    """A cookie's value as the proxy writes it, that long from its end."""
    text = f"{version}.{epoch}.{int(time.time()) + left}.{pod}"
    mac = hmac.new(secret, b"cookie\0" + of.encode() + b"\0" + text.encode(),
                   hashlib.sha256).hexdigest()
    return f"{text}.{mac[:32]}"


def given(reply, name="shunt"):
    """The value of our cookie in a reply, or None."""
    found = [v for v in reply.all("Set-Cookie") if v.startswith(name + "=")]
    assert len(found) <= 1, found
    return found[0].split(";")[0].split("=", 1)[1] if found else None


def version_of(reply):
    assert reply.status == 200, (reply.status, reply.body)
    return reply.json()["appVersion"]


def with_cookie(value, name="shunt"):
    return [("Cookie", f"{name}={value}")]


def come(p, value=None, **named):
    """(version, new cookie) of one request, with a cookie or without."""
    fields = with_cookie(value) if value else []
    reply = get(p.port, fields=fields + named.pop("fields", []), **named)
    return version_of(reply), given(reply)


def met(load, since=None):
    """The versions that have answered, of what began since."""
    return sorted(v for v in load.versions(since) if v)


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "sticky.secret"
    path.write_bytes(SECRET + b"\n")
    return str(path)


@pytest.fixture
def two(shop, pod, secret):
    """v1 and v2, one pod each; sticky, with a secret that the test knows."""
    def start(weights=None, sticky=None, config=None, workers=2, **options):
        pods = {n: pod(lambda a, n=n: app_answer(n)) for n in ("v1", "v2")}
        p = shop({n: [x.port] for n, x in pods.items()}, config=config,
                 workers=workers, service={
                     "weights": weights or {"v1": 50, "v2": 50},
                     "sticky": {"cookie": "shunt", "secret_file": secret,
                                **(sticky or {})}, **options})
        p.backends = pods
        return p
    return start


def weigh(p, v1, v2, *more):
    p.cli("weight", "shop", f"v1={v1}", f"v2={v2}", *more, check=True)


def both(p):
    """A cookie of each version."""
    found = {}
    for _ in range(2):
        version, cookie = come(p)
        found[version] = cookie
    assert sorted(found) == ["v1", "v2"] and all(found.values())
    return found


# who sticks, and where


def test_both_sides_stick_while_weights_move(two):
    p = two()
    cookies = both(p)
    for v1, v2 in ((99, 1), (0, 100), (100, 0), (1, 99), (50, 50)):
        weigh(p, v1, v2)
        with Client(p.port) as c:
            for version, cookie in list(cookies.items()) * 10:
                reply = c.ask(fields=with_cookie(cookie))
                assert version_of(reply) == version
                assert given(reply) is None
        for only in ("v1", "v2"):
            if (v1, v2) == ((100, 0) if only == "v1" else (0, 100)):
                for _ in range(5):
                    version, cookie = come(p)
                    assert version == only and cookie


def test_who_sticks_takes_nothing_from_the_split(two):
    """Shares are exact for those whom the weights decide."""
    p = two({"v1": 80, "v2": 20})
    stuck = Load(p.port, 4, data=request(fields=with_cookie(
        bake("v2", HOUR)))).start()
    new = Load(p.port, 4, total=200).run()
    stuck.stop()
    assert new.failures() == [] and stuck.failures() == []
    assert new.versions() == {"v1": 160, "v2": 40}
    assert met(stuck) == ["v2"]


def test_the_cookie_as_it_is_written(two):
    p = two({"v1": 1}, {"ttl": "90s"})
    before = int(time.time())
    reply = get(p.port)
    after = int(time.time())
    (field,) = reply.all("Set-Cookie")
    value, attributes = field.split("; ", 1)
    assert attributes == "Max-Age=90; Path=/; HttpOnly; SameSite=Lax"
    name, value = value.split("=", 1)
    version, epoch, expires, pod, mac = VALUE.fullmatch(value).groups()
    assert (name, version, epoch, pod) == ("shunt", "v1", "0", "0")
    assert before + 90 <= int(expires) <= after + 90
    # Who has the secret could have written it, byte for byte.
    text = value[:-len(mac) - 1]
    assert mac == hmac.new(SECRET, b"cookie\0shop\0" + text.encode(),
                           hashlib.sha256).hexdigest()[:32]


def test_cookies_of_pods_pass_beside_ours(shop, pod):
    own = [("Set-Cookie", "a=1"), ("Set-Cookie", "shunted=2; Path=/x")]
    backend = pod(lambda a: answer(200, "{}", own))
    p = shop({"v1": [backend.port]}, config={"forward": {"version": True}},
             service={"sticky": {"cookie": "shunt"}, "routes": [
                 {"path": "/", "response_headers": {
                     "add": {"Set-Cookie": "b=3"}}},
                 {"path": "/bare", "response_headers": {
                     "remove": ["Set-Cookie"]}}]})
    reply = get(p.port)
    cookies = reply.all("Set-Cookie")
    assert cookies[:3] == ["a=1", "shunted=2; Path=/x", "b=3"]
    assert len(cookies) == 4 and given(reply)
    assert reply.get("X-Shunt-Version") == "v1"
    # What a route removes is what pods have set.
    bare = get(p.port, "/bare")
    assert len(bare.all("Set-Cookie")) == 1 and given(bare)


def test_off_is_off(shop, app):
    p = shop({"v1": [app("1").port], "v2": [app("2").port]})
    reply = get(p.port, fields=with_cookie(bake("v2", HOUR)))
    assert version_of(reply) == "1" and reply.all("Set-Cookie") == []


# what is no cookie of ours


def flip(value, at):
    return (value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1:])


WRONG = {
    "empty": lambda v: "",
    "cut": lambda v: v[:-1],
    "longer": lambda v: v + "0",
    "upper case": str.upper,
    "other version": lambda v: v.replace("v2", "v1", 1),
    "other epoch": lambda v: v.replace("v2.0.", "v2.1.", 1),
    "stretched": lambda v: re.sub(r"^(v2\.0\.)(\d+)",
                                  lambda m: m[1] + str(int(m[2]) + 1), v),
    "first of the signature": lambda v: flip(v, len(v) - 32),
    "last of the signature": lambda v: flip(v, len(v) - 1),
    "no signature": lambda v: v[:-33],
    "signature only": lambda v: v[-32:],
    "nonsense": lambda v: "v2",
    "dots": lambda v: "." * 150,
    "long": lambda v: "x" * 30000,
    "expired": lambda v: bake("v2", 0),
    "of another service": lambda v: bake("v2", HOUR, of="blog"),
    "by another secret": lambda v: bake("v2", HOUR, secret=SECRET[::-1]),
    "of another epoch": lambda v: bake("v2", HOUR, epoch=1),
    "of no version": lambda v: bake("v3", HOUR),
}


def test_what_does_not_hold_goes_by_weight_and_gets_a_new_one(two):
    p = two({"v1": 1, "v2": 0})
    good = bake("v2", HOUR)
    assert come(p, good) == ("v2", None)
    for name, change in WRONG.items():
        version, cookie = come(p, change(good))
        assert version == "v1", name
        assert cookie and cookie.startswith("v1.0."), name
        assert come(p, cookie) == ("v1", None), name


def test_two_services_and_one_name(proxy, pod, secret):
    """Each takes its own cookies only, although both have a v2."""
    def one(name):
        return service(
            {v: [pod(lambda a, v=v: app_answer(v)).port]
             for v in ("v1", "v2")},
            routes=[{"host": f"{name}.test"}],
            weights={"v1": 1},
            sticky={"cookie": "shunt", "secret_file": secret})
    p = proxy({"services": {"shop": one("shop"), "blog": one("blog")}})
    for name, other in (("shop", "blog"), ("blog", "shop")):
        for of, version in ((name, "v2"), (other, "v1")):
            reply = get(p.port, host=f"{name}.test",
                        fields=with_cookie(bake("v2", HOUR, of=of)))
            assert version_of(reply) == version
            assert bool(given(reply)) == (of == other)


def test_among_other_cookies(two):
    p = two({"v1": 1, "v2": 0})
    good = bake("v2", HOUR)
    for text in (f"a=b; shunt={good}; c=d", f"shunt={good};c",
                 f"a;b; ;shunt={good}", f'shunt="{good}"',
                 f"xshunt=1; shunt={good}", f"shunt=old; shunt={good}"):
        reply = get(p.port, fields=[("Cookie", text)])
        assert version_of(reply) == "v2", text
        assert given(reply) is None
    reply = get(p.port, fields=[("Cookie", "a=b"), ("Cookie", "c=d"),
                                ("Cookie", f"shunt={good}")])
    assert version_of(reply) == "v2"
    for text in (f"Shunt={good}", f"a=shunt={good}", f"shunt {good}"):
        assert version_of(get(p.port, fields=[("Cookie", text)])) == "v1"
    # As many as fit into a head are no trouble.
    many = "; ".join(["shunt=x"] * 6000)
    assert version_of(get(p.port, fields=[("Cookie", many)])) == "v1"


# time


def test_renewed_at_half(two):
    """With a weight of 0, so that nothing but the cookie leads there."""
    p = two({"v1": 1, "v2": 0}, {"ttl": "1h"})
    assert come(p, bake("v2", HOUR // 2 + 60)) == ("v2", None)
    for left in (HOUR // 2 - 1, 60, 2 * HOUR):
        before = int(time.time())
        version, cookie = come(p, bake("v2", left))
        assert version == "v2" and cookie, left
        expires = int(VALUE.fullmatch(cookie).group(3))
        assert before + HOUR <= expires <= int(time.time()) + HOUR
        assert come(p, cookie) == ("v2", None)


def test_it_ends(two):
    p = two({"v1": 0, "v2": 1}, {"ttl": "1s"})
    _, cookie = come(p)
    weigh(p, 1, 0)
    wait_for(lambda: come(p, cookie)[0] == "v1", "the cookie has ended")
    assert int(VALUE.fullmatch(cookie).group(3)) <= time.time()


# what ends it before its time


@pytest.mark.parametrize("by", ["cli", "api"])
def test_void(two, by):
    p = two()
    cookies = both(p)
    # Weight 0 alone drains.
    weigh(p, 100, 0)
    assert come(p, cookies["v2"]) == ("v2", None)
    before = p.status()
    if by == "cli":
        weigh(p, 100, 0, "--void-sticky")
    else:
        code, told = p.api(
            "PUT", "/api/v1/services/shop/weights?void_sticky=1",
            {"v1": 100, "v2": 0})
        assert code == 200 and told["name"] == "shop"
    assert [v["weight"] for v in p.status()["versions"]] == [
        v["weight"] for v in before["versions"]]
    for _ in range(10):
        version, cookie = come(p, cookies["v2"])
        assert version == "v1" and cookie
    assert come(p, cookies["v1"]) == ("v1", None)
    assert "v2 0 -> 0 (its cookies are void)" in p.stderr()
    # It stays so when the version has weight again, over a reload, too.
    weigh(p, 0, 100)
    reload(p, p.config)
    for _ in range(2):
        version, cookie = come(p, cookies["v2"])
        assert version == "v2" and cookie.startswith("v2.1.")
    weigh(p, 100, 0)
    assert come(p, cookie) == ("v2", None)
    assert come(p, cookies["v2"])[0] == "v1"


def test_void_is_for_versions_that_are_set_to_0(two):
    p = two()
    cookies = both(p)
    before = p.status()
    done = p.cli("weight", "shop", "v2=10", "--void-sticky")
    assert done.returncode == 1 and "void_sticky" in done.stderr
    for query in ("void_sticky=2", "void_sticky", "void_stiky=1", "x",
                  "void_sticky=1&x=1", "void_sticky=yes"):
        code, told = p.api("PUT", "/api/v1/services/shop/weights?" + query,
                           {"v1": 100, "v2": 0})
        assert code == 400 and "void_sticky" in told["error"], query
    # Weights that are refused void nothing.
    code, _ = p.api("PUT", "/api/v1/services/shop/weights?void_sticky=1",
                    {"v1": 0, "v2": 0})
    assert code == 400
    code, _ = p.api("PUT", "/api/v1/services/shop/weights?void_sticky=1",
                    {"v1": 0, "v9": 0})
    assert code == 400
    assert p.status() == before
    code, _ = p.api("PUT", "/api/v1/services/shop/weights?void_sticky=0",
                    {"v1": 50, "v2": 0})
    assert code == 200
    for version, cookie in cookies.items():
        assert come(p, cookie) == (version, None)
    assert "--void-sticky" in run_cli("weight", "--help").stdout
    assert run_cli("weight", "--void-sticky=1", "s", "v=1").returncode == 2


def test_void_under_load(two):
    """Once it is answered nobody is led there; not a request is lost."""
    p = two({"v1": 1, "v2": 0})
    load = Load(p.port, 8, data=request(fields=with_cookie(
        bake("v2", HOUR)))).start()
    load.wait(200)
    assert met(load) == ["v2"]
    weigh(p, 1, 0, "--void-sticky")
    since = time.monotonic()
    load.wait(200)
    load.stop()
    assert load.failures() == []
    assert met(load, since) == ["v1"]


def test_a_version_that_leaves_and_comes_back(two):
    p = two()
    cookies = both(p)
    weigh(p, 100, 0, "--void-sticky")
    weigh(p, 50, 50)
    cookies = both(p)
    old = bake("v2", HOUR)
    without = copy.deepcopy(p.config)
    shop = without["services"]["shop"]
    del shop["versions"]["v2"]
    shop["weights"] = {"v1": 1}
    reload(p, without)
    for cookie in (cookies["v2"], old):
        version, new = come(p, cookie)
        assert version == "v1" and new
    assert come(p, cookies["v1"]) == ("v1", None)
    p.config["services"]["shop"]["weights"] = {"v1": 1, "v2": 0}
    reload(p, p.config)
    # What was void before it left is void now.
    assert come(p, old)[0] == "v1"


def killed(p):
    p.process.kill()
    p.process.wait()
    p.start()


@pytest.fixture
def kept(two, tmp_path):
    """The same, with a state file."""
    def start(**options):
        return two(config={"state": str(tmp_path / "shunt.db")}, **options)
    return start


@pytest.mark.parametrize("between", ["nothing", "reload"])
def test_void_outlives_the_process(kept, between):
    p = kept()
    cookies = both(p)
    weigh(p, 100, 0, "--void-sticky")
    if between == "reload":
        reload(p, p.config)
    killed(p)
    for _ in range(2):
        version, cookie = come(p, cookies["v2"])
        assert version == "v1" and cookie.startswith("v1.0.")
        assert come(p, cookies["v1"]) == ("v1", None)
        # And not by losing all cookies of v2.
        weigh(p, 0, 100)
        version, cookie = come(p, cookies["v2"])
        assert version == "v2" and cookie.startswith("v2.1.")
        weigh(p, 100, 0)
        assert come(p, cookie) == ("v2", None)
        reload(p, p.config)
        killed(p)
        assert come(p, cookie) == ("v2", None)
    # It goes on from there, not from the start.
    weigh(p, 100, 0, "--void-sticky")
    killed(p)
    weigh(p, 0, 100)
    for old in (cookies["v2"], cookie):
        version, new = come(p, old)
        assert version == "v2" and new.startswith("v2.2.")


@pytest.mark.parametrize("by", ["reload", "restart"])
def test_void_outlives_that_the_service_leaves(kept, by):
    """It, or the version, comes back some day."""
    p = kept()
    old = bake("v2", HOUR)
    assert come(p, old) == ("v2", None)
    weigh(p, 100, 0, "--void-sticky")
    now = bake("v2", HOUR, epoch=1)
    assert come(p, now) == ("v2", None)
    whole = copy.deepcopy(p.config)

    def change(config):
        if by == "reload":
            reload(p, config)
        else:
            p.config = config
            p.write(config)
            killed(p)
    other = copy.deepcopy(whole)
    other["services"] = {"other": whole["services"]["shop"]}
    change(other)
    assert come(p, bake("v2", HOUR, of="other")) == ("v2", None)
    change(whole)
    assert come(p, now) == ("v2", None)
    assert come(p, bake("v1", HOUR)) == ("v1", None)
    weigh(p, 100, 0)
    assert come(p, old)[0] == "v1"
    without = copy.deepcopy(whole)
    del without["services"]["shop"]["versions"]["v2"]
    without["services"]["shop"]["weights"] = {"v1": 1}
    change(without)
    change(whole)
    weigh(p, 100, 0)
    assert come(p, old)[0] == "v1"


def test_void_is_kept_by_a_file_of_before(kept):
    """The first schema lacked the epochs; nothing else is lost."""
    p = kept()
    cookies = both(p)
    weigh(p, 30, 70)
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    db = sqlite3.connect(p.config["state"])
    schema, = db.execute("PRAGMA user_version").fetchone()
    for table, in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' "
            "AND name NOT IN ('weights', 'pods')").fetchall():
        db.execute("DROP TABLE " + table)
    db.execute("PRAGMA user_version = 1")
    db.close()
    p.start()
    assert p.version("v2")["weight"] == pytest.approx(0.7)
    weigh(p, 100, 0, "--void-sticky")
    killed(p)
    assert come(p, cookies["v2"])[0] == "v1"
    p.signal(signal.SIGTERM)
    assert p.wait() == 0
    db = sqlite3.connect(p.config["state"])
    assert db.execute("PRAGMA user_version").fetchone() == (schema,)
    db.close()


def test_void_without_a_state_file(two):
    """It ends with the process, which is said."""
    p = two({"v1": 100, "v2": 0})
    old = bake("v2", HOUR)
    weigh(p, 100, 0, "--void-sticky")
    assert come(p, old)[0] == "v1"
    assert "there is no state file" in p.stderr()
    killed(p)
    assert come(p, old) == ("v2", None)


# who signs


def test_replicas_and_a_restart_agree_by_a_secret_file(two):
    one, other = two(), two()
    cookies = both(one)
    for p in (one, other):
        for version, cookie in cookies.items():
            assert come(p, cookie) == (version, None)
    one.stop()
    one.start()
    for version, cookie in cookies.items():
        assert come(one, cookie) == (version, None)
    # The secret is nobody's to read.
    texts = [one.stderr(), json.dumps(one.status()),
             one.api("GET", "/metrics")[1], one.cli("status").stdout]
    assert not any(SECRET.decode() in t for t in texts)


def test_another_secret_by_a_reload(two, secret):
    p = two()
    cookies = both(p)
    reload(p, p.config)
    assert come(p, cookies["v2"]) == ("v2", None)
    with open(secret, "w", encoding="ascii") as f:
        f.write("another secret that nobody knows")
    reload(p, p.config)
    for cookie in cookies.values():
        assert come(p, cookie)[1]
    # A file that is broken changes nothing.
    fresh = both(p)
    with open(secret, "w", encoding="ascii") as f:
        f.write("short\n")
    code, told = p.api("POST", "/api/v1/reload")
    assert code == 400 and "at least 16 bytes, found 5" in told["error"]
    assert "short\n" not in told["error"]
    for version, cookie in fresh.items():
        assert come(p, cookie) == (version, None)


def test_without_a_secret_file(shop, pod):
    """Cookies outlive reloads, not the process; another one has its own."""
    ports = {n: [pod(lambda a, n=n: app_answer(n)).port]
             for n in ("v1", "v2")}
    options = {"weights": {"v1": 1, "v2": 1}, "sticky": {"cookie": "shunt"}}
    p, other = (shop(ports, service=options) for _ in range(2))
    cookies = both(p)
    for _ in range(2):
        for version, cookie in cookies.items():
            assert come(p, cookie) == (version, None)
            assert come(other, cookie)[1]
        reload(p, p.config)
    p.stop()
    p.start()
    for cookie in cookies.values():
        assert come(p, cookie)[1]


# who gets none


def test_rules_come_first_and_give_none(two):
    p = two({"v1": 1, "v2": 0}, rules=[
        {"match": {"header": {"X-To": "2"}}, "version": "v2"}])
    to = [("X-To", "2")]
    assert come(p, fields=to) == ("v2", None)
    assert come(p, bake("v1", HOUR), fields=to) == ("v2", None)
    # Not even when the client's is half over, or no good.
    assert come(p, bake("v2", 60), fields=to) == ("v2", None)
    assert come(p, "nonsense", fields=to) == ("v2", None)


@pytest.mark.parametrize("empty", ["stable", "503"])
def test_a_version_without_pods(shop, pod, secret, empty):
    p = shop({"v1": [pod(lambda a: app_answer("v1")).port], "v2": []},
             service={"weights": {"v1": 0, "v2": 1}, "empty": empty,
                      "sticky": {"cookie": "shunt", "secret_file": secret}})
    for cookie in (None, bake("v2", HOUR), bake("v2", 60)):
        reply = get(p.port, fields=with_cookie(cookie) if cookie else [])
        assert reply.all("Set-Cookie") == []
        if empty == "stable":
            assert version_of(reply) == "v1"
        else:
            assert reply.status == 503
    # The cookie of the stable version is as good as ever.
    assert come(p, bake("v1", HOUR)) == ("v1", None)


def test_answers_of_our_own(shop, ports, secret):
    p = shop({"v1": [ports.reserve()]}, service={
        "routes": [{"path": "/a"}, {"path": "/to", "redirect": {
            "path": "/a"}}],
        "sticky": {"cookie": "shunt", "secret_file": secret}})
    for path, status in (("/a", 502), ("/b", 404), ("/to", 302)):
        reply = get(p.port, path, fields=with_cookie(bake("v1", 60)))
        assert reply.status == status
        assert reply.all("Set-Cookie") == []


def test_interim_answers_and_tunnels(shop, pod):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    switch = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n"
              b"Connection: upgrade\r\n\r\n")
    backend = pod(lambda a: switch if a.get("Upgrade") else
                  hints + answer(204))
    p = shop({"v1": [backend.port]},
             service={"sticky": {"cookie": "shunt"}})
    with Client(p.port) as c:
        c.send(request())
        first, second = c.head(), c.head()
        assert (first.status, second.status) == (103, 204)
        assert first.all("Set-Cookie") == [] and given(second)
        c.send(request(fields=[("Connection", "upgrade"),
                               ("Upgrade", "chat")]))
        tunnel = c.head()
        assert tunnel.status == 101 and given(tunnel)


@pytest.mark.parametrize("method,status", [
    ("HEAD", 200), ("POST", 201), ("GET", 304), ("GET", 404), ("GET", 500)])
def test_whatever_the_version_answers(shop, pod, method, status):
    p = shop({"v1": [pod(lambda a: answer(
        status, b"" if status == 304 else b"{}")).port]},
        service={"sticky": {"cookie": "shunt"}})
    with Client(p.port) as c:
        reply = c.ask(method)
        assert reply.status == status and given(reply)


# retries


def dead(asked):
    """Reads the request and closes."""
    del asked


def test_a_retry_that_leaves_the_version_gives_none(shop, pod, secret):
    """Not to who came by weight, nor to who has a cookie, be it due."""
    p = shop({"v1": [pod(lambda a: app_answer("v1")).port],
              "v2": [pod(dead).port]},
             service={"weights": {"v1": 0, "v2": 1},
                      "sticky": {"cookie": "shunt", "secret_file": secret},
                      "retry": {"version": "stable", "budget": "100%"}})
    for cookie in (None, bake("v2", HOUR), bake("v2", 60), "nonsense"):
        assert come(p, cookie) == ("v1", None)


def test_a_retry_within_the_version(shop, pod, secret):
    p = shop({"v1": [pod(dead).port, pod(lambda a: app_answer("v1")).port]},
             service={"balance": "round_robin",
                      "sticky": {"cookie": "shunt", "secret_file": secret},
                      "retry": {"budget": "100%"}})
    for _ in range(4):
        version, cookie = come(p)
        assert version == "v1" and come(p, cookie) == ("v1", None)


# the pod, too


@pytest.fixture
def trio(shop, app, secret):
    """v1 with three pods that are checked, v2 with one."""
    def start(**options):
        apps = [app("v1") for _ in range(3)]
        p = shop({"v1": [a.port for a in apps], "v2": [app("v2").port]},
                 service={"weights": {"v1": 1, "v2": 0},
                          "balance": "round_robin",
                          "sticky": {"cookie": "shunt", "pod": True,
                                     "secret_file": secret},
                          "health": {"interval": "100ms", "fall": 1,
                                     "rise": 1}, **options})
        p.wait_pods("v1", up=3)
        p.wait_pods("v2", up=1)
        p.apps = {a.port: a for a in apps}
        return p
    return start


def pod_of(p, cookie):
    """The port whose address the cookie's number stands for."""
    number = VALUE.fullmatch(cookie).group(4)
    found = [port for port in p.apps if hmac.new(
        SECRET, b"pod\0\0" + f"127.0.0.1:{port}".encode(),
        hashlib.sha256).hexdigest()[:16].lstrip("0") == number]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def told(tmp_path):
    """Where requests went, by the access log."""
    path = tmp_path / "access.log"

    def lines(n):
        def there():
            text = path.read_text() if path.exists() else ""
            return text.splitlines() if text.count("\n") >= n else None
        return [json.loads(line) for line in wait_for(there, f"{n} lines")]
    lines.config = {"access_log": {"path": str(path)}}
    return lines


def test_sticks_to_the_pod(shop, app, pod, secret, told):
    """The same pod each time, whatever the weights are; another one when it
    is gone, and that from then on."""
    apps = {}
    for _ in range(3):
        a = app("v1")
        apps[a.port] = a
    p = shop({"v1": list(apps), "v2": [app("v2").port]}, config=told.config,
             service={"weights": {"v1": 1, "v2": 0},
                      "balance": "round_robin",
                      "sticky": {"cookie": "shunt", "pod": True,
                                 "secret_file": secret},
                      "health": {"interval": "100ms", "fall": 1, "rise": 1}})
    p.apps = apps
    p.wait_pods("v1", up=3)
    p.wait_pods("v2", up=1)
    _, cookie = come(p)
    home = pod_of(p, cookie)
    assert str(home) not in cookie
    for weights in ((1, 0), (0, 1), (1, 1)):
        weigh(p, *weights)
        for _ in range(6):
            assert come(p, cookie) == ("v1", None)
    lines = told(19)
    assert {e["pod"] for e in lines} == {f"127.0.0.1:{home}"}
    assert [e["chosen"] for e in lines] == ["weight"] + ["sticky"] * 18
    apps[home].kill()
    # At once, by a retry, although no check has seen it yet.
    version, moved = come(p, cookie)
    assert version == "v1" and moved
    second = pod_of(p, moved)
    assert second != home
    for _ in range(6):
        assert come(p, moved) == ("v1", None)
    p.wait_pods("v1", up=2)
    version, again = come(p, cookie)
    assert version == "v1" and pod_of(p, again) != home
    apps[home].start()
    p.wait_pods("v1", up=3)
    # Who has moved stays; who was away finds it again, once it is forgotten
    # that it has refused.
    assert come(p, moved) == ("v1", None)
    pods = [e["pod"] for e in told(28)]
    assert pods[19:26] == [f"127.0.0.1:{second}"] * 7
    assert pods[27] == f"127.0.0.1:{second}"
    wait_for(lambda: come(p, cookie) == ("v1", None), "back at its pod")


def test_pods_die_under_load_of_those_who_stick(trio):
    p = trio()
    cookies = {}
    while len(cookies) < 3:
        _, cookie = come(p)
        cookies[pod_of(p, cookie)] = cookie
    loads = [Load(p.port, 4, data=request(fields=with_cookie(c))).start()
             for c in cookies.values()]
    for load in loads:
        load.wait(50)
    victim = p.apps[next(iter(cookies))]
    for _ in range(2):
        victim.kill()
        p.wait_pods("v1", up=2)
        reload(p, p.config)
        victim.start()
        p.wait_pods("v1", up=3)
        for load in loads:
            load.wait(50)
    for load in loads:
        load.stop()
        assert load.failures() == []
        assert met(load) == ["v1"]


def test_a_cookie_from_before_pods_were_named(trio):
    p = trio()
    version, cookie = come(p, bake("v1", HOUR))
    assert version == "v1" and pod_of(p, cookie)
    # Of a pod that is another version's, or nobody's.
    for pod in (VALUE.fullmatch(cookie).group(4), "1", "f" * 16):
        version, new = come(p, bake("v2", HOUR, pod=pod))
        assert version == "v2" and new
    # A due one is renewed with the same pod.
    due = bake("v1", 60, pod=VALUE.fullmatch(cookie).group(4))
    version, new = come(p, due)
    assert version == "v1" and pod_of(p, new) == pod_of(p, cookie)
    # Switched off, its number plays no part.
    p.config["services"]["shop"]["sticky"]["pod"] = False
    reload(p, p.config)
    assert come(p, cookie) == ("v1", None)


# over TLS and HTTP/2


def test_secure_over_tls(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod(lambda a: app_answer("v1")).port]},
                 service={"sticky": {"cookie": "shunt"}})
    context = certs.client_context()
    tail = "; Max-Age=3600; Path=/; HttpOnly; SameSite=Lax"
    (secure,) = tls_get(p.tls, context).all("Set-Cookie")
    assert secure.endswith(tail + "; Secure")
    (clear,) = get(p.port).all("Set-Cookie")
    assert clear.endswith(tail)


@pytest.mark.parametrize("tls", [False, True])
def test_over_http2_by_crumbs(tls_shop, pod, certs, secret, tls):
    """RFC 9113 8.2.3: a client may send each cookie by itself."""
    p = tls_shop({n: [pod(lambda a, n=n: app_answer(n)).port]
                  for n in ("v1", "v2")},
                 service={"weights": {"v1": 1, "v2": 0}, "sticky": {
                     "cookie": "shunt", "secret_file": secret}})
    context = certs.client_context(["h2"]) if tls else None
    with H2Client(p.tls if tls else p.port, context) as c:
        new = c.ask()
        assert version_of(new) == "v1" and given(new).startswith("v1.0.")
        assert new.get("Set-Cookie").endswith("; Secure") == tls
        reply = c.ask(fields=[("cookie", "a=b"),
                              ("cookie", f"shunt={bake('v2', HOUR)}"),
                              ("cookie", "c=d")])
        assert version_of(reply) == "v2" and given(reply) is None


# the config


def test_check_says_what_is_wrong_with_the_secret(tmp_path):
    path = tmp_path / "shunt.yaml"
    path.write_text("""listen: [{ address: 127.0.0.1:1 }]
services:
  shop:
    versions: { v1: { pods: [] } }
    sticky: { cookie: shunt, secret_file: secret }
""")
    for text, words in ((None, "cannot read: No such file"),
                        ("0123456789abcde\n", "at least 16 bytes, found 15")):
        if text:
            (tmp_path / "secret").write_text(text)
        for command in ("check", "run"):
            done = run_cli(command, "-c", str(path))
            assert done.returncode == 1
            assert ":5:43: " in done.stderr and words in done.stderr
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    assert run_cli("check", "-c", str(path)).returncode == 0


def test_on_and_off_by_reloads_under_load(two):
    p = two({"v1": 1, "v2": 0})
    load = Load(p.port, 8, data=request(fields=with_cookie(
        bake("v2", HOUR)))).start()
    off = copy.deepcopy(p.config)
    del off["services"]["shop"]["sticky"]
    for _ in range(3):
        for config, version in ((off, "v1"), (p.config, "v2")):
            reload(p, config)
            since = time.monotonic()
            load.wait(100)
            assert met(load, since) == [version]
    load.stop()
    assert load.failures() == []


def test_an_explanation_knows_the_cookie(shop, app):
    """It says what the data path does, and draws nothing."""
    p = shop({"v1": [app("1").port], "v2": [app("2").port]}, service={
        "weights": {"v1": 0, "v2": 1},
        "sticky": {"cookie": "shunt", "pod": True}})
    value = come(p)[1]
    p.cli("weight", "shop", "v1=1", "v2=0", check=True)

    def explained(cookie):
        code, told = p.api("POST", "/api/v1/explain", {
            "url": "http://a/", "headers": {"Cookie": f"shunt={cookie}"}})
        assert code == 200, told
        return told["version"], told["reason"]
    version, reason = explained(value)
    assert version == "v2" and come(p, value)[0] == "2"
    pod = p.version("v2")["pods"][0]["address"]
    assert "it names version v2" in reason
    assert f"the cookie picks {pod}" in reason
    assert explained(value + "0")[0] == "v1"
    p.cli("weight", "shop", "v2=0", "--void-sticky", check=True)
    version, reason = explained(value)
    assert version == "v1" and come(p, value)[0] == "1"
    assert "by the weights" in reason
