/* SPDX-License-Identifier: MIT */
/*
 * Owns the job that runs and the one that waits.  A job always starts from
 * the event loop, never inside the end of the one before it.
 */
#include "master/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "common/alloc.h"
#include "common/log.h"
#include "master/control.h"
#include "master/master.h"
#include "master/reload.h"
#include "master/roll.h"
#include "master/trial.h"

static const struct {
	const char *name;
	void (*start)(struct job *);
} kinds[] = {
	[JOB_RELOAD] = { "reload", reload_start },
	[JOB_RENEW] = { "renewal of certificates", reload_start },
	[JOB_RESTART] = { "rolling restart", roll_start },
};

static void
job_free(struct job *job)
{
	trial_cancel(job->trial);
	if (job->timer != NULL)
		event_free(job->timer);
	edition_unref(job->edition);
	listen_set_unref(job->listen_set);
	buf_done(&job->notes);
	free(job);
}

static json_t *
lines_to_json(const struct buf *lines)
{
	char *copy = xstrndup((const char *)lines->data, lines->len);
	char *rest = copy, *line;
	json_t *array = json_array();

	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			json_array_append_new(array, control_string(line));
	free(copy);
	return array;
}

static void
answer(struct job *job, int exit_code, const char *text)
{
	if (job->waiter == NULL)
		return;
	client_on_gone(job->waiter, NULL, NULL);
	if (exit_code != EXIT_OK)
		client_fail(job->waiter, exit_code, "%s", text);
	else
		client_answer(job->waiter, json_pack("{s:b, s:I, s:o}",
		    "ok", 1, "generation",
		    (json_int_t)job->master->edition->generation,
		    "notices", lines_to_json(&job->notes)));
}

static void
log_lines(enum log_level level, const char *what, const char *lines)
{
	char *copy = xstrdup(lines), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			log_at(level, "%s: %s", what, line);
	free(copy);
}

static void
log_end(struct job *job, int exit_code, const char *text)
{
	const char *name = kinds[job->kind].name;

	buf_put_u8(&job->notes, '\0');
	log_lines(LOG_LEVEL_WARN, name, (const char *)job->notes.data);
	job->notes.len--;
	if (exit_code == EXIT_OK)
		log_info("%s: done, generation %u of %s", name,
		    job->master->edition->generation,
		    job->master->options.config_path);
	else
		log_lines(LOG_LEVEL_ERROR, name, text);
}

static void
remember(struct master *m, enum job_kind kind, int exit_code,
    const char *text)
{
	/* New certificates do not mend a config that could not be read. */
	if (kind == JOB_RESTART || (kind == JOB_RENEW &&
	    exit_code == EXIT_OK && m->last_error_of == JOB_RELOAD))
		return;
	m->last_error_of = kind;
	free(m->last_error);
	m->last_error = exit_code == EXIT_OK ? NULL : xstrdup(text);
	m->last_error_at = time(NULL);
}

static void
on_waiter_gone(void *arg)
{
	struct job *job = arg;

	job->waiter = NULL;
}

static void
on_start(evutil_socket_t unused, short what, void *arg)
{
	struct master *m = arg;

	(void)unused, (void)what;
	if (m->jobs.now != NULL || m->jobs.queued == NULL ||
	    m->state != MASTER_RUNNING)
		return;
	m->jobs.now = m->jobs.queued;
	m->jobs.queued = NULL;
	log_info("%s: begins", kinds[m->jobs.now->kind].name);
	kinds[m->jobs.now->kind].start(m->jobs.now);
}

void
jobs_init(struct jobs *jobs, struct master *m)
{
	*jobs = (struct jobs){ .start = evtimer_new(m->world.base, on_start,
	    m) };
}

void
jobs_done(struct jobs *jobs)
{
	if (jobs->start != NULL)
		event_free(jobs->start);
	jobs->start = NULL;
}

static void
start_soon(struct master *m)
{
	static const struct timeval at_once = { 0, 0 };

	evtimer_add(m->jobs.start, &at_once);
}

void
job_submit(struct master *m, enum job_kind kind, struct client *waiter)
{
	struct job *job;

	if (m->state != MASTER_RUNNING || m->jobs.queued != NULL) {
		log_warn("%s: refused, %s", kinds[kind].name,
		    m->state != MASTER_RUNNING ? "wssd is not running yet, or "
		    "stops" : "busy");
		if (waiter != NULL)
			client_fail(waiter, EXIT_GENERIC, "%s",
			    m->state == MASTER_STOPPING ? "wssd is stopping" :
			    m->state == MASTER_STARTING ?
			    "wssd is still starting" : "busy: a reload or "
			    "restart is under way and another one waits");
		return;
	}
	job = xcalloc(1, sizeof(*job));
	job->master = m;
	job->kind = kind;
	job->waiter = waiter;
	if (waiter != NULL)
		client_on_gone(waiter, on_waiter_gone, job);
	m->jobs.queued = job;
	if (m->jobs.now == NULL)
		start_soon(m);
}

void
job_finish(struct job *job, int exit_code, const char *text)
{
	struct master *m = job->master;

	m->jobs.now = NULL;
	log_end(job, exit_code, text);
	remember(m, job->kind, exit_code, text);
	answer(job, exit_code, text);
	job_free(job);
	master_say_ready(m);
	slots_resume(m);
	start_soon(m);
}

void
jobs_cancel(struct master *m)
{
	struct job *job = m->jobs.now;

	if (job != NULL) {
		reload_abort(job);
		job_finish(job, EXIT_GENERIC, "wssd is stopping");
	}
	job = m->jobs.queued;
	m->jobs.queued = NULL;
	if (job != NULL) {
		answer(job, EXIT_GENERIC, "wssd is stopping");
		job_free(job);
	}
}

static bool
has_line(const struct buf *b, const char *line, size_t len)
{
	const char *at = (const char *)b->data;
	const char *end;

	if (b->len == 0)
		return false;
	end = at + b->len;
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if ((size_t)(stop - at) == len && memcmp(at, line, len) == 0)
			return true;
		at = stop + 1;
	}
	return false;
}

void
job_note(struct job *job, const char *lines)
{
	while (*lines != '\0') {
		size_t len = strcspn(lines, "\n");

		if (len > 0 && !has_line(&job->notes, lines, len)) {
			buf_put(&job->notes, lines, len);
			buf_put_u8(&job->notes, '\n');
		}
		lines += len + (lines[len] == '\n');
	}
}

bool
job_is_preparing(const struct master *m)
{
	return m->jobs.now != NULL && m->jobs.now->step == JOB_PREPARING;
}

void
job_prepared(struct master *m, struct slot *s)
{
	if (job_is_preparing(m))
		reload_prepared(m->jobs.now, s);
}

void
job_refused(struct master *m, struct slot *s, const char *text)
{
	if (job_is_preparing(m))
		reload_refused(m->jobs.now, s, text);
}

void
job_slot_event(struct master *m, struct slot *s, enum slot_event event)
{
	struct job *job = m->jobs.now;

	if (job == NULL)
		return;
	if (job->step == JOB_PREPARING)
		reload_slot_event(job, s, event);
	else if (job->step == JOB_ROLLING)
		roll_slot_event(job, s, event);
}
