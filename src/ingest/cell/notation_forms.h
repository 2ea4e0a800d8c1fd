/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cell/notation_forms.h -- times whose form leaves no doubt, as programs and their logs
 * write them: months by name ("30-JUN-2024 10:00", "Sun Jun 30 10:00:00 UTC 2024", "Sun, 30 Jun
 * 2024 10:00:00 +0000", "Jun 30, 2024"), the basic form of ISO 8601 ("20240630T100000Z") and its
 * weeks ("2024-W26-7"). They are read under every notation. Each is rewritten into the form that
 * time_parse reads. Names are English, in any case. Pure; any thread. */
#ifndef INGEST_CELL_NOTATION_FORMS_H
#define INGEST_CELL_NOTATION_FORMS_H

#include "base/time.h"

/* INVALID: the text is in none of these forms. */
enum status notation_form_time(struct text text, const struct time_zone *zone,
                               int64_t *time_ms) MUST_USE;

#endif
