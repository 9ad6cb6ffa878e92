/* SPDX-License-Identifier: MIT */
/*
 * Owns the way of an outgoing WebSocket to its connected socket.  The master
 * makes it: this process must never need socket() or connect().
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/chan.h"
#include "common/proto_connect.h"
#include "worker/outbound.h"
#include "worker/tls_client.h"
#include "worker/worker.h"

/* CONNECTs that wait for the master at a time: its queue is not endless. */
#define ASKED_MAX 32
#define BUSY_RETRY_MS 20	/* a unix socket's queue was full */

static void
wait_for_place(struct wss_out *out)
{
	out->state = OUT_WAITING;
	list_append(&out->owner->waiting, &out->waiting);
}

void
outbound_stop_connecting(struct wss_out *out)
{
	list_remove(&out->waiting);
	if (out->connecting != NULL)
		event_free(out->connecting);
	out->connecting = NULL;
	if (out->fd != -1)
		close(out->fd);
	out->fd = -1;
}

static void
ask(struct wss_out *out)
{
	struct outbounds *o = out->owner;
	struct proto_connect m = { .id = ++o->last_id,
		.attempt = out->attempt };
	struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;
	int rc = -1;

	list_remove(&out->waiting);
	strncpy(m.endpoint, out->upstream->endpoint, sizeof(m.endpoint) - 1);
	proto_connect_put(&payload, &m);
	if (o->worker->chan_event != NULL)
		rc = chan_send(o->worker->chan, PROTO_CONNECT, 0, &payload,
		    -1, &err);
	buf_done(&payload);
	if (rc == -1) {
		outbound_fail(out, WSS_OUT_UNREACHABLE, "the master cannot "
		    "be asked");
		return;
	}
	o->n_asked++;
	out->id = m.id;
	list_append(&o->asked, &out->waiting);
	outbound_set_state(out, OUT_ASKED);
}

static void
ask_next(struct outbounds *o)
{
	while (o->n_asked < ASKED_MAX && !list_empty(&o->waiting))
		ask(LIST_ITEM(o->waiting.next, struct wss_out, waiting));
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct wss_out *out = arg;

	(void)fd;
	(void)what;
	worker_now(out->owner->worker);
	outbound_stop_connecting(out);
	wait_for_place(out);
	ask_next(out->owner);
}

static void
connect_failed(struct wss_out *out, int error)
{
	static const struct timeval retry = { 0, BUSY_RETRY_MS * 1000L };

	outbound_stop_connecting(out);
	if (error == EAGAIN) {
		out->connecting = evtimer_new(out->owner->worker->base,
		    on_retry, out);
		evtimer_add(out->connecting, &retry);
	} else if (out->attempt + 1 < out->addresses) {
		out->attempt++;
		wait_for_place(out);
	} else if (error == EPERM) {
		outbound_fail(out, WSS_OUT_UNREACHABLE,
		    "it is not in the configuration any more");
	} else {
		outbound_fail(out, WSS_OUT_UNREACHABLE, strerror(error));
	}
}

static void
become_stream(struct wss_out *out)
{
	struct worker *w = out->owner->worker;
	SSL_CTX *ctx = out->upstream->tls ? out->route->upstream_ctx : NULL;

	stream_init(&out->stream, w->transport, &w->bio, ctx, NULL,
	    out->fd);
	out->fd = -1;
	out->has_stream = true;
	out->stream.sock.outbound = true;
	sock_set_budgeted(&out->stream.sock, false);
	if (ctx != NULL)
		tls_client_start(out->stream.ssl, out->upstream->host);
	outbound_set_state(out, OUT_TLS);
	outbound_input(out);
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct wss_out *out = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	ASSERT(out->magic == OUT_MAGIC);
	worker_now(out->owner->worker);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		connect_failed(out, error);
		ask_next(out->owner);
		return;
	}
	event_free(out->connecting);
	out->connecting = NULL;
	become_stream(out);
}

/*
 * connect_timeout runs from here on, over all attempts: that the master was
 * busy is not the upstream's fault.
 */
static void
start_timer(struct wss_out *out)
{
	if (!evtimer_pending(out->timer, NULL))
		outbound_set_timer(out,
		    out->route->config->connect_timeout_ms);
}

void
outbounds_connected(struct outbounds *o, const struct proto_connected *m,
    int fd)
{
	struct wss_out *out = NULL;
	struct list *link, *next;

	o->n_asked--;
	LIST_EACH(link, next, &o->asked) {
		out = LIST_ITEM(link, struct wss_out, waiting);
		if (out->id == m->id)
			break;
		out = NULL;
	}
	if (out != NULL)
		start_timer(out);
	if (out == NULL) {
		/* It has died in the meantime. */
		if (fd != -1)
			close(fd);
	} else if (fd == -1) {
		out->addresses = m->addresses;
		connect_failed(out, m->error != 0 ? (int)m->error : EMFILE);
	} else {
		list_remove(&out->waiting);
		out->addresses = m->addresses;
		out->fd = fd;
		outbound_set_state(out, OUT_CONNECTING);
		out->connecting = event_new(o->worker->base, fd, EV_WRITE,
		    on_connected, out);
		event_add(out->connecting, NULL);
	}
	ask_next(o);
}

void
outbound_connect(struct wss_out *out)
{
	wait_for_place(out);
	ask_next(out->owner);
}
