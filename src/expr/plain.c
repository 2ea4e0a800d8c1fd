/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/plain.h"

#include "base/memory.h"
#include "expr/aggregate.h"

#define TYPES_MAX   32
#define WINDOWS_MAX 32

struct plain_item {
    const struct expr_program *program;
    const struct aggregate *aggregate;
    uint32_t index;
    uint32_t type, window; /* in the plan */
};

struct expr_plain {
    uint16_t types[TYPES_MAX];
    const struct aggregate *windows[WINDOWS_MAX]; /* one of those that ask for it */
    uint32_t type_count, window_count, item_count;
    struct plain_item items[];
};

/* Its place among the types; false where there is no room. */
static bool type_of(struct expr_plain *plain, uint16_t type, uint32_t *at) {
    for (*at = 0; *at < plain->type_count; ++*at) {
        if (plain->types[*at] == type) return true;
    }
    if (*at == TYPES_MAX) return false;
    plain->types[plain->type_count++] = type;
    return true;
}

static bool window_of(struct expr_plain *plain, const struct aggregate *aggregate, uint32_t *at) {
    for (*at = 0; *at < plain->window_count; ++*at) {
        const struct aggregate *other = plain->windows[*at];
        if (other->window == aggregate->window && other->window_ms == aggregate->window_ms &&
            other->ending_ms == aggregate->ending_ms)
            return true;
    }
    if (*at == WINDOWS_MAX) return false;
    plain->windows[plain->window_count++] = aggregate;
    return true;
}

static bool add(struct expr_plain *plain, const struct expr_program *program, uint32_t index) {
    if (program == NULL || program->single_aggregate == UINT32_MAX) return false;
    const struct aggregate *aggregate = &program->aggregates[program->single_aggregate];
    struct plain_item item = {.program = program, .aggregate = aggregate, .index = index};
    if (!aggregate->may_be_fast || aggregate->window == WINDOW_VISITS) return false;
    /* A list lies in the scratch, which is the caller's to clear. */
    if (aggregate->kind == AGGREGATE_LIST || aggregate->kind == AGGREGATE_DISTINCT ||
        aggregate->kind == AGGREGATE_OVERDUE)
        return false;
    if (!type_of(plain, aggregate->rows.types[0], &item.type) ||
        !window_of(plain, aggregate, &item.window))
        return false;
    plain->items[plain->item_count++] = item;
    return true;
}

enum status expr_plain_create(struct expr_plain **out, const struct expr_program *const *programs,
                              uint32_t count, bool *is_plain) {
    struct expr_plain *plain =
        memory_calloc(1, sizeof *plain + (size_t)count * sizeof *plain->items);
    *out = plain;
    if (plain == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) is_plain[i] = add(plain, programs[i], i);
    return STATUS_OK;
}

void expr_plain_destroy(struct expr_plain *plain) {
    memory_free(plain);
}

static struct value answer(struct eval *eval, const struct plain_item *item, uint64_t rows,
                           struct window window) {
    struct value value;
    struct type_rows_walk walk = {.rows = rows};
    if (!aggregate_of_rows(eval, item->aggregate, &walk, window, &value))
        return aggregate_eval(eval, item->aggregate);
    return window.cut ? aggregate_of_cut(eval, item->aggregate, value) : value;
}

bool expr_plain_eval(const struct expr_plain *plain, struct expr_env *env, const bool *wanted,
                     struct value *values, bool *limited) {
    const struct timeline *timeline = env->timeline;
    uint64_t types[TYPES_MAX], rows[WINDOWS_MAX];
    struct window windows[WINDOWS_MAX];
    struct eval eval = {.env = env, .timeline = timeline};
    if (timeline->count > TYPE_ROWS_MAX || timeline->known_ms || timeline->superseded_ms)
        return false;
    for (uint32_t i = 0; i < plain->type_count; i++)
        types[i] = type_rows(timeline->type, timeline->count, plain->types[i]);
    for (uint32_t i = 0; i < plain->window_count; i++) {
        windows[i] = aggregate_window(&eval, plain->windows[i]);
        rows[i] = type_rows_between(UINT64_MAX, windows[i].low, windows[i].high);
    }
    for (uint32_t i = 0; i < plain->item_count; i++) {
        const struct plain_item *item = &plain->items[i];
        if (wanted != NULL && !wanted[item->index]) continue;
        eval.program = item->program;
        env->limit_reached = false;
        values[item->index] =
            answer(&eval, item, types[item->type] & rows[item->window], windows[item->window]);
        limited[item->index] = env->limit_reached;
    }
    return true;
}
