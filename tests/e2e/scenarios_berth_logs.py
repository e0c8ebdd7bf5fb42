"""`berth logs`: what the containers of a task have written, for the person on the host."""
import datetime
import json
import re
import select
import signal
import socket
import subprocess

from harness import check, container, contains, equal, poll

# Its lines come when it is told to: USR1 is one on each of its streams.
SPEAKS = ("n=0; trap 'n=$((n+1)); echo out $n; echo err $n >&2' USR1; trap 'echo bye; exit 0' TERM;"
          " echo begun; while :; do sleep 0.05; done")


def boxes(c, arn):
    return {k["Labels"]["com.amazonaws.ecs.container-name"]: k["Id"] for k in c.containers(arn)}


def wait_text(c, box, text):
    """Until the engine has it."""
    poll(lambda: text in (c.docker.request("GET", f"/containers/{box}/logs", stdout="1",
                                           stderr="1") or ""), f"{text!r} in the log")


def speak(c, box, number):
    c.docker.request("POST", f"/containers/{box}/kill", signal="USR1")
    for stream in ("out", "err"):
        wait_text(c, box, f"{stream} {number}")


def wait_begun(c, box):
    wait_text(c, box, "begun")


def e2e_logs_command(t):
    """Several containers, in the order of their times; the options; a stopped task."""
    with t.cluster(env={"ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "10m"}) as c:
        arn = c.run_one(c.register([container("web", SPEAKS), container("side", SPEAKS)]))
        short = arn.rsplit("/", 1)[1][:8]
        c.wait_running(arn)
        ids = boxes(c, arn)
        for name in ("web", "side"):
            wait_begun(c, ids[name])
        for number, name in ((1, "web"), (1, "side"), (2, "side"), (2, "web")):
            speak(c, ids[name], number)

        done = c.agent.berth("logs", short)
        equal([line for line in done.stdout.splitlines() if "begun" not in line],
              ["web  | out 1", "side | out 1", "side | out 2", "web  | out 2"], "standard output")
        equal(done.stderr.splitlines(),
              ["web  | err 1", "side | err 1", "side | err 2", "web  | err 2"], "standard error")
        equal(sorted(done.stdout.splitlines()[:2]), ["side | begun", "web  | begun"], "beginning")

        done = c.agent.berth("logs", "--container", "web", "--tail", "2", "--timestamps", arn)
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z out 2\n", done.stdout),
              f"one container has no name in front: {done.stdout!r}")
        rows = [json.loads(line) for line in
                c.agent.berth("logs", "--json", short).stdout.splitlines()]
        # The engine writes the two streams of a container side by side, so some ns may be off.
        times = [r["time"][:-7] for r in rows]
        check(all(x <= y for x, y in zip(times, times[1:])), f"the order of times: {rows}")
        equal([(r["container"], r["stream"], r["text"]) for r in rows if r["text"] == "err 2"],
              [("side", "stderr", "err 2"), ("web", "stderr", "err 2")], "rows")
        since = [r["time"] for r in rows if r["text"] == "out 2"][0]
        later = c.agent.berth("logs", "--json", "--since", since, short).stdout.splitlines()
        # Whole milliseconds count, so that a line just before may come too.
        check(4 <= len(later) <= 6, f"lines since {since}: {later}")
        equal(c.agent.berth("logs", "--since", "1h", short).stdout,
              c.agent.berth("logs", short).stdout, "lines of the last hour")

        c.stop(arn)
        c.wait_stopped(arn)
        equal(c.agent.berth("logs", "--tail", "1", "--container", "web", short).stdout, "bye\n",
              "the last line of a stopped task")
        for box in ids.values():
            c.docker.request("DELETE", f"/containers/{box}")
        done = c.agent.berth("logs", short, check_code=False)
        equal(done.returncode, 1, "exit code when the containers are gone")
        contains(done.stderr, "container web is removed, and its log with it", "message")


def e2e_logs_command_wrong(t):
    """What cannot be done is said in words."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("web", SPEAKS),
                                    container("quiet", logConfiguration={"logDriver": "none"})]))
        c.wait_running(arn)
        for code, words, text in (
                (2, (), "which task?"),
                (2, ("--since", "soon", arn), "--since: expected an age"),
                (2, ("--tail", "-1", arn), "--tail: "),
                (2, ("--container", "db", arn), "no such container; it has: web quiet"),
                (1, ("nosuchtask",), "no task, or more than one, is called 'nosuchtask'"),
                (1, ("--container", "quiet", arn), "the log of quiet cannot be read: ")):
            done = c.agent.berth("logs", *words, check_code=False)
            equal((done.returncode, done.stdout), (code, ""), f"berth logs {words}")
            contains(done.stderr, text, f"berth logs {words}")
        c.agent.stop()
        done = c.agent.berth("logs", arn, check_code=False)
        equal(done.returncode, 1, "exit code without an agent")
        contains(done.stderr, "no agent listens", "message without an agent")
        c.agent.start().wait_connected()


def e2e_logs_command_follow(t):
    """Over a restart of the agent, until the task has stopped; or until Ctrl-C."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("web", SPEAKS)]))
        c.wait_running(arn)
        box = boxes(c, arn)["web"]
        wait_begun(c, box)

        def follow(*words):
            return subprocess.Popen([c.berth, "logs", *words, arn], env=c.agent.environment(),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True)

        whole, late = follow("--follow"), follow("-f", "--tail", "0", "--json")
        equal(whole.stdout.readline(), "begun\n", "the first line")
        # The other one prints what comes from now on, when it has begun.
        speak(c, box, 1)
        equal(whole.stdout.readline(), "out 1\n", "the second line")
        number = 1

        def heard():
            nonlocal number
            number += 1
            speak(c, box, number)
            equal(whole.stdout.readline(), f"out {number}\n", "a line")
            return select_line(late)

        first = json.loads(poll(heard, "the late one hears something", every=0.2))
        check(int(first["text"].split()[1]) >= 1, f"its first line: {first}")
        late.send_signal(signal.SIGINT)
        equal(late.wait(20), 130, "exit code after Ctrl-C")
        late.stdout.close()

        c.agent.kill()
        number += 1
        speak(c, box, number)
        equal(whole.stdout.readline(), f"out {number}\n", "a line without an agent")
        c.agent.start().wait_connected()
        c.stop(arn)
        equal(whole.stdout.read(), "bye\n", "the rest")
        equal(whole.wait(20), 0, "exit code when the task has stopped")
        whole.stdout.close()


def select_line(process):
    ready, _, _ = select.select([process.stdout], [], [], 0.2)
    return process.stdout.readline() if ready else None


def own_lines(c, group):
    names = [g["logGroupName"] for g in c.logs.call("DescribeLogGroups")["logGroups"]]
    if group not in names:
        return []
    return c.logs.call("FilterLogEvents", logGroupName=group)["events"]


def e2e_own_log(t):
    """ECS_LOG_DRIVER and ECS_LOG_OPTS: the agent's own log from its first line, with the times
    it has; what is logged while the service is away comes later."""
    group = "/e2e/own"
    options = {"awslogs-group": group, "awslogs-region": "us-west-2",
               "awslogs-create-group": "true"}
    with t.cluster(env={"ECS_LOG_DRIVER": "awslogs", "ECS_LOG_OPTS": json.dumps(options)}) as c:
        def shipped():
            return [e["message"] for e in own_lines(c, group)]

        def logged():
            return c.agent.stderr().splitlines()

        poll(lambda: shipped() and logged()[0] in shipped(), "the first line is shipped")
        c.fault("PutLogEvents", "status", status=500, count=3)
        c.agent.reload("ECS_LOGLEVEL=debug\n")
        line = c.agent.wait_log(r".*msg=\"a setting changed\".*ECS_LOGLEVEL\".*")
        poll(lambda: line in shipped(), "a later line is shipped")
        events = own_lines(c, group)
        equal({e["logStreamName"] for e in events}, {f"{socket.gethostname()}/berth"}, "streams")
        for event in events:
            time = re.search(r" time=(\S+)", event["message"]).group(1)
            at = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
            equal(round(at.timestamp() * 1000), event["timestamp"], "time of a line")
        # Shipping is not logged in a way that keeps shipping busy.
        count = len(c.requests("PutLogEvents"))
        box = c.run_one(c.register([container("a")]))
        c.wait_running(box)
        check(len(c.requests("PutLogEvents")) < count + 30, "the log ships itself")


def e2e_own_log_cannot(t):
    """Another driver, or options that do not do: said once, and nothing else changes."""
    with t.cluster(env={"ECS_LOG_DRIVER": "splunk"}) as c:
        c.agent.wait_log(r"level=warn .*own log is not shipped.*ECS_LOG_DRIVER=\"splunk\"")
        equal(c.agent.stderr().count("own log is not shipped"), 1, "warnings")
        c.wait_running(c.run_one(c.register([container("a")])))
    with t.cluster(env={"ECS_LOG_DRIVER": "awslogs",
                        "ECS_LOG_OPTS": '{"awslogs-region":"us-west-2"}'}) as c:
        line = c.agent.wait_log(r"level=error .*ECS_LOG_OPTS cannot be used.*")
        contains(line, "awslogs-group", "the error")
        c.wait_running(c.run_one(c.register([container("a")])))
