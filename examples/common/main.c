/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "simulator.h"

static int usage(void) {
    fputs("usage: simulate --out DIR [--seed N] [--customers N]\n"
          "Writes the example's files for that seed; the same seed writes the same bytes.\n",
          stderr);
    return 2;
}

int main(int argc, char **argv) {
    struct simulator simulator = {0};
    unsigned long long seed = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--out") == 0)
            simulator.folder = argv[i + 1];
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--customers") == 0)
            simulator.customers = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else
            return usage();
    }
    if (simulator.folder == NULL || argc % 2 == 0) return usage();
    mkdir(simulator.folder, 0777);
    random_init(&simulator.random, seed);
    simulate(&simulator);
    return simulator.failed ? 1 : 0;
}
