/* SPDX-License-Identifier: MIT */
/*
 * What the master says to one worker, in the order and the states that
 * common/proto.h draws.  Owns nothing.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/proto_connect.h"
#include "master/logfiles.h"
#include "master/proc_parts.h"
#include "master/signer.h"

static void
send_owned(struct proc *p, enum proto_type type, uint32_t generation,
    struct buf *payload, int fd, const struct outbox_owner *owner)
{
	struct err err = ERR_INIT;

	if (!p->chan_closed && outbox_send_owned(&p->outbox, (uint16_t)type,
	    generation, payload, fd, owner, &err) != 0)
		proc_on_broken(p, &err);
	if (payload != NULL)
		buf_wipe(payload);	/* it may be TICKETS */
}

static void
send_to(struct proc *p, enum proto_type type, uint32_t generation,
    struct buf *payload, int fd)
{
	send_owned(p, type, generation, payload, fd, NULL);
}

void
proc_send_peer(struct proc *p, unsigned slot, int cell_ro_fd)
{
	struct buf b = BUF_INIT;

	buf_put_u32(&b, slot);
	send_to(p, PROTO_PEER, 0, &b, cell_ro_fd);
}

static void
send_access_log(struct proc *p)
{
	const struct logfiles *l = p->world->access_log;
	struct proto_access_log m = { (uint8_t)l->format, l->json };
	struct buf b = BUF_INIT;

	proto_access_log_put(&b, &m);
	send_to(p, PROTO_ACCESS_LOG, 0, &b, l->fd);
}

void
proc_send_log(struct proc *p)
{
	struct proto_log m = { (uint8_t)p->world->logs->format,
		(uint8_t)p->world->logs->level };
	struct buf b = BUF_INIT;

	proto_log_put(&b, &m);
	send_to(p, PROTO_LOG, 0, &b, p->world->logs->fd);
	if (p->world->access_log != NULL)
		send_access_log(p);
}

void
proc_send_tickets(struct proc *p)
{
	struct buf b = BUF_INIT;

	/* A worker that only tries a config serves nobody. */
	if (p->world->tickets == NULL)
		return;
	proto_tickets_put(&b, p->world->tickets);
	send_to(p, PROTO_TICKETS, 0, &b, -1);
}

static void
send_metrics(struct proc *p)
{
	struct proto_metrics m = { p->slot, { p->world->hash_key[0],
		p->world->hash_key[1] } };
	struct buf b = BUF_INIT;

	proto_metrics_put(&b, &m);
	send_to(p, PROTO_METRICS, 0, &b, p->cell_fd);
	/* From now on it is the worker's alone to write. */
	close(p->cell_fd);
	p->cell_fd = -1;
}

void
proc_send_signer(struct proc *p, struct edition *edition)
{
	int fd = signer_channel(edition->signer);

	if (fd < 0) {
		proc_kill_because(p, "cannot be given a channel to the "
		    "signer: killed");
		return;
	}
	send_to(p, PROTO_SIGNER, edition->generation, NULL, fd);
	close(fd);
}

static void
keep_edition(void *edition)
{
	edition_ref(edition);
}

static void
release_edition(void *edition)
{
	edition_unref(edition);
}

/* With thousands of certificates a copy of each descriptor is too many. */
static void
send_edition(struct proc *p, struct edition *edition, bool strict)
{
	struct outbox_owner owner = { edition, keep_edition,
		release_edition };
	struct proto_prepare m = { strict };
	struct buf b = BUF_INIT;

	if (edition->signer != NULL)
		proc_send_signer(p, edition);
	for (size_t i = 0; i < edition->files.n; i++) {
		const struct file *f = &edition->files.items[i];
		int fd = edition_worker_fd(edition, f);

		if (fd < 0)
			continue;
		buf_put_str(&b, f->path);
		send_owned(p, PROTO_FILE, edition->generation, &b, fd, &owner);
	}
	proto_prepare_put(&b, &m);
	send_to(p, PROTO_PREPARE, edition->generation, &b,
	    edition->bundle_fd);
	p->pending = edition_ref(edition);
}

void
proc_prepare(struct proc *p, struct edition *edition)
{
	ASSERT(p->state == PROC_RUNNING && p->pending == NULL);
	p->state = PROC_PREPARING;
	send_edition(p, edition, false);
}

static void
put_listener(struct buf *b, const struct listen_row *row, unsigned slot)
{
	struct proto_listener m = { .lent_slot = slot };

	snprintf(m.listen, sizeof(m.listen), "%s", row->name);
	snprintf(m.address, sizeof(m.address), "%s", row->listener->text);
	proto_listener_put(b, &m);
}

/* A socket that all slots share needs no lending: it is its own, too. */
static bool
has_already(const struct proc *p, const struct listen_row *row, unsigned slot)
{
	return slot != p->slot && listener_is_shared(row->listener);
}

void
proc_listen(struct proc *p, const struct listen_row *row, unsigned slot)
{
	struct buf b = BUF_INIT;

	if (has_already(p, row, slot))
		return;
	put_listener(&b, row, slot);
	send_to(p, PROTO_LISTENER, 0, &b, listener_fd(row->listener, slot));
}

void
proc_unlisten(struct proc *p, const struct listen_row *row, unsigned slot)
{
	struct buf b = BUF_INIT;

	if (has_already(p, row, slot))
		return;
	put_listener(&b, row, slot);
	send_to(p, PROTO_UNLISTEN, 0, &b, -1);
}

void
proc_commit(struct proc *p)
{
	ASSERT(p->state == PROC_READY || p->state == PROC_PREPARED);
	edition_unref(p->in_use);
	p->in_use = p->pending;
	p->pending = NULL;
	if (p->state == PROC_READY)
		p->running_ms = proc_now_ms();
	p->state = PROC_RUNNING;
	proc_commit_again(p);
}

void
proc_commit_again(struct proc *p)
{
	send_to(p, PROTO_COMMIT, p->in_use->generation, NULL, -1);
}

void
proc_forget_pending(struct proc *p)
{
	p->aborted = p->pending->generation;
	edition_unref(p->pending);
	p->pending = NULL;
}

void
proc_abort(struct proc *p)
{
	if (p->state != PROC_PREPARING && p->state != PROC_PREPARED)
		return;
	send_to(p, PROTO_ABORT, p->pending->generation, NULL, -1);
	proc_forget_pending(p);
	p->state = PROC_RUNNING;
}

void
proc_drain(struct proc *p, uint32_t code, uint64_t window_ms,
    uint64_t timeout_ms, const char *reason)
{
	/* Most of the time it has; the rest is for its own end. */
	struct proto_drain m = { code,
		(uint32_t)(window_ms < UINT32_MAX ? window_ms : UINT32_MAX),
		(uint32_t)(timeout_ms < UINT32_MAX ? timeout_ms * 3 / 4 :
		UINT32_MAX), "" };
	struct buf b = BUF_INIT;

	if (p->state == PROC_KILLED)
		return;
	proc_abort(p);
	snprintf(m.reason, sizeof(m.reason), "%s", reason);
	proto_drain_put(&b, &m);
	p->state = PROC_DRAINING;
	send_to(p, PROTO_DRAIN, 0, &b, -1);
	if (!p->chan_closed)
		proc_set_deadline(p, window_ms + timeout_ms);
}

void
proc_tell_ping(struct proc *p)
{
	struct buf b = BUF_INIT;

	buf_put_u64(&b, p->ping_id);
	send_to(p, PROTO_PING, 0, &b, -1);
}

void
proc_tell_connected(struct proc *p, const struct proto_connected *m, int fd)
{
	struct buf b = BUF_INIT;

	proto_connected_put(&b, m);
	send_to(p, PROTO_CONNECTED, 0, &b, fd);
}

void
proc_query(struct proc *p, uint32_t id, uint64_t after)
{
	struct proto_query m = { id, after };
	struct buf b = BUF_INIT;

	proto_query_put(&b, &m);
	p->queries_open++;
	p->last_query = id;
	send_to(p, PROTO_QUERY, 0, &b, -1);
}

void
proc_tell_world(struct proc *p, struct edition *edition, bool strict)
{
	send_metrics(p);
	if (p->world->board_fd >= 0)
		send_to(p, PROTO_BOARD, 0, NULL, p->world->board_fd);
	proc_send_log(p);
	proc_send_tickets(p);
	send_edition(p, edition, strict);
}
