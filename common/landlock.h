/* SPDX-License-Identifier: MIT */
/*
 * Landlock: the kernel lets this process open no file, whatever its root
 * directory is.  Where the kernel knows how, it also binds no TCP port,
 * connects to none, and reaches no process outside by signals or abstract
 * sockets.
 */
#ifndef WSSD_COMMON_LANDLOCK_H
#define WSSD_COMMON_LANDLOCK_H

#include <stddef.h>

#include "common/err.h"

struct landlock {
	const int *folders;	/* what lies beneath may be read */
	size_t n_folders;
};

/* For this process and for good; it needs no_new_privs. */
int landlock_enter(const struct landlock *, struct err *);

#endif
