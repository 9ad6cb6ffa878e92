/* SPDX-License-Identifier: MIT */
/* Owns nothing: a socket for whoever asked.  Must never wait. */
#include "master/connect.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static const struct upstream *
find(const struct edition *edition, const char *endpoint)
{
	const struct config *c = edition == NULL ? NULL : edition->config;

	for (size_t i = 0; c != NULL && i < c->n_routes; i++) {
		for (size_t j = 0; j < c->routes[i].upstream.n; j++) {
			const struct upstream *u = &c->routes[i].upstreams[j];

			if (strcmp(u->endpoint, endpoint) == 0)
				return u;
		}
	}
	return NULL;
}

static int
start(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	int on = 1, error;

	if (fd < 0)
		return -1;
	if (sa->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
		    sizeof(on));
	if (connect(fd, sa, len) == 0 || errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
start_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	return start((const struct sockaddr *)&un, sizeof(un));
}

static int
start_name(const struct edition *edition, const struct proto_connect *m,
    struct proto_connected *connected_out)
{
	const struct name *name = names_find(&edition->names, m->endpoint);
	const struct addr *addr;

	if (name == NULL || name->n == 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	addr = &name->addrs[m->attempt % name->n];
	connected_out->addresses = (uint32_t)name->n;
	return start(&addr->sa, addr->len);
}

int
connect_upstream(const struct edition *a, const struct edition *b,
    const struct proto_connect *m, struct proto_connected *connected_out)
{
	const struct upstream *u = find(a, m->endpoint);
	int fd;

	*connected_out = (struct proto_connected){ m->id, 0, 1 };
	if (u == NULL) {
		a = b;
		u = find(b, m->endpoint);
	}
	if (u == NULL) {
		connected_out->error = EPERM;
		return -1;
	}
	if (u->is_unix)
		fd = start_unix(u->endpoint);
	else if (u->is_name)
		fd = start_name(a, m, connected_out);
	else
		fd = start(&u->addr.sa, u->addr.len);
	if (fd < 0)
		connected_out->error = (uint32_t)errno;
	return fd;
}
