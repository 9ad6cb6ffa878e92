/* SPDX-License-Identifier: MIT */
/* Owns nothing: steps a job through the slots. */
#include "master/roll.h"

#include "common/log.h"
#include "master/master.h"

/*
 * Asks for one slot and returns; a finished job is gone, so nothing is done
 * behind the calls that may finish it.
 */
static void
step(struct job *job)
{
	struct master *m = job->master;
	struct slot *s;

	if (job->slot == m->n_slots) {
		job_finish(job, EXIT_OK, NULL);
		return;
	}
	s = &m->slots[job->slot];
	switch (s->state) {
	case SLOT_RUNNING:
		slot_event(s, SLOT_REPLACE);
		break;
	case SLOT_BACKOFF:
		slot_event(s, SLOT_START);
		break;
	case SLOT_STARTING:
		/* It is new in any case; is its config? */
		if (s->next->pending != m->edition)
			slot_event(s, SLOT_RENEW);
		break;
	default:
		break;
	}
}

void
roll_start(struct job *job)
{
	job->step = JOB_ROLLING;
	job->slot = 0;
	step(job);
}

void
roll_slot_event(struct job *job, struct slot *s, enum slot_event event)
{
	char text[ERR_TEXT_MAX * 2];

	if (s->index != job->slot)
		return;
	if (event == SLOT_READY) {
		job->slot++;
		step(job);
	} else if (event == SLOT_LOST) {
		snprintf(text, sizeof(text), "worker %u could not be "
		    "replaced, the others were left as they are: %s",
		    s->index, s->last_death);
		job_finish(job, EXIT_GENERIC, text);
	}
}
