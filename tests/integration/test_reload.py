# SPDX-License-Identifier: MIT
"""A reload with clients in the house: nobody is refused, nobody is closed,
and what is new holds for who comes from now on."""
import os
import shutil
import signal
import ssl

import pytest

import modules
from clients import TEXT, Client, connect, request
from holder import Holder
from wait import stays, until

TWO = {"wssd": {"workers": 2}}


def serial(port, tls):
    """The number of the certificate that a new client is shown."""
    with Client(port, tls) as client:
        return int(client.tls.getpeercert()["serialNumber"], 16)


@pytest.fixture
def own_leaf(authority, tmp_path):
    """Files of this test alone, for it to replace."""
    return authority.issue(folder=tmp_path)


def renew(authority, leaf):
    """As certbot does: other files take the place of these."""
    new = authority.issue(folder=leaf.cert.parent)
    new.cert.replace(leaf.cert)
    new.key.replace(leaf.key)
    return new.serial


def generation(one):
    return one.status()["config"]["generation"]


def generations(one):
    return {row["generation"] for row in one.status()["workers"]}


# ---- under load ---------------------------------------------------------------

def test_reload_under_load(wssd, authority, tls, own_leaf):
    """1,000 connections are open and 100 a second come anew."""
    one = wssd({**TWO, "context": {"local_cert": own_leaf.cert,
                                   "local_pk": own_leaf.key}})
    pids = one.worker_pids()
    with Holder(one.port(), tls) as holder:
        holder.open(1000)
        stream = holder.stream(100)
        for n in range(2, 7):
            so_far = len(stream.served)
            until(lambda: len(stream.served) > so_far + 25, "served")
            number = renew(authority, own_leaf)
            if n % 2:
                one.set({"route /": {"max_message": f"{n}k"}})
            one.reload()
            assert generations(one) == {n}
            assert serial(one.port(), tls) == number
        so_far = len(stream.served)
        until(lambda: len(stream.served) > so_far + 50, "served")
        stream.stop()
        assert stream.failed == []
        assert len(holder.open_ones()) == 1000
        holder.say("still there?")
        until(lambda: all(h.texts for h in holder.held), "all echoes")
        assert max(stream.served) < 5
    assert one.worker_pids() == pids
    totals = one.totals()
    assert totals["tls_failed"] == 0 and totals["http_refused"] == 0


# ---- what is new, and what stays ------------------------------------------------

@pytest.mark.parametrize("how", ["reload", "SIGHUP"])
def test_new_settings_are_for_new_connections(wssd, tls, how):
    one = wssd({"route /": {"max_message": "10"},
                "route /gone": {"handler": "echo"}})
    with connect(one.port(), tls) as old, \
            connect(one.port(), tls, "/gone") as gone:
        old.echo("1234567890")
        one.set({"route /": {"handler": "reply", "text": "new",
                             "max_message": "20"},
                 "route /gone": None, "route /new": {"handler": "echo"}})
        if how == "reload":
            one.reload()
        else:
            one.signal(signal.SIGHUP)
        until(lambda: generation(one) == 2, "it is in use")
        with connect(one.port(), tls) as new:
            new.send_text("x" * 20)
            new.expect(TEXT, "new")
        with connect(one.port(), tls, "/new") as new:
            new.echo()
        with Client(one.port(), tls) as late:
            late.send(request("/gone"))
            # "/" is above every path.
            assert late.read_answer().status == 101
            late.send_frame(TEXT, b"x")
            late.expect(TEXT, "new")
        gone.echo()
        old.echo("1234567890")
        old.send_text("12345678901")
        old.expect_close(1009)


def test_a_broken_file_changes_nothing(wssd, tls):
    one = wssd()
    good = one.path.read_text()
    with connect(one.port(), tls) as old:
        one.path.write_text(good + "[route /x]\nhandler = ecko\nwrkers = 2\n")
        lines = good.count("\n")
        result = one.ctl("reload")
        assert result.returncode == 6
        assert f"{one.path}:{lines + 2}: handler: `ecko'" in result.stderr
        assert f"{one.path}:{lines + 3}: " in result.stderr
        one.signal(signal.SIGHUP)
        until(lambda: one.log().count("`ecko'") == 2, "it is logged")
        status = one.status()
        assert status["state"] == "running"
        assert status["config"]["generation"] == 1
        assert "`ecko'" in status["config"]["last_error"]
        assert "`ecko'" in one.ctl("status").stdout
        old.echo()
        with connect(one.port(), tls) as new:
            new.echo()
        one.path.write_text(good)
        one.reload()
        assert one.status()["config"]["last_error"] is None
        old.echo()


def test_listens_come_and_go(wssd, tls):
    one = wssd({**TWO, "listen other": {"address": "127.0.0.1:0"}})
    port, other = one.port(), one.port("other")
    with connect(port, tls) as kept, connect(other, tls) as orphan:
        one.set({"listen other": None,
                 "listen third": {"address": "127.0.0.2:0",
                                  "transport": "tcp"}})
        one.reload()
        third = one.port("third")
        for _ in range(8):  # both workers
            with connect(third, host="127.0.0.2") as new:
                new.echo()
            with connect(port, tls) as new:
                new.echo()

        def refused():
            try:
                Client(other).drop()
            except ConnectionRefusedError:
                return True
            return False
        until(refused, "the old port is closed")
        kept.echo()
        orphan.echo()
        assert [r["name"] for r in one.status()["listens"]] == \
            ["default", "third"]


def test_listens_with_port_0_are_not_mixed_up(wssd, tls):
    """Each keeps its own port; one that was renamed keeps it, too."""
    zero = {"address": "127.0.0.1:0"}
    one = wssd({"listen b": zero, "listen c": zero})
    ports = [one.port(name) for name in ("default", "b", "c")]
    assert len(set(ports)) == 3
    one.set({"listen": None, "listen b": None, "listen c": None})
    one.set({"listen d": zero, "listen c": zero, "listen": zero,
             "listen e": zero})
    one.reload()
    new = [one.port(name) for name in ("default", "d", "c", "e")]
    assert new[:3] == ports and new[3] not in ports
    for port in new:
        with connect(port, tls) as client:
            client.echo()


def test_the_workers_may_be_replaced(wssd, tls, tmp_path):
    """A module's new code needs new processes: 1012, spread, and nobody is
    refused."""
    path = modules.build(tmp_path, modules.ANSWERING, "module",
                         '-DANSWER="one"')
    one = wssd({**TWO, "route /module": modules.route(path)})
    pids = one.worker_pids()

    def answer():
        with connect(one.port(), tls, "/module") as client:
            client.send_text("?")
            return client.expect(TEXT).payload
    assert answer() == b"one"
    with Holder(one.port(), tls) as holder:
        holder.open(100)
        stream = holder.stream(50)
        modules.build(tmp_path, modules.ANSWERING, "module",
                      '-DANSWER="two"')
        one.reload()
        assert answer() == b"two"
        until(lambda: not holder.open_ones(), "the old ones are told")
        stream.stop()
        assert stream.failed == []
        assert {(h.ended, h.code) for h in holder.held} == {("close", 1012)}
    until(lambda: not set(one.worker_pids()) & set(pids),
          "the old workers are gone")


# ---- certificates -------------------------------------------------------------

def test_a_renewed_certificate(wssd, authority, tls, own_leaf):
    one = wssd({"context": {"local_cert": own_leaf.cert,
                            "local_pk": own_leaf.key}})
    assert serial(one.port(), tls) == own_leaf.serial
    with connect(one.port(), tls) as old:
        number = renew(authority, own_leaf)
        stays(lambda: serial(one.port(), tls) == own_leaf.serial,
              "it is not used before it is asked for", 0.5)
        one.reload()
        assert serial(one.port(), tls) == number
        old.echo()


def spoil_cert(leaf, authority):
    leaf.cert.write_text("no certificate\n")
    return "no certificate"


def spoil_key(leaf, authority):
    other = authority.issue(folder=leaf.cert.parent)
    shutil.copy(other.key, leaf.key)
    return "does not belong to the certificate"


def remove_key(leaf, authority):
    leaf.key.unlink()
    return "No such file"


@pytest.mark.parametrize("spoil", [spoil_cert, spoil_key, remove_key])
def test_a_bad_certificate_changes_nothing(wssd, authority, tls, own_leaf,
                                           spoil):
    one = wssd({**TWO, "context": {"local_cert": own_leaf.cert,
                                   "local_pk": own_leaf.key}})
    pids = one.worker_pids()
    with connect(one.port(), tls) as old:
        words = spoil(own_leaf, authority)
        result = one.ctl("reload")
        assert result.returncode == 6, result
        assert words in result.stderr
        assert str(one.path) + ":" in result.stderr
        assert serial(one.port(), tls) == own_leaf.serial
        old.echo()
        assert words in one.status()["config"]["last_error"]
        renew(authority, own_leaf)
        one.reload()
    assert one.worker_pids() == pids


def test_the_key_may_be_0600_root(wssd, authority, tls, own_leaf):
    """It is the master that opens it, at a reload too."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    one = wssd({"context": {"local_cert": own_leaf.cert,
                            "local_pk": own_leaf.key}})
    number = renew(authority, own_leaf)
    assert own_leaf.key.stat().st_mode & 0o777 == 0o600
    one.reload()
    assert serial(one.port(), tls) == number
