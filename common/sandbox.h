/* SPDX-License-Identifier: MIT */
/*
 * What a process that talks to strangers may still ask of the kernel: the
 * system calls of a table (seccomp), and no file at all (Landlock).  Comes
 * on top of privdrop.h, works for any user, and cannot be undone.
 *
 * A call that stands nowhere in the table fails with EPERM, and the log says
 * so once: a library that tries something harmless must not cost a worker in
 * service.  A call that only somebody hostile makes (execve, ptrace, mount
 * ...) ends the process at once.
 */
#ifndef WSSD_COMMON_SANDBOX_H
#define WSSD_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct config;

/* Who needs a row of the table.  Rows of nobody's are everybody's. */
enum sandbox_feature {
	SANDBOX_WORKER = 1,	/* loop, clients, the master's messages */
	SANDBOX_SIGNER = 8,	/* signs, and reads keys at its start */
	SANDBOX_FOLDERS = 2,	/* opens files, to read, beneath folders that
				   it was given as descriptors */
	SANDBOX_IO_URING = 4,	/* a ring that was made before.  Calls within
				   the ring pass by the filter: it must allow
				   only send and receive, by
				   IORING_REGISTER_RESTRICTIONS */
};

/* What confines a process; a set of them is in the metrics. */
enum sandbox_layer {
	SANDBOX_EMPTY_ROOT = 1,
	SANDBOX_SECCOMP = 2,
	SANDBOX_LANDLOCK = 4,
};

struct sandbox {
	unsigned features;
	const int *folders;	/* of SANDBOX_FOLDERS */
	size_t n_folders;
};

/*
 * The features that the routes of a config need: the one place where a
 * handler says so.  A reload that needs more than the config in use replaces
 * the workers, since a filter cannot be widened.
 */
unsigned sandbox_needs(const struct config *);

/*
 * Confines this process, which must have no_new_privs: the layers that are
 * now in force.  For each that cannot be had, one call of missing() with a
 * sentence; the process then goes on without it.
 */
unsigned sandbox_enter(const struct sandbox *,
    void (*missing)(const char *sentence));

/*
 * Calls refused() with the name of each system call that was refused since
 * the last time, each name once in the life of the process.  Returns how
 * many calls were refused in all since then, the same ones too.
 */
uint64_t sandbox_report(void (*refused)(void *arg, const char *call),
    void *arg);

/* ---- the table; sandbox_table.c ---------------------------------------- */

enum sandbox_verdict { SANDBOX_ALLOW, SANDBOX_KILL };

/* An argument must have this value under the mask.  mask 0: no condition. */
struct sandbox_condition {
	unsigned argument;
	uint64_t mask, value;
};

#define SANDBOX_CONDITIONS 2
#define SANDBOX_OWN_PID UINT64_MAX	/* as the value: this process */

/* Of several rows of one call one must hold. */
struct sandbox_row {
	const char *call;
	unsigned features;	/* needed by any of them; 0 = by all */
	enum sandbox_verdict verdict;
	struct sandbox_condition conditions[SANDBOX_CONDITIONS];
	const char *reason;
};

const struct sandbox_row *sandbox_table(size_t *n_out);

#endif
