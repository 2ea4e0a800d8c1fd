/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/job.h"

static enum status cannot_write(const struct cli_out *out, struct error *error) {
    return error_set_errno(error, errno,
                           "cannot write %s; is its folder there, and yours to write?", out->name);
}

/* Where the file is to lie, links followed; before.st_mode is 0 where nothing is there yet. False:
 * errno. */
static bool find_place(struct cli_out *out, const char *path, struct stat *before) {
    *before = (struct stat){0};
    bool found = stat(path, before) == 0 || errno == ENOENT;
    char real[PATH_MAX];
    const char *place = S_ISREG(before->st_mode) && realpath(path, real) != NULL ? real : path;
    bool fits = strlen(place) + sizeof ".tmp" <= sizeof out->temporary;
    if (found && fits) memcpy(out->path, place, strlen(place) + 1);
    if (found && !fits) errno = ENAMETOOLONG;
    return found && fits;
}

static int open_beside(struct cli_out *out, const struct stat *before) {
    snprintf(out->temporary, sizeof out->temporary, "%.*s.tmp",
             (int)(sizeof out->temporary - sizeof ".tmp"), out->path);
    (void)!unlink(out->temporary); /* what a killed process left */
    int descriptor =
        open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0) out->temporary[0] = '\0';
    if (descriptor >= 0 && S_ISREG(before->st_mode))
        (void)!fchmod(descriptor, before->st_mode & 0777);
    return descriptor;
}

static enum status refuse(struct cli_out *out, struct error *error) {
    enum status status = cannot_write(out, error);
    cli_out_close(out);
    return status;
}

enum status cli_out_open(struct cli_out *out, const char *path, struct error *error) {
    struct stat before;
    *out = (struct cli_out){.file = stdout, .name = "the output"};
    if (path == NULL) return STATUS_OK;
    *out = (struct cli_out){.name = path, .holds_signals = true};
    cli_signals_hold();
    if (!find_place(out, path, &before)) return refuse(out, error);
    bool in_place = before.st_mode != 0 && !S_ISREG(before.st_mode);
    if (S_ISREG(before.st_mode) && access(out->path, W_OK) != 0) return refuse(out, error);
    int descriptor = in_place ? open(out->path, O_WRONLY | O_CLOEXEC) : open_beside(out, &before);
    if (descriptor >= 0) out->file = fdopen(descriptor, "w");
    if (out->file != NULL) return STATUS_OK;
    int why = errno;
    if (descriptor >= 0) close(descriptor);
    errno = why;
    return refuse(out, error);
}

static enum status not_whole(const struct cli_out *out, struct error *error) {
    return error_set(error, STATUS_DISK_FULL, "%s could not be written whole%s; is the disk full?",
                     out->name, out->temporary[0] != '\0' ? ", and is as it was before" : "");
}

enum status cli_out_check(const struct cli_out *out, struct error *error) {
    return ferror(out->file) ? not_whole(out, error) : STATUS_OK;
}

enum status cli_out_whole(struct cli_out *out, struct error *error) {
    bool whole = fflush(out->file) == 0 && !ferror(out->file);
    if (whole && out->temporary[0] != '\0') whole = fsync(fileno(out->file)) == 0;
    return whole ? STATUS_OK : not_whole(out, error);
}

enum status cli_out_place(struct cli_out *out, struct error *error) {
    char parent[FILE_PATH_MAX], temporary[FILE_PATH_MAX];
    struct error ignored;
    if (out->temporary[0] == '\0') return STATUS_OK;
    memcpy(temporary, out->temporary, sizeof temporary);
    out->temporary[0] = '\0';
    if (rename(temporary, out->path) != 0)
        return error_set_errno(error, errno,
                               "%s lies whole in %s, but cannot take its place: move it there",
                               out->name, temporary);
    /* A rename that a power cut undoes leaves the old file, whole: no reason to fail. */
    if (file_parent(out->path, parent, &ignored) == STATUS_OK)
        (void)!directory_sync(file_system_os(), parent, &ignored);
    return STATUS_OK;
}

void cli_out_close(struct cli_out *out) {
    if (out->file != NULL && out->file != stdout) (void)fclose(out->file);
    if (out->temporary[0] != '\0') (void)!unlink(out->temporary);
    if (out->holds_signals) cli_signals_release();
    *out = (struct cli_out){0};
}

enum status cli_out_finish(struct cli_out *out, enum status status, struct error *error) {
    if (status == STATUS_OK) status = cli_out_whole(out, error);
    if (status == STATUS_OK) status = cli_out_place(out, error);
    cli_out_close(out);
    return status;
}
