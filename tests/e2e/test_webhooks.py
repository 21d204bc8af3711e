"""Webhooks by name and over TLS: found, refused, silent."""
import json
import ssl

import pytest

import rollout
from harness import wait_for
from pods import answer
from rollout import now, start, until, verb
from test_dns import dns
from test_rollouts import begin, fixed

__all__ = ["begin", "dns", "fixed"]

STEPS = [{"weight": 10, "hold": "0s"}]
NAME = "hooks.test"


@pytest.fixture
def hooked(proxy, app, tmp_path):
    """A shop that asks one webhook before it promotes."""
    def run(url, resolver=None, phases=("promoting",), **options):
        hook = {"url": url, "phases": list(phases), "wait": True,
                "retry": "100ms", "timeout": "20s", **options}
        s = rollout.released(
            {"v1": [app("1").port], "v2": [app("2").port]},
            canary={"steps": STEPS, "gates": "off"}, webhooks=[hook],
            progress_deadline="1h")
        config = {"state": str(tmp_path / "shunt.db"), "services": {"shop": s}}
        if resolver:
            config["resolver"] = {"servers": [resolver.address]}
        return proxy(config)
    return run


def until_words(p, words):
    wait_for(lambda: words in now(p)["reason"], f"{words}: {now(p)}")


def phases(hook):
    return [json.loads(a.body)["phase"] for a in list(hook.asked)]


# names

@pytest.mark.parametrize("entry", [
    {"A": ["127.0.0.1"]},
    {"A": ["127.0.0.9", "127.0.0.8", "127.0.0.1"]},  # nobody is at the first
    {"AAAA": ["::ffff:127.0.0.1"]},
    {"CNAME": "other.test"},
], ids=["one", "many", "ipv6", "cname"])
def test_a_name_leads_to_it(hooked, pod, dns, entry):
    server = dns(hooks_test=entry, other_test={"A": ["127.0.0.1"]})
    hook = pod(lambda _: answer(200))
    p = hooked(f"http://{NAME}:{hook.port}/x?y", server)
    start(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    assert phases(hook) == ["promoting"]
    assert hook.asked[0].target == "/x?y"
    assert hook.asked[0].get("Host") == f"{NAME}:{hook.port}"


def test_each_call_asks_anew(hooked, pod, dns):
    """Who moves is found, without a reload."""
    server = dns(hooks_test={"A": ["127.0.0.1"], "ttl": 3600})
    statuses = [503, 503, 200]
    hook = pod(lambda _: answer(statuses.pop(0)))
    p = hooked(f"http://{NAME}:{hook.port}/", server)
    start(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    assert len(server.asked(NAME, "A")) == 3
    assert server.asked(NAME, "AAAA") == []


@pytest.mark.parametrize("mode, words", [
    ("nxdomain", "there is no such name"), ("empty", "no addresses"),
    ("servfail", "SERVFAIL"), ("refused", "REFUSED"),
    ("malformed", "cannot be read")])
def test_a_name_that_cannot_be_found(hooked, pod, dns, mode, words):
    """It has failed as if nobody were there, and is asked again."""
    server = dns(hooks_test={"A": ["127.0.0.1"], "mode": mode})
    hook = pod(lambda _: answer(200))
    p = hooked(f"http://{NAME}:{hook.port}/", server)
    start(p)
    until_words(p, f"a webhook: {NAME}: ")
    assert words in now(p)["reason"], now(p)
    wait_for(lambda: len(server.asked(NAME, "A")) > 1, "asked again")
    assert hook.asked == []
    server.mode(NAME, "")
    assert until(p, *rollout.ENDED)["phase"] == "done"


def test_a_lookup_takes_time_of_the_calls(hooked, dns):
    server = dns(hooks_test={"mode": "silent"})
    p = hooked(f"http://{NAME}/", server, timeout="150ms")
    start(p)
    until_words(p, "a webhook: no answer within 150 ms")
    verb(p, "abort")
    assert until(p, *rollout.ENDED)["phase"] == "rolled_back"


def test_the_end_comes_while_a_name_is_looked_up(hooked, dns):
    """Of the rollout, of a reload, of the process: nobody waits for it."""
    server = dns(hooks_test={"mode": "silent"})
    p = hooked(f"http://{NAME}/", server)

    def asked(n):
        wait_for(lambda: len(server.asked(NAME)) >= n, "it is looked up")
        return len(server.asked(NAME))
    start(p)
    n = asked(1)
    p.config["services"]["shop"]["release"]["webhooks"][0]["retry"] = "200ms"
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    n = asked(n + 1)
    verb(p, "abort")
    assert until(p, *rollout.ENDED)["phase"] == "rolled_back"
    start(p)
    asked(n + 1)
    p.stop()


def test_who_is_told_is_found_by_name(fixed, pod, dns):
    server = dns(hooks_test={"A": ["127.0.0.1"]})
    hook = pod(lambda _: answer(200))
    p = fixed({}, canary={"steps": STEPS, "gates": "off"}, webhooks=[
        {"url": f"http://{NAME}:{hook.port}/"},
        {"url": "http://nobody.test/"}])
    p.config["resolver"] = {"servers": [server.address]}
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    start(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    wait_for(lambda: "done" in phases(hook), "told of the end")
    wait_for(lambda: "webhook http://nobody.test:80/: nobody.test: there is "
             "no such name" in p.stderr(), "the other one is missed")


# TLS

def context(leaf):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(leaf.certificate, leaf.key)
    return c


@pytest.fixture
def trusted(monkeypatch, certs):
    monkeypatch.setenv("SSL_CERT_FILE", certs.ca)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("host", [NAME, NAME + ".", "127.0.0.1"])
def test_https_with_the_right_name(hooked, pod, dns, certs, host):
    seen = []
    tls = context(certs.leaf("hook", NAME, "127.0.0.1"))
    tls.sni_callback = lambda _, name, c: seen.append(name)
    statuses = [503, 200]
    hook = pod(lambda _: answer(statuses.pop(0)), context=tls)
    p = hooked(f"https://{host}:{hook.port}/x",
               dns(hooks_test={"A": ["127.0.0.9", "127.0.0.1"]}))
    start(p)
    assert until(p, *rollout.ENDED)["phase"] == "done"
    assert phases(hook) == ["promoting", "promoting"]
    assert hook.asked[0].get("Host") == f"{host}:{hook.port}"
    assert set(seen) == {None if host == "127.0.0.1" else NAME}


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("leaf, options, words", [
    (("hook-other", "other.test"), {}, "hostname mismatch"),
    (("hook-unknown", NAME), {"ca": "other"}, "certificate"),
    (("hook-old", NAME), {"begins": -9 * 86400, "ends": -86400}, "expired"),
])
def test_https_with_a_wrong_certificate(hooked, pod, dns, certs, leaf, options,
                                        words):
    hook = pod(lambda _: answer(200), context=context(
        certs.leaf(*leaf, **options)))
    p = hooked(f"https://{NAME}:{hook.port}/",
               dns(hooks_test={"A": ["127.0.0.1"]}))
    start(p)
    until_words(p, "a webhook: ")
    assert words in now(p)["reason"], now(p)
    assert now(p)["phase"] == "progressing" and hook.asked == []


def test_https_asks_the_authorities_of_the_system(hooked, pod, certs):
    """They do not know ours."""
    hook = pod(lambda _: answer(200), context=context(
        certs.leaf("hook", NAME, "127.0.0.1")))
    p = hooked(f"https://127.0.0.1:{hook.port}/")
    start(p)
    until_words(p, "a webhook: ")
    assert "certificate" in now(p)["reason"] and hook.asked == []


@pytest.mark.usefixtures("trusted")
def test_https_where_nobody_speaks_it(hooked, pod, ports):
    async def plain(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 X\r\n\r\n")
        await writer.drain()
        await reader.read()
    hook = pod(raw=plain)
    p = hooked(f"https://127.0.0.1:{hook.port}/")
    start(p)
    until_words(p, "a webhook: wrong version number")
    release = p.config["services"]["shop"]["release"]
    release["webhooks"][0]["url"] = f"https://127.0.0.1:{ports.reserve()}/"
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    until_words(p, "a webhook: Connection refused")


@pytest.mark.usefixtures("trusted")
def test_https_that_is_cut(hooked, pod, certs):
    """After the request, and in the handshake."""
    async def cut(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def mute(reader, writer):
        muted.append(await reader.read(1))
        writer.close()
    muted = []
    hook = pod(raw=cut, context=context(certs.leaf("hook", NAME,
                                                   "127.0.0.1")))
    p = hooked(f"https://127.0.0.1:{hook.port}/")
    start(p)
    until_words(p, "a webhook: it closed the connection without an answer")
    release = p.config["services"]["shop"]["release"]
    release["webhooks"][0]["url"] = f"https://127.0.0.1:{pod(raw=mute).port}/"
    p.write(p.config)
    assert p.api("POST", "/api/v1/reload")[0] == 200
    wait_for(lambda: len(muted) > 1, "it has failed, and is asked again")
    assert "it closed the connection without an answer" in now(p)["reason"]
    verb(p, "abort")
    assert until(p, *rollout.ENDED)["phase"] == "rolled_back"
