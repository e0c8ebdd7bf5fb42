#!/usr/bin/env python3
"""Static analysis: analyze.py ROOT BUILD cppcheck|tidy|tidy-changed

cppcheck      all of agent/, some ten seconds at first and one when little has changed
tidy          clang-tidy over all of agent/: minutes at first
tidy-changed  clang-tidy over what the last commit and the working tree have changed, as
              far as a minute goes

What was found clean is kept in BUILD/analysis and not looked at again until the file, a
header of it, the compiler's options or the list of checks has changed. Exit code 0 when
there is nothing to say, 77 when the tool is not installed.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

SKIP = 77
CHANGED_S = 60  # after that no further file is begun


# Each release of an analyzer has opinions of its own; the sources, and the lists of exceptions, are
# kept clean with these.
RELEASES = {"clang-tidy": "14.", "cppcheck": "2.10"}


def need(tool):
    if not shutil.which(tool):
        print(f"{tool} is not installed")
        sys.exit(SKIP)
    said = run(tool, "--version").stdout
    if not re.search(rf"(?i)(version|cppcheck) {re.escape(RELEASES[tool])}", said):
        print(f"the sources are kept clean with {tool} {RELEASES[tool]}; this is:\n{said}")
        sys.exit(SKIP)


def run(*command, cwd=None):
    return subprocess.run(command, cwd=cwd, text=True, errors="replace", check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def units(root, build):
    """{file below agent/: (folder, compiler's arguments)} of the compile commands."""
    found = {}
    for unit in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(unit["directory"], unit["file"]).resolve()
        if root / "agent" in path.parents:
            found[path] = unit["directory"], shlex.split(unit["command"])
    return found


def changed(root):
    """Files of the last commit and of the working tree; None: there is no history."""
    before = run("git", "diff", "--name-only", "HEAD~1", cwd=root)
    fresh = run("git", "ls-files", "--others", "--exclude-standard", cwd=root)
    if before.returncode or fresh.returncode:
        return None
    return {root / name for name in (before.stdout + fresh.stdout).splitlines()}


def fingerprint(root, unit, version):
    """Of all that a result depends on; comments count, since they hold exceptions."""
    folder, words = unit
    words = words[next(i for i, w in enumerate(words) if not w.endswith("ccache")):]
    at = words.index("-o")
    text = run(*words[:at], *(w for w in words[at + 2:] if w != "-c"), "-E", "-C",
               "-D__clang_analyzer__", cwd=folder).stdout
    whole = "\0".join((version, (root / ".clang-tidy").read_text(), " ".join(words), text))
    return hashlib.sha256(whole.encode()).hexdigest()


def tidy_one(root, build, path, unit, version, until):
    if until and time.monotonic() > until:
        return None
    mark = build / "analysis" / fingerprint(root, unit, version)
    if mark.exists():
        mark.touch()
        return ""
    done = run("nice", "clang-tidy", "-p", str(build), "--quiet", str(path))
    if done.returncode:
        return done.stdout.strip()
    mark.touch()
    return ""


def tidy(root, build, only):
    need("clang-tidy")
    (build / "analysis").mkdir(exist_ok=True)
    version = run("clang-tidy", "--version").stdout
    work = sorted((path, unit) for path, unit in units(root, build).items()
                  if only is None or path in only)
    until = time.monotonic() + CHANGED_S if only is not None else None
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        said = list(pool.map(lambda item: tidy_one(root, build, *item, version, until), work))
    print(f"{len(said) - said.count(None)} of {len(work)} files were looked at")
    return [text for text in said if text]


def cppcheck(root, build):
    need("cppcheck")
    kept = build / "analysis" / "cppcheck"
    kept.mkdir(parents=True, exist_ok=True)
    lint = root / "tests" / "lint"
    done = run("nice", "cppcheck", "-q", f"-j{os.cpu_count()}", "--error-exitcode=1",
               f"--project={os.path.relpath(build / 'compile_commands.json', root)}",
               "--file-filter=agent/*",
               f"--library={lint / 'cppcheck.cfg'}", f"--cppcheck-build-dir={kept}",
               "--enable=warning,style,performance,portability", "--inline-suppr",
               f"--suppressions-list={lint / 'cppcheck.suppress'}", "--std=c11",
               "--template={file}:{line}: {severity}: {message} [{id}]", cwd=root)
    return [done.stdout.strip()] if done.returncode else []


def main(argv):
    if len(argv) != 4 or argv[3] not in ("cppcheck", "tidy", "tidy-changed"):
        print(__doc__)
        return 2
    root, build, what = pathlib.Path(argv[1]).resolve(), pathlib.Path(argv[2]).resolve(), argv[3]
    if what == "cppcheck":
        said = cppcheck(root, build)
    else:
        only = changed(root) if what == "tidy-changed" else None
        if what == "tidy-changed" and only is None:
            print("there is no history that says what has changed")
            return SKIP
        said = tidy(root, build, only)
    for text in said:
        print(text)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
