# SPDX-License-Identifier: MIT
"""wssctl dev-cert: what it makes, keeps, refuses, and leaves alone."""
import datetime
import os
import socket
import ssl
import stat
import subprocess
import threading

import pytest
from cryptography import x509

import daemon
from clients import connect
from pki import DAY, Authority

FILES = ("ca.key", "ca.pem", "cert.pem", "key.pem")


def dev_cert(folder, *args, code=0, **more):
    done = subprocess.run(
        [daemon.bin_dir() / "wssctl", "dev-cert", "--dir", folder, "--",
         *args],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        **more)
    assert done.returncode == code, done
    if code == 0:
        assert done.stderr == ""
    else:
        assert done.stdout == ""
        assert done.stderr.startswith("wssctl: ")
        assert done.stderr.count("\n") == 1
    return done.stdout + done.stderr


def content(folder):
    """What each file has, and whether it is the same file."""
    return {path.name: (path.read_bytes(), path.stat().st_ino)
            for path in folder.iterdir()}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def handshake(folder, name, ca=None):
    """A client of Python's ssl that trusts the CA and wants the name; raises
    what it has against the certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client = ssl.create_default_context(cafile=str(ca or folder / "ca.pem"))
    ours, theirs = socket.socketpair()

    def serve():
        with theirs:
            try:
                server.wrap_socket(theirs, server_side=True).close()
            except OSError:
                pass
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, client.wrap_socket(ours, server_hostname=name):
            pass
    finally:
        thread.join()


def test_localhost(tmp_path):
    """The folder is made, with the right modes whatever the umask is."""
    folder = tmp_path / "dev"
    for mask in (0o000, 0o077):
        said = dev_cert(folder, preexec_fn=lambda: os.umask(mask))
        assert sorted(p.name for p in folder.iterdir()) == list(FILES)
        assert [mode(folder / name) for name in FILES] == [
            0o600, 0o644, 0o644, 0o600]
        for path in folder.iterdir():
            path.unlink()
    said = dev_cert(folder)
    for name in ("localhost", "127.0.0.1", "::1"):
        handshake(folder, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(folder, "shop.test")
    assert f"Made {folder}/ca.pem, wssd development CA " in said
    assert f"Made {folder}/cert.pem, for localhost 127.0.0.1 ::1, " in said
    for word in ("update-ca-certificates", "certutil -d sql:", "Firefox",
                 "Chrome", f"local_pk = \"{folder}/key.pem\""):
        assert word in said


def test_names(tmp_path):
    dev_cert(tmp_path, "Shop.Example", "*.shop.example", "10.1.2.3",
             "2001:db8::1")
    for name in ("shop.example", "www.shop.example", "10.1.2.3",
                 "2001:db8::1"):
        handshake(tmp_path, name)
    leaf = x509.load_pem_x509_certificate(
        (tmp_path / "cert.pem").read_bytes())
    assert leaf.not_valid_after - leaf.not_valid_before < 398 * DAY
    assert leaf.public_key().curve.name == "secp256r1"


def test_wssd_uses_it(wssd, tmp_path):
    dev_cert(tmp_path, "localhost")
    one = wssd({"context": {"local_cert": tmp_path / "cert.pem",
                            "local_pk": tmp_path / "key.pem"}})
    tls = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    with connect(one.port(), tls) as client:
        client.echo()


def test_everything_is_kept(tmp_path):
    dev_cert(tmp_path, "a.test", "b.test")
    before = content(tmp_path)
    for names in (["a.test", "b.test"], ["b.test"]):
        said = dev_cert(tmp_path, *names)
        assert f"Kept {tmp_path}/ca.pem" in said
        assert f"Kept {tmp_path}/cert.pem" in said
        assert content(tmp_path) == before


def test_another_name_needs_another_certificate(tmp_path):
    """From the same CA, with the same key."""
    dev_cert(tmp_path)
    before = content(tmp_path)
    said = dev_cert(tmp_path, "shop.test")
    after = content(tmp_path)
    assert f"Made {tmp_path}/cert.pem, for shop.test" in said
    assert [n for n in FILES if before[n] != after[n]] == ["cert.pem"]
    handshake(tmp_path, "shop.test")


def test_the_ca_is_limited(tmp_path):
    """Trusting it does no harm: it cannot sign for a name of somebody."""
    dev_cert(tmp_path, "shop.example")
    before = content(tmp_path)
    said = dev_cert(tmp_path, "bank.example", code=1)
    assert "may sign only for" in said
    assert content(tmp_path) == before
    # And clients enforce it: a leaf that is signed all the same.
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    limits = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    assert {str(n.value) for n in limits.value.permitted_subtrees} == {
        "localhost", "test", "127.0.0.0/8", "::1/128", "shop.example"}


def test_a_lost_certificate(tmp_path):
    dev_cert(tmp_path)
    before = content(tmp_path)
    (tmp_path / "cert.pem").unlink()
    dev_cert(tmp_path)
    after = content(tmp_path)
    assert [n for n in FILES if before[n] != after[n]] == ["cert.pem"]


@pytest.mark.parametrize("name, reason", [
    ("two words", "neither a DNS name nor an IP address"),
    ("-a.test", "neither"), ("a..test", "neither"), ("a_b.test", "neither"),
    ("x" * 64 + ".test", "neither"), (("x" * 50 + ".") * 5 + "test", "neither"),
    ("1.2.3.400", "neither"), ("a,DNS:b", "neither"), ("", "neither"),
    ("a.*.test", "neither"), ("[::1]", "neither"),
    ("*.test", "two labels"), ("b\u00fccher.test", "xn--"),
    ("a\nb", "neither"),
])
def test_bad_names(tmp_path, name, reason):
    said = dev_cert(tmp_path / "dev", "localhost", name, code=2)
    assert reason in said
    assert not (tmp_path / "dev").exists()


def test_too_many_names(tmp_path):
    done = subprocess.run(
        [daemon.bin_dir() / "wssctl", "dev-cert", "--dir", tmp_path,
         *(f"n{i}.test" for i in range(65))], capture_output=True, text=True,
        check=False)
    assert done.returncode == 2
    assert "usage: wssctl dev-cert" in done.stderr
    assert list(tmp_path.iterdir()) == []


def other_ca(folder):
    """Somebody's CA and its key, ending tomorrow."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
         "/CN=other CA", "-out", folder / "ca.pem", "-keyout",
         folder / "ca.key"], check=True, capture_output=True)


def spoil(what, folder):
    if what == "ca.key is gone":
        (folder / "ca.key").unlink()
    elif what == "ca.key is another one":
        (folder / "ca.key").write_bytes((folder / "key.pem").read_bytes())
    elif what == "an old CA of somebody":
        other_ca(folder)
    elif what == "a certificate of somebody":
        Authority(folder.parent).issue(
            files=(folder / "cert.pem", folder / "key.pem"))
    else:
        (folder / what).write_text("nonsense\n")


@pytest.mark.parametrize("what, reason", [
    ("ca.key is gone", "its key"),
    ("ca.key is another one", "is not the key of"),
    ("an old CA of somebody", "not valid for another week"),
    ("a certificate of somebody", "left alone"),
    ("ca.pem", "no certificate (PEM) in"),
    ("ca.key", "no private key (PEM)"),
    ("cert.pem", "no certificate (PEM) in"),
    ("key.pem", "no private key (PEM)"),
])
def test_nothing_is_overwritten(tmp_path, what, reason):
    folder = tmp_path / "dev"
    dev_cert(folder)
    spoil(what, folder)
    before = content(folder)
    assert reason in dev_cert(folder, "other.test", code=1)
    assert content(folder) == before


def test_a_key_with_passphrase_is_not_asked_for(tmp_path):
    dev_cert(tmp_path)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "key.pem", "-aes256",
                    "-passout", "pass:x", "-out", tmp_path / "ca.key"],
                   check=True)
    assert "without passphrase" in dev_cert(tmp_path, code=1)


def test_folders_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    assert "Not a directory" in dev_cert(tmp_path / "file", code=1)
    assert "No such file" in dev_cert(tmp_path / "a" / "b", code=1)


def test_an_old_ca_of_ours_is_renewed(tmp_path):
    """With its key."""
    dev_cert(tmp_path)
    key = (tmp_path / "ca.key").read_bytes()
    subprocess.run(
        ["openssl", "req", "-x509", "-key", tmp_path / "ca.key", "-days", "1",
         "-subj", "/CN=wssd development CA 1", "-out", tmp_path / "ca.pem"],
        check=True, capture_output=True)
    said = dev_cert(tmp_path)
    assert f"Made {tmp_path}/ca.pem" in said
    assert (tmp_path / "ca.key").read_bytes() == key
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    assert ca.not_valid_after > datetime.datetime.utcnow() + 3000 * DAY
    handshake(tmp_path, "localhost")


def test_the_usual_folder(tmp_path):
    subprocess.run([daemon.bin_dir() / "wssctl", "dev-cert"], cwd=tmp_path,
                   check=True, capture_output=True)
    handshake(tmp_path / "wssd-dev", "localhost")
