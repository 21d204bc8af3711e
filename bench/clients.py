"""Clients that speak TLS: single ones, and one that makes only handshakes.

wrk takes up its sessions again and h2load never closes for "Connection:
close", so connections that each shake hands in full are made here. The
HTTP/2 client knows what one request at a time needs: RFC 9113, and of RFC
7541 the static table and literals; it does not read the fields of replies.
"""

import select
import socket
import ssl
import struct
import time

from programs import Failed

DRAIN_LIMIT = 10.0
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = \
    0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
INITIAL_WINDOW_SIZE = 4
WINDOW = 1 << 30  # never to be updated, as h2load does it
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATIC = {":authority": 1, ":path": 4}
GET, HTTPS = b"\x82", b"\x87"
HOST = "shop.example.com"


def context(*protocols):
    """Trusts anybody, as wrk and h2load do; offers these by ALPN."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    if protocols:
        made.set_alpn_protocols(protocols)
    return made


H1, H2 = context(), context("h2")


def connect(port):
    sock = socket.create_connection(("127.0.0.1", port), 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def secured(port, how):
    """A connection that has shaken hands."""
    return how.wrap_socket(connect(port), server_hostname=HOST)


def h1_request(path, headers):
    fields = {"Host": HOST, **headers}
    return (f"GET {path} HTTP/1.1\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in fields.items())
        + "\r\n").encode()


def h1_body(reply):
    """The body of a reply of status 200, as far as it is there; or None."""
    head, blank, body = reply.partition(b"\r\n\r\n")
    return body if blank and head.startswith(b"HTTP/1.1 200 ") else None


# HTTP/2.

def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(
        ">BBI", kind, flags, stream) + payload


def literal(text):
    """A string of HPACK, not Huffman-coded."""
    raw = text.encode()
    if len(raw) < 127:
        return bytes([len(raw)]) + raw
    rest, length = len(raw) - 127, bytearray([127])
    while rest >= 128:
        length.append(rest % 128 + 128)
        rest //= 128
    length.append(rest)
    return bytes(length) + raw


def field(name, value):
    """A field of HPACK that enters no table."""
    known = STATIC.get(name)
    return (bytes([known]) if known else b"\0" + literal(name.lower())) \
        + literal(value)


class Http2:
    """One connection, one request at a time."""

    def __init__(self, port):
        self.sock = secured(port, H2)
        if self.sock.selected_alpn_protocol() != "h2":
            self.close()
            raise Failed("HTTP/2 was not agreed on")
        self.stream = -1
        self.got = b""
        self.sock.sendall(
            PREFACE
            + frame(SETTINGS, 0, 0,
                    struct.pack(">HI", INITIAL_WINDOW_SIZE, WINDOW))
            + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW)))

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def take(self, size):
        while len(self.got) < size:
            more = self.sock.recv(65536)
            if not more:
                raise Failed("an HTTP/2 connection was closed")
            self.got += more
        taken, self.got = self.got[:size], self.got[size:]
        return taken

    def next_frame(self):
        """(kind, flags, stream, payload); what wants an ACK has had it."""
        head = self.take(9)
        payload = self.take(int.from_bytes(head[:3], "big"))
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        if kind == SETTINGS and not flags & ACK:
            self.sock.sendall(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.sock.sendall(frame(PING, ACK, 0, payload))
        elif kind in (RST_STREAM, GOAWAY):
            raise Failed(f"HTTP/2: frame of kind {kind}, {payload.hex()}")
        elif kind == DATA and flags & PADDED:
            raise Failed("HTTP/2: padded data is not read here")
        return kind, flags, stream, payload

    def get(self, path="/", headers=None):
        """The body of the reply."""
        fields = GET + HTTPS + field(":authority", HOST) + field(":path", path)
        for name, value in (headers or {}).items():
            fields += field(name, value)
        self.stream += 2
        self.sock.sendall(frame(HEADERS, END_HEADERS | END_STREAM,
                                self.stream, fields))
        body = []
        while True:
            kind, flags, stream, payload = self.next_frame()
            if stream != self.stream:
                continue
            if kind == DATA:
                body.append(payload)
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                return b"".join(body)


# A connection, a full handshake, one request; again and again.

class Visit:
    """A connection, from its opening to its end."""

    def __init__(self, port, request):
        self.begun = time.monotonic()
        self.request = request
        self.reply = b""
        self.sock = connect(port)
        self.sock.setblocking(False)
        self.sock = H1.wrap_socket(self.sock, server_hostname=HOST,
                                   do_handshake_on_connect=False)

    def advance(self):
        """True when the other side has closed; then it is complete."""
        try:
            if self.request:
                self.sock.do_handshake()  # returns at once when it is done
                if self.sock.session_reused:
                    raise Failed("a handshake was not a full one")
                sent = self.sock.send(self.request)
                self.request = self.request[sent:]
            while not self.request:
                more = self.sock.recv(65536)
                if not more:
                    return True
                self.reply += more
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        return False


def open_visit(port, request, poll, visits):
    visit = Visit(port, request)
    visits[visit.sock.fileno()] = visit
    poll.register(visit.sock, select.EPOLLIN | select.EPOLLOUT
                  | select.EPOLLRDHUP | select.EPOLLET)


def run_visits(port, connections, seconds, request, size):
    """(how long each visit took, how long all did), in seconds."""
    took, visits, poll = [], {}, select.epoll()
    begun = time.monotonic()
    deadline = begun + seconds
    try:
        for _ in range(connections):
            open_visit(port, request, poll, visits)
        while visits:
            for fd, _events in poll.poll(1.0):
                if not visits[fd].advance():
                    continue
                visit = visits.pop(fd)
                visit.sock.close()
                if len(h1_body(visit.reply) or b"") != size:
                    raise Failed("a reply was not 200, or arrived short")
                took.append(time.monotonic() - visit.begun)
                if time.monotonic() < deadline:
                    open_visit(port, request, poll, visits)
            if time.monotonic() > deadline + DRAIN_LIMIT:
                raise Failed("connections were not closed")
    finally:
        poll.close()
        for visit in visits.values():
            visit.sock.close()
    return took, time.monotonic() - begun
