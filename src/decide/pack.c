/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "decide/decider.h"

/* An event has room for so many bytes of trace beside the rest. */
#define TRACE_BYTES_MAX     (PACKED_BYTES_MAX / 2)
#define TRACE_FIGURES_BYTES 48 /* a record without its key: the stage in words, two numbers */

/* The earliest stage whose stops still have room: those of the stages before it are left out. */
static enum stage first_told(const struct decision *decision) {
    size_t bytes = 0;
    for (enum stage stage = STAGE_OFFERED; stage > STAGE_AVAILABLE; stage--) {
        for (uint32_t i = 0; i < decision->trace_count; i++) {
            if (decision->trace[i].stopped_at == stage)
                bytes += decision->trace[i].treatment->key.length + TRACE_FIGURES_BYTES;
        }
        if (bytes > TRACE_BYTES_MAX) return stage + 1;
    }
    return STAGE_CONSENT; /* offers of other times would fill every decision */
}

/* The trace as a list of records: what stopped each treatment, and its figures where it came so
 * far. */
static enum status add_trace(struct packed_list *list, const struct decision *decision) {
    static const uint32_t symbols[] = {PROPERTY_TREATMENT, PROPERTY_STATE, PROPERTY_PROPENSITY,
                                       PROPERTY_PRIORITY};
    enum stage first = first_told(decision);
    packed_list_begin(list);
    for (uint32_t i = 0; i < decision->trace_count; i++) {
        const struct treatment_trace *trace = &decision->trace[i];
        if (trace->stopped_at < first) continue;
        const struct value values[] = {
            value_text(trace->treatment->key),
            value_text(text_from(stage_name(trace->stopped_at))),
            isnan(trace->propensity) ? value_unknown() : value_number(trace->propensity),
            isnan(trace->priority) ? value_unknown() : value_number(trace->priority),
        };
        enum status status = packed_list_add_record(list, symbols, values, 4);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status add_ranked(struct packed_writer *writer, struct packed_list *list,
                              const struct decision *decision) {
    enum status status = STATUS_OK;
    struct value value;
    packed_list_begin(list);
    for (uint32_t i = 0; i < decision->ranked_count && status == STATUS_OK; i++) {
        status =
            packed_list_add(list, value_text(decision->trace[decision->ranked[i]].treatment->key));
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    if (status == STATUS_OK) status = packed_add(writer, PROPERTY_TREATMENT, value);
    if (status != STATUS_OK) return status;
    packed_list_begin(list);
    for (uint32_t i = 0; i < decision->ranked_count && status == STATUS_OK; i++) {
        status = packed_list_add(list, value_number(decision->probability[i]));
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    if (status == STATUS_OK) status = packed_add(writer, PROPERTY_PROBABILITY, value);
    return status;
}

/* What is to be sent, or withheld, by which channel, and from when on: contact limits count it
 * until something tells what became of it. */
static enum status add_messages(const struct decider *decider, const struct decision *decision,
                                struct packed_writer *writer, struct packed_list *list) {
    const struct world *world = decider->world;
    const struct message_symbols *added = &decider->history.symbols;
    const uint32_t symbols[] = {PROPERTY_TREATMENT, PROPERTY_CHANNEL, PROPERTY_WITHHELD,
                                added->send_after};
    char id[DECISION_ID_BYTES];
    struct value value;
    decision_id_text(decision->id, id);
    enum status status = packed_add(writer, PROPERTY_DECISION, value_text(text_from(id)));
    packed_list_begin(list);
    for (uint32_t i = 0; i < decision->ranked_count && status == STATUS_OK; i++) {
        const struct treatment_trace *trace = &decision->trace[decision->ranked[i]];
        const struct value values[] = {
            value_text(trace->treatment->key),
            value_text(symbol_text(world->symbols, SYMBOL_CHANNEL, trace->treatment->channel)),
            value_yes_no(decision_withholds(decision, i)),
            trace->send_after_ms == 0 ? value_unknown() : value_time(trace->send_after_ms),
        };
        status = packed_list_add_record(list, symbols, values, 4);
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    return status == STATUS_OK ? packed_add(writer, added->messages, value) : status;
}

/* A crossed customer records what it was first, too. */
static enum status add_holdout(const struct decider *decider, const struct decision *decision,
                               struct packed_writer *writer) {
    const struct playbook *playbook = decider->world->playbook;
    if (!(playbook->holdout_share > 0)) return STATUS_OK;
    struct value arm = value_text(decision->holdout.in ? TEXT("in") : TEXT("out"));
    enum status status = packed_add(writer, decider->holdout_symbols.holdout, arm);
    return status == STATUS_OK ? packed_add(writer, decider->holdout_symbols.salt,
                                            value_text(playbook->holdout_salt))
                               : status;
}

enum status decision_pack(const struct decider *decider, const struct decision *decision,
                          struct packed_writer *writer, struct buffer *out) {
    struct packed_list list;
    struct value trace;
    char playbook[DECISION_ID_BYTES];
    decision_id_text(decider->world->playbook->hash, playbook); /* 16 digits too */
    packed_list_init(&list);
    packed_begin(writer);
    enum status status = add_ranked(writer, &list, decision);
    if (status == STATUS_OK) status = add_messages(decider, decision, writer, &list);
    if (status == STATUS_OK) status = add_trace(&list, decision);
    if (status == STATUS_OK) status = packed_list_end(&list, &trace);
    if (status == STATUS_OK) status = packed_add(writer, PROPERTY_TRACE, trace);
    if (status == STATUS_OK)
        status = packed_add(writer, PROPERTY_REASON, value_text(text_from(decision->reason)));
    if (status == STATUS_OK && decider->model_names.length > 0) {
        status = packed_add(writer, PROPERTY_MODEL, value_text(decider->model_names));
    }
    if (status == STATUS_OK)
        status = packed_add(writer, PROPERTY_PLAYBOOK, value_text(text_from(playbook)));
    if (status == STATUS_OK)
        status =
            packed_add(writer, PROPERTY_WITHHELD, value_yes_no(decision_withholds_some(decision)));
    if (status == STATUS_OK) status = add_holdout(decider, decision, writer);
    if (status == STATUS_OK) status = packed_end(writer, out);
    packed_list_release(&list);
    return status;
}
