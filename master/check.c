/* SPDX-License-Identifier: MIT */
/* Owns an event loop for the time of one trial. */
#include "master/check.h"

#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ctlsock.h"
#include "common/log.h"
#include "common/privdrop.h"
#include "master/listen.h"
#include "master/master.h"
#include "master/signer.h"
#include "master/trial.h"

#define DAEMON_ANSWERS_MS 2000

struct check {
	struct proc_world world;
	struct logfiles logs;
	struct edition *edition;
	int exit_code;
};

static void
print_lines(const char *lines)
{
	size_t len = strlen(lines);

	fprintf(stderr, "%s%s", lines, len > 0 && lines[len - 1] == '\n' ?
	    "" : "\n");
}

static void
complain(struct check *c, const char *lines)
{
	print_lines(lines);
	c->exit_code = EXIT_CONFIG;
}

static int
load(struct check *c, const char *path)
{
	struct config_errors errors = CONFIG_ERRORS_INIT;
	char *text;

	c->edition = edition_load(path, 1, &errors);
	if (c->edition == NULL) {
		text = config_errors_text(&errors);
		complain(c, text);
		free(text);
	}
	config_errors_done(&errors);
	return c->edition == NULL ? -1 : 0;
}

static bool
check_user(struct check *c)
{
	const struct config_daemon *d = &c->edition->config->daemon;
	struct privdrop_ids ids;
	struct err err = ERR_INIT;

	if (privdrop_lookup(d->user, d->group, &ids, &err) == 0)
		return true;
	complain(c, err.text);
	return false;
}

/* --- addresses ---------------------------------------------------------------- */

/* What our own running daemon says, or NULL. */
static json_t *
ask_daemon(const char *run_dir)
{
	struct buf answer = BUF_INIT;
	json_t *root = NULL;
	int fd;

	if (ctlsock_connect(run_dir, &fd, NULL, NULL) != CTLSOCK_OK)
		return NULL;
	if (ctlsock_ask_all(fd, "status", DAEMON_ANSWERS_MS, &answer,
	    NULL) == 0)
		root = json_loadb((const char *)answer.data, answer.len, 0,
		    NULL);
	buf_done(&answer);
	close(fd);
	return root;
}

/* The port itself, or one it would be in the way of: 0.0.0.0:443. */
static bool
daemon_has(json_t *status, const struct addr *wanted)
{
	json_t *listens = json_object_get(status, "listens");
	json_t *listen, *row;
	struct addr have;
	size_t i, j;

	json_array_foreach(listens, i, listen)
		json_array_foreach(json_object_get(listen, "addresses"), j,
		    row)
			if (json_is_string(row) &&
			    addr_parse(json_string_value(row), &have,
			    NULL) == 0 &&
			    have.sa.sa_family == wanted->sa.sa_family &&
			    (addr_is_unix(wanted) ? addr_equal(&have, wanted) :
			    addr_port(&have) == addr_port(wanted)))
				return true;
	return false;
}

/*
 * One socket at a time, closed again: they may overlap each other.  What the
 * running daemon has is busy for everybody else, so it is not tried.
 */
static void
check_addresses(struct check *c)
{
	const struct config *config = c->edition->config;
	json_t *status = ask_daemon(config->daemon.run_dir);
	struct err err = ERR_INIT;

	for (size_t i = 0; i < config->n_listens; i++) {
		const struct config_listen *l = &config->listens[i];

		for (size_t j = 0; j < l->address.n; j++) {
			if (!daemon_has(status, &l->addrs[j]) &&
			    listen_probe(config, l, j, &err) != 0)
				complain(c, err.text);
		}
	}
	json_decref(status);
}

/* --- the trial ------------------------------------------------------------------ */

static void
on_verdict(void *arg, const struct trial_verdict *v)
{
	struct check *c = arg;

	signer_end(c->edition->signer, true);
	c->edition->signer = NULL;
	if (!v->ok)
		complain(c, v->text);
	else if (v->text[0] != '\0')
		print_lines(v->text);
}

static void
try_worker(struct check *c)
{
	struct err err = ERR_INIT;

	if (trial_start(&c->world, c->edition, true, on_verdict, c,
	    &err) == NULL)
		complain(c, err.text);
}

static void
on_signer(void *arg, const struct signer_verdict *v)
{
	struct check *c = arg;

	if (v->ok) {
		try_worker(c);
		return;
	}
	complain(c, v->text);
	signer_end(c->edition->signer, true);
	c->edition->signer = NULL;
}

/* The loop ends by itself when the trial processes are gone. */
static void
try_processes(struct check *c)
{
	struct err err = ERR_INIT;

	c->world.signer_fd = spawn_open(SPAWN_SIGNER, &err);
	c->world.worker_fd = spawn_open(SPAWN_WORKER, &err);
	if (c->world.worker_fd < 0) {
		complain(c, err.text);
		return;
	}
	if (!signer_is_needed(c->edition->config))
		try_worker(c);
	else if (signer_start(&c->world, c->edition, on_signer, c,
	    &err) != 0)
		complain(c, err.text);
	event_base_dispatch(c->world.base);
}

int
check_run(const char *config_path)
{
	struct check c = { .logs = LOGFILES_INIT, .world = {
		.worker_fd = -1, .signer_fd = -1, .board_fd = -1 } };
	bool user_exists;

	/* What is wrong is printed once; a log would say it again. */
	c.logs.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	log_to(c.logs.fd, LOG_FORMAT_PLAIN);
	list_init(&c.world.procs);
	list_init(&c.world.signers);
	c.world.logs = &c.logs;
	c.world.base = event_base_new();
	if (c.world.base != NULL && load(&c, config_path) == 0) {
		user_exists = check_user(&c);
		check_addresses(&c);
		/* Without its user it would only die. */
		if (user_exists)
			try_processes(&c);
		if (c.exit_code == EXIT_OK)
			printf("%s: ok\n", config_path);
	}
	log_to(STDERR_FILENO, LOG_FORMAT_PLAIN);
	logfiles_done(&c.logs);
	edition_unref(c.edition);
	signers_free(&c.world);
	if (c.world.signer_fd >= 0)
		close(c.world.signer_fd);
	if (c.world.worker_fd >= 0)
		close(c.world.worker_fd);
	if (c.world.base != NULL)
		event_base_free(c.world.base);
	return c.exit_code;
}
