/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/calibration.h"

#include <math.h>

#define STEPS_MAX    100
#define HALVINGS_MAX 20
#define LOG_ODDS_MAX 30.0

double propensity_of(double log_odds) {
    if (!(log_odds < LOG_ODDS_MAX)) log_odds = LOG_ODDS_MAX;
    if (log_odds < -LOG_ODDS_MAX) log_odds = -LOG_ODDS_MAX;
    return 1 / (1 + exp(-log_odds));
}

void propensities_of(double *log_odds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double held = log_odds[i] < LOG_ODDS_MAX ? log_odds[i] : LOG_ODDS_MAX;
        log_odds[i] = -(held < -LOG_ODDS_MAX ? -LOG_ODDS_MAX : held);
    }
    for (size_t i = 0; i < count; i++) log_odds[i] = exp(log_odds[i]);
    for (size_t i = 0; i < count; i++) log_odds[i] = 1 / (1 + log_odds[i]);
}

struct sample {
    const double *scores;
    const uint32_t *rows;
    size_t count;
    const struct row_facts *facts;
    double target_yes, target_no;
};

/* Returns the sum of weight * (log(1 + exp(l)) - target * l), in a form that can't overflow. */
static double loss_at(const struct sample *sample, struct calibration at) {
    double loss = 0;
    for (size_t i = 0; i < sample->count; i++) {
        const struct row_facts *facts = &sample->facts[sample->rows[i]];
        double l = at.slope * sample->scores[i] + at.base;
        double target = facts->yes ? sample->target_yes : sample->target_no;
        loss += facts->weight * ((l > 0 ? l : 0) + log1p(exp(-fabs(l))) - target * l);
    }
    return loss;
}

struct newton {
    double g_slope, g_base;         /* gradient */
    double h_slope, h_both, h_base; /* Hessian */
};

static struct newton derivatives_at(const struct sample *sample, struct calibration at) {
    struct newton sum = {.h_slope = 1e-9, .h_base = 1e-9};
    for (size_t i = 0; i < sample->count; i++) {
        const struct row_facts *facts = &sample->facts[sample->rows[i]];
        double z = sample->scores[i], p = propensity_of(at.slope * z + at.base);
        double gradient =
            facts->weight * (p - (facts->yes ? sample->target_yes : sample->target_no));
        double curve = facts->weight * p * (1 - p);
        sum.g_slope += gradient * z;
        sum.g_base += gradient;
        sum.h_slope += curve * z * z;
        sum.h_both += curve * z;
        sum.h_base += curve;
    }
    return sum;
}

/* Takes the Newton step, halved until the loss falls. False where it falls no more. */
static bool newton_step(const struct sample *sample, struct calibration *at, double *loss) {
    struct newton d = derivatives_at(sample, *at);
    double determinant = d.h_slope * d.h_base - d.h_both * d.h_both;
    if (!(determinant > 0)) return false;
    double slope_step = (d.h_base * d.g_slope - d.h_both * d.g_base) / determinant;
    double base_step = (d.h_slope * d.g_base - d.h_both * d.g_slope) / determinant;
    double part = 1;
    for (int i = 0; i < HALVINGS_MAX; i++, part /= 2) {
        struct calibration next = {at->slope - part * slope_step, at->base - part * base_step};
        double next_loss = loss_at(sample, next);
        if (!(next_loss < *loss)) continue;
        bool goes_on = *loss - next_loss > 1e-12 * fabs(*loss);
        *at = next;
        *loss = next_loss;
        return goes_on;
    }
    return false;
}

struct calibration calibration_fit(const double *scores, const uint32_t *rows, size_t count,
                                   const struct row_facts *facts) {
    double yes = 0, no = 0;
    for (size_t i = 0; i < count; i++) *(facts[rows[i]].yes ? &yes : &no) += facts[rows[i]].weight;
    struct sample sample = {scores, rows, count, facts, (yes + 1) / (yes + 2), 1 / (no + 2)};
    struct calibration at = {1, 0};
    double loss = loss_at(&sample, at);
    for (int i = 0; i < STEPS_MAX && newton_step(&sample, &at, &loss); i++) {
    }
    bool ranks = isfinite(at.slope) && isfinite(at.base) && at.slope > 0;
    return ranks ? at : (struct calibration){1, 0};
}
