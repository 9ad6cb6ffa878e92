/* SPDX-License-Identifier: MIT */
/*
 * The whole connection: three clients of one worker over ws://, from accept
 * to the end, with the real loop, transport, HTTP, WebSocket and handler.
 *
 * The input is a script: which client does what next, so requests and frames
 * are cut anywhere and interleaved with those of the others.  A client's
 * payload is made of letters that only it uses: whatever it gets back must be
 * made of them, so nothing of one connection, message or shared buffer shows
 * up in another.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "common/log.h"
#include "tests/fuzz/fuzz.h"
#include "worker/conn.h"
#include "worker/worker.h"

#define CLIENTS 3
#define STEPS_MAX 200
#define OUT_MAX 65536

static const char config_text[] =
    "[listen]\naddress = 127.0.0.1:0\ntransport = tcp\n"
    "max_header_size = 1k\n"
    "[listen proxied]\naddress = 127.0.0.2:0\ntransport = tcp\n"
    "proxy_protocol = on\ntrusted_proxies = 127.0.0.1\n"
    "[route /0]\nhandler = echo\nmax_message = 3000\nmax_fragments = 9\n"
    "[route /1]\nhandler = echo\nmax_message = 3000\n"
    "compression = shared\ncompression_min_size = 0\n"
    "[route /2]\nhandler = echo\nmax_message = 3000\n"
    "compression = dedicated\ncompression_min_size = 0\n"
    "[route /3]\nhandler = reply\ntext = ok\nsubprotocols = a, b\n"
    "output_high = 500\noutput_low = 100\nslow_consumer = pause\n";

struct client {
	int fd;
	unsigned index;
	bool proxied;		/* a PROXY header stands before its request */
	bool raw;		/* it has sent what is no proper request or
				   frame: its answers are not looked into */
	bool asked;		/* a request was sent */
	bool head_done;		/* of the answer */
	bool upgraded;		/* it was 101 */
	bool closed;		/* a Close frame came */
	bool reply;		/* the route answers with a text of its own */
	bool deflate;
	z_stream inflate;
	struct buf in;		/* received, not yet taken apart */
};

static struct {
	struct worker worker;
	struct metrics metrics;
	struct client clients[CLIENTS];
} f;

/* ---- the worker ------------------------------------------------------- */

static void
on_turn_over(void *arg)
{
	conns_turn_over(arg);
}

static struct snapshot *
build(struct worker *w)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	struct modules modules = { NULL };
	struct files files = FILES_INIT;
	struct buf warnings = BUF_INIT;
	struct err err = ERR_INIT;
	struct config *config = config_new(bundle_from_text("f.ini",
	    config_text, sizeof(config_text) - 1), &errors);
	struct snapshot *s;

	ASSERT(config != NULL);
	s = snapshot_new(w, config, 1, NULL, NULL, &files, &modules, false,
	    &warnings, &err);
	ASSERT(s != NULL);
	snapshot_publish(s, &f.metrics);
	return s;
}

/* As worker.c does it, without a master and without a clock. */
static void
start_worker(void)
{
	static const uint64_t key[2] = { 1, 2 };
	struct worker *w = &f.worker;
	struct transport_ops ops = {
		.input = conns_input,
		.drained = conns_drained,
		.turn_end = conns_turn_end,
		.turn_over = on_turn_over,
		.arg = w,
	};

	log_set_level(LOG_LEVEL_ERROR);
	worker_now(w);
	w->base = event_base_new();
	w->transport = transport_new(w->base, &ops);
	w->metrics = &f.metrics;
	accesslog_init(&w->accesslog);
	list_init(&w->listening);
	list_init(&w->acceptors);
	conns_init(w);
	limits_init(&w->limits, w->metrics, key);
	conns_start_ids(w);
	w->snapshot = build(w);
}

/* ---- what comes back -------------------------------------------------- */

/* The letters of a client: 32 that nobody else has, all of them ASCII. */
static bool
is_own(const struct client *c, uint8_t byte)
{
	return byte >= 32 + 32 * c->index && byte < 64 + 32 * c->index &&
	    byte != 0x7f;
}

static void
check_payload(struct client *c, const uint8_t *data, size_t len)
{
	if (c->raw)
		return;
	if (c->reply) {
		ASSERT(len == 2 && memcmp(data, "ok", 2) == 0);
		return;
	}
	for (size_t i = 0; i < len; i++)
		ASSERT(is_own(c, data[i]));
}

static void
check_inflated(struct client *c, const uint8_t *data, size_t len)
{
	static const uint8_t tail[] = { 0, 0, 0xff, 0xff };
	uint8_t *in = xmalloc(len + sizeof(tail)), *out = xmalloc(OUT_MAX);

	memcpy(in, data, len);
	memcpy(in + len, tail, sizeof(tail));
	c->inflate.next_in = in;
	c->inflate.avail_in = (uInt)(len + sizeof(tail));
	c->inflate.next_out = out;
	c->inflate.avail_out = OUT_MAX;
	ASSERT(inflate(&c->inflate, Z_SYNC_FLUSH) == Z_OK);
	ASSERT(c->inflate.avail_in == 0 && c->inflate.avail_out > 0);
	check_payload(c, out, OUT_MAX - c->inflate.avail_out);
	free(in);
	free(out);
}

/* RFC 6455 §5: what a server may send; returns its bytes, or 0. */
static size_t
check_frame(struct client *c, const uint8_t *data, size_t len)
{
	struct ws_frame frame;
	const uint8_t *payload;
	size_t n;

	switch (ws_frame_parse(data, len, &frame)) {
	case WS_FRAME_MORE:
		return 0;
	case WS_FRAME_LENGTH:
		abort();
	case WS_FRAME_OK:
		break;
	}
	ASSERT(frame.length <= OUT_MAX);
	if (len - frame.head_len < frame.length)
		return 0;
	payload = data + frame.head_len;
	n = (size_t)frame.length;
	ASSERT(frame.fin && !frame.masked && !c->closed);
	ASSERT(frame.rsv == 0 || (frame.rsv == WS_RSV1 && c->deflate));
	if (frame.opcode == WS_CLOSE) {
		ASSERT(frame.rsv == 0 && n != 1 && n <= WS_CONTROL_MAX);
		ASSERT(n == 0 || ws_close_code_valid(
		    (unsigned)payload[0] << 8 | payload[1]));
		c->closed = true;
	} else if (frame.opcode == WS_PONG) {
		ASSERT(frame.rsv == 0 && n <= WS_CONTROL_MAX);
		for (size_t i = 0; i < n; i++)
			ASSERT(c->raw || is_own(c, payload[i]));
	} else {
		ASSERT(frame.opcode == WS_TEXT || frame.opcode == WS_BINARY);
		if (frame.rsv != 0)
			check_inflated(c, payload, n);
		else
			check_payload(c, payload, n);
	}
	return frame.head_len + n;
}

static size_t
check_head(struct client *c, const uint8_t *data, size_t len)
{
	static const char deflate[] = "permessage-deflate";
	size_t scanned = 0, n = http_head_length(data, len, &scanned);

	if (n == HTTP_MORE)
		return 0;
	ASSERT(memcmp(data, "HTTP/1.1 ", 9) == 0);
	c->head_done = true;
	c->upgraded = memcmp(data + 9, "101", 3) == 0;
	c->deflate = memmem(data, n, deflate, sizeof(deflate) - 1) != NULL;
	/* A refusal is one page, and then nothing. */
	return c->upgraded ? n : len;
}

static void
check_answers(struct client *c)
{
	size_t done = 0, n;

	do {
		n = c->in.len - done;
		if (!c->head_done)
			n = n == 0 ? 0 : check_head(c, c->in.data, n);
		else if (c->upgraded)
			n = n == 0 ? 0 : check_frame(c, c->in.data + done, n);
		done += n;
	} while (n > 0);
	memmove(c->in.data, c->in.data + done, c->in.len - done);
	c->in.len -= done;
}

static void
receive(struct client *c)
{
	ssize_t n;

	if (c->fd == -1)
		return;
	do {
		buf_reserve(&c->in, OUT_MAX);
		n = recv(c->fd, c->in.data + c->in.len, OUT_MAX,
		    MSG_DONTWAIT);
		if (n > 0)
			c->in.len += (size_t)n;
	} while (n > 0);
	if (c->in.len > 0)
		check_answers(c);
}

/* ---- what the clients do ---------------------------------------------- */

static void
turn(void)
{
	for (int i = 0; i < 2; i++)
		event_base_loop(f.worker.base, EVLOOP_NONBLOCK);
}

static void
put(struct client *c, const void *data, size_t len)
{
	/* What the worker does not take is lost: so is the rest, then. */
	if (send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)len)
		c->raw = true;
}

static void
connect_client(struct client *c, unsigned index, bool proxied)
{
	struct addr addr = { .len = sizeof(addr.in) };
	struct limits_place place;
	int fds[2];

	addr.in.sin_family = AF_INET;
	addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	limits_place(&f.worker.limits, &addr, &place);
	memset(c, 0, sizeof(*c));
	c->index = index;
	c->proxied = proxied;
	ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	c->fd = fds[0];
	ASSERT(inflateInit2(&c->inflate, -15) == Z_OK);
	conn_new(&f.worker, fds[1], &addr, &place,
	    &f.worker.snapshot->config->listens[proxied],
	    &f.metrics.listens[proxied]);
}

static void
disconnect(struct client *c)
{
	if (c->fd == -1)
		return;
	receive(c);
	close(c->fd);
	c->fd = -1;
	inflateEnd(&c->inflate);
	buf_done(&c->in);
}

static void
send_request(struct client *c, uint8_t flags)
{
	struct buf b = BUF_INIT;

	if (c->proxied && !c->asked)
		buf_printf(&b, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
	buf_printf(&b, "GET /%u HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\n%s\r\n", flags & 3u,
	    flags & 4 ? "" : "Sec-WebSocket-Extensions: permessage-deflate\r\n");
	if (c->asked)
		c->raw = true;
	else
		c->reply = (flags & 3) == 3;
	c->asked = true;
	if (flags & 8) {	/* in two pieces */
		put(c, b.data, 30);
		turn();
		put(c, b.data + 30, b.len - 30);
	} else {
		put(c, b.data, b.len);
	}
	buf_done(&b);
}

/* A masked frame with that first byte. */
static void
put_frame(struct client *c, uint8_t first, const uint8_t *payload, size_t len)
{
	const uint8_t mask[4] = { 1, 2, 3, 4 };
	uint8_t bytes[600] = { first };
	size_t at = 2;

	ASSERT(len + 8 <= sizeof(bytes));
	bytes[1] = (uint8_t)(0x80 | (len < 126 ? len : 126));
	if (len >= 126) {
		bytes[at++] = (uint8_t)(len >> 8);
		bytes[at++] = (uint8_t)len;
	}
	memcpy(bytes + at, mask, sizeof(mask));
	at += sizeof(mask);
	for (size_t i = 0; i < len; i++)
		bytes[at++] = payload[i] ^ mask[i % 4];
	put(c, bytes, at);
}

/* The script's bytes become letters of the client. */
static void
letters_of(const struct client *c, struct input script, uint8_t *letters)
{
	for (size_t i = 0; i < script.len; i++)
		letters[i] = (uint8_t)(32 + 32 * c->index +
		    script.data[i] % 31);
}

static void
send_frame(struct client *c, uint8_t first, struct input script)
{
	uint8_t letters[256];

	letters_of(c, script, letters);
	/* Letters are no DEFLATE data: what comes of them is anything. */
	if ((first & 0x40) != 0)
		c->raw = true;
	put_frame(c, first, letters, script.len);
}

/* A compressed message, in one frame or, with a ping between, in two. */
static void
send_squeezed(struct client *c, uint8_t flags, struct input script)
{
	uint8_t letters[256], packed[512];
	z_stream z = { 0 };
	size_t n;

	letters_of(c, script, letters);
	ASSERT(deflateInit2(&z, 6, Z_DEFLATED, -9, 1, 0) == Z_OK);
	z.next_in = letters;
	z.avail_in = (uInt)script.len;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	deflate(&z, Z_SYNC_FLUSH);
	n = sizeof(packed) - z.avail_out;
	n -= n < 4 ? n : 4;
	deflateEnd(&z);
	if ((flags & 2) == 0) {
		put_frame(c, flags & 1 ? 0xc1 : 0xc2, packed, n);
		return;
	}
	put_frame(c, flags & 1 ? 0x41 : 0x42, packed, n / 2);
	if ((flags & 4) != 0)
		put_frame(c, 0x89, letters, script.len % 126);
	if ((flags & 8) != 0)
		turn();
	put_frame(c, 0x80, packed + n / 2, n - n / 2);
}

enum { REQUEST, FRAME, SQUEEZED, RAW, SHUT, HANG_UP, READ, ANEW, ACTIONS };

static void
act(struct client *c, struct input *script)
{
	uint8_t what = input_u8(script) % ACTIONS, first;
	struct input bytes;

	if (c->fd == -1 && what != ANEW)
		return;
	switch (what) {
	case REQUEST:
		send_request(c, input_u8(script));
		break;
	case FRAME:
	case SQUEEZED:
		first = input_u8(script);
		bytes = input_take(script, input_u8(script));
		if (what == SQUEEZED)
			send_squeezed(c, first, bytes);
		else
			send_frame(c, first, bytes);
		break;
	case RAW:
		c->raw = true;
		bytes = input_take(script, input_u8(script));
		put(c, bytes.data, bytes.len);
		break;
	case SHUT:
		shutdown(c->fd, SHUT_WR);
		break;
	case HANG_UP:
		disconnect(c);
		break;
	case READ:
		receive(c);
		break;
	case ANEW:
		if (c->fd == -1)
			connect_client(c, c->index, c->proxied);
		break;
	}
}

/* Everything ends, and nothing is left. */
static void
end_all(void)
{
	struct worker *w = &f.worker;

	for (unsigned i = 0; i < CLIENTS; i++) {
		receive(&f.clients[i]);
		disconnect(&f.clients[i]);
	}
	for (int i = 0; i < 40 && !list_empty(&w->conns); i++)
		turn();
	ASSERT(list_empty(&w->conns) && w->n_dirty == 0);
	ASSERT(list_empty(&w->ended) && list_empty(&w->dead));
	ASSERT(w->n_conns == 0 && w->current == NULL && w->gather.len == 0);
	ASSERT(w->deflate_pool.reserved == 0);
	ASSERT(metrics_get(&f.metrics.open) == 0);
	ASSERT(metrics_get(&f.metrics.upgrades) ==
	    metrics_get(&f.metrics.closed));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input script = { data, size };

	if (f.worker.base == NULL)
		start_worker();
	for (unsigned i = 0; i < CLIENTS; i++)
		connect_client(&f.clients[i], i, size > 0 &&
		    (data[size - 1] >> i & 1) != 0);
	for (int i = 0; i < STEPS_MAX && script.len > 0; i++) {
		uint8_t who = input_u8(&script);

		act(&f.clients[who % CLIENTS], &script);
		/* Or the next act comes in the same turn of the loop. */
		if ((who & 0x80) == 0)
			turn();
	}
	turn();
	end_all();
	return 0;
}
