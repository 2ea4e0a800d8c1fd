/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void thread_be_nice(int niceness) {
    if (niceness == 0) return;
    id_t thread = (id_t)syscall(SYS_gettid);
    errno = 0;
    int now = getpriority(PRIO_PROCESS, thread);
    if (now == -1 && errno != 0) return;
    int wanted = now + niceness > THREAD_NICENESS_MAX ? THREAD_NICENESS_MAX : now + niceness;
    (void)!setpriority(PRIO_PROCESS, thread, wanted);
}
