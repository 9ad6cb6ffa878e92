/* SPDX-License-Identifier: MIT */
/* Owns one trial process until it is gone. */
#include "master/trial.h"

#include <signal.h>
#include <stdlib.h>

#include "common/alloc.h"

struct trial {
	struct proc *proc;
	void (*done)(void *arg, const struct trial_verdict *);
	void *arg;
};

static void
tell(struct trial *t, bool ok)
{
	struct trial_verdict v = { ok, t->proc->config_failed,
		proc_text(t->proc) };
	void (*done)(void *, const struct trial_verdict *) = t->done;

	t->done = NULL;
	if (done != NULL)
		done(t->arg, &v);
}

static void
on_ready(void *arg, struct proc *p)
{
	struct trial *t = arg;

	proc_kill(p, SIGKILL);
	tell(t, true);
}

static void
on_refused(void *arg, struct proc *p)
{
	(void)arg, (void)p;	/* only in PREPARING, which it never is */
}

static void
on_gone(void *arg, struct proc *p)
{
	struct trial *t = arg;

	(void)p;
	tell(t, false);
	free(t);
}

static void
on_answer(void *arg, struct proc *p, const struct proto_answer *answer)
{
	(void)arg, (void)p, (void)answer;	/* it is never asked */
}

static const struct proc_owner owner = { on_ready, on_refused, on_gone,
	on_answer };

struct trial *
trial_start(struct proc_world *world, struct edition *edition, bool strict,
    void (*done)(void *arg, const struct trial_verdict *), void *arg,
    struct err *err)
{
	struct trial *t = xcalloc(1, sizeof(*t));

	t->done = done;
	t->arg = arg;
	t->proc = proc_start(world, -1, edition, strict, &owner, t, err);
	if (t->proc == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void
trial_cancel(struct trial *t)
{
	if (t == NULL || t->done == NULL)
		return;
	t->done = NULL;
	proc_kill(t->proc, SIGKILL);
}
