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

/* "running: 4 of 4 workers, 17 WebSockets", for `systemctl status'. */
#define STATUS_LINE_MAX 128
void status_line(const struct master *, char out[STATUS_LINE_MAX]);

#endif
