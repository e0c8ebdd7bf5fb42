"""Clients of the local endpoints that mean no good, or know no better, and what the agent
and its other clients notice of them: as little as can be."""
import json
import multiprocessing
import re
import resource
import select
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from docker_api import IMAGE
from harness import STAYS, check, container, equal, slowness
from overload import Meter
from ports import free_port

ROLE = "arn:aws:iam::123456789012:role/orders"
IDLE, IDLE_ADDRESSES = 10000, 50
CLOSE_S = 5  # what the server gives a head, or a body and its answer


class Place:
    """Where one cluster's agent serves its tasks, and one task with a role."""

    def __init__(self, c, port):
        self.c, self.port = c, port
        self.arn = c.run_one(c.register([container("web", STAYS)], taskRoleArn=ROLE))
        c.wait_running(self.arn)
        env = dict(e.split("=", 1) for e in c.inspect(self.arn, "web")["Config"]["Env"])
        self.credentials = env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
        self.v4 = "/v4/" + env["ECS_CONTAINER_METADATA_URI_V4"].rpartition("/")[2]
        check(b"SecretAccessKey" in self.say(self.get(self.credentials)), "the task has its keys")

    @staticmethod
    def get(path, *headers):
        return "\r\n".join([f"GET {path} HTTP/1.1", "Host: h", *headers, "", ""]).encode()

    def dial(self, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20,
                                        source_address=(source, 0))

    def say(self, data, source="127.0.0.1"):
        """All that is answered, until the server closes or has been silent for a while."""
        with self.dial(source) as s:
            try:
                s.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                return b""
            return heard(s)

    def served(self, source="127.0.0.1"):
        """Milliseconds until the task had its keys over a new connection."""
        began = time.monotonic()
        with self.dial(source) as s:
            s.sendall(self.get(self.credentials, "Connection: close"))
            answer = heard(s, 20)
        check(answer.startswith(b"HTTP/1.1 200 ") and b"SecretAccessKey" in answer,
              f"credentials among hostile clients: {answer[:80]!r}")
        return (time.monotonic() - began) * 1000


def heard(s, silence=0.5, first=3.0):
    """`first`: so long the server may take before it says anything."""
    data = b""
    while select.select([s], [], [], (silence if data else max(first, silence)) * slowness())[0]:
        try:
            piece = s.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        data += piece
    return data


def in_time(served):
    """But for one in fifty, which may meet a machine that is busy with other scenarios."""
    rows = sorted(served)
    check(rows[-1 - len(rows) // 50] < 1000 * slowness(), f"keys after {rows[-9:]} ms")


def statuses(answer):
    """Of all answers in it; no body here has such a line."""
    return [int(n) for n in re.findall(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n", answer)]


class Hundred:
    """The statuses of a hundred requests at once: sixty may come, and then one each 25 ms, for the
    machine may be slow."""

    def __contains__(self, seen):
        return seen[:60] == [404] * 60 and len(seen) == 100 and set(seen[60:]) <= {404, 429} and \
            seen.count(429) > 0


HUNDRED = Hundred()


def place(t, **env):
    port = free_port()
    return t.cluster(env={"BERTH_TASKS_PORT": str(port), **env}), port


def crowd(port, ready, stop):
    """Holds so many connections that say nothing, from many addresses; the agent closes
    those that wait for too long, so a thousand a second are dialed anew."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 500, IDLE + 500))

    def dial(n):
        return socket.create_connection(("127.0.0.1", port), timeout=20,
                                        source_address=(f"127.0.1.{n % IDLE_ADDRESSES + 1}", 0))

    held = [dial(n) for n in range(IDLE)]
    ready.set()
    n = 0
    while not stop.wait(0.1):
        for _ in range(100):
            held[n % IDLE].close()
            held[n % IDLE] = dial(n)
            n += 1


def start_ms(c, definition):
    arn = c.run_one(definition)
    c.wait_running(arn)
    row = c.times(arn)
    c.stop(arn)
    c.wait_stopped(arn)
    return (row["running_us"] - row["payload_sent_us"]) / 1000


def bare_ms(c):
    """The same of a container that only the engine knows of."""
    began = time.monotonic()
    box = c.docker.request("POST", "/containers/create", {
        "Image": IMAGE, "Cmd": ["sh", "-c", STAYS], "HostConfig": {"NetworkMode": "none"}})["Id"]
    try:
        c.docker.request("POST", f"/containers/{box}/start")
        return (time.monotonic() - began) * 1000
    finally:
        c.docker.remove(box)


def starts(c, definition, n=9):
    """Lower quartiles of so many starts: what is in the way of all, not of some; the engine's,
    each time just before, tell what the machine is busy with besides."""
    pairs = [(bare_ms(c), start_ms(c, definition)) for _ in range(n)]
    return [statistics.quantiles(column, n=4)[0] for column in zip(*pairs)]


def e2e_hostile_idle_connections(t):
    """Ten thousand connections that say nothing: a task's keys come in time, and tasks start
    as fast as before."""
    cluster, port = place(t, ECS_TASK_METADATA_RPS_LIMIT="1000,1000")
    ready, stop = multiprocessing.Event(), multiprocessing.Event()
    with cluster as c:
        p = Place(c, port)
        definition = c.register([container("a", STAYS)], networkMode="none")
        start_ms(c, definition)
        bare, before = starts(c, definition)
        usual = statistics.median(p.served() for _ in range(100))
        idle = multiprocessing.Process(target=crowd, args=(port, ready, stop), daemon=True)
        idle.start()
        try:
            check(ready.wait(60 * slowness()), "ten thousand connections are there")
            with Meter(c.agent, "ten thousand connections") as meter:
                served = [p.served() for _ in range(200)]
                # From the crowd's own address too.
                served += [p.served("127.0.1.1") for _ in range(20)]
                bare_during, during = starts(c, definition)
            check(idle.is_alive(), "the crowd is still there")
        finally:
            stop.set()
            idle.join(20)
            if idle.is_alive():
                idle.kill()
                idle.join()
        median = statistics.median(served)
        print(f"keys: median {usual:.1f} ms before, {median:.1f} ms meanwhile, the longest "
              f"{max(served):.0f} ms; a task's start: {before:.0f} ms before, {during:.0f} ms "
              f"meanwhile, without an agent {bare:.0f} and {bare_during:.0f} ms")
        check(median < max(50 * slowness(), 5 * usual), f"keys after {sorted(served)} ms")
        in_time(served)
        check(during < 1.5 * before * max(1, bare_during / bare) + 100 * slowness(),
              f"a start takes {before} ms before, {during} ms meanwhile; the engine alone takes "
              f"{bare} and {bare_during} ms")
        meter.limit(ratio=0.2)


def drip(p, data, rest):
    """Sends `data`, then one byte a second; seconds until the server closes."""
    with p.dial("127.0.0.4") as s:
        s.sendall(data)
        began = time.monotonic()
        while time.monotonic() - began < 4 * CLOSE_S * slowness():
            if select.select([s], [], [], 1)[0]:
                break
            s.sendall(rest)
        return time.monotonic() - began


def e2e_hostile_slow_clients(t):
    """One byte a second, of a head and of a body: closed when their time is up, while the
    task is served."""
    cluster, port = place(t)
    with cluster as c:
        p = Place(c, port)
        head = p.get(p.credentials)[:-2]
        body = p.get(p.credentials, "Content-Length: 1000")
        with ThreadPoolExecutor(40) as pool:
            slow = [pool.submit(drip, p, data, rest) for _ in range(20)
                    for data, rest in ((head, b"x"), (body, b"b"))]
            served = [p.served()]
            while not all(f.done() for f in slow):
                served.append(p.served())
                time.sleep(0.05)  # the rate that a task may ask at
            took = [f.result() for f in slow]
        check(CLOSE_S - 1 < min(took) and max(took) < (CLOSE_S + 5) * slowness(),
              f"slow clients were closed after {sorted(took)} s")
        in_time(served)


def requests(p):
    """(what it is, bytes, the statuses that are allowed; [] is a close without an answer)."""
    keys, v4, get = p.credentials, p.v4, p.get
    put = f"PUT {v4} HTTP/1.1\r\nHost: h\r\n"
    refused = ([], [400])
    return [
        ("pipelined", get(v4) + get("/none") + get(v4 + "/task"), ([200, 404, 200],)),
        ("a hundred pipelined", get("/none") * 100, HUNDRED),
        ("a small method", f"get {v4} HTTP/1.1\r\nHost: h\r\n\r\n".encode(), ([200], *refused)),
        ("CONNECT", b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: h\r\n\r\n", ([404], *refused)),
        ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", refused),
        ("//", get("/" + v4), ([301],)),
        ("..", get("/v3/x/../.." + v4), ([301],)),
        ("encoded ..", get("/v3/%2e%2e" + v4), ([301],)),
        (".. over the top", get("/../../../../etc/passwd"), ([301],)),
        # The path is decoded before it is looked at, as in the reference.
        ("an encoded slash", get(v4 + "%2Ftask"), ([200],)),
        ("two encoded slashes", get(v4 + "%2F%2Ftask"), ([301],)),
        ("an encoded NUL", get(v4 + "%00"), ([400],)),
        # The end of the path for the library, and so for everything behind it.
        ("a NUL", get(v4 + "\0/task"), ([200], *refused)),
        ("a broken escape", get(v4 + "%2"), ([400],)),
        ("an escape that is none", get(v4 + "%zz"), ([400],)),
        ("twice encoded", get(keys.replace("/v2/", "/v2%252F")), ([404],)),
        ("a huge id", get("/v4/" + "a" * 15000), ([404],)),
        ("a huger id", get("/v4/" + "a" * 17000), ([], [414], [431], [413])),
        ("a huge id of credentials", get("/v2/credentials/" + "%22" * 5000), ([400],)),
        ("a huge query", get(v4 + "?a=" + "b" * 14000), ([200],)),
        ("many parameters", get(v4 + "?" + "a=b&" * 3500), ([200], [], [414], [431], [413])),
        ("many headers", get(v4, *["A: b"] * 4000), ([], [431], [413])),
        ("one long header", get(v4, "A: " + "b" * 40000), ([], [431], [413])),
        ("a folded header", get(v4, "A: b", " c"), ([200], *refused)),
        ("a header without a name", get(v4, ": b"), ([200], *refused)),
        ("a body on GET", get(v4, "Content-Length: 5") + b"hello" + get(v4), ([200, 200],)),
        ("chunks on GET", get(v4, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n" +
         get(v4), ([200, 200],)),
        ("chunks of no length", put.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
         refused),
        ("a chunk of almost 2^64", put.encode() +
         b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffe\r\nhello\r\n", refused + ([413],)),
        # Nobody may hide a request behind another's body.
        ("chunks and a length", get(v4, "Transfer-Encoding: chunked", "Content-Length: 5") +
         b"0\r\n\r\n" + get("/none"), ([200, 404], [200], *refused)),
        ("two lengths", get(v4, "Content-Length: 0", "Content-Length: 40") + get("/none"),
         ([200], [200, 404], *refused)),
        ("Expect", (put + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello").encode(),
         ([100, 200], [200])),
        ("Expect of anything", get(v4, "Expect: miracles"), ([200], [417], *refused)),
        ("Upgrade", get(v4, "Connection: Upgrade", "Upgrade: websocket"), ([200],)),
        ("absolute form", get("http://169.254.170.2" + v4), ([200],)),
        ("absolute form of another", get("http://169.254.169.254/latest"), ([404],)),
        ("HTTP/0.9", f"GET {keys}\r\n".encode(), refused),
        ("HTTP/1.0", f"GET {v4} HTTP/1.0\r\n\r\n".encode(), ([200],)),
        ("HTTP/7.0", f"GET {v4} HTTP/7.0\r\nHost: h\r\n\r\n".encode(), ([], [400], [505])),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), refused),
        ("all bytes", bytes(range(256)) * 20 + b"\r\n\r\n", refused),
        ("nothing but ends of lines", b"\r\n" * 3000, refused),
    ]


def e2e_hostile_requests(t):
    """Every trick with a request: the answer that it deserves, or none, and an agent that
    goes on; no answer to what is refused has keys."""
    cluster, port = place(t)
    with cluster as c:
        p = Place(c, port)
        bad = []
        for n, (name, data, allowed) in enumerate(requests(p)):
            # An address for each, so that none spends another's rate.
            answer = p.say(data, f"127.0.2.{n + 1}")
            seen = statuses(answer)
            if seen not in allowed:
                bad.append(f"{name}: {seen}, not {allowed}: {answer[:200]!r}")
            if b"SecretAccessKey" in answer:
                bad.append(f"{name}: keys")
            p.served()
            c.agent.check_alive()
        for method in ("POST", "DELETE", "OPTIONS", "TRACE", "PATCH", "X" * 300):
            answer = p.say(f"{method} {p.v4} HTTP/1.1\r\nHost: h\r\nX-Mine: parrot\r\n\r\n".encode(),
                           "127.0.3.1")
            check(b"parrot" not in answer, f"{method} is told its own headers")
            if statuses(answer)[:1] not in ([200], [404], [405], [501], [400], []):
                bad.append(f"{method}: {answer[:200]!r}")
        equal(bad, [], "answers")
        body = p.say(p.get(p.v4)).partition(b"\r\n\r\n")[2]
        equal(json.loads(body)["Name"], "web", "the container after all that")


def e2e_hostile_greedy_client(t):
    """Who asks without end gets 429 and when to come back; another one loses nothing."""
    cluster, port = place(t)
    with cluster as c:
        p = Place(c, port)
        with ThreadPoolExecutor(4) as pool:
            began = time.monotonic()
            greedy = [pool.submit(lambda: p.say(p.get(p.credentials) * 200, "127.0.0.2"))
                      for _ in range(4)]
            served = []
            while not all(f.done() for f in greedy) or len(served) < 20:
                served.append(p.served("127.0.0.3"))
                time.sleep(0.03)  # below the 40 a second that each may ask for
            took = time.monotonic() - began
            answers = [f.result() for f in greedy]
        seen = [s for a in answers for s in statuses(a)]
        equal(len(seen), 800, "answers to the greedy one")
        check(60 <= seen.count(200) <= 60 + 40 * (took + 1),
              f"{seen.count(200)} of them are keys, in {took:.1f} s")
        equal(set(seen), {200, 429}, "statuses for the greedy one")
        check(all(a.count(b"\r\nRetry-After: ") == statuses(a).count(429) for a in answers),
              "each refusal says when to come back")
        in_time(served)
