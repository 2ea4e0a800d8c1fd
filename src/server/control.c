/* SPDX-License-Identifier: Apache-2.0 */
#include "server/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"

#define DESCRIPTORS 4 /* input, output, errors, working directory */
#define POLL_MS     200

/* What goes over the wire first, with the descriptors; then the words, each with its end. */
struct control_head {
    char magic[8]; /* "ATTUNEC1" */
    uint32_t words, bytes;
};
static const char magic[8] = {'A', 'T', 'T', 'U', 'N', 'E', 'C', '1'};

struct control {
    struct engine *engine;
    control_run_fn run;
    pthread_t thread;
    bool is_started;
    _Atomic bool ends;
    int listener;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* ---- both sides ---- */

static enum status address_of(const char *directory, struct sockaddr_un *out, struct error *error) {
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int length = snprintf(out->sun_path, sizeof out->sun_path, "%s/%s", directory, CONTROL_SOCKET);
    if (length > 0 && (size_t)length < sizeof out->sun_path) return STATUS_OK;
    return error_set(error, STATUS_LIMIT,
                     "%s: the path of a socket may have %zu bytes; use a shorter directory, or a "
                     "relative one",
                     directory, sizeof out->sun_path - sizeof CONTROL_SOCKET - 1);
}

/* Reads so many bytes, or says false where the other side is gone, or silent for too long. */
static bool read_whole(int connection, void *out, size_t bytes) {
    char *at = out;
    while (bytes > 0) {
        struct pollfd ready = {.fd = connection, .events = POLLIN};
        if (poll(&ready, 1, CONTROL_PATIENCE_MS) <= 0) return false;
        ssize_t got = read(connection, at, bytes);
        if (got <= 0) return false;
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

static bool write_whole(int connection, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        ssize_t put = send(connection, at, length, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        at += put;
        length -= (size_t)put;
    }
    return true;
}

/* ---- the server's side ---- */

static bool is_ours(int connection) {
    struct ucred who;
    socklen_t length = sizeof who;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

/* Takes the head and the descriptors that come with it. */
static bool read_head(int connection, struct control_head *head, int descriptors[DESCRIPTORS]) {
    struct pollfd ready = {.fd = connection, .events = POLLIN};
    struct iovec part = {head, sizeof *head};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS)];
    } space;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof space.bytes};
    if (poll(&ready, 1, CONTROL_PATIENCE_MS) <= 0) return false;
    ssize_t got = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *with = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    size_t count = 0;
    if (with != NULL && with->cmsg_level == SOL_SOCKET && with->cmsg_type == SCM_RIGHTS)
        count = (with->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (count > DESCRIPTORS) count = DESCRIPTORS;
    if (count > 0) memcpy(descriptors, CMSG_DATA(with), count * sizeof(int));
    return got == (ssize_t)sizeof *head && count == DESCRIPTORS &&
           (message.msg_flags & MSG_CTRUNC) == 0 && memcmp(head->magic, magic, sizeof magic) == 0 &&
           head->words >= 1 && head->words <= CONTROL_WORDS_MAX && head->bytes >= head->words &&
           head->bytes <= CONTROL_BYTES_MAX;
}

/* The words behind each other, each with its end; false where there are not so many. */
static bool split_words(char *bytes, const struct control_head *head, char **words) {
    uint32_t found = 0;
    if (bytes[head->bytes - 1] != '\0') return false;
    for (uint32_t at = 0; at < head->bytes; at += (uint32_t)strlen(bytes + at) + 1) {
        if (found == head->words) return false;
        words[found++] = bytes + at;
    }
    words[found] = NULL;
    return found == head->words;
}

static bool is_to_end(const struct control_command *command) {
    char byte;
    if (atomic_load(command->ends)) return true;
    ssize_t got = recv(command->connection, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void run_command(struct control *control, int connection, const struct control_head *head,
                        const int descriptors[DESCRIPTORS]) {
    char *bytes = memory_alloc(head->bytes);
    char **words = memory_alloc(((size_t)head->words + 1) * sizeof *words);
    if (bytes != NULL && words != NULL && read_whole(connection, bytes, head->bytes) &&
        split_words(bytes, head, words) && fchdir(descriptors[3]) == 0) {
        const struct control_command command = {
            .argc = (int)head->words,
            .argv = words,
            .input = descriptors[0],
            .output = descriptors[1],
            .errors = descriptors[2],
            .is_cancelled = is_to_end,
            .connection = connection,
            .ends = &control->ends,
        };
        int32_t code = control->run(control->engine, &command);
        (void)!write_whole(connection, &code, sizeof code);
        (void)!chdir("/");
    }
    memory_free(words);
    memory_free(bytes);
}

static void serve_caller(struct control *control, int connection) {
    struct control_head head;
    int descriptors[DESCRIPTORS] = {-1, -1, -1, -1};
    if (is_ours(connection) && read_head(connection, &head, descriptors))
        run_command(control, connection, &head, descriptors);
    for (uint32_t i = 0; i < DESCRIPTORS; i++) {
        if (descriptors[i] >= 0) close(descriptors[i]);
    }
}

static void *run_control(void *argument) {
    struct control *control = argument;
    /* A working directory of its own, so that the callers' relative paths are theirs. Where the
     * system refuses, it stays that of the process, and commands with such paths fail by name. */
    (void)!unshare(CLONE_FS);
    while (!atomic_load(&control->ends)) {
        struct pollfd ready = {.fd = control->listener, .events = POLLIN};
        if (poll(&ready, 1, POLL_MS) <= 0) continue;
        int connection = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) continue;
        serve_caller(control, connection);
        close(connection);
    }
    return NULL;
}

/* A socket that nobody listens on is left of a server that was killed; the caller holds the
 * directory's lock, so nobody else makes one. */
static enum status listen_at(struct control *control, const struct sockaddr_un *address,
                             struct error *error) {
    memcpy(control->path, address->sun_path, sizeof control->path);
    (void)!unlink(control->path);
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (control->listener < 0) return error_set_errno(error, errno, "no socket");
    mode_t before = umask(0177); /* the socket must never be anybody else's, not for a moment */
    int bound = bind(control->listener, (const struct sockaddr *)address, sizeof *address);
    int reason = errno;
    umask(before);
    if (bound != 0 || listen(control->listener, CONTROL_WAITING_MAX) != 0)
        return error_set_errno(error, bound != 0 ? reason : errno, "%s", control->path);
    return STATUS_OK;
}

enum status control_open(struct control **out, struct engine *engine, const char *directory,
                         control_run_fn run, struct error *error) {
    struct sockaddr_un address;
    struct control *control = memory_calloc(1, sizeof *control);
    if (control == NULL) return STATUS_NO_MEMORY;
    control->engine = engine;
    control->run = run;
    control->listener = -1;
    enum status status = address_of(directory, &address, error);
    if (status == STATUS_OK) status = listen_at(control, &address, error);
    if (status == STATUS_OK) {
        *out = control;
        return STATUS_OK;
    }
    if (control->listener >= 0) close(control->listener);
    memory_free(control);
    return status;
}

enum status control_start(struct control *control, struct error *error) {
    control->is_started = pthread_create(&control->thread, NULL, run_control, control) == 0;
    return control->is_started ? STATUS_OK
                               : error_set(error, STATUS_LIMIT, "the system gives no thread");
}

void control_close(struct control *control) {
    if (control == NULL) return;
    atomic_store(&control->ends, true);
    if (control->is_started) pthread_join(control->thread, NULL);
    close(control->listener);
    (void)!unlink(control->path);
    memory_free(control);
}

/* ---- the caller's side ---- */

static enum status connect_to(const char *directory, int *out, struct error *error) {
    struct sockaddr_un address;
    enum status status = address_of(directory, &address, error);
    if (status != STATUS_OK) return status;
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0) return error_set_errno(error, errno, "no socket");
    if (connect(connection, (const struct sockaddr *)&address, sizeof address) == 0) {
        *out = connection;
        return STATUS_OK;
    }
    int reason = errno;
    close(connection);
    if (reason == ENOENT || reason == ECONNREFUSED) return STATUS_NOT_FOUND;
    return error_set_errno(error, reason, "%s", address.sun_path);
}

static bool send_words(int connection, int argc, char *const *argv) {
    struct control_head head = {.words = (uint32_t)argc};
    int descriptors[DESCRIPTORS] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO,
                                    open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof descriptors)];
    } space;
    struct iovec part = {&head, sizeof head};
    memset(&space, 0, sizeof space);
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof space.bytes};
    struct cmsghdr *with = CMSG_FIRSTHDR(&message);
    with->cmsg_level = SOL_SOCKET;
    with->cmsg_type = SCM_RIGHTS;
    with->cmsg_len = CMSG_LEN(sizeof descriptors);
    memcpy(CMSG_DATA(with), descriptors, sizeof descriptors);
    memcpy(head.magic, magic, sizeof magic);
    for (int i = 0; i < argc; i++) head.bytes += (uint32_t)strlen(argv[i]) + 1;
    bool is_sent =
        descriptors[3] >= 0 && sendmsg(connection, &message, MSG_NOSIGNAL) == (ssize_t)sizeof head;
    if (descriptors[3] >= 0) close(descriptors[3]);
    for (int i = 0; i < argc && is_sent; i++)
        is_sent = write_whole(connection, argv[i], strlen(argv[i]) + 1);
    return is_sent;
}

enum status control_hand_over(const char *directory, int argc, char *const *argv,
                              const volatile _Atomic int *wants_end, int *exit_code,
                              struct error *error) {
    int connection = -1;
    int32_t code = 0;
    enum status status = connect_to(directory, &connection, error);
    if (status != STATUS_OK) return status;
    bool is_going = send_words(connection, argc, argv), told = false;
    while (is_going) {
        struct pollfd ready = {.fd = connection, .events = POLLIN};
        if (*wants_end != 0 && !told) told = write_whole(connection, "x", 1);
        int woken = poll(&ready, 1, POLL_MS);
        if (woken > 0 || (woken < 0 && errno != EINTR)) break;
    }
    if (!is_going || recv(connection, &code, sizeof code, MSG_WAITALL) != (ssize_t)sizeof code)
        status = error_set(error, STATUS_IO,
                           "the server of %s went away before the command had ended; ask again, "
                           "since nobody knows whether it was done",
                           directory);
    *exit_code = code;
    close(connection);
    return status;
}
