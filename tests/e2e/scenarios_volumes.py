"""Volumes and mounts, links and ports."""
import os
import socket
import tempfile
import urllib.request

from docker_api import DockerError
from edited import with_tasks
from harness import STAYS, check, container, contains, depends, equal, part, poll

# A range of host ports that neither the kernel nor the other scenarios give out.
RANGE = (28100, 28163)
RANGED = {"ECS_DYNAMIC_HOST_PORT_RANGE": f"{RANGE[0]}-{RANGE[1]}"}
WEB = "echo here > /www/index.html; trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait $!"


def remove_volume(c, name):
    try:
        c.docker.request("DELETE", f"/volumes/{name}")
    except DockerError as e:
        if e.status != 404:
            raise


def mount(volume, path, read_only=False):
    return {"sourceVolume": volume, "containerPath": path, "readOnly": read_only}


def volume(name, **docker):
    return {"name": name, "dockerVolumeConfiguration": docker}


def e2e_volumes_of_task(t):
    """A directory of the host, an anonymous volume and one of a driver with options, shared
    by the containers of a task; the task's own go with it."""
    with tempfile.TemporaryDirectory() as host, t.cluster() as c:
        with open(os.path.join(host, "given"), "w", encoding="ascii") as out:
            out.write("by the host")
        writes = "echo one > /anon/x; echo two > /opts/x; echo three > /host/x; "
        arn = c.run_one(c.register([
            container("writer", writes + STAYS, mountPoints=[
                mount("anon", "/anon"), mount("opts", "/opts"), mount("host", "/host")]),
            container("reader", mountPoints=[mount("anon", "/a"), mount("host", "/h", True)],
                      dependsOn=depends(("writer", "START"))),
            container("heir", volumesFrom=[{"sourceContainer": "writer", "readOnly": True}])],
            volumes=[{"name": "anon", "host": {}}, {"name": "host", "host": {"sourcePath": host}},
                     volume("opts", scope="task", driver="local", labels={"shape": "flat"},
                            driverOpts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})]))
        c.wait_running(arn)
        row = {n: c.inspect(arn, n) for n in ("writer", "reader", "heir")}
        binds = {b.split(":")[1]: b for b in row["writer"]["HostConfig"]["Binds"]}
        equal(binds["/host"], f"{host}:/host", "bind of the host's directory")
        contains(row["reader"]["HostConfig"]["Binds"][1], f"{host}:/h:ro", "read-only bind")
        source = binds["/anon"].split(":")[0]
        family, revision = c.task(arn)["taskDefinitionArn"].rsplit("/", 1)[1].split(":")
        check(source.startswith(f"ecs-{family}-{revision}-anon-") and
              len(source.rsplit("-", 1)[1]) == 20, f"name of the anonymous volume {source}")
        equal(row["heir"]["HostConfig"]["VolumesFrom"],
              [row["writer"]["Name"].lstrip("/") + ":ro"], "VolumesFrom")
        made = c.docker.request("GET", "/volumes/" + binds["/opts"].split(":")[0])
        equal((made["Options"], made["Labels"]["shape"]),
              ({"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}, "flat"), "volume with options")
        poll(lambda: os.path.exists(os.path.join(host, "x")), "the writer has written")
        for name, test in (("reader", "grep -q one /a/x && grep -q three /h/x && ! touch /h/new"),
                           ("heir", "grep -q two /opts/x && ! touch /anon/new"),
                           ("writer", "grep -q 'by the host' /host/given")):
            equal(c.docker.run_in(row[name]["Id"], "sh", "-c", test), 0, f"{name}: {test}")
        equal(len(c.docker.volumes(f"ecs-{family}-{revision}-")), 2, "volumes of the task")
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: not c.docker.volumes(f"ecs-{family}-{revision}-"), "the volumes are removed")
        check(os.path.exists(os.path.join(host, "given")), "the host's file is gone")


def e2e_volumes_shared(t):
    """A shared volume is made when it may be, outlives its tasks, and is found again."""
    name = f"berth-e2e-shared-{os.getpid()}"
    with t.cluster() as c:
        try:
            definition = c.register(
                [container("a", "test -e /v/x && exit 9; echo 1 > /v/x; exit 4",
                           mountPoints=[mount(name, "/v")])],
                volumes=[volume(name, scope="shared", autoprovision=True, driver="local",
                                labels={"of": "both"})])
            equal(part(c.wait_stopped(c.run_one(definition)), "a")["exitCode"], 4, "the first")
            poll(lambda: not c.containers(), "the first is removed")
            equal(c.docker.request("GET", f"/volumes/{name}")["Labels"], {"of": "both"}, "labels")
            equal(part(c.wait_stopped(c.run_one(definition)), "a")["exitCode"], 9, "the second")
            found = c.register([container("a", "exit $(cat /v/x)",
                                          mountPoints=[mount(name, "/v", True)])],
                               volumes=[volume(name, scope="shared", autoprovision=False)])
            equal(part(c.wait_stopped(c.run_one(found)), "a")["exitCode"], 1, "one that finds it")
            poll(lambda: not c.containers(), "all are removed")
            equal(c.docker.volumes(name), [name], "the volume stays")
        finally:
            for row in c.containers():
                c.docker.remove(row["Id"])
            remove_volume(c, name)


def e2e_volumes_missing(t):
    """A shared volume that is not there and may not be made, one whose options Docker
    refuses, and a mount of none: the tasks end and say so."""
    def change(task):
        name = task["containers"][0]["name"]
        if name == "lost":
            task["volumes"] = []

    with with_tasks(t, change) as c:
        absent = c.register([container("a", mountPoints=[mount("e2e-nowhere", "/v")])],
                            volumes=[volume("e2e-nowhere", scope="shared", autoprovision=False)])
        unmade = c.register([container("a", mountPoints=[mount("v", "/v")])],
                              volumes=[volume("v", scope="task", driverOpts={"shape": "round"})])
        lost = c.register([container("lost", mountPoints=[mount("v", "/v")])],
                          volumes=[{"name": "v", "host": {}}])
        good = c.run_one(c.register([container("a")]))
        absent, unmade, lost = (c.run_one(d) for d in (absent, unmade, lost))
        task = c.wait_stopped(absent)
        contains(task["stoppedReason"].lower(), "e2e-nowhere", "reason of the missing volume")
        check("reason" not in part(task, "a"), "the container of a failed volume has a reason")
        contains(c.wait_stopped(unmade)["stoppedReason"], "shape", "reason of the bad option")
        equal(part(c.wait_stopped(lost), "lost")["reason"],
              "HostConfigError: Invalid volume referenced: v", "reason of the missing mount")
        c.wait_running(good)


# ---- ports ----

def ports_of(task, name):
    return part(task, name).get("networkBindings", [])


def e2e_ports(t):
    """Fixed, chosen, UDP and ranges of ports: what the engine binds, what is reported, and
    that somebody answers there. A port that another program holds is not chosen."""
    with t.cluster(env=RANGED) as c, socket.socket() as holder:
        holder.bind(("0.0.0.0", RANGE[0]))
        holder.listen()
        arn = c.run_one(c.register([
            container("web", WEB, portMappings=[
                {"containerPort": 80}, {"containerPort": 81, "hostPort": 28180},
                {"containerPort": 53, "hostPort": 28181, "protocol": "udp"},
                {"containerPort": 54, "protocol": "udp"}]),
            container("range", portMappings=[{"containerPortRange": "9000-9003"},
                                             {"containerPortRange": "9100-9101",
                                              "protocol": "udp"}])]))
        task = c.wait_running(arn)
        seen = {(b["containerPort"], b["protocol"]): b["hostPort"] for b in ports_of(task, "web")}
        equal(sorted(seen), [(53, "udp"), (54, "udp"), (80, "tcp"), (81, "tcp")], "bound ports")
        equal((seen[81, "tcp"], seen[53, "udp"]), (28180, 28181), "fixed ports")
        for key in ((80, "tcp"), (54, "udp")):
            check(RANGE[0] < seen[key] <= RANGE[1], f"chosen port {seen[key]}")
        with urllib.request.urlopen(f"http://127.0.0.1:{seen[80, 'tcp']}/", timeout=10) as answer:
            equal(answer.read(), b"here\n", "what the web server says")
        rows = {b["containerPortRange"]: b for b in ports_of(task, "range")}
        equal(sorted(rows), ["9000-9003", "9100-9101"], "bound ranges")
        for name, size in (("9000-9003", 4), ("9100-9101", 2)):
            first, last = (int(p) for p in rows[name]["hostPortRange"].split("-"))
            equal(last - first + 1, size, f"host ports for {name}")
            check(RANGE[0] < first and last <= RANGE[1], f"host ports {first}-{last}")
        bound = c.inspect(arn, "range")["HostConfig"]["PortBindings"]
        equal(len(bound), 6, "ports bound for both ranges")
        equal({b["HostIp"] for list_ in bound.values() for b in list_}, {""}, "addresses asked for")
        exposed = c.inspect(arn, "range")["Config"]["ExposedPorts"]
        equal(sorted(exposed)[0], "9000/tcp", "each port of a range is exposed")


def e2e_ports_none_left(t):
    """When no port of the range is free the task ends and says so; the next one, once a
    port is free again, gets it."""
    env = {"ECS_DYNAMIC_HOST_PORT_RANGE": "28190-28191"}
    one = [{"containerPort": 80}]
    with t.cluster(env=env) as c:
        definition = c.register([container("a", portMappings=one)])
        arns = c.run(definition, count=2)
        tasks = c.wait(arns, "RUNNING")
        equal(sorted(ports_of(task, "a")[0]["hostPort"] for task in tasks), [28190, 28191],
              "ports of both")
        reason = part(c.wait_stopped(c.run_one(definition)), "a")["reason"]
        equal(reason, "HostConfigError: error retrieving docker port map: a host port is "
              "unavailable", "reason")
        block = c.register([container("a", portMappings=[{"containerPortRange": "90-92"}])])
        contains(part(c.wait_stopped(c.run_one(block)), "a")["reason"],
                 "3 contiguous host ports are unavailable", "reason of a range")
        c.stop(arns[0])
        freed = ports_of(tasks[0], "a")[0]["hostPort"]
        c.wait_stopped(arns[0])
        poll(lambda: len(c.containers()) == 1, "its container is removed")
        equal(ports_of(c.wait_running(c.run_one(definition)), "a")[0]["hostPort"], freed,
              "the port that was free again")


def e2e_ports_in_host_mode(t):
    """On the host's network nothing is bound: the port is the container's own."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", portMappings=[
            {"containerPort": 28195, "hostPort": 28195}])], networkMode="host"))
        c.wait_running(arn)
        host = c.inspect(arn, "a")["HostConfig"]
        equal(host["NetworkMode"], "host", "NetworkMode")


def e2e_links_alias(t):
    """A link without an alias goes by the container's name; both are in the engine's rows."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("one", links=["two", "two:other"]),
                                    container("two")]))
        c.wait_running(arn)
        two = c.inspect(arn, "two")["Name"]
        own = c.inspect(arn, "one")
        equal(sorted(own["HostConfig"]["Links"]),
              sorted(f"{two}:{own['Name']}/{alias}" for alias in ("two", "other")), "links")
