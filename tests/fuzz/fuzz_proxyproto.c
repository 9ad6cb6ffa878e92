/* SPDX-License-Identifier: MIT */
/*
 * The PROXY header: the same however much of what follows is there, and an
 * answer as early as the bytes allow.
 */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "worker/proxyproto.h"

static enum proxyproto_result
parse(const uint8_t *data, size_t len, struct proxyproto *out, size_t *used)
{
	uint8_t *exact = exact_copy(data, len);
	const char *why = NULL;
	enum proxyproto_result result;

	result = proxyproto_parse(exact, len, out, used, &why);
	ASSERT((result == PROXYPROTO_BAD) == (why != NULL));
	ASSERT(result != PROXYPROTO_MORE || len < PROXYPROTO_MAX);
	ASSERT(result != PROXYPROTO_OK || (*used > 0 && *used <= len));
	free(exact);
	return result;
}

static void
check_client(const struct proxyproto *p)
{
	char text[ADDR_TEXT_MAX];

	ASSERT(memchr(p->tls, '\0', sizeof(p->tls)) != NULL);
	for (const char *c = p->tls; *c != '\0'; c++)
		ASSERT(*c > ' ' && *c < 0x7f);
	if (!p->has_client)
		return;
	addr_format(&p->client, text);
	ASSERT(text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum proxyproto_result whole, result = PROXYPROTO_MORE;
	struct proxyproto a = { .has_client = false }, b = a;
	size_t used = 0, early = 0, len = 0;

	if (size > PROXYPROTO_MAX)
		size = PROXYPROTO_MAX;
	whole = parse(data, size, &a, &used);
	/* Byte by byte it says the same, when it says something. */
	while (len < size && result == PROXYPROTO_MORE)
		result = parse(data, ++len, &b, &early);
	if (size > 0)
		ASSERT(result == whole);
	if (whole != PROXYPROTO_OK)
		return 0;
	ASSERT(used == early && len == used);
	ASSERT(a.has_client == b.has_client && a.has_tls == b.has_tls);
	ASSERT(!a.has_client || addr_equal(&a.client, &b.client));
	check_client(&a);
	return 0;
}
