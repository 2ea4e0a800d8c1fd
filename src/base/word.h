/* SPDX-License-Identifier: Apache-2.0 */
/* base/word.h -- is this word of a closed list known?
 *
 * Purposes, channels, states of consent, relations: each is a list that a playbook or this program
 * closes. A word of it is known however it is cased and padded, and whether blanks, hyphens or
 * underscores part it: " Opt-In " is opt_in. Anything else is not known, also "e-mail" where the list
 * has email: a near one is offered ("did you mean email?"), never taken. Pure; any thread. */
#ifndef BASE_WORD_H
#define BASE_WORD_H

#include "base/text.h"

#define WORD_BYTES_MAX 96 /* a longer text is no word of a list */

enum word_found {
    WORD_KNOWN,
    WORD_NEAR, /* it differs by what parts it, or by a slip of two letters at most */
    WORD_STRANGE,
};
/* *index: the word that it is, or that is near; the first one of equals. */
enum word_found word_find(struct text word, const struct text *known, size_t count, size_t *index);

#endif
