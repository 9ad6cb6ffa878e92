/* SPDX-License-Identifier: MIT */
/*
 * proxy: a client's WebSocket is joined to one of another server, so that an
 * application that speaks ws:// is reached by wss://.
 *
 * The client gets its 101 when the upstream has given one.  From then on
 * whole messages go both ways, at the pace of the slower side: the side that
 * sends is not read while the other one's queue is full.  Pings are answered
 * on each side by itself; a Close goes through with its code and reason.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proxy.h"

#define GONE 1012		/* Service Restart: come back, a little later */
#define BAD_GATEWAY 1014	/* it broke the rules */
#define GOING_AWAY 1001
#define ABNORMAL 1006		/* no Close came */
#define RETRY_FIRST_MS 100
#define RETRY_MOST_MS 2000

/* A message that a side could not take at once. */
struct kept {
	void *data;		/* NULL: there is none */
	size_t len;
	int text;
};

/* A client, and its upstream. */
struct pair {
	struct proxy *proxy;
	struct wss_conn *conn;
	struct wss_out *out;	/* NULL: none, or no more */
	size_t upstream;	/* of out */
	uint64_t key;
	uint64_t tried;		/* upstreams since the last success */
	struct proxy_request request;
	bool accepted;		/* the client has its 101 */
	char *subprotocol;	/* in it, or NULL */
	struct kept to_client, to_upstream;

	/* While a lost upstream is sought again: */
	struct wss_timer *retry;
	uint64_t lost_ms;	/* since when; 0: it is not lost */
	uint64_t retry_ms;
};

static const struct wss_option options[] = {
	{ .name = "balance_header" },
	{ .name = "upstream_host" },
	{ .name = NULL },
};

static const struct wss_out_events events;

void *
proxy_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		abort();
	return p;
}

uint64_t
proxy_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- messages --------------------------------------------------------- */

static void
keep(struct kept *kept, const struct wss_message *m)
{
	kept->data = proxy_alloc(m->len + 1);
	memcpy(kept->data, m->data, m->len);
	kept->len = m->len;
	kept->text = m->text;
}

static void
drop(struct kept *kept)
{
	free(kept->data);
	kept->data = NULL;
}

/* Neither side's queue takes more than output_high and one message. */
static void
proxy_message(struct wss_conn *conn, const struct wss_message *m)
{
	struct pair *pair = wss_user(conn);
	enum wss_result r = WSS_AGAIN;

	if (pair->out != NULL)
		r = wss_out_send(pair->out, m->text, m->data, m->len);
	if (r == WSS_OK)
		return;
	if (r != WSS_FULL && pair->to_upstream.data == NULL)
		keep(&pair->to_upstream, m);
	wss_pause(conn);
}

static void
on_message(struct wss_out *out, const struct wss_message *m)
{
	struct pair *pair = wss_out_user(out);
	enum wss_result r = wss_send(pair->conn, m->text, m->data, m->len);

	if (r == WSS_AGAIN)
		keep(&pair->to_client, m);
	if (r == WSS_FULL || r == WSS_AGAIN)
		wss_out_pause(out);
}

static void
proxy_writable(struct wss_conn *conn)
{
	struct pair *pair = wss_user(conn);
	struct kept *kept = &pair->to_client;

	if (kept->data != NULL) {
		if (wss_send(conn, kept->text, kept->data, kept->len) ==
		    WSS_AGAIN)
			return;
		drop(kept);
	}
	if (pair->out != NULL)
		wss_out_resume(pair->out);
}

static void
on_writable(struct wss_out *out)
{
	struct pair *pair = wss_out_user(out);
	struct kept *kept = &pair->to_upstream;

	if (kept->data != NULL) {
		if (wss_out_send(out, kept->text, kept->data, kept->len) ==
		    WSS_AGAIN)
			return;
		drop(kept);
	}
	wss_resume(pair->conn);
}

/* ---- to an upstream --------------------------------------------------- */

static void
leave_upstream(struct pair *pair)
{
	if (pair->out == NULL)
		return;
	pair->out = NULL;
	pair->proxy->upstreams[pair->upstream].clients--;
}

/* The next one that was not tried; false: there is none. */
static bool
dial(struct pair *pair)
{
	struct proxy *proxy = pair->proxy;
	size_t n = proxy_pick(proxy, pair->key, pair->tried);
	struct wss_dial how = {
		.upstream = n,
		.host = pair->request.host,
		.subprotocols = pair->request.offered,
		.fields = pair->request.fields,
	};
	char *target;

	if (n == PROXY_NONE)
		return false;
	pair->tried |= (uint64_t)1 << n;
	target = proxy_target(&pair->request, proxy->route, n);
	how.target = target;
	pair->out = wss_dial(proxy->route, &how, &events, pair);
	free(target);
	if (pair->out == NULL)
		return false;
	pair->upstream = n;
	proxy->upstreams[n].clients++;
	return true;
}

/* ---- a lost upstream -------------------------------------------------- */

static void on_retry(void *arg);

static void
retry_later(struct pair *pair)
{
	uint64_t now = proxy_now_ms();

	if (now - pair->lost_ms >= pair->proxy->reconnect_ms) {
		wss_close(pair->conn, GONE, "the server behind this one has "
		    "not come back");
		return;
	}
	/* Spread: others have lost it in the same moment. */
	pair->retry = wss_timer_start(pair->proxy->route, pair->retry_ms / 2 +
	    wss_id(pair->conn) * 7919 % (pair->retry_ms / 2 + 1), on_retry,
	    pair);
	pair->retry_ms *= 2;
	if (pair->retry_ms > RETRY_MOST_MS)
		pair->retry_ms = RETRY_MOST_MS;
}

static void
on_retry(void *arg)
{
	struct pair *pair = arg;

	pair->retry = NULL;
	pair->tried = 0;
	if (!dial(pair))
		retry_later(pair);
}

/* Only where no message is known to be lost with it. */
static bool
may_reconnect(const struct pair *pair, const struct wss_out *out,
    unsigned code)
{
	return pair->proxy->on_loss == PROXY_RECONNECT &&
	    (code == ABNORMAL || code == GONE || code == GOING_AWAY) &&
	    wss_out_queued(out) == 0;
}

static void
on_closed(struct wss_out *out, unsigned code, const char *reason, size_t len)
{
	struct pair *pair = wss_out_user(out);
	char text[160];

	leave_upstream(pair);
	if (code == ABNORMAL || code == BAD_GATEWAY)
		proxy_note_loss(pair->proxy, pair->upstream, reason);
	if (may_reconnect(pair, out, code)) {
		pair->lost_ms = proxy_now_ms();
		pair->retry_ms = RETRY_FIRST_MS;
		retry_later(pair);
	} else if (code == ABNORMAL) {
		wss_close(pair->conn, GONE, "the server behind this one is "
		    "gone");
	} else {
		memcpy(text, reason, len);
		text[len] = '\0';
		wss_close(pair->conn, code, text);
	}
}

/* ---- the upstream's answer -------------------------------------------- */

static char *
copy(const char *text)
{
	return text == NULL ? NULL : strcpy(proxy_alloc(strlen(text) + 1),
	    text);
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
on_opened(struct wss_out *out, const struct wss_answer *answer)
{
	struct pair *pair = wss_out_user(out);

	proxy_note_ok(pair->proxy, pair->upstream);
	pair->tried = 0;
	pair->lost_ms = 0;
	if (!pair->accepted) {
		pair->accepted = true;
		pair->subprotocol = copy(answer->subprotocol);
		proxy_pass_answer(pair->conn, answer);
		wss_accept(pair->conn, answer->subprotocol);
		if (pair->proxy->on_loss == PROXY_CLOSE)
			proxy_request_done(&pair->request);
	} else if (!same(pair->subprotocol, answer->subprotocol)) {
		wss_close(pair->conn, GONE, "the server behind this one "
		    "speaks another subprotocol now");
	} else {
		/* What the client has said meanwhile; and what the last
		   upstream has said goes before what this one says. */
		on_writable(out);
		if (pair->to_client.data != NULL)
			wss_out_pause(out);
	}
}

/* The client waits for its 101 or for something that explains itself. */
static void
refuse(struct pair *pair, enum wss_out_failure failure,
    const struct wss_answer *answer)
{
	struct wss_conn *conn = pair->conn;
	unsigned status = 502;

	if (failure == WSS_OUT_TIMEOUT)
		status = 504;
	if (answer != NULL && answer->status >= 300) {
		status = answer->status;
		proxy_pass_answer(conn, answer);
	}
	wss_refuse(conn, status);
}

static void pair_free(struct pair *);

static void
on_failed(struct wss_out *out, enum wss_out_failure failure, const char *why,
    const struct wss_answer *answer)
{
	struct pair *pair = wss_out_user(out);

	leave_upstream(pair);
	if (failure != WSS_OUT_REFUSED) {
		proxy_note_failure(pair->proxy, pair->upstream, why);
		if (dial(pair))
			return;
	}
	if (!pair->accepted) {
		/* Of a refused connection `closed` is not called. */
		refuse(pair, failure, answer);
		wss_set_user(pair->conn, NULL);
		pair_free(pair);
	} else if (answer != NULL && answer->status < 500) {
		wss_close(pair->conn, GONE, "the server behind this one has "
		    "refused to take the connection again");
	} else {
		retry_later(pair);
	}
}

static const struct wss_out_events events = {
	.opened = on_opened,
	.failed = on_failed,
	.message = on_message,
	.writable = on_writable,
	.closed = on_closed,
};

/* ---- clients ---------------------------------------------------------- */

static void
pair_free(struct pair *pair)
{
	leave_upstream(pair);
	wss_timer_stop(pair->retry);
	proxy_request_done(&pair->request);
	drop(&pair->to_client);
	drop(&pair->to_upstream);
	free(pair->subprotocol);
	free(pair);
}

static int
proxy_open(struct wss_conn *conn, const struct wss_request *request)
{
	struct pair *pair = proxy_alloc(sizeof(*pair));

	pair->proxy = wss_state(conn);
	pair->conn = conn;
	pair->key = proxy_key(pair->proxy, conn, request);
	proxy_request_make(&pair->request, pair->proxy, conn, request);
	if (!dial(pair)) {
		pair_free(pair);
		return 502;
	}
	wss_set_user(conn, pair);
	return WSS_LATER;
}

static void
proxy_closed(struct wss_conn *conn, unsigned code, const char *reason,
    size_t len)
{
	struct pair *pair = wss_user(conn);
	struct wss_out *out;

	if (pair == NULL)
		return;
	out = pair->out;
	/* A client that is gone without a word leaves so there, too. */
	if (out != NULL && code == ABNORMAL)
		wss_out_drop(out);
	else if (out != NULL)
		wss_out_close(out, code, reason, len);
	pair_free(pair);
}

/* ---- the route -------------------------------------------------------- */

static int
check_host(struct wss_route *route, const char *host)
{
	for (const char *p = host; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return wss_error(route, "upstream_host has a "
			    "character that no host has");
	return 0;
}

static int
proxy_setup(struct wss_route *route, void **state_out)
{
	size_t n = wss_upstreams(route);
	const char *host = wss_option_value(route, "upstream_host");
	struct proxy *proxy;

	if (host == NULL)
		host = "client";
	if (check_host(route, host) == -1)
		return -1;
	proxy = proxy_alloc(sizeof(*proxy) + n * sizeof(proxy->upstreams[0]));
	proxy->route = route;
	proxy->host = host;
	proxy->n = n;
	proxy->balance = (enum proxy_balance)wss_setting(route, "balance");
	proxy->balance_header = wss_option_value(route, "balance_header");
	proxy->on_loss = (enum proxy_loss)wss_setting(route,
	    "on_upstream_loss");
	proxy->reconnect_ms = wss_setting(route, "reconnect_timeout");
	proxy_pool_init(proxy);
	*state_out = proxy;
	return 0;
}

static void
proxy_teardown(void *state)
{
	free(state);
}

const struct wss_handler handler_proxy = {
	.abi = WSS_ABI,
	.name = "proxy",
	.options = options,
	.setup = proxy_setup,
	.teardown = proxy_teardown,
	.open = proxy_open,
	.message = proxy_message,
	.writable = proxy_writable,
	.closed = proxy_closed,
};
