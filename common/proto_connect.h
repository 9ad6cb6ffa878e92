/* SPDX-License-Identifier: MIT */
/* CONNECT and CONNECTED: see proto.h. */
#ifndef WSSD_COMMON_PROTO_CONNECT_H
#define WSSD_COMMON_PROTO_CONNECT_H

#include "common/proto.h"

/*
 * A worker has no file system, looks up no names and need not be able to make
 * sockets: the master connects for it, and only to an endpoint that stands in
 * a config this worker has been given.
 */
struct proto_connect {
	uint32_t id;		/* comes back in CONNECTED */
	uint32_t attempt;	/* of the addresses that a name has, this one,
				   from 0 */
	char endpoint[PROTO_NAME_MAX * 2];	/* of struct upstream */
};

struct proto_connected {
	uint32_t id;
	uint32_t error;		/* errno, or 0 */
	uint32_t addresses;	/* how many the endpoint has */
};

PROTO_CODEC(connect)
PROTO_CODEC(connected)

#endif
