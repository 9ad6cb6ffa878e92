/* SPDX-License-Identifier: MIT */
/*
 * The messages of the echo load: message `seq` of connection `id` is known
 * byte by byte, so that what comes back can be compared, even when answers
 * were swapped between connections.  A message is ASCII: a stamp of eight
 * characters (id, seq), then a pattern.
 */
#ifndef WSSD_BENCH_FRAMES_H
#define WSSD_BENCH_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct frames {			/* one for all connections */
	size_t size;		/* of a message */
	size_t sent_len;	/* of a frame as the client sends it */
	size_t sent_head;
	uint8_t *sent;		/* that frame, masked, with an empty stamp */
	size_t back_len;	/* and as it must come back */
	size_t back_head;
	uint8_t *back;
	size_t stamp_len;	/* 8, or the size of a shorter message */
};

struct frames_reader {		/* one per connection; starts zeroed */
	uint32_t id, seq;	/* the message that comes next */
	size_t at;		/* how much of its frame has come */
	uint8_t control[2 + 125];	/* a ping, a pong or a close under way */
	size_t control_len;
	uint8_t stamp[8];
	uint32_t pings;		/* how many have come */
};

void frames_init(struct frames *, size_t size, bool binary);
void frames_done(struct frames *);

/* Appends the frame of a message. */
void frames_put(const struct frames *, uint32_t id, uint32_t seq,
    struct buf *);

/*
 * Compares what came back; *messages_out grows by one for each message that
 * is complete.  Answers to pings are appended to reply.
 */
int frames_check(const struct frames *, struct frames_reader *,
    const uint8_t *data, size_t len, struct buf *reply,
    size_t *messages_out, struct err *);

#endif
