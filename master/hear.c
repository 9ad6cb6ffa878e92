/* SPDX-License-Identifier: MIT */
/*
 * What one worker says.  Whatever it sends that it should not, or not now,
 * ends that worker, never the master.  Owns nothing.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/chan.h"
#include "common/log.h"
#include "common/proto_connect.h"
#include "common/str.h"
#include "master/connect.h"
#include "master/proc_parts.h"

#define MESSAGES_A_TURN 64
#define END_WITHIN_MS 2000	/* after the end of its channel */

static int
got_hello(struct proc *p, struct chan_message *m, struct err *err)
{
	struct proto_hello hello;
	char shown[128];

	if (!proto_hello_get(&m->payload, &hello))
		return err_set(err, "malformed");
	if (strcmp(hello.version, WSSD_VERSION) != 0)
		return err_set(err, "it is version %s, this is %s",
		    str_escape(hello.version, strlen(hello.version), shown,
		    sizeof(shown)), WSSD_VERSION);
	str_escape(hello.libraries, strlen(hello.libraries), p->libraries,
	    sizeof(p->libraries));
	p->state = PROC_GREETED;
	return 0;
}

/* The decision of before an ABORT, which has crossed with it. */
static bool
is_stale(const struct proc *p, const struct chan_message *m)
{
	return m->generation == p->aborted && p->aborted != 0;
}

/*
 * No control characters: neither those of ASCII nor U+0080 to U+009F, which
 * are commands to a terminal as well.
 */
static bool
is_printable(const char *line, size_t len)
{
	const unsigned char *p = (const unsigned char *)line;

	for (size_t i = 0; i < len; i++)
		if (p[i] < ' ' || p[i] == 0x7f || (p[i] == 0xc2 &&
		    i + 1 < len && p[i + 1] >= 0x80 && p[i + 1] <= 0x9f))
			return false;
	return str_is_utf8(line, len);
}

/* Printable lines only: they go to logs and terminals. */
static void
take_lines(struct proc *p, char *text)
{
	struct buf clean = BUF_INIT;
	char shown[1024], *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		size_t len = strlen(line);

		if (len == 0)
			continue;
		if (clean.len > 0)
			buf_put_u8(&clean, '\n');
		/* str_escape() quotes quotes, which are fine in here. */
		if (is_printable(line, len))
			buf_put(&clean, line, len);
		else
			buf_printf(&clean, "%s", str_escape(line, len, shown,
			    sizeof(shown)));
	}
	buf_put_u8(&clean, '\0');
	free(p->text);
	p->text = (char *)clean.data;
}

static int
get_verdict(struct proc *p, struct chan_message *m, struct err *err)
{
	struct proto_failed verdict;

	if (p->state != PROC_GREETED && p->state != PROC_PREPARING)
		return err_set(err, "nothing was asked");
	if (!proto_failed_get(&m->payload, &verdict))
		return err_set(err, "malformed");
	if (p->pending == NULL || m->generation != p->pending->generation)
		return err_set(err, "for generation %u, which was not asked",
		    m->generation);
	take_lines(p, verdict.text);
	return 0;
}

static int
got_ready(struct proc *p, struct chan_message *m, struct err *err)
{
	if (is_stale(p, m))
		return 0;
	if (get_verdict(p, m, err) != 0)
		return -1;
	if (p->state == PROC_GREETED)
		evtimer_del(p->deadline);
	p->state = p->state == PROC_GREETED ? PROC_READY : PROC_PREPARED;
	p->owner->ready(p->owner_arg, p);
	return 0;
}

static int
got_failed(struct proc *p, struct chan_message *m, struct err *err)
{
	if (is_stale(p, m))
		return 0;
	if (get_verdict(p, m, err) != 0)
		return -1;
	if (p->state == PROC_GREETED) {
		/* It never had anything to lose. */
		p->config_failed = true;
		proc_kill(p, SIGKILL);
		return 0;
	}
	proc_forget_pending(p);
	p->state = PROC_RUNNING;
	p->owner->refused(p->owner_arg, p);
	return 0;
}

static int
got_pong(struct proc *p, struct chan_message *m, struct err *err)
{
	uint64_t id = reader_u64(&m->payload);

	if (!reader_end(&m->payload) || p->ping_ms == 0 || id != p->ping_id)
		return err_set(err, "not to the PING that was sent");
	p->ping_ms = 0;
	return 0;
}

static int
got_answer(struct proc *p, struct chan_message *m, struct err *err)
{
	struct proto_answer answer;

	if (!proto_answer_get(&m->payload, &answer))
		return err_set(err, "malformed");
	/* 0 is the number of no query, which lists have that wait. */
	if (p->queries_open == 0 || answer.id == 0 ||
	    answer.id > p->last_query)
		return err_set(err, "nothing was asked");
	p->queries_open--;
	p->owner->answer(p->owner_arg, p, &answer);
	return 0;
}

static int
got_connect(struct proc *p, struct chan_message *m, struct err *err)
{
	struct proto_connect wanted;
	struct proto_connected result;
	int fd;

	if (!proto_connect_get(&m->payload, &wanted))
		return err_set(err, "malformed");
	fd = connect_upstream(p->in_use, p->pending, &wanted, &result);
	proc_tell_connected(p, &result, fd);
	if (fd >= 0)
		close(fd);
	return 0;
}

static int
got_drained(struct proc *p, struct chan_message *m, struct err *err)
{
	if (!reader_end(&m->payload))
		return err_set(err, "malformed");
	log_debug("%s has no connection left", p->name);
	return 0;
}

#define IN(state) (1u << PROC_##state)
#define LIVING (IN(RUNNING) | IN(PREPARING) | IN(PREPARED) | IN(DRAINING))

/* Whatever has no row, or comes in another state, kills the worker. */
static const struct {
	unsigned states;
	int (*handle)(struct proc *, struct chan_message *, struct err *);
} table[PROTO_TYPES] = {
	[PROTO_HELLO] = { IN(SPAWNED), got_hello },
	[PROTO_READY] = { IN(GREETED) | LIVING, got_ready },
	[PROTO_FAILED] = { IN(GREETED) | LIVING, got_failed },
	[PROTO_PONG] = { LIVING, got_pong },
	[PROTO_ANSWER] = { LIVING, got_answer },
	[PROTO_DRAINED] = { IN(DRAINING), got_drained },
	[PROTO_CONNECT] = { LIVING, got_connect },
};

static void
dispatch(struct proc *p, struct chan_message *m)
{
	struct err err = ERR_INIT;

	if (m->fd >= 0 || m->fd_lost) {
		if (m->fd >= 0)
			close(m->fd);
		proc_kill_because(p, "sent %s with a descriptor: killed",
		    proto_name(m->type));
	} else if (m->type >= PROTO_TYPES || table[m->type].handle == NULL ||
	    (table[m->type].states & 1u << p->state) == 0) {
		proc_kill_because(p, "sent %s (%u) when it is %s: killed",
		    proto_name(m->type), m->type, proc_state_name(p));
	} else if (table[m->type].handle(p, m, &err) != 0) {
		proc_kill_because(p, "sent a wrong %s (%s): killed",
		    proto_name(m->type), err.text);
	}
}

void
proc_on_channel(evutil_socket_t chan, short what, void *arg)
{
	uint8_t room[CHAN_PAYLOAD_MAX];
	struct proc *p = arg;
	struct chan_message m;
	struct err err = ERR_INIT;
	int got = 0;

	(void)what;
	for (int i = 0; i < MESSAGES_A_TURN && !p->chan_closed; i++) {
		got = chan_recv((int)chan, room, &m, &err);
		if (got == 0)
			return;
		if (got < 0)
			break;
		dispatch(p, &m);
	}
	if (p->chan_closed || got >= 0)
		return;
	if (got != CHAN_GONE) {
		proc_kill_because(p, "is killed: %s", err.text);
		return;
	}
	/* It ends; how, its exit status tells. */
	proc_close_chan(p);
	proc_set_deadline(p, END_WITHIN_MS);
}

void
proc_read_last_words(struct proc *p)
{
	uint8_t room[CHAN_PAYLOAD_MAX];
	struct chan_message m;
	struct err err = ERR_INIT;

	while (!p->chan_closed && (p->state == PROC_SPAWNED ||
	    p->state == PROC_GREETED) &&
	    chan_recv(p->child.chan, room, &m, &err) > 0) {
		if (m.type == PROTO_HELLO || m.type == PROTO_FAILED)
			dispatch(p, &m);
		else if (m.fd >= 0)
			close(m.fd);
	}
}
