/* SPDX-License-Identifier: Apache-2.0 */
/*   8   magic "ATTLIFE1"
 *   4   format version
 *   4   CRC32C of the version and of all behind this word
 *   8   number of fits
 *       each fit as WORDS words of 8 bytes
 *
 * Little-endian, doubles by their bits. */
#include "learn/lifetime_series.h"

#include <math.h>

#include "base/hash.h"
#include "base/memory.h"

#define HEAD_BYTES 24
#define OF_FITTED  4
/* A fit gives none beyond these (lifetime_fit.c). */
#define PARAMETER_MAX 1e30
#define SHAPE_MAX     1e12
#define WORDS         (8 + OF_FITTED * (LIFETIME_PARAMETERS + SPEND_PARAMETERS) + 2)

static const char magic[8] = "ATTLIFE1";

const struct dated_lifetime *lifetime_series_at(const struct lifetime_series *series,
                                                int64_t t_ms) {
    for (uint32_t i = series->count; i-- > 0;) {
        if (series->fits[i].as_of_ms <= t_ms) return &series->fits[i];
    }
    return NULL;
}

/* ---- a fit as words ---- */

static uint64_t word_of(double value) {
    uint64_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

static double number_of(uint64_t word) {
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static void put_fitted(uint64_t *words, const struct fitted *fitted) {
    words[0] = word_of(fitted->value);
    words[1] = word_of(fitted->low);
    words[2] = word_of(fitted->high);
    words[3] = fitted->is_extreme;
}

static bool take_fitted(const uint64_t *words, double most, struct fitted *fitted,
                        double *parameter) {
    *fitted = (struct fitted){number_of(words[0]), number_of(words[1]), number_of(words[2]),
                              words[3] != 0};
    *parameter = fitted->value;
    return fitted->value >= 1 / most && fitted->value <= most && words[3] <= 1;
}

static void put_fit(uint64_t *words, const struct dated_lifetime *fit) {
    const uint64_t head[] = {(uint64_t)fit->as_of_ms,
                             fit->currency,
                             fit->has_spend,
                             fit->other_currency,
                             word_of(fit->orders.log_likelihood),
                             word_of(fit->orders.customers),
                             word_of(fit->orders.repeaters),
                             fit->orders.groups,
                             word_of(fit->spend.log_likelihood),
                             word_of(fit->spend.customers)};
    memcpy(words, head, sizeof head);
    words += sizeof head / sizeof *head;
    for (int p = 0; p < LIFETIME_PARAMETERS; p++, words += OF_FITTED)
        put_fitted(words, &fit->orders.fitted[p]);
    for (int p = 0; p < SPEND_PARAMETERS; p++, words += OF_FITTED)
        put_fitted(words, &fit->spend.fitted[p]);
}

static bool take_fit(const uint64_t *words, struct dated_lifetime *fit) {
    bool good = words[1] <= UINT16_MAX && words[2] <= 1;
    *fit = (struct dated_lifetime){.as_of_ms = (int64_t)words[0],
                                   .currency = (uint16_t)words[1],
                                   .has_spend = words[2] != 0,
                                   .other_currency = words[3]};
    fit->orders.log_likelihood = number_of(words[4]);
    fit->orders.customers = number_of(words[5]);
    fit->orders.repeaters = number_of(words[6]);
    fit->orders.groups = words[7];
    fit->spend.log_likelihood = number_of(words[8]);
    fit->spend.customers = number_of(words[9]);
    words += 10;
    for (int p = 0; p < LIFETIME_PARAMETERS; p++, words += OF_FITTED)
        good &= take_fitted(words, p == LIFETIME_ALPHA ? PARAMETER_MAX : SHAPE_MAX,
                            &fit->orders.fitted[p], &fit->orders.lifetime.parameters[p]);
    for (int p = 0; p < SPEND_PARAMETERS && fit->has_spend; p++, words += OF_FITTED)
        good &= take_fitted(words, PARAMETER_MAX, &fit->spend.fitted[p],
                            &fit->spend.spend.parameters[p]);
    return good;
}

/* ---- the file ---- */

static void store(char *at, uint64_t value, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) at[i] = (char)(uint8_t)(value >> (8 * i));
}

static uint64_t load(const char *at, uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) value |= (uint64_t)(uint8_t)at[i] << (8 * i);
    return value;
}

static uint32_t checksum(const char *file, size_t bytes) {
    return crc32c(crc32c(0, file + 8, 4), file + 16, bytes - 16);
}

bool lifetime_series_is(struct text bytes) {
    return bytes.length >= sizeof magic && memcmp(bytes.at, magic, sizeof magic) == 0;
}

enum status lifetime_series_encode(const struct lifetime_series *series, struct buffer *out) {
    size_t start = out->length;
    char head[HEAD_BYTES] = {0}, word[8];
    uint64_t words[WORDS];
    memcpy(head, magic, sizeof magic);
    store(head + 8, LIFETIME_FORMAT_VERSION, 4);
    store(head + 16, series->count, 8);
    enum status status = buffer_append(out, head, sizeof head);
    for (uint32_t i = 0; i < series->count; i++) {
        put_fit(words, &series->fits[i]);
        for (uint32_t k = 0; k < WORDS && status == STATUS_OK; k++) {
            store(word, words[k], 8);
            status = buffer_append(out, word, sizeof word);
        }
    }
    if (status == STATUS_OK)
        store(out->at + start + 12, checksum(out->at + start, out->length - start), 4);
    return status;
}

static bool take_fits(struct text bytes, struct lifetime_series *series) {
    uint64_t words[WORDS];
    const char *at = bytes.at + HEAD_BYTES;
    for (uint32_t i = 0; i < series->count; i++) {
        for (uint32_t k = 0; k < WORDS; k++, at += 8) words[k] = load(at, 8);
        if (!take_fit(words, &series->fits[i])) return false;
        if (i > 0 && series->fits[i - 1].as_of_ms >= series->fits[i].as_of_ms) return false;
    }
    return true;
}

enum status lifetime_series_decode(struct lifetime_series **out, struct text bytes,
                                   struct error *error) {
    *out = NULL;
    bool is_whole = lifetime_series_is(bytes) && bytes.length >= HEAD_BYTES;
    if (is_whole && load(bytes.at + 8, 4) > LIFETIME_FORMAT_VERSION)
        return error_set(error, STATUS_VERSION, "a newer program made this lifetime model");
    uint64_t count = is_whole ? load(bytes.at + 16, 8) : 0;
    if (!is_whole || count > LIFETIME_FITS_MAX || bytes.length != HEAD_BYTES + count * WORDS * 8 ||
        load(bytes.at + 12, 4) != checksum(bytes.at, bytes.length))
        return error_set(error, STATUS_CORRUPT, "the lifetime model is damaged");
    struct lifetime_series *series = memory_calloc(1, sizeof *series);
    if (series == NULL) return STATUS_NO_MEMORY;
    series->count = (uint32_t)count;
    if (!take_fits(bytes, series)) {
        memory_free(series);
        return error_set(error, STATUS_CORRUPT, "the lifetime model is damaged");
    }
    *out = series;
    return STATUS_OK;
}
