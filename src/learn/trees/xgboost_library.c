/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/trees/xgboost_library.h"

#ifndef ATTUNE_HAS_XGBOOST

enum status xgboost_library_load(struct error *error) {
    return error_set(error, STATUS_NOT_FOUND,
                     "this program was built without XGBoost, which boosted trees are trained by; "
                     "install libxgboost-dev and build it again (meson setup --reconfigure)");
}

#else

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

/* Debian names the file by the interface version; others install it without one. */
static const char *const files[] = {"libxgboost.so.0", "libxgboost.so"};

struct xgboost_library xgboost_library;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
#define X(name) {#name, offsetof(struct xgboost_library, name)},
    XGBOOST_LIBRARY_FUNCTIONS(X)
#undef X
};

static enum status load(struct error *error) {
    struct xgboost_library found;
    void *library = dlopen(files[0], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) library = dlopen(files[1], RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return error_set(error, STATUS_NOT_FOUND,
                         "boosted trees are trained by XGBoost, and %s is not there; install "
                         "libxgboost0 (Debian) or xgboost (others)",
                         files[0]);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *function = dlsym(library, functions[i].name);
        if (function == NULL)
            return error_set(error, STATUS_VERSION, "%s lacks %s; install XGBoost 1.6 or later",
                             files[0], functions[i].name);
        memcpy((char *)&found + functions[i].offset, &function, sizeof function);
    }
    xgboost_library = found; /* and it stays loaded */
    return STATUS_OK;
}

enum status xgboost_library_load(struct error *error) {
    pthread_mutex_lock(&lock);
    enum status status = xgboost_library.XGBoosterCreate != NULL ? STATUS_OK : load(error);
    pthread_mutex_unlock(&lock);
    return status;
}

#endif
