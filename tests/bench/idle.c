/* SPDX-License-Identifier: MIT */
/*
 * Modes idle (what a connection that says nothing costs in memory) and
 * handshake (what a connection costs from connect to close in CPU).
 */
#include "load.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/alloc.h"

static void
rest(double seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}

int
load_idle(const struct load *load, struct err *err)
{
	size_t n = load->connections, i;
	struct client *clients = xcalloc(n, sizeof(*clients));
	uint64_t before = 0, after = 0, cpu = 0, cpu_end = 0, began, opened;
	int result = -1;

	began = meter_now_ns();
	if (meter_pss_kib(&load->server, &before, err) < 0 ||
	    clients_open(clients, n, &load->target, err) < 0)
		goto out;
	opened = meter_now_ns();
	rest(load->warmup);
	if (meter_pss_kib(&load->server, &after, err) < 0 ||
	    meter_cpu_ns(&load->server, &cpu, err) < 0)
		goto out;
	rest(load->seconds);
	if (meter_cpu_ns(&load->server, &cpu_end, err) < 0)
		goto out;
	printf("{\"mode\": \"idle\", \"connections\": %zu, "
	    "\"open_seconds\": %.3f, \"pss_kib\": %" PRIu64 ", "
	    "\"pss_kib_before\": %" PRIu64 ", "
	    "\"pss_kib_per_connection\": %.3f, "
	    "\"idle_cpu_us_per_second\": %.1f, \"errors\": 0}\n",
	    n, (double)(opened - began) / 1e9, after, before,
	    ((double)after - (double)before) / (double)n,
	    (double)(cpu_end - cpu) / 1000 / load->seconds);
	result = 0;
out:
	for (i = 0; i < n; i++)
		if (clients[i].fd > 0)
			client_done(&clients[i]);
	free(clients);
	return result;
}

struct storm {
	const struct load *load;
	uint64_t until;
	size_t next, done, errors;
	struct err first;		/* the first error, under the lock */
	pthread_mutex_t lock;
};

static void *
connect_and_close(void *arg)
{
	struct storm *s = arg;
	struct err err = ERR_INIT;
	struct client client;
	size_t number;

	while (meter_now_ns() < s->until) {
		number = __atomic_fetch_add(&s->next, 1, __ATOMIC_RELAXED);
		if (client_open(&client, &s->load->target, (unsigned)number,
		    &err) == 0 && client_close(&client, &err) == 0) {
			__atomic_fetch_add(&s->done, 1, __ATOMIC_RELAXED);
			continue;
		}
		pthread_mutex_lock(&s->lock);
		if (s->errors++ == 0)
			s->first = err;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

int
load_handshake(const struct load *load, struct err *err)
{
	struct storm s = { .load = load };
	pthread_t *threads = xcalloc(load->connections, sizeof(*threads));
	uint64_t cpu = 0, cpu_end = 0, began = meter_now_ns(), wall;
	size_t i, n;
	int result;

	result = meter_cpu_ns(&load->server, &cpu, err);
	s.until = began + (uint64_t)(load->seconds * 1e9);
	pthread_mutex_init(&s.lock, NULL);
	for (n = 0; n < load->connections && result == 0; n++)
		if (pthread_create(&threads[n], NULL, connect_and_close,
		    &s) != 0)
			break;
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&s.lock);
	free(threads);
	wall = meter_now_ns() - began;
	if (result < 0 || meter_cpu_ns(&load->server, &cpu_end, err) < 0)
		return -1;
	printf("{\"mode\": \"handshake\", \"connections\": %zu, "
	    "\"seconds\": %.3f, \"handshakes\": %zu, \"rate\": %.0f, "
	    "\"server_cpu_us_per_handshake\": %.2f, "
	    "\"server_busy\": %.3f, \"errors\": %zu}\n",
	    n, (double)wall / 1e9, s.done,
	    (double)s.done * 1e9 / (double)wall,
	    (double)(cpu_end - cpu) / 1000 /
	    (double)(s.done > 0 ? s.done : 1),
	    (double)(cpu_end - cpu) / (double)wall, s.errors);
	if (s.errors > 0)
		return err_set(err, "%zu handshakes failed, the first with: %s",
		    s.errors, s.first.text);
	return 0;
}
