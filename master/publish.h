/* SPDX-License-Identifier: MIT */
/*
 * The board (common/board.h), written once a second while there is a
 * [listen] with role = admin; and the sums over all workers.
 */
#ifndef WSSD_MASTER_PUBLISH_H
#define WSSD_MASTER_PUBLISH_H

#include <stdint.h>

struct master;
struct metrics;
struct proc;

void publish(struct master *);

/* Adds up all workers, those that are gone included. */
void publish_sum(const struct master *, struct metrics *sum);
/* Bytes of memory: what /proc says, or else the worker; 0 = nobody. */
uint64_t publish_rss(const struct proc *);

#endif
