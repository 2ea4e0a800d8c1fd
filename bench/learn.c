/* SPDX-License-Identifier: Apache-2.0 */
/* bench/learn.c -- how fast does the online learner take its rows? Examples of 200 features, each
 * in one of 16 cells, with a truth of which 40 features are part; every example is predicted, then
 * learnt, once. The peer is Vowpal Wabbit, which reads the same examples from its own binary cache.
 * learn [EXAMPLES] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "bench.h"
#include "learn/online.h"

#define FEATURES    200
#define CELLS       16
#define TELLING     40
#define REPETITIONS 3

struct examples {
    uint16_t *cells; /* FEATURES an example */
    bool *yes;
    size_t count;
};

static void make(struct examples *examples, size_t count) {
    struct random random;
    static double truth[TELLING][CELLS];
    random_init(&random, 1);
    for (uint32_t f = 0; f < TELLING; f++)
        for (uint32_t c = 0; c < CELLS; c++) truth[f][c] = .25 * random_normal(&random);
    *examples = (struct examples){malloc(count * FEATURES * sizeof *examples->cells),
                                  malloc(count * sizeof *examples->yes), count};
    if (examples->cells == NULL || examples->yes == NULL) bench_fail("no memory");
    for (size_t i = 0; i < count; i++) {
        double log_odds = -2;
        for (uint32_t f = 0; f < FEATURES; f++) {
            uint16_t cell = (uint16_t)random_below(&random, CELLS);
            examples->cells[i * FEATURES + f] = cell;
            if (f < TELLING) log_odds += truth[f][cell];
        }
        examples->yes[i] = random_unit(&random) < 1 / (1 + exp(-log_odds));
    }
}

/* The mean log loss of what was predicted before each example was learnt. */
static double learn(const struct examples *examples, double *seconds) {
    static const char digits[CELLS + 1] = "0123456789ABCDEF";
    struct feature features[FEATURES];
    struct online *online;
    double loss = 0;
    for (uint32_t f = 0; f < FEATURES; f++)
        features[f] = (struct feature){.name = TEXT("f"), .kind = FEATURE_TEXT};
    BENCH_CHECK(online_create(&online, features, FEATURES, 0));
    for (uint32_t f = 0; f < FEATURES; f++)
        for (uint32_t c = 0; c < CELLS; c++)
            BENCH_CHECK(online_declare(online, f, (struct text){&digits[c], 1}));
    double began = clock_cpu_seconds();
    for (size_t i = 0; i < examples->count; i++) {
        double p = online_learn_cells(online, examples->cells + i * FEATURES, 0, examples->yes[i]);
        loss -= log(examples->yes[i] ? p : 1 - p);
    }
    *seconds = clock_cpu_seconds() - began;
    online_destroy(online);
    return loss / (double)examples->count;
}

static bool write_peers(const struct examples *examples, const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL) return false;
    for (size_t i = 0; i < examples->count; i++) {
        fputs(examples->yes[i] ? "1 |f" : "-1 |f", file);
        for (uint32_t f = 0; f < FEATURES; f++)
            fprintf(file, " %u", f * CELLS + examples->cells[i * FEATURES + f]);
        fputc('\n', file);
    }
    return fclose(file) == 0;
}

static bool ask_peer(const struct examples *examples, double *rate, double *loss) {
    const char *python = getenv("ATTUNE_PEERS_PYTHON"), *peers = getenv("ATTUNE_PEERS");
    char path[64] = "/tmp/attune-bench-learn-XXXXXX", command[1024];
    const char *names[] = {"rate", "loss"};
    double values[2];
    if (python == NULL || python[0] == '\0') return false;
    int opened = mkstemp(path);
    if (opened < 0) return false;
    fclose(fdopen(opened, "w"));
    snprintf(command, sizeof command, "'%s' '%s/learn_vw.py' '%s'", python,
             peers != NULL ? peers : "bench/peers", path);
    bool told = write_peers(examples, path) && bench_peer(command, names, values, 2);
    remove(path);
    *rate = values[0];
    *loss = values[1];
    return told;
}

int main(int argc, char **argv) {
    struct examples examples;
    double seconds[REPETITIONS], loss = 0, peer_rate = 0, peer_loss = 0;
    char note[160];
    make(&examples, argc > 1 ? strtoul(argv[1], NULL, 10) : 200000);
    for (uint32_t i = 0; i < REPETITIONS; i++) loss = learn(&examples, &seconds[i]);
    double rate = (double)examples.count / bench_median(seconds, REPETITIONS);
    bool has_peer = ask_peer(&examples, &peer_rate, &peer_loss);
    snprintf(note, sizeof note, "mean log loss before each example: ours %.4f%s", loss,
             has_peer ? "" : ", no peer");
    if (has_peer)
        snprintf(note + strlen(note), sizeof note - strlen(note), ", peer %.4f", peer_loss);
    bench_print(&(struct measurement){"learn", "200 features", "examples/CPU s", rate,
                                      has_peer ? "vowpal wabbit" : NULL, peer_rate,
                                      has_peer ? rate / peer_rate : 0, note});
    free(examples.cells);
    free(examples.yes);
    return 0;
}
