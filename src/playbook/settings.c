/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/playbook_internal.h"

#include <stdio.h>

#define IDENTIFIERS_MAX 64
#define BLOCKED_MAX     10000
#define RELATIONS_MAX   32
#define PURPOSES_MAX    64
#define COUNT_MAX       1000000
#define SLOTS_MAX       16

/* ---- the playbook itself ---- */

static void read_version(struct reader *reader, const struct yaml_node *node) {
    if (node == NULL) {
        reader_error(
            reader, (struct place){1, 1},
            "attune is missing: begin the playbook with \"attune: 1\", the version of its form");
        return;
    }
    if (node->type == YAML_SCALAR && text_equal(node->text, TEXT("1"))) return;
    reader_error(reader, node_place(node),
                 "attune: this program reads version 1 of the playbook's form: write attune: 1");
}

static void read_currency(struct reader *reader, const struct yaml_node *node) {
    struct text text;
    if (node == NULL || !reader_text(reader, node, "currency", &text)) return;
    if (currency_from_text(text, &reader->playbook->currency) == STATUS_OK) return;
    text = shown(text);
    reader_error(reader, node_place(node),
                 "currency is \"%.*s\": write three capital letters such as USD or EUR",
                 TEXT_ARG(text));
}

static void read_holdout(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    struct playbook *playbook = reader->playbook;
    double percent = 0;
    playbook->holdout_salt = playbook->name;
    if (node == NULL || !reader_keys(reader, node, &holdout_keys, values)) return;
    if (values[HOLDOUT_SALT])
        (void)reader_text(reader, values[HOLDOUT_SALT], "salt", &playbook->holdout_salt);
    if (values[HOLDOUT_SHARE] == NULL) {
        reader_error(
            reader, node_place(node),
            "holdout has no share: write share: 5%%, the part of customers who get no marketing");
    } else if (reader_percent(reader, values[HOLDOUT_SHARE], "share", 0, 99, &percent)) {
        playbook->holdout_share = percent / 100;
    }
}

static void read_landmarks(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    struct landmark_rule *landmarks = &reader->playbook->landmarks;
    *landmarks =
        (struct landmark_rule){.every_ms = 30 * TIME_DAY_MS, .active_within_ms = 90 * TIME_DAY_MS};
    if (node == NULL || !reader_keys(reader, node, &landmarks_keys, values)) return;
    if (values[LANDMARKS_EVERY])
        (void)reader_duration(reader, values[LANDMARKS_EVERY], "every", &landmarks->every_ms);
    if (values[LANDMARKS_ACTIVE_WITHIN]) {
        (void)reader_duration(reader, values[LANDMARKS_ACTIVE_WITHIN], "active_within",
                              &landmarks->active_within_ms);
    }
    if (values[LANDMARKS_VISITS_ONLY]) {
        (void)reader_yes_no(reader, values[LANDMARKS_VISITS_ONLY], "visits_only",
                            &landmarks->visits_only);
    }
    if (landmarks->every_ms < TIME_HOUR_MS && values[LANDMARKS_EVERY]) {
        reader_error(reader, node_place(values[LANDMARKS_EVERY]),
                     "every is less than an hour: write 1h or more, such as 30d");
    }
}

static void read_decide(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    reader->playbook->slots_per_decision = 1;
    if (node == NULL || !reader_keys(reader, node, &decide_keys, values)) return;
    if (values[DECIDE_SLOTS]) {
        (void)reader_count(reader, values[DECIDE_SLOTS], "slots", 1, SLOTS_MAX,
                           &reader->playbook->slots_per_decision);
    }
}

void settings_read(struct reader *reader, const struct yaml_node *const *top) {
    struct playbook *playbook = reader->playbook;
    if (currency_from_text(TEXT("USD"), &playbook->currency) != STATUS_OK) return;
    playbook->zone_name = TEXT("UTC");
    /* Do not take the file's name: the copy in force has another one, and the name draws the
     * holdout. */
    playbook->name = TEXT("playbook");
    read_version(reader, top[TOP_ATTUNE]);
    if (top[TOP_NAME]) (void)reader_text(reader, top[TOP_NAME], "name", &playbook->name);
    read_currency(reader, top[TOP_CURRENCY]);
    if (top[TOP_ZONE] && reader_zone(reader, top[TOP_ZONE], &playbook->zone))
        playbook->zone_name = top[TOP_ZONE]->text;
    if (text_equal(playbook->zone_name, TEXT("UTC"))) playbook->zone = NULL;
    read_holdout(reader, top[TOP_HOLDOUT]);
    read_landmarks(reader, top[TOP_LANDMARKS]);
    read_decide(reader, top[TOP_DECIDE]);
}

/* ---- identifiers ---- */

static const struct {
    const char *name;
    uint32_t per_customer;
    bool unique, lower_case, device;
} usual[] = {
    {"user_id", 1, true, false, false},       {"crm", 1, true, false, false},
    {"crm_id", 1, true, false, false},        {"loyalty", 3, false, false, false},
    {"email", 5, false, true, false},         {"phone", 5, false, false, false},
    {"cookie", 50, false, false, true},       {"device", 50, false, false, true},
    {"anonymous_id", 50, false, false, true},
};

static void apply_usual(struct identifier_rule *rule) {
    rule->per_customer = 5;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (!text_equal(rule->name, text_from(usual[i].name))) continue;
        rule->per_customer = usual[i].per_customer;
        rule->unique = usual[i].unique;
        rule->lower_case = usual[i].lower_case;
        rule->device = usual[i].device;
    }
}

/* Reads a list of an identifier's values; returns how many there are. */
static uint32_t read_values(struct reader *reader, const struct yaml_node *node, const char *key,
                            const char *what, const struct text **out) {
    uint32_t count = 0;
    if (!reader_is_list(reader, node, key)) return 0;
    if (node->count > BLOCKED_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d values of %s: list the usual ones only", BLOCKED_MAX, key);
        return 0;
    }
    struct text *values = reader_alloc(reader, node->count, sizeof *values);
    if (values == NULL) return 0;
    for (uint32_t i = 0; i < node->count; i++) {
        if (reader_text(reader, node->items[i], what, &values[count])) count++;
    }
    *out = values;
    return count;
}

static void read_identifier(struct reader *reader, const struct yaml_node *key,
                            const struct yaml_node *value, struct identifier_rule *rule) {
    const struct yaml_node *values[KEYS_MAX];
    if (!reader_name(reader, key, "an identifier's name", &rule->name)) return;
    if (!reader_symbol(reader, key, SYMBOL_IDENTIFIER, rule->name, &rule->symbol)) return;
    apply_usual(rule);
    if (!reader_keys(reader, value, &identifier_keys, values)) return;
    if (values[IDENTIFIER_UNIQUE] &&
        reader_yes_no(reader, values[IDENTIFIER_UNIQUE], "unique", &rule->unique)) {
        if (rule->unique) rule->per_customer = 1;
    }
    if (values[IDENTIFIER_PER_CUSTOMER]) {
        (void)reader_count(reader, values[IDENTIFIER_PER_CUSTOMER], "per_customer", 1, COUNT_MAX,
                           &rule->per_customer);
    }
    if (values[IDENTIFIER_EXPIRES])
        (void)reader_duration(reader, values[IDENTIFIER_EXPIRES], "expires", &rule->expires_ms);
    if (values[IDENTIFIER_LOWER_CASE]) {
        (void)reader_yes_no(reader, values[IDENTIFIER_LOWER_CASE], "lower_case", &rule->lower_case);
    }
    if (values[IDENTIFIER_BLOCKED]) {
        rule->blocked_count = read_values(reader, values[IDENTIFIER_BLOCKED], "blocked",
                                          "a blocked value", &rule->blocked);
    }
    if (values[IDENTIFIER_ALLOW]) {
        rule->allowed_count = read_values(reader, values[IDENTIFIER_ALLOW], "allow",
                                          "an allowed value", &rule->allowed);
    }
    if (values[IDENTIFIER_EVENTS_PER_DAY]) {
        (void)reader_count(reader, values[IDENTIFIER_EVENTS_PER_DAY], "events_per_day", 1,
                           COUNT_MAX, &rule->events_per_day_max);
    }
    if (values[IDENTIFIER_DEVICE])
        (void)reader_yes_no(reader, values[IDENTIFIER_DEVICE], "device", &rule->device);
    if (rule->unique && rule->per_customer > 1) {
        reader_error(reader, node_place(key),
                     "%.*s is unique, yet %u per customer are allowed: leave per_customer out, or "
                     "write unique: no",
                     TEXT_ARG(rule->name), rule->per_customer);
    }
}

static void read_customer_zones(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (!reader_is_list(reader, node, "zones")) return;
    struct time_zone **zones = reader_alloc(reader, node->count, sizeof *zones);
    if (zones == NULL) return;
    playbook->customer_zones = zones;
    for (uint32_t i = 0; i < node->count; i++) {
        if (reader_zone(reader, node->items[i], &zones[playbook->customer_zone_count]))
            playbook->customer_zone_count++;
    }
}

void customer_read(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_keys(reader, node, &customer_keys, values)) return;
    const struct yaml_node *map = values[CUSTOMER_IDENTIFIERS];
    if (values[CUSTOMER_ZONES]) read_customer_zones(reader, values[CUSTOMER_ZONES]);
    if (values[CUSTOMER_CLAIMS_PER_DAY])
        (void)reader_count(reader, values[CUSTOMER_CLAIMS_PER_DAY], "claims_per_day", 1, COUNT_MAX,
                           &playbook->claims_per_day);
    if (map == NULL || !reader_is_map(reader, map, "identifiers")) return;
    if (map->count > IDENTIFIERS_MAX) {
        reader_error(reader, node_place(map),
                     "more than %d identifiers: a playbook may have so many and no more",
                     IDENTIFIERS_MAX);
        return;
    }
    struct identifier_rule *rules = reader_alloc(reader, map->count, sizeof *rules);
    if (rules == NULL) return;
    for (uint32_t i = 0; i < map->count; i++) {
        rules[i].priority = i;
        rules[i].name = map->keys[i]->text;
        read_identifier(reader, map->keys[i], map->items[i], &rules[i]);
    }
    playbook->identifiers = rules;
    playbook->identifier_count = map->count;
}

static void read_zone_text(struct reader *reader, const struct yaml_node *node, const char *what,
                           const char *example, struct expr_program **out) {
    struct expr_program *program;
    if (node == NULL || !expression_read(reader, node, what, WANTED_ANY, NOT_A_ROW, &program))
        return;
    if (expr_type(program) != VALUE_TEXT) {
        reader_error(reader, node_place(node), "%s is %s: write a text, such as %s", what,
                     value_type_name(expr_type(program)), example);
    } else if (expr_uses_treatment(program)) {
        reader_error(reader, node_place(node),
                     "%s reads action.…, and where somebody lives depends on no action", what);
    } else {
        *out = program;
    }
}

void customer_zone_read(struct reader *reader, const struct yaml_node *node) {
    const struct yaml_node *values[KEYS_MAX];
    const struct yaml_node *zone = node != NULL ? yaml_get(node, "zone") : NULL;
    struct playbook *playbook = reader->playbook;
    uint32_t errors = reader->errors->count;
    if (zone == NULL || node_is_empty(zone) ||
        !reader_keys(reader, zone, &customer_zone_keys, values))
        return;
    bool says = values[CUSTOMER_ZONE_FROM] != NULL || values[CUSTOMER_ZONE_COUNTRY] != NULL;
    if (!says && reader->errors->count == errors)
        reader_error(reader, node_place(zone),
                     "zone has neither from nor country: write zone: { from: 'last(\"Customer "
                     "Record\".timezone)' }");
    context_refuse(reader, "a request can't say where the customer lives");
    read_zone_text(reader, values[CUSTOMER_ZONE_FROM], "from", "last(\"Customer Record\".timezone)",
                   &playbook->zone_from);
    read_zone_text(reader, values[CUSTOMER_ZONE_COUNTRY], "country",
                   "last(\"Customer Record\".country)", &playbook->zone_country);
    context_refuse(reader, NULL);
}

/* ---- consent and relations ---- */

static bool add_purpose(struct reader *reader, const struct yaml_node *node, struct text name) {
    struct playbook *playbook = reader->playbook;
    for (uint32_t i = 0; i < playbook->purpose_count; i++) {
        if (text_equal(playbook->purposes[i], name)) return true;
    }
    if (playbook->purpose_count >= PURPOSES_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d purposes and topics: a playbook may have so many and no more",
                     PURPOSES_MAX);
        return false;
    }
    ((struct text *)playbook->purposes)[playbook->purpose_count++] = name;
    return true;
}

bool purpose_read(struct reader *reader, const struct yaml_node *node, struct text name,
                  struct text *out) {
    const struct playbook *playbook = reader->playbook;
    for (uint32_t i = 0; i < playbook->purpose_count; i++) {
        if (!text_equal(playbook->purposes[i], name)) continue;
        *out = playbook->purposes[i];
        return true;
    }
    reader_unknown(reader, node_place(node), "purpose of consent", name, playbook->purposes,
                   playbook->purpose_count);
    return false;
}

bool topic_read(struct reader *reader, const struct yaml_node *node, struct text *out) {
    return reader_name(reader, node, "a topic", out) && add_purpose(reader, node, *out);
}

void consent_read(struct reader *reader, const struct yaml_node *node) {
    static const char *const usual_purposes[] = {"personalise", "measure", "share", "location",
                                                 "social"};
    const struct yaml_node *values[KEYS_MAX];
    struct playbook *playbook = reader->playbook;
    playbook->purposes = reader_alloc(reader, PURPOSES_MAX, sizeof *playbook->purposes);
    if (playbook->purposes == NULL) return;
    for (size_t i = 0; i < sizeof usual_purposes / sizeof *usual_purposes; i++) {
        ((struct text *)playbook->purposes)[playbook->purpose_count++] =
            text_from(usual_purposes[i]);
    }
    if (node == NULL || !reader_keys(reader, node, &consent_keys, values)) return;
    if (values[CONSENT_REQUIRED]) {
        (void)reader_yes_no(reader, values[CONSENT_REQUIRED], "required",
                            &playbook->consent_required);
    }
    const struct yaml_node *list = values[CONSENT_PURPOSES];
    if (list == NULL || !reader_is_list(reader, list, "purposes")) return;
    for (uint32_t i = 0; i < list->count; i++) {
        struct text name;
        if (reader_name(reader, list->items[i], "a purpose", &name))
            (void)add_purpose(reader, list->items[i], name);
    }
}

static void read_relation(struct reader *reader, const struct yaml_node *key,
                          const struct yaml_node *value) {
    const struct yaml_node *values[KEYS_MAX];
    struct playbook *playbook = reader->playbook;
    struct text name, purpose = TEXT("social");
    if (!reader_name(reader, key, "a relation's name", &name)) return;
    ((struct text *)playbook->relations)[playbook->relation_count++] = name;
    if (!reader_keys(reader, value, &relation_keys, values)) return;
    const struct yaml_node *consent = values[RELATION_CONSENT];
    if (consent && !(reader_text(reader, consent, "consent", &purpose) &&
                     purpose_read(reader, consent, purpose, &purpose))) {
        return;
    }
    if (playbook->relation_purpose.length > 0 && !text_equal(playbook->relation_purpose, purpose)) {
        reader_error(
            reader, node_place(consent ? consent : key),
            "consent is %.*s here and %.*s for another relation: all relations need the same one",
            TEXT_ARG(purpose), TEXT_ARG(playbook->relation_purpose));
        return;
    }
    playbook->relation_purpose = purpose;
}

void relations_read(struct reader *reader, const struct yaml_node *node) {
    reader->playbook->relation_purpose = TEXT("social");
    if (node == NULL || !reader_is_map(reader, node, "relations")) return;
    if (node->count > RELATIONS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d relations: a playbook may have so many and no more",
                     RELATIONS_MAX);
        return;
    }
    reader->playbook->relations =
        reader_alloc(reader, node->count, sizeof *reader->playbook->relations);
    if (reader->playbook->relations == NULL) return;
    reader->playbook->relation_purpose = (struct text){0};
    for (uint32_t i = 0; i < node->count; i++) read_relation(reader, node->keys[i], node->items[i]);
    if (reader->playbook->relation_purpose.length == 0)
        reader->playbook->relation_purpose = TEXT("social");
}
