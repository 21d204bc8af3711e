"""What a TLS listener adds: client certificates, redirects, HSTS."""
import re

import pytest

from client import Client, get, request
from h2client import H2Client
from pods import answer, echo
from tls_client import TlsClient, tls_get

FORGED = ["X-Client-Subject", "x-client-subject", "X_Client_Subject",
          "X-Client_Subject", "x_client-subject"]


def subjects(reply):
    """Values of all fields that a pod could take for the subject."""
    assert reply.status == 200, reply.body
    return [v for n, v in reply.json()["fields"]
            if n.lower().replace("_", "-") == "x-client-subject"]


def with_clients(certs, **more):
    return {**certs.shop().tls(), "client_ca": certs.ca, **more}


def refused(p, context):
    """Nothing is answered; the handshake or the first request fails."""
    before = len(p.backend.asked)
    with pytest.raises((OSError, EOFError)):
        tls_get(p.tls, context)
    assert len(p.backend.asked) == before
    return True


@pytest.fixture
def strict(tls_shop, pod, certs):
    """mTLS; strict(options of tls)"""
    def start(**more):
        backend = pod()
        p = tls_shop({"v1": [backend.port]}, tls=with_clients(certs, **more),
                     workers=1)
        p.backend = backend
        return p
    return start


@pytest.mark.parametrize("more", [{}, {"client_certificate": "required"}])
def test_required_client_certificates(strict, certs, more):
    p = strict(**more)
    alice = certs.client_context(certificate=certs.client())
    (subject,) = subjects(tls_get(p.tls, alice))
    assert "CN=alice" in subject and "O=Shop Inc" in subject
    for name, certificate in (
            ("nobody", None),
            ("a stranger", certs.client("stranger", ca="other")),
            ("expired", certs.client("late", begins=-9 * 86400,
                                     ends=-86400)),
            ("not yet", certs.client("early", begins=86400))):
        assert refused(p, certs.client_context(certificate=certificate)), \
            name
    assert subjects(tls_get(p.tls, alice)) == [subject]


def test_optional_client_certificates(strict, certs):
    p = strict(client_certificate="optional")
    assert subjects(tls_get(p.tls, certs.client_context())) == []
    (subject,) = subjects(tls_get(p.tls, certs.client_context(
        certificate=certs.client())))
    assert "CN=alice" in subject
    # A certificate that is no good is no certificate.
    assert refused(p, certs.client_context(
        certificate=certs.client("stranger", ca="other")))


def test_the_subject_is_kept_by_a_session(strict, certs):
    p = strict()
    context = certs.client_context(certificate=certs.client())
    with TlsClient(p.tls, context) as c:
        (subject,) = subjects(c.ask())
        session = c.socket.session
    with TlsClient(p.tls, context, session=session) as c:
        assert subjects(c.ask()) == [subject]


@pytest.mark.parametrize("subject", [
    "/CN=Zo\u00eb", "/CN=a, b+c=d;<\"e\">", "/CN=line\nX-Evil: 1",
    "/O=" + "o" * 60 + "/CN=" + "c" * 60])
def test_odd_subjects_are_one_field(strict, certs, subject):
    """Nothing in a name breaks out of its line."""
    p = strict()
    leaf = certs.client(f"odd-{abs(hash(subject))}", subject=subject)
    reply = tls_get(p.tls, certs.client_context(certificate=leaf))
    (value,) = subjects(reply)
    assert re.fullmatch(r"[\x20-\x7e]+", value), value
    assert "x-evil" not in [n.lower() for n, _ in reply.json()["fields"]]


@pytest.mark.parametrize("name", FORGED)
def test_the_subject_cannot_be_forged(strict, tls_shop, pod, certs, name):
    forged = [(name, "CN=mallory"), (name, "CN=eve")]
    p = strict(client_certificate="optional")
    assert subjects(tls_get(p.tls, certs.client_context(),
                            fields=forged)) == []
    context = certs.client_context(certificate=certs.client())
    (subject,) = subjects(tls_get(p.tls, context, fields=forged))
    assert "mallory" not in subject and "CN=alice" in subject
    with H2Client(p.tls, certs.client_context(
            ["h2"], certificate=certs.client())) as c:
        assert subjects(c.ask(fields=forged)) == [subject]
    assert subjects(get(p.port, fields=forged)) == []
    # Nor where nobody asks for certificates at all.
    plain = tls_shop({"v1": [pod().port]})
    assert subjects(tls_get(plain.tls, certs.client_context(),
                            fields=forged)) == []
    assert subjects(get(plain.port, fields=forged)) == []
    with H2Client(plain.port) as c:
        assert subjects(c.ask(fields=forged)) == []


# Redirects

def location(port, method="GET", target="/", host="shop.test", **named):
    with Client(port) as c:
        reply = c.ask(method, target, host=host, **named)
        return reply.status, reply.get("Location")


@pytest.fixture
def redirect(shop, pod, ports):
    def start(to):
        port = ports.reserve()
        backend = pod()
        p = shop({"v1": [backend.port]}, workers=1, config={"listen": [
            {"address": f"127.0.0.1:{port}", "redirect": to}]})
        p.port, p.backend = port, backend
        return p
    return start


def test_redirect_to_https(redirect):
    p = redirect("https")
    for target in ("/", "/a/b?c=d&e=%2f", "/?", "/a//b/../c", "/%41;x=1"):
        assert location(p.port, target=target) == (
            301, "https://shop.test" + target)
    for method, status in (("HEAD", 301), ("POST", 308), ("PUT", 308),
                           ("DELETE", 308), ("OPTIONS", 308)):
        assert location(p.port, method, "/x?y") == (
            status, "https://shop.test/x?y"), method
    for host, want in (("shop.test:8080", "shop.test"), ("[::1]", "[::1]"),
                       ("[::1]:8080", "[::1]"), ("10.1.2.3", "10.1.2.3"),
                       ("unknown.test", "unknown.test")):
        assert location(p.port, host=host) == (301, f"https://{want}/")
    assert location(p.port, target="http://other.test/z?q",
                    host="other.test") == (301, "https://other.test/z?q")
    assert p.backend.asked == []


def test_redirect_to_a_port(redirect):
    p = redirect("https:8443")
    assert location(p.port, target="/a?b") == (
        301, "https://shop.test:8443/a?b")
    assert location(p.port, host="[::1]:80") == (301, "https://[::1]:8443/")
    assert location(p.port, "POST", host="shop.test:8080") == (
        308, "https://shop.test:8443/")


def test_redirect_with_bodies_and_http2(redirect):
    p = redirect("https")
    with Client(p.port) as c:
        reply = c.ask("POST", "/form", body=b"x" * 100000)
        assert (reply.status, reply.get("Location")) == (
            308, "https://shop.test/form")
        if not reply.closes():
            assert c.ask("GET", "/next").get("Location").endswith("/next")
    with H2Client(p.port) as c:
        reply = c.ask("GET", "/a?b")
        assert (reply.status, reply.get("location")) == (
            301, "https://shop.test/a?b")
        reply = c.ask("POST", "/a", body=b"x" * 1000)
        assert reply.status == 308
    assert p.backend.asked == []


@pytest.mark.parametrize("to", ["http", "https:", "https:0", "https:70000",
                                "https://shop.test", "yes"])
def test_redirects_that_are_none(proxy, pod, to):
    port = pod().port
    p = proxy({"listen": [{"address": "127.0.0.1:1", "redirect": to}],
               "services": {"shop": {"versions": {
                   "v1": {"pods": [f"127.0.0.1:{port}"]}}}}}, wait=False)
    done = p.cli("check", "-c", p.path)
    assert done.returncode == 1
    assert re.search(r"shunt\.yaml:3:\d+: ", done.stderr), done.stderr


# Strict-Transport-Security

@pytest.mark.parametrize("hsts,want", [
    ("365d", "max-age=31536000"), ("1h", "max-age=3600"),
    ({"max_age": "730d", "include_subdomains": True, "preload": True},
     "max-age=63072000; includeSubDomains; preload"),
    ({"max_age": "1d", "include_subdomains": False}, "max-age=86400")])
def test_hsts(tls_shop, pod, certs, hsts, want):
    p = tls_shop({"v1": [pod().port]}, listener={"hsts": hsts}, workers=1)

    def values(reply):
        return [re.sub(r"\s*;\s*", "; ", v) for v in reply.all(
            "Strict-Transport-Security")]
    assert values(tls_get(p.tls, certs.client_context())) == [want]
    with H2Client(p.tls, certs.client_context(["h2"])) as c:
        assert values(c.ask()) == [want]
    assert values(get(p.port)) == []
    with H2Client(p.port) as c:
        assert values(c.ask()) == []


def test_hsts_comes_once(tls_shop, pod, certs):
    """The pod has its own opinion."""
    def respond(asked):
        if asked.target == "/own":
            return answer(200, "x", [("Strict-Transport-Security",
                                      "max-age=7")])
        return echo(asked)
    p = tls_shop({"v1": [pod(respond).port]}, listener={"hsts": "1d"},
                 workers=1)
    for target in ("/own", "/"):
        with TlsClient(p.tls, certs.client_context()) as c:
            assert len(c.ask(path=target).all(
                "strict-transport-security")) == 1
        with H2Client(p.tls, certs.client_context(["h2"])) as c:
            assert len(c.ask(path=target).all(
                "strict-transport-security")) == 1


def test_hsts_on_answers_of_our_own(tls_shop, ports, certs):
    """Nobody is there: the 502 says it, too."""
    p = tls_shop({"v1": [ports.reserve()]}, listener={"hsts": "1d"},
                 workers=1)
    with TlsClient(p.tls, certs.client_context()) as c:
        c.send(request())
        reply = c.response()
        assert reply.status == 502
        assert reply.all("Strict-Transport-Security") == ["max-age=86400"]
