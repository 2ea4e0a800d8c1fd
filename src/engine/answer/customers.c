/* SPDX-License-Identifier: Apache-2.0 */
/* One customer: found, taken apart. */
#include <stdio.h>

#include "base/memory.h"
#include "engine/engine_internal.h"

/* A bare value is looked for under every identifier type of the playbook. */
static enum status find_bare(const struct in_force *in_force, struct text name, struct as_of as_of,
                             struct customer_id *out, struct error *error) {
    const struct engine *engine = in_force->engine;
    const struct playbook *playbook = in_force->data.playbook;
    uint32_t found = 0;
    struct customer_id first = {ID_NONE};
    for (uint32_t i = 0; playbook != NULL && i < playbook->identifier_count; i++) {
        struct customer_id customer;
        if (identity_find_customer(engine->identity, playbook->identifiers[i].symbol, name, as_of,
                                   &customer) != STATUS_OK)
            continue;
        if (found == 0 || customer.value != first.value) found++;
        first = customer;
    }
    if (found > 1)
        return error_set(error, STATUS_INVALID,
                         "%.*s names several customers; say its type, as in TYPE:%.*s",
                         TEXT_ARG(name), TEXT_ARG(name));
    if (found == 0)
        return error_set(
            error, STATUS_NOT_FOUND,
            "nobody is known as %.*s; try C123, or TYPE:VALUE such as email:a@b.example",
            TEXT_ARG(name));
    *out = first;
    return STATUS_OK;
}

enum status in_force_identifier_type(const struct in_force *in_force, struct text type,
                                     uint32_t *out, struct error *error) {
    const struct playbook *playbook = in_force->data.playbook;
    struct text known[64];
    size_t count = 0;
    *out = symbol_find(in_force->data.symbols, SYMBOL_IDENTIFIER, type);
    if (*out != SYMBOL_NONE) return STATUS_OK;
    for (uint32_t i = 0; playbook != NULL && i < playbook->identifier_count && count < 64; i++)
        known[count++] = playbook->identifiers[i].name;
    return text_unknown(type, "there is no identifier type", known, count, error);
}

/* Is "TYPE" of "TYPE:VALUE" one that there is? */
static enum status check_type(const struct in_force *in_force, struct text name,
                              struct error *error) {
    const char *colon = memchr(name.at, ':', name.length);
    uint32_t type;
    if (colon == NULL || in_force->data.playbook == NULL) return STATUS_OK;
    struct text word = {name.at, (uint32_t)(colon - name.at)};
    return in_force_identifier_type(in_force, word, &type, error);
}

enum status in_force_find_customer(const struct in_force *in_force, struct text name,
                                   struct as_of as_of, struct customer_id *out,
                                   struct error *error) {
    const struct engine *engine = in_force->engine;
    struct error first = {0};
    if (check_type(in_force, name, error) != STATUS_OK) return STATUS_NOT_FOUND;
    enum status status =
        identity_parse_customer(engine->identity, engine->symbols, name, as_of, out, &first);
    if (status == STATUS_OK) return status;
    if (memchr(name.at, ':', name.length) != NULL) {
        if (error != NULL) *error = first;
        return status;
    }
    return find_bare(in_force, name, as_of, out, error);
}

enum status engine_find_customer(struct engine *engine, struct text name, struct as_of as_of,
                                 struct customer_id *out, struct error *error) {
    struct in_force *in_force = in_force_hold(engine);
    enum status status = in_force_find_customer(in_force, name, as_of, out, error);
    in_force_drop(in_force);
    return status;
}

enum status engine_find_identifier(struct engine *engine, struct text name,
                                   struct identifier_id *out, struct error *error) {
    const char *colon = memchr(name.at, ':', name.length);
    struct as_of now = {INT64_MAX, POSITION_NOW};
    if (colon == NULL)
        return error_set(error, STATUS_INVALID,
                         "say an identifier as TYPE:VALUE, for example cookie:%.*s",
                         TEXT_ARG(name));
    if (check_type(engine->own, name, error) != STATUS_OK) return STATUS_NOT_FOUND;
    struct text type = {name.at, (uint32_t)(colon - name.at)};
    struct text value = {colon + 1, name.length - type.length - 1};
    uint32_t symbol = symbol_find(engine->symbols, SYMBOL_IDENTIFIER, type);
    enum status status = symbol == SYMBOL_NONE
                             ? STATUS_NOT_FOUND
                             : identity_find(engine->identity, symbol, value, now, out);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, status, "no such identifier: %.*s", TEXT_ARG(name));
    return status;
}

struct unmerge {
    struct text identifier_a, identifier_b;
    struct engine_unmerged *out;
};

/* The applier's. */
static enum status unmerge(struct engine *engine, void *context, struct error *error) {
    const struct unmerge *wanted = context;
    struct engine_unmerged *out = wanted->out;
    struct identifier_id a, b = {ID_NONE};
    struct identity_result result;
    enum status status = engine_find_identifier(engine, wanted->identifier_a, &a, error);
    if (status == STATUS_OK && wanted->identifier_b.length > 0)
        status = engine_find_identifier(engine, wanted->identifier_b, &b, error);
    if (status != STATUS_OK) return status;
    status = identity_withdraw(engine->identity, a, b, false, engine_now_ms(engine),
                               store_position(engine->store), &result, error);
    if (status != STATUS_OK) return status;
    struct event_batch batch;
    event_batch_init(&batch);
    status = engine_append_change(engine, &batch, &result, (struct text){0}, true, error);
    if (status == STATUS_OK)
        identity_commit(engine->identity);
    else
        identity_undo(engine->identity);
    struct as_of now = {INT64_MAX, POSITION_NOW};
    *out = (struct engine_unmerged){identity_customer_of(engine->identity, a, now), {ID_NONE}};
    if (b.value != ID_NONE) out->other = identity_customer_of(engine->identity, b, now);
    event_batch_release(&batch);
    return status;
}

enum status engine_unmerge(struct engine *engine, struct text identifier_a,
                           struct text identifier_b, struct engine_unmerged *out,
                           struct error *error) {
    struct unmerge wanted = {identifier_a, identifier_b, out};
    return applier_call(engine->applier, unmerge, &wanted, error);
}
