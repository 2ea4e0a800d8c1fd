/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a folder against the mappings of a playbook, before anything is stored. */
#include "base/memory.h"
#include "engine/engine.h"
#include "ingest/ingest.h"

struct checking {
    struct ingest_settings settings;
    const char *folder;
    const struct file_findings *findings;
    enum status status; /* of what is no finding: memory */
};

static void tell(struct checking *checking, const struct source *source, const char *path,
                 const char *message) {
    checking->findings->tell(checking->findings->context, source->name, path, message);
}

static void check_file(struct checking *checking, const struct source *source, const char *path) {
    struct error error = {0};
    enum status status = ingest_check(&checking->settings, source, path, &error);
    if (status == STATUS_NO_MEMORY)
        checking->status = status;
    else
        tell(checking, source, path, status == STATUS_OK ? NULL : error.text);
}

static void check_source(struct checking *checking, const struct source *source) {
    struct ingest_files files = {0};
    struct error error = {0};
    if (source->file.length == 0 || text_equal(source->file, TEXT("-"))) return;
    buffer_init(&files.bytes);
    enum status status =
        ingest_files_find(&files, file_system_os(), source->file, checking->folder, &error);
    if (status == STATUS_NO_MEMORY) checking->status = status;
    if (status == STATUS_OK && source->is_lookup && files.count > 1)
        tell(checking, source, files.paths[1],
             "a lookup takes one file, and more match; make its `file:` pattern narrower");
    for (size_t i = 0; status == STATUS_OK && i < files.count; i++)
        check_file(checking, source, files.paths[i]);
    /* A missing file is no fault: it may come tomorrow. */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_NO_MEMORY)
        tell(checking, source, checking->folder, error.text);
    ingest_files_release(&files);
}

enum status engine_check_files(const struct playbook *playbook, struct symbols *symbols,
                               const char *folder, const struct file_findings *findings) {
    struct checking checking = {
        .settings = {.playbook = playbook, .symbols = symbols, .checks_only = true},
        .folder = folder,
        .findings = findings,
    };
    for (uint32_t i = 0; i < playbook->source_count && checking.status == STATUS_OK; i++)
        check_source(&checking, &playbook->sources[i]);
    return checking.status;
}
