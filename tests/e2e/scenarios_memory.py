"""What the agent's memory holds of secrets, and for how long."""
import http.client
import json
import os
import resource
import signal
import subprocess

from cloud import ROLE, Things, canary, ecr
from harness import STAYS, Skip, check, container, equal, poll
from memory import LOCKED, NO_CORE, check_none, found, holds, mappings
from ports import free_port
from registry import PASSWORD, Image, Registry
from relay import ControlRelay
from scenarios_cloud import instance_keys, role_keys
from scenarios_images import Borrowed, pulls

LOGIN = "ECS_ENGINE_AUTH_DATA"
DUMPS = ("sh", "-c", 'ulimit -c unlimited && exec "$@"', "sh")


def login(password):
    return {"ECS_ENGINE_AUTH_TYPE": "docker",
            LOGIN: json.dumps({"registry.example.com": {"username": "x", "password": password}})}


def environment_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as stream:
        return stream.read()


def e2e_memory_of_secrets(t):
    """While a task runs that has every kind of secret, none of them, and none of the agent's
    own, is where a core file would have it; when the task is gone, none of its is anywhere in
    the agent's memory, and the agent's own are where they were."""
    if t.sanitized:
        raise Skip("a sanitizer has all memory")
    password, port = canary("login"), free_port()
    env = pulls("always", ECS_LOGLEVEL="debug", BERTH_TASKS_PORT=str(port), **login(password))
    with Registry(password=True) as registry, Borrowed() as borrowed, \
            t.cluster(metadata=True, env=env, start=False) as c:
        relay = c.relay(ControlRelay(c.port))
        c.agent.start(ECS_BACKEND_HOST=relay.url).wait_connected()
        pid = c.agent.process.pid
        things = Things(c)
        ecr(c, registry)
        name = borrowed.add(registry.push("e2e/memory", Image("memory")))
        arn = c.run_one(c.register([container("a", things.script(STAYS), image=name,
                                              **things.container())],
                                   executionRoleArn=ROLE, taskRoleArn=ROLE))
        c.wait_running(arn)
        told = dict(row.split("=", 1) for row in c.inspect(arn, "a")["Config"]["Env"])
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)  # kept open
        client.request("GET", told["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
        keys = json.loads(client.getresponse().read())
        role, instance = role_keys(relay, arn), instance_keys(c)
        of_task = {f"the value {v.split('-')[1]}": v for v in things.values()}
        of_task.update({"the secret key of the execution role": role["secretAccessKey"],
                        "the session token of the execution role": role["sessionToken"],
                        "the secret key of the task's role": keys["SecretAccessKey"],
                        "the session token of the task's role": keys["Token"]})
        of_agent = {"the password of the configuration": password,
                    "the password of the registry": PASSWORD,
                    "the secret key of the instance": instance["SecretAccessKey"],
                    "the session token of the instance": instance["Token"]}
        everything = {**of_task, **of_agent}
        # What is in use is found; in a core file, what is no secret.
        known = {row[0] for row in found(pid, everything, core=False)}
        equal(known, set(everything), "secrets in use that the search finds")
        check(holds(pid, arn, core=True), "the search finds no task in a core file")
        check_none(pid, everything, core=True)
        c.stop(arn)
        c.wait_stopped(arn)
        poll(lambda: not c.containers(), "the container is removed")
        poll(lambda: not found(pid, of_task, core=False),
             lambda: f"forgotten: {found(pid, of_task, core=False)}", 10, 0.5)
        check_none(pid, everything, core=True)
        known = {row[0] for row in found(pid, of_agent, core=False)}
        equal(known, set(of_agent), "secrets of the agent that the search finds")
        client.close()


def e2e_memory_locked(t):
    """Secrets are locked and in no core file; where little memory may be locked, a warning says
    so, and the agent goes on."""
    if t.sanitized:
        raise Skip("a sanitizer has all memory")
    with t.cluster(start=False) as c:
        least = ("sh", "-c", 'ulimit -l 64 && exec "$@"', "sh")
        # With this capability there is no limit.
        c.agent.start(wrapper=("setpriv", "--bounding-set=-ipc_lock,-sys_resource",
                               "--inh-caps=-ipc_lock,-sys_resource", *least)).wait_connected()
        c.agent.wait_log("level=warn .*memory with secrets cannot be locked")
        backed = [m for m in mappings(c.agent.process.pid) if NO_CORE in m.flags and "r" in m.access]
        check(backed, "there is memory of secrets")
        check(sum(m.locked_kb for m in backed) <= 64, "more is locked than may be")
        check(any(LOCKED not in m.flags for m in backed), "the limit has an effect")
        c.run_one(c.register([container("a", "exit 0")]))
        c.agent.stop()
        c.agent.start().wait_connected()
        backed = [m for m in mappings(c.agent.process.pid) if NO_CORE in m.flags and "r" in m.access]
        # What may be dropped under pressure is the C library's, for random numbers.
        check(all(m.flags & {LOCKED, "dp"} for m in backed), "memory of secrets is not locked")


def e2e_memory_environment(t):
    """Keys and passwords that come by the environment are used, also after a reload, and are not
    in the process's environment any more."""
    password = canary("login")
    with t.cluster(env=login(password)) as c:
        pid = c.agent.process.pid
        key, id_ = c.agent.env["AWS_SECRET_ACCESS_KEY"], c.agent.env["AWS_ACCESS_KEY_ID"]
        for _ in range(2):
            seen = environment_of(pid)
            check(c.name.encode() in seen and LOGIN.encode() in seen, "the environment is read")
            for value in (password, key, id_):
                check(value.encode() not in seen, f"/proc/{pid}/environ has {value}")
            c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))
            c.agent.reload("ECS_RESERVED_MEMORY=8\n")
            c.agent.wait_log('"ECS_RESERVED_MEMORY"')
        check(not c.agent.process.poll(), "the agent runs")


def dumps_core(process):
    process.send_signal(signal.SIGABRT)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGABRT  # it is waited for
    equal(os.WTERMSIG(status), signal.SIGABRT, "signal that ended it")
    return os.WCOREDUMP(status)


def e2e_memory_no_core(t):
    """A crash of the agent leaves no core file, whatever its limit was."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        raise Skip("core files are limited here")
    with t.cluster(start=False) as c:
        other = subprocess.Popen([*DUMPS, "sleep", "1000"], cwd=c.dir)
        poll(lambda: open(f"/proc/{other.pid}/comm", encoding="ascii").read() == "sleep\n",
             "the other program runs")
        if not dumps_core(other):
            raise Skip("no program leaves core files here")
        c.agent.start(wrapper=DUMPS).wait_connected()
        check(not dumps_core(c.agent.process), "the agent left a core file")
        c.agent.start().wait_connected()
