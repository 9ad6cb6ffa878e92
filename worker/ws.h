/* SPDX-License-Identifier: MIT */
/*
 * The receiving half of one WebSocket (RFC 6455 §5 to §8), of a server, or of
 * a client: bytes in, events out.  Decodes in place in the caller's memory.
 * Pure: no socket, no log, no clock.  It allocates only to assemble a
 * fragmented message, as its fragments arrive (a header that announces much
 * costs nothing), and to inflate a compressed one, and never more than twice
 * limits->max_message.
 *
 * The caller keeps the bytes that were not consumed and gives them again,
 * beginning with the same byte and with more behind them.  The memory may
 * have moved, but the bytes must be as ws left them: those of an unfinished
 * frame are unmasked already.
 */
#ifndef WSSD_WORKER_WS_H
#define WSSD_WORKER_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "worker/ws_deflate.h"
#include "worker/ws_frame.h"

/* Close codes of §7.4.1 and the IANA registry that wssd sends or reports. */
enum ws_close_code {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL_ERROR = 1002,
	WS_CLOSE_UNSUPPORTED = 1003,
	WS_CLOSE_NO_STATUS = 1005,	/* never on the wire */
	WS_CLOSE_ABNORMAL = 1006,	/* never on the wire */
	WS_CLOSE_INVALID_DATA = 1007,
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_INTERNAL = 1011,
	WS_CLOSE_SERVICE_RESTART = 1012,
	WS_CLOSE_TRY_AGAIN_LATER = 1013,
	WS_CLOSE_BAD_GATEWAY = 1014
};

struct ws_limits {
	uint64_t max_message;	/* bytes of a message, all fragments, when
				   inflated: 1009 */
	uint64_t max_frame;	/* bytes of a data frame's payload: 1009;
				   0 = no limit of its own */
	uint32_t max_fragments;	/* frames of a message, empty ones too:
				   1008; 0 = no limit */
};

/* Fields are ws's own; embedded in the connection, so kept small. */
struct ws {
	struct ws_deflate *deflate;	/* permessage-deflate was agreed on;
				   else NULL.  Becomes ws's */
	struct buf message;	/* fragments so far, without headers; of a
				   compressed message what was inflated */
	uint64_t payload_done;	/* of the frame at the front: unmasked and
				   checked so far */
	uint32_t fragments;	/* frames of the message under way */
	uint32_t utf8_state;
	uint8_t opcode;		/* WS_TEXT or WS_BINARY while a fragmented
				   message is under way, else 0 */
	bool compressed;	/* that message */
	bool message_taken;	/* a message was handed out that lies in
				   memory of ours: empty it */
	bool closed;		/* a Close came, or an error: deaf from now */
	bool client;		/* the peer is a server, which does not mask */
};

enum ws_event_type {
	WS_EVENT_NEED,		/* not enough bytes; `need` says how many */
	WS_EVENT_MESSAGE,	/* opcode, data, len; a text is valid UTF-8.
				   In place, unless it came in fragments or
				   compressed */
	WS_EVENT_FRAGMENT,	/* a non-final frame was taken in; go on */
	WS_EVENT_PING,		/* data, len: answer with a Pong (§5.5.2) */
	WS_EVENT_PONG,
	WS_EVENT_CLOSE,		/* code (1005 = none given), data = reason,
				   which is valid UTF-8 */
	WS_EVENT_ERROR		/* code to close with, reason in words */
};

struct ws_event {
	enum ws_event_type type;
	enum ws_opcode opcode;	/* of a message: WS_TEXT or WS_BINARY */
	unsigned code;		/* of a Close or an error */
	const uint8_t *data;	/* valid until the bytes or ws change */
	size_t len;
	size_t consumed;	/* bytes of the input this event took; for
				   WS_EVENT_NEED and WS_EVENT_ERROR 0 */
	uint64_t need;		/* for WS_EVENT_NEED: length of the frame at
				   the front, header and payload, as far as
				   it is known; always more than was given,
				   never above what the limits allow */
	char reason[96];	/* for WS_EVENT_ERROR: a sentence for the log,
				   e.g. "message too big (70211 > 65536)" */
};

void ws_init(struct ws *);
/* The same for a client: frames come without a mask (§5.1). */
void ws_init_client(struct ws *);
void ws_done(struct ws *);

/*
 * Looks at data[0..len), which begins with a frame's first byte, and says
 * the next thing that happened.  After anything but WS_EVENT_NEED call it
 * again behind event->consumed.  After a Close or an error ws is deaf: it
 * answers WS_EVENT_NEED with need = 0 and looks at nothing.
 *
 * Errors are found as early as the bytes allow: a header as soon as it is
 * there, a length before its payload is awaited, a wrong byte of UTF-8 in a
 * data frame of which the rest is still missing.  (Control frames, at most
 * 125 bytes, are judged whole.)  A compressed message is inflated as it
 * comes, and judged by what comes out.
 *
 * A message that came in fragments lies in memory of ws, which the next
 * ws_read() gives back.  len may be 0 (and data NULL), so calling it until
 * WS_EVENT_NEED leaves nothing held by an idle connection.
 */
void ws_read(struct ws *, const struct ws_limits *, uint8_t *data,
    size_t len, struct ws_event *event_out);

/*
 * The handler is done with the message of the last event: its memory goes,
 * so that an idle connection holds nothing.
 */
void ws_release(struct ws *);

/*
 * True when the next bytes belong to a message that has begun.  (A Ping may
 * come first.)
 */
bool ws_in_message(const struct ws *);

/* May this code stand in a Close frame (§7.4, and the IANA registry)? */
bool ws_close_code_valid(unsigned code);

/*
 * A whole Close frame into out; returns its length, at most 127.  A code
 * that may not stand on the wire (1005, 1006 ...) makes an empty one.  A
 * reason is cut to 123 bytes at a character's end, and left out when it is
 * not UTF-8.
 */
size_t ws_close_frame(uint8_t out[2 + WS_CONTROL_MAX], unsigned code,
    const char *reason, size_t reason_len);

#endif
