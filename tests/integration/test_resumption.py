# SPDX-License-Identifier: MIT
"""Session tickets: a client that comes back is known, wherever it comes back
to, and only where it was known before."""
import os
import re
import signal
import ssl
import subprocess

import pytest

from clients import TEXT, Client, connect
from wait import until

VERSIONS = ["TLSv1_2", "TLSv1_3"]


def of_version(authority, version, leaf=None):
    tls = authority.client(leaf)
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion[version]
    return tls


class Visitor:
    """A client that keeps its last session, as browsers do."""

    def __init__(self, tls, name="localhost", host=None):
        self.tls, self.name = tls, name
        self.host = host or name
        self.session = None

    def visit(self, port):
        """True: the session was resumed."""
        with Client(port, self.tls, name=self.name,
                    session=self.session) as client:
            client.upgrade(host=self.host)
            client.echo("hello")
            self.session = client.tls.session
            return client.tls.session_reused

    def visits(self, port, n):
        return sum(self.visit(port) for _ in range(n))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_hundred_over_four_workers(wssd, authority, version):
    """Also after a reload, a death, and when all workers are new."""
    one = wssd({"wssd": {"workers": 4}})
    one.deaths_expected = True
    port = one.port()
    visitor = Visitor(of_version(authority, version))
    assert not visitor.visit(port)
    assert visitor.visits(port, 100) >= 99
    assert all(w["accepted"] > 0 for w in one.status()["workers"])
    assert one.totals()["tls_resumed"] >= 99

    one.set({"route /more": {"handler": "echo"}})
    one.reload()
    assert visitor.visits(port, 25) >= 24

    victim = one.worker_pids()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in one.worker_pids() and
          all(w["state"] == "running" for w in one.status()["workers"]),
          "it is replaced")
    assert visitor.visits(port, 25) >= 24

    before = set(one.worker_pids())
    assert one.ctl("restart", "--rolling").returncode == 0
    until(lambda: not before & set(one.worker_pids()), "the old are gone")
    assert visitor.visits(port, 25) >= 24


def key_name(port):
    """Of the key for new tickets: the first 16 bytes of a ticket."""
    said = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=30).stdout
    return re.search(r"TLS session ticket:\n *0000 - ([-0-9a-f ]{47})",
                     said.decode(errors="replace"))[1]


def test_a_key_goes_out_of_use_and_its_tickets_stay_good(wssd, authority):
    one = wssd({"wssd": {"workers": 2, "ticket_rotate": "1s",
                         "ticket_overlap": "12s"}})
    visitors = [Visitor(of_version(authority, v)) for v in VERSIONS]
    for visitor in visitors:
        visitor.visit(one.port())
        assert visitor.session.ticket_lifetime_hint == 12
    first = key_name(one.port())
    until(lambda: key_name(one.port()) != first, "the key is another", 10)
    for visitor in visitors:
        assert visitor.visit(one.port())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_is_shared_by_machines(wssd, authority, tmp_path, version):
    path = tmp_path / "tickets.key"
    path.touch(mode=0o600)
    first, second = os.urandom(80), os.urandom(80)
    path.write_bytes(first)
    one = wssd({"wssd": {"ticket_key_file": path}})
    two = wssd({"wssd": {"ticket_key_file": path}})
    other = wssd()
    visitor = Visitor(of_version(authority, version))
    visitor.visit(one.port())
    assert visitor.visits(two.port(), 3) == 3
    kept = visitor.session
    assert not visitor.visit(other.port())
    # A new key in front, the old one still known.
    path.write_bytes(second + first)
    one.reload()
    visitor.session = kept
    assert visitor.visit(one.port())
    # two does not know the new one before it is told.
    assert not visitor.visit(two.port())
    two.reload()
    visitor.visit(one.port())
    assert visitor.visit(two.port())


def test_wrong_key_files(wssd, tmp_path):
    one = wssd()
    path = tmp_path / "tickets.key"
    for data, mode, sentence in [
            (b"x" * 81, 0o600, "must have 80 bytes for each of 1 to 16 keys"),
            (b"", 0o600, "must have 80 bytes"),
            (b"x" * 80, 0o644, "can be read by everybody")]:
        path.write_bytes(data)
        path.chmod(mode)
        one.set({"wssd": {"ticket_key_file": path}})
        for command in ("check", "reload"):
            result = one.ctl(command)
            assert result.returncode == 6
            assert f"wssd.ini:{line_of(one, 'ticket_key_file')}: " in \
                result.stderr
            assert sentence in result.stderr


def line_of(one, key):
    lines = one.path.read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.startswith(key))


@pytest.mark.parametrize("version", VERSIONS)
def test_no_tickets(wssd, authority, version):
    one = wssd({"context": {"session_tickets": "off"}})
    visitor = Visitor(of_version(authority, version))
    assert visitor.visits(one.port(), 3) == 0
    assert one.totals()["tls_resumed"] == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_only_in_the_context_it_was_made_for(wssd, authority, version):
    """A session of one name is none for another, though all have one key."""
    both = authority.issue("a.example", "b.example")
    pair = {"local_cert": both.cert, "local_pk": both.key}
    one = wssd({"context": None,
                "context a": dict(pair, server_name="a.example"),
                "context b": dict(pair, server_name="b.example")})
    a = Visitor(of_version(authority, version), "a.example")
    b = Visitor(a.tls, "b.example")
    a.visit(one.port())
    assert a.visit(one.port())
    b.session = a.session
    assert not b.visit(one.port())
    assert b.visit(one.port())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_is_checked_again_when_the_rules_change(
        wssd, authority, tmp_path, version):
    """With its certificate; a list that revokes it ends its sessions."""
    tom = authority.issue("tom", client=True)
    ann = authority.issue("ann", client=True)
    crl = authority.revoke(tmp_path / "crl.pem")
    one = wssd({"context": {"verify_peer": "require", "crl": crl,
                            "cafile": authority.path}})
    toms = Visitor(of_version(authority, version, tom))
    anns = Visitor(of_version(authority, version, ann))
    for visitor in (toms, anns):
        visitor.visit(one.port())
        assert visitor.visit(one.port())
    # The same rules: known, though the server's certificate is new.
    new = authority.issue()
    one.set({"context": {"local_cert": new.cert, "local_pk": new.key}})
    one.reload()
    assert toms.visit(one.port())
    authority.revoke(crl, tom)
    one.reload()
    assert not anns.visit(one.port())
    assert anns.visit(one.port())
    with pytest.raises((ssl.SSLError, AssertionError, ConnectionError)):
        toms.visit(one.port())
    assert one.log_has("certificate is refused: certificate revoked")


def test_keys_do_not_reach_the_log(wssd, tmp_path, authority):
    path = tmp_path / "tickets.key"
    path.touch(mode=0o600)
    path.write_bytes(b"SECRETSECRETSECR" * 5)
    one = wssd({"wssd": {"ticket_key_file": path, "log_level": "debug"}})
    with connect(one.port(), authority.client()) as client:
        client.send_text("x")
        client.expect(TEXT, "x")
    assert "SECRET" not in one.log()
