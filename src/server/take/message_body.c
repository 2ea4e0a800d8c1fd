/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/message_body.h"

#include <sodium.h>

#include "base/json.h"
#include "base/json_skip.h"
#include "base/time.h"

static bool stands_in(struct text body, char open, char close) {
    return body.length >= 2 && body.at[0] == open && body.at[body.length - 1] == close;
}

enum status message_body_row(struct text body, const char *type, int64_t received_ms,
                             struct arena *arena, struct ingest_live_row *out) {
    bool is_object = stands_in(body, '{', '}'), is_list = stands_in(body, '[', ']');
    char time[32];
    *out = (struct ingest_live_row){.body = body};
    if (!is_object && !is_list) return STATUS_OK;
    if (is_object) body = text_trim((struct text){body.at + 1, body.length - 2});
    const char *joint = is_list ? ",\"batch\":" : body.length > 0 ? "," : "";
    (void)time_format(received_ms, time);
    const char *head = arena_format(arena, "{\"receivedAt\":\"%s\"%s", time, joint);
    const char *tail =
        is_list || type == NULL ? "}" : arena_format(arena, ",\"type\":\"%s\"}", type);
    if (head == NULL || tail == NULL) return STATUS_NO_MEMORY;
    *out = (struct ingest_live_row){.head = text_from(head), .body = body, .tail = text_from(tail)};
    return STATUS_OK;
}

/* How many items the list has, which go to `rows` where it is not NULL; 0: it can't be taken apart.
 */
static size_t list_items(struct text list, struct ingest_live_row *rows) {
    const char *at = list.at + 1, *end = list.at + list.length - 1;
    size_t count = 0;
    while ((at = json_skip_space(at, end)) < end) {
        struct text item = json_value_at(&at, end);
        if (item.length == 0) return 0;
        if (rows != NULL) rows[count] = (struct ingest_live_row){.body = item};
        count++;
    }
    return count;
}

enum status message_body_plain(struct text body, struct arena *arena, struct ingest_live_row **out,
                               size_t *count) {
    struct text batch = json_member_as_written(body, TEXT("batch"));
    if (batch.at != NULL && stands_in(batch, '[', ']')) body = batch;
    *count = stands_in(body, '[', ']') ? list_items(body, NULL) : 0;
    *out = arena_calloc(arena, *count + 1, sizeof **out);
    if (*out == NULL) return STATUS_NO_MEMORY;
    if (*count > 0) (void)list_items(body, *out);
    if (*count > 0) return STATUS_OK;
    (*out)[0] = (struct ingest_live_row){.body = body};
    *count = 1;
    return STATUS_OK;
}

/* A string that needs no unescaping, as keys are. */
struct text message_body_key(struct text body) {
    struct text written = json_member_as_written(body, TEXT("writeKey"));
    bool is_plain = written.length > 2 && written.at[0] == '"' &&
                    written.at[written.length - 1] == '"' &&
                    memchr(written.at, '\\', written.length) == NULL;
    return is_plain ? (struct text){written.at + 1, written.length - 2} : (struct text){0};
}

struct text message_body_decode(struct text data, struct arena *arena) {
    char *plain = arena_alloc(arena, (size_t)data.length + 1);
    unsigned char *out = arena_alloc(arena, (size_t)data.length + JSON_PADDING);
    size_t length = 0;
    if (plain == NULL || out == NULL || data.length == 0) return (struct text){0};
    for (uint32_t i = 0; i < data.length; i++) {
        char c = data.at[i];
        plain[i] = (char)(c == ' ' || c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (data.length > 0 && plain[data.length - 1] == '=') data.length--;
    if (sodium_base642bin(out, data.length + 1, plain, data.length, NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
        return (struct text){0};
    return text_trim((struct text){(const char *)out, (uint32_t)length});
}
