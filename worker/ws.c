/* SPDX-License-Identifier: MIT */
/*
 * Owns struct ws: what has been received of one WebSocket and is not a
 * whole message yet.  Runs in the worker.  Must never do I/O or log, and
 * never allocate for bytes that are only announced.
 *
 * A frame is judged in two steps: its header (check_frame), as soon as that
 * is there, then its payload, as it comes:
 *
 *	header | 0..payload_done unmasked, checked | not seen yet
 *
 * Control frames are at most 125 bytes and taken whole, so they neither use
 * payload_done nor touch the message they stand in the middle of.
 */
#include "worker/ws.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/assert.h"
#include "worker/utf8.h"
#include "worker/ws_usual.h"

/* The bytes at hand, the frame they begin with, and where to report. */
struct reading {
	uint8_t *data;
	size_t len;
	struct ws_frame frame;
	struct ws_event *event;
};

/* Always false: what is wrong with the peer, in one call. */
__attribute__((format(printf, 4, 5))) static bool
fail(struct ws *ws, struct ws_event *event, unsigned code, const char *fmt,
    ...)
{
	va_list ap;

	ws->closed = true;
	event->type = WS_EVENT_ERROR;
	event->consumed = 0;
	event->code = code;
	va_start(ap, fmt);
	vsnprintf(event->reason, sizeof(event->reason), fmt, ap);
	va_end(ap);
	return false;
}

/* Without a look at the reason's 96 bytes: this is done for every frame. */
static void
clear(struct ws_event *event)
{
	event->type = WS_EVENT_NEED;
	event->opcode = WS_CONTINUATION;
	event->code = 0;
	event->data = NULL;
	event->len = event->consumed = 0;
	event->need = 0;
	event->reason[0] = '\0';
}

static void
need(struct ws_event *event, uint64_t bytes)
{
	event->type = WS_EVENT_NEED;
	event->need = bytes;
}

static bool
is_control(uint8_t opcode)
{
	return (opcode & 0x8) != 0;
}

static uint8_t *
payload(const struct reading *r)
{
	return r->data + r->frame.head_len;
}

static bool
check_control(struct ws *ws, struct reading *r)
{
	const struct ws_frame *f = &r->frame;

	/* §5.5 */
	if (!f->fin)
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    "fragmented control frame");
	if (f->length > WS_CONTROL_MAX)
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    "control frame too long (%" PRIu64 " > %d)", f->length,
		    WS_CONTROL_MAX);
	/* §5.5.1: nothing, or a code and perhaps a reason. */
	if (f->opcode == WS_CLOSE && f->length == 1)
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    "Close frame with a payload of one byte");
	return true;
}

/* Is the data frame part of a compressed message? */
static bool
is_compressed(const struct ws *ws, const struct ws_frame *f)
{
	return f->opcode == WS_CONTINUATION ? ws->compressed : f->rsv == WS_RSV1;
}

/*
 * What a compressed frame may take up: as much as any compressor makes of a
 * whole message that it cannot compress, and some.
 */
static uint64_t
compressed_max(const struct ws_limits *limits)
{
	return limits->max_message + limits->max_message / 8 + 256;
}

static bool
check_limits(struct ws *ws, const struct ws_limits *limits,
    struct reading *r)
{
	uint64_t length = r->frame.length, have = ws->message.len;
	uint64_t max = limits->max_message;

	if (is_compressed(ws, &r->frame)) {
		have = 0;
		max = compressed_max(limits);
	}
	if (limits->max_frame != 0 && length > limits->max_frame)
		return fail(ws, r->event, WS_CLOSE_TOO_BIG,
		    "frame too big (%" PRIu64 " > %" PRIu64 ")", length,
		    limits->max_frame);
	/* Both below 2^63, so the sum cannot wrap round. */
	if (have + length > max)
		return fail(ws, r->event, WS_CLOSE_TOO_BIG,
		    "message too big (%" PRIu64 " > %" PRIu64 ")",
		    have + length, max);
	if (limits->max_fragments != 0 &&
	    ws->fragments >= limits->max_fragments)
		return fail(ws, r->event, WS_CLOSE_POLICY,
		    "too many fragments in a message (more than %" PRIu32 ")",
		    limits->max_fragments);
	return true;
}

/*
 * RSV1 stands on the first frame of a compressed message, and nowhere else
 * (RFC 7692 §6.1); the others belong to no extension.
 */
static bool
rsv_allowed(const struct ws *ws, const struct ws_frame *f)
{
	return f->rsv == 0 || (f->rsv == WS_RSV1 && ws->deflate != NULL &&
	    (f->opcode == WS_TEXT || f->opcode == WS_BINARY));
}

/* What a header says against §5.1, §5.2, §5.4, §5.5 and the limits. */
static bool
check_frame(struct ws *ws, const struct ws_limits *limits, struct reading *r)
{
	const struct ws_frame *f = &r->frame;

	if (!rsv_allowed(ws, f))
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    ws->deflate == NULL ?
		    "reserved bit set without an extension" :
		    "reserved bit set where it has no meaning");
	if (f->opcode > WS_PONG ||
	    (f->opcode > WS_BINARY && f->opcode < WS_CLOSE))
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    "unknown opcode 0x%x", f->opcode);
	if (f->masked == ws->client)
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    f->masked ? "frame with a mask from a server" :
		    "frame without a mask");
	if (is_control(f->opcode))
		return check_control(ws, r);
	if (f->opcode == WS_CONTINUATION && ws->opcode == 0)
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    "continuation without a message to continue");
	if (f->opcode != WS_CONTINUATION && ws->opcode != 0)
		return fail(ws, r->event, WS_CLOSE_PROTOCOL_ERROR,
		    "new message inside a fragmented one");
	return check_limits(ws, limits, r);
}

static void
read_close(struct ws *ws, struct reading *r)
{
	struct ws_event *event = r->event;
	const uint8_t *data = payload(r);
	size_t len = (size_t)r->frame.length;
	unsigned code = WS_CLOSE_NO_STATUS;

	if (len >= 2) {
		code = (unsigned)data[0] << 8 | data[1];
		data += 2;
		len -= 2;
		if (!ws_close_code_valid(code)) {
			fail(ws, event, WS_CLOSE_PROTOCOL_ERROR,
			    "invalid close code %u", code);
			return;
		}
		if (!utf8_valid(data, len)) {
			fail(ws, event, WS_CLOSE_INVALID_DATA,
			    "reason of a Close frame is not UTF-8");
			return;
		}
	}
	ws->closed = true;
	event->type = WS_EVENT_CLOSE;
	event->code = code;
	event->data = data;
	event->len = len;
}

static void
read_control(struct ws *ws, struct reading *r)
{
	struct ws_event *event = r->event;
	const struct ws_frame *f = &r->frame;

	if (r->len - f->head_len < f->length) {
		need(event, f->head_len + f->length);
		return;
	}
	ws_frame_unmask(payload(r), (size_t)f->length, f->mask, 0);
	event->consumed = f->head_len + (size_t)f->length;
	if (f->opcode == WS_CLOSE) {
		read_close(ws, r);
		return;
	}
	event->type = f->opcode == WS_PING ? WS_EVENT_PING : WS_EVENT_PONG;
	event->data = payload(r);
	event->len = (size_t)f->length;
}

/* Unmasks what came since the last time: returns where, and how much. */
static uint8_t *
unmask_fresh(struct ws *ws, struct reading *r, size_t *len_out,
    uint8_t *seen_out)
{
	uint64_t here = r->len - r->frame.head_len;
	uint8_t *fresh = payload(r) + ws->payload_done;

	if (here > r->frame.length)
		here = r->frame.length;
	ASSERT(here >= ws->payload_done);
	*len_out = (size_t)(here - ws->payload_done);
	*seen_out = ws_frame_unmask(fresh, *len_out, r->frame.mask,
	    ws->payload_done);
	ws->payload_done = here;
	return fresh;
}

/* Unmasks and checks what came since the last time; false: not UTF-8. */
static bool
advance(struct ws *ws, struct reading *r, uint8_t opcode)
{
	uint8_t seen, *fresh;
	size_t len;

	fresh = unmask_fresh(ws, r, &len, &seen);
	if (opcode != WS_TEXT)
		return true;
	/* Nothing but ASCII, and not in the middle of a character. */
	if (seen < 0x80 && ws->utf8_state == UTF8_START)
		return true;
	return utf8_check(&ws->utf8_state, fresh, len);
}

/* The last frame of a message is here: hand it out, be ready for another. */
static void
finish_message(struct ws *ws, struct ws_event *event, uint8_t opcode,
    const uint8_t *data, size_t len)
{
	event->type = WS_EVENT_MESSAGE;
	event->opcode = (enum ws_opcode)opcode;
	event->data = data;
	event->len = len;
	if (ws->message.len > 0) {
		buf_put(&ws->message, data, len);
		event->data = ws->message.data;
		event->len = ws->message.len;
		ws->message_taken = true;
	}
	ws->opcode = 0;
	ws->compressed = false;
	ws->fragments = 0;
	ws->utf8_state = UTF8_START;
}

/* A data frame is here whole; data is what it adds to the message. */
static void
finish_frame(struct ws *ws, struct reading *r, uint8_t opcode,
    const uint8_t *data, size_t len)
{
	const struct ws_frame *f = &r->frame;

	if (f->fin && ws->utf8_state != UTF8_START) {
		fail(ws, r->event, WS_CLOSE_INVALID_DATA,
		    "text ends inside a character");
		return;
	}
	ws->payload_done = 0;
	r->event->consumed = f->head_len + (size_t)f->length;
	if (f->fin) {
		finish_message(ws, r->event, opcode, data, len);
		return;
	}
	/* Only what came is ever copied; what a header claims is not. */
	buf_put(&ws->message, data, len);
	ws->opcode = opcode;
	ws->compressed = is_compressed(ws, f);
	ws->fragments++;
	r->event->type = WS_EVENT_FRAGMENT;
}

static void
read_data(struct ws *ws, struct reading *r, uint8_t opcode)
{
	const struct ws_frame *f = &r->frame;

	if (!advance(ws, r, opcode))
		fail(ws, r->event, WS_CLOSE_INVALID_DATA,
		    "text is not UTF-8");
	else if (ws->payload_done < f->length)
		need(r->event, f->head_len + f->length);
	else
		finish_frame(ws, r, opcode, payload(r), (size_t)f->length);
}

/* ---- compressed messages ---------------------------------------------- */

static bool
judge_inflated(struct ws *ws, const struct ws_limits *limits,
    struct reading *r, enum ws_inflate_result result)
{
	switch (result) {
	case WS_INFLATE_OK:
		break;
	case WS_INFLATE_TOO_BIG:
		return fail(ws, r->event, WS_CLOSE_TOO_BIG,
		    "message too big (more than %" PRIu64 " when inflated)",
		    limits->max_message);
	case WS_INFLATE_BROKEN:
		return fail(ws, r->event, WS_CLOSE_INVALID_DATA,
		    "compressed message is not DEFLATE data, or not whole");
	}
	return true;
}

/*
 * Inflates into `out' what came since the last time, and to the end where
 * that is reached.
 */
static bool
advance_inflating(struct ws *ws, const struct ws_limits *limits,
    struct reading *r, uint8_t opcode, struct buf *out)
{
	size_t max = (size_t)limits->max_message - ws->message.len, len;
	enum ws_inflate_result result;
	uint8_t seen, *fresh;

	fresh = unmask_fresh(ws, r, &len, &seen);
	result = ws_inflate(ws->deflate, fresh, len, max, out);
	if (result == WS_INFLATE_OK && r->frame.fin &&
	    ws->payload_done == r->frame.length)
		result = ws_inflate_end(ws->deflate, max - out->len, out);
	/* In the order of the bytes, so that it does not matter how they are
	   cut: the text before what ended it. */
	if (opcode == WS_TEXT && !utf8_check(&ws->utf8_state, out->data,
	    out->len < max ? out->len : max))
		return fail(ws, r->event, WS_CLOSE_INVALID_DATA,
		    "text is not UTF-8");
	return judge_inflated(ws, limits, r, result);
}

/*
 * As read_data(), but what comes out lies in memory that all connections
 * share, and only what is unfinished at the end of the call is copied.
 */
static void
read_compressed(struct ws *ws, const struct ws_limits *limits,
    struct reading *r, uint8_t opcode)
{
	struct buf *out = &ws->deflate->pool->inflated;
	const struct ws_frame *f = &r->frame;

	buf_clear(out);
	if (advance_inflating(ws, limits, r, opcode, out)) {
		if (ws->payload_done < f->length) {
			buf_put(&ws->message, out->data, out->len);
			need(r->event, f->head_len + f->length);
		} else {
			finish_frame(ws, r, opcode, out->data, out->len);
		}
	}
	/* A message that is handed out lies there until ws_release(). */
	ws->message_taken = r->event->type == WS_EVENT_MESSAGE;
	if (!ws->message_taken)
		ws_deflate_trim(out);
}

static void
read_message(struct ws *ws, const struct ws_limits *limits,
    struct reading *r)
{
	const struct ws_frame *f = &r->frame;
	uint8_t opcode = f->opcode == WS_CONTINUATION ? ws->opcode : f->opcode;

	if (is_compressed(ws, f))
		read_compressed(ws, limits, r, opcode);
	else
		read_data(ws, r, opcode);
}

/* ---- the interface ---------------------------------------------------- */

void
ws_init(struct ws *ws)
{
	*ws = (struct ws){ .message = BUF_INIT, .utf8_state = UTF8_START };
}

void
ws_init_client(struct ws *ws)
{
	ws_init(ws);
	ws->client = true;
}

void
ws_done(struct ws *ws)
{
	buf_done(&ws->message);
	ws_deflate_free(ws->deflate);
	ws->deflate = NULL;
}

void
ws_release(struct ws *ws)
{
	if (!ws->message_taken)
		return;
	buf_done(&ws->message);
	if (ws->deflate != NULL)
		ws_deflate_trim(&ws->deflate->pool->inflated);
	ws->message_taken = false;
}

void
ws_read(struct ws *ws, const struct ws_limits *limits, uint8_t *data,
    size_t len, struct ws_event *event)
{
	struct reading r = { .data = data, .len = len, .event = event };

	clear(event);
	ws_release(ws);
	if (ws->closed || ws_read_usual(ws, limits, data, len, event))
		return;
	switch (ws_frame_parse(data, len, &r.frame)) {
	case WS_FRAME_MORE:
		need(event, r.frame.head_len);
		return;
	case WS_FRAME_LENGTH:
		fail(ws, event, WS_CLOSE_PROTOCOL_ERROR,
		    "payload length is not in its shortest form");
		return;
	case WS_FRAME_OK:
		break;
	}
	if (!check_frame(ws, limits, &r))
		return;
	if (is_control(r.frame.opcode))
		read_control(ws, &r);
	else
		read_message(ws, limits, &r);
}

bool
ws_in_message(const struct ws *ws)
{
	return ws->opcode != 0 || ws->payload_done > 0;
}
