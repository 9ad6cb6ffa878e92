/* SPDX-License-Identifier: MIT */
/* Owns nothing: reads the connections and writes lines. */
#include "worker/query.h"

#include <string.h>

#include "common/chan.h"
#include "common/str.h"
#include "worker/conn.h"
#include "worker/conn_client.h"
#include "worker/worker.h"

#define ANSWER_BYTES (CHAN_PAYLOAD_MAX - 8192)	/* + the longest line */

/* UTF-8, as a config and all that is ASCII are. */
static void
put_quoted(struct buf *out, const char *value)
{
	char piece[STR_JSON_BYTE_MAX];

	buf_put_u8(out, '"');
	for (const char *p = value; *p != '\0'; p++)
		buf_put(out, piece, str_json_byte((unsigned char)*p, true,
		    piece));
	buf_put_u8(out, '"');
}

static void
put_string(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, ",\"%s\":", key);
	put_quoted(out, value);
}

static void
put_number(struct buf *out, const char *key, uint64_t value)
{
	buf_printf(out, ",\"%s\":%llu", key, (unsigned long long)value);
}

static const char *
compression_name(const struct wss_conn *c)
{
	if (c->ws.deflate == NULL)
		return "";
	return ws_deflate_cost(&c->ws.deflate->params) == 0 ? "shared" :
	    "dedicated";
}

/* At most so many bytes of names: an answer is not endless. */
#define NAMES_BYTES 1024

static void
put_peer(struct buf *out, const struct wss_peer *peer)
{
	size_t before;

	put_string(out, "peer", peer == NULL ? "" : peer->subject);
	put_string(out, "peer_fingerprint", peer == NULL ? "" :
	    peer->fingerprint);
	buf_printf(out, ",\"peer_names\":[");
	before = out->len;
	for (size_t i = 0; peer != NULL && peer->names[i] != NULL &&
	    out->len - before + strlen(peer->names[i]) < NAMES_BYTES; i++) {
		buf_printf(out, "%s", i == 0 ? "" : ",");
		put_quoted(out, peer->names[i]);
	}
	buf_printf(out, "]");
}

static void
put_connection(struct buf *out, struct wss_conn *c)
{
	char address[ADDR_TEXT_MAX], via[ADDR_TEXT_MAX] = "";
	uint64_t now = c->worker->now_ms;

	addr_format_client(&c->addr, address);
	if (c->via != NULL)
		addr_format(&c->via->addr, via);
	buf_printf(out, "{\"id\":\"%llx\"", (unsigned long long)c->id);
	put_number(out, "worker", c->worker->slot);
	put_string(out, "address", address);
	put_string(out, "via", via);
	put_string(out, "via_tls", c->via == NULL ? "" : c->via->tls);
	put_string(out, "listen", c->listen->name);
	put_string(out, "state", conn_state_name(c->state));
	put_string(out, "route", c->route == NULL ? "" :
	    c->route->config->path);
	put_string(out, "subprotocol", c->subprotocol == NULL ? "" :
	    c->subprotocol);
	buf_printf(out, ",\"secure\":%s", c->secure ? "true" : "false");
	put_string(out, "compression", compression_name(c));
	put_string(out, "context", c->choice.named == NULL ? "" :
	    c->choice.named->tls->config->name);
	put_string(out, "tls", stream_protocol(&c->stream));
	put_string(out, "cipher", stream_cipher(&c->stream));
	put_peer(out, conn_peer(c));
	put_number(out, "age_ms", now - c->accepted_ms);
	put_number(out, "idle_ms", now - (c->message_ms != 0 ?
	    c->message_ms : c->accepted_ms));
	put_number(out, "messages_in", c->messages_in);
	put_number(out, "messages_out", c->messages_out);
	put_number(out, "bytes_in", c->bytes_in);
	put_number(out, "bytes_out", c->bytes_out);
	put_number(out, "queued_bytes", conn_queued(c));
	put_number(out, "generation", c->snapshot->generation);
	buf_printf(out, "}\n");
}

/* Not inlined: tests/bench/instructions counts up to a call of this name. */
__attribute__((noinline, noclone)) void
query_connections(struct worker *w, uint64_t after, struct buf *out,
    uint64_t *last_out, bool *more_out)
{
	struct list *link, *next;

	*last_out = after;
	*more_out = false;
	LIST_EACH(link, next, &w->conns) {
		struct wss_conn *c = LIST_ITEM(link, struct wss_conn, all);

		if (c->id <= after)
			continue;
		if (out->len >= ANSWER_BYTES) {
			*more_out = true;
			return;
		}
		put_connection(out, c);
		*last_out = c->id;
	}
}
