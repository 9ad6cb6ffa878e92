/* SPDX-License-Identifier: MIT */
/*
 * Replacing the workers one slot at a time: the next slot goes on when the
 * new worker of this one serves, while the old ones drain.
 */
#ifndef WSSD_MASTER_ROLL_H
#define WSSD_MASTER_ROLL_H

#include "master/job.h"

void roll_start(struct job *);
void roll_slot_event(struct job *, struct slot *, enum slot_event);

#endif
