/* SPDX-License-Identifier: Apache-2.0 */
#include "base/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/memory.h"

#define COMPRESSED_BYTES ((size_t)256 << 10)
#define GZIP_WINDOW_BITS (15 + 16) /* zlib: 16 more means a gzip header */

enum input_kind { KIND_UNKNOWN, KIND_PLAIN, KIND_GZIP, KIND_END };

struct input {
    int descriptor;
    enum input_kind kind;
    bool file_ended;
    bool is_stream; /* a pipe, a terminal or a socket: bytes come when they are written */
    bool in_member; /* true inside a member of a .gz, between its header and its checksum */
    bool has_stream;
    struct work *work; /* NULL: nobody cancels it */
    uint64_t read_bytes, total_bytes, bytes_behind;
    z_stream stream;
    size_t start, end; /* the part of `bytes` that was read and is not yet used */
    char *path;
    uint8_t *bytes;
};

static void *stream_alloc(void *unused, unsigned count, unsigned bytes) {
    (void)unused;
    return memory_calloc(count, bytes);
}

static void stream_free(void *unused, void *at) {
    (void)unused;
    memory_free(at);
}

static enum status input_create(struct input **out, const char *path) {
    size_t path_bytes = strlen(path) + 1;
    struct input *input = memory_calloc(1, sizeof(*input));
    if (!input) return STATUS_NO_MEMORY;
    *out = input;
    input->descriptor = -1;
    input->path = memory_alloc(path_bytes);
    input->bytes = memory_alloc(COMPRESSED_BYTES);
    if (!input->path || !input->bytes) return STATUS_NO_MEMORY;
    memcpy(input->path, path, path_bytes);
    return STATUS_OK;
}

bool input_is_stream(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

static enum status open_descriptor(struct input *input, const char *path, struct error *error) {
    bool is_standard = strcmp(path, "-") == 0;
    int flags = O_RDONLY | O_CLOEXEC;
    if (input->work != NULL && input_is_stream(path)) flags |= O_NONBLOCK;
    input->descriptor = is_standard ? STDIN_FILENO : open(path, flags);
    if (input->descriptor < 0) return error_set_errno(error, errno, "cannot open %s", path);
    struct stat info;
    bool is_file = fstat(input->descriptor, &info) == 0 && S_ISREG(info.st_mode);
    input->is_stream = !is_file;
    if (is_file && !is_standard) input->total_bytes = (uint64_t)info.st_size;
    if (is_standard) return STATUS_OK;
    posix_fadvise(input->descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    return STATUS_OK;
}

enum status input_open(struct input **out, const char *path, struct error *error) {
    return input_open_for(out, path, NULL, error);
}

enum status input_open_for(struct input **out, const char *path, struct work *work,
                           struct error *error) {
    struct input *input = NULL;
    enum status status = input_create(&input, path);
    if (status) error_set(error, status, "no memory to read %s", path);
    if (status == STATUS_OK) input->work = work;
    if (status == STATUS_OK) status = open_descriptor(input, path, error);
    if (status) {
        input_close(input);
        return status;
    }
    *out = input;
    return STATUS_OK;
}

void input_close(struct input *input) {
    if (!input) return;
    if (input->has_stream) inflateEnd(&input->stream);
    if (input->descriptor > STDIN_FILENO) close(input->descriptor);
    memory_free(input->path);
    memory_free(input->bytes);
    memory_free(input);
}

/* Until there is something to read, the end of a pipe too, or somebody has cancelled the work. */
static enum status wait_for_bytes(const struct input *input, struct error *error) {
    struct pollfd waiting = {.fd = input->descriptor, .events = POLLIN};
    enum status status;
    if (input->work == NULL) return STATUS_OK;
    while ((status = work_check(input->work, error)) == STATUS_OK && input->is_stream) {
        if (poll(&waiting, 1, INPUT_LOOK_MS) > 0) break;
    }
    return status;
}

static enum status read_some(struct input *input, void *bytes, size_t length, size_t *got,
                             struct error *error) {
    ssize_t result;
    do {
        enum status status = wait_for_bytes(input, error);
        if (status != STATUS_OK) return status;
        result = read(input->descriptor, bytes, length);
    } while (result < 0 && (errno == EINTR || (errno == EAGAIN && input->work != NULL)));
    if (result < 0) return error_set_errno(error, errno, "cannot read %s", input->path);
    *got = (size_t)result;
    input->read_bytes += *got;
    input->file_ended = result == 0;
    return STATUS_OK;
}

/* Reads until `count` bytes wait in the buffer, or the file ends. */
static enum status fill(struct input *input, size_t count, struct error *error) {
    if (input->end - input->start >= count) return STATUS_OK;
    memmove(input->bytes, input->bytes + input->start, input->end - input->start);
    input->end -= input->start;
    input->start = 0;
    while (input->end < count && !input->file_ended) {
        size_t got = 0;
        enum status status =
            read_some(input, input->bytes + input->end, COMPRESSED_BYTES - input->end, &got, error);
        if (status) return status;
        input->end += got;
    }
    return STATUS_OK;
}

static bool gzip_starts(const struct input *input) {
    return input->end - input->start >= 2 && input->bytes[input->start] == 0x1F &&
           input->bytes[input->start + 1] == 0x8B;
}

static enum status start_stream(struct input *input, struct error *error) {
    input->stream.zalloc = stream_alloc;
    input->stream.zfree = stream_free;
    if (inflateInit2(&input->stream, GZIP_WINDOW_BITS) != Z_OK) {
        return error_set(error, STATUS_NO_MEMORY, "no memory to decompress %s", input->path);
    }
    input->has_stream = true;
    input->in_member = true;
    input->kind = KIND_GZIP;
    return STATUS_OK;
}

static enum status recognise(struct input *input, struct error *error) {
    enum status status = fill(input, 2, error);
    if (status) return status;
    if (gzip_starts(input)) return start_stream(input, error);
    input->kind = KIND_PLAIN;
    return STATUS_OK;
}

static enum status read_plain(struct input *input, void *bytes, size_t length, size_t *got,
                              struct error *error) {
    size_t waiting = input->end - input->start;
    if (waiting == 0)
        return input->file_ended ? STATUS_OK : read_some(input, bytes, length, got, error);
    *got = waiting < length ? waiting : length;
    memcpy(bytes, input->bytes + input->start, *got);
    input->start += *got;
    return STATUS_OK;
}

static enum status leave_rest(struct input *input, struct error *error) {
    while (input->end > input->start) {
        input->bytes_behind += input->end - input->start;
        input->start = input->end;
        enum status status = fill(input, 1, error);
        if (status) return status;
    }
    input->kind = KIND_END;
    return STATUS_OK;
}

/* Looks behind a member: there is another member, padding of zeros (tapes and some archivers write
 * it), or the end. */
static enum status next_member(struct input *input, struct error *error) {
    for (;;) {
        enum status status = fill(input, 2, error);
        if (status) return status;
        if (input->start == input->end) {
            input->kind = KIND_END;
            return STATUS_OK;
        }
        if (gzip_starts(input)) {
            inflateReset(&input->stream);
            input->in_member = true;
            return STATUS_OK;
        }
        if (input->bytes[input->start] != 0) {
            return leave_rest(input, error);
        }
        input->start++;
    }
}

static enum status inflate_error(const struct input *input, int code, struct error *error) {
    if (code == Z_MEM_ERROR)
        return error_set(error, STATUS_NO_MEMORY, "no memory to decompress %s", input->path);
    return error_set(error, STATUS_CORRUPT,
                     "the compressed data of %s is damaged (%s) before byte %llu of the file",
                     input->path, input->stream.msg ? input->stream.msg : "unknown reason",
                     (unsigned long long)input_consumed_bytes(input));
}

static enum status inflate_some(struct input *input, void *bytes, size_t length, size_t *got,
                                struct error *error) {
    enum status status = fill(input, 1, error);
    if (status) return status;
    size_t limit = length < ((size_t)1 << 30) ? length : (size_t)1 << 30;
    input->stream.next_in = input->bytes + input->start;
    input->stream.avail_in = (unsigned)(input->end - input->start);
    input->stream.next_out = bytes;
    input->stream.avail_out = (unsigned)limit;
    int code = inflate(&input->stream, Z_NO_FLUSH);
    input->start = input->end - input->stream.avail_in;
    *got = limit - input->stream.avail_out;
    if (code == Z_STREAM_END) input->in_member = false;
    if (code == Z_OK || code == Z_STREAM_END) return STATUS_OK;
    if (code == Z_BUF_ERROR && input->file_ended) {
        return error_set(
            error, STATUS_CORRUPT,
            "%s ends in the middle of its compressed data; it was cut off, copy it again",
            input->path);
    }
    return code == Z_BUF_ERROR ? STATUS_OK : inflate_error(input, code, error);
}

enum status input_read(struct input *input, void *bytes, size_t length, size_t *got,
                       struct error *error) {
    *got = 0;
    if (length == 0) return STATUS_OK;
    enum status status = input->kind == KIND_UNKNOWN ? recognise(input, error) : STATUS_OK;
    if (status) return status;
    if (input->kind == KIND_PLAIN) return read_plain(input, bytes, length, got, error);
    while (status == STATUS_OK && *got == 0 && input->kind != KIND_END) {
        status = input->in_member ? inflate_some(input, bytes, length, got, error)
                                  : next_member(input, error);
    }
    return status;
}

uint64_t input_consumed_bytes(const struct input *input) {
    return input->read_bytes - (input->end - input->start);
}

bool input_waits(const struct input *input, int wait_ms) {
    if (input == NULL || !input->is_stream || input->file_ended || input->end > input->start)
        return false;
    struct pollfd waiting = {.fd = input->descriptor, .events = POLLIN};
    return poll(&waiting, 1, wait_ms) == 0;
}

uint64_t input_bytes_behind(const struct input *input) {
    return input ? input->bytes_behind : 0;
}

uint64_t input_total_bytes(const struct input *input) {
    return input->total_bytes;
}
