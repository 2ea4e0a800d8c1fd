/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/experiment.h"

#include "base/hash.h"

/* The holdout (seed 0), layers and arms are drawn apart, also under equal salts. */
#define LAYER_SEED 1
#define ARM_SEED   2

enum status experiment_symbols_add(struct symbols *symbols, struct experiment_symbols *out) {
    const struct {
        const char *name;
        uint32_t *symbol;
    } names[] = {{"experiments", &out->experiments},
                 {"experiment", &out->experiment},
                 {"arm", &out->arm},
                 {"salt", &out->salt}};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && status == STATUS_OK; i++)
        status = symbol_add(symbols, SYMBOL_PROPERTY, text_from(names[i].name), names[i].symbol);
    return status;
}

/* ---- drawing ---- */

static double draw(struct customer_id customer, struct text salt, uint64_t seed) {
    uint64_t hash = hash_bytes(&customer.value, sizeof customer.value, hash_text(salt, seed));
    return (double)(hash >> 11) * 0x1p-53;
}

static bool is_in_layer(const struct experiment *experiment, struct customer_id customer) {
    double at = draw(customer, experiment->layer, LAYER_SEED);
    return experiment->from <= at && at < experiment->until;
}

/* Rounding must leave nobody without an arm. */
static uint32_t draw_arm(const struct experiment *experiment, struct customer_id customer) {
    double at = draw(customer, experiment->salt, ARM_SEED), until = 0;
    uint32_t arm = 0;
    for (; arm + 1 < experiment->arm_count; arm++) {
        until += experiment->arms[arm].share;
        if (at < until) break;
    }
    return arm;
}

/* ---- records ---- */

struct recorded { /* by experiment: the arm, or UINT32_MAX */
    const struct playbook *playbook;
    uint32_t arms[EXPERIMENTS_MAX];
};

static uint32_t arm_of_name(const struct experiment *experiment, struct text name) {
    for (uint32_t i = 0; i < experiment->arm_count; i++)
        if (text_equal(experiment->arms[i].name, name)) return i;
    return UINT32_MAX;
}

static void take_record(void *context, struct text name, struct text arm, struct text salt) {
    struct recorded *recorded = context;
    uint32_t index = playbook_experiment_find(recorded->playbook, name);
    if (index == UINT32_MAX || recorded->arms[index] != UINT32_MAX) return;
    const struct experiment *experiment = &recorded->playbook->experiments[index];
    if (text_equal(experiment->salt, salt)) recorded->arms[index] = arm_of_name(experiment, arm);
}

static struct text text_of(const struct list_reader *reader, uint32_t symbol) {
    struct value value = list_field(reader, symbol);
    return value.type == VALUE_TEXT ? value.text : (struct text){0};
}

void experiment_records_read(struct text packed, const struct experiment_symbols *symbols,
                             void (*visit)(void *context, struct text experiment, struct text arm,
                                           struct text salt),
                             void *context) {
    struct value ignored, list = packed_find(packed, symbols->experiments);
    struct list_reader reader;
    if (list.type != VALUE_LIST || list_reader_init(&reader, list) != STATUS_OK) return;
    while (list_next(&reader, &ignored) == STATUS_OK)
        visit(context, text_of(&reader, symbols->experiment), text_of(&reader, symbols->arm),
              text_of(&reader, symbols->salt));
}

static void read_records(const struct experiment_symbols *symbols, const struct timeline *timeline,
                         int64_t t_ms, struct recorded *recorded) {
    uint32_t end = timeline_upper_bound(timeline, t_ms);
    for (uint32_t row = 0; row < end; row++) {
        struct text packed;
        if (timeline->type[row] != EVENT_DECISION_MADE || !timeline_known(timeline, row, t_ms))
            continue;
        if (timeline->ops->packed(timeline, row, &packed) == STATUS_OK)
            experiment_records_read(packed, symbols, take_record, recorded);
    }
}

/* ---- seats ---- */

static bool is_under_way(const struct experiment *experiment, int64_t t_ms) {
    return experiment->start_ms <= t_ms && t_ms < experiment->stop_ms;
}

static bool is_in_another(const struct recorded *recorded, uint32_t index) {
    const struct playbook *playbook = recorded->playbook;
    for (uint32_t i = 0; i < playbook->experiment_count; i++)
        if (i != index && recorded->arms[i] != UINT32_MAX &&
            text_equal(playbook->experiments[i].layer, playbook->experiments[index].layer))
            return true;
    return false;
}

static bool comes_in(const struct recorded *recorded, uint32_t index, struct profile *profile,
                     struct customer_id customer) {
    const struct experiment *experiment = &recorded->playbook->experiments[index];
    if (customer.value == ID_NONE || is_in_another(recorded, index)) return false;
    if (!is_in_layer(experiment, customer)) return false;
    if (experiment->who == NULL) return true;
    struct value is = profile_eval(profile, experiment->who);
    return is.type == VALUE_YES_NO && is.yes;
}

void experiment_seats_at(const struct playbook *playbook, const struct experiment_symbols *symbols,
                         struct profile *profile, const struct timeline *timeline, int64_t t_ms,
                         struct experiment_seats *out) {
    struct recorded recorded = {.playbook = playbook};
    bool any = false;
    out->count = 0;
    for (uint32_t i = 0; i < playbook->experiment_count; i++) {
        recorded.arms[i] = UINT32_MAX;
        any = any || is_under_way(&playbook->experiments[i], t_ms);
    }
    if (!any) return;
    read_records(symbols, timeline, t_ms, &recorded);
    for (uint32_t i = 0; i < playbook->experiment_count; i++) {
        const struct experiment *experiment = &playbook->experiments[i];
        uint32_t arm = recorded.arms[i];
        if (!is_under_way(experiment, t_ms)) continue;
        if (arm == UINT32_MAX && comes_in(&recorded, i, profile, timeline->customer))
            arm = draw_arm(experiment, timeline->customer);
        if (arm != UINT32_MAX) out->items[out->count++] = (struct experiment_seat){i, arm};
    }
}

static const struct experiment_arm *arm_of(const struct playbook *playbook,
                                           const struct experiment_seat *seat) {
    return &playbook->experiments[seat->experiment].arms[seat->arm];
}

const struct experiment *experiment_without(const struct playbook *playbook,
                                            const struct experiment_seats *seats, uint32_t action,
                                            const struct experiment_arm **arm) {
    for (uint32_t i = 0; i < seats->count; i++) {
        *arm = arm_of(playbook, &seats->items[i]);
        if ((*arm)->without != NULL && (*arm)->without[action])
            return &playbook->experiments[seats->items[i].experiment];
    }
    return NULL;
}

double experiment_lever(const struct playbook *playbook, const struct experiment_seats *seats,
                        uint32_t action) {
    double percent = 0;
    for (uint32_t i = 0; i < seats->count; i++) {
        const struct experiment_arm *arm = arm_of(playbook, &seats->items[i]);
        percent += arm->levers != NULL ? arm->levers[action] : 0;
    }
    return percent;
}

enum status experiment_seats_pack(const struct playbook *playbook,
                                  const struct experiment_symbols *symbols,
                                  const struct experiment_seats *seats, struct packed_list *list,
                                  struct packed_writer *writer) {
    const uint32_t fields[] = {symbols->experiment, symbols->arm, symbols->salt};
    struct value value;
    enum status status = STATUS_OK;
    if (seats->count == 0) return STATUS_OK;
    packed_list_begin(list);
    for (uint32_t i = 0; i < seats->count && status == STATUS_OK; i++) {
        const struct experiment *experiment = &playbook->experiments[seats->items[i].experiment];
        const struct value values[] = {value_text(experiment->name),
                                       value_text(arm_of(playbook, &seats->items[i])->name),
                                       value_text(experiment->salt)};
        status = packed_list_add_record(list, fields, values, 3);
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    return status == STATUS_OK ? packed_add(writer, symbols->experiments, value) : status;
}
