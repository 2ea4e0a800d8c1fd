/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/predictions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/input.h"
#include "base/memory.h"
#include "base/time.h"

#define CELLS_MAX        1024
#define COLUMN_BYTES_MAX 64

struct predicted {
    uint64_t key;
    double chance;
    size_t line;
};
struct predictions {
    struct predicted *items; /* by key */
    size_t count, capacity;
    bool has_times;
    char name[PREDICTIONS_NAME_BYTES_MAX];
};

/* `time_ms` is 0 in a file without times. */
static uint64_t key_of(struct text treatment, struct text customer, int64_t time_ms) {
    uint64_t named = hash_text(customer, hash_text(treatment, 1));
    return hash_bytes(&time_ms, sizeof time_ms, named);
}

/* Splits a plain comma-separated line into cells, and takes off the quotes around a cell. */
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

/* Which cells of a line are read; `time` is SIZE_MAX where the file has no times. */
struct places {
    size_t treatment, customer, prediction, time;
};

static enum status parse_line(struct text line, const struct places *at, struct predicted *out,
                              const char **lacks) {
    struct text cells[CELLS_MAX];
    size_t count = split(line, cells, CELLS_MAX);
    int64_t time_ms = 0;
    *lacks = "no prediction from 0 to 1 in column";
    if (at->treatment >= count || at->customer >= count || at->prediction >= count ||
        text_to_double(cells[at->prediction], &out->chance) != STATUS_OK ||
        !(out->chance >= 0 && out->chance <= 1))
        return STATUS_INVALID;
    *lacks = NULL;
    if (at->time != SIZE_MAX &&
        (at->time >= count || time_parse(cells[at->time], NULL, &time_ms) != STATUS_OK))
        return STATUS_INVALID;
    out->key = key_of(cells[at->treatment], cells[at->customer], time_ms);
    return STATUS_OK;
}

static enum status parse(struct text left, const char *path, const char *column,
                         struct predictions *out, struct error *error) {
    struct text cells[CELLS_MAX], line;
    if (!text_cut_line(&left, &line)) return error_set(error, STATUS_INVALID, "%s is empty", path);
    size_t count = split(line, cells, CELLS_MAX);
    struct places at = {
        find_cell(cells, count, TEXT("treatment")), find_cell(cells, count, TEXT("customer")),
        find_cell(cells, count, text_from(column)), find_cell(cells, count, TEXT("time"))};
    out->has_times = at.time != SIZE_MAX;
    if (at.treatment == SIZE_MAX || at.customer == SIZE_MAX || at.prediction == SIZE_MAX) {
        return error_set(error, STATUS_INVALID,
                         "%s:1: needs the columns treatment, customer and %s", path, column);
    }
    for (size_t number = 2; text_cut_line(&left, &line); number++) {
        struct predicted read = {.line = number};
        const char *lacks;
        if (line.length == 0) continue;
        if (parse_line(line, &at, &read, &lacks) != STATUS_OK)
            return error_set(error, STATUS_INVALID, "%s:%zu: %s %s", path, number,
                             lacks != NULL ? lacks : "no time in column",
                             lacks != NULL ? column : "time");
        enum status status =
            memory_grow((void **)&out->items, &out->capacity, out->count + 1, sizeof *out->items);
        if (status != STATUS_OK) return status;
        out->items[out->count++] = read;
    }
    return STATUS_OK;
}

static int compare_predicted(const void *left, const void *right) {
    uint64_t a = ((const struct predicted *)left)->key, b = ((const struct predicted *)right)->key;
    return a < b ? -1 : a > b;
}

/* Which of two chances is meant, nobody knows; two equal ones harm nothing. */
static enum status refuse_twice(const struct predictions *predictions, const char *path,
                                struct error *error) {
    for (size_t i = 1; i < predictions->count; i++) {
        const struct predicted *a = &predictions->items[i - 1], *b = a + 1;
        if (a->key != b->key || a->chance == b->chance) continue;
        return error_set(
            error, STATUS_INVALID, "%s:%zu: predicts what line %zu predicts otherwise%s", path,
            a->line > b->line ? a->line : b->line, a->line > b->line ? b->line : a->line,
            predictions->has_times
                ? ""
                : ": where a customer had a treatment several times, add a column time");
    }
    return STATUS_OK;
}

/* FILE, or FILE:COLUMN; a colon in a folder's name is none. */
static enum status read_name(struct predictions *predictions, const char *name,
                             char path[FILE_PATH_MAX], char column[COLUMN_BYTES_MAX],
                             struct error *error) {
    const char *slash = strrchr(name, '/'), *colon = strrchr(slash != NULL ? slash : name, ':');
    size_t length = colon != NULL ? (size_t)(colon - name) : strlen(name);
    const char *own = colon != NULL ? colon + 1 : "prediction";
    if (length >= FILE_PATH_MAX || strlen(own) >= COLUMN_BYTES_MAX)
        return error_set(error, STATUS_LIMIT,
                         "--against: the file's name or its column is too long");
    memcpy(path, name, length);
    path[length] = '\0';
    snprintf(column, COLUMN_BYTES_MAX, "%s", own);
    slash = strrchr(path, '/');
    snprintf(predictions->name, sizeof predictions->name, "%s of %.60s", column,
             slash != NULL ? slash + 1 : path);
    return STATUS_OK;
}

enum status predictions_read(struct predictions **out, struct file_system *fs, const char *name,
                             struct error *error) {
    char path[FILE_PATH_MAX], column[COLUMN_BYTES_MAX];
    struct buffer bytes;
    struct predictions *predictions = memory_calloc(1, sizeof *predictions);
    if (predictions == NULL) return STATUS_NO_MEMORY;
    buffer_init(&bytes);
    enum status status = read_name(predictions, name, path, column, error);
    if (status == STATUS_OK) status = file_read_all(fs, path, PREDICTIONS_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = parse(buffer_text(&bytes), path, column, predictions, error);
    if (status == STATUS_OK && predictions->count > 0)
        qsort(predictions->items, predictions->count, sizeof *predictions->items,
              compare_predicted);
    if (status == STATUS_OK) status = refuse_twice(predictions, path, error);
    buffer_release(&bytes);
    if (status == STATUS_OK)
        *out = predictions;
    else
        predictions_destroy(predictions);
    return status;
}

void predictions_destroy(struct predictions *predictions) {
    if (predictions != NULL) memory_free(predictions->items);
    memory_free(predictions);
}

const char *predictions_name(const struct predictions *predictions) {
    return predictions->name;
}

size_t predictions_count(const struct predictions *predictions) {
    return predictions->count;
}

bool predictions_find(const struct predictions *predictions, struct text treatment,
                      struct text customer, int64_t time_ms, double *chance) {
    if (predictions->count == 0) return false;
    int64_t of_key = predictions->has_times ? time_ms : 0;
    struct predicted wanted = {.key = key_of(treatment, customer, of_key)};
    const struct predicted *found =
        bsearch(&wanted, predictions->items, predictions->count, sizeof wanted, compare_predicted);
    if (found != NULL) *chance = found->chance;
    return found != NULL;
}
