/* SPDX-License-Identifier: Apache-2.0 */
/* bench/bank.c -- does the online learner follow a world that changes? 41,188 phone contacts of a
 * bank in the order in which they were made, whose yes-rate goes from 6 to 26 %: each is predicted,
 * then learnt, and the predictions of the last quarter are judged. bank [FILE.csv.gz]
 *
 * The file is UCI Bank Marketing (Moro, Cortez and Rita, 2014; bank-additional-full), by default
 * data/bank_marketing in $ATTUNE_SHARED or ../shared. `duration` is left out: it is known only
 * after the call. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "learn/online.h"

#define COLUMNS   20 /* before the answer */
#define DURATION  10
#define ROWS_MAX  100000
#define LINE_MAX_ 1024

static const bool is_number[COLUMNS] = {
    [0] = true,  [11] = true, [12] = true, [13] = true, [15] = true,
    [16] = true, [17] = true, [18] = true, [19] = true};

struct contact {
    struct value values[COLUMNS - 1];
    bool yes;
};

static char *unquoted(char *cell) {
    size_t length = strcspn(cell, "\r\n");
    cell[length] = '\0';
    if (length >= 2 && cell[0] == '"' && cell[length - 1] == '"') {
        cell[length - 1] = '\0';
        cell++;
    }
    return cell;
}

static void read_contact(char *line, struct contact *out) {
    uint32_t column = 0, feature = 0;
    for (char *cell = line, *next; cell != NULL; cell = next, column++) {
        if ((next = strchr(cell, ';')) != NULL) *next++ = '\0';
        char *text = unquoted(cell);
        if (column == COLUMNS) {
            out->yes = strcmp(text, "yes") == 0;
        } else if (column != DURATION && column < COLUMNS) {
            out->values[feature++] = is_number[column] ? value_number(strtod(text, NULL))
                                                       : value_text(text_from(strdup(text)));
        }
    }
    if (column != COLUMNS + 1) bench_fail("a line has %u cells instead of 21", column);
}

/* Reads by gzip: the bench needs no library for it. */
static uint32_t read_file(const char *path, struct contact *contacts) {
    char command[1200], line[LINE_MAX_];
    uint32_t count = 0;
    snprintf(command, sizeof command, "gzip -dc '%s'", path);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fgets(line, sizeof line, pipe) == NULL)
        bench_fail("%s can't be read", path);
    while (count < ROWS_MAX && fgets(line, sizeof line, pipe) != NULL)
        read_contact(line, &contacts[count++]);
    if (pclose(pipe) != 0) bench_fail("%s can't be read", path);
    return count;
}

static struct online *make_learner(const struct contact *contacts, uint32_t count) {
    struct feature features[COLUMNS - 1];
    struct online *online;
    for (uint32_t column = 0, f = 0; column < COLUMNS; column++)
        if (column != DURATION)
            features[f++] = (struct feature){
                .name = TEXT("column"), .kind = is_number[column] ? FEATURE_NUMBER : FEATURE_TEXT};
    BENCH_CHECK(online_create(&online, features, COLUMNS - 1, 0));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t f = 0; f < COLUMNS - 1; f++)
            if (features[f].kind == FEATURE_TEXT)
                BENCH_CHECK(online_declare(online, f, contacts[i].values[f].text));
    return online;
}

int main(int argc, char **argv) {
    char path[1024];
    const char *shared = getenv("ATTUNE_SHARED");
    snprintf(path, sizeof path, "%s/data/bank_marketing/bank-additional-full.csv.gz",
             shared != NULL ? shared : "../shared");
    struct contact *contacts = calloc(ROWS_MAX, sizeof *contacts);
    double *predicted = calloc(ROWS_MAX, sizeof *predicted);
    bool *yes = calloc(ROWS_MAX, sizeof *yes);
    uint32_t *groups = calloc(ROWS_MAX, sizeof *groups);
    if (contacts == NULL || predicted == NULL || yes == NULL || groups == NULL)
        bench_fail("no memory");
    uint32_t count = read_file(argc > 1 ? argv[1] : path, contacts), first = count / 4 * 3;
    struct online *online = make_learner(contacts, count);
    for (uint32_t i = 0; i < count; i++) {
        predicted[i] = online_learn(online, contacts[i].values, contacts[i].yes, 1);
        yes[i] = contacts[i].yes;
        groups[i] = i;
    }
    struct model_metrics metrics;
    BENCH_CHECK(
        metrics_of(predicted + first, yes + first, groups + first, count - first, 1, &metrics));
    online_destroy(online);
    const char *note = "the peer's figures are published with the data: the same rows, progressive";
    bench_print(&(struct measurement){"bank", "auc default", "AUC, last quarter", metrics.auc.value,
                                      "VW coin betting", .806, metrics.auc.value / .806, note});
    bench_print(&(struct measurement){"bank", "log loss default", "log loss, last quarter",
                                      metrics.log_loss.value, "VW coin betting", .448,
                                      .448 / metrics.log_loss.value, note});
    return 0;
}
