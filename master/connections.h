/* SPDX-License-Identifier: MIT */
/*
 * The list of live connections, streamed: a page from one worker is passed
 * on before the next one is asked for, so the master never holds them all.
 */
#ifndef WSSD_MASTER_CONNECTIONS_H
#define WSSD_MASTER_CONNECTIONS_H

#include "common/proto.h"

struct client;
struct master;
struct proc;

void connections_list(struct master *, struct client *);

/* From the slots. */
void connections_answer(struct master *, struct proc *,
    const struct proto_answer *);
void connections_proc_gone(struct master *, const struct proc *);

#endif
