/* SPDX-License-Identifier: Apache-2.0 */
/* The step of online.h, for four weights at once: the coins of four weights are turned into vectors
 * of one letter each, and back. */
#include "learn/online_internal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define START 30.0f  /* so many of the largest coins are waited for */
#define TINY  1e-30f /* of a weight that has seen no coin, V is 0, too */

typedef float four __attribute__((vector_size(16), aligned(4)));
#ifndef __SSE2__
typedef int32_t mask __attribute__((vector_size(16)));
#endif

static inline four all(float value) {
    return (four){value, value, value, value};
}
#ifdef __SSE2__
static inline four larger(four a, four b) {
    return (four)_mm_max_ps((__m128)a, (__m128)b);
}
static inline four smaller(four a, four b) {
    return (four)_mm_min_ps((__m128)a, (__m128)b);
}
#else
static inline four choose(mask which, four a, four b) {
    return (four)(((mask)a & which) | ((mask)b & ~which));
}
static inline four larger(four a, four b) {
    return choose(a > b, a, b);
}
static inline four smaller(four a, four b) {
    return choose(a < b, a, b);
}
#endif

/* Rows become columns. */
static inline void turn(four at[4]) {
    four a = __builtin_shufflevector(at[0], at[1], 0, 4, 1, 5),
         b = __builtin_shufflevector(at[0], at[1], 2, 6, 3, 7),
         c = __builtin_shufflevector(at[2], at[3], 0, 4, 1, 5),
         d = __builtin_shufflevector(at[2], at[3], 2, 6, 3, 7);
    at[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    at[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    at[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    at[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

/* The step, with letters[] = V, G, L, R; returns w. */
static inline four step(four letters[4], four w, four outcome, four decay) {
    four size = larger(outcome, -outcome), V = decay * letters[0] + outcome,
         G = decay * letters[1] + size, L = larger(letters[2], size),
         R = smaller(larger(letters[3] + outcome * w, all(0)), all(ONLINE_WON_MAX)),
         most = larger(G + L, all(START) * L);
    letters[0] = V;
    letters[1] = G;
    letters[2] = L;
    letters[3] = R;
    w = V * (L + R) / larger(L * most, all(TINY));
    return smaller(larger(w, all(-ONLINE_WEIGHT_MAX)), all(ONLINE_WEIGHT_MAX));
}

void online_bet(struct online *online, float outcome) {
    struct coin *coins = online->coins;
    float *weights = online->w;
    const four decay = all((float)online->decay), size = all(outcome * online->scale);
    for (uint32_t i = 0; i < online->active_count; i += COINS_AT_ONCE) {
        const uint32_t *at = &online->active[i];
        four letters[4], w = {weights[at[0]], weights[at[1]], weights[at[2]], weights[at[3]]}, x;
        memcpy(&x, &online->x[i], sizeof x);
        for (uint32_t k = 0; k < 4; k++) memcpy(&letters[k], &coins[at[k]], sizeof letters[k]);
        turn(letters);
        w = step(letters, w, size * x, decay);
        turn(letters);
        for (uint32_t k = 0; k < 4; k++) {
            memcpy(&coins[at[k]], &letters[k], sizeof letters[k]);
            weights[at[k]] = w[k];
        }
    }
}
