/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing; changes the credentials of the calling process.  Run by a
 * worker before it looks at the first byte from outside.  Uses the system
 * calls directly: the few lines need no library.
 */
#include "common/privdrop.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/count.h"

#define CAPS_MAX 64

int
privdrop_lookup(const char *user, const char *group,
    struct privdrop_ids *ids_out, struct err *err)
{
	struct passwd *pw;
	struct group *gr;

	if (geteuid() != 0) {
		*ids_out = (struct privdrop_ids){ .uid = getuid(),
			.gid = getgid() };
		return 0;
	}
	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return errno == 0 ?
		    err_set(err, "there is no user \"%s\" on this system",
		    user) :
		    err_set_errno(err, "cannot look up the user \"%s\"", user);
	errno = 0;
	gr = getgrnam(group);
	if (gr == NULL)
		return errno == 0 ?
		    err_set(err, "there is no group \"%s\" on this system",
		    group) :
		    err_set_errno(err, "cannot look up the group \"%s\"",
		    group);
	*ids_out = (struct privdrop_ids){ .superuser = true,
		.uid = pw->pw_uid, .gid = gr->gr_gid };
	return 0;
}

/* Opens an empty directory that is gone from every path: -1 if none can be. */
static int
open_empty_dir(struct err *err)
{
	static const char *const parents[] = { "/run", "/tmp", "/dev/shm",
		"/var/tmp" };
	char path[64];
	int fd;

	for (size_t i = 0; i < COUNT(parents); i++) {
		snprintf(path, sizeof(path), "%s/wssd-empty-XXXXXX",
		    parents[i]);
		if (mkdtemp(path) == NULL)
			continue;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
		    O_NOFOLLOW);
		rmdir(path);
		if (fd >= 0)
			return fd;
	}
	return err_set_errno(err, "cannot make an empty root directory in "
	    "/run, /tmp, /dev/shm or /var/tmp");
}

/*
 * The kernel lets nobody, not even root, make a file in a directory that has
 * been removed: this root stays empty.
 */
static int
enter_empty_root(struct err *err)
{
	int fd = open_empty_dir(err);

	if (fd < 0)
		return -1;
	if (fchdir(fd) != 0 || chroot(".") != 0) {
		err_set_errno(err, "cannot chroot");
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/*
 * What an exec could give back.  Without CAP_SETPCAP (a container) this is
 * refused, and no_new_privs has to do.
 */
static void
drop_bounds(void)
{
	for (unsigned long cap = 0; cap < CAPS_MAX; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
	    SECBIT_KEEP_CAPS_LOCKED, 0, 0, 0);
}

static int
become(const struct privdrop_ids *ids, struct err *err)
{
	if (setgroups(0, NULL) != 0)
		return err_set_errno(err, "cannot drop the groups");
	if (setresgid(ids->gid, ids->gid, ids->gid) != 0)
		return err_set_errno(err, "cannot become group %u",
		    (unsigned)ids->gid);
	if (setresuid(ids->uid, ids->uid, ids->uid) != 0)
		return err_set_errno(err, "cannot become user %u",
		    (unsigned)ids->uid);
	return 0;
}

static int
drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	memset(none, 0, sizeof(none));
	if (syscall(SYS_capset, &head, none) != 0)
		return err_set_errno(err, "cannot drop the capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_set_errno(err, "cannot set no_new_privs");
	return 0;
}

static int
check_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, now) != 0)
		return err_set_errno(err, "cannot read the capabilities");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (now[i].effective != 0 || now[i].permitted != 0 ||
		    now[i].inheritable != 0)
			return err_set(err, "capabilities are still there");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return err_set(err, "no_new_privs is not set");
	return 0;
}

/* Asked of the kernel, not believed: is it gone, and can it come back? */
static int
check_ids(const struct privdrop_ids *ids, struct err *err)
{
	uid_t uids[3];
	gid_t gids[3];

	if (getresuid(&uids[0], &uids[1], &uids[2]) != 0 ||
	    getresgid(&gids[0], &gids[1], &gids[2]) != 0)
		return err_set_errno(err, "cannot read the user");
	for (size_t i = 0; i < 3; i++)
		if (uids[i] != ids->uid || gids[i] != ids->gid)
			return err_set(err, "the user is not what was set");
	if (getgroups(0, NULL) != 0)
		return err_set(err, "groups are still there");
	if (ids->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return err_set(err, "root can be had back");
	if (ids->gid != 0 && (setgid(0) == 0 || setegid(0) == 0))
		return err_set(err, "group root can be had back");
	if (chroot(".") == 0)
		return err_set(err, "chroot is still allowed");
	return 0;
}

int
privdrop(const struct privdrop_ids *ids, struct err *err)
{
	if (ids->superuser) {
		if (enter_empty_root(err) != 0)
			return -1;
		drop_bounds();
		if (become(ids, err) != 0)
			return -1;
	}
	if (drop_capabilities(err) != 0 || check_capabilities(err) != 0)
		return -1;
	return ids->superuser ? check_ids(ids, err) : 0;
}
