/* SPDX-License-Identifier: MIT */
/* Many connections in one epoll loop, which answer pings while they wait. */
#ifndef WSSD_BENCH_ECHO_H
#define WSSD_BENCH_ECHO_H

#include "load.h"

struct echo;

/* Opens all connections; nobody has said anything yet. */
struct echo *echo_new(const struct load *, struct err *);
void echo_free(struct echo *);

/* One message of that size on every connection, and all of them back. */
int echo_once(struct echo *, size_t size, struct err *);
/* All talk for that long, one message at a time: how many came back. */
int echo_talk(struct echo *, double seconds, size_t *messages_out,
    struct err *);
/* How many pings have come, and to whom the fewest. */
size_t echo_pings(const struct echo *, uint32_t *fewest_out);
/* Lets time pass; -1 when a connection was lost. */
int echo_rest(struct echo *, double seconds, struct err *);

#endif
