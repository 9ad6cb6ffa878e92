/* SPDX-License-Identifier: MIT */
/* The usual frame of a client, read with fewer questions.  Pure, as ws.h. */
#ifndef WSSD_WORKER_WS_USUAL_H
#define WSSD_WORKER_WS_USUAL_H

#include "worker/ws.h"

/*
 * A whole message in one frame of at most 125 bytes, which is what most
 * clients send most of the time: most of what ws_read() has to find out is
 * known of it (measured: 130 instructions less for a message that came with
 * fifteen others, 8 % of what it takes).  False: it is another frame, nothing
 * was done, and ws_read() goes on.
 */
bool ws_read_usual(struct ws *, const struct ws_limits *, uint8_t *data,
    size_t len, struct ws_event *event_out);

#endif
