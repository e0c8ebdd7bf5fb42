"""Tasks that end as they should not: the line about it on the wire, and the record that
stays on the host when the task is gone."""
import json
import os
import re
import stat

from harness import check, container, contains, depends, equal, health, part, poll
from scenarios_commands import on_terminal

LOUD = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; done; "
CANARY = "canary-in-the-log-of-a-task"
# Its containers stay until the scenario has looked, and go when the agent is told so.
LONG = {"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "1h"}


def short(arn):
    return arn.rsplit("/", 1)[1]


def folder(agent):
    return os.path.join(agent.data, "postmortem")


def record(c, arn, timeout=20):
    """The record of a task, once there is one; within its bounds, and private."""
    path = os.path.join(folder(c.agent), short(arn) + ".json")
    poll(lambda: os.path.exists(path), lambda: f"a record of {arn}: {c.agent.stderr()[-2000:]}",
         timeout)
    state = os.stat(path)
    equal(stat.S_IMODE(state.st_mode), 0o600, "mode of the record")
    check(state.st_size <= 65536, f"the record has {state.st_size} bytes")
    with open(path, encoding="utf-8") as stream:
        found = json.load(stream)
    equal(found, c.agent.berth_json("why", short(arn))[0]["post_mortem"], "berth why")
    return found


def of(found, name):
    return next(k for k in found["containers"] if k["name"] == name)


def lines(found, name):
    return [l["text"] for k in found["logs"] if k["container"] == name for l in k["lines"]]


def e2e_post_mortem_exits(t):
    """A code, a signal: the reason on the wire, and in the record the last lines, what was
    used, and what happened. The record outlives the task."""
    with t.cluster() as c:
        code = c.run_one(c.register([
            container("main", LOUD + "sleep 1; echo to stderr >&2; sleep 1; exit 3"),
            container("other", essential=False)]))
        killed = c.run_one(c.register([container("a", "sh -c 'kill -SEGV $$; :'; exit $?")]))
        seen = c.wait_stopped(code)
        equal(part(seen, "main")["exitCode"], 3, "exit code")
        check(re.fullmatch(r'"main" exited with code 3 after \d+ s', part(seen, "main")["reason"]),
              f"reason {part(seen, 'main')['reason']!r}")
        check("reason" not in part(seen, "other"), "the other container has a reason")
        equal(seen["stoppedReason"], "Essential container in task exited", "reason of the task")
        found = record(c, code)
        equal((found["id"], found["task_arn"], found["what"]),
              (short(code), code, part(seen, "main")["reason"]), "the record's head")
        equal([k["name"] for k in found["containers"]], ["main", "other"], "containers")
        main = of(found, "main")
        equal((main["exit_code"], main["failed"], main["essential"], main["out_of_memory"]),
              (3, True, True, False), "the container that failed")
        check(not of(found, "other")["failed"], "the other one failed too")
        check(main["use"]["memory_max_bytes"] > 0 and
              main["use"]["memory_limit_bytes"] == 32 << 20, f"use {main['use']}")
        equal(sorted(lines(found, "main")),
              sorted([f"line {i}" for i in range(12, 61)] + ["to stderr"]), "its last lines")
        check(any("exit code 3" in e["event"] for e in found["events"]), f"{found['events']}")

        seen = c.wait_stopped(killed)
        contains(part(seen, "a")["reason"], '"a" was killed by SIGSEGV (exit code 139)', "reason")
        found = record(c, killed)
        equal((of(found, "a")["exit_code"], of(found, "a")["signal"]), (139, "SIGSEGV"), "its end")

        # The tasks are cleaned up; what is known of them is still there.
        poll(lambda: not c.agent.berth_json("tasks"),
             "the tasks are gone")
        equal(c.agent.berth_json("why", short(code)[:12])[0]["post_mortem"]["task_arn"], code,
              "berth why of a task that is gone")
        equal(c.agent.berth_json("why", killed)[0]["task"]["status"], "STOPPED", "its status")
        newest = c.agent.berth_json("why", "--last")[0]["post_mortem"]["task_arn"]
        check(newest in (code, killed), f"the last one: {newest}")
        text = on_terminal(c, "why", short(code)[:12])
        for words in ("It failed: \"main\" exited with code 3", "* main, exit code 3",
                      "Last lines of main:", "line 60", "of 32.0 MiB"):
            contains(text, words, "berth why on a terminal")
        equal(c.agent.berth("why", "nosuchtask", check_code=False).returncode, 1, "exit code")


def e2e_post_mortem_memory(t):
    """Over its memory limit: the reference's words as they are, the rest in the record."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container(
            "a", "echo before; sleep 1; exec tail /dev/zero")]))
        seen = part(c.wait_stopped(arn, 60), "a")
        equal(seen["reason"], "OutOfMemoryError: Container killed due to memory usage", "reason")
        found = record(c, arn)
        contains(found["what"], '"a" was killed by SIGKILL (out of memory) after ', "line")
        a = of(found, "a")
        equal((a["out_of_memory"], a["signal"], a["use"]["memory_limit_bytes"]),
              (True, "SIGKILL", 32 << 20), "its end")
        equal(lines(found, "a"), ["before"], "its last lines")


def e2e_post_mortem_unhealthy(t):
    """Control planes stop what is unhealthy: asked for, and a failure all the same."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container(
            "a", healthCheck=health("echo cannot reach the database; exit 5"))]))
        c.wait_running(arn)
        poll(lambda: part(c.task(arn), "a").get("healthStatus") == "UNHEALTHY" or
             c.agent.berth_json("tasks")[0]["containers"][0].get("health") == "UNHEALTHY",
             "it is unhealthy", 30)
        c.stop(arn, reason="unhealthy")
        seen = c.wait_stopped(arn)
        equal((seen["stoppedReason"], part(seen, "a").get("reason")), ("unhealthy", None),
              "reasons")
        found = record(c, arn)
        contains(found["what"], '"a" was unhealthy when it was asked to stop', "line")
        contains(of(found, "a")["health_output"], "cannot reach the database", "output")
        equal(of(found, "a")["health"], "UNHEALTHY", "health")


def e2e_post_mortem_cannot_start(t):
    """An image that is not there, a dependency that cannot be met."""
    with t.cluster() as c:
        image = c.run_one(c.register([container("a", image="127.0.0.1:1/no/image:1")]))
        never = c.run_one(c.register([
            container("broken", "exit 9", essential=False),
            container("waits", dependsOn=depends(("broken", "SUCCESS")))]))
        seen = part(c.wait_stopped(image, 120), "a")
        check(seen["reason"].startswith("CannotPullContainerError: "), f"reason {seen}")
        found = record(c, image)
        contains(found["what"], '"a" did not start: CannotPullContainerError', "line")
        equal(found["logs"][0]["missing"], "it was never created", "its log")
        c.wait_stopped(never)
        found = record(c, never)
        contains(found["what"], '"waits" did not start: CannotStartContainerError', "line")
        equal(of(found, "broken")["exit_code"], 9, "exit code of the dependency")


def e2e_post_mortem_none(t):
    """A job that is done and a task that is asked to stop leave none; and the line can be
    turned off, the record stays. A file that was changed breaks no answer."""
    with t.cluster(env={"BERTH_STOP_DIGEST": "false", **LONG}) as c:
        done = c.run_one(c.register([container("a", "exit 0")]))
        asked = c.run_one(c.register([container("a", "trap 'exit 1' TERM; while :; do sleep 1; done")]))
        c.wait_running(asked)
        c.stop(asked)
        c.wait([done, asked], "STOPPED")
        contains(c.agent.berth("why", "--last", check_code=False).stderr,
                 "there is no record of a task that failed", "berth why --last")
        equal(c.agent.berth("why", "--last", short(done), check_code=False).returncode, 2,
              "berth why --last of a task")
        failed = c.run_one(c.register([container("a", "exit 4")]))
        seen = part(c.wait_stopped(failed), "a")
        equal((seen["exitCode"], seen.get("reason")), (4, None), "what the control plane hears")
        record(c, failed)
        equal(os.listdir(folder(c.agent)), [short(failed) + ".json"], "records")
        check("post_mortem" not in c.agent.berth_json("why", short(done))[0],
              "a job that is done has a record")

        # Whatever somebody does to the file, the answer is one line of JSON.
        path = os.path.join(folder(c.agent), short(failed) + ".json")
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
        for text, want in ((json.dumps(found, indent=1), found), ('{"v":1,\n"', None)):
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
            (answer,) = c.agent.berth_json("why", short(failed))
            equal((answer["task"]["id"], answer.get("post_mortem")), (short(failed), want),
                  "berth why with another file")
        c.agent.stop()
        for box in c.containers():
            c.docker.remove(box["Id"])


def e2e_post_mortem_secret(t):
    """A secret that a task prints is not in its record; after a restart of the agent, which
    forgets secrets, the lines are withheld."""
    script = "echo the value is $X; echo plain; while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 6"

    def end(c, arn):
        (box,) = c.containers(arn)
        run = c.docker.request("POST", f"/containers/{box['Id']}/exec",
                               {"Cmd": ["touch", "/tmp/end"]})["Id"]
        c.docker.request("POST", f"/exec/{run}/start", {"Detach": True})

    with t.cluster(env=LONG) as c:
        role = "arn:aws:iam::123456789012:role/execution"
        c.cloud(parameters=[{"name": "/e2e/canary", "value": CANARY}])
        definition = c.register([container("a", script, secrets=[
            {"name": "X", "valueFrom": "/e2e/canary"}])], executionRoleArn=role)
        arn = c.run_one(definition)
        c.wait_running(arn)
        end(c, arn)
        c.wait_stopped(arn)
        found = record(c, arn)
        equal(lines(found, "a"), ["the value is [secret]", "plain"], "its lines")
        check(CANARY not in json.dumps(found), "the secret is in the record")

        arn = c.run_one(definition)
        c.wait_running(arn)
        c.agent.kill()
        c.agent.start().wait_connected()
        end(c, arn)
        c.wait_stopped(arn)
        found = record(c, arn)
        equal(lines(found, "a"), [], "its lines")
        contains(found["logs"][0]["missing"], "withheld", "why")
        check(CANARY not in json.dumps(found), "the secret is in the record")
        c.agent.stop()
        for box in c.containers():
            c.docker.remove(box["Id"])


def e2e_post_mortem_after_crash(t):
    """The agent is killed before the record is kept: the next one makes it, once."""
    with t.cluster(env=LONG) as c:
        arn = c.run_one(c.register([container("a", "echo last words; exit 3")]))
        c.wait_stopped(arn)
        record(c, arn)
        c.agent.kill()
        os.remove(os.path.join(folder(c.agent), short(arn) + ".json"))
        c.agent.start().wait_connected()
        found = record(c, arn)
        equal((of(found, "a")["exit_code"], lines(found, "a")), (3, ["last words"]), "the record")
        made = found["made"]
        c.agent.stop()
        c.agent.start(ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION="1s").wait_connected()
        equal(record(c, arn)["made"], made, "when the record was made")
        for box in c.containers():
            c.docker.remove(box["Id"])
