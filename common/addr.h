/* SPDX-License-Identifier: MIT */
/* Socket addresses as numbers: 192.0.2.1:443, [2001:db8::1]:443.  No DNS. */
#ifndef WSSD_COMMON_ADDR_H
#define WSSD_COMMON_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "common/err.h"

#define ADDR_TEXT_MAX 64	/* "[v6%scope]:65535" and its NUL */

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

/* For accept() and getsockname(): the room there is. */
#define ADDR_ROOM ((socklen_t)sizeof(struct sockaddr_in6))

/* "IP:PORT"; 0 or -1 with a sentence that says what to write instead. */
int addr_parse(const char *text, struct addr *addr_out, struct err *);
/* With the port; a v4-mapped v6 address is written as v4. */
void addr_format(const struct addr *, char out[ADDR_TEXT_MAX]);
/* Without the port. */
void addr_format_ip(const struct addr *, char out[ADDR_TEXT_MAX]);
bool addr_equal(const struct addr *, const struct addr *);
/* Only this machine can connect to it. */
bool addr_is_loopback(const struct addr *);
uint16_t addr_port(const struct addr *);
void addr_set_port(struct addr *, uint16_t);

#endif
