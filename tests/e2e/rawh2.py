"""HTTP/2 frame by frame: whatever a peer should not send, and what for."""
import select
import ssl
import struct
import time

import hpack

from h2client import dial
from harness import PATIENCE

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, \
    WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 1, 1, 4, 8, 32
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.test"),
       (":path", "/")]
POST = [(":method", "POST"), *GET[1:]]


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """`length`: what it says it is, if that is not so."""
    n = len(payload) if length is None else length
    return struct.pack(">BHBBI", n >> 16, n & 0xffff, kind, flags,
                       stream) + payload


def settings(*pairs, flags=0):
    return frame(SETTINGS, flags, 0, b"".join(
        struct.pack(">HI", code, value) for code, value in pairs))


def reset(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream, n):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", n))


def ping(flags=0):
    return frame(PING, flags, 0, b"12345678")


def literal(name, value):
    """A field that leaves the tables alone (RFC 7541 6.2.2)."""
    def text(s):
        return hpack.hpack.encode_integer(len(s), 7) + s
    return b"\0" + text(name) + text(value)


def block(fields):
    """A field section without tables and Huffman codes: what is said is
    what is sent, upper case and all."""
    return b"".join(literal(*(
        x if isinstance(x, bytes) else x.encode("latin-1") for x in pair))
        for pair in fields)


def headers(stream, fields=None, flags=END_STREAM | END_HEADERS):
    return frame(HEADERS, flags, stream, block(GET if fields is None
                                               else fields))


class Got:
    """What came in, frame by frame."""

    def __init__(self, kind, flags, stream, payload):
        self.kind, self.flags, self.stream = kind, flags, stream
        self.payload = payload
        self.fields = None

    @property
    def code(self):
        """The error of a RST_STREAM or GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return struct.unpack_from(">I", self.payload, at)[0]


class RawH2:
    """Sends bytes, and takes frames apart."""

    def __init__(self, port, context=None, first=None, greet=True,
                 timeout=PATIENCE, accepted=None):
        """`first`: sent instead of empty settings behind the preface."""
        self.socket = accepted or dial(port, context, timeout=timeout)
        self.buffer = bytearray()
        self.decoder = hpack.Decoder(max_header_list_size=1 << 20)
        self.seen = []
        self.over = False
        if greet:
            self.send(PREFACE + (settings() if first is None else first))

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def parse(self):
        """New frames, from what is in the buffer."""
        while len(self.buffer) >= 9:
            high, low, kind, flags, stream = struct.unpack(
                ">BHBBI", self.buffer[:9])
            n = high << 16 | low
            if len(self.buffer) < 9 + n:
                return
            got = Got(kind, flags, stream, bytes(self.buffer[9:9 + n]))
            del self.buffer[:9 + n]
            if kind == HEADERS:
                got.fields = [(k.decode(), v.decode()) for k, v in
                              self.decoder.decode(got.payload, raw=True)]
            self.seen.append(got)
            yield got

    def until(self, wanted, what):
        """The first frame that `wanted` likes; settings are acknowledged."""
        while True:
            for got in self.parse():
                if got.kind == SETTINGS and not got.flags & ACK:
                    self.quietly(settings(flags=ACK))
                if wanted(got):
                    return got
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                self.over = True
                raise EOFError(f"closed without {what}; came: " + str(
                    [(g.kind, g.stream, g.payload[:16]) for g in self.seen]))
            self.buffer += data

    def quietly(self, data):
        """The peer may have gone."""
        try:
            self.send(data)
        except OSError:
            pass

    def status(self, stream):
        """The status of a stream's answer, or "reset N"."""
        got = self.until(lambda g: g.stream == stream and g.kind in (
            HEADERS, RST_STREAM), f"an answer on stream {stream}")
        return (f"reset {got.code}" if got.kind == RST_STREAM
                else int(dict(got.fields)[":status"]))

    def goaway(self):
        """The error code of the GOAWAY that comes, and then the end."""
        code = self.until(lambda g: g.kind == GOAWAY and g.code != 0,
                          "a GOAWAY").code
        try:
            self.until(lambda g: False, "anything else")
        except EOFError:
            return code

    def ping(self):
        """All that was sent before has been looked at."""
        self.send(ping())
        self.until(lambda g: g.kind == PING and g.flags & ACK, "a PING")

    def pump(self, pieces, seconds):
        """Sends piece after piece, taking what comes in between, until the
        peer closes, the pieces or the seconds are over. Returns the code of
        the GOAWAY; None if there is none. Nothing is answered."""
        end = time.monotonic() + seconds
        self.socket.setblocking(False)
        out, pieces, sending = b"", iter(pieces), True
        while time.monotonic() < end and not self.over:
            if sending and len(out) < 1 << 16:
                piece = next(pieces, None)
                sending = piece is not None
                out += piece or b""
            n = self.push(out)
            out = out[n:]
            if not self.pull() and n == 0 and not self.over:
                select.select([self.socket],
                              [self.socket] if out else [], [], 0.05)
        codes = [g.code for g in self.seen if g.kind == GOAWAY]
        return codes[-1] if codes else None

    def push(self, out):
        """How much of it has gone."""
        try:
            return self.socket.send(out) if out else 0
        except (BlockingIOError, ssl.SSLWantWriteError,
                ssl.SSLWantReadError):
            return 0
        except OSError:
            return len(out)  # what is still to be read tells why

    def pull(self):
        try:
            data = self.socket.recv(1 << 16)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            data = b""
        self.over = not data
        self.buffer += data
        for _ in self.parse():
            pass
        return bool(data)


class RawPod(RawH2):
    """The other end: a connection from the proxy, once it is accepted."""

    def __init__(self, accepted, first=None):
        super().__init__(None, accepted=accepted, greet=False)
        while len(self.buffer) < len(PREFACE):
            data = self.socket.recv(1 << 16)
            assert data, "closed without a preface"
            self.buffer += data
        assert self.buffer.startswith(PREFACE)
        del self.buffer[:len(PREFACE)]
        self.send(settings() if first is None else first)

    def request(self):
        """The number of the next stream."""
        return self.until(lambda g: g.kind == HEADERS, "a request").stream

    def answer(self, stream, status, flags=END_STREAM | END_HEADERS):
        self.send(headers(stream, [(":status", str(status))], flags))
