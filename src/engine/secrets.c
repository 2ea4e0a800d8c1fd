/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that a playbook names and never holds: "env NAME" or "file PATH". They are read when a
 * mapper is made, so that a new playbook, or the same one put in force again, reads them again.
 * What was read stays until the engine is closed, since mappers borrow it. */
#include <sodium.h>
#include <stdlib.h>

#include "base/log_line.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

#define SECRET_BYTES_MAX 4096u
#define SECRETS_MAX      256u

struct secret {
    struct secret *next;
    uint32_t length;
    char bytes[];
};

static struct text keep(struct engine *engine, struct text bytes) {
    struct secret *secret = engine->secrets;
    uint32_t count = 0;
    for (; secret != NULL; secret = secret->next, count++)
        if (text_equal((struct text){secret->bytes, secret->length}, bytes)) break;
    if (secret == NULL && count < SECRETS_MAX &&
        (secret = memory_alloc(sizeof *secret + bytes.length)) != NULL) {
        memcpy(secret->bytes, bytes.at, bytes.length);
        secret->length = bytes.length;
        secret->next = engine->secrets;
        engine->secrets = secret;
    }
    return secret != NULL ? (struct text){secret->bytes, secret->length} : (struct text){0};
}

static struct text read_file(struct engine *engine, const char *path) {
    struct buffer bytes;
    struct error error = {0};
    struct text secret = {0};
    buffer_init(&bytes);
    enum status status = file_read_all(engine->fs, path, SECRET_BYTES_MAX, &bytes, &error);
    if (status == STATUS_OK)
        secret = keep(engine, text_trim(buffer_text(&bytes)));
    else
        log_line(LOG_WARNING, "%s: no signed user token is good without it", error.text);
    if (bytes.at != NULL) sodium_memzero(bytes.at, bytes.length);
    buffer_release(&bytes);
    return secret;
}

static struct text read_variable(struct engine *engine, const char *name) {
    const char *value = getenv(name);
    if (value != NULL && value[0] != '\0') return keep(engine, text_trim(text_from(value)));
    log_line(LOG_WARNING,
             "the environment has no variable %s: no signed user token is good without it", name);
    return (struct text){0};
}

struct text engine_secret(struct engine *engine, struct text where) {
    char name[FILE_PATH_MAX];
    if (where.length == 0 || where.length >= sizeof name) return (struct text){0};
    memcpy(name, where.at, where.length);
    name[where.length] = '\0';
    pthread_mutex_lock(&engine->secrets_lock);
    struct text secret = text_starts_with(where, TEXT("file ")) ? read_file(engine, name + 5)
                                                                : read_variable(engine, name + 4);
    pthread_mutex_unlock(&engine->secrets_lock);
    return secret;
}

void engine_secrets_release(struct engine *engine) {
    while (engine->secrets != NULL) {
        struct secret *next = engine->secrets->next;
        sodium_memzero(engine->secrets->bytes, engine->secrets->length);
        memory_free(engine->secrets);
        engine->secrets = next;
    }
    pthread_mutex_destroy(&engine->secrets_lock);
}
