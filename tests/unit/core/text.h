#pragma once
/* text: tasks as the tests of the core write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "task/task.h"

#define ARN(id) "arn:aws:ecs:us-west-2:123456789012:task/demo/" id

/* A task that is to run, with these containers and more members (comma in front). */
#define TASK_WITH(id, containers, members)                                                    \
    "{'arn':'" ARN(id) "','family':'f','version':'1','desiredStatus':'RUNNING','containers':" \
                       "[" containers "]" members "}"
#define TASK(id, containers) TASK_WITH(id, containers, "")
/* An essential container and one that is not. */
#define C(name, members)    "{'name':'" name "','image':'img','essential':true" members "}"
#define SIDE(name, members) "{'name':'" name "','image':'img'" members "}"
#define AFTER(name, condition) \
    ",'dependsOn':[{'containerName':'" name "','condition':'" condition "'}]"

/* `text` with ' turned into ". Two results are valid at a time. */
static inline UNUSED const char *json(const char *text)
{
    static char room[2][16384];
    static int turn;
    char *out = room[turn ^= 1];

    assert_true(strlen(text) < sizeof room[0]);
    snprintf(out, sizeof room[0], "%s", text);
    for (char *p = out; *p; p++)
        if (*p == '\'')
            *p = '"';
    return out;
}

static inline UNUSED struct task *decode(const char *text)
{
    struct task *t = NULL;
    struct err e = { 0 };
    const char *real = json(text);

    if (task_decode_text(real, strlen(real), &t, &e))
        fail_msg("%s\n%s", e.msg, real);
    return t;
}

/* The ARN of the task at a place. */
static inline UNUSED const char *arn_of(const char *place)
{
    static char room[4][128];
    static int turn;
    char *out = room[turn = (turn + 1) % 4];

    snprintf(out, sizeof room[0], ARN("") "%.*s", (int)strcspn(place, "/"), place);
    return out;
}
