"""TLS to clients: versions, ciphers, certificates by name, sessions."""
import concurrent.futures
import hashlib
import os
import signal
import socket
import ssl
import struct

import pytest

from client import Client, get, raw, request
from h2client import H2Client
from harness import wait_for
from pods import answer
from tls_client import CLOSING, TlsClient, s_client, tls_get

MIB = 1 << 20
ANY = "ALL:@SECLEVEL=0"


@pytest.fixture
def p(tls_shop, pod):
    return tls_shop({"v1": [pod().port]})


def field(reply, name):
    return [v for n, v in reply.json()["fields"] if n.lower() == name]


# Versions and ciphers

@pytest.mark.parametrize("option,version", [
    ("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_versions_spoken(p, certs, option, version):
    shown = s_client(p.tls, option, send=CLOSING, ca=certs.ca)
    assert shown.version == version
    assert "HTTP/1.1 200" in shown.text
    assert "Verify return code: 0 (ok)" in shown.text


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_versions_refused(p, option):
    shown = s_client(p.tls, option, "-cipher", ANY)
    assert not shown.ok and "alert protocol version" in shown.text
    assert s_client(p.tls).ok


TAKEN = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
         "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256",
         "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]
REFUSED = ["AES128-GCM-SHA256", "AES256-SHA", "ECDHE-RSA-AES128-SHA",
           "ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA256",
           "NULL-SHA256", "AECDH-AES128-SHA", "PSK-AES128-CBC-SHA",
           "CAMELLIA128-SHA"]


def test_ciphers_are_modern_by_default(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod().port]}, tls=[
        certs.shop().tls(), certs.shop("rsa").tls()])
    for cipher in TAKEN:
        assert s_client(p.tls, "-tls1_2", "-cipher",
                        cipher).cipher == cipher
    for cipher in REFUSED:
        shown = s_client(p.tls, "-tls1_2", "-cipher",
                         cipher + ":@SECLEVEL=0")
        assert not shown.ok, cipher
    for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                  "TLS_CHACHA20_POLY1305_SHA256"):
        assert s_client(p.tls, "-tls1_3", "-ciphersuites",
                        suite).cipher == suite


def test_min_version(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod().port]}, tls={**certs.shop().tls(),
                                            "min_version": "1.3"})
    shown = s_client(p.tls, "-tls1_2")
    assert not shown.ok and "alert protocol version" in shown.text
    assert s_client(p.tls, "-tls1_3").version == "TLSv1.3"


def test_ciphers_of_the_config(tls_shop, pod, certs):
    wanted = "ECDHE-ECDSA-AES256-GCM-SHA384"
    p = tls_shop({"v1": [pod().port]}, tls={
        **certs.shop().tls(), "ciphers": wanted,
        "ciphersuites": "TLS_CHACHA20_POLY1305_SHA256"})
    assert s_client(p.tls, "-tls1_2").cipher == wanted
    assert not s_client(p.tls, "-tls1_2", "-cipher",
                        "ECDHE-ECDSA-AES128-GCM-SHA256").ok
    assert s_client(p.tls, "-tls1_3").cipher == \
        "TLS_CHACHA20_POLY1305_SHA256"
    assert not s_client(p.tls, "-tls1_3", "-ciphersuites",
                        "TLS_AES_128_GCM_SHA256").ok


# Certificates by name

def test_certificates_by_name(tls_shop, pod, certs):
    shop = certs.shop()
    exact = certs.leaf("exact", "a.test", "w.b.test")
    wild = certs.leaf("wild", "*.b.test")
    common = certs.leaf("common", subject="/CN=common.test")
    p = tls_shop({"v1": [pod().port]}, tls=[
        leaf.tls() for leaf in (shop, wild, exact, common)])
    for name, leaf in (
            ("shop.test", shop), ("a.test", exact), ("A.Test", exact),
            ("x.b.test", wild), ("X.B.TEST", wild), ("w.b.test", exact),
            ("b.test", shop), ("x.y.b.test", shop), ("xb.test", shop),
            ("common.test", common), ("nobody.test", shop), (None, shop)):
        assert s_client(p.tls, host=name).der == leaf.der, name


def test_rsa_and_ecdsa_for_one_name(tls_shop, pod, certs):
    """The client's signature algorithms decide, whichever comes first."""
    ec, rsa = certs.shop(), certs.shop("rsa")
    for order in ([ec, rsa], [rsa, ec]):
        p = tls_shop({"v1": [pod().port]}, tls=[x.tls() for x in order])
        for version in ("-tls1_2", "-tls1_3"):
            only_rsa = s_client(p.tls, version, "-sigalgs",
                                "RSA-PSS+SHA256:RSA+SHA256")
            only_ec = s_client(p.tls, version, "-sigalgs", "ECDSA+SHA256")
            assert (only_rsa.der, only_ec.der) == (rsa.der, ec.der)
            assert s_client(p.tls, version).ok


def test_rsa_and_ecdsa_of_a_wildcard(tls_shop, pod, certs):
    ec = certs.leaf("wild-ec", "*.c.test")
    rsa = certs.leaf("wild-rsa", "*.c.test", key="rsa")
    p = tls_shop({"v1": [pod().port]}, tls=[
        x.tls() for x in (certs.shop(), ec, rsa)])
    assert s_client(p.tls, "-sigalgs", "RSA-PSS+SHA256",
                    host="x.c.test").der == rsa.der
    assert s_client(p.tls, "-sigalgs", "ECDSA+SHA256",
                    host="x.c.test").der == ec.der


def test_the_chain_is_sent(tls_shop, pod, certs):
    """Issuers in the file follow the leaf."""
    leaf = certs.shop()
    both = certs.path("chain.crt")
    with open(both, "w", encoding="ascii") as out:
        for path in (leaf.certificate, certs.ca):
            with open(path, encoding="ascii") as f:
                out.write(f.read())
    p = tls_shop({"v1": [pod().port]},
                 tls={"certificate": both, "key": leaf.key})
    shown = s_client(p.tls, "-showcerts")
    assert shown.text.count("-----BEGIN CERTIFICATE-----") >= 2
    assert shown.der == leaf.der


# ALPN

@pytest.mark.parametrize("offered,agreed", [
    ("h2,http/1.1", "h2"), ("http/1.1,h2", "h2"), ("h2", "h2"),
    ("http/1.1", "http/1.1"), ("x,http/1.1", "http/1.1"), (None, None)])
def test_alpn(p, offered, agreed):
    options = ["-alpn", offered] if offered else []
    assert s_client(p.tls, *options).alpn == agreed


def test_alpn_without_http2(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod().port]}, listener={"http2": False})
    context = certs.client_context(["h2", "http/1.1"])
    with TlsClient(p.tls, context) as c:
        assert c.socket.selected_alpn_protocol() == "http/1.1"
        assert c.ask().status == 200


def test_both_protocols_are_served(p, certs):
    assert tls_get(p.tls, certs.client_context()).status == 200
    assert tls_get(p.tls, certs.client_context(["http/1.1"])).status == 200
    with H2Client(p.tls, certs.client_context(["h2"])) as c:
        assert c.ask().status == 200


# Sessions

def resumes(port, session, version):
    shown = s_client(port, version, "-sess_in", session, send=CLOSING)
    assert shown.ok and "HTTP/1.1 200" in shown.text
    return shown.reused


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_resume_and_survive_a_reload(p, tmp_path, version):
    """On every worker: each connection may meet another one."""
    session = str(tmp_path / "session")
    first = s_client(p.tls, version, "-sess_out", session, send=CLOSING)
    assert first.ok and not first.reused
    assert all(resumes(p.tls, session, version) for _ in range(6))
    p.write({**p.config, "timeouts": {"idle": "33s"}})
    p.signal(signal.SIGHUP)
    wait_for(lambda: "reload" in p.stderr(), "the reload is logged")
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert all(resumes(p.tls, session, version) for _ in range(6))


def test_sessions_resume_with_python(p, certs):
    context = certs.client_context()
    with TlsClient(p.tls, context) as c:
        assert c.ask().status == 200
        session = c.socket.session
        assert not c.socket.session_reused
    with TlsClient(p.tls, context, session=session) as c:
        assert c.ask().status == 200
        assert c.socket.session_reused


# OCSP

def test_ocsp_responses_are_stapled(tls_shop, pod, certs):
    shop, plain = certs.shop(), certs.leaf("exact", "a.test", "w.b.test")
    p = tls_shop({"v1": [pod().port]}, tls=[
        shop.tls(ocsp=certs.ocsp(shop)), plain.tls()])
    for version in ("-tls1_2", "-tls1_3"):
        shown = s_client(p.tls, version, "-status", ca=certs.ca)
        assert "OCSP Response Status: successful" in shown.text
        assert "Cert Status: good" in shown.text
        shown = s_client(p.tls, version, "-status", host="a.test")
        assert "OCSP response: no response sent" in shown.text


# What pods are told

def test_forwarded_proto_is_https(p, certs):
    told = [("X-Forwarded-Proto", "http")]
    for fields in ((), told):
        reply = tls_get(p.tls, certs.client_context(), fields=fields)
        assert field(reply, "x-forwarded-proto") == ["https"]
    with H2Client(p.tls, certs.client_context(["h2"])) as c:
        assert field(c.ask(fields=told), "x-forwarded-proto") == ["https"]
    assert field(get(p.port), "x-forwarded-proto") == ["http"]


def test_proxy_protocol_before_tls(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod().port]}, listener={"proxy_protocol": True})
    v1 = b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 443\r\n"
    v2 = (b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, 0x11, 12)
          + socket.inet_aton("198.51.100.7") + socket.inet_aton("127.0.0.1")
          + struct.pack(">HH", 4711, 443))
    for header in (v1, v2):
        with TlsClient(p.tls, certs.client_context(), before=header) as c:
            for _ in range(2):
                reply = c.ask()
                assert field(reply, "x-forwarded-for") == ["198.51.100.7"]
                assert field(reply, "x-forwarded-proto") == ["https"]
        with H2Client(p.tls, certs.client_context(["h2"]),
                      before=header) as c:
            assert field(c.ask(), "x-forwarded-for") == ["198.51.100.7"]
    with pytest.raises(OSError):
        tls_get(p.tls, certs.client_context())


# Data

def test_large_bodies_both_ways(tls_shop, pod, certs):
    data = os.urandom(8 * MIB)

    def respond(asked):
        if asked.method == "POST":
            return answer(200, hashlib.sha256(asked.body).hexdigest())
        return answer(200, data)
    p = tls_shop({"v1": [pod(respond).port]})
    digest = hashlib.sha256(data).hexdigest().encode()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with TlsClient(p.tls, certs.client_context(version=version)) as c:
            assert c.ask("POST", body=data).body == digest
            chunks = [data[i:i + 50000] for i in range(0, len(data), 50000)]
            assert c.ask("POST", chunks=chunks).body == digest
            assert c.ask().body == data


def test_requests_in_small_and_joined_records(p, certs):
    with TlsClient(p.tls, certs.client_context()) as c:
        for byte in request():
            c.send(bytes([byte]))
        assert c.response().status == 200
        c.send(request() * 20)
        assert [c.response().status for _ in range(20)] == [200] * 20


def test_the_end_is_announced(tls_shop, pod, certs):
    """A body that ends with the connection is told from one that is cut."""
    async def respond(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\nwhole")
    p = tls_shop({"v1": [pod(raw=respond).port]})
    with TlsClient(p.tls, certs.client_context()) as c:
        c.socket.suppress_ragged_eofs = False
        c.send(request(fields=[("Connection", "close")]))
        assert c.response().body == b"whole"
        assert c.closed()  # an SSLEOFError without close_notify


# Wrong ends

def test_clear_text_at_the_door_for_tls(p, certs):
    got = raw(p.tls, request())
    assert b"200" not in got
    assert tls_get(p.tls, certs.client_context()).status == 200


def test_tls_at_the_door_for_clear_text(p, certs):
    with pytest.raises(OSError):
        tls_get(p.port, certs.client_context())
    assert get(p.port).status == 200


def test_half_a_handshake_times_out(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod().port]},
                 config={"timeouts": {"header": "2s"}})
    out = ssl.MemoryBIO()
    hello = certs.client_context().wrap_bio(ssl.MemoryBIO(), out,
                                            server_hostname="shop.test")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    data = out.read()
    clients = [Client(p.tls) for _ in range(4)]
    for c, start in zip(clients, (b"", data[:1], data[:60], data)):
        c.send(start)
    for c in clients:
        try:
            c.rest()  # which ends
        except ConnectionResetError:
            pass
        c.close()
    with TlsClient(p.tls, certs.client_context()) as c:
        assert c.ask().status == 200


def test_a_handshake_byte_by_byte(p, certs):
    incoming, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certs.client_context().wrap_bio(incoming, out,
                                          server_hostname="shop.test")
    with Client(p.tls) as c:
        def step(action):
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    for byte in out.read():
                        c.send(bytes([byte]))
                    data = c.socket.recv(1 << 14)
                    assert data, "closed"
                    incoming.write(data)
        step(tls.do_handshake)
        tls.write(CLOSING)
        assert step(lambda: tls.read(20)).startswith(b"HTTP/1.1 200 ")


def test_rubbish_harms_nothing(tls_shop, pod, certs):
    p = tls_shop({"v1": [pod().port]},
                 config={"timeouts": {"header": "2s"}})
    with TlsClient(p.tls, certs.client_context()) as good:
        assert good.ask().status == 200
        rubbish = [start + bytes(n) for n in (1, 5, 100, 20000) for start in (
            b"", b"\x16\x03\x01", b"\x16\x03\x01\x00\xff\x01")]
        # What could still become a handshake is waited for: side by side.
        with concurrent.futures.ThreadPoolExecutor(len(rubbish)) as pool:
            for answer in pool.map(lambda data: raw(p.tls, data), rubbish):
                assert b" 200 " not in answer
        assert good.ask().status == 200
    assert p.process.poll() is None
