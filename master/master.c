/* SPDX-License-Identifier: MIT */
/*
 * Owns the event loop of the master: signals, the clock, and the order in
 * which it starts and stops.  start.c has what comes before the loop.
 */
#include "master/master.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/log.h"
#include "master/certwatch.h"
#include "master/control.h"
#include "master/expiry.h"
#include "master/fdstore.h"
#include "master/publish.h"
#include "master/signer.h"
#include "master/start.h"
#include "master/status.h"

#define STATUS_TICKS 10		/* seconds between lines for systemd */

/* --- the end ------------------------------------------------------------------ */

static void
drain_or_kill(struct master *m, struct proc *p)
{
	if (m->stop_how == STOP_NOW || p->state < PROC_RUNNING)
		proc_kill(p, SIGKILL);
	else
		proc_drain(p, 1001, m->stop_window_ms, m->stop_timeout_ms,
		    "server is stopping");
}

static void
stop_all(struct master *m)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &m->world.procs)
		drain_or_kill(m, LIST_ITEM(pos, struct proc, link));
	for (size_t i = 0; i < m->n_slots; i++)
		slot_event(&m->slots[i], SLOT_STOP);
	master_proc_gone(m);
}

/* A stop during a stop only ever makes it faster. */
static enum master_stop
escalate(const struct master *m, enum master_stop asked)
{
	if (m->state != MASTER_STOPPING)
		return asked;
	if (m->stop_how == STOP_FAST && asked == STOP_FAST)
		return STOP_NOW;
	return asked > m->stop_how ? asked : m->stop_how;
}

void
master_stop(struct master *m, enum master_stop asked)
{
	static const char *const words[] = { "gracefully", "now",
		"at once, connections are cut" };
	const struct config_daemon *d = &m->edition->config->daemon;
	enum master_stop how = escalate(m, asked);

	if (m->state == MASTER_STOPPING && how == m->stop_how)
		return;
	log_info("stopping %s", words[how]);
	if (m->state == MASTER_STARTING) {
		start_report(m, "stopped before it was ready");
		m->exit_code = EXIT_GENERIC;
	}
	m->state = MASTER_STOPPING;
	m->stop_how = how;
	m->stop_window_ms = how == STOP_GRACEFUL ? d->drain_window_ms : 0;
	m->stop_timeout_ms = d->stop_timeout_ms;
	jobs_cancel(m);
	notify_stopping(&m->notify);
	/* Nobody new: the workers close theirs when they are told to drain. */
	listen_set_unref(m->listen_set);
	m->listen_set = NULL;
	stop_all(m);
}

void
master_proc_gone(struct master *m)
{
	if (m->state == MASTER_STOPPING && list_empty(&m->world.procs))
		event_base_loopbreak(m->world.base);
}

/* --- the start ----------------------------------------------------------------- */

void
master_start_failed(struct master *m, bool config_failed, const char *text)
{
	if (m->state != MASTER_STARTING)
		return;
	start_report(m, text);
	m->exit_code = config_failed ? EXIT_CONFIG : EXIT_GENERIC;
	m->state = MASTER_STOPPING;
	m->stop_how = STOP_NOW;
	stop_all(m);
}

void
master_say_ready(const struct master *m)
{
	char line[STATUS_LINE_MAX];

	status_line(m, line);
	notify_ready(&m->notify, line);
}

/* All together: nobody is served by a daemon whose start then fails. */
void
master_slot_ready(struct master *m)
{
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].next == NULL ||
		    m->slots[i].next->state != PROC_READY)
			return;
	for (size_t i = 0; i < m->n_slots; i++)
		slot_event(&m->slots[i], SLOT_READY);
	m->state = MASTER_RUNNING;
	slots_lend(m);
	publish(m);
	log_info("wssd " WSSD_VERSION " runs, %zu worker%s", m->n_slots,
	    m->n_slots == 1 ? "" : "s");
	master_say_ready(m);
	start_is_ready(m);
}

static void
start_workers(struct master *m)
{
	for (size_t i = 0; i < m->n_slots && m->state == MASTER_STARTING; i++)
		slot_event(&m->slots[i], SLOT_START);
}

static void
on_signer(void *arg, const struct signer_verdict *v)
{
	struct master *m = arg;

	if (v->ok)
		start_workers(m);
	else
		master_start_failed(m, v->config_failed, v->text);
}

/* First who has the keys, then who needs them. */
static void
start_processes(struct master *m)
{
	struct err err = ERR_INIT;

	if (!signer_is_needed(m->edition->config))
		start_workers(m);
	else if (signer_start(&m->world, m->edition, on_signer, m,
	    &err) != 0)
		master_start_failed(m, false, err.text);
}

/* --- what it hears --------------------------------------------------------------- */

static void
tell_tickets(struct master *m)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &m->world.procs) {
		struct proc *p = LIST_ITEM(pos, struct proc, link);

		if (p->state != PROC_KILLED)
			proc_send_tickets(p);
	}
}

static void
rotate_tickets(struct master *m, uint64_t now_ms)
{
	struct err err = ERR_INIT;
	int rc = tickets_tick(&m->tickets, now_ms, &err);

	if (rc == 1)
		tell_tickets(m);
	else if (rc == -1)
		log_error("session tickets go on with the old key: %s",
		    err.text);
}

void
master_adopt(struct master *m, struct edition *edition,
    struct listen_set *set)
{
	struct err err = ERR_INIT;

	edition_unref(m->edition);
	m->edition = edition;
	fdstore_update(&m->notify, m->listen_set, set);
	listen_set_unref(m->listen_set);
	m->listen_set = set;
	if (tickets_use(&m->tickets, edition, proc_now_ms(), &err) == 0)
		tell_tickets(m);
	else
		log_error("session tickets go on with the old keys: %s",
		    err.text);
	certwatch_renew(m->certwatch);
	expiry_renew(m->expiry);
}

int
master_reopen_logs(struct master *m, struct err *err)
{
	struct list *pos, *next;

	const struct config_daemon *d = &m->edition->config->daemon;

	if (logfiles_open(&m->logs, d, m->background, err) != 0 ||
	    logfiles_open_access(&m->access_log, d, m->background, err) != 0)
		return -1;
	LIST_EACH(pos, next, &m->world.procs) {
		struct proc *p = LIST_ITEM(pos, struct proc, link);

		if (p->state != PROC_KILLED)
			proc_send_log(p);
	}
	signers_send_log(&m->world);
	return 0;
}

static void
reopen(struct master *m)
{
	struct err err = ERR_INIT;

	if (master_reopen_logs(m, &err) != 0)
		log_error("cannot reopen the log: %s", err.text);
	else
		log_info("the log was reopened");
}

static void
on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct master *m = arg;

	(void)what;
	switch ((int)sig) {
	case SIGHUP:
		job_submit(m, JOB_RELOAD, NULL);
		break;
	case SIGUSR1:
		job_submit(m, JOB_RESTART, NULL);
		break;
	case SIGWINCH:
		reopen(m);
		break;
	case SIGQUIT:
		master_stop(m, STOP_GRACEFUL);
		break;
	default:
		master_stop(m, STOP_FAST);
		break;
	}
}

/*
 * As process 1 of a container it inherits orphans, which nobody else waits
 * for.  Its own children are left to their pidfds.
 */
static void
reap_strangers(const struct master *m)
{
	struct list *pos;
	siginfo_t info;

	while (getpid() == 1) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
		    info.si_pid == 0)
			return;
		for (pos = m->world.procs.next; pos != &m->world.procs;
		    pos = pos->next)
			if (LIST_ITEM(pos, struct proc, link)->child.pid ==
			    info.si_pid)
				return;
		if (signers_have(&m->world, info.si_pid))
			return;
		waitpid(info.si_pid, NULL, WNOHANG);
	}
}

static void
on_tick(evutil_socket_t unused, short what, void *arg)
{
	struct master *m = arg;
	uint64_t now = proc_now_ms();
	char line[STATUS_LINE_MAX];
	struct list *pos, *next;

	(void)unused, (void)what;
	LIST_EACH(pos, next, &m->world.procs)
		proc_heartbeat(LIST_ITEM(pos, struct proc, link), now,
		    m->edition->config->daemon.worker_timeout_ms);
	rotate_tickets(m, now);
	if (m->state == MASTER_RUNNING)
		expiry_tick(m->expiry, now, &m->world.procs,
		    m->edition->generation);
	control_tick(m->control);
	publish(m);
	reap_strangers(m);
	if (m->state == MASTER_RUNNING && m->jobs.now == NULL &&
	    ++m->ticks % STATUS_TICKS == 0) {
		status_line(m, line);
		notify_status(&m->notify, line);
	}
}

static void
on_watchdog(evutil_socket_t unused, short what, void *arg)
{
	struct master *m = arg;

	(void)unused, (void)what;
	notify_watchdog(&m->notify);
}

static void
add_events(struct master *m)
{
	static const int signals[MASTER_SIGNALS] = { SIGHUP, SIGUSR1,
		SIGWINCH, SIGQUIT, SIGTERM, SIGINT };
	static const struct timeval second = { 1, 0 };
	struct event_base *base = m->world.base;
	uint64_t half = m->notify.watchdog_us / 2;
	struct timeval tv = { (time_t)(half / 1000000),
		(suseconds_t)(half % 1000000) };

	signal(SIGPIPE, SIG_IGN);
	/* An upgrade in place is not there; the default would be the end. */
	signal(SIGUSR2, SIG_IGN);
	for (size_t i = 0; i < MASTER_SIGNALS; i++) {
		m->signals[i] = evsignal_new(base, signals[i], on_signal, m);
		event_add(m->signals[i], NULL);
	}
	m->tick = event_new(base, -1, EV_PERSIST, on_tick, m);
	event_add(m->tick, &second);
	if (half > 0) {
		m->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, m);
		event_add(m->watchdog, &tv);
	}
}

static void
run_loop(struct master *m)
{
	m->slots = xcalloc(m->n_slots, sizeof(m->slots[0]));
	for (size_t i = 0; i < m->n_slots; i++)
		slot_init(&m->slots[i], m, (unsigned)i);
	jobs_init(&m->jobs, m);
	m->certwatch = certwatch_new(m);
	certwatch_renew(m->certwatch);
	m->expiry = expiry_new();
	add_events(m);
	start_processes(m);
	if (m->state != MASTER_STOPPING || !list_empty(&m->world.procs))
		event_base_dispatch(m->world.base);
	if (m->exit_code == EXIT_OK)
		log_info("stopped");
}

static void
free_events(struct master *m)
{
	for (size_t i = 0; i < MASTER_SIGNALS; i++)
		if (m->signals[i] != NULL)
			event_free(m->signals[i]);
	if (m->tick != NULL)
		event_free(m->tick);
	if (m->watchdog != NULL)
		event_free(m->watchdog);
}

int
master_run(const struct master_options *options)
{
	struct master m = { .options = *options, .rundir = RUNDIR_INIT,
		.logs = LOGFILES_INIT, .access_log = LOGFILES_INIT,
		.notify = { .fd = -1 },
		.inherit = INHERIT_INIT, .world = { .worker_fd = -1,
		.signer_fd = -1, .board_fd = -1 } };

	/* First of all: their numbers are known, others' are not. */
	inherit_take(&m.inherit);
	list_init(&m.world.procs);
	list_init(&m.world.signers);
	list_init(&m.listings);
	m.started_at = time(NULL);
	m.started_ms = proc_now_ms();
	m.exit_code = start_prepare(&m);
	if (m.exit_code == EXIT_OK)
		run_loop(&m);
	control_close(m.control);
	for (size_t i = 0; m.slots != NULL && i < m.n_slots; i++)
		slot_done(&m.slots[i]);
	free(m.slots);
	jobs_done(&m.jobs);
	certwatch_free(m.certwatch);
	expiry_free(m.expiry);
	free_events(&m);
	start_undo(&m);
	return m.exit_code;
}
