"""What happens to containers while a task lives: restarts, timeouts, things done behind
the agent's back, and an engine that goes away or is slow."""
import os
import re
import time

from docker_api import IMAGE, socket_path
from harness import check, container, contains, depends, equal, part, poll, slowness
from private_docker import PrivateDocker
from relay import DockerRelay

# Ends with the code that somebody writes into /tmp/end, or with 0 when asked to.
TOLD = "trap 'exit 0' TERM; until [ -s /tmp/end ]; do sleep 0.05; done; " \
       "code=$(cat /tmp/end); rm /tmp/end; exit $code"


def policy(period=None, ignored=None):
    made = {"enabled": True, "restartAttemptPeriod": period, "ignoredExitCodes": ignored}
    return {k: v for k, v in made.items() if v is not None}


def end_with(c, arn, name, code):
    equal(c.docker.run_in(c.inspect(arn, name)["Id"], "sh", "-c", f"echo {code} > /tmp/end"), 0,
          "exit code of the order to end")


def known(c, arn, name):
    """The agent's row of a container."""
    task = next(row for row in c.agent.berth_json("tasks") if row["arn"] == arn)
    return next(k for k in task["containers"] if k["name"] == name)


def e2e_restart_policy(t):
    """A container that ends is started again, the same one, and the control plane is told
    nothing; one whose code is ignored, and one that ran too short, end for good."""
    with t.cluster() as c, c.events() as events:
        arn = c.run_one(c.register([
            container("main"),
            container("again", TOLD, essential=False, restartPolicy=policy(0)),
            container("ignored", TOLD, essential=False, restartPolicy=policy(0, [5])),
            container("short", TOLD, essential=False, restartPolicy=policy(300))]))
        c.wait_running(arn)
        first = c.inspect(arn, "again")["Id"]
        for name, code in (("again", 3), ("ignored", 5), ("short", 3)):
            end_with(c, arn, name, code)
        events.wait("start", count=2, container="again")
        equal(c.inspect(arn, "again")["Id"], first, "the container")
        for name, code in (("ignored", 5), ("short", 3)):
            poll(lambda name=name, code=code:
                 part(c.task(arn), name).get("exitCode") == code, f"{name} has ended")
            equal(len(events.matching("start", container=name)), 1, f"starts of {name}")
        equal((c.task(arn)["lastStatus"], part(c.task(arn), "again")["lastStatus"]),
              ("RUNNING", "RUNNING"), "what the control plane knows")
        poll(lambda: known(c, arn, "again").get("restarts") == 1, "one restart in berth tasks")
        c.stop(arn)
        c.wait_stopped(arn)
        equal(len(events.matching("start", container="again")), 2, "starts of again")


def e2e_restart_backoff(t):
    """One that crashes at once gets more and more time, and is seen to; its count survives
    a kill of the agent."""
    with t.cluster() as c, c.events() as events:
        arn = c.run_one(c.register([container("main"), container(
            "crashes", "exit 9", essential=False, restartPolicy=policy(0))]))
        starts = [e["time"] for e in events.wait("start", count=4, container="crashes")]
        gaps = [b - a for a, b in zip(starts, starts[1:])]
        check(gaps[1] >= 0.9 and gaps[2] >= 1.8, f"seconds between starts: {gaps}")
        text = r"its restart in \d+ ms \(it ended \d+ times, last with code 9\)"
        poll(lambda: any(name == "crashes" and re.match(text, what)
                         for name, what in c.agent.why(arn)), "berth why says when")
        before = known(c, arn, "crashes")["restarts"]
        c.agent.kill()
        c.agent.start().wait_connected()
        check(known(c, arn, "crashes")["restarts"] >= before, "the count of restarts is lost")
        c.stop(arn)
        c.wait_stopped(arn)


def e2e_start_timeout(t):
    """A dependency that does not get healthy in its start timeout ends those who wait."""
    with t.cluster() as c:
        task = c.wait_stopped(c.run_one(c.register([
            container("slow", startTimeout=2, healthCheck={
                "command": ["CMD-SHELL", "false"], "interval": 5, "retries": 10}),
            container("waits", dependsOn=depends(("slow", "HEALTHY")))])), 20)
        waits = part(task, "waits")
        contains(waits["reason"], "CannotStartContainerError: dependency graph: container ordering "
                 f"dependency [slow({IMAGE}) (RUNNING->", "reason")
        contains(waits["reason"], f"] for target [waits({IMAGE}) (", "reason")
        contains(waits["reason"], "has timed out.", "reason")
        equal(waits.get("exitCode"), 143, "exit code of what never ran")


def e2e_stop_timeouts(t):
    """Each container has its own time to stop; those without get the agent's."""
    deaf = "trap '' TERM; while :; do sleep 1; done"
    with t.cluster(env={"ECS_CONTAINER_STOP_TIMEOUT": "7s"}) as c, c.events() as events:
        arn = c.run_one(c.register([container("two", deaf, stopTimeout=2),
                                    container("usual", deaf)]))
        c.wait_running(arn)
        c.stop(arn)
        c.wait_stopped(arn)
        took = {name: events.wait("die", container=name)[0]["time"]
                - events.wait("kill", container=name)[0]["time"] for name in ("two", "usual")}
        # The one time is far from the other, for the engine may be busy with other scenarios.
        check(1.5 < took["two"] < 6 and 6.5 < took["usual"] < 20, f"seconds to the end: {took}")
        equal([part(c.task(arn), n)["exitCode"] for n in ("two", "usual")], [137] * 2, "exit codes")


def e2e_behind_our_back(t):
    """Containers that somebody stops, restarts, pauses or removes."""
    with t.cluster() as c, c.events() as events:
        definition = c.register([container("a")])
        stopped, restarted, removed, untouched = c.run(definition, count=4)
        c.wait([stopped, restarted, removed, untouched], "RUNNING")
        ids = {arn: c.inspect(arn, "a")["Id"] for arn in (stopped, restarted, removed)}
        c.docker.request("POST", f"/containers/{ids[stopped]}/stop", t="5")
        equal(part(c.wait_stopped(stopped), "a")["exitCode"], 0, "exit code of the stopped one")
        c.docker.remove(ids[removed])
        task = c.wait_stopped(removed)
        equal(part(task, "a").get("exitCode"), 137, "exit code of the removed one")
        c.docker.request("POST", f"/containers/{ids[restarted]}/restart", t="5")
        events.wait("start", count=2, task=restarted)
        c.wait_stopped(restarted)
        poll(lambda: len(c.containers()) == 1, "only the untouched one is left")
        equal(c.task(untouched)["lastStatus"], "RUNNING", "the untouched one")


def e2e_docker_hangs(t):
    """An engine that does not answer one call: the others go on, and so does that one when
    the answer comes. Who asks why is told."""
    with t.cluster(start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        hung = c.register([container("stuck")])
        hold = relay.hold(rf"containers/create\?name=ecs-{hung.replace(':', '-')}-stuck-")
        waiting = c.run_one(hung)
        poll(lambda: hold.count, "the create that hangs")
        others = c.run(c.register([container("a")]), count=6)
        c.wait(others, "RUNNING")
        c.stop(*others)
        c.wait(others, "STOPPED")
        equal(c.agent.why(waiting), [("stuck", "Docker to create it")], "berth why")
        hold.release()
        c.wait_running(waiting)
        stops = relay.hold(r"^POST \S*/containers/\w+/stop")
        c.stop(waiting)
        poll(lambda: stops.count, "the stop that hangs")
        poll(lambda: c.agent.why(waiting) == [("stuck", "Docker to stop it")], "berth why")
        more = c.run_one(c.register([container("a", "exit 3")]))
        equal(part(c.wait_stopped(more), "a")["exitCode"], 3, "exit code of another task")
        stops.release()
        c.wait_stopped(waiting)


def e2e_docker_restarted(t):
    """The engine is stopped and started again: what it ended is reported, what comes next
    runs, and a stop asked for meanwhile is carried out."""
    with PrivateDocker() as engine, t.cluster(docker=engine.api) as c:
        definition = c.register([container("a"), container("b", essential=False)],
                                networkMode="host")
        arns = c.run(definition, count=3)
        c.wait(arns, "RUNNING")
        engine.stop()
        later = c.run_one(definition)
        engine.start()
        answered = time.monotonic()
        c.wait(arns, "STOPPED")
        took = time.monotonic() - answered
        check(took < 10 * slowness(), f"reported {took:.1f} s after the engine answered")
        c.wait_running(later)
        equal([part(task, "a").get("exitCode") for task in c.tasks(arns)], [0] * 3, "exit codes")


def e2e_out_of_memory_child(t):
    """The kernel kills only a child of the first process: the reason says so all the same,
    once the container has ended."""
    eat = "(x=a; while :; do x=$x$x; done); exit 6"
    with t.cluster() as c:
        task = c.wait_stopped(c.run_one(c.register([container("eater", eat)])), 60)
        contains(part(task, "eater").get("reason"), "OutOfMemoryError: Container killed due to "
                 "memory usage", "reason")
