/* SPDX-License-Identifier: Apache-2.0 */
/* learn/online.h -- a learner that takes one row after the other: it predicts, then learns.
 *
 * Additive and logistic like the model of learn.h: the log-odds of a row are s times the sum of the
 * intercept, one weight for the cell that each feature's value falls into, and a trend for each
 * number. A weight is learnt by betting coins (F. Orabona and T. Tommasi, Training Deep Networks
 * without Learning Rates Through Coin Betting, NIPS 2017): with c = (y - p)·x, the outcome of a
 * coin,
 *
 *   L ← max(L, |c|)     G ← d·G + |c|     V ← d·V + c     R ← max(0, R + c·w)
 *   w = V / (L · max(G + L, 30·L)) · (L + R)
 *
 * so it has no learning rate to choose, and what was won on a feature is what is bet on it. A row
 * moves all of its weights at once, so s = 3.5/√(weights of a row), at most 1, holds them back. The
 * decay d makes it forget: 0.9999 halves what a cell has seen after 6,931 rows in the cell. A
 * weight stays within ±50, and what was won below 10^6, so that no input leads out of numbers.
 * Weights are floats.
 *
 * Numbers are cut while they come. A feature begins with one bin; a bin that holds more than a
 * twelfth of the rows, and at least 40, is split at its median, which five markers estimate without
 * keeping values (R. Jain and I. Chlamtac, The P² algorithm, CACM 28, 1985). Both halves go on with
 * what the whole had learnt. Texts have the cells that were declared; any other is "other", so that
 * no text of one person enters. Missing is a cell of its own. The trend of a number is its distance
 * from the running mean, in standard deviations, at most 3.
 *
 * Deterministic: the same rows in the same order give the same state, bit for bit. One thread
 * learns; a copy that is not learning may be read by any. */
#ifndef LEARN_ONLINE_H
#define LEARN_ONLINE_H

#include "learn/learn.h"

#define ONLINE_BINS_MAX   16 /* of a number */
#define ONLINE_SPLIT_ROWS 40 /* a bin with fewer is not split */
#define ONLINE_SPLIT_PART 12 /* nor one with less than a twelfth of the rows */
#define ONLINE_DECAY      0.9999

struct online;
/* Features as in learn.h. decay: in (0, 1]; 0 stands for ONLINE_DECAY. */
enum status online_create(struct online **out, const struct feature *features, uint32_t count,
                          double decay) MUST_USE;
void online_destroy(struct online *online);
/* Gives a text of a feature a cell of its own. Before the first row is learnt; STATUS_INVALID after
 * it, for a number, or beyond LEARN_TEXT_BYTES_MAX; STATUS_LIMIT with more than 65,533. */
enum status online_declare(struct online *online, uint32_t feature, struct text text) MUST_USE;

/* Returns the chance that the row says yes, in (0, 1). `values` by feature. */
double online_predict(const struct online *online, const struct value *values);
/* Learns a row, and returns what online_predict said of it before. A row with more weight than 1
 * counts as 1, one with 0 or less changes nothing. */
double online_learn(struct online *online, const struct value *values, bool yes, double weight);
uint64_t online_rows(const struct online *online);

/* The cell of a value in its feature: of a text in the order declared, then other, then missing. */
uint32_t online_cell(const struct online *online, uint32_t feature, struct value value);

/* ---- the same for rows that are cells already, such as those of another model's bins ---- */

/* Features with so many cells each, at least one; nothing is cut or declared. */
enum status online_create_cells(struct online **out, const uint32_t *cells, uint32_t count,
                                double decay) MUST_USE;
/* `cells` by feature; each feature is a text or came with its cells. `offset`: log-odds of another
 * model, beside which these weights are learnt; 0 for none. */
double online_learn_cells(struct online *online, const uint16_t *cells, double offset, bool yes);
/* The log-odds that a cell adds; of ONLINE_INTERCEPT, whatever the cell, those of every row. 0
 * before the first row. */
#define ONLINE_INTERCEPT UINT32_MAX
double online_effect(const struct online *online, uint32_t feature, uint32_t cell);
/* Appends the state of a learner of cells, and reads it back: the decay, the rows, the weights and
 * what they were learnt from. Nothing read is trusted: another number of bytes, or no number where
 * one must be, is STATUS_CORRUPT. */
enum status online_save(const struct online *online, struct buffer *out) MUST_USE;
enum status online_load(struct online *online, struct text bytes) MUST_USE;

#endif
