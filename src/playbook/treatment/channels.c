/* SPDX-License-Identifier: Apache-2.0 */
/* Reads which way a channel goes, and whether it tells what became of a message. */
#include "playbook/playbook_internal.h"

#define EXPIRES_MS (3 * TIME_DAY_MS)

/* The channels whose names are known. A channel of another name goes out and sends no receipts:
 * then every message counts. */
static const struct {
    const char *name;
    bool inbound, receipts;
    const char *address; /* where the playbook has such identifiers */
} usual[] = {
    {"email", false, true, "email"},  {"sms", false, true, "phone"},
    {"phone", false, false, "phone"}, {"call_center", false, false, "phone"},
    {"push", false, true, NULL},      {"web", true, false, NULL},
    {"app", true, false, NULL},       {"store", true, false, NULL},
    {"kiosk", true, false, NULL},     {"chat", true, false, NULL},
};

static uint32_t identifier_find(const struct playbook *playbook, struct text name) {
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        if (text_equal(playbook->identifiers[i].name, name)) return i;
    }
    return UINT32_MAX;
}

struct messaging playbook_messaging(const struct playbook *playbook, const struct symbols *symbols,
                                    uint32_t channel) {
    struct messaging messaging = {
        .channel = channel, .expires_ms = EXPIRES_MS, .address = UINT32_MAX};
    for (uint32_t i = 0; i < playbook->messaging_count; i++) {
        if (playbook->messaging[i].channel == channel) return playbook->messaging[i];
    }
    struct text name = symbol_text(symbols, SYMBOL_CHANNEL, channel);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (!text_equal(name, text_from(usual[i].name))) continue;
        messaging.inbound = usual[i].inbound;
        messaging.receipts = usual[i].receipts;
        if (usual[i].address != NULL)
            messaging.address = identifier_find(playbook, text_from(usual[i].address));
    }
    return messaging;
}

static void read_address(struct reader *reader, const struct yaml_node *node,
                         struct messaging *messaging) {
    const struct playbook *playbook = reader->playbook;
    struct text *known = reader_alloc(reader, playbook->identifier_count, sizeof *known);
    for (uint32_t i = 0; known != NULL && i < playbook->identifier_count; i++)
        known[i] = playbook->identifiers[i].name;
    if (known != NULL)
        (void)reader_name_of(reader, node, "identifier", known, playbook->identifier_count,
                             &messaging->address);
}

static void read_settings(struct reader *reader, const struct yaml_node *const *values,
                          struct messaging *messaging) {
    static const struct text directions[] = {{"outbound", 8}, {"inbound", 7}};
    const struct yaml_node *direction = values[MESSAGING_DIRECTION],
                           *receipts = values[MESSAGING_RECEIPTS],
                           *expires = values[MESSAGING_EXPIRES];
    uint32_t index;
    if (direction && reader_name_of(reader, direction, "direction", directions, 2, &index))
        messaging->inbound = index == 1;
    if (receipts) (void)reader_yes_no(reader, receipts, "receipts", &messaging->receipts);
    if (expires) (void)reader_duration(reader, expires, "expires", &messaging->expires_ms);
    if (values[MESSAGING_ADDRESS]) read_address(reader, values[MESSAGING_ADDRESS], messaging);
    if (messaging->inbound && (receipts || expires)) {
        reader_error(reader, node_place(receipts ? receipts : expires),
                     "an inbound channel sends no messages that could have receipts or expire: "
                     "leave %s out, or write direction: outbound",
                     receipts ? "receipts" : "expires");
    }
}

void channels_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_map(reader, node, "channels")) return;
    struct messaging *all = reader_alloc(reader, node->count, sizeof *all);
    if (all == NULL) return;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++) {
        const struct yaml_node *values[KEYS_MAX];
        uint32_t channel;
        if (!reader_channel(reader, node->keys[i], &channel)) continue;
        struct messaging messaging = playbook_messaging(playbook, reader->symbols, channel);
        if (node_is_empty(node->items[i]) ||
            !reader_keys(reader, node->items[i], &messaging_keys, values))
            continue;
        read_settings(reader, values, &messaging);
        all[playbook->messaging_count++] = messaging;
        playbook->messaging = all;
    }
}
