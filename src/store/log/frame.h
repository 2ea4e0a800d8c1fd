/* SPDX-License-Identifier: Apache-2.0 */
/* store/log/frame.h -- a frame is the unit of writing: what arrived together, with one checksum. It
 * is there as a whole or not at all.
 *
 *    0  magic u32                      24  durable u64
 *    4  CRC32C u32 of all behind it    32  format u16
 *    8  payload bytes u32              34  flags u16
 *   12  span u32                       36  CRC32C u32 of bytes 8–35
 *   16  position u64                   40  payload:
 *
 *   lengths   of symbols, record count, records, event count, packed, row count, rows: 7 × u32;
 *             format 2 has two more: keys, changes
 *   symbols
 *   records   { kind u8, length u32, bytes }*
 *   events    36 bytes each
 *   packed    the events' properties, end to end
 *   rows      { source u16, column u32, line u64, file, reason, raw lengths 3 × u32, bytes }*
 *   keys      14 bytes for each event that has one; behind them their versions, where any has one
 *   changes   57 bytes each: what is replaced, retracted, or was read anew
 *
 * A frame without keys and changes is written as format 1, which older programs read, too. Events
 * of a frame of format 1 may have a key, of which only the lower 64 bits are known.
 *
 * Numbers are little-endian. A frame stands at `position` and takes `span` = 1 + event count
 * positions. `durable` is the position below which the log was known to be on disk when the frame
 * was written. It tells a torn tail from damage (log.h). Links and quarantine files are made of the
 * same frames, with only records and symbols, or only rows, left in them. Reading trusts nothing; a
 * view borrows from the bytes that it reads. Pure; any thread. */
#ifndef STORE_LOG_FRAME_H
#define STORE_LOG_FRAME_H

#include "event/event.h"
#include "store/store.h"

#define FRAME_MAGIC        UINT32_C(0x52465441) /* "ATFR" */
#define FRAME_FORMAT       2u
#define FRAME_HEADER_BYTES 40u
#define FRAME_EVENT_BYTES  36u
#define FRAME_ROW_ID_BITS  16 /* row_id = frame position << 16 | its place in the frame */

enum frame_flag {
    /* No content, span 0: written when a log is closed in order, and at the end of links and
     * quarantine files. */
    FRAME_MARK = 1,
};
/* The store's own kinds of record, beside those of store.h. */
enum { RECORD_ROWS_DROPPED = 128 /* row ids, u64 each */ };

struct frame_view {
    uint64_t position, durable;
    uint32_t span;
    uint16_t flags;
    uint32_t record_count, event_count, row_count;
    struct text symbols, records, events, packed, rows, keys, changes;
    bool has_short_keys; /* format 1 */
};

enum frame_change_kind { FRAME_REPLACES = 1, FRAME_RETRACTS = 2, FRAME_READS = 3 };

/* Appends a frame to `out`; not yet sealed. STATUS_LIMIT beyond STORE_FRAME_BYTES_MAX,
 * BATCH_EVENTS_MAX or PACKED_BYTES_MAX. */
enum status frame_encode(struct buffer *out, struct text symbols, const struct store_frame *frame,
                         struct error *error) MUST_USE;
/* The same from the parts of another frame. */
enum status frame_encode_parts(struct buffer *out, const struct frame_view *parts,
                               struct error *error) MUST_USE;
/* Appends one record, one row, in the form of the sections. */
enum status frame_put_record(struct buffer *section, uint8_t kind, struct text bytes) MUST_USE;
enum status frame_put_row(struct buffer *section, const struct stored_row *row) MUST_USE;
/* Does the frame that frame_encode has written replace, retract or change the key of anything? */
bool frame_has_changes(const void *frame);
/* How far behind its beginning such a frame has the events' properties, end to end. */
size_t frame_packed_offset(const void *frame);
/* Fills in position, durable and checksums of the frame at `frame`. */
void frame_seal(void *frame, uint64_t position, uint64_t durable);
void frame_mark(uint8_t out[FRAME_HEADER_BYTES + 28], uint64_t position); /* a sealed mark */
#define FRAME_MARK_BYTES (FRAME_HEADER_BYTES + 28u)

/* Reads the frame at the start of `bytes`. STATUS_END with nothing left; STATUS_VERSION where a
 * newer program wrote it; STATUS_CORRUPT otherwise. *frame_bytes: its whole length, also of a
 * damaged one whose header is sound; else 0. */
enum status frame_read(const uint8_t *bytes, size_t length, struct frame_view *out,
                       size_t *frame_bytes) MUST_USE;

/* Walk a section: start with the view's text, STATUS_END after the last. */
/* Retractions and other changes of keys; what events replace is passed over (frame_events has it).
 */
enum status frame_next_change(struct text *section, struct key_change *change) MUST_USE;
enum status frame_next_record(struct text *section, uint8_t *kind, struct text *bytes) MUST_USE;
/* row_id is left 0. */
enum status frame_next_row(struct text *section, struct stored_row *row) MUST_USE;
/* Appends the frame's events to a batch; their packed properties are checked. */
enum status frame_events(const struct frame_view *view, struct event_batch *batch) MUST_USE;

#endif
