/* SPDX-License-Identifier: MIT */
/*
 * The keys of session tickets: made here, because only so a ticket that one
 * worker gave is good in all of them, and still good when that worker is
 * gone.  Random bytes only; what is done with them is the workers' business.
 */
#ifndef WSSD_MASTER_TICKETS_H
#define WSSD_MASTER_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/proto.h"

struct edition;

/*
 *	ring.keys:	in use	next	old, the youngest first
 *
 * The next one is handed out a whole period before it is used: a client may
 * come back to a worker that has not heard of the change yet.
 */
struct tickets {
	struct proto_tickets ring;
	uint64_t until_ms[PROTO_TICKET_KEYS_MAX];	/* of the old ones */
	uint64_t rotate_ms, overlap_ms;	/* the settings */
	uint64_t next_ms;		/* when to rotate */
	bool from_file;			/* then nothing is rotated here */
};

/*
 * Takes the settings of an edition that is in use from now on, and its keys
 * if they come from a file.  -1: no random numbers; all is as it was.
 */
int tickets_use(struct tickets *, const struct edition *, uint64_t now_ms,
    struct err *);
/* 1: the keys have changed; 0: they have not; -1: no random numbers. */
int tickets_tick(struct tickets *, uint64_t now_ms, struct err *);
/* Wipes all keys. */
void tickets_done(struct tickets *);

/*
 * The keys in a ticket_key_file, PROTO_TICKET_KEY_BYTES for each: its name,
 * the key of the MAC, the key of the cipher, as nginx has them.  The first is
 * used for new tickets.
 */
int tickets_read_file(int fd, const char *path, struct proto_tickets *out,
    struct err *);

#endif
