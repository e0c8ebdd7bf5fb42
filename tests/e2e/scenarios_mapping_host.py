"""HostConfig: resources, devices, names and namespaces, as the kernel has them."""
import os

from edited import with_tasks
from harness import check, container, equal, part, poll

PAUSE = "~internal~ecs~pause~namespace"


def e2e_mapping_host_config(t):
    """Limits, mounts in memory, devices, kernel settings and capabilities, in the engine
    and from inside."""
    rich = container(
        # Its first process is Docker's own, which hands SIGTERM on.
        "rich", "trap 'exit 0' 15; while :; do sleep 3600 & wait $!; done",
        memory=64, readonlyRootFilesystem=True,
        ulimits=[{"name": "nofile", "softLimit": 111, "hardLimit": 222},
                 {"name": "core", "softLimit": 0, "hardLimit": 0}],
        systemControls=[{"namespace": "net.core.somaxconn", "value": "77"}],
        dnsServers=["192.0.2.53"], dnsSearchDomains=["berth.example"],
        extraHosts=[{"hostname": "elsewhere", "ipAddress": "192.0.2.9"}],
        dockerSecurityOptions=["no-new-privileges"],
        linuxParameters={
            "capabilities": {"add": ["SYS_TIME"], "drop": ["MKNOD"]}, "initProcessEnabled": True,
            "sharedMemorySize": 17, "maxSwap": 10, "swappiness": 20,
            "tmpfs": [{"containerPath": "/scratch", "size": 5, "mountOptions": ["noexec"]}],
            "devices": [{"hostPath": "/dev/zero", "containerPath": "/dev/nought",
                         "permissions": ["read"]}]})
    with t.cluster() as c:
        # Where these tests run in a sandbox themselves, the kernel may refuse to start it.
        root = container("root", privileged=True, essential=False)
        arn = c.run_one(c.register([rich, root]))
        c.wait_running(arn)
        row = c.inspect(arn, "rich")
        host = row["HostConfig"]
        equal(sorted((u["Name"], u["Soft"], u["Hard"]) for u in host["Ulimits"]),
              [("core", 0, 0), ("nofile", 111, 222)], "ulimits")
        equal((host["ReadonlyRootfs"], host["Init"], host["ShmSize"], host["Privileged"]),
              (True, True, 17 << 20, False), "flags")
        equal((host["Memory"], host["MemorySwap"], host["MemorySwappiness"]),
              (64 << 20, 74 << 20, 20), "memory")
        equal(([x.removeprefix("CAP_") for x in host["CapAdd"]],
               [x.removeprefix("CAP_") for x in host["CapDrop"]]), (["SYS_TIME"], ["MKNOD"]),
              "capabilities")
        equal((host["Tmpfs"], host["Sysctls"]),
              ({"/scratch": "size=5m,noexec"}, {"net.core.somaxconn": "77"}), "tmpfs, sysctls")
        equal(host["Devices"], [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/nought",
                                 "CgroupPermissions": "r"}], "devices")
        equal((host["Dns"], host["DnsSearch"], host["ExtraHosts"], host["SecurityOpt"]),
              (["192.0.2.53"], ["berth.example"], ["elsewhere:192.0.2.9"], ["no-new-privileges"]),
              "names")
        # The soft limit of what is executed later is the runtime's to choose (a runc built
        # with Go 1.19 or newer now and then leaves it at the hard one).
        for test in ("test $(ulimit -Hn) = 222", "! touch /new",
                     "touch /scratch/new", "df -m /dev/shm | grep -q ' 17 '",
                     "test $(head -c 3 /dev/nought | wc -c) = 3",
                     "grep -qx 77 /proc/sys/net/core/somaxconn",
                     "grep -q elsewhere /etc/hosts", "grep -q berth.example /etc/resolv.conf",
                     "grep -q docker-init /proc/1/cmdline || grep -q init /proc/1/comm",
                     "! mknod /scratch/d c 1 3", "grep -q '^NoNewPrivs:.*1' /proc/self/status"):
            equal(c.docker.run_in(row["Id"], "sh", "-c", test), 0, f"exit code inside of: {test}")
        check(c.inspect(arn, "root")["HostConfig"]["Privileged"], "root is not privileged")


def namespaces(c, arn, *names):
    """The kernel's names of the namespaces of containers."""
    found = {}
    for name in names:
        pid = c.inspect(arn, name)["State"]["Pid"]
        found[name] = {kind: os.readlink(f"/proc/{pid}/ns/{kind}")
                       for kind in ("pid", "ipc", "net")}
    return found


def e2e_mapping_namespaces_task(t):
    """Containers that share process and IPC namespaces with each other, through a pause
    container that nobody is told of and that ends last."""
    with t.cluster() as c, c.events() as events:
        arn = c.run_one(c.register([container("a"), container("b")], pidMode="task",
                                   ipcMode="task"))
        task = c.wait_running(arn)
        equal(sorted(k["name"] for k in task["containers"]), ["a", "b"], "containers reported")
        seen = namespaces(c, arn, "a", "b", PAUSE)
        for kind in ("pid", "ipc"):
            equal(len({s[kind] for s in seen.values()}), 1, f"{kind} namespaces of the task")
        equal(len({s["net"] for s in seen.values()}), 3, "network namespaces")
        pause = c.inspect(arn, PAUSE)
        equal((pause["HostConfig"]["IpcMode"], pause["Config"]["Image"]),
              ("shareable", "amazon/amazon-ecs-pause:0.1.0"), "the pause container")
        check(not any(e.startswith(("ECS_", "AWS_")) for e in pause["Config"]["Env"] or []),
              f"environment of the pause container: {pause['Config']['Env']}")
        equal(c.inspect(arn, "a")["HostConfig"]["PidMode"], f"container:{pause['Id']}", "PidMode")
        c.stop(arn)
        c.wait_stopped(arn)
        ends = [e["container"] for e in events.wait("die", 3)]
        equal(ends[-1], PAUSE, "the last one to end")
        poll(lambda: not c.containers(), "all are removed")


def e2e_mapping_namespaces_host(t):
    """The host's namespaces, or none."""
    with t.cluster() as c:
        on_host = c.run_one(c.register([container("a", portMappings=[{"containerPort": 28999}])],
                                       pidMode="host", ipcMode="host", networkMode="host"))
        apart = c.run_one(c.register([container("a")], ipcMode="none", networkMode="none"))
        c.wait([on_host, apart], "RUNNING")
        host = c.inspect(on_host, "a")["HostConfig"]
        equal((host["PidMode"], host["IpcMode"], host["NetworkMode"]), ("host",) * 3, "modes")
        ours = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc", "net")}
        equal(namespaces(c, on_host, "a")["a"], ours, "namespaces of the one on the host")
        host = c.inspect(apart, "a")["HostConfig"]
        equal((host["IpcMode"], host["NetworkMode"]), ("none", "none"), "modes")
        equal(part(c.task(apart), "a").get("networkBindings", []), [], "bindings without a network")
        inside = c.inspect(apart, "a")["Id"]
        equal(c.docker.run_in(inside, "sh", "-c", "! ip -o link | grep -qv ' lo: '"), 0,
              "only the loopback device inside")


# ---- the task's cgroup ----

def cgroup_file(task_id, controller, v1, v2):
    """Where a limit of the task stands, for the version that is here, and its text; None
    when the task has no cgroup."""
    root = "/sys/fs/cgroup"
    if os.path.exists(f"{root}/cgroup.controllers"):
        path = f"{root}/ecstasks.slice/ecstasks-{task_id}.slice/{v2}"
    else:
        path = f"{root}/{controller}/ecs/{task_id}/{v1}"
    if not os.path.exists(path):
        return None
    with open(path, encoding="ascii") as stream:
        return stream.read().strip()


def e2e_mapping_task_cgroup(t):
    """The limits of a whole task stand in a cgroup that all its containers are in, and
    that goes with it."""
    version2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    with t.cluster(env={"ECS_TASK_PIDS_LIMIT": "123"}) as c:
        limited = c.run_one(c.register([container("a", memory=32), container("b", memory=32)],
                                       cpu="512", memory="128"))
        shared = c.run_one(c.register([container("a", cpu=30), container("b", cpu=0)]))
        c.wait([limited, shared], "RUNNING")
        ids = {arn: arn.rsplit("/", 1)[1] for arn in (limited, shared)}

        def cpu(arn):
            return cgroup_file(ids[arn], "cpu", "cpu.cfs_quota_us", "cpu.max")

        equal(cpu(limited), "50000 100000" if version2 else "50000", "CPU quota of half a CPU")
        equal(cgroup_file(ids[limited], "memory", "memory.limit_in_bytes", "memory.max"),
              str(128 << 20), "memory limit")
        equal(cgroup_file(ids[limited], "pids", "pids.max", "pids.max"), "123", "processes")
        if not version2:
            equal(cgroup_file(ids[shared], "cpu", "cpu.shares", ""), "32", "sum of the shares")
        for name in ("a", "b"):
            row = c.inspect(limited, name)
            with open(f"/proc/{row['State']['Pid']}/cgroup", encoding="ascii") as stream:
                check(ids[limited] in stream.read(), f"container {name} is in the task's cgroup")
        c.stop(limited, shared)
        c.wait([limited, shared], "STOPPED")
        poll(lambda: not c.containers(), "the containers are removed")
        poll(lambda: cpu(limited) is None and cpu(shared) is None, "the cgroups are removed")


def e2e_mapping_task_limits_off(t):
    """Without task limits the containers are where Docker puts them."""
    def change(task):
        task["memory"] = 64

    with with_tasks(t, change, env={"ECS_ENABLE_TASK_CPU_MEM_LIMIT": "false"}) as c:
        arn = c.run_one(c.register([container("a")]))
        c.wait_running(arn)
        equal(c.inspect(arn, "a")["HostConfig"]["CgroupParent"], "", "CgroupParent")
