/* SPDX-License-Identifier: MIT */
/*
 * Starting the worker binary with nothing but a channel, /dev/null as its
 * input, and the master's stderr.
 */
#ifndef WSSD_MASTER_SPAWN_H
#define WSSD_MASTER_SPAWN_H

#include <sys/types.h>

#include "common/err.h"

#define SPAWN_WORKER "wssd-worker"
#define SPAWN_SIGNER "wssd-signer"

/*
 * Opens one of these binaries, beside this program or in libexec.  It stays
 * open, so that a process which is started after a package update is still
 * the one that belongs to this master.
 */
int spawn_open(const char *name, struct err *);

struct spawned {
	pid_t pid;
	int pidfd;
	int chan;	/* the master's end */
};

/* title is the process's first argument, what ps(1) shows. */
int spawn_worker(int worker_fd, const char *title, struct spawned *out,
    struct err *);

/*
 * As a new program expects them: none ignored, none blocked.  Also for the
 * master itself; an inherited, ignored SIGCHLD would hide how workers die.
 */
void spawn_reset_signals(void);

/* Sends a signal to a child that has not been waited for. */
void spawn_signal(const struct spawned *, int sig);

#endif
