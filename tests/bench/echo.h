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
/* Lets time pass; -1 when a connection was lost. */
int echo_rest(struct echo *, double seconds, struct err *);

#endif
