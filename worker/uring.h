/* SPDX-License-Identifier: MIT */
/*
 * recv() or send() for many sockets: with a ring one io_uring_enter() for
 * all of them, without one a call each.  What is done is the same, so
 * transport.c has no second way of its own.
 *
 * Every operation carries MSG_DONTWAIT and so ends inside the call: between
 * two calls nothing is in flight, nothing has to be cancelled, and no buffer
 * belongs to the kernel.
 *
 * A ring may do nothing but receive and send: it is restricted before it is
 * enabled (IORING_REGISTER_RESTRICTIONS), so that whoever takes the worker
 * over finds no way through it past a filter of system calls.
 */
#ifndef WSSD_WORKER_URING_H
#define WSSD_WORKER_URING_H

#include <stddef.h>

#include "common/err.h"

#define URING_MAX 256			/* operations in one call */

struct uring;

struct uring_op {
	int fd;
	void *data;			/* only read by uring_send() */
	size_t len;
	int result;			/* bytes, or -errno */
};

/*
 * NULL when the kernel, its sysctl or a sandbox does not let us; err says
 * why.  Must happen before a filter forbids io_uring_setup().
 */
struct uring *uring_new(struct err *);
void uring_free(struct uring *);

/*
 * n is at most URING_MAX.  uring may be NULL: a call for each then, as for a
 * single operation, which a ring would not make cheaper.
 */
void uring_recv(struct uring *, struct uring_op *, size_t n);
void uring_send(struct uring *, struct uring_op *, size_t n);

#endif
