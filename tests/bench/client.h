/* SPDX-License-Identifier: MIT */
/*
 * One WebSocket connection of the load: TCP, TLS 1.3 (hello.h) and the
 * upgrade are done blocking, then records are read and written (record.h).
 */
#ifndef WSSD_BENCH_CLIENT_H
#define WSSD_BENCH_CLIENT_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "hello.h"
#include "record.h"

struct client_target {
	struct sockaddr_in address;
	const char *path;
	EVP_PKEY *key;		/* from crypto_key_new() */
	const struct hello_ticket *ticket;	/* to resume, or NULL */
	uint64_t ticket_ns;	/* when it came */
};

struct client {
	int fd;			/* -1: closed */
	struct record_keys seal, open;
	uint8_t *part;		/* read, but not taken; NULL when none */
	size_t part_len;
};

/* Takes plaintext in the order it came; -1 ends the connection. */
typedef int client_sink(void *arg, const uint8_t *data, size_t len,
    struct err *);

/*
 * Connects and upgrades, blocking.  `number` chooses the source address
 * (127.0.0.1 and up), because an address has only so many ports.
 */
int client_open(struct client *, const struct client_target *,
    struct hello *, unsigned number, struct err *);
/* Closes at once. */
void client_done(struct client *);
/* Close frame, and waits for the server's end (RFC 6455 section 7.1.1). */
int client_close(struct client *, struct err *);

/* Shakes hands for nothing but the ticket that the server gives then. */
int client_ticket(const struct client_target *, struct hello *,
    struct hello_ticket *ticket_out, struct err *);

/* Sends all, blocking. */
int client_send(struct client *, const void *, size_t len, struct err *);
/* Reads once, blocking; 0 at the end of the stream, 1 when something came. */
int client_receive(struct client *, client_sink *, void *arg, struct err *);

/* Opens connections first to first + count by some threads at once. */
int clients_open(struct client *, size_t first, size_t count,
    const struct client_target *, struct err *);

/*
 * Reading: client_unread puts what is left of the last read (at most
 * RECORD_MAX bytes) at `to` and returns its length; the socket's bytes go
 * behind it; client_feed opens all whole records, in place, and keeps the
 * rest.
 */
size_t client_unread(struct client *, uint8_t *to);
int client_feed(struct client *, uint8_t *data, size_t len, client_sink *,
    void *arg, struct err *);

#endif
