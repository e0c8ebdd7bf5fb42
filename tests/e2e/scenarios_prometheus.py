"""What a Prometheus server reads at /metrics, and what asks whether the agent lives."""
import http.client
import socket

from harness import STAYS, check, container, equal, poll
from ports import free_port
import prometheus


def ask(port, path="/metrics", method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def scrape(port):
    status, headers, text = ask(port)
    equal((status, headers["Content-Type"]),
          (200, "text/plain; version=0.0.4; charset=utf-8"), "answer")
    return prometheus.read(text)


def family_with(port, name, **labels):
    """The families as soon as one of them has a series with these labels."""
    def get():
        families = scrape(port)
        of = families.get(name)
        found = of and any(labels.items() <= s.items() for s in of.series())
        return families if found else None
    return poll(get, f"{name}{labels}")


def e2e_prometheus(t):
    """Tasks, a failure and an outage in the numbers of /metrics, which a strict reader reads;
    counters never decrease; names with quotes and backslashes do no harm."""
    port = str(free_port())
    with t.cluster(env={"BERTH_INTROSPECTION_PORT": port}) as c:
        poll(lambda: not _refused(port), "the introspection server")
        first = scrape(port)
        task = c.run_one(c.register([container("web", STAYS)], cpu="256", memory="128"))
        c.wait_running(task)
        failed = c.run_one(c.register([container("bad", "exit 3")]))
        c.wait_stopped(failed)
        who = {"task": task.split("/")[-1], "container": "web"}
        second = family_with(port, "berth_container_cpu_seconds_total", **who)
        prometheus.never_decrease(first, second)

        equal(second["berth_tasks"].value(status="RUNNING"), 1, "running tasks")
        equal(second["berth_containers"].value(status="RUNNING"), 1, "running containers")
        equal(second["berth_capacity_memory_used_bytes"].value(), 128 << 20, "promised memory")
        calls = second["berth_docker_calls_total"]
        equal(calls.value(operation="create", result="ok"), 2, "creates")
        equal(calls.value(operation="start", result="ok"), 2, "starts")
        check(second["berth_docker_call_seconds"].value("_count", operation="start") == 2, "times")
        equal(second["berth_docker_calls_in_flight"].value(operation="events"), 1, "event streams")
        equal(second["berth_session_connected"].value(session="acs"), 1, "session")
        check(second["berth_messages_received_total"].value(type="payload") >= 2, "payloads")
        check(second["berth_acks_sent_total"].value() >= 2, "acks")
        check(second["berth_store_commit_seconds"].value("_count") > 0, "commits")
        check(second["berth_loop_turn_seconds"].value("_count") > 0, "turns")
        check(second["process_resident_memory_bytes"].value() > 1 << 20, "memory of the agent")
        equal(second["berth_container_memory_limit_bytes"].kind, "gauge", "memory limit")
        equal(second["berth_containers_left_out"].value(), 0, "left out")

        c.fault("SubmitTaskStateChange", "status", count=2, status=500)
        c.stop(task)
        c.wait_stopped(task)
        # The control plane knows before the agent hears that it does.
        third = poll(lambda: (f := scrape(port))["berth_reports_waiting"].value() == 0 and f,
                     "all reports are accepted")
        prometheus.never_decrease(second, third)
        check(third["berth_reports_total"].value(result="failed") >= 1, "failed reports")
        # Each task's last state, and that one of them runs.
        accepted = third["berth_reports_total"].value(result="accepted")
        check(accepted >= 3, "accepted reports")
        equal(third["berth_aws_calls_total"].value(
            service="ecs", operation="SubmitTaskStateChange", outcome="ok"), accepted, "calls")
        lag = third["berth_report_lag_seconds"]
        check(lag.value("_count") >= 3 and lag.value("_sum") > 0, "report lag")
        equal(third["berth_reports_oldest_waiting_seconds"].value(), 0, "oldest report")
        equal(third["berth_tasks"].value(status="RUNNING"), 0, "running tasks in the end")
        check(third["berth_http_requests_total"].value(
            listener="introspection", route="metrics", status="2xx") >= 2, "scrapes")


def _refused(port):
    try:
        ask(port)
    except OSError:
        return True
    return False


def e2e_prometheus_off(t):
    """Turned off, /metrics is a path like any other; HEAD and the health check find the agent,
    and miss it once it has ended."""
    port = str(free_port())
    with t.cluster(env={"BERTH_INTROSPECTION_PORT": port, "BERTH_METRICS": "false"}) as c:
        poll(lambda: not _refused(port), "the introspection server")
        commands = '{"AvailableCommands":["/v1/metadata","/v1/tasks","/license"]}'
        equal(ask(port)[2], commands, "the answer when it is turned off")
        status, headers, text = ask(port, "/v1/metadata", "HEAD")
        equal((status, text), (200, ""), "HEAD")
        check(int(headers["Content-Length"]) > 0, "the length that GET would have")

        def healthy():
            return c.agent.berth("agent", "--config", c.agent.config, "-healthcheck",
                                 check_code=False).returncode
        equal(healthy(), 0, "health while it runs")
        c.agent.env["ECS_AGENT_HEALTHCHECK_HOST"] = "127.0.0.1"
        equal(healthy(), 0, "health at a named host")
        done = c.agent.berth("agent", "-license")
        equal(done.stdout, ask(port, "/license")[2], "license")
        c.agent.stop()
        equal(healthy(), 1, "health once it has ended")
        c.agent.start().wait_connected()
