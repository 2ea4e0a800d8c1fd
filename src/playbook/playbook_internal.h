/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/playbook_internal.h -- the readers of a playbook's parts. playbook.c calls them in the
 * order in which the parts need each other. A node is NULL where the part is absent. */
#ifndef PLAYBOOK_PLAYBOOK_INTERNAL_H
#define PLAYBOOK_PLAYBOOK_INTERNAL_H

#include "playbook/names.h"

void settings_read(
    struct reader *reader,
    const struct yaml_node *const *top); /* attune, name, currency, zone, holdout … */
void customer_read(struct reader *reader, const struct yaml_node *node);
/* The customer's zone, which is found by traits. */
void customer_zone_read(struct reader *reader, const struct yaml_node *node);
/* NULL: the usual ones. */
void bots_read(struct reader *reader, const struct yaml_node *node);
void consent_read(struct reader *reader, const struct yaml_node *node);
void relations_read(struct reader *reader, const struct yaml_node *node);

/* Sources are read in three passes: their names and the events that they give; the declared types
 * of their columns; everything else. */
struct source_reading;
bool sources_begin(struct reader *reader, const struct yaml_node *node,
                   struct source_reading **out);
void sources_declare(struct reader *reader, struct source_reading *sources);
void sources_read(struct reader *reader, struct source_reading *sources);

void events_read(struct reader *reader, const struct yaml_node *node);
void visits_read(struct reader *reader, const struct yaml_node *node);
void traits_read(struct reader *reader, const struct yaml_node *node);
void goals_read(struct reader *reader, const struct yaml_node *node);
void scenarios_read(struct reader *reader, const struct yaml_node *node);
void models_read(struct reader *reader, const struct yaml_node *node);

/* Actions are read in two passes: their attributes, which any expression may name; then the rest.
 */
void actions_begin(struct reader *reader, const struct yaml_node *node);
void actions_read(struct reader *reader, const struct yaml_node *const *top);
/* Reads decide: lists:, which name channels of actions, identifiers and traits. */
void lists_read(struct reader *reader, const struct yaml_node *decide);
/* After the actions, whose channels learn whether they are explored. */
void explore_read(struct reader *reader, const struct yaml_node *node);
void experiments_read(struct reader *reader, const struct yaml_node *node);
void channels_read(struct reader *reader, const struct yaml_node *node);
void policies_read(struct reader *reader, const struct yaml_node *node);
/* Reads a channel in which an action is offered: what is said of another one would never hold, and
 * nobody would notice. */
bool action_channel_read(struct reader *reader, const struct yaml_node *node, uint32_t *channel);
/* Placements are read in two passes: their names, which channels of actions may say; then the rest,
 * which names actions. */
void placements_begin(struct reader *reader, const struct yaml_node *node);
void placements_read(struct reader *reader, const struct yaml_node *node);
void budgets_read(struct reader *reader, const struct yaml_node *node);
void bundles_read(struct reader *reader, const struct yaml_node *node);
void lifetimes_read(struct reader *reader, const struct yaml_node *node);
/* Refuses a lifetime model with the name of a model: their files would have one name. */
void lifetimes_check(struct reader *reader);
void context_read(struct reader *reader, const struct yaml_node *node);
/* Until the next call context.NAME is refused in what is compiled, for this reason (NULL: it is
 * allowed). */
void context_refuse(struct reader *reader, const char *why);

bool goal_read(struct reader *reader, const struct yaml_node *node,
               uint32_t *goal); /* the index of a goal by name */
/* Reads a consent purpose that the playbook knows, or a sensitive topic, which is a purpose of its
 * own. */
bool purpose_read(struct reader *reader, const struct yaml_node *node, struct text name,
                  struct text *out);
bool topic_read(struct reader *reader, const struct yaml_node *node, struct text *out);

#endif
