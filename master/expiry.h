/* SPDX-License-Identifier: MIT */
/*
 * Warnings that a certificate expires: 14, 7 and 1 days before, and when it
 * has.  Each is logged once for each certificate, and what is due at a start.
 */
#ifndef WSSD_MASTER_EXPIRY_H
#define WSSD_MASTER_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/metrics.h"

struct expiry;

struct expiry *expiry_new(void);
void expiry_free(struct expiry *);
/* Soon, because there are other certificates. */
void expiry_renew(struct expiry *);
/* Once a second; procs are struct proc; generation is that in use. */
void expiry_tick(struct expiry *, uint64_t now_ms, struct list *procs,
    unsigned generation);

/* 0: more than 14 days are left; 1, 2, 3: at most 14, 7, 1; 4: none. */
unsigned expiry_level(uint64_t not_after, int64_t now);

#endif
