/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

#define DRAWS_MAX  2000
#define DRAWS_MIN  200
#define DRAW_STEPS 200000000 /* one call aims at so many rows times draws, between these */

static int compare_groups(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

enum status bootstrap_groups(const uint32_t *group, size_t count, uint32_t **dense,
                             uint32_t *group_count) {
    uint32_t *sorted = memory_alloc((count + 1) * sizeof *sorted);
    *dense = memory_alloc((count + 1) * sizeof **dense);
    if (sorted == NULL || *dense == NULL) {
        memory_free(sorted);
        return STATUS_NO_MEMORY;
    }
    memcpy(sorted, group, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_groups);
    uint32_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i] != sorted[distinct - 1]) sorted[distinct++] = sorted[i];
    }
    for (size_t i = 0; i < count; i++) {
        const uint32_t *at = bsearch(&group[i], sorted, distinct, sizeof *sorted, compare_groups);
        (*dense)[i] = (uint32_t)(at - sorted);
    }
    memory_free(sorted);
    *group_count = distinct;
    return STATUS_OK;
}

#define DRAW_UNSURE UINT8_MAX

static uint8_t draw_weight(const struct bootstrap_weights *draws, uint32_t bits) {
    uint8_t weight = 0;
    while (weight < 12 && bits >= draws->limits[weight]) weight++;
    return weight;
}

void bootstrap_weights_init(struct bootstrap_weights *draws) {
    static const double cumulative[] = {.36787944117144233, .73575888234288467, .91969860292860584,
                                        .98101184312384626, .99634015317265634, .99940581518241836,
                                        .99991675885071199, .99998975080332512, .99999887479740203,
                                        .99999988857452159, .99999998995223362, .99999999916838931};
    for (int k = 0; k < 12; k++) draws->limits[k] = (uint32_t)(cumulative[k] * 4294967296.0);
    for (uint32_t i = 0; i < 1 << BOOTSTRAP_BITS; i++) {
        uint32_t lowest = i << (32 - BOOTSTRAP_BITS),
                 highest = lowest | (UINT32_MAX >> BOOTSTRAP_BITS);
        uint8_t weight = draw_weight(draws, lowest);
        draws->by_bits[i] = weight == draw_weight(draws, highest) ? weight : DRAW_UNSURE;
    }
}

static inline uint8_t draw_quickly(const struct bootstrap_weights *draws, uint32_t bits) {
    uint8_t weight = draws->by_bits[bits >> (32 - BOOTSTRAP_BITS)];
    return weight != DRAW_UNSURE ? weight : draw_weight(draws, bits);
}

void bootstrap_draw(const struct bootstrap_weights *draws, struct random *random, uint8_t *weights,
                    uint32_t count) {
    for (uint32_t i = 0; i < count; i += 2) {
        uint64_t bits = random_u64(random);
        weights[i] = draw_quickly(draws, (uint32_t)bits);
        if (i + 1 < count) weights[i + 1] = draw_quickly(draws, (uint32_t)(bits >> 32));
    }
}

uint32_t bootstrap_draws(size_t rows) {
    size_t draws = DRAW_STEPS / (rows + 1);
    return draws > DRAWS_MAX ? DRAWS_MAX : draws < DRAWS_MIN ? DRAWS_MIN : (uint32_t)draws;
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static struct interval unknown_around(double value) {
    return (struct interval){value, (double)NAN, (double)NAN, (double)NAN, (double)NAN};
}

struct interval bootstrap_interval(double value, double *draws, uint32_t count) {
    uint32_t defined = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!isnan(draws[i])) draws[defined++] = draws[i];
    }
    if (isnan(value) || defined == 0) return unknown_around(value);
    qsort(draws, defined, sizeof *draws, compare_doubles);
    uint32_t tail = (uint32_t)(.025 * defined), quarter = (uint32_t)(.25 * defined);
    return (struct interval){value, draws[tail], draws[defined - 1 - tail], draws[quarter],
                             draws[defined - 1 - quarter]};
}
