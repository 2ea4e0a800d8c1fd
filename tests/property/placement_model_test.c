/* SPDX-License-Identifier: Apache-2.0 */
/* Placements, counts, bundles, caps, the holdout and exploration against a model that looks at
 * every treatment again for every slot. Where a slot is drawn, the model has the candidates and
 * their probabilities, and goes on with what was taken.
 *
 *   placement_model_test [SEED [ROUNDS]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "decide/decide.h"
#include "support/scene.h"

#define ACTIONS     9
#define CHANNELS    3
#define PLACEMENTS  4
#define BUNDLES     4
#define CUSTOMERS   8
#define RANKS       128
#define NAMES_BYTES 64

static struct random random_state;
static uint32_t below(size_t bound) {
    return (uint32_t)random_below(&random_state, bound);
}
static void must(bool good, const char *what) {
    if (good) return;
    printf("%s\n", what);
    exit(1);
}

#define EMAIL 1u
static const char *const channel_names[CHANNELS] = {"web", "email", "app"};

struct an_action {
    uint32_t chance; /* percent */
    bool in[CHANNELS];
    int named[CHANNELS]; /* the one placement at which it may stand there; -1: any */
    bool service;
    uint32_t group; /* 0 or 1 */
};
struct a_placement {
    uint32_t slots;
    bool by_channel, channels[CHANNELS];
    bool by_action, actions[ACTIONS];
};
struct a_bundle {
    bool only;
    bool of[ACTIONS], with[ACTIONS];
};
struct plan {
    struct an_action actions[ACTIONS];
    struct a_placement placements[PLACEMENTS];
    struct a_bundle bundles[BUNDLES];
    uint32_t bundle_count, cap, slots; /* cap 0: none */
    /* explore: share in percent, 0: not at all */
    uint32_t share, gamma, candidates;
    bool nothing, off[CHANNELS];
};

/* ---- a random playbook ---- */

static void draw_actions(struct plan *plan) {
    for (uint32_t i = 0; i < ACTIONS; i++) {
        struct an_action *action = &plan->actions[i];
        *action = (struct an_action){
            .chance = 5 * (1 + below(12)), .service = below(4) == 0, .group = below(2)};
        for (uint32_t c = 0; c < CHANNELS; c++) {
            action->in[c] = below(2) == 0;
            action->named[c] = below(6) == 0 ? (int)below(PLACEMENTS) : -1;
        }
        action->in[below(CHANNELS)] = true;
    }
}

static void draw_placements(struct plan *plan) {
    for (uint32_t p = 0; p < PLACEMENTS; p++) {
        struct a_placement *placement = &plan->placements[p];
        *placement = (struct a_placement){
            .slots = 1 + below(4), .by_channel = below(3) > 0, .by_action = below(3) == 0};
        if (!placement->by_action) placement->by_channel = true;
        for (uint32_t c = 0; c < CHANNELS; c++) placement->channels[c] = below(2) == 0;
        for (uint32_t i = 0; i < ACTIONS; i++) placement->actions[i] = below(2) == 0;
        placement->channels[below(CHANNELS)] = true;
        placement->actions[below(ACTIONS)] = true;
    }
}

/* `only` goes to later actions alone, so that no two wait for each other. */
static void draw_bundles(struct plan *plan) {
    plan->bundle_count = below(BUNDLES + 1);
    for (uint32_t b = 0; b < plan->bundle_count; b++) {
        struct a_bundle *bundle = &plan->bundles[b];
        uint32_t first = 1 + below(ACTIONS - 1);
        *bundle = (struct a_bundle){.only = below(2) == 0};
        for (uint32_t i = 0; i < ACTIONS; i++) {
            bundle->of[i] = i < first && below(3) == 0;
            bundle->with[i] = i >= first && below(3) == 0;
        }
        bundle->of[below(first)] = true;
        bundle->with[first + below(ACTIONS - first)] = true;
    }
}

static void draw_exploring(struct plan *plan) {
    plan->share = below(2) * (1 + below(30));
    plan->gamma = below(4) * below(300);
    plan->candidates = 2 + below(9);
    plan->nothing = below(3) == 0;
    for (uint32_t c = 0; c < CHANNELS; c++) plan->off[c] = below(5) == 0;
}

static void put(struct buffer *out, const char *text) {
    must(buffer_append_text(out, text_from(text)) == STATUS_OK, "no memory");
}

static void put_names(struct buffer *out, const char *key, const bool *marks, uint32_t count,
                      const char *const *names) {
    const char *comma = "";
    must(buffer_format(out, "%s: [", key) == STATUS_OK, "no memory");
    for (uint32_t i = 0; i < count; i++) {
        if (!marks[i]) continue;
        must((names != NULL ? buffer_format(out, "%s%s", comma, names[i])
                            : buffer_format(out, "%sa%u", comma, i)) == STATUS_OK,
             "no memory");
        comma = ", ";
    }
    put(out, "]");
}

static void put_action(struct buffer *out, const struct an_action *action, uint32_t index) {
    must(buffer_format(out,
                       "  a%u: { goal: order, starting_propensity: %u%%, service: %s, channels: {",
                       index, action->chance, action->service ? "yes" : "no") == STATUS_OK,
         "no memory");
    const char *comma = " ";
    for (uint32_t c = 0; c < CHANNELS; c++) {
        if (!action->in[c]) continue;
        put(out, comma);
        put(out, channel_names[c]);
        must((action->named[c] < 0
                  ? buffer_format(out, ": {}")
                  : buffer_format(out, ": { placement: p%d }", action->named[c])) == STATUS_OK,
             "no memory");
        comma = ", ";
    }
    put(out, " } }\n");
}

static bool is_used(const struct plan *plan, uint32_t channel) {
    for (uint32_t i = 0; i < ACTIONS; i++) {
        if (plan->actions[i].in[channel]) return true;
    }
    return false;
}

static void put_exploring(const struct plan *plan, struct buffer *out) {
    bool off[CHANNELS];
    if (plan->share == 0) return;
    for (uint32_t c = 0; c < CHANNELS; c++) off[c] = plan->off[c] && is_used(plan, c);
    must(buffer_format(
             out, "explore: { share: %u%%, gamma: %u, candidates: %u, nothing: %s, off: { ",
             plan->share, plan->gamma, plan->candidates, plan->nothing ? "yes" : "no") == STATUS_OK,
         "no memory");
    put_names(out, "channels", off, CHANNELS, channel_names);
    put(out, " } }\n");
}

static void write_playbook(const struct plan *plan, struct buffer *out) {
    put(out, "holdout: { share: 40%, salt: x }\n"
             "customer: { identifiers: { email: {} } }\n"
             "events: { Order Completed: { revenue: money } }\n"
             "goals: { order: { event: Order Completed, within: 10d, value: 20 USD } }\n"
             "actions:\n");
    for (uint32_t i = 0; i < ACTIONS; i++) put_action(out, &plan->actions[i], i);
    put(out, "placements:\n");
    for (uint32_t p = 0; p < PLACEMENTS; p++) {
        const struct a_placement *placement = &plan->placements[p];
        must(buffer_format(out, "  p%u: { slots: %u", p, placement->slots) == STATUS_OK,
             "no memory");
        if (placement->by_channel) {
            put(out, ", ");
            put_names(out, "channels", placement->channels, CHANNELS, channel_names);
        }
        if (placement->by_action) {
            put(out, ", ");
            put_names(out, "actions", placement->actions, ACTIONS, NULL);
        }
        put(out, " }\n");
    }
    put(out, "bundles:\n");
    for (uint32_t b = 0; b < plan->bundle_count; b++) {
        const struct a_bundle *bundle = &plan->bundles[b];
        put(out, "  - { ");
        put_names(out, bundle->only ? "only" : "never", bundle->of, ACTIONS, NULL);
        put(out, ", ");
        put_names(out, "with", bundle->with, ACTIONS, NULL);
        put(out, " }\n");
    }
    must(buffer_format(out, "decide: { slots: %u }\npolicies:\n", plan->slots) == STATUS_OK,
         "no memory");
    if (plan->cap > 0)
        must(buffer_format(out, "  - { at_most: %u, in: 1d, impressions: yes }\n", plan->cap) ==
                 STATUS_OK,
             "no memory");
    put(out, "");
    put_exploring(plan, out);
    must(buffer_append(out, "", 1) == STATUS_OK, "no memory");
}

/* ---- the model ---- */

struct rank {
    uint32_t action, channel, at;
};
struct model {
    const struct plan *plan;
    bool holdout;
    struct rank ranks[RANKS];
    uint32_t count;
    /* What was decided, which tells what was drawn. */
    const struct decision *decision;
    uint32_t drawn;
    double probability[RANKS];
    double highest; /* priority of all that may stand anywhere */
};

static bool takes(const struct plan *plan, int placement, uint32_t action, uint32_t channel) {
    if (placement < 0) return true;
    const struct a_placement *rule = &plan->placements[placement];
    int named = plan->actions[action].named[channel];
    if (named >= 0 && named != placement) return false;
    return (!rule->by_channel || rule->channels[channel]) &&
           (!rule->by_action || rule->actions[action]);
}

/* A message that goes out is not beside one that is withheld. */
static bool beside(const struct model *model, uint32_t action, uint32_t other) {
    const struct an_action *actions = model->plan->actions;
    return !(model->holdout && actions[action].service && !actions[other].service);
}

static bool fits_bundles(const struct model *model, uint32_t action) {
    for (uint32_t b = 0; b < model->plan->bundle_count; b++) {
        const struct a_bundle *bundle = &model->plan->bundles[b];
        bool partner = false, enemy = false;
        for (uint32_t i = 0; i < model->count; i++) {
            uint32_t other = model->ranks[i].action;
            if (!beside(model, action, other)) continue;
            partner |= bundle->with[other];
            enemy |= (bundle->of[action] && bundle->with[other]) ||
                     (bundle->with[action] && bundle->of[other]);
        }
        if (bundle->only ? bundle->of[action] && !partner : enemy) return false;
    }
    return true;
}

/* What is decided for a page is no impression until it is shown; a letter counts at once. */
static bool fits_cap(const struct model *model, uint32_t action) {
    uint32_t counted = 0;
    if (model->plan->cap == 0 || model->plan->actions[action].service) return true;
    for (uint32_t i = 0; i < model->count; i++)
        counted += model->ranks[i].channel == EMAIL &&
                   !model->plan->actions[model->ranks[i].action].service;
    return counted < model->plan->cap;
}

static bool is_ranked(const struct model *model, uint32_t action) {
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->ranks[i].action == action) return true;
    }
    return false;
}

/* May it be taken for the next slot? */
static bool fits(const struct model *model, int placement, uint32_t action, uint32_t channel) {
    return model->plan->actions[action].in[channel] &&
           takes(model->plan, placement, action, channel) && !is_ranked(model, action) &&
           fits_bundles(model, action) && fits_cap(model, action);
}

static double priority_of(const struct plan *plan, uint32_t action) {
    return plan->actions[action].chance / 100.0 * 20;
}

static bool is_explored(const struct plan *plan, struct rank rank) {
    return !plan->actions[rank.action].service && !plan->off[rank.channel];
}

/* The best of the rest, by chance, and of equal ones the first. */
static bool next_candidate(const struct model *model, int placement, const struct rank *have,
                           uint32_t count, struct rank *out) {
    bool found = false;
    for (uint32_t i = 0; i < ACTIONS; i++) {
        for (uint32_t c = 0; c < CHANNELS; c++) {
            bool is_known =
                !fits(model, placement, i, c) || !is_explored(model->plan, (struct rank){i, c, 0});
            for (uint32_t k = 0; k < count; k++)
                is_known |= have[k].action == i && have[k].channel == c;
            if (is_known || (found && model->plan->actions[i].chance <=
                                          model->plan->actions[out->action].chance))
                continue;
            *out = (struct rank){i, c, have[0].at};
            found = true;
        }
    }
    return found;
}

static const struct choice_candidate *candidate_of(const struct model *model,
                                                   const struct choice_draw *draw, uint32_t i) {
    return &model->decision->choice.candidates[draw->candidate[i]];
}

static bool is_candidate(const struct model *model, const struct choice_candidate *candidate,
                         struct rank rank, const struct symbols *symbols) {
    char key[16];
    if (candidate->treatment == CHOICE_NOTHING) return rank.action == UINT32_MAX;
    if (rank.action == UINT32_MAX) return false;
    const struct treatment *treatment =
        &model->decision->treatments->treatments[candidate->treatment];
    snprintf(key, sizeof key, "a%u", rank.action);
    return text_equal(treatment->key, text_from(key)) &&
           text_equal(symbol_text(symbols, SYMBOL_CHANNEL, treatment->channel),
                      text_from(channel_names[rank.channel]));
}

static double probability_of(const struct model *model, const struct rank *have, uint32_t count,
                             uint32_t i) {
    const struct plan *plan = model->plan;
    double values[CHOICE_CANDIDATES_MAX], others = 0, size = count;
    for (uint32_t k = 0; k < count; k++)
        values[k] = have[k].action == UINT32_MAX
                        ? 0
                        : floor(priority_of(plan, have[k].action) / model->highest * 4095 + .5);
    for (uint32_t k = 1; k < count; k++) {
        double share = plan->share / 100.0 / size;
        double weighted = 1 / (size + plan->gamma * (values[0] - values[k]) / 4095);
        double is = weighted > share ? weighted : share;
        if (k == i) return is;
        others += is;
    }
    return 1 - others;
}

/* The candidates of the slot whose best is `best`, with their probabilities; what was taken becomes
 * `best`. */
static double draw_one(struct model *model, int placement, struct rank *best,
                       const struct symbols *symbols) {
    struct rank have[CHOICE_CANDIDATES_MAX] = {*best};
    const struct plan *plan = model->plan;
    uint32_t count = 1;
    double taken = 0;
    if (plan->nothing) have[count++] = (struct rank){UINT32_MAX, 0, best->at};
    while (count < plan->candidates && next_candidate(model, placement, have, count, &have[count]))
        count++;
    if (count == 1) return 1;
    must(model->drawn < model->decision->choice.draw_count, "a slot was not drawn");
    const struct choice_draw *draw = &model->decision->choice.draws[model->drawn++];
    must(draw->count == count && draw->at == best->at, "other candidates");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = 0;
        while (k < count && !is_candidate(model, candidate_of(model, draw, i), have[k], symbols))
            k++;
        must(k < count, "another candidate");
        must((k == 0) == (i == draw->best), "another best");
        double is = probability_of(model, have, count, k);
        must(fabs(draw->probability[i] - is) < 1e-12, "another probability");
        if (i != draw->taken) continue;
        *best = have[k];
        taken = draw->probability[i];
    }
    return taken;
}

/* Takes the best treatment that may stand there now, or what was drawn; false where there is none.
 */
static bool take_one(struct model *model, int placement, uint32_t at, bool service_only,
                     const struct symbols *symbols) {
    const struct plan *plan = model->plan;
    struct rank best = {UINT32_MAX, 0, at};
    for (uint32_t i = 0; i < ACTIONS; i++) {
        const struct an_action *action = &plan->actions[i];
        if (service_only && !action->service) continue;
        for (uint32_t c = CHANNELS; c-- > 0;) {
            if (!fits(model, placement, i, c)) continue;
            bool better = best.action == UINT32_MAX || best.action == i ||
                          action->chance > plan->actions[best.action].chance;
            if (better) best = (struct rank){i, c, at};
        }
    }
    if (best.action == UINT32_MAX) return false;
    double probability = 1;
    if (plan->share > 0 && !service_only && is_explored(plan, best))
        probability = draw_one(model, placement, &best, symbols);
    if (best.action == UINT32_MAX) return true; /* nothing was drawn */
    model->probability[model->count] = probability;
    model->ranks[model->count++] = best;
    return true;
}

static uint32_t withheld_at(const struct model *model, uint32_t at) {
    uint32_t count = 0;
    for (uint32_t i = 0; model->holdout && i < model->count; i++)
        count += model->ranks[i].at == at && !model->plan->actions[model->ranks[i].action].service;
    return count;
}

static void rank_all(struct model *model, const int *placements, uint32_t count,
                     const uint32_t *slots, const struct symbols *symbols) {
    uint32_t left[PLACEMENTS];
    model->count = model->drawn = 0;
    model->highest = 0;
    for (uint32_t i = 0; i < ACTIONS * CHANNELS * count; i++) {
        uint32_t action = i % ACTIONS, channel = i / ACTIONS % CHANNELS;
        double priority = priority_of(model->plan, action);
        if (model->plan->actions[action].in[channel] && priority > model->highest &&
            takes(model->plan, placements[i / ACTIONS / CHANNELS], action, channel))
            model->highest = priority;
    }
    memcpy(left, slots, count * sizeof *left);
    for (bool grows = true; grows;) {
        grows = false;
        for (uint32_t i = 0; i < count; i++) {
            while (left[i] > 0 && take_one(model, placements[i], i, false, symbols)) {
                left[i]--;
                grows = true;
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t more = withheld_at(model, i); more > 0; more--) {
            if (!take_one(model, placements[i], i, true, symbols)) break;
        }
    }
}

/* ---- comparing ---- */

struct trial {
    struct scene scene;
    struct profile *profile;
    struct decider *decider;
    struct goal_base bases[128];
    struct decision decision;
};

static const char *written; /* the playbook */
static uint64_t draws;      /* in all */

static void compare(const struct trial *trial, const struct model *model, const char *asked) {
    const struct decision *decision = &trial->decision;
    bool same =
        decision->ranked_count == model->count && decision->choice.draw_count == model->drawn;
    for (uint32_t i = 0; same && i < model->count; i++) {
        const struct treatment *treatment = decision_treatment(decision, decision->ranked[i]);
        char key[8];
        snprintf(key, sizeof key, "a%u", model->ranks[i].action);
        struct text channel = symbol_text(trial->scene.symbols, SYMBOL_CHANNEL, treatment->channel);
        same = text_equal(treatment->key, text_from(key)) &&
               text_equal(channel, text_from(channel_names[model->ranks[i].channel])) &&
               decision->ranked_at[i] == model->ranks[i].at &&
               decision->probability[i] == model->probability[i];
    }
    if (same) return;
    printf("%s\nasked \"%s\", holdout %d\n", written, asked, model->holdout);
    for (uint32_t i = 0; i < decision->ranked_count; i++)
        printf("  is %.*s at %u\n",
               TEXT_ARG(decision_treatment(decision, decision->ranked[i])->key),
               decision->ranked_at[i]);
    for (uint32_t i = 0; i < model->count; i++)
        printf("  should be a%u by %s at %u\n", model->ranks[i].action,
               channel_names[model->ranks[i].channel], model->ranks[i].at);
    must(false, "another ranking");
}

/* Asks for some of the placements, in any order, or for none. */
static uint32_t draw_asked(const struct plan *plan, int placements[PLACEMENTS],
                           uint32_t slots[PLACEMENTS], uint32_t *most, char *names) {
    uint32_t count = below(PLACEMENTS + 1), used = 0;
    names[0] = '\0';
    *most = below(3) == 0 ? 1 + below(3) : 0;
    for (uint32_t i = 0; i < count; i++) {
        int next;
        do {
            next = (int)below(PLACEMENTS);
        } while (used >> next & 1);
        used |= 1u << next;
        placements[i] = next;
        slots[i] = plan->placements[next].slots;
        if (*most > 0 && *most < slots[i]) slots[i] = *most;
        size_t at = strlen(names);
        snprintf(names + at, NAMES_BYTES - at, "%sp%d", i > 0 ? "," : "", next);
    }
    if (count > 0) return count;
    placements[0] = -1;
    slots[0] = *most > 0 && *most < plan->slots ? *most : plan->slots;
    return 1;
}

static void check_customer(struct trial *trial, const struct plan *plan, uint32_t customer) {
    struct timeline_source *source = trial->scene.data.source;
    struct timeline_reader *reader;
    struct timeline timeline;
    int placements[PLACEMENTS];
    uint32_t slots[PLACEMENTS], most;
    char names[NAMES_BYTES];
    struct timeline_request request =
        profile_request(trial->profile, (struct as_of){DAY(5), POSITION_NOW}, false);
    must(source->ops->reader_open(source, &reader, NULL) == STATUS_OK &&
             source->ops->read(reader, (struct customer_id){customer}, &request, &timeline, NULL) ==
                 STATUS_OK,
         "no timeline");
    for (int round = 0; round < 4; round++) {
        uint32_t count = draw_asked(plan, placements, slots, &most, names);
        struct decision_basis basis = {.placement = text_from(names), .count = most};
        must(decider_name_basis(trial->decider, &basis, NULL) == STATUS_OK, "can't be asked for");
        must(decide_customer(trial->decider, &timeline, DAY(5), &trial->decision, NULL) ==
                 STATUS_OK,
             "no decision");
        struct model model = {
            .plan = plan, .holdout = trial->decision.holdout.in, .decision = &trial->decision};
        rank_all(&model, placements, count, slots, trial->scene.symbols);
        draws += model.drawn;
        compare(trial, &model, names);
    }
    source->ops->reader_close(reader);
}

/* Is there a treatment for each placement? Else the playbook is refused. */
static bool is_good(const struct plan *plan) {
    for (int p = 0; p < PLACEMENTS; p++) {
        bool any = false;
        for (uint32_t i = 0; i < ACTIONS; i++) {
            for (uint32_t c = 0; c < CHANNELS; c++)
                any |= plan->actions[i].in[c] && takes(plan, p, i, c);
        }
        for (uint32_t c = 0; c < CHANNELS; c++) {
            bool used = false;
            for (uint32_t i = 0; i < ACTIONS; i++) used |= plan->actions[i].in[c];
            any &= used;
        }
        if (!any) return false;
    }
    return true;
}

static void play(uint64_t seed) {
    static struct trial trial;
    static struct plan plan;
    struct buffer text;
    random_init(&random_state, seed);
    memset(&trial, 0, sizeof trial);
    do {
        plan = (struct plan){.cap = below(2) ? 0 : 1 + below(5), .slots = 1 + below(5)};
        draw_actions(&plan);
        draw_placements(&plan);
        draw_bundles(&plan);
        draw_exploring(&plan);
    } while (!is_good(&plan));
    buffer_init(&text);
    write_playbook(&plan, &text);
    for (size_t i = 0; i < 128; i++) trial.bases[i] = (struct goal_base){.rate = .5, .value = 20};
    written = text.at;
    scene_init(&trial.scene, text.at);
    scene_treatments(&trial.scene);
    must(profile_create(&trial.profile, &trial.scene.data) == STATUS_OK, "no profile");
    must(decider_create(&trial.decider, &trial.scene.data, trial.profile, NULL, trial.bases) ==
             STATUS_OK,
         "no decider");
    for (uint32_t customer = 1; customer <= CUSTOMERS; customer++) {
        scene_event(&trial.scene, customer, "Order Completed", DAY(1), "");
    }
    for (uint32_t customer = 1; customer <= CUSTOMERS; customer++)
        check_customer(&trial, &plan, customer);
    buffer_release(&text);
    decider_destroy(trial.decider);
    profile_destroy(trial.profile);
    scene_release(&trial.scene);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
    for (uint64_t i = 0; i < rounds; i++) {
        printf("seed %llu\n", (unsigned long long)(seed + i));
        play(seed + i);
    }
    printf("%llu rounds, %llu draws\n", (unsigned long long)rounds, (unsigned long long)draws);
    return 0;
}
