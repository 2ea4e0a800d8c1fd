/* SPDX-License-Identifier: Apache-2.0 */
/* support/producers.h -- several producers on one open engine, each with a sequence of batches, and
 * what of them is there.
 *
 * Batch n of a producer has 1 + n % 7 events of one customer, at n minutes past the start. So each
 * batch is found again by the times of the customer's events, and half a batch shows. A producer
 * sends one batch after the other and waits for each: what is there of it is a prefix of its
 * sequence, which ends behind the last batch that was acknowledged, or one later. */
#ifndef SUPPORT_PRODUCERS_H
#define SUPPORT_PRODUCERS_H

#include "engine/engine.h"

#define PRODUCERS_MAX 8u

extern const char producers_playbook[];

struct producers {
    struct engine *engine;
    uint32_t count;
    uint64_t next[PRODUCERS_MAX];         /* the next batch of each */
    uint64_t acknowledged[PRODUCERS_MAX]; /* batches that were, of each */
    uint64_t most;                        /* each ends before this batch */
    /* Called by the producer's thread when a batch is durable; may be NULL. */
    void (*told)(void *context, uint32_t producer, uint64_t batch);
    void *context;
};
/* Runs them, each in its thread, until each has sent its batches or one of its batches failed. */
void producers_run(struct producers *producers);
/* What is there of each must be such a prefix; sets `next` behind it. False: `why` says what is
 * wrong. */
bool producers_verify(struct producers *producers, char why[256]);

#endif
