"""The file in a container that tells it about itself (ECS_ENABLE_CONTAINER_METADATA)."""
import json
import os
import re

from docker_api import socket_path
from harness import STAYS, check, container, equal, poll
from relay import DockerRelay

ON = {"ECS_ENABLE_CONTAINER_METADATA": "true"}
NAME = "ecs-container-metadata.json"
PARTIAL = ["Cluster", "ContainerInstanceARN", "TaskARN", "TaskDefinitionFamily",
           "TaskDefinitionRevision", "ContainerName"]
FULL = [*PARTIAL[:5], "ContainerID", "ContainerName", "DockerContainerName", "ImageID",
        "ImageName", "PortMappings", "Networks", "MetadataFileStatus"]
START = r"POST \S*/start"


def of_task(c, arn):
    return os.path.join(c.agent.data, "metadata", arn.split(":task/")[1])


def on_host(c, arn, name):
    with open(os.path.join(of_task(c, arn), name, NAME), encoding="utf-8") as f:
        return json.load(f)


def members(seen, keys):
    """In order; where the host is, the agent need not know."""
    equal([k for k in seen if not re.match("Availability|Host", k)], keys, "members")


def place(box):
    env = dict(e.split("=", 1) for e in box["Config"]["Env"])
    return env.get("ECS_CONTAINER_METADATA_FILE")


def inside(c, box, test):
    """Whether a shell test of the container's file holds."""
    return c.docker.run_in(box["Id"], "sh", "-c", f'f=$ECS_CONTAINER_METADATA_FILE; {test}') == 0


def e2e_metadata_file(t):
    """Partial until the container was started and looked at, then full, field by field; gone
    with the task."""
    with t.cluster(env=ON, start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        start = relay.hold(START)
        definition = c.register([container("web", STAYS, portMappings=[{"containerPort": 8080}])])
        arn = c.run_one(definition)
        poll(lambda: start.count, "the container is to be started")
        box = c.inspect(arn, "web")
        seen = on_host(c, arn, "web")
        members(seen, PARTIAL)
        family, revision = definition.split(":")
        equal([seen[k] for k in PARTIAL],
              [c.name, c.instances()[0]["containerInstanceArn"], arn, family, revision, "web"],
              "the partial file")
        look = relay.hold(rf"GET \S*/containers/{box['Id']}/json")
        start.release()
        poll(lambda: look.count, "the container is looked at")
        check(inside(c, box, 'grep -q TaskARN $f && ! grep -q READY $f'), "partial from inside")
        check(re.fullmatch(r"/opt/ecs/metadata/[0-9a-f-]{36}/" + NAME, place(box)), place(box))
        bind = f"{of_task(c, arn)}/web:{os.path.dirname(place(box))}"
        check(box["HostConfig"]["Binds"] in ([bind], [bind + ":Z"]), box["HostConfig"]["Binds"])

        look.release()
        c.wait_running(arn)
        poll(lambda: inside(c, box, "grep -q READY $f"), "the file is full")
        box, seen = c.inspect(arn, "web"), on_host(c, arn, "web")
        members(seen, FULL)
        bound = [{"ContainerPort": 8080, "ContainerPortRange": "", "HostPort": int(b["HostPort"]),
                  "BindIp": b["HostIp"], "Protocol": "tcp"}
                 for b in box["NetworkSettings"]["Ports"]["8080/tcp"]]
        equal(sorted(seen["PortMappings"], key=str), sorted(bound, key=str), "ports")
        equal([seen[k] for k in FULL[5:10]], [box["Id"], "web", box["Name"], box["Image"],
                                              box["Config"]["Image"]], "the full file")
        equal(seen["Networks"], [{"NetworkMode": "bridge", "IPv4Addresses": [
            box["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]]}], "networks")
        check(inside(c, box, '[ "$(stat -c %a $f)" = 644 ] && touch ${f%/*}/mine'), "its mode")
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: not os.path.exists(of_task(c, arn)), "the folder is removed")


def e2e_metadata_file_killed(t):
    """The agent is killed between create and start: the next one makes the same container's file
    full. One that is full stays as it is, and what a task left while no agent ran is removed."""
    with t.cluster(env=ON, start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        start = relay.hold(START)
        arn = c.run_one(c.register([container("a")]))
        poll(lambda: start.count, "the container is to be started")
        box = c.inspect(arn, "a")
        c.agent.kill()
        members(on_host(c, arn, "a"), PARTIAL)
        stale = os.path.join(os.path.dirname(of_task(c, arn)), "0" * 32, "a")
        os.makedirs(os.path.join(stale, "left", "by", "it"))
        os.symlink("/etc", os.path.join(stale, "link"))
        c.agent.start().wait_connected()
        c.wait_running(arn)
        poll(lambda: on_host(c, arn, "a").get("MetadataFileStatus") == "READY", "the file is full")
        equal(c.inspect(arn, "a")["Id"], box["Id"], "the container")
        poll(lambda: not os.path.exists(os.path.dirname(stale)), "the other folder is removed")
        check(os.path.exists("/etc/passwd"), "no link is followed")
        file = os.path.join(of_task(c, arn), "a", NAME)
        before = os.stat(file).st_ino
        c.agent.kill()
        c.agent.start().wait_connected()
        # Another task's full file says that the worker has come by.
        other = c.run_one(c.register([container("b")]))
        c.wait_running(other)
        poll(lambda: on_host(c, other, "b").get("MetadataFileStatus") == "READY", "another's")
        equal(os.stat(file).st_ino, before, "the file that was full")


def e2e_metadata_file_trouble(t):
    """A folder that cannot be made is a warning; without the setting there is no file at all."""
    with t.cluster(env=ON, start=False) as c:
        with open(os.path.join(c.agent.data, "metadata"), "w", encoding="utf-8"):
            pass
        c.agent.start().wait_connected()
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        box = c.inspect(arn, "a")
        equal((place(box), box["HostConfig"]["Binds"]), (None, None), "variable and binds")
        c.agent.wait_log("a container gets no metadata file")
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        equal(place(c.inspect(arn, "a")), None, "variable")
        check(not os.path.exists(of_task(c, arn)), "no folder")
