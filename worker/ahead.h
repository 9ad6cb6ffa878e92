/* SPDX-License-Identifier: MIT */
/*
 * Fetches what the next connections of a turn will touch into the cache while
 * others are served.
 *
 * Of 1,000 connections that all talk none is in the cache when its turn comes:
 * some 75 lines of memory, each waited for in the order in which OpenSSL goes
 * from pointer to pointer, were a third of what a message cost.
 */
#ifndef WSSD_WORKER_AHEAD_H
#define WSSD_WORKER_AHEAD_H

#include "worker/conn.h"

/*
 * It is served after this many others: called with TRANSPORT_AHEAD, then 3,
 * then 2, then 1.  Each step follows pointers that the one before has fetched.
 */
void ahead_conn(const struct wss_conn *, unsigned others);

#endif
