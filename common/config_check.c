/* SPDX-License-Identifier: MIT */
/*
 * Owns how the settings of [wssd] and [listen] relate to each other, and what
 * follows from them.  Pure.  Works on a config with errors
 * too: what is missing has been reported and is passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/config_parts.h"
#include "common/count.h"
#include "common/settings.h"
#include "common/str.h"

#define SHOWN 80		/* bytes of a wrong word in a sentence */

const struct config_place *
config_find_place(const struct config *c, const void *object,
    const char *key)
{
	for (size_t i = 0; i < c->n_values; i++) {
		if (c->values[i].object == object &&
		    strcmp(c->values[i].setting->key, key) == 0)
			return &c->values[i].place;
	}
	return NULL;
}

/* The place of the object's section; that of [wssd] for any other. */
static struct config_place
place_of_object(const struct config *c, const void *object)
{
	for (size_t i = 0; i < c->n_listens; i++) {
		if (object == &c->listens[i])
			return c->listens[i].place;
	}
	for (size_t i = 0; i < c->n_contexts; i++) {
		if (object == &c->contexts[i])
			return c->contexts[i].place;
	}
	for (size_t i = 0; i < c->n_routes; i++) {
		if (object == &c->routes[i])
			return c->routes[i].place;
	}
	return c->daemon_place;
}

struct config_place
config_place_of(const struct config *c, const void *object, const char *key)
{
	const struct config_place *place = config_find_place(c, object, key);

	return place != NULL ? *place : place_of_object(c, object);
}

static void
check_user_name(struct config *c, const char *key, const char *name,
    struct config_errors *errors)
{
	if (strpbrk(name, ":/, \t") != NULL || name[0] == '-' ||
	    strlen(name) > 32)
		config_error(errors, config_place_of(c, &c->daemon, key),
		    "%s: `%.*s' cannot be a name", key, SHOWN, name);
}

/* So many old keys are there at most, beside the one in use and the next. */
#define OLD_KEYS_MAX 12

static void
check_tickets(struct config *c, struct config_errors *errors)
{
	const struct config_daemon *d = &c->daemon;

	if (d->ticket_overlap_ms > OLD_KEYS_MAX * d->ticket_rotate_ms)
		config_error(errors, config_place_of(c, d,
		    config_find_place(c, d, "ticket_overlap") != NULL ?
		    "ticket_overlap" : "ticket_rotate"),
		    "ticket_overlap must not be more than %d times "
		    "ticket_rotate", OLD_KEYS_MAX);
}

static void
check_daemon(struct config *c, struct config_errors *errors)
{
	struct config_daemon *d = &c->daemon;
	char *run_dir;

	check_user_name(c, "user", d->user, errors);
	check_user_name(c, "group", d->group, errors);
	check_tickets(c, errors);
	d->log_kind = CONFIG_LOG_FILE;
	if (strcmp(d->log, "stderr") == 0)
		d->log_kind = CONFIG_LOG_STDERR;
	else if (strcmp(d->log, "syslog") == 0)
		d->log_kind = CONFIG_LOG_SYSLOG;
	else if (d->log[0] != '/')
		config_error(errors, config_place_of(c, d, "log"),
		    "log: `%.*s' is neither stderr nor syslog nor a path "
		    "that begins with /", SHOWN, d->log);
	if (strcmp(d->access_log, "off") != 0 &&
	    strcmp(d->access_log, "stderr") != 0 &&
	    strcmp(d->access_log, "syslog") != 0 && d->access_log[0] != '/')
		config_error(errors, config_place_of(c, d, "access_log"),
		    "access_log: `%.*s' is neither off nor stderr nor syslog "
		    "nor a path that begins with /", SHOWN, d->access_log);
	run_dir = config_resolve_run_dir(d->run_dir);
	free(d->run_dir);
	d->run_dir = run_dir;
	/* sun_path of unix(7) has 108 bytes, for "/control.sock" too */
	if (run_dir[0] != '/' || strlen(run_dir) > 90)
		config_error(errors, config_place_of(c, d, "run_dir"),
		    "run_dir: `%.*s' is not a path that begins with / and "
		    "has at most 90 bytes", SHOWN, run_dir);
}

static void
check_names(struct config *c, struct config_errors *errors)
{
	for (size_t i = 1; i < c->n_listens; i++) {
		const struct config_listen *a = &c->listens[i], *b;

		for (b = c->listens; b < a; b++) {
			if (strcmp(a->name, b->name) != 0)
				continue;
			config_error(errors, a->place, "[listen %s] stands "
			    "already at %s:%u", a->name, b->place.file,
			    b->place.line);
			break;
		}
	}
}

static void
parse_addresses(struct config *c, struct config_listen *l,
    struct config_errors *errors)
{
	l->addrs = xcalloc(l->address.n, sizeof(*l->addrs));
	for (size_t i = 0; i < l->address.n; i++) {
		struct err err = ERR_INIT;

		if (addr_parse(l->address.items[i], &l->addrs[i], &err) != 0)
			config_error(errors, config_place_of(c, l, "address"),
			    "address: %s", err.text);
	}
}

/* The listen before, or this one, that has the address at i too. */
static const struct config_listen *
find_same_address(const struct config *c, const struct config_listen *l,
    size_t i)
{
	/* port 0 is a new one each time; len 0 was wrong */
	if (l->addrs[i].len == 0 || (!addr_is_unix(&l->addrs[i]) &&
	    addr_port(&l->addrs[i]) == 0))
		return NULL;
	for (const struct config_listen *m = c->listens; m <= l; m++) {
		size_t n = m == l ? i : m->address.n;

		for (size_t j = 0; j < n; j++) {
			if (addr_equal(&l->addrs[i], &m->addrs[j]))
				return m;
		}
	}
	return NULL;
}

static void
check_addresses(struct config *c, const struct config_listen *l,
    struct config_errors *errors)
{
	for (size_t i = 0; i < l->address.n; i++) {
		const struct config_listen *m = find_same_address(c, l, i);
		struct config_place other;

		if (m == NULL)
			continue;
		other = config_place_of(c, m, "address");
		config_error(errors, config_place_of(c, l, "address"),
		    "address: %s is already in [listen %s] at %s:%u",
		    l->address.items[i], m->name, other.file, other.line);
	}
}

/* Whom to believe: addresses, and what needs them. */
static void
check_proxies(struct config *c, struct config_listen *l,
    struct config_errors *errors)
{
	const struct config_place *place;

	l->trusted = xcalloc(l->trusted_proxies.n, sizeof(*l->trusted));
	for (size_t i = 0; i < l->trusted_proxies.n; i++) {
		struct err err = ERR_INIT;

		if (addr_net_parse(l->trusted_proxies.items[i],
		    &l->trusted[i], &err) != 0)
			config_error(errors, config_place_of(c, l,
			    "trusted_proxies"), "trusted_proxies: %s",
			    err.text);
	}
	if (l->trusted_proxies.n > 0)
		return;
	place = config_find_place(c, l, "proxy_protocol");
	if (l->proxy_protocol && place != NULL)
		config_error(errors, *place, "proxy_protocol = on needs "
		    "trusted_proxies: who may say who the client is");
	place = config_find_place(c, l, "real_ip_header");
	if (l->real_ip_header != CONFIG_REAL_IP_AUTO && place != NULL)
		config_error(errors, *place, "real_ip_header needs "
		    "trusted_proxies: whose header is believed");
}

/* Who names an owner thinks that there is a unix socket. */
static void
check_socket(struct config *c, const struct config_listen *l,
    struct config_errors *errors)
{
	static const char *const keys[] = { "socket_user", "socket_group" };

	for (size_t i = 0; i < l->address.n; i++) {
		if (addr_is_unix(&l->addrs[i]) || l->addrs[i].len == 0)
			return;
	}
	for (size_t i = 0; i < COUNT(keys); i++) {
		const struct config_place *place = config_find_place(c, l,
		    keys[i]);

		if (place != NULL)
			config_error(errors, *place, "%s: no address of this "
			    "listen is a unix socket (unix:/PATH)", keys[i]);
	}
}

static void
check_role(struct config *c, struct config_listen *l,
    struct config_errors *errors)
{
	if (l->role != CONFIG_ADMIN) {
		if (l->allow_public)
			config_error(errors, config_place_of(c, l,
			    "allow_public"), "allow_public is only for role = "
			    "admin");
		return;
	}
	if (config_find_place(c, l, "transport") == NULL)
		l->transport = CONFIG_TCP;
	for (size_t i = 0; i < l->address.n; i++) {
		if (l->allow_public || l->addrs[i].len == 0 ||
		    addr_is_unix(&l->addrs[i]) ||
		    addr_is_loopback(&l->addrs[i]))
			continue;
		config_error(errors, config_place_of(c, l, "address"),
		    "address: other machines can reach %s, and role = admin "
		    "is for 127.0.0.1, [::1] and unix: (or write allow_public "
		    "= on)", l->address.items[i]);
	}
}

void
config_check(struct config *c, struct config_errors *errors)
{
	struct config_place whole = { c->bundle->files[0].path, 0 };

	check_daemon(c, errors);
	check_names(c, errors);
	for (size_t i = 0; i < c->n_listens; i++) {
		parse_addresses(c, &c->listens[i], errors);
		check_addresses(c, &c->listens[i], errors);
		check_socket(c, &c->listens[i], errors);
		check_proxies(c, &c->listens[i], errors);
		check_role(c, &c->listens[i], errors);
	}
	config_check_contexts(c, errors);
	for (size_t i = 0; i < c->n_routes; i++)
		config_check_route(c, &c->routes[i], errors);
	if (c->n_listens == 0)
		config_error(errors, whole, "there is no [listen] section: "
		    "write [listen] and address = 0.0.0.0:8282");
	if (c->n_routes == 0)
		config_error(errors, whole, "there is no [route] section: "
		    "write [route /] and handler = echo");
}
