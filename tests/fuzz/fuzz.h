/* SPDX-License-Identifier: MIT */
/*
 * What all fuzz targets share.  A target is one file fuzz_NAME.c with one
 * entry, which libFuzzer calls with bytes it made up, and replay.c with those
 * of corpus/NAME/.  A rule that is broken ends the program by ASSERT; memory
 * and undefined behaviour are the sanitizers'.
 */
#ifndef WSSD_TESTS_FUZZ_FUZZ_H
#define WSSD_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input; at its end everything is 0 and empty. */
struct input {
	const uint8_t *data;
	size_t len;
};

static inline uint8_t
input_u8(struct input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->data++;
}

static inline uint16_t
input_u16(struct input *in)
{
	unsigned high = input_u8(in);

	return (uint16_t)(high << 8 | input_u8(in));
}

/* The next len bytes, or as many as there are. */
static inline struct input
input_take(struct input *in, size_t len)
{
	struct input out = { in->data, len < in->len ? len : in->len };

	in->data += out.len;
	in->len -= out.len;
	return out;
}

/* The bytes up to the separator, which is passed over. */
static inline struct input
input_until(struct input *in, uint8_t separator)
{
	const uint8_t *at = in->len == 0 ? NULL :
	    memchr(in->data, separator, in->len);
	struct input out = input_take(in, at == NULL ? in->len :
	    (size_t)(at - in->data));

	input_u8(in);
	return out;
}

/*
 * A copy in memory of exactly that size, so that a read or a write behind
 * its end is seen; free() it.
 */
static inline uint8_t *
exact_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = xmalloc(len);

	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

/* The n bytes at `at' lie in data. */
static inline void
check_inside(const void *at, size_t n, const uint8_t *data, size_t len)
{
	const uint8_t *begin = at;

	ASSERT(n == 0 || (begin >= data && n <= len &&
	    (size_t)(begin - data) <= len - n));
}

#endif
