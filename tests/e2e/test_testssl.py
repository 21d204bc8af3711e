"""testssl.sh finds nothing above LOW at a listener with our defaults."""
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

# Slow: thousands of handshakes, each by a process of its own.
SECONDS = 480  # how long testssl may take says nothing of us
# A process for each, side by side. The simulations of browsers are left out,
# and of each kind what only names more of the same ciphers.
CHECKS = [["--protocols", "--std"], ["--server-defaults"],
          ["--heartbleed", "--ccs", "--ticketbleed", "--robot",
           "--renegotiation", "--compression", "--poodle", "--tls-fallback",
           "--sweet32", "--freak", "--drown", "--logjam", "--beast",
           "--lucky13", "--rc4"]]
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
    started = []
    for i, checks in enumerate(CHECKS):
        report = tmp_path / f"{i}.json"
        with open(tmp_path / f"{i}.log", "wb") as log:
            started.append((subprocess.Popen(
                ["testssl", "--quiet", "--color", "0", "--warnings", "off",
                 "--fast", "--nodns", "none", "--ip", "127.0.0.1",
                 "--add-ca", certs.ca, "--jsonfile", str(report), *checks,
                 f"shop.test:{p.tls}"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True), report))
    end = time.monotonic() + SECONDS
    try:
        for process, _ in started:
            process.wait(max(0.1, end - time.monotonic()))
    finally:
        for process, _ in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    findings = [f for _, report in started
                for f in json.loads(report.read_text())]
    said = {f["id"]: f for f in findings}
    assert {"TLS1_2", "TLS1_3", "heartbleed", "ROBOT"} <= set(said)
    for name, want in (("SSLv2", "not offered"), ("SSLv3", "not offered"),
                       ("TLS1", "not offered"), ("TLS1_1", "not offered"),
                       ("TLS1_2", "offered"), ("TLS1_3", "offered")):
        assert said[name]["finding"].startswith(want), said[name]
    bad = [(f["id"], f["severity"], f["finding"]) for f in findings
           if f["severity"] not in FINE
           and f["id"].split(" ")[0] not in OF_THE_TEST]
    assert bad == []
