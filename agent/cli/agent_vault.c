#include "cli/agent_vault.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/secret.h"
#include "config/config.h"

/* ---- OpenSSL ---- */

static void *ssl_alloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return n ? secret_try(n) : NULL;
}

static void *ssl_resize(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n)
        return secret_try_resize(p, n);
    secret_free(p);
    return NULL;
}

static void ssl_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    secret_free(p);
}

/* ---- limits ---- */

static void no_core_files(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static void allow_locking(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur >= SECRET_MAX)
        return;
    if (limit.rlim_max < SECRET_MAX) {
        const struct rlimit enough = { SECRET_MAX, SECRET_MAX };

        if (!setrlimit(RLIMIT_MEMLOCK, &enough))
            return;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &limit);
}

void vault_begin(void)
{
    no_core_files();
    allow_locking();
    config_environment_take_secrets();
    if (!CRYPTO_set_mem_functions(ssl_alloc, ssl_resize, ssl_free))
        abort(); /* OpenSSL was used before */
}

void vault_tell(void)
{
    static bool told;
    struct secret_totals t;

    secret_get_totals(&t);
    if (!t.lock_error || told)
        return;
    told = true;
    log_warn("memory with secrets cannot be locked all and may be swapped; going on",
             kv_i("locked", (int64_t)t.locked), kv_i("of", (int64_t)t.held),
             kv_s("error", ERRNO_TEXT(t.lock_error)));
}
