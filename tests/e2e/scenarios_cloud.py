"""Tasks that need the cloud: images behind an ECR token, secrets, environment files."""
import http.client
import json
import os

from cloud import ROLE, Things, ecr, places, search
from docker_api import socket_path
from harness import STAYS, check, container, equal, part, poll
from registry import PASSWORD, Image, Registry
from relay import ControlRelay, DockerRelay
from scenarios_images import PULL, Borrowed, pulls


def instance_keys(c):
    """The keys of the instance's role, as the metadata service gives them."""
    connection = http.client.HTTPConnection("127.0.0.1", c.port, timeout=30)

    def ask(method, path, **headers):
        connection.request(method, "/latest/" + path, headers=headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        equal(answer.status, 200, f"status of {path}")
        return text

    token = {"X-aws-ec2-metadata-token":
             ask("PUT", "api/token", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})}
    folder = "meta-data/iam/security-credentials/"
    keys = json.loads(ask("GET", folder + ask("GET", folder, **token).split()[0], **token))
    connection.close()
    return keys


def role_keys(relay, task):
    """The keys of the execution role that came with a task's payload."""
    with relay.lock:
        payloads = [json.loads(m) for m in relay.messages]
    for payload in payloads:
        for row in payload.get("message", {}).get("tasks", []):
            if row["arn"] == task:
                return row["executionRoleCredentials"]
    raise AssertionError("no payload brought the task")


def e2e_cloud_task(t):
    """An image behind an ECR token, two SSM secrets, a key of a JSON secret, a secret option
    of the log driver and an environment file reach the container, and nothing else: no log,
    no database, no flight record, no command line, no answer of a client command."""
    env = pulls("always", ECS_LOGLEVEL="debug")
    with Registry(password=True) as registry, Borrowed() as borrowed, \
            t.cluster(metadata=True, env=env, start=False) as c:
        relay = c.relay(ControlRelay(c.port))
        c.agent.start(ECS_BACKEND_HOST=relay.url).wait_connected()
        things = Things(c)
        ecr(c, registry)
        name = borrowed.add(registry.push("e2e/cloud", Image("cloud")))
        arn = c.run_one(c.register([container("a", things.script(STAYS), image=name,
                                              **things.container())], executionRoleArn=ROLE))
        c.wait_running(arn)
        equal(c.inspect(arn, "a")["HostConfig"]["LogConfig"]["Config"].get("labels"),
              things.option, "option of the log driver")
        fetched = {(r["operation"], r["region"]): r for r in c.calls()
                   if r["operation"] != "GetCallerIdentity"}
        equal(sorted(fetched), [
            ("GetAuthorizationToken", "us-west-2"), ("GetObject", "eu-central-1"),
            ("GetParameters", "eu-west-1"), ("GetParameters", "us-west-2"),
            ("GetSecretValue", "us-west-2"), ("HeadBucket", "us-west-2")], "calls")
        equal({r["signer_role"] for r in fetched.values()}, {ROLE}, "role that signed them")

        role, instance = role_keys(relay, arn), instance_keys(c)
        values = {f"the value {v.split('-')[1]}": v for v in things.values()}
        values.update({
            "the password of the registry": PASSWORD,
            "the secret key of the role": role["secretAccessKey"],
            "the session token of the role": role["sessionToken"],
            "the secret key of the instance": instance["SecretAccessKey"],
            "the session token of the instance": instance["Token"]})
        equal(min(map(len, values.values())) > 12, True, "canaries long enough to be ones")
        # What is no secret is found, so a secret would be.
        for part_of, text in (("berth.db", "/e2e/near"), ("flight.jsonl", "/e2e/near"),
                              ("its log", c.name), ("/proc/", c.agent.config),
                              ("berth status", c.name), ("berth tasks", arn),
                              ("berth events", arn.rsplit("/", 1)[1])):
            check(any(part_of in place and text.encode() in data
                      for place, data in places(c.agent)), f"{part_of} has no {text}")
        search(c.agent, values)
        c.stop(arn)
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, "exit code")
        search(c.agent, values)
        poll(lambda: not c.containers(), "the container is removed")


def e2e_cloud_throttled(t):
    """Each service is busy twice: the task starts all the same."""
    with Registry(password=True) as registry, Borrowed() as borrowed, \
            t.cluster(env=pulls("always")) as c:
        things = Things(c)
        ecr(c, registry)
        name = borrowed.add(registry.push("e2e/busy", Image("busy-cloud")))
        operations = ("GetAuthorizationToken", "GetParameters", "GetSecretValue", "GetObject")
        for operation in operations:
            c.fault(operation, "throttle", count=2)
        arn = c.run_one(c.register([container("a", things.script("exit 0"), image=name,
                                              **things.container())], executionRoleArn=ROLE))
        equal(part(c.wait_stopped(arn), "a").get("exitCode"), 0, "exit code")
        for operation in operations:
            seen = [r["status"] for r in c.requests(operation)]
            check(len([s for s in seen if s != 200]) == 2 and 200 in seen,
                  f"answers to {operation}: {seen}")
        poll(lambda: not c.containers(), "the container is removed")


def e2e_cloud_agent_killed(t):
    """The agent is killed when it has the values, but no container has them yet: the next one
    fetches them anew, with the keys that come with its session, and the task starts."""
    with Registry() as registry, Borrowed() as borrowed, \
            t.cluster(env=pulls("always"), start=False) as c:
        relay = c.relay(DockerRelay(os.path.join(c.dir, "docker.sock"), socket_path()))
        c.agent.start(DOCKER_HOST=f"unix://{relay.path}").wait_connected()
        things = Things(c)
        name = borrowed.add(registry.push("e2e/killed", Image("killed")))
        pull = relay.hold(PULL)
        arn = c.run_one(c.register([container("a", things.script(STAYS), image=name,
                                              **things.container())], executionRoleArn=ROLE))
        poll(lambda: pull.count and len(c.calls("GetParameters")) == 2 and
             len(c.calls("GetSecretValue")) == 2 and c.calls("GetObject"),
             "the values are fetched and the pull has begun")
        c.agent.kill()
        last = c.calls()[-1]["n"]
        pull.release()
        c.agent.start().wait_connected()
        c.wait_running(arn)
        again = c.calls(since=last)
        equal({r["operation"] for r in again} & {"GetParameters", "GetSecretValue", "GetObject"},
              {"GetParameters", "GetSecretValue", "GetObject"}, "what was fetched anew")
        c.stop(arn)
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, "exit code")
        poll(lambda: not c.containers(), "the container is removed")


def e2e_cloud_keys_rotate(t):
    """The role's keys are replaced and the old ones end while a value is being fetched: it is
    fetched with the new ones."""
    with t.cluster(start=False) as c:
        relay = c.relay(ControlRelay(c.port))
        c.agent.start(ECS_BACKEND_HOST=relay.url).wait_connected()
        c.cloud(parameters=[{"name": "/e2e/slow", "value": "x", "role": ROLE}])
        c.fault("GetParameters", "status", status=400, type="ExpiredTokenException",
                message="The security token included in the request is expired", delay_ms=3000)
        arn = c.run_one(c.register([container("a", "test $X = x && exit 49", secrets=[
            {"name": "X", "valueFrom": "/e2e/slow"}])], executionRoleArn=ROLE))
        poll(lambda: c.local("GET", "faults")["faults"][0]["left"] == 0, "it is asked for")
        c.local("POST", "refresh-credentials", {"task": arn, "role": "execution"})
        equal(part(c.wait_stopped(arn), "a").get("exitCode"), 49, "exit code")
        (call,) = [r for r in c.calls("GetParameters") if not r["error"]]
        check(call["signer"] != role_keys(relay, arn)["accessKeyId"], "the old keys signed it")


def e2e_cloud_log_keys(t):
    """The log goes to its sink with the keys of the execution role, and when these are
    replaced and the old ones end, with the new ones; no line is lost for it."""
    log = {"logDriver": "awslogs", "options": {
        "awslogs-group": "/e2e/role", "awslogs-region": "us-west-2",
        "awslogs-stream-prefix": "r", "awslogs-create-group": "true"}}
    script = "trap 'echo line end; exit 0' TERM; n=0; while :; do n=$((n+1)); echo line $n; sleep 0.2; done"
    with t.cluster(start=False) as c:
        relay = c.relay(ControlRelay(c.port))
        c.agent.start(ECS_BACKEND_HOST=relay.url).wait_connected()
        arn = c.run_one(c.register([container("a", script, logConfiguration=log)],
                                   executionRoleArn=ROLE))
        c.wait_running(arn)

        def signers():
            return {r["signer"] for r in c.requests("PutLogEvents") if r["status"] == 200}

        poll(signers, "the first lines are shipped")
        equal(signers(), {role_keys(relay, arn)["accessKeyId"]}, "who signed them")
        equal(c.local("POST", "refresh-credentials", {"task": arn, "role": "execution",
                                                      "old_valid_s": 1})["sent"], 1, "keys sent")
        poll(lambda: len(signers()) == 2, "lines are shipped with other keys")
        c.stop(arn)
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, "exit code")

        def lines():
            events = c.logs.call("FilterLogEvents", logGroupName="/e2e/role", limit=10000)
            return [e["message"].split()[1] for e in events["events"]]

        poll(lambda: "end" in lines(), lambda: f"the last line is shipped: {lines()}", every=0.1)
        equal(lines(), [str(n) for n in range(1, len(lines()))] + ["end"], "lines")
