"""What may stand between the agent and the control plane: TLS with a private CA, and a
forward proxy that alone can resolve the control plane's name.

    with Authority() as ca, TlsFront(ca, lambda: c.port) as front:
        front.url          # https://control.berth.test:PORT, of ca.bundle

The name is in no DNS: whoever connects to it must go through the proxy, whose own
/etc/hosts has it, or fail."""
import os
import selectors
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

from connections import accepted, cut
from harness import Skip, poll
from ports import free_port

NAME = "control.berth.test"


def openssl(*command, cwd):
    subprocess.run(["openssl", *command], cwd=cwd, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


class Authority:
    """A CA of the scenario's own, with a certificate for NAME."""

    def __enter__(self):
        if not shutil.which("openssl"):
            raise Skip("the package openssl is not installed")
        self.dir = tempfile.mkdtemp(prefix="berth-ca-")
        self.bundle, self.chain, self.key = (os.path.join(self.dir, n)
                                             for n in ("ca.crt", "server.crt", "server.key"))
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        names = os.path.join(self.dir, "names")
        with open(names, "w", encoding="ascii") as out:
            out.write(f"subjectAltName=DNS:{NAME}\nbasicConstraints=CA:FALSE\n")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out",
                "ca.crt", "-days", "2", "-subj", "/CN=Berth end-to-end CA",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=self.dir)
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out",
                "server.csr", "-subj", f"/CN={NAME}", cwd=self.dir)
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt",
                cwd=self.dir)

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


class TlsFront:
    """Ends TLS in front of a server on loopback. `old`: it speaks nothing above TLS 1.1."""

    def __init__(self, authority, old=False):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if old:
            # At the usual level OpenSSL itself would refuse what the agent is to refuse.
            self.context.set_ciphers("DEFAULT:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.TLSv1_1
            self.context.maximum_version = ssl.TLSVersion.TLSv1_1
        self.context.load_cert_chain(authority.chain, authority.key)
        self.backend = None  # its port, once it is known
        self.refused = 0  # handshakes that came to nothing
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"https://{NAME}:{self.port}"
        self.lock = threading.Lock()
        self.sockets = []

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        with self.lock:
            cut(self.sockets)

    def _accept(self):
        for plain in accepted(self.listener):
            with self.lock:
                self.sockets.append(plain)
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        try:
            client = self.context.wrap_socket(plain, server_side=True)
        except OSError:
            with self.lock:
                self.refused += 1
            plain.close()
            return
        with client, socket.create_connection(("127.0.0.1", self.backend)) as server:
            with self.lock:
                self.sockets += [client, server]
            try:
                self._copy(client, server)
            except OSError:
                pass

    @staticmethod
    def _copy(client, server):
        """One thread for both ways: an SSL object is not for two."""
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(65536)
                    while data:
                        key.data.sendall(data)
                        more = key.fileobj is client and client.pending()
                        data = client.recv(65536) if more else None
                    if data == b"":
                        return


class Proxy:
    """A real tinyproxy that finds NAME at 127.0.0.1 and may CONNECT to one port of it; for
    whom knows the password, if it has one."""

    USER = "agent"

    def __init__(self, port, password=None):
        self.allowed, self.password = port, password
        self.process = None

    def __enter__(self):
        if not shutil.which("tinyproxy"):
            raise Skip("the package tinyproxy-bin is not installed")
        self.dir = tempfile.mkdtemp(prefix="berth-proxy-")
        self.port = free_port()
        self.url = self.url_for(self.password)
        hosts, config = os.path.join(self.dir, "hosts"), os.path.join(self.dir, "config")
        with open(hosts, "w", encoding="ascii") as out:
            out.write(f"127.0.0.1 localhost {NAME}\n")
        self.log = os.path.join(self.dir, "log")
        with open(config, "w", encoding="ascii") as out:
            out.write(f"Port {self.port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\n"
                      f"LogLevel Connect\nConnectPort {self.allowed}\n")
            if self.password:
                out.write(f"BasicAuth {self.USER} {self.password}\n")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c",
                 'mount --bind "$0" /etc/hosts && exec tinyproxy -d -c "$1"', hosts, config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            poll(self._answers, "tinyproxy listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def url_for(self, password):
        login = f"{self.USER}:{password}@" if password else ""
        return f"http://{login}127.0.0.1:{self.port}"

    def _answers(self):
        if self.process.poll() is not None:
            raise Skip(f"tinyproxy does not start here: {self.text()[-300:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def connects(self):
        return self.text().count(f"CONNECT {NAME}:{self.allowed} HTTP/1.1")

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)
