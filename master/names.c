/* SPDX-License-Identifier: MIT */
/*
 * Owns the looking up of names, and the child that does it.  The master
 * itself must never take an answer of a name server apart.
 */
#include "master/names.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/privdrop.h"
#include "common/str.h"
#include "master/proc.h"

#define WITHIN_MS 5000		/* for all names together */
#define ANSWER_MAX (1u << 20)	/* bytes the child may write */
#define REASON_MAX 128

/* ---- the child --------------------------------------------------------- */

static void
put_answer(struct buf *b, const struct addrinfo *list)
{
	struct buf addrs = BUF_INIT;
	char text[ADDR_TEXT_MAX];
	uint8_t n = 0;

	for (; list != NULL && n < NAMES_ADDRESSES_MAX; list = list->ai_next) {
		struct addr addr = { .len = list->ai_addrlen };

		if (list->ai_addrlen > ADDR_ROOM)
			continue;
		memcpy(&addr.sa, list->ai_addr, list->ai_addrlen);
		addr_format(&addr, text);
		buf_put_str(&addrs, text);
		n++;
	}
	buf_put_u8(b, n);
	buf_put(b, addrs.data, addrs.len);
	buf_done(&addrs);
}

/* Either addresses, or none and why. */
static void
look_up(const struct upstream *u, int out)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	struct buf b = BUF_INIT;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", u->port);
	rc = getaddrinfo(u->host, port, &hints, &list);
	put_answer(&b, rc == 0 ? list : NULL);
	if (b.data[0] == 0)
		buf_put_str(&b, rc == 0 ? "it has no address" :
		    gai_strerror(rc));
	if (write(out, b.data, b.len) != (ssize_t)b.len)
		_exit(1);
	buf_done(&b);
	if (list != NULL)
		freeaddrinfo(list);
}

static void
child(const struct names *names, const struct privdrop_ids *ids, int out)
{
	sigset_t all;

	/* The handlers it has inherited would talk to the master's loop. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (ids->superuser && (setgroups(0, NULL) != 0 ||
	    setresgid(ids->gid, ids->gid, ids->gid) != 0 ||
	    setresuid(ids->uid, ids->uid, ids->uid) != 0))
		_exit(1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < names->n; i++)
		look_up(names->items[i].upstream, out);
	_exit(0);
}

/* ---- what it says ------------------------------------------------------ */

/* Until it has said all, or for as long as it may. */
static void
hear(int in, struct buf *answer)
{
	uint64_t end = proc_now_ms() + WITHIN_MS, now;
	struct pollfd p = { .fd = in, .events = POLLIN };
	ssize_t n;

	while ((now = proc_now_ms()) < end && answer->len < ANSWER_MAX) {
		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
			return;
		buf_reserve(answer, 4096);
		n = read(in, answer->data + answer->len, 4096);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
		if (n > 0)
			answer->len += (size_t)n;
	}
}

/* One name's part of the answer; NULL, or why it has no address. */
static const char *
take(struct reader *r, struct name *name, char reason[REASON_MAX])
{
	char text[ADDR_TEXT_MAX];
	uint8_t n = reader_u8(r);

	if (r->bad)
		return "no answer within 5 seconds";
	if (n == 0) {
		reader_str(r, text, sizeof(text));
		return r->bad ? "malformed answer" :
		    str_escape(text, strlen(text), reason, REASON_MAX);
	}
	for (; n > 0 && !r->bad && name->n < NAMES_ADDRESSES_MAX; n--) {
		reader_str(r, text, sizeof(text));
		/* Whatever the child has become: a name is no file. */
		if (!r->bad && addr_parse(text, &name->addrs[name->n],
		    NULL) == 0 && !addr_is_unix(&name->addrs[name->n]))
			name->n++;
	}
	return r->bad || name->n == 0 ? "malformed answer" : NULL;
}

static int
ask_child(struct names *names, const struct privdrop_ids *ids,
    struct buf *answer, struct err *err)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_set_errno(err, "cannot make a pipe");
	pid = fork();
	if (pid == 0)
		child(names, ids, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return err_set_errno(err, "cannot start a process");
	}
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	hear(fds[0], answer);
	close(fds[0]);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* ---- all of a config --------------------------------------------------- */

static void
add(struct names *names, const struct upstream *u)
{
	if (!u->is_name || names_find(names, u->endpoint) != NULL)
		return;
	names->items = xreallocarray(names->items, names->n + 1,
	    sizeof(*names->items));
	names->items[names->n++] = (struct name){ .upstream = u };
}

/* The first route that has the upstream, for the sentence. */
static struct config_place
place_of(const struct config *c, const struct upstream *u)
{
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct config_route *r = &c->routes[i];

		if (r->upstream.n > 0 && u >= r->upstreams &&
		    u < r->upstreams + r->upstream.n)
			return config_place_of(c, r, "upstream");
	}
	return c->daemon_place;
}

int
names_look_up(struct names *names, const struct config *c,
    struct config_errors *errors)
{
	size_t before = errors->n + errors->dropped;
	struct config_place whole = { c->bundle->files[0].path, 0 };
	struct buf answer = BUF_INIT;
	struct privdrop_ids ids;
	struct reader r;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < c->n_routes; i++)
		for (size_t j = 0; j < c->routes[i].upstream.n; j++)
			add(names, &c->routes[i].upstreams[j]);
	if (names->n == 0)
		return 0;
	if (privdrop_lookup(c->daemon.user, c->daemon.group, &ids,
	    &err) == -1 || ask_child(names, &ids, &answer, &err) == -1) {
		config_error(errors, whole, "cannot look up the names of "
		    "upstreams: %s", err.text);
		return -1;
	}
	r = (struct reader){ answer.data, answer.len, false };
	for (size_t i = 0; i < names->n; i++) {
		struct name *name = &names->items[i];
		char room[REASON_MAX];
		const char *reason = take(&r, name, room);

		if (reason != NULL)
			config_error(errors, place_of(c, name->upstream),
			    "upstream: cannot look up `%s': %s",
			    name->upstream->host, reason);
	}
	buf_done(&answer);
	return errors->n + errors->dropped == before ? 0 : -1;
}

const struct name *
names_find(const struct names *names, const char *endpoint)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->items[i].upstream->endpoint, endpoint) == 0)
			return &names->items[i];
	}
	return NULL;
}

void
names_copy(struct names *names, const struct names *of)
{
	names->n = of->n;
	names->items = xreallocarray(NULL, of->n, sizeof(names->items[0]));
	if (of->n > 0)
		memcpy(names->items, of->items,
		    of->n * sizeof(names->items[0]));
}

void
names_done(struct names *names)
{
	free(names->items);
	*names = (struct names){ NULL, 0 };
}
