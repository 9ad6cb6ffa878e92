/* SPDX-License-Identifier: MIT */
/* Pure: looks at bytes. */
#include "worker/signer/tbs.h"

#include <string.h>

#define PAD 64
#define RANDOMS 64
#define NAMED_CURVE 3
#define DH_PRIME_MIN 128	/* bytes: 1,024 bits */

static const char context[] = "TLS 1.3, server CertificateVerify";

/* 64 blanks, the context with its NUL, a hash of the handshake. */
static bool
is_certificate_verify(const uint8_t *data, size_t len)
{
	size_t hash = len - PAD - sizeof(context);

	if (len < PAD + sizeof(context) || (hash != 32 && hash != 48))
		return false;
	for (size_t i = 0; i < PAD; i++)
		if (data[i] != ' ')
			return false;
	return memcmp(data + PAD, context, sizeof(context)) == 0;
}

/* client_random, server_random, curve type, its 16-bit name, the point. */
static bool
is_key_exchange(const uint8_t *data, size_t len)
{
	return len > RANDOMS + 4 && data[RANDOMS] == NAMED_CURVE &&
	    len == RANDOMS + 4 + (size_t)data[RANDOMS + 3];
}

/* A number with its 16-bit length before it; 0: there is none. */
static size_t
number_at(const uint8_t *data, size_t len, size_t at)
{
	size_t n;

	if (len - at < 2)
		return 0;
	n = (size_t)data[at] << 8 | data[at + 1];
	return n > 0 && n <= len - at - 2 ? n : 0;
}

/* client_random, server_random, and the prime, generator and public value. */
static bool
is_dh_key_exchange(const uint8_t *data, size_t len)
{
	size_t at = RANDOMS;

	if (len < RANDOMS || number_at(data, len, at) < DH_PRIME_MIN)
		return false;
	for (int i = 0; i < 3; i++) {
		size_t n = number_at(data, len, at);

		if (n == 0)
			return false;
		at += 2 + n;
	}
	return at == len;
}

bool
tbs_is_of_server(const uint8_t *data, size_t len)
{
	return is_certificate_verify(data, len) ||
	    is_key_exchange(data, len) || is_dh_key_exchange(data, len);
}
