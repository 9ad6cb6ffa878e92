# SPDX-License-Identifier: MIT
"""permessage-deflate (RFC 7692): what is agreed on, and what is sent then."""
import asyncio
import os
import socket
import zlib

import pytest
import websockets
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory as Factory)
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Message, Request
from wsproto.extensions import PerMessageDeflate

from clients import (BINARY, CLOSE, CONT, PING, PONG, TEXT, Client,
                     close_payload, connect)
from daemon import rss
from wait import until

OFFER = "Sec-WebSocket-Extensions"
TAIL = b"\0\0\xff\xff"
HELLO = b"\xf2\x48\xcd\xc9\xc9\x07\x00"  # "Hello": §7.2.3.1
RSV1 = 4

CONFIG = {
    "route /": {"handler": "echo"},
    "route /shared": {"handler": "echo", "compression": "shared",
                      "compression_min_size": 10},
    "route /dedicated": {"handler": "echo", "compression": "dedicated",
                         "compression_window_bits": 15,
                         "compression_memory_level": 8,
                         "compression_min_size": 10},
    "route /small": {"handler": "echo", "compression": "dedicated",
                     "compression_window_bits": 9,
                     "compression_memory_level": 1,
                     "compression_min_size": 0, "max_message": 1000000},
}


@pytest.fixture(scope="module")
def server(wssd_module):
    return wssd_module(CONFIG)


@pytest.fixture(scope="module")
def port(server):
    return server.port()


def squeeze(data, bits=15):
    """A message by itself, without its tail."""
    z = zlib.compressobj(wbits=-bits)
    out = z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH)
    assert out.endswith(TAIL)
    return out[:-4]


def opened(port, tls, path, offer="permessage-deflate"):
    return connect(port, tls, path, {"extra": [(OFFER, offer)]})


# ---- what is agreed on ----------------------------------------------------

@pytest.mark.parametrize("path,offer,answer", [
    ("/", "permessage-deflate", None),
    ("/shared", "permessage-deflate",
     "permessage-deflate; server_no_context_takeover; "
     "client_no_context_takeover; server_max_window_bits=12"),
    ("/dedicated", "permessage-deflate; client_max_window_bits",
     "permessage-deflate"),
    ("/dedicated", "permessage-deflate; server_no_context_takeover; "
     "client_no_context_takeover",
     "permessage-deflate; server_no_context_takeover; "
     "client_no_context_takeover"),
    ("/small", "permessage-deflate; client_max_window_bits",
     "permessage-deflate; server_max_window_bits=9; "
     "client_max_window_bits=9"),
    ("/dedicated", "permessage-deflate; server_max_window_bits=8", None),
    # In the client's order, the first that can be had.
    ("/dedicated", "permessage-deflate; server_max_window_bits=8, "
     "permessage-deflate; server_max_window_bits=\"10\", "
     "permessage-deflate",
     "permessage-deflate; server_max_window_bits=10"),
    ("/dedicated", "foo, permessage-deflate; bar, permessage-deflate; "
     "client_max_window_bits=20, permessage-deflate; "
     "client_no_context_takeover",
     "permessage-deflate; client_no_context_takeover"),
])
def test_offers(port, tls, path, offer, answer):
    with Client(port, tls) as client:
        got = client.upgrade(path, extra=[(OFFER, offer)])
        assert got.headers.get(OFFER.lower()) == answer
        client.send_frame(BINARY, b"")
        client.expect(BINARY, b"")


def test_offers_in_two_fields(port, tls):
    with Client(port, tls) as client:
        got = client.upgrade("/dedicated", extra=[
            (OFFER, "permessage-deflate; unknown"),
            (OFFER, "permessage-deflate; server_max_window_bits=11")])
        assert got.headers[OFFER.lower()] == \
            "permessage-deflate; server_max_window_bits=11"


def test_nothing_is_offered(port, tls):
    """Then nothing is answered, and nothing compressed."""
    for path in ["/shared", "/dedicated"]:
        with connect(port, tls, path) as client:
            client.echo("x" * 1000)
            client.send_frame(TEXT, HELLO, rsv=RSV1)
            client.expect_close(1002, "without an extension")


# ---- messages -------------------------------------------------------------

@pytest.mark.parametrize("path", ["/shared", "/dedicated", "/small"])
@pytest.mark.parametrize("extension", [
    {}, {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    {"server_max_window_bits": 9, "client_max_window_bits": 9},
    {"server_max_window_bits": 15, "client_max_window_bits": 12},
], ids=repr)
def test_an_independent_client(port, tls, path, extension):
    messages = ["", "a", "hello " * 10, b"\0\xff" * 3000, "ü" * 9000,
                '{"user":"somebody","text":"hello"}', "x" * 60000,
                bytes(range(256)) * 200] * 2

    async def talk():
        async with websockets.connect(
                f"wss://localhost:{port}{path}", ssl=tls, host="127.0.0.1",
                compression=None,
                extensions=[Factory(**extension)]) as ws:
            assert [e.name for e in ws.extensions] == ["permessage-deflate"]
            for message in messages:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in ", "three " * 100, "pieces"])
            assert await ws.recv() == "in " + "three " * 100 + "pieces"
            await asyncio.wait_for(await ws.ping(), 10)
        assert ws.close_code == 1000

    asyncio.run(talk())


@pytest.mark.parametrize("path", ["/shared", "/dedicated"])
def test_another_independent_client(wssd, path):
    server = wssd(CONFIG, tcp=True)
    peer = WSConnection(ConnectionType.CLIENT)
    extension = PerMessageDeflate()
    with socket.create_connection(("127.0.0.1", server.port()), 20) as sock:
        def events():
            while True:
                yield from peer.events()
                peer.receive_data(sock.recv(65536))

        stream = events()
        sock.sendall(peer.send(Request(
            host="localhost", target=path, extensions=[extension])))
        event = next(stream)
        assert isinstance(event, AcceptConnection)
        assert [e.name for e in event.extensions] == ["permessage-deflate"]
        for message in ["hello" * 100, "hello" * 100, b"\0" * 50000, "x"]:
            sock.sendall(peer.send(Message(message)))
            got = type(message)()
            for event in stream:
                assert isinstance(event, Message)
                got += event.data
                if event.message_finished:
                    break
            assert got == message
        sock.sendall(peer.send(CloseConnection(1000)))
        assert next(stream).code == 1000


def test_small_messages_are_sent_as_they_are(port, tls):
    with opened(port, tls, "/shared") as client:
        client.send_frame(TEXT, squeeze(b"x" * 9), rsv=RSV1)
        client.expect(TEXT, "x" * 9)
        client.send_frame(TEXT, "x" * 10)
        got = client.expect(TEXT, rsv=RSV1)
        assert zlib.decompress(got.payload + TAIL + b"\x03\0", -12) == \
            b"x" * 10


def test_what_does_not_shrink_is_sent_as_it_is(port, tls):
    noise = os.urandom(5000)
    with opened(port, tls, "/shared") as client:
        client.send_frame(BINARY, noise)
        client.expect(BINARY, noise)


def test_takeover_shrinks_what_resembles(port, tls):
    sizes = {}
    for path in ["/shared", "/dedicated"]:
        with opened(port, tls, path) as client:
            for n in range(3):
                client.send_text(
                    f'{{"id": {n}, "user": "somebody", "users": 12}}' * 2)
                got = client.expect(TEXT, rsv=RSV1)
            sizes[path] = len(got.payload)
    assert sizes["/dedicated"] < sizes["/shared"] / 2, sizes


def test_control_frames_are_never_compressed(port, tls):
    with opened(port, tls, "/shared") as client:
        client.send_frame(TEXT, HELLO[:3], fin=False, rsv=RSV1)
        client.send_frame(PING, b"p" * 125)
        client.send_frame(CONT, HELLO[3:])
        client.expect(PONG, b"p" * 125)
        client.expect(TEXT, "Hello")
        client.send_frame(CLOSE, close_payload(1000, "x" * 100))
        client.expect_close(1000)


@pytest.mark.parametrize("opcode,payload,shape,code,why", [
    (PING, b"", {"rsv": 4}, 1002, "no meaning"),
    (PONG, b"x", {"rsv": 4}, 1002, "no meaning"),
    (CLOSE, b"", {"rsv": 4}, 1002, "no meaning"),
    (CONT, HELLO, {"rsv": 4}, 1002, "no meaning"),
    (TEXT, HELLO, {"rsv": 2}, 1002, "no meaning"),
    (TEXT, HELLO, {"rsv": 5}, 1002, "no meaning"),
    (TEXT, b"", {"rsv": 4}, 1007, "DEFLATE"),
    (TEXT, HELLO[:-2], {"rsv": 4}, 1007, "DEFLATE"),
    (TEXT, b"\xff\xff\xff", {"rsv": 4}, 1007, "DEFLATE"),
    (TEXT, b"\xf2\x00\x11\x00\x00", {"rsv": 4}, 1007, "DEFLATE"),
    (TEXT, squeeze(b"abc\xff"), {"rsv": 4}, 1007, "UTF-8"),
    (TEXT, squeeze("é".encode()[:1]), {"rsv": 4}, 1007, "character"),
])
@pytest.mark.parametrize("path", ["/shared", "/dedicated"])
def test_what_is_wrong(port, tls, path, opcode, payload, shape, code, why):
    with opened(port, tls, path) as client:
        client.send_frame(opcode, payload, **shape)
        client.expect_close(code, why)
    # Whoever comes next finds the shared streams as they should be.
    with opened(port, tls, path) as client:
        client.send_frame(TEXT, HELLO, rsv=RSV1)
        client.expect(TEXT, "Hello")


def test_a_bad_byte_is_found_before_the_message_ends(port, tls):
    with opened(port, tls, "/shared") as client:
        data = b"\0\x05\0\xfa\xff" + b"abc\xffd"
        client.send_frame(TEXT, data, fin=False, rsv=RSV1)
        client.expect_close(1007, "UTF-8")


def test_messages_of_many_at_the_same_time(port, tls):
    clients = [opened(port, tls, "/shared") for _ in range(12)]
    try:
        texts = [f"number {n} " * 50 for n in range(12)]
        whole = [squeeze(text.encode()) for text in texts]
        for at in range(3):
            for client, data in zip(clients, whole):
                cut = len(data) // 3
                part = data[at * cut:(at + 1) * cut if at < 2 else None]
                client.send_frame(CONT if at else TEXT, part, fin=at == 2,
                                  rsv=0 if at else RSV1)
                client.send_frame(PING, b"taken?")
                client.expect(PONG) if at < 2 else None
        for client, text in zip(clients, texts):
            got = client.read_frame()
            while got.opcode == PONG:
                got = client.read_frame()
            assert zlib.decompress(got.payload + TAIL + b"\x03\0",
                                   -15) == text.encode()
    finally:
        for client in clients:
            client.drop()


# ---- limits ---------------------------------------------------------------

@pytest.mark.parametrize("path,limit", [
    ("/shared", 65536), ("/dedicated", 65536), ("/small", 1000000)])
def test_a_bomb(server, port, tls, path, limit):
    """100 MB in 100 KB: refused at the limit, and the memory with it."""
    bomb = squeeze(bytes(100 << 20))
    assert len(bomb) < 110000
    [pid] = server.worker_pids()
    with opened(port, tls, path) as client:
        client.send_frame(BINARY, squeeze(bytes(limit)), rsv=RSV1)
        assert client.expect(BINARY, rsv=RSV1)
        before = rss(pid)
        for at in range(0, len(bomb), 50000):
            try:
                client.send_frame(CONT if at else BINARY,
                                  bomb[at:at + 50000], fin=False,
                                  rsv=0 if at else RSV1)
            except (ConnectionError, BrokenPipeError):
                break
        client.expect_close(1009, "inflated")
    assert rss(pid) - before < 32 << 20


def test_a_frame_that_only_claims_much(port, tls):
    with opened(port, tls, "/shared") as client:
        client.send(b"\xc2\xff" + (1 << 40).to_bytes(8, "big") + b"mask")
        client.expect_close(1009, "too big")


def test_memory_has_a_limit(wssd, tls):
    """Two contexts fit; the third connection gets shared ones."""
    server = wssd({
        "wssd": {"max_compression_memory_per_worker": "640k"},
        "route /": {"handler": "echo", "compression": "dedicated",
                    "compression_window_bits": 15,
                    "compression_memory_level": 8,
                    "compression_min_size": 0}})
    port = server.port()
    clients = []

    def kinds():
        return [c["compression"] for c in server.connections()]

    try:
        for _ in range(3):
            client = Client(port, tls)
            clients.append(client)
            got = client.upgrade(extra=[(OFFER, "permessage-deflate")])
        assert "server_no_context_takeover; client_no_context_takeover" in \
            got.headers[OFFER.lower()]
        for client in clients:
            for _ in range(2):
                client.send_frame(TEXT, HELLO, rsv=RSV1)
                client.expect(TEXT, rsv=0 if client is clients[2] else RSV1)
        totals = server.totals()
        assert totals["compression_shared_by_limit"] == 1
        assert 400000 < totals["compression_memory"] <= 640 << 10
        assert kinds() == ["dedicated", "dedicated", "shared"]
        assert "1 connections got shared" in server.ctl("status").stdout
        clients.pop(0).close()
        until(lambda: server.totals()["compression_memory"] < 400000,
              "its memory is given back")
        clients.append(opened(port, tls, "/"))
        assert kinds() == ["dedicated", "shared", "dedicated"]
    finally:
        for client in clients:
            client.drop()
    until(lambda: server.totals()["compression_memory"] == 0,
          "all of it is given back")


def test_no_memory_for_contexts(wssd, tls):
    server = wssd({
        "wssd": {"max_compression_memory_per_worker": 0},
        "route /": {"handler": "echo", "compression": "dedicated"}})
    with opened(server.port(), tls, "/") as client:
        client.send_frame(TEXT, HELLO, rsv=RSV1)
        client.expect(TEXT, "Hello")
        [row] = server.connections()
        assert row["compression"] == "shared"


def test_reload(wssd, tls):
    """What was agreed on with a client stays so."""
    route = {"handler": "echo", "compression": "dedicated",
             "compression_min_size": 0}
    server = wssd({"route /": route})
    port = server.port()
    with opened(port, tls, "/") as old:
        server.set({"route /": {"compression": "off"}})
        server.reload()
        with Client(port, tls) as new:
            got = new.upgrade(extra=[(OFFER, "permessage-deflate")])
            assert OFFER.lower() not in got.headers
            new.send_frame(TEXT, HELLO, rsv=RSV1)
            new.expect_close(1002)
        for _ in range(2):
            old.send_frame(TEXT, HELLO, rsv=RSV1)
            got = old.expect(TEXT, rsv=RSV1)
        assert got.payload == b"\xf2\x00\x11\x00\x00"


@pytest.mark.parametrize("key,value,why", [
    ("compression", "on", "off, shared, dedicated"),
    ("compression_window_bits", "8", "9"),
    ("compression_window_bits", "16", "15"),
    ("compression_memory_level", "0", "1"),
    ("compression_memory_level", "10", "9"),
    ("compression_min_size", "-1", "compression_min_size"),
])
def test_wrong_settings(wssd, key, value, why):
    server = wssd({"route /": {"handler": "echo", key: value}}, start=False)
    result = server.ctl("check")
    assert result.returncode == 6
    assert key in result.stderr and why in result.stderr
