/* SPDX-License-Identifier: Apache-2.0 */
/* The command `tail`: the server's live tail (server/take/feed.h), for people or as lines of JSON.
 *
 * The stream is asked for by HTTP/1.0, so that it comes as it is, without chunks. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"

#define LINE_BYTES_MAX 65536u
#define KEY_BYTES_MAX  512
#define HOST_BYTES_MAX 256
#define USUAL_URL      "http://127.0.0.1:8420"
#define AGAIN_SECONDS  1

struct tail {
    const struct cli *cli;
    char host[HOST_BYTES_MAX], port[16], path[512], key[KEY_BYTES_MAX];
    int socket;
    char bytes[4096]; /* read and not yet taken: [used, filled) */
    size_t used, filled;
    struct buffer line;
    char event[32]; /* of the message under way */
    struct json_parser *json;
    uint64_t seen, wanted; /* wanted 0: until it is stopped */
    bool was_open;
};

/* ---- where, and with which key ---- */

static int bad_url(const char *url) {
    return cli_fail_text("%.128s is no address of a server: write http://HOST:PORT (behind TLS ask "
                         "by curl -N, as docs/serve.md shows)",
                         url);
}

static int read_url(struct tail *tail, const char *url) {
    static const char scheme[] = "http://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) return bad_url(url);
    const char *host = url + sizeof scheme - 1;
    size_t length = strcspn(host, "/");
    if (host[length] == '/' && host[length + 1] != 0) return bad_url(url);
    bool is_v6 = host[0] == '[';
    const char *end = is_v6 ? memchr(host, ']', length) : memchr(host, ':', length);
    size_t host_length = end == NULL ? length : (size_t)(end - host) + is_v6;
    const char *port = host + host_length;
    if (host_length == 0 || host_length >= HOST_BYTES_MAX || (is_v6 && end == NULL))
        return bad_url(url);
    snprintf(tail->host, sizeof tail->host, "%.*s", (int)host_length, host);
    snprintf(tail->port, sizeof tail->port, "%.*s",
             *port == ':' ? (int)(length - host_length - 1) : 2, *port == ':' ? port + 1 : "80");
    return EXIT_OK;
}

/* Letters, digits and what stands for itself in a query; all else as %XX. */
static void escape(char *out, size_t size, const char *text) {
    size_t at = 0;
    for (; *text != 0 && at + 4 < size; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-_.,*", c) != NULL;
        at += (size_t)snprintf(out + at, size - at, plain ? "%c" : "%%%02X", c);
    }
    out[at] = 0;
}

static void build_path(struct tail *tail) {
    const struct cli *cli = tail->cli;
    const char *const filters[][2] = {
        {"source", cli->source}, {"name", cli->event}, {"verdict", cli->verdict}};
    char separator = '?', value[128];
    size_t at = (size_t)snprintf(tail->path, sizeof tail->path, "/v1/events/stream");
    for (size_t i = 0; i < 3; i++) {
        if (filters[i][1] == NULL) continue;
        escape(value, sizeof value, filters[i][1]);
        at += (size_t)snprintf(tail->path + at, sizeof tail->path - at, "%c%s=%s", separator,
                               filters[i][0], value);
        separator = '&';
    }
}

static int read_key(struct tail *tail) {
    struct buffer bytes;
    struct error error = {0};
    const char *key = getenv("ATTUNE_KEY");
    buffer_init(&bytes);
    if (tail->cli->key_file != NULL) {
        enum status status =
            file_read_all(file_system_os(), tail->cli->key_file, KEY_BYTES_MAX, &bytes, &error);
        if (status == STATUS_OK) status = buffer_append(&bytes, "", 1);
        if (status != STATUS_OK) {
            buffer_release(&bytes);
            return cli_fail(&error);
        }
        key = bytes.at;
    }
    struct text text = key != NULL ? text_trim(text_from(key)) : (struct text){0};
    bool is_fine = text.length > 0 && text.length < KEY_BYTES_MAX &&
                   memchr(text.at, '\n', text.length) == NULL;
    if (is_fine) snprintf(tail->key, sizeof tail->key, "%.*s", TEXT_ARG(text));
    buffer_release(&bytes);
    return is_fine ? EXIT_OK
                   : cli_fail_text("the live tail needs a key that may read: attune key add --read "
                                   "makes one; give it as $ATTUNE_KEY or by --key-file FILE");
}

/* ---- the connection ---- */

static int open_socket(struct tail *tail) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[HOST_BYTES_MAX];
    snprintf(host, sizeof host, "%s", tail->host[0] == '[' ? tail->host + 1 : tail->host);
    host[strcspn(host, "]")] = 0;
    if (getaddrinfo(host, tail->port, &hints, &found) != 0) return -1;
    int made = -1;
    for (const struct addrinfo *at = found; at != NULL && made < 0; at = at->ai_next) {
        made = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (made >= 0 && connect(made, at->ai_addr, at->ai_addrlen) != 0) {
            close(made);
            made = -1;
        }
    }
    freeaddrinfo(found);
    return made;
}

static bool send_request(const struct tail *tail) {
    char request[2048];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.0\r\nHost: %s:%s\r\nAccept: text/event-stream\r\n"
                          "Authorization: Bearer %s\r\n\r\n",
                          tail->path, tail->host, tail->port, tail->key);
    for (int sent = 0; sent < length;) {
        ssize_t count = send(tail->socket, request + sent, (size_t)(length - sent), MSG_NOSIGNAL);
        if (count <= 0) return false;
        sent += (int)count;
    }
    return true;
}

/* ---- what comes ---- */

static struct text member(struct json_node root, const char *name) {
    struct json_node node;
    struct text text = {0};
    if (json_get(root, text_from(name), &node)) text = json_text(node);
    return text.at != NULL ? text : TEXT("");
}

static void print_entry(struct json_node root) {
    struct text time = member(root, "time"), reason = member(root, "reason");
    struct text clock = time.length >= 19 ? (struct text){time.at + 11, 8} : time;
    struct text verdict = member(root, "verdict"), source = member(root, "source");
    struct text name = member(root, "name");
    struct json_node persons;
    char line[512];
    size_t at = (size_t)snprintf(line, sizeof line, "%.*s %-11.*s %-10.*s %-24.*s", TEXT_ARG(clock),
                                 TEXT_ARG(verdict), TEXT_ARG(source),
                                 (int)(name.length < 60 ? name.length : 60), name.at);
    if (json_get(root, TEXT("identifiers"), &persons)) {
        struct json_iterator item = json_begin(persons);
        while (json_next(&item) && at < sizeof line - 1) {
            struct text person = json_text(item.node);
            if (person.at == NULL) continue;
            at += (size_t)snprintf(line + at, sizeof line - at, " %.*s", TEXT_ARG(person));
        }
    }
    size_t length = strlen(line);
    while (length > 0 && line[length - 1] == ' ') length--;
    cli_wrap(stdout, (struct text){line, (uint32_t)length}, 21);
    if (reason.length > 0) cli_wrap_format(21, "%21s%.*s", "", TEXT_ARG(reason));
}

static void take_data(struct tail *tail, struct text data) {
    struct json_node root, count;
    struct error ignored;
    bool is_entry = strcmp(tail->event, "arrived") == 0;
    if (!is_entry && strcmp(tail->event, "missed") != 0) return;
    if (json_parse(tail->json, data, &root, &ignored) != STATUS_OK) return;
    tail->seen += is_entry;
    if (tail->cli->json) {
        cli_say(stdout, "%.*s\n", TEXT_ARG(data));
    } else if (is_entry) {
        print_entry(root);
    } else if (json_get(root, TEXT("count"), &count)) {
        cli_say(stdout, "%.*s more came too fast to be shown\n", TEXT_ARG(json_number_text(count)));
    }
    fflush(stdout);
}

/* One line of the stream. */
static void take_line(struct tail *tail, struct text line) {
    if (text_starts_with(line, TEXT("event: ")))
        snprintf(tail->event, sizeof tail->event, "%.*s", (int)line.length - 7, line.at + 7);
    else if (text_starts_with(line, TEXT("data: ")))
        take_data(tail, (struct text){line.at + 6, line.length - 6});
    else if (line.length == 0)
        tail->event[0] = 0;
}

static bool is_done(const struct tail *tail) {
    return tail->wanted > 0 && tail->seen >= tail->wanted;
}

/* 1: a line was read, 0: the server has closed, -1: it sends what no stream has. */
static int read_line(struct tail *tail) {
    buffer_clear(&tail->line);
    for (;;) {
        if (tail->used == tail->filled) {
            ssize_t count = recv(tail->socket, tail->bytes, sizeof tail->bytes, 0);
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return 0;
            tail->used = 0;
            tail->filled = (size_t)count;
        }
        char c = tail->bytes[tail->used++];
        if (c == '\n') break;
        if (tail->line.length == LINE_BYTES_MAX || buffer_append(&tail->line, &c, 1) != STATUS_OK)
            return -1;
    }
    if (tail->line.length > 0 && tail->line.at[tail->line.length - 1] == '\r') tail->line.length--;
    return 1;
}

/* The answer's head, and where it is no stream, what the server says of it. */
static int read_head(struct tail *tail) {
    int code = 0;
    struct json_node root;
    struct error ignored;
    if (read_line(tail) != 1 || buffer_append(&tail->line, "", 1) != STATUS_OK ||
        sscanf(tail->line.at, "HTTP/%*s %d", &code) != 1)
        return cli_fail_text("%s:%s is no Attune server", tail->host, tail->port);
    while (read_line(tail) == 1 && tail->line.length > 0) continue;
    if (code == 200) return EXIT_OK;
    (void)read_line(tail);
    struct text detail = TEXT("");
    if (json_parse(tail->json, buffer_text(&tail->line), &root, &ignored) == STATUS_OK)
        detail = member(root, "detail");
    return cli_fail_text("the server answers %d: %.*s", code, TEXT_ARG(detail));
}

static int follow(struct tail *tail) {
    tail->used = tail->filled = 0;
    if (!send_request(tail)) return cli_fail_text("the server closed the connection");
    int code = read_head(tail);
    if (code != EXIT_OK) return code;
    if (!tail->was_open && !tail->cli->json && !tail->cli->quiet)
        fprintf(stderr, "what arrives at http://%s:%s (times in UTC; Ctrl-C ends it)\n", tail->host,
                tail->port);
    tail->was_open = true;
    while (!is_done(tail) && read_line(tail) == 1) take_line(tail, buffer_text(&tail->line));
    return EXIT_OK;
}

/* A server that was there and is started again is asked again. */
static int run(struct tail *tail) {
    for (;;) {
        tail->socket = open_socket(tail);
        if (tail->socket < 0 && !tail->was_open)
            return cli_fail_text("no server answers at %s:%s: start it with attune serve",
                                 tail->host, tail->port);
        int code = tail->socket >= 0 ? follow(tail) : EXIT_OK;
        if (tail->socket >= 0) close(tail->socket);
        if (code != EXIT_OK || is_done(tail)) return code;
        sleep(AGAIN_SECONDS);
    }
}

int command_tail(struct cli *cli) {
    struct tail tail = {.cli = cli, .socket = -1};
    int64_t count = 0;
    int code = read_url(&tail, cli->word_count > 0 ? cli->words[0] : USUAL_URL);
    if (code == EXIT_OK) code = read_key(&tail);
    if (code != EXIT_OK) return code;
    if (!cli_number("messages", cli->messages, 1, INT64_MAX, &count)) return EXIT_FAILED;
    tail.wanted = (uint64_t)count;
    build_path(&tail);
    if (json_parser_create(&tail.json, LINE_BYTES_MAX) != STATUS_OK)
        return cli_fail_text("out of memory");
    buffer_init(&tail.line);
    code = run(&tail);
    buffer_release(&tail.line);
    json_parser_destroy(tail.json);
    return code;
}
