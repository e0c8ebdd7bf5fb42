"""What is promised in milliseconds and MiB. These run alone; a sanitizer's build only
shows that the numbers can be taken."""
import os
import re
import shutil
import statistics
import time

from docker_api import socket_path
from harness import Skip, check, container, depends, equal, health, poll
from relay import DockerRelay

START_LIMIT_MS = 60
CREATED_LIMIT_MS = 20
IDLE_MIB, BUSY_MIB = (16, 4), (18, 6)  # resident, of which private


def resident(pid):
    """(VmRSS, RssAnon) in MiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as stream:
        text = stream.read()
    return tuple(int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1)) / 1024
                 for key in ("VmRSS", "RssAnon"))


def settle(agent):
    """The figures once memory has stopped shrinking: what start-up needed is given back
    after some seconds."""
    best, since = resident(agent.process.pid), time.monotonic()
    while time.monotonic() - since < 4:
        time.sleep(0.1)
        seen = resident(agent.process.pid)
        if seen < best:
            best, since = seen, time.monotonic()
    return seen


def e2e_memory_and_start(t):
    """Start of the process to the control plane connected; memory idle and with 20 tasks."""
    with t.cluster(start=False) as c:
        took = []
        for _ in range(5):
            before = c.requests()[-1]["n"] if c.requests() else 0
            began = time.monotonic_ns() // 1000
            c.agent.start()
            def connected():
                return [r for r in c.requests("/acs/ws") if r["n"] > before and r["status"] == 101]
            row = poll(connected, "the websocket of the control plane", every=0.002)[0]
            took.append((row["mono_us"] + row["took_us"] - began) / 1000)
            c.agent.wait_connected()
            c.agent.stop()
        print(f"start to connected: {', '.join(f'{x:.0f}' for x in took)} ms "
              f"(median {statistics.median(took):.0f}, limit {START_LIMIT_MS})")
        c.agent.start().wait_connected()
        idle = settle(c.agent)
        arns = c.run(c.register([container("a")]), count=20)
        c.wait(arns, "RUNNING", 60)
        busy = settle(c.agent)
        for name, seen, limit in (("idle", idle, IDLE_MIB), ("20 tasks", busy, BUSY_MIB)):
            print(f"{name}: resident {seen[0]:.1f} MiB (limit {limit[0]}), "
                  f"private {seen[1]:.1f} MiB (limit {limit[1]})")
        if t.sanitized:
            return
        check(statistics.median(took) <= START_LIMIT_MS, "the start took too long")
        for seen, limit in ((idle, IDLE_MIB), (busy, BUSY_MIB)):
            check(seen[0] <= limit[0] and seen[1] <= limit[1], "more memory than promised")


def e2e_dependency_latency(t):
    """A container whose dependency is met is created within 20 ms of the event that met
    it: from the engine's event to the request that creates, as a relay sees it."""
    after = {"START": "start", "COMPLETE": "die", "SUCCESS": "die",
             "HEALTHY": "health_status: healthy"}
    with t.cluster(start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        worst = {}
        for condition, event in after.items():
            one_shot = condition in ("COMPLETE", "SUCCESS")
            definition = c.register([
                container("main", dependsOn=depends(("first", condition))),
                container("first", "exit 0", essential=False) if one_shot else
                container("first", healthCheck=health("true") if condition == "HEALTHY" else None)])
            seen = []
            for _ in range(5):
                with c.events() as events:
                    arn = c.run_one(definition)
                    c.wait_running(arn)
                    met = events.wait(event, task=arn, container="first")[0]["time"]
                    family = definition.replace(":", "-")
                    asked = relay.seen(rf"^POST \S*/containers/create\?name=ecs-{family}-main-")
                    seen.append((asked[-1][0] - met) * 1000)
                    c.stop(arn)
                    c.wait_stopped(arn)
            worst[condition] = statistics.median(seen)
            print(f"{condition}: create asked for after {', '.join(f'{x:.1f}' for x in seen)} ms")
        if not t.sanitized:
            for condition, median in worst.items():
                check(median <= CREATED_LIMIT_MS,
                      f"{condition}: {median:.1f} ms, limit {CREATED_LIMIT_MS}")


def e2e_valgrind_ten_tasks(t):
    """The whole life of ten tasks under valgrind: no error, no leak."""
    if t.sanitized:
        raise Skip("valgrind does not run programs that were built with sanitizers")
    valgrind = shutil.which("valgrind")
    if not valgrind:
        raise Skip("valgrind is not installed")
    with t.cluster(start=False) as c:
        log = os.path.join(c.dir, "valgrind.log")
        c.agent.start(wrapper=[valgrind, "--leak-check=full", "--show-leak-kinds=definite,indirect",
                               "--errors-for-leak-kinds=definite,indirect", "--error-exitcode=97",
                               "--child-silent-after-fork=yes", f"--log-file={log}"],
                      options=["--no-sandbox"])  # valgrind cannot follow a process there
        c.agent.wait_connected(60)
        arns = c.run(c.register([container("a", "exit 5", essential=False),
                                 container("b", dependsOn=depends(("a", "COMPLETE")))]), count=10)
        c.wait(arns, "RUNNING", 90)
        c.stop(*arns)
        c.wait(arns, "STOPPED", 90)
        poll(lambda: not c.containers(), "the containers are removed", 60)
        c.agent.process.terminate()
        code = c.agent.wait_exit(60)
        with open(log, encoding="utf-8", errors="replace") as stream:
            report = stream.read()
        check(code == 0, f"exit code {code} under valgrind:\n{report}")
        equal(re.search(r"ERROR SUMMARY: (\d+) errors", report).group(1), "0", "errors")
        print("\n".join(line for line in report.splitlines()
                        if "ERROR SUMMARY" in line or "lost:" in line or "no leaks" in line))
