/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: which codes a Close frame may carry, and its bytes
 * (RFC 6455 §7.4, §5.5.1).  Runs in the worker.
 */
#include "worker/ws.h"

#include <string.h>

#include "worker/utf8.h"

bool
ws_close_code_valid(unsigned code)
{
	/* 1004 is reserved; 1005, 1006 and 1015 are never sent: §7.4.1. */
	return (code >= 1000 && code <= 1003) ||
	    (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

size_t
ws_close_frame(uint8_t out[2 + WS_CONTROL_MAX], unsigned code,
    const char *reason, size_t reason_len)
{
	size_t max = WS_CONTROL_MAX - 2, len = reason_len, head;
	const uint8_t *bytes = (const uint8_t *)reason;

	if (!ws_close_code_valid(code))
		return ws_frame_head(out, true, 0, WS_CLOSE, 0);
	if (len > max)
		for (len = max; len > 0 && (bytes[len] & 0xc0) == 0x80;)
			len--;
	if (len > 0 && !utf8_valid(bytes, len))
		len = 0;
	head = ws_frame_head(out, true, 0, WS_CLOSE, 2 + len);
	out[head] = (uint8_t)(code >> 8);
	out[head + 1] = (uint8_t)code;
	if (len > 0)
		memcpy(out + head + 2, bytes, len);
	return head + 2 + len;
}
