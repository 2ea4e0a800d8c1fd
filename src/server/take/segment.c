/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/segment.h"

#include <sodium.h>

#include "server/take/take.h"

/* ---- answers ---- */

static void answer_json(struct http_call *call, const struct live_call *did) {
    if (http_key(call)->is_public) {
        http_answer(call, 200, HTTP_JSON, TEXT("{\"success\":true}"));
        return;
    }
    struct json_writer *writer = http_json(call);
    json_write_object_begin(writer);
    json_member_yes_no(writer, "success", true);
    json_member_count(writer, "events", did->did.events);
    json_member_count(writer, "repeats", did->did.repeats + did->bad.known_rows);
    json_member_count(writer, "quarantined", did->bad.rows);
    json_member_count(writer, "turned_away", did->did.turned_away);
    json_write_object_end(writer);
    http_answer_json(call, 200);
}

/* A transparent picture of one pixel (GIF89a). */
static const unsigned char pixel[] = {
    'G', 'I', 'F', '8', '9', 'a',  1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x21, 0xf9, 4,
    1,   0,   0,   0,   0,   0x2c, 0, 0, 0, 0, 1,    0, 1, 0, 0, 2, 2,    0x44, 1,    0,    0x3b};

static void answer_pixel(struct http_call *call, const struct live_call *did) {
    (void)did;
    http_answer_header(call, "Cache-Control", "no-store");
    http_answer(call, 200, "image/gif", (struct text){(const char *)pixel, sizeof pixel});
}

/* ---- one body as one row ---- */

/* The body's members go between what the server knows better and what the sender may leave out:
 * {"receivedAt":"…",  members  ,"type":"track"} */
static bool row_of_object(struct http_call *call, struct text body, const char *type,
                          struct ingest_live_row *row) {
    struct text members = text_trim((struct text){body.at + 1, body.length - 2});
    struct text head = take_row_head(call);
    const char *comma = members.length > 0 ? "," : "";
    const char *begin = arena_format(http_arena(call), "%.*s%s", TEXT_ARG(head), comma);
    const char *end =
        type != NULL ? arena_format(http_arena(call), ",\"type\":\"%s\"}", type) : "}";
    if (head.at == NULL || begin == NULL || end == NULL) return false;
    *row =
        (struct ingest_live_row){.head = text_from(begin), .body = members, .tail = text_from(end)};
    return true;
}

/* A bare list of messages. */
static bool row_of_list(struct http_call *call, struct text body, struct ingest_live_row *row) {
    struct text head = take_row_head(call);
    const char *begin = arena_format(http_arena(call), "%.*s,\"batch\":", TEXT_ARG(head));
    if (head.at == NULL || begin == NULL) return false;
    *row = (struct ingest_live_row){.head = text_from(begin), .body = body, .tail = TEXT("}")};
    return true;
}

static bool stands_in(struct text body, char open, char close) {
    return body.length >= 2 && body.at[0] == open && body.at[body.length - 1] == close;
}

/* Stores what the call's key may send. `type` NULL: a batch. */
static void take_body(struct http_call *call, struct text body, const char *type,
                      struct text hidden,
                      void (*answer)(struct http_call *call, const struct live_call *did)) {
    struct ingest_live_row row = {.body = body}; /* where it is neither, the reader says why */
    bool made = true;
    if (stands_in(body, '{', '}'))
        made = row_of_object(call, body, type, &row);
    else if (stands_in(body, '[', ']'))
        made = row_of_list(call, body, &row);
    if (!made) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return;
    }
    row.hidden = hidden;
    struct take_rows rows = {
        .source = text_from(http_key(call)->source), .rows = &row, .count = 1, .answer = answer};
    take_rows(call, &rows);
}

/* ---- paths ---- */

static const char *type_named(struct text word) {
    static const char *const types[] = {"identify", "track", "page", "screen", "group", "alias"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct text name = text_from(types[i]);
        if (text_equal(word, name) || (word.length == 1 && word.at[0] == name.at[0]))
            return types[i];
    }
    return NULL;
}

/* Its last segment, or the word that stands for it. */
static const char *type_of_path(const struct http_call *call) {
    const char *last = strrchr(http_route_of(call)->path, '/') + 1;
    return type_named(*last == '{' ? http_path_word(call, 0) : text_from(last));
}

static void answer_no_type(struct http_call *call) {
    http_problem(
        call, 404, "message-type",
        "The path names no type of message: identify, track, page, screen, group or alias");
}

void segment_post(struct http_call *call) {
    struct text body = text_trim(http_body(call));
    struct text key = take_header_key(call), in_body = take_body_key(body);
    const char *type = type_of_path(call);
    if (type == NULL) {
        answer_no_type(call);
        return;
    }
    if (!http_authorize(call, key.length > 0 ? key : in_body)) return;
    take_body(call, body, type, in_body, answer_json);
}

/* Of a batch nothing beside its messages is stored, so the key need not be hidden. */
void segment_post_batch(struct http_call *call) {
    struct text body = text_trim(http_body(call)), key = take_header_key(call);
    if (key.length == 0) key = take_body_key(body);
    if (!http_authorize(call, key)) return;
    take_body(call, body, NULL, (struct text){0}, answer_json);
}

void segment_post_metrics(struct http_call *call) {
    http_answer(call, 200, HTTP_JSON, TEXT("{\"success\":true}"));
}

/* ---- the pixel ---- */

/* Base64, also of its alphabet for addresses, with or without padding. A '+' may have become a
 * blank. `at` NULL: it is none. */
static struct text decode(struct http_call *call, struct text data) {
    struct arena *arena = http_arena(call);
    char *plain = arena_alloc(arena, (size_t)data.length + 1);
    unsigned char *out = arena_alloc(arena, (size_t)data.length + JSON_PADDING);
    size_t length = 0;
    if (plain == NULL || out == NULL || data.length == 0) return (struct text){0};
    for (uint32_t i = 0; i < data.length; i++) {
        char c = data.at[i];
        plain[i] = (char)(c == ' ' || c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (data.length > 0 && plain[data.length - 1] == '=') data.length--;
    if (sodium_base642bin(out, data.length, plain, data.length, NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
        return (struct text){0};
    memset(out + length, 0, JSON_PADDING);
    return (struct text){(const char *)out, (uint32_t)length};
}

void segment_pixel(struct http_call *call) {
    const char *type = type_named(http_path_word(call, 0));
    struct text body = text_trim(decode(call, http_query(call, "data")));
    struct text key = take_header_key(call), in_body = take_body_key(body);
    if (type == NULL) {
        answer_no_type(call);
        return;
    }
    if (body.length == 0) {
        http_problem(call, 400, "pixel",
                     "data must be a message as JSON, in base64: ?data=eyJ3cml0ZUtleSI6…");
        return;
    }
    if (!http_authorize(call, key.length > 0 ? key : in_body)) return;
    take_body(call, body, type, in_body, answer_pixel);
}
