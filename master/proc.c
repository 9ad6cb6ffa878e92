/* SPDX-License-Identifier: MIT */
/*
 * Owns one child from fork to wait: its pid, pidfd, channel and metrics
 * cell.  tell.c has what is said to it, hear.c what it says.
 */
#include "master/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/log.h"
#include "common/str.h"
#include "master/proc_parts.h"

#define READY_WITHIN_MS 30000
#define END_WITHIN_MS 2000	/* after SIGABRT */

uint64_t
proc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const char *
proc_text(const struct proc *p)
{
	return p->text == NULL ? "" : p->text;
}

const char *
proc_state_name(const struct proc *p)
{
	if (p->stopped)
		return "stopped";
	switch (p->state) {
	case PROC_SPAWNED:
	case PROC_GREETED:
	case PROC_READY:
		return "starting";
	case PROC_DRAINING:
		return "draining";
	case PROC_KILLED:
		return "ending";
	default:
		return "running";
	}
}

void
proc_set_text(struct proc *p, const char *text)
{
	char *copy = xstrdup(text);

	free(p->text);
	p->text = copy;
}

void
proc_set_deadline(struct proc *p, uint64_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };

	evtimer_add(p->deadline, &tv);
}

void
proc_close_chan(struct proc *p)
{
	if (p->chan_closed)
		return;
	p->chan_closed = true;
	event_del(p->chan_event);
	outbox_done(&p->outbox);
	close(p->child.chan);
}

void
proc_kill(struct proc *p, int sig)
{
	if (p->stopped)
		sig = SIGKILL;
	p->state = PROC_KILLED;
	/* In this order: it must not begin to end by itself meanwhile. */
	spawn_signal(&p->child, sig);
	proc_close_chan(p);
	proc_set_deadline(p, END_WITHIN_MS);
}

void
proc_kill_because(struct proc *p, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	int n;

	n = snprintf(text, sizeof(text), "%s ", p->name);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	log_error("%s", text);
	proc_set_text(p, text);
	proc_kill(p, SIGKILL);
}

void
proc_on_broken(void *arg, const struct err *err)
{
	proc_kill_because(arg, "is lost: %s", err->text);
}

void
proc_name_route(const struct proc *p, char *out, size_t size)
{
	const struct metrics_route *route;
	uint64_t index = metrics_get(&p->cell->running_route);
	char name[METRICS_NAME];

	out[0] = '\0';
	if (index == 0 || index > METRICS_ROUTES)
		return;
	route = &p->cell->routes[index - 1];
	str_escape(route->name, strnlen(route->name, sizeof(route->name)),
	    name, sizeof(name));
	snprintf(out, size, " in handler of route %s", name);
}

static void
on_deadline(evutil_socket_t unused, short what, void *arg)
{
	struct proc *p = arg;

	(void)unused, (void)what;
	switch (p->state) {
	case PROC_SPAWNED:
	case PROC_GREETED:
		proc_kill_because(p, "did not become ready within %d s: "
		    "killed", (int)(READY_WITHIN_MS +
		    edition_extra_ms(p->pending)) / 1000);
		break;
	case PROC_DRAINING:
		log_warn("%s did not end in time: killed", p->name);
		proc_kill(p, SIGKILL);
		break;
	default:
		proc_kill(p, SIGKILL);
		break;
	}
}

static void
describe_end(struct proc *p, const siginfo_t *info)
{
	char text[ERR_TEXT_MAX], route[METRICS_NAME + 32];

	if (p->state == PROC_KILLED)
		return;		/* said when it was killed */
	proc_name_route(p, route, sizeof(route));
	if (p->state == PROC_DRAINING && info->si_code == CLD_EXITED &&
	    info->si_status == 0) {
		log_info("%s has ended", p->name);
		return;
	}
	if (info->si_code == CLD_EXITED && info->si_status == 127 &&
	    p->state == PROC_SPAWNED)
		snprintf(text, sizeof(text), "%s could not be executed",
		    p->name);
	else if (info->si_code == CLD_EXITED)
		snprintf(text, sizeof(text), "%s exited with code %d%s",
		    p->name, info->si_status, route);
	else
		snprintf(text, sizeof(text), "%s died of signal %d (%s)%s",
		    p->name, info->si_status, info->si_status == SIGSYS ?
		    "a system call that only an intruder makes" :
		    strsignal(info->si_status), route);
	log_error("%s", text);
	proc_set_text(p, text);
}

static void
on_exit_event(evutil_socket_t unused, short what, void *arg)
{
	struct proc *p = arg;
	siginfo_t info = { 0 };

	(void)unused, (void)what;
	if (waitid(P_PID, (id_t)p->child.pid, &info, WEXITED | WNOHANG) == 0 &&
	    info.si_pid == 0)
		return;
	proc_read_last_words(p);
	describe_end(p, &info);
	list_remove(&p->link);
	p->owner->gone(p->owner_arg, p);
	proc_free(p);
}

static void
make_events(struct proc *p)
{
	struct event_base *base = p->world->base;

	p->chan_event = event_new(base, p->child.chan, EV_READ | EV_PERSIST,
	    proc_on_channel, p);
	p->exit_event = event_new(base, p->child.pidfd, EV_READ | EV_PERSIST,
	    on_exit_event, p);
	p->deadline = evtimer_new(base, on_deadline, p);
	event_add(p->chan_event, NULL);
	event_add(p->exit_event, NULL);
	outbox_init(&p->outbox, base, p->child.chan, proc_on_broken, p);
}

struct proc *
proc_start(struct proc_world *world, int slot, struct edition *edition,
    bool strict, const struct proc_owner *owner, void *owner_arg,
    struct err *err)
{
	struct proc *p = xcalloc(1, sizeof(*p));
	char title[32];

	p->world = world;
	p->owner = owner;
	p->owner_arg = owner_arg;
	p->slot = slot < 0 ? 0 : (unsigned)slot;
	p->started_ms = proc_now_ms();
	p->cell = metrics_create(&p->cell_fd, &p->cell_ro_fd, err);
	if (p->cell == NULL) {
		free(p);
		return NULL;
	}
	if (slot < 0)
		snprintf(title, sizeof(title), "wssd-worker: trial");
	else
		snprintf(title, sizeof(title), "wssd-worker: slot %d", slot);
	if (spawn_worker(world->worker_fd, title, &p->child, err) != 0) {
		metrics_unmap(p->cell);
		close(p->cell_fd);
		close(p->cell_ro_fd);
		free(p);
		return NULL;
	}
	if (slot < 0)
		snprintf(p->name, sizeof(p->name), "trial worker (pid %d)",
		    (int)p->child.pid);
	else
		snprintf(p->name, sizeof(p->name), "worker %d (pid %d)", slot,
		    (int)p->child.pid);
	list_append(&world->procs, &p->link);
	make_events(p);
	proc_set_deadline(p, READY_WITHIN_MS + edition_extra_ms(edition));
	proc_tell_world(p, edition, strict);
	return p;
}

void
proc_free(struct proc *p)
{
	list_remove(&p->link);
	proc_close_chan(p);
	event_free(p->chan_event);
	event_free(p->exit_event);
	event_free(p->deadline);
	close(p->child.pidfd);
	if (p->cell_fd >= 0)
		close(p->cell_fd);
	close(p->cell_ro_fd);
	metrics_unmap(p->cell);
	edition_unref(p->in_use);
	edition_unref(p->pending);
	free(p->text);
	free(p);
}
