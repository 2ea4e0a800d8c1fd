/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* Its interface version, as Debian, Fedora and others name the file. */
#define LIBRARY_FILE "libmicrohttpd.so.12"

struct http_library http_library;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define X(name) {"MHD_" #name, offsetof(struct http_library, name)},
    HTTP_LIBRARY_FUNCTIONS(X)
#undef X
};

static enum status load(struct error *error) {
    struct http_library found;
    void *library = dlopen(LIBRARY_FILE, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return error_set(error, STATUS_NOT_FOUND,
                         "the HTTP library " LIBRARY_FILE " is not there; install libmicrohttpd12 "
                         "(Debian) or libmicrohttpd (others)");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(library, functions[i].name);
        if (function == NULL)
            return error_set(error, STATUS_VERSION, "%s: it lacks %s; install 0.9.75 or later",
                             LIBRARY_FILE, functions[i].name);
        memcpy((char *)&found + functions[i].offset, &function, sizeof function);
    }
    http_library = found; /* and it stays loaded */
    return STATUS_OK;
}

enum status http_library_load(struct error *error) {
    pthread_mutex_lock(&lock);
    enum status status = http_library.start_daemon != NULL ? STATUS_OK : load(error);
    pthread_mutex_unlock(&lock);
    return status;
}
