/* SPDX-License-Identifier: MIT */
/*
 * What systemd wants to know, by the documented protocol of sd_notify(3):
 * a datagram of NAME=value lines to $NOTIFY_SOCKET.  Without one, nothing.
 */
#ifndef WSSD_MASTER_NOTIFY_H
#define WSSD_MASTER_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct notify {
	int fd;			/* -1: nobody listens */
	uint64_t watchdog_us;	/* how often a sign of life is due; 0 = never */
};

/* Reads the environment and takes the variables out of it. */
void notify_init(struct notify *);
void notify_done(struct notify *);

void notify_ready(const struct notify *, const char *status);
void notify_reloading(const struct notify *);
void notify_status(const struct notify *, const char *status);
void notify_stopping(const struct notify *);
void notify_watchdog(const struct notify *);

/*
 * Descriptors to keep under that name, for the next process of the service;
 * the store has room for FileDescriptorStoreMax=.  Those it has are known to
 * it.  False: they are not all kept.
 */
bool notify_store(const struct notify *, const char *name, const int *fds,
    size_t n);
/* Closes all it has of that name. */
void notify_forget(const struct notify *, const char *name);

#endif
