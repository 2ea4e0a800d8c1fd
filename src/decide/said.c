/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/said.h"

#include "base/json.h"
#include "decide/decide.h"

#define ARENA_BYTES_MAX (64u << 10)

void said_init(struct said *said, const struct customer_data *data) {
    *said = (struct said){.data = data,
                          .context = symbol_find(data->symbols, SYMBOL_PROPERTY, TEXT("context"))};
    arena_init(&said->arena, ARENA_BYTES_MAX);
}

void said_release(struct said *said) {
    json_parser_destroy(said->parser);
    arena_release(&said->arena);
}

bool said_is_asked(const struct customer_data *data, const uint32_t *traits, uint32_t count) {
    bool asked = false;
    for (uint32_t i = 0; i < count; i++) asked |= data->playbook->traits[traits[i]].of_context;
    return asked;
}

static struct text text_at(const struct timeline *timeline, uint32_t row, uint32_t property) {
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) return (struct text){0};
    struct value value = packed_find(packed, property);
    return value.type == VALUE_TEXT ? value.text : (struct text){0};
}

/* A decision comes before what it leads to. */
static struct text context_of(const struct said *said, const struct timeline *timeline,
                              uint32_t row) {
    struct text id = text_at(timeline, row, PROPERTY_DECISION);
    if (id.length == 0) return (struct text){0};
    for (uint32_t i = timeline_upper_bound(timeline, timeline->time_ms[row]); i-- > 0;) {
        if (timeline->type[i] == EVENT_DECISION_MADE &&
            text_equal(text_at(timeline, i, PROPERTY_DECISION), id))
            return text_at(timeline, i, said->context);
    }
    return (struct text){0};
}

enum status said_at_row(struct said *said, const struct timeline *timeline, uint32_t row,
                        struct profile *profile) {
    arena_clear(&said->arena);
    enum status status =
        decision_context_read(said->data->playbook, context_of(said, timeline, row), &said->parser,
                              &said->arena, said->values);
    profile_say(profile, said->values);
    return status;
}
