# SPDX-License-Identifier: MIT
"""The first thing anybody tries: connect, say something, get an answer."""
import asyncio
import ssl

import pytest
import websockets

from clients import BINARY, TEXT, connect
from holder import Holder

CONFIG = {
    "wssd": {"workers": 2},
    "listen": {"address": "127.0.0.1:0, [::1]:0"},
    "listen plain": {"address": "127.0.0.1:0, [::1]:0", "transport": "tcp"},
    "listen other": {"address": "127.0.0.1:0", "transport": "tcp"},
    "route /": {"handler": "reply", "text": "ok"},
    "route /echo": {"handler": "echo"},
    "route /echo/deep": {"handler": "reply", "text": "deep"},
    "route /slash/": {"handler": "reply", "text": "slash"},
    "route / #host": {"host": "a.example, b.example", "handler": "reply",
                      "text": "a or b"},
    "route /echo #host": {"host": "a.example", "handler": "reply",
                          "text": "a echoes"},
    "route / #listen": {"listen": "other", "handler": "reply",
                        "text": "other"},
}


@pytest.fixture(scope="module")
def server(wssd_module):
    return wssd_module(CONFIG)


@pytest.fixture(scope="module")
def ports(server):
    """By the listen's name: ports of its addresses, in the file's order."""
    return {row["name"]: [int(a.rpartition(":")[2])
                          for a in row["addresses"]]
            for row in server.status()["listens"]}


EVERYWHERE = [("default", 0, "127.0.0.1"), ("default", 1, "::1"),
              ("plain", 0, "127.0.0.1"), ("plain", 1, "::1")]


@pytest.mark.parametrize("listen,n,host", EVERYWHERE)
def test_reply_and_echo(ports, tls, listen, n, host):
    port, use = ports[listen][n], tls if listen == "default" else None
    with connect(port, use, host=host) as client:
        for text in ["tom", "", "x" * 5000]:
            client.send_text(text)
            client.expect(TEXT, "ok")
        client.close(1000, "bye")
    with connect(port, use, "/echo", host=host) as client:
        client.echo("grüße")
        client.send_frame(BINARY, bytes(range(256)))
        client.expect(BINARY, bytes(range(256)))
        client.close(3000)


@pytest.mark.parametrize("path,host,want", [
    ("/", "localhost", "ok"),
    ("/anything", "localhost", "ok"),
    ("/?a=b", "localhost", "ok"),
    ("/echo", "localhost", "ping me"),
    ("/echo?x", "localhost", "ping me"),
    ("/echo/more", "localhost", "ping me"),
    ("/echoes", "localhost", "ok"),
    ("/echo/deep", "localhost", "deep"),
    ("/echo/deep/er", "localhost", "deep"),
    ("/echo/deeper", "localhost", "ping me"),
    ("/ECHO", "localhost", "ok"),
    ("/slash", "localhost", "ok"),
    ("/slash/x", "localhost", "slash"),
    ("/", "a.example", "a or b"),
    ("/", "A.Example:8443", "a or b"),
    ("/", "b.example", "a or b"),
    ("/", "c.example", "ok"),
    ("/", "[::1]:80", "ok"),
    # The longer path wins over the better host.
    ("/echo", "b.example", "ping me"),
    ("/echo", "a.example", "a echoes"),
])
def test_the_route_is_found(ports, path, host, want):
    with connect(ports["plain"][0], None, path,
                 {"host": host}) as client:
        client.send_text("ping me")
        client.expect(TEXT, want)


def test_a_route_of_one_listen_only(ports):
    for listen, host, want in [("plain", "localhost", "ok"),
                               ("other", "localhost", "other"),
                               ("other", "a.example", "a or b")]:
        with connect(ports[listen][0], fields={"host": host}) as client:
            client.send_text("x")
            client.expect(TEXT, want)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_both_versions_of_tls(ports, authority, version):
    tls = authority.client()
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion[version]
    with connect(ports["default"][0], tls, "/echo") as client:
        assert client.tls.version() == version.replace("_", ".")
        client.echo("x" * 40000)
        client.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_versions_are_refused(ports, authority):
    tls = authority.client()
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        connect(ports["default"][0], tls)


def test_the_certificate_is_verified_by_the_client(ports, authority):
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(ports["default"][0], ssl.create_default_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(ports["default"][0], authority.client(),
                name="wrong.example")


def test_alpn(ports, authority):
    for offer, chosen in [(["http/1.1"], "http/1.1"),
                          (["h2", "http/1.1"], "http/1.1"), (["h2"], None)]:
        tls = authority.client()
        tls.set_alpn_protocols(offer)
        with connect(ports["default"][0], tls, "/echo") as client:
            assert client.tls.selected_alpn_protocol() == chosen
            client.echo()


def test_an_independent_client(ports, tls):
    async def talk(uri, **more):
        async with websockets.connect(uri, **more) as ws:
            assert ws.extensions == []
            for message in ["hello", b"\0\xff" * 1000, "ü" * 20000]:
                await ws.send(message)
                assert await ws.recv() == message
            await ws.send(["in ", "three ", "pieces"])
            assert await ws.recv() == "in three pieces"
            await asyncio.wait_for(await ws.ping(), 10)
        assert ws.close_code == 1000

    asyncio.run(talk(f"wss://localhost:{ports['default'][0]}/echo",
                     ssl=tls, host="127.0.0.1"))
    asyncio.run(talk(f"ws://[::1]:{ports['plain'][1]}/echo"))


def test_a_crowd_over_two_workers(server, ports, tls):
    before = {w["slot"]: w["accepted"] for w in server.status()["workers"]}
    with Holder(ports["default"][0], tls, "/echo").open(60) as crowd:
        status = server.status()
        assert status["totals"]["open"] == 60
        assert all(w["accepted"] > before[w["slot"]]
                   for w in status["workers"])
        assert {c["route"] for c in server.connections()} == {"/echo"}
        assert len(crowd.open_ones()) == 60


def test_it_is_counted(wssd):
    server = wssd({"route /": {"handler": "echo"}}, tcp=True)
    with connect(server.port()) as client:
        client.echo("12345")
        client.echo("1234567")
        totals = server.totals()
        assert (totals["open"], totals["upgrades"]) == (1, 1)
        assert (totals["messages_in"], totals["messages_out"]) == (2, 2)
        assert (totals["bytes_in"], totals["bytes_out"]) == (12, 12)
        client.close()
    totals = server.totals()
    assert (totals["open"], totals["closed"]) == (0, 1)
    assert totals["closed_abnormal"] == 0
