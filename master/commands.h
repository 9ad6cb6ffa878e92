/* SPDX-License-Identifier: MIT */
/* What may be asked at the control socket, and by whom: one table. */
#ifndef WSSD_MASTER_COMMANDS_H
#define WSSD_MASTER_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

struct client;
struct master;

#define COMMAND_WORDS_MAX 4

/* Answers the client now or later. */
void command_run(struct master *, struct client *, const char *const *words,
    size_t n, bool may_write);

#endif
