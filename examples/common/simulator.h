/* SPDX-License-Identifier: Apache-2.0 */
/* examples/common/simulator.h -- what the simulators of the examples share: a seed, a folder, and
 * files that are written line by line.
 *
 * Each example has one function `simulate` (its truths stand at the top of its source) and gets its
 * main from here:
 *   simulate --seed N --out DIR [--customers N] */
#ifndef EXAMPLES_SIMULATOR_H
#define EXAMPLES_SIMULATOR_H

#include <stdio.h>

#include "base/random.h"
#include "base/time.h"

struct simulator {
    const char *folder;
    struct random random;
    uint32_t customers; /* 0: the example's own number */
    bool failed;        /* a file could not be written */
};

/* "FOLDER/name", opened for writing; on failure sets failed and gives a stream that swallows what
 * it gets. */
FILE *simulator_open(struct simulator *simulator, const char *name);
void simulator_close(struct simulator *simulator, FILE *file);
static inline bool simulator_chance(struct simulator *simulator, double probability) {
    return random_unit(&simulator->random) < probability;
}
/* A time in [from, to). */
static inline int64_t simulator_time(struct simulator *simulator, int64_t from_ms, int64_t to_ms) {
    return from_ms + (int64_t)random_below(&simulator->random, (uint64_t)(to_ms - from_ms));
}
/* ISO 8601; one of a few static buffers, for one printf. */
const char *simulator_iso(int64_t time_ms);

/* An example's: writes all its files. */
void simulate(struct simulator *simulator);

#endif
