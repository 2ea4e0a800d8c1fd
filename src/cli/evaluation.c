/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/evaluation.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/input.h"
#include "base/memory.h"
#include "cli/out.h"
#include "profile/walk.h"

#define PREDICTIONS_BYTES_MAX ((size_t)1 << 30)
#define SEED                  20171001u

uint32_t find_model(const struct playbook *playbook, const char *name) {
    if (name == NULL && playbook->model_count == 1) return 0;
    for (uint32_t i = 0; name != NULL && i < playbook->model_count; i++) {
        if (text_equal(playbook->models[i].name, text_from(name))) return i;
    }
    struct text names[64];
    size_t count = playbook->model_count < 64 ? playbook->model_count : 64;
    for (size_t i = 0; i < count; i++) names[i] = playbook->models[i].name;
    struct error error = {0};
    if (count == 0)
        cli_fail_text("the playbook has no models");
    else if (name == NULL)
        cli_fail_text("say which model; the playbook has %zu, the first is %.*s", count,
                      TEXT_ARG(names[0]));
    else if (text_unknown(text_from(name), "the playbook has no model", names, count, &error) !=
             STATUS_OK)
        cli_fail(&error);
    return UINT32_MAX;
}

/* ---- scoring what was not seen ---- */

static enum status reserve(struct evaluation *out, size_t count) {
    out->propensity = memory_calloc(count + 1, sizeof *out->propensity);
    out->yes = memory_calloc(count + 1, sizeof *out->yes);
    return out->propensity != NULL && out->yes != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status groups_of(const struct evaluation *evaluation, uint32_t **out) {
    *out = memory_calloc(evaluation->count + 1, sizeof **out);
    if (*out == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < evaluation->count; i++) (*out)[i] = evaluation->ids[i].customer.value;
    return STATUS_OK;
}

/* A row's horizon_ms has the delay of its sources in it, as they are declared now. Where the model
 * was trained with a shorter one, it may have learnt from the row so much sooner. */
static int64_t known_sooner_ms(const struct playbook *playbook, uint32_t rule,
                               const struct model *model) {
    int64_t now_ms = playbook->goals[playbook->models[rule].goal].arrives_ms,
            then_ms = model_facts(model)->label_delay_ms;
    return then_ms >= 0 && then_ms < now_ms ? now_ms - then_ms : 0;
}

static enum status score(struct engine *engine, uint32_t rule, int64_t from_ms, int64_t until_ms,
                         struct evaluation *out, struct error *error) {
    struct model_entry entry = {0};
    const struct model *model = engine_model(engine, rule, &entry);
    const struct playbook *playbook = engine_playbook(engine);
    struct trainer_options options = {.from_ms = from_ms,
                                      .until_ms = until_ms,
                                      .matured_by_ms = until_ms,
                                      .threads = engine_threads(engine),
                                      .model = model};
    struct training_set *set = NULL;
    enum status status = trainer_collect(engine_world(engine), &playbook->models[rule], &options,
                                         &set, &out->ids, &out->counts, error);
    int64_t sooner_ms = known_sooner_ms(playbook, rule, model);
    if (status != STATUS_OK) return status;
    size_t rows = training_set_count(set);
    status = reserve(out, rows);
    for (size_t i = 0; i < rows && status == STATUS_OK; i++) {
        struct value values[LEARN_FEATURES_MAX];
        struct training_row row;
        training_set_row(set, i, values, &row);
        if (trainer_had_learnt(&row, entry.until_ms, sooner_ms)) {
            out->learnt_count++;
            continue;
        }
        out->ids[out->count] = out->ids[i];
        out->propensity[out->count] = model_score(model, row.values);
        out->yes[out->count++] = row.yes;
    }
    training_set_destroy(set);
    return status;
}

/* ---- against another's predictions ---- */

struct other {
    uint64_t key;
    double prediction;
};
struct others {
    struct other *items;
    size_t count, capacity;
};

static uint64_t key_of(struct text treatment, struct text customer) {
    return hash_text(customer, hash_text(treatment, 1));
}

#define CELLS_MAX 1024

/* Cuts the first line off what is left, without its end. */
static bool next_line(struct text *left, struct text *line) {
    if (left->length == 0) return false;
    const char *end = memchr(left->at, '\n', left->length);
    line->at = left->at;
    line->length = end != NULL ? (uint32_t)(end - left->at) : left->length;
    uint32_t taken = line->length + (end != NULL);
    left->at += taken;
    left->length -= taken;
    if (line->length > 0 && line->at[line->length - 1] == '\r') line->length--;
    return true;
}

/* Cells of a plain comma-separated line; quotes around a cell are taken off. A comma inside quotes
 * is not foreseen here. */
static size_t split(struct text line, struct text *cells, size_t max) {
    size_t count = 0;
    const char *comma;
    do {
        comma = line.length > 0 ? memchr(line.at, ',', line.length) : NULL;
        struct text cell = {line.at, comma != NULL ? (uint32_t)(comma - line.at) : line.length};
        uint32_t taken = cell.length + (comma != NULL);
        line.at += taken;
        line.length -= taken;
        bool quoted = cell.length >= 2 && cell.at[0] == '"' && cell.at[cell.length - 1] == '"';
        cells[count++] = quoted ? (struct text){cell.at + 1, cell.length - 2} : cell;
    } while (comma != NULL && count < max);
    return count;
}

static size_t find_cell(const struct text *cells, size_t count, struct text name) {
    for (size_t i = 0; i < count; i++) {
        if (text_equal(cells[i], name)) return i;
    }
    return SIZE_MAX;
}

static enum status parse_others(struct text left, const char *path, const char *column,
                                struct others *out, struct error *error) {
    struct text cells[CELLS_MAX], line;
    if (!next_line(&left, &line)) return error_set(error, STATUS_INVALID, "%s is empty", path);
    size_t count = split(line, cells, CELLS_MAX);
    size_t treatment = find_cell(cells, count, TEXT("treatment")),
           customer = find_cell(cells, count, TEXT("customer"));
    size_t prediction = find_cell(cells, count, text_from(column));
    if (treatment == SIZE_MAX || customer == SIZE_MAX || prediction == SIZE_MAX) {
        return error_set(error, STATUS_INVALID,
                         "%s:1: needs the columns treatment, customer and %s", path, column);
    }
    for (size_t number = 2; next_line(&left, &line); number++) {
        double value;
        if (line.length == 0) continue;
        count = split(line, cells, CELLS_MAX);
        if (treatment >= count || customer >= count || prediction >= count ||
            text_to_double(cells[prediction], &value) != STATUS_OK || value < 0 || value > 1) {
            return error_set(error, STATUS_INVALID,
                             "%s:%zu: no prediction from 0 to 1 in column %s", path, number,
                             column);
        }
        enum status status =
            memory_grow((void **)&out->items, &out->capacity, out->count + 1, sizeof *out->items);
        if (status != STATUS_OK) return status;
        out->items[out->count++] = (struct other){key_of(cells[treatment], cells[customer]), value};
    }
    return STATUS_OK;
}

static int compare_others(const void *left, const void *right) {
    uint64_t a = ((const struct other *)left)->key, b = ((const struct other *)right)->key;
    return a < b ? -1 : a > b;
}

/* FILE, or FILE:COLUMN; a colon in a folder's name is none. */
static enum status read_others(const char *against, struct others *out,
                               struct evaluation *evaluation, struct error *error) {
    char path[4096], column[64] = "prediction";
    const char *slash = strrchr(against, '/'),
               *colon = strrchr(slash != NULL ? slash : against, ':');
    struct buffer bytes;
    int length = snprintf(path, sizeof path, "%.*s",
                          colon != NULL ? (int)(colon - against) : (int)strlen(against), against);
    bool fits = length >= 0 && length < (int)sizeof path;
    if (colon != NULL && snprintf(column, sizeof column, "%s", colon + 1) >= (int)sizeof column)
        fits = false;
    if (!fits)
        return error_set(error, STATUS_LIMIT,
                         "--against: the file's name or its column is too long");
    slash = strrchr(path, '/');
    snprintf(evaluation->against_name, sizeof evaluation->against_name, "%s of %.60s", column,
             slash != NULL ? slash + 1 : path);
    buffer_init(&bytes);
    enum status status =
        file_read_all(file_system_os(), path, PREDICTIONS_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = parse_others(buffer_text(&bytes), path, column, out, error);
    if (status == STATUS_OK && out->count > 0)
        qsort(out->items, out->count, sizeof *out->items, compare_others);
    buffer_release(&bytes);
    return status;
}

/* A row is looked for under each of its customer's identifiers. */
struct lookup_row {
    const struct others *others;
    struct text treatment;
    const struct other *found;
};

static void try_identifier(void *context, struct identifier_id identifier, uint32_t type,
                           struct text value) {
    (void)identifier;
    (void)type;
    struct lookup_row *row = context;
    if (row->others->count == 0) return;
    struct other wanted = {key_of(row->treatment, value), 0};
    const struct other *found =
        bsearch(&wanted, row->others->items, row->others->count, sizeof wanted, compare_others);
    if (found != NULL) row->found = found;
}

static enum status compare(struct engine *engine, const struct others *others,
                           struct evaluation *out) {
    double *ours = memory_calloc(out->count + 1, sizeof *ours),
           *theirs = memory_calloc(out->count + 1, sizeof *theirs);
    bool *yes = memory_calloc(out->count + 1, sizeof *yes);
    uint32_t *group = memory_calloc(out->count + 1, sizeof *group);
    enum status status = ours != NULL && theirs != NULL && yes != NULL && group != NULL
                             ? STATUS_OK
                             : STATUS_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < out->count && status == STATUS_OK; i++) {
        struct lookup_row row = {others, out->ids[i].treatment->key, NULL};
        struct identity_visitor visitor = {.identifier = try_identifier, .context = &row};
        status = identity_describe(engine_identity(engine), out->ids[i].customer, &visitor);
        if (row.found == NULL) continue;
        ours[count] = out->propensity[i];
        theirs[count] = row.found->prediction;
        yes[count] = out->yes[i];
        group[count++] = out->ids[i].customer.value;
    }
    out->compared_count = count;
    out->compared = status == STATUS_OK && count > 0;
    if (out->compared) status = metrics_of(theirs, yes, group, count, SEED, &out->against);
    if (status == STATUS_OK && out->compared)
        status = metrics_of(ours, yes, group, count, SEED, &out->ours_there);
    if (status == STATUS_OK && out->compared)
        status =
            metrics_auc_difference(ours, theirs, yes, group, count, SEED, &out->auc_difference);
    memory_free(ours);
    memory_free(theirs);
    memory_free(yes);
    memory_free(group);
    return status;
}

static enum status compare_with(struct engine *engine, const char *against, struct evaluation *out,
                                struct error *error) {
    struct others others = {0};
    enum status status = read_others(against, &others, out, error);
    if (status == STATUS_OK) status = compare(engine, &others, out);
    memory_free(others.items);
    if (status == STATUS_OK && !out->compared) {
        return error_set(error, STATUS_INVALID,
                         "%s has none of the %zu rows; its treatments must be written as in the "
                         "playbook, such as %.*s",
                         against, out->count, TEXT_ARG(out->ids[0].treatment->key));
    }
    return status;
}

static enum status nothing_to_judge(struct engine *engine, uint32_t rule,
                                    const struct evaluation *evaluation, struct error *error) {
    const struct playbook *playbook = engine_playbook(engine);
    struct buffer why;
    buffer_init(&why);
    enum status status = trainer_left_out_words(engine_world(engine), &playbook->models[rule],
                                                &evaluation->counts, &why);
    if (status == STATUS_OK) {
        status = error_set(error, STATUS_INVALID,
                           "no treatment delivered in that time has a matured goal; widen --from "
                           "and --until. Of %llu in that time:%.*s%s",
                           (unsigned long long)evaluation->counts.events,
                           TEXT_ARG(buffer_text(&why)), why.length == 0 ? " none" : "");
    }
    buffer_release(&why);
    return status;
}

enum status evaluation_make(struct engine *engine, uint32_t rule, int64_t from_ms, int64_t until_ms,
                            const char *against, struct evaluation *out, struct error *error) {
    *out = (struct evaluation){0};
    struct text name = engine_playbook(engine)->models[rule].name;
    if (engine_model(engine, rule, NULL) == NULL) {
        return error_set(
            error, STATUS_NOT_FOUND,
            "model %.*s is not trained yet, or no longer fits the playbook; attune train %.*s",
            TEXT_ARG(name), TEXT_ARG(name));
    }
    uint32_t *group = NULL;
    enum status status = score(engine, rule, from_ms, until_ms, out, error);
    if (status == STATUS_OK && out->count == 0 && out->learnt_count > 0) {
        status = error_set(error, STATUS_INVALID,
                           "all %zu treatments of that time are those that the model has learnt "
                           "from; say a later --until, or train with an earlier one",
                           out->learnt_count);
    } else if (status == STATUS_OK && out->count == 0) {
        status = nothing_to_judge(engine, rule, out, error);
    }
    if (status == STATUS_OK) status = groups_of(out, &group);
    if (status == STATUS_OK)
        status = metrics_of(out->propensity, out->yes, group, out->count, SEED, &out->metrics);
    if (status == STATUS_OK && against != NULL) status = compare_with(engine, against, out, error);
    memory_free(group);
    return status;
}

void evaluation_release(struct evaluation *evaluation) {
    memory_free(evaluation->ids);
    memory_free(evaluation->propensity);
    memory_free(evaluation->yes);
    *evaluation = (struct evaluation){0};
}

/* ---- writing ---- */

enum status evaluation_write_csv(struct engine *engine, const struct evaluation *evaluation,
                                 const char *path, struct error *error) {
    (void)engine;
    struct cli_out out;
    enum status status = cli_out_open(&out, path, error);
    if (status != STATUS_OK) return status;
    FILE *file = out.file;
    fputs("treatment,customer,time,reached,prediction\n", file);
    for (size_t i = 0; i < evaluation->count; i++) {
        char time[32];
        time_format(evaluation->ids[i].t_ms + 1, time);
        cli_csv(file, evaluation->ids[i].treatment->key);
        fprintf(file, ",C%u,%s,%d,%.6f\n", evaluation->ids[i].customer.value, time,
                evaluation->yes[i], evaluation->propensity[i]);
    }
    return cli_out_finish(&out, STATUS_OK, error);
}

static void write_interval(struct json_writer *writer, const char *name,
                           const struct interval *interval) {
    char key[64];
    const struct {
        const char *suffix;
        double value;
    } parts[] = {{"", interval->value}, {"_low", interval->low}, {"_high", interval->high}};
    for (size_t i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "%s%s", name, parts[i].suffix);
        json_write_key(writer, key);
        json_write_number(writer, parts[i].value);
    }
}

void metrics_write_json(const struct model_metrics *metrics, struct json_writer *writer) {
    json_write_key(writer, "rows");
    json_write_integer(writer, (int64_t)metrics->rows);
    json_member_count(writer, "customers", metrics->groups);
    json_write_key(writer, "reached");
    json_write_integer(writer, (int64_t)metrics->yes);
    json_write_key(writer, "base_rate");
    json_write_number(writer, metrics->base_rate);
    write_interval(writer, "auc", &metrics->auc);
    write_interval(writer, "log_loss", &metrics->log_loss);
    write_interval(writer, "calibration_error", &metrics->calibration_error);
    write_interval(writer, "top_tenth_gain", &metrics->top_tenth_gain);
}

void counts_write_json(const struct trainer_counts *counts, struct json_writer *writer) {
    const struct {
        const char *name;
        uint64_t count;
    } members[] = {{"events", counts->events},
                   {"rows", counts->rows},
                   {"unnamed", counts->unnamed},
                   {"unmatched", counts->unmatched},
                   {"of_other_actions", counts->of_others},
                   {"not_matured", counts->open},
                   {"without_end", counts->endless},
                   {"themselves_the_goal", counts->itself},
                   {"coinciding", counts->coinciding},
                   {"corrected_later", counts->corrected_later}};
    json_write_object_begin(writer);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        json_member_count(writer, members[i].name, members[i].count);
    json_write_key(writer, "unmatched_names");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < counts->distinct_names && i < TRAINER_NAMES_MAX; i++) {
        json_write_object_begin(writer);
        json_member_string(writer, "name", counts->names[i].name);
        json_member_count(writer, "events", counts->names[i].count);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_write_object_end(writer);
}

void evaluation_write_json(const struct evaluation *evaluation, struct json_writer *writer) {
    metrics_write_json(&evaluation->metrics, writer);
    json_member_count(writer, "rows_left_out", evaluation->learnt_count);
    json_write_key(writer, "counts");
    counts_write_json(&evaluation->counts, writer);
    if (!evaluation->compared) return;
    write_interval(writer, "auc_difference", &evaluation->auc_difference);
    json_write_key(writer, "compared_rows");
    json_write_integer(writer, (int64_t)evaluation->compared_count);
    json_write_key(writer, "against");
    json_write_object_begin(writer);
    json_write_key(writer, "name");
    json_write_string(writer, evaluation->against_name);
    metrics_write_json(&evaluation->against, writer);
    json_write_object_end(writer);
}
