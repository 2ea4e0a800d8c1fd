/* SPDX-License-Identifier: Apache-2.0 */
/* bench/bench.h -- one JSON object a measurement, CPU seconds, medians. A bench prints nothing else
 * to stdout. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "base/time.h"

struct measurement {
    const char *bench, *name, *unit;
    double ours;
    const char *peer; /* NULL: there is none, or it is absent */
    double peer_value;
    double ratio;     /* how many times better; 0 without a peer */
    const char *note; /* NULL: none */
};
void bench_print(const struct measurement *measurement);
double bench_median(double *values, size_t count); /* sorts */
/* Says why on stderr and ends the program. */
void bench_fail(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));
#define BENCH_CHECK(call)                                                                          \
    do {                                                                                           \
        enum status check_status = (call);                                                         \
        if (check_status != STATUS_OK) bench_fail("%s: %s", #call, status_name(check_status));     \
    } while (0)

/* Runs a program and reads the one number that it prints for each line "name value"; false where it
 * is absent or fails. */
bool bench_peer(const char *command, const char *const *names, double *values, size_t count);

#endif
