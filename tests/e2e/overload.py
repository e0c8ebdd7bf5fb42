"""What an overloaded agent costs: processor time and memory of one process, over a time, and a
service's limit on memory."""
import os
import re
import time

from harness import Skip, check, slowness
from scenarios_measured import resident

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    """User and system time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        fields = stream.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid):
    """The most that was ever resident."""
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        row = next(line for line in stream if line.startswith("VmHWM:"))
    return int(row.split()[1]) / 1024


class Meter:
    """What the process used since this was made, told on leaving the block."""

    def __init__(self, agent, what):
        self.pid, self.what = agent.process.pid, what
        self.sanitized = agent.cluster.test.sanitized

    def __enter__(self):
        self.cpu, self.wall = cpu_s(self.pid), time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        self.cpu = cpu_s(self.pid) - self.cpu
        self.wall = time.monotonic() - self.wall
        self.ratio = self.cpu / self.wall
        self.rss, self.private = resident(self.pid)
        self.peak = peak_mib(self.pid)
        print(f"{self.what}: {self.wall:.2f} s, processor {self.cpu:.2f} s ({self.ratio:.1%}), "
              f"resident {self.rss:.1f} MiB (private {self.private:.1f}, peak {self.peak:.1f})")

    def limit(self, cpu=None, ratio=None, peak=None):
        """Bounds in seconds, as a part of the time, in MiB; of size and speed only where no
        sanitizer changes them."""
        if ratio is not None:
            self._most(self.ratio <= ratio * slowness(), f"{self.ratio:.1%}, not {ratio:.1%}")
        if self.sanitized:
            return
        if cpu is not None:
            self._most(self.cpu <= cpu, f"{self.cpu:.2f} s of a processor, not {cpu:g}")
        if peak is not None:
            self._most(self.peak <= peak, f"{self.peak:.1f} MiB resident, not {peak:g}")

    def _most(self, kept, text):
        check(kept, f"{self.what}: {text}")


def pass_by(agent, seconds):
    """That time is what is measured; the agent lives through it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        agent.check_alive()
        time.sleep(0.05)


def idle(agent, what, seconds=3.0, ratio=0.02):
    """Nothing happens any more, and that costs nothing: a loop that turns in vain is seen here."""
    with Meter(agent, what) as meter:
        pass_by(agent, seconds)
    meter.limit(ratio=ratio)


class MemoryLimit:
    """A cgroup of either version with so much memory. `wrapper` starts a program in it."""

    V1, V2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"

    def __init__(self, name, mib):
        self.v1 = os.path.exists(f"{self.V1}/memory.limit_in_bytes")
        self.path = os.path.join(self.V1 if self.v1 else self.V2, name)
        self.limit = mib << 20
        self.wrapper = ["/bin/sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def __enter__(self):
        limit, swap = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes") if self.v1 else \
            ("memory.max", "memory.swap.max")
        os.mkdir(self.path)
        if not os.path.exists(f"{self.path}/{limit}"):
            os.rmdir(self.path)
            raise Skip("no memory controller here")
        self._write(limit, self.limit)
        if os.path.exists(f"{self.path}/{swap}"):
            self._write(swap, self.limit if self.v1 else 0)
        return self

    def __exit__(self, *_):
        os.rmdir(self.path)  # its processes have ended

    def _write(self, name, value):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as out:
            out.write(str(value))

    def kills(self):
        """How often the kernel ended a process for want of memory."""
        name = "memory.oom_control" if self.v1 else "memory.events"
        with open(f"{self.path}/{name}", encoding="ascii") as stream:
            return int(re.search(r"^oom_kill (\d+)", stream.read(), re.M).group(1))
