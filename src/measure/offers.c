/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/offers.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

enum status offers_init(struct offers *offers, const struct playbook *playbook) {
    *offers = (struct offers){.playbook = playbook};
    offers->first = memory_calloc(playbook->action_count + 1, sizeof *offers->first);
    if (offers->first == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        offers->first[i] = (uint32_t)offers->count;
        offers->count += playbook->actions[i].channel_count;
    }
    offers->items = memory_calloc(offers->count + 1, sizeof *offers->items);
    if (offers->items == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t c = 0; c < action->channel_count; c++)
            offers->items[offers->first[i] + c] =
                (struct offer_use){.action = action, .channel = action->channels[c].channel};
    }
    return STATUS_OK;
}

void offers_release(struct offers *offers) {
    memory_free(offers->items);
    memory_free(offers->first);
    *offers = (struct offers){0};
}

void offers_add(struct offers *offers, const struct decision *decision) {
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++) {
        const struct treatment_trace ranked = decision_ranked(decision, rank), *trace = &ranked;
        const struct treatment *treatment = trace->treatment;
        ptrdiff_t action = treatment->action - offers->playbook->actions;
        for (uint32_t c = 0; c < offers->playbook->actions[action].channel_count; c++) {
            struct offer_use *use = &offers->items[offers->first[action] + c];
            if (use->channel != treatment->channel) continue;
            if (decision_withholds(decision, rank)) {
                use->withheld++;
                continue;
            }
            use->offered++;
            use->propensity_sum += trace->propensity;
            use->cost += trace->cost;
        }
    }
}

static int compare_uses(const void *left, const void *right) {
    const struct offer_use *a = left, *b = right;
    if (a->offered != b->offered) return a->offered > b->offered ? -1 : 1;
    if (a->withheld != b->withheld) return a->withheld > b->withheld ? -1 : 1;
    if (a->action != b->action) return a->action < b->action ? -1 : 1;
    return a->channel < b->channel ? -1 : a->channel > b->channel;
}

void offers_sort(struct offers *offers) {
    if (offers->count > 0) qsort(offers->items, offers->count, sizeof *offers->items, compare_uses);
}

void offer_figures(const struct offers *offers, const struct offer_use *use, int64_t as_of_ms,
                   struct figure out[OFFER_FIGURES]) {
    static const struct {
        const char *name, *question;
        enum figure_unit unit;
    } words[OFFER_FIGURES] = {
        {"offered", "how many messages of this action are offered in this channel", FIGURE_COUNT},
        {"withheld", "how many would be, to customers who are in the holdout", FIGURE_COUNT},
        {"mean_propensity", "what is the mean chance that one that is offered reaches its goal",
         FIGURE_CHANCE},
        {"cost", "what do those that are offered cost together", FIGURE_MONEY},
    };
    double mean = use->offered > 0 ? use->propensity_sum / (double)use->offered : (double)NAN;
    const double values[OFFER_FIGURES] = {(double)use->offered, (double)use->withheld, mean,
                                          use->cost};
    for (int i = 0; i < OFFER_FIGURES; i++) {
        out[i] = (struct figure){.name = words[i].name,
                                 .question = words[i].question,
                                 .value = values[i],
                                 .n = i == 1 ? use->withheld : use->offered,
                                 .of = COUNTED_MESSAGES,
                                 .unit = words[i].unit,
                                 .as_of_ms = as_of_ms};
        if (words[i].unit == FIGURE_MONEY) out[i].currency = offers->playbook->currency;
        figure_exact(&out[i]);
    }
}
