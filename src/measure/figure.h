/* SPDX-License-Identifier: Apache-2.0 */
/* measure/figure.h -- a figure: what was measured, how sure we are of it, and what it counts.
 *
 *            low        low50  value  high50            high
 *   ──────────├───────────█████████│███████───────────────┤──────
 *             │           half of such figures miss this │
 *             └── one in twenty misses this ─────────────┘
 *
 * A figure carries two intervals: 95 %, which people ask for, and 50 %, which shows where the truth
 * probably lies and does not make a wide guess look like a plateau. Both hold for the *process*: of
 * many figures made in this way so many intervals hold the truth. They say nothing about bias: data
 * that were targeted, late or wrong are wrong within any interval.
 *
 * `n` is how many units the value rests on, `of` what they are. Customers are the unit that is
 * independent; where rows of one customer are several, the interval is by customer all the same,
 * and n counts what the value is a share or a mean of. A figure of everybody, such as how many
 * customers there are, is not estimated: its bounds are its value.
 *
 * Unknown is NAN, in the value or in the bounds alone. Structs are plain; names and questions are
 * static texts; nothing is allocated. Any thread.
 *
 * Where the formulas come from:
 *   share of independent rows   Wilson, "Probable Inference, the Law of Succession, and Statistical
 *                               Inference", JASA 22 (1927) 209-212
 *   share of clustered rows     delta method on the logit with cluster-robust variance, G/(G-1) and
 *                               Student's t with G-1 degrees (Cameron and Miller, "A Practitioner's
 *                               Guide to Cluster-Robust Inference", J. Human Resources 50 (2015)
 *                               317-372, II and VI)
 *   ratio of two shares         the same on the logarithm
 *   figures of a model          Poisson bootstrap over customers, percentile interval (Chamandy et
 *                               al., "Estimating Uncertainty for Massive Data Streams", 2012; Efron
 *                               and Tibshirani, "An Introduction to the Bootstrap", 1993, 13.3)
 *   Student's t                 Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5
 */
#ifndef MEASURE_FIGURE_H
#define MEASURE_FIGURE_H

#include "event/value.h"
#include "learn/learn.h"

enum figure_unit {
    FIGURE_COUNT,  /* of what `of` says */
    FIGURE_SHARE,  /* from 0 to 1, of what `of` says */
    FIGURE_CHANCE, /* from 0 to 1, of nothing that is counted: an AUC; also a difference of two */
    FIGURE_TIMES,  /* a ratio: 2 is twice as often */
    FIGURE_NATS,   /* natural units of information: a log loss */
    FIGURE_MONEY,  /* major units of `currency` */
};
enum counted {
    COUNTED_CUSTOMERS,
    COUNTED_ROWS, /* a customer at one date, or a past treatment */
    COUNTED_EVENTS,
    COUNTED_MESSAGES, /* treatments that are offered, each to one customer */
};

struct figure {
    const char *name;     /* a key: "index" */
    const char *question; /* what it answers, as a question */
    double value;
    double low, high;     /* 95 % */
    double low50, high50; /* 50 % */
    uint64_t n;
    enum counted of;
    enum figure_unit unit;
    uint16_t currency; /* of FIGURE_MONEY; 0 for any other unit */
    int64_t as_of_ms;  /* as known then */
};

enum figure_level { LEVEL_95, LEVEL_50, LEVEL_COUNT };

/* ---- bounds around figure->value; the rest of the figure is the caller's ---- */

void figure_unknown(struct figure *figure); /* of the bounds alone */
/* Of everybody: nothing is estimated. An unknown value stays unknown. */
void figure_exact(struct figure *figure);
/* A share of independent rows; sets value and n too. Unknown where n is 0. */
void figure_share(struct figure *figure, uint64_t yes, uint64_t n);
/* `variance`: the sum over clusters of the square of each one's push on the value, without any
 * factor for small samples. Unknown for fewer than two clusters, and for a share of 0 or 1, about
 * whose spread the rows say nothing. */
void figure_clustered_share(struct figure *figure, double variance, uint64_t clusters);
/* The same for a ratio; the pushes are those on its logarithm. */
void figure_clustered_ratio(struct figure *figure, double log_variance, uint64_t clusters);
/* Sets the value too. */
void figure_take(struct figure *figure, const struct interval *interval);

/* ---- formulas ---- */

/* How many standard errors each way such an interval reaches, from so many degrees of freedom.
 * NAN for none. */
double student_t(enum figure_level level, uint64_t freedom);
/* Of a share; n > 0. */
void wilson_interval(enum figure_level level, double yes, double n, double *low, double *high);

/* ---- words ---- */

#define FIGURE_UNIT_BYTES 12
/* "customers", "share", "USD". */
void figure_unit_text(const struct figure *figure, char out[FIGURE_UNIT_BYTES]);
const char *counted_text(enum counted counted);

#endif
