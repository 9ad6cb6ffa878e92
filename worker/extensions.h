/* SPDX-License-Identifier: MIT */
/*
 * Offers in Sec-WebSocket-Extensions (RFC 6455 §9.1) and what is answered:
 * permessage-deflate (RFC 7692 §7.1), or nothing.  Pure.
 */
#ifndef WSSD_WORKER_EXTENSIONS_H
#define WSSD_WORKER_EXTENSIONS_H

#include "worker/http.h"
#include "worker/ws_deflate.h"

/* What the route wants. */
struct extension_rules {
	bool deflate;
	bool takeover;		/* contexts of their own, if the client will */
	uint8_t window_bits;	/* 9 to 15: of both sides, at most */
	uint8_t memory_level;	/* 1 to 9 */
};

enum extension_answer {
	EXTENSION_MALFORMED,	/* breaks the grammar: fails the handshake */
	EXTENSION_DECLINED,
	EXTENSION_ACCEPTED
};

/*
 * Judges one element of the list.  Declined are other extensions, and, as
 * §7.1 wants it, offers with a parameter that is unknown, stands twice or
 * has a wrong value, and a window of 8 for us, which zlib does not have.
 */
enum extension_answer extension_judge(struct slice offer,
    const struct extension_rules *, struct ws_deflate_params *params_out);

/* The header field for the answer, if anything was agreed on. */
void extension_response_put(struct buf *, const struct ws_deflate_params *);

#endif
