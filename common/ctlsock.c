/* SPDX-License-Identifier: MIT */
/* Owns nothing: the caller closes what he gets. */
#include "common/ctlsock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64u << 20)
#define CONNECT_TRIES 250		/* 5 s */

static enum ctlsock_result
explain(const char *path, struct err *err)
{
	err_set_errno(err, "cannot connect to %s", path);
	if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
		return CTLSOCK_NOT_RUNNING;
	return errno == EACCES || errno == EPERM ? CTLSOCK_DENIED :
	    CTLSOCK_FAILED;
}

/* The queue of a busy daemon is full for a moment, that of a hung one stays. */
static int
connect_patiently(int fd, const struct sockaddr_un *sun)
{
	static const struct timespec pause = { 0, 20000000 };

	for (int i = 0; i < CONNECT_TRIES; i++) {
		if (connect(fd, (const struct sockaddr *)sun,
		    sizeof(*sun)) == 0)
			return 0;
		if (errno != EAGAIN)
			return -1;
		nanosleep(&pause, NULL);
	}
	errno = ETIMEDOUT;
	return -1;
}

enum ctlsock_result
ctlsock_connect(const char *run_dir, int *fd_out, pid_t *pid_out,
    struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	enum ctlsock_result result;
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd;

	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/control.sock",
	    run_dir) >= (int)sizeof(sun.sun_path)) {
		err_set(err, "run_dir is too long for a socket: %s", run_dir);
		return CTLSOCK_FAILED;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err_set_errno(err, "cannot make a socket");
		return CTLSOCK_FAILED;
	}
	if (connect_patiently(fd, &sun) != 0) {
		result = explain(sun.sun_path, err);
		close(fd);
		return result;
	}
	if (pid_out != NULL) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred,
		    &len) != 0) {
			err_set_errno(err, "cannot ask who listens on %s",
			    sun.sun_path);
			close(fd);
			return CTLSOCK_FAILED;
		}
		*pid_out = cred.pid;
	}
	*fd_out = fd;
	return CTLSOCK_OK;
}

static int
wait_for(int fd, short events, uint64_t timeout_ms, struct err *err)
{
	struct pollfd pfd = { fd, events, 0 };
	int n;

	do
		n = poll(&pfd, 1, timeout_ms > INT_MAX ? INT_MAX :
		    (int)timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set_errno(err, "cannot wait for wssd");
	if (n == 0)
		return err_set(err, "wssd does not answer");
	return 0;
}

static int
send_all(int fd, const char *data, size_t len, uint64_t timeout_ms,
    struct err *err)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			if (wait_for(fd, POLLOUT, timeout_ms, err) != 0)
				return -1;
			continue;
		}
		/* Sent away before asking: the answer says why. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0)
			return err_set_errno(err, "cannot talk to wssd");
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int
ctlsock_ask(int fd, const char *words, uint64_t timeout_ms,
    int (*take)(void *arg, const char *data, size_t len), void *arg,
    struct err *err)
{
	char data[65536];
	ssize_t n;

	if (send_all(fd, words, strlen(words), timeout_ms, err) != 0 ||
	    send_all(fd, "\n", 1, timeout_ms, err) != 0)
		return -1;
	for (;;) {
		if (wait_for(fd, POLLIN, timeout_ms, err) != 0)
			return -1;
		n = recv(fd, data, sizeof(data), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		/* Closed with our words unread: what came before counts. */
		if (n < 0 && errno == ECONNRESET)
			return 0;
		if (n < 0)
			return err_set_errno(err, "cannot hear wssd");
		if (n == 0 || take(arg, data, (size_t)n) != 0)
			return 0;
	}
}

static int
append(void *arg, const char *data, size_t len)
{
	struct buf *b = arg;

	buf_put(b, data, len);
	return b->len > ANSWER_MAX;
}

int
ctlsock_ask_all(int fd, const char *words, uint64_t timeout_ms,
    struct buf *answer, struct err *err)
{
	if (ctlsock_ask(fd, words, timeout_ms, append, answer, err) != 0)
		return -1;
	if (answer->len == 0)
		return err_set(err, "wssd hung up");
	buf_put_u8(answer, '\0');
	answer->len--;
	return 0;
}
