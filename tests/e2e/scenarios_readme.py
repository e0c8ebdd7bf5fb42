"""What the README says that one can type is typed: its blocks as they stand there, and each
command of its table, on the host that those have made."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from docker_api import IMAGE, Docker
from harness import Skip, check, contains, equal, poll

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("/etc/ecs", "/var/lib/ecs", "/var/log/ecs", "/run/berth")
TASK = """[{"name": "hello", "image": "%s", "memory": 16, "stopTimeout": 2, "command": ["sh", "-c", "%s"]}]"""


class Host:
    """A host of its own as far as Berth can tell: a network without anybody, empty folders, and
    the program in build/; the engine is this machine's."""

    def __init__(self, build):
        self.folder = tempfile.mkdtemp(prefix="berth-readme-")
        os.symlink(build, os.path.join(self.folder, "build"))
        self.made = [f for f in FOLDERS if not os.path.isdir(f)]
        for folder in self.made:
            os.makedirs(folder)
        mounts = "; ".join(f"mount -t tmpfs none {f}" for f in FOLDERS)
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-ec",
             f"ip link set lo up; {mounts}; echo ready; exec sleep infinity"],
            stdout=subprocess.PIPE, text=True)
        equal(self.holder.stdout.readline(), "ready\n", "a network and folders of our own")
        self.env = {"PATH": os.environ["PATH"], "HOME": self.folder, "AWS_PAGER": "",
                    "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                    "ECS_IMAGE_PULL_BEHAVIOR": "prefer-cached"}  # there is no registry here
        self.background = []

    def type(self, text, codes=(0,), timeout=120):
        """What it prints, on both outputs. What it leaves running ends with the host."""
        pids = os.path.join(self.folder, "pids")
        # A pipe would wait for what goes on in the background.
        with tempfile.TemporaryFile("w+", encoding="utf-8", dir=self.folder) as stream:
            done = subprocess.run(
                ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", "bash", "-ec",
                 f"cd {self.folder}; {text}\njobs -p >{pids}; set >{pids}.set"],
                env=self.env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                timeout=timeout, check=False)
            stream.seek(0)
            seen = stream.read()
        check(done.returncode in codes, f"{text!r} ended with {done.returncode}: {seen}")
        if os.path.exists(pids):
            with open(pids, encoding="ascii") as stream:
                self.background += map(int, stream.read().split())
        return seen

    def exported(self):
        """What was exported stays so, as in the shell of the person who types."""
        with open(os.path.join(self.folder, "pids.set"), encoding="utf-8") as stream:
            for name, value in re.findall(r"^(AWS_\w+)=(.*)$", stream.read(), re.M):
                self.env[name] = value.strip("'")

    def end_background(self):
        for pid in reversed(self.background):
            os.kill(pid, signal.SIGTERM)
        for pid in self.background:
            poll(lambda p=pid: not os.path.exists(f"/proc/{p}"), f"process {pid} has ended")
        self.background = []

    def close(self):
        try:
            self.end_background()
        finally:
            self.holder.kill()
            self.holder.wait()
            for folder in self.made:
                os.rmdir(folder)
            shutil.rmtree(self.folder)


def typed(block):
    """Without comments, and without what only says who one is."""
    lines = (re.sub(r"\s+#.*", "", line) for line in block.splitlines())
    return "\n".join(re.sub(r"\bsudo ", "", line) for line in lines).strip()


def only_there(text):
    """Files that the README names are there."""
    for path in sorted(set(re.findall(r"[`(]((?:agent|config|packaging|systemd|tests)/[\w./-]+)", text))):
        check((ROOT / path).exists(), f"README.md names {path}, which is not there")


def commands_of(host):
    return set(re.findall(r"^  ([a-z-]+) ", host.type("build/berth help"), re.M))


# What a row of the table is to be tried with; TASK is one that runs.
SAMPLES = {
    "status": ["status"], "tasks": ["tasks"], "why TASK": ["why TASK"],
    "top": ["top --once"], "logs [-f] TASK": ["logs TASK"], "events [-f]": ["events"],
    "check-config [FILE]": ["check-config"], "replay FILE": ["replay /var/lib/ecs/data/flight.jsonl"],
    "preflight": ["preflight --offline"], "version": ["version"], "run FILE": [],  # the last block
}
# After the agent's end; these say no where there is nothing to do, or a container is left.
AFTERWARDS = {"set-aside": (1,), "import": (1,), "seal": (1,), "stop-tasks": (1,)}


def e2e_readme(t):
    if not shutil.which("aws"):
        raise Skip("the aws command is not installed")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    only_there(text)
    blocks = [typed(b) for b in re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)]
    demo, package, by_hand, local, run = blocks
    # tests/run.sh runs the first two and tests/packaging the second block, which installs.
    equal(demo, "tests/demo.sh\ntests/run.sh", "the two commands")
    contains(package, "packaging/build deb", "the block about packages")
    configure, compile_ = by_hand.split(" && ")
    equal(compile_, "cmake --build build", "how it is built by hand")

    rows = re.findall(r"^\| `berth ([^`]+)`", text, re.M)
    docker, host = Docker(), Host(t.build)
    try:
        host.type(f"cd {ROOT}; {configure.replace('-B build', f'-B {host.folder}/other')}")
        equal({r.split()[0] for r in rows} | {"agent"}, commands_of(host),
              "commands in the table of README.md")

        *begin, ask = local.splitlines()
        host.type("\n".join(begin))
        host.exported()
        aws = ask.rsplit(" ", 1)[0]
        # Nobody types so fast that the agent has not come to register the cluster.
        poll(lambda: "container-instance/" in host.type(ask, codes=(0, 254)),
             "the instance is registered", 30, 0.2)
        definition = TASK % (IMAGE, "sleep 3600")
        host.type(f"{aws} register-task-definition --family readme --container-definitions '{definition}'")
        arn = host.type(f"{aws} run-task --task-definition readme --query tasks[0].taskArn --output text").strip()
        poll(lambda: "RUNNING" in host.type("build/berth tasks"), "the task runs", 30, 0.2)

        for row in rows:
            for sample in SAMPLES.get(row, ()):
                seen = host.type(f"build/berth {sample.replace('TASK', arn)}")
                check(seen or row.startswith("logs"), f"berth {sample} says nothing")
        for url in re.findall(r"`(http://127\.0\.0\.1:\S+)`", text):
            contains(host.type(f"curl -sSf {url}"), "# HELP", url)

        host.type(f"{aws} stop-task --task {arn}")
        poll(lambda: "STOPPED" in host.type("build/berth tasks"), "the task stops", 60, 0.2)
        host.end_background()
        for row in rows:
            if row not in SAMPLES:
                host.type(f"build/berth {row}", AFTERWARDS[row])

        pathlib.Path(host.folder, "task.json").write_text(
            '{"containerDefinitions": %s}' % TASK % (IMAGE, "echo it ran"), encoding="utf-8")
        contains(host.type(run), "it ran", "the output of berth run")
    finally:
        for box in docker.containers("default"):
            if box["Labels"].get("com.amazonaws.ecs.task-definition-family") == "readme":
                docker.remove(box["Id"])
        host.close()
