/* SPDX-License-Identifier: MIT */
/* Owns nothing: the caller closes what it gets. */
#include "common/sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static int
enable(int fd, int level, int option)
{
	int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

static int
open_bound(const struct addr *addr, int reuse_port, struct err *err)
{
	char text[ADDR_TEXT_MAX];
	int fd;

	addr_format(addr, text);
	fd = socket(addr->sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(err, "cannot make a socket for %s", text);
	if (enable(fd, SOL_SOCKET, SO_REUSEADDR) != 0 ||
	    (reuse_port && enable(fd, SOL_SOCKET, SO_REUSEPORT) != 0) ||
	    (addr->sa.sa_family == AF_INET6 &&
	    enable(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0)) {
		err_set_errno(err, "cannot set up a socket for %s", text);
		goto fail;
	}
	if (bind(fd, &addr->sa, addr->len) != 0) {
		err_set_errno(err, "cannot listen on %s", text);
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}

int
sock_probe(const struct addr *addr, struct err *err)
{
	int fd = open_bound(addr, 0, err);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

int
sock_listen(const struct addr *addr, int backlog, struct err *err)
{
	char text[ADDR_TEXT_MAX];
	int fd = open_bound(addr, 1, err);

	if (fd < 0)
		return -1;
	if (listen(fd, backlog) != 0) {
		addr_format(addr, text);
		err_set_errno(err, "cannot listen on %s", text);
		close(fd);
		return -1;
	}
	return fd;
}

int
sock_address(int fd, struct addr *addr_out, struct err *err)
{
	struct addr addr = { .len = ADDR_ROOM };

	if (getsockname(fd, &addr.sa, &addr.len) != 0)
		return err_set_errno(err, "cannot read a socket's address");
	*addr_out = addr;
	return 0;
}
