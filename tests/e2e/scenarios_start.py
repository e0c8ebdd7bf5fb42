"""The agent's start: what comes in the middle of it, and what ends it."""
import os
import pty
import re
import subprocess

from docker_api import socket_path
from harness import check, container, contains, equal, poll
from relay import DockerRelay

LIST = r"^GET /[^ ]*containers/json"


def e2e_start_hangup(t):
    """A reload that comes while the container engine is still away counts when it is there."""
    with t.cluster(start=False, env={"ECS_CONTAINER_STOP_TIMEOUT": None}) as c:
        path = os.path.join(c.dir, "docker.sock")
        c.agent.configure("ECS_CONTAINER_STOP_TIMEOUT=10s\n")
        c.agent.start(DOCKER_HOST=f"unix://{path}")
        c.agent.wait_log("the container engine does not answer")
        c.agent.reload("ECS_CONTAINER_STOP_TIMEOUT=2s\n")
        c.agent.wait_log("the settings are read again when it runs")
        c.relay(DockerRelay(path, socket_path()))
        c.agent.wait_log('a setting changed".*"ECS_CONTAINER_STOP_TIMEOUT"')
        c.agent.wait_connected()


def e2e_start_log_level(t):
    """An option with a level that is none does not cost the log file."""
    with t.cluster(start=False) as c:
        path = os.path.join(c.dir, "log")
        c.agent.start(options=["--loglevel", "loud"], ECS_LOGFILE=path).wait_connected()
        contains(open(path, encoding="utf-8").read(), "berth starts", "the log file")
        c.agent.wait_log("level=error .*the log level stays as it was.*loud")


def e2e_start_without_cgroups(t):
    """Limits of tasks that are asked for and cannot be had: no restart helps. Not asked for,
    the agent goes on without."""
    with t.cluster(start=False) as c:
        nowhere = os.path.join(c.dir, "nowhere")
        c.agent.start(ECS_CGROUP_PATH=nowhere, ECS_ENABLE_TASK_CPU_MEM_LIMIT="true")
        equal(c.agent.wait_exit(), 5, "exit code")
        c.agent.wait_log("level=crit .*ECS_ENABLE_TASK_CPU_MEM_LIMIT is true")
        c.agent.start(ECS_CGROUP_PATH=nowhere).wait_connected()
        c.agent.wait_log("tasks get no cgroups of their own")


def e2e_start_leftovers_not_listed(t):
    """Another instance's containers that cannot be listed now are not forgotten: the agent
    ends, and its next start removes them."""
    with t.cluster(metadata=True) as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        (old,) = c.instances()
        c.agent.kill()
        c.local("POST", "metadata", {"instance-id": "i-0123456789abcdef0"})
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        relay.refuse(LIST, "not now")
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}")
        equal(c.agent.wait_exit(), 1, "exit code")
        equal(len(c.containers()), 1, "containers of the other instance")
        c.agent.start()
        c.agent.wait_log("removed another instance.s container")
        c.agent.wait_connected()
        c.ecs.call("DeregisterContainerInstance", cluster=c.name, force=True,
                   containerInstance=old["containerInstanceArn"])
        poll(lambda: not c.containers(), "the other instance's container is removed")


def on_terminal(agent, *command):
    """What people get: programs, which have no terminal, get JSON."""
    master, terminal = pty.openpty()
    try:
        subprocess.run([agent.cluster.berth, *command], stdout=terminal, stderr=terminal,
                       env=agent.environment(), timeout=30, check=True)
        return os.read(master, 65536).decode().replace("\r", "")
    finally:
        os.close(terminal)
        os.close(master)


def e2e_start_status(t):
    """`berth status` says what keeps the registration."""
    with t.cluster(start=False) as c:
        c.fault("RegisterContainerInstance", "throttle", count=1)
        c.agent.start()
        c.agent.wait_log("registration did not succeed yet")
        shown = on_terminal(c.agent, "status")
        check(re.search("^Registration .*Throttl", shown, re.M), shown)
        c.agent.wait_connected()
        check("Registration" not in on_terminal(c.agent, "status"), "once it is registered")
