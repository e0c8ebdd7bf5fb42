"""A machine that is looked over before it joins a cluster, and one that becomes an image."""
import contextlib
import json
import os
import re
import socket
import stat
import time

from docker_api import socket_path
from harness import KEY_ID, SECRET, check, container, contains, equal, poll
from ports import free_port
from relay import DockerRelay

LIMIT_S = 15


def preflight(agent, *options, **env):
    """The rows by their checks; the exit code says whether one has failed."""
    agent_env, agent.env = agent.env, agent.environment(**env)
    try:
        done = agent.berth("preflight", "--json", "--config", agent.config, *options,
                           check_code=False)
    finally:
        agent.env = agent_env
    equal(done.stderr, "", "standard error of berth preflight")
    check(SECRET not in done.stdout, "a key is shown")
    rows = {row["check"]: row for row in map(json.loads, done.stdout.splitlines())}
    failed = [row for row in rows.values() if row["result"] == "FAIL"]
    equal(done.returncode, 1 if failed else 0, f"exit code, with {failed}")
    return rows


@contextlib.contextmanager
def own_image(c):
    """One that says what its containers run."""
    name = f"berth-test/{c.name}:1"
    c.docker.ensure_image(name, changes=['CMD ["sh", "-c", "exit 3"]'])
    try:
        yield name
    finally:
        c.docker.remove_image(name)


def result(rows, name, wanted, part=""):
    equal(rows[name]["result"], wanted, f"result of {name} ({rows[name]['finding']})")
    contains(rows[name]["finding"], part, f"finding of {name}")


@contextlib.contextmanager
def listener(port=0):
    """Takes connections, and says nothing, for ever."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        s.listen(64)
        yield s.getsockname()[1]


def e2e_preflight_well(t):
    """Beside a running agent, and without one: nothing is in the way, and nothing is left."""
    tasks, introspection = free_port(), free_port()
    env = {"BERTH_TASKS_PORT": str(tasks), "BERTH_INTROSPECTION_PORT": str(introspection)}
    with t.cluster(metadata=True, env=env) as c, own_image(c) as image:
        pid = c.agent.process.pid
        rows = preflight(c.agent)
        result(rows, "configuration", "PASS", f"cluster {c.name}, region us-west-2")
        result(rows, "ports", "PASS", f"by the running agent (process {pid})")
        result(rows, "engine", "PASS", "API 1.")
        result(rows, "control-groups", "PASS", "version ")
        result(rows, "packet-filter", "SKIP", "BERTH_NETWORK_RULES")
        result(rows, "metadata", "PASS", "instance i-")
        result(rows, "credentials", "PASS", "role")
        result(rows, "control-plane", "PASS", f"{c.url} answers")
        result(rows, "logs", "PASS", f"{c.url} answers")
        result(rows, "clock", "PASS", "within ")
        result(rows, "probe", "PASS", "amazon-ecs-pause")
        c.agent.stop()
        rows = preflight(c.agent, "--image", image, BERTH_NETWORK_RULES=None)
        result(rows, "ports", "PASS", f"{tasks} and {introspection} are free")
        result(rows, "packet-filter", "PASS", "can be put")
        result(rows, "probe", "PASS", f"{image} was created, ran, and was removed")
        text = c.agent.berth("preflight", "--config", c.agent.config).stdout
        check(re.search(r"^CHECK +RESULT +FINDING$", text, re.M), text)
        check(re.search(r"^probe +PASS +a container", text, re.M), text)
        seen = [row["target"] for row in c.requests()]
        rows = preflight(c.agent, "--offline")
        for name in ("metadata", "credentials", "control-plane", "logs", "clock"):
            result(rows, name, "SKIP", "--offline")
        equal([row["target"] for row in c.requests()], seen, "requests with --offline")
        c.agent.start().wait_connected()


def e2e_preflight_findings(t):
    """Each thing that is wrong is one row that says so, and what depends on it is not tried."""
    with t.cluster(start=False) as c, listener() as taken:
        nowhere = "http://127.0.0.1:%d" % free_port()
        os.chmod(c.agent.data, 0o755)
        c.agent.configure("ECS_RESERVED_MEMORY=much\n")
        os.chmod(c.agent.config, 0o666)
        c.clock(3600)
        rows = preflight(c.agent, "--image", "berth-test/there-is-no-such-image:1",
                         BERTH_TASKS_PORT=str(taken), BERTH_NETWORK_RULES=None, PATH="/nowhere",
                         AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=nowhere,
                         ECS_CGROUP_PATH="/nowhere", ECS_ENABLE_TASK_CPU_MEM_LIMIT="true")
        result(rows, "configuration", "WARN", "ECS_RESERVED_MEMORY")
        result(rows, "files", "FAIL", c.agent.config)
        result(rows, "ports", "FAIL", f"port {taken} is taken: process {os.getpid()}")
        result(rows, "control-groups", "FAIL", "/nowhere")
        result(rows, "packet-filter", "FAIL", "iptables")
        equal(rows["packet-filter"]["todo"], "install iptables", "what to do")
        result(rows, "metadata", "SKIP", "AWS_EC2_METADATA_DISABLED")
        result(rows, "credentials", "PASS", "environment")
        result(rows, "control-plane", "PASS", c.url)
        result(rows, "logs", "WARN", nowhere)
        result(rows, "clock", "FAIL", "s behind the control plane's")
        result(rows, "probe", "FAIL", "no-such-image")

        os.chmod(c.agent.config, 0o600)
        c.agent.configure('ECS_AVAILABLE_LOGGING_DRIVERS=["nonsense"]\n')
        rows = preflight(c.agent, DOCKER_HOST=f"unix://{c.dir}/none.sock",
                         ECS_BACKEND_HOST=nowhere, AWS_ENDPOINT_URL=nowhere, AWS_ACCESS_KEY_ID=None,
                         AWS_SECRET_ACCESS_KEY=None, HOME=c.dir)
        result(rows, "configuration", "FAIL", "nonsense")
        result(rows, "files", "WARN", c.agent.data)
        result(rows, "engine", "FAIL", "none.sock")
        for name in ("engine-disk", "control-groups", "probe"):
            result(rows, name, "SKIP", "the container engine does not answer")
        result(rows, "control-plane", "FAIL", nowhere)
        result(rows, "clock", "SKIP", "tells the time")
        equal(c.agent.berth("preflight", "--no-such", check_code=False).returncode, 2,
              "exit code of a wrong call")


def e2e_preflight_engine_fails(t):
    """A container that cannot be started is not left behind."""
    with t.cluster(start=False) as c, own_image(c) as image:
        path = os.path.join(c.dir, "docker.sock")
        relay = c.relay(DockerRelay(path, socket_path()))
        relay.refuse(r"^POST .*/start", "the runtime is broken")
        rows = preflight(c.agent, "--image", image, DOCKER_HOST=f"unix://{path}")
        result(rows, "probe", "FAIL", "the runtime is broken")
        (name,) = {m.group(1) for _, line in relay.requests
                   if (m := re.search(r"/containers/(berth-preflight-\w+)/", line))}
        check(any(f"/containers/{name}" in line and line.startswith("DELETE")
                  for _, line in relay.requests), "the container is removed")
        rows = c.docker.request("GET", "/containers/json", all="true", filters={"name": [name]})
        equal(rows, [], "containers that are left")


def e2e_preflight_all_hangs(t):
    """Everybody takes the connection and says nothing, and a program does not end: it is over
    in time, and tells of each."""
    with t.cluster(start=False) as c, listener() as port, \
            socket.socket(socket.AF_UNIX) as engine:
        path = os.path.join(c.dir, "silent.sock")
        engine.bind(path)
        engine.listen(16)
        programs = os.path.join(c.dir, "programs")
        os.mkdir(programs)
        with open(os.path.join(programs, "iptables"), "w", encoding="ascii") as out:
            out.write("#!/bin/sh\nexec /bin/sleep 20\n")
        os.chmod(out.name, 0o755)
        silent = f"http://127.0.0.1:{port}"
        began = time.monotonic()
        rows = preflight(c.agent, DOCKER_HOST=f"unix://{path}", ECS_BACKEND_HOST=silent,
                         AWS_ENDPOINT_URL=silent, AWS_EC2_METADATA_SERVICE_ENDPOINT=silent,
                         AWS_EC2_METADATA_DISABLED=None, AWS_ACCESS_KEY_ID=None,
                         AWS_SECRET_ACCESS_KEY=None, HOME=c.dir, BERTH_NETWORK_RULES=None,
                         BERTH_TASKS_PORT=str(free_port()), PATH=programs, BERTH_SOCKET=path)
        took = time.monotonic() - began
        check(took < LIMIT_S, f"it took {took:.1f} s")
        for name in ("ports", "engine", "packet-filter", "control-plane"):
            result(rows, name, "FAIL", "no answer within ")
        result(rows, "metadata", "FAIL")
        result(rows, "credentials", "FAIL")
        result(rows, "logs", "WARN", "no answer within ")
        result(rows, "files", "PASS")


# ---- seal ----


def seal(agent, *options, code=0, **env):
    agent_env, agent.env = agent.env, agent.environment(**env)
    try:
        done = agent.berth("seal", "--config", agent.config, *options, check_code=False)
    finally:
        agent.env = agent_env
    equal(done.returncode, code, f"exit code of berth seal: {done.stdout}{done.stderr}")
    return done


def files_below(*folders):
    return sorted(os.path.join(folder, name) for top in folders
                  for folder, _, names in os.walk(top) for name in names)


def e2e_seal(t):
    """While an agent runs, and while there are containers of it, nothing is removed; then
    everything that says who the instance was, and the next agent is another instance."""
    with t.cluster(start=False) as c:
        logs = os.path.join(c.agent.dir, "logs")
        os.mkdir(logs)
        more = {"ECS_LOGFILE": os.path.join(logs, "agent.log"),
                "ECS_AUDIT_LOGFILE": os.path.join(logs, "audit.log"),
                "ECS_ENABLE_CONTAINER_METADATA": "true"}
        c.agent.env.update(more)
        c.agent.configure("ECS_RESERVED_MEMORY=32\n")
        c.agent.start().wait_connected()
        first = c.agent.berth_json("status")[0]["control"]["instance_arn"]
        c.wait_stopped(c.run_one(c.register([container("fails", "exit 7")])))
        task = c.run_one(c.register([container("stays")]))
        c.wait_running(task)
        poll(lambda: os.listdir(os.path.join(c.agent.data, "postmortem")), "a record is kept")
        refused = seal(c.agent, code=1)
        contains(refused.stderr, "container", "why not")
        contains(seal(c.agent, "--force", code=1).stderr, f"process {c.agent.process.pid}",
                 "who uses the state")
        c.agent.stop()
        there = files_below(c.agent.data, logs)
        contains(seal(c.agent, code=1).stderr, "of this agent's tasks", "why not")
        contains(seal(c.agent, code=1, DOCKER_HOST=f"unix://{c.dir}/none").stderr, "--force",
                 "why not")
        forced = seal(c.agent, "--force", "--dry-run")
        contains(forced.stderr, "will be in the image", "what is said of containers")
        contains(forced.stdout, f"would remove {c.agent.data}/berth.db", "what would go")
        equal(files_below(c.agent.data, logs), there, "files after refusals and a dry run")

        c.agent.start().wait_connected()
        c.stop(task)
        c.wait_stopped(task)
        poll(lambda: not c.containers(), "the containers are gone")
        c.agent.stop()
        with open(os.path.join(logs, "agent.log.1"), "w", encoding="ascii") as old:
            old.write("of old\n")
        with open(os.path.join(logs, "others"), "w", encoding="ascii") as other:
            other.write("not Berth's\n")
        said = seal(c.agent).stdout
        for name in ("berth.db", "flight.jsonl", "instance.json", "metadata", "postmortem"):
            contains(said, f"removed {c.agent.data}/{name}\n", "what was removed")
        contains(said, f"removed {logs}/agent.log.1\n", "what was removed")
        lock = os.path.join(c.agent.data, "lock")
        equal(files_below(c.agent.data, logs), [lock, os.path.join(logs, "others")], "what is left")
        equal(os.stat(lock).st_size, 0, "bytes of the lock")
        check(stat.S_ISREG(os.stat(c.agent.config).st_mode), "the settings stay")
        contains(seal(c.agent).stdout, "There is nothing", "what a second one says")

        c.agent.start().wait_connected()
        second = c.agent.berth_json("status")[0]["control"]["instance_arn"]
        check(first != second, "the same instance again")
        c.wait_stopped(c.run_one(c.register([container("runs", "exit 0")])))
        check(KEY_ID not in said, "a key is told")
