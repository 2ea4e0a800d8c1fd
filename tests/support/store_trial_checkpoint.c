/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint of a trial's store: the records of one kind, as they came. */
#include "support/store_trial.h"

#include <stdlib.h>

#define TRIAL_SECTION STORE_CHECKPOINT_TAGS
#define TRIAL_FORMAT  5u

static enum status checkpoint_load(void *context, struct image *image, struct error *error) {
    struct trial_store *open = context;
    uint64_t length;
    const char *at = image_items(image, TRIAL_SECTION, 1, &length);
    if (!at) return error_set(error, STATUS_CORRUPT, "no section");
    size_t start = open->records.length;
    if (buffer_append(&open->records, at, (size_t)length))
        return error_set(error, STATUS_NO_MEMORY, "no memory for a checkpoint");
    for (size_t done = 0; done + 13 <= length;) {
        struct text bytes = {open->records.at + start + done + 13, 0};
        memcpy(&bytes.length, open->records.at + start + done + 9, 4);
        trial_note_operation(open, bytes);
        done += 13 + bytes.length;
    }
    open->checkpoints++;
    image_close(image);
    return STATUS_OK;
}

static enum status checkpoint_begin(void *context, struct image *image, void **state,
                                    struct error *error) {
    (void)context;
    struct trial_store *open = calloc(1, sizeof(*open));
    if (!open) abort();
    buffer_init(&open->records);
    enum status status = image ? checkpoint_load(open, image, error) : STATUS_OK;
    *state = open;
    return status;
}

static enum status checkpoint_add(void *state, struct text bytes, uint64_t position,
                                  struct error *error) {
    return trial_on_record(state, RECORD_IDENTITY, bytes, position, error);
}

static enum status checkpoint_write(void *state, struct image_writer *writer, struct error *error) {
    const struct trial_store *open = state;
    return image_put(writer, TRIAL_SECTION, open->records.at, open->records.length, 1, error);
}

static void checkpoint_end(void *state) {
    struct trial_store *open = state;
    buffer_release(&open->records);
    free(open);
}

struct store_checkpoint_ops trial_checkpoint_ops(struct trial_store *open) {
    return (struct store_checkpoint_ops){
        .kind = RECORD_IDENTITY,
        .format = TRIAL_FORMAT,
        .load = checkpoint_load,
        .begin = checkpoint_begin,
        .add = checkpoint_add,
        .write = checkpoint_write,
        .end = checkpoint_end,
        .context = open,
    };
}
