"""Authorities and certificates made by openssl, when first asked for."""
import os
import ssl
import subprocess
import time
from dataclasses import dataclass

CONFIG = """
[ca]
default_ca = one
[one]
database = %(name)s.index
new_certs_dir = .
certificate = %(name)s.pem
private_key = %(name)s.key
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = 30
policy = any
copy_extensions = copy
[any]
commonName = supplied
organizationName = optional
[req]
distinguished_name = dn
prompt = no
[dn]
"""
DAY = 86400


@dataclass(frozen=True)
class Leaf:
    """Two files, and the certificate as s_client and Python show it."""
    certificate: str
    key: str

    def tls(self, **more):
        """As the config names them."""
        return {"certificate": self.certificate, "key": self.key, **more}

    @property
    def der(self):
        with open(self.certificate, encoding="ascii") as f:
            pem = f.read()
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(pem[:pem.index(end) + len(end)])


def stamp(seconds):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(seconds))


class Certs:
    """A folder of them. Two authorities: `ca`, and `other`, whom nobody
    trusts."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.made = {}
        self.ca = self.authority("ca")
        self.other = self.authority("other")

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *arguments):
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace")
        assert done.returncode == 0, done.stdout
        return done.stdout

    def key(self, path, kind):
        options = (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
                   if kind == "rsa" else
                   ["-algorithm", "EC", "-pkeyopt",
                    "ec_paramgen_curve:P-256"])
        self.openssl("genpkey", *options, "-out", path)

    def authority(self, name):
        with open(self.path(name + ".cnf"), "w", encoding="ascii") as f:
            f.write(CONFIG % {"name": name})
        open(self.path(name + ".index"), "w", encoding="ascii").close()
        self.key(name + ".key", "ec")
        self.openssl("req", "-x509", "-new", "-config", name + ".cnf", "-key",
                     name + ".key", "-subj", f"/CN=Test {name}", "-days",
                     "400", "-addext", "basicConstraints=critical,CA:TRUE",
                     "-addext", "keyUsage=keyCertSign,cRLSign,"
                     "digitalSignature", "-addext",
                     "subjectKeyIdentifier=hash", "-out", name + ".pem")
        return self.path(name + ".pem")

    def leaf(self, file, *names, key="ec", ca="ca", subject=None, begins=-DAY,
             ends=90 * DAY):
        """Once per `file`. Names are DNS names or IP addresses; the times
        are relative to now."""
        if file not in self.made:
            self.key(file + ".key", key)
            self.issue(file, names, ca, subject or f"/CN={file}", begins,
                       ends)
            self.made[file] = Leaf(self.path(file + ".crt"),
                                   self.path(file + ".key"))
        return self.made[file]

    def issue(self, file, names, ca, subject, begins, ends):
        alternative = ",".join(
            ("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:")
            + n for n in names)
        extra = ["-addext", "keyUsage=digitalSignature"]
        if names:
            extra += ["-addext", "subjectAltName=" + alternative]
        self.openssl("req", "-new", "-config", ca + ".cnf", "-key",
                     file + ".key", "-subj", subject, *extra, "-out",
                     file + ".csr")
        now = time.time()
        self.openssl("ca", "-batch", "-notext", "-config", ca + ".cnf",
                     "-preserveDN", "-startdate", stamp(now + begins),
                     "-enddate", stamp(now + ends), "-in", file + ".csr",
                     "-out", file + ".crt")

    def shop(self, key="ec"):
        """What most tests show: good for shop.test and the loopback."""
        return self.leaf(f"shop-{key}", "shop.test", "localhost",
                         "127.0.0.1", key=key)

    def client(self, file="client", subject="/O=Shop Inc/CN=alice", **named):
        return self.leaf(file, subject=subject, **named)

    def ocsp(self, leaf, ca="ca", days=7):
        """A response, in DER, that says the leaf is good."""
        path = leaf.certificate[:-4] + f".{ca}.ocsp.der"
        if not os.path.exists(path):
            self.openssl("ocsp", "-issuer", ca + ".pem", "-cert",
                         leaf.certificate, "-no_nonce", "-reqout",
                         path + ".ask")
            self.openssl("ocsp", "-index", ca + ".index", "-CA", ca + ".pem",
                         "-rsigner", ca + ".pem", "-rkey", ca + ".key",
                         "-ndays", str(days), "-reqin", path + ".ask",
                         "-respout", path)
        return path

    # contexts of Python's ssl

    def client_context(self, alpn=None, certificate=None, version=None,
                       trust=True):
        """Trusts our authority, and shows the certificate given."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if trust:
            context.load_verify_locations(self.ca)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(alpn)
        if certificate:
            context.load_cert_chain(certificate.certificate, certificate.key)
        return context

    def server_context(self, leaf, alpn=None, client_ca=None, version=None):
        """A pod's."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf.certificate, leaf.key)
        if version:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(alpn)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
