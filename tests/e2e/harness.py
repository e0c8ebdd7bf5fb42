"""A whole Berth for one scenario: berth-local, agents, and real containers.

A scenario is a function `e2e_NAME(t)` in a file scenarios_*.py. `run.py BUILD NAME`
runs one; ctest has one test for each. `t` makes clusters:

    def e2e_main_job(t):
        with t.cluster() as c:
            task = c.run_one(c.register([container("a", "exit 7")]))
            c.wait_stopped(task)

Each cluster has its own berth-local, its own name, and for each agent a data
directory and a socket of its own, so scenarios can run beside each other. Nothing
sleeps for a fixed time: a wait polls, or reads events, until what it waits for is
so, or fails at its deadline saying what it saw instead.

When the block ends well, every task is stopped, no container of the cluster may be
left, the agents must end with code 0 on SIGTERM, no sanitizer may have reported
anything, no agent's sandbox may have refused a call, and berth-local must have seen no
violation of the protocol. Whatever happened, processes, containers and files of the scenario are gone afterwards.
"""
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from aws_api import Api
from docker_api import IMAGE, Docker, Events
from ports import free_port

REGION = "us-west-2"
KEY_ID, SECRET = "AKIDBERTHE2E", "secret-of-the-end-to-end-tests"
REFUSED = re.compile(r"^.*the sandbox refuses.*$", re.M)
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:|LeakSanitizer")

# A program that ends at once when asked to, unlike most that run as process 1.
STAYS = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"


class Failure(AssertionError):
    """What a scenario saw is not what it should be."""


class Skip(Exception):
    """The scenario cannot run here."""


def check(condition, text):
    if not condition:
        raise Failure(text)


def equal(seen, wanted, what):
    check(seen == wanted, f"{what}: {seen!r}, not {wanted!r}")


def contains(text, part, what):
    check(text is not None and part in text, f"{what}: {text!r} does not contain {part!r}")


def slowness():
    """Sanitizers make everything slower; limits on speed do not apply under them."""
    return 4 if os.environ.get("BERTH_SANITIZED") else 1


def poll(get, what, timeout=30.0, every=0.01):
    """The first true result of get()."""
    deadline = time.monotonic() + timeout * slowness()
    while True:
        seen = get()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout * slowness():g} s: {what() if callable(what) else what}")
        time.sleep(every)


def labels_of(box):
    """Those of the task; what the agent keeps for itself, the endpoints do not tell."""
    return {k: v for k, v in box["Config"]["Labels"].items()
            if k not in ("berth.owner", "berth.remains")}


# Of these many fit: what a task needs of the host is what it reserves. As a limit it would be less
# than the engine's own start-up needs for a moment inside of the container.
SMALL = {"cpu": 1, "memory": 64, "memoryReservation": 6}


def container(name, script=STAYS, **more):
    """A container definition that runs a shell script in the test image."""
    definition = {"name": name, "image": IMAGE, "cpu": 10, "memory": 32, "essential": True,
                  "command": ["sh", "-c", script]}
    definition.update(more)
    return {k: v for k, v in definition.items() if v is not None}


def depends(*pairs):
    return [{"containerName": name, "condition": condition} for name, condition in pairs]


def health(command, interval=1, retries=2, **more):
    # A busy engine takes its time to start a command.
    return {"command": ["CMD-SHELL", command], "interval": interval, "timeout": 10,
            "retries": retries, **more}


class Agent:
    """One `berth agent` process after the other on one data directory."""

    def __init__(self, cluster, number, env):
        self.cluster = cluster
        self.dir = os.path.join(cluster.dir, f"agent{number}")
        self.data = os.path.join(self.dir, "data")
        self.socket = os.path.join(self.dir, "berth.sock")
        self.log = os.path.join(self.dir, "stderr")
        self.config = os.path.join(self.dir, "ecs.config")
        os.makedirs(self.data, 0o700)
        self.process = None
        self.program = cluster.berth
        self.env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "ECS_CLUSTER": cluster.name,
            "AWS_DEFAULT_REGION": REGION,
            "ECS_BACKEND_HOST": cluster.url,
            "AWS_ENDPOINT_URL": cluster.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "BERTH_INSTANCE_CONFIG": os.devnull,
            "ECS_DATADIR": self.data,
            "BERTH_SOCKET": self.socket,
            "ECS_IMAGE_PULL_BEHAVIOR": "prefer-cached",
            "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "1s",
            "ECS_CONTAINER_STOP_TIMEOUT": "10s",
            # Agents of other scenarios run beside this one.
            "BERTH_TASKS_PORT": "0",
            "BERTH_INTROSPECTION_PORT": "0",
            "BERTH_NETWORK_RULES": "none",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        self.env["DOCKER_HOST"] = f"unix://{cluster.docker.path}"
        if cluster.metadata:  # the instance's role has the keys, as on EC2
            self.env.update(AWS_EC2_METADATA_SERVICE_ENDPOINT=cluster.url,
                            AWS_EC2_METADATA_DISABLED=None, AWS_ACCESS_KEY_ID=None,
                            AWS_SECRET_ACCESS_KEY=None)
        self.env.update(env or {})
        self.configure("")

    def configure(self, text):
        """Its file of settings; a variable counts there only if the environment, which
        goes before it, does not have it (`env` says None)."""
        with open(self.config + ".new", "w", encoding="utf-8") as out:
            out.write(text)
        os.rename(self.config + ".new", self.config)

    def reload(self, text):
        self.configure(text)
        self.process.send_signal(signal.SIGHUP)

    def environment(self, **env):
        return {k: v for k, v in {**self.env, **env}.items() if v is not None}

    def start(self, wrapper=(), options=(), **env):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, self.program, "agent", "--config", self.config, *options],
                env=self.environment(**env), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def wait_connected(self, timeout=30):
        """Until the control plane sees this agent; registered before or anew."""
        def connected():
            self.check_alive()
            status = self.berth_json("status", check_code=False)
            return status and status[0].get("control", {}).get("acs", {}).get("connected")
        poll(connected, "the agent is connected to the control plane", timeout)
        return self

    def check_alive(self):
        code = self.process.poll()
        check(code is None, f"the agent ended with code {code}")

    def kill(self):
        """As if it had crashed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait_exit(self, timeout=20):
        try:
            return self.process.wait(timeout * slowness())
        except subprocess.TimeoutExpired:
            raise Failure("the agent does not end") from None

    def stop(self):
        """Asks it to end; containers keep running."""
        self.process.send_signal(signal.SIGTERM)
        code = self.wait_exit()
        equal(code, 0, "exit code of the agent after SIGTERM")

    def stderr(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def wait_log(self, pattern, timeout=20):
        """The first line of its log that matches."""
        def found():
            return re.search(pattern, self.stderr(), re.M)
        return poll(found, f"a log line that matches {pattern!r}", timeout).group(0)

    def berth(self, *command, check_code=True):
        """Runs a client command; standard output is no terminal, so JSON lines come."""
        done = subprocess.run([self.cluster.berth, *command], capture_output=True, text=True,
                              env=self.environment(), timeout=30 * slowness(), check=False)
        if check_code:
            equal(done.returncode, 0, f"exit code of berth {' '.join(command)} ({done.stderr.strip()})")
        return done

    def berth_json(self, *command, check_code=True):
        done = self.berth(*command, check_code=check_code)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def why(self, task):
        """The sentences of `berth why`: [(container or None, text)]."""
        answer = self.berth_json("why", task)[0]
        return [(w.get("container"), w["waits_for"]) for w in answer["waits"]]


class Cluster:
    """berth-local with `agents` agents, registered and connected when the block begins.
    `env`: of the agents; None takes a variable away. `metadata`: it serves instance
    metadata, from which the agents have their keys. `local_options`: of berth-local."""

    def __init__(self, test, agents=1, env=None, start=True, violations=False, state=False,
                 docker=None, metadata=False, local_options=()):
        self.test = test
        self.build = test.build
        self.berth = os.path.join(test.build, "berth")
        self.docker = docker or Docker()
        self.violations_allowed = violations
        self.metadata = metadata
        self.local_options = list(local_options) + (["--metadata"] if metadata else [])
        self.name = f"e2e-{test.name.replace('_', '-')}-{os.getpid()}-{test.next_number()}"
        self.dir = tempfile.mkdtemp(prefix="berth-e2e-")
        self.families = 0
        self.local_process = None
        self.agents = []
        self.relays = []
        self.state = os.path.join(self.dir, "state.json") if state else None
        self.port = free_port()
        try:
            self._start_local()
            self.ecs = Api(self.url, "ecs", REGION, KEY_ID, SECRET)
            self.logs = Api(self.url, "logs", REGION, KEY_ID, SECRET)
            self.ecs.call("CreateCluster", clusterName=self.name)
            for _ in range(agents):
                self.add_agent(env, start)
            if start:
                for agent in self.agents:
                    agent.wait_connected()
        except BaseException:
            self._end_badly()
            raise

    def _start_local(self):
        log = open(os.path.join(self.dir, "berth-local"), "ab")
        command = [os.path.join(self.build, "berth-local"), "--port", str(self.port),
                   *self.local_options]
        if self.state:
            command += ["--state", self.state]
        with log:
            self.local_process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                env={"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET,
                     "UBSAN_OPTIONS": "print_stacktrace=1"})
        self.url = self.local_process.stdout.readline().strip()
        check(self.url.startswith("http://"), "berth-local did not say its address")

    def stop_local(self):
        self.local_process.send_signal(signal.SIGTERM)
        code = self.local_process.wait(20)
        self.local_process.stdout.close()
        equal(code, 0, "exit code of berth-local")

    def restart_local(self):
        """On the same port; with the same tasks when the cluster has a state file."""
        self._start_local()

    def add_agent(self, env=None, start=True):
        agent = Agent(self, len(self.agents), env)
        self.agents.append(agent)
        if start:
            agent.start()
        return agent

    @property
    def agent(self):
        return self.agents[0]

    def relay(self, relay):
        self.relays.append(relay)
        return relay

    # ---- berth-local's admin path ----

    def local(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, "/_local/" + path, json.dumps(body) if body else None)
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        check(response.status == 200, f"{method} /_local/{path}: {response.status} {data!r}")
        return json.loads(data)

    def fault(self, target, action, count=1, **more):
        kind = "path" if target.startswith("/") else "target"
        return self.local("POST", "faults", {"match": {kind: target}, "action": action,
                                             "count": count, **more})

    def heal(self):
        self.local("DELETE", "faults")

    def cloud(self, **things):
        """Puts parameters, secrets, buckets, registries, roles and tags into the cloud; the
        ARNs of the secrets among them by their names."""
        answer = self.local("POST", "cloud", things)
        return {s["name"]: s["arn"] for s in answer.get("secrets", [])}

    def calls(self, operation=None, since=0):
        """The well-signed calls of the cloud's services, in order."""
        rows = self.local("GET", f"cloud/calls?since={since}")["calls"]
        return [r for r in rows if operation in (None, r["operation"])]

    def clock(self, offset_s):
        """berth-local believes that it is so much later; so do our own calls then."""
        self.local("POST", "clock", {"offset_s": offset_s})
        self.ecs.clock_offset = self.logs.clock_offset = offset_s

    def times(self, task):
        """The exact times (microseconds of the monotonic clock) of one task."""
        rows = self.local("GET", f"tasks?cluster={self.name}")["tasks"]
        return next(r for r in rows if r["taskArn"] == task)

    def requests(self, target=None):
        rows = self.local("GET", "requests")["requests"]
        return [r for r in rows if target is None or r["target"].endswith(target)]

    # ---- the ECS API ----

    def register(self, containers, **more):
        """Registers a task definition of its own family; its "family:revision"."""
        self.families += 1
        family = f"{self.test.name}-{self.families}"
        definition = self.ecs.call("RegisterTaskDefinition", family=family,
                                   containerDefinitions=containers, **more)["taskDefinition"]
        return f"{definition['family']}:{definition['revision']}"

    def run(self, definition, count=1, **more):
        """Starts tasks; their ARNs. ECS takes ten in one call."""
        arns = []
        while len(arns) < count:
            answer = self.ecs.call("RunTask", cluster=self.name, taskDefinition=definition,
                                   count=min(10, count - len(arns)), **more)
            check(not answer["failures"], f"RunTask: {answer['failures']}")
            arns += [t["taskArn"] for t in answer["tasks"]]
        return arns

    def run_one(self, definition, **more):
        return self.run(definition, **more)[0]

    def tasks(self, arns, kept=True):
        """Descriptions, in the order of the ARNs; without `kept`, of those that there still are:
        of more than 10,000 tasks, the control plane forgets the oldest that have ended."""
        found = {}
        for i in range(0, len(arns), 100):
            for t in self.ecs.call("DescribeTasks", cluster=self.name,
                                   tasks=arns[i:i + 100])["tasks"]:
                found[t["taskArn"]] = t
        return [found[a] for a in arns if kept or a in found]

    def task(self, arn):
        return self.tasks([arn])[0]

    def wait(self, arns, status, timeout=30, every=0.01):
        """Until all have this status; RUNNING fails at once when one has stopped."""
        seen = []

        def there():
            seen[:] = self.tasks(arns)
            for t in seen:
                if t["lastStatus"] == "STOPPED" and status == "RUNNING":
                    raise Failure(f"a task stopped instead of running: {explain(t)}")
            return all(t["lastStatus"] == status for t in seen)

        poll(there, lambda: f"all {status}: {[explain(t) for t in seen]}", timeout, every)
        if status == "RUNNING":
            self._wait_traps(arns, timeout)
        return list(seen)

    def _wait_traps(self, arns, timeout):
        """RUNNING says that the shell was started, not that it has come to its trap; until
        then process 1 of a container ignores SIGTERM."""
        for box in self.containers():
            if box["Labels"]["com.amazonaws.ecs.task-arn"] not in arns or \
                    " TERM;" not in box["Command"]:
                continue
            poll(lambda box=box: self._handles_term(box["Id"]), "the shell's trap is set", timeout)

    def _handles_term(self, box):
        """Whether the container's first process catches or ignores SIGTERM, or has ended."""
        pid = self.docker.inspect(box)["State"]["Pid"]
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                text = status.read()
        except (FileNotFoundError, ProcessLookupError):
            return True
        # Right after the start it may still be the runtime, which catches every signal.
        if text.startswith("Name:\trunc"):
            return False
        masks = re.findall(r"^Sig(?:Cgt|Ign):\s*(\w+)", text, re.M)
        return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)

    def wait_running(self, arn, timeout=30):
        return self.wait([arn], "RUNNING", timeout)[0]

    def wait_stopped(self, arn, timeout=30):
        return self.wait([arn], "STOPPED", timeout)[0]

    def stop(self, *arns, reason="the scenario stops it"):
        for arn in arns:
            self.ecs.call("StopTask", cluster=self.name, task=arn, reason=reason)

    def all_tasks(self, **more):
        arns, token = [], None
        while True:
            answer = self.ecs.call("ListTasks", cluster=self.name, **more,
                                   **({"nextToken": token} if token else {}))
            arns += answer["taskArns"]
            token = answer.get("nextToken")
            if not token:
                return arns

    def instances(self):
        arns = self.ecs.call("ListContainerInstances", cluster=self.name)["containerInstanceArns"]
        return self.ecs.call("DescribeContainerInstances", cluster=self.name,
                             containerInstances=arns)["containerInstances"]

    def inspect(self, arn, name):
        """What the engine knows of one container of a task."""
        for row in self.containers(arn):
            if row["Labels"]["com.amazonaws.ecs.container-name"] == name:
                return self.docker.inspect(row["Id"])
        raise Failure(f"the engine has no container {name} of {arn}")

    def containers(self, task=None):
        return [c for c in self.docker.containers(self.name)
                if task is None or c["Labels"]["com.amazonaws.ecs.task-arn"] == task]

    def events(self):
        return Events(self.docker, self.name)

    def aws(self, *command):
        """The real command line client; its output, parsed."""
        program = "/usr/bin/aws" if os.path.exists("/usr/bin/aws") else shutil.which("aws")
        if not program:
            raise Skip("the aws command is not installed")
        env = {
            "PATH": os.environ["PATH"], "HOME": self.dir, "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        done = subprocess.run([program, "--endpoint-url", self.url, "--output", "json", *command],
                              capture_output=True, text=True, env=env, timeout=60, check=False)
        check(done.returncode == 0, f"aws {' '.join(command[:2])}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    # ---- the end ----

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self._end_badly(show=kind is not Skip)
            return
        try:
            self._end_well()
        except BaseException:
            self._end_badly()
            raise
        self._sweep()

    def _end_well(self):
        live = self.all_tasks() + self.all_tasks(desiredStatus="STOPPED")
        live = [t["taskArn"] for t in self.tasks(live) if t["lastStatus"] != "STOPPED"]
        self.stop(*[t["taskArn"] for t in self.tasks(live) if t["desiredStatus"] != "STOPPED"])
        self.wait(live, "STOPPED")
        if any(a.process and a.process.poll() is None for a in self.agents):
            poll(lambda: not self.containers(),
                 lambda: f"no container left: {[c['Names'] for c in self.containers()]}", 30, 0.05)
        for agent in self.agents:
            if agent.process and agent.process.poll() is None:
                agent.stop()
            check(not SANITIZER.search(agent.stderr()), "a sanitizer reported an error of the agent")
            refused = REFUSED.search(agent.stderr())
            check(not refused, refused and refused.group(0))
        seen = [v["what"] for v in self.local("GET", "violations")["violations"]]
        check(self.violations_allowed or not seen, f"the agent broke the protocol: {seen}")
        self.stop_local()
        with open(os.path.join(self.dir, "berth-local"), encoding="utf-8", errors="replace") as log:
            check(not SANITIZER.search(log.read()), "a sanitizer reported an error of berth-local")

    def _end_badly(self, show=True):
        try:
            if show:
                self._show()
        finally:
            self._sweep()

    def _show(self):
        for agent in self.agents:
            if agent.process and agent.process.poll() is None:
                try:
                    for task in agent.berth_json("tasks", check_code=False):
                        print(f"---- {task.get('arn')}: {task}; waits for {agent.why(task['arn'])}")
                except (Failure, OSError, LookupError, ValueError, subprocess.SubprocessError) as e:
                    print(f"---- the agent does not say what its tasks do: {e}")
            print(f"---- standard error of {os.path.basename(agent.dir)}, its end ----")
            print("\n".join(agent.stderr().splitlines()[-150:]))
        path = os.path.join(self.dir, "berth-local")
        if os.path.exists(path):
            print("---- standard error of berth-local, its end ----")
            with open(path, encoding="utf-8", errors="replace") as log:
                print("".join(log.readlines()[-40:]))

    def _sweep(self):
        """Nothing of the scenario stays behind, however it ended."""
        for process in [a.process for a in self.agents] + [self.local_process]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if self.local_process and not self.local_process.stdout.closed:
            self.local_process.stdout.close()
        for relay in self.relays:
            relay.close()
        if self.docker.answers():
            for c in self.containers():
                self.docker.remove(c["Id"])
        shutil.rmtree(self.dir, ignore_errors=True)


def explain(task):
    """One task in one line, for messages."""
    parts = [task["taskDefinitionArn"].rsplit("/", 1)[1], task["lastStatus"],
             task.get("stoppedReason", "")]
    for c in task["containers"]:
        parts.append(" ".join(str(c[k]) for k in ("name", "lastStatus", "exitCode", "reason")
                              if k in c))
    return "; ".join(p for p in parts if p)


def part(task, name):
    """One container of a described task."""
    return next(c for c in task["containers"] if c["name"] == name)


class Test:
    """What a scenario gets."""

    def __init__(self, build, name):
        self.build, self.name = os.path.abspath(build), name
        self.numbers = 0
        self.sanitized = bool(os.environ.get("BERTH_SANITIZED"))

    def next_number(self):
        self.numbers += 1
        return self.numbers

    def cluster(self, **options):
        return Cluster(self, **options)
