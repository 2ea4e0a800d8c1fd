/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/read/reader.h"

#include <stdarg.h>
#include <stdio.h>

#define LISTED_MAX 12 /* names repeated in an error */

/* ---- errors ---- */

static bool is_before(struct place a, struct place b) {
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* Inserts an error in file order, in whatever order things are checked. When the list is full, the
 * error that stands latest in the file is dropped. */
static void insert(struct playbook_errors *errors, struct place place, const char *text) {
    uint32_t at = errors->count;
    while (at > 0 && is_before(place, errors->item[at - 1].place)) at--;
    if (at > 0 && !is_before(errors->item[at - 1].place, place) &&
        strcmp(errors->item[at - 1].text, text) == 0)
        return;
    if (errors->count == PLAYBOOK_ERRORS_MAX) {
        errors->dropped++;
        if (at == PLAYBOOK_ERRORS_MAX) return;
        errors->count--;
    }
    memmove(&errors->item[at + 1], &errors->item[at],
            (errors->count - at) * sizeof errors->item[0]);
    errors->item[at].place = place;
    snprintf(errors->item[at].text, sizeof errors->item[at].text, "%s", text);
    errors->count++;
}

void reader_error(struct reader *reader, struct place place, const char *format, ...) {
    if (reader->status != STATUS_OK) return;
    char text[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct error clean;
    (void)error_set(&clean, STATUS_INVALID, "%s", text);
    insert(reader->errors, place, clean.text);
}

struct text shown(struct text text) {
    if (text.length <= SHOWN_BYTES_MAX) return text;
    uint32_t length = SHOWN_BYTES_MAX;
    while (length > 0 && ((unsigned char)text.at[length] & 0xC0) == 0x80) length--;
    return (struct text){text.at, length};
}

static void list_names(char *out, size_t size, const struct text *known, uint32_t count) {
    size_t length = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < count && i < LISTED_MAX && length < size; i++) {
        struct text name = shown(known[i]);
        length +=
            (size_t)snprintf(out + length, size - length, "%s%.*s", i ? ", " : "", TEXT_ARG(name));
    }
    if (count > LISTED_MAX && length < size) snprintf(out + length, size - length, ", …");
}

void reader_unknown(struct reader *reader, struct place place, const char *kind, struct text name,
                    const struct text *known, uint32_t count) {
    struct text near = text_nearest(name, known, count), given = shown(name);
    char names[ERROR_TEXT_MAX / 2];
    if (near.at != NULL) {
        reader_error(reader, place, "no %s is called \"%.*s\": did you mean \"%.*s\"?", kind,
                     TEXT_ARG(given), TEXT_ARG(near));
        return;
    }
    list_names(names, sizeof names, known, count);
    if (count == 0) {
        reader_error(reader, place, "no %s is called \"%.*s\": there is none in this playbook yet",
                     kind, TEXT_ARG(given));
    } else {
        reader_error(reader, place, "no %s is called \"%.*s\": write one of %s", kind,
                     TEXT_ARG(given), names);
    }
}

bool reader_no_memory(struct reader *reader) {
    if (reader->status == STATUS_OK) reader->status = STATUS_NO_MEMORY;
    return false;
}

/* ---- memory ---- */

void *reader_alloc(struct reader *reader, size_t count, size_t bytes) {
    void *at = arena_calloc(reader->arena, count, bytes);
    if (at == NULL) (void)reader_no_memory(reader);
    return at;
}

void *reader_push(struct reader *reader, void **items, uint32_t *count, uint32_t *capacity,
                  size_t bytes) {
    if (*count == *capacity) {
        uint32_t wider = *capacity == 0 ? 8 : *capacity * 2;
        char *moved = reader_alloc(reader, wider, bytes);
        if (moved == NULL) return NULL;
        if (*count > 0) memcpy(moved, *items, *count * bytes);
        *items = moved;
        *capacity = wider;
    }
    return (char *)*items + (size_t)(*count)++ * bytes;
}

struct text reader_format(struct reader *reader, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *at = length < 0 ? NULL : arena_alloc(reader->arena, (size_t)length + 1);
    if (at != NULL) vsnprintf(at, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    if (at == NULL) {
        (void)reader_no_memory(reader);
        return (struct text){"", 0};
    }
    return (struct text){at, (uint32_t)length};
}

/* ---- shapes ---- */

bool node_is_empty(const struct yaml_node *node) {
    if (node->type != YAML_SCALAR || node->quoted) return false;
    return node->text.length == 0 || text_equal(node->text, TEXT("~")) ||
           text_equal(node->text, TEXT("null"));
}

static const char *shape_name(const struct yaml_node *node) {
    if (node->type == YAML_MAP) return "a map";
    if (node->type == YAML_LIST) return "a list";
    return node_is_empty(node) ? "nothing" : "a plain value";
}

bool reader_is_map(struct reader *reader, const struct yaml_node *node, const char *what) {
    if (node->type == YAML_MAP) return true;
    reader_error(reader, node_place(node), "%s is %s: write a map of \"key: value\" here", what,
                 shape_name(node));
    return false;
}

bool reader_is_list(struct reader *reader, const struct yaml_node *node, const char *what) {
    if (node->type == YAML_LIST) return true;
    reader_error(reader, node_place(node),
                 "%s is %s: write a list, [a, b] or one \"- item\" a line", what, shape_name(node));
    return false;
}

static uint32_t key_find(const struct key_set *set, struct text key) {
    for (uint32_t i = 0; i < set->count; i++) {
        if (text_equal(key, text_from(set->keys[i]))) return i;
    }
    return UINT32_MAX;
}

static void unknown_key(struct reader *reader, const struct yaml_node *key,
                        const struct key_set *set) {
    struct text names[KEYS_MAX];
    for (uint32_t i = 0; i < set->count; i++) names[i] = text_from(set->keys[i]);
    struct text near = text_nearest(key->text, names, set->count), given = shown(key->text);
    if (near.at != NULL) {
        reader_error(reader, node_place(key), "%s has no key \"%.*s\": did you mean \"%.*s\"?",
                     set->what, TEXT_ARG(given), TEXT_ARG(near));
        return;
    }
    char list[ERROR_TEXT_MAX / 2];
    list_names(list, sizeof list, names, set->count > LISTED_MAX ? LISTED_MAX : set->count);
    size_t length = strlen(list);
    for (uint32_t i = LISTED_MAX; i < set->count && length < sizeof list; i++) {
        length += (size_t)snprintf(list + length, sizeof list - length, ", %s", set->keys[i]);
    }
    reader_error(reader, node_place(key), "%s has no key \"%.*s\": the keys are %s", set->what,
                 TEXT_ARG(given), list);
}

bool reader_keys(struct reader *reader, const struct yaml_node *node, const struct key_set *set,
                 const struct yaml_node **values) {
    for (uint32_t i = 0; i < set->count; i++) values[i] = NULL;
    if (node_is_empty(node)) return true;
    if (!reader_is_map(reader, node, set->what)) return false;
    for (uint32_t i = 0; i < node->count; i++) {
        uint32_t key = key_find(set, node->keys[i]->text);
        if (key == UINT32_MAX)
            unknown_key(reader, node->keys[i], set);
        else if (!node_is_empty(node->items[i]))
            values[key] = node->items[i];
    }
    return true;
}
