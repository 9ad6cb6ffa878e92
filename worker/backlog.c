/* SPDX-License-Identifier: MIT */
/* Owns the bytes and the event; sends nothing itself. */
#include "worker/backlog.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

struct backlog *
backlog_new(struct event_base *base, int fd, event_callback_fn fn, void *arg,
    const void *data, size_t len)
{
	struct backlog *b = xcalloc(1, sizeof(*b));

	event_assign(&b->event, base, fd, EV_WRITE | EV_PERSIST, fn, arg);
	event_add(&b->event, NULL);
	buf_put(&b->data, data, len);
	return b;
}

void
backlog_free(struct backlog *b)
{
	if (b == NULL)
		return;
	event_del(&b->event);
	buf_done(&b->data);
	free(b);
}

void
backlog_put(struct backlog *b, const void *data, size_t len)
{
	/* Moved to the front when half of it is gone: each byte once. */
	if (b->done > b->data.len / 2) {
		memmove(b->data.data, b->data.data + b->done,
		    b->data.len - b->done);
		b->data.len -= b->done;
		b->done = 0;
	}
	buf_put(&b->data, data, len);
}

void *
backlog_data(struct backlog *b)
{
	return b->data.data + b->done;
}

size_t
backlog_len(const struct backlog *b)
{
	return b == NULL ? 0 : b->data.len - b->done;
}

void
backlog_drop(struct backlog *b, size_t len)
{
	b->done += len;
}
