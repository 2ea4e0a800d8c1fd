/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/claims.h"

#include "engine/engine_internal.h"

static const struct as_of now = {INT64_MAX, POSITION_NOW};

static bool is_customer(struct text whose) {
    return whose.length > 1 && (whose.at[0] == 'C' || whose.at[0] == 'c') &&
           memchr(whose.at, ':', whose.length) == NULL;
}

static enum status read_whose(struct engine *engine, struct text whose, struct claims_scope *out,
                              struct error *error) {
    if (whose.length == 0) return STATUS_OK;
    if (is_customer(whose))
        return identity_parse_customer(engine->identity, engine->symbols, whose, now,
                                       &out->customer, error);
    return engine_find_identifier(engine, whose, &out->identifier, error);
}

static enum status read_source(struct engine *engine, struct text source, struct claims_scope *out,
                               struct error *error) {
    if (source.length == 0) return STATUS_OK;
    out->source = symbol_find(engine->symbols, SYMBOL_SOURCE, source);
    if (out->source != SYMBOL_NONE) return STATUS_OK;
    return error_set(error, STATUS_NOT_FOUND, "there is no source %.*s", TEXT_ARG(source));
}

static enum status read_scope(struct engine *engine, const struct engine_claims_scope *scope,
                              struct claims_scope *out, struct error *error) {
    *out =
        (struct claims_scope){{ID_NONE}, {ID_NONE}, SYMBOL_NONE, scope->from_ms, scope->until_ms};
    enum status status = read_whose(engine, scope->whose, out, error);
    return status == STATUS_OK ? read_source(engine, scope->source, out, error) : status;
}

struct withdrawing {
    const struct engine_claims_scope *scope;
    bool restore;
    uint64_t *count;
};

static enum status withdraw_some(struct engine *engine, const struct claims_scope *scope,
                                 const struct withdrawing *wanted, bool *more,
                                 struct error *error) {
    struct identity_result result;
    struct event_batch batch;
    uint32_t count;
    enum status status =
        identity_claims_withdraw(engine->identity, scope, wanted->restore, engine_now_ms(engine),
                                 store_position(engine->store), &result, &count, more, error);
    if (status != STATUS_OK || count == 0) return status;
    event_batch_init(&batch);
    status = engine_append_change(engine, &batch, &result, (struct text){0}, true, error);
    if (status == STATUS_OK)
        identity_commit(engine->identity);
    else
        identity_undo(engine->identity);
    event_batch_release(&batch);
    if (status == STATUS_OK) *wanted->count += count;
    return status;
}

/* The applier's. */
static enum status withdraw(struct engine *engine, void *context, struct error *error) {
    const struct withdrawing *wanted = context;
    struct claims_scope scope;
    bool more = true;
    enum status status = read_scope(engine, wanted->scope, &scope, error);
    while (status == STATUS_OK && more)
        status = withdraw_some(engine, &scope, wanted, &more, error);
    return status;
}

enum status engine_claims_withdraw(struct engine *engine, const struct engine_claims_scope *scope,
                                   bool restore, uint64_t *count, struct error *error) {
    struct withdrawing wanted = {scope, restore, count};
    *count = 0;
    return applier_call(engine->applier, withdraw, &wanted, error);
}

enum status engine_claims_visit(struct engine *engine, const struct engine_claims_scope *scope,
                                bool (*visit)(void *context, const struct identity_link *link),
                                void *context, struct error *error) {
    struct claims_scope read;
    enum status status = read_scope(engine, scope, &read, error);
    if (status == STATUS_OK) identity_claims_visit(engine->identity, &read, visit, context);
    return status;
}
