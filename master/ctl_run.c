/* SPDX-License-Identifier: MIT */
/* Runs other programs. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "master/ctl.h"

#define TOOL "wssd-tool"

char *
ctl_beside(const char *name)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return xstrdup(name);
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL)
		*slash = '\0';
	return xasprintf("%s/%s", path, name);
}

int
ctl_run(const char *path, const char *const *argv, bool quiet)
{
	int status, null;
	pid_t pid = fork();

	if (pid < 0)
		return CTL_GENERIC;
	if (pid == 0) {
		null = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
		if (null >= 0)
			dup2(null, STDOUT_FILENO);
		/* execv() changes none of the strings. */
		execvp(path, (char *const *)(uintptr_t)argv);
		ctl_say("cannot execute %s", path);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 127)
		return CTL_GENERIC;
	return WEXITSTATUS(status);
}

/* What is installed has it in libexec, a build beside this program. */
int
ctl_run_tool(const char **argv)
{
	char *path = ctl_beside(TOOL);
	int code;

	if (access(path, X_OK) != 0) {
		free(path);
		path = xstrdup(WSSD_LIBEXECDIR "/" TOOL);
	}
	argv[0] = TOOL;
	code = ctl_run(path, argv, false);
	free(path);
	return code;
}
