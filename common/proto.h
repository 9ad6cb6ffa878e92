/* SPDX-License-Identifier: MIT */
/*
 * What master and workers say to each other over a chan: for each message
 * with fields a put and a get that stand side by side in proto.c.
 *
 *  master                                worker
 *    │ ── METRICS(fd) PEER(fd)* LOG(fd) ──▶ │  started with nothing but
 *    │ ── TICKETS FILE(fd)* PREPARE(fd) ──▶ │  the channel
 *    │ ◀── READY | FAILED ───────────────── │  new snapshot built, unused
 *    │ ── LISTENER(fd)* COMMIT ───────────▶ │  (or ABORT) in use from now
 *    │ ── PING ───────────────────────────▶ │
 *    │ ◀── PONG ─────────────────────────── │
 *    │ ── UNLISTEN, LOG(fd), TICKETS, QUERY▶│
 *    │ ◀── ANSWER ───────────────────────── │
 *    │ ◀── CONNECT ──────────────────────── │  only to what the config names
 *    │ ── CONNECTED(fd) ──────────────────▶ │
 *    │ ── DRAIN ──────────────────────────▶ │  stops accepting, closes all
 *    │ ◀── DRAINED, end of file ─────────── │  exits 0
 *
 * A signer has the private keys of one generation, which never changes:
 *
 *  master                                signer
 *    │ ── LOG(fd) FILE(fd)* PREPARE(fd) ──▶ │
 *    │ ◀── READY | FAILED ───────────────── │
 *    │ ── SIGNER(fd) ─────────────────────▶ │  for each worker
 *    │ ── end of file ────────────────────▶ │  exits 0
 *  worker
 *    │ ── SIGN ───────────────────────────▶ │
 *    │ ◀── SIGNED ───────────────────────── │
 */
#ifndef WSSD_COMMON_PROTO_H
#define WSSD_COMMON_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define PROTO_VERSION 1
#define PROTO_PATH_MAX 4096
#define PROTO_TEXT_MAX 16384
#define PROTO_NAME_MAX 256

enum proto_type {
	PROTO_HELLO = 1,	/* w→m  proto_hello: the first message */
	PROTO_METRICS,		/* m→w  fd: the worker's own cell, writable;
				   proto_metrics */
	PROTO_PEER,		/* m→w  fd: another slot's cell, read-only;
				   u32 slot.  Comes again, at any time, when
				   that slot has a new worker: replaces the
				   slot's old cell */
	PROTO_LOG,		/* m→w  fd; proto_log */
	PROTO_FILE,		/* m→w  fd; str path: belongs to the next
				   PREPARE.  All workers share its offset:
				   pread or mmap, never read */
	PROTO_PREPARE,		/* m→w  generation; fd: sealed memfd with a
				   bundle (pread or mmap); proto_prepare */
	PROTO_READY,		/* w→m  generation; proto_failed: warnings, or
				   "": can be committed */
	PROTO_FAILED,		/* w→m  generation; proto_failed: nothing has
				   changed */
	PROTO_LISTENER,		/* m→w  fd: listening socket; proto_listener;
				   belongs to the next COMMIT.  One socket is
				   known by name, address and slot together: a
				   [listen] that was renamed comes as a new
				   one and an UNLISTEN */
	PROTO_COMMIT,		/* m→w  generation: new connections use it.
				   With the generation that is already in use
				   it only starts the LISTENERs before it (the
				   sockets of a slot that is down) */
	PROTO_ABORT,		/* m→w  generation: forget it.  It may cross
				   with the worker's READY or FAILED */
	PROTO_UNLISTEN,		/* m→w  proto_listener: close your copy */
	PROTO_PING,		/* m→w  u64 */
	PROTO_PONG,		/* w→m  the same u64 */
	PROTO_QUERY,		/* m→w  proto_query */
	PROTO_ANSWER,		/* w→m  proto_answer */
	PROTO_DRAIN,		/* m→w  proto_drain.  A second one replaces
				   the first: sooner, or with another code */
	PROTO_DRAINED,		/* w→m  no connection is left */
	PROTO_BOARD,		/* m→w  fd: the board, read-only */
	PROTO_ACCESS_LOG,	/* m→w  fd, or none: off; proto_access_log */
	PROTO_CONNECT,		/* w→m  proto_connect: a socket to an upstream
				   of the config, please */
	PROTO_CONNECTED,	/* m→w  proto_connected; fd: that socket, its
				   connecting perhaps still under way; none
				   when error is not 0 */
	PROTO_TICKETS,		/* m→w  proto_tickets: replaces all keys, at
				   any time; the receiver wipes the message */
	PROTO_SIGNER,		/* m→w, m→s  generation; fd: one end each of a
				   channel between the two.  It comes before
				   the PREPARE of that generation, and again
				   when the signer was started again */
	PROTO_SIGN,		/* w→s  proto_sign */
	PROTO_SIGNED,		/* s→w  proto_signed */
	PROTO_TYPES
};

/* "COMMIT"; "?" for a number that is no type. */
const char *proto_name(unsigned type);

struct proto_hello {
	char version[64];	/* WSSD_VERSION: must be the master's */
	char libraries[192];	/* "OpenSSL 3.0.22, libevent 2.1.12" */
};

struct proto_log {
	uint8_t format;		/* enum log_format */
	uint8_t level;		/* enum log_level */
};

struct proto_access_log {
	uint8_t format;		/* enum log_format */
	bool json;
};

struct proto_metrics {
	uint32_t slot;
	uint64_t hash_key[2];	/* for the address table; same in all slots */
};

#define PROTO_TICKET_KEYS_MAX 16
#define PROTO_TICKET_KEY_BYTES 80

/* In the order of a ticket_key_file. */
struct proto_ticket_key {
	uint8_t name[16];	/* stands in front of the ticket */
	uint8_t mac[32];
	uint8_t cipher[32];
};

struct proto_tickets {
	uint8_t n;		/* at least 1 */
	struct proto_ticket_key keys[PROTO_TICKET_KEYS_MAX]; /* the first is
				   for new tickets, all are for old ones */
};

struct proto_prepare {
	bool strict;		/* `check`: what only warns at a start (an
				   expired certificate) fails */
};

/* One sentence a line, each "file:line: ..." where a place is known. */
struct proto_failed {
	char text[PROTO_TEXT_MAX];
};

struct proto_listener {
	char listen[PROTO_NAME_MAX];	/* name of the [listen] */
	char address[128];		/* as addr_format() writes it */
	uint32_t lent_slot;		/* whose socket it is: own slot, or that
					   of a slot that is down */
};

struct proto_query {
	uint32_t id;		/* comes back in the answer */
	uint64_t after;		/* connections with a greater id only */
};

/* A piece of the connection list: JSON objects, one a line. */
struct proto_answer {
	uint32_t id;
	uint64_t last;		/* ask on after this one */
	bool more;
	const uint8_t *text;	/* put: the caller's; get: in the message.
				   Whole lines; "" at the end of the list */
	size_t text_len;	/* at most CHAN_PAYLOAD_MAX - 64 */
};

struct proto_drain {
	uint32_t code;		/* 1001 or 1012 */
	uint32_t window_ms;	/* closes are spread over it; 0 = at once */
	uint32_t timeout_ms;	/* for each closing handshake */
	char reason[124];
};

/* put: appends the payload.  get: false when the bytes are not such one. */
#define PROTO_CODEC(message)                                                 \
	void proto_##message##_put(struct buf *, const struct proto_##message *); \
	bool proto_##message##_get(struct reader *, struct proto_##message *);

PROTO_CODEC(hello)
PROTO_CODEC(metrics)
PROTO_CODEC(prepare)
PROTO_CODEC(tickets)
PROTO_CODEC(log)
PROTO_CODEC(access_log)
PROTO_CODEC(listener)
PROTO_CODEC(query)
PROTO_CODEC(answer)
PROTO_CODEC(drain)
void proto_failed_put(struct buf *, const char *text);
bool proto_failed_get(struct reader *, struct proto_failed *);

#endif
