/* SPDX-License-Identifier: MIT */
/* wssctl: what its commands, one to a file, have in common. */
#ifndef WSSD_MASTER_CTL_H
#define WSSD_MASTER_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ctlsock.h"

/* LSB: exit codes of actions, and of status. */
enum {
	CTL_OK = 0, CTL_GENERIC = 1, CTL_USAGE = 2, CTL_DENIED = 4,
	CTL_CONFIG = 6, CTL_NOT_RUNNING = 7,
	CTL_STATUS_STOPPED = 3, CTL_STATUS_UNKNOWN = 4
};

enum ctl_option {
	CTL_OPT_JSON = 1, CTL_OPT_WATCH = 2, CTL_OPT_GRACEFUL = 4,
	CTL_OPT_ROLLING = 8, CTL_OPT_DEFAULTS = 16, CTL_OPT_DIR = 32,
	CTL_OPT_CA = 64
};

struct ctl {
	const char *config_path;
	bool default_config;
	bool direct;			/* never through systemctl */
	unsigned options;		/* enum ctl_option */
	uint64_t timeout_ms;		/* 0 = the command's own */
	const char *dir;		/* of dev-cert; or NULL */
	const char *ca;			/* of doctor; or NULL */
	char **words;			/* behind the command, n_words */
	size_t n_words;
};

struct ctl_command {
	const char *name;
	const char *arguments;		/* as shown in the help, or "" */
	unsigned options;		/* those it takes */
	size_t max_words;
	const char *help;
	int (*run)(const struct ctl *);
};

/* --- ctl_talk.c --- */

/* A line on stderr. */
void ctl_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Where the daemon of this config would be; free() it. */
char *ctl_run_dir(const struct ctl *);
/* The daemon's pid, from its lock; 0 = nobody holds it. */
pid_t ctl_lock_holder(const char *run_dir);
/* Connects; a failure is said, and result_out tells its kind. */
int ctl_connect(const struct ctl *, int *fd_out, pid_t *pid_out,
    enum ctlsock_result *result_out);
/* The same, for those who need it to run: that it does not is said, too. */
int ctl_connect_running(const struct ctl *, int *fd_out,
    enum ctlsock_result *result_out);
/* Asks and parses.  An error, also the daemon's, is said: its exit code. */
int ctl_ask_on(int fd, const char *words, uint64_t timeout_ms,
    json_t **root_out);
/* Both: CTL_NOT_RUNNING when there is no daemon. */
int ctl_ask(const struct ctl *, const char *words, uint64_t timeout_ms,
    json_t **root_out);
/* The timeout that was given, or this one. */
uint64_t ctl_timeout(const struct ctl *, uint64_t otherwise_ms);

/* --- ctl_run.c --- */

/* The path of a program beside this one; free() it. */
char *ctl_beside(const char *name);
/* Runs a program to its end: its exit code, or CTL_GENERIC. */
int ctl_run(const char *path, const char *const *argv, bool quiet);
/*
 * The same with wssd-tool, which is beside this program or in libexec, and
 * does what needs OpenSSL.  argv[0] is filled in.
 */
int ctl_run_tool(const char **argv);

/* --- ctl_systemd.c --- */

/* Is the daemon of this config systemd's to start and stop? */
bool ctl_is_systemds(const struct ctl *);
int ctl_systemctl(const char *verb);

/* --- the commands --- */

int ctl_start_run(const struct ctl *);
int ctl_stop_run(const struct ctl *);
int ctl_check_file(const struct ctl *, const char *file, bool quiet);

extern const struct ctl_command ctl_start, ctl_stop, ctl_restart, ctl_reload,
    ctl_status, ctl_connections, ctl_check, ctl_reopen, ctl_config,
    ctl_dev_cert, ctl_doctor;

#endif
