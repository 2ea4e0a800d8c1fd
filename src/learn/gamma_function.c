/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/gamma_function.h"

#include <math.h>

#define SERIES_FROM 10.0

/* lgamma() itself writes a global variable. */
double log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

double digamma(double x) {
    double below = 0;
    for (; x < SERIES_FROM; x++) below -= 1 / x;
    double s = 1 / (x * x);
    return below + log(x) - .5 / x -
           s * (1. / 12 -
                s * (1. / 120 -
                     s * (1. / 252 - s * (1. / 240 - s * (1. / 132 - s * 691. / 32760)))));
}
