/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "measure/results.h"

static const struct {
    const char *name, *question;
    enum figure_unit unit;
} words[RESULT_FIGURES] = {
    [RESULT_RATE_TREATED] = {"rate_treated", "how many of those decided for reach the goal",
                             FIGURE_SHARE},
    [RESULT_RATE_HOLDOUT] = {"rate_holdout", "how many of the holdout reach it all the same",
                             FIGURE_SHARE},
    [RESULT_LIFT] = {"lift", "how much likelier did being decided for make the goal",
                     FIGURE_CHANCE},
    [RESULT_LIFT_RATIO] = {"lift_ratio", "how many times as often is the goal reached",
                           FIGURE_TIMES},
    [RESULT_GOALS] = {"additional_goals", "how many goals were reached that would not have been",
                      FIGURE_COUNT},
    [RESULT_VALUE_LIFT] = {"value_lift", "how much more is a customer worth who was decided for",
                           FIGURE_MONEY},
    [RESULT_VALUE] = {"additional_value", "what is that for all who were decided for",
                      FIGURE_MONEY},
    [RESULT_COST] = {"cost", "what was decided to be spent on a customer", FIGURE_MONEY},
    [RESULT_COST_PER_GOAL] = {"cost_per_additional_goal",
                              "what does a goal cost that would not have been reached",
                              FIGURE_MONEY},
    [RESULT_LIFT_KEPT] = {"lift_without_crossed",
                          "what is the lift without customers of both arms that were merged",
                          FIGURE_CHANCE},
};

static void scale(struct figure *figure, double factor) {
    figure->value *= factor;
    figure->low *= factor;
    figure->high *= factor;
    figure->low50 *= factor;
    figure->high50 *= factor;
}

static void cost_figure(const struct lift *lift, struct figure *figure) {
    struct lift cost = {.difference = lift->cost,
                        .variance = lift->cost_variance,
                        .freedom = HUGE_VAL,
                        .n = lift->customers[LIFT_TREATED]};
    lift_figure(&cost, figure);
    if (!(lift->cost_variance > 0)) figure_exact(figure);
}

static void share_figure(const struct result_cell *cell, enum lift_arm arm, struct figure *figure) {
    figure_share(figure, cell->goals[arm], cell->customers[arm]);
}

void result_figures(const struct results *results, const struct playbook *playbook,
                    const struct result_cell *cell, struct figure out[RESULT_FIGURES]) {
    double treated = (double)cell->customers[LIFT_TREATED];
    for (int i = 0; i < RESULT_FIGURES; i++) {
        out[i] = (struct figure){.name = words[i].name,
                                 .question = words[i].question,
                                 .unit = words[i].unit,
                                 .of = COUNTED_CUSTOMERS,
                                 .as_of_ms = results->at_ms};
        if (words[i].unit == FIGURE_MONEY) out[i].currency = playbook->currency;
    }
    share_figure(cell, LIFT_TREATED, &out[RESULT_RATE_TREATED]);
    share_figure(cell, LIFT_HOLDOUT, &out[RESULT_RATE_HOLDOUT]);
    lift_figure(&cell->rate, &out[RESULT_LIFT]);
    lift_ratio_figure(&cell->rate, &out[RESULT_LIFT_RATIO]);
    lift_figure(&cell->rate, &out[RESULT_GOALS]);
    lift_figure(&cell->value, &out[RESULT_VALUE_LIFT]);
    lift_figure(&cell->value, &out[RESULT_VALUE]);
    cost_figure(&cell->rate, &out[RESULT_COST]);
    lift_cost_figure(&cell->rate, &out[RESULT_COST_PER_GOAL]);
    lift_figure(&cell->rate_kept, &out[RESULT_LIFT_KEPT]);
    scale(&out[RESULT_GOALS], treated);
    scale(&out[RESULT_VALUE], treated);
    out[RESULT_GOALS].n = out[RESULT_VALUE].n = cell->customers[LIFT_TREATED];
}
