"""Settings: where they come from, what may change while the agent runs, what ends it."""
import json
import os
import re
import signal

from docker_api import socket_path
from harness import check, container, contains, equal, part, poll
from registry import PASSWORD, USER, Image, Registry
from relay import DockerRelay
from scenarios_images import PULL, Borrowed

FREE = {"ECS_CLUSTER": None, "ECS_CONTAINER_STOP_TIMEOUT": None, "ECS_IMAGE_PULL_BEHAVIOR": None}


def file_of(c, **settings):
    rows = {"ECS_CLUSTER": c.name, "ECS_CONTAINER_STOP_TIMEOUT": "10s",
            "ECS_IMAGE_PULL_BEHAVIOR": "prefer-cached", **settings}
    return "".join(f"{name}={value}\n" for name, value in rows.items())


def deaf_stop(c, image):
    """How long a container that ignores SIGTERM is given, by the engine's own events."""
    arn = c.run_one(c.register([container("a", "trap '' TERM; while :; do sleep 1; done",
                                          image=image)]))
    c.wait_running(arn)
    with c.events() as events:
        c.stop(arn)
        term, kill = events.wait("kill", 2, task=arn)
    c.wait_stopped(arn)
    return kill["time"] - term["time"]


def e2e_settings_reload(t):
    """SIGHUP: what can change changes at once, what cannot is named, and a file with errors
    changes nothing."""
    with Registry() as registry, Borrowed() as borrowed, t.cluster(env=FREE, start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.configure(file_of(c))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        image = borrowed.add(registry.push("e2e/reload", Image("reload")))

        def pulls():
            before = len(relay.seen(PULL))
            c.wait_stopped(c.run_one(c.register([container("a", "exit 0", image=image)])))
            return len(relay.seen(PULL)) - before

        equal((pulls(), pulls()), (1, 0), "pulls with prefer-cached")

        c.agent.reload(file_of(c, ECS_CONTAINER_STOP_TIMEOUT="2s", ECS_CLUSTER="other",
                               ECS_IMAGE_PULL_BEHAVIOR="always", ECS_LOGLEVEL="warn"))
        c.agent.wait_log('level=warn .*only from the agent.s next start.*"ECS_CLUSTER"')
        for name in ("ECS_CONTAINER_STOP_TIMEOUT", "ECS_IMAGE_PULL_BEHAVIOR", "ECS_LOGLEVEL"):
            c.agent.wait_log(f'a setting changed".*"{name}"')
        told = c.agent.stderr().count("level=info")
        equal(pulls(), 1, "pulls with always")
        took = deaf_stop(c, image)
        check(1.5 < took < 7, f"stopped after {took:.1f} s with a timeout of 2 s")
        equal(c.agent.stderr().count("level=info"), told, "lines of level info with warn")
        equal(c.agent.berth_json("status")[0]["control"]["cluster"], c.name, "cluster")

        c.agent.reload(file_of(c, ECS_CONTAINER_STOP_TIMEOUT="9s", ECS_INSTANCE_ATTRIBUTES="{"))
        c.agent.wait_log("the configuration has errors; what was in effect stays")
        took = deaf_stop(c, image)
        check(1.5 < took < 7, f"stopped after {took:.1f} s with a broken file")
        poll(lambda: not c.containers(), "the containers are removed")


def e2e_settings_reload_password(t):
    """The password of a registry comes with a reload, and goes with the next one."""
    rows = {"ECS_ENGINE_AUTH_TYPE": "docker", "ECS_IMAGE_PULL_BEHAVIOR": "always"}
    with Registry(password=True) as registry, Borrowed() as borrowed, \
            t.cluster(env=FREE, start=False) as c:
        name = borrowed.add(registry.push("e2e/password", Image("password")))
        data = json.dumps({registry.name: {"username": USER, "password": PASSWORD}},
                          separators=(",", ":"))

        def run():
            task = c.wait_stopped(c.run_one(c.register([container("a", "exit 48", image=name)])))
            return part(task, "a").get("exitCode"), part(task, "a").get("reason", "")

        c.agent.configure(file_of(c, **rows))
        c.agent.start().wait_connected()
        code, reason = run()
        equal((code, reason[:29]), (None, "CannotPullImageManifestError:"), "without the password")
        c.agent.reload(file_of(c, **rows, ECS_ENGINE_AUTH_DATA=data))
        c.agent.wait_log('a setting changed".*"ECS_ENGINE_AUTH_DATA"')
        equal(run()[0], 48, "exit code with it")
        c.agent.reload(file_of(c, **rows))
        poll(lambda: c.agent.stderr().count('name="ECS_ENGINE_AUTH_DATA"') == 2, "reloaded again")
        equal(run()[0], None, "exit code without it again")
        check(PASSWORD not in c.agent.stderr(), "the password is in the log")
        poll(lambda: not c.containers(), "the containers are removed")


def e2e_settings_layers(t):
    """The environment goes before the user's file, that before the instance's file, that
    before the JSON file; `berth agent -ecs-attributes` shows what comes of it."""
    with t.cluster(start=False, env=FREE) as c:
        instance, document = (os.path.join(c.dir, n) for n in ("instance", "ecs.config.json"))
        with open(instance, "w", encoding="ascii") as out:
            out.write('ECS_CLUSTER=nobody\nECS_INSTANCE_ATTRIBUTES={"from":"instance"}\n'
                      "ECS_SELINUX_CAPABLE=true\nECS_RESERVED_MEMORY=11\n")
        with open(document, "w", encoding="ascii") as out:
            json.dump({"Cluster": "nobody", "InstanceAttributes": {"from": "json"},
                       "apparmorcapable": True, "ReservedPorts": [4444],
                       "ReservedMemory": 12}, out)
        c.agent.configure(file_of(c, ECS_RESERVED_MEMORY=13))
        c.agent.env.update(BERTH_INSTANCE_CONFIG=instance, ECS_AGENT_CONFIG_FILE_PATH=document,
                           ECS_RESERVED_MEMORY="14")
        done = c.agent.berth("agent", "--config", c.agent.config, "-ecs-attributes")
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        shown = {row[0]: row[1] for row in rows}
        equal(shown.get("from"), "instance", "attribute that two files name")
        for name in ("selinux", "apparmor"):
            check(f"com.amazonaws.ecs.capability.{name}" in shown, f"{name} is missing: {shown}")
        equal(c.requests("RegisterContainerInstance"), [], "registrations of -ecs-attributes")

        c.agent.start().wait_connected()
        (registered,) = c.instances()
        equal({a["name"]: a.get("value", "") for a in registered["attributes"]
               if a["name"] in shown}, {k: v for k, v in shown.items()},
              "attributes as they were shown")
        resources = {r["name"]: r for r in registered["registeredResources"]}
        check("4444" in resources["PORTS"]["stringSetValue"], "the ports of the JSON file")
        with open("/proc/meminfo", encoding="ascii") as stream:
            total = int(re.search(r"MemTotal: +(\d+)", stream.read()).group(1)) // 1024
        equal(total - resources["MEMORY"]["integerValue"], 14, "MiB reserved")


def e2e_settings_exit_codes(t):
    """What ends the agent at its start: 5 where a restart cannot help, else 1."""
    with t.cluster() as c:
        c.agent.stop()
        c.agent.start(ECS_CLUSTER="another-" + c.name)
        equal(c.agent.wait_exit(), 5, "exit code with another cluster")
        c.agent.wait_log("registered with another cluster.*" + c.name)
        c.agent.start(ECS_INSTANCE_ATTRIBUTES="{")
        equal(c.agent.wait_exit(), 1, "exit code with broken attributes")
        c.agent.wait_log("level=error .*ECS_INSTANCE_ATTRIBUTES")
        c.agent.start(AWS_DEFAULT_REGION="")
        equal(c.agent.wait_exit(), 1, "exit code without a region")
        c.agent.wait_log("level=error .*AWS_DEFAULT_REGION")
        c.agent.start(options=["-no-such-option"])
        equal(c.agent.wait_exit(), 5, "exit code with a wrong option")
        c.agent.start(AWS_DEFAULT_REGION=None, ECS_EXTERNAL="true")
        equal(c.agent.wait_exit(), 1, "exit code of an external machine without a region")
        c.agent.start().wait_connected()
        equal(len(c.instances()), 1, "instances after all this")
        c.agent.stop()
        c.ecs.call("DeleteCluster", cluster=c.ecs.call("CreateCluster", clusterName="gone")
                   ["cluster"]["clusterName"])
        fresh = os.path.join(c.dir, "fresh")
        os.mkdir(fresh)
        c.agent.start(ECS_CLUSTER="gone", ECS_DATADIR=fresh)
        equal(c.agent.wait_exit(), 1, "exit code with a cluster that does not exist")
        c.agent.wait_log("cluster 'gone' does not exist")


def e2e_settings_log_file(t):
    """The log goes to a file too, each with its level; the file is rolled over by its size,
    the highest number is the newest, and no more are kept than wished for."""
    with t.cluster(start=False) as c:
        folder = os.path.join(c.dir, "log")
        os.mkdir(folder)
        path = os.path.join(folder, "ecs-agent.log")
        c.agent.start(ECS_LOGFILE=path, ECS_LOGLEVEL="error", ECS_LOGLEVEL_ON_INSTANCE="debug",
                      ECS_LOG_MAX_FILE_SIZE_MB="0.002", ECS_LOG_MAX_ROLL_COUNT="2")
        c.agent.wait_connected()

        def numbers():
            return sorted(int(n.rsplit(".", 1)[1]) for n in os.listdir(folder)
                          if n != "ecs-agent.log")

        def rolled():
            c.agent.process.send_signal(signal.SIGHUP)  # it says that nothing changed
            return numbers() and numbers()[0] >= 3

        poll(rolled, lambda: f"old files: {numbers()}", every=0.005)
        looks = []

        def rests():
            """What it was asked last may still be on its way into the file."""
            try:
                looks.append({n: os.path.getsize(os.path.join(folder, n))
                              for n in os.listdir(folder)})
            except FileNotFoundError:
                return False
            return len(looks) > 1 and looks[-1] == looks[-2]

        poll(rests, "nothing is written any more", every=0.3)
        seen = numbers()
        check(len(seen) <= 2 and seen[-1] - seen[0] == len(seen) - 1, f"old files: {seen}")
        sizes = [os.path.getsize(os.path.join(folder, n)) for n in os.listdir(folder)]
        check(max(sizes) <= 2000, f"sizes of the files: {sizes}")
        newest = open(f"{path}.{seen[-1]}", encoding="utf-8").read()
        contains(newest, "no setting changed", "the newest old file")
        equal(c.agent.stderr(), "", "standard error")


def e2e_settings_pause_labels(t):
    """ECS_PAUSE_LABELS are on the containers that hold a task's namespaces, on no other."""
    labels = {"team": "berth", "com.example/x": "é"}
    with t.cluster(env={"ECS_PAUSE_LABELS": json.dumps(labels)}) as c:
        arn = c.run_one(c.register([container("a")], pidMode="task"))
        c.wait_running(arn)
        found = {row["Labels"]["com.amazonaws.ecs.container-name"]: row["Labels"]
                 for row in c.containers(arn)}
        pause = [v for k, v in found.items() if k.startswith("~internal")]
        equal(len(pause), 1, f"pause containers among {sorted(found)}")
        equal({k: pause[0].get(k) for k in labels}, labels, "labels of the pause container")
        check(not set(labels) & set(found["a"]), "the labels are on the other one too")
