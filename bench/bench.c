/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bench_print(const struct measurement *m) {
    printf("{\"bench\":\"%s\",\"case\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g", m->bench, m->name,
           m->unit, m->ours);
    if (m->peer != NULL) {
        printf(",\"peer\":\"%s\",\"peer_value\":%.6g,\"ratio\":%.4g", m->peer, m->peer_value,
               m->ratio);
    } else {
        printf(",\"peer\":null,\"peer_value\":null,\"ratio\":null");
    }
    if (m->note != NULL) printf(",\"note\":\"%s\"", m->note);
    printf("}\n");
    fflush(stdout);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

void bench_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

bool bench_peer(const char *command, const char *const *names, double *values, size_t count) {
    char line[256], name[64];
    double value;
    size_t found = 0;
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) return false;
    while (fgets(line, sizeof line, pipe) != NULL) {
        if (sscanf(line, "%63s %lf", name, &value) != 2) continue;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(name, names[i]) != 0) continue;
            values[i] = value;
            found++;
        }
    }
    return pclose(pipe) == 0 && found == count;
}
