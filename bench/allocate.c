/* SPDX-License-Identifier: Apache-2.0 */
/* bench/allocate.c -- budgets and capacity: 1 M customers × 20 actions × 5 constraints, seeded;
 * and 2,000 customers beside the optimum of the linear programme by HiGHS, where bench/peers/setup
 * has installed it. allocate [CUSTOMERS [CUSTOMERS OF THE LINEAR PROGRAMME]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench.h"
#include "decide/allocate.h"

#define ACTIONS 20
#define LIMITS  5
#define SEED    20

/* Money, e-mails, hours of agents, the stock of one offer, and a least exposure of another. */
enum { MONEY, MAILS, HOURS, STOCK, EXPOSURE };

struct made {
    struct allocate_limit limits[LIMITS];
    double fixed[ACTIONS * LIMITS], by_own[ACTIONS * LIMITS];
    uint64_t *first;
    uint16_t *kind;
    float *value, *own;
    struct allocate_problem problem;
};

/* Chance and worth of each offer: customers differ in how active they are, and each likes some
 * actions better than others. */
static void make_offers(struct made *made, uint32_t customers, struct random *random) {
    double base[ACTIONS], worth[ACTIONS];
    for (uint32_t a = 0; a < ACTIONS; a++) {
        base[a] = -4 + 1.5 * random_unit(random);
        worth[a] = exp(2 + random_normal(random) * .6);
    }
    uint64_t offers = 0;
    for (uint32_t i = 0; i < customers; i++) {
        double active = random_normal(random);
        made->first[i] = offers;
        for (uint32_t a = 0; a < ACTIONS; a++) {
            double chance = 1 / (1 + exp(-(base[a] + active + .7 * random_normal(random))));
            double letters = a >= 16 ? .8 : a >= 8 && a < 12 ? 2.5 : a < 8 ? .01 : 0;
            made->kind[offers] = (uint16_t)a;
            made->value[offers] = (float)(chance * worth[a] - letters);
            made->own[offers++] = (float)chance;
        }
    }
    made->first[customers] = offers;
}

/* What an offer takes. The discounts of actions 4 to 7 and 12 to 15 cost what they are worth only
 * where they are redeemed. */
static void make_uses(struct made *made) {
    for (uint32_t a = 0; a < ACTIONS; a++) {
        double *fixed = &made->fixed[(size_t)a * LIMITS];
        fixed[MONEY] = a >= 16 ? .8 : a >= 8 && a < 12 ? 2.5 : a < 8 ? .01 : 0;
        fixed[MAILS] = a < 8;
        fixed[HOURS] = a >= 8 && a < 12 ? .2 : 0;
        fixed[STOCK] = a == 17;
        fixed[EXPOSURE] = a == 13;
        made->by_own[(size_t)a * LIMITS + MONEY] = a % 8 >= 4 ? 3 : 0;
    }
}

/* Amounts that bind: parts of what everybody would take who had no limits. */
static void make_amounts(struct made *made, uint32_t customers) {
    static const double parts[LIMITS] = {.5, .6, .4, .3, 0};
    struct allocation free_choice;
    BENCH_CHECK(allocate(&made->problem, 1, NULL, &free_choice, NULL));
    for (uint32_t k = 0; k < LIMITS; k++) {
        double amount = free_choice.spent[k] * parts[k];
        made->limits[k].amount = k == STOCK ? floor(amount) : amount;
    }
    made->limits[EXPOSURE] = (struct allocate_limit){floor(.1 * customers), true};
    allocation_release(&free_choice);
}

static void make(struct made *made, uint32_t customers) {
    struct random random;
    size_t offers = (size_t)customers * ACTIONS;
    random_init(&random, SEED);
    made->first = memory_alloc(((size_t)customers + 1) * sizeof *made->first);
    made->kind = memory_alloc(offers * sizeof *made->kind + 1);
    made->value = memory_alloc(offers * sizeof *made->value + 1);
    made->own = memory_alloc(offers * sizeof *made->own + 1);
    if (made->first == NULL || made->kind == NULL || made->value == NULL || made->own == NULL)
        bench_fail("no memory for %u customers", customers);
    make_offers(made, customers, &random);
    make_uses(made);
    for (uint32_t k = 0; k < LIMITS; k++) made->limits[k].amount = 1e15;
    made->problem = (struct allocate_problem){LIMITS,       made->limits, ACTIONS,     made->fixed,
                                              made->by_own, customers,    made->first, made->kind,
                                              made->value,  made->own,    false};
    make_amounts(made, customers);
}

static void unmake(struct made *made) {
    memory_free(made->first);
    memory_free(made->kind);
    memory_free(made->value);
    memory_free(made->own);
}

/* Of every limit that is broken, by how much. */
static uint32_t broken(const struct made *made, const struct allocation *found) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < LIMITS; k++) {
        double over = found->spent[k] - made->limits[k].amount;
        double rounding = 1e-12 * made->limits[k].amount;
        count += made->limits[k].is_minimum ? over < -rounding : over > rounding;
    }
    return count;
}

static void print(const char *name, const char *unit, double ours, const char *note) {
    bench_print(&(struct measurement){
        .bench = "allocate", .name = name, .unit = unit, .ours = ours, .note = note});
}

static void run(uint32_t customers) {
    struct made made = {0};
    struct allocation found;
    char note[200];
    make(&made, customers);
    double begin = clock_cpu_seconds();
    BENCH_CHECK(allocate(&made.problem, 0, NULL, &found, NULL));
    double seconds = clock_cpu_seconds() - begin;
    snprintf(note, sizeof note,
             "%u customers x %d actions x %d constraints; value %.6g, bound %.6g, %u rounds",
             customers, ACTIONS, LIMITS, found.value, found.bound, found.rounds);
    print("gap", "% of the bound", 100 * found.gap, note);
    print("constraints broken", "constraints", broken(&made, &found), NULL);
    print("seconds", "CPU seconds of one core", seconds, NULL);
    allocation_release(&found);
    unmake(&made);
}

/* The linear programme as text: amounts, then a line an offer. */
static void write_programme(const struct made *made, const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL) bench_fail("%s can't be written", path);
    const struct allocate_problem *problem = &made->problem;
    for (uint32_t k = 0; k < LIMITS; k++)
        fprintf(file, "%s%.17g %d", k > 0 ? " " : "", made->limits[k].amount,
                made->limits[k].is_minimum);
    for (uint32_t i = 0; i < problem->customer_count; i++) {
        for (uint64_t o = problem->first[i]; o < problem->first[i + 1]; o++) {
            fprintf(file, "\n%u %.9g", i, (double)problem->value[o]);
            for (uint32_t k = 0; k < LIMITS; k++) {
                size_t at = (size_t)problem->kind[o] * LIMITS + k;
                fprintf(file, " %.17g",
                        made->fixed[at] + (double)problem->own[o] * made->by_own[at]);
            }
        }
    }
    if (fclose(file) != 0) bench_fail("%s can't be written", path);
}

/* How far the value of the choice is from the optimum that may give customers fractions of offers,
 * and how far the bound. */
static void compare(uint32_t customers) {
    struct made made = {0};
    struct allocation found;
    const char *python = getenv("ATTUNE_PEERS_PYTHON"), *peers = getenv("ATTUNE_PEERS");
    const char *place = getenv("TMPDIR");
    const char *const names[] = {"optimum"};
    char path[400], command[1200];
    double optimum;
    make(&made, customers);
    BENCH_CHECK(allocate(&made.problem, 1e-5, NULL, &found, NULL));
    print("gap of the small one", "% of the bound", 100 * found.gap, NULL);
    snprintf(path, sizeof path, "%s/attune-allocate.txt", place != NULL ? place : "/tmp");
    if (python != NULL && python[0] != '\0' && peers != NULL) {
        write_programme(&made, path);
        snprintf(command, sizeof command, "'%s' '%s/allocate_lp.py' '%s'", python, peers, path);
        if (bench_peer(command, names, &optimum, 1)) {
            print("below the optimum", "% of the optimum of the linear programme (HiGHS)",
                  100 * (optimum - found.value) / optimum, NULL);
            print("bound above the optimum", "% of the optimum of the linear programme (HiGHS)",
                  100 * (found.bound - optimum) / optimum, NULL);
        } else {
            fprintf(stderr, "bench allocate: HiGHS is not there (bench/peers/setup)\n");
        }
        remove(path);
    }
    allocation_release(&found);
    unmake(&made);
}

int main(int count, char **words) {
    long customers = count > 1 ? strtol(words[1], NULL, 10) : 1000000;
    long small = count > 2 ? strtol(words[2], NULL, 10) : 2000;
    if (customers < 1 || customers > 50000000 || small < 1 || small > 100000)
        bench_fail("allocate [CUSTOMERS [CUSTOMERS OF THE LINEAR PROGRAMME]]");
    run((uint32_t)customers);
    compare((uint32_t)small);
    return 0;
}
