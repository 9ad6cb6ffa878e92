/* SPDX-License-Identifier: MIT */
/*
 * Owns the memory of a struct outgoing.  A piece is three numbers; its bytes
 * lie behind it, or further in front, where another piece has the same:
 *
 *	memory: [ piece | bytes | piece (the same bytes) | piece | bytes ... )
 *
 * When the last piece is taken the memory begins anew.
 */
#include "worker/outgoing.h"

#include <string.h>

struct piece {
	uint32_t next;			/* as in struct outgoing_queue */
	uint32_t at, len;		/* its bytes */
};

static struct piece *
piece_at(struct outgoing *p, uint32_t place)
{
	return (void *)(p->memory.data + place - 1);
}

void
outgoing_init(struct outgoing *p)
{
	*p = (struct outgoing){ .memory = BUF_INIT };
}

void
outgoing_done(struct outgoing *p)
{
	buf_done(&p->memory);
}

static bool
is_latest(const struct outgoing *p, const void *head, size_t head_len,
    const void *data, size_t len)
{
	const uint8_t *latest;

	if (p->bytes_len == 0 || p->bytes_len != head_len + len)
		return false;
	latest = p->memory.data + p->bytes_at;
	return memcmp(latest, head, head_len) == 0 &&
	    (len == 0 || memcmp(latest + head_len, data, len) == 0);
}

static void
put_bytes(struct outgoing *p, const void *head, size_t head_len,
    const void *data, size_t len)
{
	static const uint8_t zeros[sizeof(uint32_t)];

	p->bytes_at = (uint32_t)p->memory.len;
	p->bytes_len = (uint32_t)(head_len + len);
	buf_put(&p->memory, head, head_len);
	buf_put(&p->memory, data, len);
	/* The next piece begins where its numbers may. */
	buf_put(&p->memory, zeros, -p->memory.len % sizeof(zeros));
}

bool
outgoing_put(struct outgoing *p, struct outgoing_queue *queue, const void *head,
    size_t head_len, const void *data, size_t len)
{
	uint32_t place = (uint32_t)p->memory.len + 1;
	struct piece piece = { 0 };

	if (head_len > OUTGOING_BYTES_MAX || len > OUTGOING_BYTES_MAX ||
	    p->memory.len + sizeof(piece) + head_len + len >
	    OUTGOING_BYTES_MAX)
		return false;
	buf_put(&p->memory, &piece, sizeof(piece));
	if (!is_latest(p, head, head_len, data, len))
		put_bytes(p, head, head_len, data, len);
	piece.at = p->bytes_at;
	piece.len = p->bytes_len;
	*piece_at(p, place) = piece;
	if (queue->first == 0)
		queue->first = place;
	else
		piece_at(p, queue->last)->next = place;
	queue->last = place;
	queue->bytes += piece.len;
	p->n_pieces++;
	return true;
}

const uint8_t *
outgoing_take(struct outgoing *p, struct outgoing_queue *queue, size_t *len_out)
{
	struct piece piece;

	if (queue->first == 0)
		return NULL;
	piece = *piece_at(p, queue->first);
	queue->first = piece.next;
	queue->bytes -= piece.len;
	if (--p->n_pieces == 0) {
		buf_clear(&p->memory);
		p->bytes_len = 0;
	}
	*len_out = piece.len;
	return p->memory.data + piece.at;
}

void
outgoing_drop(struct outgoing *p, struct outgoing_queue *queue)
{
	size_t len;

	while (outgoing_take(p, queue, &len) != NULL)
		;
}

void
outgoing_trim(struct outgoing *p)
{
	if (p->n_pieces == 0)
		buf_done(&p->memory);
}
