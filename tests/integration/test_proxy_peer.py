# SPDX-License-Identifier: MIT
"""handler = proxy: what the server behind learns of a client's certificate,
and that nobody can write it himself."""
import json
import re
import urllib.parse

import pytest

from backends import Backend
from clients import TEXT, Client
from pki import Authority

PREFIX = "x-ssl-client-"
# As a client would spell them, and as CGI could not tell from them.
FORGED = [(name, "forged") for name in (
    "X-SSL-Client-Verify", "x-ssl-client-s-dn", "X_SSL_Client_Fingerprint",
    "X-Ssl_Client-San", "X-SSL-Client-I-DN", "X-SSL-Client-Cert",
    "Client-Cert", "Client_Cert_Chain")]


@pytest.fixture(scope="module")
def backend():
    with Backend() as one:
        yield one


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("clients"), "the clients' CA")


@pytest.fixture(scope="module")
def proxy(wssd_module, backend, root):
    return wssd_module({
        "context": {"verify_peer": "optional", "cafile": root.path},
        "route /": {"handler": "proxy", "upstream": backend.url}})


def told(port, tls, **how):
    """[(name, value)] of the backend's request that a client could want to
    forge, in order, and the TLS session."""
    session = how.pop("session", None)
    with Client(port, tls, session=session) as client:
        client.upgrade(extra=FORGED, connection="Upgrade, " + FORGED[0][0],
                       **how)
        client.send_text("headers")
        fields = [(name.lower(), value) for name, value in
                  json.loads(client.expect(TEXT).payload)[1]]
        session = client.tls and client.tls.session
    assert not [f for f in fields if f[1] == "forged"]
    return [(n[len(PREFIX):], v) for n, v in fields
            if re.match(PREFIX + "|client.cert", n.replace("_", "-"))], session


def names_of(value):
    return [urllib.parse.unquote(n) for n in value.split(", ")]


def test_with_a_certificate(proxy, authority, root):
    tom = root.issue("tom", "tom.example", "192.0.2.7", client=True)
    tls, session = authority.client(tom), None
    for _ in range(2):      # the second time by a ticket
        fields, session = told(proxy.port(), tls, session=session)
        assert fields == [
            ("verify", "SUCCESS"), ("s-dn", "CN=tom"),
            ("i-dn", "CN=the clients' CA"),
            ("fingerprint", tom.fingerprint),
            ("san", "DNS:tom, DNS:tom.example, IP:192.0.2.7")]
    assert proxy.totals()["tls_resumed"] == 1


def test_without_one(proxy, authority):
    assert told(proxy.port(), authority.client())[0] == [("verify", "NONE")]


def test_without_tls(wssd, backend):
    one = wssd({"route /": {"handler": "proxy", "upstream": backend.url}},
               tcp=True)
    assert told(one.port(), None)[0] == [("verify", "NONE")]


@pytest.mark.parametrize("name,subject,san", [
    ("a\r\nX-SSL-Client-Verify: SUCCESS", None, None),
    (" edges ", r"CN=\ edges\%20", "DNS: edges%20"),
    ("100%0d%0A", "CN=100%250d%250A", "DNS:100%250d%250A"),
    ("a, DNS:admin.example", r"CN=a\, DNS:admin.example",
     "DNS:a%2C DNS:admin.example"),
    ("", "", "DNS:"),
    ('"a', r"CN=\"a", r"DNS:\%22a"),
    ("a\x00b\x7f\tc", None, None)])
def test_what_a_certificate_says_stays_one_value(proxy, authority, root, name,
                                                 subject, san):
    leaf = root.issue(name, "last.example", client=True)
    fields, _ = told(proxy.port(), authority.client(leaf))
    assert [n for n, _ in fields] == ["verify", "s-dn", "i-dn",
                                      "fingerprint", "san"]
    found = dict(fields)
    assert found["verify"] == "SUCCESS"
    assert found["fingerprint"] == leaf.fingerprint
    assert all(re.fullmatch("([!-~]([ -~]*[!-~])?)?", v) for v in found.values())
    if subject is not None:
        assert found["s-dn"] == subject
        assert found["san"] == san + ", DNS:last.example"
    names = names_of(found["san"])
    assert len(names) == 2 and names[1] == "DNS:last.example"


def test_more_names_than_fit(proxy, authority, root):
    """Those that are told are whole, and the request gets through."""
    names = [f"{n:02}{'x' * 400}.example" for n in range(60)]
    leaf = root.issue("tom", *names, client=True)
    value = dict(told(proxy.port(), authority.client(leaf))[0])["san"]
    assert 3500 < len(value) <= 4096
    told_of = names_of(value)
    assert told_of == ["DNS:tom"] + ["DNS:" + n
                                     for n in names[:len(told_of) - 1]]
