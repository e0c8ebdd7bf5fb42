"""A metadata service in trouble: the agent starts all the same, and within its time."""
import re
import time
from contextlib import ExitStack

from harness import KEY_ID, SECRET, check, container, contains, equal, part, poll, slowness
from ports import free_port
from scenarios_local import Files
from scenarios_outages import end_of

MODES = {
    "no listener": None,
    "never answers": {"mode": "dead"},
    "each answer 3 s late": {"mode": "slow", "delay_ms": 3000},
    "answers 401": {"mode": "status", "status": 401},
    "answers 429": {"mode": "status", "status": 429},
    "answers 500": {"mode": "status", "status": 500},
}
# s: what is asked at first; before registration; the rest, where six agents start at once and other
# scenarios run beside them.
START, IDENTITY, MARGIN = 6, 10, 5
KEYS = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}


class Start:
    """The start of one agent with the metadata service in one mode, and what is seen of it."""

    def __init__(self, c, mode):
        self.c, self.agent = c, c.agent
        if mode:
            c.local("POST", "metadata-mode", mode)
        base = c.url if mode else f"http://127.0.0.1:{free_port()}"
        files = Files(c).make()
        files.put("probe", container("main"))
        files.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = base
        self.files = files
        self.began = time.monotonic()
        self.agent.start(**files.env)
        self.local_after = self.registered_after = None

    def is_done(self):
        self.agent.check_alive()
        now = time.monotonic() - self.began
        if self.local_after is None and \
                any(b["State"] == "running" for b in self.c.containers()):
            self.local_after = now
        calls = [r for r in self.c.requests("RegisterContainerInstance") if r["status"] == 200]
        if calls and self.registered_after is None:
            self.registered_after = calls[0]["mono_us"] / 1e6 - self.began
        return self.local_after is not None and self.registered_after is not None

    def said(self):
        """The first warning about the metadata, shortened."""
        line = re.search(r'level=warn .*?msg="([^"]*(?:metadata|identity)[^"]*)"(.*)',
                         self.agent.stderr())
        if not line:
            return "nothing"
        error = re.search(r'error="((?:[^"\\]|\\.)*)"', line.group(2))
        return f"{line.group(1)}: {error.group(1) if error else ''}"[:200]


def e2e_metadata_trouble(t):
    """Six ways in which the metadata service may fail an agent with keys of its own: the
    instance is registered and local tasks run within the time that the settings allow."""
    with ExitStack() as stack:
        starts = {}
        for name, mode in MODES.items():
            c = stack.enter_context(t.cluster(metadata=True, env=KEYS, start=False))
            starts[name] = Start(c, mode)
        poll(lambda: all([s.is_done() for s in starts.values()]),
             lambda: f"all registered: {[(n, s.registered_after) for n, s in starts.items()]}",
             40, 0.05)
        print("metadata service | instance id | registered | local task runs | the log says")
        for name, s in starts.items():
            known = s.agent.berth_json("status")[0]["control"]["instance"].get("id", "unknown")
            print(f"{name} | {known} | {s.registered_after:.1f} s | {s.local_after:.1f} s | "
                  f"{s.said()}")
            limit = (START + MARGIN) * slowness()
            check(s.local_after < limit, f"{name}: a local task ran after {s.local_after:.1f} s")
            limit = (START + IDENTITY + MARGIN) * slowness()
            check(s.registered_after < limit,
                  f"{name}: registered after {s.registered_after:.1f} s")
            check(s.said() != "nothing" or known != "unknown", f"{name}: the log says nothing")
            s.agent.wait_connected()
            s.files.drop("probe")
        for s in starts.values():
            poll(lambda s=s: not s.c.containers(), "the local task is removed")
            s.agent.check_alive()


def e2e_metadata_trouble_with_tasks(t):
    """The service hangs when a killed agent is started again: the tasks that run go on, and
    the end of one that ended meanwhile is reported within that time too."""
    with t.cluster(metadata=True, env=KEYS) as c:
        ends = c.run_one(c.register([container("a", "trap 'exit 6' TERM; sleep 3600 & wait $!")]))
        stays = c.run_one(c.register([container("a")]))
        c.wait([ends, stays], "RUNNING")
        c.agent.kill()
        end_of(c, ends)
        c.local("POST", "metadata-mode", {"mode": "dead"})
        began = time.monotonic()
        c.agent.start()
        c.wait_stopped(ends, START + IDENTITY + MARGIN)
        print(f"reported {time.monotonic() - began:.1f} s after the agent's start")
        equal(part(c.task(ends), "a")["exitCode"], 6, "exit code")
        equal((c.task(stays)["lastStatus"], len(c.containers(stays))), ("RUNNING", 1),
              "the other task")
        c.agent.wait_connected()
        # The service hangs for a running agent too: nothing waits for it.
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])), IDENTITY - 1)


def e2e_metadata_dies(t):
    """The service hangs until the keys of the instance's role have ended: what is to be
    reported waits, and is reported as soon as there are keys again."""
    with t.cluster(metadata=True, start=False) as c:
        life = {"credential_life_s": 3}
        c.local("POST", "metadata-mode", life)
        c.agent.start().wait_connected()
        arn = c.run_one(c.register([container("a", "trap 'exit 6' TERM; sleep 3600 & wait $!")]))
        c.wait_running(arn)
        c.local("POST", "metadata-mode", {"mode": "dead", **life})

        def keys():
            return c.agent.berth_json("status")[0]["credentials"]

        poll(lambda: keys()["expires_ms"] < time.time() * 1000, "the keys have ended")
        end_of(c, arn)
        poll(lambda: keys().get("last_error"), "new keys cannot be had")
        contains(keys()["last_error"], "iam/security-credentials", "why")
        equal(c.task(arn)["lastStatus"], "RUNNING", "status while there are no keys")
        c.local("POST", "metadata-mode", life)
        equal(part(c.wait_stopped(arn, 20), "a")["exitCode"], 6, "exit code")
