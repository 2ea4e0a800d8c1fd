/* SPDX-License-Identifier: Apache-2.0 */
/* engine/holds.h -- in doubt, hold: who is not written to while a row waits in quarantine that may
 * take back what he agreed to.
 *
 * The rows say so themselves (ingest.h, struct ingest_hold), so a hold lasts as long as its row: it
 * is there again when the directory is opened, and gone when the row is replayed or dropped. The
 * rows are read once after each change of the quarantine; whose they are is looked up once after
 * each change of the log. While no row holds, a question costs one comparison.
 *
 * Any thread may ask; a lock makes the answers one after the other. */
#ifndef ENGINE_HOLDS_H
#define ENGINE_HOLDS_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"

struct held_word { /* one identifier of one row that holds */
    struct text value;
    uint32_t type; /* SYMBOL_NONE: a field of a row whose columns can't be told; of any type */
    bool is_purpose;
    struct text scope; /* empty: every one */
};
struct held_customer {
    uint32_t customer;
    bool is_purpose;
    struct text scope; /* the word's */
};
struct holds {
    pthread_mutex_t lock;
    _Atomic bool stale;    /* the quarantine has changed since the rows were read */
    _Atomic uint64_t rows; /* that hold; 0: nobody is held */
    uint64_t position;     /* of the log, as of which `customers` is true */
    struct arena texts;
    struct held_word *words;
    size_t word_count, word_capacity;
    struct held_customer *customers; /* by customer */
    size_t customer_count, customer_capacity;
};
void holds_init(struct holds *holds);
void holds_release(struct holds *holds);
/* Rows came, went or were changed. */
void holds_changed(struct holds *holds);
/* Is the customer held, for this purpose or (the other is empty) on this channel? True also where
 * that can't be told for want of memory. */
bool engine_holds(struct engine *engine, struct customer_id customer, struct text purpose,
                  struct text channel);

#endif
