"""The host goes down: what `berth stop-tasks` does before it says that it is done."""
from harness import check, container, contains, depends, equal
from log_lines import awslogs, lines_of

LAST_WORDS = "these are the last words"
DIES_WELL = (f"trap 'sleep 1; echo {LAST_WORDS}; exit 7' TERM; echo begun; "
             "while :; do sleep 0.1; done")
DEAF = "trap '' TERM; while :; do sleep 0.1; done"
SPEAKS = "trap 'exit 0' TERM; echo begun; while :; do sleep 0.1; done"


def e2e_host_goes_down(t):
    """Containers end in their order and with their stop timeouts; when the command is done, the
    control plane knows how, and the log has everything. What comes meanwhile is left to the next
    agent."""
    group = f"/shutdown/{t.name}"
    with t.cluster() as c, c.events() as events:
        well = c.run_one(c.register([
            container("app", DIES_WELL, logConfiguration=awslogs(group, "w")),
            container("late", SPEAKS, dependsOn=depends(("app", "START")))]))
        deaf = c.run_one(c.register([container("app", DEAF, stopTimeout=2)]))
        c.wait([well, deaf], "RUNNING")
        done = c.agent.berth_json("stop-tasks")[0]
        equal({k: v for k, v in done.items() if k != "took_ms"},
              {"complete": True, "tasks_left": 0, "reports_left": 0, "logs_left": 0}, "answer")
        check(done["took_ms"] >= 2000, f"the deaf one had {done['took_ms']} ms")
        # Nothing is waited for from here on.
        equal(lines_of(c, group), ["begun", LAST_WORDS], "log")
        for task, codes in ((well, {"app": 7, "late": 0}), (deaf, {"app": 137})):
            seen = c.task(task)
            equal(seen["lastStatus"], "STOPPED", "status")
            contains(seen["stoppedReason"], "Host shutdown", "reason")
            equal({b["name"]: b["exitCode"] for b in seen["containers"]}, codes, "exit codes")
        equal([e["container"] for e in events.wait("die", 2, task=well)], ["late", "app"], "order")

        after = c.run_one(c.register([container("app")]))
        c.agent.wait_log("came while the host goes down was left unanswered")
        check(c.agent.berth_json("stop-tasks")[0]["complete"], "the second answer")
        c.agent.stop()
        c.agent.start().wait_connected()
        c.wait_running(after)


def e2e_host_goes_down_in_time(t):
    """The deadline counts, whatever is left."""
    group = f"/shutdown/{t.name}"
    with t.cluster(env={"BERTH_SHUTDOWN_TIMEOUT": "3s"}) as c:
        task = c.run_one(c.register([
            container("app", DEAF, stopTimeout=8),
            container("logged", SPEAKS, essential=False, logConfiguration=awslogs(group, "w"))]))
        c.wait_running(task)
        c.fault("PutLogEvents", "status", count=1000, status=503)
        done = c.agent.berth("stop-tasks", check_code=False)
        equal(done.returncode, 1, "exit code")
        contains(done.stdout, '"complete":false,"tasks_left":1', "answer")
        c.agent.wait_log("not everything ended in time")
        c.heal()
        c.wait_stopped(task)
