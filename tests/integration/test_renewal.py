# SPDX-License-Identifier: MIT
"""A certificate that was renewed is noticed, checked, and used; nobody is
disconnected.  No test here calls `wssctl reload'."""
import grp
import os
import pathlib
import shutil
import ssl
import subprocess

import pytest

from clients import Client, connect
from pki import DAY, Authority
from wait import stays, until


def serial(port, tls):
    with Client(port, tls) as client:
        return int(client.tls.getpeercert()["serialNumber"], 16)


def put(leaf, cert, key):
    """As careful programs replace files."""
    for source, target in [(leaf.key, key), (leaf.cert, cert)]:
        shutil.copy(source, f"{target}.new")
        os.rename(f"{target}.new", target)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    return folder


@pytest.fixture
def server(wssd, authority, home):
    """Its certificate and key are copies in `home'."""
    put(authority.issue(), home / "cert.pem", home / "key.pem")
    return wssd({"context": {"local_cert": home / "cert.pem",
                             "local_pk": home / "key.pem"}})


def renewed(one, tls, leaf):
    until(lambda: serial(one.port(), tls) == leaf.serial,
          "the new certificate is served", 30)


def test_replaced_by_rename(server, authority, tls, home):
    first = server.status()["config"]
    with connect(server.port(), tls) as client:
        for _ in range(2):
            new = authority.issue()
            put(new, home / "cert.pem", home / "key.pem")
            renewed(server, tls, new)
            client.echo()
    config = server.status()["config"]
    assert config["generation"] > first["generation"]
    assert config["loaded_at"] == first["loaded_at"]
    assert config["last_error"] is None
    assert server.log_has("renewal of certificates: done")


def test_written_in_place(server, authority, tls, home):
    new = authority.issue()
    (home / "key.pem").write_bytes(new.key.read_bytes())
    (home / "cert.pem").write_bytes(new.cert.read_bytes())
    renewed(server, tls, new)


def test_links_as_certbot_has_them(wssd, authority, tls, home):
    """live/NAME/fullchain.pem -> ../../archive/NAME/fullchain2.pem"""
    live, archive = home / "live/localhost", home / "archive/localhost"
    live.mkdir(parents=True)
    archive.mkdir(parents=True)

    def deploy(n):
        leaf = authority.issue(files=(archive / f"fullchain{n}.pem",
                                      archive / f"privkey{n}.pem"))
        for name in ("privkey", "fullchain"):
            link = live / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../../archive/localhost/{name}{n}.pem")
        return leaf
    first = deploy(1)
    one = wssd({"context": {"local_cert": live / "fullchain.pem",
                            "local_pk": live / "privkey.pem"}})
    assert serial(one.port(), tls) == first.serial
    for n in (2, 3):
        renewed(one, tls, deploy(n))


def test_a_folder_that_is_a_link(wssd, authority, tls, home):
    """tls.crt -> ..data/tls.crt, ..data -> ..2: as Kubernetes mounts it."""
    def deploy(n):
        folder = home / f"..{n}"
        folder.mkdir()
        leaf = authority.issue(files=(folder / "tls.crt",
                                      folder / "tls.key"))
        (home / "..tmp").symlink_to(f"..{n}")
        os.rename(home / "..tmp", home / "..data")
        return leaf
    deploy(1)
    for name in ("tls.crt", "tls.key"):
        (home / name).symlink_to(f"..data/{name}")
    one = wssd({"context": {"local_cert": home / "tls.crt",
                            "local_pk": home / "tls.key"}})
    for n in (2, 3):
        renewed(one, tls, deploy(n))


@pytest.mark.parametrize("what,sentence", [
    ("key", "does not belong to the certificate"),
    ("expired", "expired on"),
    ("garbage", "no certificate (PEM) in"),
    ("gone", "cannot open local_cert"),
])
def test_what_is_wrong_is_not_used(server, authority, tls, home, what,
                                   sentence):
    """The old one keeps serving, the log and the status say why; and when it
    is mended nobody has to do anything."""
    old = serial(server.port(), tls)
    new = authority.issue(ends=-DAY if what == "expired" else 10 * DAY,
                          begins=-9 * DAY)
    if what == "key":
        shutil.copy(new.key, home / "key.pem")
    elif what == "expired":
        put(new, home / "cert.pem", home / "key.pem")
    elif what == "garbage":
        (home / "cert.pem").write_text("-----BEGIN CERT")
    else:
        (home / "cert.pem").unlink()
    server.await_log("renewal of certificates: .*wssd.ini:", 30)
    assert sentence in server.status()["config"]["last_error"]
    assert serial(server.port(), tls) == old
    good = authority.issue()
    put(good, home / "cert.pem", home / "key.pem")
    renewed(server, tls, good)
    until(lambda: server.status()["config"]["last_error"] is None,
          "the error is over")


def test_a_config_that_is_being_edited_is_not_read(server, authority, tls,
                                                   home):
    server.path.write_text(server.path.read_text() + "half a li")
    new = authority.issue()
    put(new, home / "cert.pem", home / "key.pem")
    renewed(server, tls, new)
    assert server.ctl("reload").returncode == 6
    # It is still wrong after the next renewal, and the status says so.
    before = server.status()["config"]["last_error"]
    assert "half a li" in before or "expected" in before
    new = authority.issue()
    put(new, home / "cert.pem", home / "key.pem")
    renewed(server, tls, new)
    assert server.status()["config"]["last_error"] == before


def test_it_can_be_switched_off(wssd, authority, tls, home):
    put(authority.issue(), home / "cert.pem", home / "key.pem")
    one = wssd({"wssd": {"watch_certificates": "off"},
                "context": {"local_cert": home / "cert.pem",
                            "local_pk": home / "key.pem"}})
    old = serial(one.port(), tls)
    new = authority.issue()
    put(new, home / "cert.pem", home / "key.pem")
    stays(lambda: serial(one.port(), tls) == old, "nothing happens", 2.5)
    one.set({"wssd": {"watch_certificates": "on"}})
    one.reload()
    assert serial(one.port(), tls) == new.serial
    new = authority.issue()
    put(new, home / "cert.pem", home / "key.pem")
    renewed(one, tls, new)


def test_a_ca_that_comes_into_the_folder(wssd, authority, home, tmp_path):
    ours, theirs = Authority(home, "ours", authority), tmp_path / "theirs"
    theirs.mkdir()
    theirs = Authority(theirs, "theirs")
    one = wssd({"context": {"verify_peer": "require", "capath": home,
                            "allow_self_signed": "off"}})
    shutil.copy(authority.path, home / "root.pem")
    tom = authority.client(theirs.issue("tom", client=True))

    def is_let_in():
        try:
            with connect(one.port(), tom) as client:
                client.echo()
        except (ssl.SSLError, ConnectionError, AssertionError):
            return False
        return True
    assert not is_let_in()
    shutil.copy(theirs.path, home / "theirs.pem")
    until(is_let_in, "the new CA is known", 30)
    assert ours.path.parent == home


def test_other_files_in_the_folder_do_not_matter(server, home):
    before = server.status()["config"]["generation"]
    for i in range(20):
        (home / f"{i}.pem").write_text("something")
    stays(lambda: server.status()["config"]["generation"] == before,
          "nothing is read", 2)


def test_expiry_is_said(wssd, authority):
    """Once for each certificate, and again for a new one."""
    left = {"a20": 20 * DAY, "b13": 13 * DAY, "c6": 6 * DAY, "d1": DAY,
            "e0": DAY / 12}
    sections = {"context": None}
    for name, ends in left.items():
        leaf = authority.issue(f"{name}.example", ends=ends + DAY / 24)
        sections[f"context {name}"] = {"local_cert": leaf.cert,
                                       "local_pk": leaf.key}
    one = wssd(sections)
    for name, said in [("b13", "13 days"), ("c6", "6 days"), ("d1", "1 day"),
                       ("e0", "0 days")]:
        one.await_log(rf"warn .*\[context {name}\]: the certificate of "
                      rf"{name}.example expires in {said}, on 20")
    one.reload()
    leaf = authority.issue("e0.example", ends=5 * DAY)
    one.set({"context e0": {"local_cert": leaf.cert, "local_pk": leaf.key}})
    one.reload()
    one.await_log("of e0.example expires in 4 days")
    assert not one.log_has("of a20.example expires")
    for name in ("b13", "c6", "d1"):
        assert one.log().count(f"of {name}.example expires") == 1


def test_the_hook_for_certbot(wssd, authority, tls, home):
    lineage, copies = home / "live/localhost", home / "copies/localhost"
    lineage.mkdir(parents=True)
    copies.parent.mkdir()

    def run():
        leaf = authority.issue(files=(lineage / "fullchain.pem",
                                      lineage / "privkey.pem"))
        return leaf, subprocess.run(
            [pathlib.Path(os.environ["WSSD_SOURCE"], "etc/certbot",
                          "wssd-deploy")],
            capture_output=True, text=True, timeout=60, env=dict(
                os.environ, RENEWED_LINEAGE=str(lineage),
                WSSD_TLS_DIR=str(home / "copies"),
                WSSD_GROUP=grp.getgrgid(os.getegid()).gr_name,
                ASAN_OPTIONS="detect_leaks=0",
                WSSCTL=f"{one.bin}/wssctl --direct -c {one.path}"))
    one = wssd({"wssd": {"watch_certificates": "off"},
                "context": {"local_cert": copies / "fullchain.pem",
                            "local_pk": copies / "privkey.pem"}},
               start=False)
    leaf, result = run()
    assert result.returncode == 0, result
    assert copies.stat().st_mode & 0o777 == 0o750
    assert (copies / "privkey.pem").stat().st_mode & 0o777 == 0o640
    one.start()
    assert serial(one.port(), tls) == leaf.serial
    leaf, result = run()
    assert result.returncode == 0, result
    assert serial(one.port(), tls) == leaf.serial
    one.path.write_text("nonsense\n" + one.path.read_text())
    assert run()[1].returncode != 0
