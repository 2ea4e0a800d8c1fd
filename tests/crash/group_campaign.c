/* SPDX-License-Identifier: Apache-2.0 */
/* group_campaign KILLS CUTS [SEED] -- is what was acknowledged to several producers there after the
 * process or the power died?
 *
 * Kills: a child opens a real directory and runs four producers whose batches are joined into
 * groups; it tells each acknowledged batch through a pipe, and is killed at a random moment. Power
 * cuts: the same on a simulated disk that loses unsynced sectors. Afterwards each producer finds
 * what was acknowledged to it, and no batch in half, and goes on from there. The last line is "N
 * kills, N power cuts, M acknowledged, 0 lost"; M counts batches. Exit 1 on any loss or invention.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log_line.h"
#include "base/random.h"
#include "support/producers.h"
#include "support/simulated_disk.h"

#define PRODUCERS           4u
#define BATCHES_A_DIRECTORY 2000u /* of each producer; then a fresh one */
#define KILL_AFTER_US_MAX   120000u
#define CUT_AFTER_CALLS_MAX 60u
#define CUTS_A_DISK         20u
#define BATCHES_A_CUT       60u /* at most */

static uint64_t acknowledged, lost;

static void loss(const char *what, const char *why) {
    lost++;
    printf("%s: %s\n", what, why);
    fflush(stdout);
}

static uint64_t sum(const uint64_t *batches) {
    uint64_t all = 0;
    for (uint32_t i = 0; i < PRODUCERS; i++) all += batches[i];
    return all;
}

static enum status open_engine(struct producers *producers, struct file_system *fs,
                               const char *directory, const char *playbook, struct error *error) {
    const struct engine_options options = {
        .directory = directory, .create = true, .fs = fs, .playbook_file = playbook};
    producers->engine = NULL;
    return engine_open(&producers->engine, &options, error);
}

/* ---- kills ---- */

struct message {
    uint32_t producer;
    uint64_t batch;
};

static void tell(void *context, uint32_t producer, uint64_t batch) {
    const struct message message = {producer, batch};
    if (write(*(const int *)context, &message, sizeof message) != (ssize_t)sizeof message) _exit(0);
}

static void child(struct producers *producers, const char *directory, const char *playbook,
                  int pipe_end) {
    struct error error = {0};
    if (open_engine(producers, NULL, directory, playbook, &error) != STATUS_OK) {
        fprintf(stderr, "child: %s\n", error.text);
        _exit(2);
    }
    producers->told = tell;
    producers->context = &pipe_end;
    producers->most = UINT64_MAX;
    producers_run(producers);
    _exit(3);
}

static void run_and_kill(struct producers *producers, const char *directory, const char *playbook,
                         uint32_t after_us) {
    int ends[2], how = 0;
    struct message message;
    if (pipe(ends) != 0) abort();
    fflush(stdout);
    pid_t process = fork();
    if (process < 0) abort();
    if (process == 0) {
        close(ends[0]);
        child(producers, directory, playbook, ends[1]);
    }
    close(ends[1]);
    nanosleep(&(struct timespec){0, (long)after_us * 1000}, NULL);
    kill(process, SIGKILL);
    waitpid(process, &how, 0);
    while (read(ends[0], &message, sizeof message) == (ssize_t)sizeof message) {
        producers->acknowledged[message.producer] = message.batch + 1;
        acknowledged++;
    }
    close(ends[0]);
    if (!WIFSIGNALED(how)) loss("the child ended by itself", "see its message");
}

static bool verify_directory(struct producers *producers, const char *directory,
                             const char *playbook) {
    struct error error = {0};
    char why[256] = "";
    if (open_engine(producers, NULL, directory, playbook, &error) != STATUS_OK) {
        loss("opening after a kill", error.text);
        return false;
    }
    bool good = producers_verify(producers, why);
    if (!good) loss("after a kill", why);
    engine_close(producers->engine);
    return good;
}

static void kills(uint64_t count, struct random *random, const char *playbook) {
    const char *temporary = getenv("TMPDIR");
    for (uint64_t done = 0; done < count;) {
        struct producers producers = {.count = PRODUCERS};
        char top[512], directory[600], command[700];
        snprintf(top, sizeof top, "%s/attune-group-XXXXXX", temporary != NULL ? temporary : "/tmp");
        if (mkdtemp(top) == NULL) abort();
        snprintf(directory, sizeof directory, "%s/data", top);
        bool good = true;
        while (good && done < count && producers.next[0] < BATCHES_A_DIRECTORY) {
            run_and_kill(&producers, directory, playbook,
                         200 + (uint32_t)random_below(random, KILL_AFTER_US_MAX));
            good = verify_directory(&producers, directory, playbook);
            done++;
        }
        snprintf(command, sizeof command, "rm -rf '%s'", top);
        if (system(command) != 0) fprintf(stderr, "can't remove %s\n", top);
    }
}

/* ---- power cuts ---- */

/* Opens, with the power going anywhere in it as well. */
static bool open_after_cut(struct producers *producers, struct simulated_disk *disk,
                           const char *playbook) {
    struct error error = {0};
    for (;;) {
        enum status status =
            open_engine(producers, simulated_disk_interface(disk), "data", playbook, &error);
        if (status == STATUS_OK) return true;
        if (!simulated_disk_is_off(disk)) {
            loss("opening after a cut", error.text);
            return false;
        }
        simulated_disk_restart(disk);
    }
}

static bool cut_once(struct producers *producers, struct simulated_disk *disk,
                     struct random *random, const char *playbook) {
    char why[256] = "";
    simulated_disk_cut_at(disk, 1 + random_below(random, CUT_AFTER_CALLS_MAX));
    if (!open_after_cut(producers, disk, playbook)) return false;
    uint64_t before = sum(producers->acknowledged);
    /* The power may have gone while it was opened, and then goes no more. */
    producers->most = producers->next[0] + BATCHES_A_CUT;
    producers_run(producers);
    acknowledged += sum(producers->acknowledged) - before;
    engine_close(producers->engine);
    simulated_disk_cut_at(disk, 0);
    simulated_disk_restart(disk);
    if (!open_after_cut(producers, disk, playbook)) return false;
    bool good = producers_verify(producers, why);
    if (!good) loss("after a power cut", why);
    engine_close(producers->engine);
    return good;
}

static void cuts(uint64_t count, struct random *random, const char *playbook) {
    for (uint64_t done = 0; done < count;) {
        struct producers producers = {.count = PRODUCERS};
        struct simulated_disk *disk = simulated_disk_create(random_u64(random), 0);
        bool good = true;
        for (uint32_t i = 0; good && i < CUTS_A_DISK && done < count; i++, done++)
            good = cut_once(&producers, disk, random, playbook);
        simulated_disk_destroy(disk);
        done += !good;
    }
}

int main(int argc, char **argv) {
    uint64_t kill_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20,
             cut_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 50,
             seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    char file[] = "/tmp/attune-group-XXXXXX";
    struct random random;
    int descriptor = mkstemp(file);
    FILE *out = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (out == NULL || fputs(producers_playbook, out) < 0 || fclose(out) != 0) return 1;
    log_line_level(LOG_ERROR);
    random_init(&random, seed);
    kills(kill_count, &random, file);
    cuts(cut_count, &random, file);
    unlink(file);
    printf("%" PRIu64 " kills, %" PRIu64 " power cuts, %" PRIu64 " acknowledged, %" PRIu64
           " lost\n",
           kill_count, cut_count, acknowledged, lost);
    return lost > 0;
}
