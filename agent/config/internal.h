#pragma once
/* internal: the table of variables, the parsers of their values, and the sources that
 * say something about them. */
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "config/config.h"

struct var;

/* How a member of the JSON file becomes the text of a variable. */
enum json_form { FORM_STRING, FORM_BOOL, FORM_INT, FORM_NS, FORM_LIST, FORM_MAP, FORM_ANY };

/* How text becomes a field, and a field text. */
struct var_type {
    const char *name;
    enum json_form form;
    /* Fills a zeroed field or leaves it so. */
    enum err_code (*parse)(const struct var *v, const char *text, void *field, struct err *e);
    /* Text from which `parse` makes the same field; nothing for one that is unset. */
    void (*show)(const struct var *v, const void *field, struct buf *out);
    /* To the reference agent this is the same as not set. NULL: no value is. */
    bool (*zero)(const void *field);
    void (*fini)(void *field); /* zeroes it; NULL: nothing to free */
    size_t size;               /* of a field without `fini` */
};

extern const struct var_type type_bool, type_tristate, type_duration, type_int, type_range,
    type_megabytes, type_rates, type_choice, type_switch,                  /* value.c */
    type_ports, type_strings, type_words, type_map, type_cidrs, type_cidr, /* value_list.c */
    type_text, type_path, type_url, type_proxy, type_endpoint, type_secret, type_json_secret,
    type_level, type_sink; /* value_text.c */

/* What happens to a number beyond its bounds. Zero is the reference agent's
 * "unset" for durations and takes the default without a word. */
enum var_below { BELOW_RAISE, BELOW_DEFAULT };

#define NO_FIELD SIZE_MAX

struct var {
    const char *name; /* NULL: JSON only */
    const char *json; /* NULL: environment and files only */
    const struct var_type *type;
    size_t offset;    /* of the field in struct config; NO_FIELD */
    const char *def;  /* when unset; "" leaves the field zero */
    const char *help; /* whole sentences, for people */
    enum config_support support;
    const char *later;       /* LATER: what is so until then; NULL: "without effect" says it all */
    int64_t min, max;        /* int: the value; duration: nanoseconds, max 0: none */
    int64_t unit_ns;         /* duration: of the field; 0: milliseconds */
    enum var_below below;    /* duration */
    const char *bad;         /* when set to nothing or to nonsense; NULL: as def */
    const char *nonsense;    /* when set to nonsense; NULL: as bad */
    const char *alias;       /* another name, of less weight: http_proxy */
    const char *const *only; /* choice, strings, words: the names allowed, up to a NULL */
    bool any_case;           /* choice: in capitals or not */
    bool fatal;              /* a bad value stops the agent */
    bool fatal_name;         /* strings: of bad values, one that is not of `only` does */
    bool keep_empty;         /* the empty text is a value of its own */
    bool plain;              /* false is the same as unset (not so for a tri-state) */
    bool json_ignored;       /* the JSON key exists, but has no effect in the reference either */
    bool json_strict;        /* below the minimum in the JSON file stops the agent */
    bool in_env;             /* config_env gives it */
    bool env_only;           /* of the process; no line of a file */
    bool deprecated, reload, secret;
};

/* ---- vars.c: the table is in pieces by idea, vars_*.c ---- */

struct var_group {
    const struct var *vars;
    size_t n;
};
extern const struct var_group vars_cluster, vars_tasks, vars_images, vars_log, vars_sdk, vars_later,
    vars_inert;

size_t vars_count(void);
const struct var *vars_at(size_t i);
/* The row's index by name or alias, or vars_count(). */
size_t vars_find(struct str name);
/* By JSON name in capitals or not. */
size_t vars_find_json(struct str name);
/* The known name (of the JSON file: `json`) closest to a misspelt one, or NULL when none
 * is close. */
const char *vars_nearest(struct str name, bool json);

/* ---- config.c ---- */

/* The field of a variable that has one. */
void *var_field(struct config *c, const struct var *v);
void var_fini(const struct var *v, void *field);
/* Into a field that is zero, from a text that is known to be good: a default, or what
 * the type's `show` made. "" leaves it zero. */
void var_set(const struct var *v, const char *text, void *field);

/* ---- value.c ---- */

MUST_CHECK enum err_code value_bool(const char *text, bool *out, struct err *e);
/* Go's time.ParseDuration, in nanoseconds. */
MUST_CHECK enum err_code value_duration(const char *text, int64_t *out_ns, struct err *e);
/* "1h30m", "12500us": a text that value_duration takes. */
void value_show_duration(int64_t ns, struct buf *out);
/* The bytes of the first whole JSON array or object; 0 when it never closes. */
size_t value_json_prefix(const char *text);
void config_map_fini(struct string_map *m); /* wipes */

/* ---- problem.c ---- */

/* `source`: copied; NULL is "". */
void config_problem_add(struct config_problems *p, bool fatal, const char *source, int line,
                        const char *fmt, ...) PRINTF_LIKE(5, 6);
/* There are as many as are kept: details are no longer worth a search. */
bool config_problems_full(const struct config_problems *p);

/* ---- file.c ---- */

#define CONFIG_FILE_MAX ((size_t)1 << 20)
/* Of a value as text: JSON escapes make six bytes of one. */
#define CONFIG_TEXT_MAX (8 * CONFIG_FILE_MAX)

typedef void config_line_fn(void *user, int line, struct str name, const char *value);

/* Reads the lines of an env file; oddities that do not change the meaning are
 * reported as problems. `value` is borrowed for the call. */
void config_file_parse(const struct config_text *file, config_line_fn *fn, void *user,
                       struct config_problems *problems);
/* Is this text, and not too much of it? Else a fatal problem. */
bool config_text_check(const struct config_text *file, struct config_problems *problems);

/* "debian_12" from the text of /etc/os-release, "linux" when it does not say;
 * free() it. */
char *config_os_family(const char *os_release);

/* ---- sources.c, document.c: what was said about each variable ---- */

enum origin {
    ORIGIN_INSTANCE_FILE,
    ORIGIN_USER_FILE,
    ORIGIN_ENVIRONMENT,
    ORIGIN_JSON_FILE,
    ORIGIN_USER_DATA,
};

/* The first three origins are one to the reference agent: its init program makes one
 * environment of them before the agent sees anything. */
enum layer { LAYER_ENV, LAYER_JSON, LAYER_USER_DATA, LAYER__COUNT };

struct said {
    char *text; /* NULL: nothing */
    enum origin origin;
    int line;
    bool by_alias;
};

struct sources {
    const struct config_inputs *in;
    struct config_problems *problems;
    struct said *of[LAYER__COUNT]; /* by row of the table */
};

void sources_read_env(struct sources *s, const struct config_inputs *in,
                      struct config_problems *problems);
/* The JSON file and user data, onto what sources_read_env left. */
void sources_read_documents(struct sources *s);
void sources_fini(struct sources *s); /* wipes */
/* Takes a copy of `text`; NULL forgets what was said. */
void said_set(struct said *s, const char *text, enum origin origin, int line);
/* The name of a source, for problems. */
const char *sources_name(const struct sources *s, enum origin origin);
