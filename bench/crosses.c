/* SPDX-License-Identifier: Apache-2.0 */
/* bench/crosses.c -- does the learner find the pairs of features that say more together, and none
 * where there are none?
 *
 *   bench/run crosses [RUNS] [ROWS]     20 runs of 20,000 rows to learn from
 *
 * Seeded rows of 20 features: 14 numbers, of which four are counts that are mostly 0, and six texts
 * of four to eight values. The log-odds are a sum of one curve a feature, and in the runs with
 * crosses six pairs as well: two products, two thresholds that undo each other, two texts that
 * change what a number or another text says. Each pair moves the log-odds by .7 (standard
 * deviation). As many rows again are for the test.
 *
 * The peer is XGBoost on the same rows: 400 trees, one thread. Both read the rows from one file of
 * doubles; the time is CPU time of reading and learning, search for settings and pairs and all. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "learn/learn.h"

#define NUMBERS   14
#define TEXTS     6
#define FEATURES  (NUMBERS + TEXTS)
#define COLUMNS   (FEATURES + 1) /* with the label */
#define PAIRS     6
#define PAIR_SIZE .7
#define RUNS_MAX  200

static const uint32_t text_values[TEXTS] = {4, 5, 6, 8, 4, 6};
static const struct {
    uint32_t left, right;
} pairs[PAIRS] = {{0, 1}, {2, 10}, {3, 4}, {5, 11}, {6, 14}, {15, 16}};

struct rows {
    double *values; /* by row, COLUMNS each */
    size_t count;
};

static double draw(struct random *random, uint32_t f) {
    if (f >= NUMBERS) return (double)random_below(random, text_values[f - NUMBERS]);
    if (f >= 10) return random_unit(random) < .6 ? 0 : (double)random_poisson(random, 3);
    return f % 3 == 2 ? exp(random_normal(random)) : random_normal(random);
}

/* What a feature adds by itself: a bend, a step, or one number a text. */
static double own_effect(uint32_t f, double x) {
    static const double of_text[] = {-.4, .3, 0, .5, -.2, .1, -.5, .2};
    if (f >= NUMBERS) return of_text[((uint32_t)x + f) % 8] * .6;
    if (f >= 10) return .15 * fmin(x, 4) - .2;
    switch (f % 4) {
    case 0: return .4 * x;
    case 1: return x > .5 ? .4 : -.2;
    case 2: return -.25 * fmin(fabs(x), 2);
    default: return 0;
    }
}

/* What a pair adds, of mean about 0 and standard deviation about 1. */
static double pair_effect(uint32_t pair, double a, double b) {
    static const double signs[] = {1, -1, 1, 1, -1, -1, 1, -1};
    switch (pair) {
    case 0: return fmax(fmin(a * b, 3), -3);
    case 1: return (a > 1 ? 1 : -1) * (b > 0 ? 1.2 : -.8);
    case 2: return (a > 0 ? 1 : -1) * (b > 0 ? 1 : -1);
    case 3: return fmax(fmin(log(a > 0 ? a : 1), 2), -2) * (b > 0 ? 1.2 : -.8);
    case 4: return fmax(fmin(a, 2), -2) * ((uint32_t)b % 2 ? 1 : -1);
    default: return signs[((uint32_t)a * 3 + (uint32_t)b) % 8];
    }
}

static void make_rows(struct rows *rows, size_t count, uint64_t seed, bool crosses) {
    struct random random;
    random_init(&random, seed);
    rows->count = count;
    rows->values = memory_alloc(count * COLUMNS * sizeof *rows->values);
    if (rows->values == NULL) bench_fail("no memory for %zu rows", count);
    for (size_t i = 0; i < count; i++) {
        double *row = rows->values + i * COLUMNS, log_odds = -1.2;
        for (uint32_t f = 0; f < FEATURES; f++) {
            row[f] = draw(&random, f);
            log_odds += own_effect(f, row[f]);
        }
        for (uint32_t k = 0; crosses && k < PAIRS; k++)
            log_odds += PAIR_SIZE * pair_effect(k, row[pairs[k].left], row[pairs[k].right]);
        row[FEATURES] = random_unit(&random) < 1 / (1 + exp(-log_odds)) ? 1 : 0;
    }
}

static void write_rows(const struct rows *rows, const char *path) {
    FILE *file = fopen(path, "wb");
    size_t count = rows->count * COLUMNS;
    bool good = file != NULL && fwrite(rows->values, sizeof(double), count, file) == count;
    if (file != NULL) good &= fclose(file) == 0;
    if (!good) bench_fail("%s can't be written", path);
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

/* The values of a row, as the learner is given them. */
static void values_of(const double *row, struct value *values) {
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    for (uint32_t f = 0; f < NUMBERS; f++) values[f] = value_number(row[f]);
    for (uint32_t f = NUMBERS; f < FEATURES; f++)
        values[f] = value_text(text_from(names[(uint32_t)row[f]]));
}

/* The first `learnt` rows of the file, one a customer, over 200 days. */
static struct training_set *read_set(const char *path, size_t learnt) {
    struct feature features[FEATURES];
    static char names[FEATURES][8];
    struct training_set *set;
    for (uint32_t f = 0; f < FEATURES; f++) {
        snprintf(names[f], sizeof names[f], "f%u", f);
        features[f] = (struct feature){.name = text_from(names[f]),
                                       .kind = f < NUMBERS ? FEATURE_NUMBER : FEATURE_TEXT};
    }
    BENCH_CHECK(training_set_create(&set, features, FEATURES));
    FILE *file = fopen(path, "rb");
    double row[COLUMNS];
    for (size_t i = 0; file != NULL && i < learnt; i++) {
        struct value values[FEATURES];
        if (fread(row, sizeof(double), COLUMNS, file) != COLUMNS) break;
        values_of(row, values);
        int64_t t_ms = (int64_t)(i * 200 / learnt) * TIME_DAY_MS;
        BENCH_CHECK(training_set_add(set, &(struct training_row){.values = values,
                                                                 .yes = row[FEATURES] > 0,
                                                                 .weight = 1,
                                                                 .time_ms = t_ms,
                                                                 .horizon_ms = t_ms + TIME_DAY_MS,
                                                                 .group = (uint32_t)i}));
    }
    if (file != NULL) fclose(file);
    if (training_set_count(set) != learnt) bench_fail("%s can't be read", path);
    return set;
}

static struct model *learn(const char *path, size_t learnt, bool without_pairs, double *seconds) {
    double begin = cpu_seconds();
    struct training_set *set = read_set(path, learnt);
    struct model *model;
    struct error error = {0};
    struct learn_options options = {.seed = 1, .without_pairs = without_pairs};
    if (model_train(&model, set, &options, &error) != STATUS_OK) bench_fail("%s", error.text);
    training_set_destroy(set);
    *seconds = cpu_seconds() - begin;
    return model;
}

struct scored {
    double score;
    bool yes;
};

static int compare_scores(const void *left, const void *right) {
    double a = ((const struct scored *)left)->score, b = ((const struct scored *)right)->score;
    return (a > b) - (a < b);
}

/* The chance that a row with yes has the higher score than one with no; ties count half. */
static double auc(struct scored *scored, size_t count) {
    double below = 0, yes = 0, wins = 0; /* below: rows with no and a lower score */
    qsort(scored, count, sizeof *scored, compare_scores);
    for (size_t i = 0, end; i < count; i = end) {
        double tied_yes = 0, tied_no = 0;
        for (end = i; end < count && scored[end].score == scored[i].score; end++)
            *(scored[end].yes ? &tied_yes : &tied_no) += 1;
        wins += tied_yes * (below + tied_no / 2);
        below += tied_no;
        yes += tied_yes;
    }
    return wins / (yes * below);
}

/* On the rows that were not learnt from. */
static double auc_of(const struct model *model, const struct rows *rows, size_t learnt) {
    size_t count = rows->count - learnt;
    struct scored *scored = memory_alloc(count * sizeof *scored);
    if (scored == NULL) bench_fail("no memory for %zu rows", count);
    for (size_t i = 0; i < count; i++) {
        const double *row = rows->values + (learnt + i) * COLUMNS;
        struct value values[FEATURES];
        values_of(row, values);
        scored[i] = (struct scored){model_score(model, values), row[FEATURES] > 0};
    }
    double value = auc(scored, count);
    memory_free(scored);
    return value;
}

static bool ask_peer(const char *path, size_t learnt, double *values) {
    static const char *const names[] = {"auc", "seconds"};
    const char *python = getenv("ATTUNE_PEERS_PYTHON"), *script = getenv("ATTUNE_PEERS");
    char command[1400];
    if (python == NULL || *python == 0 || script == NULL) return false;
    snprintf(command, sizeof command, "'%s' '%s/crosses_xgboost.py' '%s' %d %d %zu", python, script,
             path, NUMBERS, TEXTS, learnt);
    return bench_peer(command, names, values, 2);
}

struct result {
    uint32_t found, wrong; /* pairs that are there, and pairs that are not */
    double auc, additive_auc, seconds;
    bool peered;
    double peer_auc, peer_seconds;
};

static void count_pairs(const struct model *model, bool crosses, struct result *result) {
    for (uint32_t k = 0; k < model_pair_count(model); k++) {
        struct model_pair_facts facts = model_pair_facts(model, k);
        bool there = false;
        for (uint32_t p = 0; crosses && p < PAIRS; p++)
            there |= facts.left == pairs[p].left && facts.right == pairs[p].right;
        *(there ? &result->found : &result->wrong) += 1;
    }
}

static void run_once(const char *path, uint64_t seed, size_t learnt, bool crosses,
                     struct result *result) {
    struct rows rows;
    double ignored, peer[2] = {0};
    *result = (struct result){0};
    make_rows(&rows, 2 * learnt, seed, crosses);
    write_rows(&rows, path);
    struct model *model = learn(path, learnt, false, &result->seconds);
    struct model *additive = learn(path, learnt, true, &ignored);
    count_pairs(model, crosses, result);
    result->auc = auc_of(model, &rows, learnt);
    result->additive_auc = auc_of(additive, &rows, learnt);
    result->peered = ask_peer(path, learnt, peer);
    result->peer_auc = peer[0];
    result->peer_seconds = peer[1];
    model_destroy(model);
    model_destroy(additive);
    memory_free(rows.values);
}

/* What the runs of one kind gave, in all. */
struct tally {
    uint32_t runs, found, wrong;
    bool peered;
    double auc, additive_auc, peer_auc; /* means */
    double worst;                       /* the least that ours was above what it is measured by */
    double seconds[RUNS_MAX], peer_seconds[RUNS_MAX];
};

static void add_run(struct tally *tally, const struct result *result, bool crosses, uint32_t of) {
    double than = crosses ? result->peer_auc : result->additive_auc;
    double above = result->auc - than;
    tally->worst = tally->runs == 0 || above < tally->worst ? above : tally->worst;
    tally->seconds[tally->runs] = result->seconds;
    tally->peer_seconds[tally->runs] = result->peer_seconds;
    tally->peered = result->peered && (tally->runs == 0 || tally->peered);
    tally->runs++;
    tally->found += result->found;
    tally->wrong += result->wrong;
    tally->auc += result->auc / of;
    tally->additive_auc += result->additive_auc / of;
    tally->peer_auc += result->peer_auc / of;
}

/* AUC: how many times fewer pairs of rows stand in the wrong order. */
static void print_auc(const char *name, const char *peer, double ours, double theirs,
                      const char *note) {
    bench_print(&(struct measurement){"crosses", name, "AUC", ours, peer, theirs,
                                      peer != NULL ? (1 - theirs) / (1 - ours) : 0, note});
}

static void print_found(const struct tally *with, const struct tally *without) {
    char note[160];
    double there = (double)with->runs * PAIRS;
    snprintf(note, sizeof note, "%u of %.0f pairs in %u runs", with->found, there, with->runs);
    bench_print(&(struct measurement){"crosses", "strong pairs found", "share", with->found / there,
                                      NULL, 0, 0, note});
    snprintf(note, sizeof note, "in %u runs without crosses; %u in %u runs with crosses",
             without->runs, with->wrong, with->runs);
    bench_print(
        &(struct measurement){"crosses", "false pairs", "pairs", without->wrong, NULL, 0, 0, note});
}

static void print_all(struct tally *with, struct tally *without, size_t learnt) {
    char note[160];
    bool peered = with->peered && without->peered;
    const char *peer = peered ? "XGBoost, 400 trees" : NULL;
    print_found(with, without);
    snprintf(note, sizeof note, "mean of %u runs; the additive learner alone %.4f", with->runs,
             with->additive_auc);
    size_t length = strlen(note);
    if (peered)
        snprintf(note + length, sizeof note - length, "; in the worst run %+.4f of the peer",
                 with->worst);
    print_auc("auc with crosses", peer, with->auc, with->peer_auc, note);
    snprintf(note, sizeof note, "mean of %u runs; in the worst run %+.4f of the peer",
             without->runs, without->worst);
    print_auc("auc without crosses", "the additive learner", without->auc, without->additive_auc,
              note);
    print_auc("auc without crosses, trees", peer, without->auc, without->peer_auc, NULL);
    snprintf(note, sizeof note, "%zu rows of %d features, median of %u runs, reading included",
             learnt, FEATURES, with->runs);
    struct tally *both[] = {with, without};
    const char *const names[] = {"time with crosses", "time without crosses"};
    for (int k = 0; k < 2; k++) {
        double ours = bench_median(both[k]->seconds, both[k]->runs);
        double theirs = bench_median(both[k]->peer_seconds, both[k]->runs);
        bench_print(&(struct measurement){"crosses", names[k], "CPU s", ours, peer, theirs,
                                          peered ? theirs / ours : 0, note});
    }
}

int main(int argc, char **argv) {
    static struct tally with, without;
    uint32_t runs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20;
    size_t learnt = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;
    if (runs == 0 || runs > RUNS_MAX || learnt < 1000 || learnt > 10000000)
        bench_fail("usage: crosses [RUNS] [ROWS]: up to %d runs of at least 1,000 rows", RUNS_MAX);
    char path[600];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/attune-crosses-%ld", folder != NULL ? folder : "/tmp",
             (long)getpid());
    for (uint32_t i = 0; i < runs; i++) {
        struct result result;
        run_once(path, 1000 + i, learnt, true, &result);
        add_run(&with, &result, true, runs);
        run_once(path, 2000 + i, learnt, false, &result);
        add_run(&without, &result, false, runs);
    }
    remove(path);
    print_all(&with, &without, learnt);
    return 0;
}
