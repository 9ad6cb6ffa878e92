/* SPDX-License-Identifier: MIT */
/*
 * Owns the connections of mode echo and of those that only wait.  Each keeps
 * `depth` messages under way; or only the first `active` do; or (broadcast)
 * the first one does, all must hear each of its messages, and only then the
 * next is sent.  A turn receives for all ready connections, compares, and
 * then sends for all of them, so that the load costs less than any server
 * it measures.
 */
#include "echo_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/alloc.h"

#define SLOT_SIZE (96 * 1024)
#define OPEN_CHUNK 128		/* then pings are answered before more */
#define HEARD_S 120

static void
lose(struct echo *e, struct peer *p, const char *why)
{
	if (e->errors++ < 3)
		fprintf(stderr, "bench-load: connection %u: %s\n",
		    p->reader.id, why);
	client_done(&p->client);
	e->alive--;
	p->due = 0;
}

/* Whose messages this peer gets. */
static struct peer *
speaker_of(struct echo *e, struct peer *p)
{
	return e->load->broadcast ? &e->peers[0] : p;
}

/* The next messages, now that these have come. */
static void
make_due(struct echo *e, struct peer *p, size_t came)
{
	if (e->next != ECHO_ANOTHER) {
		if (e->next == ECHO_NOTHING)
			e->unheard -= came;
		return;
	}
	if (!e->load->broadcast) {
		p->due += came;
		return;
	}
	e->unheard -= came;
	if (e->unheard == 0) {
		e->peers[0].due = e->load->depth;
		e->unheard = e->load->depth * e->load->connections;
	}
}

static int
on_plain(void *arg, const uint8_t *data, size_t len, struct err *err)
{
	struct peer *p = arg;
	struct echo *e = p->echo;
	const struct peer *speaker = speaker_of(e, p);
	uint32_t seq = p->reader.seq;
	size_t came = 0, i;
	int result;

	result = frames_check(&e->frames, &p->reader, data, len, &p->reply,
	    &came, err);
	if (came > speaker->next - seq)
		return err_set(err, "more messages came than were sent");
	if (e->measuring) {
		e->messages += came;
		for (i = 0; i < came; i++)
			meter_add(&e->latency, e->now -
			    speaker->sent_at[(seq + i) % e->load->depth]);
	}
	if (came > 0)
		make_due(e, p, came);
	return result;
}

/* All frames that are due, in as few records as they fit into. */
static void
fill(struct echo *e, struct peer *p)
{
	size_t at, n;

	buf_clear(&e->plain);
	buf_put(&e->plain, p->reply.data, p->reply.len);
	buf_clear(&p->reply);
	for (; p->due > 0; p->due--, p->next++) {
		p->sent_at[p->next % e->load->depth] =
		    e->next == ECHO_PACED ? p->due_at : e->now;
		frames_put(&e->frames, p->reader.id, p->next, &e->plain);
	}
	for (at = 0; at < e->plain.len; at += n) {
		n = e->plain.len - at;
		if (n > RECORD_PLAIN_MAX)
			n = RECORD_PLAIN_MAX;
		buf_reserve(&p->out, n + RECORD_OVERHEAD);
		p->out.len += record_seal(&p->client.seal, RECORD_DATA,
		    e->plain.data + at, n, p->out.data + p->out.len);
	}
}

static void
watch(struct echo *e, struct peer *p, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = p };

	epoll_ctl(e->epfd, EPOLL_CTL_MOD, p->client.fd, &ev);
}

static void
sent(struct echo *e, struct peer *p, int result, bool waited)
{
	struct err err = ERR_INIT;

	if (result < 0 && result != -EAGAIN) {
		errno = -result;
		err_set_errno(&err, "send");
		lose(e, p, err.text);
		return;
	}
	if (result > 0)
		p->out_done += (size_t)result;
	if (p->out_done == p->out.len) {
		buf_clear(&p->out);
		p->out_done = 0;
		if (waited)
			watch(e, p, EPOLLIN);
	} else if (!waited) {
		watch(e, p, EPOLLIN | EPOLLOUT);
	}
}

void
echo_send_for(struct echo *e, struct peer **peers, size_t count)
{
	bool waited[RING_MAX];
	size_t i, n = 0;

	for (i = 0; i < count; i++) {
		struct peer *p = peers[i];

		if (p->client.fd < 0)
			continue;
		waited[n] = p->out.len > 0;
		if (p->due > 0 || p->reply.len > 0)
			fill(e, p);
		if (p->out.len == 0)
			continue;
		e->turn[n] = p;
		e->ops[n].fd = p->client.fd;
		e->ops[n].data = p->out.data + p->out_done;
		e->ops[n].len = p->out.len - p->out_done;
		n++;
	}
	ring_send(e->ring, e->ops, n);
	for (i = 0; i < n; i++)
		sent(e, e->turn[i], e->ops[i].result, waited[i]);
}

static void
received(struct echo *e, struct peer *p, const struct ring_op *op,
    size_t before)
{
	uint8_t *slot = (uint8_t *)op->data - before;
	struct err err = ERR_INIT;

	if (op->result == -EAGAIN) {
		/* What client_unread gave must go back. */
		if (client_feed(&p->client, slot, before, on_plain, p,
		    &err) < 0)
			lose(e, p, err.text);
	} else if (op->result <= 0) {
		errno = op->result < 0 ? -op->result : ECONNRESET;
		err_set_errno(&err, "recv");
		lose(e, p, err.text);
	} else if (client_feed(&p->client, slot, before + (size_t)op->result,
	    on_plain, p, &err) < 0) {
		lose(e, p, err.text);
	}
}

static void
receive_for(struct echo *e, const struct epoll_event *evs, size_t count)
{
	size_t before[RING_MAX], i, n = 0;
	struct peer *p;
	uint8_t *slot;

	for (i = 0; i < count; i++) {
		p = evs[i].data.ptr;
		if ((evs[i].events & ~(uint32_t)EPOLLOUT) == 0)
			continue;
		slot = e->slots + n * SLOT_SIZE;
		before[n] = client_unread(&p->client, slot);
		e->turn[n] = p;
		e->ops[n].fd = p->client.fd;
		e->ops[n].data = slot + before[n];
		e->ops[n].len = SLOT_SIZE - before[n];
		n++;
	}
	ring_recv(e->ring, e->ops, n);
	e->now = meter_now_ns();
	for (i = 0; i < n; i++)
		received(e, e->turn[i], &e->ops[i], before[i]);
}

int
echo_turn(struct echo *e, uint64_t until)
{
	struct epoll_event evs[RING_MAX];
	struct peer *peers[RING_MAX];
	struct timespec wait = { 0, 0 };
	uint64_t now = meter_now_ns();
	int i, n;

	if (until > now) {
		wait.tv_sec = (time_t)((until - now) / 1000000000);
		wait.tv_nsec = (long)((until - now) % 1000000000);
	}
	n = epoll_pwait2(e->epfd, evs, RING_MAX, &wait, NULL);
	if (n <= 0)
		return 0;
	receive_for(e, evs, (size_t)n);
	for (i = 0; i < n; i++)
		peers[i] = evs[i].data.ptr;
	echo_send_for(e, peers, (size_t)n);
	peers[0] = &e->peers[0];
	if (e->load->broadcast && peers[0]->due > 0)
		echo_send_for(e, peers, 1);
	return n;
}

void
echo_run_until(struct echo *e, uint64_t until)
{
	while (e->alive > 0 && meter_now_ns() < until)
		echo_turn(e, until);
}

static int
add_peer(struct echo *e, size_t number, const struct client *client,
    struct err *err)
{
	struct peer *p = &e->peers[number];
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	p->client = *client;
	p->reader.id = e->load->broadcast ? 0 :
	    (uint32_t)(e->load->first + number);
	p->echo = e;
	p->sent_at = xcalloc(e->load->depth, sizeof(*p->sent_at));
	fcntl(p->client.fd, F_SETFL, O_NONBLOCK);
	e->alive++;
	if (epoll_ctl(e->epfd, EPOLL_CTL_ADD, p->client.fd, &ev) < 0)
		return err_set_errno(err, "epoll_ctl");
	return 0;
}

void
echo_begin(struct echo *e, size_t from, size_t to, size_t messages)
{
	struct peer *batch[RING_MAX];
	size_t n = 0;

	e->now = meter_now_ns();
	for (size_t i = from; i < to; i++) {
		e->peers[i].due = messages;
		batch[n++] = &e->peers[i];
		if (n == RING_MAX || i + 1 == to) {
			echo_send_for(e, batch, n);
			n = 0;
		}
	}
}

int
echo_wait_heard(struct echo *e, struct err *err)
{
	uint64_t end = meter_now_ns() + HEARD_S * UINT64_C(1000000000);

	while (e->unheard > 0 && e->errors == 0) {
		if (meter_now_ns() > end)
			return err_set(err, "no answer in time");
		echo_turn(e, end);
	}
	return 0;
}

/* Whoever opened first is pinged while the last ones still open. */
static int
open_peers(struct echo *e, struct err *err)
{
	size_t total = e->load->connections, done, n, i;
	struct client *clients = xcalloc(OPEN_CHUNK, sizeof(*clients));
	int result = 0;

	for (done = 0; done < total && result == 0; done += n) {
		n = total - done < OPEN_CHUNK ? total - done : OPEN_CHUNK;
		result = clients_open(clients, e->load->first + done, n,
		    &e->load->target, err);
		for (i = 0; i < n && result == 0; i++)
			result = add_peer(e, done + i, &clients[i], err);
		if (e->load->greet && result == 0) {
			e->next = ECHO_NOTHING;
			e->unheard = n;
			echo_begin(e, done, done + n, 1);
			result = echo_wait_heard(e, err);
		}
		while (echo_turn(e, 0) > 0)
			;
	}
	free(clients);
	return result;
}

void
echo_free(struct echo *e)
{
	size_t i;

	for (i = 0; i < e->load->connections; i++) {
		if (e->peers[i].echo != NULL)
			client_done(&e->peers[i].client);
		free(e->peers[i].sent_at);
		buf_done(&e->peers[i].reply);
		buf_done(&e->peers[i].out);
	}
	close(e->epfd);
	ring_free(e->ring);
	buf_done(&e->plain);
	frames_done(&e->frames);
	free(e->peers);
	free(e->slots);
	free(e);
}

struct echo *
echo_new(const struct load *load, struct err *err)
{
	struct echo *e = xcalloc(1, sizeof(*e));

	e->load = load;
	e->peers = xcalloc(load->connections, sizeof(*e->peers));
	e->slots = xmalloc((size_t)RING_MAX * SLOT_SIZE);
	e->ring = ring_new(load->plain_io);
	e->epfd = epoll_create1(EPOLL_CLOEXEC);
	frames_init(&e->frames, load->size, load->binary);
	if (e->epfd < 0) {
		err_set_errno(err, "epoll_create1");
	} else if (open_peers(e, err) == 0) {
		if (e->errors == 0)
			return e;
		err_set(err, "%zu connections were lost", e->errors);
	}
	echo_free(e);
	return NULL;
}

int
echo_rest(struct echo *e, double seconds, struct err *err)
{
	echo_run_until(e, meter_now_ns() + (uint64_t)(seconds * 1e9));
	if (e->errors > 0)
		return err_set(err, "%zu connections were lost", e->errors);
	return 0;
}

int
echo_once(struct echo *e, size_t size, struct err *err)
{
	size_t total = e->load->connections, done, n;

	frames_done(&e->frames);
	frames_init(&e->frames, size, e->load->binary);
	e->next = ECHO_NOTHING;
	for (done = 0; done < total; done += n) {
		n = total - done < RING_MAX ? total - done : RING_MAX;
		e->unheard = n;
		echo_begin(e, done, done + n, 1);
		if (echo_wait_heard(e, err) < 0)
			return -1;
		/* What a large message needed is given back. */
		for (size_t i = done; i < done + n; i++)
			buf_done(&e->peers[i].out);
		if (e->errors > 0)
			break;
	}
	return echo_rest(e, 0, err);
}

size_t
echo_pings(const struct echo *e, uint32_t *fewest_out)
{
	uint32_t fewest = UINT32_MAX;
	size_t i, sum = 0;

	for (i = 0; i < e->load->connections; i++) {
		sum += e->peers[i].reader.pings;
		if (e->peers[i].reader.pings < fewest)
			fewest = e->peers[i].reader.pings;
	}
	*fewest_out = fewest;
	return sum;
}
