/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that systemd hands over, by the documented protocol of
 * sd_listen_fds(3): those of wssd.socket, and those of the process before
 * this one, kept in the descriptor store (master/fdstore.h).
 */
#ifndef WSSD_MASTER_INHERIT_H
#define WSSD_MASTER_INHERIT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/addr.h"
#include "common/err.h"

struct listen_set;

struct inherited_socket {
	int fd;			/* owned; non-blocking, close-on-exec */
	bool stored;		/* from the descriptor store: it was ours */
	struct addr addr;
};

struct inherit {
	struct inherited_socket *items;
	size_t n;
};

#define INHERIT_INIT { NULL, 0 }
#define INHERIT_MAX 20000

/*
 * Before any other descriptor is opened: reads $LISTEN_PID, $LISTEN_FDS and
 * $LISTEN_FDNAMES and takes them out of the environment.  What is not a
 * listening TCP socket is closed, and said.
 */
void inherit_take(struct inherit *);
void inherit_done(struct inherit *);

/*
 * The sockets as the listen_set that was there before, for
 * listen_set_open().  Those of one address are dealt to the slots.  Where
 * there are not enough, the descriptor store's get new ones beside them, as
 * on every start, and all slots share those of a socket unit: only their
 * owner may open more.  Where there are too many, the store's are closed;
 * those of a socket unit would go on to fill and nobody would answer: -1.
 * *set_out is NULL when there are none.
 */
int inherit_listen_set(struct inherit *, size_t n_slots,
    struct listen_set **set_out, struct err *);

#endif
