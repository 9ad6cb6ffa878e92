/* SPDX-License-Identifier: MIT */
/*
 * Owns a config, its SSL_CTXs and its handlers' state, for as long as a
 * connection was opened under it.
 */
#include "worker/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/assert.h"
#include "common/map.h"
#include "worker/api.h"
#include "worker/tls_client.h"
#include "worker/remote_key.h"
#include "worker/worker.h"

/* ---- contexts --------------------------------------------------------- */

/* By the name of the section: what its connections have now. */
static void
map_contexts(struct map *by_name, const struct snapshot *s)
{
	for (size_t i = 0; s != NULL && i < s->config->n_contexts; i++) {
		const char *name = s->contexts[i].config->name;

		map_put(by_name, name, strlen(name), s->contexts[i].tls);
	}
}

static int
build_contexts(struct snapshot *s, const struct snapshot *before,
    struct tls_ctx_source *source, struct buf *warnings, struct err *err)
{
	struct map living = MAP_INIT;
	int rc = 0;

	s->contexts = xcalloc(s->config->n_contexts, sizeof(*s->contexts));
	map_contexts(&living, before);
	for (size_t i = 0; rc == 0 && i < s->config->n_contexts; i++) {
		struct context *c = &s->contexts[i];

		c->config = &s->config->contexts[i];
		source->before = map_get(&living, c->config->name,
		    strlen(c->config->name));
		c->tls = tls_ctx_new(c->config, source, warnings, err);
		if (c->tls == NULL)
			rc = -1;
	}
	map_done(&living);
	return rc;
}

static void
build_names(struct snapshot *s)
{
	struct tls_named *list = xcalloc(s->config->n_contexts,
	    sizeof(*list));

	s->names = xcalloc(s->config->n_listens, sizeof(struct tls_sni *));
	for (size_t i = 0; i < s->config->n_listens; i++) {
		const struct config_listen *l = &s->config->listens[i];

		for (size_t j = 0; j < l->n_contexts; j++)
			list[j] = (struct tls_named){
				s->contexts[l->contexts[j]].tls,
				l->contexts[j] };
		if (l->n_contexts > 0)
			s->names[i] = tls_sni_new(list, l->n_contexts,
			    l->strict_sni);
	}
	free(list);
}

/* ---- routes ----------------------------------------------------------- */

static const struct wss_option *
find_option(const struct wss_handler *handler, const char *name)
{
	const struct wss_option *o = handler->options;

	for (; o != NULL && o->name != NULL; o++) {
		if (strcmp(o->name, name) == 0)
			return o;
	}
	return NULL;
}

/* A module's options are known only here, where it is loaded. */
static int
check_options(const struct wss_route *r, struct err *err)
{
	const struct config_route *c = r->config;

	for (size_t i = 0; i < c->n_options; i++) {
		const struct config_option *o = &c->options[i];

		if (find_option(r->handler, o->name) == NULL)
			return err_set(err, "%s:%u: handler %s has no option "
			    "`%s'", o->place.file, o->place.line,
			    r->handler->name, o->name);
	}
	for (const struct wss_option *o = r->handler->options;
	    o != NULL && o->name != NULL; o++) {
		if (o->required && wss_option_value(r, o->name) == NULL)
			return err_set(err, "%s:%u: handler %s needs its "
			    "option `%s'", c->place.file, c->place.line,
			    r->handler->name, o->name);
	}
	return 0;
}

static int
set_up_handler(struct wss_route *r, const struct files *files,
    struct err *err)
{
	struct err reason = ERR_INIT;
	int rc;

	r->error = &reason;
	r->files = files;
	rc = api_setup(r);
	r->error = NULL;
	r->files = NULL;
	if (rc != 0)
		return err_set(err, "%s:%u: handler %s refuses: %s",
		    r->config->place.file, r->config->place.line,
		    r->handler->name, reason.text[0] != '\0' ? reason.text :
		    "it gives no reason");
	r->set_up = true;
	return 0;
}

static void
build_route(struct wss_route *r, struct worker *worker, struct snapshot *s,
    const struct config_route *c)
{
	r->worker = worker;
	r->snapshot = s;
	r->config = c;
	list_init(&r->timers);
	r->limits.max_message = c->max_message;
	r->limits.max_frame = c->max_frame;
	r->limits.max_fragments = (uint32_t)c->max_fragments;
	r->rules.origins = (const char *const *)c->origins.items;
	r->rules.n_origins = c->origins.n;
	r->rules.subprotocols = (const char *const *)c->subprotocols.items;
	r->rules.n_subprotocols = c->subprotocols.n;
	r->rules.extensions = (struct extension_rules){
		.deflate = c->compression != CONFIG_COMPRESSION_OFF,
		.takeover = c->compression == CONFIG_COMPRESSION_DEDICATED,
		.window_bits = (uint8_t)c->compression_window_bits,
		.memory_level = (uint8_t)c->compression_memory_level,
	};
}

/* The TLS to upstreams; config_check_upstream.c sets the file when needed. */
static int
build_upstream_ctx(struct wss_route *r, const struct files *files,
    struct err *err)
{
	if (r->config->upstream_cafile == NULL)
		return 0;
	r->upstream_ctx = tls_client_ctx_new(r->config, files, err);
	return r->upstream_ctx == NULL ? -1 : 0;
}

static int
build_routes(struct snapshot *s, struct worker *worker,
    const struct files *files, const struct modules *modules,
    struct err *err)
{
	s->routes = xcalloc(s->config->n_routes, sizeof(*s->routes));
	for (size_t i = 0; i < s->config->n_routes; i++)
		build_route(&s->routes[i], worker, s, &s->config->routes[i]);
	for (size_t i = 0; i < s->config->n_routes; i++) {
		struct wss_route *r = &s->routes[i];

		r->handler = module_handler(modules, r->config, err);
		if (r->handler == NULL || check_options(r, err) == -1 ||
		    build_upstream_ctx(r, files, err) == -1 ||
		    set_up_handler(r, files, err) == -1)
			return -1;
	}
	return 0;
}

/* ---- life ------------------------------------------------------------- */

static void
route_done(struct wss_route *r)
{
	api_teardown(r);
	SSL_CTX_free(r->upstream_ctx);
}

static void
snapshot_free(struct snapshot *s)
{
	for (size_t i = 0; s->routes != NULL && i < s->config->n_routes; i++)
		route_done(&s->routes[i]);
	free(s->routes);
	for (size_t i = 0; s->names != NULL && i < s->config->n_listens; i++)
		tls_sni_free(s->names[i]);
	free(s->names);
	for (size_t i = 0; s->contexts != NULL && i < s->config->n_contexts;
	    i++)
		tls_ctx_unref(s->contexts[i].tls);
	free(s->contexts);
	config_unref(s->config);
	free(s);
}

struct snapshot *
snapshot_new(struct worker *worker, struct config *config,
    unsigned generation, const struct snapshot *before,
    struct signing *signing, const struct files *files,
    const struct modules *modules, bool strict, struct buf *warnings,
    struct err *err)
{
	struct snapshot *s = xcalloc(1, sizeof(*s));
	struct remote_signer signer = { worker->remote_keys, signing };
	struct tls_ctx_source source = { &worker->tickets,
		config->daemon.ticket_overlap_ms, files, strict, NULL,
		signing != NULL ? &signer : NULL };

	s->refs = 1;
	s->generation = generation;
	s->config = config;
	if (build_contexts(s, before, &source, warnings, err) == -1 ||
	    build_routes(s, worker, files, modules, err) == -1) {
		snapshot_free(s);
		return NULL;
	}
	build_names(s);
	return s;
}

struct snapshot *
snapshot_ref(struct snapshot *s)
{
	s->refs++;
	return s;
}

void
snapshot_unref(struct snapshot *s)
{
	if (s == NULL)
		return;
	ASSERT(s->refs > 0);
	if (--s->refs == 0)
		snapshot_free(s);
}

/* ---- metrics ---------------------------------------------------------- */

/*
 * The cell of that name, or a free one, or the last: counters are found by
 * name, so that they go on over reloads and respawns.
 */
#define CELL(cells, count, wanted)                                           \
	({                                                                   \
		size_t at_ = 0;                                              \
		while (at_ < (count) - 1 && (cells)[at_].name[0] != '\0' &&  \
		    strcmp((cells)[at_].name, (wanted)) != 0)                \
			at_++;                                               \
		if ((cells)[at_].name[0] == '\0')                            \
			snprintf((cells)[at_].name,                          \
			    sizeof((cells)[at_].name), "%s", (wanted));      \
		&(cells)[at_];                                               \
	})

/*
 * The last cell is for all contexts beyond the others, and tells of the one
 * that expires first.
 */
static struct metrics_context *
context_cell(struct metrics *m, const char *name, unsigned generation)
{
	char cut[METRICS_NAME];
	struct metrics_context *cell;

	snprintf(cut, sizeof(cut), "%s", name);
	cell = CELL(m->contexts, METRICS_CONTEXTS, cut);
	if (cell != &m->contexts[METRICS_CONTEXTS - 1])
		return cell;
	snprintf(cell->name, sizeof(cell->name), "%s",
	    METRICS_CONTEXTS_OTHERS);
	if (metrics_get(&cell->generation) != generation)
		metrics_set(&cell->not_after, INT64_MAX);
	return cell;
}

static void
publish_context(struct context *c, struct metrics *m, unsigned generation)
{
	const struct tls_ctx_info *info = &c->tls->info;
	struct metrics_context *cell = context_cell(m, c->config->name,
	    generation);
	bool others = cell == &m->contexts[METRICS_CONTEXTS - 1];

	c->metrics = cell;
	if (others && metrics_get(&cell->not_after) <
	    (uint64_t)info->not_after)
		return;
	snprintf(cell->subject, sizeof(cell->subject), "%s", info->subject);
	metrics_set(&cell->not_before, (uint64_t)info->not_before);
	metrics_set(&cell->not_after, (uint64_t)info->not_after);
	metrics_set(&cell->generation, generation);
}

static void
publish_route(struct wss_route *r, struct metrics *m, unsigned generation)
{
	const struct config_route *c = r->config;
	char name[METRICS_NAME];

	snprintf(name, sizeof(name), "%s%s%s%s%s",
	    c->host.n > 0 ? c->host.items[0] : "", c->path,
	    c->listen.n > 0 ? " @" : "",
	    c->listen.n > 0 ? c->listen.items[0] : "",
	    c->pages ? " (pages)" : "");
	r->metrics = CELL(m->routes, METRICS_ROUTES, name);
	r->running = (uint64_t)(r->metrics - m->routes) + 1;
	snprintf(r->metrics->handler, sizeof(r->metrics->handler), "%s",
	    r->handler->name);
	metrics_set(&r->metrics->generation, generation);
}

void
snapshot_publish(struct snapshot *s, struct metrics *m)
{
	for (size_t i = 0; i < s->config->n_contexts; i++)
		publish_context(&s->contexts[i], m, s->generation);
	for (size_t i = 0; i < s->config->n_routes; i++)
		publish_route(&s->routes[i], m, s->generation);
	for (size_t i = 0; i < s->config->n_listens; i++)
		(void)CELL(m->listens, METRICS_LISTENS,
		    s->config->listens[i].name);
	metrics_set(&m->generation, s->generation);
}

/* ---- finding ---------------------------------------------------------- */

const struct tls_sni *
snapshot_names(const struct snapshot *s, const struct config_listen *l)
{
	return s->names[l - s->config->listens];
}

const struct config_listen *
snapshot_listen(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->config->n_listens; i++) {
		if (strcmp(s->config->listens[i].name, name) == 0)
			return &s->config->listens[i];
	}
	return NULL;
}

static bool
path_matches(const char *prefix, struct slice path)
{
	size_t len = strlen(prefix);

	if (path.len < len || memcmp(path.data, prefix, len) != 0)
		return false;
	return path.len == len || prefix[len - 1] == '/' ||
	    path.data[len] == '/';
}

/* 2: names this host; 1: takes any; 0: is for others. */
static int
host_matches(const struct config_strings *hosts, struct slice host)
{
	if (hosts->n == 0)
		return 1;
	for (size_t i = 0; i < hosts->n; i++) {
		if (slice_equal_nocase(host, hosts->items[i]))
			return 2;
	}
	return 0;
}

static bool
listen_matches(const struct config_strings *listens, const char *listen)
{
	for (size_t i = 0; i < listens->n; i++) {
		if (strcmp(listens->items[i], listen) == 0)
			return true;
	}
	return listens->n == 0;
}

struct wss_route *
snapshot_route(struct snapshot *s, const char *listen, struct slice host,
    struct slice path, bool websocket)
{
	struct wss_route *best = NULL;
	size_t best_score = 0;

	for (size_t i = 0; i < s->config->n_routes; i++) {
		const struct config_route *c = &s->config->routes[i];
		int host_score = host_matches(&c->host, host);
		size_t score;

		if (host_score == 0 || !listen_matches(&c->listen, listen) ||
		    !path_matches(c->path, path))
			continue;
		score = strlen(c->path) * 8 + (size_t)host_score * 4 -
		    (c->listen.n == 0 ? 2 : 0) + (c->pages != websocket);
		if (score > best_score) {
			best = &s->routes[i];
			best_score = score;
		}
	}
	return best;
}
