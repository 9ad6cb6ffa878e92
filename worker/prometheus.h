/* SPDX-License-Identifier: MIT */
/*
 * The board as text for Prometheus (exposition format 0.0.4).  Pure.  The
 * names are listed in docs/metrics.md; one that stands there keeps its
 * meaning.
 */
#ifndef WSSD_WORKER_PROMETHEUS_H
#define WSSD_WORKER_PROMETHEUS_H

#include "common/board.h"
#include "common/buf.h"

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* libraries: "OpenSSL 3.0.22, ..." of this worker. */
void prometheus_put(struct buf *, const struct board_page *,
    const char *libraries);

#endif
