/* SPDX-License-Identifier: MIT */
/*
 * worker/signing against a signer that is this test: answers, losses, and
 * giving up, with the jobs of OpenSSL that wait.
 */
#include <openssl/async.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/alloc.h"
#include "common/chan.h"
#include "common/proto_sign.h"
#include "worker/signing.h"

struct fixture {
	struct event_base *base;
	struct signing *signing;
	int fd;				/* the signer's end; -1: none */
	uint8_t *room;
};

/* One handshake that wants a signature. */
struct waiter {
	struct signing *signing;
	ASYNC_JOB *job;
	ASYNC_WAIT_CTX *ctx;
	struct proto_sign question;
	struct proto_signed answer;
	int result;			/* -1 while it waits */
	unsigned woken;
};

static void
connect_signer(struct fixture *f)
{
	int fds[2];

	assert_int_equal(chan_pair(fds, NULL), 0);
	signing_connect(f->signing, fds[0]);
	f->fd = fds[1];
}

static void
start(struct fixture *f, bool connected)
{
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->base = event_base_new();
	f->signing = signing_new(f->base);
	f->room = xmalloc(CHAN_PAYLOAD_MAX);
	if (connected)
		connect_signer(f);
}

static void
stop(struct fixture *f)
{
	signing_unref(f->signing);
	event_base_free(f->base);
	free(f->room);
	if (f->fd != -1)
		close(f->fd);
	ASYNC_cleanup_thread();
}

static void
turn(struct fixture *f)
{
	event_base_loop(f->base, EVLOOP_NONBLOCK);
}

/* ---- a handshake -------------------------------------------------------- */

static int
ask(void *arg)
{
	struct waiter *w = *(struct waiter **)arg;

	return signing_ask(w->signing, &w->question, &w->answer);
}

static int
on_wake(void *arg)
{
	((struct waiter *)arg)->woken++;
	return 1;
}

static void
go_on(struct waiter *w)
{
	int result, rc = ASYNC_start_job(&w->job, w->ctx, &result, ask, &w,
	    sizeof(w));

	assert_int_not_equal(rc, ASYNC_ERR);
	if (rc == ASYNC_FINISH)
		w->result = result;
}

static struct waiter *
begin(struct fixture *f)
{
	struct waiter *w = xcalloc(1, sizeof(*w));

	w->signing = f->signing;
	w->ctx = ASYNC_WAIT_CTX_new();
	w->result = -1;
	ASYNC_WAIT_CTX_set_callback(w->ctx, on_wake, w);
	w->question.len = 3;
	memcpy(w->question.tbs, "tbs", 3);
	go_on(w);
	return w;
}

static void
end(struct waiter *w)
{
	assert_int_not_equal(w->result, -1);
	ASYNC_WAIT_CTX_free(w->ctx);
	free(w);
}

/* ---- the signer --------------------------------------------------------- */

/* The next question, or 0. */
static uint64_t
hear(struct fixture *f)
{
	struct chan_message m;
	struct proto_sign question;

	if (chan_recv(f->fd, f->room, &m, NULL) != 1)
		return 0;
	assert_int_equal(m.type, PROTO_SIGN);
	assert_true(proto_sign_get(&m.payload, &question));
	return question.id;
}

static void
answer(struct fixture *f, uint64_t id, uint16_t len)
{
	struct proto_signed m = { .id = id, .len = len };
	struct buf b = BUF_INIT;

	memset(m.signature, 's', len);
	proto_signed_put(&b, &m);
	assert_int_equal(chan_send(f->fd, PROTO_SIGNED, 0, &b, -1, NULL), 0);
	buf_done(&b);
}

static void
signer_dies(struct fixture *f)
{
	close(f->fd);
	f->fd = -1;
	turn(f);
}

/* ---- tests -------------------------------------------------------------- */

static void
answers(void **state)
{
	struct fixture f;
	struct waiter *a, *b;
	uint64_t id_a, id_b;

	(void)state;
	start(&f, true);
	a = begin(&f);
	b = begin(&f);
	id_a = hear(&f);
	id_b = hear(&f);
	assert_true(id_a != 0 && id_b != 0 && id_a != id_b);
	/* Gone on with too early, it waits again. */
	go_on(a);
	assert_int_equal(a->result, -1);
	answer(&f, id_b, 5);
	turn(&f);
	assert_int_equal(b->woken, 1);
	assert_int_equal(a->woken, 0);
	go_on(b);
	assert_int_equal(b->result, 1);
	assert_int_equal(b->answer.len, 5);
	answer(&f, id_a, 0);			/* refused */
	turn(&f);
	go_on(a);
	assert_int_equal(a->result, 0);
	end(a);
	end(b);
	stop(&f);
}

/*
 * The kernel is asked for as many answers as are owed, also for one that
 * nobody waits for any more, and not for less after one that nobody wanted.
 */
static void
several_in_a_turn(void **state)
{
	struct fixture f;
	struct waiter *all[3];
	uint64_t ids[3];

	(void)state;
	start(&f, true);
	answer(&f, 77, 1);
	turn(&f);
	for (int i = 0; i < 3; i++)
		all[i] = begin(&f);
	for (int i = 0; i < 3; i++)
		ids[i] = hear(&f);
	signing_give_up(f.signing, all[0]);
	for (int i = 0; i < 3; i++)
		answer(&f, ids[i], 1);
	turn(&f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(all[i]->woken, i > 0);
		go_on(all[i]);
		assert_int_equal(all[i]->result, i > 0);
		end(all[i]);
	}
	stop(&f);
}

/* While others talk it is asked for one at a time: all get their turn. */
static void
is_brief(void **state)
{
	struct fixture f;
	struct waiter *all[5];
	uint64_t ids[5];

	(void)state;
	start(&f, true);
	signing_be_brief(f.signing, true);
	for (int i = 0; i < 5; i++)
		all[i] = begin(&f);
	ids[0] = hear(&f);
	assert_true(ids[0] != 0);
	assert_int_equal(hear(&f), 0);
	/* One answer, one question; what was given up is none. */
	signing_give_up(f.signing, all[1]);
	answer(&f, ids[0], 1);
	turn(&f);
	ids[2] = hear(&f);
	assert_true(ids[2] != 0);
	assert_int_equal(hear(&f), 0);
	/* A new signer is asked what the other owed, and no more at once. */
	signer_dies(&f);
	connect_signer(&f);
	ids[2] = hear(&f);
	assert_true(ids[2] != 0);
	assert_int_equal(hear(&f), 0);
	signing_be_brief(f.signing, false);
	ids[3] = hear(&f);
	ids[4] = hear(&f);
	assert_true(ids[3] != 0 && ids[4] != 0);
	for (int i = 2; i < 5; i++)
		answer(&f, ids[i], 1);
	turn(&f);
	for (int i = 0; i < 5; i++) {
		go_on(all[i]);
		assert_int_equal(all[i]->result, i != 1);
		end(all[i]);
	}
	stop(&f);
}

static void
waits_for_a_signer(void **state)
{
	struct fixture f;
	struct waiter *a;

	(void)state;
	start(&f, false);
	a = begin(&f);
	turn(&f);
	assert_int_equal(a->result, -1);
	connect_signer(&f);
	answer(&f, hear(&f), 1);
	turn(&f);
	go_on(a);
	assert_int_equal(a->result, 1);
	end(a);
	stop(&f);
}

/* Once more, and not for ever: it may be the question that kills. */
static void
asks_twice(void **state)
{
	struct fixture f;
	struct waiter *a;
	uint64_t id;

	(void)state;
	start(&f, true);
	a = begin(&f);
	id = hear(&f);
	signer_dies(&f);
	assert_int_equal(a->woken, 0);
	connect_signer(&f);
	assert_true(hear(&f) == id);
	signer_dies(&f);
	assert_int_equal(a->woken, 1);
	go_on(a);
	assert_int_equal(a->result, 0);
	end(a);
	stop(&f);
}

/* What no signer says costs the channel, nothing else. */
static void
wrong_answers(void **state)
{
	struct fixture f;
	struct waiter *a;
	struct buf b = BUF_INIT;
	char byte;

	(void)state;
	start(&f, true);
	a = begin(&f);
	assert_true(hear(&f) != 0);
	buf_put_u8(&b, 1);
	assert_int_equal(chan_send(f.fd, PROTO_SIGNED, 0, &b, -1, NULL), 0);
	turn(&f);
	assert_int_equal(read(f.fd, &byte, 1), 0);
	close(f.fd);
	connect_signer(&f);
	assert_true(hear(&f) != 0);
	/* With a descriptor, which does not leak. */
	assert_int_equal(chan_send(f.fd, PROTO_SIGNED, 0, &b, f.fd, NULL), 0);
	turn(&f);
	assert_int_equal(read(f.fd, &byte, 1), 0);
	assert_int_equal(a->woken, 1);
	go_on(a);
	assert_int_equal(a->result, 0);
	buf_done(&b);
	end(a);
	stop(&f);
}

static void
answer_to_nobody(void **state)
{
	struct fixture f;
	struct waiter *a;
	uint64_t id;

	(void)state;
	start(&f, true);
	a = begin(&f);
	id = hear(&f);
	signing_give_up(f.signing, a);
	assert_int_equal(a->woken, 0);
	go_on(a);
	assert_int_equal(a->result, 0);
	end(a);
	answer(&f, id, 1);
	turn(&f);
	a = begin(&f);
	answer(&f, hear(&f), 1);
	turn(&f);
	go_on(a);
	assert_int_equal(a->result, 1);
	end(a);
	stop(&f);
}

/* The channel takes no more for a while; what waits goes when it does. */
static void
more_than_the_channel_holds(void **state)
{
	static struct waiter *all[SIGNING_WAITING_MAX];
	struct fixture f;
	struct waiter *refused;
	size_t done = 0;
	uint64_t id;

	(void)state;
	ASYNC_init_thread(SIGNING_WAITING_MAX + 1, 0);
	start(&f, true);
	for (size_t i = 0; i < SIGNING_WAITING_MAX; i++)
		all[i] = begin(&f);
	refused = begin(&f);
	assert_int_equal(refused->result, 0);
	end(refused);
	for (int i = 0; i < 100 && done < SIGNING_WAITING_MAX; i++) {
		while ((id = hear(&f)) != 0) {
			answer(&f, id, 1);
			turn(&f);
			done++;
		}
		turn(&f);
	}
	assert_int_equal(done, SIGNING_WAITING_MAX);
	for (size_t i = 0; i < SIGNING_WAITING_MAX; i++) {
		go_on(all[i]);
		assert_int_equal(all[i]->result, 1);
		end(all[i]);
	}
	stop(&f);
}

static void
only_in_a_job(void **state)
{
	struct proto_sign question = { .len = 0 };
	struct proto_signed out;
	struct fixture f;

	(void)state;
	start(&f, true);
	assert_false(signing_ask(f.signing, &question, &out));
	assert_true(hear(&f) == 0);
	stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(several_in_a_turn),
		cmocka_unit_test(is_brief),
		cmocka_unit_test(waits_for_a_signer),
		cmocka_unit_test(asks_twice),
		cmocka_unit_test(wrong_answers),
		cmocka_unit_test(answer_to_nobody),
		cmocka_unit_test(more_than_the_channel_holds),
		cmocka_unit_test(only_in_a_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
