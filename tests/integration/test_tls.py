# SPDX-License-Identifier: MIT
"""[context]: what its settings do, and what is said of wrong files."""
import os
import re
import socket
import ssl
import subprocess

import pytest

from clients import Client, connect
from pki import DAY, Authority, pem


def openssl(port, *args, name="localhost", stdin=b"", **more):
    """openssl s_client; its output."""
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}",
         "-servername", name, *map(str, args)], input=stdin,
        capture_output=True, timeout=30, **more)
    return (result.stdout + result.stderr).decode(errors="replace")


def check(one, *patterns):
    """`wssctl check' fails with these sentences, and `reload' too."""
    for command in ("check", "reload"):
        result = one.ctl(command)
        assert result.returncode == 6, (command, result)
        for pattern in patterns:
            assert re.search(pattern, result.stderr), \
                (command, pattern, result.stderr)


@pytest.fixture(scope="module")
def server(wssd_module):
    """For the tests that only try files: what is wrong changes nothing."""
    return wssd_module()


@pytest.fixture
def trial(server):
    """trial({...}) lays keys over [context]; they are taken back."""
    before = dict(server.sections["context"])

    def lay(keys):
        server.sections["context"] = dict(before, **keys)
        server.set({})
        return server
    yield lay
    server.sections["context"] = before
    server.set({})
    server.reload()


# ---- what it does -----------------------------------------------------------

def test_an_rsa_and_an_ecdsa_certificate(wssd, authority):
    """Each client gets the one it understands."""
    ec, rsa = authority.issue(), authority.issue(kind=2048)
    one = wssd({"context": {"local_cert": f"{ec.cert}, {rsa.cert}",
                            "local_pk": f"{ec.key}, {rsa.key}"}})
    for cipher, leaf in [("ECDHE-RSA-AES128-GCM-SHA256", rsa),
                         ("ECDHE-ECDSA-AES128-GCM-SHA256", ec)]:
        only = authority.client()
        only.maximum_version = ssl.TLSVersion.TLSv1_2
        only.set_ciphers(cipher)
        with connect(one.port(), only) as client:
            assert client.tls.cipher()[0] == cipher
            assert client.tls.getpeercert(True) == ssl.PEM_cert_to_DER_cert(
                pem(leaf.parsed).decode())
            client.echo()


def test_a_passphrase_from_a_file(wssd, authority, tls, tmp_path):
    leaf = authority.issue(passphrase="tom's secret")
    word = tmp_path / "word"
    word.write_text("tom's secret\nanother line\n")
    word.chmod(0o600)
    one = wssd({"context": {"local_cert": leaf.cert, "local_pk": leaf.key,
                            "passphrase_file": word}})
    with connect(one.port(), tls) as client:
        client.echo()
    assert "secret" not in one.log()


def test_a_chain_is_sent(wssd, tmp_path):
    root = Authority(tmp_path)
    middle = Authority(tmp_path, "middle", root)
    leaf = middle.issue(chain=[middle.cert])
    one = wssd({"context": {"local_cert": leaf.cert, "local_pk": leaf.key}})
    with connect(one.port(), root.client()) as client:
        client.echo()


def test_versions_and_ciphers(wssd, authority):
    one = wssd({"context": {"tls_max": "1.2",
                            "ciphers": "ECDHE+CHACHA20:ECDHE+AES256",
                            "groups": "P-384"}})
    with connect(one.port(), authority.client()) as client:
        assert client.tls.version() == "TLSv1.2"
        # The server's order counts.
        assert "CHACHA20" in client.tls.cipher()[0]
    assert "Server Temp Key: ECDH, secp384r1" in openssl(one.port())
    one.set({"context": {"tls_min": "1.3", "tls_max": "1.3",
                         "ciphersuites": "TLS_AES_256_GCM_SHA384"}})
    one.reload()
    with connect(one.port(), authority.client()) as client:
        assert client.tls.version() == "TLSv1.3"
        assert client.tls.cipher()[0] == "TLS_AES_256_GCM_SHA384"
    older = authority.client()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        connect(one.port(), older)


def test_the_order_of_ciphers(wssd, authority):
    one = wssd({"context": {"tls_max": "1.2", "ciphers":
                            "ECDHE+AES256:ECDHE+AES128"}})
    tls = authority.client()
    tls.set_ciphers("ECDHE+AES128:ECDHE+AES256")
    with connect(one.port(), tls) as client:
        assert "AES256" in client.tls.cipher()[0]
    one.set({"context": {"honor_cipher_order": "off"}})
    one.reload()
    with connect(one.port(), tls) as client:
        assert "AES128" in client.tls.cipher()[0]


def test_dhe_needs_parameters(wssd, authority, tmp_path):
    """They are RFC 7919's, which need no time to be made."""
    path = tmp_path / "dh.pem"
    subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH",
                    "-pkeyopt", "group:ffdhe2048", "-out", path], check=True)
    leaf = authority.issue(kind=2048)
    one = wssd({"context": {"local_cert": leaf.cert, "local_pk": leaf.key,
                            "tls_max": "1.2", "ciphers":
                            "DHE+AESGCM:ECDHE+AESGCM"}})
    with connect(one.port(), authority.client()) as client:
        assert client.tls.cipher()[0].startswith("ECDHE")
    one.set({"context": {"dh_param": path}})
    one.reload()
    with connect(one.port(), authority.client()) as client:
        assert client.tls.cipher()[0].startswith("DHE")
    one.set({"context": {"ciphers": "ECDHE+AESGCM"}})
    assert "dh_param is not used" in one.reload().stderr


def test_alpn_names_of_ones_own(wssd, authority):
    one = wssd({"context": {"alpn_protocols": "wss.v2, http/1.1"}})
    for offer, chosen in [(["http/1.1", "wss.v2"], "wss.v2"),
                          (["h2", "http/1.1"], "http/1.1"),
                          (["h2"], None)]:
        tls = authority.client()
        tls.set_alpn_protocols(offer)
        with connect(one.port(), tls) as client:
            assert client.tls.selected_alpn_protocol() == chosen


def test_a_staple_is_handed_out_while_it_is_good(wssd, authority, tmp_path):
    leaf = authority.issue()
    path = tmp_path / "staple.der"
    authority.staple(path, leaf)
    one = wssd({"context": {"local_cert": leaf.cert, "local_pk": leaf.key,
                            "ocsp_staple": path}})
    said = openssl(one.port(), "-status", "-CAfile", authority.path)
    assert "OCSP Response Status: successful" in said
    assert "Cert Status: good" in said
    one.set({"context": {"ocsp_staple": path}})
    authority.staple(path, leaf, begins=-3 * DAY, ends=-DAY)
    assert "is out of date" in one.reload().stderr
    assert "OCSP response: no response sent" in openssl(one.port(),
                                                        "-status")


def test_weak_keys_are_a_matter_of_the_level(wssd, authority):
    weak = authority.issue(kind=1024)
    one = wssd({"context": {"local_cert": weak.cert, "local_pk": weak.key,
                            "security_level": 1}})
    one.set({"context": {"security_level": 2}})
    check(one, r"refused at security_level = 2: ee key too small \(its key "
          r"has 1024 bits\)")
    one.set({"context": {"security_level": 1}})


# ---- what is said of wrong files ---------------------------------------------

def test_files_that_are_none(trial, tmp_path):
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing\n")
    one = trial({"local_cert": tmp_path / "missing.pem"})
    check(one, r"cannot open local_cert \S+missing.pem: No such file")
    trial({"local_cert": nothing})
    check(one, r"no certificate \(PEM\) in \S+nothing.pem: no start line")
    trial({"local_pk": nothing})
    check(one, r"no private key \(PEM\) in \S+nothing.pem")
    trial({"local_pk": tmp_path})
    check(one, r"local_pk \S+ is not a regular file")
    trial({"dh_param": nothing})
    check(one, r"no DH parameters \(PEM\) in \S+nothing.pem")
    trial({"ocsp_staple": nothing})
    check(one, r"no OCSP response \(DER\) in \S+nothing.pem")
    trial({"verify_peer": "require", "cafile": nothing})
    check(one, r"cafile \S+nothing.pem has no certificate")
    trial({"verify_peer": "require", "capath": tmp_path})
    check(one, r"capath \S+ has no file with a certificate")
    trial({"verify_peer": "require", "capath": tmp_path / "none"})
    check(one, r"cannot open capath \S+none: No such file")


def test_a_certificate_cut_in_the_middle(trial, leaf, tmp_path):
    half = tmp_path / "half.pem"
    half.write_bytes(leaf.cert.read_bytes()[:300])
    check(trial({"local_cert": half}),
          r"no certificate \(PEM\) in \S+half.pem: bad end line")
    half.write_bytes(leaf.cert.read_bytes() + leaf.cert.read_bytes()[:300])
    check(trial({"local_cert": half}),
          r"the chain in \S+half.pem: bad end line")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_key_that_may_not_be_read(trial, authority):
    leaf = authority.issue()
    leaf.key.chmod(0)
    check(trial({"local_cert": leaf.cert, "local_pk": leaf.key}),
          r"cannot open local_pk \S+: Permission denied")


def test_the_key_of_another(trial, authority):
    check(trial({"local_pk": authority.issue().key}),
          r"the key in \S+ does not belong to the certificate in")


def test_passphrases(trial, authority, tmp_path):
    leaf = authority.issue(passphrase="right")
    pair = {"local_cert": leaf.cert, "local_pk": leaf.key}
    one = trial(pair)
    check(one, r"the key in \S+ is encrypted: passphrase_file must say where")
    word = tmp_path / "word"
    for text, sentence in [
            ("wrong\n", r"the passphrase in \S+word is not that of the key"),
            ("\nright\n", r"passphrase_file \S+word has nothing in its first"),
            ("x" * 5000, r"the passphrase in \S+word is not that of the")]:
        word.write_text(text)
        check(trial(dict(pair, passphrase_file=word)), sentence)


def test_the_chain_in_the_wrong_order(trial, tmp_path):
    root = Authority(tmp_path)
    middle = Authority(tmp_path, "middle", root)
    leaf = middle.issue()
    whole = tmp_path / "whole.pem"
    whole.write_bytes(pem(middle.cert) + pem(leaf.parsed))
    check(trial({"local_cert": whole, "local_pk": leaf.key}),
          r"the key in \S+ belongs to certificate 2 in \S+whole.pem: the "
          r"server's own must be the first")
    whole.write_bytes(pem(leaf.parsed) + pem(root.cert) + pem(middle.cert))
    check(trial({"local_cert": whole, "local_pk": leaf.key}),
          r"the chain in \S+whole.pem is in the wrong order: certificate 2 "
          r"\(wssd test CA\) did not issue certificate 1 \(localhost\)")


def test_an_intermediate_is_missing(trial, authority):
    leaf = authority.issue(aia=True)
    check(trial({"local_cert": leaf.cert, "local_pk": leaf.key}),
          r"\S+ has only the server's certificate: without its CA's "
          r"intermediate certificate")


@pytest.mark.parametrize("begins,ends,sentence", [
    (-9 * DAY, -DAY, "expired on 20"),
    (DAY, 9 * DAY, "is not valid before 20"),
])
def test_dates(wssd, authority, tls, begins, ends, sentence):
    """A start goes on, with a warning; a reload keeps what was good."""
    wrong = authority.issue(begins=begins, ends=ends)
    pair = {"local_cert": wrong.cert, "local_pk": wrong.key}
    one = wssd()
    one.set({"context": pair})
    check(one, f"the certificate in .* {sentence}")
    with connect(one.port(), tls) as client:
        client.echo()
    other = wssd({"context": pair})
    assert other.log_has(f"the certificate in .* {sentence}")
    # What was wrong before does not stop a reload.
    assert sentence in other.reload().stderr


def test_a_name_that_the_certificate_has_not(wssd):
    one = wssd({"context": {"server_name": "localhost, *.example.org"}})
    assert one.log_has(r"is not for server_name \*.example.org: clients")
    assert not one.log_has(r"not for server_name localhost")


def test_two_of_a_kind(trial, authority):
    a, b = authority.issue(), authority.issue()
    check(trial({"local_cert": f"{a.cert}, {b.cert}",
                 "local_pk": f"{a.key}, {b.key}"}),
          r"local_cert: \S+ has the same kind of key as one before it")


def test_staples_about_others(trial, authority, leaf, tmp_path):
    path = tmp_path / "staple.der"
    authority.staple(path, authority.issue())
    check(trial({"ocsp_staple": path}),
          r"ocsp_staple \S+ is not about the certificate in")
    authority.staple(path, leaf, status="REVOKED")
    check(trial({"ocsp_staple": path}),
          r"ocsp_staple \S+ says of the certificate: revoked")


def test_words_that_openssl_does_not_know(trial):
    for key, value in [("ciphers", "NONSENSE"),
                       ("ciphersuites", "NONSENSE"),
                       ("groups", "NONSENSE")]:
        check(trial({key: value}), f"{key} NONSENSE: ")


# ---- the handshake -------------------------------------------------------------

def test_null_and_anonymous_ciphers_are_never_used(wssd):
    """Whatever the list says."""
    one = wssd({"context": {"ciphers": "ALL:COMPLEMENTOFALL:aNULL:eNULL",
                            "security_level": 1, "tls_max": "1.2"}})
    for cipher in ("aNULL", "eNULL"):
        said = openssl(one.port(), "-cipher", f"{cipher}:@SECLEVEL=0")
        assert "Cipher is (NONE)" in said, said


def test_no_renegotiation(wssd):
    """Neither at once nor later."""
    one = wssd({"context": {"tls_max": "1.2"}})
    said = openssl(one.port(), stdin=b"R\n")
    assert "no renegotiation" in said, said
    assert "Compression: NONE" in said


def test_garbage_in_a_client_hello(wssd, tls):
    """A hello that promises more than it has costs that client only."""
    one = wssd()
    for data in [b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff",
                 b"\x16\x03\x01\x40\x01" + b"\x01" * 0x4001,
                 b"\x16\x03\x01\x00\x00" * 40]:
        with socket.create_connection(("127.0.0.1", one.port())) as sock:
            sock.settimeout(20)
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(4096):
                pass
    with Client(one.port(), tls) as client:
        client.upgrade()
        client.echo()
