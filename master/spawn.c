/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing.  Run by the master; what stands between fork and exec runs
 * in the child and makes nothing but system calls.
 */
#include "master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/chan.h"

#define NAME_MAX_BYTES 32
#define CHILD_CHAN 3
/* Above everything the child is given, so that a dup2 cannot hit it. */
#define LOWEST_WORKER_FD 10

static int
open_beside(const char *name, struct err *err)
{
	char path[PATH_MAX + NAME_MAX_BYTES];
	ssize_t n;
	char *slash;

	n = readlink("/proc/self/exe", path, PATH_MAX);
	if (n < 0 || n == PATH_MAX)
		return err_set_errno(err, "cannot read /proc/self/exe");
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return err_set(err, "/proc/self/exe is no path");
	strcpy(slash + 1, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int
spawn_open(const char *name, struct err *err)
{
	char libexec[PATH_MAX];
	int fd = open_beside(name, err), high;

	snprintf(libexec, sizeof(libexec), WSSD_LIBEXECDIR "/%s", name);
	if (fd < 0)
		fd = open(libexec, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, "cannot open %s beside this program "
		    "or as %s", name, libexec);
	high = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_WORKER_FD);
	if (high < 0)
		err_set_errno(err, "cannot keep %s open", name);
	close(fd);
	return high;
}

void
spawn_reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * The child: descriptors 0 to 3, everything else is close-on-exec.  dup2()
 * onto itself would keep that flag, so it is cleared by hand.
 */
static _Noreturn void
exec_worker(int worker_fd, int chan, const char *title)
{
	char *argv[2], *const *env = environ;
	char copy[64];
	int null;

	spawn_reset_signals();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0)
		_exit(127);
	if (chan != CHILD_CHAN && dup2(chan, CHILD_CHAN) < 0)
		_exit(127);
	if (fcntl(CHILD_CHAN, F_SETFD, 0) != 0)
		_exit(127);
	snprintf(copy, sizeof(copy), "%s", title);
	argv[0] = copy;
	argv[1] = NULL;
	fexecve(worker_fd, argv, env);
	_exit(127);
}

int
spawn_worker(int worker_fd, const char *title, struct spawned *out,
    struct err *err)
{
	int fds[2], pidfd;
	pid_t pid;

	if (chan_pair(fds, err) != 0)
		return -1;
	pid = fork();
	if (pid == 0)
		exec_worker(worker_fd, fds[1], title);
	close(fds[1]);
	if (pid < 0) {
		err_set_errno(err, "cannot fork");
		close(fds[0]);
		return -1;
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		err_set_errno(err, "cannot open a pidfd");
		/* It sees the end of the channel as well. */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(fds[0]);
		return -1;
	}
	*out = (struct spawned){ pid, pidfd, fds[0] };
	return 0;
}

void
spawn_signal(const struct spawned *child, int sig)
{
	(void)syscall(SYS_pidfd_send_signal, child->pidfd, sig, NULL, 0);
}
