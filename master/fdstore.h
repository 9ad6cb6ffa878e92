/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets in systemd's descriptor store (FDSTORE= of
 * sd_notify(3)): a restart, a crash of the master and a package upgrade then
 * refuse nobody, as the next process gets the same sockets, with all that
 * waits in their queues.  Without a service manager, nothing.
 */
#ifndef WSSD_MASTER_FDSTORE_H
#define WSSD_MASTER_FDSTORE_H

#include <stdbool.h>

struct listen_set;
struct notify;

/*
 * Stores the sockets that only `after' has and takes out those that only
 * `before' (may be NULL) has.  Those of a socket unit are left to it.
 */
void fdstore_update(const struct notify *, const struct listen_set *before,
    const struct listen_set *after);

/* Is it the name of one that this function has stored? */
bool fdstore_is_ours(const char *name);

#endif
