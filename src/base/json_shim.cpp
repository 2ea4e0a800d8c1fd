/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_shim.h"

#include <charconv>
#include <new>
#include <simdjson.h>

static_assert(simdjson::SIMDJSON_PADDING <= JSON_SHIM_PADDING, "simdjson reads further");

struct json_shim {
    simdjson::dom::parser parser;
    size_t depth_max;
};

struct json_shim *json_shim_create(size_t depth_max) {
    json_shim *shim = new (std::nothrow) json_shim;
    if (shim) shim->depth_max = depth_max;
    return shim;
}

void json_shim_destroy(struct json_shim *shim) {
    delete shim;
}

enum json_shim_result json_shim_reserve(struct json_shim *shim, size_t document_bytes) {
    simdjson::dom::parser &parser = shim->parser;
    if (parser.doc.capacity() < document_bytes && parser.doc.allocate(document_bytes))
        return JSON_SHIM_NO_MEMORY;
    if (parser.capacity() >= document_bytes) return JSON_SHIM_OK;
    return parser.allocate(document_bytes, shim->depth_max) ? JSON_SHIM_NO_MEMORY : JSON_SHIM_OK;
}

enum json_shim_result json_shim_parse(struct json_shim *shim, const uint8_t *bytes, size_t length,
                                      const uint64_t **tape, const uint8_t **strings,
                                      const char **message) {
    simdjson::error_code code = shim->parser.parse(bytes, length, false).error();
    *message = simdjson::error_message(code);
    *tape = shim->parser.doc.tape.get();
    *strings = shim->parser.doc.string_buf.get();
    if (code == simdjson::SUCCESS) return JSON_SHIM_OK;
    if (code == simdjson::MEMALLOC) return JSON_SHIM_NO_MEMORY;
    if (code == simdjson::NUMBER_ERROR) return JSON_SHIM_NUMBER;
    return code == simdjson::DEPTH_ERROR ? JSON_SHIM_TOO_DEEP : JSON_SHIM_INVALID;
}

size_t json_shim_digits(double number, char out[JSON_SHIM_DIGITS]) {
    auto end = std::to_chars(out, out + JSON_SHIM_DIGITS, number, std::chars_format::scientific);
    return static_cast<size_t>(end.ptr - out);
}

size_t json_shim_fixed(double number, int decimals, char out[JSON_SHIM_FIXED]) {
    auto end =
        std::to_chars(out, out + JSON_SHIM_FIXED, number, std::chars_format::fixed, decimals);
    return static_cast<size_t>(end.ptr - out);
}
