"""Counters: what was sent is what is counted."""
import re
import subprocess
import urllib.request

import pytest

from client import Load, get, request
from harness import wait_for
from pods import answer, app_answer


def sums(values, label):
    """Values added up by one label."""
    found = {}
    for labels, n in values.items():
        key = re.search(rf'{label}="(.*?)"', labels).group(1)
        found[key] = found.get(key, 0) + n
    return found


def by_path(asked):
    """/404 answers 404."""
    status = asked.target[1:]
    return answer(int(status), "x") if status.isdigit() else app_answer("1")


@pytest.fixture
def busy(shop, pod):
    """20 x 200, 10 x 404, 5 x 500 on v1; 15 x 200, 5 x 503 on v2."""
    p = shop({"v1": [pod(by_path).port], "v2": [pod(by_path).port]}, service={
        "weights": {"v1": 1, "v2": 0},
        "rules": [{"match": {"header": {"X-V": "2"}}, "version": "v2"}]})
    for fields, wanted in (((), {"/": 20, "/404": 10, "/500": 5}),
                           ((("X-V", "2"),), {"/": 15, "/503": 5})):
        for path, n in wanted.items():
            Load(p.port, 3, n, request(path=path, fields=fields)).run()
    return p


def test_promtool_likes_them(busy):
    _, text = busy.api("GET", "/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text,
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60)
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout


def test_counts_equal_what_was_sent(busy):
    total = busy.metrics()["shunt_requests_total"]
    v1 = {k: n for k, n in total.items() if 'version="v1"' in k}
    v2 = {k: n for k, n in total.items() if 'version="v2"' in k}
    assert sums(v1, "code") == {"200": 20, "404": 10, "500": 5}
    assert sums(v2, "code") == {"200": 15, "503": 5}
    assert all('service="shop"' in k for k in total)


def test_errors_by_reason(busy):
    errors = busy.metrics()["shunt_errors_total"]
    v1 = {k: n for k, n in errors.items() if 'version="v1"' in k and n}
    assert sums(v1, "reason") == {"status": 5}


def test_error_ratio_per_version(busy):
    def ratios():
        return sums(busy.metrics()["shunt_error_ratio"], "version")
    assert ratios() == {"v1": pytest.approx(5 / 35), "v2": pytest.approx(.25)}
    assert busy.version("v1")["error_ratio"] == pytest.approx(5 / 35)
    assert busy.version("v1")["share"] == pytest.approx(35 / 55)
    assert sums(busy.metrics()["shunt_version_share"],
                "version")["v2"] == pytest.approx(20 / 55)


def test_errors_are_what_the_config_says(shop, pod):
    """`errors: {status: 404}` makes 404 an error and 500 none."""
    p = shop({"v1": [pod(by_path).port]},
             service={"errors": {"status": "400-499"}})
    for path in ("/404", "/500", "/"):
        get(p.port, path)
    v1 = p.version("v1")
    assert (v1["requests"], v1["errors"]) == (3, 1)


def test_durations_are_a_histogram(busy):
    m = busy.metrics()
    name = "shunt_request_duration_seconds"
    for version, n in (("v1", 35), ("v2", 20)):
        buckets = [(float(re.search(r'le="(.*?)"', k).group(1)), v)
                   for k, v in m[name + "_bucket"].items()
                   if f'version="{version}"' in k]
        buckets.sort()
        counts = [v for _, v in buckets]
        assert counts == sorted(counts) and counts[-1] == n
        assert sums(m[name + "_count"], "version")[version] == n
        assert sums(m[name + "_sum"], "version")[version] > 0


def test_every_name_is_there(busy):
    names = set(busy.metrics())
    for name in ("shunt_requests_total", "shunt_errors_total",
                 "shunt_error_ratio", "shunt_request_duration_seconds_count",
                 "shunt_retries_total", "shunt_retries_refused_total",
                 "shunt_retry_budget_spent", "shunt_version_weight",
                 "shunt_version_share", "shunt_pod_up", "shunt_pod_inflight",
                 "shunt_queue_length", "shunt_queue_wait_seconds_count",
                 "shunt_queue_rejected_total",
                 "shunt_connections", "shunt_build_info"):
        assert name in names, name
    weights = sums(busy.metrics()["shunt_version_weight"], "version")
    assert weights == {"v1": 1, "v2": 0}
    assert set(busy.metrics()["shunt_pod_up"].values()) == {1}


def test_what_no_version_did_is_booked_on_none(shop, ports):
    """A 503 without a pod is no answer of v1's."""
    p = shop({"v1": [ports.reserve()]}, service={"health": {
        "path": "/healthz", "interval": "100ms"}})
    assert get(p.port).status == 503
    total = p.metrics()["shunt_requests_total"]
    assert not [k for k in total if 'version="v1"' in k and total[k]]
    assert [n for k, n in total.items() if 'code="503"' in k] == [1]
    errors = p.metrics()["shunt_errors_total"]
    assert sum(n for k, n in errors.items() if "no_pod" in k) <= 1


def test_the_window_slides(shop, pod):
    p = shop({"v1": [pod(by_path).port]})
    assert p.version("v1")["error_ratio"] == 0
    get(p.port, "/500")
    wait_for(lambda: p.version("v1")["error_ratio"] == 1, "all are errors")
    get(p.port)
    wait_for(lambda: p.version("v1")["error_ratio"] == 0.5, "half are")


def test_metrics_over_tcp(shop, pod, ports):
    port = ports.reserve()
    p = shop({"v1": [pod().port]}, config={"workers": 1})
    config = dict(p.config)
    p.stop()
    config["admin"] = {"socket": p.socket, "address": f"127.0.0.1:{port}"}
    p.write(config)
    p.start()
    for path in ("metrics", "healthz", "readyz", "api/v1/services"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}",
                                    timeout=20) as answer_:
            assert answer_.status == 200
