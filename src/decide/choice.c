/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/choice.h"

#include <math.h>
#include <stdio.h>

#include "base/hash.h"

#define DRAW_SALT UINT64_C(0x9E3779B97F4A7C15)

uint32_t choice_value(double priority, double highest) {
    double value = priority / highest;
    if (!(value > 0)) return 0;
    return value < 1 ? (uint32_t)(value * CHOICE_STEPS + .5) : CHOICE_STEPS;
}

/* z of 95 %, two-sided. */
#define Z  1.959963984540054
#define ZZ (Z * Z)

/* What is the same for all propensities. */
struct wilson {
    double scale, add, inverse, spread;
};
static struct wilson wilson_of(double rows) {
    return (struct wilson){1 / (1 + ZZ / rows), ZZ / (2 * rows), 1 / rows, ZZ / (4 * rows * rows)};
}

/* The middle of the interval, and half its width. */
static inline double wilson(const struct wilson *of, double propensity, double *half) {
    double spread = propensity * (1 - propensity) * of->inverse + of->spread;
    *half = Z * of->scale * sqrt(spread);
    return (propensity + of->add) * of->scale;
}

void choice_uppers(const double *propensity, uint32_t count, double rows, double *out) {
    const struct wilson of = wilson_of(rows);
    for (uint32_t i = 0; i < count; i++) {
        double half, upper = wilson(&of, propensity[i], &half) + half;
        upper = upper < propensity[i] ? propensity[i] : upper;
        out[i] = upper > 1 ? 1 : upper;
    }
}

double choice_upper(double propensity, double rows) {
    double upper;
    choice_uppers(&propensity, 1, rows, &upper);
    return upper;
}

double choice_lower(double propensity, double rows) {
    const struct wilson of = wilson_of(rows);
    double half, lower = wilson(&of, propensity, &half);
    lower -= half;
    return lower < 0 ? 0 : lower > propensity ? propensity : lower;
}

void choice_probabilities(struct choice_draw *draw, const struct choice_candidate *candidates,
                          double gamma, double share) {
    double count = draw->count, floor = share / count, others = 0;
    double best = candidates[draw->candidate[draw->best]].value;
    for (uint32_t i = 0; i < draw->count; i++) {
        double gap = (best - candidates[draw->candidate[i]].value) / CHOICE_STEPS;
        double weighted = 1 / (count + gamma * gap);
        draw->probability[i] = weighted > floor ? weighted : floor;
        if (i != draw->best) others += draw->probability[i];
    }
    draw->probability[draw->best] = 1 - others;
}

bool choice_is_whole(const struct choice_draw *draw) {
    double sum = 0;
    for (uint32_t i = 0; i < draw->count; i++) {
        if (!(draw->probability[i] > 0)) return false;
        sum += draw->probability[i];
    }
    return fabs(sum - 1) <= CHOICE_TOLERANCE && draw->taken < draw->count &&
           draw->best < draw->count;
}

double choice_chance(uint64_t seed, uint32_t number) {
    uint64_t hash = hash_u64(hash_u64(seed) + (number + UINT64_C(1)) * DRAW_SALT);
    return (double)(hash >> 11) * 0x1p-53;
}

uint32_t choice_take(const struct choice_draw *draw, double chance) {
    double end = 0;
    for (uint32_t i = 0; i < draw->count; i++) {
        end += draw->probability[i];
        if (chance < end) return i;
    }
    return draw->best; /* the sum was rounded below 1 */
}

/* ---- writing ---- */

/* The 64 letters of base64url. */
static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
#define NOTHING '.'

void choice_head(double gamma, double share, char out[CHOICE_HEAD_BYTES]) {
    snprintf(out, CHOICE_HEAD_BYTES, "%.17g,%.17g", gamma, share);
}

struct letters_out {
    char *at;
};

static inline void put(struct letters_out *out, uint32_t six_bits) {
    *out->at++ = letters[six_bits & 63];
}

static inline void put_two(struct letters_out *out, uint32_t value) {
    put(out, value >> 6);
    put(out, value);
}

/* Five bits a letter, the lowest first; the sixth says that more come. */
static void put_index(struct letters_out *out, uint32_t index) {
    if (index == CHOICE_NOTHING) {
        *out->at++ = NOTHING;
        return;
    }
    for (; index >= 32; index >>= 5) put(out, (index & 31) | 32);
    put(out, index);
}
#define INDEX_LETTERS_MAX 7

static void put_draw(struct letters_out *out, const struct choice_draw *draw) {
    *out->at++ = ';';
    put(out, draw->at);
    if (draw->rank == CHOICE_NO_RANK)
        *out->at++ = NOTHING;
    else
        put(out, draw->rank);
    put_two(out, draw->candidate[draw->taken]);
    put_two(out, draw->candidate[draw->best]);
    uint32_t bits = 0, from = 0; /* of the six candidates from `from` on */
    for (uint32_t i = 0; i < draw->count; i++) {
        for (; draw->candidate[i] >= from + 6; from += 6, bits = 0) put(out, bits);
        bits |= 1u << (draw->candidate[i] - from);
    }
    put(out, bits);
}

enum status choice_write(const struct choice *choice, struct text head, struct buffer *out) {
    size_t masks = choice->candidate_count / 6 + 1;
    size_t most = head.length + 1 + (size_t)choice->candidate_count * (INDEX_LETTERS_MAX + 2) +
                  choice->draw_count * (masks + 7);
    enum status status = buffer_reserve(out, most);
    if (status != STATUS_OK) return status;
    struct letters_out to = {out->at + out->length};
    for (uint32_t i = 0; i < head.length; i++) *to.at++ = head.at[i];
    *to.at++ = ';';
    for (uint32_t i = 0; i < choice->candidate_count; i++) {
        put_index(&to, choice->candidates[i].treatment);
        put_two(&to, choice->candidates[i].value);
    }
    for (uint32_t i = 0; i < choice->draw_count; i++) {
        if (!choice_is_whole(&choice->draws[i])) return STATUS_INVALID;
        put_draw(&to, &choice->draws[i]);
    }
    out->length = (size_t)(to.at - out->at);
    return STATUS_OK;
}

/* ---- reading ---- */

static bool take_letter(struct text *text, uint32_t *six_bits) {
    if (text->length == 0) return false;
    char c = *text->at;
    if (c >= 'A' && c <= 'Z')
        *six_bits = (uint32_t)(c - 'A');
    else if (c >= 'a' && c <= 'z')
        *six_bits = (uint32_t)(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
        *six_bits = (uint32_t)(c - '0') + 52;
    else if (c == '-' || c == '_')
        *six_bits = c == '-' ? 62 : 63;
    else
        return false;
    text->at++;
    text->length--;
    return true;
}

static bool take_mark(struct text *text, char mark) {
    if (text->length == 0 || *text->at != mark) return false;
    text->at++;
    text->length--;
    return true;
}

static bool take_two(struct text *text, uint32_t *value) {
    uint32_t high, low;
    if (!take_letter(text, &high) || !take_letter(text, &low)) return false;
    *value = high << 6 | low;
    return true;
}

static bool take_index(struct text *text, uint32_t *index) {
    uint32_t letter;
    *index = CHOICE_NOTHING;
    if (take_mark(text, NOTHING)) return true;
    *index = 0;
    for (uint32_t shift = 0; shift < 30; shift += 5) {
        if (!take_letter(text, &letter)) return false;
        *index |= (letter & 31) << shift;
        if (letter < 32) return true;
    }
    return false;
}

static bool take_number(struct text *text, char end, double *out) {
    uint32_t length = 0;
    while (length < text->length && text->at[length] != end) length++;
    if (length == text->length ||
        text_to_double((struct text){text->at, length}, out) != STATUS_OK || !(*out >= 0))
        return false;
    text->at += length + 1;
    text->length -= length + 1;
    return true;
}

enum status choice_reader_init(struct choice_reader *reader, struct text record) {
    reader->left = record;
    reader->candidate_count = 0;
    if (!take_number(&reader->left, ',', &reader->gamma) ||
        !take_number(&reader->left, ';', &reader->share) || reader->share > 1)
        return STATUS_CORRUPT;
    while (reader->left.length > 0 && *reader->left.at != ';') {
        struct choice_candidate *candidate = &reader->candidates[reader->candidate_count];
        if (reader->candidate_count++ == CHOICE_KNOWN_MAX ||
            !take_index(&reader->left, &candidate->treatment) ||
            !take_two(&reader->left, &candidate->value))
            return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

/* Reads which candidates there are, as bits. */
static bool take_members(struct choice_reader *reader, uint32_t taken, uint32_t best,
                         struct choice_draw *out) {
    uint32_t bits;
    out->count = 0;
    out->taken = out->best = CHOICE_CANDIDATES_MAX;
    for (uint32_t from = 0; take_letter(&reader->left, &bits); from += 6) {
        for (uint32_t i = from; bits != 0; i++, bits >>= 1) {
            if ((bits & 1) == 0) continue;
            if (i >= reader->candidate_count || out->count == CHOICE_CANDIDATES_MAX) return false;
            if (i == taken) out->taken = out->count;
            if (i == best) out->best = out->count;
            out->candidate[out->count++] = (uint16_t)i;
        }
    }
    return out->count > 1 && out->taken < out->count && out->best < out->count;
}

enum status choice_next(struct choice_reader *reader, struct choice_draw *out) {
    uint32_t at, rank = CHOICE_NO_RANK, taken, best;
    if (reader->left.length == 0) return STATUS_END;
    bool good = take_mark(&reader->left, ';') && take_letter(&reader->left, &at) &&
                (take_mark(&reader->left, NOTHING) || take_letter(&reader->left, &rank)) &&
                take_two(&reader->left, &taken) && take_two(&reader->left, &best) &&
                take_members(reader, taken, best, out);
    if (!good) return STATUS_CORRUPT;
    out->at = (uint8_t)at;
    out->rank = (uint8_t)rank;
    choice_probabilities(out, reader->candidates, reader->gamma, reader->share);
    return choice_is_whole(out) ? STATUS_OK : STATUS_CORRUPT;
}
