"""The commands that ask a running agent, as people and programs use them."""
import json
import os
import pty
import re
import stat
import subprocess

from harness import SECRET, check, container, contains, depends, equal, health, poll


def on_terminal(c, *command):
    """What a person sees: the command with a terminal as its standard output."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen([c.berth, *command], env=c.agent.env, stdout=theirs,
                            stderr=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    text = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not data:
            break
        text += data
    os.close(ours)
    equal(done.wait(30), 0, f"exit code of berth {command[0]}: {text.decode()}")
    return text.decode().replace("\r\n", "\n")


def e2e_commands(t):
    with t.cluster() as c:
        definition = c.register([
            container("web", portMappings=[{"containerPort": 80, "hostPort": 0}],
                      healthCheck=health("test -e /tmp/well", retries=10)),
            container("side", dependsOn=depends(("web", "HEALTHY")))])
        with c.events() as events:
            arn = c.run_one(definition)
            events.wait("start", container="web", task=arn)
        short = arn.rsplit("/", 1)[1][:8]

        def waits():
            return ("side", "container web to become healthy") in c.agent.why(short)

        check(waits() or any(k == "web" for k, _ in c.agent.why(short)), "berth why")
        text = on_terminal(c, "why", short)
        contains(text, f"({definition}) is ", "berth why on a terminal")
        (web,) = [k for k in c.containers(arn)
                  if k["Labels"]["com.amazonaws.ecs.container-name"] == "web"]
        run = c.docker.request("POST", f"/containers/{web['Id']}/exec",
                               {"Cmd": ["touch", "/tmp/well"]})["Id"]
        c.docker.request("POST", f"/exec/{run}/start", {"Detach": True})
        c.wait_running(arn)
        equal(c.agent.why(arn), [], "berth why of a running task")
        contains(on_terminal(c, "why", arn), "It waits for nothing.", "berth why on a terminal")

        status = c.agent.berth_json("status")[0]
        equal(status["cluster"], c.name, "cluster in berth status")
        equal(status["core"]["tasks"]["RUNNING"], 1, "running tasks in berth status")
        text = on_terminal(c, "status")
        for part in (f"process {c.agent.process.pid}", "Control plane   connected", "1 RUNNING",
                     c.instances()[0]["containerInstanceArn"]):
            contains(text, part, "berth status on a terminal")

        (row,) = c.agent.berth_json("tasks", "--json")
        equal((row["arn"], row["status"], row["reported"]), (arn, "RUNNING", "RUNNING"),
              "berth tasks")
        host = c.task(arn)["containers"][0]["networkBindings"][0]["hostPort"]
        lines = on_terminal(c, "tasks").splitlines()
        check(re.match(r"TASK +FAMILY:REV +STATUS", lines[0]), f"heading {lines[0]!r}")
        check(re.match(rf"{short} +{definition} +RUNNING +RUNNING .*{host}->80", lines[1]),
              f"row {lines[1]!r}")

        texts = [e["event"] for e in c.agent.berth_json("events")]
        check(any("running" in x for x in texts), f"berth events: {texts}")
        contains(on_terminal(c, "events"), short, "berth events on a terminal")

        missing = c.agent.berth("why", "nosuchtask", check_code=False)
        equal(missing.returncode, 1, "exit code for an unknown task")
        contains(missing.stderr, "berth tasks", "message for an unknown task")
        mode = stat.S_IMODE(os.stat(c.agent.socket).st_mode)
        equal(mode & 0o077, 0, "permissions of the socket for others")
        version = json.loads(c.agent.berth("version", "--json").stdout)
        check(version["version"] and version["matches"], f"berth version: {version}")


def e2e_commands_without_agent(t):
    with t.cluster(start=False) as c:
        done = c.agent.berth("status", check_code=False)
        equal(done.returncode, 1, "exit code")
        contains(done.stderr, f"no agent listens on {c.agent.socket}", "message")


def e2e_events_follow(t):
    """`berth events -f` prints what happens, when it happens."""
    with t.cluster() as c:
        follower = subprocess.Popen([c.berth, "events", "-f"], env=c.agent.env, text=True,
                                    stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        try:
            arn = c.run_one(c.register([container("a")]))
            for line in follower.stdout:  # the test's own time limit ends a silence
                event = json.loads(line)
                if event.get("task", "").endswith(arn.rsplit("/", 1)[1]) and \
                        "task running" in event["event"]:
                    break
            else:
                check(False, "berth events -f ended")
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()


def e2e_replay(t):
    """The flight record replays to the same decisions; secrets are not in it."""
    secret = "do-not-write-this-down"
    with t.cluster() as c:
        arns = c.run(c.register([container("a", environment=[
            {"name": "PASSWORD", "value": secret}])]), count=2)
        c.wait(arns, "RUNNING")
        c.stop(arns[0])
        c.wait_stopped(arns[0])
        # A kill before the agent has stored the answer would make it report once more.
        poll(lambda: all(task["reported"] == "STOPPED" for task in c.agent.berth_json("tasks")
                         if task.get("arn") == arns[0]), "the agent knows that it is reported")
        c.agent.kill()
        record = os.path.join(c.agent.data, "flight.jsonl")
        with open(record, encoding="utf-8") as stream:
            check(secret not in stream.read(), "the flight record holds a secret")
        steps = [json.loads(x) for x in
                 c.agent.berth("replay", "--json", record).stdout.splitlines()]
        decided = [(a.get("op") or a.get("what")) for s in steps for a in s["actions"]]
        check(len(steps) > 10, f"{len(steps)} events in the record")
        for wanted in ("create", "start", "stop"):
            check(json.dumps(steps).count(f'"{wanted}"') >= 1,
                  f"no decision to {wanted}: {decided}")
        text = c.agent.berth("replay", record).stdout
        contains(text, "-> do create", "berth replay")
        again = c.agent.berth("replay", record).stdout
        equal(again, text, "a second replay")
        c.agent.start().wait_connected()


def e2e_no_secrets_written(t):
    """Credentials are in no log and in no file of the data directory."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        for root, _, files in os.walk(c.agent.dir):
            for name in files:
                if os.path.join(root, name) == c.agent.socket:
                    continue
                with open(os.path.join(root, name), "rb") as stream:
                    check(SECRET.encode() not in stream.read(), f"{name} holds the secret key")
        with open(f"/proc/{c.agent.process.pid}/cmdline", "rb") as stream:
            check(SECRET.encode() not in stream.read(), "argv holds the secret key")
