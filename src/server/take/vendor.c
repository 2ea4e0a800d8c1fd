/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/vendor.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/time.h"

#define MESSAGE_BYTES_MAX ((size_t)1 << 20)

struct maker {
    struct vendor_rows *out;
    int64_t received_ms;
    struct json_writer writer;
    enum status status;
};

/* A word of a vendor and the event that it is. */
struct word {
    const char *word, *event;
};

static const char opt_in[] = "Opt In Changed";

void vendor_rows_init(struct vendor_rows *rows) {
    *rows = (struct vendor_rows){0};
    buffer_init(&rows->bytes);
}

void vendor_rows_release(struct vendor_rows *rows) {
    buffer_release(&rows->bytes);
    memory_free(rows->ends);
}

struct text vendor_row(const struct vendor_rows *rows, size_t index) {
    size_t begin = index > 0 ? rows->ends[index - 1] : 0;
    return (struct text){rows->bytes.at + begin, (uint32_t)(rows->ends[index] - begin)};
}

/* ---- one row ---- */

static bool row_begin(struct maker *maker) {
    struct vendor_rows *out = maker->out;
    if (maker->status == STATUS_OK && out->count == VENDOR_ROWS_MAX) maker->status = STATUS_LIMIT;
    if (maker->status == STATUS_OK)
        maker->status =
            memory_grow((void **)&out->ends, &out->capacity, out->count + 1, sizeof *out->ends);
    if (maker->status != STATUS_OK) return false;
    json_writer_init(&maker->writer, &out->bytes, false);
    json_write_object_begin(&maker->writer);
    json_member_time(&maker->writer, "receivedAt", maker->received_ms);
    return true;
}

static void row_end(struct maker *maker) {
    json_write_object_end(&maker->writer);
    maker->status = json_writer_status(&maker->writer);
    if (maker->status == STATUS_OK)
        maker->out->ends[maker->out->count++] = maker->out->bytes.length;
}

/* What all rows of vendors begin with; the properties are left open. */
struct told {
    const char *event, *identifier, *channel;
    struct text who, message_id;
    int64_t time_ms;
};

static bool told_begin(struct maker *maker, const struct told *told) {
    struct json_writer *writer = &maker->writer;
    if (!row_begin(maker)) return false;
    json_member_string(writer, "event", told->event);
    json_member_time(writer, "timestamp", told->time_ms);
    if (told->message_id.length > 0) json_member_text(writer, "messageId", told->message_id);
    json_member_text_or_null(writer, told->identifier, told->who);
    json_write_key(writer, "properties");
    json_write_object_begin(writer);
    if (told->event == opt_in) json_member_string(writer, "channel", told->channel);
    return true;
}

static void told_end(struct maker *maker) {
    json_write_object_end(&maker->writer);
    row_end(maker);
}

/* ---- values of vendors ---- */

static const char *event_of(struct text word, const struct word *words, size_t count,
                            const char *other) {
    for (size_t i = 0; i < count; i++)
        if (text_equal_ignoring_case(word, text_from(words[i].word))) return words[i].event;
    return other;
}
#define EVENT_OF(word, words, other) event_of(word, words, sizeof(words) / sizeof *(words), other)

static struct text text_at(struct json_node node, const char *path) {
    struct json_node found;
    struct text text = {0};
    if (json_get_path(node, text_from(path), &found)) text = json_text(found);
    return text;
}

/* Seconds since 1970, perhaps with decimals, which are not rounded; as they are written, since a
 * double may lose the last one. False: it is no such number. */
static bool time_of(struct json_node node, const char *path, int64_t *out) {
    struct json_node found;
    if (!json_get_path(node, text_from(path), &found)) return false;
    struct text text = json_type(found) == JSON_TEXT ? json_text(found) : json_number_text(found);
    const char *point = text.length > 0 ? memchr(text.at, '.', text.length) : NULL;
    struct text whole = {text.at, point != NULL ? (uint32_t)(point - text.at) : text.length};
    int64_t seconds;
    if (text_to_int64(whole, &seconds) != STATUS_OK || seconds < 0 || seconds > INT64_C(1) << 40)
        return false;
    *out = seconds * 1000;
    const char *end = text.at + text.length;
    int64_t unit = 100;
    for (const char *at = point != NULL ? point + 1 : end; at < end && unit > 0; at++, unit /= 10) {
        if (*at < '0' || *at > '9') return false;
        *out += (*at - '0') * unit;
    }
    return true;
}

static bool is_one_of(struct text name, const char *const *names) {
    for (; *names != NULL; names++)
        if (text_equal(name, text_from(*names))) return true;
    return false;
}

/* Members that are plain values, and lists of such, under their own names. */
static void write_plain(struct json_writer *writer, struct json_node object,
                        const char *const *but) {
    int64_t integer;
    struct json_iterator item = json_begin(object);
    while (json_type(object) == JSON_OBJECT && json_next(&item)) {
        if (is_one_of(item.key, but)) continue;
        switch (json_type(item.node)) {
        case JSON_TEXT:
            json_write_key_text(writer, item.key);
            json_write_text(writer, json_text(item.node));
            break;
        case JSON_NUMBER:
            json_write_key_text(writer, item.key);
            if (json_integer(item.node, &integer))
                json_write_integer(writer, integer);
            else
                json_write_number(writer, json_number(item.node));
            break;
        case JSON_YES_NO:
            json_write_key_text(writer, item.key);
            json_write_yes_no(writer, json_yes(item.node));
            break;
        default: break;
        }
    }
}

static void write_text(struct json_writer *writer, const char *key, struct text text) {
    if (text.length > 0) json_member_text(writer, key, text);
}

static void write_no(struct json_writer *writer, const char *event) {
    if (event == opt_in) json_member_string(writer, "state", "no");
}

/* ---- SendGrid ---- */

static void sendgrid_event(struct maker *maker, struct json_node event) {
    static const struct word words[] = {{"processed", "Email Processed"},
                                        {"delivered", "Treatment Delivered"},
                                        {"bounce", "Treatment Failed"},
                                        {"dropped", "Treatment Failed"},
                                        {"deferred", "Email Deferred"},
                                        {"open", "Email Opened"},
                                        {"click", "Treatment Clicked"},
                                        {"unsubscribe", opt_in},
                                        {"group_unsubscribe", opt_in},
                                        {"spamreport", opt_in},
                                        {"group_resubscribe", "Email Resubscribed"}};
    static const char *const own[] = {"email", "timestamp", "event", "sg_event_id", "ip",
                                      "state", "channel",   "id",    NULL};
    struct told told = {.event = EVENT_OF(text_at(event, "event"), words, "Email Event"),
                        .identifier = "email",
                        .channel = "email",
                        .who = text_at(event, "email"),
                        .message_id = text_at(event, "sg_event_id"),
                        .time_ms = maker->received_ms};
    (void)time_of(event, "timestamp", &told.time_ms);
    if (!told_begin(maker, &told)) return;
    write_text(&maker->writer, "id", told.message_id);
    write_no(&maker->writer, told.event);
    write_text(&maker->writer, "kind", text_at(event, "event"));
    write_plain(&maker->writer, event, own);
    told_end(maker);
}

static enum status sendgrid(struct maker *maker, struct json_node root, struct error *error) {
    if (json_type(root) != JSON_ARRAY)
        return error_set(error, STATUS_INVALID, "SendGrid sends a list of events");
    struct json_iterator item = json_begin(root);
    while (maker->status == STATUS_OK && json_next(&item)) sendgrid_event(maker, item.node);
    return maker->status;
}

/* ---- Mailgun ---- */

static enum status mailgun(struct maker *maker, struct json_node root, struct error *error) {
    static const struct word words[] = {
        {"accepted", "Email Accepted"}, {"delivered", "Treatment Delivered"},
        {"opened", "Email Opened"},     {"clicked", "Treatment Clicked"},
        {"failed", "Treatment Failed"}, {"rejected", "Treatment Failed"},
        {"unsubscribed", opt_in},       {"complained", opt_in}};
    static const char *const own[] = {"id", "url", "reason", "state", "channel", NULL};
    struct json_node event, variables;
    if (!json_get(root, TEXT("event-data"), &event) || json_type(event) != JSON_OBJECT)
        return error_set(error, STATUS_INVALID, "Mailgun sends an object event-data");
    struct text kind = text_at(event, "event");
    struct told told = {.event = EVENT_OF(kind, words, "Email Event"),
                        .identifier = "email",
                        .channel = "email",
                        .who = text_at(event, "recipient"),
                        .message_id = text_at(event, "id"),
                        .time_ms = maker->received_ms};
    if (text_equal(kind, TEXT("failed")) &&
        text_equal(text_at(event, "severity"), TEXT("temporary")))
        told.event = "Email Deferred";
    (void)time_of(event, "timestamp", &told.time_ms);
    if (!told_begin(maker, &told)) return maker->status;
    struct json_writer *writer = &maker->writer;
    struct text reason = text_at(event, "delivery-status.message");
    if (reason.length == 0) reason = text_at(event, "delivery-status.description");
    write_text(writer, "id", told.message_id);
    write_no(writer, told.event);
    write_text(writer, "url", text_at(event, "url"));
    write_text(writer, "reason", reason.length > 0 ? reason : text_at(event, "reason"));
    if (json_get(event, TEXT("user-variables"), &variables)) write_plain(writer, variables, own);
    told_end(maker);
    return maker->status;
}

/* ---- Twilio ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What people write to be left alone: the words at which Twilio itself stops, and more. */
static const char *const stops[] = {"stop",     "stopall", "unsubscribe", "cancel", "end",
                                    "quit",     "optout",  "revoke",      "remove", "stopp",
                                    "abmelden", "arret",   "basta",       "parar",  NULL};

static bool is_stop(struct text word) {
    for (const char *const *stop = stops; *stop != NULL; stop++)
        if (text_equal_ignoring_case(word, text_from(*stop))) return true;
    return false;
}

static bool has_stop(struct text body) {
    for (uint32_t at = 0; at < body.length;) {
        uint32_t end = at;
        while (end < body.length && is_letter(body.at[end])) end++;
        if (end > at && is_stop((struct text){body.at + at, end - at})) return true;
        at = end + 1;
    }
    return false;
}

/* "whatsapp:+13125550100" is the number behind the colon. */
static struct text number_of(struct text address) {
    const char *colon = address.length > 0 ? memchr(address.at, ':', address.length) : NULL;
    if (colon == NULL) return address;
    uint32_t skipped = (uint32_t)(colon - address.at) + 1;
    return (struct text){colon + 1, address.length - skipped};
}

/* Sets what a reply means, and the state that it says; `at` NULL: none. */
static const char *meaning_of_reply(const struct form *form, struct text *state) {
    struct text body = text_trim(form_value(form, TEXT("Body")));
    struct text kind = form_value(form, TEXT("OptOutType"));
    bool stops_all =
        text_equal_ignoring_case(kind, TEXT("STOP")) || (kind.length == 0 && is_stop(body));
    if (!stops_all && (kind.length > 0 || !has_stop(body))) return "Message Received";
    *state = stops_all ? TEXT("no") : body;
    return opt_in;
}

static enum status twilio(struct maker *maker, const struct form *form, struct error *error) {
    static const struct word words[] = {{"queued", "Message Queued"},
                                        {"accepted", "Message Queued"},
                                        {"scheduled", "Message Queued"},
                                        {"sending", "Message Sent"},
                                        {"sent", "Message Sent"},
                                        {"delivered", "Treatment Delivered"},
                                        {"undelivered", "Treatment Failed"},
                                        {"failed", "Treatment Failed"},
                                        {"read", "Message Read"}};
    struct text sid = form_value(form, TEXT("MessageSid")), state = {0};
    struct text status = form_value(form, TEXT("MessageStatus"));
    char message_id[128];
    if (sid.length == 0) sid = form_value(form, TEXT("SmsSid"));
    if (status.length == 0) status = form_value(form, TEXT("SmsStatus"));
    bool is_reply = status.length == 0 || text_equal(status, TEXT("received"));
    if (sid.length == 0 || sid.length > 64 || status.length > 32)
        return error_set(error, STATUS_INVALID, "Twilio sends a form with MessageSid");
    if (is_reply) status = TEXT("received");
    struct told told = {.identifier = "phone", .channel = "sms", .time_ms = maker->received_ms};
    told.event =
        is_reply ? meaning_of_reply(form, &state) : EVENT_OF(status, words, "Message Event");
    told.who = number_of(form_value(form, is_reply ? TEXT("From") : TEXT("To")));
    int length =
        snprintf(message_id, sizeof message_id, "%.*s/%.*s", TEXT_ARG(sid), TEXT_ARG(status));
    told.message_id = (struct text){message_id, (uint32_t)length};
    if (!told_begin(maker, &told)) return maker->status;
    struct json_writer *writer = &maker->writer;
    write_text(writer, "sid", sid);
    write_text(writer, "status", status);
    write_text(writer, "state", state);
    write_text(writer, "reason", form_value(form, TEXT("ErrorMessage")));
    write_text(writer, "error_code", form_value(form, TEXT("ErrorCode")));
    write_text(writer, "raw_done", form_value(form, TEXT("RawDlrDoneDate")));
    told_end(maker);
    return maker->status;
}

/* ---- Amazon SES over SNS ---- */

struct ses {
    struct json_node root, mail, part; /* part: "bounce", "click", … */
    struct text sns_id;
    const char *event;
    int64_t time_ms;
};

static void ses_tags(struct json_writer *writer, struct json_node mail) {
    static const char *const own[] = {"message", "url", "reason", "state", "channel", NULL};
    struct json_node tags, first;
    if (!json_get(mail, TEXT("tags"), &tags) || json_type(tags) != JSON_OBJECT) return;
    struct json_iterator tag = json_begin(tags);
    while (json_next(&tag)) {
        struct json_iterator values = json_begin(tag.node);
        if (json_type(tag.node) != JSON_ARRAY || !json_next(&values)) continue;
        first = values.node;
        if (json_type(first) != JSON_TEXT || is_one_of(tag.key, own)) continue;
        json_write_key_text(writer, tag.key);
        json_write_text(writer, json_text(first));
    }
}

static void ses_row(struct maker *maker, const struct ses *ses, struct text who,
                    struct text reason) {
    char message_id[512];
    int length = snprintf(message_id, sizeof message_id, "%.*s/%.*s",
                          (int)(ses->sns_id.length < 100 ? ses->sns_id.length : 100),
                          ses->sns_id.length > 0 ? ses->sns_id.at : "",
                          (int)(who.length < 320 ? who.length : 320), who.length > 0 ? who.at : "");
    struct told told = {.event = ses->event,
                        .identifier = "email",
                        .channel = "email",
                        .who = who,
                        .message_id = {message_id, (uint32_t)length},
                        .time_ms = ses->time_ms};
    if (!told_begin(maker, &told)) return;
    struct json_writer *writer = &maker->writer;
    write_text(writer, "message", text_at(ses->mail, "messageId"));
    write_no(writer, ses->event);
    write_text(writer, "url", text_at(ses->part, "link"));
    write_text(writer, "reason", reason);
    ses_tags(writer, ses->mail);
    told_end(maker);
}

/* A row for each of a list of addresses, or of objects with emailAddress. */
static bool ses_rows_of(struct maker *maker, const struct ses *ses, struct json_node object,
                        const char *name) {
    struct json_node list;
    if (!json_get(object, text_from(name), &list) || json_type(list) != JSON_ARRAY) return false;
    struct json_iterator item = json_begin(list);
    while (maker->status == STATUS_OK && json_next(&item)) {
        bool is_text = json_type(item.node) == JSON_TEXT;
        ses_row(maker, ses, is_text ? json_text(item.node) : text_at(item.node, "emailAddress"),
                is_text ? (struct text){0} : text_at(item.node, "diagnosticCode"));
    }
    return true;
}

static void ses_time(struct ses *ses) {
    int64_t time_ms;
    if (time_parse(text_at(ses->part, "timestamp"), NULL, &time_ms) == STATUS_OK ||
        time_parse(text_at(ses->mail, "timestamp"), NULL, &time_ms) == STATUS_OK)
        ses->time_ms = time_ms;
}

static enum status ses_message(struct maker *maker, struct json_node root, struct text sns_id,
                               struct error *error) {
    static const struct {
        const char *kind, *event, *part, *list;
    } kinds[] = {{"Send", "Email Sent", "send", ""},
                 {"Delivery", "Treatment Delivered", "delivery", "recipients"},
                 {"Open", "Email Opened", "open", ""},
                 {"Click", "Treatment Clicked", "click", ""},
                 {"Bounce", "Treatment Failed", "bounce", "bouncedRecipients"},
                 {"Complaint", opt_in, "complaint", "complainedRecipients"},
                 {"Reject", "Treatment Failed", "reject", ""},
                 {"Rendering Failure", "Treatment Failed", "failure", ""},
                 {"DeliveryDelay", "Email Deferred", "deliveryDelay", "delayedRecipients"},
                 {"Subscription", opt_in, "subscription", ""}};
    struct ses ses = {
        .root = root, .sns_id = sns_id, .event = "Email Event", .time_ms = maker->received_ms};
    struct text kind = text_at(root, "eventType");
    const char *list = "";
    if (kind.length == 0) kind = text_at(root, "notificationType");
    if (!json_get(root, TEXT("mail"), &ses.mail))
        return error_set(error, STATUS_INVALID, "the message of SNS is no event of SES");
    ses.part = ses.mail;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!text_equal(kind, text_from(kinds[i].kind))) continue;
        ses.event = kinds[i].event;
        list = kinds[i].list;
        struct json_node part;
        if (json_get(root, text_from(kinds[i].part), &part)) ses.part = part;
    }
    if (text_equal(text_at(ses.part, "bounceType"), TEXT("Transient")))
        ses.event = "Email Deferred";
    ses_time(&ses);
    if (!ses_rows_of(maker, &ses, ses.part, list) &&
        !ses_rows_of(maker, &ses, ses.mail, "destination"))
        ses_row(maker, &ses, (struct text){0}, (struct text){0});
    return maker->status;
}

static enum status sns(struct maker *maker, struct json_node root, struct error *error) {
    struct json_parser *parser;
    struct json_node message;
    struct text type = text_at(root, "Type"), bytes = text_at(root, "Message");
    if (text_equal(type, TEXT("SubscriptionConfirmation"))) {
        maker->out->confirm = text_at(root, "SubscribeURL");
        return STATUS_OK;
    }
    if (!text_equal(type, TEXT("Notification"))) return STATUS_OK;
    enum status status = json_parser_create(&parser, MESSAGE_BYTES_MAX);
    if (status != STATUS_OK) return status;
    status = json_parse(parser, bytes, &message, error);
    if (status == STATUS_OK)
        status = ses_message(maker, message, text_at(root, "MessageId"), error);
    json_parser_destroy(parser);
    return status;
}

/* ---- any other sender ---- */

static void add_bytes(struct maker *maker, struct text bytes) {
    if (maker->status == STATUS_OK) maker->status = buffer_append_text(&maker->out->bytes, bytes);
}

/* The object as it was written, behind when it was received. */
static void object_row(struct maker *maker, struct json_node node) {
    struct vendor_rows *out = maker->out;
    char head[64], time[32];
    struct text raw = json_raw_text(node);
    if (json_type(node) != JSON_OBJECT || raw.length < 2) { /* it goes to quarantine */
        if (!row_begin(maker)) return;
        json_member_text(&maker->writer, "value", raw);
        row_end(maker);
        return;
    }
    if (!row_begin(maker)) return;
    out->bytes.length = out->count > 0 ? out->ends[out->count - 1] : 0;
    (void)time_format(maker->received_ms, time);
    struct text members = text_trim((struct text){raw.at + 1, raw.length - 2});
    snprintf(head, sizeof head, "{\"receivedAt\":\"%s\"%s", time, members.length > 0 ? "," : "");
    add_bytes(maker, text_from(head));
    add_bytes(maker, members);
    add_bytes(maker, TEXT("}"));
    if (maker->status == STATUS_OK) out->ends[out->count++] = out->bytes.length;
}

static enum status generic_json(struct maker *maker, struct json_node root, struct error *error) {
    struct json_iterator item = json_begin(root);
    if (json_type(root) != JSON_ARRAY && json_type(root) != JSON_OBJECT)
        return error_set(error, STATUS_INVALID, "the body is neither a JSON object nor a list");
    if (json_type(root) == JSON_OBJECT) object_row(maker, root);
    while (json_type(root) == JSON_ARRAY && maker->status == STATUS_OK && json_next(&item))
        object_row(maker, item.node);
    return maker->status;
}

static enum status generic_form(struct maker *maker, const struct form *form) {
    if (!row_begin(maker)) return maker->status;
    for (size_t i = 0; i < form->count; i++) {
        json_write_key_text(&maker->writer, form->pairs[i].name);
        json_write_text(&maker->writer, form->pairs[i].value);
    }
    row_end(maker);
    return maker->status;
}

static enum status make_rows(struct maker *maker, enum signature_scheme scheme,
                             const struct signed_request *request, struct error *error) {
    bool wants_form = scheme == SIGNATURE_TWILIO;
    if (scheme == SIGNATURE_HMAC_SHA256)
        return request->has_form ? generic_form(maker, &request->form)
                                 : generic_json(maker, request->root, error);
    if (wants_form ? !request->has_form : !request->has_json)
        return error_set(error, STATUS_INVALID, "the body is no %s", wants_form ? "form" : "JSON");
    switch (scheme) {
    case SIGNATURE_SENDGRID: return sendgrid(maker, request->root, error);
    case SIGNATURE_MAILGUN: return mailgun(maker, request->root, error);
    case SIGNATURE_TWILIO: return twilio(maker, &request->form, error);
    case SIGNATURE_SES_SNS: return sns(maker, request->root, error);
    default: return STATUS_INVALID;
    }
}

enum status vendor_rows_make(struct vendor_rows *out, enum signature_scheme scheme,
                             const struct signed_request *request, int64_t received_ms,
                             struct error *error) {
    struct maker maker = {.out = out, .received_ms = received_ms};
    enum status status = make_rows(&maker, scheme, request, error);
    if (status != STATUS_LIMIT || out->count < VENDOR_ROWS_MAX) return status;
    return error_set(error, status,
                     "the body has more than %u rows, which is as many as are taken at once: send "
                     "it in parts",
                     VENDOR_ROWS_MAX);
}
