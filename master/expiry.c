/* SPDX-License-Identifier: MIT */
/*
 * Owns what has been said of each context.  The dates come from the workers'
 * cells: the master cannot read certificates.
 */
#include "master/expiry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/log.h"
#include "master/proc.h"
#include "master/tally.h"

#define DAY_S INT64_C(86400)
#define SOON_MS 2000		/* until the workers have told */
#define OFTEN_MS 600000

struct said {
	char name[METRICS_NAME];
	uint64_t not_after;
	unsigned level;
};

struct expiry {
	struct said rows[METRICS_CONTEXTS];
	size_t n;
	uint64_t next_ms;	/* 0: at the next tick, and then soon */
	bool soon;
};

unsigned
expiry_level(uint64_t not_after, int64_t now)
{
	int64_t left = (int64_t)not_after - now;

	return left <= 0 ? 4 : left <= DAY_S ? 3 : left <= 7 * DAY_S ? 2 :
	    left <= 14 * DAY_S ? 1 : 0;
}

static struct said *
find(struct expiry *x, const char *name)
{
	for (size_t i = 0; i < x->n; i++) {
		if (strcmp(x->rows[i].name, name) == 0)
			return &x->rows[i];
	}
	/* Names of contexts that are no more: everything is said again. */
	if (x->n == METRICS_CONTEXTS)
		x->n = 0;
	memset(&x->rows[x->n], 0, sizeof(x->rows[0]));
	snprintf(x->rows[x->n].name, sizeof(x->rows[0].name), "%s", name);
	return &x->rows[x->n++];
}

static void
say(const struct metrics_context *c, unsigned level, int64_t now)
{
	time_t at = (time_t)c->not_after;
	long long days = ((long long)c->not_after - now) / DAY_S;
	char when[64];
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL || strftime(when, sizeof(when),
	    "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return;
	if (level == 4)
		log_error("[context %s]: the certificate of %s has expired "
		    "on %s", c->name, c->subject, when);
	else
		log_warn("[context %s]: the certificate of %s expires in "
		    "%lld day%s, on %s", c->name, c->subject, days,
		    days == 1 ? "" : "s", when);
}

static bool
check(struct expiry *x, const struct metrics *total, unsigned generation)
{
	int64_t now = time(NULL);
	bool any = false;

	for (size_t i = 0; i < METRICS_CONTEXTS; i++) {
		const struct metrics_context *c = &total->contexts[i];
		unsigned level = expiry_level(c->not_after, now);
		struct said *said;

		if (c->name[0] == '\0' || c->generation < generation)
			continue;
		any = true;
		said = find(x, c->name);
		if (said->not_after == c->not_after && said->level >= level)
			continue;
		said->not_after = c->not_after;
		said->level = level;
		if (level > 0)
			say(c, level, now);
	}
	return any;
}

void
expiry_tick(struct expiry *x, uint64_t now_ms, struct list *procs,
    unsigned generation)
{
	struct metrics *total;
	bool any;

	if (x->next_ms == 0)
		x->next_ms = now_ms + SOON_MS;
	if (now_ms < x->next_ms)
		return;
	total = tally_new();
	for (struct list *pos = procs->next; pos != procs;
	    pos = pos->next) {
		const struct proc *p = LIST_ITEM(pos, struct proc, link);

		if (p->state == PROC_RUNNING)
			tally_add(total, p->cell, false);
	}
	any = check(x, total, generation);
	tally_free(total);
	/* Nobody has told yet, or there is no TLS at all. */
	x->next_ms = now_ms + (any || !x->soon ? OFTEN_MS : SOON_MS);
	x->soon = false;
}

void
expiry_renew(struct expiry *x)
{
	x->next_ms = 0;
	x->soon = true;
}

struct expiry *
expiry_new(void)
{
	struct expiry *x = xcalloc(1, sizeof(*x));

	x->soon = true;
	return x;
}

void
expiry_free(struct expiry *x)
{
	free(x);
}
