/* SPDX-License-Identifier: Apache-2.0 */
#include "support/scene.h"
#include "support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static void must(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "scene: %s\n", what);
    abort();
}

/* ---- who is who ---- */

static struct customer_id customer_of(const struct customer_directory *directory,
                                      struct persona_id persona, struct as_of as_of) {
    const struct scene *scene = (const struct scene *)directory;
    struct customer_id customer = {persona.value};
    for (uint32_t i = 0; i < scene->link_count; i++) {
        const struct scene_link *link = &scene->links[i];
        if (link->persona != persona.value || link->known_ms > as_of.t_ms ||
            link->position >= as_of.position)
            continue;
        customer.value = link->customer;
    }
    return customer;
}

static uint32_t persona_count(const struct customer_directory *directory, uint64_t position) {
    (void)position;
    return ((const struct scene *)directory)->persona_count;
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

static struct customer_id customer_of_persona(void *context, struct persona_id persona,
                                              struct as_of as_of) {
    const struct scene *scene = context;
    return customer_of(&scene->directory, persona, as_of);
}

static bool customer_of_identifier(void *context, struct text identifier, struct as_of as_of,
                                   struct customer_id *out) {
    const struct scene *scene = context;
    for (uint32_t i = 0; i < scene->name_count; i++) {
        if (!text_equal(text_from(scene->names[i].name), identifier)) continue;
        *out = customer_of(&scene->directory, (struct persona_id){scene->names[i].persona}, as_of);
        return true;
    }
    return false;
}

static uint32_t identifiers_of_persona(void *context, struct persona_id persona,
                                       struct identifier_id *out, uint32_t max) {
    const struct scene *scene = context;
    uint32_t count = 0;
    for (uint32_t i = 0; i < scene->bearer_count && count < max; i++) {
        if (scene->bearers[i].persona == persona.value)
            out[count++] = (struct identifier_id){scene->bearers[i].identifier};
    }
    return count;
}

static struct text identifier_text(void *context, struct identifier_id identifier, uint32_t *type) {
    const struct scene_identifier *is =
        &((const struct scene *)context)->identifiers[identifier.value];
    *type = is->type;
    return text_from(is->value);
}

void scene_identify(struct scene *scene, uint32_t persona, const char *identifiers) {
    for (const char *at = identifiers; *at != '\0'; at += strspn(at, " ")) {
        size_t length = strcspn(at, " "), type = strcspn(at, ":");
        struct scene_identifier is = {0};
        uint32_t id = 0;
        must(type < length && length - type - 1 < sizeof is.value, "an identifier is TYPE:VALUE");
        memcpy(is.value, at + type + 1, length - type - 1);
        must(symbol_add(scene->symbols, SYMBOL_IDENTIFIER, (struct text){at, (uint32_t)type},
                        &is.type) == STATUS_OK,
             "no symbol");
        while (id < scene->identifier_count &&
               (scene->identifiers[id].type != is.type ||
                strcmp(scene->identifiers[id].value, is.value) != 0))
            id++;
        must(id < SCENE_IDENTIFIERS_MAX && scene->bearer_count < SCENE_IDENTIFIERS_MAX,
             "too many identifiers");
        if (id == scene->identifier_count) scene->identifiers[scene->identifier_count++] = is;
        scene->bearers[scene->bearer_count++] = (struct scene_bearer){persona, id};
        at += length;
    }
}

static const struct lookup_table *lookup_at(void *context, uint32_t lookup, int64_t t_ms) {
    const struct scene *scene = context;
    for (uint32_t i = scene->version_count; i-- > 0;) {
        if (scene->versions[i].lookup == lookup && scene->versions[i].known_ms <= t_ms)
            return scene->versions[i].table;
    }
    return NULL;
}

/* ---- the life of a scene ---- */

static void load(struct scene *scene, const char *playbook) {
    static struct playbook_errors errors;
    struct buffer text;
    buffer_init(&text);
    const char *zone = strstr(playbook, "zone: ") == NULL ? "zone: UTC\n" : "";
    must(buffer_format(&text, "attune: 1\nname: Stage\ncurrency: USD\n%s%s", zone, playbook) ==
             STATUS_OK,
         "no memory");
    errors.count = 0;
    if (playbook_load(&scene->playbook, "scene.yaml", buffer_text(&text), scene->symbols,
                      &errors) != STATUS_OK) {
        for (uint32_t i = 0; i < errors.count; i++) fprintf(stderr, "%s\n", errors.item[i].text);
        must(false, "the playbook does not load");
    }
    buffer_release(&text);
}

void scene_init(struct scene *scene, const char *playbook) {
    *scene = (struct scene){.directory = {&directory_ops}};
    must(symbols_create(&scene->symbols) == STATUS_OK, "no symbols");
    load(scene, playbook);
    must(memory_source_create(&scene->source, &scene->playbook->columns, &scene->directory) ==
             STATUS_OK,
         "no source");
    packed_writer_init(&scene->writer);
    event_batch_init(&scene->batch);
    scene->data = (struct customer_data){
        .playbook = scene->playbook,
        .symbols = scene->symbols,
        .source = memory_source_interface(scene->source),
        .context = scene,
        .lookup = lookup_at,
        .customer_of_identifier = customer_of_identifier,
        .customer_of_persona = customer_of_persona,
        .identifiers_of_persona = identifiers_of_persona,
        .identifier_text = identifier_text,
    };
    if (scene->playbook->lookup_count == 0) scene_treatments(scene);
}

void scene_release(struct scene *scene) {
    treatment_history_destroy(scene->data.treatments);
    for (uint32_t i = 0; i < scene->version_count; i++) lookup_destroy(scene->versions[i].table);
    event_batch_release(&scene->batch);
    packed_writer_release(&scene->writer);
    memory_source_destroy(scene->source);
    playbook_destroy(scene->playbook);
    symbols_destroy(scene->symbols);
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
    must(currency_from_text(text_from(end), &currency) == STATUS_OK,
         "a value is no 'text', number, money, yes or no");
    struct text amount = {digits, (uint32_t)(end - digits)};
    must(money_parse(amount, currency, &minor) == STATUS_OK, "bad money");
    return value_money(minor, currency);
}

/* "[p1:3,p2:1]": records of a product_id and a quantity; "[]" is an empty list. */
static struct value parse_products(struct scene *scene, struct packed_list *list,
                                   struct text text) {
    uint32_t symbols[2];
    struct value value;
    must(
        symbol_add(scene->symbols, SYMBOL_PROPERTY, TEXT("product_id"), &symbols[0]) == STATUS_OK &&
            symbol_add(scene->symbols, SYMBOL_PROPERTY, TEXT("quantity"), &symbols[1]) == STATUS_OK,
        "no symbol");
    packed_list_begin(list);
    for (const char *at = text.at + 1; *at != ']';) {
        uint32_t length = (uint32_t)strcspn(at, ":,]");
        struct value fields[] = {value_text((struct text){at, length}), value_unknown()};
        at += length;
        if (*at == ':') fields[1] = value_number(strtod(at + 1, (char **)&at));
        must(packed_list_add_record(list, symbols, fields, 2) == STATUS_OK, "no memory");
        at += *at == ',';
    }
    must(packed_list_end(list, &value) == STATUS_OK, "no memory");
    return value;
}

static void add_properties(struct scene *scene, const char *properties, struct packed_list *list) {
    for (const char *at = properties; *at != '\0';) {
        uint32_t symbol;
        size_t name = strcspn(at, "=");
        const char *from = at + name + 1;
        size_t length = *from == '\'' ? 2 + strcspn(from + 1, "'") : strcspn(from, " ");
        must(at[name] == '=', "a property is NAME=VALUE");
        must(symbol_add(scene->symbols, SYMBOL_PROPERTY, (struct text){at, (uint32_t)name},
                        &symbol) == STATUS_OK,
             "no symbol");
        struct text text = {from, (uint32_t)length};
        struct value value = *from == '[' ? parse_products(scene, list, text) : parse_value(text);
        must(packed_add(&scene->writer, symbol, value) == STATUS_OK, "no memory");
        at = from + length;
        at += strspn(at, " ");
    }
}

static void pack_properties(struct scene *scene, const char *properties) {
    struct packed_list list;
    packed_list_init(&list);
    packed_begin(&scene->writer);
    add_properties(scene, properties, &list);
    must(packed_end(&scene->writer, &scene->batch.bytes) == STATUS_OK, "no memory");
    packed_list_release(&list);
}

/* The properties are packed already. */
static void add_event(struct scene *scene, uint32_t persona, const char *event, int64_t time_ms,
                      int64_t known_ms) {
    uint32_t type, channel;
    const char *colon = strchr(event, ':');
    struct text channel_name =
        colon != NULL ? (struct text){event, (uint32_t)(colon - event)} : TEXT("web");
    must(symbol_add(scene->symbols, SYMBOL_CHANNEL, channel_name, &channel) == STATUS_OK,
         "no symbol");
    must(symbol_add(scene->symbols, SYMBOL_EVENT, text_from(colon != NULL ? colon + 1 : event),
                    &type) == STATUS_OK,
         "no symbol");
    struct event *added = event_batch_add(&scene->batch);
    must(added != NULL, "no memory");
    added->time_ms = time_ms;
    added->known_ms = known_ms;
    added->persona.value = persona;
    added->type = (uint16_t)type;
    added->channel = (uint8_t)channel;
    added->replaces = scene->replaces;
    scene->replaces = 0;
    added->properties_length = (uint32_t)scene->batch.bytes.length;
    must(memory_source_add(scene->source, &scene->batch) == STATUS_OK, "no memory");
    scene->event_count++;
    if (persona >= scene->persona_count) scene->persona_count = persona + 1;
}

void scene_event_known(struct scene *scene, uint32_t persona, const char *event, int64_t time_ms,
                       int64_t known_ms, const char *properties) {
    event_batch_clear(&scene->batch);
    pack_properties(scene, properties);
    add_event(scene, persona, event, time_ms, known_ms);
}

void scene_correct(struct scene *scene, uint64_t number, uint32_t persona, const char *event,
                   int64_t time_ms, int64_t known_ms, const char *properties) {
    must(number > 0 && number < scene->event_count, "nothing to correct");
    scene->replaces = number;
    scene_event_known(scene, persona, event, time_ms, known_ms, properties);
}

void scene_decision(struct scene *scene, uint32_t persona, int64_t time_ms, int64_t known_ms,
                    const char *id, const char *treatment, const char *channel, bool withheld) {
    static const uint32_t symbols[] = {PROPERTY_TREATMENT, PROPERTY_CHANNEL, PROPERTY_WITHHELD};
    const struct value values[] = {value_text(text_from(treatment)), value_text(text_from(channel)),
                                   value_yes_no(withheld)};
    struct packed_list list;
    struct value messages;
    uint32_t symbol;
    packed_list_init(&list);
    packed_list_begin(&list);
    must(packed_list_add_record(&list, symbols, values, 3) == STATUS_OK, "no memory");
    must(packed_list_end(&list, &messages) == STATUS_OK, "no memory");
    must(symbol_add(scene->symbols, SYMBOL_PROPERTY, TEXT("messages"), &symbol) == STATUS_OK,
         "no symbol");
    event_batch_clear(&scene->batch);
    packed_begin(&scene->writer);
    must(packed_add(&scene->writer, PROPERTY_DECISION, value_text(text_from(id))) == STATUS_OK,
         "no memory");
    must(packed_add(&scene->writer, symbol, messages) == STATUS_OK, "no memory");
    must(packed_end(&scene->writer, &scene->batch.bytes) == STATUS_OK, "no memory");
    add_event(scene, persona, "system:Decision Made", time_ms, known_ms);
    packed_list_release(&list);
}

static void add_messages(struct scene *scene, const char *messages, struct packed_list *list) {
    static const uint32_t symbols[] = {PROPERTY_TREATMENT, PROPERTY_CHANNEL};
    struct value value;
    uint32_t symbol;
    packed_list_begin(list);
    for (const char *at = messages; *at != '\0';) {
        uint32_t key = (uint32_t)strcspn(at, "@"), channel = (uint32_t)strcspn(at + key + 1, " ");
        const struct value values[] = {value_text((struct text){at, key}),
                                       value_text((struct text){at + key + 1, channel})};
        must(packed_list_add_record(list, symbols, values, 2) == STATUS_OK, "no memory");
        at += key + 1 + channel;
        at += strspn(at, " ");
    }
    must(packed_list_end(list, &value) == STATUS_OK, "no memory");
    must(symbol_add(scene->symbols, SYMBOL_PROPERTY, TEXT("messages"), &symbol) == STATUS_OK,
         "no symbol");
    must(packed_add(&scene->writer, symbol, value) == STATUS_OK, "no memory");
}

static void add_seat(struct scene *scene, const char *experiment, const char *arm, const char *salt,
                     struct packed_list *list) {
    static const char *const names[] = {"experiment", "arm", "salt", "experiments"};
    const struct value values[] = {value_text(text_from(experiment)), value_text(text_from(arm)),
                                   value_text(text_from(salt))};
    uint32_t symbols[4];
    struct value value;
    for (int i = 0; i < 4; i++)
        must(symbol_add(scene->symbols, SYMBOL_PROPERTY, text_from(names[i]), &symbols[i]) ==
                 STATUS_OK,
             "no symbol");
    packed_list_begin(list);
    must(packed_list_add_record(list, symbols, values, 3) == STATUS_OK, "no memory");
    must(packed_list_end(list, &value) == STATUS_OK, "no memory");
    must(packed_add(&scene->writer, symbols[3], value) == STATUS_OK, "no memory");
}

static void decided(struct scene *scene, uint32_t persona, int64_t time_ms, int64_t known_ms,
                    const char *properties, const char *const seat[3], const char *messages) {
    struct packed_list list;
    event_batch_clear(&scene->batch);
    packed_list_init(&list);
    packed_begin(&scene->writer);
    add_properties(scene, properties, &list);
    add_messages(scene, messages, &list);
    if (seat != NULL) add_seat(scene, seat[0], seat[1], seat[2], &list);
    must(packed_end(&scene->writer, &scene->batch.bytes) == STATUS_OK, "no memory");
    add_event(scene, persona, "system:Decision Made", time_ms, known_ms);
    packed_list_release(&list);
}

void scene_decided(struct scene *scene, uint32_t persona, int64_t time_ms, int64_t known_ms,
                   const char *properties, const char *messages) {
    decided(scene, persona, time_ms, known_ms, properties, NULL, messages);
}

void scene_sit(struct scene *scene, uint32_t persona, int64_t time_ms, const char *properties,
               const char *experiment, const char *arm, const char *salt, const char *messages) {
    const char *const seat[] = {experiment, arm, salt};
    decided(scene, persona, time_ms, time_ms, properties, seat, messages);
}

void scene_event(struct scene *scene, uint32_t persona, const char *event, int64_t time_ms,
                 const char *properties) {
    scene_event_known(scene, persona, event, time_ms, time_ms, properties);
}

void scene_link(struct scene *scene, uint32_t persona, uint32_t customer, int64_t known_ms) {
    must(scene->link_count < SCENE_LINKS_MAX, "too many links");
    /* It came with the last event. */
    uint64_t position = scene->event_count > 0 ? scene->event_count - 1 : 0;
    scene->links[scene->link_count++] = (struct scene_link){persona, customer, known_ms, position};
}

void scene_name(struct scene *scene, const char *name, uint32_t persona) {
    must(scene->name_count < SCENE_NAMES_MAX && strlen(name) < 64, "too many names");
    struct scene_name *added = &scene->names[scene->name_count++];
    snprintf(added->name, sizeof added->name, "%s", name);
    added->persona = persona;
}

/* ---- lookups and treatments ---- */

void scene_treatments(struct scene *scene) {
    int64_t changes[SCENE_VERSIONS_MAX];
    for (uint32_t i = 0; i < scene->version_count; i++) changes[i] = scene->versions[i].known_ms;
    treatment_history_destroy(scene->data.treatments);
    must(treatment_history_create(&scene->data.treatments, scene->playbook,
                                  (struct lookup_versions){lookup_at, scene}, changes,
                                  scene->version_count) == STATUS_OK,
         "no memory");
}

void scene_lookup(struct scene *scene, const char *lookup, const char *rows) {
    scene_lookup_known(scene, lookup, TIME_ALWAYS, rows);
}

void scene_lookup_known(struct scene *scene, const char *lookup, int64_t known_ms,
                        const char *rows) {
    uint32_t index = playbook_lookup_find(scene->playbook, text_from(lookup)),
             keys[LOOKUP_KEY_FIELDS_MAX] = {0};
    must(index != UINT32_MAX, "no such lookup");
    const struct lookup_rule *rule = &scene->playbook->lookups[index];
    struct lookup_table *table;
    struct value cells[LOOKUP_FIELDS_MAX];
    for (uint32_t k = 0; k < rule->key_count; k++) {
        while (!text_equal(rule->fields[keys[k]].name, rule->keys[k])) keys[k]++;
    }
    must(lookup_create(&table, rule->fields, rule->field_count, keys, rule->key_count,
                       rule->many) == STATUS_OK,
         "no table");
    while (*rows != '\0') {
        for (uint32_t i = 0; i < rule->field_count; i++) {
            uint32_t length = (uint32_t)strcspn(rows, "|\n");
            enum status status =
                value_parse((struct text){rows, length}, rule->fields[i].type,
                            scene->playbook->currency, scene->playbook->zone, &cells[i]);
            must(status == STATUS_OK, "a cell can't be read");
            rows += length + (rows[length] != '\0');
        }
        must(lookup_add(table, cells) == STATUS_OK, "no memory");
    }
    must(lookup_finish(table) == STATUS_OK, "no memory");
    must(scene->version_count < SCENE_VERSIONS_MAX, "too many versions");
    scene->versions[scene->version_count++] = (struct scene_version){index, known_ms, table};
    scene_treatments(scene);
}

const struct goal *scene_goal(const struct scene *scene, const char *name) {
    uint32_t index = playbook_goal_find(scene->playbook, text_from(name));
    must(index != UINT32_MAX, name);
    return &scene->playbook->goals[index];
}

uint32_t scene_trait(const struct scene *scene, const char *name) {
    uint32_t index = playbook_trait_find(scene->playbook, text_from(name));
    must(index != UINT32_MAX, name);
    return index;
}

const struct treatment_set *scene_treatments_at(const struct scene *scene, int64_t t_ms) {
    const struct treatment_set *set;
    must(treatment_history_at(scene->data.treatments, t_ms, &set, NULL) == STATUS_OK,
         "no treatments");
    return set;
}

const struct treatment *scene_treatment(const struct scene *scene, const char *key) {
    const struct treatment *treatment =
        treatment_find(scene_treatments_at(scene, TIME_NEVER), text_from(key), SYMBOL_NONE);
    must(treatment != NULL, key);
    return treatment;
}

int scene_trial_set_up(void **state, const char *playbook) {
    static struct scene_trial trial;
    scene_init(&trial.scene, playbook);
    assert_int_equal(profile_create(&trial.profile, &trial.scene.data), STATUS_OK);
    trial.reader = NULL;
    *state = &trial;
    return 0;
}

int scene_trial_tear_down(void **state) {
    struct scene_trial *trial = *state;
    if (trial->reader != NULL) trial->reader->source->ops->reader_close(trial->reader);
    profile_destroy(trial->profile);
    scene_release(&trial->scene);
    return 0;
}

void scene_trial_read(struct scene_trial *trial, uint32_t customer, int64_t t_ms, bool all_times) {
    struct timeline_source *source = trial->scene.data.source;
    const struct as_of as_of = {all_times ? INT64_MAX : t_ms, POSITION_NOW};
    struct timeline_request request = profile_request(trial->profile, as_of, all_times);
    if (trial->reader != NULL) source->ops->reader_close(trial->reader);
    assert_int_equal(source->ops->reader_open(source, &trial->reader, NULL), STATUS_OK);
    assert_int_equal(source->ops->read(trial->reader, (struct customer_id){customer}, &request,
                                       &trial->timeline, NULL),
                     STATUS_OK);
}
