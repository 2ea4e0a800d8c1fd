/* SPDX-License-Identifier: Apache-2.0 */
/* identity/forest.h -- the versioned forest: it holds every identifier's customer, as of any (t,
 * position).
 *
 * It is a union-find without path compression; the root is the lowest id of its component. A node's
 * edges to its parent are versions, newest first. Each says from which position, and after an
 * un-merge from which t, it holds:
 *
 *   node 7 ──► edge {parent 2, known Mar 1, from position 90}
 *                 └──older──► edge {parent 3, known Mar 4, from position 40}
 *
 * As of (t, p) the edge is the first version with from_position <= p and from_ms <= t, and it is
 * followed iff known_ms <= t. Links are judged in the order in which they were known, so a
 * component's tree as of t is the beginning of its tree now: one walk answers for every t. Versions
 * never change, so readers need no lock. Each edge also stands in its parent's list of children:
 * from the root down, these lists give a component, again as of any (t, p).
 *
 * Only identity_undo takes anything back. It moves `undo_epoch`, and a reader that sees it moved
 * starts again. */
#ifndef IDENTITY_FOREST_H
#define IDENTITY_FOREST_H

#include <stdatomic.h>
#include "event/ids.h"
#include "identity/column.h"

#define NONE UINT32_MAX

struct edge {
    _Atomic uint32_t child, parent; /* parent NONE: a root in this version */
    _Atomic uint32_t older, sibling;
    _Atomic int64_t known_ms;
    _Atomic uint64_t order; /* of the link, among those with the same known_ms */
    _Atomic uint64_t from_position;
    _Atomic int64_t from_ms;
};

struct node { /* an identifier; links below are ids + 1, so that zeroed memory is an empty node */
    _Atomic uint32_t children; /* + 1: newest edge to this node */
    _Atomic uint32_t personas; /* + 1: newest persona anchored here */
    _Atomic uint32_t links;    /* + 1: newest link, by (known_ms, order) */
    _Atomic uint32_t degree;
    _Atomic uint32_t flags;    /* enum node_flag */
    uint32_t type;             /* the applier's */
    _Atomic uint64_t position; /* of the record that brought it */
};
enum node_flag { NODE_CONTROLLED = 1 /* has a withdrawn link */, NODE_ERASED = 2 };

struct forest {
    struct column_store heads; /* + 1: a node's newest edge; apart, since most walks read nothing
                                  else: a root has none */
    struct column_store nodes, edges;
    uint32_t edge_count;
    _Atomic uint32_t undo_epoch; /* odd: an undo is under way */
};

/* What a walk sees. For readers known_ms = version_ms = t and order is the highest; the applier
 * asks for the state at a link's turn. */
struct view {
    int64_t version_ms;
    uint64_t position;
    int64_t known_ms;
    uint64_t order;
};
static inline struct view view_of(struct as_of as_of) {
    return (struct view){as_of.t_ms, as_of.position, as_of.t_ms, UINT64_MAX};
}

static inline struct node *forest_node(const struct forest *forest, uint32_t id) {
    return column_at(&forest->nodes, id, sizeof(struct node));
}
static inline _Atomic uint32_t *forest_head(const struct forest *forest, uint32_t id) {
    return column_at(&forest->heads, id, sizeof(_Atomic uint32_t));
}
static inline struct edge *forest_edge(const struct forest *forest, uint32_t id) {
    return column_at(&forest->edges, id, sizeof(struct edge));
}
#define LOAD(cell)         atomic_load_explicit(&(cell), memory_order_acquire)
#define STORE(cell, value) atomic_store_explicit(&(cell), (value), memory_order_release)

/* The version in force, followed or not; NONE. */
static inline uint32_t forest_edge_of(const struct forest *forest, uint32_t id,
                                      const struct view *view) {
    uint32_t at = LOAD(*forest_head(forest, id));
    while (at) {
        const struct edge *edge = forest_edge(forest, at - 1);
        if (LOAD(edge->from_position) <= view->position && LOAD(edge->from_ms) <= view->version_ms)
            return at - 1;
        at = LOAD(edge->older);
    }
    return NONE;
}
static inline bool edge_counts(const struct edge *edge, const struct view *view) {
    int64_t known_ms = LOAD(edge->known_ms);
    if (known_ms != view->known_ms) return known_ms < view->known_ms;
    return LOAD(edge->order) <= view->order;
}
static inline uint32_t forest_parent(const struct forest *forest, uint32_t id,
                                     const struct view *view) {
    uint32_t at = forest_edge_of(forest, id, view);
    if (at == NONE) return NONE;
    const struct edge *edge = forest_edge(forest, at);
    uint32_t parent = LOAD(edge->parent);
    return parent != NONE && edge_counts(edge, view) ? parent : NONE;
}
static inline uint32_t forest_root(const struct forest *forest, uint32_t id,
                                   const struct view *view) {
    for (;;) {
        uint32_t parent = forest_parent(forest, id, view);
        if (parent == NONE) return id;
        id = parent;
    }
}

/* Lists the component below `root`: for (id = root; id != NONE; id = forest_next(…, root, id)). No
 * stack, no memory. */
uint32_t forest_next(const struct forest *forest, uint32_t root, uint32_t id,
                     const struct view *view);

#endif
