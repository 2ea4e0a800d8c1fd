/* SPDX-License-Identifier: Apache-2.0 */
/* base/input.h -- bytes from a file, a .gz file (also several members) or standard input, read in
 * pieces.
 *
 * A .gz that ends in the middle is an error with the name of the file, never a silent end. Bytes
 * that are not compressed behind its end are left out and counted. */
#ifndef BASE_INPUT_H
#define BASE_INPUT_H

#include "base/text.h"
#include "base/work.h"

struct input;
/* Path "-" is standard input. The magic bytes tell compression, not the name. */
enum status input_open(struct input **out, const char *path, struct error *error) MUST_USE;
/* The same for a piece of work: once it is cancelled, input_read gives STATUS_CANCELLED. A pipe, a
 * terminal or a socket into which nobody writes is given up within INPUT_LOOK_MS; a named pipe is
 * opened at once, and waits for its writer when it is read. `work` lives as long as the input. */
#define INPUT_LOOK_MS 100
enum status input_open_for(struct input **out, const char *path, struct work *work,
                           struct error *error) MUST_USE;
void input_close(struct input *input);
/* Is it a named pipe, a socket or a device? Opening one may wait for ever. */
bool input_is_stream(const char *path);
/* Reads up to `length` bytes. *got is 0 only at the end. */
enum status input_read(struct input *input, void *bytes, size_t length, size_t *got,
                       struct error *error) MUST_USE;
/* Would reading wait for bytes that nobody has written yet? The call itself waits up to `wait_ms`
 * for them. A file on disk never waits, and neither does NULL. */
bool input_waits(const struct input *input, int wait_ms);
/* How many bytes stood behind the end of the compressed data; they were left out. 0 before the end,
 * and for NULL. */
uint64_t input_bytes_behind(const struct input *input);
/* For progress: the compressed bytes consumed so far, and *total, which is 0 where it is unknown.
 */
uint64_t input_consumed_bytes(const struct input *input);
uint64_t input_total_bytes(const struct input *input);

#endif
