/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <assert.h>
#include <math.h>

static uint64_t rotate_left(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void random_init(struct random *random, uint64_t seed) {
    for (int i = 0; i < 4; i++) random->state[i] = splitmix64(&seed);
}

/* Blackman and Vigna, xoshiro256++ 1.0. */
uint64_t random_u64(struct random *random) {
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Lemire, "Fast Random Integer Generation in an Interval" (2019). */
uint64_t random_below(struct random *random, uint64_t bound) {
    assert(bound > 0);
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)random_u64(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = (0 - bound) % bound;
        while ((uint64_t)product < threshold) product = (wide)random_u64(random) * bound;
    }
    return (uint64_t)(product >> 64);
}

double random_unit(struct random *random) {
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

/* Marsaglia's polar method; the second value is dropped, so that the state is the four words alone.
 */
double random_normal(struct random *random) {
    double x, y, square;
    do {
        x = 2 * random_unit(random) - 1;
        y = 2 * random_unit(random) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * sqrt(-2 * log(square) / square);
}

/* Knuth: multiply uniforms until the product falls below exp(-mean). */
static uint32_t poisson_small(struct random *random, double mean) {
    double floor_product = exp(-mean), product = random_unit(random);
    uint32_t count = 0;
    while (product > floor_product) {
        product *= random_unit(random);
        count++;
    }
    return count;
}

/* Hörmann, "The transformed rejection method for generating Poisson random variables" (1993), PTRS.
 */
static uint32_t poisson_large(struct random *random, double mean) {
    double log_mean = log(mean), b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = random_unit(random) - 0.5, v = random_unit(random), us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + mean + 0.43);
        if (us >= 0.07 && v <= v_r) return (uint32_t)k;
        if (k < 0 || (us < 0.013 && v > us)) continue;
        int sign;
        double accept = -mean + k * log_mean - lgamma_r(k + 1, &sign);
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= accept) return (uint32_t)k;
    }
}

uint32_t random_poisson(struct random *random, double mean) {
    assert(mean >= 0 && mean <= 1000);
    return mean < 30 ? poisson_small(random, mean) : poisson_large(random, mean);
}
