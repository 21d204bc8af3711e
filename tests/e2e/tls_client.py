"""HTTP/1 over TLS, and openssl s_client where Python's ssl lacks words."""
import re
import ssl
import subprocess

from client import Client
from harness import PATIENCE


class TlsClient(Client):
    """A Client over TLS. `before`: sent in clear text in front of it."""

    def __init__(self, port, context, host="shop.test", session=None,
                 before=b"", **named):
        super().__init__(port, **named)
        self.plain = self.socket
        try:
            self.plain.sendall(before)
            self.socket = context.wrap_socket(
                self.plain, server_hostname=host, session=session)
        except OSError:
            self.plain.close()
            raise

    def peer(self):
        """The certificate shown, in DER."""
        return self.socket.getpeercert(True)


def tls_get(port, context, path="/", host="shop.test", **named):
    with TlsClient(port, context, host) as c:
        return c.ask("GET", path, host=host, **named)


class Shown:
    """What s_client says about one handshake."""

    def __init__(self, text):
        self.text = text

    def find(self, pattern):
        m = re.search(pattern, self.text, re.M)
        return m.group(1).strip() if m else None

    @property
    def ok(self):
        return self.version is not None

    @property
    def version(self):
        return self.find(r"^(?:New|Reused), (TLSv[\d.]+), Cipher is")

    @property
    def cipher(self):
        return self.find(r"Cipher is (\S+)")

    @property
    def reused(self):
        return self.find(r"^(New|Reused), TLSv") == "Reused"

    @property
    def key(self):
        """EC or RSA: the kind of the certificate's key."""
        return self.find(r"a:PKEY: (?:id-)?(rsa|ec)")

    @property
    def alpn(self):
        return self.find(r"ALPN protocol: (\S+)")

    @property
    def der(self):
        pem = re.search(r"Certificate chain\n.*?(-----BEGIN CERTIFICATE-----"
                        r".*?-----END CERTIFICATE-----)", self.text, re.S)
        return ssl.PEM_cert_to_DER_cert(pem.group(1)) if pem else None


def s_client(port, *options, host="shop.test", send=b"", ca=None):
    """One handshake; `send` is sent and all that comes back is kept."""
    name = ["-servername", host] if host else ["-noservername"]
    trust = ["-CAfile", ca] if ca else []
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *name,
         *trust, *options, *(["-ign_eof"] if send else [])], input=send,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE)
    return Shown(done.stdout.decode("latin-1"))


CLOSING = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"
