"""Every example of a release runs, and so do the commands that the documents
give."""
import os
import re
import signal
import subprocess

import pytest

from harness import BIN, PATIENCE, ROOT, wait_for

# Slow: releases with their waits, as people would see them.
EXAMPLES = os.path.join(ROOT, "examples")
# Every key, for reading.
NOT_RUN = {"shunt.yaml"}
SEVERAL = 10 * PATIENCE  # what a block of commands may take


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blocks(document):
    """{name: [line, ...]} of the indented lines behind each marker."""
    found = {}
    for m in re.finditer(r"^<!-- commands: (\S+) -->\n((?:    .*\n)+)",
                         read(document), re.M):
        assert m.group(1) not in found
        found[m.group(1)] = [line[4:] for line in m.group(2).splitlines()]
    return found


STRATEGIES = blocks("docs/strategies.md")
README = blocks("README.md")


def examples():
    """Those that say how their service is released."""
    return sorted(n for n in os.listdir(EXAMPLES)
                  if n.endswith(".yaml") and n not in NOT_RUN
                  and "\n    release:" in read(f"examples/{n}"))


@pytest.fixture
def path(tmp_path, monkeypatch):
    """`shunt` is on the path, for us and for what shunt starts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "shunt").symlink_to(BIN)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


class Shell:
    """A block of commands as a person would type them, one after the other:
    each must end with 0, or with what its comment says."""

    def __init__(self, folder):
        self.folder = folder
        self.process = None

    @staticmethod
    def line(text):
        if re.search(r"&\s*(#.*)?$", text):
            return text
        said = re.search(r"# exit status (\d+)", text)
        wanted = said.group(1) if said else "0"
        quoted = text.replace("'", "'\\''")
        return (f"echo '$ {quoted}'\n{text}\n"
                f"s=$?; [ $s = {wanted} ] || {{ echo \"ended with $s\"; "
                "exit 99; }")

    def start(self, lines, environment=None):
        script = "\n".join(self.line(text) for text in lines)
        self.process = subprocess.Popen(
            ["bash", "-c", script], cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(environment or {})})
        return self

    def end(self):
        """What it left in the background goes, too."""
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass

    def run(self, lines, environment=None):
        self.start(lines, environment)
        text = []
        try:
            # The background holds the pipe open: its end is no measure.
            self.process.wait(SEVERAL)
        finally:
            self.end()
            text.append(self.process.stdout.read())
            self.process.stdout.close()
        assert self.process.returncode == 0, "".join(text)
        return "".join(text)


@pytest.fixture
def shell(tmp_path):
    s = Shell(tmp_path)
    yield s
    if s.process is not None:
        s.end()


@pytest.mark.parametrize("name", examples())
def test_is_good(name, path):
    assert path
    done = subprocess.run([BIN, "check", "-c", os.path.join(EXAMPLES, name)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout


def test_every_example_has_its_commands():
    assert sorted(STRATEGIES) == examples()
    assert len(examples()) >= 5


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_commands(name, path, proxy, ports, shell):
    assert path
    port = ports.reserve()
    p = proxy(read(f"examples/{name}")
              .replace("127.0.0.1:8080", f"127.0.0.1:{port}"), wait=False)
    p.write(p.config.replace("./admin.sock", p.socket))
    p.start()
    wait_for(lambda: [pod["state"] for pod in p.version("v1")["pods"]]
             in (["up"] * 2, ["up"] * 3), "the pods of v1 are up")
    # pods that shunt runs are those of the file
    assert p.cli("diff").returncode == 0, p.cli("diff").stdout
    said = shell.run([line.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
                      .replace("./admin.sock", p.socket)
                      for line in STRATEGIES[name]])
    if name == "recreate.yaml":
        assert "failed" not in said
    history = p.api("GET", "/api/v1/services/shop/rollouts")[1]["rollouts"]
    assert history and all(r["ended"] for r in history), history


def test_readme_releases_a_version(path, ports, proxy, shell, tmp_path):
    """The pods and shunt are started by us, so that they can be judged; the
    rest is as it stands there."""
    assert path
    web, one, two = ports.reserve(), ports.reserve(), ports.reserve()

    def fit(text):
        return (text.replace("127.0.0.1:8080", f"127.0.0.1:{web}")
                .replace("9101", str(one)).replace("9102", str(two)))

    text = re.search(r"`release.yaml`:\n\n```yaml\n(.*?)```",
                     read("README.md"), re.S).group(1)
    p = proxy(fit(text), wait=False)
    p.write(p.config.replace("./admin.sock", p.socket))
    start = [fit(line) for line in README["start"]]
    run = [line for line in start if line.startswith("shunt run")]
    assert run == ["shunt run -c release.yaml &"]
    start = [line.replace("./admin.sock", p.socket) for line in start
             if line not in run]
    p.start()
    said = shell.run(start + [fit(line) for line in README["release"]])
    assert "v2 is the stable version now" in said
    assert "v1 is the stable version now" in said
    assert p.status()["stable"] == "v1"
