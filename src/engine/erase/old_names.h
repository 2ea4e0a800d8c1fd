/* SPDX-License-Identifier: Apache-2.0 */
/* engine/erase/old_names.h -- names in the tables of an older directory that go with a customer.
 *
 * Programs before dark text (event/dark.h) made a symbol of every name that data brought. A name
 * that no playbook declares, that the erased customer's events have and nobody else's, is rewritten
 * away. Where the customer's events have no such name, which is so in every directory of today,
 * nobody else's events are looked at. Private to engine/; the applier. */
#ifndef ENGINE_ERASE_OLD_NAMES_H
#define ENGINE_ERASE_OLD_NAMES_H

#include "engine/engine_internal.h"

struct old_names {
    uint64_t events[1024], properties[1024], channels[4]; /* bits by symbol: these go */
    struct symbols_forgotten forgotten;                   /* over them */
    uint32_t count;
};
/* Before the events are erased. Where events can't be read, no name goes, and the status tells. */
enum status old_names_find(struct engine *engine, struct customer_id customer,
                           struct old_names *out, struct error *error) MUST_USE;

#endif
