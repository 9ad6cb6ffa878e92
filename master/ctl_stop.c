/* SPDX-License-Identifier: MIT */
/* wssctl stop: returns when the daemon is really gone. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "master/ctl.h"

#define ANSWER_WITHIN_MS 10000

/* The pidfd was opened before it was told to stop: it cannot be another's. */
static int
await_end(const struct ctl *ctl, int pidfd, pid_t pid)
{
	uint64_t timeout = ctl_timeout(ctl, 0);
	struct pollfd pfd = { pidfd, POLLIN, 0 };
	int n;

	/* Without a limit of ours: stop_timeout and drain_window are its. */
	do
		n = poll(&pfd, 1, timeout == 0 ? -1 :
		    timeout > INT_MAX ? INT_MAX : (int)timeout);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return CTL_OK;
	ctl_say("wssd (pid %d) has not ended within %llu s", (int)pid,
	    (unsigned long long)timeout / 1000);
	return CTL_GENERIC;
}

static int
stop_it(const struct ctl *ctl, int fd, pid_t pid)
{
	const char *words = ctl->options & CTL_OPT_GRACEFUL ?
	    "stop graceful" : "stop";
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), code;
	json_t *root = NULL;

	if (pidfd < 0) {
		ctl_say("cannot watch wssd (pid %d): %s", (int)pid,
		    strerror(errno));
		return CTL_GENERIC;
	}
	code = ctl_ask_on(fd, words, ANSWER_WITHIN_MS, &root);
	json_decref(root);
	if (code == CTL_OK)
		code = await_end(ctl, pidfd, pid);
	close(pidfd);
	if (code == CTL_OK)
		printf("wssd has stopped\n");
	return code;
}

int
ctl_stop_run(const struct ctl *ctl)
{
	enum ctlsock_result result;
	pid_t pid;
	int fd, code;

	code = ctl_connect(ctl, &fd, &pid, &result);
	if (code == CTL_NOT_RUNNING) {
		printf("wssd is not running\n");
		return CTL_OK;
	}
	if (code != CTL_OK)
		return code;
	code = stop_it(ctl, fd, pid);
	close(fd);
	return code;
}

static int
run(const struct ctl *ctl)
{
	/* systemd knows one way to stop; the other is asked for directly. */
	if (ctl_is_systemds(ctl) && (ctl->options & CTL_OPT_GRACEFUL) == 0)
		return ctl_systemctl("stop");
	return ctl_stop_run(ctl);
}

const struct ctl_command ctl_stop = {
	"stop", "[--graceful]", CTL_OPT_GRACEFUL, 0,
	"close all connections and stop; --graceful spreads the closes\n"
	"        over drain_window",
	run
};
