/* SPDX-License-Identifier: MIT */
/*
 * What the kernel did not take of one socket's output, and the wait until it
 * does.  A NULL backlog is an empty one.
 */
#ifndef WSSD_WORKER_BACKLOG_H
#define WSSD_WORKER_BACKLOG_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct backlog {
	struct event event;		/* EV_WRITE */
	struct buf data;		/* done..len waits for the kernel */
	size_t done;
	bool shutdown;			/* FIN behind the last byte */
};

/* Begins with those bytes; the callback is called while fd is writable. */
struct backlog *backlog_new(struct event_base *, int fd, event_callback_fn,
    void *arg, const void *data, size_t len);
void backlog_free(struct backlog *);
void backlog_put(struct backlog *, const void *data, size_t len);

/* What waits. */
void *backlog_data(struct backlog *);
size_t backlog_len(const struct backlog *);
/* The first len bytes of it are gone. */
void backlog_drop(struct backlog *, size_t len);

#endif
