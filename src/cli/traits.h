/* SPDX-License-Identifier: Apache-2.0 */
/* cli/traits.h -- the traits and segments of one customer on the screen; shared by `customer` and
 * `traits`. */
#ifndef CLI_TRAITS_H
#define CLI_TRAITS_H

#include "engine/answer/answer.h"

void traits_print(struct engine_view *view);

#endif
