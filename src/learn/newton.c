/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/newton.h"

#include <math.h>
#include <string.h>

#define STEPS_MAX       200
#define STEP_LENGTH_MAX 2.0  /* of one parameter in one step */
#define DIFFERENCE      1e-4 /* of the central differences */
#define DAMPING_MAX     1e12
#define DAMPING_SMALL   1e-3 /* with less, the step is Newton's */
#define DECREASE_MIN    1e-9
#define ROUNDING        1e-10 /* of a sum of many logarithms */
#define SIZE            NEWTON_PARAMETERS_MAX

struct point {
    double at[SIZE], gradient[SIZE], value;
};

static void evaluate(const struct newton_problem *problem, struct point *point) {
    point->value = problem->value(problem->context, point->at, point->gradient);
}

static void hessian_at(const struct newton_problem *problem, const struct point *point,
                       double hessian[SIZE][SIZE]) {
    double above[SIZE], below[SIZE], at[SIZE];
    memcpy(at, point->at, sizeof at);
    for (uint32_t i = 0; i < problem->count; i++) {
        at[i] = point->at[i] + DIFFERENCE;
        (void)problem->value(problem->context, at, above);
        at[i] = point->at[i] - DIFFERENCE;
        (void)problem->value(problem->context, at, below);
        at[i] = point->at[i];
        for (uint32_t j = 0; j < problem->count; j++)
            hessian[i][j] = (above[j] - below[j]) / (2 * DIFFERENCE);
    }
    for (uint32_t i = 0; i < problem->count; i++) {
        for (uint32_t j = 0; j < i; j++)
            hessian[i][j] = hessian[j][i] = (hessian[i][j] + hessian[j][i]) / 2;
    }
}

/* A parameter at its bound, whose gradient pushes it out, stays there. */
static bool is_held(const struct newton_problem *problem, const struct point *point, uint32_t i) {
    return (point->at[i] >= problem->bound && point->gradient[i] <= 0) ||
           (point->at[i] <= -problem->bound && point->gradient[i] >= 0);
}

static void hold(const struct newton_problem *problem, const struct point *point,
                 double hessian[SIZE][SIZE], double *gradient) {
    for (uint32_t i = 0; i < problem->count; i++) {
        gradient[i] = point->gradient[i];
        if (!is_held(problem, point, i)) continue;
        gradient[i] = 0;
        for (uint32_t j = 0; j < problem->count; j++) hessian[i][j] = hessian[j][i] = 0;
        hessian[i][i] = 1;
    }
}

/* Cholesky factor of the matrix with its diagonal raised. False: not positive definite. */
static bool factor(double matrix[SIZE][SIZE], double damping, uint32_t count,
                   double lower[SIZE][SIZE]) {
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double sum = matrix[i][j];
            if (i == j) sum += damping * (fabs(matrix[i][i]) + 1e-8);
            for (uint32_t k = 0; k < j; k++) sum -= lower[i][k] * lower[j][k];
            if (i == j && !(sum > 0)) return false;
            lower[i][j] = i == j ? sqrt(sum) : sum / lower[j][j];
        }
    }
    return true;
}

static void solve(double lower[SIZE][SIZE], uint32_t count, const double *right, double *out) {
    for (uint32_t i = 0; i < count; i++) {
        out[i] = right[i];
        for (uint32_t k = 0; k < i; k++) out[i] -= lower[i][k] * out[k];
        out[i] /= lower[i][i];
    }
    for (uint32_t i = count; i-- > 0;) {
        for (uint32_t k = i + 1; k < count; k++) out[i] -= lower[k][i] * out[k];
        out[i] /= lower[i][i];
    }
}

/* Writes the point one step away; returns by how much the quadratic model falls. */
static double step_to(const struct newton_problem *problem, const struct point *from,
                      const double *gradient, const double *step, struct point *to) {
    double longest = 0, fall = 0;
    for (uint32_t i = 0; i < problem->count; i++) longest = fmax(longest, fabs(step[i]));
    double part = longest > STEP_LENGTH_MAX ? STEP_LENGTH_MAX / longest : 1;
    for (uint32_t i = 0; i < problem->count; i++) {
        fall += gradient[i] * step[i] / 2;
        to->at[i] = fmin(problem->bound, fmax(-problem->bound, from->at[i] - part * step[i]));
    }
    return fall;
}

/* Makes one step that lowers the function, with as little damping as that needs. False: none does,
 * or the fall is too small to go on. */
static bool take_step(const struct newton_problem *problem, struct point *point, double *damping,
                      bool *converged) {
    double hessian[SIZE][SIZE], lower[SIZE][SIZE], gradient[SIZE], step[SIZE];
    hessian_at(problem, point, hessian);
    hold(problem, point, hessian, gradient);
    for (; *damping <= DAMPING_MAX; *damping = fmax(1e-6, *damping * 8)) {
        struct point next = *point;
        if (!factor(hessian, *damping, problem->count, lower)) continue;
        solve(lower, problem->count, gradient, step);
        double fall = step_to(problem, point, gradient, step, &next);
        double small = DECREASE_MIN + ROUNDING * fabs(point->value);
        *converged = fall < small && *damping < DAMPING_SMALL;
        evaluate(problem, &next);
        if (!(next.value < point->value)) {
            if (*converged) return false;
            continue;
        }
        *point = next;
        *damping = *damping < 1e-5 ? 0 : *damping / 16;
        return true;
    }
    return false;
}

static void tell_covariance(const struct newton_problem *problem, const struct point *point,
                            struct newton_result *out) {
    double hessian[SIZE][SIZE], lower[SIZE][SIZE], gradient[SIZE], column[SIZE];
    hessian_at(problem, point, hessian);
    hold(problem, point, hessian, gradient);
    bool is_definite = factor(hessian, 0, problem->count, lower);
    for (uint32_t i = 0; i < problem->count; i++) {
        double unit[SIZE] = {0};
        unit[i] = 1;
        if (is_definite) solve(lower, problem->count, unit, column);
        out->is_at_bound[i] = fabs(point->at[i]) >= problem->bound;
        for (uint32_t j = 0; j < problem->count; j++)
            out->covariance[i][j] = is_definite ? column[j] : (double)NAN;
    }
}

bool newton_minimise(const struct newton_problem *problem, const double *start,
                     struct newton_result *out) {
    struct point point = {0};
    double damping = 1e-2;
    *out = (struct newton_result){0};
    memcpy(point.at, start, problem->count * sizeof *start);
    evaluate(problem, &point);
    if (!isfinite(point.value)) return false;
    while (out->steps < STEPS_MAX && take_step(problem, &point, &damping, &out->converged))
        out->steps++;
    memcpy(out->at, point.at, sizeof out->at);
    out->value = point.value;
    tell_covariance(problem, &point, out);
    return true;
}
