# SPDX-License-Identifier: MIT
"""verify_peer: who is let in with which certificate, and what the handler
and the operator see of it."""
import datetime
import ssl

import pytest

from clients import TEXT, Client, connect
from modules import build
from pki import DAY, Authority

EPOCH = datetime.datetime(1970, 1, 1)

# It answers with what it knows of the client.
KNOWING = r"""
#include <stdio.h>
#include <string.h>
#include <wssd/handler.h>

static void
on_message(struct wss_conn *conn, const struct wss_message *m)
{
	const struct wss_peer *peer = wss_peer(conn);
	char text[4096];
	size_t n;

	(void)m;
	if (peer == NULL) {
		wss_send(conn, 1, "nobody", 6);
		return;
	}
	n = (size_t)snprintf(text, sizeof(text), "%s|%s|%s|%lld",
	    peer->subject, peer->issuer, peer->fingerprint,
	    (long long)peer->not_after);
	for (size_t i = 0; peer->names[i] != NULL; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "|%s",
		    peer->names[i]);
	wss_send(conn, 1, text, n);
}

const struct wss_handler wss_module = {
	.abi = WSS_ABI, .name = "knowing", .message = on_message };
"""


def is_let_in(port, tls):
    """In TLS 1.3 a client hears of its refusal only when it reads."""
    try:
        with connect(port, tls) as client:
            client.echo()
        return True
    except (ssl.SSLError, ConnectionError, AssertionError):
        return False


@pytest.fixture(scope="module", params=["TLSv1_2", "TLSv1_3"])
def client_of(request, authority):
    def make(leaf=None):
        tls = authority.client(leaf)
        tls.minimum_version = tls.maximum_version = \
            ssl.TLSVersion[request.param]
        return tls
    return make


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Another CA than the server's, with an intermediate one."""
    folder = tmp_path_factory.mktemp("clients")
    root = Authority(folder, "clients root")
    return root, Authority(folder, "clients", root)


def test_require(wssd, authority, clients, client_of):
    root, middle = clients
    one = wssd({"context": {"verify_peer": "require", "cafile": root.path}})
    port = one.port()
    chain = [middle.cert]
    assert is_let_in(port, client_of(root.issue("tom", client=True)))
    assert is_let_in(port, client_of(middle.issue("tom", client=True,
                                                  chain=chain)))
    for wrong, why in [
            (None, "peer did not return a certificate"),
            (middle.issue("tom", client=True), "unable to get local issuer"),
            (authority.issue("tom", client=True), "unable to get local"),
            (root.issue("tom", client=True, self_signed=True), "self-signed"),
            (root.issue("tom", client=True, begins=-9 * DAY, ends=-DAY),
             "certificate has expired"),
            (root.issue("tom", client=True, begins=DAY), "not yet valid")]:
        assert not is_let_in(port, client_of(wrong)), why
        assert one.log_has(f"TLS handshake failed: .*{why}"), why


def test_a_certificate_for_servers_is_none_for_clients(wssd, clients,
                                                       client_of):
    root, _ = clients
    one = wssd({"context": {"verify_peer": "require", "cafile": root.path}})
    both = root.issue("tom")   # without a purpose: for all
    assert is_let_in(one.port(), client_of(both))
    server = root.issue("tom", server=True)
    assert not is_let_in(one.port(), client_of(server))
    assert one.log_has("unsuitable certificate purpose")


def test_optional(wssd, authority, clients, client_of):
    """None is enough, but a wrong one is not."""
    root, _ = clients
    one = wssd({"context": {"verify_peer": "optional", "cafile": root.path}})
    assert is_let_in(one.port(), client_of())
    assert is_let_in(one.port(), client_of(root.issue("tom", client=True)))
    assert not is_let_in(one.port(), client_of(authority.issue("tom")))


def test_depth(wssd, clients, client_of):
    root, middle = clients
    direct = root.issue("tom", client=True)
    deeper = middle.issue("tom", client=True, chain=[middle.cert])
    one = wssd({"context": {"verify_peer": "require", "cafile": root.path,
                            "verify_depth": 0}})
    assert is_let_in(one.port(), client_of(direct))
    assert not is_let_in(one.port(), client_of(deeper))
    one.set({"context": {"verify_depth": 1}})
    one.reload()
    assert is_let_in(one.port(), client_of(deeper))


def test_a_folder_of_cas(wssd, authority, clients, client_of, tmp_path):
    root, _ = clients
    folder = tmp_path / "cas"
    folder.mkdir()
    (folder / "one.pem").write_bytes(root.path.read_bytes())
    (folder / "readme").write_text("no certificate\n")
    one = wssd({"context": {"verify_peer": "require", "capath": folder}})
    assert is_let_in(one.port(), client_of(root.issue("tom", client=True)))
    assert not is_let_in(one.port(), client_of(authority.issue("tom")))


def test_revoked(wssd, clients, client_of, tmp_path):
    root, _ = clients
    tom, ann = (root.issue(n, client=True) for n in ("tom", "ann"))
    crl = root.revoke(tmp_path / "crl.pem", tom)
    one = wssd({"context": {"verify_peer": "require", "cafile": root.path,
                            "crl": crl}})
    assert is_let_in(one.port(), client_of(ann))
    assert not is_let_in(one.port(), client_of(tom))
    assert one.log_has("certificate is refused: certificate revoked")
    # A list that is too old says nothing about anybody.
    root.revoke(crl, ends=-DAY)
    assert "has expired on" in one.reload().stderr
    assert one.ctl("check").returncode == 6
    assert not is_let_in(one.port(), client_of(ann))
    assert one.log_has("certificate is refused: CRL has expired")
    crl.write_text("no list\n")
    result = one.ctl("reload")
    assert result.returncode == 6
    assert "has no revocation list (PEM)" in result.stderr


def test_fingerprints(wssd, clients, client_of):
    """Of those that a CA has signed, and of those that nobody has."""
    root, _ = clients
    tom, ann = (root.issue(n, client=True) for n in ("tom", "ann"))
    own, other = (root.issue("own", client=True, self_signed=True)
                  for _ in range(2))
    colons = ":".join(tom.fingerprint[i:i + 2].upper()
                      for i in range(0, 64, 2))
    one = wssd({"context": {"verify_peer": "require", "cafile": root.path,
                            "peer_fingerprint": colons}})
    assert is_let_in(one.port(), client_of(tom))
    assert not is_let_in(one.port(), client_of(ann))
    assert one.log_has("is not one of peer_fingerprint")
    one.sections["context"].pop("cafile")
    one.set({"context": {"allow_self_signed": "on",
                         "peer_fingerprint": own.fingerprint}})
    one.reload()
    assert is_let_in(one.port(), client_of(own))
    assert not is_let_in(one.port(), client_of(other))
    assert not is_let_in(one.port(), client_of(tom))


def test_what_is_known_of_a_client(wssd, clients, client_of, tmp_path):
    root, _ = clients
    module = build(tmp_path, KNOWING, "knowing")
    tom = root.issue("tom, the \"cat\"", "tom.example", "192.0.2.7",
                     client=True)
    one = wssd({"context": {"verify_peer": "optional", "cafile": root.path},
                "route /": {"handler": "module", "module": module}})
    with connect(one.port(), client_of()) as client:
        client.send_text("who am I?")
        client.expect(TEXT, "nobody")
        assert [(c["peer"], c["peer_fingerprint"], c["peer_names"])
                for c in one.connections()] == [("", "", [])]
    tls, session = client_of(tom), None
    for _ in range(2):      # the second time by a ticket
        with Client(one.port(), tls, session=session) as client:
            client.upgrade()
            client.send_text("who am I?")
            subject, issuer, fingerprint, until, *names = \
                client.expect(TEXT).payload.decode().split("|")
            session = client.tls.session
            row = one.connections()[-1]
        assert subject == r'CN=tom\, the \"cat\"'
        assert issuer == "CN=clients root"
        assert fingerprint == tom.fingerprint
        assert int(until) == int((tom.parsed.not_valid_after -
                                  EPOCH).total_seconds())
        assert names == [r'DNS:tom, the \"cat\"', "DNS:tom.example",
                         "IP:192.0.2.7"]
        assert (row["peer"], row["peer_fingerprint"], row["peer_names"]) == (
            subject, fingerprint, names)
    assert one.totals()["tls_resumed"] == 1
