/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/playbook_internal.h"

/* ---- events: what is known of them ---- */

static void read_fields(struct reader *reader, const struct yaml_node *map,
                        struct property_entry *property) {
    for (uint32_t i = 0; i < map->count; i++) {
        enum value_type type;
        if (!reader_type(reader, map->items[i], "a field's type", &type)) continue;
        (void)names_add_field(reader, map->keys[i], property, map->keys[i]->text, type,
                              STRENGTH_DECLARED);
    }
}

/* Reads `revenue: money`, `tags: list`, or `products: { product_id: text, price: money }`, which is
 * a list of records. */
static void read_property(struct reader *reader, uint32_t event, const struct yaml_node *key,
                          const struct yaml_node *value) {
    enum value_type type = VALUE_LIST;
    bool is_list = value->type == YAML_MAP ||
                   (value->type == YAML_SCALAR && text_equal(value->text, TEXT("list")));
    if (node_is_empty(value)) {
        reader_error(
            reader, node_place(key),
            "property %.*s has no type: write one of number, text, time, duration, yes/no, money, "
            "list, or the fields of a list of records { product_id: text }",
            TEXT_ARG(key->text));
        return;
    }
    if (!is_list && !reader_type(reader, value, "a property's type", &type)) return;
    struct property_entry *property =
        names_add_property(reader, key, event, key->text, type, STRENGTH_DECLARED);
    if (property != NULL && value->type == YAML_MAP) read_fields(reader, value, property);
}

void events_read(struct reader *reader, const struct yaml_node *node) {
    if (node == NULL || !reader_is_map(reader, node, "events")) return;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++) {
        const struct yaml_node *properties = node->items[i];
        uint32_t event;
        if (!names_add_event(reader, node->keys[i], node->keys[i]->text, &event)) continue;
        if (node_is_empty(properties) || !reader_is_map(reader, properties, "an event")) continue;
        for (uint32_t k = 0; k < properties->count; k++) {
            read_property(reader, event, properties->keys[k], properties->items[k]);
        }
    }
}

/* ---- visits ---- */

static void only_these(struct reader *reader, const struct yaml_node *list) {
    struct names *names = reader->names;
    for (uint32_t i = 0; i < names->event_count; i++) names->events[i].is_visit = false;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t type;
        if (names_read_event(reader, list->items[i], &type))
            names_event(names, type)->is_visit = true;
    }
}

static bool is_given_by(const struct source *source, uint32_t channel, uint32_t event) {
    return !source->is_lookup && source->channel == channel && source->event_type == event;
}

/* Does an event belong to the visits of a channel? It does where a source of the channel gives it
 * by name, or where the source's events have many names and no other source gives this one. */
static bool is_of_channel(const struct playbook *playbook, uint32_t channel, uint32_t event) {
    bool by_name = false, by_any = false, elsewhere = false;
    for (uint32_t i = 0; i < playbook->source_count; i++) {
        const struct source *source = &playbook->sources[i];
        by_name = by_name || is_given_by(source, channel, event);
        by_any = by_any || is_given_by(source, channel, SYMBOL_NONE);
        elsewhere = elsewhere || (!source->is_lookup && source->event_type == event);
    }
    return by_name || (by_any && !elsewhere);
}

static void only_of_channels(struct reader *reader, const struct yaml_node *list) {
    struct names *names = reader->names;
    for (uint32_t i = 0; i < names->event_count; i++) names->events[i].is_visit = false;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t channel;
        if (!reader_channel(reader, list->items[i], &channel)) continue;
        for (uint32_t k = 0; k < names->event_count; k++) {
            struct event_entry *event = &names->events[k];
            if (!event->is_reserved && is_of_channel(reader->playbook, channel, event->type))
                event->is_visit = true;
        }
    }
}

void visits_read(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    reader->playbook->visit_gap_ms = 30 * TIME_MINUTE_MS;
    if (node == NULL || !reader_keys(reader, node, &visits_keys, values)) return;
    if (values[VISITS_GAP])
        (void)reader_duration(reader, values[VISITS_GAP], "gap", &reader->playbook->visit_gap_ms);
    const struct yaml_node *events = values[VISITS_EVENTS], *channels = values[VISITS_CHANNELS];
    if (events && channels) {
        reader_error(reader, node_place(channels),
                     "visits has both events and channels: keep the one that says it better");
    } else if (events && reader_is_list(reader, events, "events")) {
        only_these(reader, events);
    } else if (channels && reader_is_list(reader, channels, "channels")) {
        only_of_channels(reader, channels);
    }
}
