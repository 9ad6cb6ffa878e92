/* SPDX-License-Identifier: MIT */
/*
 * The board (common/board.h), written once a second while there is a
 * [listen] with role = admin; and the sums over all workers.
 */
#ifndef WSSD_MASTER_PUBLISH_H
#define WSSD_MASTER_PUBLISH_H

#include <stdint.h>
#include <sys/types.h>

struct master;
struct metrics;

void publish(struct master *);

/* Adds up all workers, those that are gone included. */
void publish_sum(const struct master *, struct metrics *sum);
/* Bytes of memory of a process; 0 = it cannot be asked. */
uint64_t publish_rss(pid_t);

#endif
