/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json_skip.h"
#include "ingest/map/segment.h"

bool segment_is_batch(const struct mapper *mapper) {
    const struct cell *cells = mapper->cells + mapper->plan->segment;
    const struct cell *batch = &cells[SEGMENT_BATCH];
    if (!cell_is_empty(&cells[SEGMENT_TYPE]) || mapper->plan->group_column != COLUMN_NONE)
        return false;
    return batch->kind == CELL_NODE && json_type(batch->node) == JSON_ARRAY;
}

/* The value of a member of the line, as written; empty where there is none. */
static struct text member(const struct mapper *mapper, struct text name) {
    const char *at = mapper->line_text.at, *end = at + mapper->line_text.length;
    struct json_iterator iterator = json_begin(mapper->root);
    at = json_skip_space(at, end) + 1;
    while (json_next(&iterator)) {
        at = json_skip_string(json_skip_space(at, end), end);
        struct text value = json_value_at(&at, end);
        if (text_equal(iterator.key, name))
            return value; /* of a member given twice the first counts */
    }
    return (struct text){0};
}

/* ---- a batch that is no right JSON ---- */

/* So many beginnings of messages are tried in one line. */
#define RESCUE_TRIES_MAX 64u
/* What stands behind the messages (sentAt, context) is looked for in so many bytes. */
#define PARTS_BEHIND_MAX ((size_t)64 << 10)

/* What stands behind the bracket that opens the line's member "batch", up to the line's end. */
static bool find_batch(struct text line, struct text *behind) {
    const char *at = json_skip_space(line.at, line.at + line.length), *end = line.at + line.length;
    if (at == end || *at != '{') return false;
    for (at++; (at = json_skip_space(at, end)) < end && *at == '"';) {
        const char *key = at;
        at = json_skip_string(at, end);
        bool is_batch = text_equal((struct text){key, (uint32_t)(at - key)}, TEXT("\"batch\""));
        const char *first = json_skip_space(at, end);
        if (is_batch && first < end && *first == '[') {
            *behind = (struct text){first + 1, (uint32_t)(end - first - 1)};
            return true;
        }
        (void)json_value_at(&at, end);
    }
    return false;
}

/* A quote is missing, or one too many: strings and what stands between them have changed places, so
 * that something stands behind a closing quote that never does; or the text ends in a string. */
static bool has_broken_quotes(struct text message) {
    const char *at = message.at, *end = message.at + message.length;
    while (at < end) {
        if (*at++ != '"') continue;
        at = json_skip_string(at - 1, end);
        if (at == end) return end[-1] != '"';
        if (memchr(" \t\r\n,:}]", *at, 8) == NULL) return true;
    }
    return false;
}

/* Can the message be read, as part of a batch? Sets the reason where it can't. */
static enum status check_message(struct mapper *mapper, struct text message) {
    struct error error = {0};
    struct json_node root;
    buffer_clear(&mapper->text);
    if (memchr(message.at, 0, message.length))
        return mapper_bad(mapper, COLUMN_NONE, "it holds a NUL byte");
    if (!text_is_utf8(message)) return mapper_bad(mapper, COLUMN_NONE, "it is not UTF-8");
    enum status status = buffer_append_text(&mapper->text, TEXT("{\"batch\":["));
    if (status == STATUS_OK) status = buffer_append_text(&mapper->text, message);
    if (status == STATUS_OK) status = buffer_append_text(&mapper->text, TEXT("]}"));
    if (status == STATUS_OK) status = buffer_reserve(&mapper->text, JSON_PADDING);
    if (status) return status;
    status = mapper_parse_json(mapper, buffer_text(&mapper->text), &root, &error);
    return status == STATUS_OK || status == STATUS_NO_MEMORY
               ? status
               : mapper_bad(mapper, COLUMN_NONE, "%s", error.text);
}

/* Does a message begin here that is right JSON, says its type, and has another one or the end of
 * the batch behind it? A record inside a message says no type, as a rule. */
static enum status is_message(struct mapper *mapper, const char *at, const char *end, bool *is) {
    struct json_node root, batch, type;
    struct error error;
    struct text message = json_value_at(&at, end);
    const struct mapper_reason reason = mapper->reason;
    *is = false;
    at = json_skip_space(at, end);
    if (at == end || (*at != '{' && *at != ']')) return STATUS_OK;
    enum status status = check_message(mapper, message);
    if (status == STATUS_OK)
        status = mapper_parse_json(mapper, buffer_text(&mapper->text), &root, &error);
    if (status == STATUS_OK && json_get(root, TEXT("batch"), &batch)) {
        struct json_iterator items = json_begin(batch);
        *is = json_next(&items) && json_type(items.node) == JSON_OBJECT &&
              json_get(items.node, TEXT("type"), &type);
    }
    mapper->reason = reason;
    return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}

/* The bad message that begins at `from`: where does the next one begin, or the batch end? NULL: it
 * can't be told. */
static enum status find_next(struct mapper *mapper, struct text bad, const char *end,
                             uint32_t *tries, const char **next) {
    const char *at = bad.at + 1;
    enum status status = STATUS_OK;
    *next = NULL;
    if (!has_broken_quotes(bad)) {
        *next = bad.at + bad.length;
        return STATUS_OK;
    }
    while (*tries < RESCUE_TRIES_MAX && (at = memchr(at, '}', (size_t)(end - at))) != NULL) {
        const char *first = json_skip_space(++at, end);
        bool is = false;
        if (first == at || first == end || *first != '{') continue;
        ++*tries;
        status = is_message(mapper, first, end, &is);
        if (status != STATUS_OK || !is) continue;
        *next = at;
        return STATUS_OK;
    }
    /* It is the last one: what stands behind the batch makes a right line. */
    for (at = end; *next == NULL && at > bad.at && (size_t)(end - at) < PARTS_BEHIND_MAX;) {
        if (*--at != ']') continue;
        struct error error;
        struct json_node root;
        buffer_clear(&mapper->text);
        status = buffer_append_text(&mapper->text, TEXT("{\"batch\":["));
        if (status == STATUS_OK) status = buffer_append(&mapper->text, at, (size_t)(end - at));
        if (status == STATUS_OK) status = buffer_reserve(&mapper->text, JSON_PADDING);
        if (status != STATUS_OK || ++*tries > 2 * RESCUE_TRIES_MAX) return status;
        if (mapper_parse_json(mapper, buffer_text(&mapper->text), &root, &error) == STATUS_OK)
            *next = at;
    }
    return STATUS_OK;
}

/* Good messages go behind mapper->rescued, bad ones to mapper->left. *tail: from the bracket that
 * closes the batch on. */
static enum status part_messages(struct mapper *mapper, struct text behind,
                                 struct segment_batch *walk, uint32_t *good, struct text *tail) {
    const char *at = behind.at, *end = behind.at + behind.length;
    uint32_t tries = 0;
    enum status status = STATUS_OK;
    for (; status == STATUS_OK; at = json_skip_space(at, end)) {
        at = json_skip_space(at, end);
        if (at == end) return STATUS_INVALID; /* the batch never ends */
        if (*at == ']') {
            *tail = (struct text){at, (uint32_t)(end - at)};
            return STATUS_OK;
        }
        walk->text = json_value_at(&at, end);
        walk->number++;
        if (walk->text.length == 0) return STATUS_INVALID; /* a bracket that closes nothing */
        status = check_message(mapper, walk->text);
        if (status == STATUS_INVALID) {
            const char *next;
            status = find_next(mapper, walk->text, end, &tries, &next);
            if (status == STATUS_OK && next == NULL) return STATUS_INVALID;
            if (status != STATUS_OK) return status;
            walk->text.length = (uint32_t)(next - walk->text.at);
            at = next;
            status = segment_batch_leave(walk, mapper);
            continue;
        }
        if (status == STATUS_OK && (*good)++ > 0)
            status = buffer_append_text(&mapper->rescued, TEXT(","));
        if (status == STATUS_OK) status = buffer_append_text(&mapper->rescued, walk->text);
    }
    return status;
}

enum status segment_rescue(struct mapper *mapper, uint32_t *left_count) {
    struct text line = mapper->line_text, behind, tail = {0};
    const struct mapper_reason reason = mapper->reason;
    struct segment_batch walk = {0};
    uint32_t good = 0;
    if (mapper->plan->group_column != COLUMN_NONE || !find_batch(line, &behind))
        return STATUS_INVALID;
    buffer_clear(&mapper->rescued);
    enum status status = buffer_append(&mapper->rescued, line.at, (size_t)(behind.at - line.at));
    if (status == STATUS_OK) status = part_messages(mapper, behind, &walk, &good, &tail);
    if (status == STATUS_OK) status = buffer_append_text(&mapper->rescued, tail);
    if (status == STATUS_OK) status = buffer_reserve(&mapper->rescued, JSON_PADDING);
    if (status == STATUS_OK && good > 0) {
        mapper->row = mapper->line_text = buffer_text(&mapper->rescued);
        status = mapper_read_json(mapper);
    }
    *left_count = walk.left_count;
    if (status == STATUS_OK && good > 0 && segment_is_batch(mapper)) return STATUS_OK;
    mapper->reason = reason;
    return status == STATUS_NO_MEMORY ? status : STATUS_INVALID;
}

/* ---- messages ---- */

void segment_batch_begin(struct segment_batch *walk, const struct mapper *mapper) {
    const struct cell *batch = &mapper->cells[mapper->plan->segment + SEGMENT_BATCH];
    struct text array = member(mapper, TEXT("batch"));
    *walk = (struct segment_batch){
        .messages = json_begin(batch->node), .at = array.at + 1, .end = array.at + array.length};
}

bool segment_batch_next(struct segment_batch *walk) {
    if (!json_next(&walk->messages)) return false;
    walk->node = walk->messages.node;
    walk->text = json_value_at(&walk->at, walk->end);
    walk->number++;
    return true;
}

/* One row has one reason, so it holds its people for all that any of its messages may take back. */
static void hold_more(struct mapper *mapper, const struct ingest_hold *hold) {
    char first[MAPPER_REASON_BYTES];
    struct ingest_hold held, both = *hold;
    snprintf(first, sizeof first, "%s", mapper->left_reason);
    const char *why = first;
    if (ingest_hold_read(text_from(first), &held)) {
        if (held.is_purpose == hold->is_purpose && text_equal(held.scope, hold->scope)) return;
        why = held.why.at;
        both.is_purpose = held.is_purpose && hold->is_purpose;
        both.scope = (struct text){0};
    }
    ingest_hold_write(mapper->left_reason, sizeof mapper->left_reason, both.is_purpose, both.scope,
                      why);
}

enum status segment_batch_leave(struct segment_batch *walk, struct mapper *mapper) {
    struct ingest_hold hold;
    mapper_hold_in_doubt(mapper);
    bool holds = ingest_hold_read(text_from(mapper->reason.text), &hold);
    struct text why = holds ? hold.why : text_from(mapper->reason.text);
    if (walk->left_count > 0 && holds) hold_more(mapper, &hold);
    if (walk->left_count++ == 0) {
        char first[MAPPER_REASON_BYTES];
        snprintf(first, sizeof first, "message %u of the batch: %.*s", walk->number,
                 (int)(why.length < 360 ? why.length : 360), why.at);
        snprintf(mapper->left_reason, sizeof mapper->left_reason, "%s", first);
        if (holds) {
            ingest_hold_write(mapper->left_reason, sizeof mapper->left_reason, hold.is_purpose,
                              hold.scope, first);
        }
        buffer_clear(&mapper->left);
    }
    enum status status =
        buffer_append_text(&mapper->left, walk->left_count == 1 ? TEXT("{\"batch\":[") : TEXT(","));
    return status == STATUS_OK ? buffer_append_text(&mapper->left, walk->text) : status;
}

enum status segment_batch_end(struct segment_batch *walk, struct mapper *mapper) {
    static const struct text of_all[] = {{"sentAt", 6}, {"receivedAt", 10}, {"context", 7}};
    enum status status = buffer_append_text(&mapper->left, TEXT("]"));
    for (size_t i = 0; status == STATUS_OK && i < sizeof of_all / sizeof *of_all; i++) {
        struct text value = member(mapper, of_all[i]);
        if (value.length == 0) continue;
        status = buffer_format(&mapper->left, ",\"%s\":", of_all[i].at);
        if (status == STATUS_OK) status = buffer_append_text(&mapper->left, value);
    }
    if (status == STATUS_OK) status = buffer_append_text(&mapper->left, TEXT("}"));
    if (status == STATUS_OK) status = mapper_mark_raw(mapper, &mapper->left);
    const char *more = walk->left_count > 2 ? "s" : "";
    if (walk->left_count > 1) {
        snprintf(mapper->reason.text, sizeof mapper->reason.text, "%.420s (and %u more message%s)",
                 mapper->left_reason, walk->left_count - 1, more);
    } else {
        snprintf(mapper->reason.text, sizeof mapper->reason.text, "%s", mapper->left_reason);
    }
    mapper->reason.column = 0;
    return status;
}
