"""Who asks for credentials: tasks by their addresses and by their sockets, and people.

As those of scenarios_endpoints.py, these scenarios use the real address, ports and rules of the
host, so they run alone.
"""
import os
import socket

from harness import STAYS, check, container, contains, equal, part
from scenarios_endpoints import ROLE, ask, cluster, environment, get

MODES = ("bridge", "host")


def victim(c, mode):
    """A task with a role, and the path of its credentials."""
    arn = c.run_one(c.register([container("v", STAYS)], networkMode=mode, taskRoleArn=ROLE))
    c.wait_running(arn)
    return arn, environment(c, arn, "v")["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]


def exit_code(c, script, mode, **more):
    arn = c.run_one(c.register([container("a", script)], networkMode=mode, **more))
    return arn, part(c.wait_stopped(arn), "a")["exitCode"]


def status_is(path, status):
    return f"{ask(path)} | grep -q ' {status} ' || exit 7; exit 0"


def e2e_callers_of_tasks(t):
    """Whatever the network modes, a task has its own role and not another one's, from its very
    first moment on; a person on the host is asked for the id alone."""
    log = os.path.join("/tmp", f"berth-callers-{os.getpid()}")
    own = status_is("$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", 200)
    with cluster(t, ECS_AUDIT_LOGFILE=log) as c:
        c.agent.wait_log("tasks reach their credentials")
        wanted = []
        for mode in MODES:
            arn, path = victim(c, mode)
            for other in MODES:
                equal(exit_code(c, own, other, taskRoleArn=ROLE)[1], 0, f"own role, {other} mode")
                equal(exit_code(c, status_is(path, 403), other)[1], 0,
                      f"a thief in {other} mode of a victim in {mode} mode")
                wanted += [("200", None), ("403", arn)]
            # What is started in a container that runs is the container's.
            box = c.inspect(arn, "v")["Id"]
            equal(c.docker.run_in(box, "sh", "-c", status_is(path, 200)), 0, f"exec, {mode} mode")
            equal(get(path)[0], 200, "status on the host")
            wanted += [("200", arn), ("200", arn)]
        with open(log, encoding="utf-8") as f:
            lines = [line.split(" ") for line in f.read().splitlines()]
        os.unlink(log)
        equal([line[1] for line in lines], [status for status, _ in wanted], "audited statuses")
        for line, (status, arn) in zip(lines, wanted):
            check(arn is None or arn in line, f"{status} of {arn}: {line}")


def e2e_callers_not_bound(t):
    """BERTH_BIND_CREDENTIALS=false: the id is enough for everybody, as with the reference."""
    with cluster(t, BERTH_BIND_CREDENTIALS="false") as c:
        c.agent.wait_log("tasks reach their credentials")
        for mode in MODES:
            _, path = victim(c, mode)
            for other in MODES:
                equal(exit_code(c, status_is(path, 200), other)[1], 0,
                      f"a task in {other} mode with the id of one in {mode} mode")


def connect(source, target):
    """A connection from this very port, which others have too."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(10)
    s.bind(source)
    s.connect(target)
    return s


def e2e_callers_who_hide(t):
    """A task that asks the agent's own port is found all the same. Who makes the host give his
    connection another port than his own, so that there is no such socket, gets nothing."""
    with cluster(t) as c:
        c.agent.wait_log("tasks reach their credentials")
        _, path = victim(c, "host")
        direct = status_is(path, 403).replace("169.254.170.2 80", "127.0.0.1 51679")
        equal(exit_code(c, direct, "host")[1], 0, "a thief that asks the port itself")
        request = f"GET {path} HTTP/1.0\r\n\r\n".encode()
        with connect(("127.0.0.1", 0), ("127.0.0.1", 51679)) as first:
            with connect(first.getsockname(), ("169.254.170.2", 80)) as second:
                second.sendall(request)
                contains(second.recv(4096).decode(), " 403 ", "answer behind another's port")
            first.sendall(request)
            contains(first.recv(4096).decode(), " 200 ", "answer to a person")
