"""The agent is killed, and everything goes on."""
import os
import random
import sqlite3

from harness import (STAYS, check, container, contains, depends, equal, part, poll)

TALKS = "trap 'exit 5' TERM; trap 'echo asked' USR1; echo begun; " \
        "while :; do sleep 3600 & wait $!; done"


def started(c, arn):
    """{container id: when it was started} of a task."""
    return {k["Id"]: c.docker.inspect(k["Id"])["State"]["StartedAt"] for k in c.containers(arn)}


def e2e_agent_killed_containers_go_on(t):
    """The same containers run on, and the next agent knows them."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a"), container("b")]))
        c.wait_running(arn)
        before = started(c, arn)
        c.agent.kill()
        equal(started(c, arn), before, "containers while there is no agent")
        c.agent.start().wait_connected()
        known = c.agent.berth_json("tasks")[0]
        equal((known["status"], {k["docker_id"] for k in known["containers"]}),
              ("RUNNING", set(before)), "what the new agent knows")
        equal(len(c.instances()), 1, "instances registered")
        equal(started(c, arn), before, "containers after the restart")
        c.stop(arn)
        c.wait_stopped(arn)


def e2e_agent_killed_while_starting(t):
    """Killed at any moment of a burst: every task runs in the end, each container once."""
    seed = int(os.environ.get("BERTH_E2E_SEED", random.randrange(1 << 30)))
    print(f"BERTH_E2E_SEED={seed}")
    dice = random.Random(seed)
    with t.cluster() as c, c.events() as events:
        definition = c.register([container("a", dependsOn=depends(("b", "START"))),
                                 container("b")], )
        arns = c.run(definition, count=10)
        last = 0
        for _ in range(4):
            last += dice.randrange(1, 10)
            poll(lambda: len(events.matching()) >= min(last, 40), "more events of the engine")
            c.agent.kill()
            c.agent.start()
        c.wait(arns, "RUNNING", 60)
        events.wait("start", 20)
        equal(len(c.containers()), 20, "containers")
        equal(len(events.matching("create")), 20, "containers created")
        equal(len(events.matching("start")), 20, "containers started")
        equal(len(c.instances()), 1, "instances registered")


def e2e_agent_killed_then_task_ends(t):
    """What ends while there is no agent is reported by the next one."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", TALKS)]))
        c.wait_running(arn)
        c.agent.kill()
        with c.events() as events:
            c.docker.request("POST", f"/containers/{c.containers(arn)[0]['Id']}/kill",
                             signal="TERM")
            events.wait("die", task=arn)
        equal(c.task(arn)["lastStatus"], "RUNNING", "status while nobody can know")
        c.agent.start()
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 5, "exit code")


def e2e_agent_killed_then_container_removed(t):
    """A container that vanishes while there is no agent ends its task."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        c.agent.kill()
        c.docker.remove(c.containers(arn)[0]["Id"])
        poll(lambda: not c.containers(arn), "the container is gone")
        c.agent.start()
        contains(part(c.wait_stopped(arn), "a").get("reason"), "ContainerVanishedError", "reason")


def e2e_agent_killed_stop_follows(t):
    """A stop that is asked for while there is no agent is carried out by the next one."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        c.agent.kill()
        c.stop(arn)
        c.agent.start()
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, "exit code")


def e2e_logs_continue_after_kill(t):
    """Log lines from before, during and after the agent's absence all reach the sink. What
    the sink had confirmed at the very moment of the kill may come once more."""
    log = {"logDriver": "awslogs", "options": {
        "awslogs-group": "/e2e/logs", "awslogs-region": "us-west-2",
        "awslogs-stream-prefix": "run", "awslogs-create-group": "true"}}
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", TALKS, logConfiguration=log)]))
        c.wait_running(arn)
        box = c.containers(arn)[0]["Id"]

        def lines():
            if not c.logs.call("DescribeLogGroups")["logGroups"]:
                return []
            return [e["message"] for e in c.logs.call("FilterLogEvents",
                                                      logGroupName="/e2e/logs")["events"]]

        def ask(count):
            c.docker.request("POST", f"/containers/{box}/kill", signal="USR1")
            poll(lambda: c.docker.request("GET", f"/containers/{box}/logs", stdout="1")
                 .count("asked") == count, "the container's own log")

        poll(lambda: lines() == ["begun"], "the first line")
        c.agent.kill()
        ask(1)
        c.agent.start().wait_connected()
        ask(2)
        poll(lambda: len(lines()) >= 3, lambda: f"three lines in the sink: {lines()}")
        c.stop(arn)
        c.wait_stopped(arn)
        seen = lines()
        check(seen[-3:] == ["begun", "asked", "asked"] and seen[:-3] in ([], ["begun"]),
              f"lines in the sink: {seen}")


def e2e_store_newer_schema(t):
    """A store of a newer agent is not touched; the message says what to do."""
    with t.cluster() as c:
        c.agent.stop()
        path = os.path.join(c.agent.data, "berth.db")
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        before = open(path, "rb").read()
        c.agent.start()
        code = c.agent.wait_exit()
        equal(code, 5, "exit code: a restart cannot help")
        line = c.agent.wait_log(r"level=crit .*berth\.db.*schema 99.*")
        contains(line, "set-aside", "message")
        equal(open(path, "rb").read(), before, "the store's bytes")


def e2e_store_truncated(t):
    """A store that is only half there is set aside, and the agent starts afresh."""
    with t.cluster() as c:
        definition = c.register([container("a")])
        arn = c.run_one(definition)
        c.wait_running(arn)
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: not c.containers(), "the container is removed")
        c.agent.stop()
        path = os.path.join(c.agent.data, "berth.db")
        os.truncate(path, os.path.getsize(path) // 2)
        c.agent.start().wait_connected()
        contains(c.agent.wait_log(r"level=warn .*damaged.*"), "berth.db", "the warning")
        check([n for n in os.listdir(c.agent.data) if n.startswith("berth.db.broken-")],
              "the damaged file was not kept")
        c.wait_running(c.run_one(definition))


def e2e_store_journal_cut(t):
    """The power fails while the journal is written: what was committed before counts."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        c.agent.kill()
        journal = os.path.join(c.agent.data, "berth.db-wal")
        with open(journal, "ab") as wal:
            wal.write(b"\0half a page" * 100)
        c.agent.start().wait_connected()
        equal([row["status"] for row in c.agent.berth_json("tasks")], ["RUNNING"], "tasks known")


def e2e_second_agent_same_directory(t):
    """A second agent on one data directory says who holds it; the first goes on."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", STAYS)]))
        c.wait_running(arn)
        second = c.add_agent({"ECS_DATADIR": c.agent.data}, start=False)
        second.start()
        equal(second.wait_exit(), 1, "exit code of the second agent")
        line = second.wait_log("level=crit .*")
        contains(line, f"another agent (process {c.agent.process.pid})", "message")
        contains(line, c.agent.data, "message")
        c.agent.check_alive()
        equal([row["status"] for row in c.agent.berth_json("tasks")], ["RUNNING"],
              "tasks of the first agent")
