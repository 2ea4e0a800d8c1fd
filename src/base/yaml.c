/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <yaml.h>

#include "base/memory.h"

/* Nodes of open lists and maps wait on one stack until their end tells how many there are. */
struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    struct arena *arena;
    const char *file;
    struct error *error;
    struct yaml_node **waiting;
    size_t waiting_count, waiting_capacity;
    uint32_t node_count;
    uint32_t depth;
};

static enum status fail_at(struct reader *reader, enum status status, size_t line, size_t column,
                           const char *what) {
    return error_set(reader->error, status, "%s:%zu:%zu: %s", reader->file, line, column, what);
}

static enum status fail(struct reader *reader, enum status status, const char *what) {
    yaml_mark_t mark = reader->event.start_mark;
    return fail_at(reader, status, mark.line + 1, mark.column + 1, what);
}

static enum status no_memory(struct reader *reader) {
    return error_set(reader->error, STATUS_NO_MEMORY, "%s: no memory to read the file",
                     reader->file);
}

static enum status syntax_error(struct reader *reader) {
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR) return no_memory(reader);
    if (parser->error == YAML_READER_ERROR) {
        return error_set(reader->error, STATUS_INVALID,
                         "%s: %s at byte %zu; the file must be UTF-8 text", reader->file,
                         parser->problem, parser->problem_offset);
    }
    return error_set(reader->error, STATUS_INVALID,
                     "%s:%zu:%zu: %s%s%s; check the indentation, the colons and the quotes",
                     reader->file, parser->problem_mark.line + 1, parser->problem_mark.column + 1,
                     parser->context ? parser->context : "", parser->context ? ", " : "",
                     parser->problem ? parser->problem : "not YAML");
}

static enum status next_event(struct reader *reader) {
    if (reader->has_event) yaml_event_delete(&reader->event);
    reader->has_event = yaml_parser_parse(&reader->parser, &reader->event) != 0;
    return reader->has_event ? STATUS_OK : syntax_error(reader);
}

static enum status node_create(struct reader *reader, enum yaml_type type, struct yaml_node **out) {
    if (reader->node_count++ >= YAML_NODES_MAX)
        return fail(reader, STATUS_LIMIT, "the file has more than 200000 values");
    struct yaml_node *node = arena_calloc(reader->arena, 1, sizeof(*node));
    if (!node) return no_memory(reader);
    node->type = type;
    node->line = (uint32_t)reader->event.start_mark.line + 1;
    node->column = (uint32_t)reader->event.start_mark.column + 1;
    *out = node;
    return STATUS_OK;
}

static enum status push(struct reader *reader, struct yaml_node *node) {
    void *items = reader->waiting;
    enum status status = memory_grow(&items, &reader->waiting_capacity, reader->waiting_count + 1,
                                     sizeof(struct yaml_node *));
    reader->waiting = items;
    if (status) return no_memory(reader);
    reader->waiting[reader->waiting_count++] = node;
    return STATUS_OK;
}

/* Moves every `step`-th of the waiting nodes, from `first` on, into the arena. */
static struct yaml_node **collect(struct reader *reader, size_t first, size_t step,
                                  uint32_t count) {
    struct yaml_node **nodes = arena_calloc(reader->arena, count, sizeof(struct yaml_node *));
    for (uint32_t i = 0; nodes && i < count; i++) nodes[i] = reader->waiting[first + i * step];
    return nodes;
}

static enum status read_scalar(struct reader *reader, struct yaml_node **out) {
    if (reader->event.data.scalar.anchor)
        return fail(reader, STATUS_INVALID, "anchors (&name) are not allowed; write the value out");
    if (reader->event.data.scalar.tag)
        return fail(reader, STATUS_INVALID, "tags (!name) are not allowed; leave it out");
    enum status status = node_create(reader, YAML_SCALAR, out);
    if (status) return status;
    (*out)->quoted = reader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (reader->event.data.scalar.length > UINT32_MAX - 1) return no_memory(reader);
    struct text text = {(const char *)reader->event.data.scalar.value,
                        (uint32_t)reader->event.data.scalar.length};
    (*out)->text = arena_text(reader->arena, text);
    return (*out)->text.at ? STATUS_OK : no_memory(reader);
}

static enum status read_node(struct reader *reader, struct yaml_node **out);

static enum status read_list(struct reader *reader, struct yaml_node *list) {
    size_t first = reader->waiting_count;
    for (;;) {
        enum status status = next_event(reader);
        if (status) return status;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT) break;
        struct yaml_node *item;
        status = read_node(reader, &item);
        if (status == STATUS_OK) status = push(reader, item);
        if (status) return status;
    }
    list->count = (uint32_t)(reader->waiting_count - first);
    list->items = collect(reader, first, 1, list->count);
    reader->waiting_count = first;
    return list->items ? STATUS_OK : no_memory(reader);
}

static int compare_keys(const void *a, const void *b) {
    const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
    int order = text_compare(x->text, y->text);
    if (order) return order;
    return x->line != y->line ? (x->line < y->line ? -1 : 1)
                              : (x->column > y->column) - (x->column < y->column);
}

/* Sorts the waiting list of keys, which nothing needs in its order any more, so that equal keys
 * stand side by side. */
static enum status check_unique(struct reader *reader, struct yaml_node **keys, uint32_t count) {
    if (count < 2) return STATUS_OK;
    qsort(keys, count, sizeof(*keys), compare_keys);
    for (uint32_t i = 1; i < count; i++) {
        if (!text_equal(keys[i - 1]->text, keys[i]->text)) continue;
        return error_set(reader->error, STATUS_INVALID,
                         "%s:%u:%u: the key \"%.*s\" is already given in line %u; keep one",
                         reader->file, keys[i]->line, keys[i]->column, TEXT_ARG(keys[i]->text),
                         keys[i - 1]->line);
    }
    return STATUS_OK;
}

static enum status read_pair(struct reader *reader) {
    struct yaml_node *key, *value;
    if (reader->event.type != YAML_SCALAR_EVENT)
        return fail(reader, STATUS_INVALID, "a key must be a name, not a list or a map");
    enum status status = read_node(reader, &key);
    if (status == STATUS_OK) status = push(reader, key);
    if (status == STATUS_OK) status = next_event(reader);
    if (status == STATUS_OK) status = read_node(reader, &value);
    return status == STATUS_OK ? push(reader, value) : status;
}

static enum status read_map(struct reader *reader, struct yaml_node *map) {
    size_t first = reader->waiting_count;
    for (;;) {
        enum status status = next_event(reader);
        if (status) return status;
        if (reader->event.type == YAML_MAPPING_END_EVENT) break;
        status = read_pair(reader);
        if (status) return status;
    }
    map->count = (uint32_t)((reader->waiting_count - first) / 2);
    map->keys = collect(reader, first, 2, map->count);
    map->items = collect(reader, first + 1, 2, map->count);
    if (!map->keys || !map->items) return no_memory(reader);
    for (uint32_t i = 0; i < map->count; i++) reader->waiting[first + i] = map->keys[i];
    reader->waiting_count = first;
    return check_unique(reader, map->count ? reader->waiting + first : NULL, map->count);
}

static enum status read_container(struct reader *reader, struct yaml_node **out) {
    bool is_map = reader->event.type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor =
        is_map ? reader->event.data.mapping_start.anchor : reader->event.data.sequence_start.anchor;
    const yaml_char_t *tag =
        is_map ? reader->event.data.mapping_start.tag : reader->event.data.sequence_start.tag;
    if (anchor)
        return fail(reader, STATUS_INVALID, "anchors (&name) are not allowed; write the value out");
    if (tag) return fail(reader, STATUS_INVALID, "tags (!name) are not allowed; leave it out");
    if (reader->depth >= YAML_DEPTH_MAX)
        return fail(reader, STATUS_LIMIT, "nested more than 32 levels deep");
    enum status status = node_create(reader, is_map ? YAML_MAP : YAML_LIST, out);
    if (status) return status;
    reader->depth++;
    status = is_map ? read_map(reader, *out) : read_list(reader, *out);
    reader->depth--;
    return status;
}

static enum status read_node(struct reader *reader, struct yaml_node **out) {
    switch (reader->event.type) {
    case YAML_SCALAR_EVENT: return read_scalar(reader, out);
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT: return read_container(reader, out);
    case YAML_ALIAS_EVENT:
        return fail(reader, STATUS_INVALID,
                    "aliases (*name) are not allowed; write the value out, or quote it");
    default: return fail(reader, STATUS_INVALID, "a value is missing here");
    }
}

static enum status read_document(struct reader *reader, struct yaml_node **root) {
    enum status status = next_event(reader); /* stream start */
    if (status == STATUS_OK) status = next_event(reader);
    if (status) return status;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return fail_at(reader, STATUS_INVALID, 1, 1, "the file is empty");
    status = next_event(reader);
    if (status == STATUS_OK) status = read_node(reader, root);
    if (status == STATUS_OK) status = next_event(reader); /* document end */
    if (status == STATUS_OK) status = next_event(reader);
    if (status) return status;
    if (reader->event.type != YAML_STREAM_END_EVENT)
        return fail(reader, STATUS_INVALID, "a second document (---) is not allowed");
    return STATUS_OK;
}

enum status yaml_parse(struct arena *arena, const char *file, struct text bytes,
                       struct yaml_node **root, struct error *error) {
    struct reader reader = {.arena = arena, .file = file, .error = error};
    if (!yaml_parser_initialize(&reader.parser)) return no_memory(&reader);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)(bytes.at ? bytes.at : ""),
                                 bytes.length);
    enum status status = read_document(&reader, root);
    if (reader.has_event) yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    memory_free(reader.waiting);
    return status;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key) {
    if (!map || map->type != YAML_MAP) return NULL;
    struct text wanted = text_from(key);
    for (uint32_t i = 0; i < map->count; i++) {
        if (text_equal(map->keys[i]->text, wanted)) return map->items[i];
    }
    return NULL;
}
