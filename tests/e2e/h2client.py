"""HTTP/2 from the outside: a well-behaved client on the h2 module."""
import json
import socket

import h2.config
import h2.connection
import h2.events
import h2.settings

from harness import PATIENCE

CODES = h2.settings.SettingCodes
REFUSED, CANCEL, CALM = 7, 8, 11  # error codes
GOAWAY = 7  # a kind of frame


class Reply:
    """A response as it grows; asks like client.Response."""

    def __init__(self):
        self.status, self.fields, self.body = None, [], bytearray()
        self.interim = []  # (status, fields)
        self.trailers = None
        self.ended, self.reset = False, None  # reset: the error code

    def all(self, name):
        return [v for n, v in self.fields if n == name.lower()]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None

    def json(self):
        return json.loads(self.body)


def dial(port, context=None, host="shop.test", before=b"", timeout=PATIENCE):
    """A socket, over TLS with a context; `before` goes in front of it."""
    s = socket.create_connection(("127.0.0.1", port), timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        s.sendall(before)
        if context:
            s = context.wrap_socket(s, server_hostname=host)
            assert s.selected_alpn_protocol() == "h2", "h2 is not agreed"
    except BaseException:
        s.close()
        raise
    return s


def whole_frames(buffer):
    """(kind, bytes) of each frame that is whole, taken off the buffer."""
    while len(buffer) >= 9:
        n = 9 + int.from_bytes(buffer[:3], "big")
        if len(buffer) < n:
            return
        piece = bytes(buffer[:n])
        del buffer[:n]
        yield piece[3], piece


class H2Client:
    """One connection, used by one thread. Bodies are taken at once, but
    those of streams in `held`: their windows stay as they are."""

    def __init__(self, port, context=None, host="shop.test", settings=None,
                 before=b"", timeout=PATIENCE):
        self.socket = dial(port, context, host, before, timeout)
        self.scheme = "https" if context else "http"
        self.host = host
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8"))
        if settings:
            self.h2.local_settings = h2.settings.Settings(
                client=True, initial_values=settings)
        self.replies = {}
        self.held = set()
        self.goaway = None  # (error code, last stream)
        self.over = False  # nothing more comes
        self.taken = {}  # flow-controlled bytes per held stream
        self.pongs = []
        self.buffer = bytearray()
        self.told = None  # its settings, once they have come
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        self.socket.close()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    # asking

    def head(self, method="GET", path="/", host=None, fields=()):
        return [(":method", method), (":scheme", self.scheme),
                (":authority", host or self.host), (":path", path),
                *((n.lower(), v) for n, v in fields)]

    def start(self, method="GET", path="/", host=None, fields=(), end=False,
              lines=None):
        """Sends a head; the number of the stream."""
        stream = self.h2.get_next_available_stream_id()
        self.replies[stream] = Reply()
        self.h2.send_headers(stream, lines or self.head(
            method, path, host, fields), end_stream=end)
        self.flush()
        return stream

    def send(self, stream, data=b"", end=False):
        """Waits for windows as long as there is nothing else wrong. False
        when the answer is over before all is sent."""
        data, reply = memoryview(data), self.replies[stream]
        while data:
            if reply.reset is not None:
                return False
            room = min(self.h2.local_flow_control_window(stream),
                       self.h2.max_outbound_frame_size, len(data))
            if room > 0:
                self.h2.send_data(stream, bytes(data[:room]))
                data = data[room:]
                self.flush()
            elif reply.ended or not self.more():
                return False
        if end and reply.reset is None:
            self.h2.end_stream(stream)
            self.flush()
        return True

    def finish(self, stream, trailers):
        self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()

    def request(self, method="GET", path="/", host=None, fields=(),
                body=None, trailers=None):
        """A whole request; the number of its stream."""
        stream = self.start(method, path, host, fields,
                            end=body is None and trailers is None)
        if body is not None:
            if not self.send(stream, body, end=trailers is None):
                return stream
        if trailers is not None:
            self.finish(stream, trailers)
        return stream

    def ask(self, *arguments, **named):
        return self.response(self.request(*arguments, **named))

    # listening

    def more(self):
        """Takes what comes next; False at the end of the connection."""
        data = self.socket.recv(1 << 16)
        if not data:
            self.over = True
            return False
        self.buffer += data
        for kind, frame in whole_frames(self.buffer):
            # The h2 module takes nothing more behind a GOAWAY.
            if kind == GOAWAY:
                self.goaway = (int.from_bytes(frame[13:17], "big"),
                               int.from_bytes(frame[9:13], "big"))
                continue
            for event in self.h2.receive_data(frame):
                self.take(event)
        self.flush()
        return True

    def take(self, event):
        reply = self.replies.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.DataReceived):
            reply.body += event.data
            n, stream = event.flow_controlled_length, event.stream_id
            if n and stream in self.held:
                self.taken[stream] = self.taken.get(stream, 0) + n
                self.h2.increment_flow_control_window(n)
            elif n:
                self.h2.acknowledge_received_data(n, stream)
        elif isinstance(event, h2.events.ResponseReceived):
            reply.fields = event.headers
            reply.status = int(reply.get(":status"))
        elif isinstance(event, h2.events.InformationalResponseReceived):
            fields = dict(event.headers)
            reply.interim.append((int(fields[":status"]), event.headers))
        elif isinstance(event, h2.events.TrailersReceived):
            reply.trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            reply.ended = True
        elif isinstance(event, h2.events.StreamReset):
            reply.reset = event.error_code
            reply.ended = True
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.told = {**(self.told or {}), **{
                c: s.new_value for c, s in event.changed_settings.items()}}
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs.append(event.ping_data)

    def release(self, stream):
        """The held stream is read on."""
        self.held.discard(stream)
        n = self.taken.pop(stream, 0)
        if n and not self.replies[stream].ended:
            self.h2.increment_flow_control_window(n, stream)
            self.flush()

    def until(self, condition, what):
        while not condition():
            assert self.more(), f"closed before {what}"

    def response(self, stream):
        reply = self.replies[stream]
        self.until(lambda: reply.ended, f"stream {stream} has ended")
        return reply

    def responses(self, streams):
        return [self.response(s) for s in streams]

    def announced(self, code):
        """What the peer's settings say, once they have come."""
        self.until(lambda: self.told is not None, "its settings")
        return self.told.get(code)

    def ping(self):
        """There and back: all that was sent before is processed."""
        n = len(self.pongs)
        self.h2.ping(n.to_bytes(8, "big"))
        self.flush()
        self.until(lambda: len(self.pongs) > n, "the answer to a ping")

    def closed(self):
        """The peer closes, or has."""
        try:
            while self.more():
                pass
        except (ConnectionResetError, BrokenPipeError):
            pass
        return True
