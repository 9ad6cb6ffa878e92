/* SPDX-License-Identifier: MIT */
/*
 * Owns the listening sockets.  Run by the master, which never accepts from
 * them.
 */
#include "master/listen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/sock.h"

bool
listener_is_shared(const struct listener *l)
{
	return addr_is_unix(&l->wanted);
}

static void
listener_unref(struct listener *l)
{
	if (l == NULL || --l->refs > 0)
		return;
	if (listener_is_shared(l) && l->fds[0] >= 0 && !l->activated &&
	    !l->stored)
		sock_unix_remove(&l->wanted, &l->file);
	for (size_t i = 0; i < (listener_is_shared(l) ? 1 : l->n_slots); i++)
		if (l->fds[i] >= 0)
			close(l->fds[i]);
	free(l->fds);
	free(l);
}

struct listener *
listener_new(const struct addr *wanted, size_t n_slots)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->refs = 1;
	l->wanted = *wanted;
	l->fds = xcalloc(n_slots, sizeof(l->fds[0]));
	l->n_slots = n_slots;
	for (size_t i = 0; i < n_slots; i++)
		l->fds[i] = -1;
	return l;
}

static struct sock_access
access_of(const struct config_listen *c)
{
	return (struct sock_access){ (mode_t)c->socket_mode, c->socket_user,
		c->socket_group };
}

static int
bind_unix(struct listener *l, const struct config_listen *c, struct err *err)
{
	struct sock_access access = access_of(c);
	int fd = sock_unix_listen(&l->wanted, &access, l->backlog, &l->file,
	    err);

	for (size_t i = 0; i < l->n_slots; i++)
		l->fds[i] = fd;
	addr_format(&l->wanted, l->text);
	return fd < 0 ? -1 : 0;
}

/* With port 0 the first slot's socket finds a port for all of them. */
static int
bind_tcp(struct listener *l, struct err *err)
{
	struct addr addr = l->wanted;

	for (size_t i = 0; i < l->n_slots; i++) {
		l->fds[i] = sock_listen(&addr, l->backlog, err);
		if (l->fds[i] < 0)
			return -1;
		if (i == 0 && sock_address(l->fds[0], &addr, err) != 0)
			return -1;
	}
	addr_format(&addr, l->text);
	return 0;
}

int
listener_fd(const struct listener *l, unsigned slot)
{
	/* listen(2) on a listening socket only sets its backlog. */
	(void)listen(l->fds[slot], l->backlog);
	return l->fds[slot];
}

/* A socket that is there already takes what can still be changed. */
static int
update(const struct listener *l, const struct config_listen *c,
    struct err *err)
{
	struct sock_access access = access_of(c);

	for (size_t i = 0; i < l->n_slots; i++)
		(void)listener_fd(l, (unsigned)i);
	return !listener_is_shared(l) || l->activated ? 0 :
	    sock_unix_set_access(&l->wanted, &access, err);
}

/* Does the [listen] of that name want the address, too? */
static bool
is_wanted(const struct config *config, const char *name,
    const struct addr *addr)
{
	for (size_t i = 0; i < config->n_listens; i++) {
		const struct config_listen *c = &config->listens[i];

		for (size_t j = 0; j < c->address.n; j++)
			if (strcmp(c->name, name) == 0 &&
			    addr_equal(&c->addrs[j], addr))
				return true;
	}
	return false;
}

static bool
is_taken(const struct listen_set *set, const struct listener *l)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->rows[i].listener == l)
			return true;
	return false;
}

/*
 * The old socket that goes on as the wanted one.  Several may have been
 * asked for with port 0: then the one of the same name, or one whose own
 * [listen] has no use for it any more, and none twice.
 */
static struct listener *
find(const struct config *config, const struct listen_set *old,
    const struct listen_set *set, const char *name, const struct addr *wanted)
{
	struct listener *renamed = NULL;

	for (size_t i = 0; old != NULL && i < old->n; i++) {
		const struct listen_row *row = &old->rows[i];

		if (!addr_equal(&row->listener->wanted, wanted) ||
		    is_taken(set, row->listener))
			continue;
		if (strcmp(row->name, name) == 0)
			return row->listener;
		if (renamed == NULL && !is_wanted(config, row->name, wanted))
			renamed = row->listener;
	}
	return renamed;
}

/*
 * What is kept needs no asking.  And 0.0.0.0:443 becoming 192.0.2.1:443 would
 * find the port busy with our own old socket, so there is nothing to ask.
 */
static bool
is_ours(const struct listen_set *old, const struct addr *addr)
{
	for (size_t i = 0; old != NULL && i < old->n; i++) {
		const struct addr *have = &old->rows[i].listener->wanted;

		if (addr_equal(have, addr) || (!addr_is_unix(addr) &&
		    have->sa.sa_family == addr->sa.sa_family &&
		    addr_port(have) == addr_port(addr)))
			return true;
	}
	return false;
}

/* The folder of run_dir is made at the start, so it may be missing now. */
static bool
is_in_run_dir(const struct config *config, const struct addr *addr)
{
	size_t len = strlen(config->daemon.run_dir);

	return strncmp(addr->un.sun_path, config->daemon.run_dir, len) == 0 &&
	    addr->un.sun_path[len] == '/' &&
	    strchr(addr->un.sun_path + len + 1, '/') == NULL;
}

int
listen_probe(const struct config *config, const struct config_listen *c,
    size_t n, struct err *err)
{
	struct sock_access access = access_of(c);
	const struct addr *addr = &c->addrs[n];
	int rc;

	if (!addr_is_unix(addr))
		rc = sock_probe(addr, err);
	else
		rc = sock_unix_probe(addr, &access,
		    is_in_run_dir(config, addr), err);
	return rc == 0 ? 0 : err_prefix(err, "%s:%u", c->place.file,
	    c->place.line);
}

static int
probe_new(const struct config *config, const struct listen_set *old,
    struct err *err)
{
	for (size_t i = 0; i < config->n_listens; i++) {
		const struct config_listen *c = &config->listens[i];

		for (size_t j = 0; j < c->address.n; j++) {
			if (is_ours(old, &c->addrs[j]))
				continue;
			if (listen_probe(config, c, j, err) != 0)
				return -1;
		}
	}
	return 0;
}

struct listen_set *
listen_set_new(void)
{
	struct listen_set *set = xcalloc(1, sizeof(*set));

	set->refs = 1;
	return set;
}

void
listen_set_add(struct listen_set *set, struct listener *l, const char *name)
{
	set->rows = xreallocarray(set->rows, set->n + 1,
	    sizeof(set->rows[0]));
	set->rows[set->n++] = (struct listen_row){ l, xstrdup(name) };
}

static int
add_row(struct listen_set *set, const struct config_listen *c, size_t index,
    struct listener *have, size_t n_slots, struct err *err)
{
	struct listener *l = have;
	int rc;

	if (l != NULL) {
		l->refs++;
		l->backlog = (int)c->backlog;
		rc = update(l, c, err);
	} else {
		l = listener_new(&c->addrs[index], n_slots);
		l->backlog = (int)c->backlog;
		rc = listener_is_shared(l) ? bind_unix(l, c, err) :
		    bind_tcp(l, err);
	}
	if (rc != 0) {
		listener_unref(l);
		return err_prefix(err, "%s:%u", c->place.file, c->place.line);
	}
	listen_set_add(set, l, c->name);
	return 0;
}

struct listen_set *
listen_set_open(const struct config *config, struct listen_set *old,
    size_t n_slots, struct err *err)
{
	struct listen_set *set = listen_set_new();

	if (probe_new(config, old, err) != 0)
		goto fail;
	for (size_t i = 0; i < config->n_listens; i++) {
		const struct config_listen *c = &config->listens[i];

		for (size_t j = 0; j < c->address.n; j++)
			if (add_row(set, c, j, find(config, old, set, c->name,
			    &c->addrs[j]), n_slots, err) != 0)
				goto fail;
	}
	return set;
fail:
	listen_set_unref(set);
	return NULL;
}

struct listen_set *
listen_set_ref(struct listen_set *set)
{
	set->refs++;
	return set;
}

void
listen_set_unref(struct listen_set *set)
{
	if (set == NULL || --set->refs > 0)
		return;
	for (size_t i = 0; i < set->n; i++) {
		listener_unref(set->rows[i].listener);
		free(set->rows[i].name);
	}
	free(set->rows);
	free(set);
}

bool
listen_set_has(const struct listen_set *set, const struct listen_row *row)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->rows[i].listener == row->listener &&
		    strcmp(set->rows[i].name, row->name) == 0)
			return true;
	return false;
}
