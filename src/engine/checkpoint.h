/* SPDX-License-Identifier: Apache-2.0 */
/* engine/checkpoint.h -- the store's checkpoint is one of who is who. */
#ifndef ENGINE_CHECKPOINT_H
#define ENGINE_CHECKPOINT_H

#include "identity/identity.h"
#include "store/store.h"

/* For store_options.checkpoint. Opening fills `identity`, which must be new; what is made later is
 * made in an identity of its own, so that `identity` is read for its options alone. */
struct store_checkpoint_ops engine_checkpoint_ops(struct identity *identity);

#endif
