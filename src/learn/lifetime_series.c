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
#include "learn/bytes.h"

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

static void put_fitted(uint64_t *words, const struct fitted *fitted) {
    words[0] = double_bits(fitted->value);
    words[1] = double_bits(fitted->low);
    words[2] = double_bits(fitted->high);
    words[3] = fitted->is_extreme;
}

static bool take_fitted(const uint64_t *words, double most, struct fitted *fitted,
                        double *parameter) {
    *fitted = (struct fitted){double_of_bits(words[0]), double_of_bits(words[1]),
                              double_of_bits(words[2]), words[3] != 0};
    *parameter = fitted->value;
    return fitted->value >= 1 / most && fitted->value <= most && words[3] <= 1;
}

static void put_fit(uint64_t *words, const struct dated_lifetime *fit) {
    const uint64_t head[] = {(uint64_t)fit->as_of_ms,
                             fit->currency,
                             fit->has_spend,
                             fit->other_currency,
                             double_bits(fit->orders.log_likelihood),
                             double_bits(fit->orders.customers),
                             double_bits(fit->orders.repeaters),
                             fit->orders.groups,
                             double_bits(fit->spend.log_likelihood),
                             double_bits(fit->spend.customers)};
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
    fit->orders.log_likelihood = double_of_bits(words[4]);
    fit->orders.customers = double_of_bits(words[5]);
    fit->orders.repeaters = double_of_bits(words[6]);
    fit->orders.groups = words[7];
    fit->spend.log_likelihood = double_of_bits(words[8]);
    fit->spend.customers = double_of_bits(words[9]);
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

static uint32_t checksum(const char *file, size_t bytes) {
    return crc32c(crc32c(0, file + 8, 4), file + 16, bytes - 16);
}

bool lifetime_series_is(struct text bytes) {
    return bytes.length >= sizeof magic && memcmp(bytes.at, magic, sizeof magic) == 0;
}

enum status lifetime_series_encode(const struct lifetime_series *series, struct buffer *out) {
    size_t start = out->length;
    char head[HEAD_BYTES] = {0};
    uint64_t words[WORDS];
    struct bytes_writer writer = {out, STATUS_OK};
    memcpy(head, magic, sizeof magic);
    bytes_store(head + 8, LIFETIME_FORMAT_VERSION, 4);
    bytes_store(head + 16, series->count, 8);
    write_bytes(&writer, head, sizeof head);
    for (uint32_t i = 0; i < series->count; i++) {
        put_fit(words, &series->fits[i]);
        for (uint32_t k = 0; k < WORDS; k++) write_u64(&writer, words[k], 8);
    }
    if (writer.status == STATUS_OK)
        bytes_store(out->at + start + 12, checksum(out->at + start, out->length - start), 4);
    return writer.status;
}

static bool take_fits(struct text bytes, struct lifetime_series *series) {
    uint64_t words[WORDS];
    const char *at = bytes.at + HEAD_BYTES;
    for (uint32_t i = 0; i < series->count; i++) {
        for (uint32_t k = 0; k < WORDS; k++, at += 8) words[k] = bytes_load(at, 8);
        if (!take_fit(words, &series->fits[i])) return false;
        if (i > 0 && series->fits[i - 1].as_of_ms >= series->fits[i].as_of_ms) return false;
    }
    return true;
}

enum status lifetime_series_decode(struct lifetime_series **out, struct text bytes,
                                   struct error *error) {
    *out = NULL;
    bool is_whole = lifetime_series_is(bytes) && bytes.length >= HEAD_BYTES;
    if (is_whole && bytes_load(bytes.at + 8, 4) > LIFETIME_FORMAT_VERSION)
        return error_set(error, STATUS_VERSION, "a newer program made this lifetime model");
    uint64_t count = is_whole ? bytes_load(bytes.at + 16, 8) : 0;
    if (!is_whole || count > LIFETIME_FITS_MAX || bytes.length != HEAD_BYTES + count * WORDS * 8 ||
        bytes_load(bytes.at + 12, 4) != checksum(bytes.at, bytes.length))
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
