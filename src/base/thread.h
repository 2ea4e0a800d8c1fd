/* SPDX-License-Identifier: Apache-2.0 */
/* base/thread.h -- a thread's share of the machine. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#define THREAD_NICENESS_MAX 19

/* Makes the calling thread, and those that it starts from now on, nicer by so much than it is: the
 * system then runs others first. On Linux niceness is a thread's own. Where it is refused, and on
 * other systems, the thread runs as before. */
void thread_be_nice(int niceness);

#endif
