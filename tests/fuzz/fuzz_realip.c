/* SPDX-License-Identifier: MIT */
/*
 * What a proxy says of its client.  Who is believed does not depend on what
 * the client itself has put in front.
 */
#include <stdlib.h>

#include "common/addr_net.h"
#include "common/count.h"
#include "tests/fuzz/fuzz.h"
#include "worker/realip.h"

static const char *const names[] = { "X-Forwarded-For", "Forwarded",
	"X-Real-IP", "X-Forwarded-Proto" };
static const char *const nets[] = { "10.0.0.0/8", "fd00::/8" };

struct request {
	struct buf head;
	struct http_request *parsed;	/* NULL: it is none */
};

/* One field of each name, with `first' in front of the first. */
static void
make(struct request *r, struct input in, const char *first)
{
	struct http_refusal refusal;
	struct input value;

	r->head = (struct buf)BUF_INIT;
	r->parsed = xmalloc(sizeof(*r->parsed));
	buf_printf(&r->head, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (size_t i = 0; i < COUNT(names) && in.len > 0; i++) {
		value = input_until(&in, '\n');
		if (value.len == 0)
			continue;
		buf_printf(&r->head, "%s: %s", names[i], i == 0 ? first : "");
		buf_put(&r->head, value.data, value.len);
		buf_put(&r->head, "\r\n", 2);
	}
	buf_put(&r->head, "\r\n", 2);
	if (http_parse(r->head.data, r->head.len, HTTP_HEADERS_MAX, r->parsed,
	    &refusal) != 0) {
		free(r->parsed);
		r->parsed = NULL;
	}
}

static void
done(struct request *r)
{
	free(r->parsed);
	buf_done(&r->head);
}

static bool
find(const struct request *r, const struct realip_rules *rules,
    struct realip *out)
{
	struct http_refusal refusal = { 0 };

	if (r->parsed == NULL)
		return false;
	if (realip_find(r->parsed, rules, out, &refusal) == 0)
		return true;
	ASSERT(refusal.status == 400 && refusal.reason[0] != '\0');
	return false;
}

static void
check_forged(struct input in, const struct realip_rules *rules,
    const struct realip *found)
{
	static const char *const forged[] = { "192.0.2.66, ", "10.6.6.6,",
		"unknown, ", "\"," };
	struct realip again;
	struct request r;

	for (size_t i = 0; i < COUNT(forged); i++) {
		make(&r, in, forged[i]);
		ASSERT(find(&r, rules, &again));
		ASSERT(again.has_client &&
		    addr_equal(&again.client, &found->client));
		ASSERT(again.scheme == found->scheme);
		done(&r);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct realip_rules rules = { .n_trusted = COUNT(nets) };
	struct addr_net trusted[COUNT(nets)];
	struct realip found;
	struct request r;

	for (size_t i = 0; i < COUNT(nets); i++)
		ASSERT(addr_net_parse(nets[i], &trusted[i], NULL) == 0);
	rules.trusted = trusted;
	rules.header = (enum config_real_ip)(input_u8(&in) % 4);
	make(&r, in, "");
	if (find(&r, &rules, &found) && found.has_client) {
		ASSERT(found.client.len > 0);
		if (rules.header == CONFIG_REAL_IP_X_FORWARDED_FOR &&
		    !addr_nets_have(trusted, COUNT(nets), &found.client))
			check_forged(in, &rules, &found);
	}
	done(&r);
	return 0;
}
