/* SPDX-License-Identifier: MIT */
/* Owns nothing: turns a line of the control socket into a call. */
#include "master/commands.h"

#include <string.h>
#include <unistd.h>

#include "common/count.h"
#include "common/log.h"
#include "master/connections.h"
#include "master/control.h"
#include "master/master.h"
#include "master/request.h"
#include "master/status.h"

static void
run_status(struct master *m, struct client *c)
{
	client_answer(c, status_json(m));
}

static void
run_connections(struct master *m, struct client *c)
{
	connections_list(m, c);
}

static void
run_reload(struct master *m, struct client *c)
{
	job_submit(m, JOB_RELOAD, c);
}

static void
run_restart(struct master *m, struct client *c)
{
	job_submit(m, JOB_RESTART, c);
}

static void
answer_pid(struct client *c)
{
	client_answer(c, json_pack("{s:b, s:I}", "ok", 1, "pid",
	    (json_int_t)getpid()));
}

static void
run_stop(struct master *m, struct client *c)
{
	answer_pid(c);
	master_stop(m, STOP_FAST);
}

static void
run_stop_graceful(struct master *m, struct client *c)
{
	answer_pid(c);
	master_stop(m, STOP_GRACEFUL);
}

static void
run_reopen(struct master *m, struct client *c)
{
	struct err err = ERR_INIT;

	if (master_reopen_logs(m, &err) != 0)
		client_fail(c, EXIT_GENERIC, "%s", err.text);
	else
		client_answer(c, json_pack("{s:b, s:o}", "ok", 1, "log",
		    control_string(logfiles_name(&m->logs))));
}

static const struct {
	const char *first, *second;
	bool reads_only;
	void (*run)(struct master *, struct client *);
} table[] = {
	{ "status", NULL, true, run_status },
	{ "connections", NULL, true, run_connections },
	{ "reload", NULL, false, run_reload },
	{ "restart", "rolling", false, run_restart },
	{ "stop", NULL, false, run_stop },
	{ "stop", "graceful", false, run_stop_graceful },
	{ "reopen", NULL, false, run_reopen },
};

static bool
is_command(size_t row, const struct request *r)
{
	if (r->n != (table[row].second == NULL ? 1 : 2))
		return false;
	return strcmp(r->words[0], table[row].first) == 0 &&
	    (r->n == 1 || strcmp(r->words[1], table[row].second) == 0);
}

void
command_run(struct master *m, struct client *c,
    const struct request *request, bool may_write)
{
	for (size_t i = 0; i < COUNT(table); i++) {
		if (!is_command(i, request))
			continue;
		if (!table[i].reads_only && !may_write) {
			client_fail(c, EXIT_DENIED, "only root and the "
			    "daemon's own user may %s it", table[i].first);
			return;
		}
		if (!table[i].reads_only)
			log_info("control socket: %s%s%s", table[i].first,
			    table[i].second == NULL ? "" : " ",
			    table[i].second == NULL ? "" : table[i].second);
		table[i].run(m, c);
		return;
	}
	client_fail(c, EXIT_USAGE, "there is no such command");
}
