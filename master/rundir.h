/* SPDX-License-Identifier: MIT */
/*
 * The run directory and the pid file in it, which is the lock that keeps a
 * second daemon out.  What a killed daemon left there is no obstacle.
 */
#ifndef WSSD_MASTER_RUNDIR_H
#define WSSD_MASTER_RUNDIR_H

#include "common/err.h"

struct rundir {
	char *path;
	char *pid_path;
	int lock_fd;		/* -1 = not ours */
};

#define RUNDIR_INIT { NULL, NULL, -1 }

/* Makes the directory where it is missing, and takes the lock. */
int rundir_lock(struct rundir *, const char *path, struct err *);
/* Removes the pid file, if it is ours; the directory stays. */
void rundir_done(struct rundir *);

#endif
