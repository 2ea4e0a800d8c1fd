/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/predictions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/input.h"
#include "base/memory.h"

#define CELLS_MAX        1024
#define COLUMN_BYTES_MAX 64

struct predicted {
    uint64_t key;
    double chance;
};
struct predictions {
    struct predicted *items; /* by key */
    size_t count, capacity;
    char name[PREDICTIONS_NAME_BYTES_MAX];
};

static uint64_t key_of(struct text treatment, struct text customer) {
    return hash_text(customer, hash_text(treatment, 1));
}

/* Takes the first line from what is left, without its end. */
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

static enum status parse(struct text left, const char *path, const char *column,
                         struct predictions *out, struct error *error) {
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
            text_to_double(cells[prediction], &value) != STATUS_OK || !(value >= 0 && value <= 1)) {
            return error_set(error, STATUS_INVALID,
                             "%s:%zu: no prediction from 0 to 1 in column %s", path, number,
                             column);
        }
        enum status status =
            memory_grow((void **)&out->items, &out->capacity, out->count + 1, sizeof *out->items);
        if (status != STATUS_OK) return status;
        out->items[out->count++] =
            (struct predicted){key_of(cells[treatment], cells[customer]), value};
    }
    return STATUS_OK;
}

static int compare_predicted(const void *left, const void *right) {
    uint64_t a = ((const struct predicted *)left)->key, b = ((const struct predicted *)right)->key;
    return a < b ? -1 : a > b;
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
                      struct text customer, double *chance) {
    if (predictions->count == 0) return false;
    struct predicted wanted = {key_of(treatment, customer), 0};
    const struct predicted *found =
        bsearch(&wanted, predictions->items, predictions->count, sizeof wanted, compare_predicted);
    if (found != NULL) *chance = found->chance;
    return found != NULL;
}
