"""Listeners behind another balancer: the PROXY header names the client."""
import socket
import struct

import pytest

from client import Client, get, request
from harness import wait_for

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = (socket.inet_aton("198.51.100.7") + socket.inet_aton("127.0.0.1")
      + struct.pack(">HH", 4711, 80))
V6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::7")
      + socket.inet_pton(socket.AF_INET6, "::1")
      + struct.pack(">HH", 4711, 80))


def v2(command, family, block=b""):
    return SIGNATURE + struct.pack(">BBH", command, family,
                                   len(block)) + block


def v1(address="198.51.100.7"):
    family = "TCP6" if ":" in address else "TCP4"
    return f"PROXY {family} {address} {address} 4711 80\r\n".encode()


# A header, and the client that the pod is told of.
HEADERS = [
    (v1(), "198.51.100.7"),
    (v1("2001:db8::7"), "2001:db8::7"),
    (v1("::ffff:198.51.100.7"), "198.51.100.7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (b"PROXY UNKNOWN ffff:f...f 1 2 3\r\n", "127.0.0.1"),
    (v2(0x21, 0x11, V4), "198.51.100.7"),
    (v2(0x21, 0x21, V6), "2001:db8::7"),
    (v2(0x21, 0x11, V4 + b"\x01\x00\x02h2\x04\x00\x00"), "198.51.100.7"),
    (v2(0x21, 0x11, V4 + b"\x04" + struct.pack(">H", 4065) + bytes(4065)),
     "198.51.100.7"),
    (v2(0x21, 0x31, bytes(216)), "127.0.0.1"),
    (v2(0x21, 0x00), "127.0.0.1"),
    (v2(0x20, 0x00), "127.0.0.1"),
    (v2(0x20, 0x11, V4), "127.0.0.1"),
]
BROKEN = {
    "no header": b"",
    "text": b"PROXY TCP4 198.51.100.7 127.0.0.1 4711\r\n",
    "leading zero": b"PROXY TCP4 198.51.100.07 127.0.0.1 4711 80\r\n",
    "bare LF": b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 80\n",
    "too long": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "version 3": v2(0x31, 0x11, V4),
    "command": v2(0x22, 0x11, V4),
    "family": v2(0x21, 0x13, V4),
    "short": v2(0x21, 0x21, V4),
    "value": v2(0x21, 0x11, V4 + b"\x04\x00\x09"),
    "over 4 KiB": v2(0x21, 0x11, V4 + b"\x04" + struct.pack(">H", 4066)
                     + bytes(4066)),
    "twice": v1() + v1(),
}


class Doors:
    """One proxy with a plain listener and one behind a balancer."""

    def __init__(self, shop, pod, ports, config=None, **options):
        self.plain, self.behind = ports.reserve(), ports.reserve()
        self.pod = pod()
        self.proxy = shop({"v1": [self.pod.port]}, config={
            "listen": self.listen(True), **(config or {})}, **options)

    def listen(self, proxy_protocol):
        return [{"address": f"127.0.0.1:{self.plain}"},
                {"address": f"127.0.0.1:{self.behind}",
                 "proxy_protocol": proxy_protocol}]


@pytest.fixture
def doors(shop, pod, ports):
    return Doors(shop, pod, ports, workers=1)


def forwarded_for(reply):
    assert reply.status == 200, reply.body
    return [v for n, v in reply.json()["fields"]
            if n.lower() == "x-forwarded-for"]


@pytest.mark.parametrize("header,client", HEADERS)
def test_the_announced_client(doors, header, client):
    with Client(doors.behind) as c:
        c.send(header + request())
        assert forwarded_for(c.response()) == [client]
        # It holds for the connection.
        assert forwarded_for(c.ask()) == [client]


@pytest.mark.parametrize("header,client", [HEADERS[0], HEADERS[6],
                                           HEADERS[10]])
def test_byte_by_byte(doors, header, client):
    with Client(doors.behind) as c:
        for byte in header:
            c.send(bytes([byte]))
        assert forwarded_for(c.ask()) == [client]


@pytest.mark.parametrize("what", BROKEN)
def test_anything_else_closes(doors, what):
    """Nothing is answered, and nothing reaches a pod."""
    with Client(doors.behind) as c:
        c.send(BROKEN[what] + request())
        try:
            answer = c.rest()
        except ConnectionResetError:
            answer = c.buffer
    # Behind a good header a second one is a bad request.
    assert answer.startswith(b"HTTP/1.1 400 ") if what == "twice" \
        else answer == b""
    assert doors.pod.asked == []
    with Client(doors.behind) as c:
        c.send(v1() + request())
        assert c.response().status == 200


def test_silence_and_half_a_header_time_out(shop, pod, ports):
    doors = Doors(shop, pod, ports, {"timeouts": {"header": "200ms"}})
    for start in (b"", b"PROXY TCP4 1", SIGNATURE):
        with Client(doors.behind) as c:
            c.send(start)
            assert c.closed()


def test_the_plain_listener_is_not_affected(doors):
    with Client(doors.plain) as c:
        assert forwarded_for(c.ask()) == ["127.0.0.1"]
    for header in (v1(), v2(0x21, 0x11, V4)):
        with Client(doors.plain) as c:
            c.send(header + request())
            assert c.response().status == 400
    assert len(doors.pod.asked) == 1


def test_who_is_trusted_is_the_announced_client(shop, pod, ports):
    doors = Doors(shop, pod, ports,
                  {"forward": {"trusted": ["198.51.100.0/24"]}})
    told = [("X-Forwarded-Proto", "https")]
    for client, want in (("198.51.100.7", "https"), ("192.0.2.1", "http")):
        with Client(doors.behind) as c:
            c.send(v1(client) + request(fields=told))
            fields = c.response().json()["fields"]
            assert ["X-Forwarded-Proto", want] in fields


def test_the_limit_per_client_counts_announced_ones(shop, pod, ports):
    doors = Doors(shop, pod, ports,
                  {"limits": {"connections_per_client": 2}}, workers=2)

    def status(c, client):
        c.send(v1(client) + request())
        try:
            return c.response().status
        except (OSError, EOFError):
            return 503  # closed before its answer was read

    def ask(client):
        with Client(doors.behind) as c:
            return status(c, client)
    clients = ["198.51.100.7", "192.0.2.1", "2001:db8::7"]
    held = []
    for client in clients * 2:
        held.append(Client(doors.behind))
        assert status(held[-1], client) == 200
    for client in clients:
        assert ask(client) == 503
    assert ask("2001:db8::8") == 503, "the same /64"
    assert ask("2001:db8:0:1::7") == 200
    # The balancer itself is not counted, the plain listener is as before.
    for _ in range(2):
        held.append(Client(doors.plain))
        assert held[-1].ask().status == 200
    for c in held:
        c.close()
    for client in clients:
        wait_for(lambda a=client: ask(a) == 200, f"{client} has left")


def test_a_reload_turns_it_on_and_off(doors):
    """A new kind of connection; those that are there go on as they are."""
    p = doors.proxy

    def reload(proxy_protocol):
        p.write({**p.config, "listen": doors.listen(proxy_protocol)})
        assert p.api("POST", "/api/v1/reload")[0] == 200
    with Client(doors.behind) as old:
        old.send(v1() + request())
        assert forwarded_for(old.response()) == ["198.51.100.7"]
        reload(False)
        assert forwarded_for(get(doors.behind)) == ["127.0.0.1"]
        assert forwarded_for(old.ask()) == ["198.51.100.7"]
        # One address, one line, both kinds in it.
        connections = p.metrics()["shunt_connections"]
        assert len(connections) == 2
        key = next(k for k in connections if str(doors.behind) in k)
        wait_for(lambda: p.metrics()["shunt_connections"][key] == 1,
                 "only the old one is left")
        reload(True)
        assert forwarded_for(old.ask()) == ["198.51.100.7"]
    with Client(doors.behind) as c:
        c.send(v1("192.0.2.1") + request())
        assert forwarded_for(c.response()) == ["192.0.2.1"]
    with Client(doors.behind) as c:
        c.send(request())
        assert c.closed()
