/* SPDX-License-Identifier: MIT */
/*
 * Owns the slots' states.  The processes belong to proc.c; a process that
 * was replaced drains on its own and only leaves its counters here.
 */
#include "master/slot.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/log.h"
#include "master/connections.h"
#include "master/job.h"
#include "master/master.h"
#include "master/tally.h"

#define BACKOFF_MAX_MS 60000
#define ALIVE_MS 60000		/* after that long it was no failed start */

uint64_t
slot_backoff_ms(unsigned failures)
{
	uint64_t ms;

	if (failures == 0)
		return 0;
	if (failures > 6)
		return BACKOFF_MAX_MS;
	ms = 1000ull << (failures - 1);
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

const char *
slot_state_name(const struct slot *s)
{
	static const char *const names[] = {
		[SLOT_EMPTY] = "empty", [SLOT_STARTING] = "starting",
		[SLOT_RUNNING] = "running", [SLOT_REPLACING] = "running",
		[SLOT_DRAINING] = "draining", [SLOT_BACKOFF] = "backoff",
	};

	if (s->current != NULL)
		return proc_state_name(s->current);
	return names[s->state];
}

/* --- lending -------------------------------------------------------------- */

static void
take_back(struct slot *s)
{
	struct proc *p = s->borrower;

	/* One that drains has closed all its listeners itself. */
	if (p != NULL && p->state != PROC_DRAINING)
		for (size_t i = 0; i < s->lent->n; i++)
			proc_unlisten(p, &s->lent->rows[i], s->index);
	listen_set_unref(s->lent);
	s->lent = NULL;
	s->borrower = NULL;
}

static void
lend_to(struct slot *s, struct proc *p)
{
	struct listen_set *set = s->master->listen_set;

	for (size_t i = 0; i < set->n; i++)
		proc_listen(p, &set->rows[i], s->index);
	proc_commit_again(p);
	s->borrower = p;
	s->lent = listen_set_ref(set);
	log_info("worker %u serves the sockets of worker %u meanwhile",
	    p->slot, s->index);
}

/* Runs under the config in use, so that it knows the sockets' names. */
static bool
can_borrow(const struct slot *s)
{
	return s->current != NULL && s->current->state == PROC_RUNNING &&
	    s->current->in_use == s->master->edition;
}

void
slots_lend(struct master *m)
{
	if (m->state != MASTER_RUNNING || job_is_preparing(m))
		return;
	for (size_t i = 0; i < m->n_slots; i++) {
		struct slot *s = &m->slots[i];
		struct proc *want = NULL;

		for (size_t j = 1; s->current == NULL && j < m->n_slots; j++) {
			struct slot *other = &m->slots[(i + j) % m->n_slots];

			if (can_borrow(other)) {
				want = other->current;
				break;
			}
		}
		if (s->borrower == want)
			continue;
		if (s->borrower != NULL)
			take_back(s);
		if (want != NULL)
			lend_to(s, want);
	}
}

void
slots_resume(struct master *m)
{
	if (m->state != MASTER_RUNNING)
		return;
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].next != NULL &&
		    m->slots[i].next->state == PROC_READY)
			slot_event(&m->slots[i], SLOT_READY);
	slots_lend(m);
}

/* It is gone, or its listeners are. */
static void
forget_borrower(struct master *m, const struct proc *p)
{
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].borrower == p) {
			m->slots[i].borrower = NULL;
			listen_set_unref(m->slots[i].lent);
			m->slots[i].lent = NULL;
		}
}

/* --- what a process tells ------------------------------------------------- */

/* Each worker has the same ones: once is enough. */
static void
log_warnings(const struct slot *s, const struct proc *p)
{
	char *copy, *rest, *line;

	if (s->index != 0)
		return;
	copy = rest = xstrdup(proc_text(p));
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			log_warn("%s", line);
	free(copy);
}

static void
on_ready(void *arg, struct proc *p)
{
	struct slot *s = arg;

	if (p == s->next) {
		log_warnings(s, p);
		if (s->master->state == MASTER_STARTING)
			master_slot_ready(s->master);
		else if (!job_is_preparing(s->master))
			slot_event(s, SLOT_READY);
	} else if (p == s->current) {
		job_prepared(s->master, s);
	}
}

static void
on_refused(void *arg, struct proc *p)
{
	struct slot *s = arg;

	if (p == s->current)
		job_refused(s->master, s, proc_text(p));
}

static void
note_death(struct slot *s, const struct proc *p)
{
	free(s->last_death);
	s->last_death = xstrdup(proc_text(p));
	if (p->running_ms != 0 && proc_now_ms() - p->running_ms >= ALIVE_MS)
		s->failures = 0;
}

static void
on_gone(void *arg, struct proc *p)
{
	struct slot *s = arg;
	struct master *m = s->master;

	tally_add(s->past, p->cell, false);
	connections_proc_gone(m, p);
	forget_borrower(m, p);
	if (p == s->next) {
		note_death(s, p);
		s->next = NULL;
		if (m->state == MASTER_STARTING)
			master_start_failed(m, p->config_failed,
			    proc_text(p));
		else
			slot_event(s, SLOT_LOST);
	} else if (p == s->current) {
		note_death(s, p);
		s->current = NULL;
		slot_event(s, SLOT_DIED);
	}
	master_proc_gone(m);
}

static void
on_answer(void *arg, struct proc *p, const struct proto_answer *answer)
{
	struct slot *s = arg;

	connections_answer(s->master, p, answer);
}

static const struct proc_owner owner = { on_ready, on_refused, on_gone,
	on_answer };

/* --- actions; the new state is already set -------------------------------- */

static void
nothing(struct slot *s)
{
	(void)s;
}

static void
spawn(struct slot *s)
{
	struct master *m = s->master;
	struct err err = ERR_INIT;

	evtimer_del(s->timer);
	s->next = proc_start(&m->world, (int)s->index, m->edition, false,
	    &owner, s, &err);
	if (s->next == NULL) {
		log_error("worker %u cannot be started: %s", s->index,
		    err.text);
		free(s->last_death);
		s->last_death = xstrdup(err.text);
		if (m->state == MASTER_STARTING)
			master_start_failed(m, false, err.text);
		else
			slot_event(s, SLOT_LOST);
		return;
	}
	for (size_t i = 0; i < m->n_slots; i++)
		if (i != s->index && m->slots[i].current != NULL)
			proc_send_peer(s->next, (unsigned)i,
			    m->slots[i].current->cell_ro_fd);
}

/* The one that is being started is dropped; its end concerns nobody. */
static void
renew(struct slot *s)
{
	struct proc *old = s->next;

	s->next = NULL;
	proc_kill(old, SIGKILL);
	spawn(s);
}

static void
tell_peers(struct slot *s)
{
	struct master *m = s->master;

	for (size_t i = 0; i < m->n_slots; i++) {
		struct slot *other = &m->slots[i];

		if (other == s)
			continue;
		if (other->current != NULL &&
		    other->current->state != PROC_DRAINING)
			proc_send_peer(other->current, s->index,
			    s->current->cell_ro_fd);
		if (other->next != NULL)
			proc_send_peer(other->next, s->index,
			    s->current->cell_ro_fd);
	}
}

/* The next process serves; the one before it drains. */
static void
take_over(struct slot *s)
{
	struct master *m = s->master;
	struct proc *old = s->current;
	const struct config_daemon *d = &m->edition->config->daemon;

	s->current = s->next;
	s->next = NULL;
	for (size_t i = 0; i < m->listen_set->n; i++)
		proc_listen(s->current, &m->listen_set->rows[i], s->index);
	proc_commit(s->current);
	tell_peers(s);
	log_info("%s runs", s->current->name);
	if (old != NULL) {
		forget_borrower(m, old);
		proc_drain(old, 1012, d->drain_window_ms, d->stop_timeout_ms,
		    "server is restarting");
	}
	slots_lend(m);
}

static void
back_off(struct slot *s)
{
	uint64_t ms = slot_backoff_ms(s->failures++);
	struct timeval tv = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };

	s->restarts++;
	if (ms > 0)
		log_warn("worker %u is started again in %llu s", s->index,
		    (unsigned long long)ms / 1000);
	evtimer_add(s->timer, &tv);
	slots_lend(s->master);
}

/* Its processes are drained or killed by the master, all at once. */
static void
stop(struct slot *s)
{
	evtimer_del(s->timer);
	if (s->next == NULL && s->current == NULL)
		s->state = SLOT_EMPTY;
}

static const struct {
	void (*act)(struct slot *);	/* NULL: cannot be */
	enum slot_state next;
} table[SLOT_STATES][SLOT_EVENTS] = {
	[SLOT_EMPTY] = {
		[SLOT_START] = { spawn, SLOT_STARTING },
		[SLOT_STOP] = { nothing, SLOT_EMPTY },
	},
	[SLOT_STARTING] = {
		[SLOT_READY] = { take_over, SLOT_RUNNING },
		[SLOT_LOST] = { back_off, SLOT_BACKOFF },
		[SLOT_RENEW] = { renew, SLOT_STARTING },
		[SLOT_STOP] = { stop, SLOT_DRAINING },
	},
	[SLOT_RUNNING] = {
		[SLOT_DIED] = { back_off, SLOT_BACKOFF },
		[SLOT_REPLACE] = { spawn, SLOT_REPLACING },
		[SLOT_STOP] = { stop, SLOT_DRAINING },
	},
	[SLOT_REPLACING] = {
		[SLOT_READY] = { take_over, SLOT_RUNNING },
		[SLOT_LOST] = { nothing, SLOT_RUNNING },
		[SLOT_DIED] = { nothing, SLOT_STARTING },
		[SLOT_RENEW] = { renew, SLOT_REPLACING },
		[SLOT_STOP] = { stop, SLOT_DRAINING },
	},
	[SLOT_DRAINING] = {
		[SLOT_LOST] = { stop, SLOT_DRAINING },
		[SLOT_DIED] = { stop, SLOT_DRAINING },
		[SLOT_STOP] = { stop, SLOT_DRAINING },
	},
	[SLOT_BACKOFF] = {
		[SLOT_START] = { spawn, SLOT_STARTING },
		[SLOT_TIMER] = { spawn, SLOT_STARTING },
		[SLOT_STOP] = { stop, SLOT_DRAINING },
	},
};

static void
on_timer(evutil_socket_t unused, short what, void *arg)
{
	(void)unused, (void)what;
	slot_event(arg, SLOT_TIMER);
}

void
slot_init(struct slot *s, struct master *m, unsigned index)
{
	*s = (struct slot){ .master = m, .index = index,
		.state = SLOT_EMPTY };
	s->timer = evtimer_new(m->world.base, on_timer, s);
	s->past = tally_new();
}

void
slot_done(struct slot *s)
{
	event_free(s->timer);
	tally_free(s->past);
	listen_set_unref(s->lent);
	free(s->last_death);
}

void
slot_event(struct slot *s, enum slot_event event)
{
	ASSERT(table[s->state][event].act != NULL);
	enum slot_state before = s->state;

	s->state = table[before][event].next;
	table[before][event].act(s);
	job_slot_event(s->master, s, event);
}
