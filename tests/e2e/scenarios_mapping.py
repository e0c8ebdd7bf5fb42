"""What becomes of a task definition: the engine's view of it, and the view from inside."""
import os
import re
import uuid

from docker_api import IMAGE, socket_path
from edited import merge_config, named, with_tasks
from harness import STAYS, check, container, equal, health, part, poll
from relay import DockerRelay

REGIONAL = f"berth-test/regional:e2e-{os.getpid()}"
CREATE = r"/containers/create\?name=\S*-{}-[0-9a-f]{{20}}$"


def environment(row):
    return dict(item.split("=", 1) for item in row["Config"]["Env"])


def with_relay(c):
    """The agent of a cluster that was not started, before a relay that keeps what it asks."""
    relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
    c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
    return relay


def e2e_mapping_environment(t):
    """Every variable that a container gets, and who wins when two say the same name."""
    role = {"credentialsId": str(uuid.uuid4()), "accessKeyId": "AKIDROLE", "roleArn":
            "arn:aws:iam::123456789012:role/e2e", "secretAccessKey": "of-the-role",
            "sessionToken": "of-the-role", "expiration": "2099-01-01T00:00:00Z"}

    # berth-local never sent these credentials, and would call their acknowledgment wrong.
    with with_tasks(t, lambda task: task.update(roleCredentials=role), violations=True) as c:
        c.docker.ensure_image(REGIONAL, ["ENV AWS_DEFAULT_REGION=venus"])
        try:
            arn = c.run_one(c.register([
                container("plain", environment=[{"name": "COLOR", "value": "a=b c"},
                                                {"name": "EMPTY", "value": ""},
                                                {"name": "ECS_AGENT_URI", "value": "mine"}]),
                container("own", environment=[{"name": "AWS_REGION", "value": "mars"}]),
                container("image", image=REGIONAL)]))
            c.wait_running(arn)
            plain, own, image = (environment(c.inspect(arn, n)) for n in ("plain", "own", "image"))
            equal((plain["COLOR"], plain["EMPTY"]), ("a=b c", ""), "own variables")
            equal(plain["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
                  "/v2/credentials/" + role["credentialsId"], "credentials")
            ids = []
            for env in (plain, own, image):
                base = "http://169.254.170.2"
                ids.append(env["ECS_CONTAINER_METADATA_URI"].removeprefix(base + "/v3/"))
                equal(env["ECS_CONTAINER_METADATA_URI_V4"], f"{base}/v4/{ids[-1]}", "v4 URI")
                equal(env["ECS_AGENT_URI"], f"{base}/api/{ids[-1]}", "agent URI")
                equal(str(uuid.UUID(ids[-1])), ids[-1], "id of the container")
            equal(len(set(ids)), 3, "ids of the containers")
            equal((plain["AWS_REGION"], plain["AWS_DEFAULT_REGION"]), ("us-west-2",) * 2, "region")
            equal((own["AWS_REGION"], own.get("AWS_DEFAULT_REGION")), ("mars", None),
                  "region that the task names")
            equal((image["AWS_DEFAULT_REGION"], image.get("AWS_REGION")), ("venus", None),
                  "region that the image names")
            c.stop(arn)
            c.wait_stopped(arn)
            poll(lambda: not c.containers(), "the containers are removed")
        finally:
            c.docker.remove_image(REGIONAL)


def e2e_mapping_config(t):
    """The container's Config: command, entry point, user, directory, labels, health."""
    with t.cluster() as c:
        arn = c.run_one(c.register([
            container("a", None, command=["-c", "echo $0 $(id -u) $(pwd); " + STAYS, "word"],
                      entryPoint=["/bin/sh"], user="7:8", workingDirectory="/tmp",
                      hostname="box", pseudoTerminal=True, interactive=True,
                      dockerLabels={"shape": "round", "com.amazonaws.ecs.cluster": "liar"},
                      healthCheck=health("true", interval=5, retries=4, startPeriod=1)),
            container("b", essential=False, user="9", disableNetworking=True)]))
        c.wait_running(arn)
        a, b = c.inspect(arn, "a"), c.inspect(arn, "b")
        config = a["Config"]
        equal((config["Entrypoint"], config["Cmd"][0], config["User"], config["WorkingDir"],
               config["Hostname"], config["Tty"], config["OpenStdin"]),
              (["/bin/sh"], "-c", "7:8", "/tmp", "box", True, True), "Config")
        equal((config["Labels"]["shape"], config["Labels"]["com.amazonaws.ecs.cluster"]),
              ("round", c.name), "labels")
        equal(config["Healthcheck"], {"Test": ["CMD-SHELL", "true"], "Interval": 5 * 10**9,
                                      "Timeout": 10 * 10**9, "Retries": 4, "StartPeriod": 10**9},
              "health check")
        equal(c.docker.run_in(a["Id"], "sh", "-c", "test $(id -u):$(id -g) = 7:8"), 0, "the user")
        equal((b["Config"]["User"], b["Config"].get("NetworkDisabled")), ("9", True), "of b")
        equal(b["Config"]["Entrypoint"], None, "entry point that nobody gave")
        def healthy():
            rows = c.agent.berth_json("tasks")[0]["containers"]
            return next(k["health"] for k in rows if k["name"] == "a") == "HEALTHY"
        poll(healthy, "the container is healthy")


def e2e_mapping_image_default(t):
    """Without a command the image's own runs."""
    name = f"berth-test/exits:e2e-{os.getpid()}"
    with t.cluster() as c:
        c.docker.ensure_image(name, ['CMD ["sh", "-c", "exit 23"]'])
        try:
            arn = c.run_one(c.register([container("a", image=name, command=None)]))
            equal(part(c.wait_stopped(arn), "a")["exitCode"], 23, "exit code of its command")
            poll(lambda: not c.containers(), "the container is removed")
        finally:
            c.docker.remove_image(name)


def e2e_mapping_on_top(t):
    """dockerConfig comes on top: scalars and lists replace, maps merge, null clears,
    unknown members vanish; labels and the rest of ours come last."""
    def change(task):
        a = named(task, "a")
        merge_config(a, "config", Env=["ONLY=this", "PATH=/bin"], ExposedPorts={"99/tcp": {}},
                     Labels={"mine": "1", "com.amazonaws.ecs.task-arn": "liar"}, Nonsense=[1])
        merge_config(a, "hostConfig", Memory=48 << 20, CpuShares=700, Nonsense={"a": 1},
                     PortBindings={"99/tcp": [{"HostPort": ""}]}, Binds=None,
                     CgroupParent="/elsewhere", StopTimeout=1)
        a["unheardOf"] = {"x": 1}

    with with_tasks(t, change) as c:
        arn = c.run_one(c.register(
            [container("a", environment=[{"name": "LOST", "value": "1"}],
                       portMappings=[{"containerPort": 80, "hostPort": 0}],
                       mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])],
            volumes=[{"name": "v", "host": {"sourcePath": "/tmp"}}]))
        c.wait_running(arn)
        row = c.inspect(arn, "a")
        config, host = row["Config"], row["HostConfig"]
        equal(sorted(config["Env"]), ["ONLY=this", "PATH=/bin"], "Env, replaced whole")
        equal(sorted(config["ExposedPorts"]), ["80/tcp", "99/tcp"], "ExposedPorts, merged")
        equal(sorted(host["PortBindings"]), ["80/tcp", "99/tcp"], "PortBindings, merged")
        equal((host["Memory"], host["CpuShares"]), (48 << 20, 700), "limits, replaced")
        equal(host["Binds"], None, "Binds, cleared by null")
        equal((config["Labels"]["mine"], config["Labels"]["com.amazonaws.ecs.task-arn"]),
              ("1", arn), "labels: ours come last")
        equal(host["CgroupParent"], "/ecs/" + arn.rsplit("/", 1)[1], "CgroupParent: always ours")


def e2e_mapping_minimums(t):
    """What is asked of the engine when a task asks for less than the least."""
    def change(task):
        (k,) = task["containers"]
        k.update({"low": {"cpu": 0, "memory": 0}, "tiny": {"memory": 1}}[k["name"]])

    with with_tasks(t, change) as c:
        c.agent.stop()
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        control = next(r for r in c.relays if hasattr(r, "url"))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}",
                      ECS_BACKEND_HOST=control.url).wait_connected()
        arn = c.run_one(c.register([container("low")]))
        c.wait_running(arn)
        host = c.inspect(arn, "low")["HostConfig"]
        equal((host["CpuShares"], host["Memory"]), (2, 0), "least shares, no memory limit")
        body = relay.sent(CREATE.format("low"))[-1]
        equal((body["Image"], body["NetworkingConfig"]), (IMAGE, {}),
              "image by its own name, and no network endpoints")
        for absent in ("StopTimeout", "Hostname"):
            check(absent not in body, f"{absent} is set")
        check("RestartPolicy" not in body["HostConfig"], "RestartPolicy is set")
        c.run_one(c.register([container("tiny")]))  # Docker may want more, and refuse it
        poll(lambda: relay.sent(CREATE.format("tiny")), "the create of the tiny one")
        (body,) = relay.sent(CREATE.format("tiny"))
        equal(body["HostConfig"]["Memory"], 6 << 20, "least memory")


def e2e_mapping_most_shares(t):
    """CPU shares above the kernel's maximum are cut, where a machine could have them."""
    def change(task):
        task["cpu"] = 0.25
        named(task, "high")["cpu"] = 300000  # the task's own limit is what it needs

    with with_tasks(t, change) as c:
        arn = c.run_one(c.register([container("high")], cpu="256", memory="64"))
        c.wait_running(arn)
        equal(c.inspect(arn, "high")["HostConfig"]["CpuShares"], 262144, "most shares")


def e2e_mapping_logs(t):
    """Log drivers with their options; a driver that may drop lines gets a roomier buffer."""
    def driver(name, **options):
        return {"logDriver": name, "options": {k.replace("_", "-"): v for k, v in options.items()}}

    with t.cluster(env={"ECS_AVAILABLE_LOGGING_DRIVERS": '["json-file","none","awslogs"]'}) as c:
        arn = c.run_one(c.register([
            container("file", logConfiguration=driver("json-file", max_size="1m", max_file="3")),
            container("drops", logConfiguration=driver("json-file", mode="non-blocking")),
            container("sized", logConfiguration=driver("json-file", mode="non-blocking",
                                                       max_buffer_size="2m")),
            container("aws", logConfiguration=driver("awslogs", awslogs_group="/e2e/g",
                                                     awslogs_create_group="true"))]))
        c.wait_running(arn)
        seen = {n: c.inspect(arn, n)["HostConfig"]["LogConfig"]
                for n in ("file", "drops", "sized", "aws")}
        equal(seen["file"], {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "3"}},
              "options as given")
        equal(seen["drops"]["Config"], {"mode": "non-blocking", "max-buffer-size": "10m"},
              "non-blocking without a size")
        equal(seen["sized"]["Config"], {"mode": "non-blocking", "max-buffer-size": "2m"},
              "non-blocking with a size")
        equal(seen["aws"]["Type"], "local", "what the agent ships itself")
        silent = c.run_one(c.register([container("a", logConfiguration=driver("none"))]))
        c.wait_running(silent)
        equal(c.inspect(silent, "a")["HostConfig"]["LogConfig"]["Type"], "none", "driver")


def e2e_mapping_names_reused(t):
    """After a restart of the agent before a create was answered, the name is the same one:
    no second container appears."""
    with t.cluster(start=False) as c:
        relay = with_relay(c)
        hold = relay.hold(r"^POST \S*/containers/create\?name=")
        arn = c.run_one(c.register([container("a")]))
        poll(lambda: hold.count, "the agent asks for the container")
        c.agent.kill()
        hold.release()
        poll(lambda: c.containers(arn), "the engine has made it all the same")
        c.agent.start().wait_connected()
        c.wait_running(arn)
        equal(len(c.containers(arn)), 1, "containers")
        asked = {re.search(r"name=(\S+)", r).group(1) for _, r in relay.seen("/containers/create")}
        equal(len(asked), 1, f"names asked for: {asked}")
