/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: the job holds the new edition until it is adopted.  A
 * finished job is gone, so nothing stands behind a call that may finish it.
 */
#include "master/reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/privdrop.h"
#include "common/sandbox.h"
#include "common/settings.h"
#include "master/master.h"
#include "master/signer.h"
#include "master/trial.h"
#include "master/roll.h"

#define PREPARE_WITHIN_MS 10000

/* --- what can only change with a restart --------------------------------- */

static void
put_value(struct buf *b, const struct setting *row, const void *object)
{
	const char *at = (const char *)object + row->offset;

	switch (row->type) {
	case SETTING_STRING:
		buf_printf(b, "%s", *(char *const *)(const void *)at);
		break;
	case SETTING_UINT:
	case SETTING_WORKERS:
		buf_printf(b, "%" PRIu64,
		    *(const uint64_t *)(const void *)at);
		break;
	default:
		buf_printf(b, "(another value)");
		break;
	}
}

static void
note_restart_settings(struct job *job)
{
	const struct config_daemon *old =
	    &job->master->edition->config->daemon;
	const struct config_daemon *new = &job->edition->config->daemon;
	const struct setting *rows;
	size_t n;

	rows = settings_table(&n);
	for (size_t i = 0; i < n; i++) {
		struct buf b = BUF_INIT;

		if (rows[i].section != SETTING_WSSD ||
		    rows[i].type == SETTING_NONE ||
		    rows[i].reload != SETTING_RESTART ||
		    settings_equal(&rows[i], old, new))
			continue;
		buf_printf(&b, "%s: ", rows[i].key);
		put_value(&b, &rows[i], old);
		buf_printf(&b, " -> ");
		put_value(&b, &rows[i], new);
		buf_printf(&b, " takes effect after wssctl restart");
		buf_put_u8(&b, '\0');
		job_note(job, (const char *)b.data);
		buf_done(&b);
	}
}

/* --- the way through the living workers ---------------------------------- */

void
reload_abort(struct job *job)
{
	struct master *m = job->master;

	if (job->step != JOB_PREPARING)
		return;
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].current != NULL)
			proc_abort(m->slots[i].current);
}

static void
fail(struct job *job, int exit_code, const char *text)
{
	reload_abort(job);
	job_finish(job, exit_code, text);
}

/* The sockets a process serves: its own slot's and those it has borrowed. */
static bool
serves(const struct slot *s, const struct proc *p)
{
	return s->current == p || (s->current == NULL && s->borrower == p);
}

static void
commit_one(struct job *job, struct proc *p)
{
	struct master *m = job->master;
	struct listen_set *old = m->listen_set, *new = job->listen_set;

	for (unsigned k = 0; k < m->n_slots; k++)
		for (size_t i = 0; i < new->n &&
		    serves(&m->slots[k], p); i++)
			if (!listen_set_has(old, &new->rows[i]))
				proc_listen(p, &new->rows[i], k);
	proc_commit(p);
	for (unsigned k = 0; k < m->n_slots; k++)
		for (size_t i = 0; i < old->n &&
		    serves(&m->slots[k], p); i++)
			if (!listen_set_has(new, &old->rows[i]))
				proc_unlisten(p, &old->rows[i], k);
}

static void
adopt(struct job *job)
{
	struct edition *edition = job->edition;
	struct listen_set *set = job->listen_set;

	job->edition = NULL;
	job->listen_set = NULL;
	master_adopt(job->master, edition, set);
}

static void
apply_log(struct job *job)
{
	struct err err = ERR_INIT;

	if (master_reopen_logs(job->master, &err) != 0) {
		err_prefix(&err, "the log stays as it was");
		job_note(job, err.text);
	}
}

/* Slots without a process, or with one that has only the old config. */
static void
renew_others(struct master *m)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		struct slot *s = &m->slots[i];

		if (s->state == SLOT_STARTING)
			slot_event(s, SLOT_RENEW);
		else if (s->state == SLOT_BACKOFF)
			slot_event(s, SLOT_START);
	}
}

static void
commit(struct job *job)
{
	struct master *m = job->master;

	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].current != NULL)
			commit_one(job, m->slots[i].current);
	for (size_t i = 0; i < m->n_slots; i++) {
		struct slot *s = &m->slots[i];

		if (s->borrower == NULL)
			continue;
		listen_set_unref(s->lent);
		s->lent = listen_set_ref(job->listen_set);
	}
	job->step = JOB_WAITING;	/* the slots' events are not ours now */
	adopt(job);
	apply_log(job);
	renew_others(m);
	job_finish(job, EXIT_OK, NULL);
}

static void
commit_when_all(struct job *job)
{
	struct master *m = job->master;

	for (size_t i = 0; i < m->n_slots; i++) {
		const struct proc *p = m->slots[i].current;

		if (p != NULL && p->state != PROC_PREPARED)
			return;
	}
	commit(job);
}

void
reload_prepared(struct job *job, struct slot *s)
{
	job_note(job, proc_text(s->current));
	commit_when_all(job);
}

void
reload_refused(struct job *job, struct slot *s, const char *text)
{
	char copy[PROTO_TEXT_MAX];

	(void)s;
	/* The text is the process's, which the abort may change. */
	snprintf(copy, sizeof(copy), "%s", text);
	fail(job, EXIT_CONFIG, copy);
}

void
reload_slot_event(struct job *job, struct slot *s, enum slot_event event)
{
	char text[ERR_TEXT_MAX * 2];

	if (event != SLOT_DIED)
		return;
	snprintf(text, sizeof(text), "nothing was changed, because a worker "
	    "died meanwhile: %s", s->last_death);
	fail(job, EXIT_GENERIC, text);
}

static uint64_t
prepare_within_ms(const struct job *job)
{
	return PREPARE_WITHIN_MS + edition_extra_ms(job->edition);
}

static void
on_prepare_timeout(evutil_socket_t unused, short what, void *arg)
{
	struct job *job = arg;
	char text[ERR_TEXT_MAX];

	(void)unused, (void)what;
	snprintf(text, sizeof(text), "nothing was changed, because a worker "
	    "did not prepare the new configuration within %d s",
	    (int)prepare_within_ms(job) / 1000);
	fail(job, EXIT_GENERIC, text);
}

static void
prepare_living(struct job *job)
{
	uint64_t ms = prepare_within_ms(job);
	struct timeval within = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };
	struct master *m = job->master;

	job->step = JOB_PREPARING;
	job->timer = evtimer_new(m->world.base, on_prepare_timeout, job);
	evtimer_add(job->timer, &within);
	for (size_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].current != NULL &&
		    m->slots[i].current->state == PROC_RUNNING)
			proc_prepare(m->slots[i].current, job->edition);
}

/* --- the way through new workers ------------------------------------------ */

static void
on_verdict(void *arg, const struct trial_verdict *v)
{
	struct job *job = arg;

	job->trial = NULL;
	if (!v->ok) {
		job_finish(job, v->config_failed ? EXIT_CONFIG : EXIT_GENERIC,
		    v->text);
		return;
	}
	job_note(job, v->text);
	adopt(job);
	apply_log(job);
	roll_start(job);
}

static void
try_first(struct job *job)
{
	struct err err = ERR_INIT;

	job->step = JOB_TRIAL;
	job->trial = trial_start(&job->master->world, job->edition, false,
	    on_verdict, job, &err);
	if (job->trial == NULL)
		job_finish(job, EXIT_GENERIC, err.text);
}

static bool
must_roll(const struct job *job)
{
	const struct master *m = job->master;
	const struct setting *rows;
	size_t n;
	bool any = false;

	for (size_t i = 0; i < m->n_slots; i++)
		any |= m->slots[i].current != NULL;
	rows = settings_table(&n);
	for (size_t i = 0; i < n; i++)
		if (rows[i].section == SETTING_WSSD &&
		    rows[i].type != SETTING_NONE &&
		    rows[i].reload == SETTING_ROLL &&
		    !settings_equal(&rows[i], &m->edition->config->daemon,
		    &job->edition->config->daemon))
			return true;
	/* A filter cannot be widened in a living worker. */
	if (sandbox_needs(job->edition->config) &
	    ~sandbox_needs(m->edition->config) ||
	    files_add_folders(&m->edition->files, &job->edition->files))
		return true;
	return !any || !files_same_code(&m->edition->files,
	    &job->edition->files);
}

static int
load(struct job *job)
{
	struct master *m = job->master;
	struct config_errors errors = CONFIG_ERRORS_INIT;
	char *text;

	job->edition = job->kind == JOB_RENEW ?
	    edition_renew(m->edition, ++m->last_generation, &errors) :
	    edition_load(m->options.config_path, ++m->last_generation,
	    &errors);
	if (job->edition == NULL) {
		text = config_errors_text(&errors);
		text[strlen(text) - 1] = '\0';	/* the last newline */
		config_errors_done(&errors);
		job_finish(job, EXIT_CONFIG, text);
		free(text);
		return -1;
	}
	config_errors_done(&errors);
	return 0;
}

static int
check_user(struct job *job, struct err *err)
{
	const struct config_daemon *d = &job->edition->config->daemon;
	struct privdrop_ids ids;

	return privdrop_lookup(d->user, d->group, &ids, err);
}

static void
hand_out(struct job *job)
{
	if (must_roll(job))
		try_first(job);
	else
		prepare_living(job);
}

static void
on_signer(void *arg, const struct signer_verdict *v)
{
	struct job *job = arg;
	char copy[PROTO_TEXT_MAX];

	if (v->ok) {
		hand_out(job);
		return;
	}
	/* The text is the signer's, which ends with the job's edition. */
	snprintf(copy, sizeof(copy), "%s", v->text);
	job_finish(job, v->config_failed ? EXIT_CONFIG : EXIT_GENERIC, copy);
}

void
reload_start(struct job *job)
{
	struct master *m = job->master;
	struct err err = ERR_INIT;

	notify_reloading(&m->notify);
	if (load(job) != 0)
		return;
	if (check_user(job, &err) != 0) {
		job_finish(job, EXIT_CONFIG, err.text);
		return;
	}
	note_restart_settings(job);
	job->listen_set = listen_set_open(job->edition->config, m->listen_set,
	    m->n_slots, &err);
	if (job->listen_set == NULL) {
		job_finish(job, EXIT_GENERIC, err.text);
		return;
	}
	if (!signer_is_needed(job->edition->config))
		hand_out(job);
	else if (signer_start(&m->world, job->edition, on_signer, job,
	    &err) != 0)
		job_finish(job, EXIT_GENERIC, err.text);
}
