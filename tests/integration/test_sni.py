# SPDX-License-Identifier: MIT
"""Several contexts on one listen: who gets which, and who none."""
import ssl

import pytest

from clients import Client, connect
from wait import until


def pair(leaf, **more):
    return dict(more, local_cert=leaf.cert, local_pk=leaf.key)


def blind(version=None):
    """A client that takes any certificate and looks at it itself."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    if version is not None:
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion[version]
    return tls


def der_of(port, name, tls=None):
    with Client(port, tls or blind(), name=name) as client:
        return client.tls.getpeercert(True)


def der(leaf):
    return ssl.PEM_cert_to_DER_cert(leaf.cert.read_text())


@pytest.fixture(scope="module")
def leaves(authority):
    return {name: authority.issue(*names) for name, names in {
        "first": ["localhost", "127.0.0.1"],
        "org": ["example.org", "*.example.org"],
        "www": ["www.example.org"],
        "said": ["anything.example"],
    }.items()}


@pytest.fixture(scope="module")
def server(wssd_module, leaves):
    return wssd_module({
        "context": None,
        "listen strict": {"address": "127.0.0.1:0", "strict_sni": "on",
                          "context": "org, said"},
        "context first": pair(leaves["first"]),
        "context org": pair(leaves["org"], server_name="example.org, "
                            "*.example.org"),
        "context www": pair(leaves["www"]),
        "context said": pair(leaves["said"], server_name="said.example",
                             tls_max="1.2", groups="P-384",
                             alpn_protocols="only.said"),
    })


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("name,want", [
    ("localhost", "first"), ("unknown.example", "first"), (None, "first"),
    ("example.org", "org"), ("EXAMPLE.org", "org"), ("a.example.org", "org"),
    ("a.b.example.org", "first"), ("www.example.org", "www"),
    ("anything.example", "first"),
])
def test_who_gets_which(server, leaves, version, name, want):
    got = der_of(server.port(), name, blind(version))
    assert got == der(leaves[want])


def test_a_context_brings_all_its_settings(server, leaves):
    """Versions, groups and ALPN too, which OpenSSL takes from the first."""
    tls = blind()
    tls.set_alpn_protocols(["http/1.1", "only.said"])
    with Client(server.port(), tls, name="said.example") as client:
        assert client.tls.getpeercert(True) == der(leaves["said"])
        assert client.tls.version() == "TLSv1.2"
        assert client.tls.selected_alpn_protocol() == "only.said"
    with pytest.raises(ssl.SSLError):
        der_of(server.port(), "said.example", blind("TLSv1_3"))
    tls = blind()
    tls.set_ecdh_curve("prime256v1")
    der_of(server.port(), "example.org", tls)
    with pytest.raises(ssl.SSLError):
        der_of(server.port(), "said.example", tls)


def test_strict_sni(server, leaves):
    port = server.port("strict")
    assert der_of(port, "a.example.org") == der(leaves["org"])
    assert der_of(port, "said.example") == der(leaves["said"])
    for name in ("localhost", "a.b.example.org", "www.said.example", None):
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            der_of(port, name)
    assert server.log_has(r"TLS handshake failed: no context has the server "
                          r"name a\.b\.example\.org")
    assert server.log_has("failed: the client asks for no server name")


def test_status_says_which(server):
    def handshakes():
        return {row["name"]: row["handshakes"]
                for row in server.status()["contexts"]}
    before = handshakes()
    with connect(server.port(), blind(), name="example.org") as client:
        row = [c for c in server.connections()
               if c["context"] == "org"]
        assert len(row) == 1
        client.close()
    der_of(server.port(), "said.example")
    until(lambda: handshakes() == {
        "first": before["first"], "org": before["org"] + 1,
        "www": before["www"], "said": before["said"] + 1},
        "both are counted for their contexts")


def test_a_reload_adds_and_takes_names(wssd, leaves, authority):
    one = wssd({"context": pair(leaves["first"])})
    assert der_of(one.port(), "example.org") == der(leaves["first"])
    with connect(one.port(), authority.client()) as client:
        one.set({"context": None, "context first": pair(leaves["first"]),
                 "context org": pair(leaves["org"])})
        one.reload()
        assert der_of(one.port(), "x.example.org") == der(leaves["org"])
        one.set({"context org": None})
        one.reload()
        assert der_of(one.port(), "example.org") == der(leaves["first"])
        client.echo()


def test_a_host_that_wants_certificates_is_not_reached_by_another_name(
        wssd, authority, leaves):
    """Whoever connects for a name without, and asks for one with."""
    inner = authority.issue("inner.example")
    one = wssd({
        "context": None,
        "context outer": pair(leaves["first"]),
        "context inner": pair(inner, verify_peer="require",
                              cafile=authority.path)})
    with Client(one.port(), authority.client()) as client:
        client.upgrade(host="localhost")
        client.echo()
    for host in ("inner.example", "INNER.example:443"):
        with Client(one.port(), authority.client()) as client:
            with pytest.raises(AssertionError, match="status=421"):
                client.upgrade(host=host)
    mine = authority.client(authority.issue("tom", client=True))
    with Client(one.port(), mine, name="inner.example") as client:
        client.upgrade(host="inner.example")
        client.echo()
    # The first context is for all names that no other has.
    one.set({"listen": {"context": "inner, outer"}})
    one.reload()
    with Client(one.port(), authority.client()) as client:
        with pytest.raises(AssertionError, match="status=421"):
            client.upgrade(host="unknown.example")


@pytest.mark.timeout(180)
def test_a_thousand_contexts(wssd, authority, leaves, tmp_path):
    """Each with its own section; nobody waits for a search."""
    names = ["*.example", "*.0.example", "*.999.example"]
    two = [authority.issue(*names) for _ in range(2)]
    lines = []
    for i in range(1000):
        more = f", *.{i}.example" if i in (0, 999) else ""
        lines += [f"[context c{i}]", f"server_name = {i}.example{more}",
                  f"local_cert = {two[i % 2].cert}",
                  f"local_pk = {two[i % 2].key}"]
    more = tmp_path / "contexts.ini"
    more.write_text("\n".join(lines) + "\n")
    one = wssd({"wssd": {"include": more}, "context": None}, start=False)
    one.spawn().await_log("wssd .* runs", 80)
    for i in (0, 1, 2, 499, 998, 999):
        assert der_of(one.port(), f"{i}.example") == der(two[i % 2])
    for i in (0, 999):
        assert der_of(one.port(), f"www.{i}.EXAMPLE") == der(two[i % 2])
    rows = {row["name"]: row for row in one.status()["contexts"]}
    assert len(rows) == 256
    assert rows["c0"]["handshakes"] == 2
    assert rows["(others)"]["handshakes"] == 4
    # That what has not changed is not loaded again, unit.test_tls_ctx tells.
    more.write_text(more.read_text() + "[context last]\nserver_name = "
                    "last.example\nlocal_cert = %s\nlocal_pk = %s\n" %
                    (leaves["www"].cert, leaves["www"].key))
    result = one.ctl("reload", timeout=120)
    assert result.returncode == 0, result
    assert der_of(one.port(), "999.example") == der(two[1])
    assert der_of(one.port(), "last.example") == der(leaves["www"])
