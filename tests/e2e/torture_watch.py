"""What a torture run sees, and whether the laws of the architecture hold.

The reports are read on the wire, on their way to berth-local and back; what containers did is
told by the engine's events.
"""
import glob
import json
import os
import re
import threading
import time

from relay import ControlRelay

RANK = {"PENDING": 0, "RUNNING": 1, "STOPPED": 2}


class Report:
    def __init__(self, body):
        self.body, self.asked, self.answered = body, time.time(), None


class ReportRelay(ControlRelay):
    """Keeps each SubmitTaskStateChange, and when it was accepted. Requests follow each other on a
    connection, and so do the answers."""

    def __init__(self, server_port):
        super().__init__(server_port)
        self.asked = []

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
            report = None
            if b"SubmitTaskStateChange" in head:
                report = Report(json.loads(rest[:size]))
                with self.lock:
                    self.asked.append(report)
            state.setdefault("asked", []).append(report)

    def to_client(self, data, state):
        if not state.get("acs"):
            for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", data):
                if status == b"100":
                    continue
                asked = state.get("asked") or [None]
                report = asked.pop(0)
                if report and status == b"200":
                    report.answered = time.time()
        return super().to_client(data, state)


class Exits:
    """Processes of the agent that ended although nobody killed them."""

    def __init__(self):
        self.codes, self.lock = [], threading.Lock()

    def note(self, code):
        with self.lock:
            self.codes.append(code)


def reports_by_task(relay):
    """What was accepted, in the order in which it was sent: the answer to an agent that was killed
    may be seen after those to the next one."""
    found = {}
    with relay.lock:
        rows = [r for r in relay.asked if r.answered]
    for report in rows:
        found.setdefault(report.body["task"], []).append((report.asked, report.body))
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


def repeated(relay):
    """(the one before, the next) of each end that was told again."""
    last, pairs = {}, []
    with relay.lock:
        ends = [r for r in relay.asked if r.body["status"] == "STOPPED"]
    for report in ends:
        if report.body["task"] in last:
            pairs.append((last[report.body["task"]], report))
        last[report.body["task"]] = report
    return pairs


class Cgroups:
    """The cgroups of a run's tasks, of either version; none stays on the machine when it is over,
    whatever the agent did. `tasks`: their ARNs, as they come."""

    def __init__(self):
        self.tasks = []

    def _folders(self):
        ids = {task.rsplit("/", 1)[-1] for task in self.tasks}
        for path in glob.glob("/sys/fs/cgroup/*/ecs/*/") + \
                glob.glob("/sys/fs/cgroup/ecstasks.slice/ecstasks-*.slice/"):
            name = re.sub(r"^ecstasks-|\.slice$", "", os.path.basename(path[:-1]))
            if name in ids:
                yield name, path

    def left(self):
        """The tasks that have one."""
        return sorted({name for name, _ in self._folders()})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, path in self._folders():
            try:
                os.rmdir(path)
            except OSError:
                pass  # something lives in it


def count_events(events, action):
    """(task, container name): how often."""
    counts = {}
    for item in events.matching(action):
        if item["action"] == action:
            key = (item["task"], item["container"])
            counts[key] = counts.get(key, 0) + 1
    return counts


def double_starts(events, log):
    """Containers that were started more often than once, by the events; and by the engine's log,
    which has a line for each process that looks after one. For dockerd 20.10 says "start" again
    when containerd repeats an event that it could not deliver while dockerd was stopped."""
    found = {}
    for item in events.matching("start"):
        if item["action"] == "start":
            key = (item["task"], item["container"], item["id"])
            found[key] = found.get(key, 0) + 1
    with open(log, encoding="utf-8", errors="replace") as stream:
        shims = re.findall(r"starting signal loop.*?/moby/([0-9a-f]{64})", stream.read())
    real = {key: n if not shims else shims.count(key[2]) for key, n in found.items() if n > 1}
    again = {}
    for task, name, _ in found:
        again[task, name] = again.get((task, name), 0) + 1
    return [key for key, n in real.items() if n > 1] + [k for k, n in again.items() if n > 1]


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
