/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <errno.h>
#include <sched.h>
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

void thread_be_idle(void) {
#ifdef SCHED_IDLE
    const struct sched_param none = {0};
    if (sched_setscheduler(0, SCHED_IDLE, &none) == 0) return; /* 0: this thread alone */
#endif
    thread_be_nice(THREAD_NICENESS_MAX);
}
