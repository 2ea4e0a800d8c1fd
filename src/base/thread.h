/* SPDX-License-Identifier: Apache-2.0 */
/* base/thread.h -- a thread's share of the machine. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#define THREAD_NICENESS_MAX 19

/* Makes the calling thread, and those that it starts from now on, nicer by so much than it is: the
 * system then runs others first. On Linux niceness is a thread's own. Where it is refused, and on
 * other systems, the thread runs as before. */
void thread_be_nice(int niceness);

/* The calling thread, and those that it starts from now on, run only where nobody else would: of
 * work that others never wait for. On Linux a thread that wakes takes the core from it at once, and
 * need not wait for the end of its slice. On other systems it is as nice as can be. */
void thread_be_idle(void);

#endif
