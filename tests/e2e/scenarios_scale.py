"""Many tasks at once, and the engine killed under them."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

from edited import edited
from harness import SMALL, Skip, check, container, depends, equal, part, poll
from private_docker import PrivateDocker
from relay import frame
from scenarios_measured import resident

RESIDENT_MIB = 25
TOLD_S = 5


def only_unsanitized(t):
    if t.sanitized:
        raise Skip("it is about speed and size, which sanitizers change; the other build shows it")


def e2e_hundred_tasks(t):
    """A hundred tasks of three containers in one payload: all run, none times out, all
    stop, nothing is left, and the agent stays small."""
    only_unsanitized(t)
    held, sizes = [], []

    def edit(envelope):
        """Holds the payloads back until all tasks are there."""
        message = envelope["message"]
        if len(held) < 100:
            held.extend(message["tasks"])
            if len(held) < 100:
                return b""
            message["tasks"] = held
            sizes.append(sum(len(task["containers"]) for task in held))
        return frame(json.dumps(envelope))

    with edited(t, edit) as c:
        definition = c.register([
            container("main", **SMALL, dependsOn=depends(("side", "START"))),
            container("first", "exit 0", **SMALL, essential=False),
            container("side", **SMALL, essential=False)], networkMode="none")
        began = time.monotonic()
        arns = c.run(definition, count=100)
        tasks = c.wait(arns, "RUNNING", 180, 0.1)
        ran = time.monotonic() - began
        equal(sizes, [300], "containers in payloads of a hundred tasks")
        most = resident(c.agent.process.pid)[0]
        began = time.monotonic()
        c.stop(*arns)
        tasks = c.wait(arns, "STOPPED", 180, 0.1)
        stopped = time.monotonic() - began
        most = max(most, resident(c.agent.process.pid)[0])
        poll(lambda: not c.containers(), "no container is left", 120, 0.2)
        most = max(most, resident(c.agent.process.pid)[0])
        print(f"all ran after {ran:.1f} s, all had stopped after {stopped:.1f} s, "
              f"resident {most:.1f} MiB (limit {RESIDENT_MIB})")
        for task in tasks:
            for k in task["containers"]:
                check("reason" not in k, f"{k['name']}: {k.get('reason')}")
            equal(part(task, "first").get("exitCode"), 0, "exit code of the first")
        check("timed out" not in c.agent.stderr(), "something timed out")
        check(most <= RESIDENT_MIB, f"{most:.1f} MiB resident")


def state(c, boxes):
    """Container id: (is it running, since when)."""
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(c.docker.inspect, boxes))
    return {r["Id"]: (r["State"]["Running"], r["State"]["StartedAt"]) for r in rows}


def killed_under_tasks(t, *options):
    """50 tasks, and their engine killed and started again: ARNs by whether their container
    runs on, and the time from the engine's answer until all ends were told."""
    with PrivateDocker(*options) as engine, t.cluster(docker=engine.api) as c:
        arns = c.run(c.register([container("a", **SMALL)], networkMode="none"), count=50)
        c.wait(arns, "RUNNING", 120, 0.1)
        box = {k["Labels"]["com.amazonaws.ecs.task-arn"]: k["Id"] for k in c.containers()}
        before = state(c, box.values())
        engine.kill()
        asked = c.run_one(c.register([container("a", **SMALL)], networkMode="none"))
        engine.start()
        answered = time.monotonic()
        after = state(c, box.values())
        dead = [arn for arn in arns if not after[box[arn]][0]]
        c.wait(dead, "STOPPED", TOLD_S + 5, 0.05)
        told = time.monotonic() - answered
        c.wait_running(asked)
        lives = [arn for arn in arns if arn not in dead]
        for arn in lives:
            equal(after[box[arn]], before[box[arn]], "a container that went on")
        c.wait(lives, "RUNNING")
        print(json.dumps({"dead": len(dead), "alive": len(lives), "told_s": round(told, 2)}))
        check(told <= TOLD_S, f"told after {told:.1f} s")
        return dead, lives


def e2e_dockerd_killed(t):
    """Without live restore the engine ends what ran: all is told within seconds of its
    answering again, and new tasks run."""
    only_unsanitized(t)
    dead, _ = killed_under_tasks(t)
    equal(len(dead), 50, "tasks that ended")


def e2e_dockerd_killed_live_restore(t):
    """With live restore everything goes on, the same containers, and nothing is told."""
    only_unsanitized(t)
    _, lives = killed_under_tasks(t, "--live-restore")
    equal(len(lives), 50, "tasks that went on")
