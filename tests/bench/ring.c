/* SPDX-License-Identifier: MIT */
/* Owns one io_uring; knows sockets and bytes, no connection. */
#include "ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/alloc.h"

struct ring {
	int fd;				/* -1: plain calls */
	void *rings;			/* the mapping both queues live in */
	size_t rings_len;
	struct io_uring_sqe *sqes;
	size_t sqes_len;
	unsigned *sq_tail, *sq_mask, *sq_array;
	unsigned *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
};

static void *
at(const struct ring *r, uint32_t offset)
{
	return (char *)r->rings + offset;
}

/* io_uring_setup(2): with SINGLE_MMAP both queues are one mapping. */
static int
map_rings(struct ring *r, const struct io_uring_params *p)
{
	size_t sq_len, cq_len;

	sq_len = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	cq_len = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	r->rings_len = sq_len > cq_len ? sq_len : cq_len;
	r->rings = mmap(NULL, r->rings_len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	if (r->rings == MAP_FAILED)
		return -1;
	r->sqes_len = p->sq_entries * sizeof(struct io_uring_sqe);
	r->sqes = mmap(NULL, r->sqes_len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (r->sqes == MAP_FAILED) {
		munmap(r->rings, r->rings_len);
		return -1;
	}
	r->sq_tail = at(r, p->sq_off.tail);
	r->sq_mask = at(r, p->sq_off.ring_mask);
	r->sq_array = at(r, p->sq_off.array);
	r->cq_head = at(r, p->cq_off.head);
	r->cq_tail = at(r, p->cq_off.tail);
	r->cq_mask = at(r, p->cq_off.ring_mask);
	r->cqes = at(r, p->cq_off.cqes);
	return 0;
}

struct ring *
ring_new(bool plain)
{
	struct ring *r = xcalloc(1, sizeof(*r));
	struct io_uring_params p;

	memset(&p, 0, sizeof(p));
	r->fd = -1;
	if (plain)
		return r;
	r->fd = (int)syscall(SYS_io_uring_setup, RING_MAX, &p);
	if (r->fd >= 0 && ((p.features & IORING_FEAT_SINGLE_MMAP) == 0 ||
	    map_rings(r, &p) < 0)) {
		close(r->fd);
		r->fd = -1;
	}
	return r;
}

void
ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	if (r->fd >= 0) {
		munmap(r->sqes, r->sqes_len);
		munmap(r->rings, r->rings_len);
		close(r->fd);
	}
	free(r);
}

const char *
ring_name(const struct ring *r)
{
	return r->fd >= 0 ? "io_uring" : "plain";
}

static void
one_call(struct ring_op *op, int opcode)
{
	ssize_t n;

	n = opcode == IORING_OP_RECV ?
	    recv(op->fd, op->data, op->len, MSG_DONTWAIT) :
	    send(op->fd, op->data, op->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	op->result = n < 0 ? -errno : (int)n;
}

static void
submit(struct ring *r, const struct ring_op *ops, size_t count, int opcode)
{
	unsigned tail = *r->sq_tail, slot;
	struct io_uring_sqe *sqe;
	size_t i;

	for (i = 0; i < count; i++, tail++) {
		slot = tail & *r->sq_mask;
		sqe = &r->sqes[slot];
		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = (uint8_t)opcode;
		sqe->fd = ops[i].fd;
		sqe->addr = (uint64_t)(uintptr_t)ops[i].data;
		sqe->len = (uint32_t)ops[i].len;
		sqe->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
		sqe->user_data = i;
		r->sq_array[slot] = slot;
	}
	__atomic_store_n(r->sq_tail, tail, __ATOMIC_RELEASE);
}

/* With MSG_DONTWAIT each operation ends at once, so count answers come. */
static void
batch(struct ring *r, struct ring_op *ops, size_t count, int opcode)
{
	unsigned left = (unsigned)count, done = 0, head, tail;
	int n;

	submit(r, ops, count, opcode);
	head = *r->cq_head;
	while (done < count) {
		n = (int)syscall(SYS_io_uring_enter, r->fd, left,
		    (unsigned)count - done, IORING_ENTER_GETEVENTS, NULL, 0);
		if (n > 0)
			left -= (unsigned)n;
		tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);
		for (; head != tail; head++, done++) {
			const struct io_uring_cqe *cqe =
			    &r->cqes[head & *r->cq_mask];

			ops[cqe->user_data].result = cqe->res;
		}
		__atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
	}
}

static void
run(struct ring *r, struct ring_op *ops, size_t count, int opcode)
{
	size_t i;

	if (r->fd >= 0 && count > 1)
		batch(r, ops, count, opcode);
	else
		for (i = 0; i < count; i++)
			one_call(&ops[i], opcode);
}

void
ring_recv(struct ring *r, struct ring_op *ops, size_t count)
{
	run(r, ops, count, IORING_OP_RECV);
}

void
ring_send(struct ring *r, struct ring_op *ops, size_t count)
{
	run(r, ops, count, IORING_OP_SEND);
}
