/* SPDX-License-Identifier: MIT */
/*
 * Owns the channel to the master and what a PREPARE builds until it is
 * committed.  What the master may not say ends the worker: its state is
 * then unknown.  The end of the channel means that the master is gone.
 */
#include "worker/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "common/alloc.h"
#include "common/chan.h"
#include "common/config_receive.h"
#include "common/log.h"
#include "common/proto.h"
#include "common/proto_connect.h"
#include "common/receive.h"
#include "worker/accept.h"
#include "worker/confine.h"
#include "worker/conn.h"
#include "worker/fetched.h"
#include "worker/query.h"
#include "worker/signing.h"
#include "worker/worker.h"

/* ---- starting --------------------------------------------------------- */

static bool
on_metrics(struct worker *w, struct chan_message *m)
{
	struct proto_metrics p;
	struct err err;
	char tag[16];

	if (m->fd == -1 || w->metrics != NULL ||
	    !proto_metrics_get(&m->payload, &p))
		return false;
	w->metrics = metrics_map_own(m->fd, &err);
	if (w->metrics == NULL)
		fatal("%s", err.text);
	w->slot = p.slot;
	conns_start_ids(w);
	limits_init(&w->limits, w->metrics, p.hash_key);
	snprintf(tag, sizeof(tag), "w%u", w->slot);
	log_set_tag(tag);
	return true;
}

static bool
on_peer(struct worker *w, struct chan_message *m)
{
	uint32_t slot = reader_u32(&m->payload);
	const struct metrics *cell;
	struct err err;

	if (m->fd == -1 || w->metrics == NULL || !reader_end(&m->payload))
		return false;
	cell = metrics_map_peer(m->fd, &err);
	if (cell == NULL)
		log_warn("%s", err.text);
	else
		limits_set_peer(&w->limits, slot, cell);
	return true;
}

static bool
on_board(struct worker *w, struct chan_message *m)
{
	struct err err = ERR_INIT;

	if (m->fd == -1 || w->board != NULL || !reader_end(&m->payload))
		return false;
	w->board = board_map(m->fd, &err);
	if (w->board == NULL)
		log_warn("%s", err.text);
	return true;
}

static bool
on_log(struct worker *w, struct chan_message *m)
{
	return receive_log(m, &w->log_fd);
}

static bool
on_access_log(struct worker *w, struct chan_message *m)
{
	struct proto_access_log p;

	if (!proto_access_log_get(&m->payload, &p))
		return false;
	accesslog_to(w, m->fd, (enum log_format)p.format, p.json);
	m->fd = -1;
	return true;
}

/* Replaces the keys; nothing of them stays in the buffer it came in. */
static bool
on_tickets(struct worker *w, struct chan_message *m)
{
	size_t len = m->payload.len;
	bool ok;

	OPENSSL_cleanse(&w->tickets, sizeof(w->tickets));
	ok = proto_tickets_get(&m->payload, &w->tickets);
	OPENSSL_cleanse(w->chan_room, len);
	return ok && m->fd == -1;
}

/* ---- preparing -------------------------------------------------------- */

static bool
on_file(struct worker *w, struct chan_message *m)
{
	return receive_file(m, &w->files);
}

static void
answer(struct worker *w, uint16_t type, unsigned generation, const char *text)
{
	struct buf payload = BUF_INIT;
	struct err err;

	proto_failed_put(&payload, text);
	if (chan_send(w->chan, type, generation, &payload, -1, &err) == -1)
		log_error("master: %s", err.text);
	buf_done(&payload);
}

/*
 * For the next PREPARE and its COMMIT; or the signer of the config in use was
 * started again.
 */
static bool
on_signer(struct worker *w, struct chan_message *m)
{
	if (m->fd == -1 || !reader_end(&m->payload))
		return false;
	if (w->snapshot != NULL && w->snapshot->generation == m->generation) {
		signing_connect(w->signing, m->fd);
	} else {
		if (w->signer_fd != -1)
			close(w->signer_fd);
		w->signer_fd = m->fd;
		w->signer_generation = m->generation;
	}
	m->fd = -1;
	return true;
}

static bool
has_signer(const struct worker *w, unsigned generation)
{
	return w->signer_fd != -1 && w->signer_generation == generation;
}

static bool
on_prepare(struct worker *w, struct chan_message *m)
{
	struct proto_prepare p;
	struct err err = ERR_INIT;
	struct buf warnings = BUF_INIT;
	struct config *config;

	if (m->fd == -1 || w->metrics == NULL || w->pending != NULL ||
	    !proto_prepare_get(&m->payload, &p))
		return false;
	config = config_receive(m->fd, &err);
	if (config != NULL && confine(w, config, &err) == -1) {
		config_unref(config);
		config = NULL;
	}
	if (config != NULL)
		w->pending = snapshot_new(w, config, m->generation,
		    w->snapshot, has_signer(w, m->generation) ?
		    w->signing : NULL, &w->files, &w->modules, p.strict,
		    &warnings, &err);
	files_done(&w->files);
	/* A module may have brought a provider. */
	fetched_forget();
	if (w->pending == NULL) {
		accept_abort(w);
		answer(w, PROTO_FAILED, m->generation, err.text);
	} else {
		buf_put_u8(&warnings, 0);
		answer(w, PROTO_READY, m->generation,
		    (const char *)warnings.data);
	}
	buf_done(&warnings);
	return true;
}

static bool
on_listener(struct worker *w, struct chan_message *m)
{
	struct proto_listener p;

	if (m->fd == -1 || !proto_listener_get(&m->payload, &p))
		return false;
	accept_prepare(w, &p, m->fd);
	m->fd = -1;
	return true;
}

static bool
on_commit(struct worker *w, struct chan_message *m)
{
	if (w->pending != NULL && w->pending->generation == m->generation) {
		snapshot_publish(w->pending, w->metrics);
		snapshot_unref(w->snapshot);
		w->snapshot = w->pending;
		w->pending = NULL;
		if (has_signer(w, m->generation)) {
			signing_connect(w->signing, w->signer_fd);
			w->signer_fd = -1;
		}
	} else if (w->snapshot == NULL ||
	    w->snapshot->generation != m->generation) {
		return false;
	}
	accept_commit(w);
	return true;
}

static bool
on_abort(struct worker *w, struct chan_message *m)
{
	(void)m;
	snapshot_unref(w->pending);
	w->pending = NULL;
	accept_abort(w);
	return true;
}

/* ---- in service ------------------------------------------------------- */

static bool
on_unlisten(struct worker *w, struct chan_message *m)
{
	struct proto_listener p;

	if (!proto_listener_get(&m->payload, &p))
		return false;
	accept_close(w, &p);
	return true;
}

static bool
on_ping(struct worker *w, struct chan_message *m)
{
	uint64_t number = reader_u64(&m->payload);
	struct buf payload = BUF_INIT;
	struct err err;

	if (!reader_end(&m->payload))
		return false;
	buf_put_u64(&payload, number);
	if (chan_send(w->chan, PROTO_PONG, 0, &payload, -1, &err) == -1)
		log_error("master: %s", err.text);
	buf_done(&payload);
	return true;
}

static bool
on_query(struct worker *w, struct chan_message *m)
{
	struct proto_query p;
	struct buf text = BUF_INIT, payload = BUF_INIT;
	struct proto_answer a;
	struct err err;

	if (!proto_query_get(&m->payload, &p))
		return false;
	a.id = p.id;
	query_connections(w, p.after, &text, &a.last, &a.more);
	a.text = text.data;
	a.text_len = text.len;
	proto_answer_put(&payload, &a);
	if (chan_send(w->chan, PROTO_ANSWER, 0, &payload, -1, &err) == -1)
		log_error("master: %s", err.text);
	buf_done(&payload);
	buf_done(&text);
	return true;
}

static bool
on_drain(struct worker *w, struct chan_message *m)
{
	struct proto_drain p;

	if (!proto_drain_get(&m->payload, &p))
		return false;
	drain_start(w, &p);
	return true;
}

static bool
on_connected(struct worker *w, struct chan_message *m)
{
	struct proto_connected p;

	if (!proto_connected_get(&m->payload, &p) ||
	    w->outbounds->n_asked == 0)
		return false;
	outbounds_connected(w->outbounds, &p, m->fd);
	m->fd = -1;
	return true;
}

static const struct {
	bool (*handle)(struct worker *, struct chan_message *);
} messages[PROTO_TYPES] = {
	[PROTO_METRICS] = { on_metrics },
	[PROTO_PEER] = { on_peer },
	[PROTO_BOARD] = { on_board },
	[PROTO_LOG] = { on_log },
	[PROTO_ACCESS_LOG] = { on_access_log },
	[PROTO_TICKETS] = { on_tickets },
	[PROTO_FILE] = { on_file },
	[PROTO_SIGNER] = { on_signer },
	[PROTO_PREPARE] = { on_prepare },
	[PROTO_LISTENER] = { on_listener },
	[PROTO_COMMIT] = { on_commit },
	[PROTO_ABORT] = { on_abort },
	[PROTO_UNLISTEN] = { on_unlisten },
	[PROTO_PING] = { on_ping },
	[PROTO_QUERY] = { on_query },
	[PROTO_DRAIN] = { on_drain },
	[PROTO_CONNECTED] = { on_connected },
};

/* ---- the channel ------------------------------------------------------ */

/*
 * The master is gone: its port must be free soon, so the listeners close at
 * once; the clients still get their Close.
 */
static void
on_master_gone(struct worker *w)
{
	struct proto_drain p = {
		.code = WS_CLOSE_GOING_AWAY,
		.window_ms = 0,
		.timeout_ms = 10000,
		.reason = "server stopping",
	};

	link_stop(w);
	if (w->snapshot == NULL) {
		event_base_loopbreak(w->base);
		return;
	}
	log_warn("the master is gone: closing");
	p.timeout_ms = (uint32_t)w->snapshot->config->daemon.stop_timeout_ms;
	/* A handler that loops must not make an orphan of us for ever. */
	alarm(p.timeout_ms / 1000 + 2);
	accept_close_all(w);
	drain_start(w, &p);
}

static void
handle(struct worker *w, struct chan_message *m)
{
	bool ok = false;

	if (m->type < PROTO_TYPES && messages[m->type].handle != NULL)
		ok = messages[m->type].handle(w, m);
	if (m->fd != -1)
		close(m->fd);
	if (!ok)
		fatal("the master sent %s where it may not, or broken",
		    proto_name(m->type));
}

static void
on_channel(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct chan_message m;
	struct err err;
	int rc;

	(void)fd;
	(void)what;
	worker_now(w);
	while (w->chan_event != NULL) {
		rc = chan_recv(w->chan, w->chan_room, &m, &err);
		if (rc == 0)
			return;
		if (rc < 0) {
			on_master_gone(w);
			return;
		}
		/* A client goes without its upstream, but without what the
		   master hands out there is no going on. */
		if (m.fd_lost && m.type != PROTO_CONNECTED) {
			log_error("no file descriptor is left for %s of the "
			    "master", proto_name(m.type));
			on_master_gone(w);
			return;
		}
		handle(w, &m);
	}
}

void
link_start(struct worker *w)
{
	struct proto_hello hello;
	struct buf payload = BUF_INIT;
	struct err err;

	memset(&hello, 0, sizeof(hello));
	snprintf(hello.version, sizeof(hello.version), "%s", WSSD_VERSION);
	snprintf(hello.libraries, sizeof(hello.libraries),
	    "%s, libevent %s", OpenSSL_version(OPENSSL_VERSION_STRING),
	    event_get_version());
	proto_hello_put(&payload, &hello);
	if (chan_send(w->chan, PROTO_HELLO, 0, &payload, -1, &err) == -1)
		fatal("master: %s", err.text);
	buf_done(&payload);
	w->chan_room = xmalloc(CHAN_PAYLOAD_MAX);
	w->chan_event = event_new(w->base, w->chan, EV_READ | EV_PERSIST,
	    on_channel, w);
	event_add(w->chan_event, NULL);
}

void
link_stop(struct worker *w)
{
	if (w->chan_event == NULL)
		return;
	event_free(w->chan_event);
	w->chan_event = NULL;
}

void
link_send_drained(struct worker *w)
{
	struct buf payload = BUF_INIT;
	struct err err;

	if (w->chan_event != NULL &&
	    chan_send(w->chan, PROTO_DRAINED, 0, &payload, -1, &err) == -1)
		log_error("master: %s", err.text);
}
