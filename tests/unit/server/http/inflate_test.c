/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/inflate.h"

#include <zlib.h>

#include "support/unit.h"

#define MOST 100000u

static struct inflater *inflater;

/* One gzip member behind what `out` holds. */
static void deflate_into(struct buffer *out, const void *bytes, size_t length) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(buffer_reserve(out, deflateBound(&stream, length) + 32), STATUS_OK);
    union {
        const void *in;
        Bytef *bytes;
    } from = {.in = bytes};
    stream.next_in = from.bytes;
    stream.avail_in = (uInt)length;
    stream.next_out = (Bytef *)out->at + out->length;
    stream.avail_out = (uInt)(out->capacity - out->length);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out->length = out->capacity - stream.avail_out;
    deflateEnd(&stream);
}

static void members_are_joined(void **state) {
    struct buffer packed, out;
    (void)state;
    buffer_init(&packed);
    buffer_init(&out);
    deflate_into(&packed, "{\"a\":", 5);
    deflate_into(&packed, "1}", 2);
    assert_true(inflate_is_gzip(buffer_text(&packed)));
    for (int again = 0; again < 2; again++) {
        assert_int_equal(inflate_gzip(inflater, buffer_text(&packed), MOST, &out), STATUS_OK);
        assert_text(buffer_text(&out), "{\"a\":1}");
    }
    buffer_release(&packed);
    buffer_release(&out);
}

static void a_bomb_is_cut_off(void **state) {
    struct buffer packed, out;
    char *zeros = calloc(1, MOST + 1);
    (void)state;
    assert_non_null(zeros);
    buffer_init(&packed);
    buffer_init(&out);
    deflate_into(&packed, zeros, MOST);
    assert_int_equal(inflate_gzip(inflater, buffer_text(&packed), MOST, &out), STATUS_OK);
    assert_int_equal(out.length, MOST);
    assert_int_equal(inflate_gzip(inflater, buffer_text(&packed), MOST - 1, &out), STATUS_LIMIT);
    assert_true(out.capacity <= 2 * MOST);
    /* Also where many small members make it. */
    buffer_clear(&packed);
    for (int i = 0; i < 11; i++) deflate_into(&packed, zeros, MOST / 10);
    assert_int_equal(inflate_gzip(inflater, buffer_text(&packed), MOST, &out), STATUS_LIMIT);
    buffer_release(&packed);
    buffer_release(&out);
    free(zeros);
}

static void what_is_no_gzip_is_refused(void **state) {
    struct buffer packed, out;
    (void)state;
    buffer_init(&packed);
    buffer_init(&out);
    deflate_into(&packed, "some words, some words", 22);
    for (uint32_t cut = 0; cut < packed.length; cut++) {
        struct text part = {packed.at, cut};
        assert_int_equal(inflate_gzip(inflater, part, MOST, &out), STATUS_INVALID);
    }
    packed.at[packed.length - 6] ^= 1; /* of the checksum */
    assert_int_equal(inflate_gzip(inflater, buffer_text(&packed), MOST, &out), STATUS_INVALID);
    packed.at[packed.length - 6] ^= 1;
    assert_int_equal(buffer_append(&packed, "tail", 4), STATUS_OK);
    assert_int_equal(inflate_gzip(inflater, buffer_text(&packed), MOST, &out), STATUS_INVALID);
    assert_int_equal(inflate_gzip(inflater, TEXT("{\"a\":1}"), MOST, &out), STATUS_INVALID);
    assert_false(inflate_is_gzip(TEXT("{}")));
    assert_false(inflate_is_gzip(TEXT("\x1f")));
    buffer_release(&packed);
    buffer_release(&out);
}

static enum status create_and_inflate(void) {
    static const char packed[] = "\x1f\x8b\x08\0\0\0\0\0\x02\x03\x03\0\0\0\0\0\0\0\0\0";
    struct inflater *own = NULL;
    struct buffer out;
    buffer_init(&out);
    enum status status = inflater_create(&own);
    if (status == STATUS_OK) status = inflate_gzip(own, (struct text){packed, 20}, MOST, &out);
    inflater_destroy(own);
    buffer_release(&out);
    return status;
}

static void memory_may_fail(void **state) {
    (void)state;
    fail_every_allocation(create_and_inflate, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_joined),
        cmocka_unit_test(a_bomb_is_cut_off),
        cmocka_unit_test(what_is_no_gzip_is_refused),
        cmocka_unit_test(memory_may_fail),
    };
    if (inflater_create(&inflater) != STATUS_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    inflater_destroy(inflater);
    return failed;
}
