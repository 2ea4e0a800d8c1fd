/* SPDX-License-Identifier: Apache-2.0 */
/* What a file of this kind has behind the common part:
 *
 *   8 8   slope, base
 *         of each text, in order of the features: the codes of its cells, but for that of missing
 *         the trees (trees_encode)
 *
 * Little-endian, doubles by their bits. */
#include "learn/trees/model_trees.h"

#include <float.h>
#include <math.h>

#include "learn/bytes.h"
#include "learn/model.h"
#include "learn/training_set.h"

/* ---- a row ---- */

static float float_of(struct value value) {
    double number = value_as_number(value);
    if (isnan(number)) return NAN;
    return (float)fmin(fmax(number, -(double)FLT_MAX), (double)FLT_MAX);
}

void model_trees_row(const struct model *model, const struct value *values, float *row) {
    for (uint32_t f = 0; f < model->feature_count; f++) {
        const uint16_t *codes = model->trees->codes[f];
        if (codes == NULL) {
            row[f] = float_of(values[f]);
            continue;
        }
        uint32_t cell = model_cell(model, f, values[f]);
        row[f] = cell > model->features[f].known ? NAN : (float)codes[cell];
    }
}

double model_trees_predict(const struct model *model, double additive, const struct value *values) {
    const struct model_trees *part = model->trees;
    float row[LEARN_FEATURES_MAX];
    model_trees_row(model, values, row);
    return part->slope * (additive + (double)trees_margin(part->trees, row)) + part->base;
}

double model_trees_reasons(const struct model *model, const struct value *values, double *effects) {
    const struct model_trees *part = model->trees;
    float row[LEARN_FEATURES_MAX];
    model_trees_row(model, values, row);
    (void)trees_reasons(part->trees, row, effects); /* adds to what is there */
    for (uint32_t f = 0; f < model->feature_count; f++) effects[f] *= part->slope;
    return part->slope;
}

void model_trees_release(struct model *model) {
    if (model->trees != NULL) trees_destroy(model->trees->trees);
}

/* ---- bytes ---- */

enum status model_trees_save(const struct model *model, struct buffer *out) {
    const struct model_trees *part = model->trees;
    struct bytes_writer writer = {out, STATUS_OK};
    write_double(&writer, part->slope);
    write_double(&writer, part->base);
    for (uint32_t f = 0; f < model->feature_count; f++) {
        for (uint32_t c = 0; part->codes[f] != NULL && c <= model->features[f].known; c++)
            write_u64(&writer, part->codes[f][c], 2);
    }
    return writer.status == STATUS_OK ? trees_encode(part->trees, out) : writer.status;
}

/* Reads which code each cell of a text has: 0 … known, each of them once. */
static enum status load_codes(struct model *model, uint32_t f, struct bytes_reader *reader) {
    uint32_t count = model->features[f].known + 1;
    bool seen[BIN_TEXTS_MAX + 1] = {false};
    uint16_t *codes = arena_alloc(&model->arena, count * sizeof *codes);
    if (codes == NULL) return STATUS_NO_MEMORY;
    for (uint32_t c = 0; c < count; c++) {
        codes[c] = (uint16_t)read_u64(reader, 2);
        if (reader->wrong || codes[c] >= count || seen[codes[c]]) return STATUS_CORRUPT;
        seen[codes[c]] = true;
    }
    model->trees->codes[f] = codes;
    return STATUS_OK;
}

enum status model_trees_load(struct model *model, struct text bytes) {
    struct bytes_reader reader = bytes_reader_of(bytes);
    struct model_trees *part = model->trees = arena_calloc(&model->arena, 1, sizeof *part);
    if (part == NULL) return STATUS_NO_MEMORY;
    part->codes = arena_calloc(&model->arena, model->feature_count + 1u, sizeof *part->codes);
    if (part->codes == NULL) return STATUS_NO_MEMORY;
    part->slope = read_double(&reader);
    part->base = read_double(&reader);
    if (reader.wrong || !isfinite(part->slope) || !isfinite(part->base)) return STATUS_CORRUPT;
    enum status status = STATUS_OK;
    for (uint32_t f = 0; f < model->feature_count && status == STATUS_OK; f++) {
        if (model->features[f].kind == FEATURE_TEXT) status = load_codes(model, f, &reader);
    }
    if (status == STATUS_OK) status = trees_decode(&part->trees, bytes_rest(&reader));
    if (status != STATUS_OK) return status;
    if (trees_feature_count(part->trees) != model->feature_count) return STATUS_CORRUPT;
    part->mean = trees_mean(part->trees);
    model->facts.tree_count = trees_count(part->trees);
    return isfinite(part->mean) ? STATUS_OK : STATUS_CORRUPT;
}
