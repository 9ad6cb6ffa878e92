/* SPDX-License-Identifier: MIT */
/* Owns no cell: writes its worker's, reads the others'. */
#include "worker/limits.h"

#include <string.h>

void
limits_init(struct limits *limits, struct metrics *own,
    const uint64_t hash_key[2])
{
	memset(limits, 0, sizeof(*limits));
	limits->own = own;
	limits->hash_key[0] = hash_key[0];
	limits->hash_key[1] = hash_key[1];
}

void
limits_set_peer(struct limits *limits, unsigned slot,
    const struct metrics *cell)
{
	if (slot >= CONFIG_WORKERS_MAX) {
		metrics_unmap(cell);
		return;
	}
	if (limits->peers[slot] != NULL)
		metrics_unmap(limits->peers[slot]);
	limits->peers[slot] = cell;
	if (slot >= limits->n_peers)
		limits->n_peers = slot + 1;
}

void
limits_done(struct limits *limits)
{
	for (size_t i = 0; i < limits->n_peers; i++) {
		if (limits->peers[i] != NULL)
			metrics_unmap(limits->peers[i]);
	}
	limits->n_peers = 0;
}

/* A keyed mixer: not for secrecy, only so that nobody can aim. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ x >> 32;
}

/* The bits that name a client: an IPv4 address, or an IPv6 /64. */
static uint64_t
client_bits(const struct addr *addr)
{
	const uint8_t *b = addr->in6.sin6_addr.s6_addr;
	uint64_t v = 0;

	if (addr->sa.sa_family == AF_INET)
		return ntohl(addr->in.sin_addr.s_addr);
	if (IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr))
		return (uint64_t)b[12] << 24 | b[13] << 16 | b[14] << 8 |
		    b[15];
	for (int i = 0; i < 8; i++)
		v = v << 8 | b[i];
	return v | 1ull << 63;
}

void
limits_no_place(struct limits_place *place_out)
{
	memset(place_out, 0, sizeof(*place_out));
}

void
limits_place(const struct limits *limits, const struct addr *addr,
    struct limits_place *place_out)
{
	uint64_t bits;

	limits_no_place(place_out);
	if (addr_is_unix(addr))
		return;
	bits = client_bits(addr);
	place_out->counted = true;
	for (int row = 0; row < METRICS_ADDRESS_ROWS; row++)
		place_out->bucket[row] = (uint16_t)mix(mix(bits ^
		    limits->hash_key[row]) + limits->hash_key[1 - row]);
}

static uint64_t
in_bucket(const struct metrics *cell, int row, uint16_t bucket)
{
	return __atomic_load_n(&cell->addresses[row][bucket],
	    __ATOMIC_RELAXED);
}

static uint64_t
sum_of(const struct limits *limits, int row, uint16_t bucket)
{
	uint64_t sum = in_bucket(limits->own, row, bucket);

	for (size_t i = 0; i < limits->n_peers; i++) {
		if (limits->peers[i] != NULL)
			sum += in_bucket(limits->peers[i], row, bucket);
	}
	return sum;
}

static uint64_t
from_address(const struct limits *limits, const struct limits_place *place)
{
	uint64_t least = UINT64_MAX;

	for (int row = 0; row < METRICS_ADDRESS_ROWS; row++) {
		uint64_t sum = sum_of(limits, row, place->bucket[row]);

		if (sum < least)
			least = sum;
	}
	return least;
}

static uint64_t
in_all(const struct limits *limits)
{
	uint64_t sum = metrics_get(&limits->own->connections);

	for (size_t i = 0; i < limits->n_peers; i++) {
		if (limits->peers[i] != NULL)
			sum += metrics_get(&limits->peers[i]->connections);
	}
	return sum;
}

static const char *
address_reached(const struct limits *limits,
    const struct config_daemon *config, const struct limits_place *place)
{
	if (config->max_connections_per_address != 0 && place->counted &&
	    from_address(limits, place) >=
	    config->max_connections_per_address)
		return "max_connections_per_address";
	return NULL;
}

const char *
limits_reached(const struct limits *limits,
    const struct config_daemon *config, const struct limits_place *place)
{
	if (config->max_connections_per_worker != 0 &&
	    metrics_get(&limits->own->connections) >=
	    config->max_connections_per_worker)
		return "max_connections_per_worker";
	if (config->max_connections != 0 &&
	    in_all(limits) >= config->max_connections)
		return "max_connections";
	return address_reached(limits, config, place);
}

static void
count_address(struct limits *limits, const struct limits_place *place,
    int change)
{
	for (int row = 0; row < METRICS_ADDRESS_ROWS && place->counted;
	    row++) {
		uint16_t *n =
		    &limits->own->addresses[row][place->bucket[row]];

		/* Stays at its end rather than start again at 0. */
		if ((change > 0 && *n < UINT16_MAX) || (change < 0 && *n > 0))
			__atomic_store_n(n, (uint16_t)(*n + change),
			    __ATOMIC_RELAXED);
	}
}

void
limits_count(struct limits *limits, const struct limits_place *place,
    int change)
{
	count_address(limits, place, change);
	metrics_add(&limits->own->connections, change);
}

const char *
limits_move(struct limits *limits, const struct config_daemon *config,
    struct limits_place *place, const struct limits_place *to)
{
	const char *limit;

	/* It must not stand in its own way. */
	count_address(limits, place, -1);
	limit = address_reached(limits, config, to);
	if (limit == NULL)
		*place = *to;
	count_address(limits, place, 1);
	return limit;
}
