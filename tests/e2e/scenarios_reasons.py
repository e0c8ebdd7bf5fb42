"""What people are told when something fails, name by name."""
import os
import tempfile

from docker_api import IMAGE, Docker, DockerError, socket_path
from edited import merge_config, named, with_tasks
from harness import Skip, check, container, contains, depends, equal, part, poll
from private_docker import run
from registry import HostileRegistry, Image
from relay import DockerRelay


def reason_of(task, name="a"):
    return part(task, name).get("reason", "")


def e2e_reason_create(t):
    """The engine refuses to create a container: its own words, with the name in front; and
    what the agent itself cannot make sense of."""
    def change(task):
        for k in task["containers"]:
            if k["name"] == "limits":
                merge_config(k, "hostConfig", Memory=1)
            elif k["name"] == "health":
                k["healthCheckType"] = "docker"
            elif k["name"] == "config":
                k["dockerConfig"]["config"] = "[1]"

    with with_tasks(t, change) as c:
        tasks = {n: c.wait_stopped(c.run_one(c.register([container(n)])))
                 for n in ("limits", "health", "config")}
        contains(reason_of(tasks["limits"], "limits"),
                 "CannotCreateContainerError: Error response from daemon: ", "reason")
        equal(reason_of(tasks["health"], "health"), "DockerClientConfigError: docker health check "
              "is nil while container health check type is DOCKER", "reason")
        contains(reason_of(tasks["config"], "config"),
                 "DockerClientConfigError: Unable decode given docker config", "reason")
        for name, task in tasks.items():
            check("exitCode" not in part(task, name), f"{name} has an exit code")


def with_relay(c):
    relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
    c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
    return relay


def e2e_reason_inspect(t):
    """The engine starts a container and then does not say what became of it."""
    with t.cluster(start=False) as c:
        relay = with_relay(c)
        hold = relay.hold(r"^POST \S*/containers/\w+/start")
        arn = c.run_one(c.register([container("a")]))
        poll(lambda: hold.count, "the start")
        relay.refuse(rf"^GET \S*/containers/(ecs-\S+|{c.containers(arn)[0]['Id']})/json",
                     "no inspection today")
        hold.release()
        poll(lambda: c.agent.berth_json("tasks")[0]["containers"][0].get("error") ==
             "CannotInspectContainerError", "the agent gives up asking", 60)
        relay.refusals.clear()
        equal(reason_of(c.wait_stopped(arn)),
              "CannotInspectContainerError: Error response from daemon: no inspection today",
              "reason")


def e2e_reason_state_error(t):
    """What the engine wrote down while there was no agent is the reason."""
    with t.cluster(start=False) as c:
        relay = with_relay(c)
        hold = relay.hold(r"^POST \S*/containers/\w+/start")
        arn = c.run_one(c.register([container("a", command=["/no/such/program"])]))
        poll(lambda: hold.count, "the start")
        c.agent.kill()
        try:
            c.docker.request("POST", f"/containers/{c.containers(arn)[0]['Id']}/start")
        except DockerError:
            pass
        check(c.inspect(arn, "a")["State"]["Error"], "the engine noted no error")
        c.agent.start().wait_connected()
        reason = reason_of(c.wait_stopped(arn))
        check(reason.startswith("DockerStateError: "), f"reason {reason!r}")
        contains(reason, "/no/such/program", "reason")


def e2e_reason_pull_hints(t):
    """Three answers of a registry are explained; the image here is not enough with always,
    but the manifest fails first there, so these come from the behavior default."""
    hints = {
        "denied: User: someone is not authorized to perform: ecr:BatchGetImage on resource: x":
            "The task can’t pull the image. Check that the role has the permissions to pull "
            "images from the registry. ",
        "denied: requested access to the resource is denied (by the scenario)":
            "The task can’t pull the image. Check whether the image exists. ",
        "unknown: request canceled while waiting for connection":
            "The task can’t pull the image. Check your network configuration. ",
    }
    with t.cluster(env={"ECS_IMAGE_PULL_BEHAVIOR": "default"}) as c:
        for text, hint in hints.items():
            code, _, message = text.partition(": ")

            def act(handler, _kind, _times, code=code, message=message):
                if handler.command == "GET":  # only such an answer can say something
                    handler.refuse(403, code.upper(), message)
                return handler.command == "GET"

            with HostileRegistry(Image("hint"), act) as registry:
                task = c.wait_stopped(c.run_one(c.register([
                    container("a", image=registry.name)])), 60)
                check(reason_of(task).startswith(f"CannotPullContainerError: {hint}"),
                      f"reason {reason_of(task)!r}")
                contains(reason_of(task), message, "reason")


def e2e_reason_layer_url(t):
    """ECR signs the addresses of its layers, so that whoever has one has the layer: the
    control plane is not told it."""
    secret = "X-Amz-Security-Token=canary"

    def act(handler, kind, _times):
        # Not that of a layer: those the engine itself tries again for minutes.
        if kind == "manifest":
            handler.answer(307, "text/plain", b"", Location="http://127.0.0.1:1/starport-layer-"
                           f"bucket/layer?{secret}")
        return kind == "manifest"

    with HostileRegistry(Image("signed"), act) as registry, \
            t.cluster(env={"ECS_IMAGE_PULL_BEHAVIOR": "default"}) as c:
        task = c.wait_stopped(c.run_one(c.register([
            container("a", image=registry.name)])), 90)
        contains(reason_of(task), f"REDACTED ECR URL related to {registry.name}", "reason")
        check("canary" not in reason_of(task), f"reason {reason_of(task)!r}")


def e2e_reason_api_version(t):
    """A version of the engine's API that this engine does not have."""
    versions = {"old": "1.17", "new": "1.99"}

    def change(task):
        for k in task["containers"]:
            k["dockerConfig"]["version"] = versions[k["name"]]

    with with_tasks(t, change) as c:
        c.wait_running(c.run_one(c.register([container("old")])))
        task = c.wait_stopped(c.run_one(c.register([container("new")])))
        equal(reason_of(task, "new"), "CannotGetDockerClientVersionError: docker client factory: "
              "client not found for docker version: 1.99", "reason")


def e2e_reason_dependencies(t):
    """A dependency that fails to be created, and one that is stopped before it ran: who
    waits for them is told which, and ends as if it had been asked to."""
    def change(task):
        for k in task["containers"]:
            if k["name"] == "broken":
                merge_config(k, "hostConfig", Memory=1)

    with with_tasks(t, change) as c:
        task = c.wait_stopped(c.run_one(c.register([
            container("waits", dependsOn=depends(("broken", "SUCCESS"))),
            container("broken", "exit 0", essential=False)])))
        contains(reason_of(task, "waits"), "CannotStartContainerError: dependency graph: failed to "
                 f"resolve container ordering dependency [broken({IMAGE}) (", "reason")
        contains(reason_of(task, "waits"), "for target [waits(", "reason")
        equal(part(task, "waits").get("exitCode"), 143, "exit code")
        task = c.wait_stopped(c.run_one(c.register([
            container("waits", dependsOn=depends(("fails", "SUCCESS"))),
            container("fails", "exit 9", essential=False)])))
        contains(reason_of(task, "waits"), ") - Exit: 9] for target [waits(",
                 "reason with the exit code")
        contains(reason_of(task, "waits"), "as dependency did not exit successfully.", "reason")


def e2e_reason_task_resources(t):
    """The whole task fails before a container: its limits are too small. The containers
    then carry no reason."""
    def change(task):
        if named(task, "a")["memory"] == 48:
            task["memory"] = 40

    with with_tasks(t, change) as c:
        task = c.wait_stopped(c.run_one(c.register([container("a", memory=48)])))
        equal(task["stoppedReason"], f"resource cannot be initialized for task {task['taskArn']}: "
              "task memory spec builder: container memory limit(48) greater than task memory "
              "limit(40)", "reason of the task")
        equal((reason_of(task), c.containers(task["taskArn"])), ("", []), "its container")


def e2e_reason_cgroup(t):
    """The control groups that were there when the agent started are gone."""
    if Docker().request("GET", "/info")["CgroupDriver"] == "systemd":
        raise Skip("systemd makes the slices of tasks, wherever ECS_CGROUP_PATH is")
    whole = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    with tempfile.TemporaryDirectory() as root:
        mounts = []
        try:
            for name in [""] if whole else os.listdir("/sys/fs/cgroup"):
                to = os.path.join(root, name)
                os.makedirs(to, exist_ok=True)
                run("mount", "--bind", os.path.join("/sys/fs/cgroup", name), to)
                mounts.append(to)
            with t.cluster(env={"ECS_CGROUP_PATH": root}) as c:
                while mounts:
                    run("umount", mounts.pop())
                task = c.wait_stopped(c.run_one(c.register([container("a")])))
                equal(task["stoppedReason"],
                      "CgroupError: Agent could not create task's platform resources", "reason")
                equal(reason_of(task), "", "reason of its container")
        finally:
            while mounts:
                run("umount", mounts.pop())


def e2e_reason_volume(t):
    """Docker's words on a volume, with blanks collapsed and a capital letter first."""
    def change(task):
        task["volumes"][0]["dockerVolumeConfiguration"]["driverOpts"] = {"shape": "round"}

    with with_tasks(t, change) as c:
        task = c.wait_stopped(c.run_one(c.register(
            [container("a", mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])],
            volumes=[{"name": "v", "dockerVolumeConfiguration": {"scope": "task"}}])))
        reason = task["stoppedReason"]
        check(reason[:1].isupper() and "  " not in reason and "\n" not in reason,
              f"reason {reason!r}")
        contains(reason, "shape", "reason")


def e2e_reason_sticks(t):
    """The first error of a container stays, on every later report of it."""
    with t.cluster() as c:
        arn = c.run_one(c.register([
            container("main"), container("bad", command=["/no/such/program"], essential=False)]))
        poll(lambda: part(c.task(arn), "bad").get("reason"), "the reason of the bad one", 60)
        first = reason_of(c.task(arn), "bad")
        check(first.startswith("CannotStartContainerError: "), f"reason {first!r}")
        equal(c.task(arn)["lastStatus"], "RUNNING", "the task")
        c.stop(arn, reason="enough")
        task = c.wait_stopped(arn)
        equal((reason_of(task, "bad"), reason_of(task, "main"), task["stoppedReason"]),
              (first, "", "enough"), "reasons in the end")
