"""What the control plane is told of the use and the health of containers."""
import os
import re
import time

from harness import check, container, equal, health, poll

# One processor, and about a hundred bytes a second to the next host.
BUSY = "trap 'exit 0' TERM; gateway=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p'); " \
       "ping -q $gateway >/dev/null & while :; do :; done"
# Memory that stays, and what was written to the disk once.
HELD_MIB = 20
FULL = "trap 'exit 0' TERM; dd if=/dev/zero of=/written bs=1M count=8 conv=fsync 2>/dev/null; " \
       f"held=$(head -c {HELD_MIB * 1024 * 1024} /dev/zero | tr '\\0' x); >/ready; " \
       "while :; do sleep 3600 & wait $!; done"


def messages(c, kind):
    rows = c.local("GET", "telemetry")["messages"]
    return [r["envelope"]["message"] for r in rows if r["envelope"]["type"] == kind]


def of_task(found, task):
    return [t for m in found for t in m.get("taskMetrics", m.get("tasks", []))
            if t["taskArn"] == task]


def cgroup_file(box, controller, *names):
    """The text of the first of these files that the container's cgroup has; whether it is of
    version 2."""
    places = {}
    with open(f"/proc/{box['State']['Pid']}/cgroup", encoding="ascii") as f:
        for line in f:
            _, controllers, path = line.strip().split(":", 2)
            places.update({c: (path, controllers) for c in controllers.split(",")})
    path, mounted = places.get(controller, (places.get("", ("", ""))[0], None))
    for folder in (mounted, controller) if mounted else ("",):
        for name in names:
            file = os.path.join("/sys/fs/cgroup", folder, path.lstrip("/"), name)
            if os.path.exists(file):
                with open(file, encoding="ascii") as stream:
                    return stream.read(), not mounted
    raise AssertionError(f"the container has no {names}")


def pairs(text):
    return {w[0]: int(w[1]) for w in map(str.split, text.splitlines()) if len(w) == 2}


def cpu_ns(box):
    text, v2 = cgroup_file(box, "cpuacct", "cpuacct.usage", "cpu.stat")
    return 1000 * pairs(text)["usage_usec"] if v2 else int(text)


def memory_mib(box):
    text, v2 = cgroup_file(box, "memory", "memory.usage_in_bytes", "memory.current")
    spare = pairs(cgroup_file(box, "memory", "memory.stat")[0])["inactive_file" if v2 else "cache"]
    return (int(text) - spare if spare < int(text) else int(text)) >> 20


def io_bytes(box):
    """What was read, and what was written."""
    text, v2 = cgroup_file(box, "blkio", "blkio.throttle.io_service_bytes_recursive",
                           "blkio.throttle.io_service_bytes", "io.stat")
    if v2:
        found = re.findall(r"\b([rw])bytes=(\d+)", text)
    else:
        found = [(op[0].lower(), n) for op, n in re.findall(r"^\d\S* (Read|Write) (\d+)", text, re.M)]
    return {name: sum(int(n) for op, n in found if op == name[0])
            for name in ("readSizeBytes", "writeSizeBytes")}


def net_counters(box):
    """The sums over the interfaces, but for the loopback."""
    names = ["rxBytes", "rxPackets", "rxErrors", "rxDropped", None, None, None, None,
             "txBytes", "txPackets", "txErrors", "txDropped"]
    sums = {}
    with open(f"/proc/{box['State']['Pid']}/net/dev", encoding="ascii") as f:
        for line in f.read().splitlines()[2:]:
            interface, values = line.split(":")
            for name, value in zip(names, values.split()):
                if name and interface.strip() != "lo":
                    sums[name] = sums.get(name, 0) + int(value)
    return sums


class Reading:
    """What the kernel says of a container at one moment."""

    def __init__(self, box):
        self.at, self.cpu, self.memory = time.monotonic(), cpu_ns(box), memory_mib(box)
        self.counters = {"storageStatsSet": io_bytes(box), "networkStatsSet": net_counters(box)}


def agree(told, before, after):
    """The sets of one message, whose samples were all taken between two readings, with what
    the formulas make of these."""
    cpu, seconds = told["cpuStatsSet"], after.at - before.at
    host = len(os.sched_getaffinity(0))
    share = 100 * ((after.cpu // host) - (before.cpu // host)) / (1e9 * seconds)
    # The samples begin and end some seconds away from the readings, and others may be busy.
    check(abs(cpu["sum"] / cpu["sampleCount"] - share) < max(6, share / 4),
          f"{cpu}; by the kernel {share} %")
    memory = told["memoryStatsSet"]
    # The kernel charges in portions, so what it says of a quiet program may sway.
    for value in (memory["min"], memory["max"], memory["sum"] / memory["sampleCount"]):
        check(min(before.memory, after.memory) - 1 <= value <= max(before.memory, after.memory) + 1,
              f"{memory}; by the kernel {before.memory} and {after.memory} MiB")
    equal([v % 1 for v in (memory["min"], memory["max"], memory["sum"])], [0, 0, 0], "whole MiB")
    for group, counters in before.counters.items():
        for name, least in counters.items():
            told_set, most = told[group][name], after.counters[group][name]
            equal(sorted(told_set), ["max", "min", "overflowMax", "overflowMin", "overflowSum",
                                     "sampleCount", "sum"], f"members of {name}")
            check(least <= told_set["min"] <= told_set["max"] <= most,
                  f"{name}: {told_set}; by the kernel {least} to {most}")
            check(told_set["min"] <= told_set["sum"] / told_set["sampleCount"] <= told_set["max"],
                  f"{name}: {told_set}")
            equal(told_set["sampleCount"], memory["sampleCount"], f"samples of {name}")
    for one in (cpu, memory):
        check(one["min"] <= one["sum"] / one["sampleCount"] <= one["max"] + 1e-9, f"{one}")


def e2e_telemetry_of_a_busy_task(t):
    """The statistic sets of containers under known load are those that the formulas give from
    their cgroups, and the health of one with a check is told."""
    with t.cluster() as c:
        task = c.run_one(c.register([
            container("busy", BUSY),
            container("full", FULL, memory=128),
            container("calm"),
            container("checked", healthCheck=health("true"))]))
        c.wait_running(task)
        boxes = {name: c.inspect(task, name) for name in ("busy", "full", "calm")}

        def told():
            return of_task(messages(c, "PublishMetricsRequest"), task)

        def next_after(known):
            poll(lambda: len(told()) > known, "the next metrics", 50, 0.05)
            return {name: Reading(box) for name, box in boxes.items()}

        changes = f"/containers/{boxes['full']['Id']}/changes"
        poll(lambda: "/ready" in str(c.docker.request("GET", changes)), "the load", every=0.1)
        before = next_after(len(told()))
        known = len(told())
        after = next_after(known)
        sets = {m["containerName"]: m for m in told()[known]["containerMetrics"]}
        equal(sorted(sets), ["busy", "calm", "checked", "full"], "containers with metrics")
        for name in boxes:  # the probes of the other one come and go
            one = sets[name]
            check(one["cpuStatsSet"]["sampleCount"] >= 3, f"samples of {name}: {one['cpuStatsSet']}")
            agree(one, before[name], after[name])
        check(sets["calm"]["cpuStatsSet"]["max"] < 5, f"{sets['calm']['cpuStatsSet']}")
        check(sets["full"]["memoryStatsSet"]["min"] >= HELD_MIB, f"{sets['full']['memoryStatsSet']}")
        network = sets["busy"]["networkStatsSet"]
        sent = [r["busy"].counters["networkStatsSet"]["txBytes"] for r in (before, after)]
        rate = (sent[1] - sent[0]) / (after["busy"].at - before["busy"].at)
        mean = network["txBytesPerSecond"]["sum"] / network["txBytesPerSecond"]["sampleCount"]
        check(rate > 50 and 0.7 * rate < mean < 1.3 * rate, f"{network}; by the kernel {rate}/s")
        found = poll(lambda: of_task(messages(c, "PublishHealthRequest"), task), "health", 50, 0.2)
        equal([(k["containerName"], k["healthStatus"]) for k in found[-1]["containers"]],
              [("checked", "HEALTHY")], "health")


def e2e_telemetry_is_idle(t):
    """Without tasks the control plane hears that the instance is idle."""
    with t.cluster() as c:
        first = poll(lambda: messages(c, "PublishMetricsRequest"), "the first message", 30)[0]
        equal((first["metadata"]["idle"], first["metadata"]["fin"]), (True, True), "idle")
        poll(lambda: "telemetry session is open" in c.agent.stderr(), "the session")
