"""The main job and its nearest variations."""
import json
import re
import urllib.request

from harness import (STAYS, check, container, contains, depends, equal, health, part, poll)

WEB = "echo '<p>Berth serves this</p>' > /www/index.html; " \
      "trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait $!"


def fetch(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return answer.read().decode()


def e2e_main_job(t):
    """Two copies of a web server with a sidecar, as people run them with the AWS client."""
    log = {"logDriver": "awslogs", "options": {
        "awslogs-group": "/e2e/main", "awslogs-region": "us-west-2",
        "awslogs-stream-prefix": "run", "awslogs-create-group": "true"}}
    web = container("web", WEB, portMappings=[{"containerPort": 80, "hostPort": 0}],
                    healthCheck=health("wget -q -O /dev/null http://127.0.0.1/"))
    sidecar = container("sidecar", "echo 'asking the web server'; wget -q -O - http://web/; "
                        "echo 'it answered'; " + STAYS, links=["web"], essential=False,
                        dependsOn=depends(("web", "HEALTHY")), logConfiguration=log)
    with t.cluster() as c:
        c.aws("ecs", "register-task-definition", "--family", "main",
              "--container-definitions", json.dumps([web, sidecar]))
        started = c.aws("ecs", "run-task", "--cluster", c.name, "--task-definition", "main",
                        "--count", "2")
        arns = [task["taskArn"] for task in started["tasks"]]
        equal(len(arns), 2, "tasks started")
        tasks = c.wait(arns, "RUNNING")
        ports = []
        for task in tasks:
            bindings = part(task, "web")["networkBindings"]
            equal([b["containerPort"] for b in bindings], [80], "bound container ports")
            ports.append(bindings[0]["hostPort"])
            contains(fetch(ports[-1]), "Berth serves this", "the page")
        check(ports[0] != ports[1], "both copies have one host port")
        equal([k["health"] for row in c.agent.berth_json("tasks") for k in row["containers"]
               if k["name"] == "web"], ["HEALTHY"] * 2, "health of the web servers")

        def logged():
            if not c.logs.call("DescribeLogGroups")["logGroups"]:
                return False
            events = c.aws("logs", "filter-log-events", "--log-group-name", "/e2e/main")["events"]
            streams = {e["logStreamName"] for e in events if e["message"] == "it answered"}
            return len(streams) == 2 and events

        events = poll(logged, "the lines of both sidecars in the sink", every=0.1)
        ids = {a.rsplit("/", 1)[1] for a in arns}
        for event in events:
            prefix, name, task_id = event["logStreamName"].split("/")
            equal((prefix, name, task_id in ids), ("run", "sidecar", True), "stream name")
        equal(len([e for e in events if "Berth serves this" in e["message"]]), 2, "pages logged")

        for arn in arns:
            c.aws("ecs", "stop-task", "--cluster", c.name, "--task", arn, "--reason", "enough")
        c.wait(arns, "STOPPED")
        described = c.aws("ecs", "describe-tasks", "--cluster", c.name, "--tasks", *arns)
        for task in described["tasks"]:
            equal(task["stoppedReason"], "enough", "reason of the task")
            equal(task["stopCode"], "UserInitiated", "stop code")
            equal([k["exitCode"] for k in task["containers"]], [0, 0], "exit codes")


def e2e_exit_code_and_reason(t):
    """An essential container that ends takes the task with it; its exit code is told."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("works", "exit 7"), container("stays")]))
        task = c.wait_stopped(arn)
        equal(part(task, "works")["exitCode"], 7, "exit code")
        equal(part(task, "stays")["exitCode"], 0, "exit code of the one that was stopped")
        equal(task["stopCode"], "EssentialContainerExited", "stop code")
        contains(task["stoppedReason"], "Essential container in task exited", "reason")


def e2e_non_essential_exits(t):
    """A container that is not essential may end; the task goes on and tells the code."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("helper", "exit 3", essential=False),
                                    container("stays")]))
        c.wait_running(arn)
        poll(lambda: part(c.task(arn), "helper").get("exitCode") == 3, "the helper's exit code")
        equal(c.task(arn)["lastStatus"], "RUNNING", "status of the task")


def e2e_run_task_overrides(t):
    """Command and environment of one run replace those of the definition."""
    script = "test \"$GREETING\" = there && exit 21"
    with t.cluster() as c:
        definition = c.register([container("a", "exit 1", environment=[
            {"name": "GREETING", "value": "hello"}, {"name": "KEPT", "value": "yes"}])])
        overrides = {"containerOverrides": [{
            "name": "a", "command": ["sh", "-c", "test \"$KEPT\" = yes && " + script],
            "environment": [{"name": "GREETING", "value": "there"}]}]}
        started = c.aws("ecs", "run-task", "--cluster", c.name, "--task-definition", definition,
                        "--overrides", json.dumps(overrides))
        task = c.wait_stopped(started["tasks"][0]["taskArn"])
        equal(part(task, "a")["exitCode"], 21, "exit code of the overridden command")


def e2e_names_and_labels(t):
    """What other tools rely on: container names, labels, image, limits."""
    with t.cluster() as c:
        definition = c.register([container("a_b", cpu=20, memory=40, memoryReservation=24)])
        arn = c.run_one(definition)
        c.wait_running(arn)
        seen = c.containers(arn)
        equal(len(seen), 1, "containers")
        family, revision = definition.split(":")
        check(re.fullmatch(rf"/ecs-{family}-{revision}-ab-[0-9a-f]{{20}}", seen[0]["Names"][0]),
              f"container name {seen[0]['Names'][0]}")
        labels = {k.rsplit(".", 1)[1]: v for k, v in seen[0]["Labels"].items()}
        # Ours: what a task is rebuilt from when the agent's store was lost.
        equal(labels.pop("owner"), c.agent.data, "whose it is")
        equal(json.loads(labels.pop("remains"))["task"]["family"], family, "what remains")
        equal(labels, {"task-arn": arn, "container-name": "a_b", "cluster": c.name,
                       "task-definition-family": family, "task-definition-version": revision},
              "labels")
        host = c.docker.inspect(seen[0]["Id"])["HostConfig"]
        equal((host["CpuShares"], host["Memory"], host["MemoryReservation"]),
              (20, 40 << 20, 24 << 20), "limits")


def e2e_register_attributes(t):
    """Resources, attributes and versions, as the control plane sees the instance."""
    env = {"ECS_INSTANCE_ATTRIBUTES": '{"rack": "r7"}', "ECS_RESERVED_MEMORY": "128",
           "ECS_RESERVED_PORTS": "[22, 4444]"}
    with t.cluster(env=env) as c:
        listed = c.aws("ecs", "list-container-instances", "--cluster", c.name)
        described = c.aws("ecs", "describe-container-instances", "--cluster", c.name,
                          "--container-instances", *listed["containerInstanceArns"])
        (instance,) = described["containerInstances"]
        attributes = {a["name"]: a.get("value") for a in instance["attributes"]}
        equal(attributes.get("rack"), "r7", "own attribute")
        equal(attributes.get("ecs.os-type"), "linux", "attribute ecs.os-type")
        for name in ("com.amazonaws.ecs.capability.logging-driver.awslogs",
                     "com.amazonaws.ecs.capability.docker-remote-api.1.21",
                     "ecs.capability.container-ordering", "ecs.capability.container-health-check"):
            check(name in attributes, f"attribute {name} is missing: {sorted(attributes)}")
        resources = {r["name"]: r.get("integerValue") or r.get("stringSetValue")
                     for r in instance["registeredResources"]}
        check(resources["CPU"] >= 1024 and resources["MEMORY"] > 128, f"resources {resources}")
        check("4444" in resources["PORTS"], f"reserved ports {resources['PORTS']}")
        equal((instance["status"], instance["agentConnected"]), ("ACTIVE", True), "instance")


def e2e_placement_two_agents(t):
    """Two agents beside each other on one engine: tasks are spread, each keeps its own."""
    with t.cluster(agents=2) as c:
        arns = c.run(c.register([container("a")]), count=4,
                     placementStrategy=[{"type": "spread", "field": "instanceId"}])
        tasks = c.wait(arns, "RUNNING")
        where = [task["containerInstanceArn"] for task in tasks]
        equal(sorted(where.count(i) for i in set(where)), [2, 2], "tasks on each instance")
        for agent in c.agents:
            mine = agent.berth_json("status")[0]["instance_arn"]
            known = {row["arn"] for row in agent.berth_json("tasks") if "arn" in row}
            equal(known, {task["taskArn"] for task in tasks
                          if task["containerInstanceArn"] == mine}, "tasks of one agent")


def e2e_draining(t):
    """A draining instance keeps its tasks and gets no new one."""
    with t.cluster() as c:
        definition = c.register([container("a")])
        arn = c.run_one(definition)
        c.wait_running(arn)
        instance = c.instances()[0]["containerInstanceArn"]
        answer = c.aws("ecs", "update-container-instances-state", "--cluster", c.name,
                       "--container-instances", instance, "--status", "DRAINING")
        equal(answer["containerInstances"][0]["status"], "DRAINING", "status of the instance")
        refused = c.ecs.call("RunTask", cluster=c.name, taskDefinition=definition)
        equal(refused["tasks"], [], "tasks started on a draining instance")
        check(refused["failures"], "RunTask on a draining instance must fail")
        equal(c.task(arn)["lastStatus"], "RUNNING", "the task that was there")
        c.aws("ecs", "update-container-instances-state", "--cluster", c.name,
              "--container-instances", instance, "--status", "ACTIVE")
        c.wait_running(c.run_one(definition))
