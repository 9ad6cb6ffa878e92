/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Runs in the worker, for requests of trusted proxies only. */
#include "worker/realip.h"

#include <string.h>

#include "common/count.h"
#include "common/str.h"

/* What one element of a list says. */
enum said { SAID_NOTHING, SAID_HIDDEN, SAID_ADDRESS, SAID_WRONG };

/* What a list says, from its first element up to here. */
struct list_state {
	const struct realip_rules *rules;
	enum said said;
	struct addr client;
	enum realip_scheme scheme;
};

/* ---- addresses -------------------------------------------------------- */

static bool
parse_port(struct slice s, struct addr *addr)
{
	char text[8];
	uint64_t port;

	if (s.len == 0 || s.len > 5)
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	if (str_parse_uint(text, &port, NULL) != 0 || port > 65535)
		return false;
	addr_set_port(addr, (uint16_t)port);
	return true;
}

/* IPv4 [":" port] | IPv6 | "[" IPv6 "]" [":" port] */
static bool
parse_address(struct slice s, struct addr *out)
{
	const char *end = s.data + s.len, *host_end = end, *colon;
	struct slice host = s;

	if (s.len > 0 && s.data[0] == '[') {
		host_end = memchr(s.data, ']', s.len);
		if (host_end == NULL)
			return false;
		host.data++;
		host.len = (size_t)(host_end - host.data);
		host_end++;
		if (memchr(host.data, ':', host.len) == NULL)
			return false;
	} else if (s.len > 0 && (colon = memchr(s.data, ':', s.len)) != NULL &&
	    memchr(colon + 1, ':', (size_t)(end - colon - 1)) == NULL) {
		host_end = colon;
		host.len = (size_t)(colon - s.data);
	}
	if (!addr_parse_ip(host.data, host.len, out))
		return false;
	if (host_end == end)
		return true;
	s = (struct slice){ host_end + 1, (size_t)(end - host_end - 1) };
	return *host_end == ':' && parse_port(s, out);
}

/*
 * One element more.  A trusted one only counts when none stands before it
 * (then all are); any other takes the place of what was found so far.
 */
static void
take_element(struct list_state *list, enum said said, const struct addr *addr,
    enum realip_scheme scheme)
{
	if (said == SAID_ADDRESS && list->said != SAID_NOTHING &&
	    addr_nets_have(list->rules->trusted, list->rules->n_trusted,
	    addr))
		return;
	list->said = said;
	list->scheme = scheme;
	if (said == SAID_ADDRESS)
		list->client = *addr;
}

/* ---- X-Forwarded-For -------------------------------------------------- */

/* Split at every comma: no element has a quoted one. */
static struct slice
next_part(struct slice *rest)
{
	const char *comma = memchr(rest->data, ',', rest->len);
	struct slice part = *rest;

	part.len = comma == NULL ? rest->len : (size_t)(comma - rest->data);
	rest->data += part.len + (comma != NULL);
	rest->len -= part.len + (comma != NULL);
	return slice_trim(part);
}

static void
read_forwarded_for(const struct http_request *request,
    struct list_state *list)
{
	const struct slice *value;
	struct slice rest, part;
	struct addr addr;

	for (size_t i = 0; (value = http_header(request, "X-Forwarded-For",
	    i)) != NULL; i++) {
		rest = *value;
		while (rest.len > 0) {
			part = next_part(&rest);
			if (part.len == 0)
				continue;
			if (slice_equal_nocase(part, "unknown"))
				take_element(list, SAID_HIDDEN, NULL,
				    REALIP_UNSAID);
			else if (parse_address(part, &addr))
				take_element(list, SAID_ADDRESS, &addr,
				    REALIP_UNSAID);
			else
				take_element(list, SAID_WRONG, NULL,
				    REALIP_UNSAID);
		}
	}
}

/* ---- Forwarded -------------------------------------------------------- */

/* RFC 9110 §5.6.4, into room without its quotes: NULL when malformed. */
static const char *
take_quoted(const char *at, const char *end, char *room, size_t size,
    struct slice *out)
{
	size_t n = 0;

	for (at++; at < end && *at != '"'; at++) {
		if (*at == '\\' && ++at == end)
			return NULL;
		if (n == size)
			return NULL;
		room[n++] = *at;
	}
	*out = (struct slice){ room, n };
	return at < end ? at + 1 : NULL;
}

/* token | quoted-string */
static const char *
take_value(const char *at, const char *end, char *room, size_t size,
    struct slice *out)
{
	const char *start = at;

	if (at < end && *at == '"')
		return take_quoted(at, end, room, size, out);
	while (at < end && *at != ';')
		at++;
	*out = (struct slice){ start, (size_t)(at - start) };
	return http_is_token(*out) ? at : NULL;
}

static enum realip_scheme
scheme_of(struct slice s)
{
	if (slice_equal_nocase(s, "https") || slice_equal_nocase(s, "wss"))
		return REALIP_SECURE;
	if (slice_equal_nocase(s, "http") || slice_equal_nocase(s, "ws"))
		return REALIP_PLAIN;
	return REALIP_UNSAID;
}

/* RFC 7239 §6: an address, "unknown", or an obfuscated "_name". */
static enum said
take_node(struct slice value, struct addr *out)
{
	/* An IPv6 address has to be in brackets here. */
	bool bare_v6 = value.len > 0 && value.data[0] != '[' &&
	    memchr(value.data, ':', value.len) !=
	    memrchr(value.data, ':', value.len);

	if (slice_equal_nocase(value, "unknown") ||
	    (value.len > 1 && value.data[0] == '_'))
		return SAID_HIDDEN;
	return !bare_v6 && parse_address(value, out) ? SAID_ADDRESS :
	    SAID_WRONG;
}

/* [ forwarded-pair ] *( ";" [ forwarded-pair ] ): RFC 7239 §4. */
static void
read_element(struct slice element, struct list_state *list)
{
	const char *at = element.data, *end = at + element.len, *equals;
	enum realip_scheme scheme = REALIP_UNSAID;
	enum said said = SAID_HIDDEN;
	struct slice name, value;
	struct addr addr = { .len = 0 };
	bool has_for = false;
	char room[128];

	for (; at < end; at++) {
		if (*at == ';')
			continue;
		equals = memchr(at, '=', (size_t)(end - at));
		name = (struct slice){ at, equals == NULL ? 0 :
		    (size_t)(equals - at) };
		at = !http_is_token(name) ? NULL : take_value(equals + 1, end,
		    room, sizeof(room), &value);
		if (at == NULL || (at < end && *at != ';') ||
		    (has_for && slice_equal_nocase(name, "for"))) {
			take_element(list, SAID_WRONG, NULL, REALIP_UNSAID);
			return;
		}
		if (slice_equal_nocase(name, "for")) {
			has_for = true;
			said = take_node(value, &addr);
		} else if (slice_equal_nocase(name, "proto")) {
			scheme = scheme_of(value);
		}
	}
	take_element(list, said, &addr, scheme);
}

static void
read_forwarded(const struct http_request *request, struct list_state *list)
{
	const struct slice *value;
	struct slice rest, element;

	for (size_t i = 0; (value = http_header(request, "Forwarded", i)) !=
	    NULL; i++) {
		rest = *value;
		while (http_list_next(&rest, &element))
			read_element(element, list);
	}
}

/* ---- X-Real-IP and X-Forwarded-Proto ---------------------------------- */

static void
read_real_ip(const struct http_request *request, struct list_state *list)
{
	const struct slice *value = http_header(request, "X-Real-IP", 0);

	if (value == NULL)
		return;
	list->said = http_header(request, "X-Real-IP", 1) == NULL &&
	    parse_address(*value, &list->client) ? SAID_ADDRESS : SAID_WRONG;
}

/* The last word: the nearest proxy's. */
static int
read_proto(const struct http_request *request, enum realip_scheme *scheme_out,
    struct http_refusal *refusal)
{
	const struct slice *value, *last = NULL;
	struct slice rest, word = { NULL, 0 };

	for (size_t i = 0; (value = http_header(request, "X-Forwarded-Proto",
	    i)) != NULL; i++)
		last = value;
	if (last == NULL)
		return 0;
	rest = *last;
	while (rest.len > 0)
		word = next_part(&rest);
	if (word.data == NULL || scheme_of(word) == REALIP_UNSAID)
		return http_refuse(refusal, 400,
		    "X-Forwarded-Proto is neither https nor http");
	*scheme_out = scheme_of(word);
	return 0;
}

/* ---- all of them ------------------------------------------------------ */

static const struct {
	enum config_real_ip header;
	const char *name;
	void (*read)(const struct http_request *, struct list_state *);
} sources[] = {
	{ CONFIG_REAL_IP_X_REAL_IP, "X-Real-IP", read_real_ip },
	{ CONFIG_REAL_IP_X_FORWARDED_FOR, "X-Forwarded-For",
	    read_forwarded_for },
	{ CONFIG_REAL_IP_FORWARDED, "Forwarded", read_forwarded },
};

/* The port apart: not all of them have one. */
static bool
same_client(struct addr a, struct addr b)
{
	addr_set_port(&a, 0);
	addr_set_port(&b, 0);
	return addr_equal(&a, &b);
}

/* An address that is a trusted proxy's itself yields to any other. */
static bool
is_weaker(const struct realip_rules *rules, const struct addr *a,
    const struct addr *b)
{
	return addr_nets_have(rules->trusted, rules->n_trusted, a) &&
	    !addr_nets_have(rules->trusted, rules->n_trusted, b);
}

static int
take_source(struct realip *found, const struct list_state *list,
    const char *name, struct http_refusal *refusal)
{
	const struct realip_rules *rules = list->rules;

	if (list->said == SAID_WRONG)
		return http_refuse(refusal, 400, "%s does not name a client",
		    name);
	if (list->scheme != REALIP_UNSAID)
		found->scheme = list->scheme;
	if (list->said != SAID_ADDRESS || (found->has_client &&
	    is_weaker(rules, &list->client, &found->client)))
		return 0;
	if (found->has_client && is_weaker(rules, &found->client,
	    &list->client))
		found->has_client = false;
	if (found->has_client && !same_client(found->client, list->client))
		return http_refuse(refusal, 400, "X-Real-IP, X-Forwarded-For "
		    "and Forwarded name different clients, and "
		    "real_ip_header does not say which is right");
	if (!found->has_client || addr_port(&found->client) == 0)
		found->client = list->client;
	found->has_client = true;
	return 0;
}

int
realip_find(const struct http_request *request,
    const struct realip_rules *rules, struct realip *realip_out,
    struct http_refusal *refusal)
{
	struct realip found = { .scheme = REALIP_UNSAID };

	for (size_t i = 0; i < COUNT(sources); i++) {
		struct list_state list = { .rules = rules };

		if (rules->header != CONFIG_REAL_IP_AUTO &&
		    rules->header != sources[i].header)
			continue;
		sources[i].read(request, &list);
		if (take_source(&found, &list, sources[i].name,
		    refusal) != 0)
			return -1;
	}
	if (rules->header != CONFIG_REAL_IP_FORWARDED &&
	    read_proto(request, &found.scheme, refusal) != 0)
		return -1;
	*realip_out = found;
	return 0;
}
