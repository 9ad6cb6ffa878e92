/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets.  The master opens them, one for each address and
 * worker slot (SO_REUSEPORT), and keeps them open across the death of
 * workers and across reloads: what waits in their queues is never lost.
 * A unix socket cannot be shared so: there is one, which all slots have.
 */
#ifndef WSSD_MASTER_LISTEN_H
#define WSSD_MASTER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/addr.h"
#include "common/config.h"
#include "common/sock_unix.h"

/* One address: shared by the listen_sets of two editions that both have it. */
struct listener {
	unsigned refs;
	struct addr wanted;		/* as written: port 0 = any */
	char text[ADDR_TEXT_MAX];	/* with the real port */
	int *fds;			/* one a slot; unix: all the same */
	size_t n_slots;
	int backlog;
	struct sock_file file;		/* of a unix socket */
	bool activated;			/* by a socket unit: it has them too */
	bool stored;			/* the next process finds its file */
	bool restore;			/* the descriptor store has others */
};

struct listen_row {
	struct listener *listener;
	char *name;			/* of the [listen] */
};

/* All addresses of one edition of the config; immutable, shared. */
struct listen_set {
	unsigned refs;
	struct listen_row *rows;
	size_t n;
};

/* Is the n-th address of the [listen] free?  As sock_probe(). */
int listen_probe(const struct config *, const struct config_listen *,
    size_t n, struct err *);

/*
 * Sockets for every address of the config.  What `old' (may be NULL) has
 * stays the same socket, also under another name.  NULL: err says which
 * address cannot be had, and nothing has changed.
 */
struct listen_set *listen_set_open(const struct config *,
    struct listen_set *old, size_t n_slots, struct err *);
/* For inherit.c: an empty set, and a listener without sockets in it. */
struct listen_set *listen_set_new(void);
struct listener *listener_new(const struct addr *wanted, size_t n_slots);
void listen_set_add(struct listen_set *, struct listener *, const char *name);

struct listen_set *listen_set_ref(struct listen_set *);
/* The last reference closes the sockets no other set has. */
void listen_set_unref(struct listen_set *);

/*
 * A slot's socket, for a worker.  It accepts connections, even when the
 * worker before has shut it down, which it could.
 */
int listener_fd(const struct listener *, unsigned slot);

/* All slots have the same socket. */
bool listener_is_shared(const struct listener *);

/* The same socket under the same name? */
bool listen_set_has(const struct listen_set *, const struct listen_row *);

#endif
