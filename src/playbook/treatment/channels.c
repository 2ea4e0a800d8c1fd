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

/* losses: { unsubscribe: { chance: 0.2%, value: 40 USD } } */
static void read_loss(struct reader *reader, const struct yaml_node *key,
                      const struct yaml_node *value, struct loss_rule *loss) {
    const struct yaml_node *values[KEYS_MAX];
    double percent = 0;
    if (!reader_name(reader, key, "a loss's name", &loss->name) ||
        !reader_keys(reader, value, &loss_keys, values))
        return;
    if (values[LOSS_CHANCE] == NULL || values[LOSS_VALUE] == NULL) {
        reader_error(reader, node_place(key),
                     "a loss has a chance and a value: write { chance: 0.2%%, value: 40 USD }");
        return;
    }
    (void)reader_percent(reader, values[LOSS_CHANCE], "chance", 0, 100, &percent);
    loss->chance = percent / 100;
    struct expr_program *program;
    if (!expression_read(reader, values[LOSS_VALUE], "value", WANTED_ANY, NOT_A_ROW, &program))
        return;
    enum value_type type = expr_type(program);
    if (type != VALUE_NUMBER && type != VALUE_MONEY)
        reader_error(reader, node_place(values[LOSS_VALUE]),
                     "value is %s: write an amount, such as 40 USD or margin_365d",
                     value_type_name(type));
    else if (expr_uses_treatment(program))
        reader_error(reader, node_place(values[LOSS_VALUE]),
                     "value reads action.…: what is lost depends on the customer alone");
    else
        loss->value = program;
}

static void read_losses(struct reader *reader, const struct yaml_node *node,
                        struct messaging *messaging) {
    if (!reader_is_map(reader, node, "losses")) return;
    struct loss_rule *losses = reader_alloc(reader, (size_t)node->count + 1, sizeof *losses);
    for (uint32_t i = 0; losses != NULL && i < node->count; i++)
        read_loss(reader, node->keys[i], node->items[i], &losses[i]);
    messaging->losses = losses;
    messaging->loss_count = losses != NULL ? node->count : 0;
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
    if (values[MESSAGING_LOSSES]) read_losses(reader, values[MESSAGING_LOSSES], messaging);
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
