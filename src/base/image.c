/* SPDX-License-Identifier: Apache-2.0 */
#include "base/image.h"

#include <assert.h>
#include "base/hash.h"
#include "base/memory.h"

#define IMAGE_MAGIC         UINT64_C(0x0a676d692e747461) /* "att.img\n" */
#define IMAGE_TRAILER_MAGIC UINT64_C(0x0a646e652e747461) /* "att.end\n" */
#define IMAGE_FORMAT        1u

struct image_header {
    uint64_t magic;
    uint32_t format, contents;
    uint64_t position, zeros[5];
};
struct image_trailer {
    uint64_t footer_offset, section_count, checksum;
    uint64_t zeros[4];
    uint64_t magic;
};
static_assert(sizeof(struct image_header) == 64 && sizeof(struct image_trailer) == 64,
              "header and trailer have 64 bytes");
static_assert(sizeof(struct image_section) == 32, "a footer has 32 bytes a section");

/* ---- writing ---- */

enum status image_writer_open(struct image_writer *writer, struct file_system *fs, const char *path,
                              uint32_t contents, uint64_t position, struct error *error) {
    *writer = (struct image_writer){.fs = fs};
    writer->block = memory_alloc(IMAGE_BLOCK_BYTES);
    if (!writer->block)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", path);
    /* What an earlier attempt left under this name never counted. */
    enum status status = file_remove(fs, path, error);
    if (status && status != STATUS_NOT_FOUND) return status;
    status = file_open(fs, path, FILE_CREATE_NEW, &writer->file, error);
    if (status) return status;
    const struct image_header header = {
        .magic = IMAGE_MAGIC, .format = IMAGE_FORMAT, .contents = contents, .position = position};
    writer->header_checksum = hash_bytes(&header, sizeof(header), 0);
    memcpy(writer->block, &header, sizeof(header));
    writer->used = sizeof(header);
    return STATUS_OK;
}

static enum status write_block(struct image_writer *writer, struct error *error) {
    enum status status = file_write(writer->file, writer->block, writer->used, error);
    writer->offset += writer->used;
    writer->used = 0;
    return status;
}

/* Ends the section under way, if there is one, and fills its last page. */
static enum status end_section(struct image_writer *writer, struct error *error) {
    if (writer->section_count > 0) {
        struct image_section *section = &writer->sections[writer->section_count - 1];
        section->bytes = writer->offset + writer->used - section->offset;
        if (writer->used > 0)
            section->checksum = hash_bytes(writer->block, writer->used, section->checksum);
    }
    size_t over = (size_t)((writer->offset + writer->used) % IMAGE_PAGE_BYTES);
    size_t gap = over ? (size_t)IMAGE_PAGE_BYTES - over : 0;
    /* A block is whole pages, so a part of a page has room for the rest of it. */
    memset(writer->block + writer->used, 0, gap);
    writer->used += gap;
    return write_block(writer, error);
}

enum status image_begin(struct image_writer *writer, uint32_t tag, size_t item_bytes,
                        struct error *error) {
    assert(writer->section_count < IMAGE_SECTIONS_MAX && item_bytes > 0);
    enum status status = end_section(writer, error);
    writer->sections[writer->section_count++] = (struct image_section){
        .tag = tag, .item_bytes = (uint32_t)item_bytes, .offset = writer->offset};
    return status;
}

enum status image_add(struct image_writer *writer, const void *bytes, size_t length,
                      struct error *error) {
    struct image_section *section = &writer->sections[writer->section_count - 1];
    const uint8_t *at = bytes;
    while (length > 0) {
        size_t room = IMAGE_BLOCK_BYTES - writer->used, part = length < room ? length : room;
        memcpy(writer->block + writer->used, at, part);
        writer->used += part;
        at += part;
        length -= part;
        if (writer->used < IMAGE_BLOCK_BYTES) break;
        section->checksum = hash_bytes(writer->block, writer->used, section->checksum);
        enum status status = write_block(writer, error);
        if (status) return status;
    }
    return STATUS_OK;
}

enum status image_put(struct image_writer *writer, uint32_t tag, const void *items, size_t count,
                      size_t item_bytes, struct error *error) {
    enum status status = image_begin(writer, tag, item_bytes, error);
    return status ? status : image_add(writer, items, count * item_bytes, error);
}

enum status image_finish(struct image_writer *writer, uint64_t *bytes, struct error *error) {
    enum status status = end_section(writer, error);
    if (status) return status;
    size_t length = writer->section_count * sizeof(*writer->sections);
    const struct image_trailer trailer = {
        .footer_offset = writer->offset,
        .section_count = writer->section_count,
        .checksum = hash_bytes(writer->sections, length, writer->header_checksum),
        .magic = IMAGE_TRAILER_MAGIC,
    };
    status = file_write(writer->file, writer->sections, length, error);
    if (!status) status = file_write(writer->file, &trailer, sizeof(trailer), error);
    if (!status) status = file_sync(writer->file, error);
    *bytes = writer->offset + length + sizeof(trailer);
    return status;
}

void image_writer_close(struct image_writer *writer) {
    if (writer->file) file_close(writer->file);
    memory_free(writer->block);
    *writer = (struct image_writer){.fs = writer->fs};
}

/* ---- reading ---- */

static uint64_t section_checksum(const uint8_t *bytes, uint64_t length) {
    uint64_t checksum = 0;
    for (uint64_t at = 0; at < length; at += IMAGE_BLOCK_BYTES) {
        uint64_t left = length - at;
        checksum = hash_bytes(
            bytes + at, left < IMAGE_BLOCK_BYTES ? (size_t)left : IMAGE_BLOCK_BYTES, checksum);
    }
    return checksum;
}

static bool are_zeros(const uint8_t *bytes, uint64_t from, uint64_t to) {
    while (from < to && bytes[from] == 0) from++;
    return from >= to;
}

/* The bytes that a section takes in the file: whole pages. */
static uint64_t whole_pages(uint64_t bytes) {
    return (bytes + IMAGE_PAGE_BYTES - 1) / IMAGE_PAGE_BYTES * IMAGE_PAGE_BYTES;
}

/* Sections lie one behind the other, and end where the footer begins. */
static bool places_are_sound(const struct image *image, uint64_t end) {
    uint64_t at = whole_pages(sizeof(struct image_header));
    for (uint32_t i = 0; i < image->section_count; i++) {
        const struct image_section *section = &image->sections[i];
        if (section->offset != at || section->offset > end ||
            section->bytes > end - section->offset || section->item_bytes == 0 ||
            section->bytes % section->item_bytes)
            return false;
        at += whole_pages(section->bytes);
    }
    return at == end;
}

/* The bytes have their checksum, and zeros fill the last page. */
static bool sections_are_sound(const struct image *image) {
    for (uint32_t i = 0; i < image->section_count; i++) {
        const struct image_section *section = &image->sections[i];
        const uint8_t *bytes = image->mapping.at + section->offset;
        if (section_checksum(bytes, section->bytes) != section->checksum ||
            !are_zeros(bytes, section->bytes, whole_pages(section->bytes)))
            return false;
    }
    return true;
}

/* Header, trailer and footer. */
static enum status read_footer(struct image *image) {
    const uint8_t *bytes = image->mapping.at;
    uint64_t length = image->mapping.length;
    struct image_header header;
    struct image_trailer trailer;
    if (length < sizeof(header) + sizeof(trailer)) return STATUS_CORRUPT;
    memcpy(&header, bytes, sizeof(header));
    memcpy(&trailer, bytes + length - sizeof(trailer), sizeof(trailer));
    if (header.magic != IMAGE_MAGIC || trailer.magic != IMAGE_TRAILER_MAGIC) return STATUS_CORRUPT;
    if (header.format != IMAGE_FORMAT) return STATUS_VERSION;
    uint64_t end = trailer.footer_offset, footer = trailer.section_count * sizeof(*image->sections);
    if (trailer.section_count > IMAGE_SECTIONS_MAX || end < IMAGE_PAGE_BYTES || end > length ||
        length - end != footer + sizeof(trailer))
        return STATUS_CORRUPT;
    uint64_t seed = hash_bytes(&header, sizeof(header), 0);
    if (hash_bytes(bytes + end, (size_t)footer, seed) != trailer.checksum ||
        !are_zeros((const uint8_t *)trailer.zeros, 0, sizeof(trailer.zeros)) ||
        !are_zeros(bytes, sizeof(header), IMAGE_PAGE_BYTES))
        return STATUS_CORRUPT;
    memcpy(image->sections, bytes + end, (size_t)footer);
    image->section_count = (uint32_t)trailer.section_count;
    image->contents = header.contents;
    image->position = header.position;
    return places_are_sound(image, end) ? STATUS_OK : STATUS_CORRUPT;
}

/* Maps the file anew, its sections apart. */
static enum status make_room(struct image *image, const char *path, struct error *error) {
    struct file_piece pieces[IMAGE_SECTIONS_MAX];
    uint64_t at = 0;
    for (uint32_t i = 0; i < image->section_count; i++) {
        struct image_section *section = &image->sections[i];
        pieces[i] = (struct file_piece){
            .offset = section->offset,
            .length = (size_t)whole_pages(section->bytes),
            .room = (size_t)whole_pages(2 * section->bytes + IMAGE_ROOM_BYTES),
        };
        section->offset = at;
        at += pieces[i].room;
    }
    file_unmap(image->fs, &image->mapping);
    image->has_room = true;
    return file_map_pieces(image->fs, path, pieces, image->section_count, &image->mapping, error);
}

static enum status open_image(struct image *image, bool with_room, const char *path,
                              struct error *error) {
    enum status status = file_map_private(image->fs, path, &image->mapping, error);
    if (status) return status;
    status = read_footer(image);
    if (status == STATUS_OK && with_room && image->section_count > 0) {
        status = make_room(image, path, error);
        if (status) return status;
    }
    if (status == STATUS_OK && !sections_are_sound(image)) status = STATUS_CORRUPT;
    if (status == STATUS_OK) return STATUS_OK;
    return error_set(error, status, "%s: %s", path,
                     status == STATUS_VERSION ? "has another format than this program writes"
                                              : "is damaged or cut");
}

enum status image_open(struct image *image, struct file_system *fs, const char *path,
                       struct error *error) {
    *image = (struct image){.fs = fs};
    enum status status = open_image(image, false, path, error);
    if (status) image_close(image);
    return status;
}

enum status image_open_with_room(struct image *image, struct file_system *fs, const char *path,
                                 struct error *error) {
    *image = (struct image){.fs = fs};
    enum status status = open_image(image, true, path, error);
    if (status) image_close(image);
    return status;
}

void image_close(struct image *image) {
    if (image->mapping.at) file_unmap(image->fs, &image->mapping);
    *image = (struct image){.fs = image->fs};
}

void image_page_out(const struct image *image) {
    file_page_out(image->fs, &image->mapping);
}

/* With room only the sections are the file's. What has grown behind them stays as it is. */
enum status image_detach(struct image *image) {
    enum status status = STATUS_OK;
    if (!image->has_room) return file_detach(image->fs, &image->mapping);
    for (uint32_t i = 0; status == STATUS_OK && i < image->section_count; i++) {
        const struct image_section *section = &image->sections[i];
        struct file_mapping part = {.at = image->mapping.at + section->offset,
                                    .length = (size_t)whole_pages(section->bytes)};
        if (part.length > 0) status = file_detach(image->fs, &part);
    }
    return status;
}

void *image_items(const struct image *image, uint32_t tag, size_t item_bytes, uint64_t *count) {
    for (uint32_t i = 0; i < image->section_count; i++) {
        const struct image_section *section = &image->sections[i];
        if (section->tag != tag || section->item_bytes != item_bytes) continue;
        *count = section->bytes / item_bytes;
        return (void *)(uintptr_t)(image->mapping.at + section->offset);
    }
    *count = 0;
    return NULL;
}
