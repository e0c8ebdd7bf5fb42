"""The life of the packages in one machine, step by step."""
import contextlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import builds
from aws_api import Api
from docker_api import IMAGE, Docker, busybox_tar
from machine import Failed, chroot, run, wait_for, write

PORT = 8500
URL = f"http://127.0.0.1:{PORT}"
CLUSTER = "packaged"
GROUP = "/packaged/tasks"
KEY, SECRET = "AKIDPACKAGED", "packagedsecretpackagedsecret"
SETTINGS = f"""ECS_CLUSTER={CLUSTER}
ECS_BACKEND_HOST={URL}
AWS_ENDPOINT_URL={URL}
AWS_DEFAULT_REGION=us-west-2
AWS_EC2_METADATA_DISABLED=true
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
ECS_CONTAINER_STOP_TIMEOUT=5s
ECS_TASK_METADATA_RPS_LIMIT=100000,100000
"""
# The user's script comes last at boot, and on Debian after multi-user.target.
CLOUD_FINAL = f"""[Unit]
After=multi-user.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'sleep 1; cp /etc/user-data.config /etc/ecs/ecs.config'
[Install]
WantedBy=cloud-init.target
"""
CLOUD_TARGET = "[Unit]\nAfter=multi-user.target\n[Install]\nWantedBy=multi-user.target\n"
STAYS = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
LAST_WORDS = "these are the last words"
DIES_WELL = (f"trap 'sleep 1; echo {LAST_WORDS}; exit 7' TERM; echo first; "
             "while :; do sleep 0.2; done")
DEAF = "trap '' TERM; while :; do sleep 0.2; done"
# Without a pause: what is refused or reset is counted.
ASKS = ("rm -f /enough; while [ ! -e /enough ]; do wget -q -O /dev/null http://169.254.170.2"
        "$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI && echo answered || echo failed; done")


def check(condition, what):
    if not condition:
        raise Failed(what)


def container(name, script, **more):
    return {"name": name, "image": IMAGE, "cpu": 16, "memory": 64, "essential": True,
            "command": ["sh", "-c", script], **more}


def awslogs(prefix):
    return {"logDriver": "awslogs",
            "options": {"awslogs-group": GROUP, "awslogs-region": "us-west-2",
                        "awslogs-create-group": "true", "awslogs-stream-prefix": prefix}}


def prepare(tree, packages):
    """While there is a network: the packages, and what they need besides."""
    run("mkdir", "-p", f"{tree}/root/packages")
    for which, folder in enumerate(packages):
        run("cp", "-r", folder, f"{tree}/root/packages/{which}")
        chroot(tree, "apt-get -qq -y install --no-install-recommends --download-only "
                     f"/root/packages/{which}/*.deb")


class Life:
    def __init__(self, m, packages, say):
        self.m, self.packages, self.say = m, packages, say
        self.local = self.ecs = self.logs = None
        self.task = self.box = None  # the task that lives through all, and its container
        self.slow = None

    # ---- what is beside the machine ----

    def start_local(self):
        """From the machine's tree, but not of the machine: it outlives its boots."""
        self.local = subprocess.Popen(
            ["chroot", self.m.tree, "/usr/bin/berth-local", "--port", str(PORT)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "AWS_ACCESS_KEY_ID": KEY,
                  "AWS_SECRET_ACCESS_KEY": SECRET},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def listens():
            check(self.local.poll() is None, "berth-local has ended")
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"{URL}/_local/health", timeout=5)
        wait_for("berth-local listens", 20, listens).close()
        self.ecs = Api(URL, "ecs", "us-west-2", KEY, SECRET)
        self.logs = Api(URL, "logs", "us-west-2", KEY, SECRET)
        self.ecs.call("CreateCluster", clusterName=CLUSTER)

    def run_task(self, family, containers, **more):
        definition = self.ecs.call("RegisterTaskDefinition", family=family,
                                   containerDefinitions=containers, **more)["taskDefinition"]
        answer = self.ecs.call("RunTask", cluster=CLUSTER,
                               taskDefinition=definition["taskDefinitionArn"])
        check(not answer["failures"], f"RunTask: {answer['failures']}")
        return answer["tasks"][0]["taskArn"]

    def describe(self, task):
        return self.ecs.call("DescribeTasks", cluster=CLUSTER, tasks=[task])["tasks"][0]

    def wait_status(self, task, status, seconds=60):
        def there():
            seen = self.describe(task)
            check(status == "STOPPED" or seen["lastStatus"] != "STOPPED", f"it has ended: {seen}")
            return seen if seen["lastStatus"] == status else None
        return wait_for(f"{task} is {status}", seconds, there)

    def instances(self):
        arns = self.ecs.call("ListContainerInstances", cluster=CLUSTER)["containerInstanceArns"]
        return self.ecs.call("DescribeContainerInstances", cluster=CLUSTER,
                             containerInstances=arns)["containerInstances"] if arns else []

    def connected(self):
        return [i for i in self.instances() if i["agentConnected"]]

    # ---- what is in the machine ----

    def docker(self):
        return Docker(self.m.path("/run/docker.sock"))

    def boxes(self, task):
        label = "com.amazonaws.ecs.task-arn"
        return [c for c in self.docker().containers(CLUSTER) if c["Labels"].get(label) == task]

    def berth(self, command):
        return [json.loads(line) for line in self.m.sh(f"berth {command} --json").splitlines()]

    def unit(self, name, what="ecs.service"):
        return self.m.sh(f"systemctl show -P {name} {what}").strip()

    def install(self, which, names=("berth",), options=""):
        files = " ".join(self.file(which, n, "deb") for n in names)
        return self.m.sh(f"apt-get -y -q --no-install-recommends {options} install {files}")

    def file(self, which, name, kind):
        path = builds.package(self.packages[which], name, kind)
        return f"/root/packages/{which}/{os.path.basename(path)}"

    def in_box(self, script):
        return self.m.sh(f"docker exec {self.box} sh -c '{script}'")

    @contextlib.contextmanager
    def asking(self):
        """A container that asks for its credentials all the time meanwhile. Gives a list that
        has the answers in the end."""
        answers = []
        asker = subprocess.Popen(
            ["nsenter", "-t", self.m.leader, "-a", "/usr/bin/docker", "exec", self.box, "sh",
             "-c", ASKS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            check(asker.stdout.readline() == "answered\n", "the container gets no credentials")
            yield answers
        finally:
            with contextlib.suppress(Failed, subprocess.TimeoutExpired):
                self.in_box("touch /enough")
                answers += asker.communicate(timeout=60)[0].split()

    def same_task(self, what):
        """The task lives on in the same container, and nobody has asked in vain."""
        boxes = self.boxes(self.task)
        check([b["Id"] for b in boxes] == [self.box] and boxes[0]["State"] == "running",
              f"{what}: the task is not in its container any more: {boxes}")
        check(self.describe(self.task)["lastStatus"] == "RUNNING", f"{what}: not RUNNING")
        check(len(self.instances()) == 1, f"{what}: another registration")

    def while_asking(self, what, act, reset=0):
        """How many have asked meanwhile; so many may fail."""
        before = self.unit("MainPID")
        with self.asking() as answers:
            act()
            wait_for("another agent is ready", 60, lambda: self.unit("ActiveState") == "active"
                     and self.unit("MainPID") not in ("0", before))
            wait_for("the agent is connected", 60, self.connected)
            time.sleep(1)  # what asks, asks on for a while
        failed = answers.count("failed")
        check(failed <= reset, f"{what}: {failed} of {len(answers)} requests failed")
        check(len(answers) > 50, f"{what}: only {len(answers)} requests")
        self.same_task(what)
        return len(answers)

    # ---- the steps ----

    def life_of_deb(self):
        self.first_boot()
        self.start_local()
        self.start_agent()
        self.look_at_task()
        self.restart()
        self.refused()
        self.mistaken()
        self.crash()
        self.watchdog()
        self.upgrade()
        self.downgrade()
        self.end_of_host()
        self.second_boot()
        self.end_in_time()
        self.third_boot()
        self.remove()

    def end_local(self):
        if self.local:
            self.local.kill()
            self.local.wait()

    def first_boot(self):
        self.m.boot()
        version = self.m.sh("systemctl --version").split()[1]
        wait_for("Docker answers", 60, self.docker().answers)
        self.docker().request("POST", "/images/create", busybox_tar(), "application/x-tar",
                              fromSrc="-", repo=IMAGE.rsplit(":", 1)[0],
                              tag=IMAGE.rsplit(":", 1)[1])
        self.say(f"booted by systemd-nspawn: systemd {version}, Docker "
                 f"{self.docker().request('GET', '/version')['Version']} inside")
        self.m.sh("mkdir -p /tmp/dummy/DEBIAN && printf 'Package: amazon-ecs-init\\nVersion: 9\\n"
                  "Architecture: all\\nMaintainer: t <t@t.invalid>\\nDescription: dummy\\n' "
                  ">/tmp/dummy/DEBIAN/control && dpkg-deb -b /tmp/dummy /tmp/dummy.deb "
                  "&& dpkg -i /tmp/dummy.deb")
        self.install(0, ("berth", "berth-local"))
        old = self.m.sh("dpkg-query -W -f '${db:Status-Abbrev}' amazon-ecs-init", check=False)
        check("ii" not in old.stdout, "amazon-ecs-init is still installed")
        check(self.unit("ActiveState") == "inactive", "the installation has started the agent")
        check(self.unit("UnitFileState") == "enabled", "the unit is not enabled")
        out = self.m.sh("dpkg -i /tmp/dummy.deb", check=False)
        check(out.returncode and "conflict" in out.stderr, "amazon-ecs-init is let in beside berth")
        self.say("berth and berth-local installed by apt, without a network; amazon-ecs-init went, "
                 "and is not let in again")
        said = self.m.sh("systemd-analyze verify --man=no ecs.service berth-shutdown.service 2>&1")
        check(not said, said)
        exposed = [f"{unit} " + re.search(r": ([0-9.]+) ", self.m.sh(
            f"systemd-analyze security --no-pager --threshold=30 {unit}").splitlines()[-1]).group(1)
                   for unit in ("ecs.service", "berth-shutdown.service")]
        self.m.sh("man -w 8 berth 2>/dev/null || test -s /usr/share/man/man8/berth.8.gz; "
                  "test -s /usr/share/bash-completion/completions/berth; bash -n "
                  "/usr/share/bash-completion/completions/berth")
        self.say(f"systemd-analyze verify has nothing to say; security: {', '.join(exposed)}")

    def start_agent(self):
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS, 0o600)
        write(self.m.path("/etc/credstore/aws-credentials"),
              f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n", 0o600)
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS + "ECS_IMAGE_PULL_TIMEOUT=soon\n"
              "ECS_RESERVED_MEMORY=-17\n", 0o600)
        said = self.m.sh("berth check-config --problems", check=False).stdout
        check("ecs.config:" in said, "check-config does not name the line")
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS, 0o600)
        self.m.sh("systemctl start ecs")
        wait_for("the agent is connected", 60, self.connected)
        status = self.berth("status")[0]
        check("/aws-credentials" in status["credentials"]["source"],
              f"the keys are from {status['credentials']}")
        secrets = self.m.sh(f"grep -rl {SECRET} /var/lib/ecs /var/log /run/log || true")
        check(not secrets, f"the key's secret is in {secrets}")
        self.say("ecs.service started: registered, with the keys of LoadCredential=")

    def look_at_task(self):
        self.task = self.run_task("lives", [container("app", STAYS, logConfiguration=awslogs("l"))],
                                  cpu="128", memory="96",
                                  taskRoleArn="arn:aws:iam::123456789012:role/packaged")
        self.wait_status(self.task, "RUNNING")
        self.box = self.boxes(self.task)[0]["Id"]
        parent = self.docker().inspect(self.box)["HostConfig"]["CgroupParent"]
        check(self.task.rsplit("/", 1)[1] in parent, f"the task has no group of its own: {parent}")
        limit = self.m.sh(f"cat /sys/fs/cgroup/memory{parent}/memory.limit_in_bytes 2>/dev/null "
                          f"|| cat /sys/fs/cgroup{parent}/memory.max").strip()
        check(limit == str(96 << 20), f"the limit of the task is {limit}")
        meta = json.loads(self.in_box("wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task"))
        check(meta["TaskARN"] == self.task, f"metadata of {meta['TaskARN']}")

        def measured():
            stats = json.loads(self.in_box("wget -qO- $ECS_CONTAINER_METADATA_URI_V4/stats"))
            return stats and stats.get("memory_stats", {}).get("usage")
        wait_for("statistics of the container", 30, measured)
        self.say(f"under the unit as it is: task in its own control group ({parent}, 96 MiB), "
                 "metadata and statistics answer")

    def restart(self):
        asked = self.while_asking("restart", lambda: self.m.sh("systemctl restart ecs"))
        self.say(f"systemctl restart ecs: task and container go on; {asked} requests of the task "
                 "meanwhile, 0 failed")
        pid = self.unit("MainPID")
        self.m.sh("systemctl reload ecs")
        check(self.unit("MainPID") == pid, "a reload restarts")
        # The unit that stops tasks does so only when the host goes down.
        self.m.sh("systemctl stop berth-shutdown")
        self.m.sh("systemctl stop ecs && systemctl start ecs")
        wait_for("the agent is connected", 60, self.connected)
        self.same_task("stop and start")
        wait_for("berth-shutdown is started with the agent", 30,
                 lambda: self.unit("ActiveState", "berth-shutdown.service") == "active")
        self.say("reload keeps the process; stop and start, also of berth-shutdown: the task goes "
                 "on")

    def refused(self):
        """Another cluster in the data directory: exit code 5 is final."""
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS.replace(CLUSTER, "elsewhere"), 0o600)
        self.m.sh("systemctl restart ecs", check=False)
        wait_for("the unit has failed for good", 30,
                 lambda: self.unit("ActiveState") == "failed")
        check(self.unit("ExecMainStatus") == "5", f"exit {self.unit('ExecMainStatus')}")
        time.sleep(2)
        check(self.unit("ActiveState") == "failed", "exit code 5 is not honored")
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS, 0o600)
        self.m.sh("systemctl reset-failed ecs; systemctl start ecs")
        wait_for("the agent is connected", 60, self.connected)
        self.same_task("after exit code 5")
        self.say("exit code 5 (another cluster) is not followed by a restart; then all as before")

    def mistaken(self):
        """A mistake in the settings, and a control plane that refuses: tried again, slowly."""
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS + "ECS_INSTANCE_ATTRIBUTES=x\n", 0o600)
        self.m.sh("systemctl --no-block restart ecs")
        wait_for("it is tried again", 30, lambda: int(self.unit("NRestarts")) >= 2)
        said = self.m.sh("journalctl -b -u ecs --no-pager -o short-unix | grep ecs.config:")
        times = [float(line.split()[0]) for line in said.splitlines()]
        check(times[1] - times[0] > 4, f"the settings were looked at at {times}")
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS, 0o600)
        wait_for("the agent is connected", 60, self.connected)
        wait_for("the agent is ready", 60, lambda: self.unit("ActiveState") == "active")
        self.same_task("after a wrong setting")
        self.say("a wrong setting: named with its line every "
                 f"{times[1] - times[0]:.1f} s, until it is mended")

    def crash(self):
        kept = self.unit("NFileDescriptorStore")
        check(int(kept) >= 3, f"the service manager keeps {kept} descriptors")
        asked = self.while_asking("kill -9", lambda: self.m.sh("systemctl kill -s KILL ecs"),
                                  reset=1)
        self.say(f"killed: started again by its policy, with the {kept} descriptors that were kept;"
                 f" {asked} requests of the task meanwhile, at most the one under way failed")

    def watchdog(self):
        drop_in = "/run/systemd/system/ecs.service.d/watchdog.conf"
        write(self.m.path(drop_in), "[Service]\nWatchdogSec=4s\n")
        self.m.sh("systemctl daemon-reload; systemctl restart ecs")
        restarts = int(self.unit("NRestarts"))
        self.m.sh("kill -STOP $(systemctl show -P MainPID ecs)")
        wait_for("the watchdog bites", 60, lambda: int(self.unit("NRestarts")) > restarts)
        wait_for("another agent is ready", 60, lambda: self.unit("ActiveState") == "active")
        wait_for("the agent is connected", 60, self.connected)
        self.same_task("watchdog")
        os.unlink(self.m.path(drop_in))
        self.m.sh("systemctl daemon-reload; systemctl restart ecs")
        self.say("watchdog: an agent that hangs is replaced, the task goes on")

    def check_upgraded(self, version):
        check(version in self.m.sh("berth version"), f"not version {version}")
        check(self.unit("NeedDaemonReload") == "no", "the old unit counts")
        check(self.settings() == SETTINGS, "the edited ecs.config was overwritten")

    def settings(self):
        with open(self.m.path("/etc/ecs/ecs.config"), encoding="utf-8") as f:
            return f.read()

    def upgrade(self):
        asked = self.while_asking("upgrade", lambda: self.install(
            1, ("berth", "berth-local"), "-o Dpkg::Options::=--force-confold"))
        self.check_upgraded(builds.next_version())
        self.say(f"upgrade to {builds.next_version()}: task, container, registration and the "
                 f"edited ecs.config as they were; {asked} requests of the task meanwhile, 0 failed")

    def downgrade(self):
        asked = self.while_asking("downgrade", lambda: self.install(
            0, ("berth", "berth-local"), "--allow-downgrades -o Dpkg::Options::=--force-confold"))
        self.check_upgraded(builds.version())
        self.say(f"downgrade to {builds.version()}: the same; {asked} requests, 0 failed")

    def end_of_host(self):
        well = self.run_task("well", [container("app", DIES_WELL,
                                                logConfiguration=awslogs("well"))])
        deaf = self.run_task("deaf", [container("app", DEAF, stopTimeout=3)])
        for task in (well, deaf):
            self.wait_status(task, "RUNNING")
        took = self.m.power_off()
        for task, code in ((well, 7), (deaf, 137), (self.task, 0)):
            seen = self.describe(task)
            check(seen["lastStatus"] == "STOPPED", f"{task}: the control plane was told "
                  f"{seen['lastStatus']}")
            told = seen["containers"][0].get("exitCode")
            check(told == code, f"{task}: exit code {told}, not {code}")
            check("Host shutdown" in seen.get("stoppedReason", ""), f"reason {seen}")
        stream = f"well/app/{well.rsplit('/', 1)[1]}"
        lines = [e["message"] for e in self.logs.call(
            "GetLogEvents", logGroupName=GROUP, logStreamName=stream)["events"]]
        check(lines == ["first", LAST_WORDS], f"the log has {lines}")
        self.say(f"poweroff ({took:.1f} s): 3 tasks reported STOPPED with exit codes 7, 137 and 0 "
                 "before Docker stopped, the last words are in the log")

    def end_in_time(self):
        """A container that would take longer than the host has."""
        write(self.m.path("/etc/ecs/ecs.config"), SETTINGS + "BERTH_SHUTDOWN_TIMEOUT=6s\n", 0o600)
        self.m.sh("systemctl reload ecs")
        slow = self.run_task("slow", [container("app", DEAF, stopTimeout=100)])
        self.wait_status(slow, "RUNNING")
        took = self.m.power_off()
        check(6 <= took < 60, f"the end took {took:.1f} s")
        check(self.describe(slow)["lastStatus"] != "STOPPED", "nobody can know that it has stopped")
        self.wait_status(self.task, "STOPPED", 1)
        self.slow = slow
        self.say(f"poweroff ({took:.1f} s) with 6 s for the tasks and one that wants 100 s: the "
                 "deadline counts, the other task was reported STOPPED")

    def third_boot(self):
        self.m.boot()
        wait_for("the agent is connected", 60, self.connected)
        seen = self.wait_status(self.slow, "STOPPED")
        code = seen["containers"][0].get("exitCode")
        check(code == 137, f"exit code {code}")
        self.task = self.run_task("third", [container("app", STAYS)])
        self.wait_status(self.task, "RUNNING")
        self.box = self.boxes(self.task)[0]["Id"]
        self.say("booted again: what Docker has killed is reported STOPPED with exit code 137")

    def second_boot(self):
        """As cloud-init does it on Debian: the settings come after multi-user.target."""
        tree = self.m.tree
        write(f"{tree}/etc/systemd/system/cloud-final.service", CLOUD_FINAL)
        write(f"{tree}/etc/systemd/system/cloud-init.target", CLOUD_TARGET)
        run("systemctl", f"--root={tree}", "enable", "cloud-final.service", "cloud-init.target")
        write(f"{tree}/etc/user-data.config", SETTINGS, 0o600)
        os.unlink(f"{tree}/etc/ecs/ecs.config")
        self.m.boot()
        wait_for("the agent is connected", 60, self.connected)
        said = self.m.sh("journalctl -b --no-pager | grep -i 'ordering cycle' || true")
        check(not said, said)
        check(len(self.instances()) == 1, "the reboot has registered another instance")
        self.task = self.run_task("again", [container("app", STAYS)])
        self.wait_status(self.task, "RUNNING")
        self.box = self.boxes(self.task)[0]["Id"]
        self.say("booted again: no ordering cycle, the agent has waited for the user's script, is "
                 "the same instance, and runs a task")

    def remove(self):
        self.m.sh("apt-get -y -q remove berth")
        check(self.boxes(self.task)[0]["State"] == "running", "the task's container is gone")
        check(self.m.sh("systemctl cat ecs.service", check=False).returncode, "the unit is there")
        check(os.path.exists(self.m.path("/var/lib/ecs/data/berth.db")), "the state is gone")
        check(os.path.exists(self.m.path("/etc/ecs/ecs.config")), "the settings are gone")
        self.say("remove: unit and program gone, the task's container runs on, state and settings "
                 "are kept")
        self.m.sh("apt-get -y -q purge berth berth-local")
        left = self.m.sh("find /etc/ecs /var/lib/ecs/data /var/log/ecs /var/cache/ecs /usr/sbin/"
                         "berth /usr/bin/berth-local 2>/dev/null || true").split()
        check(not left, f"purge leaves {left}")
        check(self.boxes(self.task)[0]["State"] == "running", "the task's container is gone")
        self.say("purge: settings, state and logs gone; the container is its owner's to stop")
