/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/door.h"

#include <stdlib.h>

#include "base/json_skip.h"
#include "engine/engine.h"
#include "server/server_internal.h"
#include "server/take/feed.h"
#include "server/take/form.h"
#include "server/take/signature.h"
#include "server/take/take.h"
#include "server/take/vendor.h"

struct door {
    struct http_call *call;
    struct in_force *in_force; /* held while the source is used */
    const struct source *source;
    struct json_parser *json; /* NULL: the body is no JSON */
    struct signed_request request;
    struct vendor_rows rows;
};

/* ---- which source ---- */

static const struct source *source_at(const struct playbook *playbook, struct text name) {
    for (uint32_t i = 0; playbook != NULL && i < playbook->source_count; i++) {
        struct text listen = playbook->sources[i].listen;
        const struct text prefix = TEXT("/in/");
        if (listen.length == prefix.length + name.length &&
            memcmp(listen.at + prefix.length, name.at, name.length) == 0)
            return &playbook->sources[i];
    }
    return NULL;
}

static struct text header_of(void *context, const char *name) {
    return http_header(context, name);
}

/* ---- what was sent ---- */

static bool is_form(struct http_call *call) {
    const struct text form = TEXT("application/x-www-form-urlencoded");
    struct text type = http_header(call, "Content-Type");
    return type.length >= form.length &&
           text_equal_ignoring_case((struct text){type.at, form.length}, form);
}

/* Many clients send JSON and call it a form, since that is what they say of any body (curl -d). A
 * form would have the bracket as %7B. */
static bool begins_as_json(struct text body) {
    const char *at = json_skip_space(body.at, body.at + body.length);
    return at < body.at + body.length && (*at == '{' || *at == '[');
}

static enum status read_json(struct door *door, struct text body, struct error *error) {
    enum status status = STATUS_OK;
    if (door->json == NULL) status = json_parser_create(&door->json, TAKE_BODY_BYTES);
    if (status == STATUS_OK) status = json_parse(door->json, body, &door->request.root, error);
    door->request.has_json = status == STATUS_OK;
    return status;
}

static enum status read_body(struct door *door, struct error *error) {
    struct http_call *call = door->call;
    struct text body = http_body(call);
    struct signed_request *request = &door->request;
    *request = (struct signed_request){.body = http_body_as_sent(call),
                                       .url = http_url(call),
                                       .header = header_of,
                                       .context = call};
    if (is_form(call) && !(begins_as_json(body) && read_json(door, body, error) == STATUS_OK)) {
        enum status status = form_read(&request->form, body, http_arena(call));
        request->has_form = status == STATUS_OK;
        return status == STATUS_LIMIT
                   ? error_set(error, status, "a form with more than %u fields", FORM_PAIRS_MAX)
                   : status;
    }
    return request->has_json ? STATUS_OK : read_json(door, body, error);
}

/* ---- is it signed? ---- */

static bool refuse_signature(struct door *door, enum signature_verdict verdict) {
    struct http_call *call = door->call;
    struct text variable = door->source->signature.secret;
    switch (verdict) {
    case SIGNED_RIGHT: return false;
    case SIGNED_NOT:
        http_problem(call, 401, "signature",
                     "The request is not signed as the source's signature: says.");
        break;
    case SIGNED_WRONG:
        http_problem(call, 401, "signature",
                     "The signature is wrong: another secret, or what was signed has changed on "
                     "its way (behind a proxy Twilio needs url: in the signature).");
        break;
    case SIGNED_LONG_AGO:
        http_problem(call, 401, "signature", "It was signed longer ago than max_age allows.");
        break;
    case SIGNED_BAD_SECRET:
        http_answer_header(call, "Retry-After", "60");
        http_problem(call, 503, "secret",
                     "The secret of this source is missing, or not what its scheme needs: start "
                     "the server with %.*s in its environment.",
                     TEXT_ARG(variable));
        break;
    default: http_problem_of(call, STATUS_NO_MEMORY, NULL); break;
    }
    return true;
}

static bool is_signed(struct door *door) {
    struct http_call *call = door->call;
    const struct signature_rule *rule = &door->source->signature;
    char name[80];
    snprintf(name, sizeof name, "%.*s", TEXT_ARG(rule->secret));
    const char *secret = getenv(name);
    enum signature_verdict verdict =
        signature_check(&door->request, rule, text_from(secret != NULL ? secret : ""),
                        http_received_ms(call), http_arena(call));
    return !refuse_signature(door, verdict);
}

/* ---- its rows ---- */

/* Empty, since a vendor of text messages would take a text for a reply to be sent. */
static void answer_empty(struct http_call *call, const struct live_call *did) {
    (void)did;
    http_answer(call, 200, HTTP_PLAIN, TEXT(""));
}

static void answer_success(struct http_call *call, const struct live_call *did) {
    (void)did;
    http_answer(call, 200, HTTP_JSON, TEXT("{\"success\":true}"));
}

/* Nobody but the operator may confirm a subscription, and the live tail tells them how. */
static void show_confirmation(const struct door *door) {
    struct feed *feed = http_server(door->call)->feed;
    char reason[FEED_REASON_BYTES];
    if (!feed_is_watched(feed) || door->rows.confirm.length == 0) return;
    struct feed_entry entry = {.time_ms = http_received_ms(door->call), .verdict = FEED_CLEAN};
    snprintf(reason, sizeof reason, "to confirm the subscription open %.*s",
             (int)(door->rows.confirm.length < 200 ? door->rows.confirm.length : 200),
             door->rows.confirm.at);
    feed_text(entry.source, sizeof entry.source, door->source->name);
    feed_text(entry.name, sizeof entry.name, TEXT("Subscription Confirmation"));
    feed_text(entry.reason, sizeof entry.reason, text_from(reason));
    feed_add(feed, &entry, 1);
}

static void take(struct door *door) {
    struct http_call *call = door->call;
    size_t count = door->rows.count;
    struct ingest_live_row *rows = arena_calloc(http_arena(call), count + 1, sizeof *rows);
    struct text name = arena_text(http_arena(call), door->source->name);
    bool is_reply = door->source->signature.scheme == SIGNATURE_TWILIO;
    if (rows == NULL || name.at == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) rows[i].body = vendor_row(&door->rows, i);
    struct take_rows taken = {.source = name,
                              .rows = rows,
                              .count = count,
                              .answer = is_reply ? answer_empty : answer_success};
    take_rows(call, &taken);
}

static void pass(struct door *door) {
    struct error error = {0};
    enum status status = read_body(door, &error);
    if (status == STATUS_NO_MEMORY || status == STATUS_LIMIT) {
        http_problem_of(door->call, status, &error);
        return;
    }
    /* A body that can't be read may be signed all the same; its reason is told to nobody else. */
    if (!is_signed(door)) return;
    if (status == STATUS_OK)
        status = vendor_rows_make(&door->rows, door->source->signature.scheme, &door->request,
                                  http_received_ms(door->call), &error);
    if (status == STATUS_INVALID) {
        http_problem(door->call, 400, "unreadable", "The body can't be read: %s", error.text);
    } else if (status != STATUS_OK) {
        http_problem_of(door->call, status, &error);
    } else {
        show_confirmation(door);
        take(door);
    }
}

void door_post(struct http_call *call) {
    struct door door = {.call = call};
    door.in_force = in_force_hold(http_server(call)->engine);
    door.source = source_at(door.in_force->data.playbook, http_path_word(call, 0));
    vendor_rows_init(&door.rows);
    if (door.source == NULL)
        http_problem(call, 404, "no-door",
                     "No source of the playbook in force listens here (listen: /in/NAME).");
    else
        pass(&door);
    vendor_rows_release(&door.rows);
    json_parser_destroy(door.json);
    in_force_drop(door.in_force);
}
