# SPDX-License-Identifier: MIT
"""wssctl doctor: each finding that can be provoked, in the words of an
operator; and that it finds nothing where nothing is wrong."""
import datetime
import os
import pathlib
import pwd
import re
import socket

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from clients import connect
from conftest import needs_root
from daemon import drop_to
from pki import DAY, Authority, pem


# Long enough that nobody warns of the end.
LASTING = 25 * DAY


@pytest.fixture(scope="session")
def leaf(authority):
    """As in conftest.py."""
    return authority.issue(ends=LASTING)


def doctor(one, *args, code, **more):
    done = one.ctl("doctor", *args, **more)
    assert done.stderr == ""
    for line in done.stdout.splitlines():
        assert re.match(r"(OK|WARN|FAIL) {2,4}\S", line), line
    assert done.returncode == code, done.stdout
    failed = any(l.startswith("FAIL") for l in done.stdout.splitlines())
    assert failed == (code == 1), done.stdout
    return done.stdout


def issue(by, *names, **more):
    return by.issue(*names, **{"ends": LASTING, **more})


def lines(said, kind):
    return [l.partition(" ")[2].strip() for l in said.splitlines()
            if l.startswith(kind)]


@pytest.fixture
def few(wssd):
    """A Daemon that fits into what a shell gives it: no warning is due."""
    def make(sections=None, **more):
        sections = dict(sections or {})
        sections["wssd"] = dict(sections.get("wssd", {}),
                                max_connections_per_worker=500)
        sections["listen"] = dict({"backlog": 100},
                                  **sections.get("listen", {}))
        return wssd(sections, **more)
    return make


# ---- nothing is wrong ------------------------------------------------------

def test_well(few, authority):
    one = few()
    said = doctor(one, "--ca", authority.path, code=0)
    port = one.port()
    assert f"OK    127.0.0.1:{port} localhost: TLS 1.2 and 1.3, the " \
        "certificate is right and trusted\n" in said
    assert f"OK    wssd runs, pid {one.pid}\n" in said
    assert lines(said, "WARN") == [] and lines(said, "FAIL") == []


def test_it_disturbs_nobody(few, authority, tls):
    one = few()
    with connect(one.port(), tls) as client:
        doctor(one, "--ca", authority.path, code=0)
        client.echo()
        assert len(one.connections()) == 1


def test_every_name_and_address(few, authority, tmp_path):
    """SNI chooses; *.shop.example is tried with a name that fits."""
    shop = issue(authority, "*.shop.example", "shop.example")
    chat = issue(authority, "chat.example")
    one = few({
        "listen": {"address": f"127.0.0.1:0, unix:{tmp_path}/tls.sock"},
        "listen plain": {"address": "127.0.0.1:0", "transport": "tcp"},
        "context shop": {"server_name": "*.shop.example",
                         "local_cert": shop.cert, "local_pk": shop.key},
        "context chat": {"local_cert": chat.cert, "local_pk": chat.key}})
    said = doctor(one, "--ca", authority.path, code=0)
    for where in (f"127.0.0.1:{one.port()}", f"unix:{tmp_path}/tls.sock"):
        for name in ("localhost", "any-label.shop.example", "chat.example"):
            assert f"{where} {name}: TLS 1.2 and 1.3" in said
    assert f"127.0.0.1:{one.port('plain')}: answers (without TLS)" in said


def test_any_address_is_tried_on_this_machine(few, authority):
    one = few({"listen": {"address": "0.0.0.0:0"}})
    said = doctor(one, "--ca", authority.path, code=0)
    assert f"127.0.0.1:{one.port()} localhost: TLS 1.2" in said


# ---- certificates ----------------------------------------------------------------

def serve(few, leaf, **context):
    return few({"context": dict(local_cert=leaf.cert, local_pk=leaf.key,
                                **context)})


def test_a_private_ca(few):
    """Without --ca; a warning, because clients may have been told."""
    said = doctor(few(), code=0)
    assert re.search(r"WARN .* localhost: no client trusts the CA wssd test "
                     r"CA unless told to", said)


def test_a_wrong_ca(few, tmp_path):
    other = Authority(tmp_path, name="another CA")
    said = doctor(few(), "--ca", other.path, code=1)
    assert "certificate of wssd test CA is missing" in said


def test_a_ca_that_is_not_there(few, tmp_path):
    done = few(start=False).ctl("doctor", "--ca", tmp_path / "no.pem")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"wssctl: cannot read {tmp_path}/no.pem: " \
        "No such file or directory\n"


def test_a_ca_that_is_none(few, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("nonsense\n")
    done = few().ctl("doctor", "--ca", path)
    assert done.returncode == 1
    assert f"wssctl: cannot read the CAs in {path}" in done.stderr


def test_self_signed(few, authority):
    leaf = issue(authority, "localhost", self_signed=True)
    assert "no client trusts the CA localhost unless told" in doctor(
        serve(few, leaf), code=0)


def test_a_name_that_does_not_match(few, authority):
    leaf = issue(authority, "a.example", "10.1.2.3", "2001:db8::1")
    one = serve(few, leaf, server_name="b.example")
    said = doctor(one, "--ca", authority.path, code=1)
    assert "b.example: the certificate is not for b.example, but for " \
        "a.example 10.1.2.3 2001:db8::1\n" in said


@pytest.mark.parametrize("begins, ends, kind, sentence", [
    (-9 * DAY, -3 * DAY, "FAIL", "the certificate expired on"),
    (3 * DAY, 9 * DAY, "FAIL", "the certificate is not valid before"),
    (-9 * DAY, 3 * DAY, "WARN", "the certificate expires on .* in [23] days"),
])
def test_dates(few, authority, begins, ends, kind, sentence):
    leaf = authority.issue(begins=begins, ends=ends)
    said = doctor(serve(few, leaf), "--ca", authority.path,
                  code=int(kind == "FAIL"))
    assert re.search(f"^{kind} .*: {sentence}", said, re.M), said


@pytest.mark.parametrize("how", ["aia", "ca"])
def test_a_missing_intermediate(few, authority, tmp_path, how):
    """Known by what the certificate says, or because the root is known."""
    middle = Authority(tmp_path, name="middle CA", above=authority)
    bare = issue(middle, aia=how == "aia")
    args = [] if how == "aia" else ["--ca", authority.path]
    one = serve(few, bare)
    assert "the intermediate certificate of middle CA is missing" in \
        doctor(one, *args, code=1)
    # With it all is well.
    full = issue(middle, chain=[middle.cert])
    one.set({"context": {"local_cert": full.cert, "local_pk": full.key}})
    one.reload()
    assert "trusted" in doctor(one, "--ca", authority.path, code=0)


def test_an_expired_intermediate_is_named(few, authority, tmp_path):
    """The server's own is good: whose is not has to be said."""
    root = Authority(tmp_path, name="root CA")
    leaf = issue(root)
    now = datetime.datetime.utcnow()
    old = (x509.CertificateBuilder().subject_name(root.cert.subject)
           .issuer_name(root.cert.subject)
           .public_key(root.cert.public_key())
           .serial_number(7).not_valid_before(now - 9 * DAY)
           .not_valid_after(now - 2 * DAY)
           .add_extension(x509.BasicConstraints(True, None), critical=True)
           .sign(root._key, hashes.SHA256()))
    leaf.cert.write_bytes(leaf.cert.read_bytes() + pem(old))
    said = doctor(serve(few, leaf), "--ca", root.path, code=1)
    assert "the CA's certificate of root CA expired on" in said


def test_a_weak_key(few, authority):
    leaf = issue(authority, kind=1024)
    said = doctor(serve(few, leaf, security_level=1), "--ca", authority.path,
                  code=1)
    assert "the certificate's key is too weak (1024 bits)" in said


def test_a_certificate_for_clients(few, authority):
    leaf = issue(authority, client=True)
    assert "clients refuse the certificate: " in doctor(
        serve(few, leaf), "--ca", authority.path, code=1)


def test_names_are_one_line(few, authority):
    """Whatever a certificate has in it."""
    leaf = issue(authority, "localhost\nFAIL  x", "localhost")
    said = doctor(serve(few, leaf, server_name="b.example"), code=1)
    assert "for localhost\\x0aFAIL  x localhost" in said


# ---- protocols ---------------------------------------------------------------------

@pytest.mark.parametrize("keys, sentence", [
    ({"tls_min": "1.3"}, r"no TLS 1\.2 \(.+\), which WeChat mini programs"),
    ({"tls_max": "1.2"}, r"no TLS 1\.3 \(.+\), which opens faster"),
])
def test_a_missing_version(few, authority, leaf, keys, sentence):
    one = serve(few, leaf, **keys)
    said = doctor(one, "--ca", authority.path, code=0)
    assert re.search(f"^WARN .*: {sentence}", said, re.M), said


def test_an_unknown_name(few, authority, leaf):
    """What the running daemon does not know, while the file has it."""
    one = few({"listen": {"strict_sni": "on"},
               "context": {"server_name": "localhost"}})
    one.set({"context": {"server_name": "localhost, other.example"}})
    said = doctor(one, "--ca", authority.path, code=1)
    assert "other.example: the TLS handshake fails: " in said


def test_certificates_of_clients(few, authority, leaf):
    one = serve(few, leaf, verify_peer="require", cafile=authority.path)
    assert "trusted; clients need one too" in doctor(
        one, "--ca", authority.path, code=0)


# ---- addresses ----------------------------------------------------------------------

def test_stopped(few):
    one = few(start=False)
    one.set({"listen": {"address": "127.0.0.1:18443"}})
    said = doctor(one, code=1)
    assert "FAIL  wssd is not running\n" in said


@pytest.mark.parametrize("bound, wanted", [
    ("127.0.0.1", "127.0.0.1:{}"), ("0.0.0.0", "127.0.0.1:{}"),
    ("127.0.0.1", "0.0.0.0:{}"), ("::1", "[::1]:{}"), ("::", "127.0.0.1:{}"),
])
def test_a_port_in_use(few, bound, wanted):
    """By whom is said: by this test."""
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((bound, 0))
        other.listen()
        address = wanted.format(other.getsockname()[1])
        one = few(start=False)
        one.set({"listen": {"address": address}})
        said = doctor(one, code=1)
    name = pathlib.Path("/proc/self/comm").read_text().strip()
    assert f"FAIL  {address} is in use by {name} (pid {os.getpid()})\n" in said


@needs_root
def test_a_port_in_use_by_somebody_hidden(few, open_folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        one = few(start=False)
        one.set({"listen": {
            "address": f"127.0.0.1:{other.getsockname()[1]}"}})
        config = open_folder / "wssd.ini"
        config.write_text(one.path.read_text())
        config.chmod(0o644)
        one.path, one.bin = config, open_folder / "bin"
        done = one.ctl("doctor", preexec_fn=drop_to("nobody"))
    assert done.returncode == 1
    assert "is in use by a process of the user with number 0" in done.stdout


def test_a_free_port(few):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
    one = few(start=False)
    one.set({"listen": {"address": address}})
    assert f"OK    {address} is free\n" in doctor(one, code=1)


def test_a_listen_that_is_not_in_use(few):
    one = few()
    one.set({"listen new": {"address": "127.0.0.1:0"}})
    assert "[listen new] is in the config, but not in use: wssctl reload" in \
        doctor(one, code=1)


def test_a_socket_that_is_gone(few, tmp_path):
    """Somebody has removed the file of a unix socket."""
    one = few({"listen": {"address": f"unix:{tmp_path}/a.sock"}})
    (tmp_path / "a.sock").unlink()
    assert f"nobody answers at unix:{tmp_path}/a.sock: No such file" in \
        doctor(one, code=1)


# ---- files ---------------------------------------------------------------------------

@pytest.mark.parametrize("mode, kind, sentence", [
    (0o644, "FAIL", "is open to every user of this machine (mode 0644)"),
    (0o620, "WARN", "can be changed by its group (mode 0620)"),
    (0o640, "OK", ": mode 0640"),
])
def test_the_mode_of_a_key(few, authority, mode, kind, sentence):
    leaf = issue(authority)
    leaf.key.chmod(mode)
    said = doctor(serve(few, leaf), "--ca", authority.path,
                  code=int(kind == "FAIL"))
    assert any(str(leaf.key) in l and sentence in l
               for l in lines(said, kind)), said


def test_the_mode_of_a_certificate(few, authority):
    leaf = issue(authority)
    leaf.cert.chmod(0o666)
    assert "can be changed by every user of this machine (mode 0666)" in \
        doctor(serve(few, leaf), "--ca", authority.path, code=1)


def test_a_key_that_is_gone(few, authority):
    leaf = issue(authority)
    one = serve(few, leaf)
    leaf.key.unlink()
    assert f"{leaf.key} cannot be looked at: No such file" in doctor(
        one, code=1)


@pytest.fixture
def nobodys(few, open_folder, authority):
    """A daemon that runs as nobody, with files of its own; root looks."""
    home = open_folder / "home"
    home.mkdir()
    mine = authority.issue(folder=home, ends=LASTING)
    nobody = pwd.getpwnam("nobody")
    for path in (home, mine.cert, mine.key):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    one = few({"wssd": {"run_dir": home / "run"},
               "context": {"local_cert": mine.cert, "local_pk": mine.key}},
              start=False, preexec=drop_to("nobody"),
              binaries=open_folder / "bin")
    one.path = home / "wssd.ini"
    one.set({})
    return one.start()


@needs_root
def test_a_key_that_only_root_can_read(nobodys, authority):
    """It was good at the start; the next reload would fail."""
    doctor(nobodys, "--ca", authority.path, code=0)
    key = pathlib.Path(nobodys.sections["context"]["local_pk"])
    number = pwd.getpwnam("nobody").pw_uid
    os.chown(key, 0, 0)
    assert f"FAIL  {key} cannot be read by wssd (user number {number}): the " \
        "next reload or start would fail\n" in doctor(nobodys, code=1)
    # Its group may do.
    os.chown(key, 0, pwd.getpwnam("nobody").pw_gid)
    key.chmod(0o640)
    doctor(nobodys, "--ca", authority.path, code=0)


@needs_root
def test_somebody_who_may_not_ask(nobodys):
    """Clients are what he can be all the same."""
    sock = pathlib.Path(nobodys.sections["wssd"]["run_dir"], "control.sock")
    nobodys.set({"listen": {"address": nobodys.addresses()[0]}})
    sock.chmod(0)
    done = nobodys.ctl("doctor", preexec_fn=drop_to("daemon"))
    assert re.search("^WARN  wssd cannot be asked, so less is seen: ",
                     done.stdout, re.M), done
    sock.chmod(0o660)


# ---- limits, and the config --------------------------------------------------------------

def test_descriptors(wssd, authority):
    one = wssd({"wssd": {"max_connections_per_worker": 10 ** 6}})
    if int(re.search(r"Max open files +(\d+)", pathlib.Path(
            f"/proc/{one.pid}/limits").read_text())[1]) > 10 ** 6:
        pytest.skip("more than a million files may be open here")
    said = doctor(one, "--ca", authority.path, code=0)
    assert re.search(r"WARN .*a worker may open \d+ files, but "
                     r"max_connections_per_worker = 1000000 needs 1000064",
                     said)


def test_backlog(few, authority):
    most = int(pathlib.Path("/proc/sys/net/core/somaxconn").read_text())
    one = few({"listen": {"backlog": min(most + 1, 65535)}})
    if most >= 65535:
        pytest.skip("the kernel allows all")
    assert f"but the kernel allows {most}: raise net.core.somaxconn" in \
        doctor(one, "--ca", authority.path, code=0)


def test_a_wrong_config(few):
    one = few()
    one.set({"route /": {"handler": "ecko"}})
    said = doctor(one, code=1)
    assert re.search(rf"FAIL  {one.path}:\d+: .*ecko", said)
    assert f"OK    wssd runs, pid {one.pid}\n" in said


def test_a_failed_reload(few, authority):
    one = few()
    one.set({"route /": {"handler": "ecko"}})
    assert one.ctl("reload").returncode == 6
    one.set({"route /": {"handler": "echo"}})
    said = doctor(one, "--ca", authority.path, code=1)
    assert re.search(r"FAIL  the last reload failed: .*ecko", said)


def test_usage(few):
    one = few(start=False)
    for args in (("--ca",), ("more",), ("--json",)):
        assert one.ctl("doctor", *args).returncode == 2
