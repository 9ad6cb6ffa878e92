/* SPDX-License-Identifier: MIT */
/*
 * Owns nothing.  The system calls and their structs stand here as
 * landlock(7) has them: the C library has no functions for them, and the
 * headers of an older kernel do not know what a newer one can do.
 */
#include "common/landlock.h"

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/count.h"

/* asm-generic/unistd.h: the same numbers everywhere. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)

#define NET_BIND_TCP (1ull << 0)	/* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX (1ull << 0)	/* ABI 6 */
#define SCOPE_SIGNAL (1ull << 1)

struct ruleset {
	uint64_t handled_fs;
	uint64_t handled_net;
	uint64_t scoped;
};

struct path_beneath {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* All accesses to files that an ABI knows. */
static uint64_t
all_of_fs(long abi)
{
	static const unsigned bits[] = {
		13,		/* execute, write, read, list, remove, make */
		14,		/* + link and rename between folders */
		15,		/* + truncate */
		15,
		16,		/* + ioctl of devices */
	};
	size_t i = (size_t)abi - 1;

	if (i >= COUNT(bits))
		i = COUNT(bits) - 1;
	return (1ull << bits[i]) - 1;
}

static long
create(struct err *err)
{
	struct ruleset rules = { 0 };
	long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
	size_t size = sizeof(rules.handled_fs);
	long fd;

	if (abi < 1)
		return err_set_errno(err, "the kernel has no Landlock");
	rules.handled_fs = all_of_fs(abi);
	if (abi >= 4) {
		rules.handled_net = NET_BIND_TCP | NET_CONNECT_TCP;
		size += sizeof(rules.handled_net);
	}
	if (abi >= 6) {
		rules.scoped = SCOPE_SIGNAL | SCOPE_ABSTRACT_UNIX;
		size += sizeof(rules.scoped);
	}
	fd = syscall(CREATE_RULESET, &rules, size, 0);
	if (fd < 0)
		return err_set_errno(err, "Landlock refuses its rules");
	return fd;
}

int
landlock_enter(const struct landlock *l, struct err *err)
{
	int fd = (int)create(err);
	int rc = 0;

	if (fd < 0)
		return -1;
	for (size_t i = 0; i < l->n_folders && rc == 0; i++) {
		struct path_beneath folder = {
			.allowed = FS_READ_FILE | FS_READ_DIR,
			.parent_fd = l->folders[i],
		};

		if (syscall(ADD_RULE, fd, RULE_PATH_BENEATH, &folder, 0) != 0)
			rc = err_set_errno(err, "Landlock refuses a folder");
	}
	if (rc == 0 && syscall(RESTRICT_SELF, fd, 0) != 0)
		rc = err_set_errno(err, "Landlock cannot be used");
	close(fd);
	return rc;
}
