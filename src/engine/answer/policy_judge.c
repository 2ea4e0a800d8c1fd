/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/policy_judge.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "engine/answer/replay_decision.h"
#include "engine/engine_internal.h"
#include "profile/outcome.h"

#define SEGMENTS_MAX 64 /* that estimates are told by: the first ones of the playbook */
#define NO_PART      UINT32_MAX
#define ARENA_BYTES  ((size_t)64 << 20)

const char *policy_left_out_text(enum policy_left_out cause) {
    static const char *const texts[POLICY_OUT_CAUSES] = {
        "were withheld from the holdout", "have a goal that has not matured",
        "were recorded by an older program, which did not note what they were made from",
        "have a playbook or rows that are no longer here", "have a value in another currency"};
    return texts[cause];
}

/* ---- the recorded decisions ---- */

struct kept_record {
    struct decision_record record;
    size_t at; /* of its bytes */
};
struct records {
    const struct policy_judge_options *options;
    struct kept_record *items;
    size_t count, capacity;
    struct buffer bytes;
    enum status status;
};

static bool keep(void *context, const struct decision_record *record) {
    struct records *records = context;
    const struct policy_judge_options *options = records->options;
    if (record->t_ms < options->from_ms || record->t_ms >= options->until_ms) return true;
    if (records->count == POLICY_RECORDS_MAX) {
        records->status = STATUS_LIMIT;
        return false;
    }
    records->status = memory_grow((void **)&records->items, &records->capacity, records->count + 1,
                                  sizeof *records->items);
    struct kept_record kept = {*record, records->bytes.length};
    if (records->status == STATUS_OK)
        records->status = buffer_append_text(&records->bytes, record->packed);
    if (records->status == STATUS_OK) records->items[records->count++] = kept;
    return records->status == STATUS_OK;
}

static int compare_records(const void *left, const void *right) {
    const struct kept_record *a = left, *b = right;
    if (a->record.t_ms != b->record.t_ms) return a->record.t_ms < b->record.t_ms ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* In order of time, so that base rates and playbooks change seldom. */
static enum status read_records(struct engine_view *view, struct records *records,
                                struct error *error) {
    enum status status = decision_records_visit(view, NULL, keep, records, error);
    if (status == STATUS_OK) status = records->status;
    if (status == STATUS_LIMIT)
        return error_set(error, status,
                         "more than %d decisions are recorded in that time: say a shorter one by "
                         "--from and --until",
                         POLICY_RECORDS_MAX);
    for (size_t i = 0; i < records->count; i++)
        records->items[i].record.packed.at = records->bytes.at + records->items[i].at;
    if (records->count > 0)
        qsort(records->items, records->count, sizeof *records->items, compare_records);
    return status;
}

/* ---- what was done ---- */

/* The first slot of a recorded decision. */
struct logged {
    struct text treatment, channel; /* empty: nothing was offered */
    double probability;
    bool withheld;
};

static struct text text_field(const struct list_reader *reader, uint32_t symbol) {
    struct value value = list_field(reader, symbol);
    return value.type == VALUE_TEXT ? value.text : (struct text){0};
}

/* Is the first draw that of the first slot? Where it became the first rank, it is. Where it became
 * none, the first rank (CHOICE_NOTHING: there is none) may come of a later slot, which had the same
 * candidates, or of a first slot that was not drawn; then it stands already, and is no
 * candidate. */
static bool is_first_slot(const struct choice_draw *draw, const struct choice_candidate *candidates,
                          uint32_t first_rank) {
    if (draw->rank == 0) return true;
    if (draw->rank != CHOICE_NO_RANK) return false;
    bool is_candidate = first_rank == CHOICE_NOTHING;
    for (uint32_t i = 0; i < draw->count; i++)
        is_candidate |= candidates[draw->candidate[i]].treatment == first_rank;
    return is_candidate;
}

/* Tells what the first slot took, and its chance: 1 where it was not drawn. `treatment` is the
 * index of the first rank, or CHOICE_NOTHING. */
static void read_first_draw(struct value choice, uint32_t treatment, struct logged *logged) {
    static _Thread_local struct choice_reader reader;
    struct choice_draw draw;
    logged->probability = 1;
    if (choice.type != VALUE_TEXT || choice_reader_init(&reader, choice.text) != STATUS_OK ||
        choice_next(&reader, &draw) != STATUS_OK ||
        !is_first_slot(&draw, reader.candidates, treatment))
        return;
    logged->probability = draw.probability[draw.taken];
    if (draw.rank == CHOICE_NO_RANK) logged->treatment = logged->channel = (struct text){0};
}

static struct logged read_logged(const struct decision_record *record,
                                 const struct message_symbols *symbols) {
    struct logged logged = {.probability = 1};
    struct list_reader reader;
    struct value item, messages = packed_find(record->packed, symbols->messages);
    if (messages.type == VALUE_LIST && list_reader_init(&reader, messages) == STATUS_OK &&
        list_next(&reader, &item) == STATUS_OK) {
        struct value withheld = list_field(&reader, PROPERTY_WITHHELD);
        logged.treatment = text_field(&reader, PROPERTY_TREATMENT);
        logged.channel = text_field(&reader, PROPERTY_CHANNEL);
        logged.withheld = withheld.type == VALUE_YES_NO && withheld.yes;
    }
    return logged;
}

/* ---- what it earned, by the playbook of then ---- */

/* The playbook of the latest decision, and what is asked by it. */
struct earning {
    struct engine *engine;
    int64_t now_ms;
    uint64_t hash; /* of the playbook's name */
    struct in_force *in_force;
    struct profile *profile;
    struct timeline_reader *reader;
    struct timeline_request request;
};

static void earning_release(struct earning *earning) {
    if (earning->reader != NULL) earning->reader->source->ops->reader_close(earning->reader);
    profile_destroy(earning->profile);
    in_force_drop(earning->in_force);
    earning->reader = NULL;
    earning->profile = NULL;
    earning->in_force = NULL;
}

static enum status earning_use(struct earning *earning, struct text playbook, struct error *error) {
    uint64_t hash = hash_text(playbook, 1);
    if (earning->in_force != NULL && earning->hash == hash) return STATUS_OK;
    earning_release(earning);
    enum status status =
        past_in_force(earning->engine, playbook, TEXT(""), &earning->in_force, error);
    if (status != STATUS_OK) return status;
    const struct customer_data *data = &earning->in_force->data;
    status = profile_create(&earning->profile, data);
    if (status == STATUS_OK)
        status = data->source->ops->reader_open(data->source, &earning->reader, error);
    if (status != STATUS_OK) return status;
    struct as_of as_of = {earning->now_ms, POSITION_NOW};
    earning->request = profile_request(earning->profile, as_of, true);
    earning->hash = hash;
    return STATUS_OK;
}

static double cost_of(const struct playbook *playbook, const struct treatment *treatment) {
    if (treatment->channel_rule->has_cost) return treatment->channel_rule->cost;
    struct value cost = treatment->action->cost;
    return value_is_known(cost) ? amount_of(playbook, cost) : 0;
}

/* One decision that is judged, or why it is not. */
struct verdict_of {
    enum policy_left_out out; /* POLICY_OUT_CAUSES: it is judged */
    double reward;
    struct text group;
};

static void weigh(const struct playbook *playbook, const struct treatment *treatment,
                  const struct outcome_detail *detail, int64_t now_ms, struct verdict_of *verdict) {
    verdict->out = POLICY_OUT_CAUSES;
    verdict->group = treatment->action->group;
    verdict->reward = -cost_of(playbook, treatment);
    if (detail->matured_ms > now_ms || detail->outcome == OUTCOME_OPEN) {
        verdict->out = POLICY_OUT_NOT_MATURED;
    } else if (detail->outcome == OUTCOME_YES) {
        verdict->reward += value_is_known(detail->value) ? amount_of(playbook, detail->value) : 1;
    }
    bool is_other = detail->values_left_out > 0 || isnan(verdict->reward);
    if (verdict->out == POLICY_OUT_CAUSES && is_other) verdict->out = POLICY_OUT_CURRENCY;
}

/* The treatment of the first rank in the set of then; NULL where it is not there. */
static enum status find_logged(const struct earning *earning, const struct decision_record *record,
                               const struct logged *logged, const struct treatment **out,
                               struct error *error) {
    const struct customer_data *data = &earning->in_force->data;
    const struct treatment_set *set;
    *out = NULL;
    if (logged->treatment.length == 0) return STATUS_OK;
    uint32_t channel = symbol_find(data->symbols, SYMBOL_CHANNEL, logged->channel);
    enum status status = treatment_history_at(data->treatments, record->t_ms, &set, error);
    if (status == STATUS_OK && channel != SYMBOL_NONE)
        *out = treatment_find(set, logged->treatment, channel);
    return status;
}

static enum status earn(struct earning *earning, const struct decision_record *record,
                        const struct message_symbols *symbols, struct logged *logged,
                        struct verdict_of *verdict, struct error *error) {
    const struct customer_data *data = &earning->in_force->data;
    const struct treatment *treatment;
    struct timeline timeline;
    enum status status = find_logged(earning, record, logged, &treatment, error);
    if (status != STATUS_OK || (treatment == NULL && logged->treatment.length > 0)) return status;
    read_first_draw(packed_find(record->packed, symbols->choice),
                    treatment != NULL ? treatment->index : CHOICE_NOTHING, logged);
    if (logged->treatment.length == 0) {
        verdict->out = POLICY_OUT_CAUSES; /* it earned nothing */
        return STATUS_OK;
    }
    status = data->source->ops->read(earning->reader, record->customer, &earning->request,
                                     &timeline, error);
    if (status != STATUS_OK) return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    const struct goal *goal = &data->playbook->goals[treatment->action->goal];
    if (goal_reads_traits(goal)) {
        profile_at(earning->profile, &timeline, record->t_ms);
        profile_with(earning->profile, treatment);
    }
    struct outcome_detail detail =
        outcome_of(earning->profile, &timeline, goal, treatment, record->t_ms, earning->now_ms);
    weigh(data->playbook, treatment, &detail, earning->now_ms, verdict);
    return STATUS_OK;
}

/* ---- what the other playbook would have done ---- */

static bool is_same(const struct treatment *treatment, const struct in_force *in_force,
                    const struct logged *logged) {
    return text_equal(treatment->key, logged->treatment) &&
           text_equal(symbol_text(in_force->data.symbols, SYMBOL_CHANNEL, treatment->channel),
                      logged->channel);
}

/* Adds a choice of the first slot with its chance. */
static void add_choice(const struct engine_view *view, const struct logged *logged, uint32_t index,
                       double chance, struct off_policy_row *row, double *likeliest, bool *same) {
    const struct decision *decision = view->decision;
    bool is_logged, is_nothing = index == CHOICE_NOTHING;
    double worth = 0;
    if (is_nothing) {
        is_logged = logged->treatment.length == 0;
    } else {
        struct treatment_trace trace = decision_trace_at(decision, index);
        worth = trace.propensity * trace.value - trace.cost;
        if (!isfinite(worth)) worth = 0;
        is_logged = is_same(trace.treatment, view->in_force, logged);
    }
    row->expected += chance * worth;
    if (is_logged) {
        row->weight = chance / logged->probability;
        row->predicted = worth;
    }
    if (chance > *likeliest) {
        *likeliest = chance;
        *same = is_logged;
    }
}

/* The first slot's choices: those of its draw, or one with chance 1. */
static bool compare_choices(const struct engine_view *view, const struct logged *logged,
                            struct off_policy_row *row) {
    const struct decision *decision = view->decision;
    const struct choice *choice = &decision->choice;
    const struct choice_draw *draw = choice->draw_count > 0 ? &choice->draws[0] : NULL;
    uint32_t first_rank =
        decision->ranked_count > 0 ? decision_ranked(decision, 0).treatment->index : CHOICE_NOTHING;
    bool same = false;
    double likeliest = 0;
    if (draw != NULL && !is_first_slot(draw, choice->candidates, first_rank)) draw = NULL;
    for (uint32_t i = 0; draw != NULL && i < draw->count; i++)
        add_choice(view, logged, choice->candidates[draw->candidate[i]].treatment,
                   draw->probability[i], row, &likeliest, &same);
    if (draw == NULL) add_choice(view, logged, first_rank, 1, row, &likeliest, &same);
    return same;
}

/* ---- parts ---- */

struct part_names {
    struct policy_part *items;
    size_t count, capacity;
    uint64_t *rows;
    size_t row_capacity;
};

/* The index of the part; it is made where it is new, and its text is copied. */
static enum status part_of(struct part_names *names, const char *column, struct text value,
                           struct arena *arena, uint32_t *out) {
    for (*out = 0; *out < names->count; ++*out) {
        if (names->items[*out].column == column && text_equal(names->items[*out].value, value)) {
            names->rows[*out]++;
            return STATUS_OK;
        }
    }
    enum status status = memory_grow((void **)&names->items, &names->capacity, names->count + 1,
                                     sizeof *names->items);
    if (status == STATUS_OK)
        status = memory_grow((void **)&names->rows, &names->row_capacity, names->count + 1,
                             sizeof *names->rows);
    if (status != STATUS_OK) return status;
    struct text copy = arena_text(arena, value);
    if (copy.at == NULL) return STATUS_NO_MEMORY;
    names->items[names->count] = (struct policy_part){.column = column, .value = copy};
    names->rows[names->count++] = 1;
    return STATUS_OK;
}

struct judged_row {
    struct off_policy_row row;
    bool drawn;
    uint32_t channel, group; /* parts, or NO_PART */
    uint64_t segments;       /* bits by segment */
};
struct judging {
    struct engine_view *view;
    const struct policy_judge_options *options;
    struct policy_judgement *out;
    struct message_symbols symbols;
    struct earning earning;
    struct judged_row *rows;
    size_t count, capacity;
    struct part_names parts;
    uint32_t segments[SEGMENTS_MAX]; /* traits */
    uint32_t segment_count;
    struct work *work;
};

static void find_segments(struct judging *judging) {
    const struct playbook *playbook = judging->view->data->playbook;
    for (uint32_t i = 0; i < playbook->trait_count && judging->segment_count < SEGMENTS_MAX; i++) {
        const struct trait *trait = &playbook->traits[i];
        if (trait->is_segment && !trait->of_treatment)
            judging->segments[judging->segment_count++] = i;
    }
}

static uint64_t segments_of(struct judging *judging) {
    struct engine_view *view = judging->view;
    uint64_t bits = 0;
    if (judging->segment_count == 0) return 0;
    const struct value *values = profile_at(view->profile, &view->timeline, view->t_ms);
    for (uint32_t i = 0; i < judging->segment_count; i++) {
        struct value value = values[judging->segments[i]];
        if (value.type == VALUE_YES_NO && value.yes) bits |= UINT64_C(1) << i;
    }
    return bits;
}

/* ---- one decision ---- */

/* Base rates as known at a landmark before t: they take a walk each. */
static enum status rates_before(struct judging *judging, int64_t t_ms, struct rates_version **out,
                                struct error *error) {
    int64_t every_ms = judging->view->data->playbook->landmarks.every_ms, next_ms;
    int64_t at_ms = t_ms - (t_ms % every_ms + every_ms) % every_ms;
    return rates_for(judging->view->in_force, at_ms, RATES_FRESH, judging->work, out, &next_ms,
                     error);
}

static enum status decide_again(struct judging *judging, const struct decision_record *record,
                                struct engine_view_past *past, struct error *error) {
    struct engine_view *view = judging->view;
    const struct customer_data *data = view->data;
    enum status status = rates_before(judging, record->t_ms, &past->rates, error);
    if (status != STATUS_OK) return status;
    past->in_force = in_force_share(view->in_force);
    struct customer_id customer = data->customer_of_persona(
        data->context, record->persona, (struct as_of){record->t_ms, past->basis.position});
    if (past->basis.visitor != 0) customer.value = ID_NONE;
    status = engine_view_go_back(view, past, error);
    return status == STATUS_OK ? engine_view_decide_past(view, past, customer, error) : status;
}

static enum status add_row(struct judging *judging, const struct decision_record *record,
                           const struct logged *logged, const struct verdict_of *verdict) {
    struct judged_row judged = {.row = {.reward = verdict->reward, .group = record->customer.value},
                                .drawn = logged->probability < 1,
                                .channel = NO_PART,
                                .group = NO_PART};
    struct policy_judgement *out = judging->out;
    out->same += compare_choices(judging->view, logged, &judged.row);
    out->drawn += judged.drawn;
    enum status status = STATUS_OK;
    if (logged->channel.length > 0)
        status = part_of(&judging->parts, "channel", logged->channel, &out->arena, &judged.channel);
    if (status == STATUS_OK && verdict->group.length > 0)
        status = part_of(&judging->parts, "group", verdict->group, &out->arena, &judged.group);
    judged.segments = segments_of(judging);
    if (status == STATUS_OK)
        status = memory_grow((void **)&judging->rows, &judging->capacity, judging->count + 1,
                             sizeof *judging->rows);
    if (status == STATUS_OK) judging->rows[judging->count++] = judged;
    return status;
}

static bool is_missing(enum status status) {
    return status == STATUS_NOT_FOUND || status == STATUS_CORRUPT || status == STATUS_INVALID;
}

/* Did the playbook of then count in another currency than the one that is judged? */
static bool is_foreign(const struct judging *judging) {
    return judging->earning.in_force->data.playbook->currency !=
           judging->view->data->playbook->currency;
}

static enum status judge_one(struct judging *judging, const struct decision_record *record,
                             struct error *error) {
    struct policy_judgement *out = judging->out;
    struct engine_view_past past = {.t_ms = record->t_ms};
    struct verdict_of verdict = {.out = POLICY_OUT_GONE};
    struct logged logged = read_logged(record, &judging->symbols);
    struct error missing = {0};
    out->recorded++;
    if (logged.withheld) verdict.out = POLICY_OUT_WITHHELD;
    if (!decision_record_basis(record, &judging->symbols, &past)) verdict.out = POLICY_OUT_TOO_OLD;
    if (verdict.out == POLICY_OUT_GONE) {
        struct value playbook = packed_find(record->packed, PROPERTY_PLAYBOOK);
        struct text name = playbook.type == VALUE_TEXT ? playbook.text : (struct text){0};
        enum status status = earning_use(&judging->earning, name, &missing);
        if (status == STATUS_OK)
            status =
                earn(&judging->earning, record, &judging->symbols, &logged, &verdict, &missing);
        if (status != STATUS_OK && !is_missing(status))
            return error_set(error, status, "%s", missing.text);
    }
    if (verdict.out == POLICY_OUT_CAUSES && is_foreign(judging)) verdict.out = POLICY_OUT_CURRENCY;
    if (verdict.out != POLICY_OUT_CAUSES) {
        out->left_out[verdict.out]++;
        return STATUS_OK;
    }
    enum status status = decide_again(judging, record, &past, error);
    return status == STATUS_OK ? add_row(judging, record, &logged, &verdict) : status;
}

/* ---- the estimates ---- */

static bool is_of(const struct judging *judging, const struct judged_row *row, uint32_t part) {
    if (part == NO_PART) return true;
    if (part < judging->parts.count) return row->channel == part || row->group == part;
    return row->segments >> (part - judging->parts.count) & 1;
}

static enum status estimate(const struct judging *judging, uint32_t part, uint64_t *drawn,
                            struct off_policy_result *out) {
    const struct off_policy_options options = {
        .switch_max = (double)NAN, .shrinkage = (double)NAN, .seed = 1};
    struct off_policy_row *rows = memory_alloc((judging->count + 1) * sizeof *rows);
    size_t count = 0;
    *drawn = 0;
    if (rows == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < judging->count; i++) {
        if (!is_of(judging, &judging->rows[i], part)) continue;
        *drawn += judging->rows[i].drawn;
        rows[count++] = judging->rows[i].row;
    }
    enum status status =
        count > 0 ? off_policy_estimate(rows, count, &options, out) : STATUS_NOT_FOUND;
    memory_free(rows);
    return status;
}

static enum status estimate_parts(struct judging *judging) {
    struct policy_judgement *out = judging->out;
    const struct playbook *playbook = judging->view->data->playbook;
    uint32_t all = (uint32_t)judging->parts.count + judging->segment_count;
    out->parts = memory_calloc(POLICY_PARTS_MAX, sizeof *out->parts);
    if (out->parts == NULL) return STATUS_NO_MEMORY;
    for (uint32_t part = 0; part < all && out->part_count < POLICY_PARTS_MAX; part++) {
        bool is_segment = part >= judging->parts.count;
        struct policy_part *made = &out->parts[out->part_count];
        if (is_segment) {
            uint32_t trait = judging->segments[part - judging->parts.count];
            *made = (struct policy_part){.column = "segment",
                                         .value =
                                             arena_text(&out->arena, playbook->traits[trait].name)};
        } else {
            *made = judging->parts.items[part];
        }
        enum status status = estimate(judging, part, &made->drawn, &made->result);
        if (status == STATUS_NOT_FOUND) continue;
        if (status != STATUS_OK) return status;
        out->part_count++;
    }
    return STATUS_OK;
}

enum status policy_judge(struct engine_view *view, const struct policy_judge_options *options,
                         struct work *work, struct policy_judgement *out, struct error *error) {
    struct records records = {.options = options};
    struct judging judging = {.view = view,
                              .options = options,
                              .out = out,
                              .earning = {.engine = view->engine, .now_ms = options->now_ms},
                              .work = work};
    *out = (struct policy_judgement){0};
    arena_init(&out->arena, ARENA_BYTES);
    buffer_init(&records.bytes);
    find_segments(&judging);
    enum status status = message_symbols_add(engine_symbols(view->engine), &judging.symbols);
    if (status == STATUS_OK) status = read_records(view, &records, error);
    work_step(work, "decisions made again", records.count);
    for (size_t i = 0; i < records.count && status == STATUS_OK; i++) {
        status = work_check(work, error);
        if (status == STATUS_OK) status = judge_one(&judging, &records.items[i].record, error);
        work_add(work, 1);
    }
    out->is_judged = status == STATUS_OK && judging.count > 0;
    if (out->is_judged) status = estimate(&judging, NO_PART, &out->drawn, &out->result);
    if (out->is_judged && status == STATUS_OK) status = estimate_parts(&judging);
    earning_release(&judging.earning);
    memory_free(judging.rows);
    memory_free(judging.parts.items);
    memory_free(judging.parts.rows);
    memory_free(records.items);
    buffer_release(&records.bytes);
    return status;
}

void policy_judgement_release(struct policy_judgement *judgement) {
    memory_free(judgement->parts);
    arena_release(&judgement->arena);
}
