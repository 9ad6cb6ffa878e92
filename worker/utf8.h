/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 as RFC 3629 allows it (no surrogates, no overlong forms, nothing
 * above U+10FFFF), checked as the bytes arrive: RFC 6455 §8.1 wants a text
 * message failed, and it can be failed at the first wrong byte.
 */
#ifndef WSSD_WORKER_UTF8_H
#define WSSD_WORKER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_START 0u		/* between two characters */

/*
 * Goes on from *state over len bytes.  False: a byte that cannot stand where
 * it stands; the state is then of no further use.  A text is whole when the
 * state is UTF8_START at its end.
 */
bool utf8_check(uint32_t *state, const uint8_t *data, size_t len);

/* The same for a text that is all there. */
bool utf8_valid(const uint8_t *data, size_t len);

#endif
