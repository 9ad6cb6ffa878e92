/* SPDX-License-Identifier: MIT */
/*
 * Owns the channel and the list of requests, oldest first.  A request lives
 * on the stack of its job, which does not go on before it is done.
 */
#include "worker/signing.h"

#include <errno.h>
#include <openssl/async.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/chan.h"
#include "common/list.h"
#include "common/log.h"
#include "common/proto_sign.h"

#define ATTEMPTS 2		/* one that ends the signer is not asked for
				   ever */

/* A signer: of the config in use, or of the one before. */
struct peer {
	struct signing *signing;
	int fd;
	struct event *readable, *writable;
	size_t owes;			/* answers */
};

struct request {
	struct list link;		/* in signing->waiting, until done */
	const struct proto_sign *question;
	struct proto_signed *answer;
	ASYNC_callback_fn wake;
	void *wake_arg;
	unsigned attempts;
	struct peer *at;		/* who was asked; NULL: nobody yet */
	bool done, ok;
};

struct signing {
	unsigned refs;
	struct event_base *base;
	struct peer *now, *before;	/* NULL: not there */
	uint8_t *room;
	struct list waiting;
	size_t n_waiting;
	uint64_t last_id;
	bool brief;
};

static void
finish(struct signing *s, struct request *r, bool ok)
{
	list_remove(&r->link);
	s->n_waiting--;
	r->done = true;
	r->ok = ok;
	if (r->wake != NULL)
		(void)r->wake(r->wake_arg);
}

static void
disconnect(struct peer *p)
{
	struct signing *s;
	struct list *link, *next;

	if (p == NULL)
		return;
	s = p->signing;
	if (s->now == p)
		s->now = NULL;
	if (s->before == p)
		s->before = NULL;
	LIST_EACH(link, next, &s->waiting) {
		struct request *r = LIST_ITEM(link, struct request, link);

		if (r->at != p)
			continue;
		r->at = NULL;
		if (r->attempts >= ATTEMPTS)
			finish(s, r, false);
	}
	event_free(p->readable);
	event_free(p->writable);
	close(p->fd);
	free(p);
}

/* False: it cannot take more, or is gone. */
static bool
send_to(struct peer *p, struct request *r)
{
	struct buf payload = BUF_INIT;
	struct err err;
	int rc, error;

	proto_sign_put(&payload, r->question);
	rc = chan_send(p->fd, PROTO_SIGN, 0, &payload, -1, &err);
	error = errno;
	buf_done(&payload);
	if (rc == 0) {
		r->at = p;
		r->attempts++;
		p->owes++;
		return true;
	}
	if (error == EAGAIN || error == ETOOMANYREFS)
		event_add(p->writable, NULL);
	else
		disconnect(p);
	return false;
}

static bool
may_ask(const struct signing *s)
{
	return s->now != NULL && (!s->brief || s->now->owes == 0);
}

static void
send_waiting(struct signing *s)
{
	struct list *link, *next;

	LIST_EACH(link, next, &s->waiting) {
		struct request *r = LIST_ITEM(link, struct request, link);

		if (!may_ask(s) || (r->at == NULL && !send_to(s->now, r)))
			return;
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_waiting(((struct peer *)arg)->signing);
}

/*
 * A handshake that began before a reload may want a key which only the
 * signer before has.
 */
static bool
asks_the_one_before(struct peer *p, struct request *r)
{
	struct signing *s = p->signing;

	return p == s->now && s->before != NULL && send_to(s->before, r);
}

static void
take_answer_of(struct peer *p, struct request *r,
    const struct proto_signed *answer)
{
	if (answer->len == 0 && asks_the_one_before(p, r))
		return;
	*r->answer = *answer;
	finish(p->signing, r, answer->len > 0);
}

/* The answer to nothing is that of a handshake which was given up. */
static bool
take_answer(struct peer *p, struct chan_message *m)
{
	struct proto_signed answer;
	struct list *link, *next;

	if (m->fd != -1)
		close(m->fd);
	if (m->fd != -1 || m->type != PROTO_SIGNED ||
	    !proto_signed_get(&m->payload, &answer))
		return false;
	if (p->owes > 0)
		p->owes--;
	LIST_EACH(link, next, &p->signing->waiting) {
		struct request *r = LIST_ITEM(link, struct request, link);

		if (r->question->id != answer.id || r->at != p)
			continue;
		take_answer_of(p, r, &answer);
		break;
	}
	return true;
}

/* When it owes nothing more there is no need to ask the kernel for more. */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;
	struct chan_message m;
	struct err err;
	int rc;

	(void)what;
	do {
		rc = chan_recv((int)fd, p->signing->room, &m, &err);
		if (rc == 1 && !take_answer(p, &m)) {
			log_error("the signer sent a wrong %s",
			    proto_name(m.type));
			rc = -1;
		}
	} while (rc == 1 && p->owes > 0);
	/* It has ended: the master starts it again. */
	if (rc < 0)
		disconnect(p);
	else if (p->signing->brief)
		send_waiting(p->signing);
}

void
signing_connect(struct signing *s, int fd)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->signing = s;
	p->fd = fd;
	p->readable = event_new(s->base, fd, EV_READ | EV_PERSIST,
	    on_readable, p);
	p->writable = event_new(s->base, fd, EV_WRITE, on_writable, p);
	event_add(p->readable, NULL);
	if (s->now != NULL) {
		disconnect(s->before);
		s->before = s->now;
	}
	s->now = p;
	send_waiting(s);
}

/* Who shall be woken: see ASYNC_WAIT_CTX_new(3). */
static void
find_callback(struct request *r)
{
	ASYNC_JOB *job = ASYNC_get_current_job();

	(void)ASYNC_WAIT_CTX_get_callback(ASYNC_get_wait_ctx(job), &r->wake,
	    &r->wake_arg);
}

bool
signing_ask(struct signing *s, struct proto_sign *question,
    struct proto_signed *answer_out)
{
	struct request r = { .question = question, .answer = answer_out };

	if (ASYNC_get_current_job() == NULL ||
	    s->n_waiting >= SIGNING_WAITING_MAX)
		return false;
	find_callback(&r);
	question->id = ++s->last_id;
	list_append(&s->waiting, &r.link);
	s->n_waiting++;
	if (may_ask(s))
		(void)send_to(s->now, &r);
	while (!r.done)
		if (ASYNC_pause_job() != 1) {
			finish(s, &r, false);
			break;
		}
	return r.ok;
}

void
signing_give_up(struct signing *s, const void *callback_arg)
{
	struct list *link, *next;

	LIST_EACH(link, next, &s->waiting) {
		struct request *r = LIST_ITEM(link, struct request, link);

		if (r->wake_arg == callback_arg) {
			r->wake = NULL;
			finish(s, r, false);
		}
	}
}

void
signing_be_brief(struct signing *s, bool brief)
{
	if (s->brief == brief)
		return;
	s->brief = brief;
	send_waiting(s);
}

struct signing *
signing_new(struct event_base *base)
{
	struct signing *s = xcalloc(1, sizeof(*s));

	s->refs = 1;
	s->base = base;
	s->room = xmalloc(CHAN_PAYLOAD_MAX);
	list_init(&s->waiting);
	return s;
}

struct signing *
signing_ref(struct signing *s)
{
	if (s != NULL)
		s->refs++;
	return s;
}

void
signing_unref(struct signing *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	ASSERT(list_empty(&s->waiting));
	disconnect(s->now);
	disconnect(s->before);
	free(s->room);
	free(s);
}
