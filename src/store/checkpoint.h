/* SPDX-License-Identifier: Apache-2.0 */
/* store/checkpoint.h -- what was derived from the records below a position, in place of them.
 *
 *   links/17.links  links/18.links  links/19.links      log
 *   └──────────── position 4000801 ┘
 *                 │
 *   links/20.checkpoint      an opening maps it, and replays links/19.links and the log alone
 *
 * The file is an image (base/image.h). Section 1 has the frames below the position as a links file
 * has them, without the records that the sections of the other room stand for: symbols, and what is
 * in force. So an opening does not read the links files below the position at all.
 *
 * It is made by the worker, after a fold, from the one before it and from the records since, in a
 * state of its own: the applier is not asked and does not wait, and what is made is what a replay
 * would make. It is worth its bytes when enough has come: a sixteenth of the records that the last
 * one was made of, or, while the next fold already waits, as many again.
 *
 * It is derived and can be thrown away. Where it is damaged or missing, or of another program, an
 * opening says so in one line of the log and replays all records, and the next writer makes it
 * anew. An erasure removes it together with the records that it rewrites, and makes a new one from
 * them. */
#ifndef STORE_CHECKPOINT_H
#define STORE_CHECKPOINT_H

#include "store/log/frame.h"
#include "store/store_internal.h"

/* Records since the last one, in bytes of links files, for which another one is made; and their
 * share of the records that the last one was made of. */
#define CHECKPOINT_BYTES_DEFAULT (UINT64_C(256) << 10)
#define CHECKPOINT_SHARE         16u

enum store_checkpoint_section { CHECKPOINT_FRAMES = 1 };

/* Opens the one that the manifest names, with room, and checks all but the sections of the other
 * room.
 * STATUS_NOT_FOUND, STATUS_CORRUPT, STATUS_VERSION; the manifest must name one. */
enum status store_checkpoint_image(const struct store *store, struct image *image,
                                   struct error *error) MUST_USE;
/* The frames in section 1, in order. */
enum status store_checkpoint_visit(struct text frames,
                                   enum status (*visit)(void *context,
                                                        const struct frame_view *view,
                                                        struct error *error),
                                   void *context, struct error *error) MUST_USE;
struct text store_checkpoint_frames(const struct image *image);
/* Links files [0, *count) of the manifest have no frame at or above `position`. Looks at each
 * file's first frame, so a file that is missing is noticed. */
enum status store_links_below(struct file_system *fs, const char *directory,
                              const struct manifest *manifest, uint64_t position, uint32_t *count,
                              struct error *error) MUST_USE;

/* Makes one if it is time to. Role held. A failure is told in the log and changes nothing: the
 * caller's work does not depend on it. */
void store_checkpoint_if_due(struct store *store);
/* Makes one from all records, whatever there is. Role held. */
enum status store_checkpoint_anew(struct store *store, struct error *error) MUST_USE;

#endif
