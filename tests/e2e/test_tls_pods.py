"""TLS to pods: whom we trust, who we are, and sessions."""
import hashlib
import os
import ssl

import pytest

from client import Client, get
from harness import wait_for
from pods import answer, app_answer

MIB = 1 << 20


def context_of(certs, leaf, seen=None, **named):
    """A pod's; `seen` gets the name of each SNI, None without one."""
    context = certs.server_context(leaf, **named)
    if seen is not None:
        context.sni_callback = lambda tls, name, c: seen.append(name)
    return context


@pytest.fixture
def secure(shop, pod, certs):
    """secure(leaf, tls=..., ...): a proxy before one HTTPS pod."""
    def start(leaf, tls, respond=None, workers=1, service=None, **named):
        seen = []
        backend = pod(respond or (lambda asked: app_answer("1")),
                      context=context_of(certs, leaf, seen, **named))
        p = shop({"v1": [backend.port]}, workers=workers, service={
            "tls": tls, **(service or {})})
        p.backend, p.seen = backend, seen
        return p
    return start


def connect_errors(p):
    return sum(n for k, n in p.metrics()["shunt_errors_total"].items()
               if 'reason="connect"' in k)


def test_name_and_authority_are_verified(secure, certs):
    """SNI is sent, and the name in it is verified."""
    leaf = certs.leaf("inner", "shop.internal")
    p = secure(leaf, {"ca": certs.ca, "name": "shop.internal"})
    assert [get(p.port).status for _ in range(3)] == [200] * 3
    assert set(p.seen) == {"shop.internal"}
    assert connect_errors(p) == 0


def test_wildcards_and_bundles_verify(secure, certs, tmp_path):
    leaf = certs.leaf("inner-wild", "*.internal.test")
    bundle = tmp_path / "bundle.pem"
    with open(certs.ca, encoding="ascii") as a, \
            open(certs.other, encoding="ascii") as b:
        bundle.write_text(b.read() + a.read())
    p = secure(leaf, {"ca": str(bundle), "name": "pod7.internal.test"})
    assert get(p.port).status == 200


def test_the_address_is_verified_without_a_name(secure, certs):
    """And no SNI is sent."""
    p = secure(certs.shop(), {"ca": certs.ca})  # it names 127.0.0.1
    assert get(p.port).status == 200
    assert set(p.seen) == {None}


# Leaf, tls.
REFUSED = {
    "another name": (("inner", "shop.internal"), {}, {"name": "other.test"}),
    "another address": (("inner", "shop.internal"), {}, {}),
    "the name is only a part": (("inner", "shop.internal"), {},
                                {"name": "internal"}),
    "unknown authority": (("alien", "shop.internal"), {"ca": "other"},
                          {"name": "shop.internal"}),
    "expired": (("stale", "shop.internal"),
                {"begins": -9 * 86400, "ends": -86400},
                {"name": "shop.internal"}),
    "not yet valid": (("young", "shop.internal"), {"begins": 86400},
                      {"name": "shop.internal"}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_pods_that_are_not_trusted(secure, certs, what):
    """502, counted as a connect error, and the pod is not asked."""
    names, made, tls = REFUSED[what]
    p = secure(certs.leaf(*names, **made), {"ca": certs.ca, **tls},
               service={"retry": {"attempts": 0}})
    for n in range(1, 4):
        assert get(p.port).status == 502
        assert connect_errors(p) == n
    assert p.version("v1")["errors"] == 3
    assert p.backend.asked == []


def test_the_systems_authorities_do_not_know_ours(secure, certs):
    p = secure(certs.shop(), {})
    assert get(p.port).status == 502 and p.backend.asked == []


def test_verify_can_be_turned_off(secure, certs):
    p = secure(certs.leaf("alien", "shop.internal", ca="other"),
               {"verify": False, "name": "any.test"})
    assert get(p.port).status == 200
    assert set(p.seen) == {"any.test"}


def test_another_pod_is_tried(shop, pod, certs):
    """One shows a wrong certificate: no request fails."""
    def respond(asked):
        return app_answer("1")
    good = pod(respond, context=context_of(certs, certs.shop()))
    bad = pod(respond, context=context_of(
        certs, certs.leaf("inner", "shop.internal")))
    p = shop({"v1": [bad.port, good.port]}, workers=1, service={
        "tls": {"ca": certs.ca}, "balance": "round_robin"})
    assert [get(p.port).status for _ in range(6)] == [200] * 6
    assert len(good.asked) == 6 and bad.asked == []
    assert connect_errors(p) >= 1


def test_a_client_certificate_is_shown(secure, certs):
    me = certs.client("proxy", subject="/CN=proxy")
    p = secure(certs.shop(), {"ca": certs.ca, "certificate": me.certificate,
                              "key": me.key}, client_ca=certs.ca)
    assert get(p.port).status == 200
    (writer,) = p.backend.writers
    subject = dict(x[0] for x in writer.get_extra_info(
        "ssl_object").getpeercert()["subject"])
    assert subject == {"commonName": "proxy"}


def test_without_a_certificate_strict_pods_refuse(secure, certs):
    p = secure(certs.shop(), {"ca": certs.ca}, client_ca=certs.ca)
    assert get(p.port).status == 502
    assert p.backend.asked == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_sessions_are_used_again(secure, certs, version):
    """The pod closes after each answer; all but the first connection take
    up the session."""
    p = secure(certs.shop(), {"ca": certs.ca}, lambda asked: answer(
        200, "x", [("Connection", "close")]), version=version)
    assert [get(p.port).status for _ in range(10)] == [200] * 10
    assert p.backend.connections == 10
    assert p.backend.resumed >= 8


def test_a_session_of_a_pod_that_forgot_it(secure, certs):
    """As after its restart: a whole handshake, and no failure."""
    p = secure(certs.shop(), {"ca": certs.ca}, lambda asked: answer(
        200, "x", [("Connection", "close")]))
    assert get(p.port).status == 200
    p.backend.stop()
    p.backend.context = context_of(certs, certs.shop())
    p.backend.start()
    assert [get(p.port).status for _ in range(3)] == [200] * 3


def test_connections_are_kept(secure, certs):
    p = secure(certs.shop(), {"ca": certs.ca})
    with Client(p.port) as c:
        assert [c.ask().status for _ in range(20)] == [200] * 20
    assert p.backend.connections == 1


def test_bodies_pass_both_ways(secure, certs):
    data = os.urandom(6 * MIB)
    digest = hashlib.sha256(data).hexdigest().encode()

    def respond(asked):
        if asked.method == "POST":
            return answer(200, hashlib.sha256(asked.body).hexdigest())
        return answer(200, data)
    p = secure(certs.shop(), {"ca": certs.ca}, respond)
    with Client(p.port) as c:
        assert c.ask("POST", body=data).body == digest
        assert c.ask("POST", chunks=[data[:MIB], data[MIB:]]).body == digest
        assert c.ask().body == data


def test_pods_that_speak_no_tls(shop, pod, certs):
    async def no_tls(reader, writer):
        await reader.read(100)
        writer.write(answer(400, "what?"))
        await writer.drain()
    p = shop({"v1": [pod(raw=no_tls).port]}, workers=1, service={
        "tls": {"ca": certs.ca}, "retry": {"attempts": 0}})
    assert get(p.port).status == 502 and connect_errors(p) == 1


def test_a_pod_that_never_ends_its_handshake(shop, pod, certs):
    """timeouts.connect holds for all of it."""
    async def silent(reader, writer):
        await reader.read()
    p = shop({"v1": [pod(raw=silent).port]}, workers=1,
             config={"timeouts": {"connect": "300ms"}},
             service={"tls": {"ca": certs.ca}, "retry": {"attempts": 0}})
    assert get(p.port).status == 504 and connect_errors(p) == 1


def test_each_version_has_its_own(proxy, pod, certs):
    """A version's tls replaces the service's as a whole."""
    def respond(asked):
        return app_answer("x")
    one = pod(respond, context=context_of(certs, certs.shop()))
    seen = []
    two = pod(respond, context=context_of(
        certs, certs.leaf("alien", "shop.internal", ca="other"), seen))
    p = proxy({"services": {"shop": {
        "tls": {"ca": certs.ca},
        "versions": {
            "v1": {"pods": [f"127.0.0.1:{one.port}"]},
            "v2": {"pods": [f"127.0.0.1:{two.port}"], "tls": {
                "ca": certs.other, "name": "shop.internal"}}},
        "rules": [{"match": {"header": {"V": "2"}}, "version": "v2"}]}}})
    assert get(p.port).status == 200
    assert get(p.port, fields=[("V", "2")]).status == 200
    assert (len(one.asked), len(two.asked)) == (1, 1)
    assert seen == ["shop.internal"]


def test_health_checks_are_over_tls(shop, pod, certs):
    def respond(asked):
        return app_answer("1")
    good = pod(respond, context=context_of(certs, certs.shop()))
    bad = pod(respond, context=context_of(
        certs, certs.leaf("inner", "shop.internal")))
    p = shop({"v1": [good.port, bad.port]}, workers=1, service={
        "tls": {"ca": certs.ca},
        "health": {"interval": "50ms", "rise": 1, "fall": 3}})
    wait_for(lambda: p.pods("v1")[good.port] == "up", "the good one is up")
    assert p.pods("v1")[bad.port] != "up"
    assert get(p.port).status == 200


@pytest.mark.parametrize("alpn", [None, ["http/1.1"]])
def test_alpn_of_h1_pods(secure, certs, alpn):
    p = secure(certs.shop(), {"ca": certs.ca}, alpn=alpn)
    assert get(p.port).status == 200
    (writer,) = p.backend.writers
    agreed = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    assert agreed == (alpn and alpn[0])


def test_alpn_of_h2_pods(shop, pod, h2_pod, certs):
    """A pod that does not agree on h2 is not spoken to in h2."""
    good = h2_pod(context=certs.server_context(certs.shop(), ["h2"]))
    other = pod(context=certs.server_context(certs.shop(), ["http/1.1"]))
    for backend, status in ((good, 200), (other, 502)):
        p = shop({"v1": [backend.port]}, workers=1, service={
            "protocol": "h2", "tls": {"ca": certs.ca},
            "retry": {"attempts": 0}})
        assert get(p.port).status == status
        assert connect_errors(p) == (status != 200)
    assert other.asked == [] and len(good.asked) == 1
