#!/usr/bin/env python3
"""House rules: lint.py ROOT includes|banned|format|shell|service

Exit code 0 when they hold, 1 with one line a violation, 77 when the tool that
a check needs is not installed.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77

# Headers of libraries, and the places that may see them; `berth version` prints
# the version of each.
VERSION = "agent/cli/version.c"
OWNED_HEADERS = [
    (re.compile(r"jansson\.h$"), ("agent/base/json.c", VERSION)),
    (re.compile(r"(uv\.h|uv/.*|curl/.*|wslay/.*)$"), ("agent/io/", VERSION)),
    (re.compile(r"sqlite3\.h$"), ("agent/store/", VERSION)),
    (re.compile(r"pcre2\.h$"), ("agent/logs/pattern.c", VERSION)),
    (re.compile(r"microhttpd\.h$"), ("agent/io/", "tests/controlplane/", VERSION)),
]
# Not part of a module, or allowed to see all of them.
TOP = ("cli",)
BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|gets)\s*\(")
# Their answer lies in memory that all threads share.
SHARED = re.compile(r"(?<![\w.>])(strerror|gmtime|localtime|ctime|asctime|inet_ntoa|getpwuid"
                    r"|getpwnam|gethostbyname|rand|strsignal)\s*\(")


def c_files(root, *folders):
    for folder in folders:
        for path in sorted((root / folder).rglob("*.[ch]")):
            yield path


def without_comments(text):
    """Blanks comments and literals; line numbers and #include lines stay."""
    token = re.compile(
        r'/\*.*?\*/|//[^\n]*|^[ \t]*#[ \t]*include[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
        re.S | re.M)

    def blank(match):
        found = match.group(0)
        if "include" in found and found.lstrip().startswith("#"):
            return found
        return re.sub(r"[^\n]", " ", found)

    return token.sub(blank, text)


def includes_of(path):
    text = without_comments(path.read_text(encoding="utf-8", errors="replace"))
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1), match.group(2)


def arrows(cmake_text):
    """The modules that each module may include: its USES, and theirs."""
    uses = {}
    for name, row in re.findall(r"^agent_module\((\w+)([^)]*)\)", cmake_text, re.M):
        words = re.split(r"\bLIBS\b", row)[0].split()
        uses[name] = set(words[1:]) if words[:1] == ["USES"] else set()
    changed = True
    while changed:
        changed = False
        for name, below in uses.items():
            reach = set(below).union(*(uses.get(other, set()) for other in below))
            if reach != below:
                uses[name] = reach
                changed = True
    return uses


def check_includes(root):
    uses = arrows((root / "CMakeLists.txt").read_text())
    modules = {p.name for p in (root / "agent").iterdir() if p.is_dir()}
    for name, below in uses.items():
        if name in below:
            yield f"CMakeLists.txt: {name} uses itself by a circle"
    for path in c_files(root, "agent", "tests/controlplane"):
        rel = path.relative_to(root).as_posix()
        parts = rel.split("/")
        module = parts[1] if parts[0] == "agent" and len(parts) > 2 else None
        for number, kind, name in includes_of(path):
            where = f"{rel}:{number}: {name}"
            if parts[0] == "agent":
                for pattern, places in OWNED_HEADERS:
                    if pattern.match(name) and not rel.startswith(places):
                        yield f"{where}: only {', '.join(places)} may include it"
            target = name.split("/")[0] if kind == '"' and "/" in name else None
            if target not in modules:
                continue
            if parts[0] == "tests":
                if target != "base":
                    yield f"{where}: the control plane shares nothing with agent/ but base/"
            elif module and module not in TOP and target != module:
                if module not in uses:
                    yield f"{where}: {module} has no row in CMakeLists.txt"
                elif target not in uses[module]:
                    yield f"{where}: {module} does not use {target} (see CMakeLists.txt)"
                elif name.endswith("/internal.h"):
                    yield f"{where}: private to {target}"


def check_banned(root):
    for path in c_files(root, "agent", "tests"):
        text = without_comments(path.read_text(encoding="utf-8", errors="replace"))
        for number, line in enumerate(text.split("\n"), 1):
            for match in BANNED.finditer(line):
                yield f"{path.relative_to(root)}:{number}: {match.group(1)} is banned"
            for match in SHARED.finditer(line):
                if "agent" in path.relative_to(root).parts:
                    yield (f"{path.relative_to(root)}:{number}: {match.group(1)} is not for "
                           "threads")


def run_tool(root, command, files, silent=False):
    """`silent`: the tool is to say nothing, and its exit code does not tell."""
    if not shutil.which(command[0]):
        print(f"{command[0]} is not installed")
        sys.exit(SKIP)
    if not files:
        return
    done = subprocess.run(command + [str(f) for f in files], cwd=root, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode or (silent and done.stdout):
        yield done.stdout.strip() or f"{command[0]} failed"


# What is written for one release, another one would lay out otherwise.
CLANG_FORMAT = "14."


def check_format(root):
    if shutil.which("clang-format"):
        said = subprocess.run(["clang-format", "--version"], text=True, stdout=subprocess.PIPE,
                              check=True).stdout.strip()
        if f"version {CLANG_FORMAT}" not in said:
            print(f"the sources are laid out by clang-format {CLANG_FORMAT}x; this is: {said}")
            sys.exit(SKIP)
    files = [p.relative_to(root) for p in c_files(root, "agent", "tests")]
    yield from run_tool(root, ["clang-format", "--dry-run", "-Werror"], files)


def is_shell(path):
    if path.suffix == ".sh":
        return True
    if path.suffix or not path.is_file():
        return False
    with path.open("rb") as stream:
        return re.match(rb"#!.*\b(ba|da)?sh\b", stream.readline(200)) is not None


def check_shell(root):
    folders = ["agent", "config", "packaging", "systemd", "tests", ".ci"]
    files = [p for folder in folders for p in sorted((root / folder).rglob("*")) if is_shell(p)]
    files += [p for p in sorted(root.iterdir()) if p.is_file() and is_shell(p)]
    yield from run_tool(root, ["shellcheck", "-x"], [p.relative_to(root) for p in files])


# In tenths, of what `systemd-analyze security` calls exposure: 0 is nothing, 100 everything.
EXPOSURE_MAX = 30


def check_service(root):
    units = sorted((root / "systemd").glob("*.service"))
    yield from run_tool(root, ["systemd-analyze", "security", "--no-pager", "--offline=true",
                               f"--threshold={EXPOSURE_MAX}"], units)
    with tempfile.TemporaryDirectory() as folder:
        # It asks for the programs that the units name.
        copies = [pathlib.Path(folder) / p.name for p in units]
        for unit, copy in zip(units, copies):
            copy.write_text(unit.read_text().replace("/usr/sbin/berth", "/bin/true"))
        yield from run_tool(root, ["systemd-analyze", "verify", "--man=no"], copies, silent=True)


CHECKS = {"includes": check_includes, "banned": check_banned,
          "format": check_format, "shell": check_shell,
          "service": check_service}


def main(argv):
    if len(argv) != 3 or argv[2] not in CHECKS:
        print(__doc__)
        return 2
    failures = list(CHECKS[argv[2]](pathlib.Path(argv[1]).resolve()))
    for line in failures:
        print(line)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
