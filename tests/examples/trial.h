/* SPDX-License-Identifier: Apache-2.0 */
/* tests/examples/trial.h -- one seed of an example: simulated into a fresh folder, loaded, opened.
 */
#ifndef TESTS_EXAMPLES_TRIAL_H
#define TESTS_EXAMPLES_TRIAL_H

#include "engine/answer/answer.h"
#include "simulator.h"

#define LANDMARK INT64_C(1790000000000) /* as in the simulators */

struct trial {
    char folder[256];
    struct engine *engine;
};
/* The playbook is examples/NAME/playbook.yaml under $ATTUNE_EXAMPLES. Fails the test on any error.
 */
void trial_open(struct trial *trial, const char *example, uint64_t seed);
void trial_close(struct trial *trial); /* removes the folder */
/* $ATTUNE_SEEDS, default 200. */
uint32_t trial_seeds(void);

/* Decides for everybody at LANDMARK; `visit` sees each customer's name and decision. */
void trial_decide(struct trial *trial,
                  void (*visit)(void *context, const char *name, const struct decision *decision),
                  void *context);

#endif
