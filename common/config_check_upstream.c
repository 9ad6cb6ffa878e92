/* SPDX-License-Identifier: MIT */
/* Owns what the upstreams of a [route] with handler = proxy must be.  Pure. */
#include <string.h>

#include "common/alloc.h"
#include "common/config_parts.h"
#include "common/settings.h"

#define SHOWN 80		/* bytes of a wrong word in a sentence */
/* Where Debian, and who took it from there, has all CAs in one file. */
#define SYSTEM_CAFILE "/etc/ssl/certs/ca-certificates.crt"

static const struct upstream *
same_endpoint(const struct config_route *r, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		const struct upstream *u = &r->upstreams[j];

		if (u->endpoint != NULL && r->upstreams[i].endpoint != NULL &&
		    strcmp(u->endpoint, r->upstreams[i].endpoint) == 0)
			return u;
	}
	return NULL;
}

static void
parse(struct config *c, struct config_route *r, size_t i,
    struct config_errors *errors)
{
	struct config_place place = config_place_of(c, r, "upstream");
	const char *url = r->upstream.items[i];
	const struct upstream *twin;
	struct err err = ERR_INIT;

	if (upstream_parse(url, &r->upstreams[i], &err) == -1) {
		config_error(errors, place, "upstream: `%.*s': %s", SHOWN,
		    url, err.text);
		return;
	}
	twin = same_endpoint(r, i);
	if (twin != NULL)
		config_error(errors, place, "upstream: `%.*s' is the same "
		    "server as `%.*s'", SHOWN, url, SHOWN, twin->url);
}

/* As if it stood in the file: so it is opened like every other. */
static void
use_system_cafile(struct config *c, struct config_route *r)
{
	bool tls = false;

	for (size_t i = 0; i < r->upstream.n; i++)
		tls = tls || r->upstreams[i].tls;
	if (!tls || r->upstream_cafile != NULL)
		return;
	r->upstream_cafile = xstrdup(SYSTEM_CAFILE);
	c->values = xreallocarray(c->values, c->n_values + 1,
	    sizeof(*c->values));
	c->values[c->n_values++] = (struct config_value){
		settings_find(SETTING_ROUTE, "upstream_cafile"), r,
		config_place_of(c, r, "upstream") };
}

static void
check_balance(struct config *c, const struct config_route *r,
    struct config_errors *errors)
{
	bool by_header = r->balance == 2;
	bool named = config_find_place(c, r, "balance_header") != NULL;

	if (by_header && !named)
		config_error(errors, config_place_of(c, r, "balance"),
		    "balance = header needs `balance_header'");
	else if (named && !by_header)
		config_error(errors, config_place_of(c, r, "balance_header"),
		    "balance_header is only for balance = header");
}

void
config_check_upstreams(struct config *c, struct config_route *r,
    struct config_errors *errors)
{
	if (r->upstream.n == 0)
		return;
	if (r->upstream.n > CONFIG_UPSTREAMS_MAX) {
		config_error(errors, config_place_of(c, r, "upstream"),
		    "upstream: more than %d", CONFIG_UPSTREAMS_MAX);
		return;
	}
	r->upstreams = xcalloc(r->upstream.n, sizeof(*r->upstreams));
	for (size_t i = 0; i < r->upstream.n; i++)
		parse(c, r, i, errors);
	if (r->subprotocols.n > 0)
		config_error(errors, config_place_of(c, r, "subprotocols"),
		    "subprotocols: with handler = proxy the upstream chooses "
		    "from all that the client offers");
	if (config_find_place(c, r, "reconnect_timeout") != NULL &&
	    r->on_upstream_loss == 0)
		config_error(errors, config_place_of(c, r,
		    "reconnect_timeout"), "reconnect_timeout is only for "
		    "on_upstream_loss = reconnect");
	/* Nothing is dropped in the middle of somebody else's conversation. */
	if (config_find_place(c, r, "slow_consumer") != NULL &&
	    r->slow_consumer != CONFIG_SLOW_PAUSE)
		config_error(errors, config_place_of(c, r, "slow_consumer"),
		    "slow_consumer: with handler = proxy it is always pause");
	r->slow_consumer = CONFIG_SLOW_PAUSE;
	check_balance(c, r, errors);
	use_system_cafile(c, r);
}
