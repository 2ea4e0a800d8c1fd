/* SPDX-License-Identifier: Apache-2.0 */
/* The store keeps the checkpoint, identity knows what is in it. */
#include "engine/checkpoint.h"

#include <assert.h>

#include "identity/checkpoint.h"

static_assert(CHECKPOINT_TAGS >= STORE_CHECKPOINT_TAGS, "identity leaves the store its tags");
static_assert(IDENTITY_RECORD_KIND == RECORD_IDENTITY, "one number for identity's records");

static enum status load(void *context, struct image *image, struct error *error) {
    return checkpoint_open(context, image, error);
}

static enum status begin(void *context, struct image *image, void **state, struct error *error) {
    struct identity *identity = NULL;
    enum status status = checkpoint_begin(&identity, context, image, error);
    *state = identity;
    return status;
}

static enum status add(void *state, struct text bytes, uint64_t position, struct error *error) {
    return identity_apply(state, bytes, position, error);
}

static enum status write(void *state, struct image_writer *writer, struct error *error) {
    return checkpoint_write(state, writer, error);
}

static void end(void *state) {
    identity_destroy(state);
}

struct store_checkpoint_ops engine_checkpoint_ops(struct identity *identity) {
    return (struct store_checkpoint_ops){
        .kind = RECORD_IDENTITY,
        .format = CHECKPOINT_FORMAT,
        .load = load,
        .begin = begin,
        .add = add,
        .write = write,
        .end = end,
        .context = identity,
    };
}
