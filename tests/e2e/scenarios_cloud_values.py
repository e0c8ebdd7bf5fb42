"""How values of the cloud are asked for: in batches, by version, once for many tasks."""
import json

from cloud import OTHER_ROLE, ROLE, ecr
from edited import with_tasks
from harness import check, container, contains, depends, equal, part, poll
from registry import Image, Registry
from scenarios_cloud_failures import reason_of, refused
from scenarios_images import Borrowed, pulls


def e2e_cloud_many_parameters(t):
    """23 parameters of one region are asked for in batches of ten, each name once, and each
    variable gets the value of its own."""
    with t.cluster() as c:
        names = [f"/e2e/n{i}" for i in range(23)]
        c.cloud(parameters=[{"name": n, "value": f"value of {n}", "role": ROLE} for n in names])
        wanted = [{"name": f"V{i}", "valueFrom": n} for i, n in enumerate(names)]
        wanted.append({"name": "AGAIN", "valueFrom": names[3]})
        script = "".join(f'test "$V{i}" = "value of {n}" || exit {i + 1}; '
                         for i, n in enumerate(names))
        script += f'test "$AGAIN" = "value of {names[3]}" || exit 99; exit 0'
        arn = c.run_one(c.register([container("a", script, secrets=wanted)],
                                   executionRoleArn=ROLE))
        equal(part(c.wait_stopped(arn), "a").get("exitCode"), 0, "exit code")
        asked = [r["names"] for r in c.calls("GetParameters")]
        equal(sorted(map(len, asked)), [3, 10, 10], "names in each call")
        equal(sorted(n for batch in asked for n in batch), sorted(names), "names")


def e2e_cloud_secret_versions(t):
    """A secret's stage, a version by its id, and JSON values that are no strings."""
    version = "0123456789abcdef0123456789abcdef"
    with t.cluster() as c:
        arn = c.cloud(secrets=[{"name": "e2e-versions", "role": ROLE, "versions": {
            version: json.dumps({"k": "pinned"})}, "stages": {
                "AWSCURRENT": json.dumps({"k": "now", "port": 5432, "big": 1e21, "on": True,
                                          "list": [1, "x"]}),
                "AWSPREVIOUS": json.dumps({"k": "before"})}}])["e2e-versions"]
        wanted = {"NOW": (":k::", "now"), "BEFORE": (":k:AWSPREVIOUS:", "before"),
                  "PINNED": (f":k::{version}", "pinned"), "PORT": (":port::", "5432"),
                  "BIG": (":big::", "1e+21"), "ON": (":on::", "true"),
                  "ALL": (":::" + version, json.dumps({"k": "pinned"}))}
        script = "".join(f"test \"${n}\" = '{v}' || exit {i}; "
                         for i, (n, (_, v)) in enumerate(wanted.items(), 1))
        task = c.wait_stopped(c.run_one(c.register([container("a", script + "exit 0", secrets=[
            {"name": n, "valueFrom": arn + end} for n, (end, _) in wanted.items()])],
            executionRoleArn=ROLE)))
        equal(part(task, "a").get("exitCode"), 0, f"exit code ({task.get('stoppedReason')})")


def e2e_cloud_token_cached(t):
    """A token of ECR is asked for once for all containers of a task, and once for all tasks
    that use the instance's keys; until shortly before its end."""
    with Registry(password=True) as registry, Borrowed() as borrowed, \
            t.cluster(env=pulls("always")) as c:
        name = borrowed.add(registry.push("e2e/cached", Image("cached")))

        def run(*others, count=1, **more):
            """A container that starts when the others have ended; who asked for tokens."""
            last = c.local("GET", "cloud/calls")["last"]
            first = container("a", "exit 0", image=name, dependsOn=depends(
                *((n, "SUCCESS") for n in others)))
            rest = [container(n, "exit 0", image=name, essential=False) for n in others]
            arns = c.run(c.register([first, *rest], **more), count)
            for task in c.wait(arns, "STOPPED"):
                equal(part(task, "a").get("exitCode"), 0, f"exit code ({task})")
            return [r["signer_role"] for r in c.calls("GetAuthorizationToken", last)]

        ecr(c, registry, role=None)
        equal(run("b", "c", executionRoleArn=ROLE), [ROLE], "calls for three containers")
        equal(run(count=5), [""], "calls for five tasks with the instance's keys")
        equal(run(), [], "calls for one more")
        equal(run(executionRoleArn=OTHER_ROLE), [OTHER_ROLE], "calls of another role")
        poll(lambda: not c.containers(), "the containers are removed")
    with Registry(password=True) as registry, Borrowed() as borrowed, \
            t.cluster(env=pulls("always")) as c:
        name = borrowed.add(registry.push("e2e/short", Image("short")))
        ecr(c, registry, role=None, expires_s=1500)  # in the last half hour of its life already
        for count in (1, 2):
            task = c.wait_stopped(c.run_one(c.register([container("a", "exit 0", image=name)])))
            equal(part(task, "a").get("exitCode"), 0, f"exit code ({part(task, 'a')})")
            equal(len(c.calls("GetAuthorizationToken")), count, "calls")
        poll(lambda: not c.containers(), "the containers are removed")


def e2e_cloud_files_in_order(t):
    """Of two files the first one counts, of two lines the last one, and what the definition or
    a secret says counts more; each container has its own, and one fetch serves both."""
    text = "#A=comment\nA=1\nA=first\n=nothing\nB = b \nQUOTED=\"q\"\nOWN=file\nX=file\r\n"
    wanted = {"A": "first", "QUOTED": '"q"', "OWN": "definition", "X": "secret", "LATE": "two"}
    script = "".join(f"test \"${n}\" = '{v}' || exit {i}; "
                     for i, (n, v) in enumerate(wanted.items(), 1))
    # A shell does not hand on what is no name of a variable to it.
    script += "tr '\\000' '\\n' </proc/1/environ | grep -q '^B = b $' || exit 9; exit 0"
    other = 'test -z "$QUOTED$X" && test "$A" = second && exit 0; exit 8'
    with t.cluster() as c:
        c.cloud(parameters=[{"name": "/e2e/x", "value": "secret", "role": ROLE}],
                buckets=[{"name": "e2e.dotted.files", "role": ROLE, "objects": {
                    "a b/ü.env": text, "two.env": "A=second\nLATE=two"}}])
        first, second = ({"value": f"arn:aws:s3:::e2e.dotted.files/{k}", "type": "s3"}
                         for k in ("a b/ü.env", "two.env"))
        task = c.wait_stopped(c.run_one(c.register([
            container("a", script, environmentFiles=[first, second],
                      environment=[{"name": "OWN", "value": "definition"}],
                      secrets=[{"name": "X", "valueFrom": "/e2e/x"}],
                      dependsOn=depends(("b", "SUCCESS"))),
            container("b", other, environmentFiles=[second], essential=False)],
            executionRoleArn=ROLE)))
        equal([part(task, n).get("exitCode") for n in "ba"], [0, 0],
              f"exit codes ({task.get('stoppedReason')})")
        equal(sorted(r["names"][0] for r in c.calls("GetObject")),
              ["e2e.dotted.files/a b/ü.env", "e2e.dotted.files/two.env"], "files asked for")
        equal(len(c.calls("HeadBucket")), 1, "questions for the bucket's region")


def e2e_cloud_file_too_large(t):
    """An environment file over a megabyte is no environment file."""
    with t.cluster() as c:
        c.cloud(buckets=[{"name": "e2e-large", "role": ROLE, "objects": {
            "a.env": {"repeat": "A=1\n", "size": 3 << 20}}}])
        reason = reason_of(refused(c, container("a", environmentFiles=[
            {"value": "arn:aws:s3:::e2e-large/a.env", "type": "s3"}])))
        contains(reason, "key a.env from bucket e2e-large", "reason")
        contains(reason, "larger than 1048576 bytes", "reason")


def e2e_cloud_no_role(t):
    """A payload that asks for secrets and brings no credentials of an execution role."""
    def drop(task):
        task.pop("executionRoleCredentials", None)

    with with_tasks(t, drop) as c:
        c.cloud(parameters=[{"name": "/e2e/x", "value": "x"}])
        reason = reason_of(refused(c, container("a", secrets=[
            {"name": "X", "valueFrom": "/e2e/x"}])))
        equal(reason, "Ssm secret resource: unable to find execution role credentials", "reason")
        check(not c.calls("GetParameters"), "it was asked for all the same")
