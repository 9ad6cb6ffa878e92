/* SPDX-License-Identifier: MIT */
/* Sets of addresses: 10.0.0.0/8, 2001:db8::/32, 192.0.2.1, unix: */
#ifndef WSSD_COMMON_ADDR_NET_H
#define WSSD_COMMON_ADDR_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

struct addr_net {
	uint8_t ip[16];			/* network byte order */
	unsigned bits;			/* of ip that count */
	sa_family_t family;		/* AF_UNIX: every client of one */
};

/*
 * "IP", "IP/BITS" or "unix:"; IPv6 without brackets.  0, or -1 with a
 * sentence that says what to write instead.
 */
int addr_net_parse(const char *text, struct addr_net *net_out, struct err *);
/* Is the address in one of the n nets?  Its port does not count. */
bool addr_nets_have(const struct addr_net *, size_t n, const struct addr *);

#endif
