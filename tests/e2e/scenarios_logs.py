"""Every line is accounted for: numbered lines through crashes, outages and rotations.

BERTH_LOGS_SIZE=issue makes the great account of a million lines and the spool of a
gigabyte; it takes several minutes."""
import os
import random
import re
import tempfile
import time

from docker_api import socket_path
from generator import Generator
from harness import SMALL, Skip, check, container, equal, poll
from log_lines import (Account, Recorder, awslogs, events_of, last_number, lines_of, log_files,
                       settle, status, streams, wait_written)
from private_docker import PrivateDocker
from relay import DockerRelay

GREAT = os.environ.get("BERTH_LOGS_SIZE") == "issue"
GROUP = "/e2e/account"
# Kinds of outages, as berth-local's faults. "lose": it takes the lines, and does not say so.
OUTAGES = ({"action": "status", "status": 503}, {"action": "throttle"}, {"action": "drop"},
           {"action": "lose"}, {"action": "hang"})  # the last one takes half a minute to notice


class Chaos:
    """What befalls the agent, the engine and the sink while lines are written: events at
    random times of `seconds`, of which an outage also has an end."""

    def __init__(self, seconds, kills, restarts, outages, longest, seed):
        pick = random.Random(seed)
        self.seconds, self.killed, self.events = seconds, 0, []
        at = sorted(pick.uniform(0.05, 0.9) * seconds for _ in range(kills))
        self.events += [(t, "kill", None) for t in at]
        self.events += [((n + 1) / (restarts + 1) * seconds, "engine", None)
                        for n in range(restarts)]
        # From one second to the longest, of any kind, one after the other.
        took = [1 + (longest - 1) * (n / (outages - 1)) ** 2 for n in range(outages)]
        kinds = list(OUTAGES[:outages])
        pick.shuffle(took)
        pick.shuffle(kinds)
        rest, begin = (seconds * 0.9 - sum(took)) / outages, 0
        for length, kind in zip(took, kinds):
            begin += pick.uniform(0.2, 0.8) * rest
            self.events += [(begin, "away", kind), (begin + length, "back", None)]
            begin += length
        self.events.sort(key=lambda e: e[0])

    def run(self, c, engine):
        began = time.monotonic()
        for at, what, detail in self.events:
            wait = began + at
            poll(lambda until=wait: time.monotonic() >= until, "the next event", self.seconds + 60)
            if what == "kill":
                c.agent.kill()
                c.agent.start()
                self.killed += 1
            elif what == "engine":
                engine.stop()
                engine.start()
            elif what == "away":
                c.fault("PutLogEvents", count=-1, **detail)
            else:
                c.heal()
        c.heal()


def account(t, boxes, lines, rate, buffer, chaos, settling):
    with Generator(t.build) as gen, PrivateDocker("--live-restore") as engine, \
            t.cluster(docker=engine.api) as c:
        log = awslogs(GROUP, "run", mode="non-blocking", max_buffer_size=buffer)
        names = [f"c{i}" for i in range(boxes)]
        arn = c.run_one(c.register(
            [container(n, **SMALL, logConfiguration=log, mountPoints=gen.mounts(),
                       command=gen.command(lines, 90, 10, rate)) for n in names],
            volumes=gen.volumes()))
        c.wait_running(arn)
        paths = log_files(c, arn, names)
        with Recorder(paths) as kept:
            gen.go()
            chaos.run(c, engine)
            for path in paths:
                wait_written(path, lines, lines / rate + 60)
            kept.stop()
            written = {f"run/{n}/{arn.rsplit('/', 1)[1]}": kept.numbers(i)
                       for i, n in enumerate(names)}
        seen = settle(c, GROUP, written, settling)
        gen.end()
        c.wait_stopped(arn, 60)
        torn = boxes * lines - sum(len(n) for n in written.values())
        repeated = sum(a.repeated for a in seen.values())
        print(f"{boxes * lines} lines of {boxes} containers, {chaos.killed} kills of the agent: "
              f"0 lost, {repeated} repeated; {torn} the engine itself never wrote down")
        for name, a in seen.items():
            equal((a.disorder, a.foreign[:3]), (0, []), f"lines out of order, odd ones, of {name}")
        # What was in flight at a kill: what was written since the last cursor was stored.
        bound = chaos.killed * boxes * rate * 2
        check(repeated <= bound, f"{repeated} lines repeated, more than {bound}")


def e2e_logs_account(t):
    """Crashes of the agent, a restart of the engine, outages of the sink and rotations: no
    line is lost, few come twice, each stream keeps its order."""
    seed = int(os.environ.get("BERTH_LOGS_SEED", "0")) or random.randrange(1, 1 << 30)
    print(f"BERTH_LOGS_SEED={seed}")
    if GREAT:
        account(t, 10, 100000, 350, "8m", Chaos(285, 20, 2, 5, 60, seed), 300)
    else:
        account(t, 5, 10000, 500, "2m", Chaos(20, 4, 1, 4, 5, seed), 60)


def e2e_logs_of_before(t):
    """A container whose log the engine writes as json-file, made when it offered nothing else:
    the next agent ships on from there, and makes its own otherwise."""
    with Generator(t.build) as gen, t.cluster(start=False) as c:
        info = c.docker.request("GET", "/info")
        info["Plugins"]["Log"].remove("local")
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        relay.answer(r"^GET \S*/info$", info)
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()

        def start(name, lines):
            arn = c.run_one(c.register([
                container(name, logConfiguration=awslogs(GROUP, "run"),
                          command=gen.command(lines, 90, 1, 500), mountPoints=gen.mounts())],
                volumes=gen.volumes()))
            c.wait_running(arn)
            return arn, c.inspect(arn, name)["HostConfig"]["LogConfig"]["Type"]

        def seen(name, arn):
            name = f"run/{name}/{arn.rsplit('/', 1)[1]}"
            return Account(e["message"] for e in events_of(c, GROUP, name)) \
                if name in streams(c, GROUP) else Account([])

        old, driver = start("old", 4000)
        equal(driver, "json-file", "driver where there is no other")
        gen.go()
        poll(lambda: seen("old", old).seen, "its first lines")
        c.agent.kill()
        c.agent.start().wait_connected()
        new, driver = start("new", 1000)
        equal(driver, "local", "driver of the next container")
        for name, arn, lines in (("old", old, 4000), ("new", new, 1000)):
            poll(lambda n=name, a=arn, m=lines: len(seen(n, a).seen) == m,
                 lambda n=name, a=arn: f"lines of {n}: {len(seen(n, a).seen)}", 60)
            a = seen(name, arn)
            equal((a.disorder, a.foreign), (0, []), f"lines of {name} out of order, odd")
            check(a.repeated <= 1000, f"{a.repeated} lines of {name} came twice")
        gen.end()


# ---- the bound of the spool ----

# What a container writes while the engine is about to freeze it may stand over the bound.
HOLD_MAX = 64 << 20

class DiskUse:
    """The most that a container's log files took of the disk: those of the engine, and those
    that it has removed, but which the agent still has open."""

    def __init__(self, c, path):
        self.folder, self.path, self.agent = os.path.dirname(path), path, c.agent
        self.named = self.held = self.most = 0

    @staticmethod
    def _sizes(folder, wanted):
        """{inode: bytes}, and whether it has a name yet."""
        found = {}
        for name in os.listdir(folder):
            try:
                if wanted(os.path.join(folder, name)):
                    st = os.stat(os.path.join(folder, name))
                    found[st.st_ino] = st.st_size if st.st_nlink else -st.st_size
            except OSError:
                continue  # rotated or closed meanwhile
        return found

    def look(self):
        named = self._sizes(self.folder, lambda p: p.startswith(self.path))
        held = self._sizes(f"/proc/{self.agent.process.pid}/fd",
                           lambda p: os.readlink(p).startswith(self.path))
        # One may have been removed between the two looks.
        gone = -sum(size for inode, size in held.items() if size < 0 and inode not in named)
        self.named, self.held = max(self.named, sum(named.values())), max(self.held, gone)
        self.most = max(self.most, sum(named.values()) + gone)

    def text(self):
        mib = [f"{n / (1 << 20):.2f} MiB" for n in (self.most, self.named, self.held)]
        return f"at most {mib[0]} on the disk (the engine's files {mib[1]}, files that it has " \
               f"removed and the agent has open {mib[2]})"


def flooded(c, gen, log, lines, rate=0):
    """A task with one container that is to write so many lines of 100 bytes; (arn, log file)."""
    arn = c.run_one(c.register([container("flood", logConfiguration=log,
                                          command=gen.command(lines, 100, 100, rate),
                                          mountPoints=gen.mounts())], volumes=gen.volumes()))
    c.wait_running(arn)
    path, = log_files(c, arn, ["flood"])
    if not os.path.exists(path):
        raise Skip(f"the engine's files cannot be seen from here: {path}")
    return arn, path


def e2e_logs_spool_bound(t):
    """The sink is away and a container writes many times its spool: it goes on, the disk is
    filled no further than the bound, and what is missing in the end is what is counted."""
    # Not at full speed where files are small: what the engine removes while nobody gets to look
    # cannot be counted, and is told as a gap of unknown size.
    mib, lines, rate = (64, 10000000, 0) if GREAT else (16, 400000, 25000)
    spool = mib << 20
    with Generator(t.build) as gen, t.cluster() as c:
        c.fault("PutLogEvents", "status", count=-1, status=503)
        log = awslogs(GROUP, "run", mode="non-blocking", max_buffer_size=f"{mib}m")
        arn, path = flooded(c, gen, log, lines, rate)
        use = DiskUse(c, path)
        gen.go()
        wait_written(path, lines, 120 if GREAT else 60, use.look)
        print(f"{lines / 1e4:.0f} MB written, {use.text()}")
        # A file is rotated by the message that finds it full.
        check(use.most <= spool + 4096, f"{use.text()}; the bound is {spool} bytes")
        check(not c.inspect(arn, "flood")["State"]["Paused"], "the container is held")
        equal(c.task(arn)["lastStatus"], "RUNNING", "status of the task during the outage")
        c.heal()
        gen.end()
        c.wait_stopped(arn, 60)
        poll(lambda: not c.containers(), "the container is removed", 60)
        seen = Account(e["message"] for s in streams(c, GROUP) for e in events_of(c, GROUP, s))
        told = status(c)
        counted = told["dropped"]["spool"]
        equal(told["gaps"], 0, "gaps of unknown size")
        missing = lines - len(seen.seen)
        print(f"{len(seen.seen)} lines came, {missing} are missing, {counted} counted as dropped")
        equal((counted, seen.repeated, seen.disorder), (missing, 0, 0),
              "lines counted as dropped, repeated, out of order")
        # Where lines are missing, the stream itself says how many.
        said = [re.match(r"berth: (\d+) lines? lost: ", text) for text in seen.foreign]
        check(all(said), f"odd lines: {seen.foreign[:3]}")
        equal(sum(int(m.group(1)) for m in said), missing, "lines that the stream says are lost")
        check(lines - 1 in seen.seen, "the newest line is missing")
        check(counted > lines // 2, "the spool held more than it can")


def e2e_logs_spool_blocking(t):
    """The sink is away and a container of mode blocking writes more than its spool: it is
    held, goes on when the sink is back, and nothing is missing."""
    # Not at full speed where files are small: a busy machine is not done with holding it in time.
    spool_mb, lines, rate = (64, 10000000, 0) if GREAT else (16, 300000, 50000)
    with Generator(t.build) as gen, t.cluster(env={"BERTH_LOG_SPOOL_MB": str(spool_mb)}) as c:
        c.fault("PutLogEvents", "status", count=-1, status=503)
        arn, path = flooded(c, gen, awslogs(GROUP, "run", mode="blocking"), lines, rate)
        gen.go()
        poll(lambda: c.inspect(arn, "flood")["State"]["Paused"], "the container is held")
        at = last_number(path)
        equal((c.task(arn)["lastStatus"], status(c)["held"]), ("RUNNING", 1),
              "status of the task, containers held")
        use = DiskUse(c, path)
        use.look()
        check(use.named <= (spool_mb << 20) + 4096 and use.held <= HOLD_MAX, use.text())
        c.heal()
        wait_written(path, lines, 300 if GREAT else 120, use.look)
        print(f"{lines / 1e4:.0f} MB written, {use.text()}")
        gen.end()
        c.wait_stopped(arn, 60)
        poll(lambda: not c.containers(), "the container is removed", 60)
        seen, sink = Account(lines_of(c, GROUP)), c.local("GET", "logs")
        # Of many lines the sink keeps the last ones.
        kept, came = sink["events"], sink["events"] + sink["dropped_events"]
        print(f"held at line {at}; {came} of {lines} lines came, {kept} are looked at")
        equal((came, seen.repeated, seen.disorder), (lines, 0, 0),
              "lines that came, repeated, out of order")
        equal(seen.seen, set(range(lines - kept, lines)), "the lines that the sink has kept")
        equal(sum(status(c)["dropped"].values()), 0, "lines counted as dropped")


# ---- one container does not delay another ----

def e2e_logs_hostile(t):
    """A pattern that never ends by itself, lines made for it, and lines of a megabyte: the
    lines of a quiet container are in the sink within the flush interval and a few seconds."""
    evil = "a" * 60 + "b"
    with Generator(t.build) as gen, t.cluster() as c:
        definition = c.register([
            container("evil", f"yes {evil} | head -n 50000; sleep 3600 & trap 'exit 0' TERM; wait",
                      essential=False,
                      logConfiguration=awslogs(GROUP, "run", multiline_pattern="(a+)+$")),
            container("long", "for i in 1 2 3 4 5 6 7 8; do head -c 1048576 /dev/zero | tr '\\0' x;"
                      " echo; done", essential=False, logConfiguration=awslogs(GROUP, "run")),
            container("quiet", logConfiguration=awslogs(GROUP, "run"),
                      command=gen.command(60, 100, 1, 10), mountPoints=gen.mounts())],
            volumes=gen.volumes())
        arn = c.run_one(definition)
        task = arn.rsplit("/", 1)[1]
        c.wait_running(arn)
        gen.go()

        def quiet():
            return events_of(c, GROUP, f"run/quiet/{task}") \
                if f"run/quiet/{task}" in streams(c, GROUP) else []

        poll(lambda: len(quiet()) == 60, lambda: f"60 quiet lines: {len(quiet())}", 60)
        worst = max(e["ingestionTime"] - e["timestamp"] for e in quiet())
        print(f"quiet lines were in the sink after at most {worst} ms")
        def length():
            return sum(len(e["message"]) for e in events_of(c, GROUP, f"run/long/{task}"))
        poll(lambda: length() == 8 << 20, lambda: f"all of the long lines: {length()}", 60)
        gen.end()
        c.wait_stopped(arn, 60)
        if not t.sanitized:
            # The pattern alone takes minutes; the machine may be busy with other scenarios.
            check(worst < 5000, f"a quiet line came after {worst} ms")


# ---- options, groups, ends ----

def e2e_logs_streams_and_events(t):
    """Names of streams by a tag, and lines that belong together."""
    def one(script, **options):
        return container("a", script, logConfiguration=awslogs(GROUP, **options))

    stack = "printf '[1] first\\n  more\\n\\n[2] second\\n  more\\n'"
    with t.cluster() as c:
        good = {
            "tag": (one("echo tagged", tag="t/{{.Name}}"), None, ["tagged"]),
            "pattern": (one(stack, multiline_pattern="^\\["), "p",
                        ["[1] first\n  more\n\n", "[2] second\n  more\n"]),
            "datetime": (one("printf '2026-01-05 a\\nb\\n2026-01-06 c\\n'",
                             datetime_format="%Y-%m-%d"), "d",
                         ["2026-01-05 a\nb\n", "2026-01-06 c\n"]),
        }
        for name, (box, prefix, wanted) in good.items():
            if prefix:
                box["logConfiguration"]["options"]["awslogs-stream-prefix"] = prefix
            box["logConfiguration"]["options"]["awslogs-group"] = f"{GROUP}/{name}"
            arn = c.run_one(c.register([box]))
            c.wait_stopped(arn)
            poll(lambda n=name, w=wanted: lines_of(c, f"{GROUP}/{n}") == w,
                 lambda n=name: f"lines of {n}: {lines_of(c, f'{GROUP}/{n}')}")
        equal([s.split("-")[0] for s in streams(c, GROUP + "/tag")], ["t/ecs"], "stream of a tag")


def e2e_logs_to_files(t):
    """BERTH_LOG_SINK: every line is in a file for its stream, over a crash of the agent; the
    service hears nothing."""
    lines, rate = 6000, 2000
    with Generator(t.build) as gen, tempfile.TemporaryDirectory(prefix="berth-sink-") as place, \
            t.cluster(env={"BERTH_LOG_SINK": f"file:{place}"}) as c:
        log = awslogs(GROUP, "run")
        arn = c.run_one(c.register([
            container("web", logConfiguration=log, mountPoints=gen.mounts(),
                      command=gen.command(lines, 90, 10, rate)),
            container("side", "printf '[1] first\\n  more\\n[2] second\\n'", essential=False,
                      logConfiguration=awslogs(GROUP, "run", multiline_pattern="^\\["))],
            volumes=gen.volumes()))
        c.wait_running(arn)
        task = arn.rsplit("/", 1)[1]

        def texts(name):
            path = os.path.join(place, GROUP.lstrip("/"), "run", name, task + ".log")
            if not os.path.exists(path):
                return []
            with open(path, encoding="utf-8") as stream:
                rows = stream.read().splitlines()
            return [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", "", row) for row in rows]

        gen.go()
        poll(lambda: len(texts("web")) > rate // 2, "the first lines are in the file")
        c.agent.kill()
        c.agent.start()
        poll(lambda: Account(texts("web")).seen == set(range(lines)),
             lambda: f"{lines} lines: {len(Account(texts('web')).seen)}")
        gen.end()
        c.wait_stopped(arn)
        poll(lambda: not c.containers(), "the containers are removed")
        web = Account(texts("web"))
        equal((web.disorder, web.foreign), (0, []), "lines out of order, odd ones")
        # What was written to the file within the second before the cursor's last saving.
        check(web.repeated <= 2 * rate, f"{web.repeated} lines came twice")
        once = ["[1] first", "\t  more", "[2] second"]
        check(texts("side") in (once, once + once), f"lines of the other: {texts('side')}")
        equal([c.requests(n) for n in ("PutLogEvents", "CreateLogStream")], [[], []],
              "requests for logs")


def e2e_logs_group_deleted(t):
    """The group is deleted while lines are shipped, and made anew for the next ones; where
    the container may not make it, its lines wait until somebody does."""
    says = "trap 'echo asked' USR1; echo begun; while :; do sleep 3600 & wait $!; done"
    with t.cluster() as c:
        c.logs.call("CreateLogGroup", logGroupName=GROUP + "/mine")
        arn = c.run_one(c.register([
            container("makes", says, logConfiguration=awslogs(GROUP, "r")),
            container("waits", says, logConfiguration=awslogs(GROUP + "/mine", "r",
                                                              create_group="false"))]))
        c.wait_running(arn)
        for group in (GROUP, GROUP + "/mine"):
            poll(lambda g=group: lines_of(c, g) == ["begun"], f"the first line in {group}")
            c.logs.call("DeleteLogGroup", logGroupName=group)
        for box in c.containers(arn):
            c.docker.request("POST", f"/containers/{box['Id']}/kill", signal="USR1")
        poll(lambda: lines_of(c, GROUP) == ["asked"], "the next line in a new group")
        equal(lines_of(c, GROUP + "/mine"), [], "lines in a group that nobody made")
        c.logs.call("CreateLogGroup", logGroupName=GROUP + "/mine")
        c.stop(arn)  # a drain does not wait for the next try of the minute
        poll(lambda: lines_of(c, GROUP + "/mine") == ["asked"], "the line that waited")


def e2e_logs_last_lines(t):
    """What a container says while it is stopped is in the sink before it is removed; one
    whose lines wait for the sink is kept meanwhile, and its task's end waits for nothing."""
    says = "trap 'for i in 1 2 3; do echo bye $i; done; exit 0' TERM; echo up; " \
           "while :; do sleep 3600 & wait $!; done"
    with t.cluster() as c:
        def ends(group):
            arn = c.run_one(c.register([container("a", says,
                                                  logConfiguration=awslogs(group, "r"))]))
            c.wait_running(arn)
            poll(lambda: lines_of(c, group) == ["up"], "the first line")
            return arn

        arn = ends(GROUP)
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: not c.containers(), "the container is removed")
        wanted = ["up"] + [f"bye {n}" for n in (1, 2, 3)]
        equal(lines_of(c, GROUP), wanted, "lines when the container has gone")

        arn = ends(GROUP + "/away")
        tries = len(c.requests("PutLogEvents"))
        c.fault("PutLogEvents", "status", count=-1, status=503)
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: len(c.requests("PutLogEvents")) >= tries + 3, "the last lines are tried")
        equal(len(c.containers()), 1, "containers kept for their lines")
        c.heal()
        poll(lambda: not c.containers(), "the container is removed", 60)
        equal(lines_of(c, GROUP + "/away"), wanted, "lines when the container has gone")


def e2e_logs_last_lines_after_kill(t):
    """An agent that is killed, and whose successor is told to stop the task at once: the last
    lines come, and the container does not stay for long."""
    says = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 3600 & wait $!; done"
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", says, logConfiguration=awslogs(GROUP, "r"))]))
        c.wait_running(arn)
        poll(lambda: lines_of(c, GROUP) == ["up"], "the first line")
        c.agent.kill()
        c.agent.start().wait_connected()
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: not c.containers(), "the container is removed")
        equal(lines_of(c, GROUP), ["up", "bye"], "lines when the container has gone")
