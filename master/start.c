/* SPDX-License-Identifier: MIT */
/* Owns nothing of its own: fills struct master, step by step. */
#include "master/start.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/board.h"
#include "common/count.h"
#include "common/log.h"
#include "common/privdrop.h"
#include "master/control.h"
#include "master/fdstore.h"
#include "master/master.h"
#include "master/signer.h"

static void
put_line(int fd, const char *prefix, const char *line)
{
	char *text = xasprintf("%s%s\n", prefix, line);

	(void)!write(fd, text, strlen(text));
	free(text);
}

void
start_report(struct master *m, const char *lines)
{
	bool to_stderr = m->logs.fd < 0 || (m->logs.path == NULL &&
	    m->logs.format != LOG_FORMAT_SYSLOG);
	char *copy = xstrdup(lines), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '\0')
			continue;
		if (m->ready_fd >= 0)
			put_line(m->ready_fd, "", line);
		else if (!m->background && !to_stderr)
			put_line(STDERR_FILENO, "wssd: ", line);
		if (!m->background || !to_stderr)
			log_error("%s", line);
	}
	free(copy);
}

void
start_is_ready(struct master *m)
{
	char *note;

	if (m->ready_fd < 0)
		return;
	note = xasprintf("the log goes to %s", logfiles_name(&m->logs));
	put_line(m->ready_fd, "", note);
	free(note);
	put_line(m->ready_fd, "", "ready");
	close(m->ready_fd);
	m->ready_fd = -1;
}

/* --- the steps: 0, or the exit code ------------------------------------------- */

static int
load_config(struct master *m)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	char *text;

	m->edition = edition_load(m->options.config_path,
	    ++m->last_generation, &errors);
	if (m->edition == NULL) {
		text = config_errors_text(&errors);
		start_report(m, text);
		free(text);
	}
	config_errors_done(&errors);
	return m->edition == NULL ? EXIT_CONFIG : EXIT_OK;
}

/* Workers would have to stay root: better nobody serves. */
static int
check_user(struct master *m)
{
	const struct config_daemon *d = &m->edition->config->daemon;
	struct privdrop_ids ids;
	struct err err = ERR_INIT;

	if (privdrop_lookup(d->user, d->group, &ids, &err) == 0)
		return EXIT_OK;
	start_report(m, err.text);
	return EXIT_CONFIG;
}

static int
lock_run_dir(struct master *m)
{
	struct err err = ERR_INIT;

	if (rundir_lock(&m->rundir, m->edition->config->daemon.run_dir,
	    &err) == 0)
		return EXIT_OK;
	start_report(m, err.text);
	return EXIT_GENERIC;
}

/*
 * Behind `wssctl start' nobody reads stdout and stderr any more, and whoever
 * waits for their end must not wait for ours.
 */
static void
let_go_of_terminal(struct master *m)
{
	int fd = m->logs.path != NULL ? m->logs.fd :
	    open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd != m->logs.fd)
		close(fd);
}

static int
open_log(struct master *m)
{
	struct err err = ERR_INIT;

	if (logfiles_open(&m->logs, &m->edition->config->daemon,
	    m->background, &err) != 0) {
		start_report(m, err.text);
		return EXIT_GENERIC;
	}
	if (logfiles_open_access(&m->access_log, &m->edition->config->daemon,
	    m->background, &err) != 0) {
		start_report(m, err.text);
		return EXIT_GENERIC;
	}
	if (m->background)
		let_go_of_terminal(m);
	return EXIT_OK;
}

static int
open_sockets(struct master *m)
{
	struct listen_set *inherited = NULL;
	struct err err = ERR_INIT;

	m->n_slots = m->edition->config->daemon.workers;
	if (inherit_listen_set(&m->inherit, m->n_slots, &inherited,
	    &err) == 0)
		m->listen_set = listen_set_open(m->edition->config,
		    inherited, m->n_slots, &err);
	if (m->listen_set != NULL)
		fdstore_update(&m->notify, inherited, m->listen_set);
	else
		start_report(m, err.text);
	listen_set_unref(inherited);
	return m->listen_set != NULL ? EXIT_OK : EXIT_GENERIC;
}

static int
open_control(struct master *m)
{
	struct err err = ERR_INIT;

	m->control = control_open(m, m->edition->config->daemon.group, &err);
	if (m->control != NULL)
		return EXIT_OK;
	start_report(m, err.text);
	return EXIT_GENERIC;
}

static int
open_worker(struct master *m)
{
	struct err err = ERR_INIT;

	/* Without a signer it works as long as no key needs one. */
	m->world.signer_fd = spawn_open(SPAWN_SIGNER, &err);
	m->world.worker_fd = spawn_open(SPAWN_WORKER, &err);
	if (m->world.worker_fd >= 0)
		return EXIT_OK;
	start_report(m, err.text);
	return EXIT_GENERIC;
}

/* A descriptor for each connection in a worker, for each socket in here. */
static int
raise_limits(struct master *m)
{
	struct rlimit limit;

	(void)m;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	return EXIT_OK;
}

static int
make_hash_key(struct master *m)
{
	if (getrandom(m->world.hash_key, sizeof(m->world.hash_key), 0) ==
	    sizeof(m->world.hash_key))
		return EXIT_OK;
	start_report(m, "the system has no random numbers");
	return EXIT_GENERIC;
}

static int
make_tickets(struct master *m)
{
	struct err err = ERR_INIT;

	m->world.tickets = &m->tickets.ring;
	if (tickets_use(&m->tickets, m->edition, proc_now_ms(), &err) == 0)
		return EXIT_OK;
	start_report(m, err.text);
	return EXIT_GENERIC;
}

static int
make_loop(struct master *m)
{
	struct event_config *config = event_config_new();

	/* One thread: no locks. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	m->world.base = event_base_new_with_config(config);
	event_config_free(config);
	if (m->world.base != NULL)
		return EXIT_OK;
	start_report(m, "cannot make an event loop");
	return EXIT_GENERIC;
}

static int
make_board(struct master *m)
{
	struct err err = ERR_INIT;

	m->board = board_create(&m->world.board_fd, &err);
	if (m->board != NULL)
		return EXIT_OK;
	start_report(m, err.text);
	return EXIT_GENERIC;
}

int
start_prepare(struct master *m)
{
	static int (*const steps[])(struct master *) = {
		make_loop, raise_limits, make_hash_key, make_board,
		open_worker, load_config, make_tickets, check_user,
		lock_run_dir, open_log,
		open_sockets, open_control,
	};
	int code;

	log_set_tag("master");
	m->ready_fd = m->options.ready_fd;
	m->background = m->ready_fd >= 0;
	m->world.logs = &m->logs;
	m->world.access_log = &m->access_log;
	notify_init(&m->notify);
	for (size_t i = 0; i < COUNT(steps); i++) {
		code = steps[i](m);
		if (code != EXIT_OK)
			return code;
	}
	log_info("wssd " WSSD_VERSION " starts, libevent %s, %s",
	    event_get_version(), m->options.config_path);
	return EXIT_OK;
}

void
start_undo(struct master *m)
{
	listen_set_unref(m->listen_set);
	inherit_done(&m->inherit);
	edition_unref(m->edition);
	tickets_done(&m->tickets);
	signers_free(&m->world);
	rundir_done(&m->rundir);
	notify_done(&m->notify);
	log_to(STDERR_FILENO, LOG_FORMAT_PLAIN);
	logfiles_done(&m->logs);
	logfiles_done(&m->access_log);
	free(m->last_error);
	board_unmap(m->board);
	if (m->world.board_fd >= 0)
		close(m->world.board_fd);
	if (m->world.worker_fd >= 0)
		close(m->world.worker_fd);
	if (m->world.signer_fd >= 0)
		close(m->world.signer_fd);
	if (m->ready_fd >= 0)
		close(m->ready_fd);
	if (m->world.base != NULL)
		event_base_free(m->world.base);
}
