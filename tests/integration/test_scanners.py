# SPDX-License-Identifier: MIT
"""What sslscan and testssl.sh say of the defaults: nothing but what a
private CA must bring."""
import json
import re
import shutil
import subprocess

import pytest

from pki import DAY

pytestmark = pytest.mark.timeout(280)

# Of a certificate that no public CA has signed.
OF_A_PRIVATE_CA = {"cert_revocation", "cert_crlDistributionPoints",
                   "cert_ocspURL", "DNS_CAArecord",
                   "certificate_transparency"}
# The tool says of itself that it could not look.
OF_THE_TOOL = {"engine_problem", "sessionresumption_ticket"}
HARMLESS = {"OK", "INFO", "LOW"}


def tool(name):
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed")
    return path


@pytest.fixture(scope="module")
def port(wssd_module, authority):
    """Both kinds of certificates, everything else as it comes."""
    ec, rsa = (authority.issue(kind=kind, ends=90 * DAY, server=True)
               for kind in ("ec", 2048))
    one = wssd_module({"context": {"local_cert": f"{ec.cert}, {rsa.cert}",
                                   "local_pk": f"{ec.key}, {rsa.key}"}})
    return one.port()


def test_sslscan(port):
    said = subprocess.run(
        [tool("sslscan"), "--no-colour", "--sni-name=localhost",
         f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=240,
        check=True).stdout
    assert re.findall(r"^(\S+) +(enabled|disabled)$", said, re.M) == [
        ("SSLv2", "disabled"), ("SSLv3", "disabled"),
        ("TLSv1.0", "disabled"), ("TLSv1.1", "disabled"),
        ("TLSv1.2", "enabled"), ("TLSv1.3", "enabled")]
    ciphers = re.findall(r"^(?:Preferred|Accepted) +(TLSv1\.[23]) +\d+ bits "
                         r"+(\S+) ", said, re.M)
    assert len(ciphers) == 9, said
    for version, cipher in ciphers:
        assert re.match(r"TLS_|ECDHE-", cipher)
        assert re.search(r"GCM|CHACHA20", cipher)
    assert "Session renegotiation not supported" in said
    assert said.count("not vulnerable to heartbleed") == 2
    groups = re.findall(r"^TLSv1\.3 +\d+ bits +(\S+)", said, re.M)
    assert sorted(groups) == ["secp256r1", "secp384r1", "x25519"]


def test_testssl(port, authority, tmp_path):
    result = subprocess.run(
        [tool("testssl"), "--quiet", "--color", "0", "--warnings", "off",
         "--nodns", "none", "--ip", "127.0.0.1", "--add-ca",
         authority.path, "--jsonfile", tmp_path / "out.json", "-p", "-s",
         "-f", "-S", "-U", f"https://localhost:{port}"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=260, check=False)
    rows = json.loads((tmp_path / "out.json").read_text())
    found = {row["id"]: row["finding"] for row in rows
             if row["severity"] not in HARMLESS and
             re.sub(r" .*", "", row["id"]) not in
             OF_A_PRIVATE_CA | OF_THE_TOOL}
    assert not found, (found, result.stdout)
    by_id = {row["id"]: row["finding"] for row in rows}
    for name in ("TLS1_3", "heartbleed", "secure_client_renego", "CRIME_TLS"):
        assert name in by_id, result.stdout
    assert "extended master secret" in by_id["TLS_extensions"]
