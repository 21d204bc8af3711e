"""Mirroring: requests go once more to another version, and nobody notices."""
import asyncio
import itertools
import json
import re
import signal
import socket
import statistics
import struct

import pytest

from client import Client, Load, get, request
from h2client import H2Client
from h2pod import Answer
from harness import PATIENCE, wait_for
from pods import FullPod, answer, app_answer


def told(asked):
    """The same words whoever says them."""
    return answer(200, json.dumps({"target": asked.target,
                                   "body": len(asked.body)}))


def mirror_to(version="v2", **options):
    return {"mirror": {"version": version, **options}}


def mirrored(p):
    return p.status()["mirror"]


def counted(p, name):
    """{last label: value} of a family of mirror metrics, zeros left out."""
    found = {}
    family = p.metrics().get(f"shunt_mirror_{name}", {})
    for labels, value in family.items():
        assert labels.startswith('service="shop",version="v')
        if value:
            found[re.search(r'(\w+)="[^"]*"$', labels).group(0).split(
                '"')[1]] = value
    return found


def settled(p, n):
    """Until n requests had their turn and are over; the mirror's view."""
    def over():
        m = mirrored(p)
        no_pod = counted(p, "errors_total").get("no_pod", 0)
        return m["requests"] + m["skipped"] + no_pod == n and \
            p.inflight() == 0 and m
    return wait_for(over, f"{n} mirrored requests are over")


def reload(p, config):
    p.write(config)
    code, text = p.api("POST", "/api/v1/reload")
    assert code == 200, text


def vanish(c):
    """As a client that crashed: RST."""
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
    c.close()


def changed(p, **options):
    """The config with other options of the service; None removes one."""
    config = json.loads(json.dumps(p.config))
    shop = config["services"]["shop"]
    shop.update(options)
    for name in [n for n, v in shop.items() if v is None]:
        del shop[name]
    return config


@pytest.mark.parametrize("share,n,copies", [
    ("10%", 1000, 100), ("0.5%", 1000, 5), ("33%", 500, 165),
    ("100%", 300, 300), ("0%", 300, 0)])
def test_share_is_exact(shop, pod, share, n, copies):
    """Over two workers, whatever connection a request comes by."""
    real, mirror = pod(), pod()
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=2,
             service=mirror_to(share=share))
    assert Load(p.port, connections=8, total=n).run().failures() == []
    m = settled(p, copies)
    assert (len(real.asked), len(mirror.asked)) == (n, copies)
    assert m["version"] == "v2" and m["skipped"] == 0
    assert m["share"] == pytest.approx(float(share[:-1]) / 100)
    assert counted(p, "requests_total") == ({"200": copies} if copies else {})
    seconds = p.metrics()["shunt_mirror_request_duration_seconds_count"]
    assert list(seconds.values()) == [copies]


def test_the_books_of_the_versions_are_untouched(shop, pod, tmp_path):
    """Nor is there a line in the access log, or an answer of the proxy's."""
    path = tmp_path / "access.log"
    real, mirror = pod(told), pod(lambda asked: answer(500, "broken"))
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=2,
             service={"retry": {"attempts": 2}, **mirror_to()},
             config={"access_log": {"path": str(path)}})
    assert Load(p.port, total=100).run().failures() == []
    m = settled(p, 100)
    assert (m["requests"], m["errors"], m["differences"]) == (100, 100, 100)
    v1, v2 = p.version("v1"), p.version("v2")
    assert (v1["requests"], v1["errors"]) == (100, 0)
    assert (v2["requests"], v2["errors"], v2["share"]) == (0, 0, 0)
    metrics = p.metrics()
    assert sum(metrics["shunt_requests_total"].values()) == 100
    assert sum(metrics["shunt_errors_total"].values()) == 0
    assert sum(metrics["shunt_retries_total"].values()) == 0
    assert counted(p, "errors_total") == {"status": 100}
    p.stop()
    lines = [json.loads(x) for x in path.read_text().splitlines()]
    assert [x["version"] for x in lines] == ["v1"] * 100


def test_what_the_version_answers_itself_is_not_mirrored(shop, pod):
    pods = [pod(), pod()]
    p = shop({"v1": [pods[0].port], "v2": [pods[1].port]},
             service={"weights": {"v1": 1, "v2": 3}, **mirror_to()})
    assert Load(p.port, total=100).run().failures() == []
    settled(p, 25)
    copies = [a for a in pods[1].asked if a.get("X-Shunt-Mirror")]
    assert len(pods[0].asked) == 25 and len(copies) == 25
    assert len(pods[1].asked) == 100
    assert (p.version("v1")["requests"], p.version("v2")["requests"]) == \
        (25, 75)


def test_no_mirror_is_null(shop, pod):
    p = shop({"v1": [pod().port]})
    assert mirrored(p) is None
    assert not [n for n in p.metrics() if "mirror" in n]


BODIES = [b"", b"x", b"0123456789" * 1000, bytes(range(256)) * 256]


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_arrive_whole(shop, pod, chunked):
    """Up to 64 KiB, in whatever pieces; one byte more is left out."""
    real, mirror = pod(told), pod(told)
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=1,
             service=mirror_to())
    with Client(p.port) as c:
        for body in BODIES:
            pieces = [body[i:i + 700] for i in range(0, len(body), 700)]
            data = request("POST", "/in", **(
                {"chunks": pieces} if chunked else {"body": body}))
            for i in range(0, len(data), 9000):
                c.send(data[i:i + 9000])
            assert c.response().json()["body"] == len(body)
        assert settled(p, len(BODIES))["differences"] == 0
        long = BODIES[-1] + b"x"
        c.send(request("POST", "/in", **(
            {"chunks": [long]} if chunked else {"body": long})))
        assert c.response().json()["body"] == len(long)
    settled(p, len(BODIES) + 1)
    # Copies do not wait for each other.
    assert sorted((a.body for a in mirror.asked), key=len) == BODIES
    assert [a.body for a in real.asked] == [*BODIES, long]
    assert counted(p, "skipped_total") == {"body": 1}


def test_a_body_that_is_not_mirrored_is_spliced_and_whole(shop, pod):
    real, mirror = pod(told), pod(told)
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=1,
             service=mirror_to(body_bytes="1MiB"))
    sizes = [1 << 20, (1 << 20) + 1, 5 << 20]
    with Client(p.port) as c:
        for size in sizes:
            assert c.ask("PUT", body=b"y" * size).json()["body"] == size
    settled(p, 3)
    assert [len(a.body) for a in mirror.asked] == sizes[:1]
    assert counted(p, "skipped_total") == {"body": 2}


def test_a_request_with_trailers_is_left_out(shop, pod):
    real, mirror = pod(told), pod(told)
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=1,
             service=mirror_to())
    with Client(p.port) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
               b"\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert c.response().status == 200
    settled(p, 1)
    assert real.asked[0].trailers and mirror.asked == []
    assert counted(p, "skipped_total") == {"body": 1}


def test_what_pods_see(shop, pod):
    """The same head, and the mark; which no client can make."""
    real, mirror = pod(told), pod(told)
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=1, service={
        "routes": [{"path": "/a", "rewrite": {"prefix": "/b"},
                    "request_headers": {"set": {"X-Set": "1"}}}],
        **mirror_to()})
    for marks in ([], [("X-Shunt-Mirror", "1"), ("x_shunt_mirror", "2")]):
        assert get(p.port, "/a/c?d=e", fields=[("X-User", "ann"), *marks]
                   ).json()["target"] == "/b/c?d=e"
    settled(p, 2)
    for asked, copy in zip(real.asked, mirror.asked):
        assert asked.get("X-Shunt-Mirror") is None
        assert asked.get("X_Shunt_Mirror") is None
        assert copy.target == asked.target == "/b/c?d=e"
        assert copy.get("X-Set") == "1" and copy.get("X-User") == "ann"
        assert copy.fields == [*asked.fields, ("X-Shunt-Mirror", "1")]


def test_upgrades_are_not_mirrored(shop, pod):
    async def switch(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                     b"Upgrade: echo\r\n\r\n")
        writer.write(await reader.readexactly(4))
        await reader.read()
    mirror = pod(told)
    p = shop({"v1": [pod(raw=switch).port], "v2": [mirror.port]}, workers=1,
             service=mirror_to())
    with Client(p.port) as c:
        c.send(request(fields=[("Connection", "upgrade"),
                               ("Upgrade", "echo")]))
        assert c.head().status == 101
        c.send(b"ping")
        assert c.exactly(4) == b"ping"
    p.wait_idle()
    m = mirrored(p)
    assert (m["requests"], m["skipped"], mirror.asked) == (0, 0, [])


# What becomes of the mirror


async def hang(reader, writer):
    await reader.read()


async def reset(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def garbage(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"\0\xff SSH-2.0 \r\n\r\n" * 100)


async def half(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def drip(reader, writer):
    """Never the whole answer."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def closes(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer(500, "no", [("Connection", "close")]))


MIRRORS = {
    "hangs": (hang, {"timeout"}), "resets": (reset, {"reset"}),
    "garbage": (garbage, {"reset"}), "half": (half, {"reset"}),
    "drips": (drip, {"timeout"}), "500": (closes, {"status"}),
    "refuses": (None, {"connect"}), "full": (FullPod, {"connect"}),
}


@pytest.mark.parametrize("kind", MIRRORS)
def test_nobody_notices_a_broken_mirror(shop, pod, ports, kind):
    """All answers are good, and as fast as without; the mirror's failures
    are counted, and its places are free again in the end."""
    n = 200
    raw, reasons = MIRRORS[kind]
    real = pod(lambda asked: app_answer("1"))
    full = None
    if raw is FullPod:
        full = FullPod(ports.reserve())
        port = full.port
    else:
        port = pod(raw=raw).port if raw else ports.reserve()
    p = shop({"v1": [real.port], "v2": [port]}, workers=1,
             config={"timeouts": {"connect": "3s", "response": "3s"}})
    alone = Load(p.port, connections=4, total=n).run()
    reload(p, changed(p, **mirror_to()))
    load = Load(p.port, connections=4, total=n).run()
    assert load.failures() == []
    assert load.versions() == {"1": n}
    times = [statistics.median(d.ended - d.began for d in x.done)
             for x in (alone, load)]
    assert times[1] < 0.2 + 5 * times[0], times
    m = settled(p, n)
    assert m["errors"] == m["requests"] > 0
    assert set(counted(p, "errors_total")) == reasons
    assert counted(p, "skipped_total").keys() <= {"limit"}
    assert p.version("v1")["errors"] == p.version("v2")["requests"] == 0
    # There is room again.
    assert get(p.port).status == 200
    settled(p, n + 1)
    if full:
        full.stop()


def test_without_a_pod(shop, pod):
    p = shop({"v1": [pod(told).port], "v2": []}, service=mirror_to())
    assert Load(p.port, total=20).run().failures() == []
    assert settled(p, 20)["requests"] == 0
    assert counted(p, "errors_total") == {"no_pod": 20}


def test_a_large_body_to_a_mirror_that_does_not_read(shop, pod):
    """The real upload is done long before the copy's timeout."""
    async def deaf(reader, writer):
        writer.transport.pause_reading()
        await asyncio.sleep(3600)
    real = pod(told)
    p = shop({"v1": [real.port], "v2": [pod(raw=deaf).port]}, workers=1,
             service=mirror_to(body_bytes="16MiB", limit=2),
             config={"timeouts": {"body": "3s", "response": "3s"}})
    body = b"z" * (12 << 20)
    for _ in range(4):
        with Client(p.port) as c:
            assert c.ask("PUT", body=body).json()["body"] == len(body)
    m = settled(p, 4)
    assert m["requests"] + counted(p, "skipped_total").get("limit", 0) == 4
    assert m["errors"] == m["requests"] >= 1


def test_the_limit_is_kept_and_counted(shop, pod):
    """Per worker, and what is beyond is left out; then there is room."""
    gate = asyncio.Event()

    async def wait(asked):
        await gate.wait()
        return told(asked)
    mirror = pod(wait)
    p = shop({"v1": [pod(told).port], "v2": [mirror.port]}, workers=1,
             service=mirror_to(limit=3))
    assert Load(p.port, connections=2, total=10).run().failures() == []
    wait_for(lambda: len(mirror.asked) == 3, "three are there")
    assert mirrored(p)["skipped"] == 7
    assert counted(p, "skipped_total") == {"limit": 7}
    assert p.inflight() == 3
    mirror.loop.loop.call_soon_threadsafe(gate.set)
    assert settled(p, 10)["requests"] == 3
    assert Load(p.port, connections=1, total=1).run().failures() == []
    assert settled(p, 11)["requests"] == 4


def test_bodies_that_still_come_count_as_in_flight(shop, pod):
    """Else slow uploads would take memory without end."""
    p = shop({"v1": [pod(told).port], "v2": [pod(told).port]}, workers=1,
             service=mirror_to(limit=2))
    clients = [Client(p.port) for _ in range(3)]
    for c in clients:
        c.send(request("PUT", fields=[("Content-Length", "10")]) + b"01234")
    wait_for(lambda: mirrored(p)["skipped"] == 1, "one is too many")
    for c in clients:
        c.send(b"56789")
        assert c.response().json()["body"] == 10
        c.close()
    assert settled(p, 3)["requests"] == 2


def test_an_endless_answer_is_cut(shop, pod):
    """The real one was ended by its client; nobody would end the copy."""
    async def endless(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                     b"\r\n")
        while True:
            writer.write(b"data: x\n\n")
            await writer.drain()
            await asyncio.sleep(0.01)
    real, mirror = pod(raw=endless), pod(raw=endless)
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=1,
             service=mirror_to(limit=1),
             config={"timeouts": {"response": "2s"}})
    with Client(p.port) as c:
        c.send(request())
        assert c.head().status == 200
        wait_for(lambda: mirror.writers, "the copy is there")
        c.exactly(2000)
        assert mirrored(p)["requests"] == 0
    assert settled(p, 1)["errors"] == 1
    assert counted(p, "errors_total") == {"timeout": 1}
    wait_for(lambda: not mirror.writers, "the mirror's connection closes")


# Differences


@pytest.mark.parametrize("other,kind", [
    (answer(200, b"a" * 1003), None),
    (answer(200, b"a" * 1002 + b"b"), "body"),
    (answer(200, b"b" + b"a" * 1002), "body"),
    (answer(200, b"a" * 1004), "body"),
    (answer(200), "body"),
    (answer(201, b"a" * 1003), "status"),
    (answer(500, b"oh"), "status"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     + b"3\r\naaa\r\n" + b"3e8\r\n" + b"a" * 1000 + b"\r\n0\r\n\r\n", None),
])
def test_differences(shop, pod, other, kind):
    real = pod(lambda asked: answer(200, b"a" * 1003))
    p = shop({"v1": [real.port], "v2": [pod(lambda asked: other).port]},
             workers=1, service=mirror_to())
    assert Load(p.port, connections=2, total=30).run().failures() == []
    n = 30 if kind else 0
    assert settled(p, 30)["differences"] == n
    assert counted(p, "differences_total") == ({kind: n} if kind else {})


def test_of_a_body_that_passes_unseen_the_length_counts(shop, pod):
    """It is spliced to the client, and mirroring does not change that."""
    sizes = {"/same": (8 << 20, 8 << 20), "/other": (8 << 20, (8 << 20) + 1)}

    def of(side):
        return lambda asked: answer(200, b"ab"[side:side + 1]
                                    * sizes[asked.target][side])
    p = shop({"v1": [pod(of(0)).port], "v2": [pod(of(1)).port]}, workers=1,
             service=mirror_to())
    assert len(get(p.port, "/same").body) == 8 << 20
    assert settled(p, 1)["differences"] == 0
    assert len(get(p.port, "/other").body) == 8 << 20
    assert settled(p, 2)["differences"] == 1


@pytest.mark.parametrize("method", ["HEAD", "DELETE"])
def test_methods_that_have_no_body(shop, pod, method):
    def empty(asked):
        return answer(204 if method == "DELETE" else 200).replace(
            b"Content-Length: 0\r\n",
            b"Content-Length: 99\r\n" if method == "HEAD" else b"")
    pods = [pod(empty), pod(empty)]
    p = shop({"v1": [pods[0].port], "v2": [pods[1].port]}, workers=1,
             service=mirror_to())
    with Client(p.port) as c:
        for _ in range(3):
            assert c.ask(method).status < 300
    assert settled(p, 3)["differences"] == 0
    assert [a.method for a in pods[1].asked] == [method] * 3


def test_a_failed_real_request_is_mirrored_but_not_compared(shop, pod, ports):
    mirror = pod(told)
    p = shop({"v1": [ports.reserve()], "v2": [mirror.port]}, workers=1,
             service=mirror_to())
    assert get(p.port).status == 502
    m = settled(p, 1)
    assert (m["requests"], m["errors"], m["differences"]) == (1, 0, 0)


# Clients that leave


def test_client_leaves_before_its_request_is_complete(shop, pod):
    mirror = pod(told)
    p = shop({"v1": [pod(told).port], "v2": [mirror.port]}, workers=1,
             service=mirror_to())
    for n in range(5):
        with Client(p.port) as c:
            c.send(request("PUT", fields=[("Content-Length", "10")]) + b"012")
            wait_for(lambda: p.inflight() == 1, "in flight")
        settled(p, n + 1)
    assert counted(p, "skipped_total") == {"incomplete": 5}
    assert mirror.asked == []


@pytest.mark.parametrize("first", ["client", "mirror"])
def test_client_leaves_while_pods_think(shop, pod, first):
    """The copy goes its way; there is nothing to compare."""
    gates = [asyncio.Event(), asyncio.Event()]

    def waits(gate, status):
        async def wait(asked):
            await gate.wait()
            return answer(status, "x")
        return wait
    mirror = pod(waits(gates[1], 500))
    real = pod(waits(gates[0], 200))
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=1,
             service=mirror_to())
    c = Client(p.port)
    c.send(request("POST", body=b"whole"))
    wait_for(lambda: real.asked and mirror.asked, "both are asked")
    if first == "client":
        vanish(c)
        wait_for(lambda: p.version("v1")["pods"][0]["inflight"] == 0, "gone")
        mirror.loop.loop.call_soon_threadsafe(gates[1].set)
    else:
        mirror.loop.loop.call_soon_threadsafe(gates[1].set)
        wait_for(lambda: mirrored(p)["requests"] == 1, "the copy is over")
        vanish(c)
    assert mirror.asked[0].body == b"whole"
    m = settled(p, 1)
    assert (m["requests"], m["errors"], m["differences"]) == (1, 1, 0)
    mirror.loop.loop.call_soon_threadsafe(gates[0].set)


# HTTP/2 on either side


@pytest.mark.parametrize("client", ["h1", "h2"])
@pytest.mark.parametrize("mirror", ["h1", "h2c"])
def test_protocols(proxy, pod, h2_pod, client, mirror):
    def h2_told(asked):
        return Answer(200, json.dumps({"target": asked.target,
                                       "body": len(asked.body)}))
    real = pod(told)
    other = pod(told) if mirror == "h1" else h2_pod(h2_told)
    p = proxy({"services": {"shop": {
        "versions": {
            "v1": {"pods": [f"127.0.0.1:{real.port}"]},
            "v2": {"pods": [f"127.0.0.1:{other.port}"], "protocol": mirror}},
        **mirror_to()}}}, workers=1)
    bodies = [None, b"x" * 10, b"y" * 65536, b"z" * 65537]
    if client == "h1":
        with Client(p.port) as c:
            for b in bodies:
                method = "POST" if b else "GET"
                assert c.ask(method, "/", body=b).status == 200
    else:
        with H2Client(p.port) as c:
            streams = [c.request("POST" if b else "GET", body=b)
                       for b in bodies]
            assert [r.status for r in c.responses(streams)] == [200] * 4
    m = settled(p, 4)
    assert (m["requests"], m["differences"], m["skipped"]) == (3, 0, 1)
    assert sorted(len(a.body) for a in other.asked) == [0, 10, 65536]
    assert all(a.get("X-Shunt-Mirror") == "1" for a in other.asked)


def test_http2_mirror_that_hangs_resets_and_refuses(shop, pod, h2_pod):
    turns = itertools.cycle(range(3))

    async def respond(asked):
        n = next(turns)
        if n == 0:
            asked.cancel(7 if asked.method == "GET" else 2)
        elif n == 1:
            await asyncio.sleep(3600)
        else:
            return Answer(500, "no")
    mirror = h2_pod(respond)
    p = shop({"v1": [pod(told).port]}, workers=1,
             config={"timeouts": {"response": "3s", "body": "3s"}})
    config = changed(p, **mirror_to())
    config["services"]["shop"]["versions"]["v2"] = {
        "pods": [f"127.0.0.1:{mirror.port}"], "protocol": "h2c"}
    reload(p, config)
    with H2Client(p.port) as c:
        streams = [c.request(b and "POST" or "GET", body=b)
                   for b in [None, b"body"] * 30]
        assert [r.status for r in c.responses(streams)] == [200] * 60
    m = settled(p, 60)
    assert m["errors"] == m["requests"] == 60
    assert set(counted(p, "errors_total")) == {"status", "timeout", "reset"}


# Changes while it runs


def test_share_and_counters_go_on(shop, pod):
    """Over weights that are set and reloads; another version's are others."""
    pods = [pod(told) for _ in range(3)]
    p = shop({f"v{i + 1}": [x.port] for i, x in enumerate(pods)}, workers=2,
             service=mirror_to(share="10%"))
    for i in range(20):
        assert Load(p.port, connections=1, total=5).run().failures() == []
        if i % 2:
            reload(p, changed(p, balance="random" if i % 4 == 1
                              else "round_robin"))
        else:
            p.cli("weight", "shop", f"v1={i + 1}", check=True)
    assert settled(p, 10)["requests"] == 10
    assert (len(pods[0].asked), len(pods[1].asked)) == (100, 10)
    reload(p, changed(p, **mirror_to("v3")))
    assert (mirrored(p)["version"], mirrored(p)["requests"]) == ("v3", 0)
    assert get(p.port).status == 200
    settled(p, 1)
    assert (len(pods[1].asked), len(pods[2].asked)) == (10, 1)
    reload(p, changed(p, mirror=None))
    assert mirrored(p) is None
    assert get(p.port).status == 200
    p.wait_idle()
    assert len(pods[2].asked) == 1


def test_reloads_under_load(shop, pod):
    """The mirror comes, changes, hangs and goes, with its version."""
    real, good, bad = pod(told), pod(told), pod(raw=hang)
    p = shop({"v1": [real.port], "v2": [good.port], "v3": [bad.port]},
             workers=2, service=mirror_to())
    without = changed(p, mirror=None)
    for gone in ("v2", "v3"):
        del without["services"]["shop"]["versions"][gone]
    reordered = changed(p, **mirror_to("v3", limit=5))
    shops = reordered["services"]["shop"]["versions"]
    reordered["services"]["shop"]["versions"] = dict(reversed(shops.items()))
    other = {**p.config, "services": {
        "else": without["services"]["shop"]}}
    load = Load(p.port, connections=8).start()
    for i in range(24):
        reload(p, [p.config, reordered, without, other][i % 4])
        load.wait(20)
    assert load.stop().failures() == []
    reload(p, without)
    assert {v["name"] for v in p.status()["versions"]} == {"v1"}
    assert mirrored(p) is None


def test_drain_does_not_wait_for_mirrors(shop, pod):
    """Copies hang, at pods and before their bodies are whole; the real
    request is finished."""
    gate = asyncio.Event()

    async def slow(asked):
        if asked.target == "/slow":
            await gate.wait()
        return told(asked)
    real, mirror = pod(slow), pod(raw=hang)
    p = shop({"v1": [real.port], "v2": [mirror.port]}, workers=1,
             service=mirror_to(),
             config={"timeouts": {"drain": "1h", "response": "1h"}})
    assert Load(p.port, total=20).run().failures() == []
    wait_for(lambda: len(mirror.writers) == 20, "the copies hang")
    with Client(p.port) as busy, Client(p.port) as upload:
        busy.send(request(path="/slow"))
        upload.send(request("PUT", fields=[("Content-Length", "4")]) + b"01")
        wait_for(lambda: p.version("v1")["pods"][0]["inflight"] == 2, "both")
        p.signal(signal.SIGTERM)
        wait_for(lambda: not mirror.writers, "the copies are dropped")
        assert p.process.poll() is None
        upload.send(b"23")
        assert upload.response().json()["body"] == 4
        real.loop.loop.call_soon_threadsafe(gate.set)
        assert busy.response().status == 200
    assert p.wait(PATIENCE) == 0


def test_few_descriptors(shop, pod):
    """Copies that hang give them back to real requests and connections."""
    p = shop({"v1": [pod(told).port], "v2": [pod(raw=hang).port]}, workers=1,
             service=mirror_to(limit=1000), files=120,
             config={"timeouts": {"response": "2s"}})
    for _ in range(4):
        load = Load(p.port, connections=20, total=100).run()
        assert load.failures() == []
    m = settled(p, 400)
    assert 0 < m["requests"] < 400
    assert set(counted(p, "skipped_total")) == {"limit"}
