/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames (RFC 6455 §5.2): the header's bytes and the mask.
 * Pure: no socket, no log, no allocation.
 */
#ifndef WSSD_WORKER_WS_FRAME_H
#define WSSD_WORKER_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ws_opcode {
	WS_CONTINUATION = 0x0,
	WS_TEXT = 0x1,
	WS_BINARY = 0x2,
	WS_CLOSE = 0x8,
	WS_PING = 0x9,
	WS_PONG = 0xa
};

#define WS_RSV1 4		/* permessage-deflate's: RFC 7692 §6 */

#define WS_FRAME_HEAD_MAX 14	/* what a client sends, with its mask */
#define WS_SERVER_HEAD_MAX 10	/* what a server sends: never masked */
#define WS_CONTROL_MAX 125	/* §5.5 */

struct ws_frame {
	bool fin;
	uint8_t rsv;		/* RSV1 = 4, RSV2 = 2, RSV3 = 1 */
	uint8_t opcode;		/* any of 0..15: the caller judges it */
	bool masked;
	uint8_t mask[4];
	uint64_t length;	/* of the payload */
	size_t head_len;	/* bytes of the header itself, 2..14 */
};

enum ws_frame_result {
	WS_FRAME_OK,
	WS_FRAME_MORE,		/* the header is not all there */
	WS_FRAME_LENGTH		/* not minimal, or the top bit set: §5.2 */
};

/*
 * The header at the front of data.  When it is not all there, only
 * frame_out->head_len is set: how long it is, as far as is known (2 as long
 * as its second byte is missing).
 */
enum ws_frame_result ws_frame_parse(const uint8_t *data, size_t len,
    struct ws_frame *frame_out);

/* An unmasked header into out; returns its length, 2, 4 or 10. */
size_t ws_frame_head(uint8_t out[WS_SERVER_HEAD_MAX], bool fin, uint8_t rsv,
    enum ws_opcode opcode, uint64_t length);

/* A masked header into out: 6, 8 or 14 bytes. */
size_t ws_frame_client_head(uint8_t out[WS_FRAME_HEAD_MAX], bool fin,
    uint8_t rsv, enum ws_opcode opcode, uint64_t length,
    const uint8_t mask[4]);

/*
 * Takes the mask off len bytes in place (§5.3); `offset` is how many bytes
 * of the payload came before.  Returns the bitwise OR of all the bytes it
 * made, in one byte: below 0x80 means that all of them are ASCII.  The same
 * puts the mask on.
 */
uint8_t ws_frame_unmask(uint8_t *data, size_t len, const uint8_t mask[4],
    uint64_t offset);

#endif
