/* SPDX-License-Identifier: MIT */
/*
 * Owns struct config: makes it from the sections of all files by the table
 * of settings.  Runs in the master, in each worker and in wssctl.  Pure but
 * for reading the files in config_load().
 */
#include "common/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/buf.h"
#include "common/config_parts.h"
#include "common/ini.h"
#include "common/settings.h"

#define NAME_MAX_BYTES 100
#define SHOWN 80		/* bytes of a wrong word in a sentence */

static const struct {
	size_t size;		/* of the struct */
	size_t max;		/* how many */
} kinds[SETTING_SECTIONS] = {
	[SETTING_WSSD] = { sizeof(struct config_daemon), 1 },
	[SETTING_LISTEN] = { sizeof(struct config_listen),
		CONFIG_LISTENS_MAX },
	[SETTING_CONTEXT] = { sizeof(struct config_context),
		CONFIG_CONTEXTS_MAX },
	[SETTING_ROUTE] = { sizeof(struct config_route), CONFIG_ROUTES_MAX },
};

/* One section, on its way into the config. */
struct reading {
	struct config *config;
	struct config_errors *errors;
	enum setting_section kind;
	const struct ini_section *section;
	const char *file;
	bool included;
	void *object;
};

static struct config_place
place_of_section(const struct reading *r)
{
	return (struct config_place){ r->file, r->section->line };
}

static const struct ini_key *
find_key(const struct ini_section *section, const char *key)
{
	for (size_t i = 0; i < section->n_keys; i++) {
		if (strcmp(section->keys[i].key, key) == 0)
			return &section->keys[i];
	}
	return NULL;
}

/* Whether the route's handler is the one that takes the setting. */
static bool
handler_takes(const struct reading *r, const struct setting *s)
{
	const struct ini_key *handler = find_key(r->section, "handler");

	return s->handler == NULL ||
	    (handler != NULL && strcmp(handler->value, s->handler) == 0);
}

/* Else that is what is wrong, not the options. */
static bool
handler_is_known(const struct reading *r)
{
	const struct ini_key *handler = find_key(r->section, "handler");

	return handler != NULL && config_knows_handler(handler->value);
}

static void
add_option(const struct reading *r, const struct ini_key *k)
{
	struct config_route *route = r->object;
	bool module = strncmp(k->key, "option.", 7) == 0;
	struct config_option *o;

	route->options = xreallocarray(route->options, route->n_options + 1,
	    sizeof(*route->options));
	o = &route->options[route->n_options++];
	o->name = xstrdup(module ? k->key + 7 : k->key);
	o->value = xstrdup(k->value);
	o->place = (struct config_place){ r->file, k->line };
}

static void
remember_value(const struct reading *r, const struct setting *s,
    struct config_place place)
{
	struct config *c = r->config;

	c->values = xreallocarray(c->values, c->n_values + 1,
	    sizeof(*c->values));
	c->values[c->n_values++] = (struct config_value){ s, r->object,
		place };
}

static void
read_key(const struct reading *r, const struct ini_key *k)
{
	const struct setting *s = settings_find(r->kind, k->key);
	struct config_place place = { r->file, k->line };
	struct err err = ERR_INIT;

	if (s == NULL) {
		settings_explain_key(r->kind, k->key, &err);
		config_error(r->errors, place, "%s", err.text);
	} else if (r->included && strcmp(s->key, "include") == 0) {
		config_error(r->errors, place,
		    "an included file cannot include others");
	} else if (!handler_takes(r, s) && handler_is_known(r)) {
		config_error(r->errors, place, "`%.*s' is only for handler = "
		    "%s", SHOWN, k->key, s->handler);
	} else if (settings_set(s, r->object, k->value, &err) != 0) {
		config_error(r->errors, place, "%s: %s", k->key, err.text);
	} else {
		if (s->type == SETTING_NONE && (s->flags & SETTING_OPTION))
			add_option(r, k);
		remember_value(r, s, place);
	}
}

static void
require_keys(const struct reading *r)
{
	size_t n;
	const struct setting *rows = settings_table(&n);

	for (size_t i = 0; i < n; i++) {
		const struct setting *s = &rows[i];

		if (s->section != r->kind || !(s->flags & SETTING_REQUIRED) ||
		    !handler_takes(r, s) || find_key(r->section, s->key))
			continue;
		if (s->handler != NULL)
			config_error(r->errors, place_of_section(r),
			    "handler = %s needs `%s'", s->handler, s->key);
		else
			config_error(r->errors, place_of_section(r),
			    "[%s] needs `%s'", r->section->kind, s->key);
	}
}

/* Names are shown in logs and in the status: words, and short. */
static const char *
read_name(const struct reading *r)
{
	const char *name = r->section->name;

	if (*name == '\0')
		return "default";
	for (const char *p = name; *p != '\0'; p++) {
		if (isalnum((unsigned char)*p) || strchr("._-", *p) != NULL)
			continue;
		config_error(r->errors, place_of_section(r),
		    "`%.*s' cannot be a name: write letters, digits, "
		    "`.', `_' and `-'", SHOWN, name);
		break;
	}
	if (strlen(name) > NAME_MAX_BYTES)
		config_error(r->errors, place_of_section(r),
		    "the name is longer than %d bytes", NAME_MAX_BYTES);
	return name;
}

/* What stands in the section's header. */
static void
read_header(const struct reading *r)
{
	struct config_place place = place_of_section(r);
	struct config_listen *listen = r->object;
	struct config_context *context = r->object;
	struct config_route *route = r->object;

	switch (r->kind) {
	case SETTING_LISTEN:
		listen->place = place;
		listen->name = xstrdup(read_name(r));
		break;
	case SETTING_CONTEXT:
		context->place = place;
		context->name = xstrdup(read_name(r));
		break;
	case SETTING_ROUTE:
		route->place = place;
		route->path = xstrdup(r->section->name);
		break;
	default:
		r->config->daemon_place = place;
		if (*r->section->name != '\0')
			config_error(r->errors, place, "[wssd] has no name");
		break;
	}
}

/* The struct a section of that kind goes to; NULL: there are too many. */
static void *
next_object(struct config *c, enum setting_section kind)
{
	switch (kind) {
	case SETTING_LISTEN:
		return c->n_listens < CONFIG_LISTENS_MAX ?
		    &c->listens[c->n_listens++] : NULL;
	case SETTING_CONTEXT:
		return c->n_contexts < CONFIG_CONTEXTS_MAX ?
		    &c->contexts[c->n_contexts++] : NULL;
	case SETTING_ROUTE:
		return c->n_routes < CONFIG_ROUTES_MAX ?
		    &c->routes[c->n_routes++] : NULL;
	default:
		return c->daemon_place.file == NULL ? &c->daemon : NULL;
	}
}

static void
read_section(struct reading *r)
{
	r->kind = setting_section_find(r->section->kind);
	if (r->kind == SETTING_SECTIONS) {
		struct err err = ERR_INIT;

		settings_explain_section(r->section->kind, &err);
		config_error(r->errors, place_of_section(r), "%s", err.text);
		return;
	}
	r->object = next_object(r->config, r->kind);
	if (r->object == NULL && r->kind == SETTING_WSSD) {
		config_error(r->errors, place_of_section(r),
		    "[wssd] stands already at %s:%u",
		    r->config->daemon_place.file,
		    r->config->daemon_place.line);
		return;
	}
	if (r->object == NULL) {
		config_error(r->errors, place_of_section(r),
		    "more than %zu [%s] sections", kinds[r->kind].max,
		    r->section->kind);
		return;
	}
	if (r->kind != SETTING_WSSD)
		settings_init(r->kind, r->object);
	read_header(r);
	for (size_t i = 0; i < r->section->n_keys; i++)
		read_key(r, &r->section->keys[i]);
	require_keys(r);
}

/* Room for the sections there are: their addresses must not change. */
static void *
make_room(struct ini *const *inis, size_t n, enum setting_section kind)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < inis[i]->n; j++)
			count += strcmp(inis[i]->sections[j].kind,
			    setting_section_name(kind)) == 0;
	}
	return xcalloc(count < kinds[kind].max ? count : kinds[kind].max,
	    kinds[kind].size);
}

static void
read_files(struct config *c, struct config_errors *errors)
{
	size_t n = c->bundle->n;
	struct ini **inis = xcalloc(n, sizeof(*inis));

	for (size_t i = 0; i < n; i++)
		inis[i] = ini_parse(c->bundle->files[i].path,
		    c->bundle->files[i].text, c->bundle->files[i].len,
		    errors);
	c->listens = make_room(inis, n, SETTING_LISTEN);
	c->contexts = make_room(inis, n, SETTING_CONTEXT);
	c->routes = make_room(inis, n, SETTING_ROUTE);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < inis[i]->n; j++) {
			struct reading r = { .config = c, .errors = errors,
				.section = &inis[i]->sections[j],
				.file = c->bundle->files[i].path,
				.included = i > 0 };

			read_section(&r);
		}
		ini_free(inis[i]);
	}
	free(inis);
}

struct config *
config_new(struct bundle *bundle, struct config_errors *errors)
{
	struct config *c = xcalloc(1, sizeof(*c));
	size_t first = errors->n, dropped = errors->dropped;

	ASSERT(bundle->n > 0);
	c->refs = 1;
	c->bundle = bundle;
	settings_init(SETTING_WSSD, &c->daemon);
	read_files(c, errors);
	config_check(c, errors);
	if (errors->n == first && errors->dropped == dropped)
		return c;
	config_errors_sort(errors, first, bundle);
	config_unref(c);
	return NULL;
}

struct config *
config_ref(struct config *c)
{
	c->refs++;
	return c;
}

static void
route_done(struct config_route *route)
{
	size_t n_upstreams = route->upstream.n;

	settings_done(SETTING_ROUTE, route);
	free(route->path);
	for (size_t i = 0; route->upstreams != NULL && i < n_upstreams; i++)
		upstream_done(&route->upstreams[i]);
	free(route->upstreams);
	for (size_t i = 0; i < route->n_options; i++) {
		free(route->options[i].name);
		free(route->options[i].value);
	}
	free(route->options);
}

void
config_unref(struct config *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	settings_done(SETTING_WSSD, &c->daemon);
	for (size_t i = 0; i < c->n_listens; i++) {
		settings_done(SETTING_LISTEN, &c->listens[i]);
		free(c->listens[i].name);
		free(c->listens[i].addrs);
		free(c->listens[i].trusted);
		free(c->listens[i].contexts);
	}
	for (size_t i = 0; i < c->n_contexts; i++) {
		settings_done(SETTING_CONTEXT, &c->contexts[i]);
		free(c->contexts[i].name);
	}
	for (size_t i = 0; i < c->n_routes; i++)
		route_done(&c->routes[i]);
	free(c->listens);
	free(c->contexts);
	free(c->routes);
	free(c->values);
	bundle_free(c->bundle);
	free(c);
}

struct config *
config_load(const char *path, struct config_errors *errors)
{
	struct bundle *bundle = bundle_load(path, errors);

	return bundle == NULL ? NULL : config_new(bundle, errors);
}

char *
config_restart_changes(const struct config *running,
    const struct config *next)
{
	struct buf text = BUF_INIT;
	size_t n;
	const struct setting *rows = settings_table(&n);

	for (size_t i = 0; i < n; i++) {
		char *a, *b;

		if (rows[i].section != SETTING_WSSD ||
		    rows[i].reload != SETTING_RESTART ||
		    settings_equal(&rows[i], &running->daemon, &next->daemon))
			continue;
		a = settings_format(&rows[i], &running->daemon);
		b = settings_format(&rows[i], &next->daemon);
		buf_printf(&text, "%s: %s -> %s\n", rows[i].key, a, b);
		free(a);
		free(b);
	}
	if (text.len == 0)
		return NULL;
	buf_put_u8(&text, 0);
	return (char *)text.data;
}
