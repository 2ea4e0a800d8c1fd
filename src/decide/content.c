/* SPDX-License-Identifier: Apache-2.0 */
/* Fills in what is shown: templates with {attributes} and {traits}. */
#include <math.h>

#include "base/json.h"
#include "decide/decide_internal.h"

static enum status plain_value(struct value value, struct buffer *out) {
    if (value.type == VALUE_TEXT) return buffer_append_text(out, value.text);
    if (value.type == VALUE_NUMBER)
        return buffer_format(out, value.number == floor(value.number) ? "%.0f" : "%.2f",
                             value.number);
    return value_print(value, out);
}

/* What {name} stands for: a trait, or an attribute of the treatment. */
static struct value named_value(struct decider *decider, const struct treatment *treatment,
                                struct text name) {
    const struct playbook *playbook = decider->data->playbook;
    uint32_t trait = playbook_trait_find(playbook, name);
    if (trait != UINT32_MAX) return profile_with(decider->profile, treatment)[trait];
    for (uint32_t i = 0; i < playbook->attribute_count; i++) {
        if (text_equal(playbook->attributes[i].name, name)) return treatment->attributes[i].value;
    }
    return value_unknown();
}

enum status template_fill(struct decider *decider, const struct treatment *treatment,
                          struct text template, bool *unknown, struct buffer *out) {
    enum status status = STATUS_OK;
    *unknown = false;
    for (uint32_t at = 0; at < template.length && status == STATUS_OK;) {
        const char *open = memchr(template.at + at, '{', template.length - at);
        const char *close =
            open != NULL ? memchr(open, '}', (size_t)(template.at + template.length - open)) : NULL;
        uint32_t end = close != NULL ? (uint32_t)(open - template.at) : template.length;
        status = buffer_append_text(out, (struct text){template.at + at, end - at});
        at = end;
        if (close == NULL || status != STATUS_OK) break;
        struct text name = {open + 1, (uint32_t)(close - open - 1)};
        struct value value = named_value(decider, treatment, name);
        *unknown |= !value_is_known(value);
        status = plain_value(value, out);
        at = (uint32_t)(close - template.at) + 1;
    }
    return status;
}

/* A member that needs what is not known is null: the page then shows what it has itself. */
static void write_member(struct decider *decider, const struct treatment *treatment,
                         const struct content_field *field, struct json_writer *writer) {
    struct buffer text;
    bool unknown;
    buffer_init(&text);
    json_write_key_text(writer, field->name);
    enum status status = template_fill(decider, treatment, field->text, &unknown, &text);
    if (status != STATUS_OK || unknown)
        json_write_null(writer);
    else
        json_write_text(writer, buffer_text(&text));
    if (writer->status == STATUS_OK) writer->status = status;
    buffer_release(&text);
}

void treatment_content(struct decider *decider, const struct timeline *timeline,
                       const struct decision *decision, const struct treatment *treatment,
                       struct json_writer *writer) {
    const struct channel_rule *rule = treatment->channel_rule;
    bool reads_traits = false;
    if (rule->content_count == 0) {
        json_write_null(writer);
        return;
    }
    for (uint32_t i = 0; i < rule->content_count; i++)
        reads_traits |= rule->content[i].reads_traits;
    if (reads_traits) profile_at(decider->profile, timeline, decision->t_ms);
    json_write_object_begin(writer);
    for (uint32_t i = 0; i < rule->content_count; i++)
        write_member(decider, treatment, &rule->content[i], writer);
    json_write_object_end(writer);
}

void placement_fallback(const struct placement_rule *placement, struct json_writer *writer) {
    if (placement->fallback_count == 0) {
        json_write_null(writer);
        return;
    }
    json_write_object_begin(writer);
    for (uint32_t i = 0; i < placement->fallback_count; i++) {
        json_write_key_text(writer, placement->fallback[i].name);
        json_write_text(writer, placement->fallback[i].text);
    }
    json_write_object_end(writer);
}
