/* SPDX-License-Identifier: MIT */
/*
 * Owns the loop of the signer: the master first, then one request of each
 * worker in turn, so that a busy worker does not keep the others waiting.  A
 * worker that does not take its answers is not asked for more.
 */
#include "worker/signer/signer.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/chan.h"
#include "common/config_receive.h"
#include "common/log.h"
#include "common/privdrop.h"
#include "common/proto_sign.h"
#include "common/receive.h"
#include "common/sandbox.h"
#include "worker/signer/keys.h"

struct client {
	int fd;
	bool owed;			/* an answer that the channel did not
					   take yet */
	struct proto_signed answer;
};

struct signer {
	int chan;
	int log_fd;
	uint8_t *room;
	struct files files;		/* until the keys are loaded */
	struct keys *keys;
	struct client *clients;
	struct pollfd *polled;		/* [0] is the master */
	size_t n;
	bool ended;
};

/* ---- the workers -------------------------------------------------------- */

static void
add_client(struct signer *s, int fd)
{
	s->clients = xreallocarray(s->clients, s->n + 1,
	    sizeof(*s->clients));
	s->polled = xreallocarray(s->polled, s->n + 2, sizeof(*s->polled));
	s->clients[s->n++] = (struct client){ .fd = fd };
}

static void
drop_client(struct signer *s, size_t i)
{
	close(s->clients[i].fd);
	s->clients[i] = s->clients[--s->n];
}

/* False: the worker is gone. */
static bool
send_answer(struct client *c)
{
	struct buf payload = BUF_INIT;
	struct err err;
	int rc, error;

	proto_signed_put(&payload, &c->answer);
	rc = chan_send(c->fd, PROTO_SIGNED, 0, &payload, -1, &err);
	error = errno;
	buf_done(&payload);
	c->owed = rc != 0;
	return rc == 0 || error == EAGAIN || error == ETOOMANYREFS;
}

/* One request.  False: the worker is gone, or sends what none may send. */
static bool
serve(struct signer *s, struct client *c)
{
	struct chan_message m;
	struct proto_sign question;
	struct err err;
	int rc = chan_recv(c->fd, s->room, &m, &err);

	if (rc != 1)
		return rc == 0;
	if (m.fd != -1)
		close(m.fd);
	if (m.fd != -1 || m.type != PROTO_SIGN ||
	    !proto_sign_get(&m.payload, &question))
		return false;
	keys_sign(s->keys, &question, &c->answer);
	return send_answer(c);
}

static void
serve_clients(struct signer *s)
{
	/* From behind: a dropped one is replaced by the last. */
	for (size_t i = s->n; i-- > 0;) {
		struct client *c = &s->clients[i];
		short what = s->polled[i + 1].revents;
		bool ok = true;

		if (what == 0)
			continue;
		if (c->owed)
			ok = send_answer(c);
		else
			ok = serve(s, c);
		if (!ok)
			drop_client(s, i);
	}
}

/* ---- the master --------------------------------------------------------- */

static void
say(struct signer *s, uint16_t type, unsigned generation, struct buf *payload)
{
	struct err err;

	if (chan_send(s->chan, type, generation, payload, -1, &err) == -1)
		fatal("master: %s", err.text);
	buf_done(payload);
}

static void
on_missing(const char *sentence)
{
	log_warn("confined less than it should be: %s", sentence);
}

static void
confine(const struct config_daemon *d)
{
	struct sandbox sandbox = { .features = SANDBOX_SIGNER };
	struct privdrop_ids ids;
	struct err err = ERR_INIT;

	tzset();
	OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
	if (privdrop_lookup(d->user, d->group, &ids, &err) == -1 ||
	    privdrop(&ids, &err) == -1)
		fatal("cannot give up privileges: %s", err.text);
	/* The kernel forgot it with the change of user. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (d->sandbox)
		(void)sandbox_enter(&sandbox, on_missing);
}

static bool
on_log(struct signer *s, struct chan_message *m)
{
	return receive_log(m, &s->log_fd);
}

static bool
on_file(struct signer *s, struct chan_message *m)
{
	return receive_file(m, &s->files);
}

static bool
on_prepare(struct signer *s, struct chan_message *m)
{
	struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;
	struct config *config;

	if (m->fd == -1 || s->keys != NULL)
		return false;
	config = config_receive(m->fd, &err);
	if (config != NULL) {
		keys_prepare_memory(config);
		confine(&config->daemon);
		s->keys = keys_load(config, &s->files, &err);
		config_unref(config);
	}
	files_done(&s->files);
	proto_failed_put(&payload, err.text);
	say(s, s->keys != NULL ? PROTO_READY : PROTO_FAILED, m->generation,
	    &payload);
	return true;
}

static bool
on_signer(struct signer *s, struct chan_message *m)
{
	if (m->fd == -1 || s->keys == NULL || !reader_end(&m->payload))
		return false;
	add_client(s, m->fd);
	m->fd = -1;
	return true;
}

static bool (*const messages[PROTO_TYPES])(struct signer *,
    struct chan_message *) = {
	[PROTO_LOG] = on_log,
	[PROTO_FILE] = on_file,
	[PROTO_PREPARE] = on_prepare,
	[PROTO_SIGNER] = on_signer,
};

static void
hear_master(struct signer *s)
{
	struct chan_message m;
	struct err err;
	bool ok = false;
	int rc = chan_recv(s->chan, s->room, &m, &err);

	s->ended = rc < 0;
	if (rc != 1)
		return;
	if (m.type < PROTO_TYPES && messages[m.type] != NULL)
		ok = messages[m.type](s, &m);
	if (m.fd != -1)
		close(m.fd);
	if (!ok)
		fatal("the master sent %s where it may not, or broken",
		    proto_name(m.type));
}

/* ---- the loop ----------------------------------------------------------- */

static void
wait_for_work(struct signer *s)
{
	s->polled[0] = (struct pollfd){ .fd = s->chan, .events = POLLIN };
	for (size_t i = 0; i < s->n; i++)
		s->polled[i + 1] = (struct pollfd){
			.fd = s->clients[i].fd,
			.events = s->clients[i].owed ? POLLOUT : POLLIN,
		};
	while (poll(s->polled, s->n + 1, -1) == -1)
		if (errno != EINTR)
			fatal("poll: %s", strerror(errno));
}

static void
greet(struct signer *s)
{
	struct proto_hello hello = { "", "" };
	struct buf payload = BUF_INIT;

	snprintf(hello.version, sizeof(hello.version), "%s", WSSD_VERSION);
	snprintf(hello.libraries, sizeof(hello.libraries), "%s",
	    OpenSSL_version(OPENSSL_VERSION_STRING));
	proto_hello_put(&payload, &hello);
	say(s, PROTO_HELLO, 0, &payload);
}

int
signer_run(int chan)
{
	struct signer s = { .chan = chan, .log_fd = -1 };

	s.room = xmalloc(CHAN_PAYLOAD_MAX);
	s.polled = xcalloc(1, sizeof(*s.polled));
	greet(&s);
	while (!s.ended) {
		wait_for_work(&s);
		serve_clients(&s);
		if (s.polled[0].revents != 0)
			hear_master(&s);
	}
	while (s.n > 0)
		drop_client(&s, 0);
	keys_free(s.keys);
	files_done(&s.files);
	free(s.clients);
	free(s.polled);
	free(s.room);
	return 0;
}
