/* SPDX-License-Identifier: MIT */
/*
 * Owns the signers: their processes, channels and restarts.
 *
 *   STARTING ─HELLO, READY─▶ RUNNING ─dies─▶ WAITING ─back-off─▶ STARTING
 *       │ FAILED, dies, silence: the verdict, and ENDING the first time, a
 *       ▼ death like any other later.  ENDING: also when the edition ends.
 */
#include "master/signer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/chan.h"
#include "common/log.h"
#include "common/str.h"
#include "master/logfiles.h"
#include "master/slot.h"

#define READY_WITHIN_MS 30000
#define GRACE_MS 5000		/* for handshakes of the edition before */
#define ENDING_MAX 3
#define ALIVE_MS 60000		/* after that long it was no failed start */

enum state { STARTING, RUNNING, WAITING, ENDING };

struct signer {
	struct list link;		/* in world->signers */
	struct proc_world *world;
	struct edition *edition;	/* whose it is; not a reference */
	void (*done)(void *arg, const struct signer_verdict *);
	void *arg;			/* done NULL: the verdict was given */
	enum state state;
	struct spawned child;		/* chan -1: closed; pid 0: none */
	struct event *exit_event, *chan_event, *timer;
	struct outbox outbox;
	bool greeted;
	unsigned failures, restarts;
	uint64_t running_ms;
	char *last_death;
	char name[48];			/* "signer (pid 123)" */
};

static void start_process(struct signer *);

bool
signer_is_needed(const struct config *config)
{
	return config->daemon.key_isolation && config->n_contexts > 0;
}

static void
set_timer(struct signer *s, uint64_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000),
		(suseconds_t)(ms % 1000 * 1000) };

	evtimer_add(s->timer, &tv);
}

/* ---- what is said to it ------------------------------------------------- */

static void
close_chan(struct signer *s)
{
	if (s->child.chan < 0)
		return;
	event_free(s->chan_event);
	s->chan_event = NULL;
	outbox_done(&s->outbox);
	close(s->child.chan);
	s->child.chan = -1;
}

static void
kill_because(struct signer *s, const char *what, const char *why)
{
	log_error("%s %s: %s", s->name, what, why);
	free(s->last_death);
	s->last_death = xasprintf("%s %s: %s", s->name, what, why);
	close_chan(s);
	spawn_signal(&s->child, SIGKILL);
}

static void
on_broken(void *arg, const struct err *err)
{
	kill_because(arg, "is lost", err->text);
}

static void
tell(struct signer *s, enum proto_type type, struct buf *payload, int fd)
{
	struct err err = ERR_INIT;

	if (s->child.chan >= 0 && outbox_send(&s->outbox, (uint16_t)type,
	    s->edition->generation, payload, fd, &err) != 0)
		on_broken(s, &err);
	if (payload != NULL)
		buf_done(payload);
}

static void
tell_log(struct signer *s)
{
	struct proto_log m = { (uint8_t)s->world->logs->format,
		(uint8_t)s->world->logs->level };
	struct buf b = BUF_INIT;

	proto_log_put(&b, &m);
	tell(s, PROTO_LOG, &b, s->world->logs->fd);
}

static void
tell_keys(struct signer *s)
{
	const struct files *files = &s->edition->files;
	struct proto_prepare m = { false };
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < files->n; i++) {
		if (files->items[i].code)
			continue;
		buf_put_str(&b, files->items[i].path);
		tell(s, PROTO_FILE, &b, files->items[i].fd);
	}
	proto_prepare_put(&b, &m);
	tell(s, PROTO_PREPARE, &b, s->edition->bundle_fd);
}

int
signer_channel(struct signer *s)
{
	int fds[2];

	if (chan_pair(fds, NULL) != 0)
		return -1;
	if (s->state == RUNNING)
		tell(s, PROTO_SIGNER, NULL, fds[0]);
	close(fds[0]);
	return fds[1];
}

static void
reconnect_workers(struct signer *s)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &s->world->procs) {
		struct proc *p = LIST_ITEM(pos, struct proc, link);

		if (p->in_use == s->edition || p->pending == s->edition)
			proc_send_signer(p, s->edition);
	}
}

/* ---- what it says, and its end ------------------------------------------ */

static void
give_verdict(struct signer *s, bool ok, bool config_failed, const char *text)
{
	struct signer_verdict v = { ok, config_failed, text };
	void (*done)(void *, const struct signer_verdict *) = s->done;

	s->done = NULL;
	if (done != NULL)
		done(s->arg, &v);
}

static int
got_ready(struct signer *s)
{
	evtimer_del(s->timer);
	s->state = RUNNING;
	s->running_ms = proc_now_ms();
	log_info("%s runs", s->name);
	reconnect_workers(s);
	give_verdict(s, true, false, "");
	return 0;
}

/* The master's own check was passed, so this is for the one who waits. */
static int
got_failed(struct signer *s, struct chan_message *m)
{
	struct proto_failed verdict;
	char shown[PROTO_TEXT_MAX];

	if (!proto_failed_get(&m->payload, &verdict))
		return -1;
	str_escape(verdict.text, strlen(verdict.text), shown, sizeof(shown));
	if (s->done == NULL) {
		kill_because(s, "has lost its keys", shown);
		return 0;
	}
	s->state = ENDING;
	close_chan(s);
	spawn_signal(&s->child, SIGKILL);
	give_verdict(s, false, true, verdict.text);
	return 0;
}

static int
got_hello(struct signer *s, struct chan_message *m)
{
	struct proto_hello hello;

	if (s->greeted || !proto_hello_get(&m->payload, &hello) ||
	    strcmp(hello.version, WSSD_VERSION) != 0)
		return -1;
	s->greeted = true;
	return 0;
}

static int
obey(struct signer *s, struct chan_message *m)
{
	if (m->fd >= 0) {
		close(m->fd);
		return -1;
	}
	if (m->type == PROTO_HELLO)
		return got_hello(s, m);
	if (!s->greeted || s->state != STARTING ||
	    m->generation != s->edition->generation)
		return -1;
	if (m->type == PROTO_READY)
		return got_ready(s);
	return m->type == PROTO_FAILED ? got_failed(s, m) : -1;
}

static void
on_channel(evutil_socket_t chan, short what, void *arg)
{
	uint8_t room[CHAN_PAYLOAD_MAX];
	struct signer *s = arg;
	struct chan_message m;
	struct err err = ERR_INIT;
	int got = chan_recv((int)chan, room, &m, &err);

	(void)what;
	if (got > 0 && obey(s, &m) != 0)
		kill_because(s, "sent a wrong message", proto_name(m.type));
	if (got == -1)
		kill_because(s, "is killed", err.text);
	if (got != CHAN_GONE)
		return;
	/* Why it ends, its exit status tells; but it has to end. */
	close_chan(s);
	spawn_signal(&s->child, SIGKILL);
}

static void
forget_process(struct signer *s)
{
	close_chan(s);
	event_free(s->exit_event);
	s->exit_event = NULL;
	close(s->child.pidfd);
	s->child.pid = 0;
	evtimer_del(s->timer);
}

static void
free_signer(struct signer *s)
{
	if (s->child.pid != 0)
		forget_process(s);
	list_remove(&s->link);
	event_free(s->timer);
	free(s->last_death);
	free(s);
}

static void
describe_end(struct signer *s, const siginfo_t *info)
{
	if (s->last_death != NULL && s->child.chan < 0 &&
	    strncmp(s->last_death, s->name, strlen(s->name)) == 0)
		return;		/* said when it was killed */
	free(s->last_death);
	s->last_death = info->si_code == CLD_EXITED ?
	    xasprintf("%s exited with code %d", s->name, info->si_status) :
	    xasprintf("%s died of signal %d (%s)", s->name, info->si_status,
	    strsignal(info->si_status));
	log_error("%s", s->last_death);
}

static void
back_off(struct signer *s)
{
	uint64_t ms;

	if (s->running_ms != 0 &&
	    proc_now_ms() - s->running_ms >= ALIVE_MS)
		s->failures = 0;
	ms = slot_backoff_ms(s->failures++);
	s->running_ms = 0;
	s->restarts++;
	s->state = WAITING;
	set_timer(s, ms);
}

static void
on_exit_event(evutil_socket_t unused, short what, void *arg)
{
	struct signer *s = arg;
	siginfo_t info = { 0 };

	(void)unused, (void)what;
	if (waitid(P_PID, (id_t)s->child.pid, &info, WEXITED | WNOHANG) == 0 &&
	    info.si_pid == 0)
		return;
	if (s->state != ENDING)
		describe_end(s, &info);
	forget_process(s);
	if (s->state == ENDING) {
		if (s->edition == NULL)
			free_signer(s);
	} else if (s->done != NULL) {
		s->state = ENDING;
		give_verdict(s, false, false, s->last_death);
	} else {
		back_off(s);
	}
}

static void
on_timer(evutil_socket_t unused, short what, void *arg)
{
	struct signer *s = arg;

	(void)unused, (void)what;
	switch (s->state) {
	case WAITING:
		start_process(s);
		break;
	case ENDING:
		if (s->child.pid == 0)
			free_signer(s);
		else
			spawn_signal(&s->child, SIGKILL);
		break;
	default:
		kill_because(s, "did not become ready", "killed");
		break;
	}
}

/* ---- life --------------------------------------------------------------- */

static int
spawn(struct signer *s, struct err *err)
{
	struct event_base *base = s->world->base;

	if (s->world->signer_fd < 0)
		return err_set(err, "cannot open wssd-signer beside this "
		    "program or in " WSSD_LIBEXECDIR);
	if (spawn_worker(s->world->signer_fd, "wssd-signer", &s->child,
	    err) != 0)
		return -1;
	snprintf(s->name, sizeof(s->name), "signer (pid %d)",
	    (int)s->child.pid);
	s->state = STARTING;
	s->greeted = false;
	s->chan_event = event_new(base, s->child.chan, EV_READ | EV_PERSIST,
	    on_channel, s);
	s->exit_event = event_new(base, s->child.pidfd, EV_READ | EV_PERSIST,
	    on_exit_event, s);
	event_add(s->chan_event, NULL);
	event_add(s->exit_event, NULL);
	outbox_init(&s->outbox, base, s->child.chan, on_broken, s);
	set_timer(s, READY_WITHIN_MS);
	tell_log(s);
	tell_keys(s);
	return 0;
}

static void
start_process(struct signer *s)
{
	struct err err = ERR_INIT;

	if (spawn(s, &err) == 0)
		return;
	log_error("the signer cannot be started: %s", err.text);
	back_off(s);
}

int
signer_start(struct proc_world *world, struct edition *edition,
    void (*done)(void *arg, const struct signer_verdict *), void *arg,
    struct err *err)
{
	struct signer *s = xcalloc(1, sizeof(*s));

	s->world = world;
	s->edition = edition;
	s->done = done;
	s->arg = arg;
	s->child.chan = -1;
	s->timer = evtimer_new(world->base, on_timer, s);
	list_append(&world->signers, &s->link);
	if (spawn(s, err) != 0) {
		free_signer(s);
		return -1;
	}
	edition->signer = s;
	return 0;
}

/* A storm of reloads leaves no crowd of them behind. */
static void
hurry_others(struct proc_world *world)
{
	struct list *pos, *next;
	unsigned n = 0;

	LIST_EACH(pos, next, &world->signers)
		n += LIST_ITEM(pos, struct signer, link)->state == ENDING;
	LIST_EACH(pos, next, &world->signers) {
		struct signer *s = LIST_ITEM(pos, struct signer, link);

		if (s->state != ENDING || n-- <= ENDING_MAX)
			continue;
		if (s->child.pid != 0)
			spawn_signal(&s->child, SIGKILL);
	}
}

void
signer_end(struct signer *s, bool at_once)
{
	bool running;

	if (s == NULL)
		return;
	running = s->state == RUNNING;
	s->state = ENDING;
	s->done = NULL;
	s->edition = NULL;
	if (s->child.pid == 0)
		set_timer(s, 0);
	else if (running && !at_once)
		set_timer(s, GRACE_MS);
	else
		spawn_signal(&s->child, SIGKILL);
	hurry_others(s->world);
}

void
signers_free(struct proc_world *world)
{
	while (!list_empty(&world->signers)) {
		struct signer *s = LIST_ITEM(world->signers.next,
		    struct signer, link);

		if (s->child.pid != 0)
			spawn_signal(&s->child, SIGKILL);
		free_signer(s);
	}
}

void
signers_send_log(struct proc_world *world)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &world->signers) {
		struct signer *s = LIST_ITEM(pos, struct signer, link);

		if (s->edition != NULL)
			tell_log(s);
	}
}

bool
signers_have(const struct proc_world *world, pid_t pid)
{
	struct list *pos;

	for (pos = world->signers.next; pos != &world->signers;
	    pos = pos->next)
		if (LIST_ITEM(pos, struct signer, link)->child.pid == pid)
			return true;
	return false;
}

struct signer_info
signer_info(const struct signer *s)
{
	return (struct signer_info){ s->child.pid, s->restarts,
		s->last_death };
}
