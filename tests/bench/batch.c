/* SPDX-License-Identifier: MIT */
/* Owns the memory of a batch, its ring, and the BIO in front of both. */
#include "batch.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "ring.h"

/* Not a power of two, for the sake of the cache, as in worker/transport.c. */
#define SLOT (32 * 1024)
#define SLOT_STEP (SLOT + 5 * 64)
#define ARENA (4 * 1024 * 1024)
#define PIECES RING_MAX

struct batch {
	struct ring *ring;
	BIO *bio;
	uint8_t *slots, *arena;
	size_t used;			/* of the arena */
	struct ring_op in[BATCH_MAX];
	struct ring_op out[PIECES];
	size_t n_out;
	const uint8_t *at;		/* what is read */
	size_t left;
	int fd;				/* where it is written to */
};

static int
bio_read(BIO *bio, char *out, size_t len, size_t *n_out)
{
	struct batch *b = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	*n_out = len < b->left ? len : b->left;
	if (*n_out == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(out, b->at, *n_out);
	b->at += *n_out;
	b->left -= *n_out;
	return 1;
}

static int
bio_write(BIO *bio, const char *data, size_t len, size_t *n_out)
{
	struct batch *b = BIO_get_data(bio);
	struct ring_op *last = b->n_out > 0 ? &b->out[b->n_out - 1] : NULL;

	BIO_clear_retry_flags(bio);
	if (b->used + len > ARENA ||
	    (b->n_out == PIECES && last->fd != b->fd)) {
		batch_send(b);
		last = NULL;
	}
	if (last == NULL || last->fd != b->fd) {
		last = &b->out[b->n_out++];
		*last = (struct ring_op){ b->fd, b->arena + b->used, 0, 0 };
	}
	memcpy(b->arena + b->used, data, len);
	b->used += len;
	last->len += len;
	*n_out = len;
	return 1;
}

static long
bio_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

struct batch *
batch_new(bool plain)
{
	struct batch *b = xcalloc(1, sizeof(*b));
	BIO_METHOD *method = BIO_meth_new(
	    BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "batch");

	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	b->bio = BIO_new(method);
	BIO_set_data(b->bio, b);
	BIO_set_init(b->bio, 1);
	b->ring = ring_new(plain);
	b->slots = xmalloc((size_t)BATCH_MAX * SLOT_STEP);
	b->arena = xmalloc(ARENA);
	return b;
}

BIO *
batch_bio(struct batch *b)
{
	return b->bio;
}

void
batch_receive(struct batch *b, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->in[i] = (struct ring_op){ fds[i], b->slots + i * SLOT_STEP,
		    SLOT, 0 };
	ring_recv(b->ring, b->in, n);
}

int
batch_turn_to(struct batch *b, size_t i)
{
	int n = b->in[i].result;

	b->at = b->in[i].data;
	b->left = n > 0 ? (size_t)n : 0;
	b->fd = b->in[i].fd;
	return n;
}

bool
batch_has_input(const struct batch *b)
{
	return b->left > 0;
}

void
batch_write_to(struct batch *b, int fd)
{
	b->fd = fd;
}

void
batch_send(struct batch *b)
{
	ring_send(b->ring, b->out, b->n_out);
	for (size_t i = 0; i < b->n_out; i++) {
		int n = b->out[i].result;

		/* That one has left shows when it is read. */
		if (n == -EPIPE || n == -ECONNRESET ||
		    n == (int)b->out[i].len)
			continue;
		fprintf(stderr, "bench-limit: a client does not read\n");
		exit(1);
	}
	b->n_out = 0;
	b->used = 0;
}
