/* SPDX-License-Identifier: Apache-2.0 */
/* identity/checkpoint.h -- the identity as it stands after so many records, as an image: mapped and
 * not replayed.
 *
 *   records 0 … n-1 ──identity_apply──► identity ──checkpoint_write──► image
 *                                                                        │ checkpoint_open
 *   records n … ─────identity_apply──────────────────────────────► identity, the same as if all
 *                                                                  records had been replayed
 *
 * An image holds the arrays of the identity as they lie in memory: identifiers and personas with
 * their texts and hash slots, the forest with every version of every edge, links with their
 * verdicts, withdrawals, the rules by the time of their change, what is suppressed, and names that
 * wait. It has none of what a replay would not bring back either: what was counted of a day, and
 * what was noted to save work.
 *
 * It is derived. Whoever keeps it says up to which record it goes, throws it away when a record
 * below that is rewritten (an erasure), and makes it anew by replaying the records. An image of
 * another program or with another layout is refused with STATUS_VERSION, and that is no damage.
 *
 * The identity uses the image's bytes in place and changes them in memory alone. checkpoint_detach
 * copies what is left of them, after an erasure: the file has still the bytes that were erased. */
#ifndef IDENTITY_CHECKPOINT_H
#define IDENTITY_CHECKPOINT_H

#include "base/image.h"
#include "identity/identity.h"

/* What image_writer_open is to be told of the contents. It changes with every change of what the
 * arrays mean; a change of their sizes is noticed without it. */
#define CHECKPOINT_FORMAT 2

/* Tags from CHECKPOINT_TAGS on are used for sections; lower ones are the caller's. */
#define CHECKPOINT_TAGS 16

/* Adds the identity's sections. No call may be under way. STATUS_IO and whatever the file system
 * returns. */
enum status checkpoint_write(const struct identity *identity, struct image_writer *writer,
                             struct error *error) MUST_USE;

/* An identity of its own with the options of `like`, to make a checkpoint with: as the image says
 * (checkpoint_open), or, with NULL, before the first record. Any thread. */
enum status checkpoint_begin(struct identity **out, const struct identity *like,
                             struct image *image, struct error *error) MUST_USE;

/* Makes an identity that has applied nothing yet (identity_create, no rules set) what the image
 * holds, and takes the image over: *image is zeroed, and closed with the identity. It must be open
 * with room (image_open_with_room): arrays that grow do so where they are. Every index, offset and
 * length is checked, so that no bytes whatever lead outside of the arrays.
 *   STATUS_CORRUPT, STATUS_VERSION, STATUS_NO_MEMORY: the identity is as it was, and the image is
 *   the caller's still */
enum status checkpoint_open(struct identity *identity, struct image *image,
                            struct error *error) MUST_USE;

/* Copies all that still lies in the image, and closes it. Any reader may go on meanwhile; the
 * applier calls it, outside of a call. Nothing to do: STATUS_OK. */
enum status checkpoint_detach(struct identity *identity) MUST_USE;

#endif
