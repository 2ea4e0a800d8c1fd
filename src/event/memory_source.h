/* SPDX-License-Identifier: Apache-2.0 */
/* event/memory_source.h -- a timeline_source over plain arrays. It is the naive model of property
 * tests, and unit tests and simulators of other rooms use it. It sorts whenever it reads, and
 * promises no speed. Not thread-safe. */
#ifndef EVENT_MEMORY_SOURCE_H
#define EVENT_MEMORY_SOURCE_H

#include "event/event.h"
#include "event/timeline_source.h"

struct memory_source;
/* The column set is borrowed. With a NULL `directory` every persona is its own customer, always. */
enum status memory_source_create(struct memory_source **out, const struct column_set *columns,
                                 const struct customer_directory *directory) MUST_USE;
void memory_source_destroy(struct memory_source *source);
/* Adds events, which must have their persona. They get positions in the order of adding, from 0. */
enum status memory_source_add(struct memory_source *source,
                              const struct event_batch *batch) MUST_USE;
struct timeline_source *memory_source_interface(struct memory_source *source);

#endif
