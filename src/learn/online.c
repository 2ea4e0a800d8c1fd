/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/online.h"

#include <math.h>

#include "base/memory.h"
#include "learn/calibration.h"
#include "learn/online_internal.h"
#include "learn/training_set.h"

#define SCALE     3.5
#define TEXTS_MAX 65533u

#define CELL_MISSING ONLINE_BINS_MAX /* of a number, behind its bins */
#define CELL_TREND   (ONLINE_BINS_MAX + 1)
#define NUMBER_COINS (ONLINE_BINS_MAX + 2)

/* ---- features ---- */

static enum status add_feature(struct online *online, const struct feature *feature,
                               struct online_feature *out) {
    *out = (struct online_feature){.kind = feature->kind};
    out->name = arena_text(&online->arena, feature->name);
    if (feature->name.length > 0 && out->name.at == NULL) return STATUS_NO_MEMORY;
    if (feature->kind == FEATURE_TEXT) return STATUS_OK;
    out->number = arena_calloc(&online->arena, 1, sizeof *out->number);
    if (out->number == NULL) return STATUS_NO_MEMORY;
    out->number->bin_count = 1;
    for (uint32_t i = 0; i < ONLINE_BINS_MAX; i++) out->number->edges[i] = INFINITY;
    return STATUS_OK;
}

enum status online_create(struct online **out, const struct feature *features, uint32_t count,
                          double decay) {
    if (count > LEARN_FEATURES_MAX || !(decay >= 0 && decay <= 1)) return STATUS_INVALID;
    struct online *online = memory_calloc(1, sizeof *online);
    if (online == NULL) return STATUS_NO_MEMORY;
    arena_init(&online->arena, ONLINE_BYTES_MAX);
    online->decay = decay > 0 ? decay : ONLINE_DECAY;
    online->feature_count = count;
    online->features = arena_calloc(&online->arena, count + 1, sizeof *online->features);
    online->firsts = arena_calloc(&online->arena, count + 1, sizeof *online->firsts);
    bool all = online->features != NULL && online->firsts != NULL;
    enum status status = all ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < count && status == STATUS_OK; f++)
        status = add_feature(online, &features[f], &online->features[f]);
    if (status != STATUS_OK) {
        online_destroy(online);
        return status;
    }
    *out = online;
    return STATUS_OK;
}

enum status online_create_cells(struct online **out, const uint32_t *cells, uint32_t count,
                                double decay) {
    struct feature *features = memory_calloc((size_t)count + 1, sizeof *features);
    if (features == NULL) return STATUS_NO_MEMORY;
    for (uint32_t f = 0; f < count; f++) features[f].kind = FEATURE_TEXT;
    enum status status = online_create(out, features, count, decay);
    memory_free(features);
    for (uint32_t f = 0; f < count && status == STATUS_OK; f++)
        (*out)->features[f].cells = cells[f];
    return status;
}

void online_destroy(struct online *online) {
    if (online == NULL) return;
    arena_release(&online->arena);
    memory_free(online);
}

/* The place of a text among the sorted ones; *found: it stands there. */
static uint32_t search(const struct online_text *texts, struct text text, bool *found) {
    uint32_t low = 0, high = texts->count;
    *found = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(texts->texts[texts->sorted[middle]], text);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum status grow(struct online *online, struct online_text *texts) {
    uint32_t room = texts->room > 0 ? 2 * texts->room : 16;
    struct text *copies = arena_alloc(&online->arena, room * sizeof *copies);
    uint32_t *sorted = arena_alloc(&online->arena, room * sizeof *sorted);
    if (copies == NULL || sorted == NULL) return STATUS_NO_MEMORY;
    if (texts->count > 0) {
        memcpy(copies, texts->texts, texts->count * sizeof *copies);
        memcpy(sorted, texts->sorted, texts->count * sizeof *sorted);
    }
    texts->texts = copies;
    texts->sorted = sorted;
    texts->room = room;
    return STATUS_OK;
}

enum status online_declare(struct online *online, uint32_t feature, struct text text) {
    if (online->w != NULL || feature >= online->feature_count ||
        online->features[feature].kind != FEATURE_TEXT || text.length > LEARN_TEXT_BYTES_MAX)
        return STATUS_INVALID;
    struct online_text *texts = &online->features[feature].text;
    bool found;
    uint32_t at = search(texts, text, &found);
    if (found) return STATUS_OK;
    if (texts->count == TEXTS_MAX) return STATUS_LIMIT;
    enum status status = texts->count == texts->room ? grow(online, texts) : STATUS_OK;
    if (status != STATUS_OK) return status;
    struct text copy = arena_text(&online->arena, text);
    if (text.length > 0 && copy.at == NULL) return STATUS_NO_MEMORY;
    memmove(&texts->sorted[at + 1], &texts->sorted[at],
            (texts->count - at) * sizeof *texts->sorted);
    texts->sorted[at] = texts->count;
    texts->texts[texts->count++] = copy;
    return STATUS_OK;
}

/* The weights of a row: the intercept, a cell of each feature, then a trend of each number, and as
 * many that belong to nobody as make the last COINS_AT_ONCE full. */
static enum status lay_out_active(struct online *online, uint32_t numbers) {
    uint32_t count = online->feature_count + 1, room = count + numbers,
             spare = (0u - room) % COINS_AT_ONCE, next = online->coin_count;
    online->scale = (float)fmin(1, SCALE / sqrt((double)room));
    online->active_count = room + spare;
    online->active = arena_calloc(&online->arena, room + spare, sizeof *online->active);
    online->x = arena_calloc(&online->arena, room + spare, sizeof *online->x);
    if (online->active == NULL || online->x == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) online->x[i] = 1;
    for (uint32_t f = 0; f < online->feature_count; f++)
        if (online->features[f].kind == FEATURE_NUMBER)
            online->active[count++] = online->firsts[f] + CELL_TREND;
    while (count < online->active_count) online->active[count++] = next++;
    return STATUS_OK;
}

enum status online_begin(struct online *online) {
    uint32_t count = 1, numbers = 0;
    for (uint32_t f = 0; f < online->feature_count; f++) {
        const struct online_feature *feature = &online->features[f];
        online->firsts[f] = count;
        numbers += feature->kind == FEATURE_NUMBER;
        count += feature->cells > 0              ? feature->cells
                 : feature->kind == FEATURE_TEXT ? feature->text.count + 2
                                                 : NUMBER_COINS;
    }
    online->coin_count = count;
    size_t room = (size_t)count + COINS_AT_ONCE;
    online->coins = arena_calloc(&online->arena, room, sizeof *online->coins);
    float *w = arena_calloc(&online->arena, room, sizeof *w);
    if (online->coins == NULL || w == NULL) return STATUS_NO_MEMORY;
    enum status status = lay_out_active(online, numbers);
    if (status == STATUS_OK) online->w = w;
    return status;
}

uint32_t online_cell(const struct online *online, uint32_t feature, struct value value) {
    const struct online_feature *of = &online->features[feature];
    if (of->kind == FEATURE_TEXT) {
        bool found;
        if (value.type != VALUE_TEXT) return of->text.count + 1;
        uint32_t at = search(&of->text, value.text, &found);
        return found ? of->text.sorted[at] : of->text.count;
    }
    double number = value_as_number(value);
    return isfinite(number) ? online_number_bin(of->number, number) : CELL_MISSING;
}

uint64_t online_rows(const struct online *online) {
    return online->rows;
}

/* ---- one row ---- */

/* A sum is made of several, weight i in sum i mod COINS_AT_ONCE, so that one addition need not wait
 * for the other. */
static inline float sum_of(const float sums[COINS_AT_ONCE]) {
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* 0 for what has no trend. */
static float trend_of(const struct online *online, uint32_t feature, struct value value) {
    double number = value_as_number(value);
    return isfinite(number) ? (float)online_number_trend(online->features[feature].number, number)
                            : 0;
}

double online_predict(const struct online *online, const struct value *values) {
    if (online->w == NULL) return propensity_of(0);
    float sums[COINS_AT_ONCE] = {online->w[0]};
    uint32_t trends = online->feature_count + 1;
    for (uint32_t f = 0; f < online->feature_count; f++)
        sums[(f + 1) % COINS_AT_ONCE] +=
            online->w[online->firsts[f] + online_cell(online, f, values[f])];
    for (uint32_t f = 0; f < online->feature_count; f++)
        if (online->features[f].kind == FEATURE_NUMBER)
            sums[trends++ % COINS_AT_ONCE] +=
                online->w[online->firsts[f] + CELL_TREND] * trend_of(online, f, values[f]);
    return propensity_of((double)(sum_of(sums) * online->scale));
}

/* Lists the weights of a row, and what each is multiplied with. */
static void list_active(struct online *online, const struct value *values) {
    uint32_t trends = online->feature_count + 1;
    for (uint32_t f = 0; f < online->feature_count; f++) {
        online->active[f + 1] = online->firsts[f] + online_cell(online, f, values[f]);
        if (online->features[f].kind == FEATURE_NUMBER)
            online->x[trends++] = trend_of(online, f, values[f]);
    }
}

/* The numbers move their bins after the row is learnt, so that it is learnt where it was predicted.
 */
static void note_numbers(struct online *online, const struct value *values) {
    for (uint32_t f = 0; f < online->feature_count; f++) {
        if (online->features[f].kind == FEATURE_TEXT) continue;
        double number = value_as_number(values[f]);
        if (isfinite(number)) online_number_add(online, f, number);
    }
}

/* Learns a row whose weights are listed; returns what was predicted. */
static double learn_active(struct online *online, double offset, bool yes, double weight) {
    float sums[COINS_AT_ONCE] = {0};
    for (uint32_t i = 0; i < online->active_count; i += COINS_AT_ONCE)
        for (uint32_t k = 0; k < COINS_AT_ONCE; k++)
            sums[k] += online->w[online->active[i + k]] * online->x[i + k];
    double predicted = propensity_of(offset + (double)(sum_of(sums) * online->scale));
    online_bet(online, (float)((yes - predicted) * (weight < 1 ? weight : 1)));
    online->rows++;
    return predicted;
}

double online_learn(struct online *online, const struct value *values, bool yes, double weight) {
    if (!(weight > 0) || (online->w == NULL && online_begin(online) != STATUS_OK))
        return online_predict(online, values);
    list_active(online, values);
    double predicted = learn_active(online, 0, yes, weight);
    note_numbers(online, values);
    return predicted;
}

double online_learn_cells(struct online *online, const uint16_t *cells, double offset, bool yes) {
    if (online->w == NULL && online_begin(online) != STATUS_OK) return propensity_of(offset);
    for (uint32_t f = 0; f < online->feature_count; f++)
        online->active[f + 1] = online->firsts[f] + cells[f];
    return learn_active(online, offset, yes, 1);
}

double online_effect(const struct online *online, uint32_t feature, uint32_t cell) {
    if (online->w == NULL) return 0;
    uint32_t at = feature == ONLINE_INTERCEPT ? 0 : online->firsts[feature] + cell;
    return (double)(online->w[at] * online->scale);
}
