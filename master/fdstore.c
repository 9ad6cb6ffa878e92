/* SPDX-License-Identifier: MIT */
/* Owns nothing: tells systemd which sockets to keep. */
#include "master/fdstore.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "master/listen.h"
#include "master/notify.h"

#define PREFIX "wssd-listen-"
#define NAME_ROOM (sizeof(PREFIX) + ADDR_TEXT_MAX)

bool
fdstore_is_ours(const char *name)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* Printable ASCII without a colon, which separates them in $LISTEN_FDNAMES. */
static void
name_of(const struct listener *l, char out[NAME_ROOM])
{
	snprintf(out, NAME_ROOM, PREFIX "%s", l->text);
	for (char *p = out; *p != '\0'; p++)
		if (*p == ':' || *p <= ' ' || *p >= 0x7f)
			*p = '_';
}

static bool
has(const struct listen_set *set, const struct listener *l)
{
	for (size_t i = 0; set != NULL && i < set->n; i++)
		if (set->rows[i].listener == l)
			return true;
	return false;
}

static void
store(const struct notify *n, struct listener *l)
{
	bool shared = listener_is_shared(l);
	char name[NAME_ROOM];

	/* A port that the kernel chose is another one next time. */
	if (l->activated || (!shared && addr_port(&l->wanted) == 0))
		return;
	name_of(l, name);
	l->stored = notify_store(n, name, l->fds, shared ? 1 : l->n_slots);
}

static void
take_out(const struct notify *n, struct listener *l)
{
	char name[NAME_ROOM];

	if (l->activated) {
		log_warn("the socket unit has %s, which no [listen] has: "
		    "nobody answers there", l->text);
		return;
	}
	name_of(l, name);
	notify_forget(n, name);
	l->stored = false;
}

void
fdstore_update(const struct notify *n, const struct listen_set *before,
    const struct listen_set *after)
{
	/* The old ones first: a name may be an old one's and a new one's. */
	for (size_t i = 0; before != NULL && i < before->n; i++)
		if (!has(after, before->rows[i].listener))
			take_out(n, before->rows[i].listener);
	for (size_t i = 0; i < after->n; i++) {
		struct listener *l = after->rows[i].listener;

		if (l->restore)
			take_out(n, l);
		if (l->restore || !has(before, l))
			store(n, l);
		l->restore = false;
	}
}
