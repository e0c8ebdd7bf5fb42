#!/usr/bin/env python3
"""Runs one end-to-end scenario: run.py BUILD_DIRECTORY NAME

NAME may also be `image` and `image_removed`, which make and remove the test image,
and `list`. Exit code 77: it cannot run here, and says why.
"""
import pathlib
import re
import sys
import time
import traceback

import docker_api
import harness

PAUSE = "amazon/amazon-ecs-pause:0.1.0"
HERE = pathlib.Path(__file__).resolve().parent


def scenarios():
    """In which file each of them is."""
    found = {}
    for path in HERE.glob("scenarios_*.py"):
        for name in re.findall(r"(?m)^def e2e_(\w+)\(", path.read_text(encoding="utf-8")):
            found[name] = path.stem
    return found


def run(build, name):
    known = scenarios()
    if name not in known:
        print(f"run.py: there is no scenario '{name}'", file=sys.stderr)
        return 2
    docker = docker_api.Docker()
    docker.ensure_image()
    began = time.monotonic()
    try:
        getattr(__import__(known[name]), f"e2e_{name}")(harness.Test(build, name))
    except harness.Skip as e:
        print(f"skipped: {e}")
        return 77
    except Exception:  # pylint: disable=broad-except; the traceback is the report
        traceback.print_exc(file=sys.stdout)
        print(f"FAILED {name} after {time.monotonic() - began:.1f} s")
        return 1
    print(f"ok {name} ({time.monotonic() - began:.1f} s)")
    return 0


def main(argv):
    if len(argv) == 3 and argv[2] == "list":
        print("\n".join(sorted(scenarios())))
        return 0
    if len(argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    docker = docker_api.Docker()
    if not docker.answers():
        print(f"skipped: no Docker Engine at unix://{docker.path}")
        return 77
    if argv[2] == "image":
        docker.ensure_image()
        return 0
    if argv[2] == "image_removed":
        docker.remove_image()
        docker.remove_image(PAUSE)  # which the agents of the scenarios made
        return 0
    return run(argv[1], argv[2])


if __name__ == "__main__":
    sys.exit(main(sys.argv))
