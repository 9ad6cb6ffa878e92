/* SPDX-License-Identifier: MIT */
/* Owns nothing.  Pure, apart from reading cells that others write. */
#include "master/tally.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/str.h"

struct metrics *
tally_new(void)
{
	return xcalloc(1, sizeof(struct metrics));
}

void
tally_free(struct metrics *m)
{
	free(m);
}

static void
take_name(char *out, size_t size, const char *from, size_t room)
{
	str_escape(from, strnlen(from, room), out, size);
}

/*
 * The row of that name: mostly it stands at the same place in every cell.
 * An unused row has no name; beyond the last one all count in the last.
 */
#define DEFINE_FIND(type, member, rows)                                      \
	static struct type *                                                 \
	find_##member(struct metrics *sum, const char *name, size_t hint)    \
	{                                                                    \
		if (strcmp(sum->member[hint].name, name) == 0)               \
			return &sum->member[hint];                           \
		for (size_t i = 0; i < (rows); i++) {                        \
			struct type *row = &sum->member[i];                  \
                                                                             \
			if (strcmp(row->name, name) == 0)                    \
				return row;                                  \
			if (row->name[0] == '\0') {                          \
				strcpy(row->name, name);                     \
				return row;                                  \
			}                                                    \
		}                                                            \
		return &sum->member[(rows) - 1];                             \
	}

DEFINE_FIND(metrics_listen, listens, METRICS_LISTENS)
DEFINE_FIND(metrics_context, contexts, METRICS_CONTEXTS)
DEFINE_FIND(metrics_route, routes, METRICS_ROUTES)

static void
add_listens(struct metrics *sum, const struct metrics *cell, bool gauges)
{
	char name[METRICS_NAME];

	for (size_t i = 0; i < METRICS_LISTENS; i++) {
		const struct metrics_listen *from = &cell->listens[i];
		struct metrics_listen *to;

		take_name(name, sizeof(name), from->name, METRICS_NAME);
		if (name[0] == '\0')
			continue;
		to = find_listens(sum, name, i);
		to->accepted += metrics_get(&from->accepted);
		if (gauges)
			to->open += metrics_get(&from->open);
	}
}

/*
 * The latest time that a certificate can have (RFC 5280 section 4.1.2.5):
 * whoever reckons with it then stays within 64 bits.
 */
#define END_OF_9999 253402300799u

static uint64_t
take_time(const uint64_t *from)
{
	uint64_t seconds = metrics_get(from);

	return seconds < END_OF_9999 ? seconds : END_OF_9999;
}

static void
add_contexts(struct metrics *sum, const struct metrics *cell)
{
	char name[METRICS_NAME];

	for (size_t i = 0; i < METRICS_CONTEXTS; i++) {
		const struct metrics_context *from = &cell->contexts[i];
		uint64_t generation = metrics_get(&from->generation);
		struct metrics_context *to;

		take_name(name, sizeof(name), from->name, METRICS_NAME);
		if (name[0] == '\0')
			continue;
		to = find_contexts(sum, name, i);
		to->handshakes += metrics_get(&from->handshakes);
		if (generation < to->generation)
			continue;
		to->generation = generation;
		take_name(to->subject, sizeof(to->subject), from->subject,
		    METRICS_NAME);
		to->not_before = take_time(&from->not_before);
		to->not_after = take_time(&from->not_after);
	}
}

static void
add_routes(struct metrics *sum, const struct metrics *cell, bool gauges)
{
	char name[METRICS_NAME];

	for (size_t i = 0; i < METRICS_ROUTES; i++) {
		const struct metrics_route *from = &cell->routes[i];
		uint64_t generation = metrics_get(&from->generation);
		struct metrics_route *to;

		take_name(name, sizeof(name), from->name, METRICS_NAME);
		if (name[0] == '\0')
			continue;
		to = find_routes(sum, name, i);
		to->upgrades += metrics_get(&from->upgrades);
		to->messages_in += metrics_get(&from->messages_in);
		to->messages_out += metrics_get(&from->messages_out);
		to->bytes_in += metrics_get(&from->bytes_in);
		to->bytes_out += metrics_get(&from->bytes_out);
		if (gauges)
			to->open += metrics_get(&from->open);
		if (generation < to->generation)
			continue;
		to->generation = generation;
		take_name(to->handler, sizeof(to->handler), from->handler,
		    sizeof(from->handler));
	}
}

#define ADD(name) sum->name += metrics_get(&cell->name);

void
tally_add(struct metrics *sum, const struct metrics *cell, bool gauges)
{
	METRICS_WORKER_COUNTERS(ADD)
	if (gauges) {
		sum->connections += metrics_get(&cell->connections);
		sum->open += metrics_get(&cell->open);
		sum->compression_memory +=
		    metrics_get(&cell->compression_memory);
		sum->upstream_open += metrics_get(&cell->upstream_open);
	}
	add_listens(sum, cell, gauges);
	add_contexts(sum, cell);
	add_routes(sum, cell, gauges);
}
