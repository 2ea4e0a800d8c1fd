/* SPDX-License-Identifier: Apache-2.0 */
/* base/json_shim.h -- the few lines of C++ that simdjson needs, and that C lacks: a number's digits
 * without printf. Included by json.c, json_writer.c, text.c and json_shim.cpp alone.
 *
 * The shim parses and hands out simdjson's tape, a documented array of 64-bit words; json.c walks
 * it in plain C. */
#ifndef BASE_JSON_SHIM_H
#define BASE_JSON_SHIM_H

#include <stddef.h>
#include <stdint.h>

#define JSON_SHIM_PADDING 64

#ifdef __cplusplus
extern "C" {
#endif

enum json_shim_result {
    JSON_SHIM_OK,
    JSON_SHIM_NO_MEMORY,
    JSON_SHIM_TOO_DEEP,
    JSON_SHIM_INVALID,
    JSON_SHIM_NUMBER
};

struct json_shim;
struct json_shim *json_shim_create(size_t depth_max); /* NULL: no memory */
void json_shim_destroy(struct json_shim *shim);
/* Sets how many bytes json_shim_parse may be given, and grows the parser's own memory for them. */
enum json_shim_result json_shim_reserve(struct json_shim *shim, size_t document_bytes);
/* *tape, *strings: borrowed until the next parse. JSON_SHIM_PADDING bytes behind the document must
 * be readable. *message: what is wrong, static. */
enum json_shim_result json_shim_parse(struct json_shim *shim, const uint8_t *bytes, size_t length,
                                      const uint64_t **tape, const uint8_t **strings,
                                      const char **message);

#define JSON_SHIM_DIGITS 32
/* Writes a finite number as "d.ddde+dd" with as few digits as read back as the same number, and of
 * these the nearest ones (std::to_chars). Returns the length. */
size_t json_shim_digits(double number, char out[JSON_SHIM_DIGITS]);
#define JSON_SHIM_FIXED        48
#define JSON_SHIM_FIXED_MAX    1e15
#define JSON_SHIM_DECIMALS_MAX 17
/* Writes a number between -JSON_SHIM_FIXED_MAX and JSON_SHIM_FIXED_MAX with so many decimals, at
 * most JSON_SHIM_DECIMALS_MAX, rounded as printf's %.*f rounds. Returns the length. */
size_t json_shim_fixed(double number, int decimals, char out[JSON_SHIM_FIXED]);

#ifdef __cplusplus
}
#endif
#endif
