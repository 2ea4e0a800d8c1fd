/* SPDX-License-Identifier: Apache-2.0 */
/* attune serve --check: what would be wrong before it starts. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/time.h"
#include "ingest/map/user_token.h"
#include "server/health/health.h"
#include "server/http/daemon.h"
#include "server/server_internal.h"

#define CLOCK_EARLIEST_MS INT64_C(1735689600000) /* 2025-01-01: before this program was written */
#define FILES_BESIDE      128u /* descriptors for logs, runs, tables and the like */

struct checking {
    const struct server_options *options;
    void (*tell)(void *context, bool is_error, const char *text);
    void *context;
    uint32_t errors;
};

static void tell(struct checking *checking, bool is_error, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void tell(struct checking *checking, bool is_error, const char *format, ...) {
    char text[ERROR_TEXT_MAX + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    checking->errors += is_error;
    checking->tell(checking->context, is_error, text);
}

static void tell_playbook_errors(struct checking *checking, const struct playbook_errors *errors) {
    for (uint32_t i = 0; i < errors->count; i++) {
        tell(checking, true, "%s:%u:%u: %s",
             checking->options->playbook_file != NULL ? checking->options->playbook_file
                                                      : "the playbook in force",
             errors->item[i].place.line, errors->item[i].place.column, errors->item[i].text);
    }
    if (errors->dropped > 0) tell(checking, true, "and %u more errors", errors->dropped);
}

static void tell_status(struct checking *checking, enum status status, const struct error *error) {
    tell(checking, true, "%s", error->text[0] != '\0' ? error->text : status_name(status));
}

#define SECRET_BYTES_MAX 4096u

/* Without its secret no signed user token is good, and pages with one are believed no more than
 * others. */
static void check_token_secret(struct checking *checking, const struct source *source) {
    struct buffer bytes;
    char where[FILE_PATH_MAX];
    if (source->token_secret.length == 0 || source->token_secret.length >= sizeof where) return;
    snprintf(where, sizeof where, "%.*s", TEXT_ARG(source->token_secret));
    buffer_init(&bytes);
    struct text secret = {0};
    if (strncmp(where, "env ", 4) == 0 && getenv(where + 4) != NULL)
        secret = text_from(getenv(where + 4));
    else if (strncmp(where, "file ", 5) == 0 &&
             file_read_all(file_system_os(), where + 5, SECRET_BYTES_MAX, &bytes, NULL) ==
                 STATUS_OK)
        secret = buffer_text(&bytes);
    if (text_trim(secret).length < USER_TOKEN_SECRET_MIN)
        tell(
            checking, false,
            "source %.*s: no signed user token is good, since %s has no secret of %u bytes or more",
            TEXT_ARG(source->name), where, USER_TOKEN_SECRET_MIN);
    buffer_release(&bytes);
}

/* A source whose secret is missing refuses all that comes to it. */
static void check_secrets(struct checking *checking, const struct playbook *playbook) {
    for (uint32_t i = 0; playbook != NULL && i < playbook->source_count; i++) {
        const struct source *source = &playbook->sources[i];
        char name[80];
        check_token_secret(checking, source);
        snprintf(name, sizeof name, "%.*s", TEXT_ARG(source->signature.secret));
        if (source->listen.length == 0 || getenv(name) != NULL) continue;
        tell(checking, false,
             "source %.*s listens at %.*s, and $%s is not set here: its requests would be refused "
             "with 503 until the server is started with it",
             TEXT_ARG(source->name), TEXT_ARG(source->listen), name);
    }
}

/* The file alone, where there is no directory yet. */
static void check_playbook(struct checking *checking) {
    const char *file = checking->options->playbook_file;
    struct playbook_errors *errors = memory_calloc(1, sizeof *errors);
    struct symbols *symbols = NULL;
    struct playbook *playbook = NULL;
    struct buffer bytes;
    struct error error = {0};
    buffer_init(&bytes);
    enum status status = errors != NULL ? symbols_create(&symbols) : STATUS_NO_MEMORY;
    if (file == NULL) {
        tell(checking, false, "there is no playbook yet: until one comes the server is not ready");
    } else {
        if (status == STATUS_OK)
            status = file_read_all(file_system_os(), file, PLAYBOOK_BYTES_MAX, &bytes, &error);
        if (status == STATUS_OK)
            status = playbook_load(&playbook, file, buffer_text(&bytes), symbols, errors);
        if (errors != NULL) tell_playbook_errors(checking, errors);
        if (status != STATUS_OK && (errors == NULL || errors->count == 0))
            tell_status(checking, status, &error);
        check_secrets(checking, playbook);
    }
    playbook_destroy(playbook);
    symbols_destroy(symbols);
    buffer_release(&bytes);
    memory_free(errors);
}

static bool has_data(const struct checking *checking) {
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/MANIFEST", checking->options->directory);
    return access(path, F_OK) == 0;
}

/* Opens it as the server would, for reading, and tries the playbook. */
static void check_directory(struct checking *checking) {
    const struct server_options *options = checking->options;
    struct playbook_errors *errors = memory_calloc(1, sizeof *errors);
    const struct engine_options open = {.directory = options->directory,
                                        .read_only = true,
                                        .playbook_file = options->playbook_file,
                                        .playbook_errors = errors};
    struct engine *engine = NULL;
    struct error error = {0};
    enum status status = errors != NULL ? engine_open(&engine, &open, &error) : STATUS_NO_MEMORY;
    if (errors != NULL) tell_playbook_errors(checking, errors);
    if (status != STATUS_OK && (errors == NULL || errors->count == 0))
        tell_status(checking, status, &error);
    if (status == STATUS_OK && engine_playbook(engine) == NULL)
        tell(checking, false, "%s has no playbook yet: until one comes the server is not ready",
             options->directory);
    if (status == STATUS_OK) {
        check_secrets(checking, engine_playbook(engine));
        engine_close(engine);
    }
    memory_free(errors);
}

static void check_lock(struct checking *checking) {
    char path[FILE_PATH_MAX];
    struct file *lock = NULL;
    struct error error = {0};
    struct file_system *fs = file_system_os();
    snprintf(path, sizeof path, "%s/LOCK", checking->options->directory);
    enum status status = file_open(fs, path, FILE_READ, &lock, &error);
    if (status == STATUS_OK) status = file_lock(lock, &error);
    if (status == STATUS_LOCKED)
        tell(checking, true, "%s is in use by another process: stop that first",
             checking->options->directory);
    if (lock != NULL) file_close(lock);
}

/* Writes a small file, as the server will. */
static bool check_writable(struct checking *checking) {
    char path[FILE_PATH_MAX];
    struct file_system *fs = file_system_os();
    const char *directory = checking->options->directory;
    struct error error = {0};
    uint64_t bytes = 0;
    snprintf(path, sizeof path, "%s/serve.check", directory);
    enum status status = file_replace(fs, path, "", 0, &error);
    if (status == STATUS_OK) status = file_remove(fs, path, &error);
    if (status != STATUS_OK) {
        tell(checking, true, "%s can't be written: %s", directory, error.text);
        return false;
    }
    if (file_free_bytes(fs, directory, &bytes, &error) == STATUS_OK && bytes < HEALTH_DISK_BYTES)
        tell(checking, true, "the disk of %s has %llu MB left; the server needs %u MB", directory,
             (unsigned long long)(bytes >> 20), (unsigned)(HEALTH_DISK_BYTES >> 20));
    return true;
}

static void check_data(struct checking *checking) {
    const char *directory = checking->options->directory;
    if (access(directory, F_OK) != 0) {
        tell(checking, false, "%s does not exist yet; the server makes it", directory);
        check_playbook(checking);
        return;
    }
    if (!check_writable(checking)) return;
    if (!has_data(checking)) {
        check_playbook(checking);
        return;
    }
    check_lock(checking);
    check_directory(checking);
}

static void check_keys(struct checking *checking) {
    struct access_key *keys = memory_calloc(ACCESS_KEYS_MAX, sizeof *keys);
    struct error error = {0};
    size_t count = 0, good = 0;
    enum status status = keys != NULL ? access_list(file_system_os(), checking->options->directory,
                                                    keys, &count, &error)
                                      : STATUS_NO_MEMORY;
    for (size_t i = 0; i < count; i++) good += keys[i].revoked_ms == 0;
    if (status != STATUS_OK)
        tell(checking, true, "%s", error.text[0] != '\0' ? error.text : status_name(status));
    else if (good == 0)
        tell(checking, false, "there are no keys yet, so nobody may ask: attune key add --help");
    memory_free(keys);
}

static void check_clock(struct checking *checking) {
    if (clock_now_ms() < CLOCK_EARLIEST_MS)
        tell(checking, true,
             "the clock of this machine stands in the past; events would get wrong times");
}

static void check_files(struct checking *checking) {
    const struct server_options *options = checking->options;
    uint32_t connections =
        options->connections_max != 0 ? options->connections_max : SERVER_CONNECTIONS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return;
    if (limit.rlim_max < connections + FILES_BESIDE)
        tell(checking, true,
             "%u connections need %u file descriptors and the system gives %llu: raise ulimit -n, "
             "or say --connections %lld",
             connections, connections + FILES_BESIDE, (unsigned long long)limit.rlim_max,
             (long long)limit.rlim_max - FILES_BESIDE);
}

enum status server_check(const struct server_options *options,
                         void (*say)(void *context, bool is_error, const char *text), void *context,
                         struct error *error) {
    struct checking checking = {.options = options, .tell = say, .context = context};
    struct error wrong = {0};
    check_data(&checking);
    check_keys(&checking);
    check_clock(&checking);
    check_files(&checking);
    if (http_check(options, &wrong) != STATUS_OK) tell(&checking, true, "%s", wrong.text);
    if (checking.errors == 0) return STATUS_OK;
    return error_set(error, STATUS_INVALID, "%u errors", checking.errors);
}
