"""Tasks that do not fit wait, and hold nobody else up.

The real control plane places no task that does not fit, so the payload is edited on
its way: the agent must not trust that."""
import json

from harness import container, contains, equal, poll
from relay import ControlRelay, frame
from scenarios_payloads import edited

assert ControlRelay  # what `edited` puts before berth-local


def e2e_capacity_queue(t):
    """A task that does not fit waits, smaller ones pass it, and it runs when there is room."""
    grown = {}

    def edit(envelope):
        for task in envelope["message"]["tasks"]:
            if task["family"].endswith("-1"):
                task["containers"][0]["memory"] = grown["memory"]
        return frame(json.dumps(envelope))

    with edited(t, edit) as c:
        total = c.agent.berth_json("status")[0]["core"]["memory_mib"]["total"]
        grown["memory"] = total * 6 // 10
        big, small = c.register([container("a")]), c.register([container("a")])
        first = c.run_one(big)
        c.wait_running(first)
        second = c.run_one(big)
        poll(lambda: c.agent.berth_json("status")[0]["core"]["tasks_waiting_for_room"] == 1,
             "one task waits for room")
        third = c.run_one(small)
        c.wait_running(third)
        ((name, text),) = c.agent.why(second)
        equal(name, None, "container that waits")
        contains(text, "MiB of memory: it needs", "berth why")
        c.stop(first)
        c.wait_running(second)


def e2e_port_queue(t):
    """A host port that another task holds makes the second one wait for it."""
    held = {}

    def edit(envelope):
        for task in envelope["message"]["tasks"]:
            for k in task["containers"]:
                for mapping in k["portMappings"]:
                    mapping["hostPort"] = held.setdefault("port", mapping["hostPort"])
        return frame(json.dumps(envelope))

    def web(port):
        return container("a", portMappings=[{"containerPort": 80, "hostPort": port}])

    with edited(t, edit) as c:
        first = c.run_one(c.register([web(31480)]))
        c.wait_running(first)
        second = c.run_one(c.register([web(31481)]))
        poll(lambda: c.agent.berth_json("status")[0]["core"]["tasks_waiting_for_room"] == 1,
             "one task waits for room")
        equal(c.agent.why(second), [(None, "host port 31480/tcp: another task holds it")],
              "berth why")
        c.stop(first)
        c.wait_running(second)
