/* SPDX-License-Identifier: Apache-2.0 */
/* engine/holds.h -- holds: who is offered nothing while a row in quarantine may be a withdrawal.
 *
 * Such a row may be a withdrawal that nobody could read. While it waits, its person is offered
 * nothing that needs the consent or the opt-in which the row may take back.
 *
 * The reason of such a row says what it holds (ingest.h, struct ingest_hold), and nothing else is
 * stored. So a hold lasts as long as its row: it is there again when the directory is opened, and
 * it ends when the row is replayed or dropped. The rows are read once after each change of the
 * quarantine. The customers that they name are looked up once after each change of the log, since
 * identities change. While no row holds anybody, a question costs one comparison.
 *
 * Any thread may ask. A lock lets one thread at a time read the rows. */
#ifndef ENGINE_HOLDS_H
#define ENGINE_HOLDS_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"

struct held_word { /* one identifier that a holding row names */
    struct text value;
    /* SYMBOL_NONE: the columns of the row can't be told apart, so this is one of its fields, and it
     * may be an identifier of any type. */
    uint32_t type;
    bool is_purpose;
    struct text scope; /* the purpose or channel; empty: every one */
};
struct held_customer {
    uint32_t customer;
    bool is_purpose;
    struct text scope; /* as in the held_word, from which it is borrowed */
};
struct holds {
    pthread_mutex_t lock;
    _Atomic uint64_t changes; /* counts the changes of the quarantine and of the playbook */
    _Atomic uint64_t read;    /* `changes` as it was when the rows were read last */
    _Atomic uint64_t rows;    /* how many rows hold somebody; 0: nobody is held */
    uint64_t position;        /* the log's position when `customers` was looked up */
    struct arena texts;
    struct held_word *words;
    size_t word_count, word_capacity;
    struct held_customer *customers; /* sorted by customer */
    size_t customer_count, customer_capacity;
};
void holds_init(struct holds *holds);
void holds_release(struct holds *holds);
/* Tell this once rows of the quarantine have come, gone or changed: whoever asks afterwards gets an
 * answer that knows of it. Any thread. */
void holds_changed(struct holds *holds);
/* Is the customer held for this purpose, or on this channel? One of `purpose` and `channel` is
 * empty. Where the rows can't be read the answer is yes: in doubt, hold. */
bool engine_holds(struct engine *engine, struct customer_id customer, struct text purpose,
                  struct text channel);

#endif
