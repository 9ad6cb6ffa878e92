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

static void
listener_unref(struct listener *l)
{
	if (l == NULL || --l->refs > 0)
		return;
	for (size_t i = 0; i < l->n_slots; i++)
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

/* With port 0 the first slot's socket finds a port for all of them. */
static int
listener_bind(struct listener *l, int backlog, struct err *err)
{
	struct addr addr = l->wanted;

	for (size_t i = 0; i < l->n_slots; i++) {
		l->fds[i] = sock_listen(&addr, backlog, err);
		if (l->fds[i] < 0)
			return -1;
		if (i == 0 && sock_address(l->fds[0], &addr, err) != 0)
			return -1;
	}
	addr_format(&addr, l->text);
	return 0;
}

static struct listener *
find(const struct listen_set *set, const struct addr *wanted)
{
	if (set == NULL)
		return NULL;
	for (size_t i = 0; i < set->n; i++)
		if (addr_equal(&set->rows[i].listener->wanted, wanted))
			return set->rows[i].listener;
	return NULL;
}

/*
 * 0.0.0.0:443 becoming 192.0.2.1:443 would find the port busy with our own
 * old socket, and then there is nothing to ask.
 */
static bool
port_is_ours(const struct listen_set *old, const struct addr *addr)
{
	for (size_t i = 0; old != NULL && i < old->n; i++) {
		const struct addr *have = &old->rows[i].listener->wanted;

		if (have->sa.sa_family == addr->sa.sa_family &&
		    addr_port(have) == addr_port(addr))
			return true;
	}
	return false;
}

static int
probe_new(const struct config *config, const struct listen_set *old,
    struct err *err)
{
	for (size_t i = 0; i < config->n_listens; i++) {
		const struct config_listen *c = &config->listens[i];

		for (size_t j = 0; j < c->address.n; j++) {
			if (find(old, &c->addrs[j]) != NULL ||
			    port_is_ours(old, &c->addrs[j]))
				continue;
			if (sock_probe(&c->addrs[j], err) != 0)
				return err_prefix(err, "%s:%u", c->place.file,
				    c->place.line);
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

	if (l != NULL) {
		l->refs++;
		/* listen(2) on a listening socket only changes its backlog. */
		for (size_t i = 0; i < l->n_slots; i++)
			(void)listen(l->fds[i], (int)c->backlog);
	} else {
		l = listener_new(&c->addrs[index], n_slots);
		if (listener_bind(l, (int)c->backlog, err) != 0) {
			listener_unref(l);
			return err_prefix(err, "%s:%u", c->place.file,
			    c->place.line);
		}
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
			if (add_row(set, c, j, find(old, &c->addrs[j]),
			    n_slots, err) != 0)
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
