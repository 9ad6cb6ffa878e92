/* SPDX-License-Identifier: MIT */
/*
 * The worker's end of the channel to the master: a table of what the master
 * may say, and what is done then.
 */
#ifndef WSSD_WORKER_LINK_H
#define WSSD_WORKER_LINK_H

struct worker;

/* Says HELLO and listens. */
void link_start(struct worker *);
void link_stop(struct worker *);
void link_send_drained(struct worker *);

#endif
