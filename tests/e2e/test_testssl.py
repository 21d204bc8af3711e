"""testssl.sh finds nothing above LOW at a listener with our defaults."""
import json
import shutil
import subprocess

import pytest

SECONDS = 85
# One per kind of check; the slow simulations of browsers are left out.
CHECKS = ["--protocols", "--std", "--fs", "--server-preference",
          "--server-defaults", "--vulnerable"]
# What is said about the authority of a test: it is in no browser's store,
# serves no revocation list and writes to no transparency log.
OF_THE_TEST = {"cert_chain_of_trust", "cert_revocation", "cert_crlDistribution"
               "Points", "cert_ocspURL", "cert_extlifeSpan", "cert_trust",
               "DNS_CAArecord", "certificate_transparency",
               "cert_expirationStatus"}
FINE = {"OK", "INFO", "LOW", "DEBUG", "WARN"}


@pytest.fixture
def p(tls_shop, pod, certs):
    return tls_shop({"v1": [pod().port]}, tls=[
        certs.shop().tls(ocsp=certs.ocsp(certs.shop())),
        certs.shop("rsa").tls()])


@pytest.mark.skipif(not shutil.which("testssl"), reason="no testssl.sh")
def test_nothing_above_low(p, certs, tmp_path):
    report = tmp_path / "report.json"
    process = subprocess.Popen(
        ["testssl", "--quiet", "--color", "0", "--warnings", "off",
         "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", certs.ca,
         "--jsonfile", str(report), *CHECKS, f"shop.test:{p.tls}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        output, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    findings = json.loads(report.read_text())
    said = {f["id"]: f for f in findings}
    assert {"TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "FS"} <= set(said), \
        output
    for name, want in (("SSLv2", "not offered"), ("SSLv3", "not offered"),
                       ("TLS1", "not offered"), ("TLS1_1", "not offered"),
                       ("TLS1_2", "offered"), ("TLS1_3", "offered")):
        assert said[name]["finding"].startswith(want), said[name]
    bad = [(f["id"], f["severity"], f["finding"]) for f in findings
           if f["severity"] not in FINE
           and f["id"].split(" ")[0] not in OF_THE_TEST]
    assert bad == []
