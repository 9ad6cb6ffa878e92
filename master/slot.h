/* SPDX-License-Identifier: MIT */
/*
 * A worker's place: which process fills it, what happens when it dies, and
 * who serves its sockets meanwhile.  One table, state × event.
 *
 *   EMPTY ─start─▶ STARTING ─ready─▶ RUNNING ─replace─▶ REPLACING
 *                    ▲   │ lost        │ died              │ ready, lost
 *              timer │   ▼             ▼                   ▼
 *                   BACKOFF ◀──────────┘                RUNNING
 *   stop: DRAINING, then EMPTY
 */
#ifndef WSSD_MASTER_SLOT_H
#define WSSD_MASTER_SLOT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/metrics.h"
#include "master/proc.h"

struct master;

enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_RUNNING, SLOT_REPLACING,
	SLOT_DRAINING, SLOT_BACKOFF, SLOT_STATES };

enum slot_event {
	SLOT_START,	/* fill it now, also before the back-off is over */
	SLOT_READY,	/* the process that was started is ready */
	SLOT_LOST,	/* it is gone before it was */
	SLOT_DIED,	/* the running process is gone */
	SLOT_TIMER,	/* the back-off is over */
	SLOT_REPLACE,	/* another process, the old one drains when it runs */
	SLOT_RENEW,	/* what is being started has an old config */
	SLOT_STOP,	/* no process any more */
	SLOT_EVENTS
};

struct slot {
	struct master *master;
	unsigned index;
	enum slot_state state;
	struct proc *current;		/* serves */
	struct proc *next;		/* is being started */
	struct event *timer;
	unsigned failures;		/* in a row: how long to back off */
	uint64_t restarts;		/* workers lost and started again */
	struct metrics *past;		/* counters of those that are gone */
	char *last_death;		/* why; NULL = none */
	/* Its sockets, while it has no current process. */
	struct proc *borrower;		/* NULL = nobody */
	struct listen_set *lent;	/* as the borrower knows them */
};

void slot_init(struct slot *, struct master *, unsigned index);
void slot_done(struct slot *);

/* An event that cannot be in the slot's state is a bug (ASSERT). */
void slot_event(struct slot *, enum slot_event);

/* "starting", "running", "draining", "backoff", "empty", "stopped". */
const char *slot_state_name(const struct slot *);

/* 0, 1, 2, 4 ... 60 s after so many failures in a row. */
uint64_t slot_backoff_ms(unsigned failures);

/*
 * Gives the sockets of slots without a process to the next running slot,
 * and takes back those of slots that have one again.
 */
void slots_lend(struct master *);
/*
 * A process that became ready while a reload was being prepared was held
 * back, so that a crash on its first steps cannot undo the reload: now it
 * may serve.
 */
void slots_resume(struct master *);

#endif
