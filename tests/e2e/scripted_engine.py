"""A container engine without containers: it speaks Docker's HTTP API on a real unix socket and
keeps a table of what it was asked to run. For what no machine does in reasonable time with real
ones: a thousand tasks, and a thousand containers that die together.

A container runs from its start on until `die`, a stop or a kill. Images are all there. It shares
no code with the agent.
"""
import json
import os
import re
import shutil
import socket
import tempfile
import threading
import time
import urllib.parse

from connections import accepted, cut
from docker_api import Docker

NEVER = "0001-01-01T00:00:00Z"
VERSION = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux"}
IMAGE_ID = "sha256:" + "ab" * 32


def stamp():
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"


class Container:
    def __init__(self, number, name, body):
        self.id, self.name, self.body = f"{number:064x}", name, body
        self.labels = body.get("Labels") or {}
        self.status, self.code, self.error = "created", 0, ""
        self.created, self.started, self.finished = stamp(), NEVER, NEVER

    def row(self):
        return {"Id": self.id, "Names": ["/" + self.name], "State": self.status,
                "Status": self.status, "Image": self.body.get("Image"), "Labels": self.labels,
                "Command": "scripted"}

    def inspection(self):
        host = self.body.get("HostConfig") or {}
        config = {k: v for k, v in self.body.items() if k not in ("HostConfig", "NetworkingConfig")}
        return {"Id": self.id, "Name": "/" + self.name, "Created": self.created,
                "Image": IMAGE_ID, "LogPath": "", "RestartCount": 0, "Mounts": [],
                "State": {"Status": self.status, "Running": self.status == "running",
                          "Paused": False, "OOMKilled": False, "Dead": False, "Error": self.error,
                          # Somebody who lives, whose cgroup can be read.
                          "Pid": os.getpid() if self.status == "running" else 0,
                          "ExitCode": self.code, "StartedAt": self.started,
                          "FinishedAt": self.finished},
                "Config": config, "HostConfig": host,
                "NetworkSettings": {"Ports": {}, "Networks": {"none": {"IPAddress": ""}}}}

    def event(self, action):
        attributes = {**self.labels, "name": self.name, "image": self.body.get("Image", "")}
        if action == "die":
            attributes["exitCode"] = str(self.code)
        now = time.time_ns()
        return json.dumps({"status": action, "id": self.id, "Type": "container", "Action": action,
                           "Actor": {"ID": self.id, "Attributes": attributes}, "scope": "local",
                           "time": now // 10**9, "timeNano": now}).encode() + b"\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class ScriptedEngine:
    """Use as a context manager; give `docker` to a cluster."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="berth-scripted-")
        self.path = os.path.join(self.dir, "docker.sock")
        self.docker = Docker(self.path)
        self.lock = threading.RLock()
        self.numbers = 0
        self.by_id, self.by_name = {}, {}
        self.streams = []  # sockets that listen to events
        self.calls = {}    # verb: how often
        self.most_at_once = 0  # connections, streams aside
        self.sockets = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1024)

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut_all()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- what a scenario says ----

    def count(self, status):
        with self.lock:
            return sum(1 for c in self.by_id.values() if c.status == status)

    def cut_all(self):
        """The connections that are open now, streams of events among them."""
        with self.lock:
            cut(self.sockets)

    def die(self, code=137, times=1):
        """All that run end at the same moment; each end is told so many times."""
        with self.lock:
            ended = [c for c in self.by_id.values() if c.status == "running"]
            for c in ended:
                self._end(c, code)
            self._tell(b"".join(chunk(c.event("die")) for c in ended for _ in range(times)))
            return len(ended)

    # ---- containers ----

    @staticmethod
    def _end(c, code):
        c.status, c.code, c.finished = "exited", code, stamp()

    def _tell(self, data):
        for s in list(self.streams):
            try:
                s.sendall(data)
            except OSError:
                self.streams.remove(s)

    def _find(self, ref):
        return self.by_id.get(ref) or self.by_name.get(ref)

    def _create(self, name, body):
        if name in self.by_name:
            return 409, {"message": f"Conflict. The container name \"/{name}\" is already in use"}
        self.numbers += 1
        c = Container(self.numbers, name, body)
        self.by_id[c.id] = self.by_name[name] = c
        self._tell(chunk(c.event("create")))
        return 201, {"Id": c.id, "Warnings": []}

    def _of_container(self, method, ref, verb):
        c = self._find(ref)
        if not c:
            return 404, {"message": f"No such container: {ref}"}
        if method == "GET" and verb == "json":
            return 200, c.inspection()
        if method == "DELETE":
            del self.by_id[c.id], self.by_name[c.name]
            self._tell(chunk(c.event("destroy")))
            return 204, None
        if verb == "start":
            c.status, c.started = "running", stamp()
            self._tell(chunk(c.event("start")))
            return 204, None
        if verb in ("stop", "kill"):
            if c.status == "running":
                self._end(c, 143)
                self._tell(chunk(c.event("die")))
                return 204, None
            return 304, None
        return 501, {"message": f"{method} {verb} is not scripted"}

    def _list(self, query):
        wanted = json.loads(query.get("filters", ["{}"])[0]).get("label", [])
        wanted = dict(w.split("=", 1) for w in wanted if "=" in w)
        rows = [c.row() for c in self.by_id.values()
                if all(c.labels.get(k) == v for k, v in wanted.items())]
        return 200, rows

    def _answer(self, method, target, body):
        path, _, query = target.partition("?")
        query = urllib.parse.parse_qs(query)
        parts = re.sub(r"^/v1\.\d+", "", path).strip("/").split("/")
        self._count(method, parts)
        if parts[0] == "containers" and parts[1] == "json":
            return self._list(query)
        if parts[0] == "containers" and parts[1] == "create":
            return self._create(query["name"][0], json.loads(body))
        if parts[0] == "containers":
            return self._of_container(method, parts[1], (parts + [""])[2])
        if parts[0] == "images" and parts[1] == "json":
            return 200, []
        if parts[0] == "images" and method == "GET":
            return 200, {"Id": IMAGE_ID, "Size": 1, "RepoTags": [], "RepoDigests": [],
                         "Created": "2026-01-02T03:04:05Z", "Config": {}}
        if parts[0] in ("images", "volumes", "networks"):
            return 201 if method == "POST" else 200, {}
        return 200, {"version": VERSION, "plugins": [],
                     "info": {"DockerRootDir": self.dir, "CgroupDriver": "cgroupfs",
                              "CgroupVersion": "1", "SecurityOptions": []}}.get(parts[0], {})

    def _count(self, method, parts):
        verb = parts[2] if len(parts) > 2 and parts[0] == "containers" else parts[0]
        key = f"{method} {verb}" if len(parts) < 2 or parts[1] != "create" else "POST create"
        self.calls[key] = self.calls.get(key, 0) + 1

    # ---- the wire ----

    def _accept(self):
        for client in accepted(self.listener):
            with self.lock:
                self.sockets.append(client)
                self.most_at_once = max(self.most_at_once, len(self.sockets) - len(self.streams))
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        data = b""
        try:
            while True:
                head, end, rest = data.partition(b"\r\n\r\n")
                length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.I) if end else None
                size = int(length.group(1)) if length else 0
                if not end or len(rest) < size:
                    more = client.recv(65536)
                    if not more:
                        return
                    data += more
                    continue
                method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
                data = rest[size:]
                if "/events" in target.split("?")[0]:
                    self._listen(client)
                else:
                    client.sendall(self._reply(method, target, rest[:size]))
        except OSError:
            pass
        finally:
            with self.lock:
                self.sockets.remove(client)
                if client in self.streams:
                    self.streams.remove(client)
            client.close()

    def _reply(self, method, target, body):
        with self.lock:
            status, answer = self._answer(method, target, body)
        text = b"" if answer is None else json.dumps(answer).encode()
        kind = b"text/plain" if target.endswith("/_ping") else b"application/json"
        return b"HTTP/1.1 %d Scripted\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
            status, kind, len(text), text)

    def _listen(self, client):
        with self.lock:
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n")
            self.streams.append(client)
