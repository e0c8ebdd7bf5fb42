#pragma once
/* shape: the type of every member of a JSON request, as a table.
 *
 * The real services refuse a request whose members have wrong types before they
 * look at their meaning. They ignore members that they do not know; here those
 * are counted, because an unknown member sent by an agent is a misspelling.
 * Pure; uses base/json only. */
#include "base/buf.h"
#include "base/json.h"

enum shape_kind {
    SHAPE_STR,
    SHAPE_INT,  /* 32 bits */
    SHAPE_LONG, /* 64 bits */
    SHAPE_NUM,
    SHAPE_BOOL,
    SHAPE_OBJ,  /* an object of `sub` */
    SHAPE_STRS, /* a list of strings */
    SHAPE_INTS, /* a list of integers */
    SHAPE_OBJS, /* a list of objects of `sub` */
    SHAPE_MAP,  /* string to string */
};

struct shape {
    const char *name; /* NULL ends the table */
    enum shape_kind kind;
    const struct shape *sub;
    bool required;
};

/* Checks the object `c`. The first member of a wrong type, or a required one
 * that is absent, is reported by the cursor's own error. The names of unknown
 * members are appended to `unknown` (NULL: not wanted), separated by spaces. */
bool shape_check(const struct jcur *c, const struct shape *fields, struct buf *unknown);

/* The tables. */
extern const struct shape shape_register_task_definition[];
extern const struct shape shape_run_task[];
extern const struct shape shape_start_task[];
extern const struct shape shape_register_container_instance[];
extern const struct shape shape_discover_poll_endpoint[];
extern const struct shape shape_submit_task[];
extern const struct shape shape_submit_container[];
extern const struct shape shape_submit_attachments[];
