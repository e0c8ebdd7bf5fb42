"""Containers whose log is in blocking mode and that are held back while the sink is away."""
import contextlib
import os
import sqlite3

from harness import check, container, equal, part, poll

LINES = 4000
SPOOL = {"BERTH_LOG_SPOOL_MB": "1"}
LOG = {"logDriver": "awslogs", "options": {
    "awslogs-group": "/e2e/held", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "h",
    "awslogs-create-group": "true", "mode": "blocking"}}
# Some hundred kilobytes a second, so that a busy machine is not too late to hold it.
WRITES = ("trap 'exit 0' TERM; x=$(printf %01000d 0); n=0; while [ $n -lt %d ]; do "
          "for i in 1 2 3 4; do n=$((n+1)); echo $n $x; done; sleep 0.01; done; echo end; exit 0"
          ).replace("%01000d", "%%01000d") % LINES


def lines(c):
    if not c.logs.call("DescribeLogGroups")["logGroups"]:
        return []
    seen, token = [], {}
    while True:
        page = c.logs.call("FilterLogEvents", logGroupName="/e2e/held", **token)
        seen += [e["message"].split()[0] for e in page["events"]]
        if "nextToken" not in page:
            return seen
        token = {"nextToken": page["nextToken"]}


def check_nothing_noted(c):
    """The agent has forgotten that it ever held one; it alone may open its store."""
    poll(lambda: not c.containers(), "the container is removed")
    c.agent.stop()
    with contextlib.closing(sqlite3.connect(os.path.join(c.agent.data, "berth.db"))) as db:
        tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        seen = [value for name in tables for row in db.execute(f'SELECT * FROM "{name}"')
                for value in row]
    check(c.name in seen, "the store was read")
    equal([v for v in seen if isinstance(v, str) and v.startswith("held/")], [], "notes")
    c.agent.start().wait_connected()


def start_held(c):
    c.fault("PutLogEvents", "status", status=500, count=1000000)
    arn = c.run_one(c.register([container("a", WRITES, logConfiguration=LOG)]))
    c.wait_running(arn)
    box = c.containers(arn)[0]["Id"]
    poll(lambda: is_paused(c, box), "the container is held")
    return arn, box


def is_paused(c, box):
    return c.docker.request("GET", f"/containers/{box}/json")["State"]["Paused"]


def e2e_held_over_a_crash(t):
    """It is held over a crash of the agent, is RUNNING for everybody, and goes on when the sink
    is back; not a line is lost."""
    with t.cluster(env=SPOOL) as c:
        arn, box = start_held(c)
        c.agent.kill()
        check(is_paused(c, box), "it is held without an agent")
        c.agent.start().wait_connected()
        equal([row["status"] for row in c.agent.berth_json("tasks")], ["RUNNING"], "status")
        check(is_paused(c, box), "it is held by the next agent")
        c.heal()
        stopped = c.wait_stopped(arn, timeout=90)
        equal(part(stopped, "a")["exitCode"], 0, "exit code")
        seen = poll(lambda: (lambda s: s if s[-1:] == ["end"] else None)(lines(c)), "the last line")
        once = list(dict.fromkeys(seen))
        equal(once, [str(n) for n in range(1, LINES + 1)] + ["end"], "lines")
        check_nothing_noted(c)


def e2e_held_and_stopped(t):
    """A held container hears its stop signal."""
    with t.cluster(env=SPOOL) as c:
        arn, _ = start_held(c)
        c.stop(arn)
        c.heal()
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, "exit code")
        check_nothing_noted(c)


def e2e_held_and_removed(t):
    """Somebody removes it by force."""
    with t.cluster(env=SPOOL) as c:
        arn, box = start_held(c)
        c.docker.request("DELETE", f"/containers/{box}", force="1")
        c.heal()
        c.wait_stopped(arn)
        check_nothing_noted(c)
