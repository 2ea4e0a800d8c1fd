/* SPDX-License-Identifier: Apache-2.0 */
#include "server/audit/audit.h"

#include <pthread.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/time.h"

#define NAME_DIGITS    8
#define LINE_BYTES_MAX 4096u

/* By key, did and code: since the last line of it. */
struct sum {
    struct audit_entry entry; /* at_ms: when the first of them was noted; did empty: free */
};

struct audit {
    struct file_system *fs;
    char directory[FILE_PATH_MAX];
    pthread_mutex_t lock; /* of the following, until `lines` */
    struct audit_entry waiting[AUDIT_WAITING_MAX];
    uint32_t waiting_count;
    uint64_t lost;
    int64_t lost_ms;
    struct sum sums[AUDIT_SUMS_MAX];
    uint32_t sum_count;
    struct buffer lines; /* made, and not yet written; of the thread that ticks */
};

/* ---- a line ---- */

static void write_line(struct buffer *out, const struct audit_entry *entry) {
    struct json_writer writer;
    char customer[16];
    size_t before = out->length;
    json_writer_init(&writer, out, false);
    json_write_object_begin(&writer);
    json_member_time(&writer, "at", entry->at_ms);
    json_member_text_or_null(&writer, "key", text_from(entry->key));
    json_member_string(&writer, "did", entry->did);
    snprintf(customer, sizeof customer, "C%u", entry->customer.value);
    if (entry->customer.value != ID_NONE)
        json_member_string(&writer, "customer", customer);
    else
        json_member_null(&writer, "customer");
    json_member_count(&writer, "code", entry->code);
    json_member_count(&writer, "count", entry->count);
    json_write_object_end(&writer);
    if (json_writer_status(&writer) != STATUS_OK || buffer_append(out, "\n", 1) != STATUS_OK)
        out->length = before;
}

/* ---- noting ---- */

static bool is_same_sum(const struct audit_entry *a, const struct audit_entry *b) {
    return a->code == b->code && strcmp(a->key, b->key) == 0 && strcmp(a->did, b->did) == 0;
}

/* Open addressing; NULL where there is no room. */
static struct sum *sum_find(struct audit *audit, const struct audit_entry *entry) {
    uint64_t hash = hash_text(text_from(entry->did), hash_text(text_from(entry->key), entry->code));
    for (uint32_t i = 0; i < AUDIT_SUMS_MAX; i++) {
        struct sum *sum = &audit->sums[(hash + i) % AUDIT_SUMS_MAX];
        if (sum->entry.did[0] != '\0' && !is_same_sum(&sum->entry, entry)) continue;
        return sum->entry.did[0] != '\0' || audit->sum_count < AUDIT_SUMS_MAX / 2 ? sum : NULL;
    }
    return NULL;
}

static void add_to_sum(struct audit *audit, const struct audit_entry *entry) {
    struct sum *sum = sum_find(audit, entry);
    if (sum == NULL) {
        audit->lost++;
        audit->lost_ms = entry->at_ms;
        return;
    }
    if (sum->entry.did[0] == '\0') {
        sum->entry = *entry;
        sum->entry.customer.value = ID_NONE;
        sum->entry.count = 0;
        audit->sum_count++;
    }
    sum->entry.count++;
}

void audit_note(struct audit *audit, const struct audit_entry *entry, bool sums) {
    if (audit == NULL || entry->did[0] == '\0') return;
    pthread_mutex_lock(&audit->lock);
    if (sums) {
        add_to_sum(audit, entry);
    } else if (audit->waiting_count < AUDIT_WAITING_MAX) {
        audit->waiting[audit->waiting_count] = *entry;
        audit->waiting[audit->waiting_count++].count = 1;
    } else {
        audit->lost++;
        audit->lost_ms = entry->at_ms;
    }
    pthread_mutex_unlock(&audit->lock);
}

/* ---- files ---- */

static enum status path_of(const char *directory, const char *name, char path[FILE_PATH_MAX],
                           struct error *error) {
    int length = name != NULL
                     ? snprintf(path, FILE_PATH_MAX, "%s/" AUDIT_FOLDER "/%s", directory, name)
                     : snprintf(path, FILE_PATH_MAX, "%s/" AUDIT_FOLDER, directory);
    if (length < FILE_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_LIMIT, "a path may have at most %d bytes: use a shorter one",
                     FILE_PATH_MAX - 1);
}

/* The number of a file of ours; 0: it is none. */
static uint32_t number_of(const char *name) {
    int64_t number;
    struct text text = text_from(name);
    if (text.length != NAME_DIGITS + 7 || !text_ends_with(text, TEXT(".ndjson"))) return 0;
    text.length = NAME_DIGITS;
    return text_to_int64(text, &number) == STATUS_OK && number > 0 ? (uint32_t)number : 0;
}

struct numbers { /* ascending, as names sort */
    struct buffer names;
    uint32_t *at;
    size_t count, capacity;
};

static void numbers_release(struct numbers *numbers) {
    buffer_release(&numbers->names);
    memory_free(numbers->at);
}

static enum status numbers_list(struct file_system *fs, const char *directory,
                                struct numbers *numbers, struct error *error) {
    char path[FILE_PATH_MAX];
    size_t name_count = 0;
    *numbers = (struct numbers){.at = NULL};
    buffer_init(&numbers->names);
    enum status status = path_of(directory, NULL, path, error);
    if (status == STATUS_OK) status = directory_list(fs, path, &numbers->names, &name_count, error);
    const char *name = numbers->names.at;
    for (size_t i = 0; status == STATUS_OK && i < name_count; i++, name += strlen(name) + 1) {
        if (number_of(name) == 0) continue;
        status = memory_grow((void **)&numbers->at, &numbers->capacity, numbers->count + 1,
                             sizeof *numbers->at);
        if (status == STATUS_OK) numbers->at[numbers->count++] = number_of(name);
    }
    return status;
}

static enum status number_path(const char *directory, uint32_t number, char path[FILE_PATH_MAX],
                               struct error *error) {
    char name[32];
    snprintf(name, sizeof name, "%0*u.ndjson", NAME_DIGITS, number);
    return path_of(directory, name, path, error);
}

/* Opens the newest file that has room; beyond the last one the oldest goes. */
static enum status open_newest(struct file_system *fs, const char *directory, struct file **out,
                               struct error *error) {
    char path[FILE_PATH_MAX];
    struct numbers numbers;
    uint64_t length = 0;
    enum status status = numbers_list(fs, directory, &numbers, error);
    uint32_t number = numbers.count > 0 ? numbers.at[numbers.count - 1] : 1;
    if (status == STATUS_OK) status = number_path(directory, number, path, error);
    if (status == STATUS_OK) status = file_open(fs, path, FILE_APPEND, out, error);
    if (status == STATUS_OK) status = file_size(*out, &length, error);
    if (status == STATUS_OK && length >= AUDIT_FILE_BYTES) {
        file_close(*out);
        *out = NULL;
        status = number_path(directory, number + 1, path, error);
        if (status == STATUS_OK) status = file_open(fs, path, FILE_APPEND, out, error);
        for (size_t i = 0; status == STATUS_OK && i + AUDIT_FILES_MAX <= numbers.count; i++) {
            status = number_path(directory, numbers.at[i], path, error);
            if (status == STATUS_OK) status = file_remove(fs, path, error);
        }
    }
    if (status == STATUS_OK && length == 0) {
        status = path_of(directory, NULL, path, error);
        if (status == STATUS_OK) status = directory_sync(fs, path, error);
    }
    numbers_release(&numbers);
    return status;
}

static enum status write_lines(struct file_system *fs, const char *directory, struct text lines,
                               struct error *error) {
    struct file *file = NULL;
    enum status status = open_newest(fs, directory, &file, error);
    if (status == STATUS_OK) status = file_write(file, lines.at, lines.length, error);
    if (status == STATUS_OK) status = file_sync(file, error);
    file_close(file);
    return status;
}

static enum status make_folder(struct file_system *fs, const char *directory, struct error *error) {
    char path[FILE_PATH_MAX];
    enum status status = path_of(directory, NULL, path, error);
    return status == STATUS_OK ? directory_make(fs, path, error) : status;
}

/* ---- writing what waits ---- */

static void take_sums(struct audit *audit, int64_t now_ms, bool all) {
    bool any_old = all;
    for (uint32_t i = 0; !any_old && i < AUDIT_SUMS_MAX; i++) {
        const struct audit_entry *entry = &audit->sums[i].entry;
        any_old = entry->did[0] != '\0' && now_ms - entry->at_ms >= AUDIT_SUM_MS;
    }
    if (!any_old || audit->sum_count == 0) return;
    /* All at once, since a slot that is freed alone would cut a row of open addressing. */
    for (uint32_t i = 0; i < AUDIT_SUMS_MAX; i++) {
        struct audit_entry *entry = &audit->sums[i].entry;
        if (entry->did[0] == '\0') continue;
        entry->at_ms = now_ms;
        write_line(&audit->lines, entry);
        entry->did[0] = '\0';
    }
    audit->sum_count = 0;
}

static void take_waiting(struct audit *audit, int64_t now_ms, bool all) {
    pthread_mutex_lock(&audit->lock);
    for (uint32_t i = 0; i < audit->waiting_count; i++)
        write_line(&audit->lines, &audit->waiting[i]);
    audit->waiting_count = 0;
    take_sums(audit, now_ms, all);
    struct audit_entry lost = {
        .at_ms = audit->lost_ms, .did = "lost", .customer = {ID_NONE}, .count = audit->lost};
    audit->lost = 0;
    pthread_mutex_unlock(&audit->lock);
    if (lost.count > 0) write_line(&audit->lines, &lost);
}

static enum status flush(struct audit *audit, int64_t now_ms, bool all, struct error *error) {
    /* What could not be written is not piled up: the file system is full, or gone. */
    if (audit->lines.length < AUDIT_FILE_BYTES) take_waiting(audit, now_ms, all);
    if (audit->lines.length == 0) return STATUS_OK;
    enum status status =
        write_lines(audit->fs, audit->directory, buffer_text(&audit->lines), error);
    if (status == STATUS_OK) buffer_clear(&audit->lines);
    return status;
}

enum status audit_tick(struct audit *audit, int64_t now_ms, struct error *error) {
    return flush(audit, now_ms, false, error);
}

enum status audit_open(struct audit **out, struct file_system *fs, const char *directory,
                       struct error *error) {
    *out = NULL;
    if (strlen(directory) + 64 > FILE_PATH_MAX)
        return error_set(error, STATUS_LIMIT, "a path may have at most %d bytes: use a shorter one",
                         FILE_PATH_MAX - 1);
    struct audit *audit = memory_calloc(1, sizeof *audit);
    if (audit == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for the audit");
    audit->fs = fs;
    memcpy(audit->directory, directory, strlen(directory) + 1);
    pthread_mutex_init(&audit->lock, NULL);
    buffer_init(&audit->lines);
    enum status status = make_folder(fs, directory, error);
    if (status == STATUS_OK) {
        *out = audit;
        return STATUS_OK;
    }
    audit_close(audit, 0);
    return status;
}

void audit_close(struct audit *audit, int64_t now_ms) {
    struct error ignored;
    if (audit == NULL) return;
    (void)!flush(audit, now_ms, true, &ignored);
    pthread_mutex_destroy(&audit->lock);
    buffer_release(&audit->lines);
    memory_free(audit);
}

enum status audit_append(struct file_system *fs, const char *directory,
                         const struct audit_entry *entry, struct error *error) {
    struct buffer line;
    buffer_init(&line);
    struct audit_entry one = *entry;
    one.count = 1;
    write_line(&line, &one);
    enum status status = line.length > 0 ? make_folder(fs, directory, error) : STATUS_NO_MEMORY;
    if (status == STATUS_OK) status = write_lines(fs, directory, buffer_text(&line), error);
    buffer_release(&line);
    return status;
}

/* ---- reading ---- */

static void copy_text(struct json_node root, struct text name, char *out, size_t bytes) {
    struct json_node node;
    out[0] = '\0';
    if (!json_get(root, name, &node) || json_type(node) != JSON_TEXT) return;
    struct text text = json_text(node);
    if (text.length >= bytes) return;
    memcpy(out, text.at, text.length);
    out[text.length] = '\0';
}

struct reading {
    bool (*visit)(void *context, const struct audit_entry *entry);
    void *context;
    struct json_parser *parser;
    uint64_t unreadable;
    bool goes_on, no_memory;
};

static bool read_entry(struct reading *reading, struct text line, struct audit_entry *entry) {
    struct json_node root, node;
    struct error ignored;
    char at[40], customer[16];
    int64_t number = 0;
    *entry = (struct audit_entry){.customer = {ID_NONE}};
    enum status status = json_parse(reading->parser, line, &root, &ignored);
    reading->no_memory |= status == STATUS_NO_MEMORY;
    if (status != STATUS_OK) return false;
    copy_text(root, TEXT("at"), at, sizeof at);
    copy_text(root, TEXT("key"), entry->key, sizeof entry->key);
    copy_text(root, TEXT("did"), entry->did, sizeof entry->did);
    copy_text(root, TEXT("customer"), customer, sizeof customer);
    if (customer[0] == 'C' && text_to_int64(text_from(customer + 1), &number) == STATUS_OK)
        entry->customer.value = (uint32_t)number;
    if (json_get(root, TEXT("code"), &node) && json_integer(node, &number))
        entry->code = (unsigned)number;
    if (!json_get(root, TEXT("count"), &node) || !json_integer(node, &number)) return false;
    entry->count = (uint64_t)number;
    return entry->did[0] != '\0' && time_parse(text_from(at), NULL, &entry->at_ms) == STATUS_OK;
}

static void read_lines(struct reading *reading, struct text bytes) {
    while (reading->goes_on && bytes.length > 0) {
        const char *end = memchr(bytes.at, '\n', bytes.length);
        struct text line = {bytes.at, end != NULL ? (uint32_t)(end - bytes.at) : bytes.length};
        uint32_t taken = line.length + (end != NULL);
        struct audit_entry entry;
        if (line.length > LINE_BYTES_MAX || !read_entry(reading, line, &entry))
            reading->unreadable++;
        else
            reading->goes_on = reading->visit(reading->context, &entry);
        bytes.at += taken;
        bytes.length -= taken;
    }
}

static enum status read_files(struct file_system *fs, const char *directory,
                              struct reading *reading, struct error *error) {
    struct numbers numbers;
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = numbers_list(fs, directory, &numbers, error);
    if (status == STATUS_NOT_FOUND) status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && reading->goes_on && i < numbers.count; i++) {
        char path[FILE_PATH_MAX];
        buffer_clear(&bytes);
        status = number_path(directory, numbers.at[i], path, error);
        if (status == STATUS_OK)
            status = file_read_all(fs, path, 4 * (size_t)AUDIT_FILE_BYTES, &bytes, error);
        if (status == STATUS_OK) read_lines(reading, buffer_text(&bytes));
        if (status == STATUS_NOT_FOUND) status = STATUS_OK; /* the server has just let it go */
    }
    numbers_release(&numbers);
    buffer_release(&bytes);
    return status;
}

enum status audit_read(struct file_system *fs, const char *directory,
                       bool (*visit)(void *context, const struct audit_entry *entry), void *context,
                       uint64_t *unreadable, struct error *error) {
    struct reading reading = {.visit = visit, .context = context, .goes_on = true};
    *unreadable = 0;
    if (json_parser_create(&reading.parser, LINE_BYTES_MAX) != STATUS_OK)
        return error_set(error, STATUS_NO_MEMORY, "no memory to read the audit");
    enum status status = read_files(fs, directory, &reading, error);
    json_parser_destroy(reading.parser);
    if (status == STATUS_OK && reading.no_memory)
        status = error_set(error, STATUS_NO_MEMORY, "no memory to read the audit");
    *unreadable = reading.unreadable;
    return status;
}
