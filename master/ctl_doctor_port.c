/* SPDX-License-Identifier: MIT */
/* Owns nothing: /proc/net/tcp to an inode, /proc/PID/fd to a process. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/str.h"
#include "master/ctl_doctor.h"

#define TCP_LISTEN_STATE 0x0a	/* include/net/tcp_states.h */
#define LINE_MAX_BYTES 512

struct listener {
	struct addr addr;
	unsigned uid;
	unsigned long inode;
};

/* ---- /proc/net/tcp ------------------------------------------------------ */

/* The words of an address are as they are in memory: proc(5). */
static bool
parse_address(const char *hex, unsigned port, struct addr *addr)
{
	size_t n = strlen(hex) / 8;
	uint32_t words[4];

	if (strlen(hex) != 8 && strlen(hex) != 32)
		return false;
	for (size_t i = 0; i < n; i++) {
		char word[9] = "";

		memcpy(word, hex + i * 8, 8);
		words[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	memset(addr, 0, sizeof(*addr));
	if (n == 1) {
		addr->sa.sa_family = AF_INET;
		addr->len = sizeof(addr->in);
		memcpy(&addr->in.sin_addr, words, 4);
	} else {
		addr->sa.sa_family = AF_INET6;
		addr->len = sizeof(addr->in6);
		memcpy(&addr->in6.sin6_addr, words, 16);
	}
	addr_set_port(addr, (uint16_t)port);
	return true;
}

static bool
parse_line(const char *line, struct listener *l)
{
	char hex[33];
	unsigned port, state;

	return sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %u "
	    "%*d %lu", hex, &port, &state, &l->uid, &l->inode) == 5 &&
	    state == TCP_LISTEN_STATE && port <= UINT16_MAX &&
	    parse_address(hex, port, &l->addr);
}

static bool
is_any(const struct addr *a)
{
	return a->sa.sa_family == AF_INET ?
	    a->in.sin_addr.s_addr == htonl(INADDR_ANY) :
	    IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
}

/* [::] may be for IPv4, too. */
static bool
is_in_the_way(const struct addr *have, const struct addr *wanted)
{
	if (addr_port(have) != addr_port(wanted))
		return false;
	if (have->sa.sa_family != wanted->sa.sa_family)
		return have->sa.sa_family == AF_INET6 && is_any(have);
	return is_any(have) || is_any(wanted) || addr_equal(have, wanted);
}

static bool
find_listener(const char *path, const struct addr *wanted,
    struct listener *l)
{
	char line[LINE_MAX_BYTES];
	FILE *file = fopen(path, "re");
	bool found = false;

	if (file == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), file) != NULL)
		found = parse_line(line, l) && is_in_the_way(&l->addr, wanted);
	fclose(file);
	return found;
}

/* ---- /proc/PID/fd ------------------------------------------------------- */

static bool
has_socket(const char *pid, unsigned long inode)
{
	char path[PATH_MAX], wanted[64], target[64];
	bool found = false;
	struct dirent *entry;
	ssize_t n;
	DIR *dir;

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		n = readlinkat(dirfd(dir), entry->d_name, target,
		    sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static void
format_process(const char *pid, char *out, size_t size)
{
	char path[PATH_MAX], name[64] = "", shown[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	file = fopen(path, "re");
	if (file != NULL) {
		(void)!fgets(name, sizeof(name), file);
		fclose(file);
	}
	name[strcspn(name, "\n")] = '\0';
	str_escape(name, strlen(name), shown, sizeof(shown));
	snprintf(out, size, "%s (pid %s)", shown, pid);
}

/* Of several the first, who is likely to be the parent. */
static bool
find_process(unsigned long inode, char *out, size_t size)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	bool found = false;

	while (proc != NULL && !found && (entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    has_socket(entry->d_name, inode)) {
			format_process(entry->d_name, out, size);
			found = true;
		}
	if (proc != NULL)
		closedir(proc);
	return found;
}

int
doctor_port_user(const struct addr *wanted, char *out, size_t size)
{
	struct listener l;

	if (!find_listener("/proc/net/tcp", wanted, &l) &&
	    !find_listener("/proc/net/tcp6", wanted, &l))
		return -1;
	if (!find_process(l.inode, out, size))
		snprintf(out, size, "a process of the user with number %u "
		    "(root would see which)", l.uid);
	return 0;
}
