/* SPDX-License-Identifier: MIT */
/*
 * The addresses behind the names of upstreams, looked up when a
 * configuration is loaded, because no worker could: it has no resolv.conf.
 */
#ifndef WSSD_MASTER_NAMES_H
#define WSSD_MASTER_NAMES_H

#include <stddef.h>

#include "common/addr.h"
#include "common/config.h"

#define NAMES_ADDRESSES_MAX 16	/* of one name; more are left out */

struct name {
	const struct upstream *upstream;	/* the config's */
	struct addr addrs[NAMES_ADDRESSES_MAX];
	size_t n;
};

struct names {
	struct name *items;
	size_t n;
};

/*
 * Looks up every upstream that is a name.  What the network answers is read
 * by a child without privileges, for 5 seconds at most; the caller waits.
 * -1: errors has a sentence for each name without an address.
 */
int names_look_up(struct names *, const struct config *,
    struct config_errors *);
/* The same for another edition of the same config. */
void names_copy(struct names *, const struct names *of);
/* NULL: there is no such endpoint. */
const struct name *names_find(const struct names *, const char *endpoint);
void names_done(struct names *);

#endif
