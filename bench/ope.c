/* SPDX-License-Identifier: Apache-2.0 */
/* bench/ope.c -- off-policy estimates on the four logs of Open Bandit, beside those of Open Bandit
 * Pipeline (obp), which reads the same logs by itself. The policy that is judged and the model of
 * the reward are tables that both are given: by action, position, and one bit of the user.
 * ope [FOLDER]; the folder is shared/data/open_bandit beside the project, or in $ATTUNE_SHARED.
 * Where the peer is there and differs by more than 1e-9, the bench fails. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "base/input.h"
#include "base/random.h"
#include "measure/off_policy.h"

#define ACTIONS_MAX    80
#define POSITIONS      3
#define BITS           2
#define ROWS_MAX       100000
#define BYTES_MAX      (64u << 20)
#define SWITCH_MAX     2.0
#define SHRINKAGE      10.0
#define DIFFERENCE     1e-9
#define COLUMN_ITEM    2
#define COLUMN_USER    7
#define COLUMNS_WANTED 8

struct decision {
    uint32_t action, position, bit;
    double reward, probability;
};
struct tables { /* by bit, action, position */
    double policy[BITS][ACTIONS_MAX][POSITIONS], model[BITS][ACTIONS_MAX][POSITIONS];
};
struct log {
    struct decision *rows;
    size_t count;
    uint32_t actions;
    struct tables tables;
};

/* ---- reading ---- */

static char *read_all(const char *path) {
    struct input *input;
    struct error error;
    size_t length = 0, got;
    char *bytes = malloc(BYTES_MAX + 1);
    if (bytes == NULL || input_open(&input, path, &error) != STATUS_OK)
        bench_fail("%s can't be read: say the folder, or set ATTUNE_SHARED", path);
    do {
        BENCH_CHECK(input_read(input, bytes + length, BYTES_MAX - length, &got, &error));
        length += got;
    } while (got > 0 && length < BYTES_MAX);
    input_close(input);
    bytes[length] = 0;
    return bytes;
}

/* The logs have no quotes: a line is its cells and commas. */
static bool read_row(char *line, struct decision *row) {
    char *cells[COLUMNS_WANTED];
    uint32_t count = 0;
    for (char *at = line; at != NULL && count < COLUMNS_WANTED; count++) {
        cells[count] = at;
        at = strchr(at, ',');
        if (at != NULL) *at++ = 0;
    }
    if (count < COLUMNS_WANTED) return false;
    row->action = (uint32_t)strtoul(cells[COLUMN_ITEM], NULL, 10);
    row->position = (uint32_t)strtoul(cells[COLUMN_ITEM + 1], NULL, 10) - 1;
    row->reward = strtod(cells[COLUMN_ITEM + 2], NULL);
    row->probability = strtod(cells[COLUMN_ITEM + 3], NULL);
    row->bit = cells[COLUMN_USER][0] >= '8';
    return true;
}

static void read_log(const char *path, struct log *log) {
    char *bytes = read_all(path), *next = strchr(bytes, '\n');
    log->rows = malloc(ROWS_MAX * sizeof *log->rows);
    if (log->rows == NULL) bench_fail("no memory");
    while (next != NULL && next[1] != 0 && log->count < ROWS_MAX) {
        char *line = next + 1;
        struct decision *row = &log->rows[log->count];
        next = strchr(line, '\n');
        if (next != NULL) *next = 0;
        if (!read_row(line, row)) bench_fail("%s: a line is too short", path);
        if (row->action >= ACTIONS_MAX || row->position >= POSITIONS || !(row->probability > 0))
            bench_fail("%s: a decision that can't be", path);
        if (row->action >= log->actions) log->actions = row->action + 1;
        log->count++;
    }
    free(bytes);
}

/* ---- the policy and the model ---- */

static void make_policy(struct log *log, struct random *random) {
    for (int b = 0; b < BITS; b++) {
        for (int p = 0; p < POSITIONS; p++) {
            double sum = 0;
            for (uint32_t a = 0; a < log->actions; a++)
                sum += log->tables.policy[b][a][p] = exp(4 * random_unit(random));
            for (uint32_t a = 0; a < log->actions; a++) log->tables.policy[b][a][p] /= sum;
        }
    }
}

/* Clicks of the action at the position, drawn towards those of all. */
static void make_model(struct log *log) {
    static double shown[BITS][ACTIONS_MAX][POSITIONS];
    double all = 0;
    memset(shown, 0, sizeof shown);
    for (size_t i = 0; i < log->count; i++) {
        const struct decision *row = &log->rows[i];
        shown[row->bit][row->action][row->position] += 1;
        log->tables.model[row->bit][row->action][row->position] += row->reward;
        all += row->reward / (double)log->count;
    }
    for (int b = 0; b < BITS; b++) {
        for (uint32_t a = 0; a < log->actions; a++) {
            for (int p = 0; p < POSITIONS; p++)
                log->tables.model[b][a][p] =
                    (log->tables.model[b][a][p] + 20 * all) / (shown[b][a][p] + 20);
        }
    }
}

static void estimate(const struct log *log, struct off_policy_result *result) {
    struct off_policy_row *rows = malloc(log->count * sizeof *rows);
    if (rows == NULL) bench_fail("no memory");
    for (size_t i = 0; i < log->count; i++) {
        const struct decision *row = &log->rows[i];
        const struct tables *tables = &log->tables;
        double expected = 0;
        for (uint32_t a = 0; a < log->actions; a++)
            expected += tables->policy[row->bit][a][row->position] *
                        tables->model[row->bit][a][row->position];
        rows[i] = (struct off_policy_row){
            .reward = row->reward,
            .weight = tables->policy[row->bit][row->action][row->position] / row->probability,
            .predicted = tables->model[row->bit][row->action][row->position],
            .expected = expected,
            .group = (uint32_t)i};
    }
    struct off_policy_options options = {.switch_max = SWITCH_MAX, .shrinkage = SHRINKAGE};
    BENCH_CHECK(off_policy_estimate(rows, log->count, &options, result));
    free(rows);
}

/* ---- the peer ---- */

static void write_tables(const struct log *log, const char *path) {
    FILE *file = fopen(path, "wb");
    double actions = log->actions;
    if (file == NULL) bench_fail("%s can't be written", path);
    fwrite(&actions, sizeof actions, 1, file);
    for (int which = 0; which < 2; which++) {
        for (int b = 0; b < BITS; b++) {
            const double(*table)[POSITIONS] =
                which == 0 ? log->tables.policy[b] : log->tables.model[b];
            fwrite(table, sizeof *table, log->actions, file);
        }
    }
    if (fclose(file) != 0) bench_fail("%s can't be written", path);
}

static bool ask_peer(const struct log *log, const char *path,
                     double values[OFF_POLICY_ESTIMATORS]) {
    static const char *const names[OFF_POLICY_ESTIMATORS] = {"ips", "snips", "dr", "switch-dr",
                                                             "dros"};
    const char *python = getenv("ATTUNE_PEERS_PYTHON"), *scripts = getenv("ATTUNE_PEERS");
    const char *folder = getenv("TMPDIR");
    char tables[512], command[3000];
    if (python == NULL || *python == 0 || scripts == NULL) return false;
    snprintf(tables, sizeof tables, "%s/attune-ope-%ld", folder != NULL ? folder : "/tmp",
             (long)getpid());
    write_tables(log, tables);
    snprintf(command, sizeof command, "'%s' '%s/ope_obp.py' '%s' '%s' %.17g %.17g", python, scripts,
             path, tables, SWITCH_MAX, SHRINKAGE);
    bool good = bench_peer(command, names, values, OFF_POLICY_ESTIMATORS);
    remove(tables);
    return good;
}

/* ---- one log ---- */

static double judge(const char *name, const char *path, bool *peered) {
    static struct log log;
    struct off_policy_result result;
    struct random random;
    double theirs[OFF_POLICY_ESTIMATORS] = {0}, largest = 0;
    memset(&log, 0, sizeof log);
    random_init(&random, 5);
    read_log(path, &log);
    make_policy(&log, &random);
    make_model(&log);
    estimate(&log, &result);
    *peered = ask_peer(&log, path, theirs);
    for (int e = 0; e < OFF_POLICY_ESTIMATORS; e++) {
        char label[64], note[128];
        double ours = result.estimates[e].bootstrap.value, off = fabs(ours - theirs[e]);
        snprintf(label, sizeof label, "%s %s", name, off_policy_name((enum off_policy_estimator)e));
        snprintf(note, sizeof note, *peered ? "%zu decisions; differs by %.3g" : "%zu decisions",
                 log.count, off);
        bench_print(&(struct measurement){"ope", label, "clicks a decision", ours,
                                          *peered ? "obp" : NULL, theirs[e],
                                          *peered ? ours / theirs[e] : 0, note});
        largest = fmax(largest, off);
    }
    free(log.rows);
    return largest;
}

int main(int argc, char **argv) {
    static const char *const logs[] = {"random/men", "random/women", "bts/men", "bts/women"};
    const char *shared = getenv("ATTUNE_SHARED");
    char folder[512], path[1024];
    double largest = 0;
    bool peered = true;
    snprintf(folder, sizeof folder, "%s/data/open_bandit", shared != NULL ? shared : "../shared");
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        bool is_peered;
        snprintf(path, sizeof path, "%s/%s%s.csv.gz", argc > 1 ? argv[1] : folder, logs[i],
                 strchr(logs[i], '/'));
        largest = fmax(largest, judge(logs[i], path, &is_peered));
        peered &= is_peered;
    }
    if (!peered) return 0;
    bench_print(&(struct measurement){"ope", "largest difference", "clicks a decision", largest,
                                      NULL, 0, 0, "of 20 estimates; wanted: 1e-9"});
    if (largest > DIFFERENCE) bench_fail("ours and obp's differ by %g", largest);
    return 0;
}
