# SPDX-License-Identifier: MIT
"""What a client can use up has an end, which is counted, logged and costs
nobody else anything."""
import contextlib
import os
import re
import resource
import socket
import ssl

import pytest

import modules
from clients import BINARY, PONG, PING, TEXT, Client, connect, frame, request
from daemon import cpu_seconds, open_descriptors, rss
from holder import Holder
from wait import stays, until

MIB = 1 << 20


def refused(port, tls=None, host="127.0.0.1", source="127.0.0.1"):
    """It is accepted by the kernel and hung up on by the daemon."""
    with socket.create_connection((host, port), timeout=10,
                                  source_address=(source, 0)) as sock:
        try:
            sock.sendall(request())
            return sock.recv(1) == b""
        except ConnectionResetError:
            return True


# ---- connections ---------------------------------------------------------------

def test_limit_of_a_worker(wssd, tls):
    one = wssd({"wssd": {"max_connections_per_worker": 5}})
    port = one.port()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port, tls))
                   for _ in range(5)]
        for _ in range(3):
            assert refused(port)
        one.await_log(r"127\.0\.0\.1:\d+ refused: "
                      "max_connections_per_worker")
        assert one.totals()["refused_limit"] == 3
        for client in clients:
            client.echo()
        clients[0].close()
        until(lambda: one.totals()["connections"] == 4, "there is room")
        with connect(port, tls) as client:
            client.echo()


def test_limit_of_all(wssd):
    """It holds over the workers, whoever of them accepts."""
    one = wssd({"wssd": {"workers": 2, "max_connections": 10}}, tcp=True)
    port = one.port()
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(connect(port)).echo()
        rows = one.status()["workers"]
        assert sum(row["connections"] for row in rows) == 10
        for _ in range(10):
            assert refused(port)
        one.await_log("refused: max_connections$")
        assert one.totals()["refused_limit"] == 10


def test_limit_of_an_address(wssd):
    """Over the workers, and nobody else's address suffers."""
    one = wssd({"wssd": {"workers": 2, "max_connections_per_address": 6}},
               tcp=True)
    port = one.port()
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(connect(port)).echo()
        for _ in range(6):
            assert refused(port)
        one.await_log(r"127\.0\.0\.1:\d+ refused: "
                      "max_connections_per_address")
        for _ in range(6):
            assert not refused(port, source="127.0.0.9")


def test_refusals_do_not_fill_the_log(wssd):
    one = wssd({"wssd": {"max_connections_per_worker": 1}}, tcp=True)
    port = one.port()
    with connect(port):
        for _ in range(300):
            assert refused(port)
        assert one.totals()["refused_limit"] == 300
    one.await_log("more lines about clients were left out")
    assert len(re.findall("refused: max_conn", one.log())) < 200


# ---- descriptors -----------------------------------------------------------------

def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def test_no_descriptor_left(wssd):
    """Who comes then is sent away, the log says it once, the loop does not
    spin, and it goes on by itself."""
    one = wssd({"wssd": {"user": "nobody", "group": "nogroup"}}, tcp=True,
               preexec=few_files)
    port = one.port()
    worker, = one.worker_pids()
    with contextlib.ExitStack() as stack:
        clients = []

        def full():
            client = stack.enter_context(Client(port))
            clients.append(client)
            return one.totals()["refused_emfile"] > 0
        until(full, "no descriptor is left", interval=0)
        one.await_log(r"no descriptor is left \(\d+ connections\): "
                      "accepting pauses")
        for _ in range(30):  # they wait in the queue, or are sent away
            stack.enter_context(Client(port))
        before = cpu_seconds(worker)
        stays(lambda: one.alive(), "it lives", 2)
        assert cpu_seconds(worker) - before < 0.7
        assert clients[0].ask(request()).status == 101
        clients[0].echo()
        assert len(re.findall("no descriptor is left", one.log())) == 1
    until(lambda: one.totals()["connections"] == 0, "they have gone")
    with connect(port) as client:
        client.echo()
    assert open_descriptors(worker) < 64


# ---- output that is not read -------------------------------------------------------

ROUTES = {
    "route /": {"handler": "echo", "max_message": "1m",
                "output_high": "256k", "output_low": "64k"},
}


@pytest.mark.parametrize("layer", ["tcp", "tls"])
def test_who_does_not_read_is_not_read(wssd, tls, layer):
    """The queue has an end: reading pauses, and the client's own sending
    stands still.  When it reads again, nothing is missing."""
    one = wssd(ROUTES, tcp=layer == "tcp")
    worker, = one.worker_pids()
    use = tls if layer == "tls" else None
    body = os.urandom(100_000)
    with connect(one.port(), use, receive_buffer=4096) as client, \
            connect(one.port(), use) as other:
        before = rss(worker)
        sent = client.encrypt(frame(BINARY, body)) if use else \
            frame(BINARY, body)
        client.sock.settimeout(0.3)
        n, rest = 0, b""
        for _ in range(1000):
            try:
                view = memoryview(sent)
                while view:
                    view = view[client.sock.send(view):]
            except TimeoutError:
                rest = bytes(view)
                break
            n += 1
            sent = client.encrypt(frame(BINARY, body)) if use else sent
        assert 2 < n < 999, "it was never slowed down"
        row = next(r for r in one.connections() if r["messages_in"] > 0)
        # One message may pass the mark, and TLS adds a little.
        assert row["queued_bytes"] < 256 * 1024 + 2 * 110_000
        assert rss(worker) - before < 16 * MIB
        other.echo()
        client.sock.settimeout(10)
        got = 0
        view = memoryview(rest)
        client.sock.setblocking(False)
        while got < n or view:
            if view:
                with contextlib.suppress(BlockingIOError):
                    view = view[client.sock.send(view):]
            try:
                found = client.read_frame(0.05)
            except TimeoutError:
                continue
            finally:
                client.sock.setblocking(False)
            assert found.payload == body
            got += 1
        client.sock.settimeout(10)
    until(lambda: one.totals()["connections"] == 0, "they have gone")


PUSHER = r"""
#include <string.h>
#include <wssd/handler.h>

static char piece[10000];

/* "push": 200 messages at once; "more": how many were taken. */
static void
on_message(struct wss_conn *c, const struct wss_message *m)
{
	int counts[5] = { 0 };
	enum wss_result r;

	if (m->len == 4 && memcmp(m->data, "push", 4) == 0) {
		for (int i = 0; i < 200; i++) {
			r = wss_send(c, 0, piece, sizeof(piece));
			counts[r + 1]++;
		}
		wss_log(wss_conn_route(c), WSS_INFO,
		    "ok %d full %d again %d dropped %d closed %d", counts[1],
		    counts[2], counts[3], counts[4], counts[0]);
	} else {
		wss_send(c, m->text, m->data, m->len);
	}
}

static void
on_writable(struct wss_conn *c)
{
	wss_send(c, 1, "writable", 8);
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "pusher", .message = on_message,
	.writable = on_writable };
"""


@pytest.fixture
def pushing(wssd, tmp_path):
    path = modules.build(tmp_path, PUSHER)
    route = {**modules.route(path), "output_high": "200k",
             "output_low": "50k"}
    return wssd({f"route /{policy}": {**route, "slow_consumer": policy}
                 for policy in ("close", "drop-new", "pause")}, tcp=True)


def pushed(one):
    found = one.await_log(r"ok (\d+) full (\d+) again (\d+) dropped (\d+) "
                          r"closed (\d+)")
    return [int(n) for n in found.groups()]


def read_pieces(client):
    """Binary messages until another frame comes, which is returned, too."""
    n = 0
    while (got := client.read_frame()) is not None and got.opcode == BINARY:
        n += 1
    return n, got


def test_slow_consumer_drop_new(pushing):
    with connect(pushing.port(), path="/drop-new",
                 receive_buffer=4096) as client:
        client.send_text("push")
        ok, full, again, dropped, closed = pushed(pushing)
        assert full == 1 and again == closed == 0
        assert ok + full + dropped == 200 and dropped > 100
        assert pushing.totals()["slow_dropped"] == dropped
        n, got = read_pieces(client)
        assert n == ok + full
        assert got.payload == b"writable"
        client.echo()


def test_slow_consumer_pause(pushing):
    with connect(pushing.port(), path="/pause",
                 receive_buffer=4096) as client:
        client.send_text("push")
        ok, full, again, dropped, closed = pushed(pushing)
        assert full == 1 and dropped == closed == 0
        assert ok + full + again == 200 and again > 100
        n, got = read_pieces(client)
        assert n == ok + full
        assert got.payload == b"writable"
        client.echo()


def test_slow_consumer_close(pushing):
    with connect(pushing.port(), path="/close",
                 receive_buffer=4096) as client:
        client.send_text("push")
        ok, full, again, dropped, closed = pushed(pushing)
        assert full == 1 and again == dropped == 0
        assert ok + full + closed == 200 and closed > 100
        n, got = read_pieces(client)
        assert n == ok + full
        assert (got.code, got.reason) == (
            1008, "the client does not read fast enough")
        assert pushing.totals()["slow_closed"] == 1


def test_control_frames_pass(pushing):
    """A full queue of messages keeps no Pong and no Close back for ever."""
    with connect(pushing.port(), path="/drop-new",
                 receive_buffer=4096) as client:
        client.send_text("push")
        pushed(pushing)
        client.send_frame(PING, b"here?")
        n, got = read_pieces(client)
        seen = {got.opcode: got.payload}
        got = client.read_frame()
        seen[got.opcode] = got.payload
        assert seen == {TEXT: b"writable", PONG: b"here?"}


# ---- a storm ------------------------------------------------------------------------

def test_a_storm_of_handshakes_does_not_starve_the_others(wssd, tls):
    """Handshakes have a budget in each turn of the loop."""
    one = wssd()
    with connect(one.port(), tls) as old, \
            Holder(one.port(), tls, timeout=60) as holder:
        storm = holder.begin(holder._open(400, at_once=400))
        n = 0
        while not storm.done():
            old.echo(f"{n}")
            n += 1
        storm.result(0)
        assert n > 20
        assert len(holder.open_ones()) == 400


def test_plain_requests_on_the_wss_port(wssd, tls):
    """Each gets its 400 in plain text; the port goes on serving."""
    one = wssd()
    with connect(one.port(), tls) as old:
        for _ in range(20):
            with Client(one.port()) as client:
                answer = client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert answer.status == 400
                assert "wss://" in answer.body
        assert one.totals()["plain_on_tls"] == 20
        old.echo()
        with Client(one.port(), tls) as client:
            answer = client.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.status == 426
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        bad = ssl.create_default_context()
        Client(one.port(), bad)
    with connect(one.port(), tls) as client:
        client.echo()
