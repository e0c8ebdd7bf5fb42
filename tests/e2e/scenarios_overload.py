"""Too much of everything: what it costs is bounded, and all is well again without help.

BERTH_OVERLOAD multiplies the sizes (CI: 1; a number above it is for an evening).
"""
import http.client
import json
import os
import resource
import socket
import time

from edited import edited
from harness import SMALL, Skip, check, container, equal, poll
from overload import MemoryLimit, Meter, idle, pass_by
from ports import free_port
from relay import ControlRelay, frame
from scripted_engine import ScriptedEngine

SCALE = int(os.environ.get("BERTH_OVERLOAD", "1"))


def together(n):
    """An edit that holds payloads back until `n` tasks are there, and sends them as one."""
    held = []

    def edit(envelope):
        message = envelope["message"]
        if len(held) < n:
            held.extend(message["tasks"])
            if len(held) < n:
                return b""
            message["tasks"] = held
        return frame(json.dumps(envelope))
    return edit


def thousand_tasks(t, c, engine, n):
    """All of them run, then all die, and nothing is left."""
    definition = c.register([container("a", **SMALL)], networkMode="none")
    with Meter(c.agent, f"{n} tasks run") as m:
        arns = c.run(definition, count=n)
        c.wait(arns, "RUNNING", 60, 0.2)
    m.limit(cpu=10 * SCALE, peak=20 + 15 * SCALE)
    equal(engine.calls["POST create"], n, "containers created")
    with Meter(c.agent, "all die") as m:
        equal(engine.die(times=10), n, "containers that die")
        tasks = c.wait(arns, "STOPPED", 60, 0.2)
    m.limit(cpu=6 * SCALE, peak=22 + 18 * SCALE)
    equal({k["exitCode"] for task in tasks for k in task["containers"]}, {137}, "exit codes")
    poll(lambda: not engine.by_id, lambda: f"{len(engine.by_id)} containers are left", 60, 0.1)
    equal(engine.calls["POST create"], n, "containers created in all")
    check(engine.most_at_once <= 60, f"{engine.most_at_once} requests at once")
    poll(lambda: not c.agent.berth_json("tasks"), "no task is known any more", 60)


def e2e_overload_thousand_tasks(t):
    """A thousand tasks in one payload; their containers die in the same moment, and each end is
    told ten times. The engine is scripted: a real one takes minutes for that."""
    n = 250 if t.sanitized else 1000 * SCALE
    with ScriptedEngine() as engine, edited(t, together(n), docker=engine.docker) as c:
        thousand_tasks(t, c, engine, n)
        idle(c.agent, "afterwards")


def e2e_overload_memory_limit(t):
    """The same in 32 MiB, all that the kernel keeps for the agent included: nobody is killed."""
    if t.sanitized:
        raise Skip("a sanitizer needs more for itself")
    with MemoryLimit(f"berth-e2e-{os.getpid()}", 32) as limit, ScriptedEngine() as engine, \
            edited(t, together(1000), docker=engine.docker, wrapper=limit.wrapper) as c:
        thousand_tasks(t, c, engine, 1000)
        equal(limit.kills(), 0, "processes killed for want of memory")


def e2e_overload_redeliveries(t):
    """The control plane sends one payload ten thousand times."""
    n = 500 if t.sanitized else 10000 * SCALE
    payload = []

    def edit(envelope):
        if not payload:
            payload.append(frame(json.dumps(envelope)))
            return payload[0] * n
        return frame(json.dumps(envelope))

    with ScriptedEngine() as engine, edited(t, edit, docker=engine.docker) as c:
        with Meter(c.agent, f"{n} redeliveries") as m:
            first = c.run(c.register([container("a", **SMALL)], networkMode="none"), count=10)
            c.wait(first, "RUNNING", 60, 0.05)
            # It is in the queue behind all of them.
            later = c.run_one(c.register([container("b", **SMALL)], networkMode="none"))
            c.wait_running(later, 60)
        m.limit(cpu=15 * SCALE, peak=30)
        equal(engine.calls["POST create"], 11, "containers created")
        lines = c.agent.stderr().count("\n")
        print(f"{lines} lines in the agent's log")
        check(lines < 1000, f"{lines} lines in the agent's log")
        idle(c.agent, "afterwards")


class Slammer(ControlRelay):
    """Closes each connection: when it comes (`at` "once"), or a websocket's when it is open."""

    def __init__(self, port):
        self.at, self.came = None, []
        super().__init__(port)
        connect, self._connect = self._connect, lambda: self._come(connect)

    def _come(self, connect):
        self.came.append(time.monotonic())
        if self.at == "once":
            raise ConnectionAbortedError
        return connect()

    def to_client(self, data, state):
        data = super().to_client(data, state)
        if self.at == "open" and data.startswith(b"HTTP/1.1 101"):
            state["cut"] = True
            data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n\x88\x02\x03\xe8"  # 1000
        return data


def slammed(c, relay, engine, at, seconds):
    """A task runs and dies while each connection is closed; all is told when that is over."""
    task = c.run_one(c.register([container("a", **SMALL)], networkMode="none"))
    c.wait_running(task)
    relay.at = at
    relay.cut_all()
    lines, began = c.agent.stderr().count("\n"), len(relay.came)
    with Meter(c.agent, f"closed at {at}") as m:
        engine.die()
        pass_by(c.agent, seconds)
    n, lines = len(relay.came) - began, c.agent.stderr().count("\n") - lines
    print(f"{n} connections, {lines} lines in the agent's log")
    m.limit(ratio=0.05, peak=25)
    check(n <= 10 * seconds, f"{n} connections in {seconds} s")
    check(lines <= 20 * seconds, f"{lines} lines in the agent's log in {seconds} s")
    relay.at = None
    healed = time.monotonic()
    c.agent.wait_connected(60)
    c.wait_stopped(task, 60)
    print(f"connected, and all told, {time.monotonic() - healed:.1f} s afterwards")


def e2e_overload_closes(t):
    """A control plane that closes each connection at once, and one that does so as soon as a
    websocket is open."""
    with ScriptedEngine() as engine, t.cluster(start=False, docker=engine.docker) as c:
        relay = c.relay(Slammer(c.port))
        c.agent.env.update(ECS_BACKEND_HOST=relay.url, AWS_ENDPOINT_URL=relay.url)
        c.agent.start().wait_connected()
        slammed(c, relay, engine, "once", 5 * SCALE)
        slammed(c, relay, engine, "open", 5 * SCALE)


def set_descriptors(pid, soft=None):
    """The limit of a process; None: as many as it may have."""
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard if soft is None else soft, hard))


def descriptors(pid):
    return [int(n) for n in os.listdir(f"/proc/{pid}/fd")]


def ask(port, path="/v2/metadata"):
    """Who answers, whatever it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def visitors(agent, port, n):
    """Connections to the local endpoints and to the commands' socket, with a request each."""
    found = []
    for i in range(n):
        kind, at, text = (socket.AF_INET, ("127.0.0.1", port), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") \
            if i % 2 else (socket.AF_UNIX, agent.socket, b'{"command":"status"}\n')
        s = socket.socket(kind)
        s.settimeout(0.2)
        found.append(s)
        try:
            s.connect(at)
            s.sendall(text)
        except OSError:
            pass  # its queue is full, or it is sent away
    return found


def e2e_overload_descriptors(t):
    """Not one descriptor is left while visitors come, the connections to the control plane and to
    the engine are cut, and containers die; then there are enough again."""
    with ScriptedEngine() as engine, t.cluster(start=False, docker=engine.docker) as c:
        relay, port = c.relay(Slammer(c.port)), free_port()
        c.agent.env.update(ECS_BACKEND_HOST=relay.url, AWS_ENDPOINT_URL=relay.url,
                           BERTH_TASKS_PORT=str(port))
        c.agent.start().wait_connected()
        arns = c.run(c.register([container("a", **SMALL)], networkMode="none"), count=10)
        c.wait(arns, "RUNNING")
        equal(ask(port), 400, "an answer before")
        pid, lines = c.agent.process.pid, c.agent.stderr().count("\n")
        before = len(descriptors(pid))
        for left in (0, 1, 2, 5):
            # The visitors take what is left; the numbers below it stay as they are.
            set_descriptors(pid, max(descriptors(pid)) + 1 + left)
            with Meter(c.agent, f"{left} descriptors left") as m:
                there = visitors(c.agent, port, 40)
                if not left:
                    engine.die()
                if left == 2:
                    relay.cut_all()
                    engine.cut_all()
                pass_by(c.agent, 2 * SCALE)
                for s in there:
                    s.close()
            m.limit(ratio=0.10, peak=25)
            set_descriptors(pid)
            poll(lambda: ask(port) == 400, "an answer again")
            equal(c.agent.berth_json("status")[0]["agent"]["version"] != "", True, "an answer")
        lines = c.agent.stderr().count("\n") - lines
        print(f"{lines} lines in the agent's log")
        check(lines <= 400 * SCALE, f"{lines} lines in the agent's log")
        c.agent.wait_connected(60)
        c.wait(arns, "STOPPED", 60)
        c.wait_running(c.run_one(c.register([container("a", **SMALL)], networkMode="none")))
        idle(c.agent, "afterwards")
        poll(lambda: len(descriptors(pid)) <= before + 20,
             lambda: f"{len(descriptors(pid))} descriptors, {before} before")
