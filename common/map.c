/* SPDX-License-Identifier: MIT */
/* Owns the entries: open addressing, at most half full.  Pure. */
#include "common/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

#define ROOM_AT_FIRST 16

/* FNV-1a. */
static size_t
hash(const char *key, size_t len)
{
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 1099511628211ull;
	return (size_t)(h ^ h >> 32);
}

/* Where the key is, or would be put. */
static struct map_entry *
find(const struct map *map, const char *key, size_t len)
{
	size_t at = hash(key, len);

	for (;; at++) {
		struct map_entry *e = &map->entries[at & (map->room - 1)];

		if (e->key == NULL || (e->len == len &&
		    memcmp(e->key, key, len) == 0))
			return e;
	}
}

static void
grow(struct map *map)
{
	struct map old = *map;

	map->room = old.room == 0 ? ROOM_AT_FIRST : 2 * old.room;
	map->entries = xcalloc(map->room, sizeof(*map->entries));
	for (size_t i = 0; i < old.room; i++) {
		const struct map_entry *e = &old.entries[i];

		if (e->key != NULL)
			*find(map, e->key, e->len) = *e;
	}
	free(old.entries);
}

void *
map_get(const struct map *map, const char *key, size_t len)
{
	return map->n == 0 ? NULL : find(map, key, len)->value;
}

bool
map_put(struct map *map, const char *key, size_t len, void *value)
{
	struct map_entry *e;

	if (2 * (map->n + 1) > map->room)
		grow(map);
	e = find(map, key, len);
	if (e->key != NULL)
		return false;
	*e = (struct map_entry){ key, len, value };
	map->n++;
	return true;
}

void
map_done(struct map *map)
{
	free(map->entries);
	*map = (struct map)MAP_INIT;
}
