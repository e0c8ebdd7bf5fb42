#!/usr/bin/env python3
"""The share of lines that tests have run: coverage.py BUILD [--missing FILE...]

Reads what the programs of a build with -DCOVERAGE=ON have counted, through gcov. Prints a
table by module; exit code 1 when agent/ or its pure parts are below their marks.

--missing FILE  instead: the lines of agent/FILE that no test has run
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARK_ALL, MARK_PURE = 85.0, 95.0

# Without I/O, clock and randomness of their own: nothing excuses a line that no test runs.
PURE_MODULES = ("core", "task")
PURE_FILES = """
    aws/endpoint.c aws/sigv4.c aws/xml.c
    bake/judge.c bake/names.c bake/skip.c
    base/backoff.c base/buf.c base/json.c base/prom.c base/str.c
    config/value.c config/value_list.c config/value_text.c config/vars.c
    control/acs_decode.c control/acs_messages.c control/register_body.c control/tcs_decode.c
    control/tcs_json.c control/tcs_queue.c
    docker/decode.c docker/decode_image.c docker/ref.c docker/stream.c
    endpoints/limits.c endpoints/view_metadata.c
    logs/batch.c logs/cursor.c logs/gate.c logs/json_file.c logs/json_text.c logs/lines.c
    logs/local_file.c logs/multiline.c logs/options.c logs/pattern_syntax.c logs/turns.c
    metrics/sample.c metrics/write.c
    postmortem/record.c reference/bolt.c reference/fate.c reference/translate.c
""".split()


def counted(build):
    """{file below agent/: {line: times}}; a line counts in each object that has it."""
    notes = sorted(p for p in build.rglob("*.gcno") if "/agent/" in p.as_posix())
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    agent = ROOT / "agent"
    for first in range(0, len(notes), 50):
        out = subprocess.run(["gcov", "--json-format", "--stdout", *map(str, notes[first:first + 50])],
                             cwd=build, check=True, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
        for text in out.splitlines():
            unit = json.loads(text)
            for source in unit["files"]:
                path = (build / source["file"]).resolve()
                if path.suffix != ".c" or agent not in path.parents:
                    continue
                of = lines[path.relative_to(agent).as_posix()]
                for line in source["lines"]:
                    of[line["line_number"]] += line["count"]
    return lines


def is_pure(name):
    return name.split("/")[0] in PURE_MODULES or name in PURE_FILES


def table(lines):
    """Rows of (name, lines run, lines), the last two for all and for the pure parts."""
    rows = collections.defaultdict(lambda: [0, 0])
    for name, of in lines.items():
        run = sum(1 for times in of.values() if times)
        for row in (name.split("/")[0], "all", "pure" if is_pure(name) else None):
            if row:
                rows[row][0] += run
                rows[row][1] += len(of)
    last = ("all", "pure")
    return [(name, *rows[name]) for name in sorted(set(rows) - set(last)) + list(last)]


def ranges(numbers):
    """3, 4, 5, 9 as "3-5, 9"."""
    parts = []
    for number in sorted(numbers):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def show(lines):
    below = 0
    print(f"{'module':<12} {'lines':>7} {'run':>7} {'%':>6}")
    for name, run, total in table(lines):
        share = 100 * run / total if total else 0.0
        mark = {"all": MARK_ALL, "pure": MARK_PURE}.get(name, 0.0)
        if share < mark:
            below = 1
        print(f"{name:<12} {total:>7} {run:>7} {share:>6.1f}"
              + (f"  (mark: {mark:.0f}{', missed' if share < mark else ''})" if mark else ""))
    absent = [name for name in PURE_FILES if name not in lines]
    if absent:
        print("not there, though in the list of pure files:", ", ".join(absent))
        below = 1
    return below


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--missing", nargs="+", metavar="FILE", default=[])
    args = parser.parse_args()
    lines = counted(args.build.resolve())
    if not lines:
        print(f"{args.build} has no counts: build it with -DCOVERAGE=ON and run its tests")
        return 1
    for name in args.missing:
        print(f"agent/{name}: {ranges(n for n, times in lines[name].items() if not times)}")
    return 0 if args.missing else show(lines)


if __name__ == "__main__":
    sys.exit(main())
