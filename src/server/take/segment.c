/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/segment.h"

#include "server/server_internal.h"
#include "server/take/message_body.h"
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
    json_member_count(writer, "events", did->did.events + did->did.joined);
    json_member_count(writer, "repeats",
                      did->did.repeats + did->did.older + did->did.left + did->bad.known_rows);
    if (did->did.corrected > 0) json_member_count(writer, "corrected", did->did.corrected);
    if (did->did.retracted > 0) json_member_count(writer, "retracted", did->did.retracted);
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

/* ---- one body ---- */

/* A source that the playbook does not have is told of by take_rows. */
static bool is_plain(struct http_call *call) {
    struct in_force *in_force = in_force_hold(http_server(call)->engine);
    const struct playbook *playbook = in_force->data.playbook;
    uint32_t index = playbook == NULL
                         ? UINT32_MAX
                         : playbook_source_find(playbook, text_from(http_key(call)->source));
    bool plain = index != UINT32_MAX && !playbook->sources[index].segment;
    in_force_drop(in_force);
    return plain;
}

/* Stores what the call's key may send. `type` NULL: a batch. `in_body` is the key that the body
 * itself has, which may be another one. */
static void take_body(struct http_call *call, struct text body, const char *type, struct text key,
                      struct text in_body,
                      void (*answer)(struct http_call *call, const struct live_call *did)) {
    struct ingest_live_row row, *all = &row;
    size_t count = 1;
    enum status status = is_plain(call) ? message_body_plain(body, http_arena(call), &all, &count)
                                        : message_body_row(body, type, http_received_ms(call),
                                                           http_arena(call), &row);
    if (status != STATUS_OK) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return;
    }
    /* An item of a batch stands behind the key, or before it, and never around it. */
    if (all[0].body.at <= in_body.at && in_body.at < all[0].body.at + all[0].body.length)
        all[0].hidden = in_body;
    for (size_t i = 0; i < count; i++) all[i].secret = key;
    struct take_rows rows = {
        .source = text_from(http_key(call)->source), .rows = all, .count = count, .answer = answer};
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
    struct text key = take_header_key(call), in_body = message_body_key(body);
    const char *type = type_of_path(call);
    if (type == NULL) {
        answer_no_type(call);
        return;
    }
    if (key.length == 0) key = in_body;
    if (!http_authorize(call, key)) return;
    take_body(call, body, type, key, in_body, answer_json);
}

/* The key is hidden also in a batch: one whose messages can't be found is kept whole. */
void segment_post_batch(struct http_call *call) {
    struct text body = text_trim(http_body(call));
    struct text key = take_header_key(call), in_body = message_body_key(body);
    if (key.length == 0) key = in_body;
    if (!http_authorize(call, key)) return;
    take_body(call, body, NULL, key, in_body, answer_json);
}

void segment_post_metrics(struct http_call *call) {
    http_answer(call, 200, HTTP_JSON, TEXT("{\"success\":true}"));
}

/* ---- the pixel ---- */

void segment_pixel(struct http_call *call) {
    const char *type = type_named(http_path_word(call, 0));
    struct text body = message_body_decode(http_query(call, "data"), http_arena(call));
    struct text key = take_header_key(call), in_body = message_body_key(body);
    if (type == NULL) {
        answer_no_type(call);
        return;
    }
    if (body.length == 0) {
        http_problem(call, 400, "pixel",
                     "data must be a message as JSON, in base64: ?data=eyJ3cml0ZUtleSI6…");
        return;
    }
    if (key.length == 0) key = in_body;
    if (!http_authorize(call, key)) return;
    if (http_is_head(call))
        answer_pixel(call, NULL);
    else
        take_body(call, body, type, key, in_body, answer_pixel);
}
