/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: the layout of RFC 6455 §5.2 and the mask of §5.3.  Runs in
 * the worker.  Must never judge what a frame means; that is ws.c's.
 */
#include "worker/ws_frame.h"

#include <string.h>

/* Two words in one register where the machine has such registers. */
typedef uint64_t pair __attribute__((vector_size(16)));

static uint64_t
get_be(const uint8_t *data, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | data[i];
	return v;
}

static void
put_be(uint8_t *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

/* The mask over and over, as it lies in memory from that offset on. */
static uint64_t
mask_word(const uint8_t mask[4], uint64_t offset)
{
	unsigned turn = 8 * (unsigned)(offset & 3), back = (32 - turn) & 31;
	uint32_t k;

	memcpy(&k, mask, sizeof(k));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	k = k >> turn | k << back;
#else
	k = k << turn | k >> back;
#endif
	return (uint64_t)k << 32 | k;
}

enum ws_frame_result
ws_frame_parse(const uint8_t *data, size_t len, struct ws_frame *frame_out)
{
	struct ws_frame f = { 0 };
	size_t extra;

	frame_out->head_len = 2;
	if (len < 2)
		return WS_FRAME_MORE;
	f.fin = (data[0] & 0x80) != 0;
	f.rsv = data[0] >> 4 & 0x7;
	f.opcode = data[0] & 0xf;
	f.masked = (data[1] & 0x80) != 0;
	f.length = data[1] & 0x7f;
	extra = f.length == 127 ? 8 : f.length == 126 ? 2 : 0;
	f.head_len = 2 + extra + (f.masked ? sizeof(f.mask) : 0);
	frame_out->head_len = f.head_len;
	if (len < f.head_len)
		return WS_FRAME_MORE;
	if (extra > 0)
		f.length = get_be(data + 2, extra);
	/* "The minimal number of bytes MUST be used", top bit 0: §5.2. */
	if ((extra == 2 && f.length < 126) ||
	    (extra == 8 && (f.length <= UINT16_MAX || f.length >> 63 != 0)))
		return WS_FRAME_LENGTH;
	if (f.masked)
		memcpy(f.mask, data + 2 + extra, sizeof(f.mask));
	*frame_out = f;
	return WS_FRAME_OK;
}

size_t
ws_frame_head(uint8_t out[WS_SERVER_HEAD_MAX], bool fin, uint8_t rsv,
    enum ws_opcode opcode, uint64_t length)
{
	out[0] = (uint8_t)((fin ? 0x80 : 0) | (rsv & 0x7) << 4 |
	    ((unsigned)opcode & 0xf));
	if (length < 126) {
		out[1] = (uint8_t)length;
		return 2;
	}
	if (length <= UINT16_MAX) {
		out[1] = 126;
		put_be(out + 2, length, 2);
		return 4;
	}
	out[1] = 127;
	put_be(out + 2, length, 8);
	return 10;
}

size_t
ws_frame_client_head(uint8_t out[WS_FRAME_HEAD_MAX], bool fin, uint8_t rsv,
    enum ws_opcode opcode, uint64_t length, const uint8_t mask[4])
{
	size_t n = ws_frame_head(out, fin, rsv, opcode, length);

	out[1] |= 0x80;
	memcpy(out + n, mask, 4);
	return n + 4;
}

uint8_t
ws_frame_unmask(uint8_t *data, size_t len, const uint8_t mask[4],
    uint64_t offset)
{
	uint64_t key = mask_word(mask, offset), word, seen = 0;
	pair keys = { key, key }, a, b, seen_a = { 0 }, seen_b = { 0 };
	uint8_t key_bytes[4], tail = 0;
	uint32_t half;

	for (; len >= 2 * sizeof(a); data += 2 * sizeof(a),
	     len -= 2 * sizeof(a)) {
		memcpy(&a, data, sizeof(a));
		memcpy(&b, data + sizeof(a), sizeof(b));
		a ^= keys;
		b ^= keys;
		seen_a |= a;
		seen_b |= b;
		memcpy(data, &a, sizeof(a));
		memcpy(data + sizeof(a), &b, sizeof(b));
	}
	for (; len >= sizeof(word); data += sizeof(word),
	     len -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		word ^= key;
		seen |= word;
		memcpy(data, &word, sizeof(word));
	}
	if (len >= sizeof(half)) {
		memcpy(&half, data, sizeof(half));
		half ^= (uint32_t)key;
		seen |= half;
		memcpy(data, &half, sizeof(half));
		data += sizeof(half);
		len -= sizeof(half);
	}
	/* As the mask lies in memory: four bytes are its whole length. */
	memcpy(key_bytes, &key, sizeof(key_bytes));
	for (size_t i = 0; i < len; i++) {
		data[i] ^= key_bytes[i];
		tail |= data[i];
	}
	seen_a |= seen_b;
	seen |= seen_a[0] | seen_a[1];
	seen |= seen >> 32;
	seen |= seen >> 16;
	return (uint8_t)(seen | seen >> 8 | tail);
}
