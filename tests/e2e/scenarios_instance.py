"""The instance's metadata: who it is, its tags, its announcements, the keys of its role."""
import json
import time

from cloud import ROLE
from harness import KEY_ID, SECRET, check, container, contains, equal, poll, slowness
from scenarios_local import Files, wait_run

SPOT = json.dumps({"action": "terminate", "time": "2030-01-01T00:00:00Z"})
REBALANCE = json.dumps({"noticeTime": "2030-01-01T00:00:00Z"})


def announce(c, **items):
    """spot, rebalance or lifecycle, as the metadata service tells them from now on."""
    names = {"spot": "spot/instance-action", "rebalance": "events/recommendations/rebalance",
             "lifecycle": "autoscaling/target-lifecycle-state"}
    c.local("POST", "metadata", {names[k]: v for k, v in items.items()})


def about(agent):
    """What `berth status` says of the instance and its draining."""
    return agent.berth_json("status")[0]["control"]


def answers(c, path):
    """How often the metadata service has said something of it, be it that there is none."""
    return sum(r["path"].endswith(path) and r["status"] in (200, 404)
               for r in c.local("GET", "metadata-log")["requests"])


def polled(c, path, more=1):
    before = answers(c, path)
    poll(lambda: answers(c, path) >= before + more, f"{path} is asked for")


def e2e_instance_identity(t):
    """The identity document and its signature are registered; keys and region are those that
    the metadata service gives; user data name the cluster."""
    env = {"AWS_DEFAULT_REGION": None, "ECS_CLUSTER": None}
    with t.cluster(metadata=True, env=env, start=False) as c:
        c.local("POST", "metadata", {"user-data": json.dumps(
            {"ECSAgentConfiguration": {"Cluster": c.name, "ReservedMemory": 100}})})
        c.agent.start().wait_connected()
        mine = c.local("GET", "metadata")
        (instance,) = c.instances()
        equal(instance.get("ec2InstanceId"), mine["instance_id"], "instance id of the document")
        status = about(c.agent)
        equal(status["instance"]["id"], mine["instance_id"], "instance id in berth status")
        equal(status["cluster"], c.name, "cluster of the user data")
        check(status["instance"].get("vpc_id"), f"no VPC in berth status: {status['instance']}")
        equal({r["signer"] for r in c.requests("RegisterContainerInstance")},
              {c.local("GET", "metadata")["access_key"]}, "keys that signed the registration")
        asked = {r["path"]: r["status"] for r in c.local("GET", "metadata-log")["requests"]}
        for path in ("document", "signature"):
            equal(asked.get(f"/latest/dynamic/instance-identity/{path}"), 200, path)
        credentials = c.agent.berth_json("status")[0]["credentials"]
        contains(json.dumps(credentials), mine["role"], "source of the keys in berth status")
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))
        c.agent.reload("")
        c.agent.wait_log("reloaded; no setting changed")


def e2e_instance_user_data(t):
    """User data that are a program, and such as are no text, are not for the agent."""
    for text in ("#!/bin/sh\necho ECS_CLUSTER=other >> /etc/ecs/ecs.config\n", "\x1f\u008b\b"):
        with t.cluster(metadata=True, start=False) as c:
            c.local("POST", "metadata", {"user-data": text})
            c.agent.start().wait_connected()
            equal(about(c.agent)["cluster"], c.name, "cluster")
            check("level=warn" not in c.agent.stderr(), "the log warns")


def e2e_instance_external(t):
    """A machine outside of EC2 asks no metadata, whatever answers there."""
    env = {"ECS_EXTERNAL": "true", "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    with t.cluster(metadata=True, env=env) as c:
        (instance,) = c.instances()
        attributes = {a["name"]: a.get("value") for a in instance["attributes"]}
        check("ecs.capability.external" in attributes, f"attributes: {sorted(attributes)}")
        check(attributes.get("ecs.cpu-architecture"), "no attribute ecs.cpu-architecture")
        equal(instance.get("ec2InstanceId"), None, "instance id")
        equal(c.local("GET", "metadata-log")["requests"], [], "questions to the metadata service")
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))


def e2e_instance_spot(t):
    """A spot interruption sets the instance to DRAINING within two seconds."""
    with t.cluster(metadata=True, env={"ECS_ENABLE_SPOT_INSTANCE_DRAINING": "true"}) as c:
        stays = c.run_one(c.register([container("a")]))
        c.wait_running(stays)
        polled(c, "spot/instance-action")
        began = time.monotonic()
        announce(c, spot=SPOT)
        poll(lambda: c.instances()[0]["status"] == "DRAINING", "the instance is draining")
        took = c.requests("UpdateContainerInstancesState")[-1]["mono_us"] / 1e6 - began
        print(f"DRAINING {took:.2f} s after the notice")
        # Two, and the rest for a machine that is busy with other scenarios.
        check(took < 4 * slowness(), f"DRAINING came {took:.2f} s after the notice")
        c.agent.wait_log("the container instance is draining")
        status = about(c.agent)
        equal(status["draining"], True, "draining in berth status")
        contains(status["draining_why"], "terminate", "why")
        equal(c.task(stays)["lastStatus"], "RUNNING", "status of the task")
        refused = c.ecs.call("RunTask", cluster=c.name, taskDefinition=c.register([container("b")]))
        check(refused["failures"], "RunTask on a draining instance must fail")


def e2e_instance_spot_call_fails(t):
    """The call is tried again until the control plane has taken it; without the setting a
    notice changes nothing."""
    env = {"ECS_ENABLE_SPOT_INSTANCE_DRAINING": "true"}
    with t.cluster(metadata=True, env=env) as c:
        c.fault("UpdateContainerInstancesState", "status", count=2, status=500)
        announce(c, spot=SPOT)
        poll(lambda: c.instances()[0]["status"] == "DRAINING", "the instance is draining")
        equal([r["status"] for r in c.requests("UpdateContainerInstancesState")], [500, 500, 200],
              "answers to the call")
    with t.cluster(metadata=True, env={"BERTH_DRAIN_ON": "rebalance"}) as c:
        announce(c, spot=SPOT)
        c.agent.wait_log("the spot instance will be interrupted")
        polled(c, "spot/instance-action", 2)
        equal(c.instances()[0]["status"], "ACTIVE", "status of the instance")


def e2e_instance_rebalance(t):
    """A rebalance recommendation is told, and drains where that is wished for."""
    with t.cluster(metadata=True, env={"ECS_ENABLE_SPOT_INSTANCE_DRAINING": "true"}) as c:
        announce(c, rebalance=REBALANCE)
        c.agent.wait_log("the spot instance is at a higher risk of interruption")
        polled(c, "spot/instance-action", 2)
        equal((c.instances()[0]["status"], about(c.agent)["draining"]), ("ACTIVE", False),
              "status of the instance")
        contains(about(c.agent)["instance"]["rebalance"], "2030-01-01T00:00:00Z", "berth status")
    with t.cluster(metadata=True, env={"BERTH_DRAIN_ON": "rebalance"}) as c:
        announce(c, rebalance=REBALANCE)
        poll(lambda: c.instances()[0]["status"] == "DRAINING", "the instance is draining")
        contains(about(c.agent)["draining_why"], "rebalance", "why")


def e2e_instance_warm_pool(t):
    """An instance in a warm pool is not registered, and says what it waits for; local tasks
    run. One that is in service registers at once. (That it registers when its state changes is
    shown by component/instance, for the poll interval is a minute.)"""
    env = {"ECS_WARM_POOLS_CHECK": "true"}
    with t.cluster(metadata=True, env=env, start=False) as c:
        files = Files(c).make()
        files.put("probe", container("main"))
        announce(c, lifecycle="Warmed:Running")
        c.agent.start(**files.env)
        wait_run(c.agent, "probe")
        poll(lambda: answers(c, "autoscaling/target-lifecycle-state"), "the state is read")
        equal(about(c.agent)["waiting_for"], "warm pool", "what registration waits for")
        equal(c.requests("RegisterContainerInstance"), [], "registrations")
        files.drop("probe")
        wait_run(c.agent, "probe", status="STOPPED")
    with t.cluster(metadata=True, env=env, start=False) as c:
        announce(c, lifecycle="InService")
        c.agent.start().wait_connected()


def e2e_instance_tags(t):
    """The tags of the EC2 instance are registered, but for those of AWS itself; the settings'
    own win."""
    env = {"ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM": "ec2_instance",
           "ECS_CONTAINER_INSTANCE_TAGS": json.dumps({"team": "ours", "own": "yes"})}
    with t.cluster(metadata=True, env=env, start=False) as c:
        c.cloud(tags={c.local("GET", "metadata")["instance_id"]: {
            "Name": "web <1>", "team": "theirs", "aws:autoscaling:groupName": "g"}})
        c.agent.start().wait_connected()
        arns = c.ecs.call("ListContainerInstances", cluster=c.name)["containerInstanceArns"]
        (instance,) = c.ecs.call("DescribeContainerInstances", cluster=c.name, include=["TAGS"],
                                 containerInstances=arns)["containerInstances"]
        equal({tag["key"]: tag["value"] for tag in instance["tags"]},
              {"Name": "web <1>", "team": "ours", "own": "yes"}, "tags of the instance")
    with t.cluster(metadata=True, env=env, start=False) as c:
        c.fault("DescribeTags", "refuse", count=-1)
        c.agent.start()
        equal(c.agent.wait_exit(), 1, "exit code without the right to read tags")
        c.agent.wait_log("the tags of the EC2 instance cannot be had.*UnauthorizedOperation")
        equal(c.requests("RegisterContainerInstance"), [], "registrations")


def e2e_instance_changed(t):
    """The disk of another instance: its state is discarded, its containers are removed, and
    this instance is registered anew."""
    with t.cluster(metadata=True) as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        (old,) = c.instances()
        c.agent.kill()
        name = "i-0123456789abcdef0"
        document = {"instanceId": name, "region": "us-west-2", "accountId": "123456789012",
                    "instanceType": "m5.large", "availabilityZone": "us-west-2a"}
        c.local("POST", "metadata", {
            "instance-id": name, "dynamic/instance-identity/document": json.dumps(document)})
        c.agent.start()
        c.agent.wait_log("the stored state is of another instance and is discarded.*" + name)
        c.agent.wait_connected()
        fresh = [i for i in c.instances() if i["containerInstanceArn"] !=
                 old["containerInstanceArn"]]
        equal([i.get("ec2InstanceId") for i in fresh], [name], "the new instance")
        c.ecs.call("DeregisterContainerInstance", cluster=c.name, force=True,
                   containerInstance=old["containerInstanceArn"])
        poll(lambda: not c.containers(), "the other instance's container is removed")
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))


def e2e_instance_keys_rotate(t):
    """The keys of the instance's role are good for seconds: others are fetched in time while a
    task runs and ends, and nothing is refused for them."""
    with t.cluster(metadata=True, start=False) as c:
        c.local("POST", "metadata-mode", {"credential_life_s": 6})
        c.agent.start().wait_connected()
        keys = set()
        while len(keys) < 3:  # each task makes calls
            c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))
            keys = {r["signer"] for r in c.requests("SubmitTaskStateChange")}
        equal([(r["target"], r["status"]) for r in c.requests() if r["status"] in (400, 403)], [],
              "calls refused")
        # Taken back before their time: the call is repeated with others.
        check(c.local("POST", "expire-keys", {"instance": True})["expired"], "no keys to expire")
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")], executionRoleArn=ROLE)))
