/* SPDX-License-Identifier: Apache-2.0 */
#include "support/simulated_disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/random.h"

/* Test code: plain malloc, so that failing the product's allocations does not fail the disk. */

#define SECTOR 512u

struct node { /* a file's content; freed with the last name, handle and mapping */
    uint32_t references;
    bool is_directory, locked;
    uint8_t *bytes;
    size_t length, capacity;
    uint8_t *durable; /* as of the last sync */
    size_t durable_length;
    uint8_t *dirty; /* a byte a sector: written since */
    size_t dirty_count;
    bool length_dirty;
};

struct name {
    char *path;
    struct node *node;
};

struct names {
    struct name *items;
    size_t count;
};

enum change_kind { CHANGE_ADD, CHANGE_REMOVE, CHANGE_RENAME };
struct change { /* not yet durable, in one directory */
    enum change_kind kind;
    char *path, *from;
    struct node *node;
};

struct simulated_disk {
    struct file_system fs;
    pthread_mutex_t mutex;
    struct random random;
    struct names now, durable;
    struct change *changes;
    size_t change_count;
    uint64_t calls, cut_at, fail_at, capacity;
    bool fail_full, off;
};

struct simulated_file {
    struct file file;
    struct simulated_disk *disk;
    struct node *node;
    bool failed, holds_lock;
    char path[];
};

static void *must(void *at) {
    if (!at) abort();
    return at;
}

static struct simulated_disk *disk_of(struct file_system *fs) {
    return fs->self;
}

static void node_drop(struct node *node) {
    if (!node || --node->references > 0) return;
    free(node->bytes);
    free(node->durable);
    free(node->dirty);
    free(node);
}

static struct node *node_keep(struct node *node) {
    node->references++;
    return node;
}

static struct name *find(const struct names *names, const char *path) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].path, path) == 0) return &names->items[i];
    return NULL;
}

static void names_remove(struct names *names, const char *path) {
    struct name *name = find(names, path);
    if (!name) return;
    free(name->path);
    node_drop(name->node);
    *name = names->items[--names->count];
}

static void names_put(struct names *names, const char *path, struct node *node) {
    node_keep(node);
    names_remove(names, path);
    names->items = must(realloc(names->items, (names->count + 1) * sizeof(*names->items)));
    names->items[names->count++] = (struct name){must(strdup(path)), node};
}

static void names_clear(struct names *names) {
    while (names->count) names_remove(names, names->items[0].path);
    free(names->items);
    *names = (struct names){0};
}

static void change_release(struct change *change) {
    free(change->path);
    free(change->from);
    node_drop(change->node);
}

static void note(struct simulated_disk *disk, enum change_kind kind, const char *path,
                 const char *from, struct node *node) {
    disk->changes = must(realloc(disk->changes, (disk->change_count + 1) * sizeof(*disk->changes)));
    disk->changes[disk->change_count++] = (struct change){
        kind, must(strdup(path)), from ? must(strdup(from)) : NULL, node ? node_keep(node) : NULL};
}

static void change_apply(struct names *names, const struct change *change) {
    if (change->kind == CHANGE_REMOVE) {
        names_remove(names, change->path);
        return;
    }
    names_put(names, change->path, change->node);
    if (change->kind == CHANGE_RENAME) names_remove(names, change->from);
}

static bool is_in(const char *path, const char *directory) {
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/' &&
           !strchr(path + length + 1, '/');
}

/* Counts a call that changes the disk. A status other than OK: it fails; *partly: some of it may be
 * done first. */
static enum status count_call(struct simulated_disk *disk, bool *partly) {
    *partly = false;
    if (disk->off) return STATUS_IO;
    disk->calls++;
    if (disk->fail_at && --disk->fail_at == 0) {
        *partly = true;
        return disk->fail_full ? STATUS_DISK_FULL : STATUS_IO;
    }
    if (disk->cut_at && --disk->cut_at == 0) {
        disk->off = true;
        *partly = true;
        return STATUS_IO;
    }
    return STATUS_OK;
}

static enum status fail(enum status status, const char *path, struct error *error) {
    return error_set(error, status, "%s: simulated %s", path, status_name(status));
}

static enum status disk_open(struct file_system *fs, const char *path, enum file_mode mode,
                             struct file **out, struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    enum status status = STATUS_OK;
    bool partly;
    *out = NULL;
    pthread_mutex_lock(&disk->mutex);
    struct name *name = find(&disk->now, path);
    if (disk->off)
        status = STATUS_IO;
    else if (mode == FILE_READ && !name)
        status = STATUS_NOT_FOUND;
    else if (mode == FILE_CREATE_NEW && name)
        status = STATUS_EXISTS;
    else if (mode != FILE_READ && !name) {
        char parent[FILE_PATH_MAX];
        if (file_parent(path, parent, error) ||
            (strcmp(parent, ".") != 0 && !find(&disk->now, parent)))
            status = STATUS_NOT_FOUND;
        else
            status = count_call(disk, &partly);
    }
    if (status == STATUS_OK) {
        struct node *node = name ? name->node : must(calloc(1, sizeof(*node)));
        if (!name) {
            names_put(&disk->now, path, node);
            note(disk, CHANGE_ADD, path, NULL, node);
        }
        struct simulated_file *file = must(calloc(1, sizeof(*file) + strlen(path) + 1));
        file->file.fs = fs;
        file->disk = disk;
        file->node = node_keep(node);
        memcpy(file->path, path, strlen(path) + 1);
        *out = &file->file;
    }
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, path, error) : STATUS_OK;
}

static void disk_close(struct file *handle) {
    struct simulated_file *file = (struct simulated_file *)handle;
    struct simulated_disk *disk = file->disk;
    pthread_mutex_lock(&disk->mutex);
    if (file->holds_lock) file->node->locked = false;
    node_drop(file->node);
    pthread_mutex_unlock(&disk->mutex);
    free(file);
}

static void node_resize(struct node *node, size_t length) {
    if (length > node->capacity) {
        size_t capacity = length + length / 2 + 4096;
        node->bytes = must(realloc(node->bytes, capacity));
        node->dirty = must(realloc(node->dirty, capacity / SECTOR + 1));
        memset(node->bytes + node->capacity, 0, capacity - node->capacity);
        size_t before = node->capacity ? node->capacity / SECTOR + 1 : 0;
        memset(node->dirty + before, 0, capacity / SECTOR + 1 - before);
        node->capacity = capacity;
    }
    if (length < node->length) memset(node->bytes + length, 0, node->length - length);
    if (length < node->length && length % SECTOR) node->dirty[length / SECTOR] = 1;
    node->length = length;
    node->length_dirty = true;
}

static uint64_t used_bytes(const struct simulated_disk *disk) {
    uint64_t used = 0;
    for (size_t i = 0; i < disk->now.count; i++) used += disk->now.items[i].node->length;
    return used;
}

static enum status disk_write(struct file *handle, const void *bytes, size_t length,
                              struct error *error) {
    struct simulated_file *file = (struct simulated_file *)handle;
    struct simulated_disk *disk = file->disk;
    struct node *node = file->node;
    bool partly = false;
    pthread_mutex_lock(&disk->mutex);
    enum status status = file->failed ? STATUS_IO : count_call(disk, &partly);
    size_t done = status == STATUS_OK ? length
                  : partly            ? (size_t)random_below(&disk->random, length + 1)
                                      : 0;
    uint64_t used = disk->capacity ? used_bytes(disk) : 0;
    if (disk->capacity && used + done > disk->capacity) {
        done = used < disk->capacity ? (size_t)(disk->capacity - used) : 0;
        if (status == STATUS_OK) status = STATUS_DISK_FULL;
    }
    if (done) {
        size_t at = node->length;
        node_resize(node, at + done);
        memcpy(node->bytes + at, bytes, done);
        memset(node->dirty + at / SECTOR, 1, (at + done - 1) / SECTOR - at / SECTOR + 1);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, file->path, error) : STATUS_OK;
}

static enum status disk_read_at(struct file *handle, uint64_t offset, void *bytes, size_t length,
                                size_t *got, struct error *error) {
    struct simulated_file *file = (struct simulated_file *)handle;
    pthread_mutex_lock(&file->disk->mutex);
    enum status status = file->disk->off ? STATUS_IO : STATUS_OK;
    size_t left = offset < file->node->length ? file->node->length - (size_t)offset : 0;
    *got = status ? 0 : left < length ? left : length;
    if (*got) memcpy(bytes, file->node->bytes + offset, *got);
    pthread_mutex_unlock(&file->disk->mutex);
    return status ? fail(status, file->path, error) : STATUS_OK;
}

static enum status disk_size(struct file *handle, uint64_t *length, struct error *error) {
    struct simulated_file *file = (struct simulated_file *)handle;
    pthread_mutex_lock(&file->disk->mutex);
    enum status status = file->disk->off ? STATUS_IO : STATUS_OK;
    *length = file->node->length;
    pthread_mutex_unlock(&file->disk->mutex);
    return status ? fail(status, file->path, error) : STATUS_OK;
}

static enum status disk_truncate(struct file *handle, uint64_t length, struct error *error) {
    struct simulated_file *file = (struct simulated_file *)handle;
    bool partly;
    pthread_mutex_lock(&file->disk->mutex);
    enum status status = file->failed ? STATUS_IO : count_call(file->disk, &partly);
    if (status == STATUS_OK) node_resize(file->node, (size_t)length);
    pthread_mutex_unlock(&file->disk->mutex);
    return status ? fail(status, file->path, error) : STATUS_OK;
}

/* Brings sectors to the durable copy: all dirty ones, or each by chance. Those that were not dirty
 * are there already. */
static void settle(struct simulated_disk *disk, struct node *node, bool all) {
    size_t length = node->length;
    if (!all && node->length_dirty) {
        uint64_t choice = random_below(&disk->random, 3);
        size_t low = length < node->durable_length ? length : node->durable_length;
        size_t high = length < node->durable_length ? node->durable_length : length;
        if (choice == 0) length = node->durable_length;
        if (choice == 1) length = low + (size_t)random_below(&disk->random, high - low + 1);
    }
    uint8_t *bytes = must(calloc(1, length + 1));
    size_t kept = length < node->durable_length ? length : node->durable_length;
    if (kept) memcpy(bytes, node->durable, kept);
    for (size_t at = 0; at < length && at < node->length; at += SECTOR) {
        if (!node->dirty[at / SECTOR] || (!all && random_below(&disk->random, 2))) continue;
        size_t end = at + SECTOR < node->length ? at + SECTOR : node->length;
        memcpy(bytes + at, node->bytes + at, (end < length ? end : length) - at);
    }
    free(node->durable);
    node->durable = bytes;
    node->durable_length = length;
    if (node->capacity) memset(node->dirty, 0, node->capacity / SECTOR + 1);
    node->length_dirty = false;
}

static enum status disk_sync(struct file *handle, struct error *error) {
    struct simulated_file *file = (struct simulated_file *)handle;
    bool partly = false;
    pthread_mutex_lock(&file->disk->mutex);
    enum status status = file->failed ? STATUS_IO : count_call(file->disk, &partly);
    if (status == STATUS_OK)
        settle(file->disk, file->node, true);
    else if (partly && !file->disk->off)
        settle(file->disk, file->node, false);
    if (status) file->failed = true;
    pthread_mutex_unlock(&file->disk->mutex);
    return status ? fail(STATUS_IO, file->path, error) : STATUS_OK;
}

static enum status disk_map(struct file_system *fs, const char *path, struct file_mapping *mapping,
                            struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    *mapping = (struct file_mapping){0};
    pthread_mutex_lock(&disk->mutex);
    struct name *name = find(&disk->now, path);
    enum status status = disk->off ? STATUS_IO : name ? STATUS_OK : STATUS_NOT_FOUND;
    if (status == STATUS_OK && name->node->length) {
        uint8_t *copy = must(malloc(name->node->length));
        memcpy(copy, name->node->bytes, name->node->length);
        *mapping = (struct file_mapping){copy, name->node->length, copy};
    }
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, path, error) : STATUS_OK;
}

static enum status disk_map_pieces(struct file_system *fs, const char *path,
                                   const struct file_piece *pieces, size_t count,
                                   struct file_mapping *mapping, struct error *error) {
    struct file_mapping whole;
    size_t length = 0, at = 0;
    *mapping = (struct file_mapping){0};
    enum status status = disk_map(fs, path, &whole, error);
    if (status) return status;
    for (size_t i = 0; i < count; i++) length += pieces[i].room;
    uint8_t *copy = must(calloc(1, length + 1));
    for (size_t i = 0; status == STATUS_OK && i < count; at += pieces[i++].room) {
        if (pieces[i].offset > whole.length || pieces[i].length > whole.length - pieces[i].offset)
            status = fail(STATUS_CORRUPT, path, error);
        else if (pieces[i].length)
            memcpy(copy + at, whole.at + pieces[i].offset, pieces[i].length);
    }
    free(whole.owner);
    if (status == STATUS_OK)
        *mapping = (struct file_mapping){copy, length, copy};
    else
        free(copy);
    return status;
}

static void disk_page_out(struct file_system *fs, const struct file_mapping *mapping) {
    (void)fs;
    (void)mapping;
}

static enum status disk_detach(struct file_system *fs, struct file_mapping *mapping) {
    (void)fs;
    (void)mapping; /* a copy from the first */
    return STATUS_OK;
}

static void disk_unmap(struct file_system *fs, struct file_mapping *mapping) {
    (void)fs;
    free(mapping->owner);
    *mapping = (struct file_mapping){0};
}

static enum status add_name(struct simulated_disk *disk, const char *from, const char *to,
                            bool move) {
    bool partly;
    struct name *name = find(&disk->now, from);
    if (disk->off) return STATUS_IO;
    if (!name) return STATUS_NOT_FOUND;
    if (!move && find(&disk->now, to)) return STATUS_EXISTS;
    enum status status = count_call(disk, &partly);
    if (status && !(partly && disk->off)) return status;
    struct node *node = node_keep(name->node);
    note(disk, move ? CHANGE_RENAME : CHANGE_ADD, to, from, node);
    names_put(&disk->now, to, node);
    if (move) names_remove(&disk->now, from);
    node_drop(node);
    return status;
}

static enum status disk_rename(struct file_system *fs, const char *from, const char *to,
                               struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    pthread_mutex_lock(&disk->mutex);
    enum status status = add_name(disk, from, to, true);
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, from, error) : STATUS_OK;
}

static enum status disk_link(struct file_system *fs, const char *from, const char *to,
                             struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    pthread_mutex_lock(&disk->mutex);
    enum status status = add_name(disk, from, to, false);
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, from, error) : STATUS_OK;
}

static enum status disk_remove(struct file_system *fs, const char *path, struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    bool partly = false;
    pthread_mutex_lock(&disk->mutex);
    enum status status = disk->off                ? STATUS_IO
                         : find(&disk->now, path) ? STATUS_OK
                                                  : STATUS_NOT_FOUND;
    if (status == STATUS_OK) status = count_call(disk, &partly);
    if (status == STATUS_OK || (partly && disk->off)) {
        note(disk, CHANGE_REMOVE, path, NULL, NULL);
        names_remove(&disk->now, path);
    }
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, path, error) : STATUS_OK;
}

static enum status disk_make_directory(struct file_system *fs, const char *path,
                                       struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    bool partly;
    pthread_mutex_lock(&disk->mutex);
    enum status status = disk->off ? STATUS_IO : STATUS_OK;
    if (status == STATUS_OK && !find(&disk->now, path)) {
        status = count_call(disk, &partly);
        if (status == STATUS_OK) {
            struct node *node = must(calloc(1, sizeof(*node)));
            node->is_directory = true;
            names_put(&disk->now, path, node);
            note(disk, CHANGE_ADD, path, NULL, node);
        }
    }
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, path, error) : STATUS_OK;
}

static enum status disk_sync_directory(struct file_system *fs, const char *path,
                                       struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    bool partly, top = strcmp(path, ".") == 0;
    pthread_mutex_lock(&disk->mutex);
    enum status status = count_call(disk, &partly);
    size_t kept = 0;
    for (size_t i = 0; status == STATUS_OK && i < disk->change_count; i++) {
        struct change *change = &disk->changes[i];
        if (!(top ? !strchr(change->path, '/') : is_in(change->path, path))) {
            disk->changes[kept++] = *change;
            continue;
        }
        change_apply(&disk->durable, change);
        change_release(change);
    }
    if (status == STATUS_OK) disk->change_count = kept;
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, path, error) : STATUS_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

static enum status disk_list(struct file_system *fs, const char *path, struct buffer *names,
                             size_t *count, struct error *error) {
    struct simulated_disk *disk = disk_of(fs);
    *count = 0;
    pthread_mutex_lock(&disk->mutex);
    enum status status = disk->off                ? STATUS_IO
                         : find(&disk->now, path) ? STATUS_OK
                                                  : STATUS_NOT_FOUND;
    if (disk->now.count)
        qsort(disk->now.items, disk->now.count, sizeof(*disk->now.items), compare_names);
    for (size_t i = 0; status == STATUS_OK && i < disk->now.count; i++) {
        if (!is_in(disk->now.items[i].path, path)) continue;
        const char *name = disk->now.items[i].path + strlen(path) + 1;
        status = buffer_append(names, name, strlen(name) + 1);
        (*count)++;
    }
    pthread_mutex_unlock(&disk->mutex);
    return status ? fail(status, path, error) : STATUS_OK;
}

static enum status disk_lock(struct file *handle, struct error *error) {
    struct simulated_file *file = (struct simulated_file *)handle;
    pthread_mutex_lock(&file->disk->mutex);
    enum status status = file->disk->off      ? STATUS_IO
                         : file->node->locked ? STATUS_LOCKED
                                              : STATUS_OK;
    if (status == STATUS_OK) file->node->locked = file->holds_lock = true;
    pthread_mutex_unlock(&file->disk->mutex);
    return status ? fail(status, file->path, error) : STATUS_OK;
}

static enum status disk_free_bytes(struct file_system *fs, const char *path, uint64_t *bytes,
                                   struct error *error) {
    (void)path;
    (void)error;
    struct simulated_disk *disk = disk_of(fs);
    pthread_mutex_lock(&disk->mutex);
    /* Without a limit there is plenty; with one, what is tested is the write that does not fit. */
    *bytes = UINT64_C(1) << 40;
    pthread_mutex_unlock(&disk->mutex);
    return STATUS_OK;
}

struct simulated_disk *simulated_disk_create(uint64_t seed, uint64_t capacity_bytes) {
    static const struct file_system_ops ops = {
        .open = disk_open,
        .close = disk_close,
        .write = disk_write,
        .read_at = disk_read_at,
        .size = disk_size,
        .truncate = disk_truncate,
        .sync = disk_sync,
        .map = disk_map,
        .map_private = disk_map, /* a copy either way */
        .map_pieces = disk_map_pieces,
        .page_out = disk_page_out,
        .detach = disk_detach,
        .unmap = disk_unmap,
        .rename = disk_rename,
        .remove = disk_remove,
        .make_directory = disk_make_directory,
        .sync_directory = disk_sync_directory,
        .list = disk_list,
        .lock = disk_lock,
        .free_bytes = disk_free_bytes,
        .link = disk_link,
    };
    struct simulated_disk *disk = must(calloc(1, sizeof(*disk)));
    disk->fs = (struct file_system){&ops, disk};
    disk->capacity = capacity_bytes;
    pthread_mutex_init(&disk->mutex, NULL);
    random_init(&disk->random, seed);
    return disk;
}

void simulated_disk_destroy(struct simulated_disk *disk) {
    if (!disk) return;
    for (size_t i = 0; i < disk->change_count; i++) change_release(&disk->changes[i]);
    free(disk->changes);
    names_clear(&disk->now);
    names_clear(&disk->durable);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

struct file_system *simulated_disk_interface(struct simulated_disk *disk) {
    return &disk->fs;
}
uint64_t simulated_disk_calls(const struct simulated_disk *disk) {
    return disk->calls;
}
void simulated_disk_cut_at(struct simulated_disk *disk, uint64_t nth) {
    disk->cut_at = nth;
}
bool simulated_disk_is_off(const struct simulated_disk *disk) {
    return disk->off;
}
void simulated_disk_capacity(struct simulated_disk *disk, uint64_t bytes) {
    disk->capacity = bytes;
}

void simulated_disk_fail_at(struct simulated_disk *disk, uint64_t nth, bool full) {
    disk->fail_at = nth;
    disk->fail_full = full;
}

/* What the platters hold becomes what is seen. */
static void node_reload(struct node *node) {
    node_resize(node, node->durable_length);
    if (node->length) memcpy(node->bytes, node->durable, node->length);
    if (node->capacity) memset(node->dirty, 0, node->capacity / SECTOR + 1);
    node->length_dirty = false;
    node->locked = false;
}

static bool is_reached(const struct names *names, const char *path) {
    char parent[FILE_PATH_MAX];
    if (file_parent(path, parent, NULL)) return false;
    return strcmp(parent, ".") == 0 || strcmp(parent, "/") == 0 || find(names, parent);
}

/* What lies in a folder whose own name was lost is lost with it. */
static void drop_unreached(struct names *names) {
    for (size_t i = 0; i < names->count;) {
        if (is_reached(names, names->items[i].path)) {
            i++;
            continue;
        }
        names_remove(names, names->items[i].path);
        i = 0;
    }
}

void simulated_disk_restart(struct simulated_disk *disk) {
    for (size_t i = 0; i < disk->change_count; i++) {
        if (random_below(&disk->random, 2)) change_apply(&disk->durable, &disk->changes[i]);
        change_release(&disk->changes[i]);
    }
    disk->change_count = 0;
    drop_unreached(&disk->durable);
    names_clear(&disk->now);
    for (size_t i = 0; i < disk->durable.count; i++) {
        struct name *name = &disk->durable.items[i];
        if (!name->node->is_directory) {
            settle(disk, name->node, false);
            node_reload(name->node);
        }
        names_put(&disk->now, name->path, name->node);
    }
    disk->off = false;
    disk->cut_at = disk->fail_at = 0;
}

bool simulated_disk_flip(struct simulated_disk *disk, const char *path, uint64_t offset,
                         unsigned bit) {
    struct name *name = find(&disk->now, path);
    if (!name || name->node->length == 0) return false;
    struct node *node = name->node;
    offset %= node->length;
    node->bytes[offset] ^= (uint8_t)(1u << (bit & 7));
    if (offset < node->durable_length) node->durable[offset] ^= (uint8_t)(1u << (bit & 7));
    return true;
}

bool simulated_disk_contains(const struct simulated_disk *disk, const void *bytes, size_t length) {
    for (size_t i = 0; i < disk->now.count; i++) {
        const struct node *node = disk->now.items[i].node;
        if (node->length && memmem(node->bytes, node->length, bytes, length)) return true;
        if (node->durable_length && memmem(node->durable, node->durable_length, bytes, length))
            return true;
    }
    return false;
}
