/* SPDX-License-Identifier: MIT */
/*
 * The worker gives up what it does not need: its user, the file system, and
 * most of the kernel's calls.
 */
#ifndef WSSD_WORKER_CONFINE_H
#define WSSD_WORKER_CONFINE_H

#include "common/config.h"
#include "common/err.h"

struct worker;

/*
 * Before the first snapshot is built, so that what works at a start works at
 * every reload too.  All that needs the file system (modules, libraries, the
 * time zone) is loaded here.  The second time only modules are looked for.
 * -1: a module cannot be loaded.  It ends the worker when it has more rights
 * than it should.
 */
int confine(struct worker *, const struct config *, struct err *);

/* Once a second: logs and counts what the sandbox has refused. */
void confine_tick(struct worker *);

#endif
