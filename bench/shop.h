/* SPDX-License-Identifier: Apache-2.0 */
/* bench/shop.h -- a made-up shop for benches of decisions: customers of 16 to 24 events each, 25
 * traits of the customer as features of a model that was trained on past letters, an offer table
 * with three attributes, two traits of a treatment, six policies, consent that is required. */
#ifndef BENCH_SHOP_H
#define BENCH_SHOP_H

#include <stdio.h>

#include "engine/engine.h"

struct shape {
    const char *name;
    uint32_t customers, offers, events; /* events: of a customer, on average */
    bool lists;
    /* The events are of the year before today, and offers still run, for who decides by the clock;
     * else they are of 2024. */
    bool recent;
    /* Two placements of three slots each, "main" and "side", whose slots are drawn; two budgets; and
     * answers to letters that two features tell together. */
    bool all;
};

/* A trained directory under $ATTUNE_BENCH_DATA (default: $TMPDIR or /tmp), made once a shape, and
 * once a day where it is recent. Fails the program where it can't. */
struct engine *shop_open(const struct shape *shape);
/* Where it lies; "data" and "playbook.yaml" are below it. Valid after shop_open. */
const char *shop_folder(void);
FILE *shop_create(const char *name);
void shop_close(FILE *file);
/* Ends the program where it is no STATUS_OK. */
void shop_check(enum status status, const struct error *error);

#endif
