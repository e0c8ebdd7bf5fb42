"""A Docker Engine of a scenario's own, which it may kill, start again and fill up.

    with LoopDisk(256) as disk, PrivateDocker(data=disk.path) as engine, \\
            t.cluster(docker=engine.api) as c:
        ...
        engine.kill()
        engine.start()

It has a bridge of its own, for `--bridge=none` would delete docker0, which may be in use;
without packet filter rules, so its tasks use the network modes host and none. Whatever
happens to it, no process, mount, link or file of it stays behind.
"""
import glob
import os
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from docker_api import IMAGE, Docker, DockerError
from harness import Skip, poll


def run(*command):
    """The standard output; CalledProcessError carries what went wrong."""
    return subprocess.run(command, capture_output=True, text=True, check=True,
                          stdin=subprocess.DEVNULL).stdout


def mounts_below(path):
    """The innermost first."""
    with open("/proc/self/mounts", encoding="utf-8") as stream:
        points = [line.split()[1] for line in stream]
    return sorted((p for p in points if p == path or p.startswith(path + "/")), reverse=True)


def unmount_below(path):
    for point in mounts_below(path):
        if subprocess.run(["umount", point], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "-l", point], capture_output=True, check=False)


class LoopDisk:
    """A small disk with a file system of its own."""

    def __init__(self, mib, inodes=8192):
        self.mib, self.inodes = mib, inodes

    def __enter__(self):
        for program in ("mkfs.ext4", "losetup"):
            if not shutil.which(program):
                raise Skip(f"there is no {program}")
        self.dir = tempfile.mkdtemp(prefix="berth-disk-", dir="/var/tmp")
        self.file, self.path = os.path.join(self.dir, "image"), os.path.join(self.dir, "mnt")
        os.mkdir(self.path)
        with open(self.file, "wb") as stream:
            stream.truncate(self.mib << 20)
        try:
            run("mkfs.ext4", "-q", "-m", "0", "-N", str(self.inodes), self.file)
            run("mount", "-o", "loop", self.file, self.path)
        except subprocess.CalledProcessError as e:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise Skip(f"a loop device cannot be mounted here: {e.stderr.strip()}") from None
        return self

    def used_percent(self):
        s = os.statvfs(self.path)
        return 100 * (s.f_blocks - s.f_bavail) / s.f_blocks

    def __exit__(self, *_):
        unmount_below(self.path)
        shutil.rmtree(self.dir, ignore_errors=True)


class PrivateDocker:
    """`data` is its data root; `options` go to dockerd."""

    def __init__(self, *options, data=None, image=True):
        self.options, self.data, self.wants_image = options, data, image
        self.process = None

    def __enter__(self):
        if not shutil.which("dockerd"):
            raise Skip("there is no dockerd to start")
        self.dir = tempfile.mkdtemp(prefix="berth-docker-", dir="/var/tmp")
        self.path = os.path.join(self.dir, "docker.sock")
        self.log = os.path.join(self.dir, "log")
        self.api = Docker(self.path)
        self.bridge = "berth" + self.dir[-8:].replace("_", "-")
        try:
            self._add_bridge()
            self.start()
            if self.wants_image:
                self.api.ensure_image(IMAGE)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _add_bridge(self):
        if not shutil.which("ip"):
            raise Skip("the package iproute2 is not installed")
        try:
            run("ip", "link", "add", self.bridge, "type", "bridge")
        except subprocess.CalledProcessError as e:
            raise Skip(f"no bridge can be made here: {e.stderr.strip()}") from None

    def start(self):
        command = ["dockerd", "--data-root", self.data or os.path.join(self.dir, "data"),
                   "--exec-root", os.path.join(self.dir, "exec"), "--host", f"unix://{self.path}",
                   "--pidfile", os.path.join(self.dir, "pid"), f"--bridge={self.bridge}",
                   "--iptables=false", "--ip6tables=false", "--ip-forward=false", *self.options]
        # A killed process whose parent does not wait for it would pass for a running one.
        for stale in (os.path.join(self.dir, "pid"), self.path,
                      os.path.join(self.dir, "exec", "containerd", "containerd.pid")):
            if os.path.exists(stale):
                os.unlink(stale)
        with open(self.log, "ab") as log:
            # In a group of its own: of a group with somebody who is stopped, all are hung up on
            # when their shell ends.
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        self.wait_answers()
        return self

    def wait_answers(self):
        def answers():
            if self.process.poll() is not None:
                with open(self.log, encoding="utf-8", errors="replace") as log:
                    last = log.readlines()[-1]
                raise Skip(f"a dockerd of its own does not start here: {last.strip()}")
            return self.api.answers()
        poll(answers, "the private dockerd answers", 60)

    def kill(self):
        """As if it had crashed, its containerd with it; what runs in containers goes on."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for pid in self._pids("containerd", "--config"):
            self._kill(pid)

    def stop(self):
        """As `systemctl stop` does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def keep_logs(self, path):
        """Its log, and what it wrote of its goroutines when it was asked with SIGUSR1."""
        with open(path, "wb") as out:
            for name in [self.log, *glob.glob(os.path.join(self.dir, "*", "goroutine-stacks-*"))]:
                with open(name, "rb") as log:
                    shutil.copyfileobj(log, out)

    def daemons(self):
        """Itself and its containerd."""
        return [self.process.pid, *self._pids("containerd", "--config")]

    def pids(self):
        """Itself, its containerd and the shims of its containers."""
        return [self.process.pid, *self._pids("containerd")]

    # ---- what it leaves ----

    def _pids(self, program, word=""):
        """Processes that were started with a path of ours."""
        found = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                with open(path, "rb") as stream:
                    words = stream.read().decode(errors="replace").split("\0")
            except OSError:
                continue
            if os.path.basename(words[0]).startswith(program) and word in words[1:] + [""] and \
                    any(self.dir in w for w in words[1:]):
                found.append(int(path.split("/")[2]))
        return found

    @staticmethod
    def _kill(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        poll(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid), f"process {pid} ends")

    def _remove_all(self):
        rows = self.api.request("GET", "/containers/json", all="true")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda row: self.api.remove(row["Id"]), rows))

    def __exit__(self, *_):
        try:
            if self.process and self.process.poll() is None:
                if self.api.answers():
                    self._remove_all()
                self.stop()
        except (OSError, DockerError, subprocess.TimeoutExpired):
            pass
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for pid in self._pids("containerd"):
                for child in children(pid):  # of a shim: the first process of a container
                    self._kill(child)
                self._kill(pid)
            unmount_below(self.dir)
            if self.data:
                unmount_inside(self.data)
            subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)
            shutil.rmtree(self.dir, ignore_errors=True)


def unmount_inside(path):
    for point in mounts_below(path):
        if point != path:
            subprocess.run(["umount", "-l", point], capture_output=True, check=False)


def stat(pid):
    """(state, parent) of a process; None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[0], int(fields[1])


def children(pid):
    found = [int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*")]
    return [p for p in found if (stat(p) or ("", 0))[1] == pid]


def _is_zombie(pid):
    return (stat(pid) or ("Z", 0))[0] == "Z"


