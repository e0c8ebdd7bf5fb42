"""What tasks find at 169.254.170.2, and people on the host at the introspection port.

These scenarios use the real address, ports and rules of the host, so they run alone.
"""
import http.client
import json
import os
import re
import subprocess

from harness import STAYS, check, container, equal, labels_of, part, poll

ROLE = "arn:aws:iam::123456789012:role/orders"
HERE = {"BERTH_TASKS_PORT": "51679", "BERTH_INTROSPECTION_PORT": "51678",
        "BERTH_NETWORK_RULES": "remove"}


def ask(path):
    """A shell command that prints the answer; the image's own wget looks names up, and dies."""
    return f'printf "GET {path} HTTP/1.0\\r\\n\\r\\n" | nc -w 5 169.254.170.2 80'


def cluster(t, **more):
    return t.cluster(env={**HERE, **more})


def connect(port):
    """A connection to a local endpoint. An ended connection of any program may keep the port for
    a minute; the agent says so and tries again."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def listens():
        try:
            connection.connect()
            return True
        except ConnectionRefusedError:
            return False

    poll(listens, f"a listener on port {port}", timeout=70)
    return connection


def get(path, port=51679):
    connection = connect(port)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def environment(c, task, name):
    return dict(e.split("=", 1) for e in c.inspect(task, name)["Config"]["Env"])


def rules():
    done = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "169.254.170.2" in line]


def e2e_endpoints_credentials(t):
    """A task's credentials from inside its container, in bridge and in host mode; those of
    another task are refused, and every request is audited."""
    # A file of its own, for what is asked elsewhere is written down there too.
    log = os.path.join("/tmp", f"berth-audit-{os.getpid()}")
    with cluster(t, ECS_AUDIT_LOGFILE=log) as c:
        c.agent.wait_log("tasks reach their credentials")
        good = ask("$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") + f" | grep -q '\"RoleArn\":\"{ROLE}\"'"
        for mode in ("bridge", "host"):
            arn = c.run_one(c.register([container("a", f"{good} || exit 3; exit 0")],
                                       networkMode=mode, taskRoleArn=ROLE))
            equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, f"exit code in {mode} mode")
        victim = c.run_one(c.register([container("v", STAYS)], taskRoleArn=ROLE))
        c.wait_running(victim)
        uri = environment(c, victim, "v")["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        status, text = get(uri)
        equal(status, 200, "status on the host")
        keys = json.loads(text)
        equal(list(keys), ["RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"],
              "members")
        thief = c.run_one(c.register([container(
            "t", f"{ask(uri)} | grep -q ' 403 ' || exit 7; exit 0")]))
        equal(part(c.wait_stopped(thief), "t")["exitCode"], 0, "exit code of the other task")
        equal(get("/v2/credentials/nobody")[0], 400, "status of an unknown id")
        with open(log, encoding="utf-8") as f:
            lines = f.read().splitlines()
        os.unlink(log)
        equal([line.split()[1] for line in lines], ["200", "200", "200", "403", "400"], "audit log")
        check(all(re.match(r'\S+Z \d+ \S+ "/v2/credentials" "', line) for line in lines), lines)
        check(not any(keys["SecretAccessKey"] in line for line in lines), "no key is audited")
        check(rules(), "the rules are there while the agent runs")
        c.stop(victim)
        c.wait_stopped(victim)
        c.agent.stop()
        equal(rules(), [], "rules after the agent")
        c.agent.start().wait_connected()


def e2e_endpoints_metadata(t):
    """Task and container metadata, statistics and introspection of a real task."""
    with cluster(t) as c:
        task = c.run_one(c.register([container("web", STAYS, portMappings=[
            {"containerPort": 8080, "protocol": "tcp"}], dockerLabels={"team": "payments"})],
            cpu="256", memory="128"))
        c.wait_running(task)
        box = c.inspect(task, "web")
        base = environment(c, task, "web")["ECS_CONTAINER_METADATA_URI_V4"]
        equal(base.startswith("http://169.254.170.2/v4/"), True, f"address {base}")
        path = base[len("http://169.254.170.2"):]

        status, text = get(path)
        equal(status, 200, "status of the container")
        seen = json.loads(text)
        bound = box["NetworkSettings"]["Ports"]["8080/tcp"][0]
        equal({k: seen[k] for k in ("DockerId", "Name", "DockerName", "Image", "ImageID", "Type",
                                    "DesiredStatus", "KnownStatus")},
              {"DockerId": box["Id"], "Name": "web", "DockerName": box["Name"][1:],
               "Image": box["Config"]["Image"], "ImageID": box["Image"], "Type": "NORMAL",
               "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING"}, "container")
        equal(seen["Labels"], labels_of(box), "labels")
        check({"ContainerPort": 8080, "Protocol": "tcp", "HostPort": int(bound["HostPort"]),
               "HostIp": bound["HostIp"]} in seen["Ports"], f"ports {seen['Ports']}")
        equal(seen["Networks"], [{"NetworkMode": "bridge", "IPv4Addresses": [
            box["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]]}], "networks")

        whole = json.loads(get(path + "/task")[1])
        equal((whole["TaskARN"], whole["Cluster"], whole["KnownStatus"], whole["Limits"],
               len(whole["Containers"])),
              (task, c.name, "RUNNING", {"CPU": 0.25, "Memory": 128}, 1), "task")

        stats = poll(lambda: "cpu_stats" in get(path + "/stats")[1] and get(path + "/stats")[1],
                     "statistics", every=0.1)
        stats = json.loads(stats)
        equal((stats["id"], stats["name"]), (box["Id"], box["Name"]), "whose statistics")
        check(stats["memory_stats"]["usage"] > 0 and stats["networks"]["eth0"], f"{stats}")
        equal(list(json.loads(get(path + "/task/stats")[1])), [box["Id"]], "task statistics")

        equal(get("/v4/nobody"), (404, json.dumps(
            "V4 container metadata handler: unable to get container ID from request: unable to "
            "get docker ID from v3 endpoint ID: nobody")), "an unknown id")
        equal(get("//v4/x")[0], 301, "status of a path that is not clean")
        equal(get("/nothing")[0], 404, "status of an unknown path")

        one = json.loads(get(f"/v1/tasks?dockerid={box['Id'][:12]}", 51678)[1])
        equal((one["Arn"], one["KnownStatus"], one["Containers"][0]["Name"]),
              (task, "RUNNING", "web"), "introspection")
        equal(json.loads(get("/v1/metadata", 51678)[1])["Cluster"], c.name, "introspection")
