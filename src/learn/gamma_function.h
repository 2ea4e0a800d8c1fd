/* SPDX-License-Identifier: Apache-2.0 */
/* learn/gamma_function.h -- logarithm of the gamma function and its derivative, for x > 0.
 *
 * digamma: recurrence up to 10, then the asymptotic series (Abramowitz and Stegun, 6.3.5 and
 * 6.3.18); its error is below 1e-13. Any thread. */
#ifndef LEARN_GAMMA_FUNCTION_H
#define LEARN_GAMMA_FUNCTION_H

double log_gamma(double x);
double digamma(double x);

#endif
