"""The real proxy as a process: started, watched, asked, ended, and judged."""
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.environ.get("SHUNT_BIN", os.path.join(ROOT, "build/release/shunt"))
SAN = os.environ.get("SHUNT_SAN", "")
# How long to wait for what must come is no measure of speed.
PATIENCE = 60 if SAN else 20
RUBBISH = ("bug:", "AddressSanitizer", "ThreadSanitizer", "LeakSanitizer",
           "UndefinedBehavior", "runtime error:")


def is_clean(log):
    """Nothing in it is of a defect; a log may have 100 MiB."""
    return not any(words in log for words in RUBBISH)


def wait_for(condition, what, seconds=PATIENCE):
    """Asks until the answer is true; returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


class Ports:
    """Ports of our own: bound, so that nobody else gets them, but without a
    listener, so that a connection to one is refused until somebody starts."""
    # Below the range of pods that shunt launches: a process that comes back
    # takes its old port again. And far below that of outgoing connections.
    FIRST, COUNT = 10000, 10000

    def __init__(self):
        self.next = os.getpid() * 131
        self.held = []

    def reserve(self):
        for _ in range(self.COUNT):
            port = self.FIRST + self.next % self.COUNT
            self.next += 1
            s = socket.socket()
            try:
                # Somebody else's listener or reservation makes this fail.
                s.bind(("127.0.0.1", port))
            except OSError:
                s.close()
                continue
            # Only now may another socket have it, too: there is no moment at
            # which a second one who reserves could come between.
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.held.append(s)
            return port
        raise AssertionError("no port is free")

    def release(self):
        for s in self.held:
            s.close()
        self.held = []


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def service(versions, **options):
    """One service: versions as {name: [port, ...]}, the rest as in YAML."""
    answer = {"routes": [{"path": "/"}],
              "versions": {name: {"pods": [f"127.0.0.1:{p}" for p in ports]}
                           for name, ports in versions.items()},
              "stable": next(iter(versions))}
    answer.update(options)
    return answer


class Proxy:
    """`shunt run` with a config given as a dict, or as YAML text."""

    def __init__(self, ports, config, workers=2, files=None, san=None):
        self.folder = tempfile.mkdtemp(prefix="shunt-")
        self.socket = os.path.join(self.folder, "admin.sock")
        self.path = os.path.join(self.folder, "shunt.yaml")
        self.log = os.path.join(self.folder, "stderr")
        self.port = None
        self.process = None
        self.files, self.san = files, san
        if isinstance(config, dict):
            config = dict(config)
            if "listen" not in config:
                self.port = ports.reserve()
                config["listen"] = [{"address": f"127.0.0.1:{self.port}"}]
            config["admin"] = {"socket": self.socket,
                               **config.get("admin", {})}
            config.setdefault("workers", workers)
        self.config = config
        self.write(config)

    def write(self, config):
        """Replaces the file as an editor does: never half of it is there."""
        text = config if isinstance(config, str) else yaml.safe_dump(
            config, sort_keys=False)
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.path + ".new", self.path)

    def spawn(self):
        def limits():
            if self.files:
                resource.setrlimit(resource.RLIMIT_NOFILE,
                                   (self.files, self.files))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BIN, "run", "-c", self.path], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=limits)
        return self

    def start(self):
        self.spawn()
        wait_for(self.ready, "the proxy is ready")
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f"the proxy ended with {self.process.returncode}:\n"
                + self.stderr())
        try:
            return self.api("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stderr(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    # asking

    def api(self, method, path, body=None, text=None):
        """(status, JSON or text) from the admin socket."""
        connection = UnixConnection(self.socket, PATIENCE)
        try:
            if body is not None:
                text = json.dumps(body)
            connection.request(method, path, body=text)
            answer = connection.getresponse()
            raw = answer.read().decode()
            kind = answer.getheader("Content-Type", "")
            return answer.status, (json.loads(raw) if "json" in kind else raw)
        except http.client.HTTPException as e:
            raise OSError(f"admin socket: {e}") from e
        finally:
            connection.close()

    def cli(self, *arguments, check=False):
        done = run_cli(*arguments, env={"SHUNT_SOCKET": self.socket})
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def status(self, name="shop"):
        code, answer = self.api("GET", f"/api/v1/services/{name}")
        assert code == 200, answer
        return answer

    def version(self, name, of="shop"):
        return next(v for v in self.status(of)["versions"]
                    if v["name"] == name)

    def pods(self, version, of="shop"):
        """States by port, such that every worker goes by them."""
        shop = wait_for(lambda: (s := self.status(of))["in_force"] and s,
                        "what workers go by")
        (pods,) = [v["pods"] for v in shop["versions"] if v["name"] == version]
        return {int(p["address"].rsplit(":", 1)[1]): p["state"] for p in pods}

    def inflight(self, of="shop"):
        return sum(p["inflight"] for v in self.status(of)["versions"]
                   for p in v["pods"])

    def wait_pods(self, version, **states):
        """Until as many pods of the version are in each state, and every
        worker goes by that."""
        def right():
            shop = self.status()
            (pods,) = [v["pods"] for v in shop["versions"]
                       if v["name"] == version]
            have = [pod["state"] for pod in pods]
            return shop["in_force"] and all(
                have.count(s) == n for s, n in states.items())
        wait_for(right, f"pods of {version} are {states}")

    def wait_idle(self, of="shop"):
        wait_for(lambda: self.inflight(of) == 0, "nothing in flight")

    def metrics(self):
        """{name: {labels as text: value}}"""
        code, text = self.api("GET", "/metrics")
        assert code == 200
        found = {}
        for line in text.splitlines():
            m = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if m:
                found.setdefault(m.group(1), {})[m.group(2) or ""] = float(
                    m.group(3))
        return found

    def peak_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))

    def sockets(self):
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    # ending

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=PATIENCE):
        return self.process.wait(seconds)

    def stop(self):
        """Ends it, and judges: exit status 0 and nothing odd on stderr."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"nothing on SIGTERM; ended {self.process.wait()}"
        self.process = None
        log = self.stderr()
        assert is_clean(log), log
        assert status == 0, f"exit status {status}\n{log[-4000:]}"

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class App:
    """`shunt app`: the demo application, a process of its own."""

    def __init__(self, ports, version, *options, port=None):
        self.port = port or ports.reserve()
        self.command = [BIN, "app", "--version", version, "--port",
                        str(self.port), *options]
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for(self.listens, f"{self.command} listens")
        return self

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError(self.process.stderr.read().decode())
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def stop(self):
        """Ends it, and judges it as the proxy is judged."""
        if self.process.poll() is None:
            self.process.terminate()
        elif self.process.returncode == -signal.SIGKILL:
            return
        try:
            _, log = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        assert is_clean(log.decode()), log.decode()
        assert self.process.returncode == 0, self.process.returncode


def run_cli(*arguments, env=None, seconds=PATIENCE):
    full = {k: v for k, v in os.environ.items() if k != "SHUNT_SOCKET"}
    full.update(env or {})
    return subprocess.run([BIN, *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=seconds, env=full)
