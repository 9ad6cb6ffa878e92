/* SPDX-License-Identifier: MIT */
/*
 * A reload: prepared everywhere, then committed everywhere, inside the
 * living workers.  Until the commit nothing has changed, and whatever goes
 * wrong leaves it so.
 */
#ifndef WSSD_MASTER_RELOAD_H
#define WSSD_MASTER_RELOAD_H

#include "master/job.h"

void reload_start(struct job *);
/* In step PREPARING. */
void reload_prepared(struct job *, struct slot *);
void reload_refused(struct job *, struct slot *, const char *text);
void reload_slot_event(struct job *, struct slot *, enum slot_event);
/* Withdraws what was prepared. */
void reload_abort(struct job *);

#endif
