/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing: reads offers, writes an answer.  Runs in the worker.  Must
 * never agree to what ws.c and ws_deflate.c do not do.
 */
#include "worker/extensions.h"

#include <string.h>

#define VALUE_MAX 16		/* every value that is right is shorter */

/* extension-param = token [ "=" (token | quoted-string) ]: §9.1. */
struct param {
	struct slice name;
	bool has_value;
	char value[VALUE_MAX + 1];	/* without quotes; one that is too
					   long is cut, and wrong anyway */
	size_t n;
};

/* ---- the grammar ------------------------------------------------------ */

static bool
is_token_char(char c)
{
	return http_is_token((struct slice){ &c, 1 });
}

/* token, at the front of *s; it is cut off. */
static bool
take_token(struct slice *s, struct slice *token)
{
	size_t n = 0;

	while (n < s->len && is_token_char(s->data[n]))
		n++;
	*token = (struct slice){ s->data, n };
	s->data += n;
	s->len -= n;
	return n > 0;
}

static void
skip_space(struct slice *s)
{
	while (s->len > 0 && (s->data[0] == ' ' || s->data[0] == '\t')) {
		s->data++;
		s->len--;
	}
}

static bool
take_char(struct slice *s, char c)
{
	if (s->len == 0 || s->data[0] != c)
		return false;
	s->data++;
	s->len--;
	return true;
}

static void
value_add(struct param *p, char c)
{
	if (p->n < VALUE_MAX)
		p->value[p->n++] = c;
	p->value[p->n] = '\0';
}

/* A quoted-string whose value, unescaped, must be a token. */
static bool
take_quoted_token(struct slice *s, struct param *p)
{
	while (!take_char(s, '"')) {
		take_char(s, '\\');
		if (s->len == 0 || !is_token_char(s->data[0]))
			return false;
		value_add(p, s->data[0]);
		s->data++;
		s->len--;
	}
	return p->n > 0;
}

static bool
take_value(struct slice *s, struct param *p)
{
	struct slice token;

	if (take_char(s, '"'))
		return take_quoted_token(s, p);
	if (!take_token(s, &token))
		return false;
	for (size_t i = 0; i < token.len; i++)
		value_add(p, token.data[i]);
	return true;
}

/* The next parameter, or false: at the end, or *broken_out. */
static bool
take_param(struct slice *s, struct param *p, bool *broken_out)
{
	skip_space(s);
	*p = (struct param){ .has_value = false };
	if (s->len == 0)
		return false;
	*broken_out = true;
	if (!take_char(s, ';'))
		return false;
	skip_space(s);
	if (!take_token(s, &p->name))
		return false;
	skip_space(s);
	if (take_char(s, '=')) {
		p->has_value = true;
		skip_space(s);
		if (!take_value(s, p))
			return false;
	}
	*broken_out = false;
	return true;
}

/* ---- permessage-deflate ----------------------------------------------- */

enum { SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER, SERVER_BITS, CLIENT_BITS,
	PARAMS };

static const char *const param_names[PARAMS] = {
	[SERVER_NO_TAKEOVER] = "server_no_context_takeover",
	[CLIENT_NO_TAKEOVER] = "client_no_context_takeover",
	[SERVER_BITS] = "server_max_window_bits",
	[CLIENT_BITS] = "client_max_window_bits",
};

/* "8" to "15", without a leading zero (§7.1.2); 0: it is none. */
static uint8_t
window_bits(const struct param *p)
{
	const char *v = p->value;

	if (p->n == 1 && (v[0] == '8' || v[0] == '9'))
		return (uint8_t)(v[0] - '0');
	if (p->n == 2 && v[0] == '1' && v[1] >= '0' && v[1] <= '5')
		return (uint8_t)(10 + v[1] - '0');
	return 0;
}

static void
limit(uint8_t *bits, uint8_t most)
{
	if (*bits > most)
		*bits = most;
}

/* False: the parameter's value is wrong, or cannot be had. */
static bool
apply(struct ws_deflate_params *d, unsigned which, const struct param *p,
    const struct extension_rules *rules)
{
	uint8_t bits = window_bits(p);

	switch (which) {
	case SERVER_NO_TAKEOVER:
		d->server_takeover = false;
		return !p->has_value;
	case CLIENT_NO_TAKEOVER:
		d->client_takeover = false;
		return !p->has_value;
	case SERVER_BITS:
		limit(&d->server_bits, bits);
		d->server_bits_asked = true;
		return bits >= WS_DEFLATE_BITS_MIN;
	case CLIENT_BITS:
		/* Without a value: as large as we like. */
		if (p->has_value)
			limit(&d->client_bits, bits);
		limit(&d->client_bits, rules->window_bits);
		return !p->has_value || bits != 0;
	}
	return false;
}

static unsigned
find_param(struct slice name)
{
	unsigned i = 0;

	while (i < PARAMS && !slice_equal(name, param_names[i]))
		i++;
	return i;
}

enum extension_answer
extension_judge(struct slice s, const struct extension_rules *rules,
    struct ws_deflate_params *params_out)
{
	struct ws_deflate_params d = {
		.agreed = true,
		.server_takeover = rules->takeover,
		.client_takeover = rules->takeover,
		.server_bits = rules->window_bits,
		/* Nobody may limit a client that did not offer it. */
		.client_bits = WS_DEFLATE_BITS_MAX,
		.memory_level = rules->memory_level,
	};
	unsigned seen = 0, which;
	bool fits, broken = false;
	struct param p;
	struct slice name;

	if (!take_token(&s, &name))
		return EXTENSION_MALFORMED;
	fits = rules->deflate && slice_equal(name, "permessage-deflate");
	while (take_param(&s, &p, &broken)) {
		which = find_param(p.name);
		if ((seen & 1u << which) != 0 || !apply(&d, which, &p, rules))
			fits = false;
		seen |= 1u << which;
	}
	if (broken)
		return EXTENSION_MALFORMED;
	if (!fits)
		return EXTENSION_DECLINED;
	*params_out = d;
	return EXTENSION_ACCEPTED;
}

void
extension_response_put(struct buf *out, const struct ws_deflate_params *d)
{
	if (!d->agreed)
		return;
	buf_printf(out, "Sec-WebSocket-Extensions: permessage-deflate");
	if (!d->server_takeover)
		buf_printf(out, "; %s", param_names[SERVER_NO_TAKEOVER]);
	if (!d->client_takeover)
		buf_printf(out, "; %s", param_names[CLIENT_NO_TAKEOVER]);
	/* §7.1.2.1: ours may be told unasked, and must be when asked. */
	if (d->server_bits_asked || d->server_bits < WS_DEFLATE_BITS_MAX)
		buf_printf(out, "; %s=%u", param_names[SERVER_BITS],
		    d->server_bits);
	/* §7.1.2.2: below 15 only when the client has offered it. */
	if (d->client_bits < WS_DEFLATE_BITS_MAX)
		buf_printf(out, "; %s=%u", param_names[CLIENT_BITS],
		    d->client_bits);
	buf_printf(out, "\r\n");
}
