/* SPDX-License-Identifier: MIT */
/*
 * What the command line of bench-load says, and the modes it can choose.
 * A mode prints one JSON object on stdout and returns 0, or leaves the
 * reason in err.
 */
#ifndef WSSD_BENCH_LOAD_H
#define WSSD_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "client.h"
#include "common/err.h"
#include "meter.h"

struct load {
	struct client_target target;
	struct meter_pids server;
	size_t connections;
	size_t size;		/* of a message */
	size_t depth;		/* messages under way per connection */
	double seconds, warmup;
	size_t first;		/* the number of the first connection */
	double rate;		/* echo: messages a second; 0: at full speed */
	bool binary;		/* binary messages instead of text */
	bool plain_io;		/* no io_uring */
	size_t active;		/* echo: how many talk; the rest is silent */
	bool broadcast;		/* echo: one talks, all hear */
	bool greet;		/* each says something as soon as it is open */
	bool resumed;		/* handshake: with a session ticket */
	size_t burst;		/* idle: a message of that size on each */
};

int load_echo(const struct load *, struct err *);
int load_handshake(const struct load *, struct err *);
int load_hold(const struct load *, struct err *);
int load_idle(const struct load *, struct err *);
int load_meter(const struct load *, struct err *);
int load_syscall(const struct load *, struct err *);

#endif
