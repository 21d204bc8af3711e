"""bench/experiment/run: a row of it from the start of the pods to the table."""
import gzip
import json
import os
import subprocess
import sys

from harness import BIN, ROOT


def test_a_row_is_measured(tmp_path):
    """A canary of 20 % whose version fails half of the time for one of two
    kinds of clients: a twentieth of the answers. How long anything took is the
    machine's affair."""
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, "bench/experiment/run"),
         "--rows", "canary", "--shunt", BIN, "--output", str(tmp_path)],
        capture_output=True, text=True, timeout=300, check=False)
    assert "canary 20 %: errors " in done.stdout, done.stdout + done.stderr
    told = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| canary 20 % |" in told and "canary.svg" in told
    assert (tmp_path / "canary.svg").read_text(
        encoding="utf-8").startswith("<svg")
    with gzip.open(tmp_path / "data" / "canary.json.gz") as f:
        raw = json.load(f)
    marks = raw["marks"]
    assert marks["load"] < marks["upgrade"] < marks["settled"] \
        < marks["rollback"]
    versions = {v["version"]: v for v in raw["report"]["versions"]}
    assert versions["1"]["errors"] == 0
    assert 0.15 < versions["2"]["error_ratio"] < 0.35
    assert raw["most_pods"] == 4
