"""The memory of a running process, as root sees it: for the search for canaries."""
import re

from cloud import forms
from harness import check

# As the kernel names them in smaps: no part of a core file, and locked.
NO_CORE, LOCKED = "dd", "lo"


class Mapping:
    def __init__(self, line):
        where, self.access = line.split()[:2]
        self.begin, self.end = (int(part, 16) for part in where.split("-"))
        self.name = line.split(maxsplit=5)[5].strip() if len(line.split(maxsplit=5)) > 5 else ""
        self.flags = set()
        self.locked_kb = 0

    def __str__(self):
        return f"{self.begin:x}-{self.end:x} {self.access} {self.name}"


def mappings(pid):
    """All of them but the kernel's own."""
    found = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                found.append(Mapping(line))
            elif line.startswith("VmFlags:"):
                found[-1].flags = set(line.split()[1:])
            elif line.startswith("Locked:"):
                found[-1].locked_kb = int(line.split()[1])
    return [m for m in found if not m.name.startswith(("[vvar", "[vsyscall", "[vdso"))]


def memory(pid, core):
    """(mapping, bytes) of what can be read; of a core file (`core`) only what would be in it."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as stream:
        for m in mappings(pid):
            if "r" not in m.access or (core and NO_CORE in m.flags):
                continue
            stream.seek(m.begin)
            try:
                yield m, stream.read(m.end - m.begin)
            except OSError:
                continue  # it is gone, or a device


def found(pid, values, core):
    """[(name, mapping)] of the values (a name of each: the value)."""
    needles = [(name, form) for name, value in values.items() for form in forms(value)]
    return sorted({(name, str(m)) for m, data in memory(pid, core)
                   for name, form in needles if form in data})


def holds(pid, text, core):
    return any(text.encode() in data for _, data in memory(pid, core))


def check_none(pid, values, core):
    places = found(pid, values, core)
    what = "a core file of the agent" if core else "the agent's memory"
    check(not places, f"{what} has " + "; ".join(f"{name} at {where}" for name, where in places))
