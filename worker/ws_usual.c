/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing.  Runs in the worker, inside ws_read().  Must never decide
 * anything that ws.c would decide otherwise: what it is not sure of it leaves
 * to ws.c, untouched.
 */
#include "worker/ws_usual.h"

#include "worker/utf8.h"

#define HEAD 6u				/* two bytes and the mask */

/* Its header: FIN, no RSV, Text or Binary, masked, at most 125 bytes. */
static bool
is_usual(const uint8_t *data, size_t len)
{
	return len >= 2 && (data[0] == (0x80 | WS_TEXT) ||
	    data[0] == (0x80 | WS_BINARY)) && data[1] >= 0x80 &&
	    data[1] < 0x80 + 126 && len >= HEAD + (data[1] & 0x7fu);
}

bool
ws_read_usual(struct ws *ws, const struct ws_limits *limits, uint8_t *data,
    size_t len, struct ws_event *event)
{
	size_t length;
	uint8_t seen;

	if (!is_usual(data, len) || ws->client || ws_in_message(ws))
		return false;
	length = data[1] & 0x7f;
	if (length > limits->max_message ||
	    (limits->max_frame != 0 && length > limits->max_frame))
		return false;
	seen = ws_frame_unmask(data + HEAD, length, data + 2, 0);
	if (seen >= 0x80 && data[0] == (0x80 | WS_TEXT) &&
	    !utf8_valid(data + HEAD, length)) {
		/* The long way has the words for it.  Masked twice is as it
		   was. */
		ws_frame_unmask(data + HEAD, length, data + 2, 0);
		return false;
	}
	event->type = WS_EVENT_MESSAGE;
	event->opcode = (enum ws_opcode)(data[0] & 0xf);
	event->data = data + HEAD;
	event->len = length;
	event->consumed = HEAD + length;
	return true;
}
