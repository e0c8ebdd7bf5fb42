#!/usr/bin/env python3
"""Runs `berth check-config` over broken configuration and compares whole reports.

NN-name.config    the file; it is checked under the name ecs.config
NN-name.json      the JSON configuration file, as config.json (needs a line that names it)
NN-name.instance  the instance's file, as instance.config (needs a variable that names it)
NN-name.env       NAME=VALUE lines of the environment; without it, that is empty
NN-name.args      options of check-config, one a line
NN-name.expected  what must be printed, errors too, and "exit code N" as the last line

The folder of a case has another name each time; FOLDER stands for it, and is as long.
What no file in a repository can be (100 MB, a directory, ...) is made here: MADE.

usage: run.py BERTH [--write] [NAME...]
"""
import difflib
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 30
FOLDER = "/tmp/berth-config.--------"
NOBODY = 65534
# Files of the host that the agent reads wherever it is told to find its own.
OF_THE_HOST = ("/var/lib/ecs/ecs.config", "/etc/ecs/ecs.config.json",
               "/etc/ecs_container_agent/config.json")


def make_huge(path):
    """100 MB, without taking the room."""
    with open(path, "wb") as f:
        f.write(b"AWS_DEFAULT_REGION=eu-west-1\n")
        f.truncate(100 * 1000 * 1000)


def make_unreadable(path):
    with open(path, "w", encoding="utf-8") as f:
        f.write("AWS_DEFAULT_REGION=eu-west-1\n")
    os.chmod(path, 0)


def make_directory(path):
    os.mkdir(path)


def make_pipe(path):
    """That nobody writes to: reading it must not hang."""
    os.mkfifo(path)


def make_nothing(_path):
    pass


def make_loop(path):
    os.symlink("ecs.config", path)


def make_long_line(path):
    """A value of nearly all that a file may hold."""
    with open(path, "w", encoding="utf-8") as f:
        f.write("AWS_DEFAULT_REGION=eu-west-1\n")
        f.write("ECS_RESERVED_MEMORY=" + "9" * 1000000 + "\n")


def make_many(path):
    """More problems than anyone reads; the one that counts comes last."""
    with open(path, "w", encoding="utf-8") as f:
        f.write("AWS_DEFAULT_REGION=eu-west-1\n")
        for i in range(5000):
            f.write("ECS_RESERVED_MEMORY=%d MiB\n" % i)
        f.write("ECS_INSTANCE_ATTRIBUTES=[]\n")


# Of the case's .config, unless the name says .json.
MADE = {
    "60-huge.config": make_huge,
    "61-directory.config": make_directory,
    "62-no-permission.config": make_unreadable,
    "63-pipe.config": make_pipe,
    "64-missing.config": make_nothing,
    "65-link-to-itself.config": make_loop,
    "66-long-line.config": make_long_line,
    "67-many-problems.config": make_many,
    "68-json-huge.json": make_huge,
    "69-json-directory.json": make_directory,
}


def cases():
    found = {f.rsplit(".", 1)[0] for f in os.listdir(HERE)
             if f.endswith(".expected") or f.endswith(".config")}
    return sorted(found | {name.rsplit(".", 1)[0] for name in MADE})


def lines_of(name):
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return f.read().splitlines()


def put(case, ext, folder, name):
    at = os.path.join(folder, name)
    source = "%s.%s" % (case, ext)
    if source in MADE:
        MADE[source](at)
    elif os.path.exists(os.path.join(HERE, source)):
        with open(os.path.join(HERE, source), "rb") as f:
            content = f.read()
        with open(at, "wb") as f:
            f.write(content.replace(FOLDER.encode(), folder.encode()))


def report(berth, case):
    """What check-config prints for the case; None when it cannot be tried here."""
    folder = tempfile.mkdtemp(prefix="berth-config.", dir="/tmp")
    os.chmod(folder, 0o755)
    command = [os.path.abspath(berth), "check-config"] + lines_of(case + ".args") + ["ecs.config"]
    try:
        put(case, "config", folder, "ecs.config")
        put(case, "json", folder, "config.json")
        put(case, "instance", folder, "instance.config")
        if "no-permission" in case and os.geteuid() == 0:
            if not shutil.which("setpriv"):
                return None
            command = [shutil.which("setpriv"), "--reuid", str(NOBODY), "--clear-groups"] + command
        # Leaks are found in the other cases; another user may not look for them.
        env = {} if "no-permission" not in case else {"ASAN_OPTIONS": "detect_leaks=0"}
        env.update(line.replace(FOLDER, folder).split("=", 1) for line in lines_of(case + ".env"))
        done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT_S, check=False)
        text = done.stdout.decode("utf-8", "backslashreplace").replace(folder, FOLDER)
        return "%sexit code %d\n" % (text, done.returncode)
    except subprocess.TimeoutExpired:
        return "no end after %d seconds\n" % TIMEOUT_S
    finally:
        shutil.rmtree(folder)


def show(case, want, have):
    print("FAILED %s" % case)
    for line in difflib.unified_diff(want.splitlines(), have.splitlines(), "expected", "printed",
                                     n=1, lineterm=""):
        print("  " + line[:400])


def main(argv):
    berth, names = argv[1], [a for a in argv[2:] if a != "--write"]
    write = "--write" in argv
    failed = skipped = 0
    for path in OF_THE_HOST:
        if os.path.exists(path):
            print("config: skipped: %s is on this machine" % path)
            return 77
    chosen = [c for c in cases() if not names or c in names or c.split("-")[0] in names]
    for case in chosen:
        expected = os.path.join(HERE, case + ".expected")
        have = report(berth, case)
        if have is None:
            print("skipped %s: setpriv is missing, and root may read everything" % case)
            skipped += 1
            continue
        if write:
            with open(expected, "w", encoding="utf-8", newline="") as f:
                f.write(have)
        want = "(no %s.expected)\n" % case
        if os.path.exists(expected):
            with open(expected, encoding="utf-8", newline="") as f:
                want = f.read()
        if want != have:
            failed += 1
            show(case, want, have)
    print("config: %d cases, %d failed%s" % (len(chosen), failed,
                                             ", %d skipped" % skipped if skipped else ""))
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
