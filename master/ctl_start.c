/* SPDX-License-Identifier: MIT */
/*
 * wssctl start: returns when every worker is ready, or says why not and
 * leaves nothing running.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "master/ctl.h"

#define READY_WITHIN_MS 60000
#define STOP_WITHIN_MS 2000

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * A session of its own, and no folder kept busy.  Its stdout and stderr are
 * let go by the daemon as soon as it has its log.
 */
static _Noreturn void
become_wssd(const char *path, const char *config, int ready_fd)
{
	char number[16];
	char *argv[] = { (char[]){ "wssd" }, (char[]){ "--config" },
		xstrdup(config), (char[]){ "--ready-fd" }, number, NULL };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	fcntl(ready_fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", ready_fd);
	if (chdir("/") == 0)
		execv(path, argv);
	dprintf(ready_fd, "cannot execute %s: %s\n", path, strerror(errno));
	_exit(CTL_GENERIC);
}

/* All lines up to "ready" or the end: 1 = ready, 0 = it has ended, -1 = late. */
static int
await_ready(int fd, uint64_t timeout_ms, struct buf *lines)
{
	uint64_t end = now_ms() + timeout_ms, now;
	struct pollfd pfd = { fd, POLLIN, 0 };
	char data[4096];
	ssize_t n;

	for (;;) {
		now = now_ms();
		if (now >= end)
			return -1;
		if (poll(&pfd, 1, (int)(end - now < INT_MAX ? end - now :
		    INT_MAX)) <= 0)
			continue;
		n = read(fd, data, sizeof(data));
		if (n <= 0)
			return 0;
		buf_put(lines, data, (size_t)n);
		if (lines->len >= 6 && memcmp(lines->data + lines->len - 6,
		    "ready\n", 6) == 0 && (lines->len == 6 ||
		    lines->data[lines->len - 7] == '\n')) {
			lines->len -= 6;
			return 1;
		}
	}
}

static void
print_lines(struct buf *lines, bool failed)
{
	char *rest, *line;

	buf_put_u8(lines, '\0');
	rest = (char *)lines->data;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '\0')
			continue;
		if (failed)
			ctl_say("%s", line);
		else
			printf("%s\n", line);
	}
}

static int
end_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return CTL_GENERIC;
	if (WIFSIGNALED(status)) {
		ctl_say("wssd died of signal %d", WTERMSIG(status));
		return CTL_GENERIC;
	}
	return WEXITSTATUS(status) == 0 ? CTL_GENERIC : WEXITSTATUS(status);
}

/* It would come up later, when nobody expects it any more. */
static void
give_up(pid_t pid, uint64_t timeout_ms)
{
	static const struct timespec pause = { 0, 20000000 };
	uint64_t end = now_ms() + STOP_WITHIN_MS;

	ctl_say("wssd was not ready within %llu s: stopped",
	    (unsigned long long)timeout_ms / 1000);
	kill(pid, SIGTERM);
	while (now_ms() < end) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return;
		nanosleep(&pause, NULL);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int
launch(const struct ctl *ctl)
{
	uint64_t timeout = ctl_timeout(ctl, READY_WITHIN_MS);
	char *path = ctl_beside("wssd"), *config;
	struct buf lines = BUF_INIT;
	int fds[2], code = CTL_GENERIC, ready;
	pid_t pid = -1;

	/* The daemon reads it again at a reload, from another folder. */
	config = realpath(ctl->config_path, NULL);
	if (config == NULL)
		config = xstrdup(ctl->config_path);
	if (pipe2(fds, O_CLOEXEC) == 0)
		pid = fork();
	if (pid == 0)
		become_wssd(path, config, fds[1]);
	if (pid < 0) {
		ctl_say("cannot start a process: %s", strerror(errno));
		goto out;
	}
	close(fds[1]);
	ready = await_ready(fds[0], timeout, &lines);
	close(fds[0]);
	print_lines(&lines, ready != 1);
	if (ready == 1) {
		printf("wssd is running (pid %d)\n", (int)pid);
		code = CTL_OK;
	} else if (ready == 0) {
		code = end_of(pid);
	} else {
		give_up(pid, timeout);
	}
out:
	buf_done(&lines);
	free(config);
	free(path);
	return code;
}

int
ctl_start_run(const struct ctl *ctl)
{
	enum ctlsock_result result;
	pid_t pid;
	int fd, code;

	code = ctl_connect(ctl, &fd, &pid, &result);
	if (code == CTL_OK) {
		close(fd);
		printf("wssd is already running (pid %d)\n", (int)pid);
		return CTL_OK;
	}
	return code == CTL_NOT_RUNNING ? launch(ctl) : code;
}

static int
run(const struct ctl *ctl)
{
	return ctl_is_systemds(ctl) ? ctl_systemctl("start") :
	    ctl_start_run(ctl);
}

const struct ctl_command ctl_start = {
	"start", "", 0, 0,
	"start wssd in the background and wait until every worker is ready",
	run
};
