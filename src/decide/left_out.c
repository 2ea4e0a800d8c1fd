/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/left_out.h"

#include <stdlib.h>

#include "base/memory.h"

void left_out_release(struct left_out *left_out) {
    interner_destroy(left_out->names);
    memory_free(left_out->name_counts);
    *left_out = (struct left_out){0};
}

static enum status add_names(struct left_out *left_out, struct text name, uint64_t count) {
    uint32_t id;
    bool is_new;
    enum status status = STATUS_OK;
    if (left_out->names == NULL) status = interner_create(&left_out->names, LEFT_OUT_NAMES_MAX);
    if (status == STATUS_OK) status = interner_add(left_out->names, name, &id, &is_new);
    if (status == STATUS_LIMIT) return STATUS_OK; /* counted, but not by name */
    if (status == STATUS_OK)
        status = memory_grow((void **)&left_out->name_counts, &left_out->name_capacity,
                             (size_t)id + 1, sizeof *left_out->name_counts);
    if (status != STATUS_OK) return status;
    if (is_new) left_out->name_counts[id] = 0;
    left_out->name_counts[id] += count;
    return STATUS_OK;
}

enum status left_out_add_name(struct left_out *left_out, struct text name) {
    if (name.length == 0) {
        left_out->counts.unnamed++;
        return STATUS_OK;
    }
    left_out->counts.unmatched++;
    return add_names(left_out, name, 1);
}

enum status left_out_merge(struct left_out *into, const struct left_out *from) {
    struct trainer_counts *a = &into->counts;
    const struct trainer_counts *b = &from->counts;
    a->events += b->events;
    a->rows += b->rows;
    a->reached += b->reached;
    a->unnamed += b->unnamed;
    a->unmatched += b->unmatched;
    a->of_others += b->of_others;
    a->open += b->open;
    a->endless += b->endless;
    a->again += b->again;
    a->itself += b->itself;
    a->of_claims += b->of_claims;
    a->learnt += b->learnt;
    a->coinciding += b->coinciding;
    a->corrected_later += b->corrected_later;
    uint32_t count = from->names != NULL ? interner_count(from->names) : 0;
    enum status status = STATUS_OK;
    for (uint32_t id = 0; id < count && status == STATUS_OK; id++)
        status = add_names(into, interner_text(from->names, id), from->name_counts[id]);
    return status;
}

struct counted_name {
    struct text name;
    uint64_t count;
};

static int compare_names(const void *left, const void *right) {
    const struct counted_name *a = left, *b = right;
    if (a->count != b->count) return a->count > b->count ? -1 : 1;
    return text_compare(a->name, b->name);
}

/* Cut where it is too long, and never in half a character. */
static void copy_name(char out[TRAINER_NAME_BYTES_MAX], struct text name) {
    size_t length = name.length;
    bool cut = length >= TRAINER_NAME_BYTES_MAX;
    if (cut) length = TRAINER_NAME_BYTES_MAX - 4;
    while (cut && length > 0 && ((unsigned char)name.at[length] & 0xC0) == 0x80) length--;
    memcpy(out, name.at, length);
    memcpy(out + length, cut ? "..." : "", cut ? 4 : 1);
}

enum status left_out_conclude(const struct left_out *left_out, struct trainer_counts *out) {
    uint32_t count = left_out->names != NULL ? interner_count(left_out->names) : 0;
    *out = left_out->counts;
    out->distinct_names = count;
    if (count == 0) return STATUS_OK;
    struct counted_name *names = memory_calloc(count, sizeof *names);
    if (names == NULL) return STATUS_NO_MEMORY;
    for (uint32_t id = 0; id < count; id++)
        names[id] =
            (struct counted_name){interner_text(left_out->names, id), left_out->name_counts[id]};
    qsort(names, count, sizeof *names, compare_names);
    for (uint32_t i = 0; i < count && i < TRAINER_NAMES_MAX; i++) {
        copy_name(out->names[i].name, names[i].name);
        out->names[i].count = names[i].count;
    }
    memory_free(names);
    return STATUS_OK;
}

/* ---- in words ---- */

/* The action that a name was perhaps meant to be: what stands before its slash is one, or nearly
 * one. */
static enum status suggest(const struct playbook *playbook, const char *name, struct buffer *out) {
    struct text all = text_from(name), head = all;
    const char *slash = memchr(all.at, '/', all.length);
    struct text actions[PLAYBOOK_ACTIONS_MAX];
    if (slash != NULL) head.length = (uint32_t)(slash - all.at);
    uint32_t found = playbook_action_find(playbook, head);
    if (found != UINT32_MAX) {
        const struct action *action = &playbook->actions[found];
        if (action->for_each == UINT32_MAX)
            return buffer_format(out, ": the treatment is called %.*s", TEXT_ARG(action->name));
        struct text table = playbook->lookups[action->for_each].name;
        return slash == NULL
                   ? buffer_format(out, ": a treatment of %.*s is called %.*s/ and a key of %.*s",
                                   TEXT_ARG(head), TEXT_ARG(head), TEXT_ARG(table))
                   : buffer_format(out, ": %.*s has no such row", TEXT_ARG(table));
    }
    for (uint32_t i = 0; i < playbook->action_count; i++) actions[i] = playbook->actions[i].name;
    struct text near = text_nearest(head, actions, playbook->action_count);
    return near.length > 0 ? buffer_format(out, ": did you mean %.*s?", TEXT_ARG(near)) : STATUS_OK;
}

static enum status unmatched_words(const struct customer_data *data,
                                   const struct trainer_counts *counts, struct buffer *out) {
    enum status status = buffer_format(out, " %llu name no treatment of the playbook (",
                                       (unsigned long long)counts->unmatched);
    uint32_t told = 0;
    for (; told < TRAINER_NAMES_MAX && told < counts->distinct_names && status == STATUS_OK;
         told++) {
        status =
            buffer_format(out, "%s%llu %s", told > 0 ? "; " : "",
                          (unsigned long long)counts->names[told].count, counts->names[told].name);
        if (status == STATUS_OK) status = suggest(data->playbook, counts->names[told].name, out);
    }
    if (status == STATUS_OK && counts->distinct_names > told)
        status = buffer_format(out, "; and %u further names", counts->distinct_names - told);
    return status == STATUS_OK ? buffer_format(out, ").") : status;
}

static bool is_used(const struct playbook *playbook, uint32_t rule) {
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        if (playbook->actions[i].model == rule) return true;
    }
    return false;
}

enum status trainer_left_out_words(const struct customer_data *data, const struct model_rule *rule,
                                   const struct trainer_counts *counts, struct buffer *out) {
    const struct {
        uint64_t count;
        const char *words;
    } reasons[] = {
        {counts->unnamed, " %llu have no property treatment, so nobody knows what was sent."},
        {counts->of_others, " %llu are of actions that don't use this model."},
        {counts->open, " %llu have a goal that has not matured yet."},
        {counts->endless, " %llu have a goal whose end (until:) is unknown, so it never matures."},
        {counts->again, " %llu tell of a message that an earlier one told of."},
        {counts->itself, " %llu are themselves what the goal asks for."},
        {counts->of_claims, " %llu are of customers for whom a device counts by a claim."},
    };
    const struct playbook *playbook = data->playbook;
    enum status status = STATUS_OK;
    if (!is_used(playbook, (uint32_t)(rule - playbook->models)))
        status = buffer_format(out, " No action uses it: write model: %.*s in the action.",
                               TEXT_ARG(rule->name));
    if (status == STATUS_OK && counts->unmatched > 0) status = unmatched_words(data, counts, out);
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons && status == STATUS_OK; i++) {
        if (reasons[i].count > 0)
            status = buffer_format(out, reasons[i].words, (unsigned long long)reasons[i].count);
    }
    if (status == STATUS_OK && counts->corrected_later > 0)
        status = buffer_format(out,
                               " %llu events before these rows were known only by a later "
                               "correction: the rows saw what no live decision did.",
                               (unsigned long long)counts->corrected_later);
    if (status == STATUS_OK && counts->coinciding * 2 > counts->reached) {
        status = buffer_format(out,
                               " Of %llu rows that reached the goal, %llu did so at the very time "
                               "of the treatment: perhaps both are one event.",
                               (unsigned long long)counts->reached,
                               (unsigned long long)counts->coinciding);
    }
    return status;
}
