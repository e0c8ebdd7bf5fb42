#include "support/check.h"

#include <stdlib.h>

#include "metrics/internal.h"

#define ID "3abbe3f52427b67323b901ab0f5bf05dcc1fa043a2fae042e9d570b96b91a2f9"

#define MOUNTS_HYBRID                                                                         \
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                     \
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"           \
    "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime shared:9 master:3 - cgroup cgroup rw,"   \
    "cpuacct\n"                                                                               \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"              \
    "38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio\n"                \
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"                  \
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n" \
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
#define MOUNTS_JOINT                                                                       \
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n" \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
#define MOUNTS_V2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

#define GROUPS(path)                                                                  \
    "9:name=systemd:" path "\n8:pids:" path "\n7:blkio:" path "\n4:memory:" path "\n" \
    "2:cpuacct:" path "\n1:cpu:" path "\n0::" path "\n"

/* "dir" for version 1, "2:dir" for version 2, "" for nothing */
static const struct {
    const char *what, *cgroup, *mounts, *want[PLACE__COUNT];
} cases[] = {
    { "hybrid, each controller alone",
      GROUPS("/docker/" ID),
      MOUNTS_HYBRID,
      { "/sys/fs/cgroup/cpuacct/docker/" ID, "/sys/fs/cgroup/cpu/docker/" ID,
        "/sys/fs/cgroup/memory/docker/" ID, "/sys/fs/cgroup/pids/docker/" ID,
        "/sys/fs/cgroup/blkio/docker/" ID } },
    { "joint controllers, some not there",
      "4:memory:/ecs/t1/" ID "\n2:cpu,cpuacct:/ecs/t1/" ID "\n",
      MOUNTS_JOINT,
      { "/sys/fs/cgroup/cpu,cpuacct/ecs/t1/" ID, "/sys/fs/cgroup/cpu,cpuacct/ecs/t1/" ID,
        "/sys/fs/cgroup/memory/ecs/t1/" ID, "", "" } },
    { "version 2, the systemd driver",
      "0::/ecstasks.slice/ecstasks-t1.slice/docker-" ID ".scope\n",
      MOUNTS_V2,
      { "2:/sys/fs/cgroup/ecstasks.slice/ecstasks-t1.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/ecstasks.slice/ecstasks-t1.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/ecstasks.slice/ecstasks-t1.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/ecstasks.slice/ecstasks-t1.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/ecstasks.slice/ecstasks-t1.slice/docker-" ID ".scope" } },
    { "a container with an init system of its own",
      "0::/system.slice/docker-" ID ".scope/init.scope\n",
      MOUNTS_V2,
      { "2:/sys/fs/cgroup/system.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/system.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/system.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/system.slice/docker-" ID ".scope",
        "2:/sys/fs/cgroup/system.slice/docker-" ID ".scope" } },
    { "an engine within a container: a part of the hierarchy is mounted",
      "4:memory:/docker/outer/docker/" ID "\n2:cpu,cpuacct:/docker/outer/docker/" ID "\n",
      "1 1 0:1 /docker/outer /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
      "1 1 0:1 /docker/outer /sys/fs/cgroup/cpu\\040acct ro - cgroup cgroup rw,cpu,cpuacct\n",
      { "/sys/fs/cgroup/cpu acct/docker/" ID, "/sys/fs/cgroup/cpu acct/docker/" ID,
        "/sys/fs/cgroup/memory/docker/" ID, "", "" } },
    { "the part that is mounted is another's",
      "2:cpu,cpuacct:/docker/outer/docker/" ID "\n",
      "1 1 0:1 /docker/out /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n",
      { NULL } },
    { "a mount below the root goes before others",
      "0::/docker/" ID "\n",
      "1 1 0:1 / /elsewhere ro - cgroup2 cgroup2 rw\n"
      "1 1 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n",
      { "2:/sys/fs/cgroup/docker/" ID, "2:/sys/fs/cgroup/docker/" ID, "2:/sys/fs/cgroup/docker/" ID,
        "2:/sys/fs/cgroup/docker/" ID, "2:/sys/fs/cgroup/docker/" ID } },
    { "only elsewhere",
      "0::/docker/" ID "\n",
      "1 1 0:1 / /elsewhere ro - cgroup2 cgroup2 rw\n",
      { "2:/elsewhere/docker/" ID, "2:/elsewhere/docker/" ID, "2:/elsewhere/docker/" ID,
        "2:/elsewhere/docker/" ID, "2:/elsewhere/docker/" ID } },
    { "memory in version 2, the rest in version 1",
      "2:cpu,cpuacct:/docker/" ID "\n0::/docker/" ID "\n",
      MOUNTS_JOINT "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
      { "/sys/fs/cgroup/cpu,cpuacct/docker/" ID, "/sys/fs/cgroup/cpu,cpuacct/docker/" ID,
        "2:/sys/fs/cgroup/unified/docker/" ID, "2:/sys/fs/cgroup/unified/docker/" ID,
        "2:/sys/fs/cgroup/unified/docker/" ID } },
    { "a process number that was used again",
      GROUPS("/system.slice/sshd"),
      MOUNTS_HYBRID,
      { NULL } },
    { "another container", GROUPS("/docker/0"), MOUNTS_HYBRID, { NULL } },
    { "nothing is mounted", GROUPS("/docker/" ID), "", { NULL } },
    { "no cgroup", "", MOUNTS_V2, { NULL } },
    { "nonsense", "\n::\n0\n0:\n", "\n1\n1 2 3 4 5 6 7 - \n", { NULL } },
};

static void test_locate(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct metrics_places p = { 0 };
        bool found = metrics_locate(str_of(cases[i].cgroup), str_of(cases[i].mounts),
                                    "/sys/fs/cgroup/", ID, &p);

        if (found != (cases[i].want[0] != NULL))
            fail_msg("%s: %d", cases[i].what, found);
        for (size_t k = 0; found && k < PLACE__COUNT; k++) {
            const char *want = cases[i].want[k];
            bool v2 = str_starts(want, "2:");

            if (!streq(p.dir[k] ? p.dir[k] : "", want + (v2 ? 2 : 0)) ||
                (p.dir[k] && p.v2[k] != v2))
                fail_msg("%s: place %zu: %s", cases[i].what, k, p.dir[k]);
        }
        metrics_places_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_locate) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
