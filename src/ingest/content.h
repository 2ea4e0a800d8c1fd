/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/content.h -- what a row says of itself as a row: its key, its version, what it holds, and
 * whether it takes itself away.
 *
 *   content = mix(sum over the cells that the mapping reads of hash(cell, name of its column))
 *
 * An empty cell adds nothing. So the order of the columns means nothing, and the content under an
 * older reading is the sum over the columns that it had. The content of an event of several rows is
 * the sum of theirs: the order of its rows means nothing, either. The version and what retract_when
 * looks at are no part of it unless the mapping reads them, too. Any thread. */
#ifndef INGEST_CONTENT_H
#define INGEST_CONTENT_H

#include "ingest/ingest.h"

struct mapper;

struct row_facts {
    struct row_key key;
    /* By reading, the present one first. 0: it can't be told; or, of the first, it is not compared.
     */
    uint64_t content[1 + INGEST_READINGS_MAX];
    int64_t version;
    bool retracts;
};

/* What the hash of a cell begins with. */
uint64_t content_seed(struct text column, bool is_property);
/* Of the mapper's present row. INVALID: the reason is set. `may_lack_key`: another row of its group
 * may have the key; then it has none. */
enum status content_read(struct mapper *mapper, bool may_lack_key, struct row_facts *out) MUST_USE;
/* Takes another row of the same event in; the key stays. */
void content_add(const struct mapper *mapper, struct row_facts *sum, const struct row_facts *row);
/* Into an event, or a line, of the mapper's batch. */
enum status content_put_event(struct mapper *mapper, const struct row_facts *facts,
                              struct event *event) MUST_USE;
enum status content_put_line(struct mapper *mapper, const struct row_facts *facts,
                             struct event_line *line) MUST_USE;
/* The key of an event whose rows have keys of their own. */
enum status content_event_key(struct mapper *mapper, struct row_key *key) MUST_USE;
bool content_is_known(const struct mapper *mapper, const struct row_facts *facts);

#endif
