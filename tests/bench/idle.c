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

#include "common/alloc.h"
#include "echo.h"

#define SAMPLE_S 5.0		/* between two looks at the memory */

static int
kib_each(const struct load *load, uint64_t before, double *kib_out,
    struct err *err)
{
	uint64_t kib;

	if (meter_pss_kib(&load->server, &kib, err) < 0)
		return -1;
	*kib_out = ((double)kib - (double)before) / (double)load->connections;
	return 0;
}

/* How much memory is left of a burst, as time goes by. */
static int
watch_burst(const struct load *load, struct echo *e, uint64_t before,
    struct err *err)
{
	double each = 0;

	if (echo_once(e, load->burst, err) < 0)
		return -1;
	printf("\"after_burst\": [");
	for (double t = 0; t <= load->seconds; t += SAMPLE_S) {
		if ((t > 0 && echo_rest(e, SAMPLE_S, err) < 0) ||
		    kib_each(load, before, &each, err) < 0)
			return -1;
		printf("%s[%g, %.3f]", t > 0 ? ", " : "", t, each);
	}
	printf("], \"pss_kib_after_burst\": %.3f, ", each);
	return 0;
}

static int
watch(const struct load *load, struct echo *e, uint64_t before,
    struct err *err)
{
	uint64_t cpu, cpu_end;
	double each, rest = load->burst > 0 ? 1 : load->seconds;

	if (echo_once(e, load->size, err) < 0 ||
	    echo_rest(e, load->warmup, err) < 0 ||
	    kib_each(load, before, &each, err) < 0 ||
	    meter_cpu_ns(&load->server, &cpu, err) < 0 ||
	    echo_rest(e, rest, err) < 0 ||
	    meter_cpu_ns(&load->server, &cpu_end, err) < 0)
		return -1;
	printf("\"pss_kib_per_connection\": %.3f, "
	    "\"idle_cpu_us_per_second\": %.1f, ", each,
	    (double)(cpu_end - cpu) / 1000 / rest);
	return load->burst > 0 ? watch_burst(load, e, before, err) : 0;
}

int
load_idle(const struct load *load, struct err *err)
{
	uint64_t before, began = meter_now_ns();
	struct echo *e;
	int result;

	if (meter_pss_kib(&load->server, &before, err) < 0)
		return -1;
	e = echo_new(load, err);
	if (e == NULL)
		return -1;
	printf("{\"mode\": \"idle\", \"connections\": %zu, "
	    "\"open_seconds\": %.3f, ", load->connections,
	    (double)(meter_now_ns() - began) / 1e9);
	result = watch(load, e, before, err);
	printf("\"errors\": 0}\n");
	echo_free(e);
	return result;
}

struct storm {
	const struct load *load;
	struct client_target target;
	struct hello_ticket ticket;	/* target's, when there is one */
	uint64_t until;
	size_t next, done, errors;
	struct err first;		/* the first error, under the lock */
	pthread_mutex_t lock;
};

static void *
connect_and_close(void *arg)
{
	struct storm *s = arg;
	struct hello *hello = hello_new(s->target.key);
	struct err err = ERR_INIT;
	struct client client;
	size_t number;

	while (meter_now_ns() < s->until) {
		number = __atomic_fetch_add(&s->next, 1, __ATOMIC_RELAXED);
		if (client_open(&client, &s->target, hello, (unsigned)number,
		    &err) == 0 && client_close(&client, &err) == 0) {
			__atomic_fetch_add(&s->done, 1, __ATOMIC_RELAXED);
			continue;
		}
		pthread_mutex_lock(&s->lock);
		if (s->errors++ == 0)
			s->first = err;
		pthread_mutex_unlock(&s->lock);
	}
	hello_free(hello);
	return NULL;
}

static int
get_ticket(struct storm *s, struct err *err)
{
	struct hello *hello = hello_new(s->target.key);
	int result = client_ticket(&s->target, hello, &s->ticket, err);

	hello_free(hello);
	s->target.ticket = &s->ticket;
	s->target.ticket_ns = meter_now_ns();
	return result;
}

int
load_handshake(const struct load *load, struct err *err)
{
	struct storm s = { .load = load, .target = load->target };
	uint64_t cpu = 0, cpu_end = 0, began, wall;
	pthread_t *threads;
	size_t i, n;
	int result;

	if (load->resumed && get_ticket(&s, err) < 0)
		return -1;
	threads = xcalloc(load->connections, sizeof(*threads));
	began = meter_now_ns();
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
