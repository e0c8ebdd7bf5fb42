"""What the tools of Amazon find in a container: the host's own, through its folders.

These scenarios use the real address, ports and rules of the host, so they run alone.
"""
import json
import os

from harness import REGION, Skip, check, container, contains, equal, part
from relay import ControlRelay
from scenarios_endpoints import HERE

ROLE = "arn:aws:iam::123456789012:role/orders"
FOLDERS = ("usr", "lib", "lib64", "bin")
# The command line client brings the library that it and most programs use.
LIBRARY = """
try:
    from awscli.botocore.session import Session
except ImportError:
    from botocore.session import Session
import json
found = Session().get_credentials()
keys = found.get_frozen_credentials()
print(json.dumps([found.method, keys.access_key, keys.secret_key, keys.token]))
"""


def host_container(script):
    """Runs with the programs of this host, and writes where the scenario reads."""
    return container("a", script, memory=512, environment=[
        {"name": "HOME", "value": "/tmp"}, {"name": "AWS_PAGER", "value": ""},
        {"name": "PATH", "value": "/usr/bin:/bin"}], mountPoints=[
            {"sourceVolume": name, "containerPath": f"/{name}", "readOnly": name != "out"}
            for name in (*present(), "out")])


def present():
    return [name for name in FOLDERS if os.path.isdir(f"/{name}")]


def delivered(relay, task):
    """The keys of the task's role as the control plane sent them."""
    with relay.lock:
        messages = [json.loads(m) for m in relay.messages]
    for message in messages:
        for row in message.get("message", {}).get("tasks", []):
            if row.get("arn") == task:  # a manifest names them otherwise
                return row["roleCredentials"]
    raise AssertionError("no payload brought the task")


def e2e_sdk_credentials(t):
    """The library and the command line client find the task's credentials by themselves, in
    bridge and in host mode, and calls that they sign are those of the task's role."""
    if not os.path.exists("/usr/bin/aws"):
        raise Skip("the aws command is not installed")
    with t.cluster(env=HERE, start=False) as c:
        relay = c.relay(ControlRelay(c.port))
        c.agent.start(ECS_BACKEND_HOST=relay.url).wait_connected()
        c.agent.wait_log("tasks reach their credentials")
        for mode in ("bridge", "host"):
            out = os.path.join(c.dir, mode)
            os.mkdir(out)
            with open(os.path.join(out, "library.py"), "w", encoding="ascii") as program:
                program.write(LIBRARY)
            script = "/usr/bin/python3 /out/library.py >/out/keys 2>/out/error || exit 3; " \
                     "aws configure list >/out/list 2>>/out/error || exit 4; "
            if mode == "host":  # from elsewhere the control plane, on loopback, is not reached
                script += f"aws --region {REGION} --endpoint-url {c.url} --output json sts " \
                          "get-caller-identity >/out/identity 2>>/out/error || exit 5; "
            task = c.run_one(c.register(
                [host_container(script + "exit 0")], networkMode=mode, taskRoleArn=ROLE,
                volumes=[{"name": n, "host": {"sourcePath": f"/{n}"}} for n in present()] +
                [{"name": "out", "host": {"sourcePath": out}}]))

            def written(name):
                with open(os.path.join(out, name), encoding="utf-8") as stream:
                    return stream.read()

            code = part(c.wait_stopped(task, 60), "a").get("exitCode")
            check(code == 0, f"in {mode} mode: exit code {code}: {written('error')}")
            keys = delivered(relay, task)
            equal(json.loads(written("keys")),
                  ["container-role", keys["accessKeyId"], keys["secretAccessKey"],
                   keys["sessionToken"]], f"what the library found in {mode} mode")
            contains(written("list"), "container-role", f"aws configure list in {mode} mode")
            contains(written("list"), keys["accessKeyId"][-4:], f"its key in {mode} mode")
        identity = json.loads(written("identity"))["Arn"]
        equal(identity.split("/")[1:], ["orders", task.rsplit("/", 1)[1]], "who signed")
