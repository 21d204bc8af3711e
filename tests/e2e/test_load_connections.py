"""`shunt load` and what befalls connections: kept ones that end, streams that
are refused, limits of the server and of ourselves."""
import asyncio
import resource
import signal
import time

import pytest

from h2pod import STREAMS, Answer
from harness import wait_for
from pods import answer
from test_load import SECONDS, finish, load, start, url


@pytest.mark.parametrize("threads", [1, 3])
def test_nothing_is_sent_before_its_time(pod, threads):
    """A lone request takes what the server takes, too."""
    async def respond(asked):
        await asyncio.sleep(0.1)
        return answer(200)
    got = load(url(pod(respond)), "-n", str(threads), "-t", str(threads),
               "--rate", "10000")
    assert got["totals"]["requests"] == threads
    assert got["totals"]["p50_ms"] >= 99
    assert got["totals"]["mean_ms"] >= 99


# connections that end

@pytest.mark.parametrize("method, errors, resent", [
    ("GET", 0, 9), ("DELETE", 0, 9), ("POST", 5, 0)])
def test_a_kept_connection_that_ends_under_a_request(
        pod, method, errors, resent):
    """Each of them has served one, and is closed when the next one comes: a
    client asks again, unless that might be done twice."""
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200))
        await reader.readuntil(b"\r\n\r\n")
    p = pod(raw=raw)
    got = load(url(p), "--closed", "-c", "1", "-n", "10", "-X", method,
               "--expect", f"resent={resent}")
    assert got["totals"]["errors"] == errors
    assert got["totals"]["resent"] == resent
    assert got["totals"]["statuses"] == {"200": 10 - errors}
    assert len(got["downtime"]) == errors


def test_a_new_connection_that_ends_is_a_failure(pod):
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
    got = load(url(pod(raw=raw)), "-n", "5", status=1)
    assert got["totals"]["errors_by_kind"] == {"reset": 5}
    assert got["totals"]["resent"] == 0


def test_what_has_begun_is_not_asked_again(pod):
    """The second answer of each connection is cut."""
    async def raw(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"H")
        await writer.drain()
    got = load(url(pod(raw=raw)), "--closed", "-c", "1", "-n", "10")
    assert got["totals"]["errors_by_kind"] == {"reset": 5}
    assert got["totals"]["resent"] == 0


def test_http2_streams_that_are_refused(h2_pod):
    """The server has not looked at them, so they are asked again, whatever
    their method; but not for ever."""
    async def respond(asked):
        if asked.target == "/7" or \
                [a.target for a in p.asked].count(asked.target) <= 2:
            asked.cancel(7)
        else:
            await asked.answer(Answer(200))
    p = h2_pod(respond)
    got = load(f"http://127.0.0.1:{p.port}/{{user}}", "--protocol", "h2",
               "-n", "20", "--body", "x")
    assert got["totals"]["errors_by_kind"] == {"reset": 1}
    assert got["totals"]["resent"] == 2 * 19 + 5


def test_http2_goaway_in_the_middle(h2_pod):
    """What it does not cover goes to the next connection."""
    def respond(asked):
        connection = asked.connection
        if connection.last is None and p.asked.index(asked) % 5 == 4:
            connection.goaway(0, asked.stream - 2)
        if connection.last is not None and asked.stream > connection.last:
            return None
        return Answer(200)
    p = h2_pod(respond)
    got = load(f"http://127.0.0.1:{p.port}/", "--protocol", "h2", "--closed",
               "-c", "1", "--streams", "3", "-n", "50", "-X", "POST")
    assert got["totals"]["errors"] == 0
    assert got["totals"]["resent"] >= 10


@pytest.mark.parametrize("kind", [["--rate", "100000"], ["--closed"]])
def test_http2_one_stream_at_a_time(h2_pod, kind):
    """The pod ends a connection that has more: it is not told to, before its
    settings have come."""
    async def respond(asked):
        await asyncio.sleep(0.005)
        return Answer(200)
    p = h2_pod(respond, settings={STREAMS: 1})
    got = load(f"http://127.0.0.1:{p.port}/", "--protocol", "h2", *kind,
               "-n", "100", "-c", "8", "--streams", "10")
    assert got["totals"]["errors"] == 0
    assert got["totals"]["resent"] == 0
    assert 1 < got["totals"]["connections"] <= 8


def test_http2_streams_are_filled_before_connections(h2_pod):
    p = h2_pod(lambda asked: Answer(200), settings={STREAMS: 100})
    got = load(f"http://127.0.0.1:{p.port}/", "--protocol", "h2",
               "--rate", "100000", "-n", "100")
    assert got["totals"]["errors"] == 0
    assert got["totals"]["connections"] == 1


def test_http2_rubbish_ends_the_connection(h2_pod):
    """At once, and not when the timeout is over."""
    def respond(asked):
        if len(p.asked) != 3:
            return Answer(200)
        asked.connection.writer.write(b"\xff" * 100)
        return None
    p = h2_pod(respond)
    began = time.monotonic()
    got = load(f"http://127.0.0.1:{p.port}/", "--protocol", "h2", "--closed",
               "-c", "1", "-n", "6", "--timeout", "1h")
    assert time.monotonic() - began < SECONDS
    assert got["totals"]["errors_by_kind"] == {"protocol": 1}


def test_the_reason_is_told(pod, certs, ports):
    p = pod(context=certs.server_context(certs.shop()))
    got = load(f"https://127.0.0.1:{p.port}/", "-n", "2", status=1)
    assert got["totals"]["errors_by_kind"] == {"tls": 2}
    assert "certificate" in got["reasons"].pop("tls")
    assert got["reasons"] == {}
    got = load(f"https://127.0.0.1:{p.port}/", "-n", "2", "--protocol", "h2",
               "--ca", certs.ca, status=1)
    assert "HTTP/2" in got["reasons"]["protocol"]
    nobody = f"http://127.0.0.1:{ports.reserve()}/"
    assert load(nobody, "-n", "2", status=1)["reasons"] == {
        "connect": "Connection refused"}
    _, out, _ = finish(start(nobody, "-n", "2"))
    assert "errors by kind: connect 2\n  connect: Connection refused\n" in out


# our own limits

def test_too_few_files(pod):
    """Said before the run: the server is not to be blamed for it."""
    p = pod()
    few = {"preexec_fn": lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (64, 64))}
    code, out, err = finish(start(url(p), "-n", "5", **few))
    assert (code, out) == (1, "") and "--connections: 100 of them need" in err
    assert p.asked == []
    code, _, err = finish(start(url(p), "-n", "5", "-c", "40", **few))
    assert (code, err) == (0, "") and len(p.asked) == 5


def test_a_page_that_cannot_be_written_is_told_of_before(pod, tmp_path):
    p = pod()
    code, out, err = finish(start(url(p), "-n", "1", "--html",
                                  str(tmp_path / "none" / "page.html")))
    assert (code, out) == (1, "") and "No such file or directory" in err
    assert p.asked == []


@pytest.mark.parametrize("name", ["./admin.sock", "admin.sock"])
def test_an_admin_socket_in_this_folder(pod, loop, tmp_path, name):
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
    server = loop.call(asyncio.start_unix_server(
        serve, str(tmp_path / "admin.sock")))
    p = pod()
    child = start(url(p), "--rate", "20", "--admin", name, cwd=tmp_path)
    wait_for(lambda: heard, "the events are asked for")
    child.send_signal(signal.SIGINT)
    code, _, err = finish(child)
    loop.loop.call_soon_threadsafe(server.close)
    assert heard[0].startswith(b"GET /api/v1/events ")
    assert code == 0 or "no request was answered" in err


def test_interrupted_when_the_time_is_over(pod):
    """A closed loop only waits for its last answers by then; the first signal
    does not end that."""
    released = asyncio.Event()

    async def respond(asked):
        await released.wait()
        return answer(200)
    p = pod(respond)
    child = start(url(p), "-o", "json", "--closed", "-c", "4", "-d", "100ms",
                  "--timeout", "1h")
    wait_for(lambda: len(p.asked) == 4, "all of them have asked")
    over = time.monotonic() + 0.5
    wait_for(lambda: time.monotonic() > over, "the time is over")
    child.send_signal(signal.SIGINT)
    over = time.monotonic() + 0.2
    wait_for(lambda: time.monotonic() > over or child.poll() is not None,
             "it has the signal")
    assert child.poll() is None
    p.loop.loop.call_soon_threadsafe(released.set)
    code, out, err = finish(child)
    assert (code, err) == (0, "") and '"200": 4' in out
