"""A pod in a process of its own, to be killed, frozen, or made to reset.

    broken_pod.py PORT

A target is /STOP/NAME: with `half-head` or `half-body` the answer stops
there; otherwise it is whole. What it has read it says on stdout, a line each:
`head METHOD NAME`, `whole METHOD NAME`, `stopped METHOD NAME`. SIGUSR1 resets
all its connections; they are said as `reset`.
"""
import asyncio
import re
import signal
import socket
import struct
import sys

BODY = 40000
writers = set()


def say(*words):
    print(*words, flush=True)


def body_of(name):
    return (name.encode() + b" ") * (BODY // (len(name) + 1))


def reset():
    for writer in list(writers):
        if writer.is_closing():
            continue
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    say("reset")


async def one(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.decode("latin-1").split(" ", 2)
    _, stop, name = target.split("/")
    say("head", method, name)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
    if length:
        await reader.readexactly(int(length.group(1)))
    say("whole", method, name)
    body = body_of(name)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    if stop == "half-head":
        answer = answer[:25]
    else:
        answer += body[:len(body) // 2] if stop == "half-body" else body
    writer.write(answer)
    await writer.drain()
    if stop.startswith("half-"):
        say("stopped", method, name)
        await asyncio.Event().wait()


async def serve(reader, writer):
    writers.add(writer)
    try:
        while True:
            await one(reader, writer)
    except (OSError, EOFError):
        pass
    finally:
        writers.discard(writer)
        writer.close()


async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, reset)
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]),
                                        backlog=512)
    say("listens")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
