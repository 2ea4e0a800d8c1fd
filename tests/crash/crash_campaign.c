/* SPDX-License-Identifier: Apache-2.0 */
/* crash_campaign KILLS CUTS [SEED] -- is what was acknowledged there after the process or the power
 * died?
 *
 * Kills: a child appends, folds, merges, erases on a real directory and tells every finished
 * operation through a pipe; it is killed at a random moment; the parent opens the directory and
 * compares all that is there with the outcome of exactly the operations acknowledged (or of one
 * more: the one that was under way). Power cuts: the same on a simulated disk that loses unsynced
 * sectors, entries of unsynced directories and the pages of failed syncs. The last line is "N
 * kills, N power cuts, M acknowledged, 0 lost"; M counts events. Exit 1 on any loss or invention.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/log_line.h"
#include "base/random.h"
#include "support/simulated_disk.h"
#include "support/store_trial.h"

#define OPERATIONS_A_DIRECTORY 400u /* then a fresh one, so that comparing stays quick */
#define KILL_AFTER_US_MAX      150000u

static uint64_t acknowledged, lost;

static void loss(uint64_t seed, const char *what, const char *why) {
    lost++;
    printf("seed %" PRIu64 ": %s: %s\n", seed, what, why);
    fflush(stdout);
}

static void print_finding(void *context, const char *path, const char *finding) {
    (void)context;
    printf("  %s: %s\n", path, finding);
}

static bool check(struct file_system *fs, const char *directory, uint64_t seed) {
    struct error error = {0};
    if (store_check(fs, directory, print_finding, NULL, &error) == STATUS_OK) return true;
    loss(seed, "fsck", error.text);
    return false;
}

/* ---- kills ---- */

static void child(const struct trial *trial, const char *directory, uint64_t next, int pipe_end) {
    struct trial_store open;
    struct error error = {0};
    if (trial_open(&open, file_system_os(), directory, 1500, false, &error)) {
        fprintf(stderr, "child: %s\n", error.text);
        _exit(2);
    }
    for (;; next++) {
        if (trial_do(trial, &open, next, &error)) {
            fprintf(stderr, "child: %s\n", error.text);
            _exit(2);
        }
        if (write(pipe_end, &next, sizeof(next)) != (ssize_t)sizeof(next)) _exit(0);
    }
}

/* Runs a child from operation `next` on and kills it; the number of operations that are
 * acknowledged then. */
static uint64_t run_and_kill(const struct trial *trial, const char *directory, uint64_t next,
                             uint32_t after_us) {
    int ends[2];
    if (pipe(ends)) abort();
    fflush(stdout);
    pid_t process = fork();
    if (process < 0) abort();
    if (process == 0) {
        close(ends[0]);
        child(trial, directory, next, ends[1]);
    }
    close(ends[1]);
    nanosleep(&(struct timespec){0, (long)after_us * 1000}, NULL);
    kill(process, SIGKILL);
    int how = 0;
    waitpid(process, &how, 0);
    uint64_t done;
    while (read(ends[0], &done, sizeof(done)) == (ssize_t)sizeof(done)) {
        acknowledged += trial_event_count(trial, done);
        next = done + 1;
    }
    close(ends[0]);
    if (!WIFSIGNALED(how)) loss(trial->seed, "the child ended by itself", "see its message");
    return next;
}

static uint64_t verify_directory(const struct trial *trial, const char *directory,
                                 uint64_t finished) {
    struct trial_store open;
    struct error error = {0};
    char why[512] = "";
    if (trial_open(&open, file_system_os(), directory, 0, true, &error)) {
        loss(trial->seed, "opening after a kill", error.text);
        return UINT64_MAX;
    }
    uint64_t found = trial_find(trial, &open, finished, finished + 1, why);
    trial_close(&open);
    if (found == UINT64_MAX)
        loss(trial->seed, "after a kill", why);
    else if (!check(file_system_os(), directory, trial->seed))
        return UINT64_MAX;
    return found;
}

static void remove_directory(const char *directory) {
    char command[4200];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (system(command)) fprintf(stderr, "can't remove %s\n", directory);
}

static void kills(uint64_t count, uint64_t seed) {
    struct random random;
    random_init(&random, seed);
    const char *temporary = getenv("TMPDIR");
    for (uint64_t done = 0; done < count;) {
        char top[512], directory[600];
        snprintf(top, sizeof(top), "%s/attune-crash-XXXXXX", temporary ? temporary : "/tmp");
        if (!mkdtemp(top)) {
            perror(top);
            exit(1);
        }
        snprintf(directory, sizeof(directory), "%s/data", top);
        const struct trial trial = {
            .seed = seed + done, .persona_count = 30, .events_max = 120, .unsynced = done % 2 == 1};
        uint64_t next = 0;
        while (done < count && next < OPERATIONS_A_DIRECTORY && next != UINT64_MAX) {
            /* Recovery itself is killed too now and then: the first moments of a child. */
            uint64_t range = random_below(&random, 5) == 0 ? 3000 : KILL_AFTER_US_MAX;
            uint64_t finished =
                run_and_kill(&trial, directory, next, 200 + (uint32_t)random_below(&random, range));
            next = verify_directory(&trial, directory, finished);
            done++;
        }
        remove_directory(top);
    }
}

/* ---- power cuts ---- */

struct cutting {
    struct trial trial;
    struct simulated_disk *disk;
    struct file_system *fs;
    struct random random;
    uint64_t next, durable; /* operations begun and acknowledged; of these the durable ones */
    bool by_hand;
};

/* Opens, with the power going or a call failing anywhere in it as well; false where something is
 * lost. */
static bool reopen(struct cutting *cutting, struct trial_store *open) {
    struct error error = {0};
    for (;;) {
        enum status status = trial_open(open, cutting->fs, "data", 700, cutting->by_hand, &error);
        if (status == STATUS_OK) return true;
        if (!simulated_disk_is_off(cutting->disk)) {
            loss(cutting->trial.seed, "opening after a cut", error.text);
            return false;
        }
        simulated_disk_restart(cutting->disk);
    }
}

static bool verify_disk(struct cutting *cutting, struct trial_store *open, uint64_t most) {
    char why[512] = "";
    uint64_t found = trial_find(&cutting->trial, open, cutting->durable, most, why);
    if (found == UINT64_MAX) {
        loss(cutting->trial.seed, "after a power cut", why);
        return false;
    }
    /* What a recovery has shown must outlast the next cut. */
    cutting->next = cutting->durable = found;
    return true;
}

/* Operations until one fails twice: what failed once left nothing behind, so it may be done again.
 */
static void work(struct cutting *cutting, struct trial_store *open) {
    struct error error;
    while (cutting->next < OPERATIONS_A_DIRECTORY) {
        if (trial_do(&cutting->trial, open, cutting->next, &error) &&
            trial_do(&cutting->trial, open, cutting->next, &error))
            return;
        acknowledged += trial_event_count(&cutting->trial, cutting->next);
        cutting->next++;
        if (trial_is_durable(&cutting->trial, cutting->next - 1)) cutting->durable = cutting->next;
    }
}

static bool cut_once(struct cutting *cutting) {
    struct simulated_disk *disk = cutting->disk;
    struct trial_store open;
    uint64_t calls = 1 + random_below(&cutting->random, 150);
    bool fault_first = random_below(&cutting->random, 3) == 0;
    if (fault_first)
        simulated_disk_fail_at(disk, calls, random_below(&cutting->random, 2));
    else
        simulated_disk_cut_at(disk, calls);
    struct error error;
    if (fault_first &&
        trial_open(&open, cutting->fs, "data", 700, cutting->by_hand, &error) == STATUS_OK) {
        /* A failed call, then a restart of the program on the pages that the kernel still has, then
         * the cut. */
        work(cutting, &open);
        trial_close(&open);
    }
    simulated_disk_fail_at(disk, 0, false);
    if (!reopen(cutting, &open)) return false;
    if (fault_first) {
        if (!verify_disk(cutting, &open, cutting->next + 1)) return false;
        simulated_disk_cut_at(disk, 1 + random_below(&cutting->random, 40));
    }
    work(cutting, &open);
    trial_close(&open);
    uint64_t most = cutting->next + 1;
    simulated_disk_cut_at(disk, 1);
    struct error ignored;
    if (!simulated_disk_is_off(disk)) (void)!directory_sync(cutting->fs, "data", &ignored);
    simulated_disk_restart(disk);
    if (random_below(&cutting->random, 4) == 0)
        simulated_disk_cut_at(disk, 1 + random_below(&cutting->random, 12));
    if (!reopen(cutting, &open)) return false;
    bool good = verify_disk(cutting, &open, most);
    trial_close(&open);
    if (simulated_disk_is_off(disk)) simulated_disk_restart(disk);
    return good;
}

static void cuts(uint64_t count, uint64_t seed) {
    for (uint64_t done = 0; done < count;) {
        struct cutting cutting = {
            .trial = {.seed = seed + done,
                      .persona_count = 12,
                      .events_max = 60,
                      .unsynced = done % 2 == 0},
            .disk = simulated_disk_create(seed + done, 0),
            .by_hand = done % 3 != 0,
        };
        cutting.fs = simulated_disk_interface(cutting.disk);
        random_init(&cutting.random, seed + done);
        bool good = true;
        for (int i = 0; good && i < 8 && done < count && cutting.next < OPERATIONS_A_DIRECTORY;
             i++, done++)
            good = cut_once(&cutting);
        if (good) {
            struct trial_store open;
            simulated_disk_cut_at(cutting.disk, 0);
            good = reopen(&cutting, &open);
            if (good) trial_close(&open);
            if (good) check(cutting.fs, "data", cutting.trial.seed);
        }
        if (!good) done++;
        simulated_disk_destroy(cutting.disk);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: crash_campaign KILLS CUTS [SEED]\n");
        return 2;
    }
    uint64_t kill_count = strtoull(argv[1], NULL, 10), cut_count = strtoull(argv[2], NULL, 10);
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    log_line_level(LOG_ERROR); /* failed folds are what we are after */
    cuts(cut_count, seed);
    kills(kill_count, seed);
    printf("%" PRIu64 " kills, %" PRIu64 " power cuts, %" PRIu64 " acknowledged, %" PRIu64
           " lost\n",
           kill_count, cut_count, acknowledged, lost);
    return lost ? 1 : 0;
}
