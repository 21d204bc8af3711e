"""A pod that speaks HTTP/2, scripted; in clear text or over TLS."""
import asyncio
import json

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from h2client import GOAWAY, whole_frames
from rawh2 import frame

ENABLE_CONNECT = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS


class Answer:
    """A whole response, for pods of either protocol."""

    def __init__(self, status=200, body=b"", fields=(), trailers=None,
                 interim=()):
        self.status, self.fields = status, list(fields)
        self.body = body.encode() if isinstance(body, str) else body
        self.trailers, self.interim = trailers, interim

    def h1(self, method):
        """The same as HTTP/1.1 has it."""
        head = [f"HTTP/1.1 {code} X\r\n" for code in self.interim]
        lines = [f"HTTP/1.1 {self.status} X",
                 *(f"{n}: {v}" for n, v in self.fields)]
        body, tail = self.body, b""
        if self.status in (204, 304):
            body = b""
        elif self.trailers is None:
            lines.append(f"Content-Length: {len(body)}")
        else:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            tail = b"0\r\n" + "".join(
                f"{n}: {v}\r\n" for n, v in self.trailers).encode() + b"\r\n"
        whole = "\r\n".join([*head, *lines, "", ""]).encode()
        return whole if method == "HEAD" else whole + body + tail


def told(asked):
    """What arrived, as JSON, in the same words for both protocols."""
    return Answer(200, json.dumps({
        "method": asked.method, "target": asked.target,
        "authority": asked.get(":authority") or asked.get("Host"),
        "fields": [[n.lower(), v] for n, v in asked.fields],
        "body": asked.body.decode("latin-1"),
        "trailers": [[n.lower(), v] for n, v in asked.trailers]}))


class H2Asked:
    """A request as it reached the pod, and the hand on its stream."""

    def __init__(self, connection, stream, fields):
        self.connection, self.stream = connection, stream
        self.fields, self.trailers = fields, []
        self.body = b""
        self.ended, self.reset = False, None
        self.changed = asyncio.Event()
        self.auto = True  # windows are given back as data comes

    def all(self, name):
        return [v for n, v in self.fields if n == name.lower()]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None

    @property
    def method(self):
        return self.get(":method")

    @property
    def target(self):
        return self.get(":path")

    def change(self):
        self.changed.set()
        self.changed = asyncio.Event()

    async def whole(self):
        while not self.ended:
            await self.changed.wait()
        return self

    async def chunk(self):
        """What has come of the body since; b"" at its end."""
        while not self.body and not self.ended:
            await self.changed.wait()
        data, self.body = self.body, b""
        return data

    # answering

    def head(self, status=200, fields=(), end=False):
        self.connection.h2.send_headers(
            self.stream, [(":status", str(status)),
                          *((n.lower(), v) for n, v in fields)], end)
        self.connection.flush()

    async def data(self, data, end=False):
        h2_, data = self.connection.h2, memoryview(data)
        while data:
            if self.reset is not None:
                raise ConnectionResetError(self.reset)
            room = min(h2_.local_flow_control_window(self.stream),
                       h2_.max_outbound_frame_size, len(data))
            if room <= 0:
                await self.connection.window()
                continue
            h2_.send_data(self.stream, bytes(data[:room]))
            data = data[room:]
            self.connection.flush()
            await self.connection.writer.drain()
        if end:
            h2_.end_stream(self.stream)
            self.connection.flush()

    def finish(self, trailers):
        self.connection.h2.send_headers(
            self.stream, [(n.lower(), v) for n, v in trailers], True)
        self.connection.flush()

    def cancel(self, code):
        self.connection.h2.reset_stream(self.stream, code)
        self.connection.flush()

    async def answer(self, a):
        for code in a.interim:
            self.head(code)
        fields = list(a.fields)
        silent = self.method == "HEAD" or a.status in (204, 304)
        if a.trailers is None and a.status not in (204, 304):
            fields.append(("content-length", str(len(a.body))))
        body = b"" if silent else a.body
        last = a.trailers is None or silent
        self.head(a.status, fields, end=last and not body)
        if body:
            await self.data(body, end=last)
        if not last:
            self.finish(a.trailers)


class H2Connection:
    """One of a pod's."""

    def __init__(self, pod, reader, writer):
        self.pod, self.reader, self.writer = pod, reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8"))
        self.h2.local_settings = h2.settings.Settings(
            client=False, initial_values=pod.settings)
        self.streams = {}
        self.opened = asyncio.Event()  # some window grew
        self.tasks = set()
        self.deaf = False  # as if the network swallowed all
        self.unheard = b""
        self.last = None  # behind our GOAWAY: the last stream to be served
        self.left = False  # behind that, nothing more is said

    def flush(self):
        data = self.h2.data_to_send()
        if data and not self.deaf and not self.left:
            self.writer.write(data)

    async def window(self):
        await self.opened.wait()

    async def run(self):
        self.h2.initiate_connection()
        self.flush()
        # The preface is no frame.
        self.h2.receive_data(await self.reader.readexactly(24))
        buffer = bytearray()
        while data := await self.reader.read(1 << 16):
            if self.deaf:
                self.unheard += data
                continue
            buffer += data
            try:
                # The h2 module takes and sends nothing behind a GOAWAY.
                for kind, piece in whole_frames(buffer):
                    if kind == GOAWAY:
                        self.pod.goaways.append(
                            int.from_bytes(piece[13:17], "big"))
                        continue
                    for event in self.h2.receive_data(piece):
                        self.take(event)
            finally:
                self.flush()  # a GOAWAY, if it was no good

    def take(self, event):
        asked = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            if self.last is not None and event.stream_id > self.last:
                return  # it will be asked again elsewhere
            asked = H2Asked(self, event.stream_id, event.headers)
            self.streams[event.stream_id] = asked
            if asked.target != "/healthz":
                self.pod.asked.append(asked)
            task = asyncio.ensure_future(self.serve(asked))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif isinstance(event, h2.events.DataReceived) and asked:
            asked.body += event.data
            n = event.flow_controlled_length
            if n and asked.auto:
                self.h2.acknowledge_received_data(n, event.stream_id)
            elif n:  # its own window only stays as it is
                self.h2.increment_flow_control_window(n)
        elif isinstance(event, h2.events.TrailersReceived) and asked:
            asked.trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded) and asked:
            asked.ended = True
        elif isinstance(event, h2.events.StreamReset) and asked:
            asked.reset, asked.ended = int(event.error_code), True
            self.pod.resets.append(asked.reset)
        elif isinstance(event, h2.events.PingReceived):
            self.pod.pings += 1
        self.opened.set()
        self.opened = asyncio.Event()
        if asked:
            asked.change()

    async def serve(self, asked):
        try:
            if not self.pod.streaming:
                await asked.whole()
            if asked.reset is not None:
                return
            got = self.pod.respond(asked)
            if asyncio.iscoroutine(got):
                got = await got
            if isinstance(got, Answer):
                await asked.answer(got)
        except (OSError, h2.exceptions.ProtocolError,
                asyncio.CancelledError):
            pass  # the stream or the connection has gone
        finally:
            self.streams.pop(asked.stream, None)
            self.leave()

    def goaway(self, code=0, last=None):
        """What it covers is served, and then the connection closed."""
        self.last = self.h2.highest_inbound_stream_id if last is None \
            else last
        self.writer.write(frame(GOAWAY, 0, 0, self.last.to_bytes(4, "big")
                                + code.to_bytes(4, "big")))
        self.leave()

    def leave(self):
        """What it has said must not be lost to an RST: that is what a close
        makes of bytes that come in behind it."""
        if self.last is None or self.streams or self.left:
            return
        self.left = True
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.writer.close()


class H2Pod:
    """`respond(asked)` gives an Answer, or None when it has done all itself;
    it may be a coroutine function. It is called with the whole request, with
    `streaming` as soon as the head is there."""

    def __init__(self, loop, port, respond=told, context=None,
                 streaming=False, settings=None):
        self.loop, self.port, self.context = loop, port, context
        self.respond, self.streaming = respond, streaming
        self.settings = {STREAMS: 100, ENABLE_CONNECT: 1, **(settings or {})}
        self.connections = 0
        self.resumed = 0  # of these, by a TLS session
        self.asked, self.resets, self.pings = [], [], 0
        self.goaways = []  # their codes
        self.open = set()
        self.server, self.stopped = None, False
        self.start()

    def start(self):
        self.stopped = False
        self.server = self.loop.call(self.listen())

    async def listen(self):
        return await asyncio.start_server(
            self.serve, "127.0.0.1", self.port, backlog=512,
            ssl=self.context)

    async def serve(self, reader, writer):
        if self.stopped:  # accepted before, served only now
            writer.transport.abort()
            return
        tls = writer.get_extra_info("ssl_object")
        self.connections += 1
        self.resumed += bool(tls and tls.session_reused)
        connection = H2Connection(self, reader, writer)
        self.open.add(connection)
        try:
            await connection.run()
        except (OSError, EOFError, asyncio.CancelledError,
                h2.exceptions.ProtocolError):
            pass
        finally:
            self.open.discard(connection)
            for task in list(connection.tasks):
                task.cancel()
            writer.close()

    def do(self, function, *arguments):
        """A function with each open connection, in the pods' thread."""
        async def all_of_them():
            for connection in list(self.open):
                function(connection, *arguments)
        self.loop.call(all_of_them())

    def goaway(self, code=0, last=None):
        self.do(H2Connection.goaway, code, last)

    def deafen(self):
        """Open connections are dead from now on, without a word."""
        def deaf(connection):
            connection.deaf = True
        self.do(deaf)

    def stop(self):
        if self.server is not None:
            self.loop.call(self.shut())
            self.server = None

    async def shut(self):
        self.stopped = True
        self.server.close()
        for connection in list(self.open):
            connection.writer.transport.abort()
