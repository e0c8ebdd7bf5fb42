"""Containers that write numbered lines: the program bench_generate, mounted from a folder of
the host in which the files `go` and `end` say when it begins and when it may leave.

A line is its number, ten digits from 0 on, a space and letters.
"""
import os
import shutil
import tempfile

PLACE = "/gen"


class Generator:
    """One folder, for any number of containers."""

    def __init__(self, build):
        self.program = os.path.join(build, "bench_generate")

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="berth-gen-", dir="/var/tmp")
        os.chmod(self.dir, 0o755)
        shutil.copy2(self.program, os.path.join(self.dir, "generate"))
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def _set(self, name):
        with open(os.path.join(self.dir, name), "wb"):
            pass

    def go(self):
        self._set("go")

    def end(self):
        self._set("end")

    @staticmethod
    def command(lines, size=90, batch=100, rate=0, waits=True):
        """`rate`: lines a second, 0 as fast as they are taken."""
        return [f"{PLACE}/generate", PLACE if waits else "-",
                *(str(n) for n in (lines, size, batch, rate))]

    # ---- for a task definition ----

    def volumes(self):
        return [{"name": "gen", "host": {"sourcePath": self.dir}}]

    @staticmethod
    def mounts():
        return [{"sourceVolume": "gen", "containerPath": PLACE, "readOnly": True}]

    # ---- for the engine ----

    def binds(self):
        return [f"{self.dir}:{PLACE}:ro"]


def number_of(text):
    """Of a line; None when it has none."""
    return int(text[:10]) if text[:10].isdigit() and text[10:11] == " " else None
