/* SPDX-License-Identifier: Apache-2.0 */
/* learn/newton.h -- the minimum of a smooth function of at most four parameters.
 *
 * Newton's method with a damped Hessian (Levenberg, 1944; Marquardt, 1963): far from the minimum it
 * follows the gradient in small steps, near it it converges quadratically. The gradient is exact
 * and the caller's; the Hessian is made of its central differences. All parameters lie within
 * `bound` of 0, so a function that falls for ever in one direction ends there, and is told so.
 * Deterministic, allocates nothing. Any thread. */
#ifndef LEARN_NEWTON_H
#define LEARN_NEWTON_H

#include <stdbool.h>
#include <stdint.h>

#define NEWTON_PARAMETERS_MAX 4

struct newton_problem {
    uint32_t count; /* of parameters */
    double bound;   /* each parameter lies in [-bound, bound] */
    const void *context;
    /* Returns the function and writes its gradient. NAN: not defined there. */
    double (*value)(const void *context, const double *at, double *gradient);
};
struct newton_result {
    double at[NEWTON_PARAMETERS_MAX], value;
    /* The inverse Hessian: of a negative log-likelihood, the covariance of the parameters, with
     * those at a bound held there. NAN where the Hessian is not positive definite. */
    double covariance[NEWTON_PARAMETERS_MAX][NEWTON_PARAMETERS_MAX];
    bool is_at_bound[NEWTON_PARAMETERS_MAX];
    /* The next step would lower the function by less than 1e-9, or than rounding does. */
    bool converged;
    uint32_t steps;
};
/* Starts at `start`. False where the function is not defined there. */
bool newton_minimise(const struct newton_problem *problem, const double *start,
                     struct newton_result *out);

#endif
