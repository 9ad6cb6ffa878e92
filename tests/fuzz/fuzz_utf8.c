/* SPDX-License-Identifier: MIT */
/*
 * The two UTF-8 checks against a third that is written as the definition
 * reads: bytes make a number, and the number must be allowed.
 */
#include "common/str.h"
#include "tests/fuzz/fuzz.h"
#include "worker/utf8.h"

/* Is there an allowed code point of this length from low to high? */
static bool
has_code_point(uint32_t low, uint32_t high, unsigned bytes)
{
	static const uint32_t first[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (low < first[bytes])
		low = first[bytes];
	if (high > 0x10ffff)
		high = 0x10ffff;
	if (low >= 0xd800 && low <= 0xdfff)
		low = 0xe000;
	return low <= high;
}

static unsigned
sequence_length(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if ((lead & 0xe0) == 0xc0)
		return 2;
	if ((lead & 0xf0) == 0xe0)
		return 3;
	return (lead & 0xf8) == 0xf0 ? 4 : 0;
}

/*
 * How many bytes of one character can be what they are, and whether it is
 * whole.
 */
static size_t
one_character(const uint8_t *data, size_t len, bool *whole_out)
{
	unsigned bytes = sequence_length(data[0]), rest;
	uint32_t code;

	*whole_out = false;
	if (bytes == 0)
		return 0;
	code = bytes == 1 ? data[0] : data[0] & (0x7fu >> bytes);
	for (unsigned i = 0; i < bytes; i++) {
		if (i == len)
			return i;
		if (i > 0 && (data[i] & 0xc0) != 0x80)
			return i;
		if (i > 0)
			code = code << 6 | (data[i] & 0x3f);
		rest = 6 * (bytes - 1 - i);
		if (!has_code_point(code << rest, (code << rest) |
		    ((1u << rest) - 1), bytes))
			return i;
	}
	*whole_out = true;
	return bytes;
}

/* Bytes before the first one that cannot stand where it stands. */
static size_t
plain(const uint8_t *data, size_t len, bool *whole_out)
{
	size_t at = 0, n;

	*whole_out = true;
	while (at < len) {
		n = one_character(data + at, len - at, whole_out);
		at += n;
		if (!*whole_out)
			break;
	}
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	size_t cut = input_u8(&in), good;
	uint32_t state = UTF8_START;
	bool whole, ok = true;

	good = plain(in.data, in.len, &whole);
	ASSERT(utf8_valid(in.data, in.len) == (good == in.len && whole));
	ASSERT(str_is_utf8((const char *)in.data, in.len) ==
	    (good == in.len && whole));
	/* Byte by byte it fails at that byte, and not before. */
	for (size_t i = 0; i < in.len && ok; i++) {
		ok = utf8_check(&state, in.data + i, 1);
		ASSERT(ok == (i < good));
	}
	ASSERT(ok == (good == in.len));
	ASSERT(!ok || (state == UTF8_START) == whole);
	/* And so it does in two pieces. */
	if (cut > in.len)
		cut = in.len;
	state = UTF8_START;
	ok = utf8_check(&state, in.data, cut);
	ASSERT(ok == (cut <= good));
	if (ok)
		ASSERT(utf8_check(&state, in.data + cut, in.len - cut) ==
		    (good == in.len));
	return 0;
}
