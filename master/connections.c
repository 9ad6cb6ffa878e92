/* SPDX-License-Identifier: MIT */
/*
 * Owns the lists that are being streamed.  A worker is asked for one page at
 * a time; one that does not answer or dies is left out, and the end of the
 * document says that it is not complete.
 */
#include "master/connections.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/list.h"
#include "master/control.h"
#include "master/master.h"

#define ANSWER_WITHIN_S 5
#define UNSENT_HIGH (256u << 10)
/* Of one worker: as many as it can have (fs.nr_open), unless it tells tales. */
#define ROWS_MAX (1u << 20)

struct listing {
	struct list link;
	struct master *master;
	struct client *client;
	struct event *timer;
	pid_t *pids;			/* whom to ask, in this order */
	size_t n_pids, at;
	uint32_t query;			/* the open one; 0 = none */
	uint64_t after;
	size_t rows;			/* of the worker at `at' */
	bool any;			/* a connection was written */
	bool complete;
};

static void
listing_free(struct listing *l)
{
	list_remove(&l->link);
	event_free(l->timer);
	free(l->pids);
	free(l);
}

static struct proc *
find_proc(struct master *m, pid_t pid)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &m->world.procs) {
		struct proc *p = LIST_ITEM(pos, struct proc, link);

		if (p->child.pid == pid && p->state >= PROC_RUNNING &&
		    p->state <= PROC_DRAINING && !p->chan_closed)
			return p;
	}
	return NULL;
}

static void
finish(struct listing *l)
{
	struct client *c = l->client;
	const char *end = l->complete ? "\n],\"complete\":true}\n" :
	    "\n],\"complete\":false}\n";

	listing_free(l);
	client_write(c, end, strlen(end));
	client_end(c);
}

static void
to_next_proc(struct listing *l)
{
	l->at++;
	l->after = 0;
	l->rows = 0;
}

/* Asks for the next page, as soon as the client has taken the last ones. */
static void
go_on(struct listing *l)
{
	static const struct timeval within = { ANSWER_WITHIN_S, 0 };
	struct master *m = l->master;
	struct proc *p;

	if (l->query != 0 || client_unsent(l->client) > UNSENT_HIGH)
		return;
	for (; l->at < l->n_pids; to_next_proc(l)) {
		p = find_proc(m, l->pids[l->at]);
		if (p != NULL) {
			l->query = ++m->last_query;
			evtimer_add(l->timer, &within);
			proc_query(p, l->query, l->after);
			return;
		}
		l->complete = false;
	}
	finish(l);
}

static void
next_proc(struct listing *l)
{
	evtimer_del(l->timer);
	l->query = 0;
	to_next_proc(l);
	go_on(l);
}

static void
on_timeout(evutil_socket_t unused, short what, void *arg)
{
	struct listing *l = arg;

	(void)unused, (void)what;
	l->complete = false;
	next_proc(l);
}

static void
on_drained(void *arg)
{
	go_on(arg);
}

static void
on_client_gone(void *arg)
{
	listing_free(arg);
}

/*
 * A worker writes into the master's document only what is an object; a name
 * in the config that is no UTF-8 makes one that is not, and is left out.
 */
static bool
pass_on(struct listing *l, const uint8_t *text, size_t len)
{
	const char *at = (const char *)text, *end = at + len, *stop;
	json_t *object;

	/* An empty page is one, too: it must not go on for ever. */
	for (l->rows++; at < end; l->rows++) {
		stop = memchr(at, '\n', (size_t)(end - at));
		if (stop == NULL)
			return false;
		object = json_loadb(at, (size_t)(stop - at),
		    JSON_REJECT_DUPLICATES, NULL);
		if (json_is_object(object)) {
			client_write(l->client, l->any ? ",\n" : "\n",
			    l->any ? 2 : 1);
			client_write(l->client, at, (size_t)(stop - at));
			l->any = true;
		} else {
			l->complete = false;
		}
		json_decref(object);
		at = stop + 1;
	}
	return true;
}

static struct listing *
find_listing(struct master *m, uint32_t query)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &m->listings) {
		struct listing *l = LIST_ITEM(pos, struct listing, link);

		if (l->query == query)
			return l;
	}
	return NULL;
}

void
connections_answer(struct master *m, struct proc *p,
    const struct proto_answer *answer)
{
	struct listing *l = find_listing(m, answer->id);

	if (l == NULL || l->pids[l->at] != p->child.pid)
		return;		/* too late, or the client has left */
	if (!pass_on(l, answer->text, answer->text_len) ||
	    (answer->more && answer->last <= l->after)) {
		l->complete = false;
		next_proc(l);
		proc_kill_because(p, "sent a wrong ANSWER: killed");
		return;
	}
	if (!answer->more || l->rows >= ROWS_MAX) {
		/* Clients may also come and go faster than it is read. */
		if (answer->more)
			l->complete = false;
		next_proc(l);
		return;
	}
	evtimer_del(l->timer);
	l->query = 0;
	l->after = answer->last;
	go_on(l);
}

void
connections_proc_gone(struct master *m, const struct proc *p)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &m->listings) {
		struct listing *l = LIST_ITEM(pos, struct listing, link);

		if (l->query != 0 && l->pids[l->at] == p->child.pid) {
			l->complete = false;
			next_proc(l);
		}
	}
}

void
connections_list(struct master *m, struct client *c)
{
	static const char head[] = "{\"ok\":true,\"connections\":[";
	struct listing *l = xcalloc(1, sizeof(*l));
	struct list *pos, *next;

	l->master = m;
	l->client = c;
	l->complete = true;
	l->timer = evtimer_new(m->world.base, on_timeout, l);
	list_append(&m->listings, &l->link);
	LIST_EACH(pos, next, &m->world.procs) {
		struct proc *p = LIST_ITEM(pos, struct proc, link);

		if (find_proc(m, p->child.pid) == NULL)
			continue;
		l->pids = xreallocarray(l->pids, l->n_pids + 1,
		    sizeof(l->pids[0]));
		l->pids[l->n_pids++] = p->child.pid;
	}
	client_on_gone(c, on_client_gone, l);
	client_on_drained(c, on_drained, l);
	client_write(c, head, sizeof(head) - 1);
	go_on(l);
}
