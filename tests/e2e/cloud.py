"""What a task may need from the cloud, made of values that occur nowhere else: canaries."""
import base64
import glob
import hashlib
import json
import os
import secrets

from harness import check
from registry import PASSWORD, USER

ROLE = "arn:aws:iam::123456789012:role/e2e-execution"
OTHER_ROLE = "arn:aws:iam::123456789012:role/e2e-other"
FAR, FARTHER = "eu-west-1", "eu-central-1"  # regions that are not the agent's


def canary(name):
    return f"canary-{name}-{secrets.token_hex(12)}"


def parameter_arn(name, region):
    return f"arn:aws:ssm:{region}:123456789012:parameter{name}"


class Things:
    """Two SSM parameters, one of them elsewhere and encrypted, a secret with JSON keys, one
    for a log driver, and an environment file. Only ROLE may read them."""

    def __init__(self, c):
        self.near, self.far, self.key, self.option, self.file = (
            canary(n) for n in ("near", "far", "key", "option", "file"))
        arns = c.cloud(
            parameters=[
                {"name": "/e2e/near", "value": self.near, "type": "String", "role": ROLE},
                {"name": "/e2e/far", "value": self.far, "type": "SecureString", "region": FAR,
                 "role": ROLE}],
            secrets=[
                {"name": "e2e-db", "string": json.dumps({"password": self.key, "port": 5432}),
                 "role": ROLE},
                {"name": "e2e-option", "string": self.option, "role": ROLE}],
            buckets=[{"name": "e2e-files", "region": FARTHER, "role": ROLE, "objects": {
                "env/app.env": f"# of the scenario\nFILE={self.file}\nPLAIN=file\nNEAR=file\n"}}])
        self.db, self.option_arn = arns["e2e-db"], arns["e2e-option"]

    def values(self):
        return [self.near, self.far, self.key, self.option, self.file]

    def container(self):
        """The members of a container definition that ask for all of it."""
        return {
            "secrets": [
                {"name": "NEAR", "valueFrom": "/e2e/near"},
                {"name": "FAR", "valueFrom": parameter_arn("/e2e/far", FAR)},
                {"name": "KEY", "valueFrom": f"{self.db}:password::"}],
            "environmentFiles": [{"value": "arn:aws:s3:::e2e-files/env/app.env", "type": "s3"}],
            "environment": [{"name": "PLAIN", "value": "definition"}],
            "logConfiguration": {"logDriver": "json-file", "options": {"max-size": "1m"},
                                 "secretOptions": [{"name": "labels",
                                                    "valueFrom": self.option_arn}]},
        }

    def script(self, then):
        """Ends with 51 to 55 when a variable is not as it is to be; knows only digests."""
        wanted = [("NEAR", self.near), ("FAR", self.far), ("KEY", self.key), ("FILE", self.file),
                  ("PLAIN", "definition")]
        lines = ['is() { test "$(printf %s "$2" | sha256sum | cut -d" " -f1)" = "$3" || exit $1; }']
        for code, (name, value) in enumerate(wanted, 51):
            digest = hashlib.sha256(value.encode()).hexdigest()
            lines.append(f'is {code} "${name}" {digest}')
        return "\n".join(lines + [then])


def ecr(c, registry, role=ROLE, **more):
    """The registry's password comes from ECR's stand-in."""
    c.cloud(registries=[{"id": "123456789012", "user": USER, "password": PASSWORD,
                         "proxyEndpoint": f"http://{registry.name}", "role": role, **more}])


# ---- the search ----

def forms(value):
    """A value as it is, within a JSON string, and within base64 at each of its offsets."""
    raw = value.encode()
    found = {raw, json.dumps(value)[1:-1].encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        begin = (shift * 8 + 5) // 6  # the first digit that is of the value alone
        end = (shift + len(raw)) * 8 // 6
        found |= {text[begin:end], base64.urlsafe_b64encode(b"\0" * shift + raw)[begin:end]}
    return found


def files_below(folder):
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path):
                yield path


def command_lines():
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                yield path, stream.read()
        except OSError:
            continue  # it has ended


def places(agent):
    """(name, bytes) of all that the agent leaves or says."""
    yield "its log", agent.stderr().encode()
    for path in files_below(agent.data):
        with open(path, "rb") as stream:
            yield path, stream.read()
    yield from command_lines()
    for command in ("status", "tasks", "events"):
        yield f"berth {command}", agent.berth(command, "--json").stdout.encode()


def search(agent, values):
    """No place has any of the values (a name of each: the value)."""
    needles = [(name, form) for name, value in values.items() for form in forms(value)]
    for place, data in places(agent):
        for name, form in needles:
            check(form not in data, f"{place} has {name}")
