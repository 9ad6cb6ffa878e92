/* SPDX-License-Identifier: MIT */
/*
 * Who the client is when a proxy that is trusted says so in the request:
 * X-Real-IP, X-Forwarded-For with X-Forwarded-Proto, Forwarded (RFC 7239).
 *
 * What a proxy passes on of these may come from the client.  So lists are
 * read from their end: the last address that is no trusted proxy is the
 * client, and what stands before it is only its word and not looked at.
 * And one header has to be meant: with REALIP_AUTO all that are there have
 * to agree.  Pure.
 */
#ifndef WSSD_WORKER_REALIP_H
#define WSSD_WORKER_REALIP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/addr_net.h"
#include "common/config.h"
#include "worker/http.h"

struct realip_rules {
	const struct addr_net *trusted;
	size_t n_trusted;
	enum config_real_ip header;
};

enum realip_scheme { REALIP_UNSAID, REALIP_PLAIN, REALIP_SECURE };

struct realip {
	bool has_client;	/* else it is not said, or hidden */
	struct addr client;	/* port 0: not said */
	enum realip_scheme scheme;
};

/*
 * Reads the headers of a request that a trusted proxy has sent.  -1:
 * *refusal_out is the answer (400) to headers that are malformed or
 * contradict each other.
 */
int realip_find(const struct http_request *, const struct realip_rules *,
    struct realip *realip_out, struct http_refusal *refusal_out);

#endif
