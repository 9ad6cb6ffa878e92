/* SPDX-License-Identifier: MIT */
/* Owns run_dir/wssd.pid while the daemon runs. */
#include "master/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"

/*
 * Somebody else's directory in /tmp would let him replace the control
 * socket, and so see and answer what an administrator says to it.
 */
static int
check_owner(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return err_set_errno(err, "cannot look at run_dir %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, "run_dir %s is no directory", path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_set(err, "run_dir %s belongs to another user",
		    path);
	if (st.st_mode & S_IWOTH)
		return err_set(err, "run_dir %s can be written to by "
		    "everybody", path);
	return 0;
}

static int
make(const char *path, struct err *err)
{
	if (mkdir(path, 0755) == 0) {
		/* Whatever the umask is: wssctl must find the socket. */
		if (chmod(path, 0755) != 0)
			return err_set_errno(err, "cannot chmod run_dir %s",
			    path);
	} else if (errno != EEXIST) {
		return err_set_errno(err, "cannot make run_dir %s", path);
	}
	return check_owner(path, err);
}

static void
refuse(int fd, struct err *err)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n > 0)
		text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (text[0] != '\0')
		err_set(err, "wssd is already running (pid %s)", text);
	else
		err_set(err, "wssd is already running");
}

/* A daemon that ends removes the file: the lock may be on a removed one. */
static int
is_still_there(int fd, const char *path)
{
	struct stat mine, there;

	return fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
	    mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/*
 * wssctl takes a shared lock for a moment to see whether somebody lives: not
 * every lock is a daemon's.
 */
static int
try_lock(int fd)
{
	static const struct timespec pause = { 0, 20000000 };

	for (int i = 0; i < 5; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return -1;
		nanosleep(&pause, NULL);
	}
	errno = EWOULDBLOCK;
	return -1;
}

static int
lock(const char *path, struct err *err)
{
	int fd;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
		    O_NONBLOCK, 0644);
		if (fd < 0)
			return err_set_errno(err, "cannot open %s", path);
		if (try_lock(fd) != 0) {
			if (errno == EWOULDBLOCK)
				refuse(fd, err);
			else
				err_set_errno(err, "cannot lock %s", path);
			close(fd);
			return -1;
		}
		if (is_still_there(fd, path))
			return fd;
		close(fd);
	}
}

static int
write_pid(int fd, const char *path, struct err *err)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (fchmod(fd, 0644) != 0 || ftruncate(fd, 0) != 0 ||
	    pwrite(fd, text, (size_t)n, 0) != n)
		return err_set_errno(err, "cannot write %s", path);
	return 0;
}

int
rundir_lock(struct rundir *r, const char *path, struct err *err)
{
	if (make(path, err) != 0)
		return -1;
	r->path = xstrdup(path);
	r->pid_path = xasprintf("%s/wssd.pid", path);
	r->lock_fd = lock(r->pid_path, err);
	if (r->lock_fd < 0)
		return -1;
	return write_pid(r->lock_fd, r->pid_path, err);
}

void
rundir_done(struct rundir *r)
{
	if (r->lock_fd >= 0) {
		unlink(r->pid_path);
		close(r->lock_fd);
	}
	free(r->path);
	free(r->pid_path);
	*r = (struct rundir)RUNDIR_INIT;
}
