"""The agent's store is lost, or cannot be written: nothing else is."""
import os
import subprocess

from harness import Skip, check, container, contains, depends, equal, part, poll

TALKS = "trap 'exit 5' TERM; while :; do sleep 3600 & wait $!; done"


def lose(c):
    """All of it but the name of the instance."""
    c.agent.kill()
    for name in os.listdir(c.agent.data):
        if name.startswith("berth.db"):
            os.unlink(os.path.join(c.agent.data, name))


def e2e_store_lost_tasks_go_on(t):
    """The same instance, the same containers, and the end is told as ever."""
    with t.cluster() as c:
        arn = c.run_one(c.register([
            container("a", TALKS, dependsOn=depends(("side", "START")), cpu=128),
            container("side", essential=False)]))
        c.wait_running(arn)
        before = {k["Id"] for k in c.containers(arn)}
        lose(c)
        c.agent.start().wait_connected()
        contains(c.agent.wait_log("level=warn .*damaged.*"), "rebuilt", "the warning")
        poll(lambda: c.agent.berth_json("tasks"), "the task is known")
        known = c.agent.berth_json("tasks")[0]
        equal({k["docker_id"] for k in known["containers"]}, before, "containers")
        equal(len(c.instances()), 1, "instances registered")
        c.stop(arn)
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 5, "exit code")


def e2e_store_lost_before_anything_ran(t):
    """A task that left no trace is given up, so that it is placed anew."""
    with t.cluster(violations=True) as c:
        stays = c.run_one(c.register([container("a")]))
        c.wait_running(stays)
        gone = c.run_one(c.register([container("a")]))
        c.wait_running(gone)
        lose(c)
        for box in c.containers(gone):
            c.docker.remove(box["Id"])
        poll(lambda: not c.containers(gone), "its container is gone")
        c.agent.start().wait_connected()
        contains(c.wait_stopped(gone, 60)["stoppedReason"], "TaskStateError", "reason")
        equal(c.task(stays)["lastStatus"], "RUNNING", "the other task")


def e2e_store_lost_while_starting(t):
    """A task of which not all was started is stopped whole: nobody knows what was to come."""
    with t.cluster() as c:
        arn = c.run_one(c.register([
            container("a", dependsOn=depends(("b", "HEALTHY"))),
            container("b", healthCheck={"command": ["CMD-SHELL", "exit 1"], "interval": 60,
                                        "retries": 10})]))
        poll(lambda: [k for k in c.containers(arn) if k["State"] == "running"], "b runs")
        lose(c)
        c.agent.start()
        contains(c.wait_stopped(arn, 60)["stoppedReason"], "TaskStateError", "reason")


def e2e_store_read_only(t):
    """On a disk that cannot be written the agent starts, knows its tasks, and stops one; new
    ones begin when it can be written."""
    with t.cluster(start=False) as c:
        data = c.agent.data
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "none", data],
                          check=False, capture_output=True).returncode:
            raise Skip("no file system can be mounted here")
        try:
            read_only(c, data)
        finally:
            c.agent.kill()
            subprocess.run(["umount", "-l", data], check=False)


def read_only(c, data):
    c.agent.start().wait_connected()
    definition = c.register([container("a", TALKS)])
    first, second = c.run(definition, count=2)
    c.wait([first, second], "RUNNING")
    c.agent.kill()
    subprocess.run(["mount", "-o", "remount,ro", data], check=True)
    c.agent.start().wait_connected()
    c.stop(first)
    equal(part(c.wait_stopped(first), "a")["exitCode"], 5, "exit code")
    third = c.run_one(definition)
    status = poll(lambda: store_of(c), "the agent says that it cannot save")
    contains(status["error"], "Read-only", "berth status")
    equal(c.task(third)["lastStatus"], "PENDING", "a task that is new")
    check(not c.containers(third), "it has a container already")
    subprocess.run(["mount", "-o", "remount,rw", data], check=True)
    c.wait_running(third, 60)
    equal(len(c.containers(third)), 1, "containers")
    c.stop(second, third)
    c.wait([second, third], "STOPPED")
    poll(lambda: not c.containers(), "no container is left", 90, 0.1)
    c.agent.stop()
    c.agent.start().wait_connected()
    equal({row["reported"] for row in c.agent.berth_json("tasks")} - {"STOPPED"}, set(),
          "what it knows of its tasks")


def store_of(c):
    store = c.agent.berth_json("status")[0].get("store", {})
    return None if store.get("saved", True) else store
