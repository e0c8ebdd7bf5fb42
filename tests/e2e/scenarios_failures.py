"""What goes wrong with images, programs and ports, and what people are told."""
import http.server
import socket
import threading

from connections import accepted
from harness import STAYS, check, container, contains, equal, part, poll


class Registry:
    """An image registry on loopback that knows no image, or never answers."""

    def __init__(self, stall=False):
        self.connections = 0
        if stall:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            self.held = []
            threading.Thread(target=self._hold, daemon=True).start()
        else:
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NoImages)
            self.port = self.server.server_address[1]
            threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _hold(self):
        for client in accepted(self.listener):
            self.connections += 1
            self.held.append(client)

    def close(self):
        if hasattr(self, "server"):
            self.server.shutdown()
            self.server.server_close()
        else:
            self.listener.close()
            for client in self.held:
                client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _NoImages(http.server.BaseHTTPRequestHandler):
    def _answer(self):
        found = self.path.rstrip("/") == "/v2"
        body = b"{}" if found else \
            b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
        self.send_response(200 if found else 404)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = _answer

    def log_message(self, *_):
        pass


def e2e_stop_before_pull_finishes(t):
    """A task whose image never comes stops at once when asked to."""
    with Registry(stall=True) as registry, \
            t.cluster(env={"ECS_IMAGE_PULL_BEHAVIOR": "always"}) as c:
        image = f"127.0.0.1:{registry.port}/never:1"
        arn = c.run_one(c.register([container("a", image=image)]))
        poll(lambda: registry.connections, "Docker asks the registry")
        equal(c.agent.why(arn), [("a", f"the registry to say the digest of: {image}")], "berth why")
        c.stop(arn)
        task = c.wait_stopped(arn)  # a registry is given a minute
        check("exitCode" not in part(task, "a"), "a container that never ran has an exit code")
        equal(c.containers(), [], "containers")


def e2e_image_missing(t):
    """An image that the registry does not have; the other task is not disturbed."""
    with Registry() as registry, t.cluster() as c:
        good = c.run_one(c.register([container("a")]))
        image = f"127.0.0.1:{registry.port}/nowhere:7"
        bad = c.wait_stopped(c.run_one(c.register([container("a", image=image)])))
        reason = part(bad, "a")["reason"]
        check(reason.startswith("CannotPullContainerError: "), f"reason {reason!r}")
        contains(reason, "manifest unknown", "reason")
        equal(bad["stopCode"], "TaskFailedToStart", "stop code")
        c.wait_running(good)


def e2e_cannot_start(t):
    """A program that the image does not have."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a", command=["/no/such/program"])]))
        task = c.wait_stopped(arn)
        reason = part(task, "a")["reason"]
        check(reason.startswith("CannotStartContainerError: Error response from daemon: "),
              f"reason {reason!r}")
        contains(reason, "/no/such/program", "reason")
        equal(task["stopCode"], "TaskFailedToStart", "stop code")


def e2e_port_in_use(t):
    """A host port that another program holds; the task says so and nothing else suffers."""
    with socket.create_server(("0.0.0.0", 0)) as holder, t.cluster() as c:
        port = holder.getsockname()[1]
        good = c.run_one(c.register([container("a")]))
        bad = c.wait_stopped(c.run_one(c.register([container("a", portMappings=[
            {"containerPort": 80, "hostPort": port}])])))
        reason = part(bad, "a")["reason"]
        check(reason.startswith("CannotStartContainerError: Error response from daemon: "),
              f"reason {reason!r}")
        contains(reason, "address already in use", "reason")
        contains(reason, str(port), "reason")
        c.wait_running(good)


def e2e_stop_timeout(t):
    """A program that ignores SIGTERM is killed after its own stop timeout."""
    with t.cluster() as c:
        arn = c.run_one(c.register([
            container("deaf", "trap '' TERM; while :; do sleep 1; done", stopTimeout=2)]))
        c.wait_running(arn)
        with c.events() as events:
            c.stop(arn)
            asked = events.wait("kill", task=arn)[0]["time"]
            died = events.wait("die", task=arn)[0]["time"]
        task = c.wait_stopped(arn)
        equal(part(task, "deaf")["exitCode"], 137, "exit code")
        # The agent's own time is 10 s.
        check(1.5 < died - asked < 8, f"killed after {died - asked:.1f} s, not 2")


def e2e_killed_from_outside(t):
    """A container that someone else kills is noticed by its event."""
    with t.cluster() as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        c.docker.request("POST", f"/containers/{c.containers(arn)[0]['Id']}/kill", signal="KILL")
        equal(part(c.wait_stopped(arn, 5), "a")["exitCode"], 137, "exit code")


def e2e_out_of_memory(t):
    """A program that needs more than its limit is killed, and the reason says so."""
    eat = "x=a; while :; do x=$x$x; done"
    with t.cluster() as c:
        task = c.wait_stopped(c.run_one(c.register([container("eater", eat)])), 60)
        contains(part(task, "eater").get("reason"), "OutOfMemoryError: Container killed due to "
                 "memory usage", "reason")


def e2e_stop_unstarted(t):
    """Tasks that are stopped right after they were asked for reach STOPPED, always."""
    with t.cluster() as c:
        arns = c.run(c.register([container("a"), container("b", STAYS)]), count=5)
        c.stop(*arns)
        c.wait(arns, "STOPPED")
