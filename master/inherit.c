/* SPDX-License-Identifier: MIT */
/* Owns the inherited sockets until they are a listen_set.  Run by the master. */
#include "master/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/log.h"
#include "common/sock.h"
#include "common/str.h"
#include "master/fdstore.h"
#include "master/listen.h"

#define LISTEN_FDS_START 3	/* sd_listen_fds(3) */

/* How many were passed to this process; anything odd is none. */
static size_t
passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	uint64_t who, n;

	/* Another process's, which forgot to unset them. */
	if (pid == NULL || fds == NULL ||
	    str_parse_uint(pid, &who, NULL) != 0 || who != (uint64_t)getpid())
		return 0;
	if (str_parse_uint(fds, &n, NULL) != 0 || n > INHERIT_MAX) {
		log_warn("$LISTEN_FDS is no number from 0 to %d: ignored",
		    INHERIT_MAX);
		return 0;
	}
	return n;
}

static int
option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value :
	    -1;
}

/* TCP, or a unix socket with a path. */
static bool
is_usable(int fd, struct addr *addr_out)
{
	int domain = option(fd, SO_DOMAIN);
	const char *path = addr_out->un.sun_path;

	if ((domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX) ||
	    option(fd, SO_TYPE) != SOCK_STREAM ||
	    option(fd, SO_ACCEPTCONN) != 1 ||
	    sock_address(fd, addr_out, NULL) != 0)
		return false;
	return domain != AF_UNIX || (path[0] == '/' &&
	    memchr(path, '\0', sizeof(addr_out->un.sun_path)) != NULL);
}

static void
take(struct inherit *in, int fd, const char *name)
{
	struct inherited_socket s = { .fd = fd,
		.stored = fdstore_is_ours(name) };
	char shown[128];

	if (fcntl(fd, F_GETFD) < 0)
		return;		/* there is none of that number */
	if (!is_usable(fd, &s.addr)) {
		log_warn("the inherited descriptor %d (%s) is no listening "
		    "TCP or unix socket: closed", fd, str_escape(name,
		    strlen(name), shown, sizeof(shown)));
		close(fd);
		return;
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	in->items = xreallocarray(in->items, in->n + 1, sizeof(*in->items));
	in->items[in->n++] = s;
}

void
inherit_take(struct inherit *in)
{
	const char *names = getenv("LISTEN_FDNAMES");
	char *copy = xstrdup(names == NULL ? "" : names), *rest = copy;
	size_t n = passed();

	for (size_t i = 0; i < n; i++) {
		const char *name = strsep(&rest, ":");

		take(in, LISTEN_FDS_START + (int)i, name == NULL ? "" : name);
	}
	free(copy);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

void
inherit_done(struct inherit *in)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->items[i].fd >= 0)
			close(in->items[i].fd);
	free(in->items);
	*in = (struct inherit)INHERIT_INIT;
}

/* --- to the slots ------------------------------------------------------------- */

/* A unix socket is one for all slots. */
static size_t
room(const struct listener *l)
{
	return listener_is_shared(l) ? 1 : l->n_slots;
}

/* Those of the same address as `first', which is one of them. */
static size_t
deal(struct inherit *in, size_t first, struct listener *l)
{
	size_t n = 0;

	for (size_t i = first; i < in->n; i++) {
		struct inherited_socket *s = &in->items[i];

		if (s->fd < 0 || !addr_equal(&s->addr, &l->wanted))
			continue;
		l->activated |= !s->stored;
		if (n < room(l))
			l->fds[n] = s->fd;
		else
			close(s->fd);
		s->fd = -1;
		n++;
	}
	return n;
}

static void
fill_up(struct listener *l, size_t n)
{
	for (size_t i = n; listener_is_shared(l) && i < l->n_slots; i++)
		l->fds[i] = l->fds[0];
	for (size_t i = n; i < room(l); i++) {
		if (!l->activated)
			l->fds[i] = sock_listen(&l->wanted, SOMAXCONN, NULL);
		if (l->fds[i] < 0)
			l->fds[i] = fcntl(l->fds[i % n], F_DUPFD_CLOEXEC, 0);
	}
	l->restore = n != room(l) && !l->activated;
	if (l->restore)
		log_info("%s: there were %zu sockets, now there are %zu",
		    l->text, n, room(l));
}

/*
 * Where its file is no more, nobody can come to it: then it is no [listen]'s,
 * and is taken out of the store as such.
 */
static void
note_file(struct listener *l)
{
	struct stat st;

	if (lstat(l->wanted.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		l->file = (struct sock_file){ st.st_dev, st.st_ino };
	else
		l->wanted.un.sun_path[0] = '\0';
}

static int
add(struct listen_set *set, struct inherit *in, size_t first, size_t n_slots,
    struct err *err)
{
	struct listener *l = listener_new(&in->items[first].addr, n_slots);
	size_t n;

	addr_format(&l->wanted, l->text);
	listen_set_add(set, l, "");
	n = deal(in, first, l);
	if (n > room(l) && l->activated)
		return err_set(err, "the socket unit has %zu sockets for %s, "
		    "and %zu can be used, one a worker", n, l->text,
		    room(l));
	fill_up(l, n);
	l->stored = !l->activated;
	if (listener_is_shared(l))
		note_file(l);
	log_info("%s: taken over from %s", l->text, l->activated ?
	    "the socket unit" : "the process before this one");
	return 0;
}

int
inherit_listen_set(struct inherit *in, size_t n_slots,
    struct listen_set **set_out, struct err *err)
{
	struct listen_set *set = in->n == 0 ? NULL : listen_set_new();

	for (size_t i = 0; i < in->n; i++) {
		if (in->items[i].fd < 0)
			continue;
		if (add(set, in, i, n_slots, err) != 0) {
			listen_set_unref(set);
			return -1;
		}
	}
	inherit_done(in);
	*set_out = set;
	return 0;
}
