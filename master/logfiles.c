/* SPDX-License-Identifier: MIT */
/* Owns the descriptor the log is written to. */
#include "master/logfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"

#define SYSLOG_SOCKET "/dev/log"

/*
 * systemd sets JOURNAL_STREAM to "device:inode" of the stderr it connected
 * to the journal (systemd.exec(5)); a redirected stderr is another file.
 */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL &&
	    sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	    st.st_ino == inode;
}

static int
open_syslog(struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = SYSLOG_SOCKET };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set_errno(err, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		err_set_errno(err, "cannot reach syslog at " SYSLOG_SOCKET);
		close(fd);
		return -1;
	}
	return fd;
}

static int
open_file(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOCTTY | O_NONBLOCK, 0640);
	struct stat st;

	if (fd < 0)
		return err_set_errno(err, "cannot open the log %s", path);
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		return err_set(err, "the log %s is no file", path);
	}
	return fd;
}

/*
 * As stderr is, and not blocking: a pipe or a terminal is opened anew, since
 * others share its flags.
 */
static int
open_stderr(bool blocking, struct err *err)
{
	int fd = -1;

	if (!blocking)
		fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_CLOEXEC |
		    O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		err_set_errno(err, "cannot use stderr");
	return fd;
}

struct target {
	const char *value;		/* of the setting */
	bool background, blocking;
	const char *run_dir, *name;	/* where there is neither stderr nor
					   syslog */
};

static void
adopt(struct logfiles *l, int fd, enum log_format format, char *path)
{
	logfiles_done(l);
	l->fd = fd;
	l->format = format;
	l->path = path;
}

static int
open_target(struct logfiles *l, const struct target *t, struct err *err)
{
	bool to_stderr = strcmp(t->value, "stderr") == 0;
	bool to_syslog = strcmp(t->value, "syslog") == 0;
	char *path = NULL;
	int fd;

	if (to_stderr && t->background) {
		to_stderr = false;
		to_syslog = access(SYSLOG_SOCKET, F_OK) == 0;
		if (!to_syslog)
			path = xasprintf("%s/%s", t->run_dir, t->name);
	} else if (!to_stderr && !to_syslog) {
		path = xstrdup(t->value);
	}
	if (to_stderr)
		fd = open_stderr(t->blocking, err);
	else
		fd = to_syslog ? open_syslog(err) : open_file(path, err);
	if (fd < 0) {
		free(path);
		return -1;
	}
	adopt(l, fd, to_syslog ? LOG_FORMAT_SYSLOG :
	    to_stderr && stderr_is_journal() ? LOG_FORMAT_JOURNAL :
	    LOG_FORMAT_PLAIN, path);
	return 0;
}

int
logfiles_open(struct logfiles *l, const struct config_daemon *d,
    bool background, struct err *err)
{
	struct target t = { d->log, background, true, d->run_dir,
		"wssd.log" };
	struct logfiles opened = LOGFILES_INIT;

	if (open_target(&opened, &t, err) != 0)
		return -1;
	log_to(opened.fd, opened.format);
	opened.level = (enum log_level)d->log_level;
	log_set_level(opened.level);
	logfiles_done(l);
	*l = opened;
	return 0;
}

int
logfiles_open_access(struct logfiles *l, const struct config_daemon *d,
    bool background, struct err *err)
{
	struct target t = { d->access_log, background, false, d->run_dir,
		"access.log" };

	l->json = d->access_log_format == CONFIG_ACCESS_JSON;
	if (strcmp(d->access_log, "off") != 0)
		return open_target(l, &t, err);
	logfiles_done(l);
	return 0;
}

void
logfiles_done(struct logfiles *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
	l->fd = -1;
	l->path = NULL;
}

const char *
logfiles_name(const struct logfiles *l)
{
	if (l->path != NULL)
		return l->path;
	return l->format == LOG_FORMAT_SYSLOG ? "syslog" : "stderr";
}
