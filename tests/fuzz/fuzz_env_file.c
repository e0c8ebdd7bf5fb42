/* links: secrets; dict: ini */
/* An environment file. */
#include "fuzz/fuzz.h"
#include "secrets/secrets.h"

struct seen {
    const char *start, *end, *last;
};

static void on_pair(void *user, struct str name, struct str value)
{
    struct seen *s = user;

    LAW(name.n > 0 && name.p >= s->last && name.p[0] != '#');
    LAW(value.p == name.p + name.n + 1 && value.p + value.n <= s->end);
    LAW(!memchr(name.p, '=', name.n) && name.p[name.n] == '=');
    LAW(!memchr(name.p, '\n', name.n) && !memchr(value.p, '\n', value.n));
    LAW(name.p == s->start || name.p[-1] == '\n');
    s->last = value.p + value.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_array(size + 1, 1);
    struct seen s = { text, text + size, text };
    struct err e = { 0 };

    if (size)
        memcpy(text, data, size);
    if (env_file_parse((struct str){ text, size }, on_pair, &s, &e))
        LAW(e.code == ERR_LIMIT || e.code == ERR_INVALID);
    free(text);
    return 0;
}
