/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a decision is asked for: placements, a count, and what is said of the moment. */
#include "base/json.h"
#include "base/memory.h"
#include "decide/placement.h"

#define CONTEXT_ARENA_BYTES_MAX (64u << 10)

void asked_init(struct asked *asked) {
    buffer_init(&asked->placement);
    buffer_init(&asked->context);
    arena_init(&asked->arena, CONTEXT_ARENA_BYTES_MAX);
}

/* ---- placements ---- */

static enum status unknown_placement(const struct playbook *playbook, struct text name,
                                     struct error *error) {
    struct text names[256];
    size_t count = playbook->placement_count < 256 ? playbook->placement_count : 256;
    for (size_t i = 0; i < count; i++) names[i] = playbook->placements[i].name;
    return text_unknown(name, "there is no placement", names, count, error);
}

static struct text next_name(struct text *names) {
    const char *comma = memchr(names->at, ',', names->length);
    uint32_t length = comma != NULL ? (uint32_t)(comma - names->at) : names->length;
    struct text name = text_trim((struct text){names->at, length});
    uint32_t skip = comma != NULL ? length + 1 : length;
    names->at += skip;
    names->length -= skip;
    return name;
}

static enum status add_placement(const struct playbook *playbook, struct text name,
                                 uint32_t out[DECISION_PLACEMENTS_MAX], uint32_t *count,
                                 struct error *error) {
    uint32_t index = playbook_placement_find(playbook, name);
    if (index == UINT32_MAX) return unknown_placement(playbook, name, error);
    for (uint32_t i = 0; i < *count; i++) {
        if (out[i] == index)
            return error_set(error, STATUS_INVALID,
                             "placement %.*s is asked for twice: name it once, with more slots in "
                             "the playbook where it has room for more",
                             TEXT_ARG(name));
    }
    if (*count == DECISION_PLACEMENTS_MAX)
        return error_set(error, STATUS_LIMIT,
                         "more than %d placements are asked for at once: make two requests",
                         DECISION_PLACEMENTS_MAX);
    out[(*count)++] = index;
    return STATUS_OK;
}

enum status decision_placements_read(const struct playbook *playbook, struct text names,
                                     uint32_t out[DECISION_PLACEMENTS_MAX], uint32_t *count,
                                     struct error *error) {
    enum status status = STATUS_OK;
    *count = 0;
    if (playbook->placement_count == 0 || names.length == 0) return STATUS_OK;
    do {
        status = add_placement(playbook, next_name(&names), out, count, error);
    } while (status == STATUS_OK && names.length > 0);
    return status;
}

static enum status check_slots(const struct playbook *playbook, const uint32_t *placements,
                               uint32_t count, uint32_t most, struct error *error) {
    uint32_t slots = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t has = playbook->placements[placements[i]].slots;
        slots += most > 0 && most < has ? most : has;
    }
    if (slots <= DECISION_SLOTS_MAX) return STATUS_OK;
    return error_set(error, STATUS_LIMIT,
                     "these placements have %u slots together, and one decision fills at most %d: "
                     "ask for fewer, or make two requests",
                     slots, DECISION_SLOTS_MAX);
}

/* Which routes may stand at which placement. */
static enum status note_routes(struct decider *decider, const uint32_t *placements,
                               uint32_t count) {
    const struct playbook *playbook = decider->data->playbook;
    struct asked *asked = &decider->asked;
    uint32_t routes = contact_route_count(&decider->history);
    if (asked->takes == NULL) {
        asked->takes = memory_calloc((size_t)DECISION_PLACEMENTS_MAX * routes + 1, sizeof(bool));
        asked->elsewhere = memory_calloc((size_t)routes + 1, sizeof(bool));
        if (asked->takes == NULL || asked->elsewhere == NULL) return STATUS_NO_MEMORY;
        asked->route_count = routes;
    }
    uint32_t route = 0;
    for (uint32_t a = 0; a < playbook->action_count; a++) {
        const struct action *action = &playbook->actions[a];
        for (uint32_t k = 0; k < action->channel_count; k++, route++) {
            asked->elsewhere[route] = true;
            for (uint32_t i = 0; i < count; i++) {
                bool takes = placement_takes(playbook, &playbook->placements[placements[i]], a,
                                             &action->channels[k]);
                asked->takes[(size_t)i * routes + route] = takes;
                asked->elsewhere[route] &= !takes;
            }
        }
    }
    return STATUS_OK;
}

static enum status read_placements(struct decider *decider, const struct decision_basis *basis,
                                   struct error *error) {
    const struct playbook *playbook = decider->data->playbook;
    struct asked *asked = &decider->asked;
    uint32_t placements[DECISION_PLACEMENTS_MAX], count;
    if (asked->count == basis->count &&
        text_equal(buffer_text(&asked->placement), basis->placement))
        return STATUS_OK;
    enum status status =
        decision_placements_read(playbook, basis->placement, placements, &count, error);
    if (status == STATUS_OK) status = check_slots(playbook, placements, count, basis->count, error);
    if (status != STATUS_OK) return status;
    buffer_clear(&asked->placement);
    status = buffer_append_text(&asked->placement, basis->placement);
    if (status == STATUS_OK && count > 0) status = note_routes(decider, placements, count);
    asked->count = basis->count;
    asked->placement_count = status == STATUS_OK ? count : 0;
    if (count > 0) memcpy(asked->placements, placements, count * sizeof *placements);
    if (status == STATUS_OK) return STATUS_OK;
    buffer_clear(&asked->placement); /* so that the same is read again when it is asked again */
    return error_set(error, status, "no memory for what is asked for");
}

/* ---- context ---- */

static enum status read_context(struct decider *decider, struct text context, struct error *error) {
    struct asked *asked = &decider->asked;
    if (decider->data->playbook->context_count == 0 ||
        text_equal(buffer_text(&asked->context), context))
        return STATUS_OK;
    buffer_clear(&asked->context);
    arena_clear(&asked->arena);
    profile_say(decider->profile, NULL);
    if (context.length == 0) return STATUS_OK;
    enum status status = decision_context_read(decider->data->playbook, context, &asked->parser,
                                               &asked->arena, asked->values);
    if (status == STATUS_OK) status = buffer_append_text(&asked->context, context);
    if (status != STATUS_OK) return error_set(error, status, "no memory to read the context");
    profile_say(decider->profile, asked->values);
    return STATUS_OK;
}

enum status asked_read(struct decider *decider, const struct decision_basis *basis,
                       struct error *error) {
    if (basis->context.length > DECISION_CONTEXT_BYTES_MAX)
        return error_set(error, STATUS_LIMIT,
                         "the context has %u bytes: a decision keeps at most %u of them",
                         basis->context.length, DECISION_CONTEXT_BYTES_MAX);
    enum status status = read_placements(decider, basis, error);
    return status == STATUS_OK ? read_context(decider, basis->context, error) : status;
}

void asked_release(struct asked *asked) {
    memory_free(asked->takes);
    memory_free(asked->elsewhere);
    buffer_release(&asked->placement);
    buffer_release(&asked->context);
    json_parser_destroy(asked->parser);
    arena_release(&asked->arena);
}
