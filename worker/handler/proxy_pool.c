/* SPDX-License-Identifier: MIT */
/*
 * Which upstream a client gets, and what is known of their health.  Nobody is
 * probed: what becomes of clients' connections tells.  Each worker knows what
 * it has met itself.
 */
#include <string.h>

#include "proxy.h"

#define DOWN_FIRST_MS 1000
#define DOWN_MOST_MS 30000
#define LOSS_LINE_MS 1000	/* not a line for each client of one that died */

/* FNV-1a, and the finalizer of MurmurHash3 so that near keys spread. */
static uint64_t
hash(const char *data, size_t len, uint64_t h)
{
	h ^= 0xcbf29ce484222325u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdu;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53u;
	return h ^ h >> 33;
}

void
proxy_pool_init(struct proxy *proxy)
{
	for (size_t i = 0; i < proxy->n; i++) {
		const char *url = wss_upstream(proxy->route, i);

		proxy->upstreams[i].hash = hash(url, strlen(url), 0);
	}
}

uint64_t
proxy_key(const struct proxy *proxy, const struct wss_conn *conn,
    const struct wss_request *request)
{
	struct wss_bytes ip = proxy_client_ip(conn);
	struct wss_bytes value = { NULL, 0 };

	if (proxy->balance == PROXY_LEAST_CONNECTIONS)
		return 0;
	if (proxy->balance == PROXY_BY_HEADER)
		value = wss_request_header(request, proxy->balance_header, 0);
	if (value.data != NULL)
		return hash(value.data, value.len, 1);
	return hash(ip.data, ip.len, 2);
}

/*
 * Less is better.  With a key: rendezvous hashing, so that when an upstream
 * goes or comes only its own clients move.
 */
static uint64_t
cost(const struct proxy *proxy, const struct proxy_upstream *u, uint64_t key)
{
	if (proxy->balance == PROXY_LEAST_CONNECTIONS)
		return u->clients;
	return hash((const char *)&key, sizeof(key), u->hash);
}

size_t
proxy_pick(struct proxy *proxy, uint64_t key, uint64_t tried)
{
	uint64_t now = proxy_now_ms();
	size_t best = PROXY_NONE;
	bool best_up = false;

	proxy->turn++;
	for (size_t i = 0; i < proxy->n; i++) {
		size_t at = (proxy->turn + i) % proxy->n;
		const struct proxy_upstream *u = &proxy->upstreams[at];
		bool up = u->down_until_ms <= now;

		if ((tried >> at & 1) != 0 || (best_up && !up))
			continue;
		if (best == PROXY_NONE || up != best_up || cost(proxy, u,
		    key) < cost(proxy, &proxy->upstreams[best], key)) {
			best = at;
			best_up = up;
		}
	}
	return best;
}

void
proxy_note_ok(struct proxy *proxy, size_t upstream)
{
	struct proxy_upstream *u = &proxy->upstreams[upstream];

	if (u->failures > 0)
		wss_log(proxy->route, WSS_INFO, "upstream %s answers again",
		    wss_upstream(proxy->route, upstream));
	u->failures = 0;
	u->down_until_ms = 0;
}

void
proxy_note_failure(struct proxy *proxy, size_t upstream, const char *why)
{
	struct proxy_upstream *u = &proxy->upstreams[upstream];
	uint64_t now = proxy_now_ms();
	uint64_t pause = DOWN_FIRST_MS;

	/* Many clients may meet the same failure: it counts once. */
	if (u->down_until_ms > now)
		return;
	for (unsigned i = 0; i < u->failures && pause < DOWN_MOST_MS; i++)
		pause *= 2;
	u->failures++;
	u->down_until_ms = now + (pause < DOWN_MOST_MS ? pause :
	    DOWN_MOST_MS);
	wss_log(proxy->route, WSS_WARN, "upstream %s fails: %s",
	    wss_upstream(proxy->route, upstream), why);
}

void
proxy_note_loss(struct proxy *proxy, size_t upstream, const char *why)
{
	struct proxy_upstream *u = &proxy->upstreams[upstream];
	uint64_t now = proxy_now_ms();

	if (u->loss_ms != 0 && now - u->loss_ms < LOSS_LINE_MS)
		return;
	u->loss_ms = now;
	wss_log(proxy->route, WSS_WARN, "upstream %s is lost: %s",
	    wss_upstream(proxy->route, upstream), why);
}
