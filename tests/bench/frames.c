/* SPDX-License-Identifier: MIT */
/* Pure: bytes in, bytes out; no socket, no clock. */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define STAMP 8

/* Not random: the server cannot know, and the load need not pay. */
static const uint8_t mask[4] = { 0x5a, 0xc3, 0x17, 0x8e };

/* RFC 6455 section 5.2; the mask bit is the caller's. */
static size_t
put_head(uint8_t *to, uint8_t first, uint8_t mask_bit, size_t size)
{
	size_t n = 0, i;

	to[n++] = first;
	if (size < 126) {
		to[n++] = (uint8_t)(mask_bit | size);
	} else if (size < 65536) {
		to[n++] = (uint8_t)(mask_bit | 126);
		to[n++] = (uint8_t)(size >> 8);
		to[n++] = (uint8_t)size;
	} else {
		to[n++] = (uint8_t)(mask_bit | 127);
		for (i = 0; i < 8; i++)
			to[n++] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
	}
	return n;
}

/* Six bits a character, from '0' on: always ASCII. */
static void
make_stamp(uint32_t id, uint32_t seq, uint8_t out[static STAMP])
{
	int i;

	for (i = 0; i < 4; i++) {
		out[i] = (uint8_t)('0' + (id >> (6 * i) & 0x3f));
		out[4 + i] = (uint8_t)('0' + (seq >> (6 * i) & 0x3f));
	}
}

void
frames_init(struct frames *f, size_t size, bool binary)
{
	uint8_t first = binary ? 0x82 : 0x81;
	size_t i;

	f->size = size;
	f->stamp_len = size < STAMP ? size : STAMP;
	f->sent = xmalloc(size + 14);
	f->back = xmalloc(size + 10);
	f->sent_head = put_head(f->sent, first, 0x80, size);
	memcpy(f->sent + f->sent_head, mask, sizeof(mask));
	f->sent_head += sizeof(mask);
	f->back_head = put_head(f->back, first, 0, size);
	for (i = 0; i < size; i++) {
		f->back[f->back_head + i] = (uint8_t)('!' + i % 89);
		f->sent[f->sent_head + i] =
		    f->back[f->back_head + i] ^ mask[i % 4];
	}
	f->sent_len = f->sent_head + size;
	f->back_len = f->back_head + size;
}

void
frames_done(struct frames *f)
{
	free(f->sent);
	free(f->back);
	f->sent = f->back = NULL;
}

void
frames_put(const struct frames *f, uint32_t id, uint32_t seq, struct buf *to)
{
	uint8_t stamp[STAMP], *at;
	size_t i;

	buf_put(to, f->sent, f->sent_len);
	at = to->data + to->len - f->size;
	make_stamp(id, seq, stamp);
	for (i = 0; i < f->stamp_len; i++)
		at[i] = stamp[i] ^ mask[i % 4];
}

/* A control frame came whole. */
static int
on_control(struct frames_reader *r, struct buf *reply, struct err *err)
{
	static const uint8_t no_mask[4];
	size_t size = r->control_len - 2;

	switch (r->control[0]) {
	case 0x88:
		return err_set(err, "the server closed: %u %.*s",
		    size < 2 ? 1005 : r->control[2] << 8 | r->control[3],
		    size < 2 ? 0 : (int)size - 2, r->control + 4);
	case 0x89:
		r->pings++;
		buf_put_u8(reply, 0x8a);
		buf_put_u8(reply, (uint8_t)(0x80 | size));
		buf_put(reply, no_mask, sizeof(no_mask));
		buf_put(reply, r->control + 2, size);
		break;
	case 0x8a:
		break;
	default:
		return err_set(err, "an unknown control frame 0x%02x",
		    r->control[0]);
	}
	r->control_len = 0;
	return 0;
}

/* Control frames, which may stand between messages; returns what it took. */
static long
take_control(struct frames_reader *r, const uint8_t *data, size_t len,
    struct buf *reply, struct err *err)
{
	size_t taken = 0;

	while (taken < len) {
		r->control[r->control_len++] = data[taken++];
		if (r->control_len < 2)
			continue;
		if (r->control[1] > 125)
			return err_set(err, "a control frame of %u bytes",
			    r->control[1]);
		if (r->control_len == (size_t)2 + r->control[1]) {
			if (on_control(r, reply, err) < 0)
				return -1;
			break;
		}
	}
	return (long)taken;
}

/* What is left of one part (head, stamp, pattern) against what came. */
static bool
same(size_t *at, size_t from, size_t to, const uint8_t *want,
    const uint8_t **data, size_t *len)
{
	size_t n;

	if (*at < from || *at >= to || *len == 0)
		return true;
	n = to - *at < *len ? to - *at : *len;
	if (memcmp(*data, want + (*at - from), n) != 0)
		return false;
	*at += n;
	*data += n;
	*len -= n;
	return true;
}

int
frames_check(const struct frames *f, struct frames_reader *r,
    const uint8_t *data, size_t len, struct buf *reply,
    size_t *messages_out, struct err *err)
{
	size_t body = f->back_head + f->stamp_len;
	long taken;

	while (len > 0) {
		if (r->control_len > 0 || (r->at == 0 && data[0] & 0x08)) {
			taken = take_control(r, data, len, reply, err);
			if (taken < 0)
				return -1;
			data += taken;
			len -= (size_t)taken;
			continue;
		}
		if (r->at == 0)
			make_stamp(r->id, r->seq, r->stamp);
		if (!same(&r->at, 0, f->back_head, f->back, &data, &len))
			return err_set(err, "message %u: a wrong frame head",
			    r->seq);
		if (!same(&r->at, f->back_head, body, r->stamp, &data, &len))
			return err_set(err, "message %u: not this message",
			    r->seq);
		if (!same(&r->at, body, f->back_len, f->back + body, &data,
		    &len))
			return err_set(err, "message %u: wrong bytes", r->seq);
		if (r->at == f->back_len) {
			r->at = 0;
			r->seq++;
			(*messages_out)++;
		}
	}
	return 0;
}
