/* SPDX-License-Identifier: MIT */
/* Owns queued messages and duplicates of the descriptors they carry. */
#include "master/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/chan.h"
#include "common/proto.h"

/*
 * A timer, not EV_WRITE: a socket whose queue has room again is reported,
 * but the limit of descriptors in flight (ETOOMANYREFS) has no event.
 */
static const struct timeval retry_after = { 0, 5000 };

struct letter {
	struct list link;
	uint16_t type;
	uint32_t generation;
	struct buf payload;
	int fd;
	struct outbox_owner owner;	/* of fd; NULLs: fd is our copy */
};

static void
letter_free(struct letter *l)
{
	list_remove(&l->link);
	buf_wipe(&l->payload);	/* it may be TICKETS */
	if (l->owner.release != NULL)
		l->owner.release(l->owner.owner);
	else if (l->fd >= 0)
		close(l->fd);
	free(l);
}

static bool
try_later(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK ||
	    error == ETOOMANYREFS || error == ENOBUFS;
}

/* Its end of file is still to be read, and its exit will say why. */
static bool
is_gone(int error)
{
	return error == EPIPE || error == ECONNRESET;
}

static void
clear(struct outbox *box)
{
	struct list *pos, *next;

	LIST_EACH(pos, next, &box->queue)
		letter_free(LIST_ITEM(pos, struct letter, link));
	box->n = box->bytes = 0;
}

static void
give_up(struct outbox *box, int error, const struct err *err)
{
	if (try_later(error)) {
		evtimer_add(box->retry, &retry_after);
		return;
	}
	clear(box);
	if (!is_gone(error))
		box->broken(box->arg, err);
}

static void
on_retry(evutil_socket_t unused, short what, void *arg)
{
	struct outbox *box = arg;
	struct err err = ERR_INIT;
	struct list *pos, *next;

	(void)unused, (void)what;
	LIST_EACH(pos, next, &box->queue) {
		struct letter *l = LIST_ITEM(pos, struct letter, link);

		if (chan_send(box->chan, l->type, l->generation, &l->payload,
		    l->fd, &err) != 0) {
			give_up(box, errno, &err);
			return;
		}
		box->n--;
		box->bytes -= l->payload.len;
		letter_free(l);
	}
}

static int
enqueue(struct outbox *box, uint16_t type, uint32_t generation,
    const struct buf *payload, int fd, const struct outbox_owner *owner,
    struct err *err)
{
	struct letter *l;
	int copy = owner != NULL ? fd : -1;

	if (box->n >= OUTBOX_MESSAGES_MAX || box->bytes >= OUTBOX_BYTES_MAX)
		return err_set(err, "cannot send %s: the worker does not read",
		    proto_name(type));
	if (fd >= 0 && owner == NULL) {
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return err_set_errno(err, "cannot send %s",
			    proto_name(type));
	}
	l = xcalloc(1, sizeof(*l));
	l->type = type;
	l->generation = generation;
	l->fd = copy;
	if (owner != NULL) {
		l->owner = *owner;
		owner->keep(owner->owner);
	}
	if (payload != NULL)
		buf_put(&l->payload, payload->data, payload->len);
	list_append(&box->queue, &l->link);
	box->n++;
	box->bytes += l->payload.len;
	if (box->n == 1)
		evtimer_add(box->retry, &retry_after);
	return 0;
}

void
outbox_init(struct outbox *box, struct event_base *base, int chan,
    void (*broken)(void *arg, const struct err *), void *arg)
{
	*box = (struct outbox){ .chan = chan, .broken = broken, .arg = arg };
	list_init(&box->queue);
	box->retry = evtimer_new(base, on_retry, box);
}

void
outbox_done(struct outbox *box)
{
	if (box->retry == NULL)
		return;
	clear(box);
	event_free(box->retry);
	box->retry = NULL;
}

int
outbox_send(struct outbox *box, uint16_t type, uint32_t generation,
    const struct buf *payload, int fd, struct err *err)
{
	return outbox_send_owned(box, type, generation, payload, fd, NULL,
	    err);
}

int
outbox_send_owned(struct outbox *box, uint16_t type, uint32_t generation,
    const struct buf *payload, int fd, const struct outbox_owner *owner,
    struct err *err)
{
	if (box->n == 0) {
		if (chan_send(box->chan, type, generation, payload, fd,
		    err) == 0)
			return 0;
		if (is_gone(errno))
			return 0;
		if (!try_later(errno))
			return -1;
	}
	return enqueue(box, type, generation, payload, fd, owner, err);
}
