/* SPDX-License-Identifier: Apache-2.0 */
/*   8   magic "ATTMODEL"
 *   4   format version
 *   4   CRC32C of magic, version and length, then of the body
 *   8   bytes of the body
 *       body: facts, figures, base, features, pairs, what the kind adds (learner.h)
 *
 * Little-endian, doubles by their bits, text with its length before it. The head keeps its places
 * in every version, so that a newer file is told from a damaged one. */
#include <math.h>

#include "base/hash.h"
#include "learn/bytes.h"
#include "learn/learner.h"
#include "learn/model.h"

#define HEAD_BYTES 24
static const char magic[8] = "ATTMODEL";

/* ---- writing ---- */

static void write_text(struct bytes_writer *writer, struct text text) {
    write_u64(writer, text.length, 4);
    write_bytes(writer, text.at, text.length);
}

static void write_interval(struct bytes_writer *writer, struct interval interval) {
    write_double(writer, interval.value);
    write_double(writer, interval.low);
    write_double(writer, interval.high);
}

static void write_facts(struct bytes_writer *writer, const struct model *model) {
    const struct model_facts *facts = &model->facts;
    const struct model_metrics *metrics = &model->metrics;
    write_u64(writer, facts->basis, 4);
    write_u64(writer, facts->split_count, 4);
    write_u64(writer, facts->passes, 4);
    write_u64(writer, facts->rows, 8);
    write_u64(writer, facts->yes, 8);
    write_double(writer, facts->slope_ridge);
    write_double(writer, facts->bin_ridge);
    write_double(writer, facts->calibration_slope);
    write_double(writer, facts->calibration_base);
    write_u64(writer, metrics->rows, 8);
    write_u64(writer, metrics->yes, 8);
    write_u64(writer, metrics->groups, 8);
    write_interval(writer, metrics->auc);
    write_interval(writer, metrics->log_loss);
    write_interval(writer, metrics->calibration_error);
    write_interval(writer, metrics->top_tenth_gain);
    write_double(writer, metrics->base_rate.value);
    write_double(writer, model->base);
    write_u64(writer, (uint64_t)facts->label_delay_ms, 8);
    write_u64(writer, facts->text_groups_min, 4);
    const struct interval *of_half[] = {&metrics->auc, &metrics->log_loss,
                                        &metrics->calibration_error, &metrics->top_tenth_gain,
                                        &metrics->base_rate};
    for (size_t i = 0; i < sizeof of_half / sizeof *of_half; i++) {
        write_double(writer, of_half[i]->low50);
        write_double(writer, of_half[i]->high50);
    }
    write_double(writer, metrics->base_rate.low);
    write_double(writer, metrics->base_rate.high);
    write_double(writer, facts->pair_ridge);
    write_u64(writer, facts->pairs_tried, 4);
    write_u64(writer, facts->kind, 4);
}

static void write_feature(struct bytes_writer *writer, const struct model_feature *feature) {
    write_text(writer, feature->name);
    write_u64(writer, feature->kind, 4);
    write_u64(writer, feature->known, 4);
    write_double(writer, feature->importance);
    bool is_text = feature->kind == FEATURE_TEXT;
    for (uint32_t i = 0; is_text && i < feature->known; i++) write_text(writer, feature->texts[i]);
    for (uint32_t i = 0; !is_text && i + 1 < feature->known; i++)
        write_double(writer, feature->edges[i]);
    for (uint32_t i = 0; i < model_feature_cells(feature); i++)
        write_double(writer, feature->effects[i]);
}

static void write_pair(struct bytes_writer *writer, const struct model *model,
                       const struct model_pair *pair) {
    write_u64(writer, pair->left, 4);
    write_u64(writer, pair->right, 4);
    write_double(writer, pair->evidence);
    write_double(writer, pair->importance);
    write_u64(writer, pair->left_parts, 4);
    write_bytes(writer, pair->left_part, model_feature_cells(&model->features[pair->left]));
    write_u64(writer, pair->right_parts, 4);
    write_bytes(writer, pair->right_part, model_feature_cells(&model->features[pair->right]));
    for (uint32_t i = 0; i < pair->left_parts * pair->right_parts; i++)
        write_double(writer, pair->effects[i]);
}

static uint32_t checksum(const char *head, const char *body, size_t body_bytes) {
    uint32_t crc = crc32c(0, head, 12);
    return crc32c(crc32c(crc, head + 16, 8), body, body_bytes);
}

enum status model_encode(const struct model *model, struct buffer *out) {
    static const char blank[HEAD_BYTES] = {0};
    size_t start = out->length;
    struct bytes_writer writer = {out, STATUS_OK};
    write_bytes(&writer, blank, HEAD_BYTES);
    write_facts(&writer, model);
    write_u64(&writer, model->feature_count, 4);
    for (uint32_t f = 0; f < model->feature_count; f++) write_feature(&writer, &model->features[f]);
    write_u64(&writer, model->pair_count, 4);
    for (uint32_t k = 0; k < model->pair_count; k++) write_pair(&writer, model, &model->pairs[k]);
    if (writer.status == STATUS_OK) writer.status = learner_of(model->facts.kind)->save(model, out);
    if (writer.status != STATUS_OK) {
        out->length = start;
        return writer.status;
    }
    char *head = out->at + start;
    size_t body_bytes = out->length - start - HEAD_BYTES;
    memcpy(head, magic, sizeof magic);
    bytes_store(head + 8, MODEL_FORMAT_VERSION, 4);
    bytes_store(head + 16, body_bytes, 8);
    bytes_store(head + 12, checksum(head, head + HEAD_BYTES, body_bytes), 4);
    return STATUS_OK;
}

/* ---- reading: what is no model sets `wrong`, too ---- */

static uint32_t read_u32_up_to(struct bytes_reader *reader, uint32_t max) {
    uint64_t value = read_u64(reader, 4);
    if (value <= max) return (uint32_t)value;
    reader->wrong = true;
    return 0;
}

static double read_finite(struct bytes_reader *reader) {
    double value = read_double(reader);
    if (!isfinite(value)) reader->wrong = true;
    return isfinite(value) ? value : 0;
}

static struct text read_text(struct bytes_reader *reader, struct arena *arena, uint32_t bytes_max) {
    uint32_t length = read_u32_up_to(reader, bytes_max);
    const uint8_t *at = read_bytes(reader, length);
    if (at == NULL) return (struct text){0};
    struct text text = arena_text(arena, (struct text){(const char *)at, length});
    if (text.at == NULL) reader->wrong = reader->no_memory = true;
    return text;
}

static struct interval read_interval(struct bytes_reader *reader) {
    struct interval interval;
    interval.value = read_double(reader);
    interval.low = read_double(reader);
    interval.high = read_double(reader);
    return interval;
}

/* Reads bounds that older formats lack; they are unknown there. */
static void read_later_bounds(struct bytes_reader *reader, struct model_metrics *metrics,
                              uint32_t version) {
    bool there = version >= 4;
    struct interval *of_half[] = {&metrics->auc, &metrics->log_loss, &metrics->calibration_error,
                                  &metrics->top_tenth_gain, &metrics->base_rate};
    for (size_t i = 0; i < sizeof of_half / sizeof *of_half; i++) {
        of_half[i]->low50 = there ? read_double(reader) : (double)NAN;
        of_half[i]->high50 = there ? read_double(reader) : (double)NAN;
    }
    metrics->base_rate.low = there ? read_double(reader) : (double)NAN;
    metrics->base_rate.high = there ? read_double(reader) : (double)NAN;
}

/* Reads the facts. Format 2 added the delay of the labels, 3 how common a text was, 4 the 50 %
 * bounds and those of the base rate, 5 pairs and the kind. */
static void read_facts(struct bytes_reader *reader, struct model *model, uint32_t version) {
    struct model_facts *facts = &model->facts;
    struct model_metrics *metrics = &model->metrics;
    facts->basis = (enum model_basis)read_u32_up_to(reader, MODEL_BASIS_COUNT - 1);
    facts->split_count = read_u32_up_to(reader, UINT32_MAX);
    facts->passes = read_u32_up_to(reader, UINT32_MAX);
    facts->rows = read_u64(reader, 8);
    facts->yes = read_u64(reader, 8);
    facts->slope_ridge = read_finite(reader);
    facts->bin_ridge = read_finite(reader);
    facts->calibration_slope = read_finite(reader);
    facts->calibration_base = read_finite(reader);
    metrics->rows = read_u64(reader, 8);
    metrics->yes = read_u64(reader, 8);
    metrics->groups = read_u64(reader, 8);
    metrics->auc = read_interval(reader);
    metrics->log_loss = read_interval(reader);
    metrics->calibration_error = read_interval(reader);
    metrics->top_tenth_gain = read_interval(reader);
    metrics->base_rate.value = read_finite(reader);
    model->base = read_finite(reader);
    if (version >= 2) facts->label_delay_ms = (int64_t)read_u64(reader, 8);
    if (version >= 3) facts->text_groups_min = (uint32_t)read_u64(reader, 4);
    read_later_bounds(reader, metrics, version);
    if (version >= 5) facts->pair_ridge = read_finite(reader);
    if (version >= 5) facts->pairs_tried = read_u32_up_to(reader, UINT32_MAX);
    if (version >= 5) facts->kind = (enum model_kind)read_u32_up_to(reader, MODEL_KIND_COUNT - 1);
}

static void *reserve(struct bytes_reader *reader, struct arena *arena, size_t count, size_t bytes) {
    void *at = arena_calloc(arena, count + 1, bytes);
    if (at == NULL) reader->wrong = reader->no_memory = true;
    return at;
}

static void read_edges(struct bytes_reader *reader, struct arena *arena,
                       struct model_feature *feature) {
    double *edges = reserve(reader, arena, feature->known, sizeof *edges);
    for (uint32_t i = 0; !reader->wrong && i + 1 < feature->known; i++) {
        edges[i] = read_finite(reader);
        if (i > 0 && !(edges[i - 1] < edges[i])) reader->wrong = true;
    }
    feature->edges = edges;
}

static void read_texts(struct bytes_reader *reader, struct arena *arena,
                       struct model_feature *feature) {
    struct text *texts = reserve(reader, arena, feature->known, sizeof *texts);
    for (uint32_t i = 0; !reader->wrong && i < feature->known; i++) {
        texts[i] = read_text(reader, arena, LEARN_TEXT_BYTES_MAX);
        if (i > 0 && !reader->wrong && text_compare(texts[i - 1], texts[i]) >= 0)
            reader->wrong = true;
    }
    feature->texts = texts;
}

static void read_feature(struct bytes_reader *reader, struct arena *arena,
                         struct model_feature *feature) {
    feature->name = read_text(reader, arena, LEARN_NAME_BYTES_MAX);
    feature->kind = (enum feature_kind)read_u32_up_to(reader, FEATURE_TEXT);
    feature->known = read_u32_up_to(reader, BIN_TEXTS_MAX);
    feature->importance = read_finite(reader);
    if (feature->kind == FEATURE_NUMBER && feature->known == 0) reader->wrong = true;
    if (reader->wrong) return;
    if (feature->kind == FEATURE_TEXT)
        read_texts(reader, arena, feature);
    else
        read_edges(reader, arena, feature);
    if (reader->wrong) return;
    double *effects = reserve(reader, arena, model_feature_cells(feature), sizeof *effects);
    for (uint32_t i = 0; !reader->wrong && i < model_feature_cells(feature); i++)
        effects[i] = read_finite(reader);
    feature->effects = effects;
}

/* Reads into which part of a pair's side each cell of the feature falls. */
static const uint8_t *read_parts(struct bytes_reader *reader, struct arena *arena,
                                 const struct model_feature *feature, uint32_t *count) {
    uint32_t cells = model_feature_cells(feature);
    *count = read_u32_up_to(reader, PAIR_SIDE_MAX);
    const uint8_t *at = read_bytes(reader, cells);
    uint8_t *parts = reserve(reader, arena, cells, sizeof *parts);
    for (uint32_t c = 0; !reader->wrong && c < cells; c++) {
        if (at[c] >= *count) reader->wrong = true;
        parts[c] = at[c];
    }
    return parts;
}

/* Reads an effect that sums exactly with others. */
static double read_effect(struct bytes_reader *reader) {
    double effect = read_finite(reader);
    if (effect != model_effect_rounded(effect)) reader->wrong = true;
    return effect;
}

static void read_pair(struct bytes_reader *reader, struct model *model, struct model_pair *pair) {
    pair->left = read_u32_up_to(reader, LEARN_FEATURES_MAX);
    pair->right = read_u32_up_to(reader, LEARN_FEATURES_MAX);
    pair->evidence = read_finite(reader);
    pair->importance = read_finite(reader);
    if (pair->left >= pair->right || pair->right >= model->feature_count) reader->wrong = true;
    if (reader->wrong) return;
    struct arena *arena = &model->arena;
    pair->left_part = read_parts(reader, arena, &model->features[pair->left], &pair->left_parts);
    pair->right_part = read_parts(reader, arena, &model->features[pair->right], &pair->right_parts);
    if (reader->wrong) return;
    uint32_t cells = pair->left_parts * pair->right_parts;
    pair->effects = reserve(reader, arena, cells, sizeof *pair->effects);
    for (uint32_t i = 0; !reader->wrong && i < cells; i++) pair->effects[i] = read_effect(reader);
}

static bool is_before(const struct model_pair *a, const struct model_pair *b) {
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

/* Do the base and all effects of features sum exactly? */
static bool sums_exactly(const struct model *model) {
    bool all = model->base == model_effect_rounded(model->base);
    for (uint32_t f = 0; f < model->feature_count; f++) {
        const struct model_feature *feature = &model->features[f];
        for (uint32_t c = 0; c < model_feature_cells(feature); c++)
            all &= feature->effects[c] == model_effect_rounded(feature->effects[c]);
    }
    return all;
}

static void read_pairs(struct bytes_reader *reader, struct model *model) {
    uint32_t count = read_u32_up_to(reader, LEARN_PAIRS_MAX);
    if (reader->wrong) return;
    model->pairs = reserve(reader, &model->arena, count, sizeof *model->pairs);
    if (count > 0 && !reader->wrong && !sums_exactly(model)) reader->wrong = true;
    for (uint32_t k = 0; !reader->wrong && k < count; k++) {
        read_pair(reader, model, &model->pairs[k]);
        if (k > 0 && !is_before(&model->pairs[k - 1], &model->pairs[k])) reader->wrong = true;
    }
    model->pair_count = count;
}

static enum status read_model(struct bytes_reader *reader, struct model *model, uint32_t version) {
    read_facts(reader, model, version);
    model->feature_count = read_u32_up_to(reader, LEARN_FEATURES_MAX);
    if (reader->wrong) return STATUS_CORRUPT;
    model->features = reserve(reader, &model->arena, model->feature_count, sizeof *model->features);
    for (uint32_t f = 0; !reader->wrong && f < model->feature_count; f++) {
        read_feature(reader, &model->arena, &model->features[f]);
    }
    if (version >= 5 && !reader->wrong) read_pairs(reader, model);
    if (reader->no_memory) return STATUS_NO_MEMORY;
    if (reader->wrong) return STATUS_CORRUPT;
    return learner_of(model->facts.kind)->load(model, bytes_rest(reader));
}

static enum status check_head(struct text bytes, struct error *error) {
    const uint8_t *head = (const uint8_t *)bytes.at;
    if (bytes.length < HEAD_BYTES || memcmp(head, magic, sizeof magic) != 0) {
        return error_set(error, STATUS_CORRUPT, "this is no model: it doesn't begin with ATTMODEL");
    }
    size_t body_bytes = bytes.length - HEAD_BYTES;
    if (bytes_load(head + 16, 8) != body_bytes ||
        bytes_load(head + 12, 4) != checksum(bytes.at, bytes.at + HEAD_BYTES, body_bytes)) {
        return error_set(error, STATUS_CORRUPT,
                         "the model's bytes don't match its checksum: train it again");
    }
    uint32_t version = (uint32_t)bytes_load(head + 8, 4);
    if (version > MODEL_FORMAT_VERSION) {
        return error_set(
            error, STATUS_VERSION,
            "the model has format %u and this program reads up to %d: use a newer attune", version,
            MODEL_FORMAT_VERSION);
    }
    if (version == 0)
        return error_set(error, STATUS_CORRUPT, "the model has format 0, which never was");
    return STATUS_OK;
}

enum status model_decode(struct model **out, struct text bytes, struct error *error) {
    *out = NULL;
    enum status status = check_head(bytes, error);
    if (status != STATUS_OK) return status;
    struct model *model = model_create();
    if (model == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory to read a model");
    struct bytes_reader reader = bytes_reader_of(bytes);
    (void)read_bytes(&reader, HEAD_BYTES);
    status = read_model(&reader, model, (uint32_t)bytes_load(bytes.at + 8, 4));
    if (status == STATUS_OK) {
        *out = model;
        return STATUS_OK;
    }
    model_destroy(model);
    return error_set(error, status, "%s",
                     status == STATUS_CORRUPT
                         ? "the model's content is not what a model holds: train it again"
                         : "no memory to read a model");
}
