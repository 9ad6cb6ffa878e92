/* SPDX-License-Identifier: MIT */
/* Listening sockets as the master makes them, one for each worker slot. */
#ifndef WSSD_COMMON_SOCK_H
#define WSSD_COMMON_SOCK_H

#include "common/addr.h"
#include "common/err.h"

/*
 * Is the address free?  Asked without SO_REUSEPORT, because with it a bind
 * succeeds beside any other program of the same user that uses it too, and
 * the two would share the connections.  0, or -1 with why not.
 */
int sock_probe(const struct addr *, struct err *);

/*
 * A TCP socket that listens on the address: non-blocking, close-on-exec,
 * SO_REUSEADDR, SO_REUSEPORT, and only IPv6 on an IPv6 address.  -1: err.
 */
int sock_listen(const struct addr *, int backlog, struct err *);

/* The address a socket is bound to, with the port the kernel chose. */
int sock_address(int fd, struct addr *addr_out, struct err *);

#endif
