/* SPDX-License-Identifier: MIT */
/*
 * The payload of each message: its put and its get side by side.  Pure.
 * A get accepts exactly what put writes: every field in range and nothing
 * behind the last one.
 */
#include "common/proto.h"
#include "common/proto_sign.h"
#include "common/proto_connect.h"

#include <string.h>

#include "common/assert.h"
#include "common/chan.h"
#include "common/log.h"

static const char *const names[PROTO_TYPES] = {
	[PROTO_HELLO] = "HELLO",
	[PROTO_METRICS] = "METRICS",
	[PROTO_PEER] = "PEER",
	[PROTO_LOG] = "LOG",
	[PROTO_TICKETS] = "TICKETS",
	[PROTO_FILE] = "FILE",
	[PROTO_PREPARE] = "PREPARE",
	[PROTO_READY] = "READY",
	[PROTO_FAILED] = "FAILED",
	[PROTO_LISTENER] = "LISTENER",
	[PROTO_COMMIT] = "COMMIT",
	[PROTO_ABORT] = "ABORT",
	[PROTO_UNLISTEN] = "UNLISTEN",
	[PROTO_PING] = "PING",
	[PROTO_PONG] = "PONG",
	[PROTO_QUERY] = "QUERY",
	[PROTO_ANSWER] = "ANSWER",
	[PROTO_DRAIN] = "DRAIN",
	[PROTO_DRAINED] = "DRAINED",
	[PROTO_BOARD] = "BOARD",
	[PROTO_ACCESS_LOG] = "ACCESS_LOG",
	[PROTO_CONNECT] = "CONNECT",
	[PROTO_CONNECTED] = "CONNECTED",
	[PROTO_SIGNER] = "SIGNER",
	[PROTO_SIGN] = "SIGN",
	[PROTO_SIGNED] = "SIGNED",
};

const char *
proto_name(unsigned type)
{
	return type < PROTO_TYPES && names[type] != NULL ? names[type] : "?";
}

void
proto_hello_put(struct buf *b, const struct proto_hello *m)
{
	buf_put_str(b, m->version);
	buf_put_str(b, m->libraries);
}

bool
proto_hello_get(struct reader *r, struct proto_hello *m)
{
	reader_str(r, m->version, sizeof(m->version));
	reader_str(r, m->libraries, sizeof(m->libraries));
	return reader_end(r);
}

void
proto_metrics_put(struct buf *b, const struct proto_metrics *m)
{
	buf_put_u32(b, m->slot);
	buf_put_u64(b, m->hash_key[0]);
	buf_put_u64(b, m->hash_key[1]);
}

bool
proto_metrics_get(struct reader *r, struct proto_metrics *m)
{
	m->slot = reader_u32(r);
	m->hash_key[0] = reader_u64(r);
	m->hash_key[1] = reader_u64(r);
	return reader_end(r);
}

void
proto_prepare_put(struct buf *b, const struct proto_prepare *m)
{
	buf_put_u8(b, m->strict);
}

bool
proto_prepare_get(struct reader *r, struct proto_prepare *m)
{
	uint8_t strict = reader_u8(r);

	m->strict = strict == 1;
	return reader_end(r) && strict <= 1;
}

void
proto_tickets_put(struct buf *b, const struct proto_tickets *m)
{
	ASSERT(m->n >= 1 && m->n <= PROTO_TICKET_KEYS_MAX);
	/* At once: a buffer that grows leaves copies behind. */
	buf_reserve(b, 1 + sizeof(m->keys));
	buf_put_u8(b, m->n);
	buf_put(b, m->keys, m->n * sizeof(m->keys[0]));
}

bool
proto_tickets_get(struct reader *r, struct proto_tickets *m)
{
	size_t bytes;

	m->n = reader_u8(r);
	bytes = m->n * sizeof(m->keys[0]);
	if (r->bad || m->n < 1 || m->n > PROTO_TICKET_KEYS_MAX ||
	    r->len != bytes)
		return false;
	memcpy(m->keys, r->data, bytes);
	return true;
}

void
proto_log_put(struct buf *b, const struct proto_log *m)
{
	buf_put_u8(b, m->format);
	buf_put_u8(b, m->level);
}

bool
proto_log_get(struct reader *r, struct proto_log *m)
{
	m->format = reader_u8(r);
	m->level = reader_u8(r);
	return reader_end(r) && m->format <= LOG_FORMAT_SYSLOG &&
	    m->level <= LOG_LEVEL_DEBUG;
}

void
proto_access_log_put(struct buf *b, const struct proto_access_log *m)
{
	buf_put_u8(b, m->format);
	buf_put_u8(b, m->json);
}

bool
proto_access_log_get(struct reader *r, struct proto_access_log *m)
{
	uint8_t json;

	m->format = reader_u8(r);
	json = reader_u8(r);
	m->json = json == 1;
	return reader_end(r) && m->format <= LOG_FORMAT_SYSLOG && json <= 1;
}

void
proto_failed_put(struct buf *b, const char *text)
{
	size_t len = strnlen(text, PROTO_TEXT_MAX - 1);

	buf_put_u16(b, (uint16_t)len);
	buf_put(b, text, len);
}

bool
proto_failed_get(struct reader *r, struct proto_failed *m)
{
	reader_str(r, m->text, sizeof(m->text));
	return reader_end(r);
}

void
proto_listener_put(struct buf *b, const struct proto_listener *m)
{
	buf_put_str(b, m->listen);
	buf_put_str(b, m->address);
	buf_put_u32(b, m->lent_slot);
}

bool
proto_listener_get(struct reader *r, struct proto_listener *m)
{
	reader_str(r, m->listen, sizeof(m->listen));
	reader_str(r, m->address, sizeof(m->address));
	m->lent_slot = reader_u32(r);
	return reader_end(r);
}

void
proto_query_put(struct buf *b, const struct proto_query *m)
{
	buf_put_u32(b, m->id);
	buf_put_u64(b, m->after);
}

bool
proto_query_get(struct reader *r, struct proto_query *m)
{
	m->id = reader_u32(r);
	m->after = reader_u64(r);
	return reader_end(r);
}

void
proto_answer_put(struct buf *b, const struct proto_answer *m)
{
	ASSERT(m->text_len <= CHAN_PAYLOAD_MAX - 64);
	buf_put_u32(b, m->id);
	buf_put_u64(b, m->last);
	buf_put_u8(b, m->more);
	buf_put_u32(b, (uint32_t)m->text_len);
	buf_put(b, m->text, m->text_len);
}

bool
proto_answer_get(struct reader *r, struct proto_answer *m)
{
	uint8_t more;

	m->id = reader_u32(r);
	m->last = reader_u64(r);
	more = reader_u8(r);
	m->more = more == 1;
	m->text_len = reader_u32(r);
	m->text = r->data;
	return !r->bad && more <= 1 && m->text_len == r->len;
}

_Static_assert(sizeof(struct proto_ticket_key) == PROTO_TICKET_KEY_BYTES,
    "bytes without gaps");

/* RFC 6455 section 7.4.1: 1001 going away; the registry's 1012: restart. */
static bool
drain_code_ok(uint32_t code)
{
	return code == 1001 || code == 1012;
}

void
proto_drain_put(struct buf *b, const struct proto_drain *m)
{
	ASSERT(drain_code_ok(m->code));
	buf_put_u32(b, m->code);
	buf_put_u32(b, m->window_ms);
	buf_put_u32(b, m->timeout_ms);
	buf_put_str(b, m->reason);
}

bool
proto_drain_get(struct reader *r, struct proto_drain *m)
{
	m->code = reader_u32(r);
	m->window_ms = reader_u32(r);
	m->timeout_ms = reader_u32(r);
	reader_str(r, m->reason, sizeof(m->reason));
	return reader_end(r) && drain_code_ok(m->code);
}

void
proto_connect_put(struct buf *b, const struct proto_connect *m)
{
	buf_put_u32(b, m->id);
	buf_put_u32(b, m->attempt);
	buf_put_str(b, m->endpoint);
}

bool
proto_connect_get(struct reader *r, struct proto_connect *m)
{
	m->id = reader_u32(r);
	m->attempt = reader_u32(r);
	reader_str(r, m->endpoint, sizeof(m->endpoint));
	return reader_end(r);
}

void
proto_connected_put(struct buf *b, const struct proto_connected *m)
{
	buf_put_u32(b, m->id);
	buf_put_u32(b, m->error);
	buf_put_u32(b, m->addresses);
}

bool
proto_connected_get(struct reader *r, struct proto_connected *m)
{
	m->id = reader_u32(r);
	m->error = reader_u32(r);
	m->addresses = reader_u32(r);
	return reader_end(r);
}

static void
get_bytes(struct reader *r, uint8_t *out, size_t len)
{
	if (r->bad || r->len < len) {
		r->bad = true;
		return;
	}
	memcpy(out, r->data, len);
	r->data += len;
	r->len -= len;
}

/* Bytes with their length before them, at most max. */
static uint16_t
get_counted(struct reader *r, uint8_t *out, size_t max)
{
	uint16_t len = reader_u16(r);

	if (len > max) {
		r->bad = true;
		return 0;
	}
	get_bytes(r, out, len);
	return len;
}

void
proto_sign_put(struct buf *b, const struct proto_sign *m)
{
	ASSERT(m->len <= PROTO_TBS_MAX);
	buf_put_u64(b, m->id);
	buf_put(b, m->key, sizeof(m->key));
	buf_put_u8(b, m->scheme);
	buf_put_str(b, m->digest);
	buf_put_u16(b, m->len);
	buf_put(b, m->tbs, m->len);
}

bool
proto_sign_get(struct reader *r, struct proto_sign *m)
{
	m->id = reader_u64(r);
	get_bytes(r, m->key, sizeof(m->key));
	m->scheme = reader_u8(r);
	reader_str(r, m->digest, sizeof(m->digest));
	m->len = get_counted(r, m->tbs, sizeof(m->tbs));
	return reader_end(r) && m->scheme < PROTO_SCHEMES;
}

void
proto_signed_put(struct buf *b, const struct proto_signed *m)
{
	ASSERT(m->len <= PROTO_SIGNATURE_MAX);
	buf_put_u64(b, m->id);
	buf_put_u16(b, m->len);
	buf_put(b, m->signature, m->len);
}

bool
proto_signed_get(struct reader *r, struct proto_signed *m)
{
	m->id = reader_u64(r);
	m->len = get_counted(r, m->signature, sizeof(m->signature));
	return reader_end(r);
}
