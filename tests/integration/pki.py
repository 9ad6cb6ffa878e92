# SPDX-License-Identifier: MIT
"""A certificate authority for tests, and what it signs."""
import dataclasses
import datetime
import ipaddress
import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, \
    ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
                     if common_name else [])


def _general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def make_key(kind="ec"):
    """kind: "ec", or the bits of an RSA key."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, kind)


def write_key(path, key, passphrase=None):
    """As PKCS #8; the file is 0600."""
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption() if passphrase is None else
        serialization.BestAvailableEncryption(passphrase.encode())))


def pem(cert):
    return cert.public_bytes(serialization.Encoding.PEM)


@dataclasses.dataclass
class Leaf:
    cert: pathlib.Path
    key: pathlib.Path
    serial: int
    parsed: object = None     # x509.Certificate

    @property
    def fingerprint(self):
        return self.parsed.fingerprint(hashes.SHA256()).hex()


class Authority:
    """A root CA; with `above` an intermediate one under that."""

    def __init__(self, folder, name="wssd test CA", above=None):
        now = datetime.datetime.utcnow()
        self.folder = pathlib.Path(folder)
        self.path = self.folder / (
            "ca.pem" if above is None else f"{name.replace(' ', '-')}.pem")
        self._made = 0
        self._key = make_key()
        issuer = self if above is None else above
        self._cert = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(name) if above is None else
                         above.cert.subject)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .sign(issuer._key, hashes.SHA256()))
        self.path.write_bytes(pem(self._cert))

    @property
    def cert(self):
        return self._cert

    def issue(self, *names, folder=None, begins=-DAY, ends=10 * DAY,
              kind="ec", chain=(), client=False, server=False,
              self_signed=False, aia=False, passphrase=None, files=None,
              key=None):
        """A certificate and its key, a new one if none is given; `names` are
        DNS names and addresses, localhost and its addresses if there are
        none.  The key file is 0600.

        chain: certificates written behind it; client, server: only for such;
        aia: says where its issuer's certificate is;
        files: (cert, key) to write to.
        """
        names = names or ("localhost", "127.0.0.1", "::1")
        self._made += 1
        folder = pathlib.Path(folder or self.folder)
        files = files or (
            folder / f"{self.path.stem}-cert{self._made}.pem",
            folder / f"{self.path.stem}-key{self._made}.pem")
        key = key or make_key(kind)
        now = datetime.datetime.utcnow()
        serial = x509.random_serial_number()
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(names[0]))
            .issuer_name(_name(names[0]) if self_signed else
                         self._cert.subject)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName(
                [_general_name(n) for n in names]), critical=False))
        if client or server:
            builder = builder.add_extension(x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH if client else
                 ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        if aia:
            builder = builder.add_extension(x509.AuthorityInformationAccess(
                [x509.AccessDescription(
                    AuthorityInformationAccessOID.CA_ISSUERS,
                    x509.UniformResourceIdentifier(
                        "http://ca.example/ca.der"))]), critical=False)
        cert = builder.sign(key if self_signed else self._key,
                            hashes.SHA256())
        leaf = Leaf(files[0], files[1], serial, cert)
        leaf.cert.write_bytes(pem(cert) + b"".join(map(pem, chain)))
        write_key(leaf.key, key, passphrase)
        return leaf

    def revoke(self, path, *leaves, ends=DAY):
        """Writes a CRL with these."""
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder()
                   .issuer_name(self._cert.subject)
                   .last_update(now - DAY - DAY).next_update(now + ends))
        for leaf in leaves:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(leaf.serial)
                .revocation_date(now - DAY).build())
        path.write_bytes(builder.sign(self._key, hashes.SHA256())
                         .public_bytes(serialization.Encoding.PEM))
        return path

    def staple(self, path, leaf, status="GOOD", begins=-DAY, ends=DAY):
        """Writes an OCSP response about the leaf; returns its bytes."""
        now = datetime.datetime.utcnow()
        revoked = now - DAY if status == "REVOKED" else None
        data = (ocsp.OCSPResponseBuilder()
                .add_response(leaf.parsed, self._cert, hashes.SHA256(),
                              ocsp.OCSPCertStatus[status], now + begins,
                              now + ends, revoked, None)
                .responder_id(ocsp.OCSPResponderEncoding.HASH, self._cert)
                .sign(self._key, hashes.SHA256())
                .public_bytes(serialization.Encoding.DER))
        path.write_bytes(data)
        return data

    def client(self, leaf=None):
        """An ssl.SSLContext that trusts this authority and nobody else, and
        shows the leaf."""
        context = ssl.create_default_context(cafile=str(self.path))
        if leaf is not None:
            context.load_cert_chain(leaf.cert, leaf.key)
        return context
