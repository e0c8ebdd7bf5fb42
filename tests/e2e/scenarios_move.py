"""From the reference agent to Berth, and back: a host as the reference leaves it, with its agent.db
and containers that have its labels and none of ours."""
import fcntl
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import uuid

import reference_state
from harness import SMALL, STAYS, check, contains, container, depends, equal, part, poll

ENDS = "trap 'exit 5' TERM; while :; do sleep 3600 & wait $!; done"
KIND_TASK = 1


class Reference:
    """Makes the agent's host one that the reference has run until now: the same instance, the same
    tasks, other containers. The tasks run, and no agent does."""

    def __init__(self, c, arns):
        self.c, self.data = c, c.agent.data
        self.instance = c.instances()[0]["containerInstanceArn"]
        c.agent.kill()
        with sqlite3.connect(os.path.join(self.data, "berth.db")) as db:
            rows = dict(db.execute("SELECT key, value FROM entry WHERE kind = ?", [KIND_TASK]))
        db.close()
        self.tasks = {arn: json.loads(rows[arn]) for arn in arns}
        for name in os.listdir(self.data):
            path = os.path.join(self.data, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self.boxes, records = {}, []
        for arn, task in self.tasks.items():
            parts = {p["name"]: self.replace(task, p) for p in task["containers"]}
            records.append(reference_state.record(task, parts))
        self.file = os.path.join(self.data, "agent.db")
        reference_state.write(self.file, reference_state.state(
            reference_state.metadata(c.name, self.instance), *records))
        os.chmod(self.file, 0o600)
        self.bytes = self.read()
        self.lock = None

    def replace(self, task, sent):
        """One of ours becomes one of the reference's: as it makes them, which is as we do, but for
        labels and name (and the log driver, which is the engine's)."""
        docker = self.c.docker
        old = self.c.inspect(task["arn"], sent["name"])
        docker.remove(old["Id"])
        name = f"ecs-{task['family']}-{task['version']}-{sent['name']}-00{old['Id'][:18]}"
        env = dict(e.split("=", 1) for e in old["Config"]["Env"])
        body = {"Image": sent["image"], "Cmd": sent.get("command"), "Env": old["Config"]["Env"],
                "Labels": reference_state.labels(self.c.name, task, sent["name"]),
                "HostConfig": {k: old["HostConfig"][k]
                               for k in ("NetworkMode", "Memory", "CpuShares", "PortBindings")}}
        made = docker.request("POST", "/containers/create", body, name=name)["Id"]
        docker.request("POST", f"/containers/{made}/start")
        poll(lambda: self.c._handles_term(made), "the shell's trap is set")
        self.boxes[task["arn"], sent["name"]] = made
        return {"docker_id": made, "docker_name": name,
                "endpoint": env["ECS_CONTAINER_METADATA_URI_V4"].rsplit("/", 1)[1]}

    def read(self):
        with open(self.file, "rb") as stream:
            return stream.read()

    def start(self):
        """It has its file locked while it runs."""
        self.lock = open(self.file, "rb+")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def stop(self):
        self.lock.close()
        self.lock = None

    def started_at(self):
        return {box: self.c.docker.inspect(box)["State"]["StartedAt"]
                for box in self.boxes.values()}


def berth(c, *command, code=0):
    done = c.agent.berth(*command, "--config", c.agent.config, check_code=False)
    equal(done.returncode, code, f"exit code of berth {' '.join(command)} ({done.stderr.strip()})")
    return done


def files_of(c):
    return sorted(os.listdir(c.agent.data))


def e2e_move_tasks_go_on(t):
    """Taken over, a task goes on as if nothing had happened, under the same instance; its stop is
    carried out, and its end is told. So is the end of one that came while no agent ran."""
    with t.cluster() as c:
        pair = c.run_one(c.register([
            container("a", ENDS, portMappings=[{"containerPort": 80}]),
            container("side", essential=False, dependsOn=depends(("a", "START")))]))
        short = c.run_one(c.register([container("a", ENDS, **SMALL)]))
        c.wait([pair, short], "RUNNING")
        ref = Reference(c, [pair, short])
        ids = set(ref.boxes.values())
        before = ref.started_at()

        looked = berth(c, "import", "--dry-run")
        contains(looked.stdout, "goes on", "what would become of the tasks")
        contains(looked.stdout, "Nothing was changed.", "the last line")
        equal(files_of(c), ["agent.db"], "files after a look")
        told = json.loads(berth(c, "import", "--json").stdout)
        equal({row["arn"]: row["fate"] for row in told["tasks"]},
              {pair: "goes-on", short: "goes-on"}, "tasks")
        equal((told["imported"], told["containerInstanceArn"]), (True, ref.instance), "the answer")

        c.docker.kill(ref.boxes[short, "a"], "TERM")
        poll(lambda: not c.docker.inspect(ref.boxes[short, "a"])["State"]["Running"], "it ends")
        c.agent.start().wait_connected()
        equal([i["containerInstanceArn"] for i in c.instances()], [ref.instance], "instances")
        equal(part(c.wait_stopped(short), "a")["exitCode"], 5, "exit code of the one that ended")
        known = next(r for r in c.agent.berth_json("tasks") if r["arn"] == pair)
        equal({k["docker_id"] for k in known["containers"]},
              {ref.boxes[pair, "a"], ref.boxes[pair, "side"]}, "containers")
        equal(c.task(pair)["lastStatus"], "RUNNING", "the pair")
        check({k["Id"] for k in c.containers(pair)} <= ids, "containers were made anew")
        after = {box: c.docker.inspect(box)["State"]["StartedAt"]
                 for (arn, _), box in ref.boxes.items() if arn == pair}
        equal(after, {box: before[box] for box in after}, "when they were started")
        # New tasks are taken as ever.
        new = c.run_one(c.register([container("a", "exit 3")]))
        equal(part(c.wait_stopped(new), "a")["exitCode"], 3, "exit code of a new task")
        c.stop(pair)
        equal(part(c.wait_stopped(pair), "a")["exitCode"], 5, "exit code")
        poll(lambda: not c.containers(pair), "its containers are removed")
        check(ref.read() == ref.bytes, "the reference's file was changed")


def e2e_move_while_starting(t):
    """What the reference had not made yet is made; a task that was asked to stop goes on stopping."""
    with t.cluster() as c:
        first = c.run_one(c.register([container("a"), container("b", dependsOn=depends(
            ("a", "START")))]))
        second = c.run_one(c.register([container("a", ENDS, **SMALL)]))
        c.wait([first, second], "RUNNING")
        ref = Reference(c, [first, second])
        # The reference has not come to b.
        gone = ref.boxes.pop((first, "b"))
        c.docker.remove(gone)
        records = []
        for arn, task in ref.tasks.items():
            parts = {name: {"docker_id": box, "docker_name":
                            c.docker.inspect(box)["Name"].lstrip("/")}
                     for (of, name), box in ref.boxes.items() if of == arn}
            if arn == first:
                parts["b"] = {"known": "PULLED"}
            more = {"DesiredStatus": "STOPPED"} if arn == second else {}
            records.append(reference_state.record(
                task, parts, "CREATED" if arn == first else "RUNNING", **more))
        reference_state.write(ref.file, reference_state.state(
            reference_state.metadata(c.name, ref.instance), *records))
        told = json.loads(berth(c, "import", "--json").stdout)
        equal({row["arn"]: row["fate"] for row in told["tasks"]},
              {first: "goes-on", second: "stops"}, "tasks")
        c.agent.start().wait_connected()
        poll(lambda: len([k for k in c.containers(first) if k["State"] == "running"]) == 2,
             "what was missing runs")
        check(ref.boxes[first, "a"] in {k["Id"] for k in c.containers(first)}, "a goes on")
        equal(part(c.wait_stopped(second), "a")["exitCode"], 5, "exit code of the stopped one")


def e2e_move_refused(t):
    """Nothing is taken over while an agent runs, over a state of ours, or with a task that would be
    lost; and nothing is changed then."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", STAYS, **SMALL)]))
        c.wait_running(arn)
        ref = Reference(c, [arn])
        ref.start()
        said = berth(c, "import", code=1)
        contains(said.stderr, "the reference agent runs", "while the reference runs")
        contains(said.stderr, "systemctl stop ecs", "what to do")
        ref.stop()
        equal(files_of(c), ["agent.db"], "files")

        task = dict(ref.tasks[arn], arn=arn[:-4] + "0000")
        rows = [reference_state.record(task, {"a": {"docker_id": "ab"}},
                                       ENI=[{"ec2Id": "eni-1"}], NetworkMode="awsvpc")]
        reference_state.write(ref.file, reference_state.state(
            reference_state.metadata(c.name, ref.instance), *rows))
        said = berth(c, "import", code=1)
        contains(said.stdout, "awsvpc is not supported", "why")
        contains(said.stderr, "1 of the tasks cannot be taken over", "what is wrong")
        equal(files_of(c), ["agent.db"], "files")

        rows = [reference_state.record(task, {"a": {}}, KnownStatus="HALF\x1b[2J")]
        reference_state.write(ref.file, reference_state.state(
            reference_state.metadata(c.name, ref.instance), *rows))
        for look in (("import",), ("agent", "--shadow", "--once")):
            said = berth(c, *look, code=0 if "agent" in look else 1)
            contains(said.stdout + said.stderr, "unknown status 'HALF?[2J'", "of what is no status")

        with open(ref.file, "wb") as out:
            out.write(ref.bytes[:5000])
        contains(berth(c, "import", code=1).stderr, "agent.db", "of a file that is cut short")
        with open(ref.file, "wb") as out:
            out.write(ref.bytes)
        c.agent.start()
        contains(c.agent.wait_log("level=warn .*berth import.*"), "registers anew", "the warning")
        c.agent.wait_connected()
        contains(berth(c, "import", code=1).stderr, "a Berth agent runs", "while ours runs")
        c.agent.stop()
        said = berth(c, "import", code=1)
        contains(said.stderr, "Berth has a state of its own", "over a state of ours")
        said = berth(c, "import", "--dry-run", code=1)
        contains(said.stderr, "Berth has a state of its own", "over a state of ours, to look")
        # Of one that is damaged as well, and it is left where it is.
        with open(os.path.join(c.agent.data, "berth.db"), "wb") as out:
            out.write(b"no database at all")
        for options in ("--dry-run",), ():
            before = marks(c)[0]
            contains(berth(c, "import", *options, code=1).stderr, "Berth's own state",
                     "over a damaged state")
            equal(marks(c)[0], before, "files")
        # Taken over after all, as the message says.
        for name in files_of(c):
            if name.startswith("berth.") or name == "instance.json":
                os.unlink(os.path.join(c.agent.data, name))
        berth(c, "import")
        c.agent.start().wait_connected()
        c.stop(arn)
        c.wait_stopped(arn)


def marks(c):
    """What a look may not change: the files, and what the control plane has heard."""
    files = {}
    for name in files_of(c):
        with open(os.path.join(c.agent.data, name), "rb") as stream:
            files[name] = (stream.read(), os.stat(stream.fileno()).st_mtime_ns)
    return files, len(c.requests()), sorted(k["Id"] for k in c.containers())


def e2e_move_shadow(t):
    """Beside a running reference: says what it would do, today and later, and changes nothing."""
    with t.cluster() as c:
        runs, stops = (c.run_one(c.register([container("a", ENDS, **SMALL)])) for _ in range(2))
        c.wait([runs, stops], "RUNNING")
        ref = Reference(c, [runs, stops])
        ref.start()
        tasks, rows = {}, {}
        for arn in (runs, stops):
            box = ref.boxes[arn, "a"]
            more = {"DesiredStatus": "STOPPED"} if arn == stops else {}
            task, parts = reference_state.record(ref.tasks[arn], {"a": {
                "docker_id": box, "docker_name": c.docker.inspect(box)["Name"][1:]}}, **more)
            tasks.update(task)
            rows.update(parts)
        buckets = reference_state.state(reference_state.metadata(c.name, ref.instance),
                                        (tasks, rows))
        reference_state.write(ref.file, buckets)
        before = marks(c)
        with c.events() as events:
            said = berth_shadow(c, "--once")
            equal(marks(c), before, "files, requests and containers after a look")
            equal([e for e in events.items if "exec" not in e["action"]], [],
                  "what the engine did meanwhile")
        contains(said, f"Would register with cluster {c.name} as {ref.instance}", "the instance")
        contains(said, "com.amazonaws.ecs.capability.docker-remote-api.1.24", "attributes")
        # Of a task that nobody knows any more, and never started: it goes where others may go.
        gone = dict(ref.tasks[runs], arn=runs.rsplit("/", 1)[0] + "/" + uuid.uuid4().hex)
        stranger = c.docker.request("POST", "/containers/create", {
            "Image": gone["containers"][0]["image"], "Cmd": ["true"],
            "Labels": reference_state.labels(c.name, gone, "a")})["Id"]
        image = f"berth-test/{c.name}:1"
        c.docker.ensure_image(image, changes=['CMD ["true"]'])
        try:
            for others in ("false", "true"):
                more = berth_shadow(c, "--once", ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP=others,
                                    NONECS_NUM_CONTAINERS_DELETE_PER_CYCLE="5000",
                                    ECS_IMAGE_PULL_BEHAVIOR="default")
                contains(more, f"of task {gone['arn'].rsplit('/', 1)[1][:8]}, which the state does "
                         "not know", "the stranger")
                equal(f"would remove container (of no task) {stranger[:12]}" in more,
                      others == "true", "the stranger is removed")
                went = re.findall(r"cleanup: removed (\w+ \S+)", more)
                equal(sorted(went), sorted(set(went)), "what is removed once")
                equal(f"image {image}" in went, others == "true", "the image of no task is removed")
        finally:
            c.docker.remove(stranger)
            c.docker.remove_image(image)
        short, other = runs.rsplit("/", 1)[1][:8], stops.rsplit("/", 1)[1][:8]
        contains(said, f"task {other}/a: would stop container", "the task that is to stop")
        check(f"task {short}" not in said.split("Would do")[1], "the task that goes on has news")

        follow = subprocess.Popen(
            [c.berth, "agent", "--shadow", "--config", c.agent.config], text=True,
            env=c.agent.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        seen = ""
        try:
            def wait_line(text):
                nonlocal seen
                while text not in seen:
                    line = follow.stdout.readline()
                    check(line, f"it ended before saying {text!r}: {seen}")
                    seen += line
            wait_line(f"task {other}/a: would stop container")
            # The reference begins a task, and one of its tasks ends.
            new = dict(ref.tasks[runs], arn=runs.rsplit("/", 1)[0] + "/" + uuid.uuid4().hex)
            labels = reference_state.labels(c.name, new, "a")
            made = c.docker.request("POST", "/containers/create", {
                "Image": new["containers"][0]["image"], "Cmd": ["sleep", "1000"],
                "Labels": labels}, name=f"ecs-new-{new['arn'][-12:]}")["Id"]
            task, parts = reference_state.record(new, {"a": {"docker_id": made}})
            buckets["tasks"].update(task)
            buckets["containers"].update(parts)
            reference_state.write(ref.file, buckets)
            c.docker.request("POST", f"/containers/{made}/start")
            c.docker.kill(ref.boxes[runs, "a"], "TERM")
            wait_line(f"task {short}/a: container stopped, exit code 5")
            wait_line(f"task {short}: would report STOPPED")
            c.docker.kill(made)
            wait_line(f"task {new['arn'].rsplit('/', 1)[1][:8]}: would report STOPPED")
            equal(c.task(runs)["lastStatus"], "RUNNING", "what the control plane was told")
            follow.send_signal(signal.SIGINT)
            equal(follow.wait(20), 0, "exit code after Ctrl-C")
        finally:
            follow.kill()
            follow.wait()
            follow.stdout.close()
        equal(marks(c)[1] - 1, before[1], "requests, but for our own")
        ref.stop()
        c.docker.remove(made)
        berth(c, "import")
        c.agent.start().wait_connected()
        c.wait([runs, stops], "STOPPED")


def berth_shadow(c, *options, **env):
    done = subprocess.run([c.berth, "agent", "--shadow", *options, "--config", c.agent.config],
                          capture_output=True, text=True, env=c.agent.environment(**env), timeout=60,
                          check=False)
    equal((done.returncode, done.stderr), (0, ""), "exit code and errors of --shadow")
    return done.stdout


GUIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/MIGRATING.md")
# What the guide leaves to the package manager is tried by tests/packaging, which has one.
PACKAGES = ("dpkg-deb -x ", "apt-get install ")


class Typist:
    """Types what the guide says, on a host whose folders are elsewhere, and does by hand what there
    is a service manager for: `ecs` is whatever is installed."""

    def __init__(self, c, ref):
        self.c, self.ref, self.installed, self.typed = c, ref, ref, []
        self.folders = {"/var/lib/ecs/data": c.agent.data, "/root/ecs-reference": c.dir + "/kept",
                        "/var/lib/ecs/berth-before": c.dir + "/before",
                        "/tmp/berth/usr/sbin/berth": c.berth,
                        "CLUSTER": c.name, "INSTANCE": ref.instance}

    def service(self, verb):
        if self.installed is self.ref:
            self.ref.start() if verb == "start" else self.ref.stop()
        elif verb == "stop":
            self.c.agent.stop()
        else:
            self.c.agent.start().wait_connected()

    def type(self, line):
        """What it prints."""
        self.typed.append(line)
        words = line.split()
        if line.startswith(PACKAGES):
            if "apt-get" in words:
                self.installed = self.ref if "amazon-ecs-init" in line else self.c.agent
            return ""
        if words[0] == "systemctl":
            check(words[-1] == "ecs", line)
            self.service("stop" if words[1] == "stop" else "start")
            return ""
        for name, here in self.folders.items():
            line = line.replace(name, here)
        if words[0] == "aws":
            return json.dumps(self.c.aws(*line.split()[1:]))
        check(words[0] in ("berth", "install", "cp", "mv", "/tmp/berth/usr/sbin/berth"),
              f"who runs {line!r}?")
        path = os.path.dirname(self.c.berth) + ":" + self.c.agent.env["PATH"]
        done = subprocess.run(["sh", "-ec", line], capture_output=True, text=True, timeout=60,
                              env=self.c.agent.environment(PATH=path), check=False)
        equal(done.returncode, 0, f"exit code of {line!r} ({done.stderr})")
        return done.stdout


def guide():
    """The lines of each block, by the heading or the bold words before it."""
    blocks = []
    with open(GUIDE, encoding="utf-8") as stream:
        parts = stream.read().split("```")
    for i in range(1, len(parts), 2):
        lines = parts[i].removeprefix("sh\n").strip().splitlines()
        blocks.append([line.split("  #")[0].strip() for line in lines])
    return blocks


def e2e_move_guide(t):
    """packaging/MIGRATING.md, typed from its first line to its last: over, back, and over again."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", ENDS, **SMALL)]))
        c.wait_running(arn)
        ref = Reference(c, [arn])
        ref.start()
        look, drain, stop, keep, over, see, active, back, again = guide()
        hand = Typist(c, ref)
        said = [hand.type(line) for line in look]
        contains(said[-1], "goes on", "the look")
        said = [hand.type(line) for line in drain]
        contains(said[-1], arn, "the tasks that are waited for")
        said = [hand.type(line) for line in stop]
        contains(said[-1], "Nothing was changed.", "the dry run")
        for line in keep:
            hand.type(line)
        said = [hand.type(line) for line in over]
        contains(said[0], "Taken over.", "the import")
        said = [hand.type(line) for line in see]
        contains(said[0], ref.instance, "the instance")
        contains(said[1], arn, "the task")
        hand.type(active[0])
        equal(c.instances()[0]["status"], "ACTIVE", "the instance, as the control plane has it")
        new = c.run_one(c.register([container("a", ENDS, **SMALL)]))
        c.wait_running(new)
        c.stop(new)
        c.wait_stopped(new)
        poll(lambda: not c.containers(new), "nothing of it is left")

        for line in back:
            hand.type(line)
        check(ref.lock, "the reference does not run")
        check(ref.read() == ref.bytes, "its file was changed")
        check(c.docker.inspect(ref.boxes[arn, "a"])["State"]["Running"], "its task was stopped")
        for line in stop:
            if "import" not in line:
                hand.type(line)
        hand.installed = c.agent
        for line in again + over:
            hand.type(line)
        c.stop(arn)
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 5, "exit code")
        equal(sorted(set(sum(guide(), [])) - set(hand.typed)), [], "lines that nobody has typed")
