/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes what a request says of its moment. */
#include "base/json.h"
#include "decide/decide.h"
#include "playbook/read/reader.h"

#define SENT_BYTES_MAX     (1u << 20) /* of a context that is sent */
#define TOLD_MAX           8          /* members that are told one by one */
#define NAME_SHOWN_MAX     60
#define CURRENCY_BYTES_MIN 5 /* "1 USD" */

/* The text of a value: what stands in the quotes, the digits of a number, yes or no. */
static bool text_of(struct json_node node, struct text *out) {
    switch (json_type(node)) {
    case JSON_TEXT: *out = json_text(node); return true;
    case JSON_NUMBER: *out = json_number_text(node); return true;
    case JSON_YES_NO: *out = json_yes(node) ? TEXT("yes") : TEXT("no"); return true;
    default: return false;
    }
}

static bool value_of(const struct playbook *playbook, const struct context_rule *rule,
                     struct json_node node, struct value *out) {
    struct text text;
    *out = value_unknown();
    if (!text_of(node, &text)) return json_type(node) == JSON_NULL;
    bool is_word = json_type(node) == JSON_YES_NO;
    if (is_word != (rule->type == VALUE_YES_NO) && json_type(node) != JSON_TEXT) return false;
    if (rule->type == VALUE_MONEY && text.length >= CURRENCY_BYTES_MIN &&
        money_from_text(text, out))
        return true;
    return value_parse(text, rule->type, playbook->currency, playbook->zone, out) == STATUS_OK;
}

/* ---- what is kept ---- */

static void write_value(struct json_writer *writer, struct json_node node, struct value value) {
    struct text text;
    switch ((enum value_type)value.type) {
    case VALUE_NUMBER: json_write_number(writer, value.number); return;
    case VALUE_YES_NO: json_write_yes_no(writer, value.yes); return;
    /* Whatever zone it was written in. */
    case VALUE_TIME: json_write_time(writer, value.time_ms); return;
    default:
        if (text_of(node, &text)) json_write_text(writer, text);
        return;
    }
}

static enum status begin_sentence(struct buffer *out, struct text name) {
    if (name.length > NAME_SHOWN_MAX) {
        name.length = NAME_SHOWN_MAX;
        while (name.length > 0 && ((unsigned char)name.at[name.length] & 0xC0) == 0x80)
            name.length--;
    }
    return buffer_format(out, "%scontext.%.*s ", out->length > 0 ? " " : "", TEXT_ARG(name));
}

static enum status tell_undeclared(const struct playbook *playbook, struct text name,
                                   struct buffer *out) {
    struct text names[CONTEXT_PROPERTIES_MAX];
    for (uint32_t i = 0; i < playbook->context_count; i++) names[i] = playbook->context[i].name;
    struct text near = text_nearest(name, names, playbook->context_count);
    enum status status = begin_sentence(out, name);
    if (status != STATUS_OK) return status;
    if (near.length > 0)
        return buffer_format(out, "is left out: the playbook declares %.*s.", TEXT_ARG(near));
    return buffer_format(out, "is left out: the playbook does not declare it.");
}

/* Reads a member; *told where it is left out. */
static enum status judge_member(const struct playbook *playbook, const struct json_iterator *member,
                                struct buffer *left_out, bool *told) {
    uint32_t index = playbook_context_find(playbook, member->key);
    struct value value;
    *told = true;
    if (index == UINT32_MAX)
        return left_out != NULL ? tell_undeclared(playbook, member->key, left_out) : STATUS_OK;
    const struct context_rule *rule = &playbook->context[index];
    *told = !value_of(playbook, rule, member->node, &value);
    if (!*told || left_out == NULL) return STATUS_OK;
    enum status status = begin_sentence(left_out, member->key);
    return status == STATUS_OK ? buffer_format(left_out, "is left out: it can't be read as %s.",
                                               value_type_name(rule->type))
                               : status;
}

static enum status tell_left_out(const struct playbook *playbook, struct json_node root,
                                 struct buffer *left_out) {
    uint32_t count = 0;
    enum status status = STATUS_OK;
    for (struct json_iterator it = json_begin(root); json_next(&it) && status == STATUS_OK;) {
        bool told;
        status = judge_member(playbook, &it, count < TOLD_MAX ? left_out : NULL, &told);
        count += told;
    }
    if (status == STATUS_OK && left_out != NULL && count > TOLD_MAX)
        status = buffer_format(left_out, " %u more are left out.", count - TOLD_MAX);
    return status;
}

static enum status write_kept(const struct playbook *playbook, struct json_node root,
                              struct buffer *out) {
    struct json_writer writer;
    bool any = false;
    json_writer_init(&writer, out, false);
    for (uint32_t i = 0; i < playbook->context_count; i++) {
        const struct context_rule *rule = &playbook->context[i];
        struct json_node node;
        struct value value;
        if (!json_get(root, rule->name, &node) || !value_of(playbook, rule, node, &value) ||
            !value_is_known(value))
            continue;
        if (!any) json_write_object_begin(&writer);
        any = true;
        json_write_key_text(&writer, rule->name);
        write_value(&writer, node, value);
    }
    if (any) json_write_object_end(&writer);
    return json_writer_status(&writer);
}

static enum status keep(const struct playbook *playbook, struct json_node root, struct buffer *out,
                        struct buffer *left_out, struct error *error) {
    if (json_type(root) != JSON_OBJECT)
        return error_set(error, STATUS_INVALID,
                         "the context is no JSON object: write such as {\"page\": \"checkout\"}");
    enum status status = tell_left_out(playbook, root, left_out);
    if (status == STATUS_OK) status = write_kept(playbook, root, out);
    if (status != STATUS_OK) return error_set(error, status, "no memory to read the context");
    if (out->length > DECISION_CONTEXT_BYTES_MAX)
        return error_set(
            error, STATUS_LIMIT,
            "the context has %zu bytes of what the playbook declares: a decision keeps "
            "at most %d of them",
            out->length, DECISION_CONTEXT_BYTES_MAX);
    return STATUS_OK;
}

enum status decision_context_keep(const struct playbook *playbook, struct text json,
                                  struct buffer *out, struct buffer *left_out,
                                  struct error *error) {
    struct json_parser *parser;
    struct json_node root;
    struct error why = {0};
    buffer_clear(out);
    if (left_out != NULL) buffer_clear(left_out);
    if (json.length == 0) return STATUS_OK;
    enum status status = json_parser_create(&parser, SENT_BYTES_MAX);
    if (status != STATUS_OK) return error_set(error, status, "no memory to read the context");
    status = json_parse(parser, json, &root, &why);
    if (status == STATUS_INVALID)
        (void)error_set(error, status, "the context is no JSON object: %s", why.text);
    else if (status != STATUS_OK)
        (void)error_set(error, status, "%s", why.text);
    else
        status = keep(playbook, root, out, left_out, error);
    json_parser_destroy(parser);
    return status;
}

static enum status copy_text(struct arena *arena, struct value *value) {
    if (value->type != VALUE_TEXT) return STATUS_OK;
    value->text = arena_text(arena, value->text);
    return value->text.at == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

enum status decision_context_read(const struct playbook *playbook, struct text json,
                                  struct json_parser **parser, struct arena *arena,
                                  struct value out[CONTEXT_PROPERTIES_MAX]) {
    struct json_node root, node;
    for (uint32_t i = 0; i < playbook->context_count; i++) out[i] = value_unknown();
    if (json.length == 0 || playbook->context_count == 0) return STATUS_OK;
    enum status status = STATUS_OK;
    if (*parser == NULL) status = json_parser_create(parser, SENT_BYTES_MAX);
    if (status == STATUS_OK) status = json_parse(*parser, json, &root, NULL);
    if (status == STATUS_INVALID) return STATUS_OK; /* an older program kept any text */
    bool reads = status == STATUS_OK && json_type(root) == JSON_OBJECT;
    for (uint32_t i = 0; reads && i < playbook->context_count && status == STATUS_OK; i++) {
        if (!json_get(root, playbook->context[i].name, &node)) continue;
        if (!value_of(playbook, &playbook->context[i], node, &out[i])) out[i] = value_unknown();
        status = copy_text(arena, &out[i]);
    }
    return status;
}
