/* SPDX-License-Identifier: MIT */
/* Owns nothing: the caller closes what it gets, and removes the file. */
#include "common/sock_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int
make_socket(const struct addr *addr, struct err *err)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);

	if (fd < 0)
		return err_set_errno(err, "cannot make a socket for unix:%s",
		    addr->un.sun_path);
	return fd;
}

/* ---- who may connect -------------------------------------------------- */

static int
find_owner(const struct sock_access *access, uid_t *uid_out, gid_t *gid_out,
    struct err *err)
{
	const struct passwd *user;
	const struct group *group;

	*uid_out = (uid_t)-1;
	*gid_out = (gid_t)-1;
	if (access->user != NULL) {
		user = getpwnam(access->user);
		if (user == NULL)
			return err_set(err, "socket_user: there is no user "
			    "`%s'", access->user);
		*uid_out = user->pw_uid;
	}
	if (access->group != NULL) {
		group = getgrnam(access->group);
		if (group == NULL)
			return err_set(err, "socket_group: there is no group "
			    "`%s'", access->group);
		*gid_out = group->gr_gid;
	}
	return 0;
}

/* No symbolic link is followed: in a folder of others it could be theirs. */
int
sock_unix_set_access(const struct addr *addr,
    const struct sock_access *access, struct err *err)
{
	const char *path = addr->un.sun_path;
	uid_t uid;
	gid_t gid;

	if (find_owner(access, &uid, &gid, err) != 0)
		return -1;
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) &&
	    lchown(path, uid, gid) != 0)
		return err_set_errno(err, "cannot give unix:%s to %s", path,
		    access->group != NULL ? access->group : access->user);
	if (fchmodat(AT_FDCWD, path, access->mode, AT_SYMLINK_NOFOLLOW) != 0)
		return err_set_errno(err, "cannot set the mode of unix:%s",
		    path);
	return 0;
}

/* ---- what is in the way ----------------------------------------------- */

/* Whether somebody listens: 1, 0, or -1. */
static int
is_alive(const struct addr *addr, struct err *err)
{
	int fd = make_socket(addr, err), rc, error;

	if (fd < 0)
		return -1;
	do
		rc = connect(fd, &addr->sa, addr->len);
	while (rc != 0 && errno == EINTR);
	error = errno;
	close(fd);
	/* EAGAIN: its queue is full.  EPROTOTYPE: it is no stream socket. */
	if (rc == 0 || error == EAGAIN || error == EPROTOTYPE)
		return 1;
	if (error == ECONNREFUSED || error == ENOENT)
		return 0;
	errno = error;
	return err_set_errno(err, "cannot tell whether somebody listens on "
	    "unix:%s", addr->un.sun_path);
}

/* 1: a stale socket is there; 0: nothing is; -1: something else. */
static int
look(const struct addr *addr, struct err *err)
{
	const char *path = addr->un.sun_path;
	struct stat st;
	int alive;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		return err_set_errno(err, "cannot listen on unix:%s", path);
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "cannot listen on unix:%s: a file that "
		    "is no socket is there", path);
	alive = is_alive(addr, err);
	if (alive < 0)
		return -1;
	if (alive)
		return err_set(err, "cannot listen on unix:%s: another "
		    "program does", path);
	return 1;
}

static int
check_folder(const struct addr *addr, struct err *err)
{
	char folder[sizeof(addr->un.sun_path)];
	char *slash;

	memcpy(folder, addr->un.sun_path, sizeof(folder));
	slash = strrchr(folder, '/');
	slash[slash == folder ? 1 : 0] = '\0';
	if (access(folder, F_OK) != 0)
		return err_set_errno(err, "cannot listen on unix:%s: its "
		    "folder", addr->un.sun_path);
	return 0;
}

int
sock_unix_probe(const struct addr *addr, const struct sock_access *access,
    bool folder_later, struct err *err)
{
	uid_t uid;
	gid_t gid;

	if (find_owner(access, &uid, &gid, err) != 0 ||
	    (!folder_later && check_folder(addr, err) != 0))
		return -1;
	return look(addr, err) < 0 ? -1 : 0;
}

/* ---- the socket ------------------------------------------------------- */

static int
bind_there(int fd, const struct addr *addr, struct err *err)
{
	const char *path = addr->un.sun_path;
	int stale = look(addr, err), rc;
	mode_t mask;

	if (stale < 0)
		return -1;
	if (stale && unlink(path) != 0 && errno != ENOENT)
		return err_set_errno(err, "cannot remove the stale socket %s",
		    path);
	mask = umask(0777);
	rc = bind(fd, &addr->sa, addr->len);
	umask(mask);
	if (rc != 0)
		return err_set_errno(err, "cannot listen on unix:%s", path);
	return 0;
}

int
sock_unix_listen(const struct addr *addr, const struct sock_access *access,
    int backlog, struct sock_file *file_out, struct err *err)
{
	int fd = make_socket(addr, err);
	struct sock_file file;
	struct stat st;

	if (fd < 0)
		return -1;
	if (bind_there(fd, addr, err) != 0)
		goto fail;
	if (lstat(addr->un.sun_path, &st) != 0) {
		err_set_errno(err, "cannot find unix:%s again",
		    addr->un.sun_path);
		goto fail;
	}
	file = (struct sock_file){ st.st_dev, st.st_ino };
	if (sock_unix_set_access(addr, access, err) != 0)
		goto fail_bound;
	if (listen(fd, backlog) != 0) {
		err_set_errno(err, "cannot listen on unix:%s",
		    addr->un.sun_path);
		goto fail_bound;
	}
	*file_out = file;
	return fd;
fail_bound:
	sock_unix_remove(addr, &file);
fail:
	close(fd);
	return -1;
}

void
sock_unix_remove(const struct addr *addr, const struct sock_file *file)
{
	struct stat st;

	if (lstat(addr->un.sun_path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		unlink(addr->un.sun_path);
}
