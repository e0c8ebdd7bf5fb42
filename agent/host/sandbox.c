#include "host/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/sandbox_internal.h"

#define BIT(cap) (UINT64_C(1) << (cap))

#define AGENT_KEEPS BIT(CAP_NET_BIND_SERVICE)
/* What can be given to a program; the rest is for the helper's own work. */
#define HELPER_GIVES (BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW))
#define HELPER_KEEPS (HELPER_GIVES | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH))

static enum err_code failed(int rc, const char *what, struct err *e)
{
    return err_errno(e, -rc, "the filter of system calls: %s", what);
}

/* A filter while it is made. */
struct filter {
    scmp_filter_ctx ctx;
    uint32_t action;              /* of what is added */
    bool seen[SANDBOX_NEWER_END]; /* numbers that have a rule */
};

/* The same rule twice is one. */
static enum err_code add(struct filter *f, const char *name, unsigned n,
                         const struct scmp_arg_cmp *args, struct err *e)
{
    int number = sandbox_number(name), rc;

    if (number < 0)
        return ERR_OK;
    if (number < SANDBOX_NEWER_END)
        f->seen[number] = true;
    rc = seccomp_rule_add_array(f->ctx, f->action, number, n, args);
    return rc && rc != -EEXIST ? failed(rc, name, e) : ERR_OK;
}

static enum err_code add_names(struct filter *f, const char *names, struct err *e)
{
    AUTO(str) char *copy = mem_strdup(names);
    char *rest = copy, *name;

    while ((name = strsep(&rest, " "))) {
        if (*name && add(f, name, 0, NULL, e))
            return e->code;
    }
    return ERR_OK;
}

static enum err_code add_list(struct filter *f, const struct sandbox_list *list, struct err *e)
{
    const struct scmp_arg_cmp own =
        SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint64_t)getpid());

    for (size_t i = 0; i < list->n_names; i++) {
        if (add_names(f, list->names[i], e))
            return e->code;
    }
    for (size_t i = 0; i < list->n_calls; i++) {
        const struct sandbox_call *c = &list->calls[i];

        if (add(f, c->name, c->own ? 1 : c->n, c->own ? &own : c->args, e))
            return e->code;
    }
    return ERR_OK;
}

/* Whatever this build has no name for is as good as not there. */
static enum err_code add_newer(struct filter *f, struct err *e)
{
    for (int number = SANDBOX_NEWER; number < SANDBOX_NEWER_END; number++) {
        int rc = f->seen[number] ? 0 : seccomp_rule_add_array(f->ctx, f->action, number, 0, NULL);

        if (rc)
            return failed(rc, "newer calls", e);
    }
    return ERR_OK;
}

/* For all threads, with no_new_privs, which the kernel asks for. */
static enum err_code load(scmp_filter_ctx ctx, struct err *e)
{
    int rc;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return err_errno(e, errno, "no_new_privs");
    rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    /* A tree instead of a list; where the library is too old for it, the list does. */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    rc = rc ? rc : seccomp_load(ctx);
    return rc ? failed(rc, "it cannot be loaded", e) : ERR_OK;
}

static enum err_code filter_agent(struct err *e)
{
    struct filter f = { .ctx = seccomp_init(SCMP_ACT_TRAP), .action = SCMP_ACT_ALLOW };

    if (!f.ctx)
        return err_set(e, ERR_IO, "the filter of system calls cannot be made");
    if (!add_list(&f, &sandbox_allowed, e)) {
        f.action = SCMP_ACT_ERRNO(ENOSYS);
        if (!add_names(&f, sandbox_unknown, e) && !add_newer(&f, e))
            (void)!load(f.ctx, e);
    }
    seccomp_release(f.ctx);
    return e->code;
}

static enum err_code filter_helper(struct err *e)
{
    struct filter f = { .ctx = seccomp_init(SCMP_ACT_ALLOW), .action = SCMP_ACT_ERRNO(EPERM) };

    if (!f.ctx)
        return err_set(e, ERR_IO, "the helper's filter of system calls cannot be made");
    if (!add_list(&f, &sandbox_refused, e)) {
        /* Its flags are in memory, where no filter looks: C libraries then take clone. */
        f.action = SCMP_ACT_ERRNO(ENOSYS);
        if (!add_names(&f, "clone3", e))
            (void)!load(f.ctx, e);
    }
    seccomp_release(f.ctx);
    return e->code;
}

enum err_code sandbox_enter(struct err *e)
{
    *e = (struct err){ 0 };
    sandbox_trap();
    if (sandbox_keep(AGENT_KEEPS, 0, e))
        return e->code;
    return filter_agent(e);
}

enum err_code sandbox_enter_helper(struct err *e)
{
    *e = (struct err){ 0 };
    if (sandbox_keep(HELPER_KEEPS, HELPER_GIVES, e))
        return e->code;
    return filter_helper(e);
}
