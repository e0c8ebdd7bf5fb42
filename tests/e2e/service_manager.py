"""A small service manager: it holds the descriptors of one service while none of its processes
runs, as systemd does for a unit with FileDescriptorStoreMax. It follows sd_notify(3) and
sd_listen_fds(3) and shares no code with the agent."""
import array
import os
import socket
import subprocess
import threading
import time

FIRST_FD = 3


class ServiceManager:
    """Starts `command()` and takes its notifications, until close()."""

    def __init__(self, path, most=16):
        self.path, self.most = path, most
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(path)
        self.changed = threading.Condition()
        self.kept = []       # (name, descriptor), in order
        self.told = []       # (monotonic time, variable, value)
        self.closed = False
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def close(self):
        self.closed = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"END=1", self.path)
        self.thread.join(10)
        self.socket.close()
        for _, fd in self.kept:
            os.close(fd)

    # ---- what the service says ----

    def _receive(self):
        room = socket.CMSG_SPACE(16 * array.array("i").itemsize)
        while not self.closed:
            text, control, _, _ = self.socket.recvmsg(65536, room)
            fds = array.array("i")
            for level, kind, data in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
            with self.changed:
                self._take(dict(line.split("=", 1) for line in text.decode().splitlines()), fds)
                self.changed.notify_all()

    def _take(self, message, fds):
        now = time.monotonic()
        self.told += [(now, k, v) for k, v in message.items()]
        name = message.get("FDNAME", "stored")
        if message.get("FDSTOREREMOVE") == "1":
            for row in [r for r in self.kept if r[0] == name]:
                os.close(row[1])
                self.kept.remove(row)
        for fd in fds:
            if message.get("FDSTORE") == "1" and len(self.kept) < self.most:
                self.kept.append((name, fd))
            else:
                os.close(fd)

    def names(self):
        with self.changed:
            return [name for name, _ in self.kept]

    def wait(self, condition, what, timeout=20):
        """Until condition(self), looked at after each message."""
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self), timeout):
                raise AssertionError(f"not within {timeout} s: {what}; kept: {self.kept}")

    def wait_told(self, variable, value, since, timeout=20):
        self.wait(lambda m: any(t >= since and (k, v) == (variable, value)
                                for t, k, v in m.told), f"{variable}={value}", timeout)

    # ---- starting it ----

    def spawn(self, command, env, log):
        """Executes the command with the kept descriptors from 3 on; a Child."""
        with self.changed:
            kept = list(self.kept)
        pid = os.fork()
        if pid:
            return Child(pid)
        try:
            # First out of the way, for the numbers wanted may be those that others have.
            high = [os.dup2(fd, 200 + i) for i, (_, fd) in enumerate(kept)]
            for i, fd in enumerate(high):
                os.dup2(fd, FIRST_FD + i)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.closerange(FIRST_FD + len(kept), 1024)
            env = dict(env, NOTIFY_SOCKET=self.path)
            if kept:
                env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)),
                           LISTEN_FDNAMES=":".join(name for name, _ in kept))
            os.execve(command[0], command, env)
        finally:
            os._exit(127)


class Child:
    """What the harness expects of a process."""

    def __init__(self, pid):
        self.pid, self.returncode = pid, None

    def send_signal(self, signum):
        os.kill(self.pid, signum)

    def kill(self):
        self.send_signal(9)

    def poll(self):
        return self._reap(os.WNOHANG)

    def wait(self, timeout=None):
        if timeout is None:
            return self._reap(0)
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(0.002)
        return self.returncode

    def _reap(self, options):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode
