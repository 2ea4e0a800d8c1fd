/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cell/content.h -- what decides whether a row is new, a repeat or a correction: its key,
 * its version, a hash of its content, and whether it takes itself away.
 *
 *   content = mix(sum over the cells that the mapping reads of hash(cell, name of its column))
 *
 * An empty cell adds nothing, and a sum does not depend on the order of its terms. So the order of
 * the columns does not matter, and the content under an older reading is the sum over the columns
 * of that reading. The content of an event of several rows is the sum of their contents, so the
 * order of the rows does not matter, either. The columns of row_version and retract_when are part
 * of the content only where the mapping reads them, too. Any thread. */
#ifndef INGEST_CELL_CONTENT_H
#define INGEST_CELL_CONTENT_H

#include "ingest/ingest.h"

struct mapper;

struct row_facts {
    struct row_key key;
    /* By reading, the present one first. 0: this reading can't tell the content. Where the first is
     * 0, the row is not compared at all. */
    uint64_t content[1 + INGEST_READINGS_MAX];
    int64_t version;
    bool retracts;
    bool is_made; /* the row has no key, and this one is a hash of the row */
};

/* The seed of the hash of a column's cells. */
uint64_t content_seed(struct text column, bool is_property);
/* Reads the facts of the mapper's present row. INVALID: the reason is set. With `may_lack_key` a
 * row without a key is no error, since another row of its group may have the key. */
enum status content_read(struct mapper *mapper, bool may_lack_key, struct row_facts *out) MUST_USE;
/* Adds another row of the same event to the sum, which keeps its key. */
void content_add(const struct mapper *mapper, struct row_facts *sum, const struct row_facts *row);
/* Copy the facts into an event, or into a line of an event, of the mapper's batch. */
enum status content_put_event(struct mapper *mapper, const struct row_facts *facts,
                              struct event *event) MUST_USE;
enum status content_put_line(struct mapper *mapper, const struct row_facts *facts,
                             struct event_line *line) MUST_USE;
/* Makes the key of an event whose rows have keys of their own. */
enum status content_event_key(struct mapper *mapper, struct row_key *key) MUST_USE;
bool content_is_known(const struct mapper *mapper, const struct row_facts *facts);

#endif
