/* SPDX-License-Identifier: MIT */
/*
 * All that the master process has: passed down, never global.
 *
 * The master reads the config, owns the sockets, and supervises the workers.
 * It never sees a byte of a client, and never ends because of a worker or of
 * somebody at its control socket.
 */
#ifndef WSSD_MASTER_MASTER_H
#define WSSD_MASTER_MASTER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "master/inherit.h"
#include "master/job.h"
#include "master/listen.h"
#include "master/logfiles.h"
#include "master/notify.h"
#include "master/proc.h"
#include "master/rundir.h"
#include "master/slot.h"
#include "master/tickets.h"

#define MASTER_SIGNALS 6

/* LSB: what an init script's exit code means. */
enum { EXIT_OK = 0, EXIT_GENERIC = 1, EXIT_USAGE = 2, EXIT_DENIED = 4,
	EXIT_CONFIG = 6, EXIT_NOT_RUNNING = 7 };

struct master_options {
	const char *config_path;
	int ready_fd;		/* where `wssctl start' waits; -1 = nobody */
};

enum master_state { MASTER_STARTING, MASTER_RUNNING, MASTER_STOPPING };

enum master_stop { STOP_GRACEFUL, STOP_FAST, STOP_NOW };

struct board;
struct certwatch;
struct control;
struct expiry;

struct master {
	struct proc_world world;
	struct master_options options;
	bool background;		/* started by wssctl: no stderr */
	int ready_fd;			/* until it is ready; -1 = told */
	enum master_state state;
	enum master_stop stop_how;	/* while STOPPING */
	uint64_t stop_window_ms, stop_timeout_ms;
	int exit_code;

	struct rundir rundir;
	struct logfiles logs, access_log;
	struct notify notify;
	struct control *control;
	struct board *board;

	struct edition *edition;	/* in use */
	struct tickets tickets;
	struct certwatch *certwatch;
	struct expiry *expiry;
	struct listen_set *listen_set;	/* its sockets; NULL when stopping */
	struct inherit inherit;		/* until they are in use */
	uint32_t last_generation;
	char *last_error;		/* of the last reload; NULL = it worked */
	time_t last_error_at;
	enum job_kind last_error_of;

	struct slot *slots;
	size_t n_slots;
	struct jobs jobs;
	struct list listings;		/* of connections, being streamed */
	uint32_t last_query;

	time_t started_at;
	uint64_t started_ms;
	unsigned ticks;
	struct event *tick, *watchdog, *signals[MASTER_SIGNALS];
};

/* Runs the daemon: its exit code. */
int master_run(const struct master_options *);

/* A new edition and its sockets are in use from now on; takes both. */
void master_adopt(struct master *, struct edition *, struct listen_set *);
/* Opens the logs anew and hands it to all workers. */
int master_reopen_logs(struct master *, struct err *);
void master_stop(struct master *, enum master_stop);
/* The service manager hears that it runs, or runs again. */
void master_say_ready(const struct master *);

/* From the slots. */
void master_slot_ready(struct master *);
void master_start_failed(struct master *, bool config_failed,
    const char *text);
void master_proc_gone(struct master *);

#endif
