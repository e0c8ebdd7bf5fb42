/* names: which files are the agent's. */
#include <string.h>

#include "bake/seal.h"
#include "base/str.h"

#define DATABASE "berth.db"

bool seal_is_state(const char *name)
{
    static const char *const whole[] = { "berth.commits", "instance.json",  "instance.json.new",
                                         "flight.jsonl",  "flight.1.jsonl", "metadata",
                                         "postmortem" };

    for (size_t i = 0; i < COUNT_OF(whole); i++)
        if (streq(name, whole[i]))
            return true;
    /* With its logs, and what was moved aside. */
    return str_starts(name, DATABASE) && strchr("-.", name[strlen(DATABASE)]);
}

/* ".3", ".2026-01-02-03", ".4.gz": the agent's own rotation, and logrotate's. */
bool seal_is_log(const char *base, const char *name)
{
    size_t n = strlen(base), digits;

    if (strncmp(name, base, n) != 0)
        return false;
    name += n;
    if (!*name)
        return true;
    digits = strspn(name + 1, "0123456789-");
    if ((*name != '.' && *name != '-') || !digits)
        return false;
    name += 1 + digits;
    return !*name || streq(name, ".gz");
}
