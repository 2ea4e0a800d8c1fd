/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/lookup_version.h"

#include "base/log_line.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

/* A table that can't be read is one that the snapshot does without, where it may. */
static enum status read_table(struct engine *engine, struct lookup_version *version,
                              struct error *error) {
    const struct lookup_rule *rule = &version->playbook->playbook->lookups[version->lookup];
    struct error why = {0};
    enum status status = lookup_file_read(engine, version->hash, rule, &version->table, &why);
    if (may_do_without(status)) {
        log_line(LOG_WARNING, "lookup %.*s is left out: %s", TEXT_ARG(rule->name), why.text);
        return STATUS_OK;
    }
    if (status != STATUS_OK && error != NULL) *error = why;
    return status;
}

enum status lookup_version_create(struct lookup_version **out, struct engine *engine,
                                  struct held_playbook *playbook, uint32_t lookup, int64_t known_ms,
                                  uint64_t hash, struct lookup_table *table, struct error *error) {
    struct lookup_version *version = memory_calloc(1, sizeof *version);
    *out = NULL;
    if (version == NULL) return STATUS_NO_MEMORY;
    shared_init(&version->shared);
    version->known_ms = known_ms;
    version->hash = hash;
    version->playbook = playbook;
    shared_hold(&playbook->shared);
    version->lookup = lookup;
    version->table = table;
    enum status status = table == NULL ? read_table(engine, version, error) : STATUS_OK;
    if (status != STATUS_OK) {
        lookup_version_drop(version);
        return status;
    }
    *out = version;
    return STATUS_OK;
}

void lookup_version_drop(struct lookup_version *version) {
    if (version == NULL || !shared_drop(&version->shared)) return;
    lookup_destroy(version->table);
    held_playbook_drop(version->playbook);
    memory_free(version);
}

const struct lookup_table *lookup_version_table(struct lookup_version *version) {
    return version->table;
}
