/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/settings.h"

#include <stdio.h>

#include "base/file.h"
#include "base/hash.h"
#include "server/server_internal.h"
#include "server/take/take.h"

#define KEY_BYTES_MAX 256u

/* The address under which the client asked, up to where `path` begins in it: scheme, host and the
 * first-party path. `at` NULL without memory. */
static struct text base_of(struct http_call *call, struct text path) {
    struct text url = http_url(call);
    for (uint32_t at = 0; url.at != NULL && at + path.length <= url.length; at++) {
        if (memcmp(url.at + at, path.at, path.length) == 0) return (struct text){url.at, at};
    }
    return url;
}

static struct text scheme_of(struct text base) {
    return text_starts_with(base, TEXT("https:")) ? TEXT("https") : TEXT("http");
}

static void write_empty(struct json_writer *writer, const char *key) {
    json_write_key(writer, key);
    json_write_object_begin(writer);
    json_write_object_end(writer);
}

static void write_none(struct json_writer *writer, const char *key) {
    json_write_key(writer, key);
    json_write_array_begin(writer);
    json_write_array_end(writer);
}

/* The host with the path behind which the SDK appends /t, /i, /b. */
static void write_destination(struct json_writer *writer, struct text base, const char *host,
                              struct text key) {
    json_write_key(writer, "integrations");
    json_write_object_begin(writer);
    json_write_key(writer, "Segment.io");
    json_write_object_begin(writer);
    json_member_text(writer, "apiKey", key);
    json_member_string(writer, "apiHost", host);
    json_member_text(writer, "protocol", scheme_of(base));
    json_member_yes_no(writer, "addBundledMetadata", false);
    write_none(writer, "unbundledIntegrations");
    write_empty(writer, "maybeBundledConfigIds");
    json_write_key(writer, "versionSettings");
    json_write_object_begin(writer);
    json_member_string(writer, "version", "4.4.7");
    json_write_key(writer, "componentTypes");
    json_write_array_begin(writer);
    json_write_string(writer, "browser");
    json_write_array_end(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
    json_write_object_end(writer);
}

/* Every event is sent, whatever its name. */
static void write_plan(struct json_writer *writer) {
    static const char *const types[] = {"track", "identify", "group"};
    json_write_key(writer, "plan");
    json_write_object_begin(writer);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        json_write_key(writer, types[i]);
        json_write_object_begin(writer);
        json_write_key(writer, "__default");
        json_write_object_begin(writer);
        json_member_yes_no(writer, "enabled", true);
        write_empty(writer, "integrations");
        json_write_object_end(writer);
        json_write_object_end(writer);
    }
    json_write_object_end(writer);
}

void settings_segment(struct http_call *call) {
    struct text key = http_path_word(call, 0), base = base_of(call, TEXT("/v1/projects/"));
    struct text host = base;
    const char *slashes = base.at != NULL ? strstr(base.at, "://") : NULL;
    if (slashes != NULL && slashes < base.at + base.length) {
        uint32_t scheme = (uint32_t)(slashes - base.at) + 3;
        host = (struct text){base.at + scheme, base.length - scheme};
    }
    const char *api_host =
        host.at != NULL ? arena_format(http_arena(call), "%.*s/v1", TEXT_ARG(host)) : NULL;
    if (api_host == NULL || key.length > KEY_BYTES_MAX) {
        http_problem_of(call, key.length > KEY_BYTES_MAX ? STATUS_LIMIT : STATUS_NO_MEMORY, NULL);
        return;
    }
    struct json_writer *writer = http_json(call);
    json_write_object_begin(writer);
    write_destination(writer, base, api_host, key);
    write_plan(writer);
    write_empty(writer, "edgeFunction");
    json_member_yes_no(writer, "analyticsNextEnabled", true);
    write_empty(writer, "middlewareSettings");
    write_empty(writer, "enabledMiddleware");
    json_write_key(writer, "metrics"); /* of the SDK itself */
    json_write_object_begin(writer);
    json_member_integer(writer, "sampleRate", 0);
    json_write_object_end(writer);
    json_member_yes_no(writer, "legacyVideoPluginsEnabled", false);
    write_none(writer, "remotePlugins");
    json_write_object_end(writer);
    http_answer_header(call, "Cache-Control", "public, max-age=300");
    http_answer_json(call, 200);
}

static void write_switch(struct json_writer *writer, const char *key) {
    json_write_key(writer, key);
    json_write_object_begin(writer);
    json_member_yes_no(writer, "enabled", false);
    json_write_object_end(writer);
}

void settings_rudder(struct http_call *call) {
    struct text key = http_query(call, "writeKey");
    if (key.length == 0) key = http_header_key(call);
    if (key.length > KEY_BYTES_MAX) {
        http_problem_of(call, STATUS_LIMIT, NULL);
        return;
    }
    struct json_writer *writer = http_json(call);
    json_write_object_begin(writer);
    json_write_key(writer, "source");
    json_write_object_begin(writer);
    json_member_string(writer, "id", "attune");
    json_member_string(writer, "name", "attune");
    json_member_text(writer, "writeKey", key);
    json_member_yes_no(writer, "enabled", true);
    json_member_string(writer, "workspaceId", "attune");
    json_write_key(writer, "config");
    json_write_object_begin(writer);
    json_write_key(writer, "statsCollection");
    json_write_object_begin(writer);
    write_switch(writer, "errors");
    write_switch(writer, "metrics");
    json_write_object_end(writer);
    json_write_object_end(writer);
    write_none(writer, "destinations");
    write_none(writer, "connections");
    json_write_object_end(writer);
    json_write_object_end(writer);
    http_answer_header(call, "Cache-Control", "public, max-age=300");
    http_answer_json(call, 200);
}

/* ---- the script ---- */

#define SCRIPT_BYTES_MAX ((size_t)4 << 20)

static void answer_script(struct http_call *call, struct text script) {
    char tag[24];
    snprintf(tag, sizeof tag, "\"%016llx\"", (unsigned long long)hash_text(script, 0));
    http_answer_header(call, "ETag", tag);
    http_answer_header(call, "Cache-Control", "public, max-age=300");
    if (text_equal(http_header(call, "If-None-Match"), text_from(tag))) {
        http_answer(call, 304, NULL, TEXT(""));
        return;
    }
    struct text body = arena_text(http_arena(call), script);
    if (body.at == NULL)
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
    else
        http_answer(call, 200, "text/javascript; charset=utf-8", body);
}

/* The file is small, is asked for once a visitor, and lies in the system's cache: reading it here
 * keeps it up to date. */
void settings_script(struct http_call *call) {
    char path[FILE_PATH_MAX];
    struct buffer bytes;
    struct error error = {0};
    snprintf(path, sizeof path, "%s/script.js", http_server(call)->options.directory);
    buffer_init(&bytes);
    enum status status = file_read_all(file_system_os(), path, SCRIPT_BYTES_MAX, &bytes, &error);
    if (status == STATUS_OK)
        answer_script(call, buffer_text(&bytes));
    else
        http_problem(
            call, 404, "no-script",
            "There is no script.js in the data directory: put the file of your SDK there.");
    buffer_release(&bytes);
}
