/* SPDX-License-Identifier: MIT */
/*
 * Mode echo: who talks, when, and what is reported of it.  The sockets are
 * echo.c's.
 *
 * With a rate the clock says when each message is to be sent, whether the
 * last one has been answered or not, and latencies count from that moment:
 * a server that stops for a while pays for all who wanted something of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "echo_parts.h"

#define NS_PER_S 1000000000.0

struct pace {
	uint64_t began;
	uint64_t sent;			/* messages, of all connections */
	double rate;			/* messages a second */
	size_t talkers;
};

static uint64_t
in_flight(const struct peer *p)
{
	return p->next + p->due - p->reader.seq;
}

/* Sends what is to be sent by now; when the next one is. */
static uint64_t
send_paced(struct echo *e, struct pace *pace)
{
	struct peer *batch[RING_MAX];
	struct peer *p;
	uint64_t at;
	size_t n = 0;

	e->now = meter_now_ns();
	for (;; pace->sent++) {
		at = pace->began +
		    (uint64_t)((double)pace->sent * NS_PER_S / pace->rate);
		if (at > e->now)
			break;
		p = &e->peers[pace->sent % pace->talkers];
		if (p->client.fd < 0)
			continue;
		if (p->due > 0 || n == RING_MAX) {
			echo_send_for(e, batch, n);
			n = 0;
		}
		if (in_flight(p) >= e->load->depth) {
			/* Nothing before it has been answered. */
			at = UINT64_MAX;
			break;
		}
		p->due = 1;
		p->due_at = at;
		if (e->measuring)
			meter_add(&e->lag, e->now - at);
		batch[n++] = p;
	}
	echo_send_for(e, batch, n);
	return at;
}

static void
run(struct echo *e, struct pace *pace, double seconds)
{
	uint64_t until = meter_now_ns() + (uint64_t)(seconds * NS_PER_S);
	uint64_t next;

	if (e->next != ECHO_PACED) {
		echo_run_until(e, until);
		return;
	}
	while (e->alive > 0 && meter_now_ns() < until) {
		next = send_paced(e, pace);
		echo_turn(e, next < until ? next : until);
	}
}

static int
measure(struct echo *e, struct pace *pace, struct err *err)
{
	const struct load *load = e->load;

	run(e, pace, load->warmup);
	if (meter_cpu_ns(&load->server, &e->cpu, err) < 0)
		return -1;
	e->self = meter_self_ns();
	e->began = meter_now_ns();
	e->measuring = true;
	run(e, pace, load->seconds);
	e->measuring = false;
	return 0;
}

static void
print_times(const char *name, const struct meter_histogram *h)
{
	printf("\"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
	    "\"p99.9\": %.1f, \"max\": %.1f}, ", name,
	    meter_percentile_us(h, 0.5), meter_percentile_us(h, 0.9),
	    meter_percentile_us(h, 0.99), meter_percentile_us(h, 0.999),
	    (double)h->max / 1000);
}

/* Where a message can be that did not come back. */
static int
set_silent(const struct echo *e, uint64_t cpu, struct err *err)
{
	const struct peer *p = &e->peers[0];
	int unread = -1, unacked = -1;

	ioctl(p->client.fd, FIONREAD, &unread);
	ioctl(p->client.fd, TIOCOUTQ, &unacked);
	return err_set(err, "no message came back: the first connection has "
	    "sent %u, heard %u, holds %zu bytes; its socket has %d unread and "
	    "%d not yet taken by the server, which used %.3f ms of CPU",
	    p->next, p->reader.seq, p->out.len - p->out_done, unread, unacked,
	    (double)cpu / 1e6);
}

static int
report(struct echo *e, struct err *err)
{
	uint64_t wall = meter_now_ns() - e->began, cpu = 0;
	double messages = (double)(e->messages > 0 ? e->messages : 1);

	if (meter_cpu_ns(&e->load->server, &cpu, err) < 0)
		return -1;
	cpu -= e->cpu;
	printf("{\"mode\": \"echo\", \"connections\": %zu, \"size\": %zu, "
	    "\"depth\": %zu, \"seconds\": %.3f, \"messages\": %zu, "
	    "\"rate\": %.0f, ", e->load->connections, e->load->size,
	    e->load->depth, (double)wall / 1e9, e->messages,
	    (double)e->messages * 1e9 / (double)wall);
	printf("\"server_cpu_us_per_message\": %.4f, \"server_busy\": %.3f, "
	    "\"load_cpu_us_per_message\": %.4f, ",
	    (double)cpu / 1000 / messages, (double)cpu / (double)wall,
	    (double)(meter_self_ns() - e->self) / 1000 / messages);
	print_times("latency_us", &e->latency);
	if (e->lag.total > 0)
		print_times("lag_us", &e->lag);
	printf("\"io\": \"%s\", \"errors\": %zu}\n", ring_name(e->ring),
	    e->errors);
	if (e->errors > 0)
		return err_set(err, "%zu connections were lost or got a wrong "
		    "answer", e->errors);
	if (e->messages == 0)
		return set_silent(e, cpu, err);
	return 0;
}

static size_t
talkers(const struct load *load)
{
	if (load->broadcast)
		return 1;
	if (load->active > 0 && load->active < load->connections)
		return load->active;
	return load->connections;
}

int
load_echo(const struct load *load, struct err *err)
{
	struct echo *e = echo_new(load, err);
	struct pace pace = { .rate = load->rate, .talkers = talkers(load) };
	int result = -1;

	if (e == NULL)
		return -1;
	pace.began = meter_now_ns();
	if (load->rate > 0) {
		/* The kernel would wake us up to 50 us late. */
		prctl(PR_SET_TIMERSLACK, 1);
		e->next = ECHO_PACED;
	} else {
		e->unheard = load->depth * load->connections;
		echo_begin(e, 0, pace.talkers, load->depth);
	}
	if (measure(e, &pace, err) == 0)
		result = report(e, err);
	echo_free(e);
	return result;
}

int
echo_talk(struct echo *e, double seconds, size_t *messages_out,
    struct err *err)
{
	size_t total = e->load->connections, i;

	e->next = ECHO_ANOTHER;
	e->messages = 0;
	e->measuring = true;
	echo_begin(e, 0, total, 1);
	echo_run_until(e, meter_now_ns() + (uint64_t)(seconds * NS_PER_S));
	e->measuring = false;
	e->next = ECHO_NOTHING;
	for (i = 0, e->unheard = 0; i < total; i++)
		e->unheard += in_flight(&e->peers[i]);
	if (echo_wait_heard(e, err) < 0)
		return -1;
	*messages_out = e->messages;
	return 0;
}
