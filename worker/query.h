/* SPDX-License-Identifier: MIT */
/* The list of connections, for `wssctl connections`. */
#ifndef WSSD_WORKER_QUERY_H
#define WSSD_WORKER_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct worker;

/*
 * JSON objects, one a line, of connections with an id above `after`, as
 * many as fit into one answer.  *last_out is the id to ask on after.
 */
void query_connections(struct worker *, uint64_t after, struct buf *out,
    uint64_t *last_out, bool *more_out);

#endif
