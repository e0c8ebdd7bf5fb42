"""Tasks see no error while the agent restarts, where a service manager holds its sockets."""
import http.client
import json
import os
import select
import shutil
import signal
import socket
import threading
import time

from harness import STAYS, check, container, equal, poll, slowness
from ports import free_port
from service_manager import ServiceManager

ROLE = "arn:aws:iam::123456789012:role/orders"
CLIENTS, RESTARTS = 50, 20
# As botocore asks for the credentials of a container.
TIMEOUT_S, TRIES, PAUSE_S = 2, 3, 1


class Client(threading.Thread):
    """Asks for one path all the time; on a kept connection, or on a new one each time."""

    def __init__(self, port, path, keeps, right, timeout=TIMEOUT_S):
        super().__init__(daemon=True)
        self.port, self.path, self.keeps, self.right = port, path, keeps, right
        self.timeout = timeout * slowness()
        self.connection = None
        self.ends = threading.Event()
        self.answers = []      # (begun, ended) of those that came well, by tries
        self.failures = []     # (when, what) of single tries
        self.errors = []       # of requests, after all tries

    def run(self):
        while not self.ends.is_set():
            begun = time.monotonic()
            for left in reversed(range(TRIES)):
                try:
                    self.ask()
                    self.answers.append((begun, time.monotonic()))
                    break
                except (OSError, http.client.HTTPException, ValueError) as e:
                    self.failures.append((time.monotonic(), repr(e)))
                    self.drop()
                    if not left:
                        self.errors.append((time.monotonic(), repr(e)))
                    else:
                        self.ends.wait(PAUSE_S)
        self.drop()

    def drop(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ask(self):
        # A kept connection that the server has closed is not used again.
        if self.connection and (not self.connection.sock or
                                select.select([self.connection.sock], [], [], 0)[0]):
            self.drop()
        if not self.connection:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                         timeout=self.timeout)
        self.connection.request("GET", self.path)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200 or not self.right(json.loads(body)):
            raise ValueError(f"{answer.status} {body[:200]!r}")
        if not self.keeps:
            self.drop()


class Service:
    """An agent that a service manager runs, with one task that has a role."""

    def __init__(self, c, **env):
        self.c, self.agent = c, c.agent
        self.port = free_port()
        self.agent.env.update(BERTH_TASKS_PORT=str(self.port), **env)
        self.manager = ServiceManager(os.path.join(c.dir, "notify"))
        self.program = c.berth
        self.spawned = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.manager.close()

    def spawn(self, **env):
        self.spawned = time.monotonic()
        self.agent.process = self.manager.spawn(
            [self.program, "agent", "--config", self.agent.config],
            self.agent.environment(**env), self.agent.log)

    def begin(self):
        """The first process, with a running task; the path and the keys of its credentials."""
        self.spawn()
        self.agent.wait_connected()
        task = self.c.run_one(self.c.register([container("a", STAYS)], taskRoleArn=ROLE))
        self.c.wait_running(task)
        env = dict(e.split("=", 1) for e in self.c.inspect(task, "a")["Config"]["Env"])
        self.metadata = "/" + env["ECS_CONTAINER_METADATA_URI_V4"].split("/", 3)[3] + "/task"
        self.path = env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        self.task = task
        self.keys = json.loads(self.get(self.path)[1])
        return self

    def get(self, path, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    def end(self, kind):
        self.agent.process.send_signal(signal.SIGKILL if kind == "kill" else signal.SIGTERM)
        code = self.agent.wait_exit()
        equal(code, -9 if kind == "kill" else 0, f"exit code after {kind}")

    def no_secret_on_disk(self):
        for folder, _, files in os.walk(self.agent.dir):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as stream:
                        check(self.keys["SecretAccessKey"].encode() not in stream.read(),
                              f"the secret key is in {name}")


def tell(clients, spans):
    """Prints what was measured; the failed tries by kind of restart."""
    by_kind = {kind: [] for _, _, kind, _ in spans}
    for client in clients:
        for when, what in client.failures:
            kind = next((k for begin, end, k, _ in reversed(spans) if begin <= when < end), "none")
            by_kind.setdefault(kind, []).append(what)
    answers = sorted((end - begin, begin) for c in clients for begin, end in c.answers)
    ends = sorted(end for c in clients for _, end in c.answers)
    firsts = [next(e for e in ends if e > spawned) - spawned for _, _, _, spawned in spans]
    print(f"{len(answers)} requests of {len(clients)} clients, the longest "
          f"{answers[-1][0] * 1000:.0f} ms; from exec to the first answer at most "
          f"{max(firsts) * 1000:.0f} ms, {sorted(firsts)[len(firsts) // 2] * 1000:.0f} ms as a rule")
    for kind, failures in by_kind.items():
        n = sum(1 for span in spans if span[2] == kind)
        slowest = max((a for a, b in answers for s in spans if s[2] == kind and s[0] <= b + a < s[1]),
                      default=0)
        print(f"{kind}: {n} restarts, {len(failures)} tries failed, the longest request "
              f"{slowest * 1000:.0f} ms {sorted(set(failures))}")
    return by_kind


def e2e_restart_keeps_answering(t):
    """Fifty clients ask for credentials, one for metadata, all the time, while the agent is
    ended, killed and replaced by another build twenty times: no request fails. Where the agent
    may say goodbye, not even a try does."""
    with t.cluster(start=False, env={"ECS_TASK_METADATA_RPS_LIMIT": "1000000,1000000"}) as c, \
            Service(c) as s:
        s.begin()
        other = os.environ.get("BERTH_OTHER_BUILD")
        copy = os.path.join(c.dir, "berth-of-another-build")
        shutil.copy2(os.path.join(other, "berth") if other else c.berth, copy)
        clients = [Client(s.port, s.path, i % 2 == 0, lambda a: a == s.keys)
                   for i in range(CLIENTS)]
        # It waits for the engine; no SDK asks it with less patience than this.
        metadata = Client(s.port, s.metadata, False, lambda a: a["TaskARN"] == s.task, timeout=5)
        for client in clients + [metadata]:
            client.start()
        spans = []
        for i in range(RESTARTS):
            kind = ("term", "kill", "upgrade")[i % 3]
            begin = time.monotonic()
            s.end(kind)
            if kind == "upgrade":
                s.program = copy if s.program == c.berth else c.berth
            s.spawn()
            since = s.spawned
            poll(lambda since=since: all(client.answers[-1:] and client.answers[-1][1] > since
                                         for client in clients), "each client has its answer")
            if i % 3:  # else it is killed while it is still starting
                s.manager.wait_told("STATUS", "running", since, 20 * slowness())
            spans.append((begin, time.monotonic(), kind, since))
        s.agent.wait_connected()
        for client in clients + [metadata]:
            client.ends.set()
        for client in clients + [metadata]:
            client.join(30)
        failed = tell(clients, spans)
        print(f"metadata: {len(metadata.answers)} requests, {len(metadata.failures)} tries failed")
        equal([e for client in clients + [metadata] for e in client.errors], [],
              "requests that failed")
        equal((failed["term"], failed["upgrade"], failed.get("none", [])), ([], [], []),
              "tries that failed although the agent could say goodbye")
        # Killed, it can answer nobody whom it had accepted; nobody else may notice.
        resets = ("ConnectionResetError", "RemoteDisconnected", "BrokenPipeError")
        equal([f for f in failed["kill"] if not f.startswith(resets)], [],
              "tries that failed otherwise than by the end of their connection")
        equal(sorted(n.rstrip("0123456789") for n in s.manager.names()),
              ["berth-credentials-", "berth-tasks"], "what is kept")
        equal(s.agent.berth_json("status")[0]["agent"]["kept_descriptors"], 2, "kept descriptors")
        s.no_secret_on_disk()


def e2e_restart_engine_away(t):
    """The container engine does not answer when the agent comes back: credentials are there all
    the same; what needs the engine is told to come again."""
    with t.cluster(start=False) as c, Service(c) as s:
        s.begin()
        s.end("kill")
        s.spawn(DOCKER_HOST=f"unix://{c.dir}/nobody")
        status, body, _ = s.get(s.path)
        equal((status, json.loads(body)), (200, s.keys), "credentials")
        status, _, headers = s.get(s.metadata)
        equal((status, headers["Retry-After"]), (503, "1"), "metadata")
        equal(s.get("/v2/credentials/none-of-ours")[0], 503, "credentials of nobody yet")
        s.end("term")
        s.spawn()
        equal(s.get(s.metadata)[0], 200, "metadata")
        equal(s.get("/v2/credentials/none-of-ours")[0], 400, "credentials of nobody")
        s.agent.wait_connected()


def e2e_restart_other_port(t):
    """A kept socket is let go when the settings say another port, and when they say none."""
    with t.cluster(start=False) as c, Service(c) as s:
        s.begin()
        s.end("term")
        before, s.port = s.port, free_port()
        s.spawn(BERTH_TASKS_PORT=str(s.port))
        s.manager.wait_told("FDNAME", "berth-tasks", s.spawned)
        s.manager.wait_told("STATUS", "running", s.spawned)
        poll(lambda: "berth-tasks" in s.manager.names(), "the new socket is kept")
        equal(json.loads(s.get(s.path)[1]), s.keys, "credentials")
        with socket.socket() as gone:
            check(gone.connect_ex(("127.0.0.1", before)) != 0, "the old port is still served")
        s.end("term")
        s.spawn(BERTH_TASKS_PORT="0")
        s.manager.wait_told("STATUS", "running", s.spawned)
        poll(lambda: "berth-tasks" not in s.manager.names(), "nothing listens")
        s.agent.wait_connected()


def e2e_restart_socket_kept_twice(t):
    """A name that the service manager has twice, because it did not hear of the end of the first:
    the socket that is in use is not given up with the other."""
    with t.cluster(start=False) as c, Service(c) as s:
        s.begin()
        s.end("kill")
        with socket.create_server(("127.0.0.1", 0)) as stale:
            s.manager.kept.append(("berth-tasks", os.dup(stale.fileno())))
        s.spawn()
        s.manager.wait_told("STATUS", "running", s.spawned)
        poll(lambda: s.manager.names().count("berth-tasks") == 1, "one socket is kept")
        s.end("kill")
        s.spawn()
        equal(s.get(s.path)[0], 200, "credentials after another restart")
        s.agent.wait_connected()


def e2e_restart_credentials_of_gone_task(t):
    """The credentials of a task that is gone are kept no longer, in this process and the next."""
    with t.cluster(start=False) as c, Service(c) as s:
        s.begin()
        s.manager.wait(lambda m: any(n.startswith("berth-credentials-") for n, _ in m.kept),
                       "the credentials are kept")
        c.stop(s.task)
        c.wait_stopped(s.task)
        poll(lambda: not [n for n in s.manager.names() if n.startswith("berth-credentials-")],
             "nothing is kept of the task")
        s.end("kill")
        s.spawn()
        equal(s.get(s.path)[0], 400, "credentials of a task that is gone")
        s.agent.wait_connected()
