/* SPDX-License-Identifier: MIT */
/*
 * The control socket: one line of words in, one JSON document out, end of
 * file.  A client that floods, dawdles or does not read costs a bounded
 * piece of memory and never a turn of the event loop.
 */
#ifndef WSSD_MASTER_CONTROL_H
#define WSSD_MASTER_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct client;
struct control;
struct master;

/*
 * Listens on run_dir/control.sock: for root, this user, and the config's
 * group, when this is root or runs as that group.
 */
struct control *control_open(struct master *, const char *group,
    struct err *);
void control_close(struct control *);
/* Once a second: accepts again after the descriptors were used up. */
void control_tick(struct control *);

/* Answers and ends; the client is not to be used any more. */
void client_answer(struct client *, json_t *);
void client_fail(struct client *, int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * An answer in pieces.  drained is called when less than half of what may
 * wait is still unsent; client_end() is for behind the last piece.
 */
void client_write(struct client *, const void *, size_t len);
size_t client_unsent(const struct client *);
void client_on_drained(struct client *, void (*drained)(void *arg),
    void *arg);
void client_end(struct client *);

/* Called when he leaves before he was answered; NULL = nobody cares. */
void client_on_gone(struct client *, void (*gone)(void *arg), void *arg);

/* A JSON string of any bytes: those that are no UTF-8 are escaped. */
json_t *control_string(const char *);

#endif
