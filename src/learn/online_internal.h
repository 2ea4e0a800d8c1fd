/* SPDX-License-Identifier: Apache-2.0 */
/* learn/online_internal.h -- the state of the online learner, for its sources and its file. */
#ifndef LEARN_ONLINE_INTERNAL_H
#define LEARN_ONLINE_INTERNAL_H

#include "base/arena.h"
#include "learn/online.h"

#define ONLINE_BYTES_MAX  ((size_t)256 << 20)
#define ONLINE_WEIGHT_MAX 50.0f
#define ONLINE_WON_MAX    1e6f

/* What a weight is learnt from; the letters are those of online.h. */
struct coin {
    float V, G, L, R;
};
#define COINS_AT_ONCE 4u

/* The five markers of a bin: heights, and their places among the rows that the bin has had. */
struct markers {
    double height[5], place[5];
    uint32_t count; /* rows that the markers have seen */
};

struct online_number {
    uint32_t bin_count;
    double edges[ONLINE_BINS_MAX]; /* bin_count - 1 of them, ascending; then +infinity */
    double rows[ONLINE_BINS_MAX];  /* of each bin */
    struct markers markers[ONLINE_BINS_MAX];
    double count, mean, squares; /* of all numbers that came */
};

struct online_text {
    uint32_t count, room;
    struct text *texts; /* in the order declared */
    uint32_t *sorted;   /* the same by bytes */
};

/* A number: ONLINE_BINS_MAX bins, missing, trend. A text: those declared, other, missing. */
struct online_feature {
    struct text name;
    enum feature_kind kind;
    struct online_number *number;
    struct online_text text;
    uint32_t cells; /* of a feature of online_create_cells; else 0 */
};

struct online {
    struct arena arena;
    uint32_t feature_count;
    struct online_feature *features;
    uint32_t *firsts;   /* of each feature: its first coin; known once the first row comes */
    float *w;           /* weights, the intercept first; NULL until the first row */
    struct coin *coins; /* of each weight */
    uint32_t coin_count;
    /* The weights of the row at hand, and what each is multiplied with. They are taken four at a
     * time, so up to three weights that belong to nobody stand behind them, times 0. */
    uint32_t *active, active_count;
    float *x;
    float scale;
    double decay;
    uint64_t rows;
};

/* Lays out the coins, all 0. Features may no longer change. */
enum status online_begin(struct online *online) MUST_USE;
/* Bets `outcome` times x on the active weights. */
void online_bet(struct online *online, float outcome);
/* Puts a number into its bin, and splits the bin where it has become too large. */
void online_number_add(struct online *online, uint32_t feature, double value);
uint32_t online_number_bin(const struct online_number *number, double value);
/* -1 … 1 */
double online_number_trend(const struct online_number *number, double value);

#endif
