/* SPDX-License-Identifier: MIT */
/*
 * recv and send for many sockets at once: one io_uring_enter where the
 * kernel allows it, else one call each.  Nothing is in flight when a
 * function returns.  This is what keeps the load cheaper than the server.
 */
#ifndef WSSD_BENCH_RING_H
#define WSSD_BENCH_RING_H

#include <stdbool.h>
#include <stddef.h>

#define RING_MAX 512			/* operations a call at most */

struct ring;

struct ring_op {
	int fd;
	void *data;
	size_t len;
	int result;			/* bytes, or -errno */
};

/* plain: do not try io_uring. */
struct ring *ring_new(bool plain);
void ring_free(struct ring *);
/* "io_uring" or "plain". */
const char *ring_name(const struct ring *);

void ring_recv(struct ring *, struct ring_op *, size_t count);
void ring_send(struct ring *, struct ring_op *, size_t count);

#endif
