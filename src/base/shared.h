/* SPDX-License-Identifier: Apache-2.0 */
/* base/shared.h -- counts the holders of a thing that never changes once it is made.
 *
 * The struct that is shared begins with a `struct shared`. Whoever makes it is its first holder.
 * Each further holder calls shared_hold while somebody else still holds it, and each one calls
 * shared_drop once; the holder for whom shared_drop answers true frees it. Any thread. */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct shared {
    _Atomic uint32_t holders;
};

static inline void shared_init(struct shared *shared) {
    atomic_init(&shared->holders, 1);
}

static inline void shared_hold(struct shared *shared) {
    atomic_fetch_add_explicit(&shared->holders, 1, memory_order_relaxed);
}

/* True: that was the last holder, and everything that the others did to it is visible here. */
static inline MUST_USE bool shared_drop(struct shared *shared) {
    return atomic_fetch_sub_explicit(&shared->holders, 1, memory_order_acq_rel) == 1;
}

#endif
