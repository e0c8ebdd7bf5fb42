"""What the agent, and who takes it over, may not do. The attempts are made by an agent with a back
door (tests/backdoor), which is the program that is installed, and one object more."""
import ctypes
import os
import re
import signal
import stat
import subprocess
import time

from harness import REFUSED, Skip, check, container, contains, equal, poll
from service_manager import ServiceManager

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_PTRACE, DAC_READ_SEARCH = 10, 12, 13, 19, 2
SYS_TGKILL = {"x86_64": 234, "aarch64": 131}
SOMEBODY = 12345

# What ends the agent at once, and the call that its last line names.
FATAL = {
    "raw-socket": "socket", "raw-socket-6": "socket", "packet-socket": "socket",
    "netfilter-socket": "socket", "exec": "execve", "execveat": "execveat", "fork": "clone",
    "ptrace": "ptrace", "peek": "process_vm_readv", "mount": "mount", "module": "init_module",
    "module-file": "finit_module", "unshare": "unshare", "setns": "setns", "bpf": "bpf",
    "kill": "kill", "write-and-execute": "mmap", "make-executable": "mprotect",
    "terminal": "ioctl", "set-user-id": "fchmod", "chroot": "chroot",
    "open-by-handle": "open_by_handle_at", "setuid": "setuid",
}
# Sanitizers need these themselves.
OF_SANITIZERS = ("fork", "ptrace", "peek", "kill", "write-and-execute", "make-executable")
# What is refused, and the agent lives on.
REFUSALS = {
    "read-file": "EACCES", "write-memory": "EACCES", "clone3": "ENOSYS", "io-uring": "ENOSYS",
    "future": "ENOSYS", "ask-shell": "EPERM", "ask-shell-as-iptables": "EPERM",
    "ask-shell-as-keys": "EPERM", "ask-modprobe": "EPERM", "harmless": "done",
}


def bits(*capabilities):
    return sum(1 << c for c in capabilities)


def status(pid, thread=None):
    path = f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status"
    with open(path, encoding="ascii") as stream:
        return dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)


def helper_of(agent):
    out = subprocess.run(["pgrep", "-P", str(agent.process.pid)], capture_output=True, text=True,
                         check=True).stdout.split()
    equal(len(out), 1, "children of the agent")
    return int(out[0])


def threads_of(agent):
    return os.listdir(f"/proc/{agent.process.pid}/task")


def e2e_sandbox_entered(t):
    """All threads of the agent, the workers among them, and its helper."""
    with t.cluster() as c:
        c.wait_stopped(c.run_one(c.register([container("a", "exit 7")])))
        pid = c.agent.process.pid
        equal(len(threads_of(c.agent)) > 1, True, "the agent has workers")
        for thread in threads_of(c.agent):
            seen = status(pid, thread)
            equal((seen["Seccomp"], seen["NoNewPrivs"]), ("2", "1"), f"sandbox of thread {thread}")
            equal(int(seen["CapEff"], 16), bits(NET_BIND_SERVICE), "effective capabilities")
            equal(int(seen["CapPrm"], 16), bits(NET_BIND_SERVICE), "permitted capabilities")
            equal(int(seen["CapBnd"], 16), bits(NET_BIND_SERVICE), "the bounding set")
            equal(int(seen["CapInh"], 16) | int(seen["CapAmb"], 16), 0, "inherited capabilities")
        helper = status(helper_of(c.agent))
        wanted = bits(NET_ADMIN, NET_RAW, SYS_PTRACE, DAC_READ_SEARCH)
        equal((helper["Name"], helper["Seccomp"], helper["NoNewPrivs"]),
              ("berth-helper", "2", "1"), "sandbox of the helper")
        equal(int(helper["CapEff"], 16), wanted, "capabilities of the helper")
        equal(int(helper["CapBnd"], 16), wanted, "its bounding set")
        equal(sorted(os.listdir(f"/proc/{helper_of(c.agent)}/fd"), key=int), ["0", "1", "2", "3"],
              "its descriptors")


def e2e_sandbox_off(t):
    with t.cluster(start=False) as c:
        c.agent.start(options=["--no-sandbox"]).wait_connected()
        equal(status(c.agent.process.pid)["Seccomp"], "0", "the filter")
        check(int(status(c.agent.process.pid)["CapEff"], 16) != bits(NET_BIND_SERVICE),
              "capabilities were given up")
        c.agent.wait_log("the sandbox is off")
        c.wait_stopped(c.run_one(c.register([container("a", "exit 7")])))


def forget_log(agent):
    with open(agent.log, "w", encoding="ascii"):
        pass


def start_with_door(t, c, act, **env):
    forget_log(c.agent)
    c.agent.program = os.path.join(t.build, "berth-back-door")
    c.agent.start(BERTH_BACK_DOOR=act, **env)
    c.agent.wait_log(r"^.*berth starts.*$")
    return c.agent


def the_end(agent, act):
    """The line of the sandbox about an agent that did what it must not; it has ended so."""
    equal(agent.wait_exit(), -signal.SIGSYS, f"how the agent ended after {act}")
    said = agent.stderr()
    found = REFUSED.search(said)
    check(found, f"nothing was logged about {act}: {said[-500:]}")
    check("escaped" not in said and "back door" not in said, f"{act} was done: {said[-500:]}")
    forget_log(agent)  # or the harness counts it
    return found.group(0)


def e2e_sandbox_refuses(t):
    with t.cluster(start=False) as c:
        for act, call in FATAL.items():
            if t.sanitized and act in OF_SANITIZERS:
                continue
            agent = start_with_door(t, c, act)
            agent.process.send_signal(signal.SIGUSR2)
            line = the_end(agent, act)
            contains(line, f' call="{call}" ', "the line about it")
            check(re.search(r'^level=crit mod=host .* number=\d+ args="0x', line),
                  f"the line about it: {line}")


def e2e_sandbox_refuses_in_workers(t):
    """The filter is one for all threads."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = SYS_TGKILL.get(os.uname().machine)
    if number is None:
        raise Skip("no number of tgkill for this processor")
    with t.cluster(start=False) as c:
        agent = start_with_door(t, c, "raw-socket")
        pid = agent.process.pid
        worker = poll(lambda: [int(n) for n in threads_of(agent) if int(n) != pid], "a worker")[0]
        equal(libc.syscall(number, pid, worker, int(signal.SIGUSR2)), 0, "the signal is sent")
        contains(the_end(agent, "raw-socket"), f"thread={worker}", "the line about it")


def e2e_sandbox_denies(t):
    """What is not worth an end: files and processes of others, what libraries try, and the
    helper's answers."""
    with t.cluster(start=False) as c:
        secret = os.path.join(c.dir, "secret-of-somebody")
        with open(secret, "w", encoding="ascii") as out:
            out.write("secret")
        os.chmod(secret, 0o600)
        os.chown(secret, SOMEBODY, SOMEBODY)
        for act, want in REFUSALS.items():
            agent = start_with_door(t, c, act, BERTH_BACK_DOOR_FILE=secret)
            agent.process.send_signal(signal.SIGUSR2)
            equal(agent.wait_log(rf"^back door: {act}: .*$"), f"back door: {act}: {want}", "it")
            agent.check_alive()
            agent.kill()
            check("escaped" not in agent.stderr(), f"{act} was done")


def e2e_sandbox_helper_killed(t):
    with t.cluster() as c:
        os.kill(helper_of(c.agent), signal.SIGKILL)
        equal(c.agent.wait_exit(), 1, "exit code of the agent")
        c.agent.wait_log("the helper that starts programs has ended")
        c.agent.start().wait_connected()


def e2e_sandbox_helper_ends(t):
    """Not even kill -9 of the agent leaves it behind."""
    with t.cluster() as c:
        helper = helper_of(c.agent)
        began = status(helper)["Pid"], os.stat(f"/proc/{helper}").st_ctime_ns
        c.agent.kill()

        def gone():
            try:
                return (status(helper)["Pid"], os.stat(f"/proc/{helper}").st_ctime_ns) != began
            except FileNotFoundError:
                return True
        poll(gone, "the helper has ended")
        c.agent.start().wait_connected()


def e2e_sandbox_door_is_not_shipped(t):
    with open(os.path.join(t.build, "berth"), "rb") as program:
        check(b"BERTH_BACK_DOOR" not in program.read(), "berth has a back door")
    with open(os.path.join(t.build, "berth-back-door"), "rb") as program:
        check(b"BERTH_BACK_DOOR" in program.read(), "the search finds nothing where it should")


def e2e_sandbox_watchdog(t):
    """A service manager that wants to know hears that the loop turns."""
    with t.cluster(start=False) as c:
        manager = ServiceManager(os.path.join(c.dir, "notify"))
        try:
            began = time.monotonic()
            c.agent.start(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="400000").wait_connected()
            manager.wait(lambda m: sum((k, v) == ("WATCHDOG", "1") and at >= began
                                       for at, k, v in m.told) >= 5, "five times in their time")
        finally:
            manager.close()


def modes_below(folder, apart=()):
    """What of a folder others than its owner may use."""
    seen = {}
    for where, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if f not in apart]
        for path in [where] + [os.path.join(where, f) for f in files]:
            mode = stat.S_IMODE(os.lstat(path).st_mode)
            if mode & 0o077:
                seen[path] = oct(mode)
    return seen


def e2e_sandbox_modes(t):
    """The state is private, also where the folder and files were there before; the socket too."""
    with t.cluster(start=False) as c:
        os.chmod(c.agent.data, 0o755)
        left = os.path.join(c.agent.data, "left-by-another")
        with open(left, "w", encoding="ascii"):
            pass
        os.chmod(left, 0o644)
        c.agent.start().wait_connected()
        c.wait_stopped(c.run_one(c.register([container("a", "exit 7")])))
        c.agent.wait_log('were open to others, and are private now" dir=".*" files=2')
        # The files with a container's metadata are for its processes, whoever they are.
        equal(modes_below(c.agent.data, apart=["metadata"]), {}, "what is open to others")
        equal(oct(stat.S_IMODE(os.lstat(c.agent.socket).st_mode)), "0o600", "mode of the socket")
