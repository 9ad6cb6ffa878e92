/* SPDX-License-Identifier: MIT */
/*
 * One worker: a libevent loop between the channel to the master and its
 * clients.  Runs without privileges once its first config is prepared.
 */
#include "worker/worker.h"

#include <event2/event.h>
#include <fcntl.h>
#include <openssl/async.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "worker/accept.h"
#include "worker/ahead.h"
#include "worker/confine.h"
#include "worker/conn_parts.h"
#include "worker/link.h"
#include "worker/pool.h"
#include "worker/remote_key.h"
#include "worker/signing.h"
#include "worker/tls_bio.h"

#define TICKS_A_SECOND (1000 / WHEEL_TICK_MS)
#define DUE_AT_FIRST 4			/* deadlines: some 60 us, where each is a
					   ping */
#define TRIM_TICKS (10 * TICKS_A_SECOND)

void
worker_now(struct worker *w)
{
	struct timespec now;

	/* Some milliseconds of precision are enough for every deadline, and
	   this clock costs next to nothing. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	w->now_ms = (uint64_t)now.tv_sec * 1000 +
	    (uint64_t)now.tv_nsec / 1000000;
}

static void
on_due(struct wheel_entry *entry, void *arg)
{
	(void)arg;
	conn_on_timer(LIST_ITEM(entry, struct wss_conn, timer));
}

/*
 * Not all at once: who speaks would wait for the pings of all that are due in
 * this tick, and those of other workers on the same CPU too.  A few every
 * millisecond, and more each time, so that a thousand that end at the same
 * moment take a tenth of a second, and a hundred thousand one or two.
 */
static void
run_due(struct worker *w)
{
	static const struct timeval soon = { 0, 1000 };
	unsigned portion = DUE_AT_FIRST + w->due_portions / 4;

	if (!wheel_advance(&w->wheel, w->now_ms, portion, on_due, w)) {
		w->due_portions = 0;
		return;
	}
	w->due_portions++;
	evtimer_add(w->more_due, &soon);
}

static void
on_more_due(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	worker_now(w);
	run_due(w);
}

/* How late the tick is tells how long the loop was busy elsewhere. */
static void
note_lag(struct worker *w)
{
	uint64_t now = clock_us();
	uint64_t expected = w->tick_us + 1000ull * WHEEL_TICK_MS;

	if (w->tick_us != 0 && now > expected && now - expected > w->lag_us)
		w->lag_us = now - expected;
	w->tick_us = now;
	if (w->ticks % TICKS_A_SECOND == 0 && w->metrics != NULL) {
		metrics_set(&w->metrics->loop_lag_us, w->lag_us);
		w->lag_us = 0;
	}
}

/*
 * The master may not look into the /proc of a process in the sandbox, where
 * that is hidden (ProtectProc= of the unit).
 */
static void
note_memory(struct worker *w)
{
	unsigned long pages = 0;
	char text[128];
	ssize_t n;

	if (w->statm_fd == -1 || w->metrics == NULL)
		return;
	n = pread(w->statm_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%*u %lu", &pages) == 1)
		metrics_set(&w->metrics->rss_bytes, (uint64_t)pages *
		    (uint64_t)sysconf(_SC_PAGESIZE));
}

/* Whether others would have to wait for a signer on their CPU. */
static void
note_talk(struct worker *w)
{
	uint64_t messages;

	if (w->metrics == NULL)
		return;
	messages = metrics_get(&w->metrics->messages_in) +
	    metrics_get(&w->metrics->messages_out);
	signing_be_brief(w->signing, messages != w->messages);
	w->messages = messages;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	worker_now(w);
	w->ticks++;
	note_lag(w);
	note_talk(w);
	if (w->ticks % TICKS_A_SECOND == 0)
		note_memory(w);
	run_due(w);
	accept_tick(w);
	accesslog_tick(w);
	ratelog_tick(&w->ratelog, w->now_ms);
	confine_tick(w);
	if (w->ticks % TRIM_TICKS == 0) {
		outgoing_trim(&w->outgoing);
		ws_deflate_pool_trim(&w->deflate_pool);
		pool_trim();
		transport_trim(w->transport);
	}
	if (w->drain.on)
		drain_tick(w);
}

/* ---- the turn: clients, and servers --------------------------------------- */

static void
on_input(struct sock *sock)
{
	if (sock->outbound)
		outbounds_input(sock);
	else
		conns_input(sock);
}

static void
on_ahead(struct sock *sock, unsigned others)
{
	if (!sock->outbound)
		ahead_conn(LIST_ITEM(sock, struct wss_conn, stream.sock),
		    others);
}

static void
on_drained(struct sock *sock)
{
	if (sock->outbound)
		outbounds_drained(sock);
	else
		conns_drained(sock);
}

/* What one side is given may give work to the other. */
static void
on_turn_end(void *arg)
{
	struct worker *w = arg;

	do
		conns_turn_end(w);
	while (outbounds_turn_end(w->outbounds));
}

static void
on_turn_over(void *arg)
{
	struct worker *w = arg;

	conns_turn_over(w);
	accesslog_flush(w);
	outbounds_turn_over(w->outbounds);
	if (drain_over(w) && !outbounds_busy(w->outbounds)) {
		link_send_drained(w);
		event_base_loopbreak(w->base);
	}
}

static struct event_base *
base_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	/* One thread: no locks. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		fatal("libevent has no event base");
	return base;
}

static void
worker_init(struct worker *w, int chan)
{
	struct transport_ops ops = {
		.input = on_input,
		.ahead = on_ahead,
		.drained = on_drained,
		.turn_end = on_turn_end,
		.turn_over = on_turn_over,
		.arg = w,
	};
	struct timeval tick = { 0, 1000L * WHEEL_TICK_MS };

	memset(w, 0, sizeof(*w));
	worker_now(w);
	w->base = base_new();
	w->transport = transport_new(w->base, &ops);
	tls_bio_init(&w->bio);
	w->outbounds = outbounds_new(w);
	w->signing = signing_new(w->base);
	w->signer_fd = -1;
	w->remote_keys = remote_keys_new();
	/* Each handshake that waits for the signer has one. */
	ASYNC_init_thread(SIGNING_WAITING_MAX, 0);
	w->chan = chan;
	w->log_fd = -1;
	w->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	accesslog_init(&w->accesslog);
	w->reserve_fd = fcntl(chan, F_DUPFD_CLOEXEC, 0);
	list_init(&w->listening);
	list_init(&w->acceptors);
	conns_init(w);
	w->tick = event_new(w->base, -1, EV_PERSIST, on_tick, w);
	event_add(w->tick, &tick);
	w->more_due = evtimer_new(w->base, on_more_due, w);
}

static void
worker_done(struct worker *w)
{
	link_stop(w);
	accept_close_all(w);
	outbounds_free(w->outbounds);
	accesslog_done(w);
	snapshot_unref(w->pending);
	snapshot_unref(w->snapshot);
	OPENSSL_cleanse(&w->tickets, sizeof(w->tickets));
	signing_unref(w->signing);
	if (w->signer_fd != -1)
		close(w->signer_fd);
	modules_done(&w->modules);
	files_done(&w->files);
	limits_done(&w->limits);
	event_free(w->tick);
	event_free(w->more_due);
	transport_free(w->transport);
	event_base_free(w->base);
	tls_bio_done(&w->bio);
	remote_keys_free(w->remote_keys);
	conns_done(w);
	free(w->chan_room);
	close(w->reserve_fd);
	if (w->statm_fd != -1)
		close(w->statm_fd);
	metrics_unmap(w->metrics);
	board_unmap(w->board);
}

int
worker_run(int chan)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	worker_init(w, chan);
	link_start(w);
	event_base_dispatch(w->base);
	worker_done(w);
	free(w);
	return 0;
}
