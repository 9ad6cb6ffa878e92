/* SPDX-License-Identifier: MIT */
/*
 * Modes hold (connections that wait for what the script says on stdin) and
 * meter (what the server's processes need meanwhile).  Several processes
 * can hold more connections than one may have descriptors.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "echo.h"

#define LOOK_S 0.1		/* between two looks at stdin */

/* 0 when nothing was said yet, -1 at the end. */
static int
hear(double *seconds_out)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[32];

	if (poll(&in, 1, 0) == 0)
		return 0;
	if (fgets(line, sizeof(line), stdin) == NULL)
		return -1;
	*seconds_out = strtod(line, NULL);
	return 1;
}

static int
talk(struct echo *e, double seconds, struct err *err)
{
	uint64_t began = meter_now_ns();
	size_t messages;

	if (echo_talk(e, seconds, &messages, err) < 0)
		return -1;
	printf("{\"messages\": %zu, \"seconds\": %.3f}\n", messages,
	    (double)(meter_now_ns() - began) / 1e9);
	fflush(stdout);
	return 0;
}

static int
hold(const struct load *load, struct echo *e, struct err *err)
{
	double seconds = 0;
	uint32_t fewest;
	size_t pings;
	int said;

	while ((said = hear(&seconds)) >= 0)
		if ((said > 0 && talk(e, seconds, err) < 0) ||
		    echo_rest(e, LOOK_S, err) < 0)
			return -1;
	if (echo_once(e, load->size, err) < 0)
		return -1;
	pings = echo_pings(e, &fewest);
	printf("{\"pings\": %zu, \"fewest_pings\": %" PRIu32 "}\n", pings,
	    fewest);
	return 0;
}

int
load_hold(const struct load *load, struct err *err)
{
	uint64_t began = meter_now_ns();
	struct load greeting = *load;
	struct echo *e;
	int result;

	/* Not all of them together when all are open: then the server would
	   ping all of them together from then on. */
	greeting.greet = true;
	e = echo_new(&greeting, err);
	if (e == NULL)
		return -1;
	printf("{\"connections\": %zu, \"open_seconds\": %.3f}\n",
	    load->connections, (double)(meter_now_ns() - began) / 1e9);
	fflush(stdout);
	result = hold(load, e, err);
	echo_free(e);
	return result;
}

int
load_meter(const struct load *load, struct err *err)
{
	uint64_t cpu, cpu_end, kib, began = meter_now_ns();
	double seconds;

	if (meter_cpu_ns(&load->server, &cpu, err) < 0)
		return -1;
	usleep((useconds_t)(load->seconds * 1e6));
	seconds = (double)(meter_now_ns() - began) / 1e9;
	if (meter_cpu_ns(&load->server, &cpu_end, err) < 0 ||
	    meter_pss_kib(&load->server, &kib, err) < 0)
		return -1;
	printf("{\"mode\": \"meter\", \"seconds\": %.3f, \"cpu_us\": %.1f, "
	    "\"pss_kib\": %" PRIu64 "}\n", seconds,
	    (double)(cpu_end - cpu) / 1000, kib);
	return 0;
}
