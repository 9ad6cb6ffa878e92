/* SPDX-License-Identifier: MIT */
/* Finds the running daemon and talks to it. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/config.h"
#include "master/ctl.h"

/* What `auto' is for root, and in the unit of systemd. */
#define SYSTEM_RUN_DIR "/run/wssd"

void
ctl_say(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	fputs("wssctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

uint64_t
ctl_timeout(const struct ctl *ctl, uint64_t otherwise_ms)
{
	return ctl->timeout_ms != 0 ? ctl->timeout_ms : otherwise_ms;
}

static bool
has_socket(const char *run_dir)
{
	char *path = xasprintf("%s/control.sock", run_dir);
	bool there = access(path, F_OK) == 0;

	free(path);
	return there;
}

/*
 * `auto' depends on who asks; but the default config is that of the system's
 * daemon, which anybody may mean who has none of his own.
 */
char *
ctl_run_dir(const struct ctl *ctl)
{
	char *run_dir = config_find_run_dir(ctl->config_path);

	if (ctl->default_config && geteuid() != 0 && !has_socket(run_dir) &&
	    has_socket(SYSTEM_RUN_DIR)) {
		free(run_dir);
		run_dir = xstrdup(SYSTEM_RUN_DIR);
	}
	return run_dir;
}

pid_t
ctl_lock_holder(const char *run_dir)
{
	char *path = xasprintf("%s/wssd.pid", run_dir), text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	pid_t pid = 0;
	ssize_t n;

	free(path);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		n = read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		pid = (pid_t)strtol(text, NULL, 10);
	}
	close(fd);
	return pid;
}

int
ctl_connect(const struct ctl *ctl, int *fd_out, pid_t *pid_out,
    enum ctlsock_result *result_out)
{
	char *run_dir = ctl_run_dir(ctl);
	struct err err = ERR_INIT;
	pid_t pid;
	int code = CTL_OK;

	*result_out = ctlsock_connect(run_dir, fd_out, pid_out, &err);
	switch (*result_out) {
	case CTLSOCK_OK:
		break;
	case CTLSOCK_NOT_RUNNING:
		code = CTL_NOT_RUNNING;
		pid = ctl_lock_holder(run_dir);
		if (pid != 0) {
			*result_out = CTLSOCK_FAILED;
			ctl_say("wssd (pid %d) runs, but %s", (int)pid,
			    err.text);
			code = CTL_GENERIC;
		}
		break;
	case CTLSOCK_DENIED:
		ctl_say("%s", err.text);
		code = CTL_DENIED;
		break;
	default:
		ctl_say("%s", err.text);
		code = CTL_GENERIC;
		break;
	}
	free(run_dir);
	return code;
}

/* A config with five errors has five lines. */
static void
say_lines(const char *text)
{
	char *copy = xstrdup(text), *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			ctl_say("%s", line);
	free(copy);
}

static int
judge(json_t *root)
{
	json_t *error = json_object_get(root, "error");
	json_t *code = json_object_get(root, "exit");

	if (json_is_true(json_object_get(root, "ok")))
		return CTL_OK;
	if (json_is_string(error))
		say_lines(json_string_value(error));
	else
		ctl_say("wssd gave an answer that makes no sense");
	return json_is_integer(code) && json_integer_value(code) > 0 &&
	    json_integer_value(code) < 256 ? (int)json_integer_value(code) :
	    CTL_GENERIC;
}

int
ctl_connect_running(const struct ctl *ctl, int *fd_out,
    enum ctlsock_result *result_out)
{
	int code = ctl_connect(ctl, fd_out, NULL, result_out);

	if (code == CTL_NOT_RUNNING)
		ctl_say("wssd is not running");
	return code;
}

int
ctl_ask_on(int fd, const char *words, uint64_t timeout_ms, json_t **root_out)
{
	struct buf answer = BUF_INIT;
	struct err err = ERR_INIT;
	json_t *root = NULL;
	int code = CTL_GENERIC;

	if (ctlsock_ask_all(fd, words, timeout_ms, &answer, &err) != 0) {
		ctl_say("%s", err.text);
	} else {
		root = json_loadb((const char *)answer.data, answer.len, 0,
		    NULL);
		code = judge(root);
	}
	buf_done(&answer);
	if (code == CTL_OK)
		*root_out = root;
	else
		json_decref(root);
	return code;
}

int
ctl_ask(const struct ctl *ctl, const char *words, uint64_t timeout_ms,
    json_t **root_out)
{
	enum ctlsock_result result;
	int fd, code;

	code = ctl_connect_running(ctl, &fd, &result);
	if (code != CTL_OK)
		return code;
	code = ctl_ask_on(fd, words, timeout_ms, root_out);
	close(fd);
	return code;
}
