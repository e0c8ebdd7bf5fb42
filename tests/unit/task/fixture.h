#pragma once
/* fixture: what the tests of agent/task share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "task/task.h"

#define ARN "arn:aws:ecs:us-west-2:123456789012:task/demo/5d9ab28dab61444fb26cad5e651bf983"

/* A task of one container "a" with more members, each with its comma in front. */
#define ONE(members) \
    "{\"arn\":\"" ARN "\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"" members "}]}"
/* A task with these containers. */
#define MANY(containers) "{\"arn\":\"" ARN "\",\"containers\":[" containers "]}"
#define C(name, members) "{\"name\":\"" name "\",\"image\":\"i\"" members "}"
/* A task of one plain container with more members of its own. */
#define TASK(members) \
    "{\"arn\":\"" ARN "\",\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]" members "}"

static inline UNUSED struct task *decode(const char *text)
{
    struct task *t = NULL;
    struct err e = { 0 };

    if (task_decode_text(text, strlen(text), &t, &e))
        fail_msg("%s\n%s", e.msg, text);
    return t;
}

static inline UNUSED void assert_decode_fails(const char *text, const char *message)
{
    struct task *t = NULL;
    struct err e = { 0 };

    if (task_decode_text(text, strlen(text), &t, &e) != ERR_INVALID)
        fail_msg("expected '%s' for %s", message, text);
    assert_null(t);
    assert_string_equal(e.msg, message);
}
