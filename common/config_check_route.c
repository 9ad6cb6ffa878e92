/* SPDX-License-Identifier: MIT */
/* Owns what a [route] must be like, by itself and beside the others.  Pure. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/config_parts.h"
#include "common/count.h"
#include "common/str.h"

#define SHOWN 80		/* bytes of a wrong word in a sentence */
#define PATH_MAX_BYTES 512

static const char *const handlers[] = { "reply", "echo", "proxy", "static",
	"module" };
static const char *const later_handlers[] = { "broadcast", "exec", "http" };

bool
config_knows_handler(const char *name)
{
	for (size_t i = 0; i < COUNT(handlers); i++) {
		if (strcmp(handlers[i], name) == 0)
			return true;
	}
	return false;
}

/* What is wrong with the path, or NULL. */
static const char *
path_fault(const char *path)
{
	if (path[0] == '\0')
		return "a route needs a path: write [route /]";
	if (path[0] != '/')
		return "the path of a route must begin with /";
	if (strlen(path) > PATH_MAX_BYTES)
		return "the path of a route must not be longer than 512 bytes";
	if (strpbrk(path, "?#") != NULL)
		return "the path of a route must not have a `?' or `#': "
		    "requests are matched without their query";
	for (const char *p = path; *p != '\0'; p++) {
		if (*p <= 0x20 || *p >= 0x7f || *p == '\\')
			return "the path of a route must be printable ASCII "
			    "without blanks and `\\'";
		if (p[0] == '/' && p[1] == '.' && p[2] == '.' &&
		    (p[3] == '/' || p[3] == '\0'))
			return "the path of a route must not have a `..'";
	}
	return NULL;
}

static void
check_handler(struct config *c, const struct config_route *r,
    struct config_errors *errors)
{
	struct config_place place = config_place_of(c, r, "handler");
	const char *near;

	if (r->handler == NULL || config_knows_handler(r->handler))
		return;
	for (size_t i = 0; i < COUNT(later_handlers); i++) {
		if (strcmp(later_handlers[i], r->handler) != 0)
			continue;
		config_error(errors, place, "handler: `%s' is not in this "
		    "version, which has reply, echo, proxy, static and module",
		    r->handler);
		return;
	}
	near = str_nearest(r->handler, handlers, COUNT(handlers));
	if (near != NULL)
		config_error(errors, place, "handler: `%.*s' is not one of "
		    "reply, echo, proxy, static, module; did you mean `%s'?", SHOWN,
		    r->handler, near);
	else
		config_error(errors, place, "handler: `%.*s' is not one of "
		    "reply, echo, proxy, static, module", SHOWN, r->handler);
}

/* A name or an address as it stands in Host, without the port. */
static bool
is_host(const char *host)
{
	bool v6 = host[0] == '[';
	size_t len = strlen(host);

	for (size_t i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)host[i];

		if (!isalnum(ch) && strchr("._-", ch) == NULL &&
		    !(v6 && strchr("[:]", ch) != NULL))
			return false;
	}
	return len <= 255 && (!v6 || host[len - 1] == ']');
}

static void
check_hosts(struct config *c, const struct config_route *r,
    struct config_errors *errors)
{
	for (size_t i = 0; i < r->host.n; i++) {
		if (!is_host(r->host.items[i]))
			config_error(errors, config_place_of(c, r, "host"),
			    "host: `%.*s' is not a host name (no scheme, no "
			    "port, no path, no *)", SHOWN, r->host.items[i]);
	}
}

static void
check_listens(struct config *c, const struct config_route *r,
    struct config_errors *errors)
{
	const char *names[CONFIG_LISTENS_MAX];
	const char *near;

	for (size_t i = 0; i < c->n_listens; i++)
		names[i] = c->listens[i].name;
	for (size_t i = 0; i < r->listen.n; i++) {
		const char *name = r->listen.items[i];
		size_t j = 0;

		while (j < c->n_listens && strcmp(names[j], name) != 0)
			j++;
		if (j < c->n_listens && c->listens[j].role == CONFIG_ADMIN)
			config_error(errors, config_place_of(c, r, "listen"),
			    "listen: [listen %s] has role = admin, which "
			    "serves no route", name);
		if (j < c->n_listens)
			continue;
		near = str_nearest(name, names, c->n_listens);
		config_error(errors, config_place_of(c, r, "listen"),
		    "listen: there is no [listen %.*s]%s%s%s", SHOWN, name,
		    near == NULL ? "" : "; did you mean `",
		    near == NULL ? "" : near, near == NULL ? "" : "'?");
	}
}

/*
 * RFC 6454 section 6.2: scheme "://" host [ ":" port ], or null; and the
 * patterns of struct handshake_rules: *, and "*." at the front of the host.
 */
static bool
is_origin(const char *origin)
{
	const char *host = strstr(origin, "://");

	if (strcmp(origin, "null") == 0 || strcmp(origin, "*") == 0)
		return true;
	if (host == NULL || host == origin)
		return false;
	host += strlen("://");
	if (strncmp(host, "*.", 2) == 0)
		host += 2;
	return host[0] != '\0' && strpbrk(host, "/?#@*\\ \t") == NULL;
}

/* RFC 9110 section 5.6.2. */
static bool
is_token(const char *s)
{
	for (; *s != '\0'; s++) {
		if (!isalnum((unsigned char)*s) &&
		    strchr("!#$%&'*+-.^_`|~", *s) == NULL)
			return false;
	}
	return true;
}

static void
check_lists(struct config *c, const struct config_route *r,
    struct config_errors *errors)
{
	for (size_t i = 0; i < r->origins.n; i++) {
		if (!is_origin(r->origins.items[i]))
			config_error(errors, config_place_of(c, r, "origins"),
			    "origins: `%.*s' is not an origin: write "
			    "https://example.org, without a path", SHOWN,
			    r->origins.items[i]);
	}
	for (size_t i = 0; i < r->subprotocols.n; i++) {
		if (!is_token(r->subprotocols.items[i]))
			config_error(errors,
			    config_place_of(c, r, "subprotocols"),
			    "subprotocols: `%.*s' has a character that a "
			    "subprotocol must not have", SHOWN,
			    r->subprotocols.items[i]);
	}
}

static void
check_numbers(struct config *c, struct config_route *r,
    struct config_errors *errors)
{
	bool low_set = config_find_place(c, r, "output_low") != NULL;
	bool timeout_set = config_find_place(c, r, "ping_timeout") != NULL;

	if (r->max_frame > r->max_message)
		config_error(errors, config_place_of(c, r, "max_frame"),
		    "max_frame must not be more than max_message");
	if (!low_set && r->output_low >= r->output_high)
		r->output_low = r->output_high / 4;
	if (r->output_low >= r->output_high)
		config_error(errors, config_place_of(c, r, "output_low"),
		    "output_low must be less than output_high");
	if (r->ping_interval_ms == 0) {
		if (timeout_set && r->ping_timeout_ms != 0)
			config_error(errors,
			    config_place_of(c, r, "ping_timeout"),
			    "ping_timeout needs a ping_interval");
		r->ping_timeout_ms = 0;
	}
}

/* Both for any, or one that is in both. */
static bool
overlap(const struct config_strings *a, const struct config_strings *b)
{
	if (a->n == 0 || b->n == 0)
		return a->n == b->n;
	for (size_t i = 0; i < a->n; i++) {
		for (size_t j = 0; j < b->n; j++) {
			if (strcasecmp(a->items[i], b->items[j]) == 0)
				return true;
		}
	}
	return false;
}

static void
check_others(const struct config *c, const struct config_route *r,
    struct config_errors *errors)
{
	for (const struct config_route *o = c->routes; o < r; o++) {
		if (strcmp(r->path, o->path) != 0 || r->pages != o->pages ||
		    !overlap(&r->host, &o->host) ||
		    !overlap(&r->listen, &o->listen))
			continue;
		config_error(errors, r->place, "[route %.*s] stands already "
		    "at %s:%u (for the same host and listen)", SHOWN, r->path,
		    o->place.file, o->place.line);
		return;
	}
}

void
config_check_route(struct config *c, struct config_route *r,
    struct config_errors *errors)
{
	const char *fault = path_fault(r->path);

	r->pages = r->handler != NULL && strcmp(r->handler, "static") == 0;
	if (fault != NULL)
		config_error(errors, r->place, "%s", fault);
	check_handler(c, r, errors);
	check_hosts(c, r, errors);
	check_listens(c, r, errors);
	check_lists(c, r, errors);
	check_numbers(c, r, errors);
	config_check_upstreams(c, r, errors);
	check_others(c, r, errors);
}
