/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/related.h"

#include "profile/consent.h"

void related_init(struct related_walk *walk, const struct world *world) {
    *walk = (struct related_walk){.world = world};
}

void related_release(struct related_walk *walk) {
    if (walk->reader != NULL) walk->world->source->ops->reader_close(walk->reader);
    walk->reader = NULL;
}

static bool consents(const struct related_walk *walk, const struct timeline *timeline,
                     int64_t t_ms) {
    struct text purpose = walk->world->playbook->relation_purpose;
    if (purpose.length == 0) return true;
    struct value state = consent_at(timeline, t_ms, purpose);
    return state.type == VALUE_YES_NO && state.yes;
}

/* A reader opened earlier may be pinned below what this evaluation is as of; then it is opened
 * anew. */
static enum status reader_for(struct related_walk *walk) {
    struct timeline_source *source = walk->world->source;
    uint64_t wanted = walk->request.as_of.position;
    if (walk->reader != NULL &&
        (wanted == POSITION_NOW || source->ops->position(walk->reader) < wanted)) {
        related_release(walk);
    }
    if (walk->reader != NULL) return STATUS_OK;
    return source->ops->reader_open(source, &walk->reader, NULL);
}

/* Row `row` says that the customer is related by `kind`; `to` is copied into `name`. */
static bool relates(const struct timeline *timeline, uint32_t row, struct text kind, char *name,
                    struct text *to) {
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) return false;
    struct value is = packed_find(packed, PROPERTY_KIND);
    struct value target = packed_find(packed, PROPERTY_TO);
    if (is.type != VALUE_TEXT || !text_equal(is.text, kind)) return false;
    if (target.type != VALUE_TEXT || target.text.length > IDENTIFIER_BYTES_MAX) return false;
    memcpy(name, target.text.at, target.text.length);
    *to = (struct text){name, target.text.length};
    struct value state = packed_find(packed, PROPERTY_STATE);
    bool ended = (state.type == VALUE_YES_NO && !state.yes) ||
                 (state.type == VALUE_TEXT && text_equal_ignoring_case(state.text, TEXT("no")));
    return !ended;
}

/* A later word about the same relation overrules this one. */
static bool is_overruled(const struct timeline *timeline, uint32_t row, int64_t t_ms,
                         struct text kind, struct text to) {
    uint32_t end = timeline_upper_bound(timeline, t_ms);
    for (uint32_t later = row + 1; later < end; later++) {
        if (timeline->type[later] != EVENT_RELATED || !timeline_known(timeline, later, t_ms))
            continue;
        struct text packed;
        if (timeline->ops->packed(timeline, later, &packed) != STATUS_OK) return true;
        struct value is = packed_find(packed, PROPERTY_KIND),
                     target = packed_find(packed, PROPERTY_TO);
        if (is.type == VALUE_TEXT && target.type == VALUE_TEXT && text_equal(is.text, kind) &&
            text_equal(target.text, to)) {
            return true;
        }
    }
    return false;
}

static bool seen_before(struct related_walk *walk, struct customer_id customer) {
    for (uint32_t i = 0; i < walk->seen_count; i++) {
        if (walk->seen[i].value == customer.value) return true;
    }
    if (walk->seen_count < EXPR_RELATED_MAX_DEFAULT) walk->seen[walk->seen_count++] = customer;
    return false;
}

static enum status read_related(struct related_walk *walk, struct text to, int64_t t_ms,
                                struct timeline *out) {
    const struct world *world = walk->world;
    struct as_of as_of = {t_ms, walk->request.as_of.position};
    struct customer_id customer;
    if (world->customer_of_identifier == NULL ||
        !world->customer_of_identifier(world->context, to, as_of, &customer)) {
        return STATUS_NOT_FOUND;
    }
    if (customer.value == walk->customer->customer.value || seen_before(walk, customer))
        return STATUS_NOT_FOUND;
    enum status status = reader_for(walk);
    if (status != STATUS_OK) return status;
    struct timeline_request request = walk->request;
    request.as_of = as_of;
    request.columns = walk->columns;
    status = world->source->ops->read(walk->reader, customer, &request, out, NULL);
    if (status != STATUS_OK) return status;
    return consents(walk, out, t_ms) ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status related_next(struct related_walk *walk, uint32_t relation, int64_t t_ms,
                         uint64_t *cursor, struct timeline *out) {
    const struct timeline *customer = walk->customer;
    struct text kind = walk->world->playbook->relations[relation];
    if (*cursor == 0) {
        walk->seen_count = 0;
        walk->may_share = consents(walk, customer, t_ms);
    }
    if (!walk->may_share) return STATUS_END;
    uint32_t end = timeline_upper_bound(customer, t_ms);
    for (uint64_t row = *cursor; row < end; row++) {
        if (customer->type[row] != EVENT_RELATED || !timeline_known(customer, (uint32_t)row, t_ms))
            continue;
        char name[IDENTIFIER_BYTES_MAX];
        struct text to;
        if (!relates(customer, (uint32_t)row, kind, name, &to)) continue;
        if (is_overruled(customer, (uint32_t)row, t_ms, kind, to)) continue;
        enum status status = read_related(walk, to, t_ms, out);
        *cursor = row + 1;
        if (status == STATUS_OK) return STATUS_OK;
        if (status == STATUS_NO_MEMORY) return status;
    }
    *cursor = UINT64_MAX;
    return STATUS_END;
}
