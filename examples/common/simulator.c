/* SPDX-License-Identifier: Apache-2.0 */
#include "simulator.h"

FILE *simulator_open(struct simulator *simulator, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", simulator->folder, name);
    FILE *file = fopen(path, "w");
    if (file != NULL) return file;
    fprintf(stderr, "simulate: cannot write %s; is the folder there?\n", path);
    simulator->failed = true;
    return fopen("/dev/null", "w");
}

void simulator_close(struct simulator *simulator, FILE *file) {
    if (file != NULL && fclose(file) != 0) simulator->failed = true;
}

const char *simulator_iso(int64_t time_ms) {
    static _Thread_local char texts[8][32];
    static _Thread_local unsigned next;
    char *text = texts[next++ % 8];
    time_format(time_ms, text);
    return text;
}
