/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/segment_count.h"

struct count_part {
    uint32_t trait;
    int64_t t_ms;
    const bool *wanted;
    uint64_t customers, in, unknown, limited;
};

static enum status visit(void *state, struct walker *walker, const struct timeline *timeline,
                         struct error *error) {
    struct count_part *part = state;
    (void)error;
    const struct value *values =
        profile_at_for(walker->profile, timeline, part->t_ms, part->wanted);
    struct value value = values[part->trait];
    part->customers++;
    if (value.type == VALUE_YES_NO) {
        part->in += value.yes;
    } else {
        part->unknown++;
        part->limited += profile_trait_limited(walker->profile, part->trait);
    }
    return STATUS_OK;
}

static void conclude(const struct count_part *parts, uint32_t threads, int64_t as_of_ms,
                     struct segment_count *out) {
    *out = (struct segment_count){0};
    uint64_t in = 0;
    for (uint32_t i = 0; i < threads; i++) {
        in += parts[i].in;
        out->in.n += parts[i].customers;
        out->unknown += parts[i].unknown;
        out->limited += parts[i].limited;
    }
    out->in.name = "customers";
    out->in.question = "How many customers are in the segment?";
    out->in.value = (double)in;
    out->in.of = COUNTED_CUSTOMERS;
    out->in.unit = FIGURE_COUNT;
    out->in.as_of_ms = as_of_ms;
    figure_exact(&out->in);
}

enum status segment_count_measure(const struct customer_data *data,
                                  const struct segment_count_options *options,
                                  struct segment_count *out, struct error *error) {
    bool wanted[PLAYBOOK_TRAITS_MAX] = {false};
    struct count_part parts[WALK_THREADS_MAX];
    void *states[WALK_THREADS_MAX];
    uint32_t threads = options->threads == 0 ? 1 : options->threads;
    if (threads > WALK_THREADS_MAX) threads = WALK_THREADS_MAX;
    wanted[options->trait] = true;
    profile_want_read(data->playbook, wanted);
    for (uint32_t i = 0; i < threads; i++) {
        parts[i] = (struct count_part){options->trait, options->as_of.t_ms, wanted, 0, 0, 0, 0};
        states[i] = &parts[i];
    }
    struct walk_plan plan = {.data = data,
                             .as_of = options->as_of,
                             .threads = threads,
                             .visit = visit,
                             .parts = states,
                             .work = options->work};
    work_step(options->work, "customers counted", 0);
    enum status status = walk_customers(&plan, error);
    if (status == STATUS_OK) conclude(parts, threads, options->as_of.t_ms, out);
    return status;
}
