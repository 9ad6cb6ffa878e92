/* SPDX-License-Identifier: MIT */
/* What proc.c, tell.c and hear.c share, and nobody else includes. */
#ifndef WSSD_MASTER_PROC_PARTS_H
#define WSSD_MASTER_PROC_PARTS_H

#include "common/proto_connect.h"
#include "master/proc.h"

/* A copy becomes the process's text. */
void proc_set_text(struct proc *, const char *);
void proc_set_deadline(struct proc *, uint64_t ms);
/* No more messages in either direction. */
void proc_close_chan(struct proc *);
/* " in handler of route /x", or "". */
void proc_name_route(const struct proc *, char *out, size_t size);
/* A queued message could not be sent. */
void proc_on_broken(void *proc, const struct err *);

/* METRICS, LOG, and the first PREPARE; tell.c */
void proc_tell_world(struct proc *, struct edition *, bool strict);
void proc_tell_ping(struct proc *);
/* fd (-1 = none) stays the caller's; tell.c */
void proc_tell_connected(struct proc *, const struct proto_connected *,
    int fd);
/* The pending edition was refused or withdrawn; tell.c */
void proc_forget_pending(struct proc *);

/* Reads and obeys what is there; hear.c */
void proc_on_channel(evutil_socket_t, short, void *proc);
/* A FAILED sent just before the end is the reason of the end; hear.c */
void proc_read_last_words(struct proc *);

#endif
