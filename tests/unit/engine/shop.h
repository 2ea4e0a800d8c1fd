/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/engine/shop.h -- a shop's playbook and files in a temporary folder, and an engine over
 * a simulated disk.
 *
 * Source files are read from the operating system, as the engine does; the data directory lies on
 * the simulated disk, which can be searched for bytes. Every call that fails ends the test. */
#ifndef TESTS_UNIT_ENGINE_SHOP_H
#define TESTS_UNIT_ENGINE_SHOP_H

#include "engine/engine.h"
#include "support/simulated_disk.h"

#define SHOP_START_MS INT64_C(1483228800000) /* 2017-01-01T00:00:00Z */
#define DAY(n)        (SHOP_START_MS + (int64_t)((n) * (double)TIME_DAY_MS))

struct shop {
    char folder[64];
    struct simulated_disk *disk;
    struct engine *engine;
    int64_t now_ms;
    struct engine_ingest_report totals; /* of the latest shop_load, over its sources */
};

extern const char shop_playbook[]; /* orders (CSV), web (NDJSON), offer (a lookup) */

void shop_init(struct shop *shop);
void shop_release(struct shop *shop);
/* cmocka's set-up and tear-down. *state: a shop of its own for each test. */
int shop_set_up(void **state);
int shop_tear_down(void **state);
/* Writes a file into the folder. */
void shop_file(struct shop *shop, const char *name, const char *text);
const char *shop_path(const struct shop *shop, const char *name); /* valid until the next call */

enum status shop_try_open(struct shop *shop, const char *playbook, bool read_only,
                          struct error *error);
/* Closes what is open; `playbook`: a file of the folder, or NULL: the one in force. */
void shop_open(struct shop *shop, const char *playbook);
/* All files of the folder, or those of one source. */
void shop_load(struct shop *shop, const char *source);

/* As of t; "email:a@x". */
struct customer_id shop_customer(struct shop *shop, const char *name, int64_t t_ms);
double shop_trait(struct shop *shop, const char *customer, const char *trait, int64_t t_ms);
/* Events of this type among everybody's. */
uint64_t shop_count(struct shop *shop, const char *event);
uint64_t shop_events(struct shop *shop);

#endif
