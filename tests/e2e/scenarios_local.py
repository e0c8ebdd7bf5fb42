"""Tasks without a control plane: the files of a directory, and `berth run`."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

from docker_api import LABEL, Docker
from harness import (SANITIZER, STAYS, check, container, contains, depends, equal, part, poll,
                     slowness)
from ports import free_port


class Files:
    """The directory of local tasks of a cluster's first agent, which is not started yet."""

    def __init__(self, c, name="tasks.d"):
        self.path = os.path.join(c.dir, name)
        self.env = {"BERTH_LOCAL_TASKS": self.path}

    def make(self):
        os.makedirs(self.path)
        return self

    def text(self, name, text):
        """Appears at once with all its content, as tools that care do it."""
        path = os.path.join(self.path, name)
        with open(path + ".new", "w", encoding="utf-8") as stream:
            stream.write(text)
        os.rename(path + ".new", path)

    def put(self, name, *containers, **more):
        self.text(name + ".json", json.dumps({"containerDefinitions": list(containers), **more}))

    def drop(self, name):
        os.remove(os.path.join(self.path, name + ".json"))


def local(agent, name):
    """What `berth tasks` says of the newest run of a local task."""
    rows = [r for r in agent.berth_json("tasks", check_code=False) if r.get("local") == name]
    return rows[-1] if rows else None


def wait_run(agent, name, other_than=None, status="RUNNING"):
    def there():
        agent.check_alive()
        row = local(agent, name)
        return row if row and row["status"] == status and row["arn"] != other_than else None
    return poll(there, lambda: f"local task {name} {status}: {local(agent, name)}")


def boxes(c, arn):
    return sorted(b["Id"] for b in c.containers(arn) if b["State"] == "running")


def e2e_local_task_before_the_control_plane(t):
    """It starts although nothing answers the registration, and is never reported."""
    with t.cluster(start=False) as c:
        files = Files(c).make()
        files.put("router", container("a"), family="log-router")
        c.fault("RegisterContainerInstance", "status", count=-1, status=500)
        c.agent.start(**files.env)
        row = wait_run(c.agent, "router")
        equal((row["family"], row["version"]), ("log-router", "0"), "family and version")
        check(row["arn"].startswith("arn:berth:local:::task/router/"), f"its ARN: {row['arn']}")
        equal(len(boxes(c, row["arn"])), 1, "its containers")
        tried = poll(lambda: c.requests("RegisterContainerInstance"), "a registration is tried")
        equal({r["status"] for r in tried}, {500}, "answers to the registration")
        c.heal()
        c.agent.wait_connected()
        # A task of the control plane beside it goes its way.
        arn = c.run_one(c.register([container("a", "exit 3")]))
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 3, "exit code of the other task")
        files.drop("router")
        wait_run(c.agent, "router", status="STOPPED")
        equal(c.all_tasks(), [], "running tasks that the control plane knows")
        equal([v["what"] for v in c.local("GET", "violations")["violations"]], [], "violations")


def e2e_local_task_of_a_crashed_agent(t):
    """The next agent goes on with the same containers, also when the file is damaged."""
    with t.cluster(start=False) as c:
        files = Files(c).make()
        files.put("a", container("main"))
        files.put("b", container("main"))
        c.agent.start(**files.env).wait_connected()
        arns = {name: wait_run(c.agent, name)["arn"] for name in "ab"}
        before = {name: boxes(c, arns[name]) for name in "ab"}
        c.agent.kill()
        files.text("b.json", '{"containerDefinitions": [')
        c.agent.start(**files.env).wait_connected()
        c.agent.wait_log(r"local task definition cannot be used.*/b\.json")
        for name in "ab":
            equal(wait_run(c.agent, name)["arn"], arns[name], f"run of {name}")
            equal(boxes(c, arns[name]), before[name], f"containers of {name}")
        c.agent.kill()
        files.drop("a")
        files.drop("b")
        c.agent.start(**files.env).wait_connected()
        poll(lambda: not c.containers(), "what has no file any more is stopped and removed")


def e2e_local_task_follows_its_file(t):
    """The directory comes, files come, change, break, are mended and go."""
    with t.cluster(start=False) as c:
        files = Files(c, "not/yet")
        c.agent.start(**files.env).wait_connected()
        files.make()
        files.put("probe", container("main", "echo first; " + STAYS))
        first = wait_run(c.agent, "probe")["arn"]

        files.put("probe", container("main", "echo second; " + STAYS))
        second = wait_run(c.agent, "probe", other_than=first)["arn"]
        equal(boxes(c, first), [], "containers of the old run")
        box = boxes(c, second)
        poll(lambda: "second" in c.docker.logs(box[0]), "the log of the new run")

        files.put("probe", container("main", image=7))
        c.agent.wait_log(r"/probe\.json.*containerDefinitions\[0\]\.image: expected string")
        files.put("other", container("main"))  # what comes later is read later
        wait_run(c.agent, "other")
        equal((wait_run(c.agent, "probe")["arn"], boxes(c, second)), (second, box),
              "the old run of a damaged file")

        files.put("probe", container("main", "echo third; " + STAYS))
        third = wait_run(c.agent, "probe", other_than=second)["arn"]
        box = boxes(c, third)
        poll(lambda: "third" in c.docker.logs(box[0]), "the log of the mended one")
        shutil.rmtree(files.path)
        for name in ("probe", "other"):
            wait_run(c.agent, name, status="STOPPED")


def e2e_local_task_starts_again(t):
    """What ends by itself is started again."""
    with t.cluster(start=False) as c:
        files = Files(c).make()
        files.put("probe", container("main", "trap 'exit 4' TERM; sleep 3600 & wait $!"))
        c.agent.start(**files.env)
        first = wait_run(c.agent, "probe")["arn"]
        c.docker.kill(boxes(c, first)[0])
        second = wait_run(c.agent, "probe", other_than=first)["arn"]
        equal(len(boxes(c, second)), 1, "containers of the next run")
        c.agent.wait_log(r"local task 'probe' ended; it is started again in 1 s")
        files.drop("probe")


def resources(instance):
    return {r["name"]: r.get("stringSetValue", r.get("integerValue"))
            for r in instance["registeredResources"]}


def e2e_local_task_is_counted(t):
    """What it needs is taken off the capacity that the control plane gets to know."""
    with t.cluster(start=False) as c:
        files = Files(c).make()
        port = free_port()
        files.put("probe", container("main", cpu=100, memory=48, portMappings=[
            {"containerPort": 80, "hostPort": port}]))
        c.agent.start().wait_connected()
        c.add_agent(files.env).wait_connected()
        less, more = sorted((resources(i) for i in c.instances()), key=lambda r: r["CPU"])
        equal((more["CPU"] - less["CPU"], more["MEMORY"] - less["MEMORY"]), (100, 48),
              "what is registered less")
        equal(set(less["PORTS"]) - set(more["PORTS"]), {str(port)}, "ports registered as taken")
        wait_run(c.agents[1], "probe")
        files.drop("probe")
        wait_run(c.agents[1], "probe", status="STOPPED")


# ---- berth run ----

class Run:
    """One `berth run` in a folder of its own."""

    def __init__(self, t, *containers, text=None, arguments=(), **more):
        self.dir = tempfile.mkdtemp(prefix="berth-e2e-run-")
        self.name = os.path.basename(self.dir)
        self.tmp = os.path.join(self.dir, "tmp")
        self.file = os.path.join(self.dir, self.name + ".json")
        self.docker = Docker()
        os.mkdir(self.tmp)
        with open(self.file, "w", encoding="utf-8") as stream:
            stream.write(text or json.dumps({"containerDefinitions": list(containers), **more}))
        env = {"PATH": os.environ["PATH"], "TMPDIR": self.tmp,
               "DOCKER_HOST": f"unix://{self.docker.path}"}
        self.out, self.err = (os.path.join(self.dir, n) for n in ("out", "err"))
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([os.path.join(t.build, "berth"), "run", *arguments,
                                             self.file], env=env, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if kind is not None:
            print(f"---- standard output\n{self.stdout()}\n---- standard error\n{self.stderr()}")
        for box in self.boxes():
            self.docker.remove(box["Id"])
        shutil.rmtree(self.dir, ignore_errors=True)

    @staticmethod
    def _read(path):
        with open(path, encoding="utf-8") as stream:
            return stream.read()

    def stdout(self):
        return self._read(self.out)

    def stderr(self):
        return self._read(self.err)

    def boxes(self):
        rows = self.docker.request("GET", "/containers/json", all="true",
                                   filters={"label": [LABEL + "task-arn"]})
        return [r for r in rows if f":task/{self.name}/" in r["Labels"][LABEL + "task-arn"]]

    def wait_output(self, pattern):
        return poll(lambda: re.search(pattern, self.stdout(), re.M),
                    lambda: f"output {pattern!r}: {self.stdout()!r} {self.stderr()!r}")

    def signal(self, number):
        self.process.send_signal(number)

    def ends(self, code):
        try:
            seen = self.process.wait(60 * slowness())
        except subprocess.TimeoutExpired:
            seen = "none, it goes on"
        equal(seen, code, "exit code of berth run")
        check(not SANITIZER.search(self.stderr()), "a sanitizer reported an error of berth run")
        equal(os.listdir(self.tmp), [], "files left behind")


def e2e_run_prints_logs_and_ends_with_the_code(t):
    """Each line behind its container's name; nothing is left when the task has ended."""
    long = "x" * 40000
    init = container("init", "echo ready; printf unfinished", essential=False)
    web = container("web", f"echo one; echo; echo two >&2; printf '{long}\\n'; exit 7",
                    dependsOn=depends(("init", "SUCCESS")),
                    environment=[{"name": "A", "value": "b"}])
    with Run(t, web, init) as run:
        run.ends(7)
        # Each container's lines keep their order; an unfinished one may be waited for.
        for name, lines in (("init", ["ready", "unfinished"]), ("web ", ["one", "", long])):
            equal([line for line in run.stdout().splitlines() if line.startswith(name)],
                  [f"{name} | {line}" for line in lines], f"output of {name}")
        contains(run.stderr(), "web  | two\n", "standard error")
        contains(run.stderr(), "essential container ended", "standard error")
        equal(run.boxes(), [], "containers left")


def e2e_run_interrupted(t):
    """Ctrl-C stops in order: what depends on another first."""
    says = "trap 'echo stopping; exit {}' TERM; echo up; while :; do sleep 3600 & wait $!; done"
    web = container("web", says.format(3), dependsOn=depends(("db", "START")))
    with Run(t, web, container("db", says.format(0)), arguments=["--quiet"]) as run:
        run.wait_output(r"^web \| up\n")
        run.wait_output(r"^db  \| up\n")
        run.signal(signal.SIGINT)
        run.ends(3)
        lines = [line for line in run.stdout().splitlines() if line.endswith("stopping")]
        equal(lines, ["web | stopping", "db  | stopping"], "the order of stopping")
        contains(run.stderr(), "once more to leave", "standard error")
        equal(run.boxes(), [], "containers left")


def e2e_run_interrupted_twice(t):
    """The second one leaves what does not want to end, and says so."""
    with Run(t, container("deaf", "trap '' TERM; echo up; sleep 3600", stopTimeout=100)) as run:
        run.wait_output(r"^deaf \| up\n")
        run.signal(signal.SIGTERM)
        poll(lambda: "once more" in run.stderr(), "the first signal is answered")
        run.signal(signal.SIGTERM)
        run.ends(130)
        contains(run.stderr(), "container deaf is left: " + run.boxes()[0]["Id"][:12],
                 "standard error")


def e2e_run_cannot(t):
    """What cannot be run ends with 125 and says why."""
    with Run(t, text='{"containerDefinitions": [}') as run:
        run.ends(125)
        contains(run.stderr(), f"{run.file}: not JSON: line 1", "standard error")
    with Run(t, container("a", secrets=[{"name": "X", "valueFrom": "y"}])) as run:
        run.ends(125)
        contains(run.stderr(), "containerDefinitions[0].secrets: needs the control plane",
                 "standard error")
    with Run(t, container("a", command=["/no/such/program"])) as run:
        run.ends(125)
        contains(run.stderr(), "the task could not be run: ", "standard error")
        contains(run.stderr(), "/no/such/program", "standard error")
        equal(run.boxes(), [], "containers left")


def e2e_run_restarts_by_policy(t):
    """A restart policy holds here too; the lines of each start are printed once."""
    script = "echo start; test -e /again/x && exit 0; touch /again/x; exit 1"
    with Run(t, container("a", script, restartPolicy={
            "enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 0},
                          mountPoints=[{"sourceVolume": "v", "containerPath": "/again"}]),
             volumes=[{"name": "v"}]) as run:
        run.ends(0)
        equal(run.stdout(), "a | start\n" * 2, "output")
        equal(Docker().volumes(run.name), [], "volumes left")
