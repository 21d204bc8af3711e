"""Health checks in what the pods speak: over TLS, in HTTP/2, in both."""
import contextlib
import re
import socket
import threading

import pytest

from client import get
from h2pod import Answer
from harness import PATIENCE, wait_for
from pods import answer, app_answer


def rules(**other):
    return {"path": "/healthz?full=1", "interval": "50ms",
            "timeout": "5s", "rise": 2, "fall": 2, **other}


class Patient:
    """Whatever it speaks: /healthz answers what the test says."""

    def __init__(self):
        self.status, self.size = 200, 1
        self.asked = []

    def answer(self, asked):
        if asked.target.startswith("/healthz"):
            self.asked.append(asked)
            return Answer(self.status, b"x" * self.size)
        return Answer(200, "served")

    def h1(self, asked):
        return self.answer(asked).h1(asked.method)


# Pods: (of which fixture, over TLS, `protocol`).
KINDS = {"https": (False, True, "h1"), "h2": (True, True, "h2"),
         "h2c": (True, False, "h2c")}


def context_of(certs, leaf, kind, **named):
    return certs.server_context(
        leaf, alpn=["h2" if kind == "h2" else "http/1.1"], **named)


def speaking(certs, kind, **tls):
    """What the config says of such pods."""
    said = {"protocol": KINDS[kind][2]}
    return {**said, "tls": {"ca": certs.ca, **tls}} if KINDS[kind][1] else said


@pytest.fixture
def start(shop, pod, h2_pod, certs):
    """start(kind): a proxy before one pod, which is p.patient."""
    def begin(kind, leaf=None, tls=None, health=None, **named):
        http2, secure, _ = KINDS[kind]
        patient = Patient()
        context = context_of(certs, leaf or certs.shop(), kind,
                             **named) if secure else None
        backend = (h2_pod(patient.answer, context=context) if http2 else
                   pod(patient.h1, context=context))
        p = shop({"v1": [backend.port]}, workers=1, service={
            **speaking(certs, kind, **(tls or {})),
            "health": rules(**(health or {}))})
        p.patient, p.backend = patient, backend
        return p
    return begin


def reason(p):
    return p.version("v1")["pods"][0]["reason"]


def wait_reason(p, words):
    try:
        wait_for(lambda: words in reason(p), f"the reason is {words!r}")
    except AssertionError as e:
        raise AssertionError(f"{e}, and not {reason(p)!r}") from None


@pytest.mark.parametrize("kind", KINDS)
def test_rise_and_fall(start, kind):
    p = start(kind)
    p.wait_pods("v1", up=1)
    assert get(p.port).body == b"served"
    p.patient.status = 503
    p.wait_pods("v1", down=1)
    wait_reason(p, "status 503")
    p.patient.status = 204
    p.wait_pods("v1", up=1)
    assert reason(p) == ""
    p.backend.stop()
    p.wait_pods("v1", down=1)
    wait_reason(p, "connect: Connection refused")
    p.backend.start()
    p.wait_pods("v1", up=1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked(start, kind):
    p = start(kind)
    p.wait_pods("v1", up=1)
    asked = p.patient.asked[0]
    assert (asked.method, asked.target) == ("GET", "/healthz?full=1")
    assert asked.get("User-Agent").startswith("shunt-health/")
    where = f"127.0.0.1:{p.backend.port}"
    if KINDS[kind][0]:
        assert asked.get(":authority") == where
        assert asked.get(":scheme") == ("https" if KINDS[kind][1] else "http")
    else:
        assert asked.get("Host") == where
    assert p.version("v1")["requests"] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 200_000, 2_000_000])
def test_bodies_of_answers(start, kind, size):
    """A long one is read through windows; a very long one only begun."""
    p = start(kind)
    p.wait_pods("v1", up=1)
    p.patient.size = size
    seen = len(p.patient.asked)
    wait_for(lambda: len(p.patient.asked) > seen + 3, "checks with the body")
    assert p.pods("v1")[p.backend.port] == "up"


@pytest.mark.parametrize("kind", KINDS)
def test_expected_status(start, kind):
    p = start(kind, health={"expect": {"status": "404"}})
    wait_reason(p, "status 200")
    p.patient.status = 404
    p.wait_pods("v1", up=1)


@pytest.mark.parametrize("kind", ["https", "h2"])
@pytest.mark.parametrize("leaf,tls,words", [
    (("alien", "127.0.0.1"), {"ca": "other"}, "issuer"),
    (("inner", "shop.internal"), {}, "IP address mismatch"),
    (("inner", "shop.internal"), {"name": "other.test"},
     "hostname mismatch"),
    (("stale", "127.0.0.1"), {"begins": -9 * 86400, "ends": -86400},
     "expired")])
def test_certificates_are_verified(start, certs, kind, leaf, tls, words):
    """And the reason says what is wrong with them."""
    made = {k: v for k, v in tls.items() if k != "name"}
    said = {k: v for k, v in tls.items() if k == "name"}
    p = start(kind, certs.leaf(f"{leaf[0]}-checked", leaf[1], **made), said)
    wait_reason(p, words)
    assert reason(p).startswith("TLS: ")
    assert p.pods("v1")[p.backend.port] != "up"
    assert p.patient.asked == []


@pytest.mark.parametrize("kind", ["https", "h2"])
def test_names_and_trust_of_the_config_hold(start, certs, kind):
    leaf = certs.leaf("inner", "shop.internal")
    start(kind, leaf, {"name": "shop.internal"}).wait_pods("v1", up=1)
    alien = certs.leaf("alien", "shop.internal", ca="other")
    start(kind, alien, {"verify": False}).wait_pods("v1", up=1)


@pytest.mark.parametrize("kind", ["https", "h2"])
def test_a_certificate_is_shown_to_pods_that_ask(start, certs, kind):
    me = certs.client("checker")
    p = start(kind, tls={"certificate": me.certificate, "key": me.key},
              client_ca=certs.ca)
    p.wait_pods("v1", up=1)


@pytest.fixture
def strict_port(ports, certs):
    """A pod that wants a certificate, and says so in an alert."""
    listener = socket.create_server(("127.0.0.1", ports.reserve()),
                                    reuse_port=True)
    context = certs.server_context(certs.shop(), client_ca=certs.ca)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # the test is over
            connection.settimeout(PATIENCE)
            with connection, contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()
    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)
    listener.close()
    assert not thread.is_alive()


def test_what_a_pods_alert_says_is_told(shop, strict_port, certs):
    p = shop({"v1": [strict_port]}, workers=1, service={
        **speaking(certs, "https"), "health": rules()})
    # Of the next check it may be that the pod has hung up on our request.
    wait_for(lambda: re.fullmatch("TLS: .*alert certificate required.*",
                                  reason(p)), "the alert is told")


def test_a_pod_without_tls(shop, pod, certs):
    async def plain(reader, writer):
        await reader.readexactly(5)
        writer.write(answer(400, "what?"))
        await writer.drain()
        await reader.read()
    p = shop({"v1": [pod(raw=plain).port]}, workers=1, service={
        **speaking(certs, "https"), "health": rules()})
    wait_reason(p, "TLS: wrong version number")


def test_a_pod_that_closes_or_is_silent(shop, pod, certs):
    async def closing(reader, writer):
        await reader.readexactly(5)
        writer.close()

    async def silent(reader, writer):
        await reader.read()
    first, second = pod(raw=closing), pod(raw=silent)
    for backend, words in ((first, "TLS: "), (second, "timeout after 300 ms")):
        p = shop({"v1": [backend.port]}, workers=1, service={
            **speaking(certs, "https"), "health": rules(timeout="300ms")})
        wait_reason(p, words)


@pytest.mark.parametrize("alpn", [None, ["http/1.1"]])
def test_a_pod_without_http2(shop, pod, certs, alpn):
    backend = pod(lambda asked: app_answer("1"), context=certs.server_context(
        certs.shop(), alpn=alpn))
    p = shop({"v1": [backend.port]}, workers=1, service={
        **speaking(certs, "h2"), "health": rules()})
    wait_reason(p, "TLS: the pod does not offer HTTP/2")
    assert backend.asked == []


def test_a_pod_that_takes_http2_for_something_else(shop, pod, certs):
    backend = pod(lambda asked: answer(400, "what?"))
    p = shop({"v1": [backend.port]}, workers=1, service={
        **speaking(certs, "h2c"), "health": rules()})
    wait_reason(p, "malformed answer: not HTTP/2")


def test_h2_answers_that_are_cut(shop, h2_pod):
    """Reset, or half of it; interim ones are none."""
    how = ["reset"]

    def respond(asked):
        if how[0] == "reset":
            asked.cancel(2)
        elif how[0] == "refuse":
            asked.cancel(7)
        elif how[0] == "half":
            asked.head(200)
            asked.connection.writer.close()
        else:
            return Answer(200, "x", interim=[103, 103], trailers=[("a", "b")])
        return None
    backend = h2_pod(respond)
    p = shop({"v1": [backend.port]}, workers=1, service={
        "protocol": "h2c", "health": rules()})
    wait_reason(p, "the pod reset the request")
    how[0] = "refuse"
    wait_reason(p, "the pod refused the request")
    how[0] = "half"
    wait_reason(p, "closed before the answer was complete")
    how[0] = "whole"
    p.wait_pods("v1", up=1)


def test_versions_differ_and_a_reload_changes_them(shop, pod, h2_pod, certs):
    """One version in clear text, one over TLS; then the latter is trusted by
    nobody."""
    plain, secure = Patient(), Patient()
    one = pod(plain.h1)
    two = h2_pod(secure.answer, context=context_of(certs, certs.shop(), "h2"))
    p = shop({"v1": [one.port], "v2": [two.port]}, workers=1,
             service={"health": rules()})
    p.config["services"]["shop"]["versions"]["v2"].update(
        speaking(certs, "h2"))
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    for version in ("v1", "v2"):
        p.wait_pods(version, up=1)
    p.config["services"]["shop"]["versions"]["v2"]["tls"]["ca"] = certs.other
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    p.wait_pods("v2", down=1)
    assert "TLS: " in p.version("v2")["pods"][0]["reason"]
    assert p.pods("v1")[one.port] == "up"
