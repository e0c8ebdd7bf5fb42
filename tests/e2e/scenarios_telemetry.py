"""What the control plane is told of the use and the health of containers."""
import os

from harness import check, container, equal, health, poll

BUSY = "trap 'exit 0' TERM; while :; do :; done"


def messages(c, kind):
    rows = c.local("GET", "telemetry")["messages"]
    return [r["envelope"]["message"] for r in rows if r["envelope"]["type"] == kind]


def of_task(found, task):
    return [t for m in found for t in m.get("taskMetrics", m.get("tasks", []))
            if t["taskArn"] == task]


def cpu_ns(box):
    """What the kernel counted for the container."""
    with open(f"/proc/{box['State']['Pid']}/cgroup", encoding="ascii") as f:
        for line in f:
            _, controllers, path = line.strip().split(":", 2)
            if "cpuacct" in controllers.split(","):
                name = f"/sys/fs/cgroup/{controllers}{path}/cpuacct.usage"
                if not os.path.exists(name):
                    name = f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage"
                with open(name, encoding="ascii") as usage:
                    return int(usage.read())
            if not controllers:
                name = f"/sys/fs/cgroup{path}/cpu.stat"
                if os.path.exists(name):
                    with open(name, encoding="ascii") as usage:
                        return 1000 * int(usage.readline().split()[1])
    raise AssertionError("the container has no cgroup")


def e2e_telemetry_of_a_busy_task(t):
    """The statistic sets of a container under load, and the health of one with a check."""
    with t.cluster() as c:
        task = c.run_one(c.register([
            container("busy", BUSY, healthCheck=health("true")),
            container("calm")]))
        c.wait_running(task)
        box = c.inspect(task, "busy")
        poll(lambda: of_task(messages(c, "PublishMetricsRequest"), task), "the first metrics", 50, 0.2)
        before, began = cpu_ns(box), os.times().elapsed
        known = len(of_task(messages(c, "PublishMetricsRequest"), task))
        poll(lambda: len(of_task(messages(c, "PublishMetricsRequest"), task)) > known,
             "the next metrics", 50, 0.2)
        spent = (cpu_ns(box) - before) / 1e9 / (os.times().elapsed - began)
        told = of_task(messages(c, "PublishMetricsRequest"), task)[-1]
        sets = {m["containerName"]: m for m in told["containerMetrics"]}
        equal(sorted(sets), ["busy", "calm"], "containers with metrics")
        cpu = sets["busy"]["cpuStatsSet"]
        mean, share = cpu["sum"] / cpu["sampleCount"], 100 * spent / len(os.sched_getaffinity(0))
        check(cpu["sampleCount"] >= 2 and cpu["min"] <= mean <= cpu["max"], f"{cpu}")
        check(abs(mean - share) < 10, f"mean {mean} %, by the kernel {share} %")
        check(sets["calm"]["cpuStatsSet"]["max"] < 5, f"{sets['calm']['cpuStatsSet']}")
        check(sets["busy"]["networkStatsSet"]["rxBytes"]["sampleCount"] > 0, "network is told")
        found = poll(lambda: of_task(messages(c, "PublishHealthRequest"), task), "health", 50, 0.2)
        equal([(k["containerName"], k["healthStatus"]) for k in found[-1]["containers"]],
              [("busy", "HEALTHY")], "health")


def e2e_telemetry_is_idle(t):
    """Without tasks the control plane hears that the instance is idle."""
    with t.cluster() as c:
        first = poll(lambda: messages(c, "PublishMetricsRequest"), "the first message", 30)[0]
        equal((first["metadata"]["idle"], first["metadata"]["fin"]), (True, True), "idle")
        poll(lambda: "telemetry session is open" in c.agent.stderr(), "the session")
