/* SPDX-License-Identifier: MIT */
/*
 * Sockets to upstreams, made for workers: they have no file system in which
 * a unix socket could be found, and a worker that was taken over by an
 * attacker reaches nothing but what the config names.
 */
#ifndef WSSD_MASTER_CONNECT_H
#define WSSD_MASTER_CONNECT_H

#include "common/proto.h"
#include "common/proto_connect.h"
#include "master/edition.h"

/*
 * Begins to connect to an endpoint that one of the editions (either may be
 * NULL) has, and never waits.  Returns the socket, whose connecting may still
 * be under way, or -1 with the errno in *connected_out, which is filled in
 * either way: EPERM when no edition has the endpoint, EAGAIN when a unix
 * socket's queue is full.
 */
int connect_upstream(const struct edition *, const struct edition *,
    const struct proto_connect *, struct proto_connected *connected_out);

#endif
