"""What the scenarios need of the Docker Engine, over its unix socket."""
import http.client
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import time
import urllib.parse

# Whoever runs the scenarios of two builds at the same time gives each an image.
IMAGE = os.environ.get("BERTH_E2E_IMAGE", "berth-test/busybox:e2e")
LABEL = "com.amazonaws.ecs."


def socket_path():
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return host[len("unix://"):] if host.startswith("unix://") else host


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class DockerError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Docker:
    """Every call is one connection, so threads may share an object."""

    def __init__(self, path=None):
        self.path = path or socket_path()

    def request(self, method, path, body=None, content_type="application/json", raw=False,
                **query):
        query = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in query.items()}
        url = "/v1.41" + path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        connection = UnixConnection(self.path)
        try:
            connection.request(method, url, body, {"Content-Type": content_type})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            try:
                message = json.loads(data)["message"]
            except (ValueError, KeyError):
                message = data.decode(errors="replace")
            raise DockerError(response.status, message)
        if raw:
            return data
        try:
            return json.loads(data) if data else None
        except ValueError:
            return data.decode(errors="replace")

    def answers(self):
        try:
            self.request("GET", "/_ping")
            return True
        except (OSError, DockerError, http.client.HTTPException):
            return False

    # ---- containers ----

    def containers(self, cluster):
        """Every container, running or not, of an ECS cluster."""
        return self.request("GET", "/containers/json", all="true",
                            filters={"label": [f"{LABEL}cluster={cluster}"]})

    def inspect(self, container):
        return self.request("GET", f"/containers/{container}/json")

    def logs(self, container):
        """What it has written to both streams, for containers without a terminal."""
        data = self.request("GET", f"/containers/{container}/logs", raw=True, stdout="true",
                            stderr="true")
        text, at = b"", 0
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 4:at + 8], "big")
            text += data[at + 8:at + 8 + size]
            at += 8 + size
        return text.decode(errors="replace")

    def kill(self, container, signal="KILL"):
        self.request("POST", f"/containers/{container}/kill", signal=signal)

    def run_in(self, container, *command):
        """The exit code of a program that runs inside."""
        made = self.request("POST", f"/containers/{container}/exec",
                            {"Cmd": list(command), "AttachStdout": True})
        self.request("POST", f"/exec/{made['Id']}/start", {"Detach": False}, raw=True)
        return self.request("GET", f"/exec/{made['Id']}/json")["ExitCode"]

    def volumes(self, name):
        """The names of the volumes whose names contain this."""
        rows = self.request("GET", "/volumes", filters={"name": [name]})["Volumes"] or []
        return sorted(row["Name"] for row in rows)

    def remove(self, container):
        try:
            self.request("DELETE", f"/containers/{container}", force="true", v="true")
        except DockerError as e:
            if e.status not in (404, 409):  # gone, or on its way
                raise

    # ---- the image ----

    def has_image(self, name):
        try:
            self.request("GET", f"/images/{name}/json")
            return True
        except DockerError as e:
            if e.status != 404:
                raise
            return False

    def ensure_image(self, name=IMAGE, changes=()):
        """`changes`: lines of a Dockerfile."""
        if not self.has_image(name):
            repo, tag = name.rsplit(":", 1)
            self.request("POST", "/images/create", busybox_tar(), "application/x-tar",
                         fromSrc="-", repo=repo, tag=tag, changes=list(changes))

    def remove_image(self, name=IMAGE):
        try:
            self.request("DELETE", f"/images/{name}", force="true")
        except DockerError as e:
            if e.status != 404:
                raise


def busybox_tar():
    """The statically linked busybox with a link for each of its programs."""
    programs = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "tmp", "www"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add("/bin/busybox", "bin/busybox")
        for program in programs.stdout.split():
            if program == "busybox":
                continue
            info = tarfile.TarInfo(f"bin/{program}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    return out.getvalue()


class Events:
    """The engine's container events of one cluster, collected by a thread.

    Use as a context manager: the stream is open when the block begins."""

    def __init__(self, docker, cluster):
        self.docker, self.cluster = docker, cluster
        self.changed = threading.Condition()
        self.items = []
        self.connection = None
        self.thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self):
        filters = {"type": ["container"], "label": [f"{LABEL}cluster={self.cluster}"]}
        self.connection = UnixConnection(self.docker.path, timeout=None)
        self.connection.request("GET", "/v1.41/events?" + urllib.parse.urlencode(
            {"filters": json.dumps(filters)}))
        # Without events the answer's headers may take their time; docker sends them at once.
        self.response = self.connection.getresponse()
        self.thread.start()
        return self

    def __exit__(self, *_):
        try:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.connection.close()

    def _read(self):
        try:
            for line in self.response:
                event = json.loads(line)
                attributes = event["Actor"]["Attributes"]
                item = {
                    "action": event["Action"],
                    "id": event["Actor"]["ID"],
                    "container": attributes.get(LABEL + "container-name"),
                    "task": attributes.get(LABEL + "task-arn"),
                    "time": event["timeNano"] / 1e9,
                }
                with self.changed:
                    self.items.append(item)
                    self.changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            return  # closed

    def matching(self, action=None, **fields):
        with self.changed:
            return [i for i in self.items
                    if (action is None or i["action"].startswith(action))
                    and all(i[k] == v for k, v in fields.items())]

    def wait(self, action, count=1, timeout=30, **fields):
        """The first `count` events of this kind, as soon as there are so many."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.matching(action, **fields)
            if len(found) >= count:
                return found[:count]
            with self.changed:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"no {count} events {action} {fields} in {timeout} s; "
                                         f"seen: {[(i['container'], i['action']) for i in self.items]}")
                self.changed.wait(min(left, 0.2))
