/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/playbook.h"

struct text playbook_starter(void) {
    static const char starter[] = "attune: 1\n";
    return TEXT(starter);
}
