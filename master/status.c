/* SPDX-License-Identifier: MIT */
/* Owns nothing: reads the master's state and the cells. */
#include "master/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "master/control.h"
#include "master/master.h"
#include "master/publish.h"
#include "master/signer.h"
#include "master/tally.h"

static json_t *
integer(uint64_t v)
{
	return json_integer((json_int_t)(v <= INT64_MAX ? v : INT64_MAX));
}

static json_t *
text_or_null(const char *text)
{
	return text == NULL ? json_null() : control_string(text);
}

/* RFC 3339 in UTC; null for 0. */
static json_t *
when(uint64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[64];
	struct tm tm;

	if (seconds == 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

static json_t *
rss_bytes(const struct proc *p)
{
	uint64_t bytes = publish_rss(p);

	return bytes == 0 ? json_null() : integer(bytes);
}

#define PUT(name) json_object_set_new(o, #name, integer(sum->name));

static void
put_counters(json_t *o, const struct metrics *sum)
{
	PUT(connections)
	PUT(open)
	PUT(upstream_open)
	METRICS_WORKER_COUNTERS(PUT)
	PUT(compression_memory)
}

static json_t *
layers_json(uint64_t layers)
{
	json_t *names = json_array();

	if (layers & SANDBOX_EMPTY_ROOT)
		json_array_append_new(names, json_string("empty root"));
	if (layers & SANDBOX_SECCOMP)
		json_array_append_new(names, json_string("seccomp"));
	if (layers & SANDBOX_LANDLOCK)
		json_array_append_new(names, json_string("landlock"));
	return names;
}

static json_t *
worker_row(const char *state, unsigned slot, const struct proc *p,
    const struct metrics *sum)
{
	json_t *o = json_pack("{s:i, s:s}", "slot", (int)slot, "state", state);

	if (p != NULL) {
		json_object_set_new(o, "pid", json_integer(p->child.pid));
		json_object_set_new(o, "uptime_seconds", integer(
		    (proc_now_ms() - p->started_ms) / 1000));
		json_object_set_new(o, "rss_bytes", rss_bytes(p));
		json_object_set_new(o, "loop_lag_us",
		    integer(metrics_get(&p->cell->loop_lag_us)));
		json_object_set_new(o, "io_uring", json_boolean(
		    metrics_get(&p->cell->io_uring) != 0));
		json_object_set_new(o, "generation", integer(
		    p->in_use == NULL ? 0 : p->in_use->generation));
		json_object_set_new(o, "confined_by",
		    layers_json(metrics_get(&p->cell->confined_by)));
		json_object_set_new(o, "libraries",
		    control_string(p->libraries));
	} else {
		json_object_set_new(o, "pid", json_null());
	}
	put_counters(o, sum);
	return o;
}

/* Its place: the process that serves, or is being started, or nobody. */
static json_t *
slot_row(const struct slot *s, struct metrics *total)
{
	const struct proc *p = s->current != NULL ? s->current : s->next;
	struct metrics *sum = tally_new();
	json_t *o;

	tally_add(sum, s->past, false);
	if (p != NULL)
		tally_add(sum, p->cell, true);
	o = worker_row(slot_state_name(s), s->index, p, sum);
	json_object_set_new(o, "restarts", integer(s->restarts));
	json_object_set_new(o, "last_death", text_or_null(s->last_death));
	tally_add(total, s->past, false);
	if (p != NULL)
		tally_add(total, p->cell, true);
	tally_free(sum);
	return o;
}

static bool
has_slot_row(const struct master *m, const struct proc *p)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		const struct slot *s = &m->slots[i];

		if (p == (s->current != NULL ? s->current : s->next))
			return true;
	}
	return false;
}

static json_t *
workers_json(const struct master *m, struct metrics *total)
{
	json_t *rows = json_array();
	struct list *pos;

	for (size_t i = 0; i < m->n_slots; i++)
		json_array_append_new(rows, slot_row(&m->slots[i], total));
	/* Those that drain beside their successors, and successors. */
	for (pos = m->world.procs.next; pos != &m->world.procs;
	    pos = pos->next) {
		const struct proc *p = LIST_ITEM(pos, struct proc, link);
		struct metrics *sum;

		if (has_slot_row(m, p))
			continue;
		sum = tally_new();
		tally_add(sum, p->cell, true);
		tally_add(total, p->cell, true);
		json_array_append_new(rows, worker_row(proc_state_name(p),
		    p->slot, p, sum));
		tally_free(sum);
	}
	return rows;
}

/* The row of a name, or one of zeros. */
static const struct metrics_listen *
find_listen(const struct metrics *total, const char *name)
{
	static const struct metrics_listen none;

	for (size_t i = 0; i < METRICS_LISTENS; i++)
		if (strcmp(total->listens[i].name, name) == 0)
			return &total->listens[i];
	return &none;
}

static json_t *
addresses_json(const struct master *m, const char *listen)
{
	json_t *rows = json_array();

	for (size_t i = 0; m->listen_set != NULL && i < m->listen_set->n; i++)
		if (strcmp(m->listen_set->rows[i].name, listen) == 0)
			json_array_append_new(rows, json_string(
			    m->listen_set->rows[i].listener->text));
	return rows;
}

static json_t *
listens_json(const struct master *m, const struct metrics *total)
{
	const struct config *config = m->edition->config;
	json_t *rows = json_array();

	for (size_t i = 0; i < config->n_listens; i++) {
		const struct config_listen *l = &config->listens[i];
		const struct metrics_listen *sum = find_listen(total,
		    l->name);

		json_array_append_new(rows, json_pack(
		    "{s:o, s:s, s:s, s:o, s:o, s:o}",
		    "name", control_string(l->name),
		    "role", l->role == CONFIG_ADMIN ? "admin" : "websocket",
		    "transport", l->transport == CONFIG_SSL ? "ssl" : "tcp",
		    "addresses", addresses_json(m, l->name),
		    "accepted", integer(sum->accepted),
		    "open", integer(sum->open)));
	}
	return rows;
}

/* Seconds of a certificate as days from now; negative: it has expired. */
static json_int_t
days_left(uint64_t not_after)
{
	return ((json_int_t)not_after - (json_int_t)time(NULL)) / 86400;
}

static json_t *
contexts_json(const struct master *m, const struct metrics *total)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < METRICS_CONTEXTS; i++) {
		const struct metrics_context *c = &total->contexts[i];

		if (c->name[0] == '\0' ||
		    c->generation < m->edition->generation)
			continue;
		json_array_append_new(rows, json_pack(
		    "{s:o, s:o, s:o, s:o, s:I, s:o}",
		    "name", control_string(c->name),
		    "subject", control_string(c->subject),
		    "not_before", when(c->not_before),
		    "not_after", when(c->not_after),
		    "expires_in_days", days_left(c->not_after),
		    "handshakes", integer(c->handshakes)));
	}
	return rows;
}

static json_t *
routes_json(const struct master *m, const struct metrics *total)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < METRICS_ROUTES; i++) {
		const struct metrics_route *r = &total->routes[i];

		if (r->name[0] == '\0' || (r->open == 0 &&
		    r->generation < m->edition->generation))
			continue;
		json_array_append_new(rows, json_pack(
		    "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		    "name", control_string(r->name),
		    "handler", control_string(r->handler),
		    "open", integer(r->open),
		    "upgrades", integer(r->upgrades),
		    "messages_in", integer(r->messages_in),
		    "messages_out", integer(r->messages_out),
		    "bytes_in", integer(r->bytes_in),
		    "bytes_out", integer(r->bytes_out)));
	}
	return rows;
}

static json_t *
config_json(const struct master *m)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}",
	    "path", control_string(m->options.config_path),
	    "generation", integer(m->edition->generation),
	    "loaded_at", when((uint64_t)m->edition->loaded_at),
	    "last_error", text_or_null(m->last_error),
	    "last_error_at", m->last_error == NULL ? json_null() :
	    when((uint64_t)m->last_error_at));
}

/* null: the workers have the keys, or there are none. */
static json_t *
signer_json(const struct signer *s)
{
	struct signer_info info;

	if (s == NULL)
		return json_null();
	info = signer_info(s);
	return json_pack("{s:o, s:o, s:o}",
	    "pid", info.pid == 0 ? json_null() :
	    integer((uint64_t)info.pid),
	    "restarts", integer(info.restarts),
	    "last_death", text_or_null(info.last_death));
}

void
status_line(const struct master *m, char out[STATUS_LINE_MAX])
{
	uint64_t open = 0;
	size_t running = 0;
	struct list *pos;

	for (size_t i = 0; i < m->n_slots; i++)
		running += m->slots[i].current != NULL;
	for (pos = m->world.procs.next; pos != &m->world.procs;
	    pos = pos->next)
		open += metrics_get(&LIST_ITEM(pos, struct proc,
		    link)->cell->open);
	snprintf(out, STATUS_LINE_MAX, "running: %zu of %zu workers, %llu "
	    "WebSockets%s", running, m->n_slots, (unsigned long long)open,
	    m->last_error != NULL ? "; the last reload failed" : "");
}

json_t *
status_json(const struct master *m)
{
	static const char *const states[] = {
		[MASTER_STARTING] = "starting", [MASTER_RUNNING] = "running",
		[MASTER_STOPPING] = "stopping",
	};
	struct metrics *total = tally_new();
	json_t *workers = workers_json(m, total), *totals = json_object();
	json_t *o;

	put_counters(totals, total);
	o = json_pack("{s:b, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, "
	    "s:o, s:o, s:o, s:o, s:o, s:o}",
	    "ok", 1,
	    "name", "wssd",
	    "version", WSSD_VERSION,
	    "state", states[m->state],
	    "pid", (json_int_t)getpid(),
	    "started_at", when((uint64_t)m->started_at),
	    "uptime_seconds", integer((proc_now_ms() - m->started_ms) / 1000),
	    "config", config_json(m),
	    "log", control_string(logfiles_name(&m->logs)),
	    "signer", signer_json(m->edition->signer),
	    "workers", workers,
	    "listens", listens_json(m, total),
	    "contexts", contexts_json(m, total),
	    "routes", routes_json(m, total),
	    "totals", totals);
	tally_free(total);
	return o;
}
