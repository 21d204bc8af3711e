"""HTTP/1 from the outside: one careful connection, and load from many."""
import asyncio
import json
import re
import socket
import threading
import time

from harness import PATIENCE


class Response:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        m = re.fullmatch(r"HTTP/1\.(\d) (\d\d\d) ?(.*)", lines[0])
        assert m, f"no status line: {lines[0]!r}"
        self.minor, self.status = int(m.group(1)), int(m.group(2))
        self.reason = m.group(3)
        self.fields = [tuple(part.strip() for part in line.split(":", 1))
                       for line in lines[1:] if line]
        self.body = b""

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name):
        found = self.all(name)
        return found[0] if found else None

    def json(self):
        return json.loads(self.body)

    def bodiless(self, head_method):
        return head_method or self.status < 200 or self.status in (204, 304)

    def closes(self):
        return (self.get("Connection") or "").lower() == "close"


def request(method="GET", path="/", host="shop.test", fields=(), body=None,
            chunks=None):
    """The bytes of a request."""
    head = [f"{method} {path} HTTP/1.1", f"Host: {host}",
            *(f"{n}: {v}" for n, v in fields)]
    tail = b""
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
        tail = body
    if chunks is not None:
        head.append("Transfer-Encoding: chunked")
        tail = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
        tail += b"0\r\n\r\n"
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + tail


class Client:
    """One connection; reads exactly one response at a time."""

    def __init__(self, port, timeout=PATIENCE, source=None):
        """`source`: the address to come from, such as 127.0.0.2."""
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def until(self, end):
        while end not in self.buffer:
            if not self.more():
                raise EOFError(f"closed after {self.buffer!r}")
        at = self.buffer.index(end) + len(end)
        piece, self.buffer = self.buffer[:at], self.buffer[at:]
        return piece

    def exactly(self, n):
        while len(self.buffer) < n:
            if not self.more():
                raise EOFError(f"closed {n - len(self.buffer)} bytes early")
        piece, self.buffer = self.buffer[:n], self.buffer[n:]
        return piece

    def rest(self):
        while self.more():
            pass
        piece, self.buffer = self.buffer, b""
        return piece

    def chunked(self):
        body = b""
        while True:
            n = int(self.until(b"\r\n").split(b";")[0], 16)
            if n == 0:
                break
            body += self.exactly(n)
            assert self.exactly(2) == b"\r\n"
        while self.until(b"\r\n") != b"\r\n":
            pass
        return body

    def head(self):
        return Response(self.until(b"\r\n\r\n"))

    def response(self, head_method=False):
        answer = self.head()
        if answer.bodiless(head_method):
            return answer
        if answer.get("Transfer-Encoding"):
            answer.body = self.chunked()
        elif answer.get("Content-Length") is not None:
            answer.body = self.exactly(int(answer.get("Content-Length")))
        else:
            answer.body = self.rest()
        return answer

    def ask(self, *args, **named):
        self.send(request(*args, **named))
        return self.response(head_method="HEAD" in args
                             or named.get("method") == "HEAD")

    def closed(self):
        """The peer has closed, or does so within the patience."""
        try:
            return self.buffer == b"" and not self.more()
        except ConnectionResetError:
            return True


def get(port, path="/", **named):
    with Client(port) as c:
        return c.ask("GET", path, **named)


def raw(port, data):
    """Everything that comes back until the peer closes."""
    with Client(port) as c:
        c.send(data)
        try:
            return c.rest()
        except ConnectionResetError:
            return c.buffer


class Done:
    """One request of a load: when it began and what became of it."""
    __slots__ = ("began", "ended", "status", "body", "error")

    def __init__(self, began):
        self.began, self.ended = began, None
        self.status, self.body, self.error = None, b"", None

    @property
    def version(self):
        m = re.search(rb'"appVersion": ?"(.*?)"', self.body)
        return m.group(1).decode() if m else None


class Load:
    """Keep-alive connections that ask again and again, each counting.

    With `total`, exactly so many requests in all, and run() returns when they
    are done; otherwise start(), then stop(). A request on a reused connection
    that closes without one byte of answer counts as an error, too."""

    def __init__(self, port, connections=8, total=None, data=None,
                 reconnect=True, context=None):
        self.port, self.connections, self.total = port, connections, total
        self.data = data or request()
        self.reconnect = reconnect
        # With a context, over TLS.
        self.tls = {"ssl": context, "server_hostname": "shop.test"} \
            if context else {}
        self.done = []
        self.given = 0
        self.stopping = False
        self.thread = None

    def more(self):
        if self.stopping or (self.total and self.given >= self.total):
            return False
        self.given += 1
        return True

    async def exchange(self, reader, writer, one):
        writer.write(self.data)
        head = await reader.readuntil(b"\r\n\r\n")
        answer = Response(head)
        one.status = answer.status
        length = answer.get("Content-Length")
        if answer.get("Transfer-Encoding"):
            await self.chunked(reader, one)
        elif length is not None:
            one.body = await reader.readexactly(int(length))
        elif not answer.bodiless(False):
            one.body = await reader.read()
            return False
        return not answer.closes()

    async def chunked(self, reader, one):
        while True:
            n = int(await reader.readuntil(b"\r\n"), 16)
            if n == 0:
                break
            one.body += await reader.readexactly(n)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")

    async def connection(self):
        writer = None
        while self.more():
            one = Done(time.monotonic())
            self.done.append(one)
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", self.port, **self.tls)
                    one.began = time.monotonic()
                keep = await asyncio.wait_for(
                    self.exchange(reader, writer, one), PATIENCE)
            except (OSError, EOFError, asyncio.TimeoutError) as e:
                one.error = repr(e)
                keep = False
            one.ended = time.monotonic()
            if not keep and writer is not None:
                writer.close()
                writer = None
            if one.error and not self.reconnect:
                break
        if writer is not None:
            writer.close()

    async def all(self):
        await asyncio.gather(*(self.connection()
                               for _ in range(self.connections)))

    def run(self):
        asyncio.run(self.all())
        return self

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.wait(self.connections)
        return self

    def wait(self, n):
        """Until n more requests are over."""
        target = self.finished() + n
        end = time.monotonic() + PATIENCE
        while self.finished() < target:
            assert self.thread.is_alive(), "the load has ended"
            assert time.monotonic() < end, "the load stands still"
            time.sleep(0.005)

    def finished(self):
        return sum(1 for d in list(self.done) if d.ended)

    def stop(self):
        self.stopping = True
        self.thread.join(PATIENCE * 2)
        assert not self.thread.is_alive()
        return self

    # results

    def failures(self, statuses=(200,)):
        return [(d.error or d.status, d.body[:80]) for d in self.done
                if d.error or d.status not in statuses]

    def versions(self, since=None):
        found = {}
        for d in self.done:
            if since is None or d.began >= since:
                found[d.version] = found.get(d.version, 0) + 1
        return found


class Paced:
    """Requests at a steady rate, whatever becomes of them."""

    def __init__(self, port, rate, connections, data=None):
        self.load = Load(port, connections, data=data)
        self.gap = connections / rate
        exchange = self.load.exchange

        async def paced(reader, writer, one):
            done = await exchange(reader, writer, one)
            await asyncio.sleep(self.gap)
            return done
        self.load.exchange = paced
