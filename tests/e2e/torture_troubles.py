"""What goes wrong in a torture run. Each trouble is a function of a world (torture) and its
dice; it leaves the agent running and everything healed behind it."""
import os
import signal
import subprocess
import time

CLOCK_C = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

/* CLOCK_REALTIME, and what is made of it, moved by the seconds in a mapped file. */
static long offset(void)
{
    static volatile long *at;

    if (!at) {
        const char *path = getenv("TORTURE_CLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *at, PROT_READ, MAP_SHARED, fd, 0);

        at = p == MAP_FAILED ? (volatile long *)calloc(1, sizeof *at) : p;
    }
    return *at;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    int r;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    r = real(id, t);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += offset();
    return r;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}
"""


class Clock:
    """The agent's wall clock. The machine's own is never touched."""

    def __init__(self, folder):
        self.path, self.library = os.path.join(folder, "clock"), os.path.join(folder, "clock.so")
        source = os.path.join(folder, "clock.c")
        with open(source, "w", encoding="ascii") as out:
            out.write(CLOCK_C)
        self.seconds = 0
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, source, "-ldl"],
                       check=True)
        self.set(0)

    def set(self, seconds):
        # In place: it is mapped.
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(fd, int(seconds).to_bytes(8, "little", signed=True))
        os.close(fd)
        self.seconds = seconds

    def env(self):
        return {"LD_PRELOAD": self.library, "TORTURE_CLOCK": self.path}


class SmallDisk:
    """The agent's data directory, on a file system of its own."""

    def __init__(self, path, mib):
        self.path, self.mib = path, mib
        self.ballast = os.path.join(path, "ballast")

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.mib}m,mode=0700", "none",
                        self.path], check=True)
        return self

    def fill(self):
        with open(self.ballast, "ab", buffering=0) as out:
            try:
                while True:
                    out.write(bytes(65536))
            except OSError:
                pass
            try:
                while True:
                    out.write(bytes(512))
            except OSError:
                pass

    def free(self):
        if os.path.exists(self.ballast):
            os.unlink(self.ballast)

    def read_only(self, on):
        subprocess.run(["mount", "-o", f"remount,{'ro' if on else 'rw'}", self.path], check=True)

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)


# ---- the troubles ----

def kill(w, dice):
    """At any moment; twice in a row at times, while it starts."""
    w.pause(dice.uniform(0, 2.0))
    for _ in range(dice.choice((1, 1, 1, 2))):
        w.kill()
        w.start()
        w.pause(dice.uniform(0, 0.6))


def full_disk(w, dice):
    w.disk.fill()
    w.say("the disk is full")
    w.pause(dice.uniform(1, 4))
    if dice.random() < 0.6:
        w.kill()
        w.start()
        w.pause(dice.uniform(1, 4))
    w.disk.free()
    w.say("the disk has room")
    w.pause(dice.uniform(0, 2))


def read_only(w, dice):
    w.kill()
    w.disk.read_only(True)
    w.say("the disk is read-only")
    w.start()
    w.pause(dice.uniform(1, 5))
    if dice.random() < 0.3:
        w.kill()
        w.start()
        w.pause(dice.uniform(0, 2))
    w.disk.read_only(False)
    w.say("the disk can be written")
    w.pause(dice.uniform(0, 3))


def damage(w, dice):
    """The database or its log, while the agent is dead."""
    w.kill()
    w.losses += 1
    names = [n for n in ("berth.db", "berth.db-wal") if os.path.exists(os.path.join(w.data, n))]
    path = os.path.join(w.data, dice.choice(names)) if names else None
    how = dice.choice(("bytes", "bytes", "bytes", "cut", "gone", "rubbish"))
    if path and os.path.getsize(path):
        size = os.path.getsize(path)
        if how == "bytes":
            with open(path, "r+b") as f:
                for _ in range(dice.randint(1, 20)):
                    at = dice.randrange(size)
                    # The low byte of user_version may well spell a newer schema, which is
                    # refused, and rightly.
                    if path.endswith("db") and at == 63:
                        continue
                    f.seek(at)
                    f.write(bytes([dice.randrange(256)]))
        elif how == "cut":
            os.truncate(path, dice.randrange(size))
        elif how == "gone":
            os.unlink(path)
        else:
            with open(path, "r+b") as f:
                f.write(dice.randbytes(min(size, 8192)))
    w.say(f"{os.path.basename(path or 'nothing')} is damaged: {how}")
    w.start()
    w.pause(dice.uniform(0, 3))


def clock(w, dice):
    to = dice.choice([s for s in (-3600, 0, 3600) if s != w.clock.seconds])
    w.clock.set(to)
    w.say(f"the agent's clock is {to:+d} s off")
    w.pause(dice.uniform(1, 4))
    if dice.random() < 0.4:
        w.kill()
        w.start()


def control_plane(w, dice):
    """Away as a whole, or only its connections."""
    if dice.random() < 0.5:
        w.say("connections to the control plane are cut")
        for _ in range(dice.randint(1, 5)):
            w.relay.cut()
            w.pause(dice.uniform(0, 1))
        return
    w.say("the control plane is away")
    with w.api_lock:
        w.cluster.stop_local()
    w.relay.cut()
    w.pause(dice.uniform(1, 5))
    if dice.random() < 0.3:
        w.kill()
        w.start()
        w.pause(dice.uniform(0, 2))
    with w.api_lock:
        w.keep_violations = True
        w.cluster.restart_local()
    w.say("the control plane is back")


def engine_stopped(w, dice):
    pids = w.engine.daemons()
    w.say(f"dockerd is stopped for {w.engine_stop_s} s")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        end = time.monotonic() + w.engine_stop_s
        if dice.random() < 0.3:
            w.pause(dice.uniform(0, w.engine_stop_s / 2))
            w.kill()
            w.start()
        w.pause(end - time.monotonic())
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    w.say("dockerd goes on")


TROUBLES = [(kill, 10), (full_disk, 2), (read_only, 2), (damage, 3), (clock, 2),
            (control_plane, 2), (engine_stopped, 1)]
