"""The examples of uses: each is started as it is, but for its addresses."""
import asyncio
import os
import re
import subprocess

import grpc
import pytest
import websockets

from client import get
from harness import PATIENCE, ROOT, App, wait_for
from pods import WebSocketPod
from test_grpc import Server

EXAMPLES = os.path.join(ROOT, "examples")


@pytest.fixture
def example(proxy, ports):
    """The text of an example with free ports, and which stand for which."""
    def read(name):
        with open(os.path.join(EXAMPLES, name), encoding="utf-8") as f:
            text = f.read()
        moved = {int(port): ports.reserve() for port in
                 sorted(set(re.findall(r"127\.0\.0\.1:(\d+)\b", text)))}
        text = re.sub(r"\b(127\.0\.0\.1|https):(\d+)\b",
                      lambda m: f"{m[1]}:{moved[int(m[2])]}", text)

        def start():
            p = proxy(text, wait=False)
            p.write(text.replace("./shunt-admin.sock", p.socket))
            return p
        return start, moved
    return read


def all_up(p, service, versions):
    """Its checks have seen them."""
    def look():
        _, told = p.api("GET", f"/api/v1/services/{service}")
        pods = [pod for v in told["versions"] for pod in v["pods"]]
        return len(told["versions"]) == versions and all(
            pod["state"] == "up" for pod in pods)
    wait_for(look, "its pods are up")


def curl(*words):
    done = subprocess.run(
        ["curl", "-sS", "-m", str(PATIENCE), *words], capture_output=True,
        text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ingress_tls(example, ports):
    start, at = example("ingress-tls.yaml")
    p = start()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
         "-days", "30", "-subj", "/CN=shop.example.com", "-addext",
         "subjectAltName=DNS:shop.example.com,DNS:blog.example.com",
         "-keyout", f"{p.folder}/shop.key", "-out", f"{p.folder}/shop.crt"],
        capture_output=True, check=True)
    apps = [App(ports, "1", port=at[9101]), App(ports, "blog", port=at[9201])]
    try:
        ask_ingress(p.start(), at)
    finally:
        for one in apps:
            one.stop()


def ask_ingress(p, at):
    all_up(p, "shop", 1)
    trust = ["--cacert", f"{p.folder}/shop.crt", "--connect-to",
             f"::127.0.0.1:{at[8443]}"]
    for url, version in (("shop.example.com/", "1"),
                         ("shop.example.com/blog/1", "blog"),
                         ("blog.example.com/", "blog")):
        told = curl(*trust, "-i", f"https://{url}")
        assert f'"appVersion":"{version}"' in told.replace(" ", ""), told
        assert "strict-transport-security: max-age=2592000" in told.lower()
    told = curl("-i", f"http://127.0.0.1:{at[8080]}/cart", "-H",
                "Host: shop.example.com")
    assert f"location: https://shop.example.com:{at[8443]}/cart" in \
        told.lower()


class HealthyServer(Server):
    """With the standard health service: SERVING."""

    def __init__(self, port):
        super().__init__(port)
        echo = self.handler.service

        def service(details):
            if details.method == "/grpc.health.v1.Health/Check":
                return grpc.unary_unary_rpc_method_handler(
                    lambda message, context: b"\x08\x01")
            return echo(details)
        self.handler.service = service


def test_grpc(example):
    start, at = example("grpc.yaml")
    pods = [HealthyServer(at[port]) for port in (9101, 9102, 9201)]
    try:
        p = start().start()
        all_up(p, "calls", 2)
        with grpc.insecure_channel(f"127.0.0.1:{at[8080]}") as channel:
            call = channel.unary_unary("/test.Echo/Unary")
            for _ in range(20):
                assert call(b"x", timeout=PATIENCE) == b"<x>"
            # 90:10, exactly
            assert pods[2].handler.asked == 2
            with pytest.raises(grpc.RpcError):
                for _ in channel.unary_stream("/test.Echo/Broken")(
                        b"x", timeout=PATIENCE):
                    pass
        _, told = p.api("GET", "/api/v1/services/calls")
        assert sum(v["errors"] for v in told["versions"]) == 1
    finally:
        for pod in pods:
            pod.stop()


def test_websocket(example, loop):
    start, at = example("websocket.yaml")
    pods = [WebSocketPod(loop, at[port]) for port in (9101, 9201)]
    try:
        p = start().start()
        all_up(p, "chat", 2)

        async def talk():
            url = f"ws://127.0.0.1:{at[8080]}/room"
            async with websockets.connect(url) as ws:
                cookie = ws.response_headers["Set-Cookie"].split(";")[0]
                await ws.send("hello")
                assert await ws.recv() == "hello"
            first = [len(pod.asked) for pod in pods]
            for _ in range(5):
                async with websockets.connect(
                        url, extra_headers={"Cookie": cookie}):
                    pass
            return first
        first = asyncio.run(asyncio.wait_for(talk(), PATIENCE))
        # clients keep their version
        assert [len(pod.asked) for pod in pods] == [6 * n for n in first]
        assert get(at[8080]).status == 426  # the pods' own answer
    finally:
        for pod in pods:
            pod.stop()
