"""The programs under measurement: their configs, their life, their CPU time.

Every program does the same canary work: 80/20 between three pods of v1 and
one of v2, a User-Agent regex and a cookie that override the split, kept-alive
connections to the pods, X-Forwarded-For, -Proto and -Host. Where a peer has
an option that makes this work cheaper, it is given: larger buffers and no
temporary files to nginx; splicing to HAProxy, where it costs no small reply.
nghttpx has no such rules and no split: it deals the requests out in turn.

Who takes part in a secure work has a second listener: TLS 1.3 with session
tickets, HTTP/2 and HTTP/1.1 by ALPN, the same certificate for all.
"""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time

PROXY_CPU, LOAD_CPU = 0, 1
AGENT_RULE = "Sometimes-Fail"
# One of each for all, so that nobody's TLS is the cheaper one.
CIPHERSUITE, GROUP = "TLS_AES_128_GCM_SHA256", "X25519"
COOKIE_RULE = ("release", "beta")
START_LIMIT = STOP_LIMIT = 10.0
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """What a person must know before the benchmark can run."""


def find(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        raise Failed(f"{name} is not installed")
    return path


def first_line(command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.split("\n")[0].strip()


def free_ports(count):
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def spawn(command, cpu, **options):
    """A child on one CPU, in its own session, that dies with us."""
    def settle():
        os.sched_setaffinity(0, {cpu})
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return subprocess.Popen(command, preexec_fn=settle,
                            start_new_session=True, **options)


def tree(pid):
    """A process and its descendants."""
    pids = [pid]
    for at in pids:
        try:
            for task in os.listdir(f"/proc/{at}/task"):
                with open(f"/proc/{at}/task/{task}/children") as f:
                    pids += [int(child) for child in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return pids


def stop(process):
    """Ends a child and what it started, by pid."""
    if process.poll() is not None:
        return
    pids = tree(process.pid)
    process.terminate()
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()


class Origin:
    """The pods: one process, one port each, beside the load generator."""

    def __init__(self, binary):
        names = ["v1", "v1", "v1", "v2"]
        self.process = spawn([binary, *names], LOAD_CPU,
                             stdout=subprocess.PIPE, text=True)
        lines = [self.process.stdout.readline().split() for _ in names]
        if not all(lines):
            self.stop()
            raise Failed("the origin did not start")
        self.v1 = [address for name, address in lines if name == "v1"]
        self.v2 = [address for name, address in lines if name == "v2"]

    def stop(self):
        stop(self.process)


class Certificate:
    """Made for this run: ECDSA P-256, signed by itself."""

    def __init__(self, folder):
        self.chain = os.path.join(folder, "certificate.pem")
        self.key = os.path.join(folder, "key.pem")
        self.both = os.path.join(folder, "both.pem")
        done = subprocess.run(
            [find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=shop.example.com",
             "-addext", "subjectAltName=DNS:shop.example.com",
             "-keyout", self.key, "-out", self.chain],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)
        if done.returncode != 0:
            raise Failed(f"openssl made no certificate:\n{done.stdout}")
        with open(self.both, "w") as both:
            for name in (self.chain, self.key):
                with open(name) as f:
                    both.write(f.read())


class Program:
    """One program: configured in a folder of its own, pinned to one CPU."""

    routes = True   # knows versions and rules
    peer = False    # one of those we are compared with
    works = None    # the names of those it takes part in; None: all

    def __init__(self, name, binary, folder, origin, certificate=None):
        self.name = name
        self.binary = binary
        self.folder = os.path.join(folder, name + ".run")
        os.makedirs(self.folder, exist_ok=True)
        self.origin = origin
        self.certificate = certificate  # None: it speaks clear text only
        self.process = None
        self.port = self.tls_port = None

    @classmethod
    def takes(cls, work):
        return cls.works is None or work in cls.works

    @property
    def secure(self):
        return self.certificate is not None

    def command(self):
        """Writes the config and says how to start."""
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def start(self):
        self.port, self.tls_port = free_ports(2)
        with open(self.path("output"), "w") as output:
            self.process = spawn(self.command(), PROXY_CPU,
                                 stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT, cwd=self.folder)
        deadline = time.monotonic() + START_LIMIT
        while not self.accepts():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Failed(f"{self.name} did not start:\n" + self.output())
            time.sleep(0.02)

    def accepts(self):
        ports = [self.port, self.tls_port] if self.secure else [self.port]
        try:
            for port in ports:
                socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            return False

    def output(self):
        with open(self.path("output")) as f:
            return f.read()

    def stop(self):
        if self.process is not None:
            stop(self.process)
            self.process = None

    def url(self, path, secure):
        if secure:
            return f"https://127.0.0.1:{self.tls_port}{path}"
        return f"http://127.0.0.1:{self.port}{path}"

    def pids(self):
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended by itself:\n" + self.output())
        return tree(self.process.pid)

    def cpu_us(self):
        """User and system time so far, of all its threads."""
        total = 0
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                    total += int(f.read().split()[0])
        return total / 1000

    def memory(self):
        """Its own bytes: the proportional share of what no file backs."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                sizes = re.findall(r"^Pss_(?:Anon|Shmem): +(\d+) kB",
                                   f.read(), re.M)
            total += sum(map(int, sizes)) * 1024
        return total


class Relay(Program):
    routes = False
    works = ("small", "rules", "bulk", "calls")

    def command(self):
        return [self.binary, f"127.0.0.1:{self.port}",
                *self.origin.v1, *self.origin.v2]

    def version(self):
        return "bench/relay.c, parses nothing"


NGINX = """\
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log errors error;
pcre_jit on;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    proxy_http_version 1.1;
    proxy_max_temp_file_size 0;
    proxy_buffers 16 32k;
    proxy_busy_buffers_size 128k;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;

    split_clients "$connection-$connection_requests" $by_weight {{
        20% v2;
        *   v1;
    }}
    map $cookie_{cookie} $by_cookie {{ default $by_weight; {value} v2; }}
    map $http_user_agent $version {{ default $by_cookie; "~{agent}" v2; }}
    upstream v1 {{
        {v1}
        keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s;
    }}
    upstream v2 {{
        {v2}
        keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {tls}
        location / {{ proxy_pass http://$version; }}
    }}
}}
"""


NGINX_TLS = """\
listen 127.0.0.1:{port} ssl http2 backlog=4096;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites {cipher};
        ssl_ecdh_curve {group};"""


class Nginx(Program):
    peer = True

    def tls(self):
        if not self.secure:
            return ""
        return NGINX_TLS.format(
            port=self.tls_port, cipher=CIPHERSUITE, group=GROUP,
            chain=self.certificate.chain, key=self.certificate.key)

    def command(self):
        cookie, value = COOKIE_RULE
        config = self.write("nginx.conf", NGINX.format(
            user="user root;\n" if os.geteuid() == 0 else "",
            port=self.port, tls=self.tls(),
            agent=AGENT_RULE, cookie=cookie, value=value,
            v1=" ".join(f"server {a};" for a in self.origin.v1),
            v2=" ".join(f"server {a};" for a in self.origin.v2)))
        return [self.binary, "-e", "errors", "-p", self.folder + "/",
                "-c", config]

    def output(self):
        log = self.path("errors")
        if not os.path.exists(log):
            return super().output()
        with open(log) as f:
            return super().output() + f.read()

    def version(self):
        return first_line([self.binary, "-v"]).split(": ")[-1]


HAPROXY = """\
global
    nbthread 1
    maxconn 4096

defaults
    mode http
    timeout client 600s
    timeout server 600s
    timeout connect 5s
    timeout http-keep-alive 600s
    http-reuse always
    option forwardfor
{options}    balance roundrobin

{frontends}backend v1
    {v1}

backend v2
    {v2}
"""


HAPROXY_FRONTEND = """\
frontend {scheme}
    bind 127.0.0.1:{port} backlog 4096{tls}
    http-request set-header X-Forwarded-Proto {scheme}
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    acl agent req.hdr(User-Agent) -m reg {agent}
    acl cookie req.cook({cookie}) -m str {value}
    acl weight rand(100) lt 20
    use_backend v2 if agent || cookie || weight
    default_backend v1

"""
HAPROXY_TLS = " ssl crt {both} alpn h2,http/1.1 ssl-min-ver TLSv1.3 " \
    "ciphersuites {cipher} curves {group}"


class Haproxy(Program):
    peer = True
    options = ""

    def frontend(self, scheme, port, tls):
        cookie, value = COOKIE_RULE
        return HAPROXY_FRONTEND.format(
            scheme=scheme, port=port, tls=tls, agent=AGENT_RULE,
            cookie=cookie, value=value)

    def frontends(self):
        text = self.frontend("http", self.port, "")
        if self.secure:
            text += self.frontend("https", self.tls_port, HAPROXY_TLS.format(
                both=self.certificate.both, cipher=CIPHERSUITE, group=GROUP))
        return text

    def command(self):
        config = self.write("haproxy.cfg", HAPROXY.format(
            frontends=self.frontends(), options=self.options,
            v1="\n    ".join(f"server pod{i} {a}"
                             for i, a in enumerate(self.origin.v1)),
            v2="\n    ".join(f"server pod{i} {a}"
                             for i, a in enumerate(self.origin.v2))))
        return [self.binary, "-db", "-f", config]

    def version(self):
        line = first_line([self.binary, "-v"])
        return "HAProxy " + line.split()[2]


class HaproxySplicing(Haproxy):
    """Spliced, a large body is cheaper and a small one dearer."""

    options = "    option splice-response\n"
    works = ("bulk",)

    def version(self):
        return super().version() + ", option splice-response"


NGHTTPX = """\
frontend=127.0.0.1,{port};no-tls
{tls}
{backends}
workers=1
single-process=yes
no-ocsp=yes
no-via=yes
no-server-rewrite=yes
add-x-forwarded-for=yes
backlog=4096
frontend-http2-max-concurrent-streams=128
errorlog-file=errors
"""
NGHTTPX_TLS = """\
frontend=127.0.0.1,{port}
private-key-file={key}
certificate-file={chain}
tls-min-proto-version=TLSv1.3
tls13-ciphers={cipher}
ecdh-curves={group}"""


class Nghttpx(Program):
    routes = False
    peer = True
    works = ("tls", "h2")

    def command(self):
        tls = NGHTTPX_TLS.format(
            port=self.tls_port, cipher=CIPHERSUITE, group=GROUP,
            chain=self.certificate.chain,
            key=self.certificate.key) if self.secure else ""
        backends = [a.replace(":", ",")
                    for a in self.origin.v1 + self.origin.v2]
        config = self.write("nghttpx.conf", NGHTTPX.format(
            port=self.port, tls=tls,
            backends="\n".join(f"backend={a}" for a in backends)))
        return [self.binary, "--conf", config]

    def version(self):
        return first_line([self.binary, "--version"]) \
            + ", round robin without split or rules"


SHUNT_TLS = """\
  - address: 127.0.0.1:{port}
    tls:
      certificate: {chain}
      key: {key}
      min_version: "1.3"
      ciphersuites: {cipher}
"""
SHUNT = """\
listen:
  - address: 127.0.0.1:{port}
{tls}\
admin:
  socket: {socket}
workers: 1
timeouts: {{ idle: 10m }}
forward: {{ x_forwarded: append, via: false }}
services:
  app:
    routes:
      - {{ path: / }}
    versions:
      v1: {{ pods: [{v1}] }}
      v2: {{ pods: [{v2}] }}
    stable: v1
    weights: {{ v1: 80, v2: 20 }}
    rules:
      - match: {{ header: {{ User-Agent: {{ regex: {agent} }} }} }}
        version: v2
      - match: {{ cookie: {{ {cookie}: {value} }} }}
        version: v2
    balance: round_robin
"""


class Shunt(Program):
    def tls(self):
        if not self.secure:
            return ""
        return SHUNT_TLS.format(
            port=self.tls_port, cipher=CIPHERSUITE,
            chain=self.certificate.chain, key=self.certificate.key)

    def command(self):
        cookie, value = COOKIE_RULE
        config = self.write("shunt.yaml", SHUNT.format(
            port=self.port, tls=self.tls(), socket=self.path("admin.sock"),
            agent=AGENT_RULE, cookie=cookie, value=value,
            v1=", ".join(self.origin.v1), v2=", ".join(self.origin.v2)))
        return [self.binary, "run", "-c", config]

    def version(self):
        version = first_line([self.binary, "--version"])
        if self.name != "shunt":
            return version + ", another build"
        commit = subprocess.run(
            ["git", "-C", os.path.dirname(self.binary), "describe",
             "--always", "--dirty"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, check=False).stdout.strip()
        return f"{version} ({commit})" if commit else version
