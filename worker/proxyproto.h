/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol, versions 1 and 2: the line or block that a proxy sends
 * before the client's first byte, to say who the client is.  HAProxy's
 * doc/proxy-protocol.txt is the specification ("spec" below).  Pure.
 */
#ifndef WSSD_WORKER_PROXYPROTO_H
#define WSSD_WORKER_PROXYPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/addr.h"

/* Version 1 has at most 107 bytes (spec 2.1), version 2 no more than this. */
#define PROXYPROTO_MAX 2048
#define PROXYPROTO_TLS_MAX 16

struct proxyproto {
	bool has_client;	/* else (LOCAL, UNKNOWN) it is the proxy */
	struct addr client;
	bool has_tls;		/* there is a PP2_TYPE_SSL ... */
	bool secure;		/* ... and the client came by TLS */
	char tls[PROXYPROTO_TLS_MAX];	/* "TLSv1.3", or "" */
};

enum proxyproto_result {
	PROXYPROTO_OK,		/* *used_out bytes are the header */
	PROXYPROTO_MORE,	/* a good beginning */
	PROXYPROTO_BAD		/* *why_out says what is wrong */
};

/*
 * Reads the header at the front of data.  Strict: what the spec does not
 * allow is BAD as early as it can be seen, and MORE is never the answer to
 * PROXYPROTO_MAX bytes.  Outputs are set as the result says.
 */
enum proxyproto_result proxyproto_parse(const uint8_t *data, size_t len,
    struct proxyproto *out, size_t *used_out, const char **why_out);

#endif
