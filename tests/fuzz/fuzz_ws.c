/* SPDX-License-Identifier: MIT */
/*
 * What a client sends, however it is cut into pieces, means the same; and
 * what comes out keeps to the limits.  With permessage-deflate and without.
 */
#include <stdlib.h>

#include "common/buf.h"
#include "tests/fuzz/fuzz.h"
#include "worker/utf8.h"
#include "worker/ws.h"

/* The first bytes of an input say how it is to be taken. */
struct setup {
	struct ws_limits limits;
	struct ws_deflate_params deflate;
	uint8_t step;		/* bytes of a piece; 0: all at once */
};

static struct setup
take_setup(struct input *in)
{
	uint8_t flags = input_u8(in);
	struct setup s = {
		.limits = { input_u16(in), flags & 1 ? 200 : 0,
		    flags >> 1 & 7 },
		.step = input_u8(in),
	};

	s.deflate.agreed = (flags & 16) != 0;
	s.deflate.client_takeover = (flags & 32) != 0;
	s.deflate.client_bits = flags & 64 ? 15 : 8;
	s.deflate.server_bits = 9;
	s.deflate.memory_level = 1;
	return s;
}

/* A Close frame, whatever it is to say, is a proper one. */
static void
check_close_frame(unsigned code, const void *reason, size_t len)
{
	uint8_t out[2 + WS_CONTROL_MAX];
	size_t n = ws_close_frame(out, code, reason, len);
	struct ws_frame f;

	ASSERT(ws_frame_parse(out, n, &f) == WS_FRAME_OK);
	ASSERT(f.fin && f.rsv == 0 && f.opcode == WS_CLOSE && !f.masked);
	ASSERT(f.length <= WS_CONTROL_MAX && f.head_len + f.length == n);
	ASSERT((f.length >= 2) == ws_close_code_valid(code));
	if (f.length == 0)
		return;
	ASSERT(code == ((unsigned)out[2] << 8 | out[3]));
	ASSERT(utf8_valid(out + 4, n - 4));
	ASSERT(n == 4 || memcmp(out + 4, reason, n - 4) == 0);
}

static void
check_event(const struct setup *s, const struct ws *ws,
    const struct ws_event *e, size_t len)
{
	uint64_t most = s->limits.max_message + s->limits.max_message / 8 +
	    256 + WS_FRAME_HEAD_MAX;

	ASSERT(e->consumed <= len);
	ASSERT(ws->message.len <= s->limits.max_message);
	switch (e->type) {
	case WS_EVENT_NEED:
		ASSERT(e->consumed == 0);
		ASSERT(ws->closed ? e->need == 0 :
		    e->need > len && e->need <= most);
		break;
	case WS_EVENT_MESSAGE:
		ASSERT(e->len <= s->limits.max_message);
		ASSERT(e->opcode == WS_BINARY || e->opcode == WS_TEXT);
		ASSERT(e->opcode == WS_BINARY || utf8_valid(e->data, e->len));
		break;
	case WS_EVENT_PING:
		check_close_frame((unsigned)e->len * 50, e->data, e->len);
		/* fall through */
	case WS_EVENT_PONG:
		ASSERT(e->len <= WS_CONTROL_MAX);
		break;
	case WS_EVENT_CLOSE:
		ASSERT(utf8_valid(e->data, e->len));
		check_close_frame(e->code, e->data, e->len);
		ASSERT(e->code == WS_CLOSE_NO_STATUS ||
		    ws_close_code_valid(e->code));
		break;
	case WS_EVENT_ERROR:
		ASSERT(e->consumed == 0 && ws_close_code_valid(e->code));
		ASSERT(strlen(e->reason) > 0);
		check_close_frame(e->code, e->reason, strlen(e->reason));
		break;
	case WS_EVENT_FRAGMENT:
		break;
	}
}

/* What happened, in a form that can be compared. */
static void
note(struct buf *transcript, const struct ws_event *e)
{
	if (e->type == WS_EVENT_NEED)
		return;
	buf_put_u8(transcript, (uint8_t)e->type);
	buf_put_u8(transcript, (uint8_t)e->opcode);
	buf_put_u32(transcript, e->code);
	buf_put_u64(transcript, e->len);
	buf_put(transcript, e->data, e->len);
	buf_put(transcript, e->reason, strlen(e->reason));
}

/* All that can be taken of bytes[0..len); returns how many were. */
static size_t
take(struct ws *ws, const struct setup *s, uint8_t *bytes, size_t len,
    struct buf *transcript)
{
	struct ws_event e;
	size_t done = 0;

	do {
		ws_read(ws, &s->limits, bytes + done, len - done, &e);
		check_event(s, ws, &e, len - done);
		note(transcript, &e);
		done += e.consumed;
	} while (e.type != WS_EVENT_NEED && e.type != WS_EVENT_ERROR);
	return done;
}

/* Each piece lies in memory of its own, behind what was left. */
static void
run(const struct setup *s, struct ws_deflate_pool *pool, struct input in,
    size_t step, struct buf *transcript)
{
	uint8_t *kept = exact_copy(NULL, 0), *all;
	size_t n_kept = 0, n, done;
	struct ws ws;

	ws_init(&ws);
	if (s->deflate.agreed)
		ws.deflate = ws_deflate_new(pool, &s->deflate);
	while (in.len > 0) {
		struct input piece = input_take(&in, step);

		n = n_kept + piece.len;
		all = xmalloc(n);
		memcpy(all, kept, n_kept);
		memcpy(all + n_kept, piece.data, piece.len);
		done = take(&ws, s, all, n, transcript);
		free(kept);
		n_kept = n - done;
		kept = exact_copy(all + done, n_kept);
		free(all);
	}
	free(kept);
	ws_done(&ws);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct setup s = take_setup(&in);
	struct ws_deflate_pool pool = { .idle = NULL };
	struct buf whole = BUF_INIT, cut = BUF_INIT;

	run(&s, &pool, in, in.len, &whole);
	run(&s, &pool, in, s.step == 0 ? 1 : s.step, &cut);
	ASSERT(whole.len == cut.len);
	ASSERT(whole.len == 0 ||
	    memcmp(whole.data, cut.data, whole.len) == 0);
	ASSERT(pool.reserved == 0);
	buf_done(&whole);
	buf_done(&cut);
	ws_deflate_pool_done(&pool);
	return 0;
}
