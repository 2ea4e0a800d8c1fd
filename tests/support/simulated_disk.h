/* SPDX-License-Identifier: Apache-2.0 */
/* support/simulated_disk.h -- a disk in memory that can lose power.
 *
 * What it keeps of unsynced work at a cut is decided by the seed, within what a disk under Linux
 * may do:
 *   - of each file, every 512-byte sector that was written since its last sync is there or not, on
 *   its own; the length is the old
 *     one, the new one or in between; a sector that was never there before reads as zeros
 *   - of each directory, any subset of the creates, renames, links and removes since its last sync,
 *   kept in order; with a
 *     directory's own name goes all that lies in it, however often that was synced
 *   - a failed sync writes some sectors and marks all as clean: a later sync of another handle
 *   succeeds without them
 * Calls can be made to fail one by one, or all from the n-th on (the cut). Any thread. */
#ifndef SUPPORT_SIMULATED_DISK_H
#define SUPPORT_SIMULATED_DISK_H

#include "base/file.h"

struct simulated_disk;
/* Aborts without memory. */
struct simulated_disk *simulated_disk_create(uint64_t seed, uint64_t capacity_bytes);
void simulated_disk_destroy(struct simulated_disk *disk);
struct file_system *simulated_disk_interface(struct simulated_disk *disk);

/* Calls that change the disk (open for writing, write, truncate, sync, rename, link, remove,
 * directory calls), so far. */
uint64_t simulated_disk_calls(const struct simulated_disk *disk);
/* The power goes at the n-th such call from now: it may be done in part, it and all later calls
 * fail. 0: never. */
void simulated_disk_cut_at(struct simulated_disk *disk, uint64_t nth);
bool simulated_disk_is_off(const struct simulated_disk *disk);
/* Power comes back; what was not durable is kept or lost by the seed. All handles must have been
 * closed. */
void simulated_disk_restart(struct simulated_disk *disk);
/* The n-th call from now alone fails, with STATUS_IO, or STATUS_DISK_FULL where `full`. 0: none. */
void simulated_disk_fail_at(struct simulated_disk *disk, uint64_t nth, bool full);
void simulated_disk_capacity(struct simulated_disk *disk, uint64_t bytes);
/* Flips one bit of a file, durably. False where it has none. */
bool simulated_disk_flip(struct simulated_disk *disk, const char *path, uint64_t offset,
                         unsigned bit);
/* True where any file on the disk, or in its last durable state, contains these bytes. */
bool simulated_disk_contains(const struct simulated_disk *disk, const void *bytes, size_t length);

#endif
