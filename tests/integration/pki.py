# SPDX-License-Identifier: MIT
"""A certificate authority for tests, and what it signs."""
import dataclasses
import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@dataclasses.dataclass
class Leaf:
    cert: pathlib.Path
    key: pathlib.Path
    serial: int


class Authority:
    def __init__(self, folder):
        now = datetime.datetime.utcnow()
        self.folder = pathlib.Path(folder)
        self.path = self.folder / "ca.pem"
        self._made = 0
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._cert = (
            x509.CertificateBuilder()
            .subject_name(_name("wssd test CA"))
            .issuer_name(_name("wssd test CA"))
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(True, 0), critical=True)
            .sign(self._key, hashes.SHA256()))
        self.path.write_bytes(
            self._cert.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names, folder=None, begins=-DAY, ends=10 * DAY):
        """A new key and certificate; `names` are DNS names and addresses,
        localhost and its addresses if there are none.  The key file is 0600.
        """
        names = names or ("localhost", "127.0.0.1", "::1")
        self._made += 1
        folder = pathlib.Path(folder or self.folder)
        leaf = Leaf(folder / f"cert{self._made}.pem",
                    folder / f"key{self._made}.pem",
                    x509.random_serial_number())
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        cert = (
            x509.CertificateBuilder()
            .subject_name(_name(names[0]))
            .issuer_name(self._cert.subject)
            .public_key(key.public_key())
            .serial_number(leaf.serial)
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName(
                [_general_name(n) for n in names]), critical=False)
            .sign(self._key, hashes.SHA256()))
        leaf.cert.write_bytes(
            cert.public_bytes(serialization.Encoding.PEM))
        leaf.key.touch(mode=0o600)
        leaf.key.write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        return leaf

    def client(self):
        """An ssl.SSLContext that trusts this authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.path))
