/* SPDX-License-Identifier: Apache-2.0 */
/* learn/bytes.h -- numbers as the files of models have them: little-endian, doubles and floats by
 * their bits.
 *
 * Writing goes on in silence after the first failure, which `status` keeps. Reading beyond the end
 * sets `wrong`, and everything after it reads as 0; so a reader asks once, at its end. */
#ifndef LEARN_BYTES_H
#define LEARN_BYTES_H

#include <string.h>

#include "base/text.h"

static inline void bytes_store(void *to, uint64_t value, uint32_t bytes) {
    uint8_t *at = to;
    for (uint32_t i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}
static inline uint64_t bytes_load(const void *from, uint32_t bytes) {
    const uint8_t *at = from;
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}
static inline uint64_t double_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}
static inline double double_of_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct bytes_writer {
    struct buffer *out;
    enum status status; /* STATUS_OK to begin with */
};
static inline void write_bytes(struct bytes_writer *writer, const void *bytes, size_t length) {
    if (writer->status == STATUS_OK) writer->status = buffer_append(writer->out, bytes, length);
}
static inline void write_u64(struct bytes_writer *writer, uint64_t value, uint32_t bytes) {
    uint8_t at[8];
    bytes_store(at, value, bytes);
    write_bytes(writer, at, bytes);
}
static inline void write_double(struct bytes_writer *writer, double value) {
    write_u64(writer, double_bits(value), 8);
}
static inline void write_float(struct bytes_writer *writer, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    write_u64(writer, bits, 4);
}

struct bytes_reader {
    const uint8_t *at;
    size_t left;
    bool wrong;
    bool no_memory; /* the caller's: `wrong` is, since there was no room for what was read */
};
static inline struct bytes_reader bytes_reader_of(struct text bytes) {
    return (struct bytes_reader){.at = (const uint8_t *)bytes.at, .left = bytes.length};
}
/* What has not been read yet. */
static inline struct text bytes_rest(const struct bytes_reader *reader) {
    return (struct text){(const char *)reader->at, (uint32_t)reader->left};
}
/* NULL: there are not so many left. */
static inline const uint8_t *read_bytes(struct bytes_reader *reader, size_t length) {
    if (reader->wrong || length > reader->left) {
        reader->wrong = true;
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += length;
    reader->left -= length;
    return at;
}
static inline uint64_t read_u64(struct bytes_reader *reader, uint32_t bytes) {
    const uint8_t *at = read_bytes(reader, bytes);
    return at != NULL ? bytes_load(at, bytes) : 0;
}
static inline double read_double(struct bytes_reader *reader) {
    return double_of_bits(read_u64(reader, 8));
}
static inline float read_float(struct bytes_reader *reader) {
    uint32_t bits = (uint32_t)read_u64(reader, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
