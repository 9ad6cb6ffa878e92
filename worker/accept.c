/* SPDX-License-Identifier: MIT */
/* Owns the worker's copies of the listening sockets. */
#include "worker/accept.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/log.h"
#include "worker/conn.h"
#include "worker/conn_client.h"
#include "worker/worker.h"

#define ACCEPTS_A_TURN 64
/* A socket that all workers share: the next one may be another's, who has
   less to do. */
#define SHARED_ACCEPTS_A_TURN 1

struct acceptor {
	struct list link;
	struct worker *worker;
	struct proto_listener who;
	struct event *event;		/* NULL until it is in use */
	struct metrics_listen *metrics;
	int fd;
	int accepts_a_turn;
	bool paused;			/* out of descriptors */
	bool told;			/* ... and the log says so */
};

/* "[listen name] address" of a lost connection, at most a few a second. */
static void
log_refused(struct worker *w, const struct addr *addr, const char *why)
{
	char address[ADDR_TEXT_MAX];

	if (!ratelog_ask(&w->ratelog, w->now_ms))
		return;
	addr_format(addr, address);
	log_warn("%s refused: %s", address, why);
}

/*
 * EMFILE: the waiting connection is taken with the descriptor kept for this,
 * and closed, so that its client knows; then there is a pause, in which
 * connections may end, instead of a spinning loop.
 */
static void
out_of_descriptors(struct acceptor *a)
{
	struct worker *w = a->worker;
	int fd;

	close(w->reserve_fd);
	fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd != -1) {
		metrics_add(&w->metrics->refused_emfile, 1);
		close(fd);
	}
	/* The channel is always there to be copied; there may be no files
	   in this worker's root. */
	w->reserve_fd = fcntl(w->chan, F_DUPFD_CLOEXEC, 0);
	if (!a->told)
		log_error("no descriptor is left (%zu connections): accepting "
		    "pauses until some have ended; raise LimitNOFILE or "
		    "lower max_connections_per_worker", w->n_conns);
	a->told = a->paused = true;
	event_del(a->event);
}

static void
set_options(int fd)
{
	int on = 1;

	/* What a turn wrote is complete: nothing to wait for. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
start(struct acceptor *a, int fd, const struct addr *addr)
{
	struct worker *w = a->worker;
	const struct config_listen *listen =
	    snapshot_listen(w->snapshot, a->who.listen);
	struct limits_place place;
	const char *limit = NULL;

	metrics_add(&w->metrics->accepted, 1);
	metrics_add(&a->metrics->accepted, 1);
	if (listen == NULL) {
		limit = "its [listen] has been removed";
	} else {
		conn_place(w, listen, addr, &place);
		/* A full service is one that somebody wants to look at. */
		if (listen->role != CONFIG_ADMIN)
			limit = limits_reached(&w->limits,
			    &w->snapshot->config->daemon, &place);
	}
	if (limit != NULL) {
		metrics_add(&w->metrics->refused_limit, 1);
		log_refused(w, addr, limit);
		close(fd);
		return;
	}
	if (!addr_is_unix(addr))
		set_options(fd);
	conn_new(w, fd, addr, &place, listen, a->metrics);
}

/* The path a client of a unix socket may have bound says nothing of it. */
static void
forget_path(struct addr *addr)
{
	addr->len = sizeof(addr->un.sun_family);
	addr->un.sun_path[0] = '\0';
}

static void
on_acceptable(evutil_socket_t unused, short what, void *arg)
{
	struct acceptor *a = arg;
	struct addr addr;
	int fd;

	(void)unused;
	(void)what;
	worker_now(a->worker);
	for (int i = 0; i < a->accepts_a_turn; i++) {
		addr.len = ADDR_ROOM;
		fd = accept4(a->fd, &addr.sa, &addr.len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			a->told = false;
			if (addr_is_unix(&addr))
				forget_path(&addr);
			start(a, fd, &addr);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			out_of_descriptors(a);
		/* Others are of that one connection: ECONNABORTED ... */
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

static void
acceptor_free(struct acceptor *a)
{
	list_remove(&a->link);
	if (a->event != NULL)
		event_free(a->event);
	close(a->fd);
	free(a);
}

void
accept_prepare(struct worker *w, const struct proto_listener *who, int fd)
{
	struct acceptor *a = xcalloc(1, sizeof(*a));

	a->worker = w;
	a->who = *who;
	a->fd = fd;
	a->accepts_a_turn = strncmp(who->address, "unix:", 5) == 0 ?
	    SHARED_ACCEPTS_A_TURN : ACCEPTS_A_TURN;
	list_append(&w->listening, &a->link);
}

static struct metrics_listen *
find_metrics(struct metrics *m, const char *name)
{
	size_t i = 0;

	while (i < METRICS_LISTENS - 1 &&
	    strcmp(m->listens[i].name, name) != 0)
		i++;
	return &m->listens[i];
}

void
accept_commit(struct worker *w)
{
	struct list *link, *next;

	LIST_EACH(link, next, &w->listening) {
		struct acceptor *a = LIST_ITEM(link, struct acceptor, link);

		a->metrics = find_metrics(w->metrics, a->who.listen);
		a->event = event_new(w->base, a->fd, EV_READ | EV_PERSIST,
		    on_acceptable, a);
		event_add(a->event, NULL);
		list_remove(&a->link);
		list_append(&w->acceptors, &a->link);
	}
}

static void
close_list(struct list *list)
{
	while (!list_empty(list))
		acceptor_free(LIST_ITEM(list->next, struct acceptor, link));
}

void
accept_abort(struct worker *w)
{
	close_list(&w->listening);
}

void
accept_close(struct worker *w, const struct proto_listener *who)
{
	struct list *link, *next;

	LIST_EACH(link, next, &w->acceptors) {
		struct acceptor *a = LIST_ITEM(link, struct acceptor, link);

		if (a->who.lent_slot == who->lent_slot &&
		    strcmp(a->who.listen, who->listen) == 0 &&
		    strcmp(a->who.address, who->address) == 0)
			acceptor_free(a);
	}
}

void
accept_close_all(struct worker *w)
{
	close_list(&w->acceptors);
	close_list(&w->listening);
}

void
accept_close_clients(struct worker *w)
{
	struct list *link, *next;

	close_list(&w->listening);
	LIST_EACH(link, next, &w->acceptors) {
		struct acceptor *a = LIST_ITEM(link, struct acceptor, link);
		const struct config_listen *listen =
		    snapshot_listen(w->snapshot, a->who.listen);

		if (listen == NULL || listen->role != CONFIG_ADMIN)
			acceptor_free(a);
	}
}

void
accept_last(struct worker *w)
{
	struct list *link, *next;

	LIST_EACH(link, next, &w->acceptors) {
		struct acceptor *a = LIST_ITEM(link, struct acceptor, link);

		if (!a->paused)
			on_acceptable(-1, EV_READ, a);
		acceptor_free(a);
	}
}

void
accept_tick(struct worker *w)
{
	struct list *link, *next;

	LIST_EACH(link, next, &w->acceptors) {
		struct acceptor *a = LIST_ITEM(link, struct acceptor, link);

		if (!a->paused)
			continue;
		a->paused = false;
		event_add(a->event, NULL);
	}
}
