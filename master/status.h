/* SPDX-License-Identifier: MIT */
/*
 * The state of the daemon as one JSON document, out of the master's own
 * memory and the workers' shared cells: no worker is asked, so a stuck one
 * delays nothing.  docs/status-json.md lists the names.
 */
#ifndef WSSD_MASTER_STATUS_H
#define WSSD_MASTER_STATUS_H

#include <jansson.h>

struct master;

json_t *status_json(const struct master *);

#endif
