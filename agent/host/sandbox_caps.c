/* Capabilities: what sandbox.h's table says, for the agent, its helper, and what that starts. */
#include <errno.h>
#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "base/defs.h"
#include "host/sandbox_internal.h"

#define BIT(cap) (UINT64_C(1) << (cap))

static enum err_code failed(const char *what, struct err *e)
{
    return err_errno(e, errno, "capabilities: %s", what);
}

static bool has(cap_t caps, cap_value_t cap, cap_flag_t set)
{
    cap_flag_value_t value = CAP_CLEAR;

    return !cap_get_flag(caps, cap, set, &value) && value == CAP_SET;
}

/* Sets one capability in the three sets: what is not permitted stays away. */
static void set_one(cap_t from, cap_t to, cap_value_t cap, uint64_t keep, uint64_t inherit)
{
    if (!has(from, cap, CAP_PERMITTED) || !(keep & BIT(cap)))
        return;
    cap_set_flag(to, CAP_PERMITTED, 1, &cap, CAP_SET);
    cap_set_flag(to, CAP_EFFECTIVE, 1, &cap, CAP_SET);
    if (inherit & BIT(cap))
        cap_set_flag(to, CAP_INHERITABLE, 1, &cap, CAP_SET);
}

static enum err_code set_all(uint64_t keep, uint64_t inherit, struct err *e)
{
    cap_t from = cap_get_proc(), to = cap_init();
    enum err_code code = ERR_OK;

    if (from && to) {
        for (cap_value_t cap = 0; cap < 64 && cap_get_bound(cap) >= 0; cap++)
            set_one(from, to, cap, keep, inherit);
    }
    if (!from || !to || cap_set_proc(to))
        code = failed("those that are not needed cannot be given up", e);
    if (from)
        cap_free(from);
    if (to)
        cap_free(to);
    return code;
}

/* Both need SETPCAP, which a service manager may have kept; what it kept cannot come back then
 * either, for it stands in front of every process of the service. */
static enum err_code close_ways_back(uint64_t keep, struct err *e)
{
    cap_t own = cap_get_proc();
    bool may = own && has(own, CAP_SETPCAP, CAP_EFFECTIVE);

    if (own)
        cap_free(own);
    if (!may)
        return ERR_OK;
    if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED, 0, 0, 0))
        return failed("securebits", e);
    for (cap_value_t cap = 0; cap < 64 && cap_get_bound(cap) >= 0; cap++) {
        if (!(keep & BIT(cap)) && cap_get_bound(cap) > 0 && cap_drop_bound(cap))
            return failed("the bounding set", e);
    }
    return ERR_OK;
}

enum err_code sandbox_keep(uint64_t keep, uint64_t inherit, struct err *e)
{
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
        return failed("the ambient set", e);
    if (close_ways_back(keep, e))
        return e->code;
    return set_all(keep, inherit, e);
}

enum err_code sandbox_prepare(uint64_t capabilities, struct err *e)
{
    if (set_all(capabilities, capabilities, e))
        return e->code;
    /* What executing a program leaves of root's rights is this set. One that the helper does not
     * have itself is none that it can give. */
    for (unsigned cap = 0; cap < 64; cap++) {
        if (capabilities & BIT(cap) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) &&
            errno != EPERM)
            return failed("the ambient set", e);
    }
    return ERR_OK;
}
