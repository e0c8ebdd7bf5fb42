"""Image registries: a real one, and one that misbehaves.

Images are made here and put into the real registry by its own API, so no Docker Engine
needs to have them."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import shutil
import ssl
import subprocess
import tarfile
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request

from docker_api import busybox_tar
from harness import STAYS, Skip, poll
from ports import free_port

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
USER, PASSWORD = "berth", "a-password-of-the-end-to-end-tests"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


_BUSYBOX = []


def busybox_layer():
    if not _BUSYBOX:
        _BUSYBOX.append(busybox_tar())
    return _BUSYBOX[0]


def ballast(mib):
    """A layer of so many MiB that no compression makes smaller."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("ballast")
        info.size = mib << 20
        tar.addfile(info, io.BytesIO(os.urandom(info.size)))
    return out.getvalue()


class Image:
    """The parts of an image by digest. `mark` makes it unlike others."""

    def __init__(self, mark="", mib=0, env=(), exposes=()):
        tars = [busybox_layer()] + ([ballast(mib)] if mib else [])
        layers = [gzip.compress(tar, 1, mtime=0) for tar in tars]
        config = json.dumps({
            "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": {"Cmd": ["sh", "-c", STAYS], "Env": ["PATH=/bin", *env],
                       "ExposedPorts": {p: {} for p in exposes}, "Labels": {"mark": mark}},
            "rootfs": {"type": "layers", "diff_ids": [sha256(tar) for tar in tars]},
            "history": [{"created_by": mark or "busybox"} for _ in tars],
        }).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(config), "digest": sha256(config)},
            "layers": [{"mediaType": LAYER, "size": len(x), "digest": sha256(x)} for x in layers],
        }).encode()
        self.digest = sha256(self.manifest)
        self.layers = [sha256(x) for x in layers]
        self.blobs = {sha256(x): x for x in [config, *layers]}


class Registry:
    """A real registry. `password`: it asks for one. `tls`: with a certificate of its own,
    whose path is `ca`."""

    def __init__(self, password=False, tls=False, host="127.0.0.1"):
        self.password, self.tls, self.host = password, tls, host
        self.process = None

    def __enter__(self):
        self.program = shutil.which("docker-registry") or shutil.which("registry")
        if not self.program:
            raise Skip("the package docker-registry is not installed")
        self.dir = tempfile.mkdtemp(prefix="berth-registry-")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        self.port = free_port()
        self.name = f"{self.host}:{self.port}"
        config = {
            "version": "0.1", "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": os.path.join(self.dir, "data")},
                        "delete": {"enabled": True}},
            "http": {"addr": self.name},
        }
        if self.password:
            if not shutil.which("htpasswd"):
                raise Skip("the package apache2-utils is not installed")
            path = os.path.join(self.dir, "htpasswd")
            with open(path, "w", encoding="ascii") as out:
                subprocess.run(["htpasswd", "-inB", "-C", "4", USER], input=PASSWORD, text=True,
                               stdout=out, stderr=subprocess.DEVNULL, check=True)
            config["auth"] = {"htpasswd": {"realm": "berth", "path": path}}
        if self.tls:
            self.ca, key = os.path.join(self.dir, "ca.crt"), os.path.join(self.dir, "key")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                            key, "-out", self.ca, "-days", "2", "-subj", "/CN=berth-registry",
                            "-addext", f"subjectAltName=IP:{self.host}"],
                           stderr=subprocess.DEVNULL, check=True)
            config["http"]["tls"] = {"certificate": self.ca, "key": key}
        path = os.path.join(self.dir, "config.yml")
        with open(path, "w", encoding="ascii") as out:
            json.dump(config, out)  # JSON is YAML too
        self.log = os.path.join(self.dir, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.program, "serve", path], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        poll(self._answers, "the registry answers")

    def _answers(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise Skip(f"the registry does not start: {log.read()[-300:]}")
        try:
            self.request("GET", "/v2/")
            return True
        except (OSError, urllib.error.URLError):
            return False

    def request(self, method, path, data=None, kind="application/octet-stream"):
        url = path if "://" in path else f"{'https' if self.tls else 'http'}://{self.name}{path}"
        request = urllib.request.Request(url, data=data, method=method,
                                         headers={"Content-Type": kind, "Accept": MANIFEST})
        if self.password:
            basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            request.add_header("Authorization", f"Basic {basic}")
        context = ssl.create_default_context(cafile=self.ca) if self.tls else None
        with urllib.request.urlopen(request, timeout=30, context=context) as response:
            return response.headers, response.read()

    def push(self, repository, image, tag="1"):
        """The name that tasks pull it by."""
        for digest, blob in image.blobs.items():
            headers, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
            place = headers["Location"]
            place += ("&" if "?" in place else "?") + urllib.parse.urlencode({"digest": digest})
            self.request("PUT", place, blob)
        self.request("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, MANIFEST)
        return f"{self.name}/{repository}:{tag}"

    def asked(self, part):
        """How many of the answers in its log were to requests with this in them."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return sum(part in line and "response completed" in line for line in log)

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


class HostileRegistry:
    """Serves one image as "HOST/hostile:1". `act(handler, kind, times)` is asked before
    each GET of "manifest" or "layer" (the last one, for the engine may have the others),
    with how often it was asked for that before; when it returns true it has answered."""

    def __init__(self, image, act):
        self.image, self.act = image, act
        self.lock = threading.Lock()
        self.times = {}
        self.closing = threading.Event()
        registry = self

        class Handler(_Hostile):
            owner = registry

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.name = f"{self.host}/hostile:1"

    def count(self, kind):
        with self.lock:
            return self.times.get(kind, 0)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class _Hostile(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def answer(self, status, kind, body, cut=None, **headers):
        """`cut`: promises the whole body, sends so much of it and hangs up."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def refuse(self, status, code, message):
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(status, "application/json", body)

    def stall(self):
        """Promises a body and sends nothing of it until the scenario ends."""
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.flush()
        self.owner.closing.wait()
        self.close_connection = True

    def do_GET(self):
        image = self.owner.image
        if self.path.rstrip("/") == "/v2":
            self.answer(200, "application/json", b"{}")
            return
        what = self.path.rsplit("/", 1)[1]
        manifest = "/manifests/" in self.path
        kind = "manifest" if manifest else "layer" if what == image.layers[-1] else "other"
        with self.owner.lock:
            times = self.owner.times.get(kind, 0)
            self.owner.times[kind] = times + 1
        if kind != "other" and self.owner.act(self, kind, times):
            return
        if manifest and what in ("1", image.digest):
            self.answer(200, MANIFEST, image.manifest, Docker_Content_Digest=image.digest)
        elif what in image.blobs:
            self.answer(200, "application/octet-stream", image.blobs[what])
        else:
            self.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")

    do_HEAD = do_GET

    def log_message(self, *_):
        pass
