/* SPDX-License-Identifier: Apache-2.0 */
#include "base/work.h"

enum status work_check(struct work *work, struct error *error) {
    if (!work_is_cancelled(work)) return STATUS_OK;
    return error_set(error, STATUS_CANCELLED, "cancelled; nothing of it was kept");
}
