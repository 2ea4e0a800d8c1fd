/* SPDX-License-Identifier: Apache-2.0 */
/*   8   decay
 *   8   rows
 *   4   weights, 0 where no row has been learnt
 *       of each: w, V, G, L, R, four bytes each
 *
 * Little-endian, numbers by their bits. */
#include <math.h>

#include "learn/bytes.h"
#include "learn/online_internal.h"

#define COIN_BYTES 20u

enum status online_save(const struct online *online, struct buffer *out) {
    struct bytes_writer writer = {out, STATUS_OK};
    uint32_t count = online->w != NULL ? online->coin_count : 0;
    write_double(&writer, online->decay);
    write_u64(&writer, online->rows, 8);
    write_u64(&writer, count, 4);
    for (uint32_t i = 0; i < count; i++) {
        const struct coin *coin = &online->coins[i];
        write_float(&writer, online->w[i]);
        write_float(&writer, coin->V);
        write_float(&writer, coin->G);
        write_float(&writer, coin->L);
        write_float(&writer, coin->R);
    }
    return writer.status;
}

/* A state that the learner could have come to: sizes are not below 0, and bounds hold. */
static bool is_possible(float w, const struct coin *coin) {
    return fabsf(w) <= ONLINE_WEIGHT_MAX && isfinite(coin->V) && coin->G >= 0 &&
           isfinite(coin->G) && coin->L >= 0 && isfinite(coin->L) && coin->R >= 0 &&
           coin->R <= ONLINE_WON_MAX;
}

static bool read_coin(struct bytes_reader *reader, float *w, struct coin *coin) {
    *w = read_float(reader);
    coin->V = read_float(reader);
    coin->G = read_float(reader);
    coin->L = read_float(reader);
    coin->R = read_float(reader);
    return is_possible(*w, coin);
}

enum status online_load(struct online *online, struct text bytes) {
    struct bytes_reader reader = bytes_reader_of(bytes);
    online->decay = read_double(&reader);
    online->rows = read_u64(&reader, 8);
    uint32_t count = (uint32_t)read_u64(&reader, 4);
    if (reader.wrong || online->w != NULL || !(online->decay > 0 && online->decay <= 1) ||
        reader.left != (uint64_t)count * COIN_BYTES)
        return STATUS_CORRUPT;
    if (count == 0) return online->rows == 0 ? STATUS_OK : STATUS_CORRUPT;
    enum status status = online_begin(online);
    if (status != STATUS_OK) return status;
    if (count != online->coin_count) return STATUS_CORRUPT;
    for (uint32_t i = 0; i < count; i++)
        if (!read_coin(&reader, &online->w[i], &online->coins[i])) return STATUS_CORRUPT;
    return STATUS_OK;
}
