#pragma once
/* internal: the table of variables and the parsers of their values. */
#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

struct var;

/* How text becomes a field. `parse` fills a zeroed field or leaves it so. */
struct var_type {
    const char *name;
    enum err_code (*parse)(const struct var *v, const char *text, void *field, struct err *e);
    void (*fini)(void *field); /* NULL: nothing to free */
};

extern const struct var_type type_text, type_path, type_bool, type_tristate, type_duration,
    type_int, type_ports, type_range, type_strings, type_words, type_map, type_endpoint, type_level,
    type_pull, type_format, type_secret;

/* What happens to a number below the minimum. Zero is the reference agent's
 * "unset" for durations and takes the default without a word. */
enum var_below { BELOW_RAISE, BELOW_DEFAULT };

struct var {
    const char *name;
    const struct var_type *type;
    size_t offset;    /* of the field in struct config */
    const char *def;  /* when unset; "" leaves the field zero */
    const char *help; /* whole sentences, for people */
    int64_t min, max; /* int: the value; duration: nanoseconds, max 0: none */
    int64_t unit_ns;  /* duration: of the field; 0: milliseconds */
    enum var_below below;
    const char *bad;   /* when set to nothing or to nonsense; NULL: as def */
    bool fatal;        /* a bad value stops the agent */
    bool keep_empty;   /* the empty text is a value of its own */
    const char **only; /* strings: the names allowed, up to a NULL */
};

extern const struct var vars[];
extern const size_t vars_n;

/* The row's index, or vars_n. */
size_t vars_find(struct str name);
/* The variables of the reference agent that Berth does not act on yet. */
bool vars_known_elsewhere(struct str name);
/* The known name closest to a misspelt one, or NULL when none is close. */
const char *vars_nearest(struct str name);

/* ---- value.c ---- */

MUST_CHECK enum err_code value_bool(const char *text, bool *out, struct err *e);
/* Go's time.ParseDuration, in nanoseconds. */
MUST_CHECK enum err_code value_duration(const char *text, int64_t *out_ns, struct err *e);
/* The bytes of the first whole JSON array or object; 0 when it never closes. */
size_t value_json_prefix(const char *text);
void config_strings_fini(struct string_list *l);
void config_map_fini(struct string_map *m);

/* ---- file.c ---- */

#define CONFIG_FILE_MAX ((size_t)1 << 20)

typedef void config_line_fn(void *user, int line, struct str name, const char *value);

/* Reads the lines of an env file; oddities that do not change the meaning are
 * reported as problems. `value` is borrowed for the call. */
void config_file_parse(const char *text, size_t n, config_line_fn *fn, void *user,
                       struct config_problems *problems);

/* "debian_12" from the text of /etc/os-release, "linux" when it does not say;
 * free() it. */
char *config_os_family(const char *os_release);

/* ---- config.c ---- */

/* As config_build; `os_family` (NULL: "LINUX") is below the file. */
struct config *config_build_as(const char *file, size_t file_len, config_env_fn *env, void *user,
                               const char *os_family, struct config_problems *out_problems);

void config_problem_add(struct config_problems *p, bool fatal, int line, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
