/* SPDX-License-Identifier: MIT */
/*
 * Receiving and sending for many connections at once, between OpenSSL and
 * shared memory: the construction that wssd has, without anything else.  What
 * `limit --batch' costs cannot be undercut by a server that is built so.
 *
 * For measurements only: a client that does not read what it is sent ends
 * the program.
 */
#ifndef WSSD_BENCH_BATCH_H
#define WSSD_BENCH_BATCH_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>

#define BATCH_MAX 64

struct batch;

/* plain: a system call for each socket. */
struct batch *batch_new(bool plain);
/* For all SSLs; they share it. */
BIO *batch_bio(struct batch *);
/* At most BATCH_MAX sockets, each into a place of its own. */
void batch_receive(struct batch *, const int *fds, size_t n);
/*
 * What is read is now of the i-th socket, and what is written goes there.
 * Returns how many bytes came, 0 at the end, or -errno.
 */
int batch_turn_to(struct batch *, size_t i);
/* Of the i-th, and not read yet. */
bool batch_has_input(const struct batch *);
void batch_write_to(struct batch *, int fd);
/* Sends what was written, in its order. */
void batch_send(struct batch *);

#endif
