/* SPDX-License-Identifier: MIT */
/*
 * What takes the master a while: a reload, a rolling restart.  One at a
 * time; one more waits its turn, further ones are told to try later.
 */
#ifndef WSSD_MASTER_JOB_H
#define WSSD_MASTER_JOB_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "master/slot.h"

struct client;
struct edition;
struct listen_set;
struct master;
struct trial;

enum job_kind {
	JOB_RELOAD,
	JOB_RENEW,	/* the same config, but its files read again */
	JOB_RESTART
};

enum job_step {
	JOB_WAITING,
	JOB_TRIAL,	/* a throw-away worker tries the new config */
	JOB_PREPARING,	/* the living workers build it beside the old one */
	JOB_ROLLING	/* the workers are replaced, one slot at a time */
};

struct job {
	struct master *master;
	enum job_kind kind;
	enum job_step step;
	struct client *waiter;		/* NULL = a signal, or he has left */
	struct edition *edition;	/* reload, until it is adopted */
	struct listen_set *listen_set;
	struct trial *trial;
	struct event *timer;
	size_t slot;			/* rolling: which is being replaced */
	struct buf notes;		/* warnings and notices, a line each */
};

struct jobs {
	struct job *now, *queued;
	struct event *start;		/* the queued one, in its own turn */
};

void jobs_init(struct jobs *, struct master *);
void jobs_done(struct jobs *);

/* The waiter (may be NULL) is answered when it is over, or at once. */
void job_submit(struct master *, enum job_kind, struct client *waiter);
/* The master stops: what runs and what waits is told so. */
void jobs_cancel(struct master *);

/* exit_code 0: it has worked; else text says why not.  The job is freed. */
void job_finish(struct job *, int exit_code, const char *text);
/* Adds lines that are not there yet. */
void job_note(struct job *, const char *lines);

/* From the slots. */
bool job_is_preparing(const struct master *);
void job_prepared(struct master *, struct slot *);
void job_refused(struct master *, struct slot *, const char *text);
void job_slot_event(struct master *, struct slot *, enum slot_event);

#endif
