/* SPDX-License-Identifier: Apache-2.0 */
/* base/random.h -- seeded pseudo-random numbers (xoshiro256++, seeded by splitmix64). Never for
 * secrets. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state[4];
};
void random_init(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); /* [0, bound), unbiased; bound > 0 */
double random_unit(struct random *random);                    /* [0, 1) with 53 bits */
double random_normal(struct random *random);                  /* mean 0, variance 1 */
uint32_t random_poisson(struct random *random, double mean);  /* mean <= 1000 */

#endif
