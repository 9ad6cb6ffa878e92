/* SPDX-License-Identifier: MIT */
/*
 * Where the log goes, for the master and, as a passed descriptor, for the
 * workers: stderr, syslog, or a file that can be reopened after a rotation.
 */
#ifndef WSSD_MASTER_LOGFILES_H
#define WSSD_MASTER_LOGFILES_H

#include <stdbool.h>

#include "common/config.h"
#include "common/err.h"
#include "common/log.h"

struct logfiles {
	int fd;			/* -1 before the first open */
	enum log_format format;
	enum log_level level;
	char *path;		/* of a file, else NULL */
	bool json;		/* of the access log */
};

#define LOGFILES_INIT { -1, LOG_FORMAT_PLAIN, LOG_LEVEL_INFO, NULL, false }

/*
 * Opens what [wssd] log names and logs there from now on.  In the
 * background there is no stderr, so it stands for syslog, or where there is
 * none for run_dir/wssd.log.  On failure the old log stays in use.
 */
int logfiles_open(struct logfiles *, const struct config_daemon *,
    bool background, struct err *);
void logfiles_done(struct logfiles *);

/*
 * The same for [wssd] access_log, to which only the workers write.  fd is -1
 * when it is off.
 */
int logfiles_open_access(struct logfiles *, const struct config_daemon *,
    bool background, struct err *);

/* "syslog", "stderr" or the path, for a person. */
const char *logfiles_name(const struct logfiles *);

#endif
