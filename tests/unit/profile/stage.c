/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "stage: %s\n", what);
    abort();
}

/* ---- who is who ---- */

static struct customer_id customer_of(const struct customer_directory *directory, struct persona_id persona,
                                      struct as_of as_of) {
    const struct stage *stage = (const struct stage *)directory;
    struct customer_id customer = {persona.value};
    for (uint32_t i = 0; i < stage->link_count; i++) {
        const struct stage_link *link = &stage->links[i];
        if (link->persona != persona.value || link->known_ms > as_of.t_ms || link->position >= as_of.position) continue;
        customer.value = link->customer;
    }
    return customer;
}

static uint32_t persona_count(const struct customer_directory *directory, uint64_t position) {
    (void)position;
    return ((const struct stage *)directory)->persona_count;
}

static uint32_t personas_of(const struct customer_directory *directory, struct customer_id customer,
                            struct as_of as_of, struct persona_id *out, uint32_t max) {
    uint32_t count = 0, personas = persona_count(directory, as_of.position);
    for (uint32_t i = 0; i < personas; i++) {
        if (customer_of(directory, (struct persona_id){i}, as_of).value != customer.value) continue;
        if (count < max) out[count] = (struct persona_id){i};
        count++;
    }
    return count;
}

static const struct customer_directory_ops directory_ops = {
    .persona_count = persona_count, .customer_of = customer_of, .personas_of = personas_of};

static struct customer_id customer_of_persona(void *context, struct persona_id persona, struct as_of as_of) {
    const struct stage *stage = context;
    return customer_of(&stage->directory, persona, as_of);
}

static bool customer_of_identifier(void *context, struct text identifier, struct as_of as_of, struct customer_id *out) {
    const struct stage *stage = context;
    for (uint32_t i = 0; i < stage->name_count; i++) {
        if (!text_equal(text_from(stage->names[i].name), identifier)) continue;
        *out = customer_of(&stage->directory, (struct persona_id){stage->names[i].persona}, as_of);
        return true;
    }
    return false;
}

static const struct lookup_table *lookup_at(void *context, uint32_t lookup, int64_t t_ms) {
    (void)t_ms;
    return ((const struct stage *)context)->lookups[lookup];
}

/* ---- the life of a stage ---- */

static void load(struct stage *stage, const char *playbook) {
    static struct playbook_errors errors;
    struct buffer text;
    buffer_init(&text);
    const char *zone = strstr(playbook, "zone: ") == NULL ? "zone: UTC\n" : "";
    must(buffer_format(&text, "attune: 1\nname: Stage\ncurrency: USD\n%s%s", zone, playbook) == STATUS_OK, "no memory");
    errors.count = 0;
    if (playbook_load(&stage->playbook, "stage.yaml", buffer_text(&text), stage->symbols, &errors) != STATUS_OK) {
        for (uint32_t i = 0; i < errors.count; i++) fprintf(stderr, "%s\n", errors.item[i].text);
        must(false, "the playbook does not load");
    }
    buffer_release(&text);
}

void stage_init(struct stage *stage, const char *playbook) {
    *stage = (struct stage){.directory = {&directory_ops}};
    must(symbols_create(&stage->symbols) == STATUS_OK, "no symbols");
    load(stage, playbook);
    must(memory_source_create(&stage->source, &stage->playbook->columns, &stage->directory) == STATUS_OK, "no source");
    packed_writer_init(&stage->writer);
    event_batch_init(&stage->batch);
    stage->world = (struct world){
        .playbook = stage->playbook,
        .symbols = stage->symbols,
        .source = memory_source_interface(stage->source),
        .context = stage,
        .lookup = lookup_at,
        .customer_of_identifier = customer_of_identifier,
        .customer_of_persona = customer_of_persona,
    };
    if (stage->playbook->lookup_count == 0) stage_treatments(stage);
}

void stage_release(struct stage *stage) {
    treatment_set_destroy(stage->treatments);
    for (int i = 0; i < STAGE_LOOKUPS_MAX; i++) lookup_destroy(stage->lookups[i]);
    event_batch_release(&stage->batch);
    packed_writer_release(&stage->writer);
    memory_source_destroy(stage->source);
    playbook_destroy(stage->playbook);
    symbols_destroy(stage->symbols);
}

/* ---- events ---- */

static struct value parse_value(struct text text) {
    char *end;
    char digits[64];
    if (text.at[0] == '\'') return value_text((struct text){text.at + 1, text.length - 2});
    if (text_equal(text, TEXT("yes"))) return value_yes_no(true);
    if (text_equal(text, TEXT("no"))) return value_yes_no(false);
    must(text.length < sizeof digits, "a value is too long");
    memcpy(digits, text.at, text.length);
    digits[text.length] = '\0';
    double number = strtod(digits, &end);
    if (*end == '\0') return value_number(number);
    uint16_t currency;
    int64_t minor;
    must(currency_from_text(text_from(end), &currency) == STATUS_OK, "a value is no 'text', number, money, yes or no");
    struct text amount = {digits, (uint32_t)(end - digits)};
    must(money_parse(amount, currency, &minor) == STATUS_OK, "bad money");
    return value_money(minor, currency);
}

static void pack_properties(struct stage *stage, const char *properties) {
    packed_begin(&stage->writer);
    for (const char *at = properties; *at != '\0';) {
        uint32_t symbol;
        size_t name = strcspn(at, "=");
        const char *from = at + name + 1;
        size_t length = *from == '\'' ? 2 + strcspn(from + 1, "'") : strcspn(from, " ");
        must(at[name] == '=', "a property is NAME=VALUE");
        must(symbol_add(stage->symbols, SYMBOL_PROPERTY, (struct text){at, (uint32_t)name}, &symbol) == STATUS_OK, "no symbol");
        struct value value = parse_value((struct text){from, (uint32_t)length});
        must(packed_add(&stage->writer, symbol, value) == STATUS_OK, "no memory");
        at = from + length;
        at += strspn(at, " ");
    }
    must(packed_end(&stage->writer, &stage->batch.bytes) == STATUS_OK, "no memory");
}

void stage_event_known(struct stage *stage, uint32_t persona, const char *event, int64_t time_ms, int64_t known_ms,
                       const char *properties) {
    uint32_t type, channel;
    const char *colon = strchr(event, ':');
    struct text channel_name = colon != NULL ? (struct text){event, (uint32_t)(colon - event)} : TEXT("web");
    must(symbol_add(stage->symbols, SYMBOL_CHANNEL, channel_name, &channel) == STATUS_OK, "no symbol");
    must(symbol_add(stage->symbols, SYMBOL_EVENT, text_from(colon != NULL ? colon + 1 : event), &type) == STATUS_OK, "no symbol");
    event_batch_clear(&stage->batch);
    pack_properties(stage, properties);
    struct event *added = event_batch_add(&stage->batch);
    must(added != NULL, "no memory");
    added->time_ms = time_ms;
    added->known_ms = known_ms;
    added->persona.value = persona;
    added->type = (uint16_t)type;
    added->channel = (uint8_t)channel;
    added->properties_length = (uint32_t)stage->batch.bytes.length;
    must(memory_source_add(stage->source, &stage->batch) == STATUS_OK, "no memory");
    stage->event_count++;
    if (persona >= stage->persona_count) stage->persona_count = persona + 1;
}

void stage_event(struct stage *stage, uint32_t persona, const char *event, int64_t time_ms, const char *properties) {
    stage_event_known(stage, persona, event, time_ms, time_ms, properties);
}

void stage_link(struct stage *stage, uint32_t persona, uint32_t customer, int64_t known_ms) {
    must(stage->link_count < STAGE_LINKS_MAX, "too many links");
    uint64_t position = stage->event_count > 0 ? stage->event_count - 1 : 0; /* it came with the last event */
    stage->links[stage->link_count++] = (struct stage_link){persona, customer, known_ms, position};
}

void stage_name(struct stage *stage, const char *name, uint32_t persona) {
    must(stage->name_count < STAGE_NAMES_MAX && strlen(name) < 64, "too many names");
    struct stage_name *added = &stage->names[stage->name_count++];
    snprintf(added->name, sizeof added->name, "%s", name);
    added->persona = persona;
}

/* ---- lookups and treatments ---- */

void stage_treatments(struct stage *stage) {
    struct error error = {0};
    treatment_set_destroy(stage->treatments);
    enum status status = treatment_set_create(&stage->treatments, stage->playbook,
                                              (const struct lookup_table *const *)stage->lookups, &error);
    must(status == STATUS_OK, error.text);
    stage->world.treatments = stage->treatments;
}

void stage_lookup(struct stage *stage, const char *lookup, const char *rows) {
    uint32_t index = playbook_lookup_find(stage->playbook, text_from(lookup)), keys[LOOKUP_KEY_FIELDS_MAX] = {0};
    must(index < STAGE_LOOKUPS_MAX, "no such lookup");
    const struct lookup_rule *rule = &stage->playbook->lookups[index];
    struct lookup_table *table;
    struct value cells[LOOKUP_FIELDS_MAX];
    for (uint32_t k = 0; k < rule->key_count; k++) {
        while (!text_equal(rule->fields[keys[k]].name, rule->keys[k])) keys[k]++;
    }
    must(lookup_create(&table, rule->fields, rule->field_count, keys, rule->key_count, rule->many) == STATUS_OK, "no table");
    while (*rows != '\0') {
        for (uint32_t i = 0; i < rule->field_count; i++) {
            uint32_t length = (uint32_t)strcspn(rows, "|\n");
            enum status status = value_parse((struct text){rows, length}, rule->fields[i].type, stage->playbook->currency,
                                             stage->playbook->zone, &cells[i]);
            must(status == STATUS_OK, "a cell can't be read");
            rows += length + (rows[length] != '\0');
        }
        must(lookup_add(table, cells) == STATUS_OK, "no memory");
    }
    must(lookup_finish(table) == STATUS_OK, "no memory");
    lookup_destroy(stage->lookups[index]);
    stage->lookups[index] = table;
    stage_treatments(stage);
}

const struct goal *stage_goal(const struct stage *stage, const char *name) {
    uint32_t index = playbook_goal_find(stage->playbook, text_from(name));
    must(index != UINT32_MAX, name);
    return &stage->playbook->goals[index];
}

uint32_t stage_trait(const struct stage *stage, const char *name) {
    uint32_t index = playbook_trait_find(stage->playbook, text_from(name));
    must(index != UINT32_MAX, name);
    return index;
}

const struct treatment *stage_treatment(const struct stage *stage, const char *key) {
    const struct treatment *treatment = treatment_find(stage->treatments, text_from(key), SYMBOL_NONE);
    must(treatment != NULL, key);
    return treatment;
}
