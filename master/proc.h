/* SPDX-License-Identifier: MIT */
/*
 * One worker process as the master sees it: what may be said to it in which
 * state, what it may say, and how it ends.  Knows nothing of slots: it tells
 * its owner (a slot, or a trial) what has happened.
 *
 *   SPAWNED ─HELLO─▶ GREETED ─READY─▶ READY ─commit─▶ RUNNING ◀──────┐
 *      any other message,   │                          │ prepare     │ commit
 *      a silence, FAILED    │                          ▼             │ abort
 *            ▼              ▼                      PREPARING ─READY─▶ PREPARED
 *          KILLED ◀─── from everywhere                 └─FAILED─▶ RUNNING
 *   RUNNING ─drain─▶ DRAINING ─▶ the process ends
 */
#ifndef WSSD_MASTER_PROC_H
#define WSSD_MASTER_PROC_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/proto.h"
#include "master/edition.h"
#include "master/listen.h"
#include "master/outbox.h"
#include "master/spawn.h"

struct logfiles;
struct proc;

enum proc_state {
	PROC_SPAWNED, PROC_GREETED, PROC_READY, PROC_RUNNING, PROC_PREPARING,
	PROC_PREPARED, PROC_DRAINING, PROC_KILLED
};

struct proc_owner {
	/* READY: text() has its warnings, a line each, or "". */
	void (*ready)(void *arg, struct proc *);
	/* FAILED in PREPARING: text() says why; it runs on as it was. */
	void (*refused)(void *arg, struct proc *);
	/* The process is gone; text() says why.  It is freed after this. */
	void (*gone)(void *arg, struct proc *);
	/* A piece of an answer; query is what proc_query() was given. */
	void (*answer)(void *arg, struct proc *, const struct proto_answer *);
};

/* What every worker is started with. */
struct proc_world {
	struct event_base *base;
	struct list procs;		/* every struct proc */
	struct list signers;		/* every struct signer */
	int worker_fd, signer_fd;
	uint64_t hash_key[2];
	const struct logfiles *logs, *access_log;
	int board_fd;			/* -1: check, which has none */
	const struct proto_tickets *tickets;	/* NULL: nobody is served */
};

struct proc {
	struct list link;
	struct proc_world *world;
	const struct proc_owner *owner;
	void *owner_arg;
	char name[48];			/* "worker 3 (pid 123)" */
	unsigned slot;
	enum proc_state state;
	struct spawned child;
	struct event *exit_event, *chan_event, *deadline;
	bool chan_closed;
	struct outbox outbox;
	struct edition *in_use;		/* NULL before the first COMMIT */
	struct edition *pending;	/* PREPARE was sent, not decided */
	uint32_t aborted;		/* generation of the last ABORT */
	int cell_fd, cell_ro_fd;
	const struct metrics *cell;
	char *text;
	bool config_failed;		/* it was the config, not the worker */
	char libraries[192];
	uint64_t started_ms, running_ms;	/* 0 = has not run */
	uint64_t ping_ms;		/* when the open PING was sent; 0 = none */
	uint64_t ping_id;
	bool stopped;			/* by SIGSTOP or a debugger */
	uint32_t queries_open;
	uint32_t last_query;
};

/*
 * Starts a process and prepares it.  slot < 0: a trial that never serves.
 * NULL: it could not be started.
 */
struct proc *proc_start(struct proc_world *, int slot, struct edition *,
    bool strict, const struct proc_owner *, void *owner_arg, struct err *);
/* Only when the program ends: kills without waiting. */
void proc_free(struct proc *);

/* Why it was refused, ended, or its warnings; never NULL. */
const char *proc_text(const struct proc *);
/* "starting", "running", "draining", "stopped", "ending". */
const char *proc_state_name(const struct proc *);

void proc_send_peer(struct proc *, unsigned slot, int cell_ro_fd);
/* Both logs. */
void proc_send_log(struct proc *);
void proc_send_tickets(struct proc *);
/* A new channel to the edition's signer. */
void proc_send_signer(struct proc *, struct edition *);
/* In RUNNING: a new edition.  READY or FAILED is told to the owner. */
void proc_prepare(struct proc *, struct edition *);
void proc_listen(struct proc *, const struct listen_row *, unsigned slot);
void proc_unlisten(struct proc *, const struct listen_row *, unsigned slot);
/* READY or PREPARED → RUNNING with the pending edition. */
void proc_commit(struct proc *);
/* RUNNING: takes the listeners sent since into use. */
void proc_commit_again(struct proc *);
/* PREPARING or PREPARED → RUNNING as before. */
void proc_abort(struct proc *);
/* No more new connections; killed when it takes longer than it may. */
void proc_drain(struct proc *, uint32_t code, uint64_t window_ms,
    uint64_t timeout_ms, const char *reason);
void proc_query(struct proc *, uint32_t id, uint64_t after);
/* Ends a process whose reason has been logged. */
void proc_kill(struct proc *, int sig);
/* The same, with a line in the log and as its text. */
void proc_kill_because(struct proc *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Once a second: a PING, or the end of one that does not answer. */
void proc_heartbeat(struct proc *, uint64_t now_ms, uint64_t timeout_ms);

/* Milliseconds of the monotonic clock. */
uint64_t proc_now_ms(void);

#endif
