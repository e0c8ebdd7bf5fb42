#pragma once
/* defs: the few attributes every header may use. */

#define MUST_CHECK          __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, a) __attribute__((format(printf, fmt, a)))
#define UNUSED              __attribute__((unused))
#define COUNT_OF(array)     (sizeof(array) / sizeof *(array))

/* AUTO_DEFINE(task, struct task *, task_destroy) makes AUTO(task) usable:
 *     AUTO(task) struct task *t = ...;
 * runs task_destroy(t) when `t` leaves its scope. */
/* NOLINTBEGIN(bugprone-macro-parentheses): what is declared stands in no parentheses */
#define AUTO_DEFINE(name, type, fn)                   \
    static inline UNUSED void auto_##name##_(type *p) \
    {                                                 \
        fn(*p);                                       \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
#define AUTO(name) __attribute__((cleanup(auto_##name##_)))
