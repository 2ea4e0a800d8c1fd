/* SPDX-License-Identifier: Apache-2.0 */
/* engine/api_internal.h -- what the sources of the public C API share. */
#ifndef ENGINE_API_INTERNAL_H
#define ENGINE_API_INTERNAL_H

#include "attune.h"
#include "engine/engine_internal.h"

/* The handle is the engine; only the type is another, so that nothing of the inside shows. */
struct engine *api_engine(struct attune *attune);
/* Maps a status and hands the error's text out; `to` may be NULL. */
enum attune_status api_status(enum status status, const struct error *from,
                              struct attune_error *to);
/* The source of that name that takes rows. */
enum status api_source(const struct playbook *playbook, const char *name, const struct source **out,
                       struct error *error) MUST_USE;
void api_count(const struct apply_result *did, const struct bad_rows *bad,
               struct attune_ingested *out);

#endif
