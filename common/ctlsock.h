/* SPDX-License-Identifier: MIT */
/*
 * The other end of the control socket, for wssctl and `wssd --check': one
 * line of words there, one JSON document back.  Blocks, with a limit.
 */
#ifndef WSSD_COMMON_CTLSOCK_H
#define WSSD_COMMON_CTLSOCK_H

#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

enum ctlsock_result {
	CTLSOCK_OK,
	CTLSOCK_NOT_RUNNING,	/* no socket, or nobody behind it */
	CTLSOCK_DENIED,
	CTLSOCK_FAILED		/* somebody is there, but it does not work */
};

/* Connects to run_dir/control.sock; pid_out (may be NULL) is the daemon's. */
enum ctlsock_result ctlsock_connect(const char *run_dir, int *fd_out,
    pid_t *pid_out, struct err *);

/*
 * Sends the words and takes pieces of the answer until its end.  take
 * returns non-zero to stop early.  timeout_ms is for the longest silence.
 * 0, or -1.
 */
int ctlsock_ask(int fd, const char *words, uint64_t timeout_ms,
    int (*take)(void *arg, const char *data, size_t len), void *arg,
    struct err *);

/* The same, with the whole answer (terminated) in memory. */
int ctlsock_ask_all(int fd, const char *words, uint64_t timeout_ms,
    struct buf *answer, struct err *);

#endif
