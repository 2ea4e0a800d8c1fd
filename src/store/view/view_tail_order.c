/* SPDX-License-Identifier: Apache-2.0 */
#include "store/view/view_tail_order.h"

#include "base/memory.h"

void view_tail_order_destroy(struct view_tail_order *order) {
    if (order == NULL) return;
    for (uint32_t p = 0; p < order->part_count; p++) {
        memory_free(order->parts[p].starts);
        memory_free(order->parts[p].references);
    }
    memory_free(order->customer);
    memory_free(order);
}

/* A persona that the directory does not know stands for itself. */
static inline uint32_t customer_of(const struct view_tail_order *order, uint32_t persona) {
    return order->customer != NULL && persona < order->persona_count ? order->customer[persona]
                                                                     : persona;
}

static enum status find_customers(struct view_tail_order *order, const struct version *version) {
    const struct customer_directory *directory = version->directory;
    if (directory == NULL) return STATUS_OK;
    order->persona_count = directory->ops->persona_count(directory, order->as_of.position);
    order->customer = memory_alloc(((size_t)order->persona_count + 1) * sizeof *order->customer);
    if (order->customer == NULL) return STATUS_NO_MEMORY;
    directory->ops->snapshot(directory, order->as_of, order->customer, order->persona_count);
    return STATUS_OK;
}

static void find_bound(struct view_tail_order *order, const struct tail *tail) {
    struct tail_cursor cursor;
    const struct tail_row *row;
    tail_walk(&cursor, tail, order->as_of.position);
    while ((row = tail_next(&cursor)) != NULL) {
        uint32_t now = customer_of(order, row->persona);
        if (now != ID_NONE && now >= order->customer_bound) order->customer_bound = now + 1;
    }
}

/* Counts, sums up, and puts each row where its customer's next one goes: then a start stands where
 * the customer behind it began, one place too far. */
static enum status fill_part(struct view_tail_order *order, const struct tail *tail) {
    struct view_tail_part *part = &order->parts[order->part_count];
    size_t places = (size_t)order->customer_bound + 2;
    uint32_t *starts = part->starts = memory_calloc(places, sizeof *starts);
    part->tail = tail;
    order->part_count++;
    if (starts == NULL) return STATUS_NO_MEMORY;
    struct tail_cursor cursor;
    const struct tail_row *row;
    tail_walk(&cursor, tail, order->as_of.position);
    while ((row = tail_next(&cursor)) != NULL) {
        uint32_t now = customer_of(order, row->persona);
        if (now != ID_NONE) starts[now + 2]++;
    }
    for (size_t i = 2; i < places; i++) starts[i] += starts[i - 1];
    part->references = memory_alloc(((size_t)starts[places - 1] + 1) * sizeof *part->references);
    if (part->references == NULL) return STATUS_NO_MEMORY;
    tail_walk(&cursor, tail, order->as_of.position);
    while ((row = tail_next(&cursor)) != NULL) {
        uint32_t now = customer_of(order, row->persona);
        if (now != ID_NONE) part->references[starts[now + 1]++] = cursor.reference;
    }
    return STATUS_OK;
}

static enum status order_create(struct view_tail_order **out, const struct version *version,
                                struct as_of as_of) {
    struct view_tail_order *order = memory_calloc(1, sizeof *order);
    if (order == NULL) return STATUS_NO_MEMORY;
    order->as_of = as_of;
    order->holders = 1;
    enum status status = find_customers(order, version);
    for (uint32_t t = 0; status == STATUS_OK && t < version->tail_count; t++)
        find_bound(order, version->tails[t]);
    for (uint32_t t = 0; status == STATUS_OK && t < version->tail_count; t++)
        status = fill_part(order, version->tails[t]);
    if (status != STATUS_OK) {
        view_tail_order_destroy(order);
        return status;
    }
    *out = order;
    return STATUS_OK;
}

/* Under the lock. One that nobody holds goes with its replacement. */
static void replace(struct version *version, struct view_tail_order *order) {
    if (version->order != NULL && version->order->holders == 0)
        view_tail_order_destroy(version->order);
    version->order = order;
}

enum status view_tail_order_hold(struct view_tail_order **out, struct version *version,
                                 struct as_of as_of) {
    enum status status = STATUS_OK;
    pthread_mutex_lock(&version->order_lock);
    struct view_tail_order *order = version->order;
    if (order != NULL && order->as_of.t_ms == as_of.t_ms &&
        order->as_of.position == as_of.position) {
        order->holders++;
    } else {
        status = order_create(&order, version, as_of);
        if (status == STATUS_OK) replace(version, order);
    }
    pthread_mutex_unlock(&version->order_lock);
    if (status == STATUS_OK) *out = order;
    return status;
}

void view_tail_order_drop(struct version *version, struct view_tail_order *order) {
    if (order == NULL) return;
    pthread_mutex_lock(&version->order_lock);
    bool is_gone = --order->holders == 0 && version->order != order;
    pthread_mutex_unlock(&version->order_lock);
    if (is_gone) view_tail_order_destroy(order);
}
