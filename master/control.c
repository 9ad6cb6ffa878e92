/* SPDX-License-Identifier: MIT */
/*
 * Owns the control socket and its clients.  Who somebody is the kernel says
 * (SO_PEERCRED), who may do what the table in commands.c.
 */
#include "master/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/list.h"
#include "common/log.h"
#include "common/str.h"
#include "master/commands.h"
#include "master/master.h"
#include "master/request.h"

#define CLIENTS_MAX 32
#define BACKLOG 128
#define REQUEST_WITHIN_S 5
#define READ_WITHIN_S 10	/* an answer, or each piece of it */
#define UNSENT_LOW 32768
#define GROUPS_MAX 1024

struct control {
	struct master *master;
	int fd;
	struct event *accept_event;
	bool paused;			/* no descriptor was left */
	char *path;
	gid_t group;			/* may read; (gid_t)-1 = nobody */
	struct list clients;
	size_t n_clients;
};

struct client {
	struct list link;
	struct control *control;
	struct bufferevent *bev;
	struct event *deadline;
	bool may_write;
	bool asked;			/* the request has been read */
	bool ended;			/* the answer is complete */
	void (*gone)(void *arg);
	void *gone_arg;
	void (*drained)(void *arg);
	void *drained_arg;
};

json_t *
control_string(const char *text)
{
	char shown[1024];
	json_t *s = json_string(text);

	return s != NULL ? s : json_string(str_escape(text, strlen(text),
	    shown, sizeof(shown)));
}

/* --- one client ------------------------------------------------------------ */

static void
client_free(struct client *c)
{
	if (c->gone != NULL)
		c->gone(c->gone_arg);
	list_remove(&c->link);
	c->control->n_clients--;
	event_free(c->deadline);
	bufferevent_free(c->bev);
	free(c);
}

void
client_on_gone(struct client *c, void (*gone)(void *arg), void *arg)
{
	c->gone = gone;
	c->gone_arg = arg;
}

void
client_on_drained(struct client *c, void (*drained)(void *arg), void *arg)
{
	c->drained = drained;
	c->drained_arg = arg;
}

void
client_write(struct client *c, const void *data, size_t len)
{
	/* Allocation cannot fail, and so this cannot. */
	(void)bufferevent_write(c->bev, data, len);
}

size_t
client_unsent(const struct client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void
client_end(struct client *c)
{
	c->gone = NULL;
	c->drained = NULL;
	c->ended = true;
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	/* Freed by on_write when all is sent, which comes in any case. */
	bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

void
client_answer(struct client *c, json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT);

	json_decref(root);
	if (text != NULL) {
		client_write(c, text, strlen(text));
		client_write(c, "\n", 1);
		free(text);
	}
	client_end(c);
}

void
client_fail(struct client *c, int exit_code, const char *fmt, ...)
{
	char text[PROTO_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	client_answer(c, json_pack("{s:b, s:o, s:i}", "ok", 0, "error",
	    control_string(text), "exit", exit_code));
}

/* --- the request ------------------------------------------------------------ */

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(in);
	struct client *c = arg;
	struct request request;
	struct err err = ERR_INIT;
	int parsed = 0;

	/* The watermark lets no more than REQUEST_MAX bytes come together. */
	if (!c->asked) {
		parsed = request_parse(evbuffer_pullup(in, -1), len, &request,
		    &err);
		if (parsed == 0)
			return;
		c->asked = true;
		evtimer_del(c->deadline);
	}
	evbuffer_drain(in, len);
	if (parsed > 0)
		command_run(c->control->master, c, &request, c->may_write);
	else if (parsed < 0)
		client_fail(c, EXIT_USAGE, "%s", err.text);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if (c->ended) {
		if (client_unsent(c) == 0)
			client_free(c);
	} else if (c->drained != NULL) {
		c->drained(c->drained_arg);
	}
}

/*
 * An end of file from one who has asked is a `shutdown' behind the request:
 * he still wants the answer.
 */
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	if ((what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING) && c->asked) {
		bufferevent_disable(bev, EV_READ);
		return;
	}
	client_free(c);
}

static void
on_deadline(evutil_socket_t unused, short what, void *arg)
{
	struct client *c = arg;

	(void)unused, (void)what;
	c->asked = true;
	client_fail(c, EXIT_GENERIC, "no request came within %d s",
	    REQUEST_WITHIN_S);
}

/* --- who is it ---------------------------------------------------------------- */

static bool
is_in_group(int fd, gid_t primary, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (group == (gid_t)-1)
		return false;
	if (primary == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static int
identify(const struct control *control, int fd, bool *may_write_out)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -1;
	*may_write_out = cred.uid == 0 || cred.uid == geteuid();
	return *may_write_out || is_in_group(fd, cred.gid, control->group) ?
	    0 : -1;
}

/* One sentence to somebody who gets nothing else. */
static void
send_away(int fd, const char *error, int exit_code)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
	    "{\"ok\":false,\"error\":\"%s\",\"exit\":%d}\n", error,
	    exit_code);

	(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void
client_new(struct control *control, int fd, bool may_write)
{
	static const struct timeval request = { REQUEST_WITHIN_S, 0 };
	static const struct timeval answer = { READ_WITHIN_S, 0 };
	struct event_base *base = control->master->world.base;
	struct client *c = xcalloc(1, sizeof(*c));

	c->control = control;
	c->may_write = may_write;
	c->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->deadline = evtimer_new(base, on_deadline, c);
	evtimer_add(c->deadline, &request);
	list_append(&control->clients, &c->link);
	control->n_clients++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, REQUEST_MAX);
	bufferevent_setwatermark(c->bev, EV_WRITE, UNSENT_LOW, 0);
	bufferevent_set_timeouts(c->bev, NULL, &answer);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static void
on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct control *control = arg;
	bool may_write;
	int fd;

	(void)what;
	fd = accept4((int)listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			log_warn("the control socket rests: %s",
			    strerror(errno));
			control->paused = true;
			event_del(control->accept_event);
		}
		return;
	}
	if (identify(control, fd, &may_write) != 0)
		send_away(fd, "only root, the daemon's own user and its group "
		    "may talk to it", EXIT_DENIED);
	else if (control->n_clients >= CLIENTS_MAX)
		send_away(fd, "too many control clients at once",
		    EXIT_GENERIC);
	else
		client_new(control, fd, may_write);
}

void
control_tick(struct control *control)
{
	if (!control->paused)
		return;
	control->paused = false;
	event_add(control->accept_event, NULL);
}

/* --- the socket ------------------------------------------------------------------ */

/* The lock is held: a socket that stands there belongs to nobody. */
static int
listen_on(struct control *control, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	bool shared = control->group != (gid_t)-1;
	mode_t old_mask;
	int bound;

	if (strlen(control->path) >= sizeof(sun.sun_path))
		return err_set(err, "run_dir is too long for a socket: %s",
		    control->path);
	strcpy(sun.sun_path, control->path);
	if (unlink(control->path) != 0 && errno != ENOENT)
		return err_set_errno(err, "cannot remove the stale %s",
		    control->path);
	control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (control->fd < 0)
		return err_set_errno(err, "cannot make the control socket");
	old_mask = umask(0177);
	bound = bind(control->fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old_mask);
	if (bound != 0)
		return err_set_errno(err, "cannot bind %s", control->path);
	if (shared && ((geteuid() == 0 &&
	    chown(control->path, 0, control->group) != 0) ||
	    chmod(control->path, 0660) != 0))
		return err_set_errno(err, "cannot give %s to the group",
		    control->path);
	if (listen(control->fd, BACKLOG) != 0)
		return err_set_errno(err, "cannot listen on %s",
		    control->path);
	return 0;
}

struct control *
control_open(struct master *m, const char *group, struct err *err)
{
	struct control *control = xcalloc(1, sizeof(*control));
	struct group *gr;

	control->master = m;
	control->fd = -1;
	control->group = (gid_t)-1;
	control->path = xasprintf("%s/control.sock", m->rundir.path);
	list_init(&control->clients);
	/* As the unit of systemd does it: started as that very group. */
	gr = getgrnam(group);
	if (gr != NULL && (geteuid() == 0 || getegid() == gr->gr_gid))
		control->group = gr->gr_gid;
	if (listen_on(control, err) != 0) {
		control_close(control);
		return NULL;
	}
	control->accept_event = event_new(m->world.base, control->fd,
	    EV_READ | EV_PERSIST, on_accept, control);
	event_add(control->accept_event, NULL);
	return control;
}

void
control_close(struct control *control)
{
	struct list *pos, *next;

	if (control == NULL)
		return;
	LIST_EACH(pos, next, &control->clients)
		client_free(LIST_ITEM(pos, struct client, link));
	if (control->accept_event != NULL)
		event_free(control->accept_event);
	if (control->fd >= 0) {
		close(control->fd);
		unlink(control->path);
	}
	free(control->path);
	free(control);
}
