"""What a definition says of its containers' logs: options that are not good stop the task before
anything is made, in the engine's words; secrets are options like others."""
from cloud import ROLE, canary
from harness import check, container, equal, part, poll


def awslogs(secret_options=None, **options):
    """Names with underscores for hyphens."""
    log = {"logDriver": "awslogs",
           "options": {name.replace("_", "-"): value for name, value in options.items()}}
    if secret_options:
        log["secretOptions"] = [{"name": name, "valueFrom": value}
                                for name, value in secret_options.items()]
    return {"logConfiguration": log}


GOOD = {"awslogs_group": "/e2e/options", "awslogs_region": "us-west-2",
        "awslogs_create_group": "true"}
SAID = "CannotCreateContainerError: Error response from daemon: "


def e2e_log_options_refused(t):
    """Each kind of bad option is a reason as the engine gives it. No container is made; the
    neighbors run."""
    bad = {
        "unknown": ({"labels": "x"}, "unknown log opt 'labels' for awslogs log driver"),
        "number": ({"awslogs_force_flush_interval_seconds": "5s"},
                   "must specify a positive integer for log opt "
                   "'awslogs-force-flush-interval-seconds': 5s"),
        "both": ({"awslogs_datetime_format": "%Y", "awslogs_multiline_pattern": "x"},
                 "you cannot configure log opt 'awslogs-datetime-format' and "
                 "'awslogs-multiline-pattern' at the same time"),
        "pattern": ({"awslogs_multiline_pattern": r"(a)\1"},
                    "failed to initialize logging driver: awslogs could not parse multiline "
                    r'pattern key "(a)\\1": error parsing regexp: invalid escape sequence: `\1`'),
        "mode": ({"mode": "sometimes"}, "logger: logging mode not supported: sometimes"),
        "buffer": ({"mode": "blocking", "max_buffer_size": "4m"},
                   "logger: max-buffer-size option is only supported with 'mode=non-blocking'"),
        "tag": ({"tag": "{{.Nothing}}"},
                "failed to initialize logging driver: template: log-tag:1:2: executing \"log-tag\" "
                "at <.Nothing>: can't evaluate field Nothing in type *logger.Info"),
    }
    with t.cluster() as c:
        good = c.run_one(c.register([container("good", **awslogs(**GOOD))]))
        tasks = {name: c.run_one(c.register([container(name, **awslogs(**{**GOOD, **options}))]))
                 for name, (options, _) in bad.items()}
        for name, (_, text) in bad.items():
            task = c.wait_stopped(tasks[name])
            equal(part(task, name).get("reason"), SAID + text, name)
            check("exitCode" not in part(task, name), f"{name} has an exit code")
            equal(c.containers(tasks[name]), [], f"containers of {name}")
        c.wait_running(good)


def e2e_log_options_tag(t):
    """The stream has the name that the tag makes of the container's."""
    with t.cluster(env={"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "5s"}) as c:
        arn = c.run_one(c.register([container("a", "echo shipped", **awslogs(
            **GOOD, tag="{{.Name}}/{{ .DaemonName }}"))]))
        c.wait_stopped(arn)
        name = c.agent.berth_json("tasks")[0]["containers"][0]["docker_name"]

        def streams():
            groups = c.logs.call("DescribeLogGroups")["logGroups"]
            return groups and [s["logStreamName"] for s in c.logs.call(
                "DescribeLogStreams", logGroupName="/e2e/options")["logStreams"]]

        poll(lambda: streams() == [f"{name}/docker"], lambda: f"the stream: {streams()}")


def e2e_log_options_secret_after_kill(t):
    """The agent is killed and comes back while its control plane is away: the secret in the log's
    options is fetched again when the credentials for it come, and no line is lost; not even when
    the container ends before that."""
    group = canary("group")
    script = "trap 'echo end; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
    with t.cluster() as c:
        c.cloud(parameters=[{"name": "/e2e/group", "value": group, "type": "SecureString",
                             "role": ROLE}])
        arn = c.run_one(c.register([container("a", script, **awslogs(
            {"awslogs-group": "/e2e/group"}, **GOOD))], executionRoleArn=ROLE))
        c.wait_running(arn)

        def lines():
            groups = [g["logGroupName"] for g in c.logs.call("DescribeLogGroups")["logGroups"]]
            return group in groups and [e["message"] for e in c.logs.call(
                "FilterLogEvents", logGroupName=group)["events"]]

        poll(lambda: lines() == ["begun"], lambda: f"the first line is there: {lines()}")
        c.agent.kill()
        c.fault("/acs/ws", "status", count=-1, status=503)
        c.fault("SubmitTaskStateChange", "status", count=-1, status=500)
        box = c.containers(arn)[0]["Id"]
        c.agent.start()
        c.agent.wait_log("waits for the secrets in its options")
        c.docker.request("POST", f"/containers/{box}/stop")
        poll(lambda: c.agent.berth_json("tasks")[0]["containers"][0]["status"] == "STOPPED",
             "the agent has seen its end")
        c.heal()
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, "exit code")
        poll(lambda: lines() and lines()[-1] == "end",
             lambda: f"the last line is shipped: {lines()}")
        check(lines() in (["begun", "end"], ["begun", "begun", "end"]), f"lines: {lines()}")
        check(group not in c.agent.stderr(), "the secret is in the agent's log")


def e2e_log_options_secret(t):
    """The group is a secret: its lines are there. A secret that is no good is not in the
    reason; none is in the agent's log."""
    group = canary("group")
    with t.cluster() as c:
        c.cloud(parameters=[{"name": "/e2e/group", "value": group, "type": "SecureString",
                             "role": ROLE}])
        arn = c.run_one(c.register([container("a", "echo shipped", **awslogs(
            {"awslogs-group": "/e2e/group"}, **GOOD))], executionRoleArn=ROLE))
        c.wait_stopped(arn)

        def lines():
            groups = [g["logGroupName"] for g in c.logs.call("DescribeLogGroups")["logGroups"]]
            if group not in groups:
                return groups
            return [e["message"] for e in c.logs.call("FilterLogEvents",
                                                      logGroupName=group)["events"]]

        poll(lambda: lines() == ["shipped"], lambda: f"the line is in the secret group: {lines()}")
        bad = c.run_one(c.register([container("d", **awslogs(
            {"mode": "/e2e/group"}, **GOOD))], executionRoleArn=ROLE))
        reason = part(c.wait_stopped(bad), "d").get("reason")
        equal(reason, SAID + "logger: logging mode not supported: (secret)", "reason")
        check(group not in c.agent.stderr(), "the secret is in the agent's log")
