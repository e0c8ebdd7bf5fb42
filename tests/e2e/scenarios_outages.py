"""The control plane is away, answers nonsense, or breaks its connection."""
import os
import struct
import time

from harness import check, container, contains, equal, part, poll
from relay import ControlRelay, frame


def end_of(c, arn):
    """Ends a task's container behind the agent's back."""
    with c.events() as events:
        c.docker.request("POST", f"/containers/{c.containers(arn)[0]['Id']}/kill", signal="TERM")
        events.wait("die", task=arn)


def stopped_after(c, arn, limit, slow):
    """Seconds that a busy machine keeps; that nobody waits out a backoff of his own is shown by
    component/reporter."""
    began = time.monotonic()
    c.wait_stopped(arn)
    took = time.monotonic() - began
    check(took < limit * slow, f"STOPPED came {took:.1f} s after the control plane's return")


def e2e_reports_fail_for_a_while(t):
    """Reports that fail are sent again, and at once when another path works again."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", "trap 'exit 6' TERM; sleep 3600 & wait $!")]))
        c.wait_running(arn)
        c.fault("SubmitTaskStateChange", "status", count=-1, status=500)
        c.fault("/acs/ws", "status", count=-1, status=503)
        c.local("POST", "drop-websockets")
        end_of(c, arn)

        def failed():
            return [r for r in c.requests("SubmitTaskStateChange") if r["status"] == 500]

        poll(lambda: len(failed()) >= 3, "three failed reports")
        equal(c.task(arn)["lastStatus"], "RUNNING", "status during the outage")
        c.heal()
        stopped_after(c, arn, 6, 4 if t.sanitized else 1)
        equal(part(c.task(arn), "a")["exitCode"], 6, "exit code")


def e2e_control_plane_outage(t):
    """The control plane's process is gone for a while; it comes back with its state."""
    with t.cluster(state=True) as c:
        ends = c.run_one(c.register([container("a", "trap 'exit 6' TERM; sleep 3600 & wait $!")]))
        stays = c.run_one(c.register([container("a")]))
        c.wait([ends, stays], "RUNNING")
        c.stop_local()
        end_of(c, ends)
        c.agent.wait_log("no session with the control plane")
        contains(c.agent.berth("status").stdout, '"connected":false', "berth status")
        c.restart_local()
        stopped_after(c, ends, 10, 4 if t.sanitized else 1)
        equal(part(c.task(ends), "a")["exitCode"], 6, "exit code")
        equal(c.task(stays)["lastStatus"], "RUNNING", "status of the other task")
        equal(len(c.containers(stays)), 1, "containers of the other task")
        c.agent.wait_connected()


def e2e_answer_lost(t):
    """A report that was accepted, but whose answer was lost, does no harm when repeated."""
    with t.cluster(violations=True) as c:
        c.fault("SubmitTaskStateChange", "lose", count=2)
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        poll(lambda: c.agent.berth_json("tasks")[0]["reported"] == "RUNNING",
             "the agent knows that its report was accepted")
        c.stop(arn)
        c.wait_stopped(arn)


def e2e_html_control_plane(t):
    """A proxy answers with a page: the agent says so, tries again, and loses nothing."""
    with t.cluster(start=False) as c:
        c.fault("RegisterContainerInstance", "html", count=1)
        c.agent.start()
        line = c.agent.wait_log(r"level=warn .*registration did not succeed yet.*")
        contains(line, "502", "the warning")
        c.agent.wait_connected()
        c.fault("/acs/ws", "html", count=1)
        c.fault("SubmitTaskStateChange", "html", count=1)
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        c.local("POST", "drop-websockets")
        c.agent.wait_log("no session with the control plane")
        c.agent.wait_connected()
        equal(c.task(arn)["lastStatus"], "RUNNING", "status of the task")


def broken(t, spoil, message):
    """The first payload arrives as `spoil` makes it; the task that runs already stays, and
    the one in the payload runs in the end."""
    with t.cluster(start=False, violations=True) as c:
        relay = c.relay(ControlRelay(c.port))
        c.agent.start(ECS_BACKEND_HOST=relay.url).wait_connected()
        first = c.run_one(c.register([container("a")]))
        c.wait_running(first)
        hits = []

        def edit(text):
            if '"PayloadMessage"' not in text or hits:
                return frame(text)
            hits.append(text)
            return spoil(text)

        relay.edit = edit
        second = c.run_one(c.register([container("a")]))
        c.agent.wait_log(message)
        check(hits, "no payload was spoiled")
        c.wait_running(second, 60)
        equal(c.task(first)["lastStatus"], "RUNNING", "status of the first task")
        equal(len(c.containers()), 2, "containers")


def e2e_truncated_frame(t):
    """The connection ends in the middle of a payload: it is opened again."""
    broken(t, lambda text: frame(text)[:len(text) // 2] + ControlRelay.CUT,
           "session with the control plane ended.*without a close frame")


def e2e_oversized_frame(t):
    """A frame that claims 64 GiB is refused before anything is kept of it."""
    broken(t, lambda text: struct.pack("!BBQ", 0x81, 127, 64 << 30) + os.urandom(1000),
           "session with the control plane ended.*a message is longer than")


def e2e_binary_rubbish(t):
    """Bytes that are no frame at all end the connection, not the agent."""
    broken(t, lambda text: b"\xff\xff\xff\xff" * 100,
           "session with the control plane ended.*broke the protocol")


def e2e_dropped_again_and_again(t):
    """Connections that are lost one after the other leave nothing undone."""
    with t.cluster() as c:
        definition = c.register([container("a")])
        arns = []
        for _ in range(3):
            arns += c.run(definition)
            c.local("POST", "drop-websockets")
            c.agent.wait_connected()
            poll(lambda: c.instances()[0]["agentConnected"], "the agent's connection")
        c.wait(arns, "RUNNING")
        equal(len(c.containers()), 3, "containers")
