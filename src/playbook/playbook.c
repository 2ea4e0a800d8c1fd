/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "playbook/playbook_internal.h"

#define ARENA_BYTES_MAX ((size_t)256 << 20)

/* ---- loading ---- */

static bool find_lines(struct reader *reader) {
    struct text bytes = reader->playbook->bytes;
    uint32_t count = 1;
    for (uint32_t i = 0; i < bytes.length; i++) count += bytes.at[i] == '\n';
    uint32_t *starts = reader_alloc(reader, count, sizeof *starts);
    if (starts == NULL) return false;
    reader->line_starts = starts;
    reader->line_count = 1;
    for (uint32_t i = 0; i < bytes.length; i++) {
        if (bytes.at[i] == '\n') starts[reader->line_count++] = i + 1;
    }
    return true;
}

/* Takes "FILE:LINE:COLUMN: what" apart into a place and the sentence. */
static void report_yaml(struct reader *reader, const struct error *error) {
    struct place place = {1, 1};
    const char *what = error->text;
    size_t length = strlen(reader->file);
    unsigned line, column;
    int used = 0;
    if (strncmp(what, reader->file, length) == 0 && what[length] == ':') {
        what += length + 1;
        if (sscanf(what, "%9u:%9u: %n", &line, &column, &used) == 2 && used > 0) {
            place = (struct place){line, column};
            what += used;
        }
    }
    reader_error(reader, place, "%s", what + (*what == ' '));
}

static const struct yaml_node *parse(struct reader *reader) {
    struct playbook *playbook = reader->playbook;
    struct yaml_node *root = NULL;
    struct error error = {0};
    enum status status = yaml_parse(reader->arena, reader->file, playbook->bytes, &root, &error);
    if (status == STATUS_NO_MEMORY)
        (void)reader_no_memory(reader);
    else if (status != STATUS_OK)
        report_yaml(reader, &error);
    else if (root->type != YAML_MAP)
        reader_error(reader, node_place(root), "a playbook is a map: begin with attune: 1");
    else
        return root;
    return NULL;
}

static void read_all(struct reader *reader, const struct yaml_node *const *top) {
    struct playbook *playbook = reader->playbook;
    struct source_reading *sources = NULL;
    settings_read(reader, top);
    consent_read(reader, top[TOP_CONSENT]);
    customer_read(reader, top[TOP_CUSTOMER]);
    bots_read(reader, top[TOP_BOTS]);
    relations_read(reader, top[TOP_RELATIONS]);
    if (reader->status != STATUS_OK || !reserved_add(reader)) return;
    if (!sources_begin(reader, top[TOP_SOURCES], &sources)) return;
    events_read(reader, top[TOP_EVENTS]);
    sources_declare(reader, sources);
    sources_read(reader, sources);
    visits_read(reader, top[TOP_VISITS]);
    actions_begin(reader, top[TOP_ACTIONS]);
    placements_begin(reader, top[TOP_PLACEMENTS]);
    context_read(reader, top[TOP_CONTEXT]);
    if (reader->status != STATUS_OK) return;
    schema_init(reader->names, &playbook->schema);
    lifetimes_read(reader, top[TOP_LIFETIME]);
    traits_read(reader, top[TOP_TRAITS]);
    customer_zone_read(reader, top[TOP_CUSTOMER]);
    context_refuse(reader, "a goal is judged by what happened later");
    goals_read(reader, top[TOP_GOALS]);
    context_refuse(reader, "a scenario is measured over the past, where nothing was asked");
    scenarios_read(reader, top[TOP_SCENARIOS]);
    context_refuse(reader, NULL);
    models_read(reader, top[TOP_MODELS]);
    lifetimes_check(reader);
    actions_read(reader, top);
    explore_read(reader, top[TOP_EXPLORE]);
    channels_read(reader, top[TOP_CHANNELS]);
    placements_read(reader, top[TOP_PLACEMENTS]);
    bundles_read(reader, top[TOP_BUNDLES]);
    policies_read(reader, top[TOP_POLICIES]);
    budgets_read(reader, top[TOP_BUDGETS]);
    lists_read(reader, top[TOP_DECIDE]);
    experiments_read(reader, top[TOP_EXPERIMENTS]);
}

/* ---- what grew while reading becomes the playbook's arrays ---- */

static void finish_properties(struct reader *reader) {
    const struct names *names = reader->names;
    struct property_rule *rules = reader_alloc(reader, names->property_count, sizeof *rules);
    for (uint32_t i = 0; rules != NULL && i < names->property_count; i++) {
        const struct property_entry *entry = &names->properties[i];
        struct lookup_field *fields = reader_alloc(reader, entry->field_count, sizeof *fields);
        uint32_t *symbols = reader_alloc(reader, entry->field_count, sizeof *symbols);
        if (fields == NULL || symbols == NULL) return;
        for (uint32_t k = 0; k < entry->field_count; k++) {
            fields[k] = entry->fields[k].field;
            symbols[k] = entry->fields[k].symbol;
        }
        rules[i] = entry->rule;
        rules[i].fields = fields;
        rules[i].field_symbols = symbols;
        rules[i].field_count = entry->field_count;
    }
    reader->playbook->properties = rules;
    reader->playbook->property_rule_count = names->property_count;
}

static void finish(struct reader *reader) {
    struct playbook *playbook = reader->playbook;
    const struct names *names = reader->names;
    struct lookup_rule *lookups = reader_alloc(reader, names->lookup_count, sizeof *lookups);
    struct attribute_rule *attributes =
        reader_alloc(reader, names->attribute_count, sizeof *attributes);
    if (lookups == NULL || attributes == NULL) return;
    for (uint32_t i = 0; i < names->lookup_count; i++) lookups[i] = names->lookups[i].rule;
    for (uint32_t i = 0; i < names->attribute_count; i++) attributes[i] = names->attributes[i].rule;
    playbook->lookups = lookups;
    playbook->lookup_count = names->lookup_count;
    playbook->attributes = attributes;
    playbook->attribute_count = names->attribute_count;
    finish_properties(reader);
}

static enum status load(struct reader *reader, struct text bytes) {
    struct playbook *playbook = reader->playbook;
    const struct yaml_node *values[KEYS_MAX];
    playbook->bytes = arena_text(reader->arena, bytes);
    playbook->file = arena_text(reader->arena, text_from(reader->file));
    playbook->names = reader->names = reader_alloc(reader, 1, sizeof *reader->names);
    if (playbook->bytes.at == NULL || playbook->file.at == NULL || reader->names == NULL)
        return STATUS_NO_MEMORY;
    playbook->hash = hash_bytes(bytes.at, bytes.length, 0);
    *reader->names =
        (struct names){.playbook = playbook, .symbols = reader->symbols, .reader = reader};
    if (!find_lines(reader)) return STATUS_NO_MEMORY;
    const struct yaml_node *root = parse(reader);
    if (root != NULL && reader_keys(reader, root, &top_keys, values)) read_all(reader, values);
    if (reader->status == STATUS_OK && reader->errors->count == 0) finish(reader);
    reader->names->reader = NULL;
    if (reader->status != STATUS_OK) return reader->status;
    return reader->errors->count > 0 ? STATUS_INVALID : STATUS_OK;
}

enum status playbook_load(struct playbook **out, const char *file, struct text bytes,
                          struct symbols *symbols, struct playbook_errors *errors) {
    *out = NULL;
    errors->count = errors->dropped = 0;
    struct playbook *playbook = memory_calloc(1, sizeof *playbook);
    if (playbook == NULL) return STATUS_NO_MEMORY;
    arena_init(&playbook->arena, ARENA_BYTES_MAX);
    struct reader reader = {.playbook = playbook,
                            .arena = &playbook->arena,
                            .file = file,
                            .symbols = symbols,
                            .errors = errors};
    enum status status = STATUS_INVALID;
    if (bytes.length > PLAYBOOK_BYTES_MAX) {
        reader_error(
            &reader, (struct place){1, 1},
            "the playbook is longer than %u bytes: keep data in lookups and split the rest",
            PLAYBOOK_BYTES_MAX);
    } else {
        status = load(&reader, bytes);
    }
    if (status != STATUS_OK) {
        playbook_destroy(playbook);
        return status;
    }
    *out = playbook;
    return STATUS_OK;
}

void playbook_destroy(struct playbook *playbook) {
    if (playbook == NULL) return;
    for (uint32_t i = 0; playbook->names != NULL && i < playbook->names->zone_count; i++) {
        time_zone_destroy(playbook->names->zones[i].zone);
    }
    arena_release(&playbook->arena);
    memory_free(playbook);
}

/* ---- finding by name ---- */

#define FIND(singular, plural)                                                                     \
    uint32_t playbook_##singular##_find(const struct playbook *playbook, struct text name) {       \
        for (uint32_t i = 0; i < playbook->singular##_count; i++) {                                \
            if (text_equal(playbook->plural[i].name, name)) return i;                              \
        }                                                                                          \
        return UINT32_MAX;                                                                         \
    }
FIND(trait, traits)
FIND(goal, goals)
FIND(action, actions)
FIND(source, sources)
FIND(lookup, lookups)
FIND(placement, placements)
FIND(experiment, experiments)
