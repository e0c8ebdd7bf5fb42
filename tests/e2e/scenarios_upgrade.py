"""What restarts and upgrades of the agent lose: nothing. And the way back to an older agent."""
import os
import shutil
import sqlite3
import time

from generator import Generator
from harness import SMALL, STAYS, check, contains, container, equal, part, poll, slowness
from log_lines import awslogs, settle
from scenarios_restart_sockets import Client, Service
from torture_watch import ReportRelay, repeated

RESTARTS = int(os.environ.get("BERTH_UPGRADES", "9"))
EACH, CLIENTS = 3, 10
STORED_S = 0.5  # by then an agent has stored that a report of its was accepted
RATE = 400  # lines a second


def leaves_with(code):
    return f"trap 'exit {code}' TERM; while :; do sleep 3600 & wait $!; done"


def end_containers(c, arns):
    """While no agent runs; back when the engine says so."""
    boxes = [k["Id"] for k in c.containers() if k["Labels"]["com.amazonaws.ecs.task-arn"] in arns]
    for box in boxes:
        c.docker.kill(box, "TERM")
    poll(lambda: not any(c.docker.inspect(b)["State"]["Running"] for b in boxes),
         "the containers have ended")


def excused(pair, kills):
    """An agent that is killed between the control plane's answer and its own note of it cannot
    know that an end was told: the next one tells it again. Nothing else is a reason to."""
    one, other = pair
    return any(one.asked < ended and other.asked > began and
               (one.answered is None or one.answered > began - STORED_S * slowness())
               for began, ended in kills)


def told_once(c, relay, kills):
    """That each end was told once, but for what kills explain; how many these are."""
    pairs = repeated(relay)
    told = [v["what"] for v in c.local("GET", "violations")["violations"]]
    check(all(w.endswith("was reported STOPPED after it was STOPPED") for w in told), told)
    check(len(told) <= len(pairs), f"{len(told)} repeated ends, {len(pairs)} of them on the wire")
    equal([(a.body["task"], a.asked, a.answered, b.asked) for a, b in pairs
           if not excused((a, b), kills)], [], f"ends told twice, the agent killed at {kills}")
    return len(pairs)


class Writer:
    """A task whose container writes numbered lines all the while."""

    def __init__(self, c, generator, lines):
        self.group, self.stream, self.lines = f"/upgrade/{c.name}", "w", lines
        log = awslogs(self.group, self.stream)
        self.task = c.run_one(c.register(
            [container("gen", None, command=Generator.command(lines, batch=20, rate=RATE,
                                                              waits=False),
                       mountPoints=generator.mounts(), logConfiguration=log, **SMALL)],
            volumes=generator.volumes(), networkMode="none"))

    def wanted(self):
        name = f"{self.stream}/gen/{self.task.rsplit('/', 1)[1]}"
        return {name: set(range(self.lines))}


def e2e_upgrade_loses_nothing(t):
    """Ended, killed and replaced by another build again and again, while credentials are asked
    for, a container writes its log, and tasks end while no agent runs: no change of a task is
    lost, no line, and no connection is refused."""
    env = {"ECS_TASK_METADATA_RPS_LIMIT": "1000000,1000000"}
    with Generator(t.build) as generator, \
            t.cluster(start=False, env=env, violations=True) as c, Service(c) as s:
        relay = c.relay(ReportRelay(c.port))
        s.agent.env["ECS_BACKEND_HOST"] = relay.url
        s.begin()
        other = os.environ.get("BERTH_OTHER_BUILD")
        copy = os.path.join(c.dir, "berth-of-another-build")
        shutil.copy2(os.path.join(other, "berth") if other else c.berth, copy)
        waves = [c.run(c.register([container("a", leaves_with(20 + i), **SMALL)],
                                  networkMode="none"), count=EACH) for i in range(RESTARTS)]
        short = c.register([container("a", "exit 7", **SMALL)], networkMode="none")
        c.wait([arn for wave in waves for arn in wave], "RUNNING", 60)
        started = {k["Id"]: c.docker.inspect(k["Id"])["State"]["StartedAt"]
                   for k in c.containers(s.task)}
        # A restart takes half a second, and two where the machine is busy.
        writer = Writer(c, generator, RATE * (4 + 3 * RESTARTS) * (2 if t.sanitized else 1))
        c.wait_running(writer.task)
        clients = [Client(s.port, s.path, i % 2 == 0, lambda a: a == s.keys)
                   for i in range(CLIENTS)]
        for client in clients:
            client.start()
        late, gaps, kills = [], [], []
        for i, wave in enumerate(waves):
            s.agent.wait_connected()
            late.append(c.run_one(short))  # it is on its way to the agent, or to Docker, or over
            begins = time.time()
            s.end(("term", "kill", "upgrade")[i % 3])
            if i % 3 == 1:
                kills.append((begins, time.time()))
            began = time.monotonic()
            if i % 3 == 2:
                s.program = copy if s.program == c.berth else c.berth
            end_containers(c, wave)
            gaps.append(time.monotonic() - began)
            s.spawn()
            s.manager.wait_told("STATUS", "running", s.spawned, 20 * slowness())
        s.agent.wait_connected()
        equal(c.task(writer.task)["lastStatus"], "RUNNING", "the writer after the last restart")
        tasks = c.wait([arn for wave in waves for arn in wave], "STOPPED", 30)
        equal([part(task, "a").get("exitCode") for task in tasks],
              [20 + i for i in range(RESTARTS) for _ in range(EACH)], "exit codes told")
        equal({part(task, "a").get("exitCode") for task in c.wait(late, "STOPPED", 60)}, {7},
              "exit codes of those that were on their way")
        for client in clients:
            client.ends.set()
        for client in clients:
            client.join(30)
        failures = [what for client in clients for _, what in client.failures]
        equal([what for what in failures if "Refused" in what], [], "refused connections")
        equal([e for client in clients for e in client.errors], [], "requests that failed")
        c.wait_stopped(writer.task, 60)
        account = next(iter(settle(c, writer.group, writer.wanted()).values()))
        asked = sum(len(client.answers) for client in clients)
        twice = told_once(c, relay, kills)
        print(f"{RESTARTS} restarts, nobody there for {max(gaps):.2f} s at most: "
              f"{RESTARTS * (EACH + 1)} ends told, {twice} of them twice; {writer.lines} lines, "
              f"{account.repeated} of them twice; {asked} requests, {len(failures)} tries cut short "
              "by a kill")
        equal(account.foreign, [], "strange lines")
        equal({k["Id"]: c.docker.inspect(k["Id"])["State"]["StartedAt"]
               for k in c.containers(s.task)}, started, "the task that goes on all the time")


def data_of(agent):
    """The files of the state with their bytes; not the lock, which names who looked last, nor
    an empty log, which SQLite makes to look whether there is one."""
    found = {}
    for name in sorted(os.listdir(agent.data)):
        path = os.path.join(agent.data, name)
        if name.startswith("berth.db") and os.path.getsize(path):
            with open(path, "rb") as stream:
                found[name] = stream.read()
    return found


def e2e_upgrade_and_back(t):
    """An older agent refuses a newer one's state and touches nothing; told to, it sets that aside
    and goes on as the same instance. The newer agent gets its state back the same way."""
    with t.cluster() as c:
        arn = c.agent.berth_json("status")[0]["control"]["instance_arn"]
        definition = c.register([container("a", STAYS, **SMALL)], networkMode="none")
        task = c.run_one(definition)
        c.wait_running(task)
        c.agent.berth("set-aside", "--config", c.agent.config, check_code=False)
        c.agent.stop()
        path = os.path.join(c.agent.data, "berth.db")
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE of_a_newer_agent (x)")
            db.execute("PRAGMA user_version = 99")
        db.close()
        newer = data_of(c.agent)
        c.agent.start()
        equal(c.agent.wait_exit(), 5, "exit code: a restart cannot help")
        contains(c.agent.wait_log(r"level=crit .*schema 99.*"), "berth set-aside", "what to do")
        after = data_of(c.agent)
        equal(sorted(after), sorted(newer), "files of the state")
        check(after == newer, "the state was changed")
        said = c.agent.berth("set-aside", "--config", c.agent.config)
        contains(said.stdout, "berth.db.newer-1", "what was done")
        with open(path + ".newer-1", "rb") as stream:
            check(stream.read() == newer["berth.db"], "what was set aside was changed")
        again = c.agent.berth("set-aside", "--config", c.agent.config, check_code=False)
        equal(again.returncode, 1, "exit code when there is nothing to do")
        c.agent.start().wait_connected()
        equal(c.agent.berth_json("status")[0]["control"]["instance_arn"], arn, "the instance")
        check(all(k["State"] == "running" for k in c.containers(task)), "the task runs on")
        poll(lambda: [row["status"] for row in c.agent.berth_json("tasks")] == ["RUNNING"],
             "the task is known again, by its container")
        other = c.run_one(definition)
        c.wait_running(other)
        busy = c.agent.berth("set-aside", "--config", c.agent.config, check_code=False)
        equal(busy.returncode, 1, "exit code while an agent runs")
        contains(busy.stderr, f"process {c.agent.process.pid}", "who")
        # Back to the newer agent, whose schema is ours for the occasion; it knows nothing of
        # what the older one has begun.
        c.stop(other)
        c.wait_stopped(other)
        poll(lambda: len(c.containers()) == 1, "only the first task's container is left")
        c.agent.stop()
        for name in [n for n in os.listdir(c.agent.data) if n.startswith("berth.db")
                     and not n.endswith(".newer-1")]:
            os.unlink(os.path.join(c.agent.data, name))
        os.rename(path + ".newer-1", path)
        with sqlite3.connect(path) as db:
            db.execute("DROP TABLE of_a_newer_agent")
            db.execute("PRAGMA user_version = 2")
        db.close()
        c.agent.start().wait_connected()
        equal([row["status"] for row in c.agent.berth_json("tasks")], ["RUNNING"], "its tasks")
