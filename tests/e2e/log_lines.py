"""What came of numbered lines: in the sink, and in what the engine had written down."""
import calendar
import glob
import json
import os
import re
import shutil
import tempfile
import threading
import time

from generator import number_of
from harness import REGION, check, poll


def awslogs(group, stream=None, **options):
    """A log configuration; names of options with underscores and without "awslogs-"."""
    named = {n.replace("_", "-") if n in ("mode", "max_buffer_size", "tag") else
             "awslogs-" + n.replace("_", "-"): v for n, v in options.items()}
    return {"logDriver": "awslogs", "options": {
        "awslogs-group": group, "awslogs-region": REGION, "awslogs-create-group": "true",
        **({"awslogs-stream-prefix": stream} if stream else {}), **named}}


def events_of(c, group, stream):
    """All events of a stream, by time and then as they came."""
    events, token = [], None
    while True:
        more = {"nextToken": token} if token else {}
        page = c.logs.call("GetLogEvents", logGroupName=group, logStreamName=stream,
                           startFromHead=True, **more)
        events += page["events"]
        if page["nextForwardToken"] == token:
            return events
        token = page["nextForwardToken"]


def groups(c):
    return [g["logGroupName"] for g in c.logs.call("DescribeLogGroups")["logGroups"]]


def streams(c, group):
    if group not in groups(c):
        return []
    return [s["logStreamName"] for s in
            c.logs.call("DescribeLogStreams", logGroupName=group)["logStreams"]]


def lines_of(c, group):
    """The messages of all streams of a group, each stream in its order; [] without group."""
    return [e["message"] for s in streams(c, group) for e in events_of(c, group, s)]


class Account:
    """The numbers of a stream: which came, how often too many, and whether in order."""

    def __init__(self, messages):
        self.seen, self.repeated, self.disorder, self.foreign = set(), 0, 0, []
        last = -1
        for message in messages:
            number = number_of(message)
            if number is None:
                self.foreign.append(message)
            elif number in self.seen:
                self.repeated += 1
            else:
                self.seen.add(number)
                self.disorder += number < last
                last = max(last, number)


# ---- the engine's files ----

def log_file(docker, container_id):
    """The file that the engine writes a container's log to."""
    told = docker.request("GET", f"/containers/{container_id}/json")
    if told["HostConfig"]["LogConfig"]["Type"] == "local":  # that it does not tell
        root = docker.request("GET", "/info")["DockerRootDir"]
        return os.path.join(root, "containers", told["Id"], "local-logs", "container.log")
    return told["LogPath"]


def log_files(c, arn, names):
    """Of the containers of a task, by their names."""
    return [log_file(c.docker, c.inspect(arn, name)["Id"]) for name in names]


# What an entry of the driver local begins with: its length, and whose text it is. A text has no
# newline in it.
ENTRY = re.compile(rb"(?s)(....)\n\x06std(?:out|err)\x10[\x80-\xff]*[\0-\x7f]")


def _entries(data):
    """(time, text) of the driver local; what is torn is left out."""
    at = 0
    while found := ENTRY.search(data, at):
        size = int.from_bytes(found.group(1), "big")
        start, end = found.start() + 4, found.start() + 4 + size
        if data[end:end + 4] != found.group(1):
            at = found.start() + 1
            continue
        at = end + 4
        digits = data[start + 9:found.end()]
        when_ns = sum((byte & 0x7f) << 7 * n for n, byte in enumerate(digits))
        rest, text = data[found.end():end], b""
        if rest[:1] == b"\x1a":
            n, shift, i = 0, 0, 1
            while True:
                n |= (rest[i] & 0x7f) << shift
                shift, i = shift + 7, i + 1
                if rest[i - 1] < 0x80:
                    break
            text = rest[i:i + n]
        yield when_ns, text.decode("utf-8", "replace")


def _messages(data):
    """(time, text) of the driver json-file."""
    for line in data.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # torn by a crash of the engine
        whole, _, part = said["time"][:-1].partition(".")
        seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
        yield seconds * 10**9 + int((part + "0" * 9)[:9]), said["log"].rstrip("\n")


def log_records(path, data=None):
    """[(ns since the epoch, text)] of what the engine wrote to a file, or of a part of it."""
    if data is None:
        with open(path, "rb") as stream:
            data = stream.read()
    return list((_messages if "-json.log" in path else _entries)(data))


class Recorder:
    """Keeps every log file that the engine writes for some containers, also those that it
    rotates away: a second name for each, given while it is there."""

    def __init__(self, paths):
        self.paths = paths
        self.dir = tempfile.mkdtemp(prefix="berth-kept-", dir=self._place(paths[0]))
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    @staticmethod
    def _place(path):
        """A folder of the engine's disk: files have no second name elsewhere."""
        return path[:path.index("/containers/")]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop(self):
        self.ended.set()
        self.thread.join()

    def _run(self):
        while not self.ended.wait(0.05):
            self._keep()
        self._keep()

    def _keep(self):
        for number, path in enumerate(self.paths):
            for name in glob.glob(path + "*"):
                try:
                    inode = os.stat(name).st_ino
                    os.link(name, os.path.join(self.dir,
                                               f"{number}-{inode}-{os.path.basename(path)}"))
                except (FileExistsError, FileNotFoundError):
                    continue  # kept already, or rotated meanwhile: the next turn sees it

    def numbers(self, index):
        """Of the lines that the engine wrote down for one container."""
        found = set()
        for name in glob.glob(os.path.join(self.dir, f"{index}-*")):
            found.update(number_of(text) for _, text in log_records(name))
        return found - {None}


def last_number(path):
    """Of the newest line of a log file; None while it has none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.path.getsize(path) - 4096))
            records = log_records(path, stream.read())
    except FileNotFoundError:
        return None
    return number_of(records[-1][1]) if records else None


def wait_written(path, lines, timeout=60, meanwhile=lambda: None):
    """Until the last line is in the engine's file."""
    def there():
        meanwhile()
        return last_number(path) == lines - 1
    poll(there, lambda: f"line {lines - 1} in {path}: {last_number(path)}", timeout)


def status(c):
    """What the agent says of its logs."""
    return c.agent.berth_json("status")[0]["logs"]


def settle(c, group, wanted, timeout=60):
    """The accounts of the streams, by name, once all `wanted` ({stream: numbers}) are in."""
    seen = {}

    def there():
        if c.local("GET", "logs")["events"] < sum(len(n) for n in wanted.values()):
            return False
        seen.update({s: Account(e["message"] for e in events_of(c, group, s)) for s in wanted
                     if s in streams(c, group)})
        return all(s in seen and numbers <= seen[s].seen for s, numbers in wanted.items())

    def missing():
        lacks = {s: sorted(n - (seen[s].seen if s in seen else set())) for s, n in wanted.items()}
        rows = [f"{len(n)} of {s} ({n[0]} ... {n[-1]})" for s, n in lacks.items() if n]
        return f"all lines in the sink; missing: {rows}"

    poll(there, missing, timeout, 0.5)
    dropped = c.local("GET", "logs")["dropped_events"]
    check(dropped == 0, f"the sink itself threw {dropped} events away")
    return seen
