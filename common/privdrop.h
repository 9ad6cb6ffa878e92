/* SPDX-License-Identifier: MIT */
/*
 * Giving up privileges for good: an empty root directory, another user, no
 * capabilities, and no way to get any of it back.  A failure is fatal to the
 * process that asked for it: it must exit, never go on as it was.
 */
#ifndef WSSD_COMMON_PRIVDROP_H
#define WSSD_COMMON_PRIVDROP_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

struct privdrop_ids {
	bool superuser;		/* this process is root and must drop it */
	uid_t uid;
	gid_t gid;
};

/*
 * Finds the numbers of user and group.  For a process that is not root
 * nothing is looked up, since there is nothing to become.
 */
int privdrop_lookup(const char *user, const char *group,
    struct privdrop_ids *ids_out, struct err *);

/*
 * As root: chroot into an empty, already removed directory, become uid and
 * gid without supplementary groups, and check that there is no way back.
 * With uid 0 (the config says user = root) all but the change of user.  As
 * anybody: no capabilities, no_new_privs.
 *
 * The kernel clears PR_SET_PDEATHSIG when the user changes: set it behind.
 */
int privdrop(const struct privdrop_ids *, struct err *);

#endif
