/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/forest.h"

/* The first edge in a list of siblings that is its child's version in force and counts. */
static uint32_t first_child(const struct forest *forest, uint32_t at, const struct view *view) {
    for (; at; at = LOAD(forest_edge(forest, at - 1)->sibling)) {
        const struct edge *edge = forest_edge(forest, at - 1);
        if (!edge_counts(edge, view)) continue;
        if (forest_edge_of(forest, LOAD(edge->child), view) == at - 1) return LOAD(edge->child);
    }
    return NONE;
}

uint32_t forest_next(const struct forest *forest, uint32_t root, uint32_t id,
                     const struct view *view) {
    uint32_t child = first_child(forest, LOAD(forest_node(forest, id)->children), view);
    while (child == NONE && id != root) {
        uint32_t at = forest_edge_of(forest, id, view);
        if (at == NONE) return NONE; /* an undo is under way: the reader starts again */
        const struct edge *edge = forest_edge(forest, at);
        child = first_child(forest, LOAD(edge->sibling), view);
        id = LOAD(edge->parent);
        if (id == NONE) return NONE;
    }
    return child;
}
