/* SPDX-License-Identifier: Apache-2.0 */
/* bench/bank.c -- does learning follow a world that changes? 41,188 phone contacts of a bank in the
 * order in which they were made, whose yes-rate goes from 6 to 26 %: each is predicted, then
 * learnt, and the predictions of the last quarter are judged. bank [FILE.csv.gz]
 *
 *   "auc default", "log loss default"  the online learner (learn/online.h), which begins with
 *                                      nothing and cuts its own bins
 *   "…, trained and learnt on"         what the program does: a model is trained on all contacts
 *                                      so far, whenever these have doubled since 500, and learns on
 *                                      row by row in between (learn/online_model.h)
 *   "…, trained alone"                 the same without learning on
 *
 * The file is UCI Bank Marketing (Moro, Cortez and Rita, 2014; bank-additional-full), by default
 * data/bank_marketing in $ATTUNE_SHARED or ../shared. `duration` is left out: it is known only
 * after the call. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "learn/online.h"
#include "learn/online_model.h"

#define COLUMNS        20 /* before the answer */
#define DURATION       10
#define FIRST_TRAINING 500u
#define ROWS_MAX       100000
#define LINE_MAX_      1024

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

static void describe(struct feature features[COLUMNS - 1]) {
    static char names[COLUMNS][4];
    for (uint32_t column = 0, f = 0; column < COLUMNS; column++) {
        if (column == DURATION) continue;
        snprintf(names[column], sizeof names[column], "c%u", column);
        features[f++] = (struct feature){.name = text_from(names[column]),
                                         .kind = is_number[column] ? FEATURE_NUMBER : FEATURE_TEXT};
    }
}

/* ---- the online learner by itself ---- */

static void learn_online(const struct contact *contacts, uint32_t count, double *predicted) {
    struct feature features[COLUMNS - 1];
    struct online *online;
    describe(features);
    BENCH_CHECK(online_create(&online, features, COLUMNS - 1, 0));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t f = 0; f < COLUMNS - 1; f++)
            if (features[f].kind == FEATURE_TEXT)
                BENCH_CHECK(online_declare(online, f, contacts[i].values[f].text));
    for (uint32_t i = 0; i < count; i++)
        predicted[i] = online_learn(online, contacts[i].values, contacts[i].yes, 1);
    online_destroy(online);
}

/* ---- trained, and learnt on ---- */

static struct model *train(const struct contact *contacts, uint32_t count) {
    struct feature features[COLUMNS - 1];
    struct training_set *set;
    struct model *model;
    struct error error = {0};
    describe(features);
    BENCH_CHECK(training_set_create(&set, features, COLUMNS - 1));
    for (uint32_t i = 0; i < count; i++)
        BENCH_CHECK(
            training_set_add(set, &(struct training_row){.values = contacts[i].values,
                                                         .yes = contacts[i].yes,
                                                         .weight = 1,
                                                         .time_ms = (int64_t)i * TIME_SECOND_MS,
                                                         .horizon_ms = (int64_t)i * TIME_SECOND_MS,
                                                         .group = i}));
    if (model_train(&model, set, &(struct learn_options){.seed = 1}, &error) != STATUS_OK)
        bench_fail("%s", error.text);
    training_set_destroy(set);
    return model;
}

static void learn_on(struct model **model, const struct contact *contact) {
    const struct online_row row = {contact->values, contact->yes, false};
    struct model *next;
    struct error error = {0};
    if (!model_learns_on(*model)) return;
    if (model_learn_on(&next, *model, &row, 1, 0, &error) != STATUS_OK)
        bench_fail("%s", error.text);
    model_destroy(*model);
    *model = next;
}

static void train_and_learn(const struct contact *contacts, uint32_t count, bool learns_on,
                            double *predicted) {
    struct model *model = NULL;
    for (uint32_t i = 0, next = FIRST_TRAINING; i < count; i++) {
        if (i == next) {
            model_destroy(model);
            model = train(contacts, i);
            next = 2 * i;
        }
        predicted[i] = model != NULL ? model_score(model, contacts[i].values) : .5;
        if (model != NULL && learns_on) learn_on(&model, &contacts[i]);
    }
    model_destroy(model);
}

/* ---- the figures ---- */

static void judge(const struct contact *contacts, uint32_t count, const double *predicted,
                  const char *auc, const char *log_loss) {
    const char *note = "the peer's figures are published with the data: the same rows, progressive";
    uint32_t first = count / 4 * 3, judged = count - first;
    bool *yes = calloc(judged, sizeof *yes);
    uint32_t *groups = calloc(judged, sizeof *groups);
    struct model_metrics metrics;
    if (yes == NULL || groups == NULL) bench_fail("no memory");
    for (uint32_t i = 0; i < judged; i++) {
        yes[i] = contacts[first + i].yes;
        groups[i] = i;
    }
    BENCH_CHECK(metrics_of(predicted + first, yes, groups, judged, 1, &metrics));
    bench_print(&(struct measurement){"bank", auc, "AUC, last quarter", metrics.auc.value,
                                      "VW coin betting", .806, metrics.auc.value / .806, note});
    bench_print(&(struct measurement){"bank", log_loss, "log loss, last quarter",
                                      metrics.log_loss.value, "VW coin betting", .448,
                                      .448 / metrics.log_loss.value, note});
    free(yes);
    free(groups);
}

int main(int argc, char **argv) {
    char path[1024];
    const char *shared = getenv("ATTUNE_SHARED");
    snprintf(path, sizeof path, "%s/data/bank_marketing/bank-additional-full.csv.gz",
             shared != NULL ? shared : "../shared");
    struct contact *contacts = calloc(ROWS_MAX, sizeof *contacts);
    double *predicted = calloc(ROWS_MAX, sizeof *predicted);
    if (contacts == NULL || predicted == NULL) bench_fail("no memory");
    uint32_t count = read_file(argc > 1 ? argv[1] : path, contacts);
    learn_online(contacts, count, predicted);
    judge(contacts, count, predicted, "auc default", "log loss default");
    train_and_learn(contacts, count, true, predicted);
    judge(contacts, count, predicted, "auc, trained and learnt on",
          "log loss, trained and learnt on");
    train_and_learn(contacts, count, false, predicted);
    judge(contacts, count, predicted, "auc, trained alone", "log loss, trained alone");
    return 0;
}
