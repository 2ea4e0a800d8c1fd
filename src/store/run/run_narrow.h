/* SPDX-License-Identifier: Apache-2.0 */
/* store/run/run_narrow.h -- writes a narrow section (run_file.h): numbers as what they are above
 * the lowest of them, in as few bytes as the highest needs. Runs and key files have such columns;
 * run_narrow of run_file.h reads them. Any thread. */
#ifndef STORE_RUN_RUN_NARROW_H
#define STORE_RUN_RUN_NARROW_H

#include <stdint.h>

struct run_narrow_form {
    int64_t base;
    uint32_t width; /* bytes a value: 0, 1, 2, 4 or 8 */
};
/* The form of these values; count > 0. */
struct run_narrow_form run_narrow_form_of(const int64_t *values, uint32_t count);
/* Writes count * form.width bytes to `at`, which needs no alignment. The form is that of these
 * values. */
void run_narrow_write(void *at, struct run_narrow_form form, const int64_t *values, uint32_t count);

#endif
