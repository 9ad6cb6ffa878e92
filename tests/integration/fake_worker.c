/* SPDX-License-Identifier: MIT */
/*
 * A worker that misbehaves on demand, put beside a copy of wssd as
 * `wssd-worker' (fake.py).  It speaks the protocol of common/proto.h and
 * nothing else: whoever connects is told its slot and pid, and is held until
 * it drains.
 *
 * What it does wrong stands in the config it is given: the words of the
 * first line `text = ...', separated by blanks.  `word@1' is for slot 1 only.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/chan.h"
#include "common/err.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/proto.h"

#define CHAN 3
#define FDS_MAX 1024

struct fake {
	unsigned slot;
	struct metrics *cell;
	char words[1024];		/* of the config that is committed */
	char pending[1024];
	uint32_t generation, pending_generation;
	bool committed, draining;
	struct {
		struct proto_listener who;
		int fd;
		bool in_use;
	} listeners[FDS_MAX];
	size_t n_listeners;
	int clients[FDS_MAX];
	size_t n_clients;
};

/* Is the word, or word@SLOT, among the words? */
static bool
told(const struct fake *f, const char *words, const char *word)
{
	char copy[1024], own[64], *rest = copy, *item;

	snprintf(copy, sizeof(copy), "%s", words);
	snprintf(own, sizeof(own), "%s@%u", word, f->slot);
	while ((item = strsep(&rest, " ")) != NULL)
		if (strcmp(item, word) == 0 || strcmp(item, own) == 0)
			return true;
	return false;
}

static void
say(uint16_t type, uint32_t generation, struct buf *payload, int fd)
{
	if (chan_send(CHAN, type, generation, payload, fd, NULL) != 0)
		exit(0);
	if (payload != NULL)
		buf_done(payload);
}

static void
say_text(uint16_t type, uint32_t generation, const char *text)
{
	struct buf b = BUF_INIT;

	proto_failed_put(&b, text);
	say(type, generation, &b, -1);
}

static void
say_hello(const char *version)
{
	struct proto_hello hello = { .libraries = "none" };
	struct buf b = BUF_INIT;

	snprintf(hello.version, sizeof(hello.version), "%s", version);
	proto_hello_put(&b, &hello);
	say(PROTO_HELLO, 0, &b, -1);
}

/* --- connections ----------------------------------------------------------- */

static void
accept_one(struct fake *f, int listener)
{
	char text[64];
	int fd = accept(listener, NULL, NULL), n;

	if (fd < 0 || f->n_clients == FDS_MAX)
		return;
	n = snprintf(text, sizeof(text), "slot %u pid %d generation %u\n",
	    f->slot, (int)getpid(), f->generation);
	(void)!send(fd, text, (size_t)n, MSG_NOSIGNAL);
	f->clients[f->n_clients++] = fd;
	metrics_add(&f->cell->accepted, 1);
	metrics_add(&f->cell->open, 1);
}

static void
close_all(struct fake *f)
{
	for (size_t i = 0; i < f->n_listeners; i++)
		close(f->listeners[i].fd);
	for (size_t i = 0; i < f->n_clients; i++)
		close(f->clients[i]);
	f->n_listeners = f->n_clients = 0;
}

static void
unlisten(struct fake *f, const struct proto_listener *who)
{
	for (size_t i = 0; i < f->n_listeners; i++) {
		if (strcmp(f->listeners[i].who.listen, who->listen) != 0 ||
		    strcmp(f->listeners[i].who.address, who->address) != 0 ||
		    f->listeners[i].who.lent_slot != who->lent_slot)
			continue;
		close(f->listeners[i].fd);
		f->listeners[i] = f->listeners[--f->n_listeners];
		return;
	}
	fprintf(stderr, "fake: UNLISTEN of an unknown socket\n");
	exit(9);
}

/* --- what it is told ---------------------------------------------------------- */

static void
read_words(int fd, char *out, size_t size)
{
	static char text[1 << 20];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *at = NULL;

	out[0] = '\0';
	for (ssize_t i = 0; i + 7 < n && at == NULL; i++)
		if (memcmp(text + i, "text = ", 7) == 0)
			at = text + i + 7;
	if (at != NULL)
		snprintf(out, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static void
on_prepare(struct fake *f, struct chan_message *m)
{
	read_words(m->fd, f->pending, sizeof(f->pending));
	f->pending_generation = m->generation;
	/* A real one says it at once; this one must know its part first. */
	if (!f->committed && !told(f, f->pending, "no-hello"))
		say_hello(told(f, f->pending, "old-version") ? "0.0.9" :
		    WSSD_VERSION);
	if (told(f, f->pending, "exit-in-prepare"))
		_exit(5);
	if (told(f, f->pending, "silent"))
		return;
	if (told(f, f->pending, "fail")) {
		say_text(PROTO_FAILED, m->generation,
		    "wssd.ini:1: the fake worker refuses\n"
		    "wssd.ini:2: and once more");
		f->pending_generation = 0;
		return;
	}
	if (told(f, f->pending, "wrong-generation")) {
		say_text(PROTO_READY, m->generation + 7, "");
		return;
	}
	say_text(PROTO_READY, m->generation,
	    told(f, f->pending, "warn") ? "the certificate expires\n" :
	    told(f, f->pending, "warn-terminal") ?
	    "the \"\xc3\xa9\" expires\nand \xc2\x9b" "2J\nand \x1b[2J\n" : "");
	if (told(f, f->pending, "ready-twice"))
		say_text(PROTO_READY, m->generation, "");
}

static void
crash(struct fake *f)
{
	snprintf(f->cell->routes[0].name, METRICS_NAME, "/chat");
	metrics_set(&f->cell->running_route, 1);
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

/* Things no master expects from a worker that serves. */
static void
misbehave(struct fake *f)
{
	static const struct {
		const char *word;
		uint16_t type;
	} messages[] = {
		{ "say-hello", PROTO_HELLO }, { "say-commit", PROTO_COMMIT },
		{ "say-drained", PROTO_DRAINED }, { "say-pong", PROTO_PONG },
		{ "say-answer", PROTO_ANSWER }, { "say-nothing", 0 },
		{ "say-65535", 65535 }, { "say-failed", PROTO_FAILED },
	};

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (told(f, f->words, messages[i].word))
			say(messages[i].type, 0, NULL, -1);
	if (told(f, f->words, "say-fd"))
		say(PROTO_DRAINED, 0, NULL, 0);
	if (told(f, f->words, "say-junk"))
		(void)!send(CHAN, "junk", 4, 0);
	if (told(f, f->words, "exit"))
		_exit(7);
	if (told(f, f->words, "crash"))
		crash(f);
	if (told(f, f->words, "close-channel")) {
		close(CHAN);
		pause();
	}
	if (told(f, f->words, "hang")) {
		signal(SIGABRT, SIG_IGN);
		for (;;)
			pause();
	}
}

static void
on_commit(struct fake *f, struct chan_message *m)
{
	if (m->generation != f->pending_generation &&
	    m->generation != f->generation)
		exit(9);
	if (m->generation == f->pending_generation) {
		memcpy(f->words, f->pending, sizeof(f->words));
		f->generation = m->generation;
		f->pending_generation = 0;
		metrics_set(&f->cell->generation, f->generation);
	}
	for (size_t i = 0; i < f->n_listeners; i++)
		f->listeners[i].in_use = true;
	f->committed = true;
	misbehave(f);
}

static void
on_query(struct fake *f, struct chan_message *m)
{
	struct proto_answer a = { 0 };
	struct proto_query q;
	struct buf b = BUF_INIT, text = BUF_INIT;

	if (!proto_query_get(&m->payload, &q))
		exit(9);
	if (told(f, f->words, "no-answer"))
		return;
	/* Three pages of two connections each. */
	for (unsigned i = 1; i <= 2; i++)
		buf_printf(&text, "{\"id\":\"%u-%llu\"}\n", f->slot,
		    (unsigned long long)q.after + i);
	if (told(f, f->words, "answer-junk"))
		buf_printf(&text, "{\"id\":junk\n");
	while (told(f, f->words, "answer-endless") &&
	    text.len < CHAN_PAYLOAD_MAX / 2)
		buf_printf(&text, "{\"id\":\"\"}\n");
	if (told(f, f->words, "answer-half"))
		buf_printf(&text, "{\"id\":\"x\"}");
	a.id = told(f, f->words, "answer-zero") ? 0 :
	    told(f, f->words, "answer-other") ? q.id + 1 : q.id;
	a.last = told(f, f->words, "answer-loop") ? q.after : q.after + 2;
	a.more = q.after < 4 || told(f, f->words, "answer-endless");
	a.text = text.data;
	a.text_len = text.len;
	proto_answer_put(&b, &a);
	say(PROTO_ANSWER, 0, &b, -1);
	buf_done(&text);
}

static void
on_drain(struct fake *f, struct chan_message *m)
{
	struct proto_drain d;

	if (!proto_drain_get(&m->payload, &d))
		exit(9);
	f->draining = true;
	if (told(f, f->words, "ignore-drain"))
		return;
	/* A window keeps the clients; a second DRAIN without one does not. */
	if (d.window_ms > 0 && f->n_clients > 0) {
		for (size_t i = 0; i < f->n_listeners; i++)
			close(f->listeners[i].fd);
		f->n_listeners = 0;
		return;
	}
	close_all(f);
	say(PROTO_DRAINED, 0, NULL, -1);
	exit(0);
}

static void
on_metrics(struct fake *f, struct chan_message *m)
{
	struct proto_metrics p;

	if (!proto_metrics_get(&m->payload, &p) ||
	    (f->cell = metrics_map_own(m->fd, NULL)) == NULL)
		exit(9);
	f->slot = p.slot;
}

static void
handle(struct fake *f, struct chan_message *m)
{
	struct buf b = BUF_INIT;

	switch (m->type) {
	case PROTO_METRICS:
		on_metrics(f, m);
		break;
	case PROTO_PREPARE:
		on_prepare(f, m);
		break;
	case PROTO_LISTENER:
		if (f->n_listeners == FDS_MAX || !proto_listener_get(
		    &m->payload, &f->listeners[f->n_listeners].who))
			exit(9);
		f->listeners[f->n_listeners].in_use = false;
		f->listeners[f->n_listeners++].fd = m->fd;
		m->fd = -1;
		break;
	case PROTO_UNLISTEN: {
		struct proto_listener who;

		if (!proto_listener_get(&m->payload, &who))
			exit(9);
		unlisten(f, &who);
		break;
	}
	case PROTO_COMMIT:
		on_commit(f, m);
		break;
	case PROTO_ABORT:
		f->pending_generation = 0;
		break;
	case PROTO_PING:
		buf_put_u64(&b, reader_u64(&m->payload));
		say(PROTO_PONG, 0, &b, -1);
		break;
	case PROTO_QUERY:
		on_query(f, m);
		break;
	case PROTO_DRAIN:
		on_drain(f, m);
		break;
	default:
		break;
	}
	if (m->fd >= 0)
		close(m->fd);
}

static void
turn(struct fake *f)
{
	static uint8_t room[CHAN_PAYLOAD_MAX];
	struct pollfd fds[FDS_MAX + 1] = { { CHAN, POLLIN, 0 } };
	struct chan_message m;
	size_t n = 1;
	int got;

	for (size_t i = 0; i < f->n_listeners; i++)
		if (f->listeners[i].in_use && !f->draining)
			fds[n++] = (struct pollfd){ f->listeners[i].fd,
			    POLLIN, 0 };
	if (poll(fds, n, -1) < 0)
		return;
	for (size_t i = 1; i < n; i++)
		if (fds[i].revents & POLLIN)
			accept_one(f, fds[i].fd);
	if ((fds[0].revents & (POLLIN | POLLHUP)) == 0)
		return;
	got = chan_recv(CHAN, room, &m, NULL);
	if (got < 0)
		exit(0);
	if (got > 0)
		handle(f, &m);
}

int
main(int argc, char **argv)
{
	static struct fake f;

	(void)argc, (void)argv;
	for (int sig = SIGHUP; sig <= SIGTERM; sig++)
		if (sig != SIGSEGV && sig != SIGABRT && sig != SIGKILL)
			signal(sig, SIG_IGN);
	for (;;)
		turn(&f);
}
