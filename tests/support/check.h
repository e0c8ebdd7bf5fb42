#pragma once
/* check: what every test program needs from cmocka, in the order it wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_text(s, text)                            \
    do {                                                \
        assert_int_equal((s).n, strlen(text));          \
        assert_memory_equal((s).p, text, strlen(text)); \
    } while (0)
