/* SPDX-License-Identifier: Apache-2.0 */
/* store/view/view.h -- the timeline_source over a version: the runs and the tail as one set of
 * timelines.
 *
 * A customer's rows are slices: one an entry of a run, one for all rows in the tail. Where there is
 * one slice, nothing of it is filtered out and every column asked for lies dense in its part, the
 * timeline points into the mapping; otherwise slices are merged by (time, position) into the
 * reader's scratch.
 *
 * A walk goes forward over all runs at once: entries whose persona still belongs to the customer it
 * was folded under come from one cursor a run; the others ("moved", grouped anew since) are sorted
 * once at the beginning of the walk and fetched by random access. Customers come ascending by their
 * id as of the request. Shares (part, parts) go by blocks of 4,096 customer ids, so they are
 * disjoint whatever positions the threads' readers have pinned. Reading within a walk does not
 * disturb it.
 *
 * timeline.packed answers STATUS_INVALID unless the request asked for TIMELINE_PACKED. */
#ifndef STORE_VIEW_VIEW_H
#define STORE_VIEW_VIEW_H

#include "event/timeline_source.h"
#include "store/version.h"

/* Moved rows are copied to where a walk needs them, in order of customer: 10 bytes each. */
#define VIEW_STRAY_ROWS 4000000

struct view_source {
    struct timeline_source interface;
    struct versions *versions; /* borrowed */
    struct symbols *symbols;   /* borrowed; names that events keep as dark text */
    size_t stray_rows;         /* a walk gathers so many moved rows at once; VIEW_STRAY_ROWS */
    /* Borrowed: a reader that opens pins no position beyond it. NULL: no bound. */
    const _Atomic uint64_t *bound;
    /* The timelines' columns; borrowed. NULL: those of the version that a reader pins. Whoever
     * reads under a playbook that may be replaced meanwhile says its own. */
    const struct column_set *columns;
};
void view_source_init(struct view_source *source, struct versions *versions,
                      struct symbols *symbols);

#endif
