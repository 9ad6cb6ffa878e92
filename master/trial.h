/* SPDX-License-Identifier: MIT */
/*
 * A throw-away worker that only tries a configuration: loads certificates
 * and modules, says READY or why not, and is killed.  It never gets a
 * socket.
 */
#ifndef WSSD_MASTER_TRIAL_H
#define WSSD_MASTER_TRIAL_H

#include <stdbool.h>

#include "master/proc.h"

struct trial;

/*
 * done is called once, later: with the warnings, or with what is wrong (a
 * line each).  config_failed: it was the config, not the worker.
 */
struct trial_verdict {
	bool ok, config_failed;
	const char *text;
};

/* NULL: it could not be started, and done is not called. */
struct trial *trial_start(struct proc_world *, struct edition *, bool strict,
    void (*done)(void *arg, const struct trial_verdict *), void *arg,
    struct err *);
/* done is not called any more; NULL is fine. */
void trial_cancel(struct trial *);

#endif
