/* SPDX-License-Identifier: Apache-2.0 */
/*   8   decay
 *   8   rows
 *   4   weights, 0 where no row has been learnt
 *       of each: w, V, G, L, R, four bytes each
 *
 * Little-endian, numbers by their bits. */
#include <math.h>

#include "learn/online_internal.h"

#define HEAD_BYTES 20u
#define COIN_BYTES 20u

static enum status put(struct buffer *out, uint64_t bits, uint32_t bytes) {
    uint8_t at[8];
    for (uint32_t i = 0; i < bytes; i++) at[i] = (uint8_t)(bits >> (8 * i));
    return buffer_append(out, at, bytes);
}

static enum status put_float(struct buffer *out, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put(out, bits, sizeof bits);
}

enum status online_save(const struct online *online, struct buffer *out) {
    uint32_t count = online->w != NULL ? online->coin_count : 0;
    uint64_t decay;
    memcpy(&decay, &online->decay, sizeof decay);
    enum status status = put(out, decay, 8);
    if (status == STATUS_OK) status = put(out, online->rows, 8);
    if (status == STATUS_OK) status = put(out, count, 4);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct coin *coin = &online->coins[i];
        const float values[] = {online->w[i], coin->V, coin->G, coin->L, coin->R};
        for (size_t k = 0; k < 5 && status == STATUS_OK; k++) status = put_float(out, values[k]);
    }
    return status;
}

static uint64_t get(const char *at, uint32_t bytes) {
    uint64_t bits = 0;
    for (uint32_t i = 0; i < bytes; i++) bits |= (uint64_t)(uint8_t)at[i] << (8 * i);
    return bits;
}

static float get_float(const char *at) {
    uint32_t bits = (uint32_t)get(at, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A state that the learner could have come to: sizes are not below 0, and bounds hold. */
static bool is_possible(float w, const struct coin *coin) {
    return fabsf(w) <= ONLINE_WEIGHT_MAX && isfinite(coin->V) && coin->G >= 0 &&
           isfinite(coin->G) && coin->L >= 0 && isfinite(coin->L) && coin->R >= 0 &&
           coin->R <= ONLINE_WON_MAX;
}

enum status online_load(struct online *online, struct text bytes) {
    if (bytes.length < HEAD_BYTES || online->w != NULL) return STATUS_CORRUPT;
    uint64_t bits = get(bytes.at, 8);
    memcpy(&online->decay, &bits, sizeof online->decay);
    online->rows = get(bytes.at + 8, 8);
    uint32_t count = (uint32_t)get(bytes.at + 16, 4);
    if (!(online->decay > 0 && online->decay <= 1)) return STATUS_CORRUPT;
    if (count == 0)
        return bytes.length == HEAD_BYTES && online->rows == 0 ? STATUS_OK : STATUS_CORRUPT;
    enum status status = online_begin(online);
    if (status != STATUS_OK) return status;
    if (count != online->coin_count || bytes.length - HEAD_BYTES != (uint64_t)count * COIN_BYTES)
        return STATUS_CORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        const char *at = bytes.at + HEAD_BYTES + (size_t)i * COIN_BYTES;
        online->w[i] = get_float(at);
        online->coins[i] = (struct coin){get_float(at + 4), get_float(at + 8), get_float(at + 12),
                                         get_float(at + 16)};
        if (!is_possible(online->w[i], &online->coins[i])) return STATUS_CORRUPT;
    }
    return STATUS_OK;
}
