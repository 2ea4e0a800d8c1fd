/* SPDX-License-Identifier: Apache-2.0 */
/* What the present row's sender is believed: by source and key, by a signed token, and not at all
 * where it is a program that reads pages. */
#include "base/hash.h"
#include "ingest/map/mapper.h"
#include "ingest/map/segment.h"
#include "ingest/map/user_token.h"

#define AGENT_BYTES_MAX 1024u

/* A member of a message's context, or of what its batch says for all. */
static struct text context_text(const struct mapper *mapper, struct text path) {
    struct json_node node;
    if (json_get_path(mapper->message_node, path, &node) && json_type(node) == JSON_TEXT)
        return json_text(node);
    if (json_get_path(mapper->root, path, &node) && json_type(node) == JSON_TEXT)
        return json_text(node);
    return (struct text){0};
}

/* ---- programs ---- */

static bool is_of_bot(const struct playbook *playbook, struct text agent) {
    char small[AGENT_BYTES_MAX];
    if (agent.length > sizeof small) agent.length = sizeof small;
    for (uint32_t i = 0; i < agent.length; i++)
        small[i] =
            agent.at[i] >= 'A' && agent.at[i] <= 'Z' ? (char)(agent.at[i] + 32) : agent.at[i];
    for (uint32_t i = 0; i < playbook->bot_count; i++)
        if (text_contains((struct text){small, agent.length}, playbook->bots[i])) return true;
    return false;
}

/* The events of a page come with one user agent, and those of a site with a few hundred: what was
 * found of the last ones is remembered. */
static bool says_bot(struct mapper *mapper) {
    const struct playbook *playbook = mapper->plan->playbook;
    if (playbook->bot_count == 0 || !segment_is_message(mapper)) return false;
    struct text agent = context_text(mapper, TEXT("context.userAgent"));
    if (agent.length == 0) return false;
    uint64_t hash = hash_text(agent, 0) | 1;
    struct mapper_agent *set = mapper->agents[(hash >> 32) % MAPPER_AGENT_SETS];
    for (uint32_t way = 0; way < MAPPER_AGENT_WAYS; way++)
        if (set[way].hash == hash) return set[way].is_bot;
    memmove(set + 1, set, (MAPPER_AGENT_WAYS - 1) * sizeof *set); /* the oldest goes */
    set[0] = (struct mapper_agent){hash, is_of_bot(playbook, agent)};
    return set[0].is_bot;
}

/* ---- signed tokens ---- */

static bool has_token(struct mapper *mapper) {
    struct text secret = mapper->plan->token_secret, user;
    if (secret.length == 0 || !segment_is_message(mapper)) return false;
    struct text token = context_text(mapper, TEXT("context.attune_token"));
    if (token.length == 0) return false;
    enum status status = segment_user_id(mapper, &user);
    return status == STATUS_OK && user_token_is_good(token, secret, user, mapper->now_ms);
}

/* The sender's key says so, or said so when the row came the first time. */
static bool is_of_public_key(const struct mapper *mapper) {
    return mapper->live.is_public || text_starts_with(mapper->line_text, MAPPER_PUBLIC_MARK);
}

enum status mapper_mark_raw(const struct mapper *mapper, struct buffer *raw) {
    struct text mark = MAPPER_PUBLIC_MARK;
    bool is_needed = is_of_public_key(mapper) && raw->length > 1 && raw->at[0] == '{' &&
                     !text_starts_with(buffer_text(raw), mark);
    if (!is_needed) return STATUS_OK;
    enum status status = buffer_reserve(raw, mark.length);
    if (status != STATUS_OK) return status;
    memmove(raw->at + mark.length, raw->at + 1, raw->length - 1);
    memcpy(raw->at, mark.at, mark.length);
    raw->length += mark.length - 1;
    return STATUS_OK;
}

enum event_trust mapper_trust(struct mapper *mapper) {
    const struct source *source = mapper->plan->source;
    bool is_public = source->is_public || is_of_public_key(mapper);
    mapper->is_bot = says_bot(mapper);
    mapper->is_vouched = is_public && !mapper->is_bot && has_token(mapper);
    if (!is_public || mapper->is_vouched) return EVENT_VERIFIED;
    bool may_claim = !source->no_claims && !mapper->live.no_claims && !mapper->is_bot;
    return may_claim ? EVENT_PUBLIC : EVENT_PUBLIC_NO_CLAIMS;
}

/* In a source that is public itself nothing else is to be kept apart. */
void mapper_part_keys(const struct mapper *mapper, struct event *event) {
    const uint64_t apart = UINT64_C(0x7075626C69636B79);
    if (event->trust == EVENT_VERIFIED || mapper->plan->source->is_public ||
        row_key_is_none(event->key))
        return;
    event->key.low = hash_u64(event->key.low ^ apart);
    event->key.high = (uint32_t)hash_u64(event->key.high ^ apart);
    if (event->key.low == 0) event->key.low = 1;
}

/* ---- what a page can't say ---- */

/* Records, relations, what this program says itself, and what only the sender of a message knows.
 * What a page shows and what is clicked there it can tell. A consent and an opt-in are kept: a no
 * holds, and profile/consent.h leaves a yes out. */
static bool is_beyond_public(uint32_t type) {
    switch (type) {
    case EVENT_CUSTOMER_RECORD:
    case EVENT_DECISION_MADE:
    case EVENT_TREATMENT_DELIVERED:
    case EVENT_TREATMENT_FAILED:
    case EVENT_CUSTOMER_MERGED:
    case EVENT_CUSTOMER_SPLIT:
    case EVENT_RELATED:
    case EVENT_ERASED: return true;
    default: return false;
    }
}

/* Gives the event a name that nobody declares: it is stored, and nothing uses it. */
static enum status darken(struct mapper *mapper, struct event *event, const char *prefix) {
    struct text name = event->type == EVENT_UNDECLARED
                           ? mapper->event_word
                           : symbol_text(mapper->plan->symbols, SYMBOL_EVENT, event->type);
    char *word = arena_format(&mapper->scratch, "%s: %.*s", prefix, TEXT_ARG(name));
    if (word == NULL) return STATUS_NO_MEMORY;
    mapper->event_word = text_from(word);
    if (mapper->event_word.length > SYMBOL_BYTES_MAX) mapper->event_word.length = SYMBOL_BYTES_MAX;
    while (!text_is_utf8(mapper->event_word)) mapper->event_word.length--;
    event->type = EVENT_UNDECLARED;
    return STATUS_OK;
}

enum status mapper_distrust(struct mapper *mapper, struct event *event) {
    if (mapper->is_bot) return darken(mapper, event, MAPPER_BOT);
    if (event->trust == EVENT_VERIFIED || !is_beyond_public(event->type)) return STATUS_OK;
    return darken(mapper, event, MAPPER_CLAIMED);
}

/* ---- whom a row may name ---- */

bool mapper_may_name(const struct mapper *mapper, const struct plan_identifier *identifier) {
    return !mapper->is_vouched || text_equal(identifier->field.name, TEXT("userId")) ||
           text_equal(identifier->field.name, TEXT("anonymousId"));
}

enum status mapper_check_device(struct mapper *mapper, const struct event *event) {
    const struct plan *plan = mapper->plan;
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *given = &mapper->batch->identifiers[event->identifier + i];
        for (uint32_t rule = 0; rule < plan->playbook->identifier_count; rule++) {
            const struct identifier_rule *known = &plan->playbook->identifiers[rule];
            if (known->symbol != given->type || !known->device || given->if_known) continue;
            if (plan->usable == NULL ||
                plan->usable(plan->usable_context, rule,
                             event_batch_text(mapper->batch, given->offset, given->length)))
                return STATUS_OK;
        }
    }
    return mapper_bad(mapper, COLUMN_NONE,
                      "no device: the source is public, so its events belong to a device "
                      "(anonymousId, a cookie), and this one names none");
}
