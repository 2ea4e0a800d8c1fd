/* SPDX-License-Identifier: Apache-2.0 */
/* bench/cdnow.c -- lifetime value of the customers of CDNOW (the 1-in-10 sample of Fader and
 * Hardie): BG/NBD on the first 39 weeks, in weeks, beside the published parameters; Gamma-Gamma on
 * the repeat orders of the same weeks. cdnow [FILE]; the file is shared/data/cdnow/CDNOW_sample.txt
 * beside the project, or in $ATTUNE_SHARED. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "learn/lifetime.h"

#define CUSTOMERS_MAX 5000
#define REPETITIONS   21
#define DAYS          273 /* 39 weeks, from 1 January 1997 on */
#define DAY_WEEKS     (1. / 7)

static struct customer {
    int id, first_day, last_day;
    uint32_t days;       /* with an order */
    double repeat_value; /* of all but the first day */
} customers[CUSTOMERS_MAX];
static size_t customer_count;

static int day_of(int date) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return (date / 10000 - 1997) * 365 + before[date / 100 % 100 - 1] + date % 100 - 1;
}

/* A line: id, id in the sample, date, CDs, dollars; in order of customer and date. */
static void read_orders(const char *path) {
    FILE *file = fopen(path, "r");
    int id, sample, date, discs;
    double value;
    if (file == NULL) bench_fail("%s can't be read: say the file, or set ATTUNE_SHARED", path);
    while (fscanf(file, "%d %d %d %d %lf", &id, &sample, &date, &discs, &value) == 5) {
        struct customer *customer = customer_count > 0 ? &customers[customer_count - 1] : NULL;
        int day = day_of(date);
        if (day >= DAYS) continue;
        if (customer == NULL || customer->id != id) {
            if (customer_count == CUSTOMERS_MAX)
                bench_fail("more than %d customers", CUSTOMERS_MAX);
            customers[customer_count++] = (struct customer){id, day, day, 1, 0};
            continue;
        }
        customer->days += day != customer->last_day;
        customer->last_day = day;
        if (day != customer->first_day) customer->repeat_value += value;
    }
    fclose(file);
    if (customer_count == 0) bench_fail("%s has no orders", path);
}

static size_t histories_of(struct lifetime_history *out) {
    for (size_t i = 0; i < customer_count; i++) {
        const struct customer *customer = &customers[i];
        out[i] = (struct lifetime_history){customer->days - 1,
                                           (customer->last_day - customer->first_day) * DAY_WEEKS,
                                           (DAYS - 1 - customer->first_day) * DAY_WEEKS, 1};
    }
    return lifetime_group(out, customer_count);
}

static double fit_ms(struct lifetime_history *histories, struct lifetime_fit *fit) {
    double ms[REPETITIONS];
    struct error error;
    for (int i = 0; i < REPETITIONS; i++) {
        double begin = clock_cpu_seconds();
        size_t groups = histories_of(histories);
        if (lifetime_fit(histories, groups, fit, &error) != STATUS_OK) bench_fail("%s", error.text);
        ms[i] = (clock_cpu_seconds() - begin) * 1000;
    }
    return bench_median(ms, REPETITIONS);
}

static void print(const char *name, const char *unit, double ours, const char *note) {
    bench_print(&(struct measurement){"cdnow", name, unit, ours, NULL, 0, 0, note});
}

/* The log-likelihood has more digits than the others. */
static void print_likelihood(double value) {
    printf("{\"bench\":\"cdnow\",\"case\":\"log likelihood\",\"unit\":\"nats\",\"ours\":%.4f,"
           "\"peer\":null,\"peer_value\":null,\"ratio\":null,\"note\":\"published: -9582.43\"}\n",
           value);
}

static void print_spend(void) {
    static struct spend_history histories[CUSTOMERS_MAX];
    struct spend_fit fit;
    struct error error;
    char note[128];
    size_t count = 0;
    for (size_t i = 0; i < customer_count; i++) {
        uint32_t orders = customers[i].days - 1;
        if (orders == 0 || !(customers[i].repeat_value > 0)) continue;
        histories[count++] = (struct spend_history){orders, customers[i].repeat_value / orders, 1};
    }
    if (spend_fit(histories, count, &fit, &error) != STATUS_OK) bench_fail("%s", error.text);
    snprintf(note, sizeof note, "published: 6.25; %zu customers, log likelihood %.4f", count,
             fit.log_likelihood);
    print("p", "shape", fit.spend.parameters[SPEND_P], note);
    print("q", "shape", fit.spend.parameters[SPEND_Q], "published: 3.74");
    print("gamma", "dollars", fit.spend.parameters[SPEND_GAMMA], "published: 15.44");
}

int main(int argc, char **argv) {
    static struct lifetime_history histories[CUSTOMERS_MAX];
    const char *shared = getenv("ATTUNE_SHARED");
    struct lifetime_fit fit;
    char path[1024], note[128];
    snprintf(path, sizeof path, "%s/data/cdnow/CDNOW_sample.txt",
             shared != NULL ? shared : "../shared");
    read_orders(argc > 1 ? argv[1] : path);
    double ms = fit_ms(histories, &fit);
    const double *at = fit.lifetime.parameters;
    print("r", "shape", at[LIFETIME_R], "published: .2426");
    print("alpha", "weeks", at[LIFETIME_ALPHA], "published: 4.4136");
    print("a", "shape", at[LIFETIME_A], "published: .7929");
    print("b", "shape", at[LIFETIME_B], "published: 2.4259");
    print_likelihood(fit.log_likelihood);
    snprintf(note, sizeof note, "CPU, grouping included: %.0f customers, %llu histories, %u steps",
             fit.customers, (unsigned long long)fit.groups, fit.steps);
    print("fit ms", "ms", ms, note);
    print_spend();
    return 0;
}
