"""gRPC with its own client and server, in clear text and over TLS."""
import concurrent.futures
import threading

import grpc
import pytest

from client import get
from h2pod import Answer
from harness import PATIENCE, wait_for

NAME = "test.Echo"
CODES = list(grpc.StatusCode)


class Service(grpc.GenericRpcHandler):
    """Methods of each kind, on plain bytes."""

    def __init__(self):
        self.asked = 0
        self.gate = threading.Event()
        self.late_begun = threading.Event()
        self.cancelled = threading.Event()
        self.metadata = []

    def service(self, details):
        self.asked += 1
        self.metadata = list(details.invocation_metadata)
        kind = details.method.rsplit("/", 1)[1]
        return {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Late": grpc.unary_unary_rpc_method_handler(self.late),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Broken": grpc.unary_stream_rpc_method_handler(self.broken),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }.get(kind)

    def unary(self, message, context):
        context.send_initial_metadata([("x-first", "1")])
        context.set_trailing_metadata([("x-last", "2"), ("x-b-bin", b"\0")])
        return b"<" + message + b">"

    def fail(self, message, context):
        context.abort(CODES[int(message)], "as you like: ü")

    def late(self, message, context):
        if not context.add_callback(self.cancelled.set):
            self.cancelled.set()  # it was before we were
        self.late_begun.set()
        self.gate.wait(PATIENCE)
        return message

    def down(self, message, context):
        for i in range(int(message)):
            yield b"%d" % i

    def broken(self, message, context):
        yield b"one"
        context.abort(grpc.StatusCode.DATA_LOSS, "half way")

    def up(self, messages, context):
        return b"%d" % sum(len(m) for m in messages)

    def both(self, messages, context):
        for message in messages:
            yield message[::-1]


class Server:
    def __init__(self, port, certs=None):
        self.handler = Service()
        self.pool = concurrent.futures.ThreadPoolExecutor(16)
        self.server = grpc.server(self.pool, handlers=[self.handler],
                                  options=[("grpc.so_reuseport", 1)])
        address = f"127.0.0.1:{port}"
        if certs:
            leaf = certs.shop()
            self.server.add_secure_port(
                address, grpc.ssl_server_credentials([(
                    read(leaf.key), read(leaf.certificate))]))
        else:
            self.server.add_insecure_port(address)
        self.server.start()

    def stop(self):
        self.handler.gate.set()
        self.server.stop(0).wait(PATIENCE)


def read(path):
    with open(path, "rb") as f:
        return f.read()


@pytest.fixture
def grpc_pod(ports, certs):
    started = []

    def start(secure=False):
        port = ports.reserve()
        server = Server(port, certs if secure else None)
        server.port = port
        started.append(server)
        return server
    yield start
    for server in started:
        server.stop()


class Calls:
    """A channel through the proxy."""

    def __init__(self, p, certs, secure):
        options = [("grpc.enable_retries", 0)]
        if secure:
            credentials = grpc.ssl_channel_credentials(read(certs.ca))
            self.channel = grpc.secure_channel(
                f"127.0.0.1:{p.tls}", credentials,
                options + [("grpc.ssl_target_name_override", "shop.test")])
        else:
            self.channel = grpc.insecure_channel(f"127.0.0.1:{p.port}",
                                                 options)

    def __getattr__(self, method):
        kind = {"Unary": "unary_unary", "Fail": "unary_unary",
                "Late": "unary_unary", "Down": "unary_stream",
                "Broken": "unary_stream", "Up": "stream_unary",
                "Both": "stream_stream", "Absent": "unary_unary"}[method]
        return getattr(self.channel, kind)(f"/{NAME}/{method}")


@pytest.fixture(params=[(c, p) for c in ("h2c", "h2") for p in ("h2c", "h2")],
                ids=lambda pair: "-".join(pair))
def way(request, tls_shop, grpc_pod, certs):
    """way(): calls from a client of one kind to a pod of another."""
    made = []

    def start(service=None, **options):
        client, pod = request.param
        server = grpc_pod(pod == "h2")
        own = {"protocol": pod}
        if pod == "h2":
            own["tls"] = {"ca": certs.ca}
        p = tls_shop({"v1": [server.port]}, workers=1,
                     service={**own, **(service or {})}, **options)
        calls = Calls(p, certs, client == "h2")
        calls.p, calls.pod = p, server.handler
        made.append(calls)
        return calls
    yield start
    for calls in made:
        calls.channel.close()


def test_unary(way):
    calls = way()
    answer, call = calls.Unary.with_call(
        b"hello", timeout=PATIENCE, metadata=[("x-mine", "3")])
    assert answer == b"<hello>"
    assert call.code() == grpc.StatusCode.OK
    assert dict(call.initial_metadata())["x-first"] == "1"
    trailing = dict(call.trailing_metadata())
    assert (trailing["x-last"], trailing["x-b-bin"]) == ("2", b"\0")
    asked = {m.key: m.value for m in calls.pod.metadata}
    assert asked["x-mine"] == "3" and "x-forwarded-for" in asked
    for size in (0, 1, 70_000, 3_000_000):
        assert len(calls.Unary(bytes(size), timeout=PATIENCE)) == size + 2


def test_streams_of_each_direction(way):
    calls = way()
    got = list(calls.Down(b"500", timeout=PATIENCE))
    assert got == [b"%d" % i for i in range(500)]
    assert list(calls.Down(b"0", timeout=PATIENCE)) == []
    assert calls.Up((bytes(1000) for _ in range(300)),
                    timeout=PATIENCE) == b"300000"
    assert calls.Up(iter(()), timeout=PATIENCE) == b"0"


def test_a_conversation(way):
    """Each message waits for the answer to the one before."""
    answers = []
    ready = threading.Semaphore(0)

    def messages():
        for i in range(50):
            yield b"%02d" % i
            assert ready.acquire(timeout=PATIENCE)
    for answer in way().Both(messages(), timeout=PATIENCE):
        answers.append(answer)
        ready.release()
    assert answers == [(b"%02d" % i)[::-1] for i in range(50)]


def test_statuses_of_failures(way):
    """Trailers only: they come as the pod said them."""
    calls = way()
    for n, code in enumerate(CODES):
        if code is grpc.StatusCode.OK:
            continue
        with pytest.raises(grpc.RpcError) as caught:
            calls.Fail(b"%d" % n, timeout=PATIENCE)
        assert caught.value.code() == code
        assert caught.value.details() == "as you like: ü"
    with pytest.raises(grpc.RpcError) as caught:
        calls.Absent(b"", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_failure_half_way(way):
    got = []
    with pytest.raises(grpc.RpcError) as caught:
        for message in way().Broken(b"", timeout=PATIENCE):
            got.append(message)
    assert got == [b"one"]
    assert caught.value.code() == grpc.StatusCode.DATA_LOSS
    assert caught.value.details() == "half way"


def test_deadlines_and_cancelling_reach_the_pod(way):
    calls = way()
    with pytest.raises(grpc.RpcError) as caught:
        calls.Late(b"x", timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert calls.pod.cancelled.wait(PATIENCE)
    calls.pod.late_begun.clear()
    calls.pod.cancelled.clear()
    future = calls.Late.future(b"x", timeout=PATIENCE)
    assert calls.pod.late_begun.wait(PATIENCE)
    future.cancel()
    assert calls.pod.cancelled.wait(PATIENCE)
    calls.p.wait_idle()


def test_many_at_once(way):
    calls = way()
    futures = [calls.Unary.future(b"%d" % i, timeout=PATIENCE)
               for i in range(200)]
    assert [f.result() for f in futures] == [b"<%d>" % i for i in range(200)]
    calls.p.wait_idle()


def test_what_counts_as_an_error(way):
    """errors.grpc: 2, 4 and 13 to 15; 5 is the client's own doing."""
    calls = way({"errors": {"grpc": [2, 4, "13-15"]}})
    for code in (2, 4, 13, 14, 15, 5, 7, 16):
        n = next(i for i, c in enumerate(CODES) if c.value[0] == code)
        with pytest.raises(grpc.RpcError):
            calls.Fail(b"%d" % n, timeout=PATIENCE)
    calls.Unary(b"x", timeout=PATIENCE)
    list(calls.Down(b"3", timeout=PATIENCE))
    wait_for(lambda: calls.p.version("v1")["requests"] == 10, "all counted")
    assert calls.p.version("v1")["errors"] == 5
    errors = calls.p.metrics()["shunt_errors_total"]
    assert sum(n for k, n in errors.items() if 'version="v1"' in k) == 5
    # In the trailers behind messages, too: 15 is DATA_LOSS.
    with pytest.raises(grpc.RpcError):
        list(calls.Broken(b"", timeout=PATIENCE))
    wait_for(lambda: calls.p.version("v1")["errors"] == 6, "it is counted")


def test_nothing_counts_by_default(way):
    calls = way()
    for n in range(1, len(CODES)):
        with pytest.raises(grpc.RpcError):
            calls.Fail(b"%d" % n, timeout=PATIENCE)
    assert calls.p.version("v1")["errors"] == 0


def test_our_own_answers_are_understood(tls_shop, ports, certs):
    """Nobody listens: the client is told UNAVAILABLE."""
    p = tls_shop({"v1": [ports.reserve()]}, workers=1,
                 service={"protocol": "h2c", "retry": {"attempts": 0}})
    calls = Calls(p, certs, False)
    with pytest.raises(grpc.RpcError) as caught:
        calls.Unary(b"x", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    calls.channel.close()


def test_a_stop_lets_streams_finish(tls_shop, grpc_pod, certs):
    server = grpc_pod()
    p = tls_shop({"v1": [server.port]}, workers=1,
                 service={"protocol": "h2c"})
    calls = Calls(p, certs, True)
    future = calls.Late.future(b"x", timeout=PATIENCE)
    wait_for(lambda: p.inflight() == 1, "it is at the pod")
    p.process.terminate()
    wait_for(lambda: refused(p.tls), "the listener is closed")
    server.handler.gate.set()
    assert future.result() == b"x"
    assert p.wait() == 0
    calls.channel.close()


def refused(port):
    try:
        get(port)
        return False
    except ConnectionRefusedError:
        return True
    except (OSError, EOFError, AssertionError):
        return False


def test_requests_of_http1_see_the_status_in_trailers(shop, h2_pod):
    """grpc-status counts wherever the client comes from."""
    def respond(asked):
        return Answer(200, b"\0\0\0\0\0", [
            ("content-type", "application/grpc")],
            trailers=[("grpc-status", asked.get("x-say"))])
    p = shop({"v1": [h2_pod(respond).port]}, workers=1, service={
        "protocol": "h2c", "errors": {"grpc": [14]}})
    for status, errors in (("0", 0), ("14", 1), ("5", 1), ("14", 2),
                           ("x", 2), ("140", 2)):
        assert get(p.port, fields=[("X-Say", status)]).status == 200
        wait_for(lambda n=errors: p.version("v1")["errors"] == n,
                 f"{errors} errors behind {status}")
