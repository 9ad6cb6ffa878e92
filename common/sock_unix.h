/* SPDX-License-Identifier: MIT */
/*
 * Listening unix sockets, which are files too: somebody owns them, they have
 * a mode, and one that a dead program left behind is in the way.
 */
#ifndef WSSD_COMMON_SOCK_UNIX_H
#define WSSD_COMMON_SOCK_UNIX_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/addr.h"
#include "common/err.h"

/* Who may connect: whoever may write to the file. */
struct sock_access {
	mode_t mode;
	const char *user, *group;	/* names; NULL: ours */
};

/* The file a socket is known by, to tell it from a later one's. */
struct sock_file {
	dev_t dev;
	ino_t ino;
};

/*
 * Could we listen there?  Changes nothing.  -1: somebody does, or something
 * else is in the way, or the user or group does not exist.  folder_later: its
 * folder will be made.
 */
int sock_unix_probe(const struct addr *, const struct sock_access *,
    bool folder_later, struct err *);
/*
 * A socket that listens there: non-blocking, close-on-exec.  A stale file is
 * removed first; nobody can connect before the access is set.  -1: err.
 */
int sock_unix_listen(const struct addr *, const struct sock_access *,
    int backlog, struct sock_file *file_out, struct err *);
/* Another access for a socket that is there. */
int sock_unix_set_access(const struct addr *, const struct sock_access *,
    struct err *);
/* Removes the file, if it still is that one. */
void sock_unix_remove(const struct addr *, const struct sock_file *);

#endif
