"""What an operator watches: berth top, the stages of berth why, berth events --follow."""
import datetime
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from harness import check, container, contains, depends, equal, health, poll, slowness
from scenarios_commands import on_terminal
from scenarios_payloads import edited
from relay import ControlRelay, frame

assert ControlRelay  # what `edited` puts before berth-local

# Uses a part of one core, and says something.
BUSY = ("trap 'exit 0' TERM; while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; "
        "echo working; sleep 0.02; done")


def e2e_top(t):
    """One table and one object of it, against containers that do something and that do not."""
    with t.cluster() as c:
        busy = c.run_one(c.register([container("busy", BUSY), container("idle")]))
        c.wait_running(busy)
        short = busy.rsplit("/", 1)[1][:8]
        (seen,) = c.agent.berth_json("top", "--once", "--json")
        equal((seen["cluster"], seen["connected"], seen["tasks"]["running"]), (c.name, True, 1),
              "head of berth top")
        check(seen["cpu_units"] > 0 and seen["cpu_units_used"] == 20, f"capacity: {seen}")
        rows = {r["container"]: r for r in seen["containers"]}
        equal(sorted(rows), ["busy", "idle"], "containers in berth top")
        check(rows["busy"]["cpu_percent"] > 1, f"the busy one: {rows['busy']}")
        check(rows["idle"]["cpu_percent"] < rows["busy"]["cpu_percent"], f"the idle one: {rows}")
        for row in rows.values():
            equal((row["state"], row["restarts"], row["memory_limit_bytes"]),
                  ("RUNNING", 0, 32 << 20), "row of berth top")
            check(0 < row["memory_bytes"] <= 32 << 20 and row["pids"] >= 1, f"row {row}")
            check(0 <= row["age_ms"] < 600_000, f"age of {row}")
            check(row["rx_bytes_per_s"] >= 0 and row["write_bytes_per_s"] >= 0, f"rates of {row}")

        lines = c.agent.berth("top", "--once").stdout.splitlines()
        check(lines[0].startswith("berth ") and c.name in lines[0], f"first line {lines[0]!r}")
        contains(lines[1], "Control plane connected", "berth top")
        contains(lines[2], "tasks: 1 running", "berth top")
        check(re.match(r"TASK +FAMILY:REV +CONTAINER +STATE +CPU% ", lines[4]), lines[4])
        check(re.match(rf"{short} .* busy +RUNNING +[0-9.]+ ", lines[5]), "the busiest comes first")
        check(re.match(rf"{short} .* idle +RUNNING ", lines[6]), lines[6])
        equal(len(lines), 7, "lines of berth top")

        for wrong in (("-d", "0"), ("-d", "x"), ("--sort", "z"), ("more",)):
            equal(c.agent.berth("top", *wrong, check_code=False).returncode, 2, f"berth top {wrong}")
        follower = subprocess.Popen([c.berth, "top", "--json", "-d", "1"], env=c.agent.env,
                                    stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        try:
            for _ in range(2):  # one object for each reading
                equal(len(json.loads(follower.stdout.readline())["containers"]), 2, "rows")
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()
    with t.cluster(start=False) as c:
        done = c.agent.berth("top", check_code=False)
        equal(done.returncode, 1, "exit code without an agent")
        contains(done.stderr, f"no agent listens on {c.agent.socket}", "message")


class Screen:
    """berth top on a terminal of its own, as a shell starts it."""

    def __init__(self, c, *options):
        self.ours, theirs = pty.openpty()
        self.size(30, 140)
        self.before = termios.tcgetattr(theirs)
        self.text = b""

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([c.berth, "top", *options], env=c.agent.env, stdin=theirs,
                                        stdout=theirs, stderr=theirs, preexec_fn=own_terminal)
        self.theirs = theirs

    def size(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        self.text = b""
        os.write(self.ours, keys)

    def wait(self, pattern, timeout=20):
        """Until what came since the last key matches."""
        until = time.monotonic() + timeout * slowness()
        while not re.search(pattern, self.text, re.S):
            ready, _, _ = select.select([self.ours], [], [], max(0, until - time.monotonic()))
            check(ready, f"{pattern!r} on the screen; there is {self.text[-2000:]!r}")
            self.text += os.read(self.ours, 65536)

    def ended(self, what):
        """The exit code; the terminal is as it was."""
        until = time.monotonic() + 20 * slowness()
        while self.process.poll() is None:
            check(time.monotonic() < until, f"berth top ends: {what}")
            if select.select([self.ours], [], [], 0.05)[0]:
                self.text += os.read(self.ours, 65536)
        while select.select([self.ours], [], [], 0)[0]:
            self.text += os.read(self.ours, 65536)
        equal(termios.tcgetattr(self.theirs), self.before, f"settings of the terminal, {what}")
        check(self.text.rstrip().endswith(b"\x1b[?7h\x1b[?25h\x1b[?1049l"), f"{what}: {self.text!r}")
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


def e2e_top_screen(t):
    """Keys, another size, a stop and a signal, and the agent that goes and comes back."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("busy", BUSY)]))
        c.wait_running(arn)
        with Screen(c, "-d", "1") as s:
            s.wait(rb"\x1b\[\?1049h.*By CPU.*busy +RUNNING +[0-9]+\.[0-9] ")
            contains(s.text.decode(), "WRITE/s", "a wide screen")
            s.press(b"m")
            s.wait(rb"By memory")
            s.press(b"\x1b[A")  # an arrow is no key of it
            s.press(b"t")
            s.wait(rb"By task")
            s.text = b""
            s.size(10, 60)
            s.wait(rb"LIMIT\x1b[^\n]*\n[^\n]*busy.*\x1b\[J")  # the last column that is left
            shown = next(x for x in s.text.split(b"\x1b[H") if b"LIMIT\x1b" in x)
            lines = [re.sub(rb"\x1b\[[0-9?]*[A-Za-z]", b"", x) for x in shown.split(b"\r\n")]
            check(all(len(x) <= 60 for x in lines), f"lines on a narrow screen: {lines}")
            check(b"WRITE/s" not in shown, f"columns on a narrow screen: {lines}")

            s.text = b""
            c.agent.kill()
            s.wait(rb"The agent does not answer")
            contains(s.text.decode(), "busy", "what was last known")
            c.agent.start().wait_connected()
            s.text = b""
            s.wait(rb"By task.*busy")

            s.press(b"\x1a")  # ^Z
            s.wait(rb"\x1b\[\?1049l")
            poll(lambda: state_of(s.process.pid) == "T", "berth top is stopped")
            equal(termios.tcgetattr(s.theirs), s.before, "settings of the terminal while stopped")
            s.text = b""
            s.process.send_signal(signal.SIGCONT)
            s.wait(rb"\x1b\[\?1049h.*By task")
            s.press(b"q")
            equal(s.ended("q"), 0, "exit code after q")
        for keys, sent, code in ((b"\x03", signal.SIGINT, None), (None, signal.SIGTERM, None)):
            with Screen(c) as s:
                s.wait(rb"By CPU")
                if keys:
                    s.press(keys)
                else:
                    s.process.send_signal(sent)
                equal(s.ended(sent.name), code or -sent, f"exit code after {sent.name}")


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        return stream.read().rsplit(")", 1)[1].split()[0]


def stages(c, task):
    """{(container or None, stage): row} of berth why; every row is plausible."""
    found = {}
    now = datetime.datetime.now(datetime.timezone.utc)
    for row in c.agent.berth_json("why", task)[0]["stages"]:
        begin = datetime.datetime.fromisoformat(row["from"].replace("Z", "+00:00"))
        check(0 <= row["for_ms"] <= (now - begin).total_seconds() * 1000 + 1000, f"stage {row}")
        found[row.get("container"), row["stage"]] = row
    return found


def way(found, name):
    """How long the container was on its way to run."""
    return sum(row["for_ms"] for (k, stage), row in found.items()
               if k == name and stage not in ("run", "health", "stop"))


def e2e_why_stages(t):
    """Where the time of a task went: while it waits, when it runs, when it has stopped."""
    with t.cluster(env={"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "8s"}) as c:
        began = time.monotonic()
        arn = c.run_one(c.register([
            container("web", healthCheck=health("test -e /tmp/well", retries=10)),
            container("side", dependsOn=depends(("web", "HEALTHY")))]))
        poll(lambda: ("web", "health") in stages(c, arn), "web runs, without its health")
        poll(lambda: stages(c, arn)["web", "health"]["for_ms"] > 300, "it takes a while")
        found = stages(c, arn)
        check(not found["side", "dependencies"]["done"] and not found["web", "health"]["done"],
              f"stages that go on: {found}")
        (web,) = [k for k in c.containers(arn)
                  if k["Labels"]["com.amazonaws.ecs.container-name"] == "web"]
        run = c.docker.request("POST", f"/containers/{web['Id']}/exec",
                               {"Cmd": ["touch", "/tmp/well"]})["Id"]
        c.docker.request("POST", f"/exec/{run}/start", {"Detach": True})
        c.wait_running(arn)
        took = (time.monotonic() - began) * 1000
        found = poll(lambda: (lambda f: f if ("side", "run") in f and (None, "run") in f else None)(
            stages(c, arn)), "the stages of a running task")
        check(found["web", "health"]["done"] and found["web", "health"]["for_ms"] >= 300, "health")
        check(found["side", "dependencies"]["for_ms"] >= found["web", "health"]["for_ms"] * 0.9,
              f"what the other one waited: {found}")
        check(found["side", "create"]["for_ms"] > 0 and found["side", "start"]["for_ms"] > 0,
              f"create and start: {found}")
        check(found["web", "health"]["for_ms"] < way(found, "side") <= took + 1000,
              f"{took} ms, and of it: {found}")
        text = on_terminal(c, "why", arn)
        check(re.search(r"Accepted -> running \d+\.\d\d s \(side\): .*dependencies \d+\.\d\d s "
                        r"\(\d+ %\), .*create \d+\.\d\d s \(\d+ %\), start", text), text)
        check(re.search(r"\n  20\S+Z +\d+\.\d\d s  web +runs, is not healthy yet\n", text), text)
        check(re.search(r"\n  20\S+Z +\d+\.\d\d s  the task  runs, now\n", text), text)

        before = stages(c, arn)
        c.agent.kill()
        c.agent.start().wait_connected()
        after = stages(c, arn)
        for key in (("side", "dependencies"), ("web", "health"), ("side", "create")):
            equal(after[key], before[key], "a stage that was over when the agent was killed")
        check(after["web", "run"]["for_ms"] > before["web", "run"]["for_ms"], "it ran on")

        c.stop(arn)
        c.wait_stopped(arn)
        found = poll(lambda: (lambda f: f if (None, "kept") in f else None)(stages(c, arn)),
                     "the stages of a stopped task")
        check(found["web", "run"]["done"] and found[None, "stop"]["done"], f"its end: {found}")
        equal(way(found, "side"), way(before, "side"), "the way to running, when it is over")
        text = on_terminal(c, "why", arn)
        contains(text, "Accepted -> running ", "berth why of a stopped task")
        contains(text, "the task  is kept until its removal, now", "berth why of a stopped task")


def e2e_why_stages_room(t):
    """A task that waits for room, and one that ended without having run."""
    grown = {}

    def edit(envelope):
        for task in envelope["message"]["tasks"]:
            task["containers"][0]["memory"] = grown["memory"]
        return frame(json.dumps(envelope))

    with edited(t, edit) as c:
        total = c.agent.berth_json("status")[0]["core"]["memory_mib"]["total"]
        grown["memory"] = total * 6 // 10
        definition = c.register([container("a")])
        first = c.run_one(definition)
        c.wait_running(first)
        second = c.run_one(definition)
        poll(lambda: (None, "room") in stages(c, second)
             and stages(c, second)[None, "room"]["for_ms"] > 200, "it waits for room")
        check(not stages(c, second)[None, "room"]["done"], "it goes on")
        text = on_terminal(c, "why", second)
        check(re.search(r"Accepted -> now \d+\.\d\d s \(a\): room \d+\.\d\d s \(100 %\)\.", text), text)
        c.stop(first)
        c.wait_running(second)
        found = stages(c, second)
        check(found["a", "room"]["done"] and found["a", "room"]["for_ms"] > 200, f"{found}")
        check(way(found, "a") > found["a", "room"]["for_ms"], f"{found}")


class Follower:
    """berth events --follow, whose lines come as JSON."""

    def __init__(self, c, *options):
        self.process = subprocess.Popen([c.berth, "events", "--follow", *options], env=c.agent.env,
                                        text=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.seen = []

    def wait(self, task, text):
        """The test's own time limit ends a silence."""
        for line in self.process.stdout:
            self.seen.append(json.loads(line))
            if self.seen[-1].get("task") == task and text in self.seen[-1]["event"]:
                return
        check(False, f"berth events ended: {self.process.stderr.read()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def e2e_events_restart(t):
    """Following goes on with the next agent; --task and --since say what of it."""
    with t.cluster() as c:
        definition = c.register([container("a")])
        first = c.run_one(definition)
        first_id = first.rsplit("/", 1)[1]
        with Follower(c) as every, Follower(c, "--task", first_id[:10]) as one:
            every.wait(first_id, "task running")
            one.wait(first_id, "task running")
            c.agent.kill()
            contains(every.process.stderr.readline(), "the agent has ended", "message")
            c.agent.start().wait_connected()
            second = c.run_one(definition)
            second_id = second.rsplit("/", 1)[1]
            every.wait(second_id, "task running")
            c.stop(first)
            c.wait_stopped(first)
            one.wait(first_id, "task stopped")
            texts = [(e["time"], e.get("task"), e["event"]) for e in every.seen]
            equal(len(texts), len(set(texts)), f"each event once: {texts}")
            equal({e.get("task") for e in one.seen}, {first_id}, "tasks with --task")

        stopped = next(e for e in c.agent.berth_json("events", "--task", first)
                       if "task stopped" in e["event"])
        later = c.agent.berth_json("events", "--since", stopped["time"])
        check(later and all(e["time"] >= stopped["time"] for e in later), f"--since: {later}")
        # One may come between the two questions.
        poll(lambda: c.agent.berth_json("events", "--since", "1h") == c.agent.berth_json("events"),
             "events of the last hour are all of them")
        equal(c.agent.berth_json("events", "--since", "0s"), [], "events since now")
        done = c.agent.berth("events", "--since", "yesterday", check_code=False)
        equal(done.returncode, 2, "exit code for a time that is none")
        c.agent.stop()
        done = c.agent.berth("events", "--follow", check_code=False)
        equal(done.returncode, 1, "exit code without an agent")
        contains(done.stderr, "no agent listens on", "message")
        c.agent.start().wait_connected()
