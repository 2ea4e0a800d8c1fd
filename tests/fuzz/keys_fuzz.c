/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary bytes as a key file and as a file of superseded versions, as they come and with their
 * checksums put right: what lies behind them must hold as well. */
#include "fuzz.h"

#include <string.h>
#include "base/hash.h"
#include "base/memory.h"
#include "store/keys/key_file_internal.h"
#include "store/keys/superseded.h"

static const uint8_t *held;
static size_t held_length;

static enum status map_held(struct file_system *fs, const char *path, struct file_mapping *mapping,
                            struct error *error) {
    (void)fs, (void)path, (void)error;
    *mapping = (struct file_mapping){.at = held, .length = held_length};
    return STATUS_OK;
}
static void unmap_held(struct file_system *fs, struct file_mapping *mapping) {
    (void)fs, (void)mapping;
}
static const struct file_system_ops held_ops = {.map = map_held, .unmap = unmap_held};
static struct file_system held_fs = {.ops = &held_ops};

/* The trailer covers the footer, which covers each section that lies inside. */
static void seal_keys(uint8_t *bytes, size_t length) {
    if (length < sizeof(struct key_header) + sizeof(struct key_footer) + sizeof(struct key_trailer))
        return;
    struct key_trailer trailer;
    size_t end = length - sizeof trailer;
    memcpy(&trailer, bytes + end, sizeof trailer);
    if (trailer.footer_offset % 8 != 0 || trailer.footer_offset > end - sizeof(struct key_footer))
        return;
    size_t at = (size_t)trailer.footer_offset + sizeof(struct key_footer);
    for (; at + sizeof(struct run_section) <= end; at += sizeof(struct run_section)) {
        struct run_section section;
        memcpy(&section, bytes + at, sizeof section);
        if (section.offset > length || section.length > length - section.offset) continue;
        section.checksum = hash_bytes(bytes + section.offset, section.length, 0);
        memcpy(bytes + at, &section, sizeof section);
    }
    trailer.magic = KEY_TRAILER_MAGIC;
    trailer.footer_length = end - trailer.footer_offset;
    trailer.footer_checksum = hash_bytes(bytes + trailer.footer_offset, trailer.footer_length, 0);
    memcpy(bytes + end, &trailer, sizeof trailer);
}

static void seal_superseded(uint8_t *bytes, size_t length) {
    if (length < 32) return;
    uint64_t count = (length - 32) / sizeof(struct superseded_row);
    uint64_t checksum = hash_bytes(bytes + 32, length - 32, count);
    memcpy(bytes + 16, &count, 8);
    memcpy(bytes + 24, &checksum, 8);
}

static void look_up(void) {
    struct key_file *file = NULL;
    struct superseded *set = NULL;
    struct error error;
    (void)!key_file_check(&held_fs, "keys", NULL, NULL, &error);
    if (key_file_open(&file, &held_fs, "keys", &error) == STATUS_OK) {
        for (uint64_t i = 0; i < 64; i++) {
            struct key_entry entry;
            bool found;
            uint64_t low = hash_u64(i);
            key_file_prefetch(file, low);
            key_file_prefetch_bucket(file, low);
            key_file_prefetch_key(file, low);
            (void)!key_file_find(file, (struct row_key){low, 1}, &entry, &found);
            if (i < key_file_count(file) && key_file_at(file, i, &entry) == STATUS_OK)
                (void)!key_file_find(file, (struct row_key){entry.low, entry.high}, &entry, &found);
        }
    }
    key_file_close(file);
    if (superseded_open(&set, &held_fs, "gone", &error) == STATUS_OK) {
        uint32_t count;
        for (uint32_t persona = 0; persona < 100; persona++)
            (void)superseded_of(set, persona, &count);
    }
    superseded_dereference(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    uint8_t *copy = memory_alloc(length + 1);
    if (!copy) return 0;
    memcpy(copy, bytes, length);
    held = copy;
    held_length = length;
    look_up();
    seal_keys(copy, length);
    look_up();
    memcpy(copy, bytes, length);
    seal_superseded(copy, length);
    look_up();
    memory_free(copy);
    return 0;
}
