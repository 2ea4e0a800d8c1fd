/* SPDX-License-Identifier: Apache-2.0 */
/* support/unit.h -- cmocka, comparisons of texts, and the loop that fails every allocation in turn.
 */
#ifndef SUPPORT_UNIT_H
#define SUPPORT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"

#define assert_text(actual, literal)                                                               \
    do {                                                                                           \
        struct text assert_text_value = (actual);                                                  \
        assert_int_equal(assert_text_value.length, sizeof(literal) - 1);                           \
        assert_memory_equal(assert_text_value.at, literal, sizeof(literal) - 1);                   \
    } while (0)

/* Runs `scenario` with its 1st, 2nd … allocation failing until it succeeds; every failure must be
 * STATUS_NO_MEMORY. At least `failures_min` points must have been visited, so that the loop can't
 * pass by doing nothing. */
static inline void fail_every_allocation(enum status (*scenario)(void), uint64_t failures_min) {
    for (uint64_t nth = 1;; nth++) {
        memory_fail_at(nth);
        enum status status = scenario();
        memory_fail_at(0);
        if (status == STATUS_OK) {
            assert_true(nth > failures_min);
            return;
        }
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_true(nth < 100000);
    }
}

#endif
