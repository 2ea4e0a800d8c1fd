/* SPDX-License-Identifier: Apache-2.0 */

#include "decide/facts.h"

/* "57a40m3o": the stages that stopped the treatments, in runs, in the order of their set. */
static const char stage_letters[STAGE_COUNT + 1] = "aceislprmo";
#define RUN_BYTES_MAX 8 /* a number up to PLAYBOOK_TREATMENTS_MAX, and a letter */

struct run {
    uint32_t count;
    enum stage stage;
};

static enum status end_run(struct buffer *out, struct run *run, enum stage next) {
    char digits[RUN_BYTES_MAX];
    size_t at = sizeof digits;
    if (run->count > 0 && run->stage == next) return STATUS_OK;
    digits[--at] = stage_letters[run->stage];
    for (uint32_t left = run->count; run->count > 1 && left > 0; left /= 10)
        digits[--at] = (char)('0' + left % 10);
    enum status status =
        run->count > 0 ? buffer_append(out, digits + at, sizeof digits - at) : STATUS_OK;
    *run = (struct run){0, next};
    return status;
}

/* Where the run of the stage at `at` ends: most runs are long. */
static uint32_t run_end(const uint8_t *stage, uint32_t at, uint32_t count) {
    uint64_t first = stage[at] * UINT64_C(0x0101010101010101), next = first;
    while (at + 8 <= count && next == first) {
        memcpy(&next, stage + at, sizeof next);
        at += next == first ? 8 : 0;
    }
    while (at < count && stage[at] == (uint8_t)first) at++;
    return at;
}

/* Are the places of the trace neighbours in the set? */
static bool is_gapless(const struct decision_trace *trace) {
    return trace->count > 0 && trace->index[trace->count - 1] - trace->index[0] == trace->count - 1;
}

/* Treatments that the trace leaves out were not available. */
static enum status add_trace(struct decider *decider, struct packed_writer *writer,
                             const struct decision *decision) {
    struct buffer *text = &decider->trace_text;
    struct run run = {0, STAGE_AVAILABLE};
    const struct decision_trace *trace = &decision->trace;
    uint32_t next = 0; /* in the set */
    bool gapless = is_gapless(trace);
    enum status status = STATUS_OK;
    buffer_clear(text);
    for (uint32_t i = 0; i <= trace->count && status == STATUS_OK; i++) {
        uint32_t index = i < trace->count ? trace->index[i] : decision->treatments->count;
        if (index > next) status = end_run(text, &run, STAGE_AVAILABLE);
        run.count += index - next;
        if (i == trace->count) break;
        if (status == STATUS_OK) status = end_run(text, &run, (enum stage)trace->stage[i]);
        uint32_t end = gapless ? run_end(trace->stage, i, trace->count) : i + 1;
        run.count += end - i;
        next = index + (end - i);
        i = end - 1;
    }
    if (status == STATUS_OK) status = end_run(text, &run, STAGE_COUNT);
    return status == STATUS_OK ? packed_add(writer, PROPERTY_TRACE, value_text(buffer_text(text)))
                               : status;
}

bool decision_trace_stage(struct text trace, uint32_t treatment, enum stage *stage) {
    uint32_t end = 0;
    for (uint32_t i = 0; i < trace.length; i++) {
        uint32_t count = 0;
        while (i < trace.length && trace.at[i] >= '0' && trace.at[i] <= '9' &&
               count <= PLAYBOOK_TREATMENTS_MAX)
            count = count * 10 + (uint32_t)(trace.at[i++] - '0');
        const char *letter =
            i < trace.length ? memchr(stage_letters, trace.at[i], STAGE_COUNT) : NULL;
        if (letter == NULL || count > PLAYBOOK_TREATMENTS_MAX) return false;
        end += count == 0 ? 1 : count;
        if (treatment >= end) continue;
        *stage = (enum stage)(letter - stage_letters);
        return true;
    }
    return false;
}

/* An id or a hash; its digits are borrowed from `digits`. */
static struct value id_value(uint64_t id, char digits[DECISION_ID_BYTES]) {
    decision_id_text(id, digits);
    return value_text((struct text){digits, DECISION_ID_BYTES - 1});
}

static enum status add_ranked(struct packed_writer *writer, struct packed_list *list,
                              const struct decision *decision) {
    enum status status = STATUS_OK;
    struct value value;
    packed_list_begin(list);
    for (uint32_t i = 0; i < decision->ranked_count && status == STATUS_OK; i++) {
        status = packed_list_add(
            list, value_text(decision_treatment(decision, decision->ranked[i])->key));
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

/* Among what was drawn. The probabilities of what can't be right are refused. */
static enum status add_choice(struct decider *decider, struct packed_writer *writer,
                              const struct decision *decision) {
    struct buffer *text = &decider->trace_text;
    if (decision->choice.draw_count == 0) return STATUS_OK;
    buffer_clear(text);
    enum status status = choice_write(&decision->choice, text_from(decider->choice_head), text);
    return status == STATUS_OK
               ? packed_add(writer, decider->history.symbols.choice, value_text(buffer_text(text)))
               : status;
}

/* What is to be sent, or withheld, by which channel, and from when on: contact limits count it
 * until something tells what became of it. */
static enum status add_messages(const struct decider *decider, const struct decision *decision,
                                struct packed_writer *writer, struct packed_list *list) {
    const struct customer_data *data = decider->data;
    const struct message_symbols *added = &decider->history.symbols;
    const uint32_t symbols[] = {PROPERTY_TREATMENT, PROPERTY_CHANNEL,    PROPERTY_WITHHELD,
                                added->send_after,  PROPERTY_PROPENSITY, PROPERTY_PRIORITY,
                                PROPERTY_PLACEMENT};
    char id[DECISION_ID_BYTES];
    struct value value;
    enum status status = packed_add(writer, PROPERTY_DECISION, id_value(decision->id, id));
    packed_list_begin(list);
    for (uint32_t i = 0; i < decision->ranked_count && status == STATUS_OK; i++) {
        uint32_t place = decision->ranked[i];
        const struct treatment *treatment = decision_treatment(decision, place);
        int64_t send_after_ms =
            facts_send_after(decider->facts, contact_route(&decider->history, treatment));
        const struct value values[] = {
            value_text(treatment->key),
            value_text(symbol_text(data->symbols, SYMBOL_CHANNEL, treatment->channel)),
            value_yes_no(decision_withholds(decision, i)),
            send_after_ms == 0 ? value_unknown() : value_time(send_after_ms),
            value_number(decision->trace.propensity[place]),
            value_number(decision->trace.priority[place]),
            value_text(decision_placement(decision, i)),
        };
        status =
            packed_list_add_record(list, symbols, values, decision->placement_count > 0 ? 7 : 6);
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    return status == STATUS_OK ? packed_add(writer, added->messages, value) : status;
}

/* A crossed customer records what it was first, too. */
static enum status add_holdout(const struct decider *decider, const struct decision *decision,
                               struct packed_writer *writer) {
    const struct playbook *playbook = decider->data->playbook;
    if (!(playbook->holdout_share > 0)) return STATUS_OK;
    struct value arm = value_text(decision->holdout.in ? TEXT("in") : TEXT("out"));
    enum status status = packed_add(writer, decider->holdout_symbols.holdout, arm);
    return status == STATUS_OK ? packed_add(writer, decider->holdout_symbols.salt,
                                            value_text(playbook->holdout_salt))
                               : status;
}

/* Which set of treatments the trace counts through. */
static enum status add_set(const struct decider *decider, const struct decision *decision,
                           struct packed_writer *writer) {
    char name[DECISION_ID_BYTES];
    return packed_add(writer, decider->history.symbols.treatment_set,
                      id_value(decision->treatments->hash, name));
}

/* A trait that spoke for the first rank: by itself, or in a pair with another. */
static enum status add_reason(const struct decider *decider, const struct model_rule *rule,
                              uint32_t feature, uint32_t with, struct packed_list *list) {
    const struct playbook *playbook = decider->data->playbook;
    const struct message_symbols *added = &decider->history.symbols;
    const uint32_t symbols[] = {added->trait, PROPERTY_VALUE, added->with};
    bool is_pair = with != MODEL_ALONE;
    const struct value values[] = {
        value_text(feature_name(playbook, rule, feature)), decider->features[feature],
        is_pair ? value_text(feature_name(playbook, rule, with)) : value_unknown()};
    return packed_list_add_record(list, symbols, values, is_pair ? 3 : 2);
}

/* What spoke most for the first rank: from these the sentence is made when somebody reads it. Of a
 * pair both are told, each with the name of the other. */
static enum status add_because(struct decider *decider, const struct decision *decision,
                               struct packed_writer *writer, struct packed_list *list) {
    const struct playbook *playbook = decider->data->playbook;
    const struct message_symbols *added = &decider->history.symbols;
    struct model_reason reasons[REASONS_MAX];
    struct value value;
    if (decision->ranked_count == 0) return STATUS_OK;
    const struct treatment *first = decision_treatment(decision, decision->ranked[0]);
    uint32_t count = reasons_of(decider, first, reasons);
    if (count == 0) return STATUS_OK;
    const struct model_rule *rule = &playbook->models[first->action->model];
    enum status status = STATUS_OK;
    packed_list_begin(list);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        uint32_t feature = reasons[i].feature, with = reasons[i].with;
        status = add_reason(decider, rule, feature, with, list);
        if (status == STATUS_OK && with != MODEL_ALONE)
            status = add_reason(decider, rule, with, feature, list);
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    return status == STATUS_OK ? packed_add(writer, added->because, value) : status;
}

static enum status add_basis(struct decider *decider, const struct decision *decision,
                             struct packed_writer *writer, struct packed_list *list) {
    const struct decision_basis *basis = &decider->basis;
    const struct message_symbols *added = &decider->history.symbols;
    const uint32_t symbols[] = {added->in_force, added->position,       added->rates,
                                added->rates_at, added->rates_position, PROPERTY_TRACE,
                                added->count};
    char in_force[DECISION_ID_BYTES], rates[DECISION_ID_BYTES], trace[DECISION_ID_BYTES];
    struct value value;
    const struct value values[] = {
        id_value(basis->in_force, in_force),
        value_number((double)basis->position),
        id_value(basis->rates_id, rates),
        value_time(basis->rates_at_ms),
        value_number((double)basis->rates_position),
        id_value(decision_trace_hash(decision), trace),
        value_number(basis->count),
    };
    packed_list_begin(list);
    enum status status = packed_list_add_record(list, symbols, values, basis->count > 0 ? 7 : 6);
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    if (status == STATUS_OK) status = packed_add(writer, added->basis, value);
    if (status == STATUS_OK && basis->placement.length > 0)
        status = packed_add(writer, PROPERTY_PLACEMENT, value_text(basis->placement));
    if (status == STATUS_OK && basis->context.length > 0)
        status = packed_add(writer, added->context, value_text(basis->context));
    if (status == STATUS_OK) status = packed_add(writer, added->proposed, basis->proposed);
    if (status != STATUS_OK || basis->visitor == 0) return status;
    char visitor[DECISION_ID_BYTES];
    decision_id_text(basis->visitor, visitor);
    return packed_add(writer, added->visitor, value_text(text_from(visitor)));
}

/* A row in quarantine comes and goes, and so it is written down for whom it held what. */
static enum status add_held(const struct decider *decider, struct packed_writer *writer,
                            struct packed_list *list) {
    struct value value;
    enum status status = STATUS_OK;
    if (decider->held_count == 0) return STATUS_OK;
    packed_list_begin(list);
    for (uint32_t i = 0; i < decider->held_count && status == STATUS_OK; i++) {
        const struct held_word *word = &decider->held[i];
        uint32_t symbol = word->is_purpose ? PROPERTY_PURPOSE : PROPERTY_CHANNEL;
        struct value name = value_text(word->name);
        status = packed_list_add_record(list, &symbol, &name, 1);
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    return status == STATUS_OK ? packed_add(writer, decider->history.symbols.held, value) : status;
}

enum status decision_pack(struct decider *decider, const struct decision *decision,
                          struct packed_writer *writer, struct buffer *out) {
    struct packed_list *list = &decider->list;
    char playbook[DECISION_ID_BYTES];
    packed_begin(writer);
    enum status status = add_ranked(writer, list, decision);
    if (status == STATUS_OK) status = add_choice(decider, writer, decision);
    if (status == STATUS_OK) status = add_messages(decider, decision, writer, list);
    if (status == STATUS_OK) status = add_trace(decider, writer, decision);
    if (status == STATUS_OK) status = add_set(decider, decision, writer);
    if (status == STATUS_OK) status = add_because(decider, decision, writer, list);
    if (status == STATUS_OK && decider->has_basis)
        status = add_basis(decider, decision, writer, list);
    if (status == STATUS_OK) status = add_held(decider, writer, list);
    if (status == STATUS_OK && decider->budget_uses != NULL)
        status = budget_prices_pack(decider, writer);
    if (status == STATUS_OK && decider->model_names.length > 0) {
        status = packed_add(writer, PROPERTY_MODEL, value_text(decider->model_names));
    }
    if (status == STATUS_OK)
        status = packed_add(writer, PROPERTY_PLAYBOOK,
                            id_value(decider->data->playbook->hash, playbook));
    if (status == STATUS_OK)
        status =
            packed_add(writer, PROPERTY_WITHHELD, value_yes_no(decision_withholds_some(decision)));
    if (status == STATUS_OK) status = add_holdout(decider, decision, writer);
    if (status == STATUS_OK)
        status = experiment_seats_pack(decider->data->playbook, &decider->experiment_symbols,
                                       &decision->seats, list, writer);
    if (status == STATUS_OK) status = packed_end(writer, out);
    return status;
}
