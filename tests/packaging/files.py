#!/usr/bin/env python3
"""What can be said of the packages' files without building any: files.py ROOT

Exit code 0 when nothing is wrong, 1 with one line a fault. A check whose tool is not installed is
left out, and says so.
"""
import pathlib
import re
import shutil
import subprocess
import sys


def tool(command, root):
    """What the tool has against it."""
    if not shutil.which(command[0]):
        print(f"{command[0]} is not installed: left out")
        return
    done = subprocess.run(command, cwd=root, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        yield done.stdout.strip() or f"{' '.join(command)} failed"


def versions(root):
    found = {}
    for name, pattern in (("CMakeLists.txt", r"^project\(berth VERSION (\S+)"),
                          ("packaging/deb/changelog", r"^berth \((\S+)\)"),
                          ("packaging/rpm/berth.spec", r"^Version:\s*(\S+)")):
        found[name] = re.search(pattern, (root / name).read_text(), re.M).group(1)
    if len(set(found.values())) > 1:
        yield f"the versions differ: {found}"


def units(root):
    """Each unit is installed, and by both packages."""
    for unit in sorted(p.name for p in (root / "systemd").iterdir()):
        for name in ("CMakeLists.txt", "packaging/deb/berth.install", "packaging/rpm/berth.spec"):
            if not re.search(rf"/{re.escape(unit)}\b", (root / name).read_text()):
                yield f"{name} does not name {unit}"


def scripts(root):
    for action in ("postinst", "postrm", "prerm"):
        yield from tool(["shellcheck", f"packaging/deb/berth.{action}"], root)
    yield from tool(["bash", "-n", "packaging/berth.completion"], root)


def spec(root):
    yield from tool(["rpmspec", "-q", "packaging/rpm/berth.spec"], root)


def main(argv):
    if len(argv) != 2:
        print(__doc__)
        return 2
    root = pathlib.Path(argv[1]).resolve()
    faults = [line for check in (versions, units, scripts, spec) for line in check(root)]
    for line in faults:
        print(line)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
