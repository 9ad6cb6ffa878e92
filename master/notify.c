/* SPDX-License-Identifier: MIT */
/* Owns the socket to the service manager.  Never blocks, never fails loudly. */
#include "master/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/str.h"

/* "/path" or "@abstract" (a NUL in front of the name); see unix(7). */
static int
connect_to(const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd;

	if ((name[0] != '/' && name[0] != '@') || len < 2 ||
	    len >= sizeof(sun.sun_path))
		return -1;
	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static uint64_t
watchdog_interval(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t value, who;

	if (usec == NULL || str_parse_uint(usec, &value, NULL) != 0)
		return 0;
	if (pid != NULL && (str_parse_uint(pid, &who, NULL) != 0 ||
	    who != (uint64_t)getpid()))
		return 0;
	return value;
}

void
notify_init(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	n->fd = name == NULL ? -1 : connect_to(name);
	n->watchdog_us = n->fd < 0 ? 0 : watchdog_interval();
	if (name != NULL && n->fd < 0)
		log_warn("cannot reach the service manager at "
		    "$NOTIFY_SOCKET");
	/* Not for the workers. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_done(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static void
tell(const struct notify *n, const char *text)
{
	if (n->fd >= 0)
		(void)!send(n->fd, text, strlen(text), MSG_NOSIGNAL);
}

void
notify_ready(const struct notify *n, const char *status)
{
	char text[512];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s\n", status);
	tell(n, text);
}

/* Type=notify-reload (systemd 253) waits for READY=1 after this moment. */
void
notify_reloading(const struct notify *n)
{
	struct timespec now;
	char text[128];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text),
	    "RELOADING=1\nSTATUS=reloading\nMONOTONIC_USEC=%llu\n",
	    (unsigned long long)now.tv_sec * 1000000 +
	    (unsigned long long)now.tv_nsec / 1000);
	tell(n, text);
}

void
notify_status(const struct notify *n, const char *status)
{
	char text[512];

	snprintf(text, sizeof(text), "STATUS=%s\n", status);
	tell(n, text);
}

void
notify_stopping(const struct notify *n)
{
	tell(n, "STOPPING=1\nSTATUS=stopping\n");
}

void
notify_watchdog(const struct notify *n)
{
	tell(n, "WATCHDOG=1\n");
}

/* SCM_RIGHTS takes at most 253 (unix(7)). */
#define FDS_A_MESSAGE 253

static int
store_some(const struct notify *n, const char *name, const int *fds,
    size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_A_MESSAGE * sizeof(int))];
	} control;
	char text[512];
	struct iovec iov = { text, (size_t)snprintf(text, sizeof(text),
		"FDSTORE=1\nFDNAME=%s\n", name) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof(int)) };
	struct cmsghdr *cmsg;

	memset(&control, 0, sizeof(control));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	if (sendmsg(n->fd, &msg, MSG_NOSIGNAL) >= 0)
		return 0;
	log_warn("the service manager does not keep %s", name);
	return -1;
}

bool
notify_store(const struct notify *n, const char *name, const int *fds,
    size_t n_fds)
{
	size_t piece;

	if (n->fd < 0)
		return false;
	for (size_t done = 0; done < n_fds; done += piece) {
		piece = n_fds - done < FDS_A_MESSAGE ? n_fds - done :
		    FDS_A_MESSAGE;
		if (store_some(n, name, fds + done, piece) != 0)
			return false;
	}
	return true;
}

void
notify_forget(const struct notify *n, const char *name)
{
	char text[512];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s\n", name);
	tell(n, text);
}
