# SPDX-License-Identifier: MIT
"""The private keys are in wssd-signer, and nowhere else."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, \
    rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding, NoEncryption, PrivateFormat)

from clients import connect
from conftest import needs_root
from daemon import open_descriptors, status_field
from holder import Holder
from wait import stays, until

KEYS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def leaves(authority):
    """A key and a certificate of each kind."""
    made = {}
    for name, make in KEYS.items():
        key = make()
        made[name] = (authority.issue(key=key), key)
    return made


def with_leaf(leaf, **wssd):
    return {"wssd": wssd,
            "context": {"local_cert": leaf.cert, "local_pk": leaf.key}}


def only(authority, version):
    context = authority.client()
    context.minimum_version = context.maximum_version = VERSIONS[version]
    return context


def signer(one):
    return one.status()["signer"]


def new_signer(one, old):
    """Waits until there is another one."""
    return until(lambda: signer(one)["pid"] not in (None, old) and
                 signer(one)["pid"], "a new signer")


# ---- every kind of key -------------------------------------------------------

@pytest.mark.parametrize("kind", KEYS)
def test_handshakes(wssd, authority, leaves, kind):
    leaf, _ = leaves[kind]
    one = wssd(with_leaf(leaf))
    for version in VERSIONS:
        for _ in range(3):
            with connect(one.port(), only(authority, version)) as client:
                client.echo()
                client.close()
    assert one.totals()["tls_ok"] == 6
    assert one.totals()["tls_failed"] == 0


@pytest.mark.parametrize("scheme", [
    "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512",
    "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"])
def test_rsa_schemes(wssd, leaves, scheme):
    """PKCS #1 is for TLS 1.2 only."""
    leaf, _ = leaves["rsa"]
    one = wssd(with_leaf(leaf))
    name = scheme.replace("rsa_pkcs1_", "RSA+").replace("sha", "SHA") \
        if "pkcs1" in scheme else scheme
    for version in ("-tls1_2",) if "pkcs1" in scheme else (
            "-tls1_2", "-tls1_3"):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{one.port()}",
             version, "-sigalgs", name], input="", capture_output=True,
            text=True)
        digest = re.search("Peer signing digest: (.*)", done.stdout)
        kind = re.search("Peer signature type: (.*)", done.stdout)
        assert digest and digest.group(1).lower() == scheme[-6:], done.stdout
        assert kind.group(1) == ("RSA" if "pkcs1" in scheme else "RSA-PSS")


# ---- where the keys are ------------------------------------------------------

def secrets_of(key):
    """Byte strings that only who has the key has: as they stand in files,
    and as OpenSSL computes with them."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        values = [numbers.p, numbers.q, numbers.d]
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        values = [key.private_numbers().private_value]
    else:
        raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw,
                                NoEncryption())
        return [raw]
    found = []
    for value in values:
        size = (value.bit_length() + 7) // 8
        found += [value.to_bytes(size, "big"), value.to_bytes(size, "little")]
    return found


def text_of(leaf):
    """A line of the PEM file."""
    return leaf.key.read_bytes().splitlines()[2][:40]


def memory(pid):
    with open(f"/proc/{pid}/maps") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(n, 16) for n in span.split("-"))
            # The shadow of ASan is terabytes of nothing.
            if "r" not in rights or end - begin > 1 << 30:
                continue
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except (OSError, OverflowError, ValueError):
                continue


def has_secret(pid, leaf, key):
    wanted = secrets_of(key) + [text_of(leaf)]
    return any(one in piece for piece in memory(pid) for one in wanted)


@needs_root
@pytest.mark.parametrize("kind", KEYS)
def test_no_worker_has_the_key(wssd, authority, leaves, kind):
    leaf, key = leaves[kind]
    one = wssd(with_leaf(leaf))
    with Holder(one.port(), authority.client()).open(10):
        for pid in one.worker_pids():
            assert not has_secret(pid, leaf, key)
        assert not has_secret(one.pid, leaf, key)
        # Or the search finds nothing anywhere.
        assert has_secret(signer(one)["pid"], leaf, key)


@needs_root
def test_without_isolation_they_have_it(wssd, authority, leaves):
    leaf, key = leaves["p256"]
    one = wssd(with_leaf(leaf, key_isolation="off"))
    assert signer(one) is None
    with connect(one.port(), authority.client()) as client:
        client.echo()
        assert has_secret(one.worker_pids()[0], leaf, key)


@needs_root
def test_key_in_the_file_of_the_certificate(wssd, authority, leaves):
    """The workers get a copy of it without the key."""
    leaf, key = leaves["rsa"]
    one = wssd(start=False)
    both = one.folder / "both.pem"
    both.write_bytes(leaf.key.read_bytes() + leaf.cert.read_bytes())
    one.sections["context"] = {"local_cert": both}
    one.set({})
    one.start()
    with connect(one.port(), authority.client()) as client:
        client.echo()
    assert not has_secret(one.worker_pids()[0], leaf, key)
    assert has_secret(signer(one)["pid"], leaf, key)


@needs_root
def test_the_signer_is_confined(wssd):
    one = wssd()
    pid = signer(one)["pid"]
    assert status_field(pid, "Seccomp") == "2"
    assert status_field(pid, "NoNewPrivs") == "1"
    assert int(status_field(pid, "CapEff"), 16) == 0
    assert status_field(pid, "Uid").split()[0] != "0"
    assert list(pathlib.Path(f"/proc/{pid}/root").iterdir()) == []
    # stdin, stdout, stderr, the master, a worker, and the log: no file.
    assert open_descriptors(pid) == 6


def test_askers_go_on(wssd):
    """It does not take the CPU from a worker that has just asked."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        pytest.skip("started in a class of its own, which wssd keeps")
    status = wssd().status()
    assert os.sched_getscheduler(status["signer"]["pid"]) == os.SCHED_BATCH
    for worker in status["workers"]:
        assert os.sched_getscheduler(worker["pid"]) == os.SCHED_OTHER


def test_no_signer_without_keys(wssd):
    one = wssd(tcp=True)
    assert signer(one) is None
    with connect(one.port()) as client:
        client.echo()


# ---- what is wrong -----------------------------------------------------------

def test_foreign_key(wssd, authority, leaves):
    """check, start and reload say the same; the old key stays in use."""
    leaf, _ = leaves["p256"]
    other, _ = leaves["rsa"]
    sentence = (f"the key in {other.key} does not belong to the certificate "
                f"in {leaf.cert}")
    wrong = {"context": {"local_cert": leaf.cert, "local_pk": other.key}}
    one = wssd(with_leaf(leaf))
    pid = signer(one)["pid"]
    one.set(wrong)
    for command in ("check", "reload"):
        result = one.ctl(command)
        assert result.returncode == 6
        assert result.stderr.count(sentence) == 1, result.stderr
    assert signer(one)["pid"] == pid
    with connect(one.port(), authority.client()) as client:
        client.echo()
    two = wssd(wrong, start=False)
    two.spawn()
    assert two.wait() == 6
    assert sentence in two.log()


def test_kind_that_it_does_not_know(wssd, authority):
    """It says what to do, and that helps."""
    leaf = authority.issue(key=ed448.Ed448PrivateKey.generate())
    one = wssd(with_leaf(leaf), start=False)
    result = one.ctl("check")
    assert result.returncode == 6
    assert "has a kind of key that needs key_isolation = off" in result.stderr
    one.set({"wssd": {"key_isolation": "off"}})
    one.start()
    with connect(one.port(), authority.client()) as client:
        client.echo()


def test_check(wssd, leaves):
    one = wssd(with_leaf(leaves["p384"][0]), start=False)
    result = one.ctl("check")
    assert (result.returncode, result.stderr) == (0, "")
    until(lambda: not one.processes(), "nothing is left of it", 5)


# ---- reload ------------------------------------------------------------------

def test_reload_with_another_key(wssd, authority, leaves):
    leaf, _ = leaves["p256"]
    other, _ = leaves["ed25519"]
    tls = authority.client()
    one = wssd(with_leaf(leaf, workers=2))
    workers, old = one.worker_pids(), signer(one)["pid"]
    with Holder(one.port(), tls).open(20) as crowd:
        one.set({"context": {"local_cert": other.cert,
                             "local_pk": other.key}})
        one.reload()
        for version in VERSIONS:
            with connect(one.port(), only(authority, version)) as client:
                client.echo()
                cert = client.tls.getpeercert()
                assert int(cert["serialNumber"], 16) == other.serial
        assert len(crowd.open_ones()) == 20
    assert one.worker_pids() == workers
    assert signer(one)["pid"] != old
    assert signer(one)["restarts"] == 0
    assert one.totals()["tls_failed"] == 0
    # What was begun with it is over: its signer ends.
    until(lambda: not os.path.exists(f"/proc/{old}"), "the old one ends", 30)
    assert not one.log_has(f"signer \\(pid {old}\\) died")


def test_reload_with_the_same_key(wssd, tls):
    """The SSL_CTX stays; its key asks the new signer."""
    one = wssd()
    old = signer(one)["pid"]
    one.set({"route /new": {"handler": "echo"}})
    one.reload()
    until(lambda: not os.path.exists(f"/proc/{old}"), "the old one ends", 30)
    for path in ("/", "/new"):
        with connect(one.port(), tls, path=path) as client:
            client.echo()


def test_many_reloads(wssd, tls):
    """The signers before end with their handshakes, and never pile up."""
    one = wssd()
    for _ in range(8):
        one.reload()
        with connect(one.port(), tls) as client:
            client.echo()

    def signers():
        return [pid for pid in one.processes() if b"wssd-signer" in
                pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    until(lambda: len(signers()) <= 4, "the one in use and three others", 3)


def test_off_and_on(wssd, authority):
    tls = authority.client()
    one = wssd()
    for value in ("off", "on"):
        one.set({"wssd": {"key_isolation": value}})
        one.reload()
        assert (signer(one) is None) == (value == "off")
        with connect(one.port(), tls) as client:
            client.echo()


# ---- faults ------------------------------------------------------------------

def test_signer_killed(wssd, tls):
    """It is there again at once; who is connected does not notice."""
    one = wssd({"wssd": {"workers": 2}})
    one.deaths_expected = True
    with Holder(one.port(), tls).open(20) as crowd:
        for n in range(1, 3):
            old = signer(one)["pid"]
            os.kill(old, signal.SIGKILL)
            new_signer(one, old)
            with connect(one.port(), tls) as client:
                client.echo()
            assert signer(one)["restarts"] == n
            assert f"signer (pid {old}) died of signal 9 (Killed)" == \
                signer(one)["last_death"]
        crowd.say("still there?")
        until(lambda: all(h.texts for h in crowd.open_ones()), "echoes")
        assert len(crowd.open_ones()) == 20


def signer_line(one):
    lines = one.ctl("status").stdout.splitlines()
    return next((x for x in lines if x.startswith("signer")), None)


def test_status_line(wssd):
    one = wssd()
    one.deaths_expected = True
    old = signer(one)["pid"]
    assert signer_line(one) == f"signer  pid {old}, 0 restarts"
    os.kill(old, signal.SIGKILL)
    new = new_signer(one, old)
    assert signer_line(one) == f"signer  pid {new}, 1 restart"

    def between_two():
        """Each death makes the wait for the next one longer."""
        pid = signer(one)["pid"]
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return re.fullmatch(r"signer  NOT RUNNING, [1-9]\d* restarts?",
                            signer_line(one))
    until(between_two, "a line without a signer", 30)
    one.set({"wssd": {"key_isolation": "off"}})
    one.reload()
    assert signer_line(one) is None


def pending(one, n):
    """n handshakes are under way and wait."""
    return until(lambda: one.totals()["connections"] >= n,
                 f"{n} are accepted", 30)


class Crowd(threading.Thread):
    """Opens n connections at once, in the background."""

    def __init__(self, port, tls, n):
        super().__init__()
        self.holder = Holder(port, tls, timeout=60)
        self.n, self.error = n, None
        self.start()

    def run(self):
        try:
            self.holder.open(self.n, at_once=self.n)
        except Exception as error:
            self.error = error

    def done(self):
        self.join(60)
        assert not self.is_alive()
        if self.error:
            raise self.error
        found = len(self.holder.open_ones())
        self.holder.stop()
        return found


def test_three_hundred_wait(wssd, tls):
    """While the signer stands still the loop does not."""
    one = wssd({"listen": {"handshake_timeout": "60s"}})
    pid = signer(one)["pid"]
    with connect(one.port(), tls) as client:
        os.kill(pid, signal.SIGSTOP)
        crowd = Crowd(one.port(), tls, 300)
        try:
            pending(one, 301)
            assert stays(lambda: one.totals()["tls_ok"] == 1,
                         "nobody is signed for", 0.3) is None
            for _ in range(20):
                client.echo()
            assert one.status()["workers"][0]["loop_lag_us"] < 1_000_000
        finally:
            os.kill(pid, signal.SIGCONT)
        assert crowd.done() == 300
        client.echo()
    assert one.totals()["tls_failed"] == 0


def test_killed_while_they_wait(wssd, tls):
    """They are asked for again: nobody is lost."""
    one = wssd({"listen": {"handshake_timeout": "60s"}})
    one.deaths_expected = True
    pid = signer(one)["pid"]
    os.kill(pid, signal.SIGSTOP)
    crowd = Crowd(one.port(), tls, 50)
    pending(one, 50)
    os.kill(pid, signal.SIGKILL)
    assert crowd.done() == 50
    assert one.totals()["tls_ok"] == 50


def test_deadline(wssd, tls):
    """handshake_timeout ends those who wait, and their jobs."""
    one = wssd({"listen": {"handshake_timeout": "500ms"}})
    pid = signer(one)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        crowd = Crowd(one.port(), tls, 20)
        until(lambda: one.totals()["handshake_timeouts"] == 20,
              "all have timed out")
        until(lambda: one.totals()["connections"] == 0, "all are gone")
        with pytest.raises((OSError, ssl.SSLError)):
            crowd.done()
        crowd.holder.stop()
    finally:
        os.kill(pid, signal.SIGCONT)
    one.set({"listen": {"handshake_timeout": "10s"}})
    one.reload()
    with connect(one.port(), tls) as client:
        client.echo()


def test_hang_up_while_waiting(wssd, tls):
    """Clients that leave in the middle leave nothing behind."""
    one = wssd({"listen": {"handshake_timeout": "60s"}})
    pid = signer(one)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        socks = [connect_raw(one.port(), tls) for _ in range(10)]
        pending(one, 10)
        for sock in socks:
            sock.close()
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: one.totals()["connections"] == 0, "all are gone")
    with connect(one.port(), tls) as client:
        client.echo()


def connect_raw(port, tls):
    """A ClientHello is sent, and no answer waited for."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(outgoing.read())
    return sock


def test_master_killed(wssd):
    one = wssd()
    one.deaths_expected = True
    pid = signer(one)["pid"]
    os.kill(one.pid, signal.SIGKILL)
    one.wait()
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the signer ends", 5)
