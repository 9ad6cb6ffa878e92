# SPDX-License-Identifier: MIT
"""Group T: TLS (RFC 8446, RFC 5246, and RFC 8996, which ends 1.0 and 1.1).
The suite that the other numbers come from has no such cases."""
import socket
import ssl
import subprocess
import warnings

from case import Case, Wrong, close, expect_end, expect_frames, text, write
from clients import TEXT, Client, connect, request

SLOW = "slow"       # a [listen] with a short handshake_timeout
ALERT = 0x15
TRIES = 64          # of two workers, to get to the other one


def context(server, low, high=None):
    tls = server.authority.client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if low < ssl.TLSVersion.TLSv1_2:
            tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = low
        tls.maximum_version = high or low
    return tls


def talk(client):
    write(client, [text("Hello"), close(1000)])
    expect_frames(client, [(TEXT, "Hello")])
    expect_end(client, 1000)


def spoken(version):
    def run(server):
        tls = context(server, version)
        with connect(server.port, tls, "/echo") as client:
            if client.tls.version() != version.name.replace("_", "."):
                raise Wrong(client.tls.version())
            talk(client)
    return run


def not_spoken(version):
    def run(server):
        try:
            Client(server.port, context(server, version)).drop()
        except ssl.SSLError as error:
            if "ALERT_PROTOCOL_VERSION" not in str(error).upper():
                raise Wrong(f"{error}") from error
            return
        raise Wrong("the handshake succeeds")
    return run


def newest(server):
    tls = context(server, ssl.TLSVersion.TLSv1_2,
                  ssl.TLSVersion.MAXIMUM_SUPPORTED)
    with connect(server.port, tls, "/echo") as client:
        if client.tls.version() != "TLSv1.3":
            raise Wrong(client.tls.version())
        talk(client)


def weak_cipher(name):
    def run(server):
        tls = context(server, ssl.TLSVersion.TLSv1_2)
        tls.set_ciphers(name + ":@SECLEVEL=0")
        try:
            Client(server.port, tls).drop()
        except ssl.SSLError as error:
            if "HANDSHAKE_FAILURE" not in str(error).upper():
                raise Wrong(f"{error}") from error
            return
        raise Wrong("the handshake succeeds")
    return run


def hello_of(server):
    """The bytes of a ClientHello."""
    client = Client(server.port, server.tls, connect=False)
    try:
        client.tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    client.drop()
    return client._out.read()


def raw(server, listen, data, fin):
    """All that comes back to these bytes, until the end."""
    with socket.create_connection(("127.0.0.1", server.ports[listen]),
                                  20) as sock:
        sock.sendall(data)
        if fin:
            sock.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while part := sock.recv(65536):
                got += part
        except ConnectionResetError:
            pass
        return got


def unfinished(cut, fin):
    """A ClientHello that ends too early: hung up on, after a time."""
    def run(server):
        data = hello_of(server)[:cut]
        got = raw(server, SLOW, data, fin)
        if got and got[0] != ALERT:
            raise Wrong(f"it says {got[:20]!r}")
    return run


def garbage(data, plain):
    def run(server):
        got = raw(server, "default", data, True)
        if plain and not got.startswith(b"HTTP/1.1 400 "):
            raise Wrong(f"it says {got[:60]!r}")
        if not plain and got and got[0] != ALERT:
            raise Wrong(f"it says {got[:60]!r}")
    return run


def half_closed(server):
    """FIN without close_notify, with an echo under way."""
    with server.open("/echo") as client:
        write(client, [text("Hello")])
        client.shut()
        expect_frames(client, [(TEXT, "Hello")])
        if client.recv():
            raise Wrong("more behind it")
        if client.end != "close_notify":
            raise Wrong(client.end)


def truncated_record(server):
    """A record that is not all there, then FIN."""
    with server.open("/echo") as client:
        client.send_raw(client.encrypt(text("x" * 1000))[:500])
        client.shut()
        if client.recv():
            raise Wrong("it says something")


def bad_record(server):
    """A bit of a record turned round: nothing of it is believed."""
    with server.open("/echo") as client:
        record = bytearray(client.encrypt(text("Hello")))
        record[-1] ^= 1
        client.send_raw(bytes(record))
        try:
            said = client.recv()
        except ssl.SSLError as error:
            if "BAD_RECORD_MAC" not in str(error).upper():
                raise Wrong(f"{error}") from error
            return
        raise Wrong("data" if said else f"{client.end} and no alert")


def clear_text(server):
    """Bytes without encryption on an encrypted connection."""
    with server.open("/echo") as client:
        client.send_raw(text("Hello"))
        try:
            said = client.recv()
        except ssl.SSLError:
            return
        raise Wrong("data" if said else f"{client.end} and no alert")


def bytewise(server):
    """Every byte of every record in a segment of its own."""
    with server.open("/echo") as client:
        data = client.encrypt(text("Hello"))
        for i in range(len(data)):
            client.send_raw(data[i:i + 1])
        expect_frames(client, [(TEXT, "Hello")])
        client.close()


def s_client(server, letter, *more):
    """openssl s_client after an R (renegotiate) or K (new keys)."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}",
         "-CAfile", server.authority.path, "-servername", "localhost",
         *more], input=letter + "\n", capture_output=True, text=True,
        timeout=20, check=False)
    return done.stdout + done.stderr


def renegotiation(server):
    said = s_client(server, "R", "-tls1_2")
    if "RENEGOTIATING" not in said:
        raise Wrong("it was not tried")
    if "no renegotiation" not in said:
        raise Wrong("it is not refused")


def accepted(server):
    """Connections each worker has had; their cells say it at once."""
    return [w["accepted"] for w in server.daemon.status()["workers"]]


def visit(server, tls, session=None):
    """(which worker it was, whether it knew the session, the new session)"""
    before = accepted(server)
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        with tls.wrap_socket(sock, server_hostname="localhost",
                             session=session) as client:
            client.sendall(request("/echo"))
            client.recv(65536)      # so the tickets have come too
            reused, new = client.session_reused, client.session
    grown = [i for i, n in enumerate(accepted(server)) if n > before[i]]
    if len(grown) != 1:
        raise Wrong(f"workers {grown} had the connection")
    return grown[0], reused, new


def resumed(version, by_another):
    """A second connection does without the full handshake; also when it
    comes to another worker than the first."""
    def run(server):
        tls = context(server, version)
        first, _, session = visit(server, tls)
        for _ in range(TRIES):
            worker, reused, _ = visit(server, tls, session)
            if not reused:
                raise Wrong(f"a full handshake: worker {first}, "
                            f"then {worker}")
            if (worker != first) == by_another:
                return
        raise Wrong(f"all of {TRIES} connections came to one worker")
    return run


def early_frame(server):
    """A frame in the first bytes behind the TLS handshake."""
    with server.client() as client:
        write(client, [text("Hello") + b"\r\n\r\n"])
        answer = client.read_answer()
        if answer.status != 400:
            raise Wrong(f"{answer.status}")


def alpn(offer, chosen):
    def run(server):
        tls = server.authority.client()
        tls.set_alpn_protocols(offer)
        with connect(server.port, tls, "/echo") as client:
            if client.tls.selected_alpn_protocol() != chosen:
                raise Wrong(f"{client.tls.selected_alpn_protocol()}")
            talk(client)
    return run


VERSION = ssl.TLSVersion
GROUPS = [
    ("versions and ciphers", [
        ("TLS 1.2", spoken(VERSION.TLSv1_2)),
        ("TLS 1.3", spoken(VERSION.TLSv1_3)),
        ("the newest that both have", newest),
        ("TLS 1.1 is refused", not_spoken(VERSION.TLSv1_1)),
        ("TLS 1.0 is refused", not_spoken(VERSION.TLSv1)),
        ("no cipher without forward secrecy", weak_cipher("AES128-SHA")),
        ("no cipher without authentication", weak_cipher("ADH")),
        ("ALPN http/1.1", alpn(["http/1.1"], "http/1.1")),
        ("ALPN h2, http/1.1", alpn(["h2", "http/1.1"], "http/1.1")),
        ("ALPN h2 alone", alpn(["h2"], None))]),
    ("what is no TLS, or not all of it", [
        ("an HTTP request", garbage(request("/echo"), True)),
        ("bytes of no protocol", garbage(b"\0\1\2\3" * 100, False)),
        ("a record of type 22 and nonsense",
         garbage(b"\x16\3\1\0\x40" + b"\xff" * 64, False)),
        ("a record of a wrong length",
         garbage(b"\x16\3\1\xff\xff" + b"\1" * 100, False)),
        ("SSL 2's hello", garbage(b"\x80\x2e\1\0\2\0\x15\0\0\0\x10" +
                                  b"\1" * 37, False)),
        ("nothing, and then the end", unfinished(0, True)),
        ("one byte, and then silence", unfinished(1, False)),
        ("half a ClientHello, and then silence", unfinished(100, False)),
        ("half a ClientHello, and then the end", unfinished(100, True))]),
    ("established connections", [
        ("a segment for each byte", bytewise),
        ("FIN without close_notify", half_closed),
        ("a record cut short by FIN", truncated_record),
        ("a record with a wrong bit", bad_record),
        ("bytes without encryption", clear_text),
        ("a frame instead of a request", early_frame),
        ("renegotiation is refused", renegotiation)]),
    ("resumption", [
        ("TLS 1.2", resumed(VERSION.TLSv1_2, False)),
        ("TLS 1.3", resumed(VERSION.TLSv1_3, False)),
        ("TLS 1.2, by another worker", resumed(VERSION.TLSv1_2, True)),
        ("TLS 1.3, by another worker", resumed(VERSION.TLSv1_3, True))]),
]


def cases():
    for section, (group, rows) in enumerate(GROUPS, 1):
        for i, (what, run) in enumerate(rows, 1):
            yield Case(f"T.{section}.{i}", what, run=run, group=group)
