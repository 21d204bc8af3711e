"""Certificates in the config: what is wrong with them, and reloads."""
import copy
import os
import re
import shutil
import signal

import pytest

from client import Client, Load
from h2client import H2Client
from harness import run_cli, wait_for
from pods import app_answer
from tls_client import TlsClient, s_client, tls_get

DAY = 86400
FILE = """listen:
  - address: 127.0.0.1:9999
    tls:
      certificate: %(certificate)s
      key: %(key)s
      ocsp: %(ocsp)s
services:
  shop:
    versions:
      v1:
        pods: [127.0.0.1:9101]
        tls:
          ca: %(ca)s
          certificate: %(own)s
          key: %(own_key)s
"""
LINES = {"certificate": 4, "key": 5, "ocsp": 6, "ca": 13, "own": 14,
         "own_key": 15}


@pytest.fixture
def good(certs, tmp_path):
    """Values of FILE with which nothing is wrong, in a folder of files."""
    leaf, own = certs.shop(), certs.client()
    copies = {"shop.crt": leaf.certificate, "shop.key": leaf.key,
              "shop.der": certs.ocsp(leaf), "ca.pem": certs.ca,
              "own.crt": own.certificate, "own.key": own.key}
    for name, path in copies.items():
        shutil.copy(path, tmp_path / name)
    return {"certificate": "shop.crt", "key": "shop.key", "ocsp": "shop.der",
            "ca": "ca.pem", "own": "own.crt", "own_key": "own.key"}


def check(folder, text):
    """{line: words} of all that `shunt check` complains about."""
    path = os.path.join(folder, "shunt.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    done = run_cli("check", "-c", path)
    found = re.findall(rf"^{re.escape(path)}:(\d+):\d+: (.*)", done.stderr,
                       re.M)
    assert done.returncode == (1 if found else 0), done.stderr
    return {int(line): words for line, words in found}


def test_good_files_beside_the_config(good, tmp_path):
    """Relative names are relative to it, wherever we are."""
    assert check(tmp_path, FILE % good) == {}


@pytest.fixture
def wrong(certs, tmp_path):
    """Files that are no good, by what is wrong with them."""
    locked = str(tmp_path / "locked.key")
    certs.openssl("pkey", "-in", certs.shop().key, "-aes128", "-passout",
                  "pass:secret", "-out", locked)
    text = tmp_path / "text"
    text.write_text("nothing of the kind\n")
    (tmp_path / "empty").write_text("")
    return {
        "missing": "gone.pem", "a folder": str(tmp_path), "text": str(text),
        "empty": str(tmp_path / "empty"), "locked": locked,
        "expired": certs.leaf("old", "shop.test", begins=-9 * DAY,
                              ends=-DAY),
        "early": certs.leaf("new", "shop.test", begins=DAY),
        "another": certs.leaf("exact", "a.test", "w.b.test")}


@pytest.mark.parametrize("key", ["certificate", "key", "ocsp", "ca", "own",
                                 "own_key"])
@pytest.mark.parametrize("what", ["missing", "a folder", "text", "empty"])
def test_files_that_are_none(good, wrong, tmp_path, key, what):
    found = check(tmp_path, FILE % {**good, key: wrong[what]})
    assert set(found) == {LINES[key]}, found


@pytest.mark.parametrize("pair", [("certificate", "key"), ("own", "own_key")])
@pytest.mark.parametrize("what", ["expired", "early"])
def test_certificates_out_of_time(good, wrong, tmp_path, pair, what):
    leaf = wrong[what]
    found = check(tmp_path, FILE % {
        **good, pair[0]: leaf.certificate, pair[1]: leaf.key,
        "ocsp": "shop.der"})
    said = found[LINES[pair[0]]]
    assert re.search("expired" if what == "expired" else "not.*valid",
                     said), said
    assert re.search(r"\b20\d\d\b", said), f"no date: {said}"


@pytest.mark.parametrize("pair", [("certificate", "key"), ("own", "own_key")])
def test_a_key_of_another_certificate(good, wrong, tmp_path, pair):
    found = check(tmp_path, FILE % {**good, pair[1]: wrong["another"].key})
    assert set(found) == {LINES[pair[1]]}
    assert "key" in found[LINES[pair[1]]]


def test_a_key_that_needs_a_passphrase(good, wrong, tmp_path):
    found = check(tmp_path, FILE % {**good, "key": wrong["locked"]})
    assert set(found) == {5} and "passphrase" in found[5]


def test_an_ocsp_response_about_another(good, certs, wrong, tmp_path):
    found = check(tmp_path, FILE % {
        **good, "ocsp": certs.ocsp(wrong["another"])})
    assert set(found) == {6}, found


HEAD = "listen:\n  - address: 127.0.0.1:9999\n"
TAIL = """services:
  shop:
    versions: { v1: { pods: [127.0.0.1:9101] } }
"""
# What follows the address, the line that is wrong, a word of the reason.
WRONG = [
    ("    hsts: 1d\n", 3, "tls"),
    ("    tls: { certificate: shop.crt }\n", 3, "key"),
    ("    tls: { key: shop.key }\n", 3, "certificate"),
    ("    tls: []\n", 3, ""), ("    tls: {}\n", 3, "missing"),
    ("    tls: true\n", 3, ""),
    ("    tls:\n      certificate: shop.crt\n      key: shop.key\n"
     "      ciphers: NOTHING-OF-THE-KIND\n", 6, "NOTHING"),
    ("    tls:\n      certificate: shop.crt\n      key: shop.key\n"
     "      ciphersuites: TLS_NOTHING\n", 6, "TLS_NOTHING"),
    ("    tls:\n      certificate: shop.crt\n      key: shop.key\n"
     "      min_version: \"1.1\"\n", 6, "1.2"),
    ("    tls:\n      certificate: shop.crt\n      key: shop.key\n"
     "      client_certificate: required\n", 6, "client_ca"),
    ("    tls:\n      certificate: shop.crt\n      key: shop.key\n"
     "      client_ca: shop.key\n", 6, "PRIVATE KEY"),
    ("    tls:\n      certificate: shop.crt\n      key: shop.key\n"
     "      client_ca: ca.pem\n      client_certificate: maybe\n", 7,
     "optional"),
    ("    tls:\n      certificates: [{ certificate: shop.crt, key: shop.key "
     "}]\n      certificate: shop.crt\n      key: shop.key\n", None,
     "certificate"),
    ("    tls: { certificate: shop.crt, key: shop.key }\n"
     "    redirect: http\n", 4, "https"),
    ("    http2: maybe\n", 3, "true"),
]


@pytest.mark.parametrize("text,line,word", WRONG)
def test_listeners_that_make_no_sense(good, tmp_path, text, line, word):
    assert good
    found = check(tmp_path, HEAD + text + TAIL)
    assert found, "nothing is said"
    if line:
        assert set(found) == {line}, found
    assert word in " ".join(found.values()), found


@pytest.mark.parametrize("version,word", [
    ("protocol: h3", "h2c"), ("protocol: h2c, tls: { ca: ca.pem }", "h2c"),
    ("tls: { certificate: shop.crt }", "key"),
    ("tls: { verify: perhaps }", "true"), ("tls: { ca: 7 }", "7")])
def test_versions_that_make_no_sense(good, tmp_path, version, word):
    assert good
    found = check(tmp_path, HEAD + "services:\n  shop:\n    versions:\n"
                  f"      v1: {{ pods: [127.0.0.1:9101], {version} }}\n")
    assert set(found) == {6} and word in found[6], found


@pytest.mark.parametrize("grpc", ["0", "17", "[2, 99]", "[ok]", "\"5-2\""])
def test_grpc_errors_that_are_none(good, tmp_path, grpc):
    assert good
    found = check(tmp_path, HEAD + "services:\n  shop:\n    errors:\n"
                  f"      grpc: {grpc}\n    versions: {{ v1: {{ pods: "
                  "[127.0.0.1:9101] } }\n")
    assert set(found) == {6}, found


def test_all_is_said_at_once(good, wrong, tmp_path):
    found = check(tmp_path, FILE % {
        **good, "key": wrong["another"].key, "ca": wrong["missing"],
        "own": wrong["text"]})
    assert {5, 13, 14} <= set(found)


# Reloads

@pytest.fixture
def renewed(tls_shop, pod, certs, tmp_path):
    """A proxy whose certificate files can be replaced."""
    old = certs.shop()
    for source, name in ((old.certificate, "a.crt"), (old.key, "a.key")):
        shutil.copy(source, tmp_path / name)
    p = tls_shop({"v1": [pod(lambda asked: app_answer("1")).port]}, tls={
        "certificate": str(tmp_path / "a.crt"),
        "key": str(tmp_path / "a.key")})

    def put(leaf):
        shutil.copy(leaf.certificate, tmp_path / "a.crt")
        shutil.copy(leaf.key, tmp_path / "a.key")
    p.put = put
    return p


@pytest.mark.parametrize("by", ["api", "hup"])
def test_a_renewed_certificate(renewed, certs, by):
    """Old connections go on, new ones see the new certificate."""
    p, old = renewed, certs.shop()
    new = certs.leaf("renewed", "shop.test", key="rsa")
    context = certs.client_context()
    with TlsClient(p.tls, context) as kept, H2Client(
            p.tls, certs.client_context(["h2"])) as kept2:
        assert kept.peer() == old.der and kept.ask().status == 200
        assert kept2.ask().status == 200
        load = Load(p.tls, 6, context=context).start()
        p.put(new)
        if by == "api":
            assert p.api("POST", "/api/v1/reload")[0] == 200
        else:
            p.signal(signal.SIGHUP)
        wait_for(lambda: s_client(p.tls).der == new.der, "the new one")
        wait_for(lambda: p.status()["in_force"], "every worker has it")
        load.wait(50)
        assert load.stop().failures() == []
        assert all(s_client(p.tls).der == new.der for _ in range(4))
        assert kept.ask().status == 200 and kept2.ask().status == 200


def test_reloads_under_load_lose_no_connection(renewed, certs):
    p, leaves = renewed, [certs.shop(), certs.leaf(
        "renewed", "shop.test", key="rsa")]
    load = Load(p.tls, 8, context=certs.client_context(),
                reconnect=False).start()
    for i in range(10):
        p.put(leaves[(i + 1) % 2])
        assert p.api("POST", "/api/v1/reload")[0] == 200
        load.wait(30)
    assert load.stop().failures() == []


def test_a_reload_with_a_bad_certificate_changes_nothing(renewed, certs):
    p, old = renewed, certs.shop()
    expired = certs.leaf("old", "shop.test", begins=-9 * DAY, ends=-DAY)
    # The file says more, and none of it comes.
    more = copy.deepcopy(p.config)
    more["services"]["blog"] = copy.deepcopy(more["services"]["shop"])
    more["services"]["blog"]["routes"] = [{"path": "/blog"}]
    p.write(more)
    p.put(expired)
    code, answer = p.api("POST", "/api/v1/reload")
    assert code == 400
    assert re.search(r"shunt\.yaml:\d+:\d+: .*expired",
                     answer["error"]), answer
    assert s_client(p.tls).der == old.der
    names = [s["name"] for s in p.api("GET", "/api/v1/services")[1][
        "services"]]
    assert names == ["shop"]
    before = p.stderr()
    p.signal(signal.SIGHUP)
    wait_for(lambda: "expired" in p.stderr()[len(before):], "the log says it")
    assert tls_get(p.tls, certs.client_context()).status == 200
    p.put(old)
    assert p.api("POST", "/api/v1/reload")[0] == 200


def test_a_listener_turns_to_tls_and_back(renewed, certs):
    """At the same address; what was accepted goes on as it was."""
    p = renewed
    both = copy.deepcopy(p.config)
    both["listen"][0]["tls"] = copy.deepcopy(both["listen"][1]["tls"])
    with Client(p.port) as plain:
        assert plain.ask().status == 200
        p.write(both)
        assert p.api("POST", "/api/v1/reload")[0] == 200
        wait_for(lambda: s_client(p.port).ok, "it speaks TLS")
        assert plain.ask().status == 200
        with TlsClient(p.port, certs.client_context()) as secure:
            assert secure.ask().status == 200
            p.write(p.config)
            assert p.api("POST", "/api/v1/reload")[0] == 200
            assert secure.ask().status == 200
        with Client(p.port) as again:
            assert again.ask().status == 200


def test_sni_certificates_come_and_go(renewed, certs):
    p, extra = renewed, certs.leaf("exact", "a.test", "w.b.test")
    more = copy.deepcopy(p.config)
    first = more["listen"][1]["tls"]
    more["listen"][1]["tls"] = [first, extra.tls()]
    assert s_client(p.tls, host="a.test").der == certs.shop().der
    p.write(more)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert s_client(p.tls, host="a.test").der == extra.der
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    assert s_client(p.tls, host="a.test").der == certs.shop().der
