/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cell/currency.h -- which currency a cell names: three letters of ISO 4217 ("EUR",
 * "eur", but not "GBp", which means pence), its three digits (978), or a sign ("€"). A sign that
 * several currencies share means the usual one, if that is one of them. The codes for no currency
 * and for tests (999, 963) name none. Pure; any thread. */
#ifndef INGEST_CELL_CURRENCY_H
#define INGEST_CELL_CURRENCY_H

#include "base/text.h"

/* `usual`: the playbook's, which may be letters that ISO does not list. INVALID: it names none. */
enum status currency_read(struct text text, uint16_t usual, uint16_t *currency) MUST_USE;

#endif
