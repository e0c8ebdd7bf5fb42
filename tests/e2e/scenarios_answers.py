"""The answers about real tasks, field by field: which members there are, in which order, of
which type, which are left out, and as far as the engine knows it, what they say.

They are asked on the host, so no rules are needed; and at ports of their own, below those that
clients have, so these scenarios run beside others.
"""
import datetime
import json
import re

from harness import STAYS, check, container, equal, health, labels_of, poll
from scenarios_endpoints import environment, get

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")

# A shape is a type, a list of one shape, a dict of shapes in their order, or a function that
# says whether a value is right. A key that ends with "?" may be left out.


def time_text(value):
    return isinstance(value, str) and TIME.fullmatch(value) is not None


def number(value):
    """Of any kind: a whole one is told without a point."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and \
        not (isinstance(value, float) and value.is_integer() and abs(value) < 1e15)


def said(wanted):
    return lambda value: value == wanted and type(value) is type(wanted)


class Table(dict):
    """A map with any keys, sorted, and values of one shape."""


def fits(value, shape, where):
    if isinstance(shape, Table):
        check(isinstance(value, dict), f"{where}: {value!r}")
        equal(list(value), sorted(value), f"order of {where}")
        for key in value:
            fits(value[key], shape["*"], f"{where}.{key}")
    elif isinstance(shape, dict):
        check(isinstance(value, dict), f"{where}: {value!r}")
        wanted = [k.rstrip("?") for k in shape if not k.endswith("?") or k[:-1] in value]
        equal(list(value), wanted, f"members of {where}")
        for key, inner in shape.items():
            if key.rstrip("?") in value:
                fits(value[key.rstrip("?")], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        check(isinstance(value, list) and value, f"{where}: {value!r}")
        for i, element in enumerate(value):
            fits(element, shape[0], f"{where}[{i}]")
    elif isinstance(shape, type):
        check(type(value) is shape, f"{where}: {value!r} is no {shape.__name__}")
    else:
        check(shape(value), f"{where}: {value!r}")


def ports(tasks, introspection):
    return {"BERTH_TASKS_PORT": str(tasks), "BERTH_INTROSPECTION_PORT": str(introspection)}


def answer(path, port):
    status, text = get(path, port)
    equal(status, 200, f"status of {path}")
    check(not re.search(r'[{,:\[]\s|\s$', re.sub(r'"(\\.|[^"\\])*"', '""', text)),
          f"blanks in {text}")
    return json.loads(text)


def path_of(c, task, name, version):
    variable = "ECS_CONTAINER_METADATA_URI" + ("_V4" if version == 4 else "")
    return environment(c, task, name)[variable][len("http://169.254.170.2"):]


def engine_time(text):
    """As the metadata tell it: to the millisecond, without zeros at its end."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    fraction = fraction[:3].rstrip("0")
    return whole + (f".{fraction}" if fraction else "") + "Z"


def near(text):
    """What the agent notes comes a moment after what the engine does."""
    def seconds(value):
        form = "%Y-%m-%dT%H:%M:%S.%f" if "." in value else "%Y-%m-%dT%H:%M:%S"
        return datetime.datetime.strptime(value[:-1], form).timestamp()

    return lambda value: time_text(value) and 0 <= seconds(value) - seconds(engine_time(text)) < 20


PORT4 = {"ContainerPort": int, "Protocol": said("tcp"), "HostPort": int, "HostIp": str}


def container_v4(box, **more):
    """Of a bridge container with all that it may have."""
    return {
        "DockerId": said(box["Id"]), "Name": said("api"), "DockerName": said(box["Name"][1:]),
        "Image": said(box["Config"]["Image"]), "ImageID": said(box["Image"]), "Ports": [PORT4],
        "Labels": said(labels_of(box)), "DesiredStatus": said("RUNNING"),
        "KnownStatus": said("RUNNING"), "Limits": {"CPU": said(256), "Memory": said(64)},
        "CreatedAt": near(box["Created"]),
        "StartedAt": said(engine_time(box["State"]["StartedAt"])), "Type": said("NORMAL"),
        "Health": {"status": said("HEALTHY"), "statusSince": time_text, "output": said("ok\n")},
        "Volumes": [{"DockerName?": str, "Source": said(box["Mounts"][0]["Source"]),
                     "Destination": said("/data")}],
        "LogDriver": said("json-file"), "LogOptions": said({"max-file": "2", "max-size": "1m"}),
        "ContainerARN": lambda v: re.fullmatch(r"arn:aws:ecs:[^:]+:\d{12}:container/\S+", v),
        "Networks": [{"NetworkMode": said("bridge"), "IPv4Addresses": said(
            [box["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]])}],
        "RestartCount": said(0), **more}


CPU = {"cpu_usage": {"total_usage": int, "percpu_usage?": [int], "usage_in_kernelmode": int,
                     "usage_in_usermode": int},
       "system_cpu_usage?": int, "online_cpus?": int,
       "throttling_data": {"periods": int, "throttled_periods": int, "throttled_time": int}}
INTERFACE = {f"{way}_{what}": int for way in ("rx", "tx")
             for what in ("bytes", "packets", "errors", "dropped")}


def entries(value):
    """A list of the engine's block statistics."""
    for entry in value or []:
        fits(entry, {"major": int, "minor": int, "op": str, "value": int}, "entry")
    return value is None or isinstance(value, list)


def stats_v4(box, network):
    more = {"networks": {"eth0": INTERFACE}, "network_rate_stats": {
        "rx_bytes_per_sec": number, "tx_bytes_per_sec": number}} if network else {}
    return {
        "read": time_text_ns, "preread": time_text_ns, "pids_stats": {"current?": int, "limit?": int},
        "blkio_stats": {name: entries for name in (
            "io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive",
            "io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive",
            "io_time_recursive", "sectors_recursive")},
        "num_procs": said(0), "storage_stats": said({}), "cpu_stats": CPU, "precpu_stats": CPU,
        "memory_stats": {"usage?": int, "max_usage?": int, "stats?": Table({"*": int}),
                         "failcnt?": int, "limit?": int},
        "name": said(box["Name"]), "id": said(box["Id"]), **more}


def time_text_ns(value):
    return isinstance(value, str) and TIME.fullmatch(value) is not None and value[:4] != "0001"


def settled(path, port):
    """Statistics after a second reading: what a first one lacks is there."""
    return poll(lambda: '"0001-' not in get(path, port)[1] and answer(path, port), "two readings",
                30, 0.2)


def e2e_answers_bridge(t):
    """Version 4 of a container in bridge mode, its statistics, its task, and introspection."""
    with t.cluster(env=ports(28671, 28672)) as c:
        task = c.run_one(c.register([container(
            "api", STAYS, cpu=256, memory=64, portMappings=[{"containerPort": 8080}],
            healthCheck=health("echo ok"), restartPolicy={"enabled": True},
            mountPoints=[{"sourceVolume": "data", "containerPath": "/data"}],
            logConfiguration={"logDriver": "json-file",
                              "options": {"max-size": "1m", "max-file": "2"}})],
            cpu="512", memory="128", volumes=[{"name": "data", "host": {}}]))
        c.wait_running(task)
        box, path = c.inspect(task, "api"), path_of(c, task, "api", 4)
        poll(lambda: "HEALTHY" in get(path, 28671)[1], "health", every=0.1)  # within the limit of requests
        seen = answer(path, 28671)
        fits(seen, container_v4(box), "container")
        bound = [(b["HostIp"], b["HostPort"])
                 for b in box["NetworkSettings"]["Ports"]["8080/tcp"]]
        equal(sorted(ip for ip, _ in bound), ["0.0.0.0", "::"], "addresses that Docker binds")
        equal([(p["HostIp"], str(p["HostPort"])) for p in seen["Ports"]], sorted(bound), "ports")
        # ECS_EXCLUDE_IPV6_PORTBINDING, which is on by default, is about the reports only.
        told = c.task(task)["containers"][0]["networkBindings"]
        equal([b["bindIP"] for b in told], ["0.0.0.0"], "addresses in the report")
        equal({p["ContainerPort"] for p in seen["Ports"]}, {8080}, "ports of the container")

        family, revision = task_definition(c, task)
        fits(answer(path + "/task", 28671), {
            "Cluster": said(c.name), "TaskARN": said(task), "Family": said(family),
            "Revision": said(revision), "DesiredStatus": said("RUNNING"),
            "KnownStatus": said("RUNNING"), "Limits": {"CPU": said(0.5), "Memory": said(128)},
            "PullStartedAt?": time_text, "PullStoppedAt?": time_text, "AvailabilityZone?": str,
            "LaunchType": said("EC2"), "Containers": [container_v4(box)], "VPCID?": str,
            "FaultInjectionEnabled": said(False), "AvailabilityZoneID?": str}, "task")

        stats = settled(path + "/stats", 28671)
        fits(stats, stats_v4(box, True), "statistics")
        check(stats["cpu_stats"]["cpu_usage"]["total_usage"] >=
              stats["precpu_stats"]["cpu_usage"]["total_usage"], "time goes on")
        fits(answer(path + "/task/stats", 28671), {box["Id"]: stats_v4(box, True)}, "task statistics")

        one = answer(f"/v1/tasks?dockerid={box['Id'][:12]}", 28672)
        port = {k: v for k, v in PORT4.items() if k != "HostIp"}
        fits(one, {"Arn": said(task), "DesiredStatus": said("RUNNING"),
                   "KnownStatus": said("RUNNING"), "Family": said(family),
                   "Version": said(revision), "Containers": [{
                       "DockerId": said(box["Id"]), "DockerName": said(box["Name"][1:]),
                       "Name": said("api"), "Image": said(box["Config"]["Image"]),
                       "ImageID": said(box["Image"]),
                       "CreatedAt": near(box["Created"]),
                       "StartedAt": said(engine_time(box["State"]["StartedAt"])), "Ports": [port],
                       "Volumes": [{"DockerName?": str, "Source": str, "Destination": str}],
                       "RestartCount": said(0)}]}, "introspection")
        equal(answer("/v1/tasks", 28672), {"Tasks": [one]}, "introspection of all")
        fits(answer("/v1/metadata", 28672), {
            "Cluster": said(c.name), "ContainerInstanceArn": said(
                c.instances()[0]["containerInstanceArn"]),
            "Version": lambda v: re.fullmatch(r"Amazon ECS Agent - v\d+\.\d+\.\d+ \(\S+\)", v)},
             "metadata of the agent")


def e2e_answers_of_the_ended(t):
    """A container that has ended for good has no statistics any more: one that its restart
    policy gives up, and one that somebody removes."""
    with t.cluster(env=ports(28675, 28676)) as c:
        task = c.run_one(c.register([
            container("keeper", STAYS),
            container("short", "sleep 3", essential=False,
                      restartPolicy={"enabled": True, "restartAttemptPeriod": 60}),
            container("lost", STAYS, essential=False)]))
        c.wait_running(task)
        path = path_of(c, task, "keeper", 4) + "/task/stats"
        keeper, lost = (c.inspect(task, name)["Id"] for name in ("keeper", "lost"))

        def told():
            return {key for key, value in answer(path, 28675).items() if value}

        poll(lambda: {keeper, lost} <= told(), "those that run are measured", 30, 0.2)
        c.docker.remove(lost)
        poll(lambda: told() == {keeper}, "the ended are not", 30, 0.2)


def task_definition(c, task):
    return c.task(task)["taskDefinitionArn"].rsplit("/", 1)[1].split(":")


def e2e_answers_host(t):
    """Version 3 of a task in host mode with next to nothing, and what its end looks like."""
    with t.cluster(env={**ports(28673, 28674), "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "20s"}) as c:
        task = c.run_one(c.register([container("api", "sleep 6; exit 3", cpu=0, memory=32),
                                     container("other", essential=False)], networkMode="host"))
        c.wait([task], "RUNNING")
        path = path_of(c, task, "api", 3)
        family, revision = task_definition(c, task)

        def one(name, **more):
            box = c.inspect(task, name)
            return {"DockerId": said(box["Id"]), "Name": said(name),
                    "DockerName": said(box["Name"][1:]), "Image": said(box["Config"]["Image"]),
                    "ImageID": said(box["Image"]), "Labels": said(labels_of(box)),
                    "DesiredStatus": str, "KnownStatus": str, **more,
                    "Limits": {"CPU": said(2 if name == "api" else 10), "Memory": said(32)},
                    "CreatedAt": time_text, "StartedAt": time_text, "FinishedAt?": time_text,
                    "Type": said("NORMAL"), "Networks": said(
                        [{"NetworkMode": "host", "IPv4Addresses": [""]}])}

        def whole(status, ended):
            return {"Cluster": said(c.name), "TaskARN": said(task), "Family": said(family),
                    "Revision": said(revision), "DesiredStatus": status, "KnownStatus": status,
                    "Containers": lambda v: len(v) == 2, "PullStartedAt?": time_text,
                    "PullStoppedAt?": time_text, ended: time_text, "AvailabilityZone?": str}

        seen = answer(path + "/task", 28673)
        by_name = {k["Name"]: k for k in seen["Containers"]}
        fits(by_name["other"], one("other"), "the other container")
        fits(seen, whole(str, "ExecutionStoppedAt?"), "task")
        c.wait_stopped(task)
        seen = answer(path + "/task", 28673)
        fits(seen, whole(said("STOPPED"), "ExecutionStoppedAt"), "ended task")
        ended = answer(path, 28673)
        fits(ended, one("api", DesiredStatus=said("STOPPED"), KnownStatus=said("STOPPED"),
                        ExitCode=said(3)), "ended container")
        equal(ended["FinishedAt"], engine_time(c.inspect(task, "api")["State"]["FinishedAt"]),
              "end of the container")
        check(near(ended["FinishedAt"])(seen["ExecutionStoppedAt"]),
              f"end of the task: {seen['ExecutionStoppedAt']}, of it: {ended['FinishedAt']}")
        docker_id = ended["DockerId"]
        equal(get(path + "/stats", 28673), (400, json.dumps(
            f"Unable to get container stats for: {docker_id}")), "statistics of what has ended")
        four = path.replace("/v3/", "/v4/")
        equal(get(four + "/stats", 28673), (500, json.dumps(
            f"Unable to get container stats for: {docker_id}")), "the same of version 4")
        equal(list(answer(four + "/task/stats", 28673).values()), [{}, {}], "statistics of the ended task")
        equal(get("/v1/tasks?dockerid=nobody", 28674), (404, json.dumps(
            {"Arn": "", "KnownStatus": "", "Family": "", "Version": "", "Containers": None},
            separators=(",", ":"))), "introspection of nobody")
        equal([get(f"/v{n}/nobody/task", 28673)[0] for n in (3, 4)], [500, 404], "unknown ids")
        status, text = get("/v2/credentials/nobody", 28673)
        equal((status, json.loads(text)), (400, {
            "code": "InvalidIdInRequest", "message": "CredentialsV2Request: Credentials not found",
            "HTTPErrorCode": 400}), "unknown credentials")
