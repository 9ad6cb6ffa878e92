# SPDX-License-Identifier: MIT
"""Behind a proxy: who the client is, and who may say so."""
import socket
import struct

import pytest

from clients import Client, accept_of, connect, request, KEY
from modules import build
from wait import until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 51200 443\r\n"

# What a client is told of itself.
WHO = """
#include <stdio.h>
#include <string.h>
#include <wssd/handler.h>
static int who_open(struct wss_conn *c, const struct wss_request *r)
{
	char text[200];
	snprintf(text, sizeof(text), "%s %s", wss_address(c),
	    wss_secure(c) ? "secure" : "plain");
	wss_send(c, 1, text, strlen(text));
	return 0;
}
static void who_message(struct wss_conn *c, const struct wss_message *m)
{
	wss_send(c, m->text, m->data, m->len);
}
const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "who", .open = who_open,
	.message = who_message };
"""


def v2(client="203.0.113.7", port=51200, command=0x21, tlvs=b""):
    body = socket.inet_aton(client) + socket.inet_aton("192.0.2.1") + \
        struct.pack("!HH", port, 443) + tlvs
    return SIGNATURE + bytes([command, 0x11]) + \
        struct.pack("!H", len(body)) + body


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


TLS_TLV = tlv(0x20, b"\x01\0\0\0\0" + tlv(0x21, b"TLSv1.2") +
              tlv(0x22, b"somebody"))


@pytest.fixture(scope="module")
def server(wssd_module, tmp_path_factory):
    """tcp and ssl, with and without PROXY; `strange` trusts another."""
    folder = tmp_path_factory.mktemp("who")
    module = build(folder, WHO, "who")
    trusted = {"address": "127.0.0.1:0", "trusted_proxies": "127.0.0.1"}
    proxied = {**trusted, "proxy_protocol": "on"}
    other = {"trusted_proxies": "127.0.0.2, 10.0.0.0/8"}
    return wssd_module({
        "wssd": {"workers": 2},
        "listen": None,
        "listen tcp": {**trusted, "transport": "tcp"},
        "listen ssl": trusted,
        "listen strange": {**trusted, **other, "transport": "tcp"},
        "listen proxied": {**proxied, "transport": "tcp"},
        "listen proxied-ssl": proxied,
        "listen proxied-strange": {**proxied, **other, "transport": "tcp"},
        "listen x-real-ip": {**trusted, "transport": "tcp",
                             "real_ip_header": "x-real-ip"},
        "listen unix": {"address": f"unix:{folder}/ws.sock",
                        "transport": "tcp", "trusted_proxies": "unix:"},
        "route /": {"handler": "module", "module": module},
    })


def who(server, listen, extra=(), preface=b"", tls=None, port=None):
    """(address, "secure" or "plain") as the handler sees it, and the row
    of the connection."""
    if port is None:
        port = server.port(listen)
    with connect(port, tls, fields={"extra": list(extra)},
                 preface=preface) as client:
        address, scheme = client.read_frame().payload.decode().split(" ")
        client.echo()
        row, = [r for r in server.connections() if r["listen"] == listen]
        assert row["address"] == address
        assert row["secure"] == (scheme == "secure")
        client.close()
    return address, scheme, row


def until_logged(server, attempt, pattern):
    """The log leaves lines about clients out when there are many, so it is
    tried again.  Returns how often."""
    tried = []

    def logged():
        attempt()
        tried.append(1)
        return server.log_has(pattern)
    until(logged, f"the log says {pattern!r}", interval=0.3)
    return len(tried)


def own(address):
    return address.startswith("127.0.0.1:")


# ---- headers -------------------------------------------------------------

@pytest.mark.parametrize("extra,address", [
    ([("X-Real-IP", "203.0.113.7")], "203.0.113.7"),
    ([("X-Forwarded-For", "1.1.1.1, 203.0.113.7")], "203.0.113.7"),
    ([("X-Forwarded-For", "203.0.113.7, 127.0.0.1")], "203.0.113.7"),
    ([("Forwarded", 'for="[2001:db8::7]:4711";proto=http')],
     "[2001:db8::7]:4711"),
])
def test_the_client_behind_a_trusted_proxy(server, extra, address):
    seen, scheme, row = who(server, "tcp", extra)
    assert (seen, scheme) == (address, "plain")
    assert own(row["via"])


def test_scheme(server, tls):
    assert who(server, "tcp", [("X-Forwarded-Proto", "https")])[1] == \
        "secure"
    assert who(server, "tcp", [("Forwarded", "for=1.1.1.1;proto=https")]
               )[1] == "secure"
    assert who(server, "ssl", tls=tls)[1] == "secure"


def test_without_a_header_it_is_the_proxy(server):
    address, scheme, row = who(server, "tcp")
    assert own(address) and scheme == "plain" and row["via"] == ""


def test_over_a_unix_socket(server):
    path = server.addresses("unix")[0].removeprefix("unix:")
    address, _, row = who(server, "unix", [("X-Real-IP", "203.0.113.7")],
                          port=path)
    assert address == "203.0.113.7" and row["via"] == "unix:"
    with connect(path, fields={"extra": [("X-Real-IP", "203.0.113.7")]}):
        until(lambda: "203.0.113.7" in server.ctl("connections").stdout,
              "the table has it")
        assert "via unix:" in server.ctl("connections").stdout


@pytest.mark.parametrize("extra", [
    [("X-Real-IP", "203.0.113.7")],
    [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")],
    [("Forwarded", "for=203.0.113.7;proto=https")],
    # wrong ones, too, are nobody's business
    [("X-Real-IP", "nonsense"), ("X-Forwarded-Proto", "gopher")],
])
def test_a_stranger_is_not_believed(server, extra):
    address, scheme, row = who(server, "strange", extra)
    assert own(address) and scheme == "plain" and row["via"] == ""


FORGED = {
    "real-ip": ([("X-Real-IP", "x")], "X-Real-IP does not name a client"),
    "real-ip-twice": ([("X-Real-IP", "1.1.1.1")] * 2, "X-Real-IP"),
    "forwarded-for": ([("X-Forwarded-For", "1.1.1.1, x")],
                      "X-Forwarded-For does not name a client"),
    "forwarded": ([("Forwarded", "for=1.1.1.1:80")], "Forwarded does not"),
    "proto": ([("X-Forwarded-Proto", "gopher")], "X-Forwarded-Proto"),
    "contradiction": ([("X-Real-IP", "203.0.113.7"),
                       ("Forwarded", "for=1.1.1.1")], "different clients"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_headers(server, name):
    extra, reason = FORGED[name]
    port = server.port("tcp")

    def attempt():
        with Client(port) as client:
            answer = client.ask(request(extra=extra))
            assert answer.status == 400
            assert reason in answer.body
            client.expect_end()
    until_logged(server, attempt, f"refused 400: .*{reason}")
    assert who(server, "tcp", [("X-Real-IP", "203.0.113.7")])[0] == \
        "203.0.113.7"


def test_one_header_is_meant(server):
    extra = [("X-Real-IP", "203.0.113.7"), ("X-Forwarded-For", "1.1.1.1")]
    assert who(server, "x-real-ip", extra)[0] == "203.0.113.7"


# ---- the PROXY protocol ----------------------------------------------------

HEADERS = {
    "v1": (V1, "203.0.113.7:51200", "plain", ""),
    "v1-v6": (b"PROXY TCP6 2001:db8::7 ::1 51200 443\r\n",
              "[2001:db8::7]:51200", "plain", ""),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", None, "plain", ""),
    "v2": (v2(), "203.0.113.7:51200", "plain", ""),
    "v2-tls": (v2(tlvs=TLS_TLV), "203.0.113.7:51200", "secure", "TLSv1.2"),
    "v2-local": (v2(command=0x20), None, "plain", ""),
    "v2-long": (v2(tlvs=tlv(4, b"\0" * 2000)), "203.0.113.7:51200",
                "plain", ""),
}


@pytest.mark.parametrize("name", HEADERS)
def test_proxy_header(server, tls, name):
    header, want, want_scheme, want_tls = HEADERS[name]
    for listen, use in [("proxied", None), ("proxied-ssl", tls)]:
        address, scheme, row = who(server, listen, preface=header, tls=use)
        assert scheme == ("secure" if use else want_scheme)
        assert row["via_tls"] == want_tls
        if want is None:
            assert own(address) and row["via"] == ""
        else:
            assert address == want and own(row["via"])


@pytest.mark.parametrize("name", ["v1", "v2-tls"])
def test_proxy_header_in_pieces(server, name):
    """Cut everywhere, in single bytes, and in one piece with the request."""
    header, address, _, _ = HEADERS[name]
    port = server.port("proxied")

    def ask(pieces):
        with Client(port) as client:
            for piece in pieces:
                client.send(piece)
            answer = client.read_answer()
            assert answer.headers["sec-websocket-accept"] == accept_of(KEY)
            assert client.read_frame().payload.decode().startswith(address)
    whole = header + request()
    ask([whole])
    ask([whole[i:i + 1] for i in range(len(whole))])
    for at in range(1, len(header) + 2):
        ask([whole[:at], whole[at:]])


def test_proxy_header_and_client_hello_in_one_piece(server, tls):
    with Client(server.port("proxied-ssl"), tls, connect=False) as client:
        client.sock.connect(("127.0.0.1", server.port("proxied-ssl")))
        flush, first = client._flush, [V1]

        def together():
            client.send_raw((first.pop() if first else b"") +
                            client._out.read())
        client._flush = together
        client.handshake()
        client._flush = flush
        client.upgrade()
        assert client.read_frame().payload == b"203.0.113.7:51200 secure"
        client.echo("x" * 5000)
        client.close()


def test_a_strangers_proxy_header_is_not_believed(server):
    """It has to be there, as it is part of the port's protocol."""
    address, _, row = who(server, "proxied-strange", preface=V1)
    assert own(address) and row["via"] == ""


def test_headers_of_a_proxy_behind_a_proxy(server):
    """PROXY names one that is trusted, which names the client."""
    header = b"PROXY TCP4 127.0.0.1 127.0.0.1 5 6\r\n"
    address, _, row = who(server, "proxied", [("X-Real-IP", "203.0.113.7")],
                          preface=header)
    assert address == "203.0.113.7" and own(row["via"])
    # ... and one who is not, does not.
    address, _, _ = who(server, "proxied", [("X-Real-IP", "1.1.1.1")],
                        preface=V1)
    assert address == "203.0.113.7:51200"


BAD = {
    "none": (request(), "there is none"),
    "hello": (b"\x16\x03\x01\x02\0\x01" + b"x" * 512, "there is none"),
    "v1-broken": (b"PROXY TCP4 1.2.3.4\r\n", "malformed"),
    "v1-endless": (b"PROXY UNKNOWN " + b"x" * 200, "107 bytes"),
    "v2-version": (SIGNATURE + b"\x31\x11\0\0", "neither of version"),
    "v2-udp": (SIGNATURE + b"\x21\x12\0\x0c" + b"\0" * 12, "TCP"),
    "v2-short": (SIGNATURE + b"\x21\x11\0\x04" + b"\0" * 4, "cut off"),
    "v2-huge": (SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 5000, "2048"),
    "v2-tlv": (v2(tlvs=b"\x01\xff\xff"), "cut off"),
    "v2-checksum": (v2(tlvs=tlv(3, b"\0\0\0\0")), "checksum"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("listen", ["proxied", "proxied-ssl"])
def test_bad_proxy_headers(server, tls, listen, name):
    data, reason = BAD[name]
    port = server.port(listen)
    before = server.totals()["proxy_failed"]

    def attempt():
        with Client(port) as client:
            client.send(data)
            if name == "none":
                answer = client.read_answer()
                assert answer.status == 400
                assert "PROXY header" in answer.body
            assert not client.recv(), "not a byte more"
    n = until_logged(server, attempt, f"refused: PROXY header: .*{reason}")
    assert server.totals()["proxy_failed"] == before + n
    who(server, listen, preface=V1, tls=tls if "ssl" in listen else None)


def test_a_touched_port(server):
    """A health check that connects and goes, and half a header, are no
    errors and leave nothing."""
    before = server.totals()["proxy_failed"]
    for data in [b"", b"PROXY TC", SIGNATURE[:3]]:
        with Client(server.port("proxied"), preface=data) as client:
            client.shut()
            assert not client.recv()
    until(lambda: server.totals()["connections"] == 0, "all are gone")
    assert server.totals()["proxy_failed"] == before


def test_a_silent_proxy(wssd):
    server = wssd({"listen": {"proxy_protocol": "on",
                              "trusted_proxies": "127.0.0.1",
                              "handshake_timeout": "500ms"}}, tcp=True)
    with Client(server.port(), preface=V1[:20]) as client:
        assert not client.recv()
    server.await_log("within handshake_timeout .*in state proxy")


# ---- limits ----------------------------------------------------------------

def limited(wssd, **listen):
    return wssd({"wssd": {"max_connections_per_address": 2, "workers": 2},
                 "listen": {"trusted_proxies": "127.0.0.1", **listen}},
                tcp=True)


def test_limit_by_the_clients_address(wssd):
    """The proxy has none, each of its clients has."""
    server = limited(wssd)
    port = server.port()

    def client(address):
        return connect(port, fields={"extra": [("X-Real-IP", address)]})
    some = [client(f"203.0.113.{i}") for i in range(5)]
    some.append(client("203.0.113.0"))
    with Client(port) as third:
        answer = third.ask(request(extra=[("X-Real-IP", "203.0.113.0")]))
        assert answer.status == 429
        assert "max_connections_per_address" in answer.body
        third.expect_end()
    assert server.totals()["refused_limit"] == 1
    some[0].close()
    until(lambda: server.totals()["connections"] == 5, "one has left")
    client("203.0.113.0").close()
    # Nor has a proxy that names nobody.
    some += [connect(port) for _ in range(4)]
    for one in some[1:]:
        one.echo()
        one.drop()


def test_limit_with_the_proxy_protocol(wssd):
    server = limited(wssd, proxy_protocol="on")
    port = server.port()
    some = [connect(port, preface=v2(f"203.0.113.{i // 2}"))
            for i in range(6)]
    with Client(port, preface=v2("203.0.113.1")) as third:
        assert not third.recv()
    server.await_log("203.0.113.1:51200 refused: max_connections_per")
    with connect(port, preface=v2("203.0.113.9")) as other:
        other.echo()
    for one in some:
        one.drop()


# ---- the config ------------------------------------------------------------

@pytest.mark.parametrize("listen,error", [
    ({"trusted_proxies": "localhost"}, "trusted_proxies: `localhost' is "),
    ({"trusted_proxies": "10.1.1.1/8"}, "write 10.0.0.0/8"),
    ({"proxy_protocol": "on"}, "proxy_protocol = on needs trusted_proxies"),
    ({"real_ip_header": "x-real-ip"}, "real_ip_header needs trusted_prox"),
    ({"real_ip_header": "x-realip", "trusted_proxies": "::1"},
     "did you mean `x-real-ip'"),
])
def test_errors(wssd, listen, error):
    server = wssd({"listen": listen}, tcp=True, start=False)
    result = server.ctl("check")
    assert result.returncode == 6
    assert f"{server.path}:" in result.stderr
    assert error in result.stderr


def test_reload_changes_who_is_trusted(wssd):
    server = wssd(tcp=True)
    extra = {"extra": [("X-Real-IP", "203.0.113.7")]}

    def address():
        with connect(server.port(), fields=extra):
            return server.connections()[-1]["address"]
    assert own(address())
    server.set({"listen": {"trusted_proxies": "127.0.0.0/8, ::1"}})
    server.reload()
    assert address() == "203.0.113.7"
