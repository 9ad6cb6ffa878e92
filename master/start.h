/* SPDX-License-Identifier: MIT */
/*
 * What the master does before its event loop, and undoes behind it.  Each
 * failure is one clear line, to the terminal or to the `wssctl start' that
 * waits, and leaves nothing behind.
 */
#ifndef WSSD_MASTER_START_H
#define WSSD_MASTER_START_H

struct master;

/* 0, or the exit code; the reason has been reported. */
int start_prepare(struct master *);
void start_undo(struct master *);

/* Lines for whoever started the daemon, and for the log. */
void start_report(struct master *, const char *lines);
/* All workers are ready. */
void start_is_ready(struct master *);

#endif
