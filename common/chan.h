/* SPDX-License-Identifier: MIT */
/*
 * One end of the SOCK_SEQPACKET socketpair between the master and a child:
 * one recvmsg is one message with at most one descriptor.  Never blocks.
 * Only the master hands out descriptors: the sandbox of its children has no
 * call that could.
 *
 * The kernel holds a few hundred small messages.  A child never has that
 * many to say, so a full queue is an error to it; the master may have more
 * descriptors to give at a start than that, and keeps a bounded queue of its
 * own behind it (master/proc.c).
 */
#ifndef WSSD_COMMON_CHAN_H
#define WSSD_COMMON_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define CHAN_PAYLOAD_MAX 65536

/* What stands before every payload; host byte order, same machine. */
struct chan_head {
	uint32_t magic;
	uint16_t type;		/* enum proto_type */
	uint16_t version;	/* PROTO_VERSION */
	uint32_t generation;	/* of the config it is about, or 0 */
	uint32_t length;	/* of the payload */
};

struct chan_message {
	uint16_t type;
	uint32_t generation;
	struct reader payload;	/* into the caller's buffer */
	int fd;			/* -1, or the receiver's from now on */
	bool fd_lost;		/* there was one, and this process has no
				   room for more: EMFILE */
};

/* Two non-blocking, close-on-exec ends. */
int chan_pair(int fds_out[2], struct err *);

/* Whether a descriptor that this process was started with can be one. */
bool chan_is_one(int fd);

/*
 * Sends one message; fd (-1 = none) stays the caller's.  On failure errno
 * says why: EAGAIN or ETOOMANYREFS when the queue is full, EPIPE or
 * ECONNRESET when the peer is gone.
 */
int chan_send(int chan, uint16_t type, uint32_t generation,
    const struct buf *payload, int fd, struct err *);

/*
 * 1: a message, its payload in room[CHAN_PAYLOAD_MAX]; 0: nothing there now;
 * -1: the peer sent what no peer may send (truncated, wrong magic, version or
 * length, more than one descriptor), err says which; CHAN_GONE: it has closed
 * its end, or died with messages unread.
 */
#define CHAN_GONE (-2)
int chan_recv(int chan, uint8_t *room, struct chan_message *message_out,
    struct err *);

#endif
