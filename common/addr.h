/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses: 192.0.2.1:443, [2001:db8::1]:443, unix:/run/ws.sock.
 * Numbers and paths; no DNS.
 */
#ifndef WSSD_COMMON_ADDR_H
#define WSSD_COMMON_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/err.h"

#define ADDR_TEXT_MAX 128	/* "unix:", a path, and its NUL */

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t len;
};

/* A client's.  It has no path, and needs no room for one. */
struct addr_client {
	union {
		struct sockaddr sa;	/* AF_UNIX: that is all there is */
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

void addr_client_set(struct addr_client *, const struct addr *);
struct addr addr_client_get(const struct addr_client *);

/* For accept() and getsockname(): the room there is. */
#define ADDR_ROOM ((socklen_t)sizeof(struct sockaddr_un))

/* "IP:PORT" or "unix:/PATH"; -1: a sentence says what to write instead. */
int addr_parse(const char *text, struct addr *addr_out, struct err *);
/* An IP address alone, len bytes, v6 without brackets; port 0; unmapped. */
bool addr_parse_ip(const char *text, size_t len, struct addr *addr_out);
/* ::ffff:192.0.2.1 becomes 192.0.2.1: the same client. */
void addr_unmap(struct addr *);
/*
 * With the port; a v4-mapped v6 address is written as v4.  A client of a unix
 * socket has no path: "unix:".
 */
void addr_format(const struct addr *, char out[ADDR_TEXT_MAX]);
/* A client's: its port is left out where it is not known (0). */
void addr_format_client(const struct addr_client *, char out[ADDR_TEXT_MAX]);
/* Without the port. */
void addr_format_ip(const struct addr *, char out[ADDR_TEXT_MAX]);
bool addr_is_unix(const struct addr *);
bool addr_equal(const struct addr *, const struct addr *);
/* Only this machine can connect to it. */
bool addr_is_loopback(const struct addr *);
uint16_t addr_port(const struct addr *);
void addr_set_port(struct addr *, uint16_t);

#endif
