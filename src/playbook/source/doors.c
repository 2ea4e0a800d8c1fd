/* SPDX-License-Identifier: Apache-2.0 */
/* Sources whose rows come in requests: at which path, and how these are signed. */
#include "playbook/source/sources.h"

#define DOOR_PREFIX "/in/"

static const struct text schemes[] = {
    {"hmac_sha256", 11}, {"sendgrid", 8}, {"mailgun", 7}, {"twilio", 6}, {"ses_sns", 7}};

static bool is_word(struct text text, bool is_variable) {
    for (uint32_t i = 0; i < text.length; i++) {
        char c = text.at[i];
        bool is_fine =
            (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9' && i > 0) ||
            (!is_variable && ((c >= 'a' && c <= 'z') || c == '-' || (c >= '0' && c <= '9')));
        if (!is_fine) return false;
    }
    return text.length > 0 && text.length <= 64;
}

static bool read_listen(struct reader *reader, struct source_entry *entry) {
    const struct yaml_node *node = entry->values[SOURCE_LISTEN];
    struct text path;
    if (!reader_text(reader, node, "listen", &path)) return false;
    uint32_t prefix = sizeof DOOR_PREFIX - 1;
    if (text_starts_with(path, TEXT(DOOR_PREFIX)) &&
        is_word((struct text){path.at + prefix, path.length - prefix}, false)) {
        entry->source->listen = path;
        return true;
    }
    reader_error(reader, node_place(node),
                 "listen: write " DOOR_PREFIX
                 "NAME, a name of letters, digits, - and _, such as " DOOR_PREFIX "%.*s",
                 TEXT_ARG(entry->source->name));
    return false;
}

/* A secret never stands in a playbook, which is copied and shown. */
static void read_secret(struct reader *reader, const struct yaml_node *node,
                        struct signature_rule *rule) {
    const struct text prefix = TEXT("env ");
    struct text text = {0};
    if (node->type == YAML_SCALAR && text_starts_with(node->text, prefix))
        text = text_trim(
            (struct text){node->text.at + prefix.length, node->text.length - prefix.length});
    if (is_word(text, true)) {
        rule->secret = text;
        return;
    }
    reader_error(reader, node_place(node),
                 "secret: write env and the name of the environment variable that holds it, such "
                 "as env MAIL_SECRET; the secret itself does not belong into a playbook");
}

static void read_options(struct reader *reader, const struct yaml_node *const *values,
                         struct signature_rule *rule) {
    const struct yaml_node *header = values[SIGNATURE_KEY_HEADER], *url = values[SIGNATURE_KEY_URL],
                           *max_age = values[SIGNATURE_KEY_MAX_AGE];
    rule->header = TEXT("X-Signature");
    if (header != NULL) (void)reader_text(reader, header, "header", &rule->header);
    if (header != NULL && rule->scheme != SIGNATURE_HMAC_SHA256)
        reader_error(reader, node_place(header),
                     "header: only hmac_sha256 has a header of your choice; leave it out");
    if (url != NULL) (void)reader_text(reader, url, "url", &rule->url);
    if (url != NULL && rule->scheme != SIGNATURE_TWILIO)
        reader_error(reader, node_place(url), "url: only twilio signs an address; leave it out");
    if (max_age == NULL) return;
    (void)reader_duration(reader, max_age, "max_age", &rule->max_age_ms);
    if (rule->scheme == SIGNATURE_HMAC_SHA256 || rule->scheme == SIGNATURE_TWILIO)
        reader_error(reader, node_place(max_age),
                     "max_age: this scheme signs no time; leave it out (a request that comes again "
                     "is recognised by its row_key)");
}

static void read_signature(struct reader *reader, struct source_entry *entry) {
    const struct yaml_node *node = entry->values[SOURCE_SIGNATURE], *values[KEYS_MAX];
    struct signature_rule *rule = &entry->source->signature;
    uint32_t index;
    if (node == NULL) {
        reader_error(reader, node_place(entry->values[SOURCE_LISTEN]),
                     "listen: anybody could send to it; write signature: { scheme: hmac_sha256, "
                     "secret: env NAME } beside it");
        return;
    }
    if (!reader_keys(reader, node, &signature_keys, values)) return;
    if (values[SIGNATURE_KEY_SCHEME] == NULL || values[SIGNATURE_KEY_SECRET] == NULL) {
        reader_error(reader, node_place(node),
                     "signature: write scheme: and secret:, such as { scheme: sendgrid, secret: "
                     "env SENDGRID_KEY }");
        return;
    }
    if (!reader_name_of(reader, values[SIGNATURE_KEY_SCHEME], "scheme", schemes,
                        sizeof schemes / sizeof *schemes, &index))
        return;
    rule->scheme = (enum signature_scheme)(SIGNATURE_HMAC_SHA256 + index);
    read_secret(reader, values[SIGNATURE_KEY_SECRET], rule);
    read_options(reader, values, rule);
}

void door_begin(struct reader *reader, struct source_entry *entry) {
    if (entry->values[SOURCE_LISTEN] != NULL) {
        if (read_listen(reader, entry)) read_signature(reader, entry);
    } else if (entry->values[SOURCE_SIGNATURE] != NULL) {
        reader_error(reader, node_place(entry->values[SOURCE_SIGNATURE]),
                     "signature is for sources with listen: " DOOR_PREFIX "NAME; leave it out");
    }
}

struct text door_identifier(const struct source *source) {
    switch (source->signature.scheme) {
    case SIGNATURE_SENDGRID:
    case SIGNATURE_MAILGUN:
    case SIGNATURE_SES_SNS: return TEXT("email");
    case SIGNATURE_TWILIO: return TEXT("phone");
    default: return (struct text){0};
    }
}

struct text door_channel(const struct source *source) {
    return source->signature.scheme == SIGNATURE_TWILIO ? TEXT("sms") : TEXT("email");
}

void door_read(struct reader *reader, const struct source_reading *sources,
               struct source_entry *entry) {
    struct source *source = entry->source;
    if (source->listen.length == 0) return;
    struct place place = node_place(entry->values[SOURCE_LISTEN]);
    if (entry->values[SOURCE_ARRIVES] == NULL) source->known_on_arrival = true;
    if (!source->known_on_arrival)
        reader_error(reader, node_place(entry->values[SOURCE_ARRIVES]),
                     "arrives: what comes in a request is known when it comes; write live, or "
                     "leave it out");
    if (source->format != SOURCE_NDJSON || source->one_event_per.length > 0)
        reader_error(reader, place,
                     "listen: takes JSON or forms, each row an event; write format: ndjson or "
                     "segment, without one_event_per");
    for (uint32_t i = 0; i < sources->count; i++) {
        const struct source *other = sources->items[i].source;
        if (other == source) break;
        if (!text_equal(other->listen, source->listen)) continue;
        reader_error(reader, place, "listen: source %.*s has %.*s already: choose another name",
                     TEXT_ARG(other->name), TEXT_ARG(source->listen));
    }
}
