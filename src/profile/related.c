/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/related.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "profile/consent.h"

void related_init(struct related_walk *walk, const struct customer_data *data,
                  struct permission_names *names) {
    *walk = (struct related_walk){.data = data, .names_found = names};
    buffer_init(&walk->names);
}

static void close_reader(struct related_walk *walk) {
    if (walk->reader != NULL) walk->data->source->ops->reader_close(walk->reader);
    walk->reader = NULL;
}

void related_release(struct related_walk *walk) {
    close_reader(walk);
    buffer_release(&walk->names);
    memory_free(walk->relations);
    memory_free(walk->seen);
    *walk = (struct related_walk){.data = walk->data};
}

void related_rest(struct related_walk *walk) {
    close_reader(walk);
}

static bool consents(const struct related_walk *walk, const struct timeline *timeline,
                     int64_t t_ms) {
    struct text purpose = walk->data->playbook->relation_purpose;
    if (purpose.length == 0) return true;
    struct permission permission = {.data = walk->data,
                                    .timeline = timeline,
                                    .t_ms = t_ms,
                                    .position = walk->request.as_of.position,
                                    .names = walk->names_found};
    struct value state = consent_at(&permission, purpose);
    return state.type == VALUE_YES_NO && state.yes;
}

/* Opens a reader. One that was opened earlier may be pinned below the position of this request;
 * then it is opened again. */
static enum status reader_for(struct related_walk *walk) {
    struct timeline_source *source = walk->data->source;
    uint64_t wanted = walk->request.as_of.position;
    if (walk->reader != NULL &&
        (wanted == POSITION_NOW || source->ops->position(walk->reader) < wanted)) {
        close_reader(walk);
    }
    if (walk->reader != NULL) return STATUS_OK;
    return source->ops->reader_open(source, &walk->reader, NULL);
}

/* ---- which relations hold ---- */

/* Is row a word about a relation of this kind? The target is borrowed until the next row. */
static bool relates(const struct timeline *timeline, uint32_t row, struct text kind,
                    struct relation *out) {
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) return false;
    struct value is = packed_find(packed, PROPERTY_KIND);
    struct value target = packed_find(packed, PROPERTY_TO);
    if (is.type != VALUE_TEXT || !text_equal(is.text, kind)) return false;
    if (target.type != VALUE_TEXT || target.text.length > IDENTIFIER_BYTES_MAX) return false;
    struct value state = packed_find(packed, PROPERTY_STATE);
    bool ended = (state.type == VALUE_YES_NO && !state.yes) ||
                 (state.type == VALUE_TEXT && text_equal_ignoring_case(state.text, TEXT("no")));
    *out = (struct relation){hash_text(target.text, 0), target.text, row, ended};
    return true;
}

/* The words about one target stand together, the newest last. */
static int by_target(const void *a, const void *b) {
    const struct relation *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->to.length != y->to.length) return x->to.length < y->to.length ? -1 : 1;
    int order = memcmp(x->to.at, y->to.at, x->to.length);
    return order != 0 ? order : (x->row > y->row) - (x->row < y->row);
}

static int by_row(const void *a, const void *b) {
    const struct relation *x = a, *y = b;
    return (x->row > y->row) - (x->row < y->row);
}

static bool same_target(const struct relation *a, const struct relation *b) {
    return a->hash == b->hash && text_equal(a->to, b->to);
}

/* Every word about a relation of this kind. Names lie in the buffer by offset until it stops
 * growing. */
static enum status collect(struct related_walk *walk, struct text kind, int64_t t_ms) {
    const struct timeline *customer = walk->customer;
    uint32_t end = timeline_upper_bound(customer, t_ms);
    walk->relation_count = 0;
    buffer_clear(&walk->names);
    for (uint32_t row = 0; row < end; row++) {
        struct relation relation;
        if (customer->type[row] != EVENT_RELATED || !timeline_known(customer, row, t_ms)) continue;
        if (!relates(customer, row, kind, &relation)) continue;
        enum status status = memory_grow((void **)&walk->relations, &walk->relation_capacity,
                                         walk->relation_count + 1, sizeof *walk->relations);
        if (status == STATUS_OK)
            status = buffer_append(&walk->names, relation.to.at, relation.to.length);
        if (status != STATUS_OK) return status;
        walk->relations[walk->relation_count++] = relation;
    }
    const char *at = walk->names.at;
    for (size_t i = 0; i < walk->relation_count; i++) {
        walk->relations[i].to.at = at;
        at += walk->relations[i].to.length;
    }
    return STATUS_OK;
}

/* Begins a walk. Of the words about one target the newest counts, and it may end the relation. */
static enum status begin(struct related_walk *walk, struct text kind, int64_t t_ms) {
    enum status status = collect(walk, kind, t_ms);
    if (status != STATUS_OK || walk->relation_count == 0) return status;
    struct relation *relations = walk->relations;
    size_t kept = 0;
    qsort(relations, walk->relation_count, sizeof *relations, by_target);
    for (size_t i = 0; i < walk->relation_count; i++) {
        bool newest =
            i + 1 == walk->relation_count || !same_target(&relations[i], &relations[i + 1]);
        if (newest && !relations[i].ended) relations[kept++] = relations[i];
    }
    qsort(relations, kept, sizeof *relations, by_row);
    walk->relation_count = kept;
    return STATUS_OK;
}

/* ---- customers seen ---- */

static uint32_t *seen_place(const struct related_walk *walk, uint32_t customer) {
    uint32_t mask = (1u << walk->seen_bits) - 1, at = (uint32_t)hash_u64(customer) & mask;
    while (walk->seen[at] != ID_NONE && walk->seen[at] != customer) at = (at + 1) & mask;
    return &walk->seen[at];
}

static void forget_seen(struct related_walk *walk) {
    if (walk->seen != NULL) memset(walk->seen, 0xff, sizeof *walk->seen << walk->seen_bits);
    walk->seen_count = 0;
}

static enum status need_room(struct related_walk *walk) {
    if (walk->seen != NULL && walk->seen_count < (1u << walk->seen_bits) / 2) return STATUS_OK;
    uint32_t *old = walk->seen, old_size = old != NULL ? 1u << walk->seen_bits : 0;
    uint32_t bits = old != NULL ? walk->seen_bits + 1 : 4;
    uint32_t *larger = memory_alloc(sizeof *larger << bits);
    if (larger == NULL) return STATUS_NO_MEMORY;
    memset(larger, 0xff, sizeof *larger << bits);
    walk->seen = larger;
    walk->seen_bits = bits;
    for (uint32_t i = 0; i < old_size; i++) {
        if (old[i] != ID_NONE) *seen_place(walk, old[i]) = old[i];
    }
    memory_free(old);
    return STATUS_OK;
}
_Static_assert(ID_NONE == UINT32_MAX, "the table of customers seen is cleared with 0xff");

/* Notes a customer. STATUS_EXISTS where it was noted before. */
static enum status see(struct related_walk *walk, struct customer_id customer) {
    enum status status = need_room(walk);
    if (status != STATUS_OK) return status;
    uint32_t *place = seen_place(walk, customer.value);
    if (*place != ID_NONE) return STATUS_EXISTS;
    *place = customer.value;
    walk->seen_count++;
    return STATUS_OK;
}

/* ---- the walk ---- */

static enum status read_related(struct related_walk *walk, struct text to, int64_t t_ms,
                                struct timeline *out) {
    const struct customer_data *data = walk->data;
    struct as_of as_of = {t_ms, walk->request.as_of.position};
    struct customer_id customer;
    if (data->customer_of_identifier == NULL ||
        !data->customer_of_identifier(data->context, to, as_of, &customer)) {
        return STATUS_NOT_FOUND;
    }
    if (customer.value == walk->customer->customer.value) return STATUS_NOT_FOUND;
    enum status status = see(walk, customer);
    if (status == STATUS_OK) status = reader_for(walk);
    if (status != STATUS_OK) return status;
    struct timeline_request request = walk->request;
    request.as_of = as_of;
    request.columns = walk->columns;
    status = data->source->ops->read(walk->reader, customer, &request, out, NULL);
    if (status != STATUS_OK) return status;
    return consents(walk, out, t_ms) ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status related_next(struct related_walk *walk, uint32_t relation, int64_t t_ms,
                         uint64_t *cursor, struct timeline *out) {
    if (*cursor == 0) {
        walk->relation_count = 0;
        forget_seen(walk);
        if (!consents(walk, walk->customer, t_ms)) return STATUS_END;
        enum status status = begin(walk, walk->data->playbook->relations[relation], t_ms);
        if (status != STATUS_OK) return status;
    }
    while (*cursor < walk->relation_count) {
        struct text to = walk->relations[(*cursor)++].to;
        enum status status = read_related(walk, to, t_ms, out);
        if (status == STATUS_OK || status == STATUS_NO_MEMORY) return status;
    }
    *cursor = UINT64_MAX;
    /* A timeline that was cut lacks its oldest relations. */
    return walk->customer->truncated ? STATUS_LIMIT : STATUS_END;
}
