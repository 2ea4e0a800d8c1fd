/* SPDX-License-Identifier: Apache-2.0 */
/* base/image.h -- arrays as they lie in memory, in a file that is written once and then mapped.
 *
 *   header 64 B │ section │ … │ section │ footer │ trailer 64 B
 *
 *   header    magic "att.img\n", format of the file u32 (1), format of the contents u32, position
 *             u64, zeros
 *   section   begins at a multiple of 4,096 bytes, so that it can be mapped as an array; the gap
 *             before it is zeros
 *   footer    32 bytes a section: tag u32, bytes of an item u32, offset u64, bytes u64, checksum
 *             u64 (XXH3-64 of each 1 MB, with the checksum so far as the seed)
 *   trailer   footer's offset u64, sections u64, XXH3-64 of the footer with that of the header as
 *             its seed u64, zeros, magic "att.end\n"
 *
 * It is for what can be made anew: nothing in it is converted, so a program whose items have
 * another size does not find its sections, and makes the file anew. An open image is mapped
 * privately: its owner may change the bytes in place, and only pages that he changes take memory of
 * their own. It may be mapped with room behind each section, so that arrays can grow where they
 * are:
 *
 *   file     │ header │ section 1 │ section 2 │ …
 *   memory   │ section 1 │ zeros … │ section 2 │ zeros … │ …
 *
 * A writer and an open image belong to one thread; sections may be read by any. */
#ifndef BASE_IMAGE_H
#define BASE_IMAGE_H

#include "base/file.h"

#define IMAGE_PAGE_BYTES   ((uint64_t)4096)
#define IMAGE_BLOCK_BYTES  ((size_t)1 << 20)
#define IMAGE_SECTIONS_MAX 80
/* What image_open_with_room promises: `bytes` of a section, as many again, and so many more. The
 * last of them stay unused by arrays that at most double: reading a little too far is harmless. */
#define IMAGE_ROOM_BYTES ((uint64_t)1 << 20)

struct image_section {
    uint32_t tag, item_bytes;
    uint64_t offset, bytes; /* in the file; of an open image: in its mapping */
    uint64_t checksum;
};

struct image_writer {
    struct file_system *fs;
    struct file *file;
    uint8_t *block;  /* IMAGE_BLOCK_BYTES */
    size_t used;     /* of the block */
    uint64_t offset; /* of the block in the file */
    uint64_t header_checksum;
    struct image_section sections[IMAGE_SECTIONS_MAX];
    uint32_t section_count;
};
/* `contents`: the format of what the sections hold; `position`: what they stand for. Both are the
 * owner's. What lies under the path is replaced. */
enum status image_writer_open(struct image_writer *writer, struct file_system *fs, const char *path,
                              uint32_t contents, uint64_t position, struct error *error) MUST_USE;
/* A section: begin, its bytes in order, and the next begin or the finish ends it. A tag is used
 * once. */
enum status image_begin(struct image_writer *writer, uint32_t tag, size_t item_bytes,
                        struct error *error) MUST_USE;
enum status image_add(struct image_writer *writer, const void *bytes, size_t length,
                      struct error *error) MUST_USE;
/* A section of one array. */
enum status image_put(struct image_writer *writer, uint32_t tag, const void *items, size_t count,
                      size_t item_bytes, struct error *error) MUST_USE;
/* Writes footer and trailer and syncs; *bytes: of the file. */
enum status image_finish(struct image_writer *writer, uint64_t *bytes,
                         struct error *error) MUST_USE;
void image_writer_close(struct image_writer *writer); /* always; a zeroed writer is allowed */

struct image {
    struct file_system *fs;
    struct file_mapping mapping;
    uint32_t contents;
    uint64_t position;
    struct image_section sections[IMAGE_SECTIONS_MAX];
    uint32_t section_count;
    bool has_room;
};
/* Maps it and checks every byte. STATUS_NOT_FOUND, STATUS_CORRUPT; STATUS_VERSION where the file
 * has another format than this program writes. */
enum status image_open(struct image *image, struct file_system *fs, const char *path,
                       struct error *error) MUST_USE;
/* The same, with room: behind the items of a section there are zeros, so that there are
 * 2 * bytes + IMAGE_ROOM_BYTES of it in all. They may be written like the items. */
enum status image_open_with_room(struct image *image, struct file_system *fs, const char *path,
                                 struct error *error) MUST_USE;
void image_close(struct image *image); /* a zeroed one is allowed */
/* file_page_out of the mapping: not once something was written to it. */
void image_page_out(const struct image *image);
/* file_detach of all that is the file's. */
enum status image_detach(struct image *image) MUST_USE;
/* The section's items, and how many; NULL where there is none, or its items have another size. An
 * empty section has an address too. */
void *image_items(const struct image *image, uint32_t tag, size_t item_bytes, uint64_t *count);

#endif
