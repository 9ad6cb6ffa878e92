/* SPDX-License-Identifier: MIT */
/* Owns the ring of keys, and wipes each of them when it is no longer needed. */
#include "master/tickets.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/edition.h"

#define IN_USE 0
#define NEXT 1
#define OLD 2

static int
make_key(struct proto_ticket_key *out, struct err *err)
{
	if (getrandom(out, sizeof(*out), 0) == sizeof(*out))
		return 0;
	return err_set_errno(err, "no random numbers for a ticket key");
}

static int
make_ring(struct tickets *t, uint64_t now_ms, struct err *err)
{
	struct proto_ticket_key keys[2];

	if (make_key(&keys[0], err) != 0 || make_key(&keys[1], err) != 0)
		return -1;
	explicit_bzero(t->ring.keys, sizeof(t->ring.keys));
	memcpy(t->ring.keys, keys, sizeof(keys));
	t->ring.n = 2;
	explicit_bzero(keys, sizeof(keys));
	t->next_ms = now_ms + t->rotate_ms;
	t->from_file = false;
	return 0;
}

int
tickets_use(struct tickets *t, const struct edition *edition,
    uint64_t now_ms, struct err *err)
{
	const struct config_daemon *d = &edition->config->daemon;
	uint64_t before = t->rotate_ms;

	t->rotate_ms = d->ticket_rotate_ms;
	t->overlap_ms = d->ticket_overlap_ms;
	if (edition->ticket_keys.n > 0) {
		t->ring = edition->ticket_keys;
		t->from_file = true;
		return 0;
	}
	if (t->ring.n == 0 || t->from_file)
		return make_ring(t, now_ms, err);
	if (t->rotate_ms != before)
		t->next_ms = now_ms + t->rotate_ms;
	return 0;
}

/* The last one is gone. */
static void
drop_oldest(struct tickets *t)
{
	t->ring.n--;
	explicit_bzero(&t->ring.keys[t->ring.n], sizeof(t->ring.keys[0]));
}

static int
rotate(struct tickets *t, uint64_t now_ms, struct err *err)
{
	struct proto_ticket_key fresh, *keys = t->ring.keys;

	if (make_key(&fresh, err) != 0)
		return -1;
	if (t->ring.n == PROTO_TICKET_KEYS_MAX)
		drop_oldest(t);
	memmove(&keys[OLD + 1], &keys[OLD], (t->ring.n - OLD) *
	    sizeof(keys[0]));
	memmove(&t->until_ms[OLD + 1], &t->until_ms[OLD], (t->ring.n - OLD) *
	    sizeof(t->until_ms[0]));
	t->ring.n++;
	keys[OLD] = keys[IN_USE];
	t->until_ms[OLD] = now_ms + t->overlap_ms;
	keys[IN_USE] = keys[NEXT];
	keys[NEXT] = fresh;
	explicit_bzero(&fresh, sizeof(fresh));
	t->next_ms = now_ms + t->rotate_ms;
	return 0;
}

int
tickets_tick(struct tickets *t, uint64_t now_ms, struct err *err)
{
	int changed = 0;

	if (t->from_file || t->ring.n == 0)
		return 0;
	while (t->ring.n > OLD && now_ms >= t->until_ms[t->ring.n - 1]) {
		drop_oldest(t);
		changed = 1;
	}
	if (now_ms < t->next_ms)
		return changed;
	/* Not every second, if there are none. */
	t->next_ms = now_ms + t->rotate_ms;
	return rotate(t, now_ms, err) == 0 ? 1 : -1;
}

void
tickets_done(struct tickets *t)
{
	explicit_bzero(t, sizeof(*t));
}

/* ---- from a file ------------------------------------------------------------ */

int
tickets_read_file(int fd, const char *path, struct proto_tickets *out,
    struct err *err)
{
	uint8_t bytes[PROTO_TICKET_KEYS_MAX * PROTO_TICKET_KEY_BYTES + 1];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	struct stat st;

	if (n < 0 || fstat(fd, &st) != 0)
		return err_set_errno(err, "cannot read ticket_key_file %s",
		    path);
	if ((st.st_mode & S_IROTH) != 0)
		return err_set(err, "ticket_key_file %s can be read by "
		    "everybody, who can then read what was sent: chmod 0600",
		    path);
	if (n == 0 || n % PROTO_TICKET_KEY_BYTES != 0 || n == sizeof(bytes)) {
		explicit_bzero(bytes, sizeof(bytes));
		return err_set(err, "ticket_key_file %s must have %d bytes "
		    "for each of 1 to %d keys: openssl rand %d > FILE", path,
		    PROTO_TICKET_KEY_BYTES, PROTO_TICKET_KEYS_MAX,
		    PROTO_TICKET_KEY_BYTES);
	}
	out->n = 0;
	for (ssize_t at = 0; at < n; at += PROTO_TICKET_KEY_BYTES)
		memcpy(&out->keys[out->n++], bytes + at,
		    PROTO_TICKET_KEY_BYTES);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}
