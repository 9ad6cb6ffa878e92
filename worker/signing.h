/* SPDX-License-Identifier: MIT */
/*
 * A worker's end of the channel to the signer, and what waits for its
 * answers.  Never blocks.  While the signer is being started again requests
 * wait; those it had not answered are asked again, once.
 *
 * A reload brings another signer.  The one before still answers what it was
 * asked, and is asked for keys that the new one does not have, until it ends.
 */
#ifndef WSSD_WORKER_SIGNING_H
#define WSSD_WORKER_SIGNING_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "common/proto_sign.h"

/* Handshakes that wait at a time; more are refused. */
#define SIGNING_WAITING_MAX 1024

struct signing;

struct signing *signing_new(struct event_base *);
struct signing *signing_ref(struct signing *);
/* The last one closes the channel; nothing must wait then. */
void signing_unref(struct signing *);

/* A new channel, to be used from now on.  fd is the signing's. */
void signing_connect(struct signing *, int fd);

/*
 * Inside an ASYNC_JOB: sends the request (its id is filled in) and pauses
 * the job until the answer is there.  False: refused, or given up.
 */
bool signing_ask(struct signing *, struct proto_sign *,
    struct proto_signed *answer_out);

/*
 * What the signer is asked for it does in one go, and where it has to share
 * the CPU with this worker nobody is served meanwhile.  Brief: it is asked
 * for one signature at a time, some 35 us, while others talk here.  Else for
 * all: that takes fewer changes of process (measured on one CPU, in a storm
 * of handshakes: p99 of who talks 900 us or 330; 300 us a handshake or 355).
 */
void signing_be_brief(struct signing *, bool);

/*
 * Gives up what waits with that argument of its callback: the job, when it
 * is gone on with, fails.
 */
void signing_give_up(struct signing *, const void *callback_arg);

#endif
