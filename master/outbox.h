/* SPDX-License-Identifier: MIT */
/*
 * What the kernel does not take at once: a bounded queue in front of a
 * channel.  A worker that is being started is told about hundreds of files
 * and sockets before it has read the first message.
 */
#ifndef WSSD_MASTER_OUTBOX_H
#define WSSD_MASTER_OUTBOX_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/list.h"

#define OUTBOX_MESSAGES_MAX 32768
#define OUTBOX_BYTES_MAX (16u << 20)

struct outbox {
	int chan;		/* the owner's */
	struct event *retry;
	struct list queue;
	size_t n, bytes;
	void (*broken)(void *arg, const struct err *);
	void *arg;
};

/* broken is called from the event loop when a queued message failed. */
void outbox_init(struct outbox *, struct event_base *, int chan,
    void (*broken)(void *arg, const struct err *), void *arg);
void outbox_done(struct outbox *);

/*
 * Sends or queues; payload may be NULL; fd (-1 = none) stays the caller's.
 * -1: the peer has not read for so long that the queue is full.  A peer that
 * is gone is no failure here: the end of its channel is read soon.
 */
int outbox_send(struct outbox *, uint16_t type, uint32_t generation,
    const struct buf *payload, int fd, struct err *);
/*
 * The same with a descriptor that is not copied when it has to wait, because
 * there may be thousands: keep(owner) is called then, and release(owner) when
 * it was sent or is given up.
 */
struct outbox_owner {
	void *owner;
	void (*keep)(void *owner);
	void (*release)(void *owner);
};

int outbox_send_owned(struct outbox *, uint16_t type, uint32_t generation,
    const struct buf *payload, int fd, const struct outbox_owner *,
    struct err *);

#endif
