/* SPDX-License-Identifier: MIT */
/* Offers in Sec-WebSocket-Extensions: an answer is one a client may get. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "worker/extensions.h"

static bool
contains(struct slice s, const char *word)
{
	return memmem(s.data, s.len, word, strlen(word)) != NULL;
}

/* RFC 7692 §7.1: what each parameter of the answer rests on. */
static void
check_params(struct slice offer, const struct extension_rules *rules,
    const struct ws_deflate_params *p)
{
	ASSERT(rules->deflate && p->agreed);
	ASSERT(p->server_bits >= WS_DEFLATE_BITS_MIN &&
	    p->server_bits <= rules->window_bits);
	ASSERT(p->client_bits >= 8 && p->client_bits <= WS_DEFLATE_BITS_MAX);
	ASSERT(p->client_bits == WS_DEFLATE_BITS_MAX ||
	    contains(offer, "client_max_window_bits"));
	ASSERT(p->server_bits_asked ==
	    contains(offer, "server_max_window_bits"));
	ASSERT(p->server_takeover == (rules->takeover &&
	    !contains(offer, "server_no_context_takeover")));
	ASSERT(p->client_takeover == (rules->takeover &&
	    !contains(offer, "client_no_context_takeover")));
	ASSERT(p->memory_level == rules->memory_level);
}

/* What is answered would be accepted if it were offered. */
static void
check_answer(const struct extension_rules *rules,
    const struct ws_deflate_params *p)
{
	static const char head[] = "Sec-WebSocket-Extensions: ";
	struct ws_deflate_params again;
	struct buf out = BUF_INIT;
	struct slice offer;

	extension_response_put(&out, p);
	ASSERT(out.len > sizeof(head) + 1 &&
	    memcmp(out.data, head, sizeof(head) - 1) == 0 &&
	    memcmp(out.data + out.len - 2, "\r\n", 2) == 0);
	offer.data = (const char *)out.data + sizeof(head) - 1;
	offer.len = out.len - 2 - (sizeof(head) - 1);
	ASSERT(extension_judge(offer, rules, &again) == EXTENSION_ACCEPTED);
	ASSERT(again.server_bits == p->server_bits);
	ASSERT(again.client_bits == p->client_bits);
	ASSERT(again.server_takeover == p->server_takeover);
	ASSERT(again.client_takeover == p->client_takeover);
	buf_done(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t flags = input_u8(&in);
	const struct extension_rules rules = {
		(flags & 1) != 0, (flags & 2) != 0,
		(uint8_t)(WS_DEFLATE_BITS_MIN + (flags >> 2) % 7),
		(uint8_t)(1 + flags % 9)
	};
	struct ws_deflate_params params = { .agreed = false };
	uint8_t *exact = exact_copy(in.data, in.len);
	struct slice offer = { (char *)exact, in.len };

	if (extension_judge(offer, &rules, &params) == EXTENSION_ACCEPTED) {
		check_params(offer, &rules, &params);
		check_answer(&rules, &params);
	} else {
		ASSERT(!params.agreed);
	}
	free(exact);
	return 0;
}
