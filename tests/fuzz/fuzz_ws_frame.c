/* SPDX-License-Identifier: MIT */
/* Frame headers and masks, against the plainest way to write them. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "worker/ws_frame.h"

static size_t
full_length(const uint8_t *data, size_t len)
{
	uint8_t seven;

	if (len < 2)
		return 2;
	seven = data[1] & 0x7f;
	return 2u + (seven == 126 ? 2 : seven == 127 ? 8 : 0) +
	    (data[1] & 0x80 ? 4 : 0);
}

static uint64_t
payload_length(const uint8_t *data)
{
	uint8_t seven = data[1] & 0x7f;
	size_t bytes = seven == 126 ? 2 : seven == 127 ? 8 : 0;
	uint64_t length = bytes == 0 ? seven : 0;

	for (size_t i = 0; i < bytes; i++)
		length = length << 8 | data[2 + i];
	return length;
}

/* RFC 6455 §5.2: the minimal number of bytes, the top bit 0. */
static bool
length_is_right(const uint8_t *data)
{
	uint64_t length = payload_length(data);

	switch (data[1] & 0x7f) {
	case 126:
		return length > 125;
	case 127:
		return length > 65535 && length >> 63 == 0;
	default:
		return true;
	}
}

static void
check_head(const struct ws_frame *f, const uint8_t *data)
{
	uint8_t head[WS_SERVER_HEAD_MAX];
	size_t n;

	ASSERT(f->fin == (data[0] >> 7));
	ASSERT(f->rsv == (data[0] >> 4 & 7));
	ASSERT(f->opcode == (data[0] & 15));
	ASSERT(f->masked == (data[1] >> 7));
	ASSERT(f->length == payload_length(data));
	ASSERT(f->head_len == full_length(data, 2));
	if (f->masked) {
		ASSERT(memcmp(f->mask, data + f->head_len - 4, 4) == 0);
		return;
	}
	/* Written again it is the same. */
	n = ws_frame_head(head, f->fin, f->rsv, (enum ws_opcode)f->opcode,
	    f->length);
	ASSERT(n == f->head_len && memcmp(head, data, n) == 0);
}

static void
check_mask(struct input in, const uint8_t mask[4], uint64_t offset)
{
	/* At every alignment, for it is done in words. */
	for (size_t shift = 0; shift < 8 && shift <= in.len; shift++) {
		size_t len = in.len - shift;
		uint8_t *bytes = exact_copy(in.data, in.len), seen = 0;
		uint8_t said = ws_frame_unmask(bytes + shift, len, mask,
		    offset);

		for (size_t i = 0; i < len; i++) {
			uint8_t want = in.data[shift + i] ^
			    mask[(offset + i) % 4];

			ASSERT(bytes[shift + i] == want);
			seen |= want;
		}
		ASSERT((said < 0x80) == (seen < 0x80));
		ASSERT(shift == 0 || memcmp(bytes, in.data, shift) == 0);
		free(bytes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct ws_frame f;
	enum ws_frame_result result = WS_FRAME_MORE;

	/* What is not all there says how long it is, as far as is known. */
	for (size_t len = 0; len <= size && len <= WS_FRAME_HEAD_MAX &&
	    result == WS_FRAME_MORE; len++) {
		uint8_t *head = exact_copy(data, len);

		result = ws_frame_parse(head, len, &f);
		if (result == WS_FRAME_MORE)
			ASSERT(f.head_len == full_length(data, len) &&
			    f.head_len > len);
		if (result == WS_FRAME_LENGTH)
			ASSERT(!length_is_right(data));
		if (result == WS_FRAME_OK) {
			ASSERT(length_is_right(data));
			ASSERT(len == full_length(data, len));
			check_head(&f, head);
		}
		free(head);
	}
	if (result != WS_FRAME_OK)
		return 0;
	input_take(&in, f.head_len);
	check_mask(in, f.mask, f.length);
	return 0;
}
