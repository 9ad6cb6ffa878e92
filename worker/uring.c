/* SPDX-License-Identifier: MIT */
/*
 * Owns one io_uring of a worker.  Knows descriptors and bytes; no socket's
 * state, no connection.  Needs Linux 5.10 (restrictions); what an older
 * kernel refuses, uring_new() reports.
 */
#include "worker/uring.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/count.h"

struct uring {
	struct io_uring ring;
	bool broken;			/* the kernel takes no more of it */
};

/* liburing 2.3 declares functions for these two, and does not export them. */
static long
control(const struct io_uring *ring, unsigned opcode, void *arg, unsigned n)
{
	return syscall(SYS_io_uring_register, ring->ring_fd, opcode, arg, n);
}

static int
restrict_ring(struct io_uring *ring)
{
	struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_RECV },
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_SEND },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
		  .sqe_flags = 0 },
	};

	if (control(ring, IORING_REGISTER_RESTRICTIONS, allowed,
	    COUNT(allowed)) < 0 ||
	    control(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	return 0;
}

struct uring *
uring_new(struct err *err)
{
	struct uring *u = xcalloc(1, sizeof(*u));
	int rc = io_uring_queue_init(URING_MAX, &u->ring,
	    IORING_SETUP_R_DISABLED);

	if (rc == 0) {
		rc = restrict_ring(&u->ring);
		if (rc < 0)
			io_uring_queue_exit(&u->ring);
	}
	if (rc < 0) {
		free(u);
		errno = -rc;
		err_set_errno(err, "io_uring");
		return NULL;
	}
	return u;
}

void
uring_free(struct uring *u)
{
	if (u == NULL)
		return;
	io_uring_queue_exit(&u->ring);
	free(u);
}

static void
call(struct uring_op *op, int opcode)
{
	ssize_t n;

	do
		n = opcode == IORING_OP_RECV ?
		    recv(op->fd, op->data, op->len, MSG_DONTWAIT) :
		    send(op->fd, op->data, op->len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	op->result = n < 0 ? -errno : (int)n;
}

static void
prepare(struct io_uring *ring, const struct uring_op *ops, size_t n,
    int opcode)
{
	for (size_t i = 0; i < n; i++) {
		/* As many as the queue has, and it was empty: not NULL. */
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		io_uring_prep_rw(opcode, sqe, ops[i].fd, ops[i].data,
		    (unsigned)ops[i].len, 0);
		sqe->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
		sqe->user_data = i;
	}
}

static size_t
take_results(struct io_uring *ring, struct uring_op *ops)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(ring, head, cqe) {
		ops[cqe->user_data].result = cqe->res;
		n++;
	}
	io_uring_cq_advance(ring, n);
	return n;
}

/* Returns how many operations the kernel took: those at the front. */
static size_t
submit(struct uring *u, struct uring_op *ops, size_t n, int opcode)
{
	size_t submitted = 0, done = 0;
	int rc;

	prepare(&u->ring, ops, n, opcode);
	while (done < n) {
		rc = io_uring_submit_and_wait(&u->ring,
		    (unsigned)(n - done));
		if (rc > 0)
			submitted += (size_t)rc;
		done += take_results(&u->ring, ops);
		if (rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY)
			continue;
		/* What was taken has ended too; the rest never began. */
		u->broken = true;
		break;
	}
	return submitted;
}

static void
run(struct uring *u, struct uring_op *ops, size_t n, int opcode)
{
	size_t done = 0;

	if (u != NULL && !u->broken && n > 1)
		done = submit(u, ops, n, opcode);
	for (; done < n; done++)
		call(&ops[done], opcode);
}

void
uring_recv(struct uring *u, struct uring_op *ops, size_t n)
{
	run(u, ops, n, IORING_OP_RECV);
}

void
uring_send(struct uring *u, struct uring_op *ops, size_t n)
{
	run(u, ops, n, IORING_OP_SEND);
}
