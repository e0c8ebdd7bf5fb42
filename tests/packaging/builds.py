"""The packages, in two versions, and what is asked of them before anything is installed."""
import glob
import os
import re
import shutil

from machine import Failed, run

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
VERSION_FILES = ("CMakeLists.txt", "packaging/deb/changelog", "packaging/rpm/berth.spec")


def version():
    with open(f"{ROOT}/CMakeLists.txt", encoding="utf-8") as f:
        return re.search(r"^project\(berth VERSION ([0-9.]+)", f.read(), re.M).group(1)


def next_version():
    first, last = version().rsplit(".", 1)
    return f"{first}.{int(last) + 1}"


# How the second of two builds is made.
ELSEWHERE = {"TZ": "Pacific/Auckland", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def _build(tree, kind, out, temporary, umask=0o022, **env):
    """Without a compiler cache: what is built anew is to be the same."""
    os.makedirs(temporary, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if "CACHE" not in k and "LAUNCHER" not in k}
    run(f"{tree}/packaging/build", kind, "--out", out, timeout=3600, umask=umask,
        env={**kept, "TZ": "UTC", "LC_ALL": "C", **env, "TMPDIR": temporary})


def _next_tree(where):
    if os.path.exists(where):
        return where
    run("git", "clone", "-q", ROOT, where)
    for name in VERSION_FILES:
        with open(f"{where}/{name}", encoding="utf-8") as f:
            text = f.read()
        changed = text.replace(version(), next_version())
        if changed == text:
            raise Failed(f"{name} does not name the version")
        with open(f"{where}/{name}", "w", encoding="utf-8") as f:
            f.write(changed)
    run("git", "-C", where, "-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "-qam",
        "next version")
    return where


def package(folder, name, kind):
    return glob.glob(f"{folder}/{name}[_-][0-9]*.{kind}")[0]


def kinds():
    return ("deb", "rpm") if shutil.which("rpmbuild") else ("deb",)


def make(keep, work, say):
    """The folders of both versions' packages: [this, next]."""
    folders = [f"{keep}/this", f"{keep}/next"]
    for folder, wanted in zip(folders, (version(), next_version())):
        for kind in kinds():
            if glob.glob(f"{folder}/berth[_-]{wanted}*.{kind}"):
                say(f"the .{kind} of version {wanted} is there")
                continue
            tree = ROOT if wanted == version() else _next_tree(f"{work}/next-tree")
            _build(tree, kind, folder, f"{work}/a")
            say(f"the .{kind} of version {wanted} built")
    return folders


def _digests(folder, kind):
    names = sorted(n for n in os.listdir(folder) if n.endswith(f".{kind}"))
    return {n: run("sha256sum", f"{folder}/{n}").split()[0] for n in names}


def check_reproducible(packages, work, say):
    """Of the same commit; nothing else is as before."""
    for kind in kinds():
        again = f"{work}/again"
        _build(ROOT, kind, again, f"{work}/a/folder/far/away/from/the/first", 0o077, **ELSEWHERE)
        first, second = _digests(packages[0], kind), _digests(again, kind)
        if first != second:
            raise Failed(f"built again it has other bytes: {first} and {second}")
        say(f"built again in another folder, time zone and locale, with another umask: the same "
            f"{len(second)} .{kind}, byte for byte")


def check_lint(packages, say):
    """Errors end it; what is overridden says why, beside the packages."""
    names = ("berth", "berth-local")
    if shutil.which("lintian"):
        out = run("lintian", "--fail-on", "error", "--allow-root",
                  *(package(packages[0], n, "deb") for n in names))
        say(f"lintian: no errors, {out.count('W: ')} warnings")
    if shutil.which("rpmlint") and "rpm" in kinds():
        out = run("rpmlint", "-c", f"{ROOT}/packaging/rpm/rpmlint.toml",
                  *(package(packages[0], n, "rpm") for n in names))
        say(f"rpmlint: {out.strip().splitlines()[-1].strip('= ')}")
