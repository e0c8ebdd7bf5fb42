"""What a torture run sees, and whether the laws of the architecture hold.

The reports are read on the wire, on their way to berth-local and back; what containers did is
told by the engine's events.
"""
import json
import re
import threading
import time

from relay import ControlRelay

RANK = {"PENDING": 0, "RUNNING": 1, "STOPPED": 2}


class ReportRelay(ControlRelay):
    """Keeps each SubmitTaskStateChange with the answer that it got: `accepted` is a list of
    (wall time, body). Requests follow each other on a connection, and so do the answers."""

    def __init__(self, server_port):
        super().__init__(server_port)
        self.accepted = []

    def cut(self):
        """All connections, as a network does."""
        with self.lock:
            sockets, self.sockets = self.sockets, []
        for s in sockets:
            try:
                s.shutdown(2)
            except OSError:
                pass

    def to_server(self, data, state):
        data = super().to_server(data, state)
        if not state.get("acs"):
            state["out"] = state.get("out", b"") + data
            self._take_requests(state)
        return data

    def _take_requests(self, state):
        while True:
            head, end, rest = state["out"].partition(b"\r\n\r\n")
            length = re.search(rb"^content-length: *(\d+)", head, re.M | re.I)
            size = int(length.group(1)) if length else 0
            if not end or len(rest) < size:
                return
            state["out"] = rest[size:]
            report = b"SubmitTaskStateChange" in head
            state.setdefault("asked", []).append(rest[:size] if report else None)

    def to_client(self, data, state):
        if not state.get("acs"):
            for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", data):
                if status == b"100":
                    continue
                asked = state.get("asked") or [None]
                body = asked.pop(0)
                if body and status == b"200":
                    with self.lock:
                        self.accepted.append((time.time(), json.loads(body)))
        return super().to_client(data, state)


class Exits:
    """Processes of the agent that ended although nobody killed them."""

    def __init__(self):
        self.codes, self.lock = [], threading.Lock()

    def note(self, code):
        with self.lock:
            self.codes.append(code)


def reports_by_task(relay):
    found = {}
    with relay.lock:
        rows = list(relay.accepted)
    for when, body in rows:
        found.setdefault(body["task"], []).append((when, body))
    return found


def went_back(reports):
    """Tasks that were reported in a state before one that was reported already."""
    bad = []
    for task, rows in reports.items():
        highest = 0
        for _, body in rows:
            rank = RANK[body["status"]]
            if rank < highest:
                bad.append(task)
                break
            highest = rank
    return bad


def contradictions(reports):
    """Ends that were told twice, and otherwise: (task, container, exit codes)."""
    bad = []
    for task, rows in reports.items():
        codes = {}
        for _, body in rows:
            for c in body.get("containers", []):
                if c["status"] == "STOPPED" and "exitCode" in c:
                    codes.setdefault(c["containerName"], set()).add(c["exitCode"])
        bad += [(task, name, sorted(seen)) for name, seen in codes.items() if len(seen) > 1]
    return bad


def terminal(reports):
    """Task: how often its end was accepted."""
    return {task: sum(body["status"] == "STOPPED" for _, body in rows)
            for task, rows in reports.items()}


def count_events(events, action):
    """(task, container name): how often."""
    counts = {}
    for item in events.matching(action):
        if item["action"] == action:
            key = (item["task"], item["container"])
            counts[key] = counts.get(key, 0) + 1
    return counts


def told_too_early(reports, events):
    """Tasks that were reported STOPPED before a container of theirs had ended."""
    first, last = {}, {}
    for task, rows in reports.items():
        for when, body in rows:
            if body["status"] == "STOPPED":
                first.setdefault(task, when)
    for item in events.matching():
        if item["action"] in ("start", "die"):
            last[item["task"]] = max(item["time"], last.get(item["task"], 0))
    return [task for task, when in first.items() if last.get(task, 0) > when + 0.05]
