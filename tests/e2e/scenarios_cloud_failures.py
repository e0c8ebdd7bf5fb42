"""What a task needs from the cloud and cannot have: it stops, and its reason says why."""
import json

from cloud import OTHER_ROLE, ROLE, ecr, parameter_arn
from harness import check, container, contains, depends, equal, part, poll
from registry import PASSWORD, USER, Image, Registry
from scenarios_images import Borrowed, pulls


def refused(c, *containers, **more):
    """Runs a task that cannot start; its description."""
    arn = c.run_one(c.register(list(containers), executionRoleArn=ROLE, **more))
    task = c.wait_stopped(arn)
    check(not c.containers(arn), "a container was made")
    return task


def reason_of(task):
    """The task's reason; its containers have none."""
    equal([k.get("reason") for k in task["containers"]], [None] * len(task["containers"]),
          "reasons of the containers")
    return task["stoppedReason"]


def secret(value_from, **more):
    return container("a", secrets=[{"name": "X", "valueFrom": value_from}], **more)


def e2e_cloud_no_parameter(t):
    """SSM parameters that are not there, or not for this role."""
    with t.cluster() as c:
        c.cloud(parameters=[{"name": "/e2e/there", "value": "x", "role": ROLE},
                            {"name": "/e2e/theirs", "value": "x", "role": OTHER_ROLE}])
        task = refused(c, container("a", secrets=[
            {"name": n, "valueFrom": v} for n, v in
            (("A", "/e2e/there"), ("B", "/e2e/absent"), ("C", "/e2e/gone"))]))
        equal(reason_of(task), "Fetching secret data from SSM Parameter Store in us-west-2: "
              "invalid parameters: /e2e/absent,/e2e/gone", "reason")
        far = parameter_arn("/e2e/absent", "eu-west-1")
        contains(reason_of(refused(c, secret(far))), "Fetching secret data from SSM Parameter "
                 "Store in eu-west-1: invalid parameters: ", "reason of one elsewhere")
        reason = reason_of(refused(c, secret("/e2e/theirs")))
        check(reason.startswith("Fetching secret data from SSM Parameter Store in us-west-2: "
                                "AccessDeniedException: User: arn:aws:sts::123456789012:"
                                "assumed-role/e2e-execution/"), f"reason {reason!r}")
        contains(reason, "is not authorized to perform: ssm:GetParameters", "reason")


def e2e_cloud_no_secret(t):
    """A secret that is not there, one without the JSON key, and an ARN that is none."""
    with t.cluster() as c:
        db = c.cloud(secrets=[{"name": "e2e-json", "role": ROLE,
                               "string": json.dumps({"password": "x"})}])["e2e-json"]
        absent = "arn:aws:secretsmanager:us-west-2:123456789012:secret:absent-AbCdEf"
        reason = reason_of(refused(c, secret(absent)))
        check(reason.startswith(
            "ResourceNotFoundException: The task can't retrieve the secret with ARN "
            f"'{absent}' from AWS Secrets Manager. Check whether the secret exists in the "
            "specified Region: ResourceNotFoundException: "), f"reason {reason!r}")
        equal(reason_of(refused(c, secret(f"{db}:user::"))),
              "Retrieved secret from Secrets Manager did not contain json key user", "reason")
        odd = f"{db}:user"
        equal(reason_of(refused(c, secret(odd))),
              f"Trying to retrieve secret with value {odd} resulted in error: an invalid ARN "
              "format for the AWS Secrets Manager secret was specified. Specify a valid ARN and "
              "try again.", "reason of a wrong ARN")


def e2e_cloud_no_file(t):
    """An environment file that is not there, in a bucket that is not there, or not ours."""
    with t.cluster() as c:
        c.cloud(buckets=[{"name": "e2e-ours", "role": ROLE, "objects": {"a.env": "A=1\n"}},
                         {"name": "e2e-theirs", "region": "eu-central-1", "role": OTHER_ROLE,
                          "objects": {"a.env": "A=1\n"}}])

        def reason(*objects):
            return reason_of(refused(c, container("a", environmentFiles=[
                {"value": f"arn:aws:s3:::{o}", "type": "s3"} for o in objects])))

        text = "Unable to download env file with key {} from bucket {}, error: "
        seen = reason("e2e-ours/b.env")
        check(seen.startswith(text.format("b.env", "e2e-ours") + "NoSuchKey"), f"reason {seen!r}")
        seen = reason("e2e-theirs/a.env")
        check(seen.startswith(text.format("a.env", "e2e-theirs")), f"reason {seen!r}")
        contains(seen, "AccessDenied", "reason of a bucket of others")
        seen = reason("e2e-absent/a.env")
        check(seen.startswith(text.format("a.env", "e2e-absent")), f"reason {seen!r}")
        seen = reason("e2e-ours/b.env", "e2e-ours/a.env", "e2e-ours/c.env")
        check(";" in seen and "b.env" in seen and "c.env" in seen, f"two at once: {seen!r}")


def e2e_cloud_env_file_too_long(t):
    """Its line has more than 64 KiB: the task's reason says which."""
    with t.cluster() as c:
        c.cloud(buckets=[{"name": "e2e-long", "role": ROLE, "objects": {
            "a.env": "A=1\nB=" + "x" * 66000 + "\n"}}])
        reason = reason_of(refused(c, container("a", environmentFiles=[
            {"value": "arn:aws:s3:::e2e-long/a.env", "type": "s3"}])))
        contains(reason, "key a.env from bucket e2e-long", "reason")
        contains(reason, "line 2", "reason")


def e2e_cloud_no_token(t):
    """ECR refuses its token: the pull fails with the behavior always, and with default the
    image that is here will do."""
    with Registry(password=True) as registry, Borrowed() as borrowed:
        name = borrowed.add(registry.push("e2e/token", Image("token")))
        with t.cluster(env=pulls("default")) as c:
            ecr(c, registry)
            definition = c.register([container("a", "exit 46", image=name)],
                                    executionRoleArn=ROLE)
            task = c.wait_stopped(c.run_one(definition))
            equal(part(task, "a").get("exitCode"), 46, f"exit code ({part(task, 'a')})")
        with t.cluster(env=pulls("default")) as c:  # an agent that has no token yet
            ecr(c, registry, role=OTHER_ROLE)
            definition = c.register([container("a", "exit 46", image=name)],
                                    executionRoleArn=ROLE)
            task = c.wait_stopped(c.run_one(definition))
            equal(part(task, "a").get("exitCode"), 46, f"exit code ({part(task, 'a')})")
            check([r for r in c.calls("GetAuthorizationToken") if r["error"]],
                  "the token was not refused")
        with t.cluster(env=pulls("always")) as c:
            ecr(c, registry, role=OTHER_ROLE)
            task = refused(c, container("main", dependsOn=depends(("a", "COMPLETE"))),
                           container("a", image=name, essential=False))
            reason = part(task, "a")["reason"]
            check(reason.startswith("CannotPullECRContainerError: "), f"reason {reason!r}")
            contains(reason, "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/"
                     "e2e-execution/", "reason")
            contains(reason, "ecr:GetAuthorizationToken", "reason")


def e2e_cloud_registry_secret(t):
    """The password of a registry from Secrets Manager: right, wrong, not there, no JSON."""
    with Registry(password=True) as registry, Borrowed() as borrowed, \
            t.cluster(env=pulls("always")) as c:
        name = borrowed.add(registry.push("e2e/asm", Image("asm")))
        arns = c.cloud(secrets=[
            {"name": n, "string": s, "role": ROLE} for n, s in (
                ("e2e-right", json.dumps({"username": USER, "password": PASSWORD})),
                ("e2e-wrong", json.dumps({"username": USER, "password": "guessed"})),
                ("e2e-half", json.dumps({"username": USER, "password": ""})),
                ("e2e-text", "no JSON at all"))])

        def one(arn):
            return container("a", "exit 47", image=name,
                             repositoryCredentials={"credentialsParameter": arn})

        task = c.wait_stopped(c.run_one(c.register([one(arns["e2e-right"])],
                                                   executionRoleArn=ROLE)))
        equal(part(task, "a").get("exitCode"), 47, f"exit code ({part(task, 'a')})")
        check(PASSWORD not in c.agent.stderr(), "the password is in the log")

        task = refused(c, one(arns["e2e-wrong"]))
        reason = part(task, "a")["reason"]
        check(reason.startswith("CannotPullImageManifestError: "), f"reason {reason!r}")
        absent = "arn:aws:secretsmanager:us-west-2:123456789012:secret:absent-AbCdEf"
        reason = reason_of(refused(c, one(absent)))
        check(reason.startswith(f"Asm fetching secret from the service for {absent}: "
                                "ResourceNotFoundException: "), f"reason {reason!r}")
        for bad in ("e2e-half", "e2e-text"):
            reason = reason_of(refused(c, one(arns[bad])))
            check(reason.startswith("Asm fetching authorization data: "), f"reason {reason!r}")
            check("no JSON at all" not in reason, "the secret's text is in the reason")
        poll(lambda: not c.containers(), "the containers are removed")
