"""Proxies, certificates, clocks: what is between the agent and its control plane."""
import datetime
import json
import os
import re
import socket
import ssl

from cloud import canary, search
from harness import STAYS, check, container, contains, equal, part, poll
from network import NAME, Authority, Proxy, TlsFront
from scenarios_cloud import instance_keys


def through(front, proxy, authority=None):
    """The settings of an agent that reaches the control plane through both."""
    return {"ECS_BACKEND_HOST": front.url, "AWS_ENDPOINT_URL": front.url,
            "HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": authority and authority.bundle}


def public(front):
    return ("--public-url", front.url)


def e2e_network_proxy_and_ca(t):
    """Through a forward proxy, over TLS that ends in a certificate of a private CA: register,
    a session, a task, its log. The control plane's name is known to the proxy only."""
    with Authority() as ca, TlsFront(ca) as front, Proxy(front.port) as proxy, \
            t.cluster(start=False, env=through(front, proxy, ca),
                      local_options=public(front)) as c:
        front.backend = c.port
        try:
            socket.getaddrinfo(NAME, front.port)
            raise AssertionError(f"{NAME} is known here, so nothing would show the proxy's use")
        except socket.gaierror:
            pass
        c.agent.start().wait_connected()
        log = {"logDriver": "awslogs", "options": {
            "awslogs-group": "/e2e/proxy", "awslogs-region": "us-west-2",
            "awslogs-stream-prefix": "p", "awslogs-create-group": "true"}}
        arn = c.run_one(c.register([container("a", "echo through; " + STAYS,
                                              logConfiguration=log)]))
        c.wait_running(arn)

        def logged():
            if not c.logs.call("DescribeLogGroups")["logGroups"]:
                return False
            events = c.logs.call("FilterLogEvents", logGroupName="/e2e/proxy")["events"]
            return [e["message"] for e in events] == ["through"]

        poll(logged, "the task's log in the sink", every=0.1)
        c.stop(arn)
        equal(part(c.wait_stopped(arn), "a")["exitCode"], 0, "exit code")
        check(proxy.connects() >= 2, f"CONNECTs in tinyproxy's log: {proxy.connects()}")
        status = c.agent.berth_json("status")[0]["control"]
        equal(status["endpoint"], front.url, "endpoint in berth status")


def e2e_network_proxy_password(t):
    """A proxy that wants a password: with it, the agent gets through and tells it nobody; with
    another, it says what the proxy said."""
    password = canary("proxy")
    with Authority() as ca, TlsFront(ca) as front, Proxy(front.port, password) as proxy, \
            t.cluster(start=False, env=through(front, proxy, ca),
                      local_options=public(front)) as c:
        front.backend = c.port
        wrong = canary("wrong")
        c.agent.start(HTTPS_PROXY=proxy.url_for(wrong), ECS_LOGLEVEL="debug")
        line = c.agent.wait_log(r"(registration did not succeed yet|registration failed).*")
        # tinyproxy says 401 to a wrong password, and 407 to none.
        check(re.search(r"proxy 127\.0\.0\.1:\d+: .*40[17]", line), f"the log says {line}")
        if c.agent.process.poll() is None:
            c.agent.stop()
        equal(c.requests("RegisterContainerInstance"), [], "registrations")
        c.agent.start(ECS_LOGLEVEL="debug").wait_connected()
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))
        search(c.agent, {"the password": password, "the wrong password": wrong})


def e2e_network_unknown_ca(t):
    """Without the CA the agent does not trust the certificate, and says so."""
    with Authority() as ca, TlsFront(ca) as front, Proxy(front.port) as proxy, \
            t.cluster(start=False, env=through(front, proxy), local_options=public(front)) as c:
        front.backend = c.port
        c.agent.start()
        equal(c.agent.wait_exit(), 1, "exit code")
        line = c.agent.wait_log("level=error .*registration failed.*")
        contains(line, f"the certificate of {NAME} is not trusted", "the log")
        contains(line, "AWS_CA_BUNDLE", "the log")
        equal(c.requests("RegisterContainerInstance"), [], "registrations")
        # -k is the way around it, as in the reference.
        c.agent.start(options=["-k"]).wait_connected()


def e2e_network_old_tls(t):
    """A server that speaks nothing above TLS 1.1 is refused."""
    with Authority() as ca, TlsFront(ca, old=True) as front, Proxy(front.port) as proxy, \
            t.cluster(start=False, env=through(front, proxy, ca),
                      local_options=public(front)) as c:
        front.backend = c.port
        client = ssl.create_default_context(cafile=ca.bundle)
        client.set_ciphers("DEFAULT:@SECLEVEL=0")
        client.minimum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", front.port)) as plain, \
                client.wrap_socket(plain, server_hostname=NAME) as old:
            equal(old.version(), "TLSv1.1", "what a willing client gets")
        # A configuration of OpenSSL that allows it: the agent itself must not.
        path = os.path.join(c.dir, "openssl.cnf")
        with open(path, "w", encoding="ascii") as out:
            out.write("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
                      "MinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0\n")
        c.agent.start(OPENSSL_CONF=path)
        line = c.agent.wait_log(r"level=warn .*registration did not succeed yet.*")
        contains(line, "protocol version", "the warning")
        check(front.refused >= 1, "nobody came to the server")
        equal(c.requests("RegisterContainerInstance"), [], "registrations")


def e2e_network_no_proxy(t):
    """NO_PROXY names who is reached without it, also where HTTP_PROXY alone is set, which
    counts for https too; loopback is never asked of a proxy."""
    with Authority() as ca, TlsFront(ca) as front, Proxy(front.port) as proxy, \
            t.cluster(start=False, local_options=public(front)) as c:
        front.backend = c.port
        env = through(front, proxy, ca)
        env.update(HTTPS_PROXY=None, http_proxy=proxy.url, NO_PROXY="example.test")
        c.agent.start(**env).wait_connected()
        check(proxy.connects() >= 1, "HTTP_PROXY did not count for https")
        c.agent.stop()
        before = proxy.connects()
        env.update(NO_PROXY="example.test, .berth.test")
        c.agent.start(**env)
        line = c.agent.wait_log(r"level=warn .*registration did not succeed yet.*")
        contains(line, NAME, "the name that only the proxy knows")
        equal(proxy.connects(), before, "CONNECTs with NO_PROXY")


def e2e_network_clock(t):
    """The control plane's clock is a quarter of an hour ahead, or this machine's is behind:
    the agent learns it from the answer, and everything goes on; also when it changes."""
    with t.cluster(start=False, violations=True) as c:
        c.clock(900)
        c.agent.start().wait_connected()
        offset = c.agent.berth_json("status")[0]["control"]["clock_offset_ms"]
        check(abs(offset - 900000) < 5000, f"the offset in berth status: {offset}")
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))
        refused = [r for r in c.requests() if r["status"] >= 400]
        equal(len(refused), 1, f"calls refused: {refused}")

        c.clock(-900)  # a step, while it runs
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        c.local("POST", "drop-websockets")
        c.stop(arn)
        c.wait_stopped(arn)
        offset = c.agent.berth_json("status")[0]["control"]["clock_offset_ms"]
        check(abs(offset + 900000) < 5000, f"the offset after the step: {offset}")
        c.agent.wait_connected()
        c.clock(0)
        c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))
        broken = [v["what"] for v in c.local("GET", "violations")["violations"]]
        # Until the first refusal tells, what is sent carries the old time.
        check(all("Signature" in what or "timestamp" in what for what in broken),
              f"violations: {broken}")


def e2e_network_clock_of_keys(t):
    """This machine's clock is 8 hours ahead, so that the keys of its role seem to have ended
    long ago; or 5 hours behind. They are tried, and the answer says what time it is."""
    for offset in (-8 * 3600, 5 * 3600):
        with t.cluster(metadata=True, start=False, violations=True) as c:
            keys = instance_keys(c)
            if offset < 0:  # all that is told by the right clock is that much earlier
                end = datetime.datetime.strptime(keys["Expiration"], "%Y-%m-%dT%H:%M:%SZ")
                end += datetime.timedelta(seconds=offset)
                keys["Expiration"] = end.strftime("%Y-%m-%dT%H:%M:%SZ")
                role = c.local("GET", "metadata")["role"]
                c.local("POST", "metadata",
                        {f"iam/security-credentials/{role}": json.dumps(keys)})
            c.clock(offset)
            c.agent.start().wait_connected()
            seen = c.agent.berth_json("status")[0]["control"]["clock_offset_ms"]
            check(abs(seen - offset * 1000) < 5000, f"the offset in berth status: {seen}")
            c.wait_stopped(c.run_one(c.register([container("a", "exit 0")])))
