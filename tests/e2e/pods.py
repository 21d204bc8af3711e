"""Servers that stand behind the proxy: obedient, scripted, or broken."""
import asyncio
import json
import socket
import threading

import websockets

from harness import PATIENCE


class Loop:
    """One event loop in a thread of its own, for all asyncio pods."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever,
                                       daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(
            coroutine, self.loop).result(PATIENCE)


class Asked:
    """A request as it reached the pod."""

    def __init__(self, head):
        self.head = head
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.protocol = lines[0].split(" ")
        self.fields = [tuple(p.strip() for p in line.split(":", 1))
                       for line in lines[1:] if line]
        self.body = b""
        self.trailers = []

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None


def answer(status, body=b"", fields=(), reason="X"):
    """A response with a Content-Length."""
    if isinstance(body, str):
        body = body.encode()
    head = [f"HTTP/1.1 {status} {reason}", *(f"{n}: {v}" for n, v in fields),
            f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def app_answer(version):
    body = json.dumps({"appVersion": version, "status": "200"})
    return answer(200, body, [("Content-Type", "application/json")])


def echo(asked):
    """What arrived, as JSON."""
    return answer(200, json.dumps({
        "method": asked.method, "target": asked.target,
        "protocol": asked.protocol, "fields": asked.fields,
        "body": asked.body.decode("latin-1")}))


async def read_request(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    asked = Asked(head)
    if (asked.get("Expect") or "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if asked.get("Transfer-Encoding"):
        while True:
            n = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            if n == 0:
                break
            asked.body += await reader.readexactly(n)
            await reader.readexactly(2)
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
            name, value = line.decode("latin-1").split(":", 1)
            asked.trailers.append((name, value.strip()))
    elif asked.get("Content-Length"):
        asked.body = await reader.readexactly(
            int(asked.get("Content-Length")))
    return asked


class Pod:
    """`respond(asked)` gives bytes, None to close without an answer, or is a
    coroutine function; `raw(reader, writer)` takes the connection over. With
    a `context` it speaks TLS."""

    def __init__(self, loop, port, respond=echo, raw=None, context=None,
                 host="127.0.0.1"):
        self.loop, self.port, self.host = loop, port, host
        self.respond, self.raw, self.context = respond, raw, context
        self.connections = 0
        self.resumed = 0  # of these, by a TLS session
        self.asked = []
        self.writers = set()
        self.server, self.stopped = None, False
        self.start()

    def start(self):
        self.stopped = False
        self.server = self.loop.call(self.open())

    async def open(self):
        return await asyncio.start_server(self.serve, self.host, self.port,
                                          backlog=512, limit=1 << 20,
                                          ssl=self.context)

    async def serve(self, reader, writer):
        if self.stopped:  # accepted before, served only now
            writer.transport.abort()
            return
        tls = writer.get_extra_info("ssl_object")
        self.connections += 1
        self.resumed += bool(tls and tls.session_reused)
        self.writers.add(writer)
        try:
            if self.raw:
                await self.raw(reader, writer)
            else:
                await self.requests(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def requests(self, reader, writer):
        while True:
            asked = await read_request(reader, writer)
            if asked.target != "/healthz":
                self.asked.append(asked)
            data = self.respond(asked)
            if asyncio.iscoroutine(data):
                data = await data
            if data is None:
                return
            writer.write(data)
            await writer.drain()

    def stop(self):
        if self.server is not None:
            self.loop.call(self.shut())
            self.server = None

    async def shut(self):
        self.stopped = True
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()


class FullPod:
    """Listens, but its queue is full: connecting to it never ends."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(0)
        self.waiting = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
            self.waiting.append(s)

    def stop(self):
        for s in self.waiting + [self.listener]:
            s.close()


class Gate:
    """A pod that answers when it is told to."""

    def __init__(self, pod, loop, version="1"):
        self.loop, self.version = loop, version
        self.event = loop.call(self.make())
        self.pod = pod(self.respond)
        self.port = self.pod.port

    @staticmethod
    async def make():
        return asyncio.Event()

    async def respond(self, asked):
        if asked.target == "/slow":
            await self.event.wait()
        return app_answer(self.version)

    def open(self):
        self.loop.loop.call_soon_threadsafe(self.event.set)

    def close(self):
        self.loop.loop.call_soon_threadsafe(self.event.clear)


class WebSocketPod:
    """Echoes; the paths of `handlers` do something else."""

    def __init__(self, loop, port):
        self.loop, self.port = loop, port
        self.closed = []  # (code, reason) of each connection that ended
        self.asked = []
        self.open = 0
        self.handlers = {}
        self.server = loop.call(self.start())

    async def start(self):
        return await websockets.serve(
            self.serve, "127.0.0.1", self.port, max_size=None,
            ping_interval=None)

    async def serve(self, ws):
        self.open += 1
        self.asked.append(ws)
        try:
            handler = self.handlers.get(ws.path)
            if handler:
                await handler(ws)
            else:
                async for message in ws:
                    await ws.send(message)
        except websockets.ConnectionClosed:
            pass
        finally:
            await ws.wait_closed()
            self.open -= 1
            self.closed.append((ws.close_code, ws.close_reason))

    def stop(self):
        self.server.close()
        self.loop.call(self.server.wait_closed())
