/* SPDX-License-Identifier: MIT */
/*
 * A hash table from strings to pointers, for what a config names by the
 * thousand.  It only grows.  The strings are the caller's and must live as
 * long as the map; they come from a config, so nobody outside can choose
 * them to collide.
 */
#ifndef WSSD_COMMON_MAP_H
#define WSSD_COMMON_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map_entry {
	const char *key;	/* NULL: free */
	size_t len;
	void *value;
};

struct map {
	struct map_entry *entries;	/* owned; room is a power of two */
	size_t n, room;
};

#define MAP_INIT { NULL, 0, 0 }

/* The value of the key, or NULL. */
void *map_get(const struct map *, const char *key, size_t len);
/* false: the key is there already, and nothing has changed. */
bool map_put(struct map *, const char *key, size_t len, void *value);
void map_done(struct map *);

#endif
