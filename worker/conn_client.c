/* SPDX-License-Identifier: MIT */
/* Owns a connection's `via' and `early', and sets its `addr'. */
#include "worker/conn_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "worker/conn_parts.h"
#include "worker/proxyproto.h"
#include "worker/realip.h"
#include "worker/worker.h"

static bool
is_trusted(const struct config_listen *listen, const struct addr *addr)
{
	return listen != NULL && addr_nets_have(listen->trusted,
	    listen->trusted_proxies.n, addr);
}

void
conn_place(const struct worker *w, const struct config_listen *listen,
    const struct addr *addr, struct limits_place *place_out)
{
	if (is_trusted(listen, addr))
		limits_no_place(place_out);
	else
		limits_place(&w->limits, addr, place_out);
}

static bool
comes_from_trusted(const struct wss_conn *c)
{
	struct addr addr = addr_client_get(&c->addr);

	return is_trusted(c->listen, &addr);
}

/* NULL, or the limit that keeps this client out. */
static const char *
become(struct wss_conn *c, const struct addr *client)
{
	struct worker *w = c->worker;
	struct limits_place place;
	const char *limit;

	conn_place(w, c->listen, client, &place);
	limit = limits_move(&w->limits, &w->snapshot->config->daemon,
	    &c->place, &place);
	if (c->via == NULL) {
		c->via = xcalloc(1, sizeof(*c->via));
		c->via->addr = addr_client_get(&c->addr);
	}
	addr_client_set(&c->addr, client);
	if (limit != NULL)
		metrics_add(&w->metrics->refused_limit, 1);
	return limit;
}

/* ---- the PROXY protocol ----------------------------------------------- */

/* Somebody who sends HTTP is told why this does not work. */
static void
no_header(struct wss_conn *c, const uint8_t *data, const char *why)
{
	metrics_add(&c->worker->metrics->proxy_failed, 1);
	conn_log(c, "refused: PROXY header: %s", why);
	if (data[0] >= 'A' && data[0] <= 'Z' && strcmp(why,
	    "there is none") == 0)
		conn_refuse_plain(c, "connections to this port have to begin "
		    "with a PROXY header");
	else
		conn_refuse_plain(c, NULL);
}

static void
take_header(struct wss_conn *c, const struct proxyproto *p)
{
	const char *limit = NULL;

	/* Who is not trusted has to send one, too, as it is in the way; but
	   it is not believed. */
	if (comes_from_trusted(c)) {
		if (p->has_client)
			limit = become(c, &p->client);
		if (p->has_tls)
			c->secure = c->secure || p->secure;
		if (c->via != NULL)
			snprintf(c->via->tls, sizeof(c->via->tls), "%s",
			    p->tls);
	}
	if (limit != NULL) {
		conn_log(c, "refused: %s", limit);
		conn_set_state(c, CONN_DEAD);
		return;
	}
	conn_set_state(c, c->stream.ssl != NULL ? CONN_TLS : CONN_HTTP);
}

/* The bytes so far, in one piece: kept ones, or those of the turn. */
static const uint8_t *
gather(struct wss_conn *c, size_t *len_out)
{
	struct sock *sock = &c->stream.sock;
	size_t n = sock->in_len;

	*len_out = n;
	if (c->early == NULL)
		return sock->in;
	if (n > PROXYPROTO_MAX - c->early->len)
		n = PROXYPROTO_MAX - c->early->len;
	buf_put(c->early, sock->in, n);
	*len_out = c->early->len;
	return c->early->data;
}

static void
forget_early(struct wss_conn *c)
{
	if (c->early == NULL)
		return;
	buf_done(c->early);
	free(c->early);
	c->early = NULL;
}

/* Takes what belongs to the header out of the turn's bytes; the rest is for
 * TLS or HTTP. */
void
conn_read_proxy(struct wss_conn *c)
{
	struct sock *sock = &c->stream.sock;
	size_t before = c->early == NULL ? 0 : c->early->len;
	struct proxyproto p;
	const char *why;
	const uint8_t *data;
	size_t len, used;

	data = gather(c, &len);
	switch (proxyproto_parse(data, len, &p, &used, &why)) {
	case PROXYPROTO_MORE:
		if (sock->eof) {
			conn_set_state(c, CONN_DEAD);
			break;
		}
		if (c->early == NULL && len > 0) {
			c->early = xcalloc(1, sizeof(*c->early));
			buf_put(c->early, data, len);
		}
		sock_take_all(sock, &len);
		return;
	case PROXYPROTO_OK:
		sock->in += used - before;
		sock->in_len -= used - before;
		take_header(c, &p);
		break;
	case PROXYPROTO_BAD:
		no_header(c, data, why);
		break;
	}
	forget_early(c);
}

void
conn_forget_client(struct wss_conn *c)
{
	forget_early(c);
	free(c->via);
}

/* ---- the request ------------------------------------------------------ */

int
conn_learn_client(struct wss_conn *c, const struct http_request *request,
    struct http_refusal *refusal)
{
	struct realip_rules rules = {
		.trusted = c->listen->trusted,
		.n_trusted = c->listen->trusted_proxies.n,
		.header = (enum config_real_ip)c->listen->real_ip_header,
	};
	struct realip found;
	const char *limit;

	if (!comes_from_trusted(c))
		return 0;
	if (realip_find(request, &rules, &found, refusal) != 0)
		return -1;
	if (found.scheme != REALIP_UNSAID)
		c->secure = found.scheme == REALIP_SECURE;
	limit = found.has_client ? become(c, &found.client) : NULL;
	if (limit != NULL)
		return http_refuse(refusal, 429, "too many connections from "
		    "your address (%s)", limit);
	return 0;
}
