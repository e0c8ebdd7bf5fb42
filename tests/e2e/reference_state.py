"""What the reference agent leaves on a host: its agent.db, written as bbolt does, and containers
with its labels.

`record` makes of a task as the control plane sends it what the reference stores of it; `write`
puts rows into a file. The reference's own words: names with capitals where its Go structures have
no others, statuses as text, times in RFC 3339, what it put into the environment itself.
"""
import copy
import json
import struct
import uuid

PAGE = 4096
BRANCH, LEAF, META, FREELIST = 1, 2, 4, 16
NEVER = "0001-01-01T00:00:00Z"
LABEL = "com.amazonaws.ecs."


# ---- the file ----

def fnv1a(data):
    total = 14695981039346656037
    for byte in data:
        total = (total ^ byte) * 1099511628211 % (1 << 64)
    return total


def leaf_body(items, flags=0):
    """The elements and bytes of a leaf: [(key, value)], sorted."""
    elements, data = b"", b""
    for i, (key, value) in enumerate(items):
        at = 16 * (len(items) - i) + len(data)
        elements += struct.pack("<IIII", flags, at, len(key), len(value))
        data += key + value
    return elements + data


def head(page, flags, count, overflow=0):
    return struct.pack("<QHHI", page, flags, count, overflow)


class Writer:
    """One commit: pages in the order in which they are asked for, from 3 on (2 is the list of
    free pages)."""

    def __init__(self, page=PAGE):
        self.page, self.pages = page, {}
        self.next = 3

    def add(self, flags, count, body):
        need = -(-(16 + len(body)) // self.page)
        number = self.next
        self.next += need
        self.pages[number] = (head(number, flags, count, need - 1) + body).ljust(
            need * self.page, b"\0")
        return number

    def tree(self, items, flags=0):
        """Leaves of about a page each, and branches over them."""
        level, group, size = [], [], 0
        for key, value in items:
            if group and size + 16 + len(key) + len(value) > self.page - 16:
                level.append((group[0][0], self.add(LEAF, len(group), leaf_body(group, flags))))
                group, size = [], 0
            group.append((key, value))
            size += 16 + len(key) + len(value)
        level.append((group[0][0] if group else b"", self.add(LEAF, len(group),
                                                              leaf_body(group, flags))))
        while len(level) > 1:
            upper = []
            for i in range(0, len(level), 16):
                part = level[i:i + 16]
                elements, data = b"", b""
                for k, (key, child) in enumerate(part):
                    at = 16 * (len(part) - k) + len(data)
                    elements += struct.pack("<IIQ", at, len(key), child)
                    data += key
                upper.append((part[0][0], self.add(BRANCH, len(part), elements + data)))
            level = upper
        return level[0][1]

    def bucket(self, rows):
        """What its parent holds of it: small ones stand there whole."""
        items = sorted((k.encode(), v.encode()) for k, v in rows.items())
        body = leaf_body(items)
        if 16 + len(body) <= self.page // 4:
            return struct.pack("<QQ", 0, 0) + head(0, LEAF, len(items)) + body
        return struct.pack("<QQ", self.tree(items), 0)

    def meta(self, number, root, txid):
        body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, self.page, 0, root, 0, 2, self.next, txid)
        return (head(number, META, 0) + body + struct.pack("<Q", fnv1a(body))).ljust(
            self.page, b"\0")


def write(path, buckets, page=PAGE):
    """`buckets`: {name: {key: text}}."""
    w = Writer(page)
    roots = sorted((name.encode(), w.bucket(rows)) for name, rows in buckets.items())
    root = w.tree(roots, flags=1)
    free = (head(2, FREELIST, 0)).ljust(page, b"\0")
    with open(path, "wb") as out:
        out.write(w.meta(0, root, 2) + w.meta(1, root, 3) + free)
        for number in sorted(w.pages):
            out.write(w.pages[number])


# ---- the rows ----

def binding(port, host_port, ip="0.0.0.0"):
    return {"ContainerPort": port["containerPort"], "ContainerPortRange": "", "HostPort": host_port,
            "BindIp": ip, "Protocol": port.get("protocol", "tcp")}


def container_record(task, sent, docker_id, endpoint, known="RUNNING", bindings=(), **more):
    env = dict(sent.get("environment") or {})
    env.update({"ECS_CONTAINER_METADATA_URI": f"http://169.254.170.2/v3/{endpoint}",
                "ECS_CONTAINER_METADATA_URI_V4": f"http://169.254.170.2/v4/{endpoint}",
                "ECS_AGENT_URI": f"http://169.254.170.2/api/{endpoint}"})
    role = (task.get("roleCredentials") or {}).get("credentialsId")
    if role:
        env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = f"/v2/credentials/{role}"
    overrides = sent.get("overrides") or "{}"
    if isinstance(overrides, str):
        overrides = json.loads(overrides)
    row = {
        "Name": sent["name"], "RuntimeID": docker_id, "taskARN": task["arn"],
        "V3EndpointID": endpoint, "Image": sent["image"], "ImageID": "", "ImageDigest": "",
        "Command": sent.get("command"), "Cpu": sent.get("cpu", 0), "GPUIDs": None,
        "Memory": sent.get("memory", 0), "Links": sent.get("links"),
        "firelensConfiguration": sent.get("firelensConfiguration"),
        "volumesFrom": sent.get("volumesFrom") or [], "mountPoints": sent.get("mountPoints") or [],
        "portMappings": [dict(ContainerPort=p.get("containerPort", 0),
                              ContainerPortRange=p.get("containerPortRange", ""),
                              HostPort=p.get("hostPort", 0), BindIp="",
                              Protocol=p.get("protocol", "tcp"))
                         for p in sent.get("portMappings") or []],
        "secrets": sent.get("secrets"), "Essential": sent.get("essential", False),
        "EntryPoint": sent.get("entryPoint"), "environment": env,
        "environmentFiles": sent.get("environmentFiles"),
        "overrides": {"command": overrides.get("command")},
        "dockerConfig": {"config": None, "hostConfig": None, "version": None,
                         **(sent.get("dockerConfig") or {})},
        "registryAuthentication": sent.get("registryAuthentication"),
        "LogsAuthStrategy": sent.get("logsAuthStrategy", ""),
        "StartTimeout": sent.get("startTimeout", 0), "StopTimeout": sent.get("stopTimeout", 0),
        "desiredStatus": "RUNNING", "KnownStatus": known, "TransitionDependencySet": {},
        "RunDependencies": None, "IsInternal": "NORMAL", "ApplyingError": None,
        "SentStatus": known if known in ("RUNNING", "STOPPED") else "NONE",
        "metadataFileUpdated": False, "KnownExitCode": None, "KnownPortBindings": list(bindings),
        "ContainerArn": sent.get("containerArn", ""), "containerTornDown": False,
        "startedAt": "2026-01-02T03:04:05.678901234Z", "ContainerHasPortRange": False,
        "ContainerPortSet": {}, "ContainerPortRangeMap": {},
        "RestartAggregationDataForStats": {},
    }
    for key in ("dependsOn", "healthCheckType", "restartPolicy", "credentialSpecs"):
        if sent.get(key):
            row[key] = sent[key]
    row.update(more)
    return row


def record(task, containers, known="RUNNING", **more):
    """`task`: as the control plane sends it. `containers`: {name: what container_record takes
    besides} with "docker_name". The rows of the buckets `tasks` and `containers`."""
    task_id = task["arn"].rsplit("/", 1)[1]
    parts, rows = [], {}
    for sent in task["containers"]:
        how = dict(containers.get(sent["name"]) or {})
        name = how.pop("docker_name", "")
        row = container_record(task, sent, how.pop("docker_id", ""),
                               how.pop("endpoint", None) or str(uuid.uuid4()), **how)
        parts.append(row)
        rows[f"{task_id}-{sent['name']}"] = json.dumps(
            {"DockerId": row["RuntimeID"], "DockerName": name, "Container": row})
    stored = copy.deepcopy(parts)
    for row in stored:  # a task's row is older than those of its containers
        row.update(KnownStatus="NONE", SentStatus="NONE", RuntimeID="", KnownPortBindings=[])
    body = {
        "Arn": task["arn"], "Family": task["family"], "Version": task["version"],
        "ServiceName": task.get("serviceName", ""), "Group": task.get("group", ""),
        "Containers": stored, "associations": [], "resources": {},
        "volumes": task.get("volumes") or [], "DesiredStatus": "RUNNING", "KnownStatus": known,
        "KnownTime": "2026-01-02T03:04:06.000000001Z", "PullStartedAt": "2026-01-02T03:04:01Z",
        "PullStoppedAt": "2026-01-02T03:04:02Z", "ExecutionStoppedAt": NEVER,
        "SentStatus": known if known in ("RUNNING", "STOPPED") else "NONE",
        "executionCredentialsID":
            (task.get("executionRoleCredentials") or {}).get("credentialsId", ""),
        "credentialsID": (task.get("roleCredentials") or {}).get("credentialsId", ""),
        "ENI": None, "AppMesh": None, "MemoryCPULimitsEnabled": True, "PlatformFields": {},
        "LaunchType": task.get("launchType", "EC2"),
        "NetworkMode": task.get("networkMode", "bridge"),
    }
    for key, name in (("cpu", "Cpu"), ("memory", "Memory"), ("pidMode", "PidMode"),
                      ("ipcMode", "IpcMode")):
        if task.get(key):
            body[name] = task[key]
    body.update(more)
    return {task_id: json.dumps(body)}, rows


def metadata(cluster, instance_arn, **more):
    rows = {"agent-version": "1.105.1", "availability-zone": "us-west-2a",
            "cluster-name": cluster, "container-instance-arn": instance_arn,
            "task-manifest-seq-num": "0"}
    rows.update(more)
    return {key: json.dumps(value) for key, value in rows.items() if value is not None}


def state(meta, *records, **more):
    """All buckets, from `metadata` and any number of `record`."""
    buckets = {"metadata": meta, "tasks": {}, "containers": {}, "images": {},
               "eniattachments": {}, "resattachments": {}}
    for tasks, containers in records:
        buckets["tasks"].update(tasks)
        buckets["containers"].update(containers)
    buckets.update(more)
    return buckets


def labels(cluster, task, container):
    return {LABEL + "cluster": cluster, LABEL + "container-name": container,
            LABEL + "task-arn": task["arn"], LABEL + "task-definition-family": task["family"],
            LABEL + "task-definition-version": task["version"]}
