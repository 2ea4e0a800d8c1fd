/* SPDX-License-Identifier: Apache-2.0 */
/* event/memory_source.h -- a timeline_source over plain arrays: the naive model for property tests,
 * and what simulators and unit tests of the rooms above use. Sorts on reading; no limits on speed.
 * Not thread-safe. */
#ifndef EVENT_MEMORY_SOURCE_H
#define EVENT_MEMORY_SOURCE_H

#include "event/event.h"
#include "event/timeline_source.h"

struct memory_source;
/* The column set is borrowed. `directory` may be NULL: then customer = persona, always. */
enum status memory_source_create(struct memory_source **out, const struct column_set *columns,
                                 const struct customer_directory *directory) MUST_USE;
void memory_source_destroy(struct memory_source *source);
/* Positions are given in order of adding, from 0. Events must have their persona. */
enum status memory_source_add(struct memory_source *source,
                              const struct event_batch *batch) MUST_USE;
struct timeline_source *memory_source_interface(struct memory_source *source);

#endif
