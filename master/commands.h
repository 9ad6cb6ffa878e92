/* SPDX-License-Identifier: MIT */
/* What may be asked at the control socket, and by whom: one table. */
#ifndef WSSD_MASTER_COMMANDS_H
#define WSSD_MASTER_COMMANDS_H

#include <stdbool.h>

struct client;
struct master;
struct request;

/* Answers the client now or later. */
void command_run(struct master *, struct client *, const struct request *,
    bool may_write);

#endif
