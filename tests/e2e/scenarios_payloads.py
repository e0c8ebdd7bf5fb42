"""Payloads that are wrong, come twice, or mean the same thing again."""
import json

from edited import edited
from harness import check, container, contains, equal, part
from relay import frame


def bad_payload(t, spoil, *parts):
    """Of two tasks in one payload the first is spoiled: it ends, its reason names the
    place, and the other runs."""
    bad = []

    def edit(envelope):
        tasks = envelope["message"]["tasks"]
        if not bad and len(tasks) == 2:
            bad.append(tasks[0]["arn"])
        for task in tasks:
            if task["arn"] in bad:
                spoil(task)
        return frame(json.dumps(envelope))

    with edited(t, edit) as c:
        arns = c.run(c.register([container("web"), container("side")]), count=2)
        task = c.wait_stopped(arns[0])
        equal(bad, [arns[0]], "the task that was spoiled")
        for text in parts:
            contains(task["stoppedReason"], text, "reason")
        c.wait_running(arns[1])
        equal(c.containers(arns[0]), [], "containers of the bad task")


def e2e_bad_payload_wrong_type(t):
    def spoil(task):
        task["containers"][1]["memory"] = "lots"

    bad_payload(t, spoil, "UnrecogniedTaskError: Error loading task - ", "containers[1].memory",
                "string")


def e2e_bad_payload_unknown_dependency(t):
    def spoil(task):
        task["containers"][0]["dependsOn"] = [
            {"containerName": "nowhere", "condition": "START"}]

    bad_payload(t, spoil, "dependsOn", "nowhere")


def e2e_bad_payload_dependency_cycle(t):
    def spoil(task):
        task["containers"][0]["dependsOn"] = [{"containerName": "side", "condition": "START"}]
        task["containers"][1]["dependsOn"] = [{"containerName": "web", "condition": "START"}]

    bad_payload(t, spoil, "cycle", "web", "side")


def e2e_bad_payload_broken_docker_config(t):
    """dockerConfig holds JSON in a string: a container whose string is broken fails."""
    bad = []

    def edit(envelope):
        for task in envelope["message"]["tasks"]:
            if not bad or task["arn"] in bad:
                bad.append(task["arn"])
                task["containers"][0]["dockerConfig"]["hostConfig"] = '{"Memory": '
        return frame(json.dumps(envelope))

    with edited(t, edit) as c:
        arns = c.run(c.register([container("web")]), count=2)
        reason = part(c.wait_stopped(arns[0]), "web")["reason"]
        check(reason.startswith("HostConfigError: "), f"reason {reason!r}")
        c.wait_running(arns[1])


def e2e_payload_not_json(t):
    """A message that is no JSON is dropped with a warning; the next one is not."""
    spoiled = []

    def edit(envelope):
        text = json.dumps(envelope)
        if spoiled:
            return frame(text)
        spoiled.append(text)
        return frame(text[:len(text) // 2]) + frame(text)

    with edited(t, edit) as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        c.agent.wait_log("level=warn .*a message of the control plane was dropped")
        equal(len(c.containers()), 1, "containers")


def e2e_duplicate_payload(t):
    """The same payload three times gives one container and three acknowledgments."""
    ids = []

    def edit(envelope):
        ids.append(envelope["message"]["messageId"])
        return frame(json.dumps(envelope)) * 3

    with edited(t, edit) as c, c.events() as events:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        acks = [m["message"]["message"].get("messageId")
                for m in c.local("GET", "agent-messages")["messages"]
                if m["message"]["type"] == "AckRequest"]
        check(acks.count(ids[0]) >= 1, f"acknowledgments {acks} of {ids}")
        equal(len(c.containers()), 1, "containers")
        events.wait("start", task=arn)
        equal(len(events.matching("create")), 1, "containers created")


def e2e_stop_overtakes_start(t):
    """A payload that was held back arrives after the stop of its task: nothing starts."""
    held = []

    def edit(envelope):
        text = json.dumps(envelope)
        if not held and envelope["message"]["tasks"][0]["desiredStatus"] == "RUNNING":
            held.append(text)
            return b""
        return frame(text) + b"".join(frame(h) for h in held)

    with edited(t, edit) as c, c.events() as events:
        arn = c.run_one(c.register([container("a")]))
        c.stop(arn)
        task = c.wait_stopped(arn)
        check("exitCode" not in part(task, "a"), "the container has an exit code")
        equal(events.matching("start"), [], "containers started")
