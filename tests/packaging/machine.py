"""A Debian machine of its own: a tree made by debootstrap, booted by systemd-nspawn with a real
systemd and a Docker Engine inside, on a network of its own. What runs beside it on that network
(berth-local) outlives it, as a control plane does.
"""
import contextlib
import ctypes
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

BASE = ["systemd", "systemd-sysv", "dbus"]
MORE = ["ca-certificates", "docker.io", "iptables", "kmod", "rpm"]
CLONE_NEWNET = 0x40000000

# nspawn shows the control groups of version 1 read-only; they are those of this machine alone.
GROUPS_UNIT = """[Unit]
DefaultDependencies=no
Before=docker.service containerd.service
After=local-fs.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/bin/sh -c 'for c in /sys/fs/cgroup/*/; do mount -o remount,rw,bind $c || :; done'
[Install]
WantedBy=sysinit.target
"""


class Failed(Exception):
    pass


def wait_for(what, seconds, look):
    """The first true thing that `look` returns."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise Failed(f"after {seconds} s still not: {what}")
        time.sleep(0.1)


def run(*command, check=True, timeout=300, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                          check=False, **options)
    if check and done.returncode:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n"
                     f"{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout if check else done


def make_tree(where, like, suite, mirror):
    """`like`: a tree to copy, which has systemd and dbus; None: a new one."""
    if like:
        run("cp", "-a", "--reflink=auto", f"{like}/.", where, timeout=600)
    else:
        run("debootstrap", "--variant=minbase", f"--include={','.join(BASE)}", suite, where,
            mirror, timeout=1800)
    shutil.copy("/etc/resolv.conf", f"{where}/etc/resolv.conf")
    chroot(where, "apt-get -qq update")
    chroot(where, f"apt-get -qq -y --no-install-recommends install {' '.join(BASE + MORE)}")
    write(f"{where}/etc/systemd/system/groups-writable.service", GROUPS_UNIT)
    run("systemctl", f"--root={where}", "enable", "groups-writable.service")
    # Its root file system is a folder of another machine's.
    write(f"{where}/etc/fstab", "")
    os.makedirs(f"{where}/var/log/journal", exist_ok=True)


def chroot(tree, script):
    return run("chroot", tree, "/bin/sh", "-c", script, timeout=1200,
               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                    "DEBIAN_FRONTEND": "noninteractive"})


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)


class Machine:
    """`with Machine(tree) as m:`; m.boot(), m.power_off(), as often as one likes. The process that
    uses it moves to the machine's network for good."""

    def __init__(self, tree):
        self.tree = tree
        self.name = f"berth-{os.getpid()}"
        self.nspawn = self.leader = None
        self.log = f"{tree}.console"
        self.groups = []

    def __enter__(self):
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        with open(f"/run/netns/{self.name}", encoding="utf-8") as f:
            if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), CLONE_NEWNET):
                raise Failed("cannot enter the network of the machine")
        # Below these are all that it makes, where groups are of version 1.
        for folder in glob.glob("/sys/fs/cgroup/*/cgroup.clone_children"):
            group = f"{os.path.dirname(folder)}/{self.name}"
            if os.path.basename(os.path.dirname(folder)) == "systemd":
                continue
            os.makedirs(group, exist_ok=True)
            with contextlib.suppress(OSError):
                write(f"{group}/cgroup.clone_children", "1")
            for knob in ("cpuset.cpus", "cpuset.mems"):
                if os.path.exists(f"{group}/{knob}"):
                    with open(f"{group}/../{knob}", encoding="utf-8") as f:
                        write(f"{group}/{knob}", f.read())
            self.groups.append(group)
        return self

    def __exit__(self, *unused):
        with contextlib.suppress(Failed, subprocess.TimeoutExpired):
            if self.nspawn and self.nspawn.poll() is None:
                self.power_off(120)
        if self.nspawn and self.nspawn.poll() is None:
            if self.leader:
                os.kill(int(self.leader), signal.SIGKILL)
            self.nspawn.kill()
            self.nspawn.wait()
        for group in self.groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        run("ip", "netns", "delete", self.name, check=False)

    def _enter_groups(self):
        for group in self.groups:
            with open(f"{group}/cgroup.procs", "w", encoding="utf-8") as f:
                f.write("0")

    def boot(self, *options):
        with open(self.log, "ab") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--register=no", "--keep-unit", "-q", "-b", "-D", self.tree,
                 "--capability=all", "--system-call-filter=add_key keyctl bpf",
                 f"--machine={self.name}",
                 f"--network-namespace-path=/run/netns/{self.name}", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self._enter_groups)
        self.leader = wait_for("the machine has a first process", 30, self._find_leader)
        wait_for("the machine has booted", 120, lambda: self.sh(
            "systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded"))

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            raise Failed(f"systemd-nspawn has ended; see {self.log}")
        path = f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children"
        with open(path, encoding="utf-8") as f:
            children = f.read().split()
        return children[0] if children else None

    def power_off(self, timeout=300):
        """Returns how long it took, in seconds."""
        began = time.monotonic()
        self.sh("systemctl --no-block poweroff")
        self.nspawn.wait(timeout)
        return time.monotonic() - began

    def sh(self, script, check=True, timeout=300):
        """In the machine, as root. Its output; with check=False the finished process."""
        return run("nsenter", "-t", self.leader, "-a",
                   "/bin/sh", "-c", script, check=check, timeout=timeout,
                   env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                        "DEBIAN_FRONTEND": "noninteractive"})

    def path(self, inside):
        """The way to a file of the running machine from here."""
        return f"/proc/{self.leader}/root{inside}"


def new_tree_folder():
    # Not /tmp: overlayfs and device nodes are needed.
    folder = tempfile.mkdtemp(prefix="berth-machine-", dir="/var/tmp")
    os.chmod(folder, 0o755)  # it becomes the root of users that are not root
    return folder
