/* links: aws; dict: ini */
/* The two shared files together, and what they name: a profile's plan, a command, addresses of
 * keys. The first line is the profile; an empty line parts the config file from the credentials. */
#include <strings.h>

#include "aws/creds_sources.h"
#include "fuzz/fuzz.h"

static void check_command(const char *command)
{
    char **argv = NULL;
    struct err e = { 0 };

    if (creds_argv_split(command, &argv, &e)) {
        LAW(*e.msg && !argv);
        return;
    }
    LAW(argv && argv[0]);
    for (char **a = argv; *a; a++)
        LAW(strlen(*a) <= strlen(command));
    creds_argv_free(argv);
}

static void check_url(const char *relative, const char *full)
{
    char *url = NULL;
    struct err e = { 0 };

    if (creds_container_url(relative, full, &url, &e))
        LAW(!url && *e.msg);
    else
        LAW(strncasecmp(url, "http", 4) == 0);
    free(url);
}

static void check_plan(const char *profile, struct str config, struct str credentials)
{
    struct cred_plan p = { 0 };
    struct err e = { 0 };

    if (cred_plan_make(config, credentials, profile, &p, &e)) {
        LAW(*e.msg && (e.code == ERR_NOT_FOUND || e.code == ERR_INVALID));
        return;
    }
    LAW(p.n_hops <= CREDS_HOPS_MAX);
    for (size_t i = 0; i < p.n_hops; i++)
        LAW(*p.hops[i].role_arn && p.hops[i].duration_s >= 0);
    LAW(p.base != BASE_KEYS || (*p.keys.access_key && *p.keys.secret_key));
    LAW(p.base != BASE_WEB || (*p.web.role_arn && *p.web_token_file));
    LAW(p.base != BASE_PROCESS || *p.command);
    if (p.base == BASE_PROCESS)
        check_command(p.command);
    cred_plan_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str left = fuzz_str(data, size), credentials = { "", 0 };
    AUTO(str) char *profile = fuzz_line_text(&left);
    AUTO(str) char *text = mem_strndup(left.n ? left.p : "", left.n);
    const char *gap = left.n ? memmem(left.p, left.n, "\n\n", 2) : NULL;

    check_command(text);
    check_url(profile, text);
    check_url(NULL, profile);
    if (gap) {
        credentials = (struct str){ gap + 2, left.n - (size_t)(gap + 2 - left.p) };
        left.n = (size_t)(gap - left.p) + 1;
    }
    check_plan(profile, left, credentials);
    return 0;
}
