"""examples/monitoring: Prometheus reads a live proxy, and each query of the
Grafana dashboard and of the alerts has something to show."""
import json
import os
import subprocess
import urllib.parse
import urllib.request

import pytest
import yaml

from client import Paced, request
from harness import PATIENCE, ROOT, wait_for

FOLDER = os.path.join(ROOT, "examples", "monitoring")


def dashboard():
    with open(os.path.join(FOLDER, "grafana-dashboard.json"),
              encoding="utf-8") as f:
        return json.load(f)


def queries():
    """(title, expression) of each panel's targets."""
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def filled(expression):
    """What Grafana makes of its variables."""
    return expression.replace("$service", ".*").replace(
        "$__rate_interval", "10s")


class Prometheus:
    """Debian's, on a folder of its own, asking the proxy every second."""

    def __init__(self, folder, port, target):
        with open(os.path.join(FOLDER, "prometheus.yml"),
                  encoding="utf-8") as f:
            config = yaml.safe_load(f)
        config["global"] = {"scrape_interval": "1s",
                            "evaluation_interval": "1s"}
        config["rule_files"] = [os.path.join(FOLDER, "alerts.yml")]
        config["scrape_configs"][0]["static_configs"] = [
            {"targets": [f"127.0.0.1:{target}"]}]
        path = os.path.join(folder, "prometheus.yml")
        with open(path, "w", encoding="utf-8") as f:
            yaml.safe_dump(config, f)
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={path}",
             f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_for(self.ready, "Prometheus is ready")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as r:
            return r.read()

    def ready(self):
        assert self.process.poll() is None, "Prometheus ended"
        try:
            return self.get("/-/ready") is not None
        except OSError:
            return False

    def query(self, expression):
        answer = json.loads(self.get(
            "/api/v1/query?" + urllib.parse.urlencode(
                {"query": expression})))
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


@pytest.fixture
def scraped(shop, app, ports, tmp_path):
    admin = ports.reserve()
    # v2 fails for some, so that there are errors to be shown
    p = shop({"v1": [app("1").port],
              "v2": [app("2", "--fail-rate", "50%", "--fail-agent",
                         "Sometimes-Fail",
                         "--fail-status", "500").port]},
             config={"admin": {"address": f"127.0.0.1:{admin}"}},
             service={"weights": {"v1": 1, "v2": 1}, "release": {
                 "canary": {"steps": [{"weight": 50, "pause": True}],
                            "gates": "off"}}})
    prometheus = Prometheus(str(tmp_path), ports.reserve(), admin)
    load = Paced(p.port, 100, 4, data=request(fields=[
        ("User-Agent", "Sometimes-Fail")])).load.start()
    yield p, prometheus
    load.stop()
    prometheus.stop()


def test_each_query_has_data(scraped):
    p, prometheus = scraped
    status, told = p.api("POST", "/api/v1/services/shop/rollouts",
                         {"to": "v2", "strategy": "canary"})
    assert status < 300, told
    wanted = dict(queries())
    assert len(wanted) >= 12
    for title, expression in wanted.items():
        wait_for(lambda e=expression: prometheus.query(filled(e)),
                 f"{title}: {expression}")
    share = {r["metric"]["version"]: float(r["value"][1])
             for r in prometheus.query("shunt_version_share")}
    assert set(share) == {"v1", "v2"} and abs(sum(share.values()) - 1) < 0.01
    assert len(prometheus.query("shunt_rollout_phase == 1")) == 1
    wait_for(lambda: prometheus.query(
        'ALERTS{alertname="ShuntVersionFails", version="v2"}'), "an alert")
    assert not prometheus.query('ALERTS{version="v1"}')


def test_promtool_likes_the_rules():
    for what in (["config", "prometheus.yml"], ["rules", "alerts.yml"]):
        done = subprocess.run(
            ["promtool", "check", what[0], os.path.join(FOLDER, what[1])],
            capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_whole():
    """Ids are unique, panels do not overlap, each query names a metric that
    shunt has: what Grafana itself would not complain about."""
    board = dashboard()
    ids = [x["id"] for x in board["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
