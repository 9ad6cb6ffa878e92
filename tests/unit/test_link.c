/* SPDX-License-Identifier: MIT */
/*
 * worker/link, worker/signer: what the master may not say, or not now, ends
 * the process with a sentence; the end of the channel ends it in good order.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/chan.h"
#include "common/count.h"
#include "common/metrics.h"
#include "common/proto.h"
#include "worker/signer/signer.h"
#include "worker/worker.h"

#define ABORTED 99		/* instead of a core */

struct child {
	pid_t pid;
	int chan;
	int log;			/* what it says on stderr */
	int status;
	char said[4096];
};

static void
on_abort(int signal_number)
{
	(void)signal_number;
	exit(ABORTED);
}

static void
start(struct child *c, int (*run)(int chan))
{
	int ends[2], log[2];

	assert_int_equal(chan_pair(ends, NULL), 0);
	assert_int_equal(pipe(log), 0);
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0) {
		signal(SIGABRT, on_abort);
		signal(SIGPIPE, SIG_IGN);
		alarm(30);
		dup2(log[1], STDERR_FILENO);
		close(log[0]);
		close(log[1]);
		close(ends[0]);
		exit(run(ends[1]));
	}
	close(ends[1]);
	close(log[1]);
	c->chan = ends[0];
	c->log = log[0];
}

static void
say(struct child *c, uint16_t type, const void *payload, size_t len, int fd)
{
	struct buf b = BUF_INIT;

	buf_put(&b, payload, len);
	assert_int_equal(chan_send(c->chan, type, 1, &b, fd, NULL), 0);
	buf_done(&b);
}

static void
say_metrics(struct child *c)
{
	struct proto_metrics m = { 0, { 1, 2 } };
	struct buf b = BUF_INIT;
	int fd, ro_fd;

	metrics_unmap(metrics_create(&fd, &ro_fd, NULL));
	proto_metrics_put(&b, &m);
	say(c, PROTO_METRICS, b.data, b.len, fd);
	buf_done(&b);
	close(fd);
	close(ro_fd);
}

static void
finish(struct child *c)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(c->log, c->said + len,
	    sizeof(c->said) - 1 - len)) > 0)
		len += (size_t)n;
	c->said[len] = '\0';
	close(c->log);
	assert_int_equal(waitpid(c->pid, &c->status, 0), c->pid);
	close(c->chan);
}

static void
expect_said(const struct child *c, const char *what, const char *sentence)
{
	if (!WIFEXITED(c->status) || WEXITSTATUS(c->status) != ABORTED ||
	    strstr(c->said, sentence) == NULL)
		fail_msg("%s: status %x, \"%s\"", what, (unsigned)c->status,
		    c->said);
}

/* ---- a message that may not be ------------------------------------------ */

struct row {
	uint16_t type;
	bool with_fd;
	const char *payload;
	size_t len;
};

#define ROW(type, with_fd, payload)                                          \
	{ PROTO_##type, with_fd, payload, sizeof(payload) - 1 }
#define EIGHT "\0\0\0\0\0\0\0\0"
#define PATH "\0\2/x"

static void
play(int (*run)(int), bool with_metrics, const struct row *row)
{
	struct child c;
	char sentence[128];
	int fd = row->with_fd ? memfd_create("x", MFD_CLOEXEC) : -1;

	start(&c, run);
	if (with_metrics)
		say_metrics(&c);
	say(&c, row->type, row->payload, row->len, fd);
	if (fd != -1)
		close(fd);
	finish(&c);
	snprintf(sentence, sizeof(sentence), "the master sent %s where it may "
	    "not, or broken", proto_name(row->type));
	expect_said(&c, proto_name(row->type), sentence);
}

/* As the first message: without a cell nothing can be prepared. */
static const struct row first[] = {
	ROW(PEER, true, "\0\0\0\1"),
	ROW(PREPARE, true, "\0"),
};

static const struct row later[] = {
	/* What only others say, or nobody. */
	ROW(HELLO, false, ""), ROW(READY, false, "\0\0"),
	ROW(PONG, false, EIGHT), ROW(SIGNED, false, ""),
	{ 0, false, "", 0 }, { 65535, false, "", 0 },
	/* Twice. */
	ROW(METRICS, true, "\0\0\0\0" EIGHT EIGHT),
	/* Without a descriptor. */
	ROW(METRICS, false, "\0\0\0\0" EIGHT EIGHT),
	ROW(PEER, false, "\0\0\0\1"), ROW(BOARD, false, ""),
	ROW(LOG, false, "\0\0"), ROW(FILE, false, PATH),
	ROW(SIGNER, false, ""), ROW(PREPARE, false, "\0"),
	ROW(LISTENER, false, "\0\0\0\0\0\0\0\0"),
	/* With one that nobody has asked for. */
	ROW(TICKETS, true, ""),
	/* Too short, too long, or out of range. */
	ROW(PEER, true, "\0\0\1"), ROW(BOARD, true, "x"),
	ROW(LOG, true, "\0"), ROW(LOG, true, "\377\0"),
	ROW(ACCESS_LOG, false, "\0\2"), ROW(TICKETS, false, "\0"),
	ROW(FILE, true, PATH "x"), ROW(SIGNER, true, "x"),
	ROW(PREPARE, true, "\2"), ROW(LISTENER, true, "\0"),
	ROW(UNLISTEN, false, "\0"), ROW(PING, false, "\0\0"),
	ROW(QUERY, false, "\0"), ROW(DRAIN, false, EIGHT EIGHT),
	ROW(CONNECTED, false, "\0"),
	/* Of nothing that was prepared, or asked. */
	ROW(COMMIT, false, ""), ROW(CONNECTED, false, "\0\0\0\1" EIGHT),
};

static void
test_worker(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(first); i++)
		play(worker_run, false, &first[i]);
	for (size_t i = 0; i < COUNT(later); i++)
		play(worker_run, true, &later[i]);
}

static void
test_signer(void **state)
{
	static const struct row rows[] = {
		ROW(HELLO, false, ""), ROW(COMMIT, false, ""),
		ROW(TICKETS, false, "\0"), { 65535, false, "", 0 },
		ROW(LOG, false, "\0\0"), ROW(LOG, true, "\0"),
		ROW(FILE, false, PATH), ROW(FILE, true, "\0"),
		ROW(PREPARE, false, "\0"),
		/* There are no keys to sign with. */
		ROW(SIGNER, true, ""),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		play(signer_run, false, &rows[i]);
}

/* ---- a config that is none ---------------------------------------------- */

/* FAILED with the sentence; it lives on, until the channel ends. */
static void
refuse_config(int (*run)(int), bool with_metrics, const char *bytes,
    size_t len, const char *sentence)
{
	static uint8_t room[CHAN_PAYLOAD_MAX];
	int fd = memfd_create("config", MFD_CLOEXEC);
	struct proto_failed failed = { "" };
	struct chan_message m = { 0 };
	struct child c;
	int got;

	assert_int_equal(write(fd, bytes, len), len);
	start(&c, run);
	if (with_metrics)
		say_metrics(&c);
	say(&c, PROTO_PREPARE, "\0", 1, fd);
	close(fd);
	while ((got = chan_recv(c.chan, room, &m, NULL)) >= 0 &&
	    (got == 0 || m.type != PROTO_FAILED))
		if (got == 0)
			usleep(1000);
	assert_int_equal(got, 1);
	assert_true(proto_failed_get(&m.payload, &failed));
	if (strstr(failed.text, sentence) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", sentence, failed.text);
	assert_int_equal(m.generation, 1);
	shutdown(c.chan, SHUT_RDWR);
	finish(&c);
	assert_true(WIFEXITED(c.status));
	assert_int_equal(WEXITSTATUS(c.status), 0);
}

static void
test_config(void **state)
{
	static const char damaged[] = "no bundle";
	static const char empty[] = "wssb\0\0\0\1\0\1x\0\0\0\0";

	(void)state;
	for (int i = 0; i < 2; i++) {
		int (*run)(int) = i == 0 ? worker_run : signer_run;

		refuse_config(run, i == 0, "", 0, "empty config");
		refuse_config(run, i == 0, damaged, sizeof(damaged) - 1,
		    "arrived damaged");
		refuse_config(run, i == 0, empty, sizeof(empty) - 1,
		    "there is no [listen] section");
	}
}

/* Bytes that are no message: the worker goes as if the master were gone. */
static void
test_no_message(void **state)
{
	struct child c;

	(void)state;
	for (int i = 0; i < 2; i++) {
		start(&c, i == 0 ? worker_run : signer_run);
		assert_int_equal(send(c.chan, "junk", 4, 0), 4);
		finish(&c);
		assert_true(WIFEXITED(c.status));
		assert_int_equal(WEXITSTATUS(c.status), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_signer),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
