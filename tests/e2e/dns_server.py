"""A name server whose answers change, and which fails in many ways.

As a program, `dns_server.py PORT ZONE LOG`: it listens on 127.0.0.1 over UDP
and TCP, reads the zone (JSON) again whenever the file was replaced, and writes
a line for each question. `Dns` starts it, edits the zone and reads the log."""
import json
import os
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time

TYPES = {1: "A", 28: "AAAA", 33: "SRV"}
RCODES = {"nxdomain": 3, "servfail": 2, "refused": 5, "notimp": 4}


# The program

class Zone:
    def __init__(self, path):
        self.path, self.stamp, self.names = path, None, {}

    def get(self, name):
        stamp = os.stat(self.path)
        stamp = (stamp.st_ino, stamp.st_mtime_ns)
        if stamp != self.stamp:
            with open(self.path, encoding="utf-8") as f:
                self.names = json.load(f)
            self.stamp = stamp
        return self.names.get(name.lower())


def read_question(message):
    labels, at = [], 12
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), struct.unpack_from("!H", message, at + 1)[0], \
        message[12:at + 5]


def write_name(name):
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in name.split(".") if x) + b"\0"


def record(kind, ttl, data, owner=b"\xc0\x0c"):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def answers(zone, entry, kind):
    """Resource records; through a CNAME where there is one."""
    owner, ttl, out = b"\xc0\x0c", entry.get("ttl", 0), []
    if "CNAME" in entry:
        out.append(record(5, ttl, write_name(entry["CNAME"])))
        owner = write_name(entry["CNAME"])
        entry = zone.get(entry["CNAME"]) or {}
        ttl = entry.get("ttl", 0)
    for item in entry.get(TYPES.get(kind, ""), []):
        if kind == 33:
            data = struct.pack("!HHH", *item[:3]) + write_name(item[3])
        else:
            data = socket.inet_pton(
                socket.AF_INET if kind == 1 else socket.AF_INET6, item)
        out.append(record(kind, ttl, data, owner))
    return out


def reply(zone, message, tcp):
    """(mode, the bytes to send or None)"""
    name, kind, question = read_question(message)
    entry = zone.get(name)
    mode = "nxdomain"
    if entry is not None:
        mode = entry.get("mode:" + TYPES.get(kind, ""), entry.get("mode", ""))
    number = message[:2]

    def head(rcode=0, count=0, flags=0x8180, questions=1):
        return number + struct.pack("!HHHHH", flags | rcode, questions, count,
                                    0, 0)
    if mode == "silent":
        return mode, None
    if mode in RCODES:
        return mode, head(RCODES[mode]) + question
    if mode == "empty":
        return mode, head() + question
    if mode == "garbage":
        return mode, os.urandom(100)
    if mode == "malformed":
        return mode, head(count=7) + question + b"\xc0\xff" * 9
    if mode == "short":
        return mode, head(count=1) + question + record(kind, 0, b"abc")
    if mode == "loop":
        return mode, head(count=1) + question + record(
            5, 0, b"\xc0\x0c") + record(5, 0, write_name(name))
    records = answers(zone, entry, kind)
    whole = head(count=len(records)) + question + b"".join(records)
    if mode == "wrong_id":
        return mode, bytes([number[0] ^ 255, number[1]]) + whole[2:]
    if mode == "other_name":
        return mode, head(count=len(records)) + write_name(
            "other.example") + question[-4:] + b"".join(records)
    if mode == "no_tcp" or (not tcp and (mode == "truncate"
                                         or len(whole) > 1232)):
        return mode, (head(flags=0x8380) + question) if not tcp else None
    return mode, whole


def serve(port, zone_path, log_path):
    zone, log = Zone(zone_path), open(log_path, "a", buffering=1,
                                      encoding="utf-8")
    lock = threading.Lock()

    def work(message, over):
        with lock:
            name, kind, _ = read_question(message)
            log.write(json.dumps({
                "time": time.monotonic(), "name": name, "over": over,
                "type": TYPES.get(kind, kind)}) + "\n")
            mode, answer = reply(zone, message, over == "tcp")
            slow = (zone.get(name) or {}).get("slow", 0)
        if slow:
            time.sleep(slow)
        return answer

    class Tcp(socketserver.BaseRequestHandler):
        def handle(self):
            f = self.request.makefile("rb")
            while len(size := f.read(2)) == 2:
                answer = work(f.read(struct.unpack("!H", size)[0]), "tcp")
                if answer is None:
                    return
                self.request.sendall(struct.pack("!H", len(answer)) + answer)

    class Udp(socketserver.BaseRequestHandler):
        def handle(self):
            message, s = self.request
            answer = work(message, "udp")
            if answer is not None:
                s.sendto(answer, self.client_address)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    socketserver.ThreadingUDPServer.daemon_threads = True
    socketserver.ThreadingUDPServer.max_packet_size = 4096
    tcp = socketserver.ThreadingTCPServer(("127.0.0.1", port), Tcp)
    udp = socketserver.ThreadingUDPServer(("127.0.0.1", port), Udp)
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    log.write(json.dumps({"ready": True}) + "\n")
    udp.serve_forever()


# Its owner

class Dns:
    def __init__(self, port, folder):
        self.port, self.names = port, {}
        self.zone = os.path.join(folder, f"zone-{port}")
        self.log = os.path.join(folder, f"dns-log-{port}")
        self.process = None
        self.write()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def write(self):
        with open(self.zone + ".new", "w", encoding="utf-8") as f:
            json.dump(self.names, f)
        os.rename(self.zone + ".new", self.zone)

    def set(self, name, **entry):
        """What it has from now on; without anything: no such name."""
        if entry:
            self.names[name] = entry
        else:
            self.names.pop(name, None)
        self.write()

    def mode(self, name, mode, **more):
        self.set(name, **{**self.names[name], "mode": mode, **more})

    def start(self):
        with open(self.log, "a", encoding="utf-8") as f:
            seen = f.tell()
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), str(self.port),
             self.zone, self.log], stdin=subprocess.DEVNULL)
        while True:
            with open(self.log, encoding="utf-8") as f:
                f.seek(seen)
                if "ready" in f.read():
                    return self
            assert self.process.poll() is None, "the name server ended"
            time.sleep(0.01)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def asked(self, name=None, kind=None):
        """The questions so far."""
        with open(self.log, encoding="utf-8") as f:
            lines = [json.loads(x) for x in f.read().splitlines()]
        return [x for x in lines if "name" in x
                and name in (None, x["name"]) and kind in (None, x["type"])]


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.argv[3])
