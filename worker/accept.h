/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets of a worker.  They are the master's, which gives a
 * copy of its own slot's to each worker, and lends it those of a slot that
 * is down.
 */
#ifndef WSSD_WORKER_ACCEPT_H
#define WSSD_WORKER_ACCEPT_H

#include "common/proto.h"

struct worker;

/* A socket that the next COMMIT brings into use; fd is ours from now on. */
void accept_prepare(struct worker *, const struct proto_listener *, int fd);
/* COMMIT: the prepared ones are listened to, all with the new snapshot. */
void accept_commit(struct worker *);
/* ABORT: they are forgotten. */
void accept_abort(struct worker *);
void accept_close(struct worker *, const struct proto_listener *);
void accept_close_all(struct worker *);
/* But those of role = admin: they tell that the service stops. */
void accept_close_clients(struct worker *);
/* Takes what waits at those that are left, and closes them. */
void accept_last(struct worker *);
/* Every tick: goes on after it was out of descriptors. */
void accept_tick(struct worker *);

#endif
