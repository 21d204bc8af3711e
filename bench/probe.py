"""Whether a program does the same work; asked before anything is measured."""

import http.client
import json
import re
import subprocess

import clients
from programs import (AGENT_RULE, CIPHERSUITE, COOKIE_RULE, GROUP, Failed,
                      find)

BULK = 10 * 1024 * 1024


class Probe:
    """One kept-alive client of one program, in clear text."""

    scheme = "http"

    def __init__(self, program):
        self.program = program
        self.http = self.connection()

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.program.port,
                                          timeout=10)

    def get(self, path="/", headers=None):
        try:
            self.http.request("GET", path, headers=headers or {})
            answer = self.http.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.fail(f"GET {path}: {error!r}")
        if answer.status != 200:
            self.fail(f"GET {path} was answered {answer.status}")
        return body

    def version(self, headers=None):
        return json.loads(self.get("/", headers))["appVersion"]

    def echo(self):
        """(connections the pods have seen, the head a pod received)"""
        line, head = self.get("/echo", {
            "Cookie": "=".join(COOKIE_RULE)}).decode().split("\n", 1)
        return int(line.split()[1]), head

    def fail(self, what):
        raise Failed(f"{self.program.name} does not do the same work: {what}")


class SecureProbe(Probe):
    scheme = "https"

    def connection(self):
        return http.client.HTTPSConnection(
            "127.0.0.1", self.program.tls_port, timeout=10,
            context=clients.H1)


class Http2Probe(Probe):
    scheme = "https"

    def connection(self):
        return clients.Http2(self.program.tls_port)

    def get(self, path="/", headers=None):
        try:
            return self.http.get(path, headers)
        except (OSError, Failed) as error:
            self.fail(f"GET {path} by HTTP/2: {error}")


def check_forwarded(probe, head):
    fields = dict(re.findall(r"^([\w-]+): *(.*?)\r$", head, re.M))
    fields = {name.lower(): value for name, value in fields.items()}
    for name, wanted in [("X-Forwarded-For", "127.0.0.1"),
                         ("X-Forwarded-Proto", probe.scheme),
                         ("X-Forwarded-Host", fields.get("host"))]:
        if fields.get(name.lower()) != wanted:
            probe.fail(f"{name} is {fields.get(name.lower())!r}, "
                       f"not {wanted!r}")


def check_rule(probe, what, headers):
    seen = {probe.version(headers) for _ in range(100)}
    if seen != {"v2"}:
        probe.fail(f"{what} led to {', '.join(sorted(seen))}, not v2")


def check_split(probe, requests=1000, slack=0.06):
    share = sum(probe.version() == "v2" for _ in range(requests)) / requests
    if abs(share - 0.2) > slack:
        probe.fail(f"v2 had {share:.1%} of {requests} requests, not 20 %")


def check_close(probe):
    for _ in range(20):
        probe.get("/", {"Connection": "close"})
        if probe.http.sock is not None:
            probe.fail("Connection: close was not answered in kind")


def check_tls(program):
    """The version, the cipher, the key exchange, a ticket; as openssl says."""
    try:
        done = subprocess.run(
            [find("openssl"), "s_client", "-connect",
             f"127.0.0.1:{program.tls_port}", "-ign_eof"],
            input=clients.h1_request("/", {"Connection": "close"}),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
            check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{program.name} did not close after a request with "
                     "Connection: close, over TLS") from None
    told = done.stdout.decode(errors="replace")
    for wanted in (f"New, TLSv1.3, Cipher is {CIPHERSUITE}",
                   f"Server Temp Key: {GROUP}",
                   "Post-Handshake New Session Ticket arrived"):
        if wanted not in told:
            raise Failed(f"{program.name} does not do the same work; openssl "
                         f"does not say '{wanted}':\n{told}")


def check_with(probe, rules):
    """By one kind of client; rules: field sets that lead to v2, by name."""
    before, head = probe.echo()
    if len(probe.get(f"/bytes/{BULK}")) != BULK:
        probe.fail("10 MiB arrived short")
    if not probe.program.routes:
        return
    check_forwarded(probe, head)
    check_split(probe)
    for name, headers in rules.items():
        check_rule(probe, name, headers)
    if not isinstance(probe, Http2Probe):
        check_close(probe)
    opened = probe.echo()[0] - before
    if opened > 100:
        probe.fail(f"connections to pods are not kept: {opened} opened "
                   "for about 1,200 requests")


def check(program, realistic):
    """Raises Failed when a program does less than, or not, the same work;
    `realistic` are fields with the cookie of the rule."""
    rules = {
        f"User-Agent {AGENT_RULE}":
            {"User-Agent": f"Mozilla/5.0 {AGENT_RULE}/1.0"},
        "the cookie " + "=".join(COOKIE_RULE): realistic,
    }
    check_with(Probe(program), rules)
    if program.secure:
        check_tls(program)
        check_with(SecureProbe(program), rules)
        check_with(Http2Probe(program), rules)
