/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/budgets.h"
#include "engine/engine_internal.h"

/* INGEST_FIELDS_MAX columns, or as many paths, and INGEST_READING_ANY. */
#define PLAN_COLUMNS_MAX (INGEST_FIELDS_MAX + 1)

static struct text text_member(struct json_node root, const char *key) {
    struct json_node node;
    if (!json_get(root, text_from(key), &node) || json_type(node) != JSON_TEXT)
        return (struct text){0};
    return json_text(node);
}

static int64_t integer_member(struct json_node root, const char *key) {
    struct json_node node;
    int64_t value = 0;
    if (!json_get(root, text_from(key), &node) || !json_integer(node, &value)) return 0;
    return value;
}

static bool hash_from_text(struct text text, uint64_t *hash) {
    char digits[17];
    char *end;
    if (text.length != 16) return false;
    memcpy(digits, text.at, 16);
    digits[16] = '\0';
    *hash = strtoull(digits, &end, 16);
    return *end == '\0';
}

static enum status apply_playbook(struct engine *engine, struct json_node root) {
    struct text hash = text_member(root, "hash");
    if (hash.length != 16) return STATUS_CORRUPT;
    memcpy(engine->playbook_hash, hash.at, 16);
    engine->playbook_hash[16] = '\0';
    return STATUS_OK;
}

static enum status apply_lookup(struct engine *engine, struct json_node root) {
    uint64_t hash;
    struct text name = text_member(root, "name");
    if (name.length == 0 || !hash_from_text(text_member(root, "hash"), &hash))
        return STATUS_CORRUPT;
    struct named_lookup *lookup = lookup_named(engine, name, true);
    if (lookup == NULL) return STATUS_NO_MEMORY;
    return lookup_add_version(lookup, integer_member(root, "known_ms"), hash);
}

static enum status apply_model(struct engine *engine, struct json_node root, bool in_force) {
    struct text name = text_member(root, "name");
    struct model_fact fact = {.version = (uint32_t)integer_member(root, "version"),
                              .trained_ms = integer_member(root, "trained_ms"),
                              .until_ms = integer_member(root, "until_ms"),
                              .was_in_force = in_force};
    if (name.length == 0) return STATUS_CORRUPT;
    if (!hash_from_text(text_member(root, "features"), &fact.features)) fact.features = 0;
    struct named_model *model = model_named(engine, name, true);
    if (model == NULL || model_facts_reserve(model) != STATUS_OK) return STATUS_NO_MEMORY;
    model_facts_add(model, &fact);
    if (in_force) model->now = fact;
    return STATUS_OK;
}

static enum status apply_reading(struct engine *engine, struct json_node root) {
    struct text columns[PLAN_COLUMNS_MAX];
    struct ingest_reading reading = {.id = (uint16_t)integer_member(root, "id"),
                                     .columns = columns};
    struct text source = text_member(root, "source");
    struct json_node list;
    if (source.length == 0 || reading.id == 0 ||
        !hash_from_text(text_member(root, "identifiers"), &reading.identifiers) ||
        !json_get(root, TEXT("columns"), &list) || json_type(list) != JSON_ARRAY)
        return STATUS_CORRUPT;
    struct json_iterator iterator = json_begin(list);
    while (json_next(&iterator)) {
        if (reading.column_count == PLAN_COLUMNS_MAX || json_type(iterator.node) != JSON_TEXT)
            return STATUS_CORRUPT;
        columns[reading.column_count++] = json_text(iterator.node);
    }
    return reading_add(engine, source, &reading);
}

static enum status apply_row_key(struct engine *engine, struct json_node root) {
    uint64_t hash;
    struct text source = text_member(root, "source");
    if (source.length == 0 || !hash_from_text(text_member(root, "names_rows"), &hash))
        return STATUS_CORRUPT;
    return readings_set_key(engine, source, hash);
}

static double number_member(struct json_node root, const char *key) {
    struct json_node node;
    if (!json_get(root, text_from(key), &node)) return 0;
    return json_type(node) == JSON_NUMBER ? json_number(node) : 0;
}

static bool read_line(struct json_node node, struct budget_line *line) {
    struct text name = text_member(node, "name");
    if (name.length == 0 || name.length >= sizeof line->name) return false;
    memcpy(line->name, name.at, name.length);
    line->price = number_member(node, "price");
    line->amount = number_member(node, "amount");
    line->used = number_member(node, "used");
    line->spent = number_member(node, "spent");
    line->short_by = number_member(node, "short_by");
    return true;
}

static enum status apply_budgets(struct engine *engine, struct json_node root) {
    struct budget_version version = {
        .at_ms = integer_member(root, "at_ms"),
        .value = number_member(root, "value"),
        .bound = number_member(root, "bound"),
        .gap = number_member(root, "gap"),
        .customers = (uint64_t)integer_member(root, "customers"),
        .served = (uint64_t)integer_member(root, "served"),
    };
    struct json_node list;
    if (!json_get(root, TEXT("budgets"), &list) || json_type(list) != JSON_ARRAY)
        return STATUS_CORRUPT;
    struct json_iterator iterator = json_begin(list);
    while (json_next(&iterator)) {
        if (version.count == BUDGETS_MAX ||
            !read_line(iterator.node, &version.lines[version.count++]))
            return STATUS_CORRUPT;
    }
    return budgets_note_version(engine->budgets, &version);
}

enum status control_apply(struct engine *engine, struct text bytes, struct error *error) {
    if (engine->json == NULL) {
        enum status status = json_parser_create(&engine->json, CONTROL_BYTES_MAX);
        if (status != STATUS_OK) return status;
    }
    struct json_node root;
    enum status status = json_parse(engine->json, bytes, &root, error);
    if (status != STATUS_OK) return status;
    struct text kind = text_member(root, "control");
    if (text_equal(kind, TEXT("playbook"))) return apply_playbook(engine, root);
    if (text_equal(kind, TEXT("lookup"))) return apply_lookup(engine, root);
    if (text_equal(kind, TEXT("model"))) return apply_model(engine, root, true);
    if (text_equal(kind, TEXT("challenger"))) return apply_model(engine, root, false);
    if (text_equal(kind, TEXT("reading"))) return apply_reading(engine, root);
    if (text_equal(kind, TEXT("budgets"))) return apply_budgets(engine, root);
    if (text_equal(kind, TEXT("row_key"))) return apply_row_key(engine, root);
    return error_set(error, STATUS_VERSION,
                     "the log holds a control record \"%.*s\" that this program does not know; a "
                     "newer attune wrote it",
                     TEXT_ARG(kind));
}

enum status control_append(struct engine *engine, const struct event_batch *batch,
                           struct text bytes, struct error *error) {
    struct store_record record = {RECORD_CONTROL, bytes};
    struct store_frame frame = {.batch = batch, .records = &record, .record_count = 1};
    uint64_t position;
    return store_append(engine->store, &frame, true, &position, error);
}

static void begin(struct json_writer *writer, struct buffer *out, const char *kind) {
    json_writer_init(writer, out, false);
    json_write_object_begin(writer);
    json_write_key(writer, "control");
    json_write_string(writer, kind);
}

static enum status end(struct json_writer *writer) {
    json_write_object_end(writer);
    return writer->status;
}

static void write_hash(struct json_writer *writer, const char *key, uint64_t hash) {
    char digits[17];
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)hash);
    json_write_key(writer, key);
    json_write_string(writer, digits);
}

enum status control_playbook(struct buffer *out, const char *hash, int64_t now_ms) {
    struct json_writer writer;
    begin(&writer, out, "playbook");
    json_write_key(&writer, "hash");
    json_write_string(&writer, hash);
    json_write_key(&writer, "known_ms");
    json_write_integer(&writer, now_ms);
    return end(&writer);
}

enum status control_lookup(struct buffer *out, struct text name, uint64_t hash, int64_t known_ms) {
    struct json_writer writer;
    begin(&writer, out, "lookup");
    json_write_key(&writer, "name");
    json_write_text(&writer, name);
    write_hash(&writer, "hash", hash);
    json_write_key(&writer, "known_ms");
    json_write_integer(&writer, known_ms);
    return end(&writer);
}

enum status control_model(struct buffer *out, const char *name, const struct model_fact *fact) {
    struct json_writer writer;
    begin(&writer, out, fact->was_in_force ? "model" : "challenger");
    json_write_key(&writer, "name");
    json_write_string(&writer, name);
    json_write_key(&writer, "version");
    json_write_integer(&writer, fact->version);
    json_write_key(&writer, "trained_ms");
    json_write_integer(&writer, fact->trained_ms);
    json_write_key(&writer, "until_ms");
    json_write_integer(&writer, fact->until_ms);
    write_hash(&writer, "features", fact->features);
    return end(&writer);
}

enum status control_reading(struct buffer *out, struct text source,
                            const struct ingest_reading *reading) {
    struct json_writer writer;
    begin(&writer, out, "reading");
    json_write_key(&writer, "source");
    json_write_text(&writer, source);
    json_write_key(&writer, "id");
    json_write_integer(&writer, reading->id);
    write_hash(&writer, "identifiers", reading->identifiers);
    json_write_key(&writer, "columns");
    json_write_array_begin(&writer);
    for (uint32_t i = 0; i < reading->column_count; i++)
        json_write_text(&writer, reading->columns[i]);
    json_write_array_end(&writer);
    return end(&writer);
}

enum status control_row_key(struct buffer *out, struct text source, uint64_t key_of_rows) {
    struct json_writer writer;
    begin(&writer, out, "row_key");
    json_write_key(&writer, "source");
    json_write_text(&writer, source);
    write_hash(&writer, "names_rows", key_of_rows);
    return end(&writer);
}

enum status control_budgets(struct buffer *out, const struct budget_version *version) {
    struct json_writer writer;
    begin(&writer, out, "budgets");
    json_member_integer(&writer, "at_ms", version->at_ms);
    json_member_number(&writer, "value", version->value);
    json_member_number(&writer, "bound", version->bound);
    json_member_number(&writer, "gap", version->gap);
    json_member_count(&writer, "customers", version->customers);
    json_member_count(&writer, "served", version->served);
    json_write_key(&writer, "budgets");
    json_write_array_begin(&writer);
    for (uint32_t i = 0; i < version->count; i++) {
        const struct budget_line *line = &version->lines[i];
        json_write_object_begin(&writer);
        json_member_string(&writer, "name", line->name);
        json_member_number(&writer, "price", line->price);
        json_member_number(&writer, "amount", line->amount);
        json_member_number(&writer, "used", line->used);
        json_member_number(&writer, "spent", line->spent);
        json_member_number(&writer, "short_by", line->short_by);
        json_write_object_end(&writer);
    }
    json_write_array_end(&writer);
    return end(&writer);
}
