/* SPDX-License-Identifier: MIT */
/*
 * One WebSocket connection of the load: TCP, TLS 1.3 and the upgrade are
 * done blocking, then the records are read and written here (record.h).
 * The server's certificate is not verified: this is a load, not a client.
 */
#ifndef WSSD_BENCH_CLIENT_H
#define WSSD_BENCH_CLIENT_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "record.h"

struct client_target {
	struct sockaddr_in address;
	const char *path;
	SSL_CTX *ctx;		/* from client_ctx_new() */
	SSL_SESSION *session;	/* to resume, or NULL */
};

struct client {
	int fd;			/* -1: closed */
	struct record_keys seal, open;
	uint8_t *part;		/* an unfinished record; NULL when none */
	size_t part_len;
	uint8_t secret_out[32], secret_in[32];
	int secrets;		/* how many the handshake has given */
};

/* Takes plaintext in the order it came; -1 ends the connection. */
typedef int client_sink(void *arg, const uint8_t *data, size_t len,
    struct err *);

SSL_CTX *client_ctx_new(struct err *);

/*
 * Connects and upgrades, blocking.  `number` chooses the source address
 * (127.0.0.1 and up), because an address has only so many ports.
 */
int client_open(struct client *, const struct client_target *,
    unsigned number, struct err *);
/* Closes at once. */
void client_done(struct client *);
/* Close frame, and waits for the server's end (RFC 6455 section 7.1.1). */
int client_close(struct client *, struct err *);

/* A session that the server gave with a ticket; NULL: err says why. */
SSL_SESSION *client_session(const struct client_target *, struct err *);

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
