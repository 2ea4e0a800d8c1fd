/* SPDX-License-Identifier: Apache-2.0 */
/* bench/decide.c -- decisions a second on one core, from the customer's identifier to the packed
 * trace. decide [CASE [CUSTOMERS]].
 *
 * A made-up shop: 100,000 customers of 16 to 24 events each, 25 traits of the customer as features
 * of a model that was trained on past letters, an offer table with three attributes, two traits of
 * a treatment, six policies, consent that is required. Each decision is for a random customer at
 * the same moment. The peer is Vowpal Wabbit's contextual bandit (--cb_explore_adf, greedy on a
 * learnt policy) on the very features of the first decisions, read from its binary cache, which
 * leaves it neither timelines to read nor policies to check. CPU seconds of the process. Cases:
 *
 *   "100 treatments", "20 treatments"  so many offers
 *   "moving time"                      100 offers, each decision at a later moment than the last
 *   "with it all"                      100 offers for two placements of three slots, all drawn
 *                                      (explore:), by a model with pairs of features, with two
 *                                      budgets that have a price, recorded; in turns with "100
 *                                      treatments"
 *   "lists"                            30 and 300 offers with five traits that look into a list of
 *                                      50 items each, timelines of 200 events: their ratio */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench.h"
#include "engine/budgets.h"
#include "engine/answer/answer.h"
#include "shop.h"

#define CUSTOMERS 100000u
#define DECISIONS 20000u
#define WARM      1000u
#define PEER_ROWS 4000u
/* Of the case whose time moves. */
#define TURNS   5
#define STEP_MS 7

static const char *now_text = "2024-12-26";

/* ---- the peer ---- */

static void write_feature(FILE *file, const char *name, struct value value) {
    switch (value.type) {
    case VALUE_NUMBER: fprintf(file, " %s:%g", name, value.number); break;
    case VALUE_MONEY: fprintf(file, " %s:%g", name, (double)value.minor / 100); break;
    case VALUE_DURATION: fprintf(file, " %s:%g", name, (double)value.duration_ms / 864e5); break;
    case VALUE_YES_NO: fprintf(file, " %s:%d", name, value.yes); break;
    case VALUE_TEXT: fprintf(file, " %s=%.*s", name, TEXT_ARG(value.text)); break;
    default: break;
    }
}

/* The customer and every treatment, as Vowpal Wabbit reads them. */
static void write_peer_row(FILE *file, struct engine_view *view) {
    const struct playbook *playbook = engine_playbook(view->engine);
    const struct value *values = profile_at(view->profile, &view->timeline, view->t_ms);
    fputs("shared |c", file);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        if (!playbook->traits[i].of_treatment) write_feature(file, name, values[i]);
    }
    fputc('\n', file);
    for (uint32_t a = 0; a < view->decision->trace.count; a++) {
        const struct treatment *treatment = decision_treatment(view->decision, a);
        values = profile_with(view->profile, treatment);
        fprintf(file, "%s|a", a == 0 ? "0:0.5:0.01 " : "");
        for (uint32_t i = 0; i < playbook->attribute_count; i++) {
            char name[16];
            snprintf(name, sizeof name, "a%u", i);
            const struct expr_attribute *attribute = &treatment->attributes[i];
            if (attribute->value.type != VALUE_LIST) write_feature(file, name, attribute->value);
        }
        for (uint32_t i = 0; i < playbook->trait_count; i++) {
            char name[16];
            snprintf(name, sizeof name, "t%u", i);
            if (playbook->traits[i].of_treatment) write_feature(file, name, values[i]);
        }
        fputc('\n', file);
    }
    fputc('\n', file);
}

/* Decisions a CPU second of the peer; 0 where it is absent. */
static double ask_peer(struct engine_view *view, const struct shape *shape) {
    const char *names[] = {"rate"};
    char command[1400];
    double rate = 0;
    struct random random;
    struct error error = {0};
    const char *python = getenv("ATTUNE_PEERS_PYTHON"), *peers = getenv("ATTUNE_PEERS");
    if (python == NULL || peers == NULL) return 0;
    FILE *file = shop_create("peer.vw");
    random_init(&random, 3);
    for (uint32_t i = 0; i < PEER_ROWS; i++) {
        char name[32];
        snprintf(name, sizeof name, "card:k%u", (unsigned)random_below(&random, shape->customers));
        shop_check(engine_view_decide(view, name, &error), &error);
        write_peer_row(file, view);
    }
    shop_close(file);
    snprintf(command, sizeof command, "%s %s/decide_vw.py %s/peer.vw", python, peers,
             shop_folder());
    return bench_peer(command, names, &rate, 1) ? rate : 0;
}

/* ---- decisions ---- */

struct tally {
    uint64_t offered, bytes, treatments, trace_bytes, draws, choice_bytes;
    double rate;
};

/* step_ms: each decision is a request of its own, so much later than the one before; SAME_REQUEST:
 * all are of one request. */
#define SAME_REQUEST (-1)
static struct tally decide_some(struct engine_view *view, const struct shape *shape,
                                uint32_t decisions, uint64_t seed, int64_t step_ms) {
    struct tally counted = {0};
    struct random random;
    struct error error = {0};
    struct packed_writer writer;
    struct buffer packed;
    random_init(&random, seed);
    packed_writer_init(&writer);
    buffer_init(&packed);
    uint32_t choice = symbol_find(engine_symbols(view->engine), SYMBOL_PROPERTY, TEXT("choice"));
    double begin = clock_cpu_seconds();
    for (uint32_t i = 0; i < decisions; i++) {
        char name[32];
        snprintf(name, sizeof name, "card:k%u", (unsigned)random_below(&random, shape->customers));
        if (step_ms >= 0) shop_check(engine_view_renew(view, view->t_ms + step_ms, &error), &error);
        shop_check(engine_view_decide(view, name, &error), &error);
        buffer_clear(&packed);
        BENCH_CHECK(decision_pack(view->decider, view->decision, &writer, &packed));
        counted.offered += view->decision->ranked_count > 0;
        counted.bytes += packed.length;
        counted.treatments += view->decision->trace.count;
        counted.draws += view->decision->choice.draw_count;
        if (choice != SYMBOL_NONE)
            counted.choice_bytes += packed_find(buffer_text(&packed), choice).text.length;
        /* The traces are measured while the caches warm up. */
        if (decisions <= WARM)
            counted.trace_bytes += packed_find(buffer_text(&packed), PROPERTY_TRACE).text.length;
    }
    counted.rate = decisions / (clock_cpu_seconds() - begin);
    packed_writer_release(&writer);
    buffer_release(&packed);
    return counted;
}

static double run(const struct shape *shape, bool with_peer) {
    struct engine *engine = shop_open(shape);
    struct engine_view view;
    struct error error = {0};
    int64_t t_ms;
    BENCH_CHECK(time_parse(text_from(now_text), NULL, &t_ms));
    shop_check(engine_view_open(&view, engine, t_ms, &error), &error);
    struct tally warm = decide_some(&view, shape, WARM, 1, SAME_REQUEST);
    uint32_t decisions = shape->events > 100 ? DECISIONS / 10 : DECISIONS;
    struct tally counted = decide_some(&view, shape, decisions, 2, SAME_REQUEST);
    double peer = with_peer ? ask_peer(&view, shape) : 0;
    char note[160];
    snprintf(
        note, sizeof note,
        "%.0f treatments and %.0f B a packed decision, %.0f B of them its trace, %.0f %% offered",
        (double)counted.treatments / decisions, (double)counted.bytes / decisions,
        (double)warm.trace_bytes / WARM, 100.0 * (double)counted.offered / decisions);
    bench_print(&(struct measurement){"decide", shape->name, "decisions/s/core", counted.rate,
                                      with_peer ? "vw --cb_explore_adf, binary cache" : NULL, peer,
                                      peer > 0 ? counted.rate / peer : 0, note});
    engine_view_close(&view);
    engine_close(engine);
    return counted.rate;
}

/* A clock's t against one that stands still, in turns: each decision is a request of its own, which
 * pins what the log has reached. The clock passes a full hour, so base rates are made beside it. */
static void run_moving(const struct shape *shape) {
    struct engine *engine = shop_open(shape);
    struct engine_view view;
    struct error error = {0};
    int64_t t_ms;
    double fixed[TURNS], moving[TURNS];
    BENCH_CHECK(time_parse(text_from(now_text), NULL, &t_ms));
    t_ms -= (int64_t)DECISIONS * STEP_MS / 2; /* now_text is a full hour */
    shop_check(engine_view_open_as(&view, engine, ENGINE_VIEW_DECIDING, t_ms, &error), &error);
    (void)decide_some(&view, shape, WARM, 1, 0);
    for (int turn = 0; turn < TURNS; turn++) {
        fixed[turn] = decide_some(&view, shape, DECISIONS / TURNS, 2, 0).rate;
        moving[turn] = decide_some(&view, shape, DECISIONS / TURNS, 2, STEP_MS).rate;
    }
    double rate = bench_median(moving, TURNS), still = bench_median(fixed, TURNS);
    bench_print(&(struct measurement){"decide", shape->name, "decisions/s/core", rate,
                                      "the same at a fixed time", still, rate / still,
                                      "each a request of its own; in turns, a full hour passes"});
    engine_view_close(&view);
    engine_close(engine);
}

/* Gives its two budgets a price, as if they were short. They are too large to be used up, since
 * what a decision costs once one is used up is another question. */
static void price(struct engine *engine, int64_t t_ms) {
    struct budget_version version;
    struct engine_view view;
    struct error error = {0};
    shop_check(engine_view_open(&view, engine, t_ms, &error), &error);
    shop_check(budgets_allocate(&view, NULL, &version, &error), &error);
    engine_view_close(&view);
    for (uint32_t i = 0; i < version.count; i++) version.lines[i].price = .5;
    shop_check(budgets_keep(engine, &version, &error), &error);
}

/* What a decision costs in a hub that uses everything, against the plain case. Both pack what they
 * would record. */
static void run_all(const struct shape *plain, const struct shape *all) {
    struct engine *engines[2] = {0};
    struct engine_view views[2];
    struct error error = {0};
    double seconds[2][TURNS];
    struct tally counted[2];
    int64_t t_ms;
    BENCH_CHECK(time_parse(text_from(now_text), NULL, &t_ms));
    for (int i = 0; i < 2; i++) {
        const struct decision_ask ask = {.placement = i == 0 ? TEXT("") : TEXT("main,side")};
        engines[i] = shop_open(i == 0 ? plain : all);
        if (i == 1) price(engines[i], t_ms);
        shop_check(engine_view_open(&views[i], engines[i], t_ms, &error), &error);
        shop_check(budgets_count(&views[i], &error), &error);
        shop_check(engine_view_ask(&views[i], &ask, &error), &error);
        (void)decide_some(&views[i], plain, WARM, 1, SAME_REQUEST);
    }
    uint32_t pairs = model_pair_count(engine_model(engines[1], 0, NULL));
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < 2; i++) {
            counted[i] = decide_some(&views[i], plain, DECISIONS / TURNS, 2, SAME_REQUEST);
            seconds[i][turn] = 1 / counted[i].rate;
        }
    }
    double before = bench_median(seconds[0], TURNS), after = bench_median(seconds[1], TURNS);
    char note[200];
    snprintf(note, sizeof note,
             "%u pairs in the model, 2 budgets with a price; %.0f drawn slots and %.0f B a packed "
             "decision, %.0f B of them what it drew among",
             pairs, (double)counted[1].draws / (DECISIONS / TURNS),
             (double)counted[1].bytes / (DECISIONS / TURNS),
             (double)counted[1].choice_bytes / (DECISIONS / TURNS));
    bench_print(&(struct measurement){"decide", all->name, "times the time of the plain case",
                                      after / before, NULL, 0, 0, note});
    for (int i = 0; i < 2; i++) {
        engine_view_close(&views[i]);
        engine_close(engines[i]);
    }
}

int main(int argc, char **argv) {
    const char *only = argc > 1 ? argv[1] : NULL;
    uint32_t customers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : CUSTOMERS;
    struct shape hundred = {"100 treatments", customers, 100, 20, false, false, false},
                 twenty = {"20 treatments", customers, 20, 20, false, false, false},
                 moving = hundred,
                 few = {"lists, 30 treatments", customers / 20, 30, 200, true, false, false},
                 many = {"lists, 300 treatments", customers / 20, 300, 200, true, false, false};
    moving.name = "moving time";
    struct shape all = hundred;
    all.name = "with it all";
    all.all = true;
    if (only == NULL || strcmp(only, "100 treatments") == 0) (void)run(&hundred, true);
    if (only == NULL || strcmp(only, "20 treatments") == 0) (void)run(&twenty, true);
    if (only == NULL || strcmp(only, "moving time") == 0) run_moving(&moving);
    if (only == NULL || strcmp(only, all.name) == 0) run_all(&hundred, &all);
    if (only == NULL || strcmp(only, "lists") == 0) {
        double before = run(&few, false), after = run(&many, false);
        bench_print(&(struct measurement){"decide", "lists", "times the time of 30", before / after,
                                          NULL, 0, 0, "300 treatments against 30"});
    }
    return 0;
}
