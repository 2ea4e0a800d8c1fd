/* SPDX-License-Identifier: Apache-2.0 */
#include "server/log.h"

#include <pthread.h>
#include <stdarg.h>

#include "base/memory.h"
#include "base/time.h"

#define TEXT_BYTES 1024

struct server_log {
    FILE *file;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct buffer waiting;
    uint64_t left_out;
    bool ends;
};

static const char *level_name(enum log_level level) {
    switch (level) {
    case LOG_ERROR: return "error";
    case LOG_WARNING: return "warning";
    case LOG_INFO: return "info";
    default: return "debug";
    }
}

/* ---- the writing thread ---- */

static bool take_waiting(struct server_log *log, struct buffer *out) {
    pthread_mutex_lock(&log->lock);
    while (log->waiting.length == 0 && !log->ends) pthread_cond_wait(&log->changed, &log->lock);
    struct buffer taken = log->waiting;
    log->waiting = *out;
    buffer_clear(&log->waiting);
    *out = taken;
    pthread_mutex_unlock(&log->lock);
    return taken.length > 0;
}

static void *write_lines(void *argument) {
    struct server_log *log = argument;
    struct buffer lines;
    buffer_init(&lines);
    while (take_waiting(log, &lines)) {
        (void)fwrite(lines.at, 1, lines.length, log->file);
        (void)fflush(log->file);
    }
    buffer_release(&lines);
    return NULL;
}

enum status server_log_create(struct server_log **out, FILE *file) {
    struct server_log *log = memory_calloc(1, sizeof *log);
    if (log == NULL) return STATUS_NO_MEMORY;
    log->file = file;
    buffer_init(&log->waiting);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->changed, NULL);
    if (pthread_create(&log->thread, NULL, write_lines, log) != 0) {
        pthread_cond_destroy(&log->changed);
        pthread_mutex_destroy(&log->lock);
        memory_free(log);
        return STATUS_LIMIT;
    }
    *out = log;
    return STATUS_OK;
}

void server_log_destroy(struct server_log *log) {
    if (log == NULL) return;
    pthread_mutex_lock(&log->lock);
    log->ends = true;
    pthread_cond_signal(&log->changed);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    pthread_cond_destroy(&log->changed);
    pthread_mutex_destroy(&log->lock);
    buffer_release(&log->waiting);
    memory_free(log);
}

/* ---- lines ---- */

struct json_writer *server_log_begin(struct server_log_line *entry, enum log_level level,
                                     const char *event) {
    struct json_writer *writer = &entry->writer;
    buffer_init(&entry->line);
    json_writer_init(writer, &entry->line, false);
    json_write_object_begin(writer);
    json_member_time(writer, "time", clock_now_ms());
    json_member_string(writer, "level", level_name(level));
    json_member_string(writer, "event", event);
    return writer;
}

static bool tell_left_out(struct server_log *log) {
    if (log->left_out == 0) return true;
    if (buffer_format(&log->waiting,
                      "{\"level\":\"warning\",\"event\":\"log\",\"left_out\":%llu}\n",
                      (unsigned long long)log->left_out) != STATUS_OK)
        return false;
    log->left_out = 0;
    return true;
}

void server_log_end(struct server_log *log, struct server_log_line *entry) {
    json_write_object_end(&entry->writer);
    bool is_whole = json_writer_status(&entry->writer) == STATUS_OK &&
                    buffer_append(&entry->line, "\n", 1) == STATUS_OK;
    if (log != NULL) {
        pthread_mutex_lock(&log->lock);
        bool fits = is_whole && log->waiting.length + entry->line.length <= LOG_WAITING_BYTES &&
                    tell_left_out(log) &&
                    buffer_append_text(&log->waiting, buffer_text(&entry->line)) == STATUS_OK;
        if (!fits) log->left_out++;
        pthread_cond_signal(&log->changed);
        pthread_mutex_unlock(&log->lock);
    }
    buffer_release(&entry->line);
}

void server_log_say(struct server_log *log, enum log_level level, const char *event,
                    const char *format, ...) {
    char text[TEXT_BYTES];
    struct server_log_line entry;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_member_string(server_log_begin(&entry, level, event), "text", text);
    server_log_end(log, &entry);
}
