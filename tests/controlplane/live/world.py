"""berth-local as a process, its admin paths, and a small signed client.

The client signs as the public description of Signature Version 4 says, and lets a
test be wrong on purpose: another region, another time, no payload hash.
"""
import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.parse
from types import SimpleNamespace

PROGRAM = os.environ.get("BERTH_LOCAL", "berth-local")
STATIC = SimpleNamespace(id="AKIDEXAMPLE", secret="secretexample", token=None)
ACCOUNT = "123456789012"
TARGETS = {
    "ecs": "AmazonEC2ContainerServiceV20141113",
    "ecr": "AmazonEC2ContainerRegistry_V20150921",
    "ssm": "AmazonSSM",
    "secretsmanager": "secretsmanager",
}


def role_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def sign(method, path, query, headers, body_hash, service, region, keys):
    """Adds Authorization; `headers` has lower-case names and x-amz-date."""
    date = headers["x-amz-date"][:8]
    names = sorted(headers)
    canonical = "\n".join(
        [method, path, query] + [f"{n}:{headers[n]}" for n in names] +
        ["", ";".join(names), body_hash])
    scope = f"{date}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys.secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = _hmac(key, part)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={keys.id}/{scope}, "
                                f"SignedHeaders={';'.join(names)}, Signature={signature}")


def amz_date(offset_s=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
    return now.strftime("%Y%m%dT%H%M%SZ")


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The name of the error, whatever the form of the body."""
        if self.body[:1] == b"{":
            return self.json["__type"]
        return self.xml("Code")

    @property
    def message(self):
        return self.json["message"] if self.body[:1] == b"{" else self.xml("Message")

    def xml(self, name):
        found = re.search(f"<{name}>([^<]*)</{name}>", self.body.decode())
        return found.group(1) if found else None


class Local:
    """One berth-local."""

    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory()
        port_file = os.path.join(self.folder.name, "port")
        log = os.path.join(self.folder.name, "log")
        self.process = subprocess.Popen(
            [PROGRAM, "--port-file", port_file, "--log", log, *options], stdout=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")})
        deadline = time.monotonic() + 20
        while not os.path.exists(port_file):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("berth-local did not start")
            time.sleep(0.01)
        with open(port_file) as f:
            self.port = int(f.read())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        self.folder.cleanup()
        if code:
            raise AssertionError(f"berth-local ended with {code}")

    def send(self, method, path, body=b"", headers=None, timeout=10):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            headers = dict(headers or {})
            headers.setdefault("host", f"127.0.0.1:{self.port}")
            if body or method in ("POST", "PUT"):
                headers["content-length"] = str(len(body))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response, response.read())
        finally:
            connection.close()

    # ---- admin ----

    def admin(self, method, path, body=None, status=200):
        answer = self.send(method, "/_local/" + path, json.dumps(body).encode() if body is not None
                           else b"")
        if answer.status != status:
            raise AssertionError(f"{method} {path}: {answer.status} {answer.body!r}")
        return answer.json

    def cloud(self, **what):
        return self.admin("POST", "cloud", what)

    def violations(self):
        return [v["what"] for v in self.admin("GET", "violations")["violations"]]

    def calls(self):
        return self.admin("GET", "cloud/calls")["calls"]

    # ---- services ----

    def call(self, service, operation, request, keys=STATIC, region="us-west-2", offset_s=0,
             scope_service=None, host=None, user_agent=None):
        body = json.dumps(request).encode()
        headers = {"host": host or f"127.0.0.1:{self.port}",
                   "content-type": "application/x-amz-json-1.1",
                   "x-amz-date": amz_date(offset_s),
                   "x-amz-target": f"{TARGETS[service]}.{operation}"}
        if keys.token:
            headers["x-amz-security-token"] = keys.token
        if user_agent:
            headers["user-agent"] = user_agent
        sign("POST", "/", "", headers, hashlib.sha256(body).hexdigest(), scope_service or service,
             region, keys)
        return self.send("POST", "/", body, headers)

    def form(self, service, keys=STATIC, region="us-west-2", offset_s=0, **params):
        body = urllib.parse.urlencode(params).encode()
        headers = {"host": f"127.0.0.1:{self.port}",
                   "content-type": "application/x-www-form-urlencoded; charset=utf-8",
                   "x-amz-date": amz_date(offset_s)}
        if keys:
            if keys.token:
                headers["x-amz-security-token"] = keys.token
            sign("POST", "/", "", headers, hashlib.sha256(body).hexdigest(), service, region, keys)
        return self.send("POST", "/", body, headers)

    def s3(self, method, path, keys=STATIC, region="us-west-2", host=None, offset_s=0,
           payload=hashlib.sha256(b"").hexdigest(), headers=None, query=""):
        all_headers = {"host": host or f"127.0.0.1:{self.port}", "x-amz-date": amz_date(offset_s)}
        if payload:
            all_headers["x-amz-content-sha256"] = payload
        if keys and keys.token:
            all_headers["x-amz-security-token"] = keys.token
        all_headers.update(headers or {})
        if keys:
            sign(method, path, query, all_headers, payload or hashlib.sha256(b"").hexdigest(), "s3",
                 region, keys)
        return self.send(method, path + ("?" + query if query else ""), b"", all_headers)

    def assume(self, name, session="someone"):
        """Keys of a role."""
        answer = self.form("sts", Action="AssumeRole", Version="2011-06-15",
                           RoleArn=role_arn(name), RoleSessionName=session)
        if answer.status != 200:
            raise AssertionError(answer.body)
        return SimpleNamespace(id=answer.xml("AccessKeyId"), secret=answer.xml("SecretAccessKey"),
                               token=answer.xml("SessionToken"))


class WebSocket:
    """The client side of a signed websocket, as far as the ACS tests need it."""

    def __init__(self, local, path, query, keys=STATIC, offset_s=0):
        self.socket = socket.create_connection(("127.0.0.1", local.port), timeout=10)
        text = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="")
        headers = {"host": f"127.0.0.1:{local.port}", "x-amz-date": amz_date(offset_s)}
        if keys.token:
            headers["x-amz-security-token"] = keys.token
        sign("GET", path, text, headers, hashlib.sha256(b"").hexdigest(), "ecs", "us-west-2", keys)
        headers.update({"upgrade": "websocket", "connection": "Upgrade",
                        "sec-websocket-version": "13",
                        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode()})
        lines = [f"GET {path}?{text} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        self.head = head.decode()
        self.status = int(self.head.split()[1])

    def _more(self):
        chunk = self.socket.recv(65536)
        if not chunk:
            raise AssertionError("the websocket ended")
        self.data += chunk

    def message(self):
        """The next text message, as JSON."""
        while True:
            while len(self.data) < 2:
                self._more()
            size, start = self.data[1] & 0x7F, 2
            if size >= 126:
                width = 2 if size == 126 else 8
                while len(self.data) < 2 + width:
                    self._more()
                size = struct.unpack(">H" if width == 2 else ">Q", self.data[2:2 + width])[0]
                start += width
            while len(self.data) < start + size:
                self._more()
            kind, payload = self.data[0] & 0x0F, self.data[start:start + size]
            self.data = self.data[start + size:]
            if kind == 1:
                return json.loads(payload)

    def next(self, kind):
        """The next message of that type."""
        while True:
            message = self.message()
            if message["type"] == kind:
                return message["message"]

    def send(self, kind, message):
        text = json.dumps({"type": kind, "message": message}).encode()
        mask = os.urandom(4)
        size = bytes([0x80 | len(text)]) if len(text) < 126 else struct.pack(">BH", 0xFE, len(text))
        self.socket.sendall(b"\x81" + size + mask +
                            bytes(b ^ mask[i % 4] for i, b in enumerate(text)))

    def close(self):
        self.socket.close()


class LocalTest(unittest.TestCase):
    """A fresh berth-local for each test."""
    OPTIONS = ()

    def setUp(self):
        self.local = Local(*self.OPTIONS)
        self.addCleanup(self.local.stop)

    def refused(self, answer, status, error):
        self.assertEqual((answer.status, answer.error), (status, error), answer.body)
        return answer.message
