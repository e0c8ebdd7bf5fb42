"""What goes when it is no longer needed, and what stays. Clean-up by age has an interval
of ten minutes at least, so that is simulated; clean-up by disk is seen here."""
import os
import time

from docker_api import IMAGE, socket_path
from harness import check, container, contains, equal, poll
from private_docker import LoopDisk, PrivateDocker
from registry import Image, Registry
from relay import DockerRelay


def e2e_cleanup_disk(t):
    """A disk that would overflow with the images of one task after the other: the least
    recently used go, the one in use and the excluded one stay, and every task runs."""
    with Registry() as registry, LoopDisk(96) as disk, \
            PrivateDocker(data=disk.path) as engine:
        names = [registry.push(f"e2e/disk{i}", Image(f"disk{i}", mib=12)) for i in range(9)]
        env = {"ECS_IMAGE_PULL_BEHAVIOR": "default", "BERTH_DISK_HIGH_WATERMARK": "60",
               "BERTH_DISK_LOW_WATERMARK": "45", "BERTH_DISK_CHECK_INTERVAL": "1s",
               "ECS_EXCLUDE_UNTRACKED_IMAGE": names[1]}
        with t.cluster(docker=engine.api, env=env) as c:
            def definition(i, script):
                return c.register([container("a", script, image=names[i])], networkMode="host")

            used = c.run_one(c.register([container("a", image=names[0])], networkMode="host"))
            c.wait_running(used)
            for i in range(1, len(names)):
                arn = c.run_one(definition(i, "exit 0"))
                task = c.wait_stopped(arn, 60)
                equal(task["containers"][0].get("exitCode"), 0,
                      f"exit code with image {i} ({task['containers'][0].get('reason')})")
                poll(lambda: len(c.containers()) == 1, "its container is removed")
                poll(lambda: disk.used_percent() < 60, "the disk has room again")
            here = [i for i, name in enumerate(names) if c.docker.has_image(name)]
            check({0, 1} <= set(here), f"images that are here: {here}")
            check(len(here) < len(names) - 2, f"images that are here: {here}")
            gone = sorted(set(range(2, len(names))) - set(here))
            equal(gone, list(range(2, 2 + len(gone))), "images that have gone, oldest use first")
            contains(c.agent.stderr(), "enough", "log of what was removed")
            equal(c.task(used)["lastStatus"], "RUNNING", "the task whose image is in use")
            again = c.wait_stopped(c.run_one(definition(2, "exit 5")), 60)
            equal(again["containers"][0].get("exitCode"), 5, "a task of an image that went")


def e2e_cleanup_of_tasks(t):
    """Containers and their anonymous volumes go after the wait; until then they can be
    looked at. What others made stays."""
    with t.cluster(env={"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "3s"}) as c:
        other = c.docker.request("POST", "/containers/create", {
            "Image": IMAGE, "Cmd": ["true"],
            "Labels": {"berth.e2e": c.name}})["Id"]
        try:
            def change():
                arn = c.run_one(c.register([container("a", "exit 0", mountPoints=[
                    {"sourceVolume": "v", "containerPath": "/v"}])],
                    volumes=[{"name": "v", "host": {}}]))
                task = c.wait_stopped(arn)
                return time.monotonic(), task["taskDefinitionArn"].rsplit("/", 1)[1]

            stopped, definition = change()
            prefix = "ecs-" + definition.replace(":", "-") + "-v-"
            equal((len(c.containers()), len(c.docker.volumes(prefix))), (1, 1), "before the wait")
            poll(lambda: not c.containers(), "the container is removed")
            took = time.monotonic() - stopped
            check(took > 2, f"removed after {took:.1f} s, not 3")
            poll(lambda: not c.docker.volumes(prefix), "the volume is removed")
            equal(c.docker.inspect(other)["State"]["Status"], "created", "somebody else's")
        finally:
            c.docker.remove(other)


def e2e_cleanup_refused(t):
    """A volume that the engine does not remove, for somebody else has come to use it, is
    tried again until it goes."""
    with t.cluster(start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        arn = c.run_one(c.register([container("a", mountPoints=[
            {"sourceVolume": "v", "containerPath": "/v"}])], volumes=[{"name": "v", "host": {}}]))
        c.wait_running(arn)
        name = c.inspect(arn, "a")["HostConfig"]["Binds"][0].split(":")[0]
        other = c.docker.request("POST", "/containers/create", {
            "Image": IMAGE, "Cmd": ["true"], "HostConfig": {"Binds": [f"{name}:/v"]}})["Id"]
        try:
            c.stop(arn)
            c.wait_stopped(arn)
            poll(lambda: not c.containers(), "the container is removed")
            poll(lambda: len(relay.seen(r"^DELETE \S*/volumes/")) > 1, "its removal is tried again")
            equal(c.docker.volumes(name), [name], "the volume that is in use")
        finally:
            c.docker.remove(other)
        poll(lambda: not c.docker.volumes(name), "the volume is removed in the end", 60)
