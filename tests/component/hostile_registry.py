#!/usr/bin/env python3
"""An image registry that misbehaves, on a free port of 127.0.0.1.

Prints "listening on <port>" and serves until it is killed. Every repository has one tag,
"1", an image of one layer; the first part of its name says what is wrong with it:

  good     nothing
  stall    the layer stops in the middle and never goes on
  silent   the manifest never comes
  cut      the layer's connection ends in the middle, at every attempt
  forged   the layer has the right length and other bytes
  liar     the manifest's digest is not the one that was asked for
  busy429, busy502, busy503, busy504, denied, unknown   the manifest's answer is this error
"""
import gzip
import hashlib
import io
import json
import os
import socket
import socketserver
import tarfile
from http.server import BaseHTTPRequestHandler

SEED = os.urandom(16)  # so that no engine has the layers from an earlier run
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
TLS_HANDSHAKE = b"\x16"

ERRORS = {
    "busy429": (429, "TOOMANYREQUESTS", "You have reached your pull rate limit."),
    "busy502": (502, None, "bad gateway"),
    "busy503": (503, "UNAVAILABLE", "the store is away"),
    "busy504": (504, None, "gateway timeout"),
    "denied": (403, "DENIED", "requested access to the resource is denied"),
    "unknown": (404, "MANIFEST_UNKNOWN", "manifest unknown"),
}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image:
    """Another one for each repository, or the engine would have the layer already."""

    def __init__(self, name):
        content = hashlib.shake_256(SEED + name.encode()).digest(300000)
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            entry = tarfile.TarInfo("file")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        self.layer = gzip.compress(tar.getvalue(), mtime=0)
        self.config = json.dumps({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar.getvalue())]},
            "history": [{"created": "2026-01-02T03:04:05Z"}],
        }).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "size": len(self.config),
                       "digest": digest(self.config)},
            "layers": [{"mediaType": LAYER, "size": len(self.layer),
                        "digest": digest(self.layer)}],
        }).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        # The engine tries TLS first. An answer in clear text would do, but not HTML.
        if self.connection.recv(1, socket.MSG_PEEK) != TLS_HANDSHAKE:
            super().handle()

    def log_message(self, *_):
        pass

    def answer(self, status, kind, body, digest_header=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if digest_header:
            self.send_header("Docker-Content-Digest", digest_header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def wait_for_the_end(self):
        while self.connection.recv(4096):
            pass

    def do_GET(self):
        if self.path in ("/v2", "/v2/"):
            self.answer(200, "application/json", b"{}")
            return
        name, what, ref = self.path[len("/v2/"):].rsplit("/", 2)
        image, wrong = Image(name), name.split("/")[0]
        if what == "manifests":
            self.manifest(image, wrong, ref)
        elif ref == digest(image.config):
            self.answer(200, "application/octet-stream", image.config)
        else:
            self.layer(image, wrong)

    do_HEAD = do_GET

    def manifest(self, image, wrong, ref):
        if wrong in ERRORS:
            status, code, message = ERRORS[wrong]
            body = json.dumps({"errors": [{"code": code, "message": message}]})
            self.answer(status, "application/json" if code else "text/plain",
                        (body if code else message).encode())
        elif wrong == "silent":
            self.wait_for_the_end()
            self.close_connection = True
        else:
            lie = ref if ref.startswith("sha256:") else None
            self.answer(200, MANIFEST, image.manifest, lie or digest(image.manifest))

    def layer(self, image, wrong):
        data = image.layer
        if wrong == "forged":
            data = data[:-1000] + bytes(1000)
        if wrong not in ("stall", "cut"):
            self.answer(200, "application/octet-stream", data)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        if wrong == "stall":
            self.wait_for_the_end()
        self.close_connection = True


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        pass  # clients that go away are expected here


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print("listening on", server.server_address[1], flush=True)
    server.serve_forever()
