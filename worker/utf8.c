/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: the rules of RFC 3629 §4 over bytes that come in parts.
 * Runs in the worker.  Must never read behind the bytes it was given.
 *
 * Between two characters the state is UTF8_START.  Inside one it says what
 * the next byte must be, which is all there is to know, so no table is
 * needed:
 *
 *	bits 0..7	how many bytes of the character are missing
 *	bits 8..15	the least the next byte may be
 *	bits 16..23	the most it may be
 *
 * Only the second byte has a range of its own (E0, ED, F0, F4: no overlong
 * forms, no surrogates, nothing above U+10FFFF); later ones are 80..BF.
 */
#include "worker/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define BROKEN UINT32_MAX

static uint32_t
expect(uint32_t missing, uint32_t least, uint32_t most)
{
	return missing | least << 8 | most << 16;
}

/* The state behind a character's first byte. */
static uint32_t
lead(uint8_t c)
{
	if (c < 0x80)
		return UTF8_START;
	if (c < 0xc2)
		return BROKEN;
	if (c < 0xe0)
		return expect(1, 0x80, 0xbf);
	if (c < 0xf0)
		return expect(2, c == 0xe0 ? 0xa0 : 0x80,
		    c == 0xed ? 0x9f : 0xbf);
	if (c < 0xf5)
		return expect(3, c == 0xf0 ? 0x90 : 0x80,
		    c == 0xf4 ? 0x8f : 0xbf);
	return BROKEN;
}

static uint32_t
step(uint32_t state, uint8_t c)
{
	if (state == UTF8_START)
		return lead(c);
	if (c < (state >> 8 & 0xff) || c > (state >> 16 & 0xff))
		return BROKEN;
	if ((state & 0xff) == 1)
		return UTF8_START;
	return expect((state & 0xff) - 1, 0x80, 0xbf);
}

/* The first byte that is not ASCII, or one of the last 15. */
static const uint8_t *
skip_ascii(const uint8_t *p, const uint8_t *end)
{
	uint64_t w[2];

	while (end - p >= 16) {
		memcpy(w, p, sizeof(w));
		if (((w[0] | w[1]) & HIGH_BITS) != 0)
			break;
		p += 16;
	}
	while (p < end && *p < 0x80)
		p++;
	return p;
}

static bool
is_tail(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * Passes over characters, a whole one at a time, which is several times
 * faster than byte by byte.  Stops before one that is wrong or cut off (or
 * near the end): step() judges what is left.
 */
static const uint8_t *
skip_whole(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 4) {
		if (p[0] < 0x80) {
			p = skip_ascii(p, end);
		} else if (p[0] >= 0xc2 && p[0] < 0xe0 && is_tail(p[1])) {
			p += 2;
		} else if (p[0] >= 0xe0 && p[0] < 0xf0 && is_tail(p[1]) &&
		    is_tail(p[2]) && (p[0] != 0xe0 || p[1] >= 0xa0) &&
		    (p[0] != 0xed || p[1] < 0xa0)) {
			p += 3;
		} else if (p[0] >= 0xf0 && p[0] < 0xf5 && is_tail(p[1]) &&
		    is_tail(p[2]) && is_tail(p[3]) &&
		    (p[0] != 0xf0 || p[1] >= 0x90) &&
		    (p[0] != 0xf4 || p[1] < 0x90)) {
			p += 4;
		} else {
			break;
		}
	}
	return p;
}

bool
utf8_check(uint32_t *state, const uint8_t *data, size_t len)
{
	const uint8_t *p = data, *end = data + len;
	uint32_t s = *state;

	while (p < end) {
		if (s == UTF8_START) {
			p = skip_whole(p, end);
			if (p == end)
				break;
		}
		s = step(s, *p++);
		if (s == BROKEN)
			return false;
	}
	*state = s;
	return true;
}

bool
utf8_valid(const uint8_t *data, size_t len)
{
	uint32_t state = UTF8_START;

	return utf8_check(&state, data, len) && state == UTF8_START;
}
