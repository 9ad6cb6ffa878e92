/* SPDX-License-Identifier: MIT */
/* What config.c, config_check.c and config_run_dir.c share; of no use else. */
#ifndef WSSD_COMMON_CONFIG_PARTS_H
#define WSSD_COMMON_CONFIG_PARTS_H

#include "common/config.h"

/*
 * Checks how the settings relate, and fills in what follows from others:
 * addrs, contexts, log_kind, run_dir, local_pk.
 */
void config_check(struct config *, struct config_errors *);
void config_check_contexts(struct config *, struct config_errors *);
void config_check_route(struct config *, struct config_route *,
    struct config_errors *);
/* A route's upstreams; config_check_upstream.c */
void config_check_upstreams(struct config *, struct config_route *,
    struct config_errors *);
bool config_knows_handler(const char *name);
/* Where a file sets the key of the object; NULL when none does. */
const struct config_place *config_find_place(const struct config *,
    const void *object, const char *key);
/* "auto" (or NULL) to a path; free() it. */
char *config_resolve_run_dir(const char *);

#endif
