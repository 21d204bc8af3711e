"""One row, carried out: a proxy with launched pods, the load tester before it,
and an operator who types what a person would."""
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
from programs import Failed, free_ports  # noqa: E402
from rows import (END, FAILS, GOOD, PODS, ROLLBACK, UPGRADE,  # noqa: E402
                  WARMUP)

SERVICE = "app"
STOP_LIMIT = 30.0
LOOK = 0.01     # seconds between two looks at what is awaited
REQUESTS = 20000  # of a row


class Admin(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Stage:
    """`scale`: so many times faster than the original."""

    def __init__(self, row, shunt, folder, scale):
        self.row, self.shunt, self.scale = row, shunt, scale
        self.folder = folder
        self.port, = free_ports(1)
        self.socket = os.path.join(folder, "admin.sock")
        self.proxy = self.load = None
        self.marks = {}  # what happened when, seconds of the original
        self.most_pods = 0
        self.downtime_of_proxy = None

    # times

    def real(self, seconds):
        """Of this run; for the config in whole milliseconds."""
        return seconds / self.scale

    def text(self, seconds):
        return f"{max(1, round(self.real(seconds) * 1000))}ms" \
            if seconds else "0s"

    def now(self):
        return (time.monotonic() - self.began) * self.scale

    def mark(self, what):
        self.marks[what] = self.now()

    # config

    def times(self, value, key=None):
        """Durations of the original, as the config has them."""
        if isinstance(value, dict):
            return {k: self.times(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.times(v) for v in value]
        if key in ("park", "min_ready", "keep_old", "duration", "hold"):
            return self.text(value)
        if key == "window":
            return f"{max(1, round(self.real(value)))}s"
        return value

    def version(self, name):
        launch = [self.shunt, "app", "--version", name, "--port", "{port}",
                  "--warmup", self.text(WARMUP), "--seed", "{port}"]
        if name == "2":
            launch += ["--fail-agent", FAILS, "--fail-rate", "50%"]
        return {"launch": {"command": launch, "replicas": PODS}}

    def config(self):
        service = {
            "versions": {f"v{n}": self.version(n) for n in ("1", "2")},
            "stable": "v1",
            "health": {"path": "/healthz", "interval": self.text(6),
                       "rise": 1, "fall": 3},
            **self.row.service}
        if self.row.strategy:
            service["release"] = {"strategy": self.row.strategy,
                                  **self.times(self.row.release)}
        return {"listen": [{"address": f"127.0.0.1:{self.port}"}],
                "admin": {"socket": self.socket},
                "state": os.path.join(self.folder, "shunt.db"),
                "workers": 1, "services": {SERVICE: service}}

    # the proxy

    def start_proxy(self):
        path = os.path.join(self.folder, "shunt.yaml")
        with open(path, "w", encoding="utf-8") as f:
            yaml.safe_dump(self.config(), f, sort_keys=False)
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.proxy = subprocess.Popen(
                [self.shunt, "run", "-c", path], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)

    def stop_proxy(self):
        self.proxy.terminate()
        try:
            self.proxy.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.proxy.kill()
            self.proxy.wait()

    def ask(self):
        """The service as the API has it; None while nobody answers."""
        try:
            with contextlib.closing(Admin(self.socket)) as admin:
                admin.request("GET", f"/api/v1/services/{SERVICE}")
                told = json.loads(admin.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        pods = sum(len(v["pods"]) for v in told["versions"])
        if "upgrade" in self.marks and "rollback" not in self.marks:
            self.most_pods = max(self.most_pods, pods)
        return told

    def wait(self, condition, what, limit=END):
        """Until condition(service, up) holds; `up` is pods by version."""
        end = time.monotonic() + self.real(limit) + STOP_LIMIT
        while time.monotonic() < end:
            told = self.ask()
            if told is not None:
                up = {v["name"]: sum(p["state"] == "up" for p in v["pods"])
                      for v in told["versions"]}
                if condition(told, up):
                    return
            if self.proxy.poll() is not None:
                raise Failed(f"{self.row.name}: the proxy ended:\n"
                             + self.log())
            time.sleep(LOOK)
        raise Failed(f"{self.row.name}: {what} took too long:\n{self.log()}")

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8",
                  errors="replace") as f:
            return f.read()[-4000:]

    def shell(self, *words):
        done = subprocess.run(
            [self.shunt, *words, "--socket", self.socket],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"shunt {' '.join(words)}: {done.stderr}")

    def rollout(self, *words):
        self.shell("rollout", words[0], SERVICE, *words[1:])

    # the load

    def start_load(self):
        seconds = self.real(END - WARMUP)
        self.load = subprocess.Popen(
            [self.shunt, "load", f"http://127.0.0.1:{self.port}/",
             "--rate", f"{REQUESTS / seconds:.0f}",
             "--duration", f"{seconds * 1000:.0f}ms", "--connections", "4000",
             # longer than anybody is parked
             "--timeout", f"{60 + self.real(END):.0f}s",
             "--agent", f"{GOOD}=50%", "--agent", f"{FAILS}=50%",
             "--version-from", "json:appVersion",
             "--ok-when", "json:status=200", "-o", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def sleep_until(self, seconds):
        """Looks at the pods meanwhile."""
        while self.now() < seconds:
            self.ask()
            time.sleep(max(0, min(LOOK * 5, self.real(seconds - self.now()))))

    # the operator

    def is_settled(self, told, up):
        rollout = told["rollout"] or {}
        phase = rollout.get("phase")
        weight = {v["name"]: v["weight"] for v in told["versions"]}
        if phase in ("failed", "rolled_back") and \
                self.row.settled != "over":
            raise Failed(f"{self.row.name}: {phase}: {rollout['reason']}")
        return {
            "phase": phase == "done",
            "mixed": up["v2"] >= 1 and up["v1"] <= PODS - 1,
            "switched": weight["v2"] == 1,
            "share": phase == "paused" and weight["v2"] > 0,
            "ready": phase == "progressing" and up["v2"] == PODS,
            "over": phase in ("rolled_back", "failed"),
        }[self.row.settled]

    def release(self):
        self.sleep_until(UPGRADE)
        self.mark("upgrade")
        self.rollout("start", "--to", "v2")
        self.wait(self.is_settled, "the upgrade")
        if self.row.pause:
            self.rollout("pause")
        self.mark("settled")
        self.sleep_until(ROLLBACK)
        self.mark("rollback")
        if self.row.back:
            self.rollout(self.row.back)

    def replace_proxy(self):
        self.sleep_until(UPGRADE)
        self.mark("upgrade")
        if self.row.act == "reload":
            self.proxy.send_signal(signal.SIGHUP)
        else:
            self.stop_proxy()
            self.start_proxy()
        self.wait(lambda told, up: up["v1"] == PODS, "the proxy")
        self.mark("settled")
        self.sleep_until(ROLLBACK)
        self.mark("rollback")

    def play(self):
        """(the load tester's report, marks, most pods at a time)"""
        self.began = time.monotonic()
        self.start_proxy()
        try:
            self.wait(lambda told, up: up["v1"] == PODS, "the start")
            # the original's load comes when its 60 s are over
            self.began = time.monotonic() - self.real(WARMUP)
            self.mark("load")
            self.start_load()
            if self.row.act:
                self.replace_proxy()
            else:
                self.release()
            out, _ = self.load.communicate(
                timeout=self.real(END) + 4 * STOP_LIMIT)
            return json.loads(out), self.marks, self.most_pods
        finally:
            if self.load is not None and self.load.poll() is None:
                self.load.kill()
                self.load.wait()
            self.stop_proxy()
