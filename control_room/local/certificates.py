"""Certificates for loopback: the object store's inner gRPC ports, so that its parts talk to nobody else; Trino's.

For each one authority, which signs once and whose key is never written, and one certificate under it. All parts of the
store show each other theirs: who cannot read its key is refused, and no list of names is needed. To be imported only
where the embedded store is started: `cryptography` comes with the extra `local`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from control_room.local import ports
from control_room.local.folder import write_private

VALID = timedelta(days=3650)
RENEWED = timedelta(days=365)  # before the end: the next `up` may be long in coming
CLOCK_SLACK = timedelta(days=1)


@dataclass(frozen=True)
class CertificateFiles:
    """Three PEM files, mode 0600: the authority's certificate, the one under it, and the latter's key. owner: whose;
    hosts: names that it is for, beside the loopback address."""

    authority: Path
    certificate: Path
    key: Path
    owner: str = "object store"
    hosts: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        return (self.authority, self.certificate, self.key)

    @property
    def names(self) -> tuple[str, str]:
        """Of the authority and of the certificate."""
        return (f"control-room {self.owner} authority", f"control-room {self.owner}")


def ensure(files: CertificateFiles, now: datetime | None = None) -> None:
    """Make all three anew when one is missing or damaged, when they do not belong together, or in their last year."""
    moment = now or datetime.now(UTC)
    if not _are_good(files, moment):
        _make(files, moment - CLOCK_SLACK)


def _are_good(files: CertificateFiles, now: datetime) -> bool:
    """A crash between two writes leaves an old and a new one, so it is checked that they belong together."""
    try:
        authority, certificate = (x509.load_pem_x509_certificate(path.read_bytes()) for path in files.paths[:2])
        key = load_pem_private_key(files.key.read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    if not set(files.hosts) <= set(_hosts(certificate)):
        return False
    lasts = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWED
    return lasts and key.public_key() == certificate.public_key()


def _hosts(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return names.value.get_values_for_type(x509.DNSName)


def _make(files: CertificateFiles, begin: datetime) -> None:
    signing, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    issued = (_authority(files.names, signing, begin), _certificate(files, key, signing, begin))
    public = [each.public_bytes(Encoding.PEM) for each in issued]
    for path, content in zip(files.paths, [*public, private], strict=True):
        write_private(path, content.decode())


def _authority(names: tuple[str, str], signing: ec.EllipticCurvePrivateKey, begin: datetime) -> x509.Certificate:
    may_sign = x509.BasicConstraints(ca=True, path_length=0)
    builder = _builder(names[0], names[0], signing, begin).add_extension(may_sign, critical=True)
    return builder.sign(signing, hashes.SHA256())


def _certificate(
    files: CertificateFiles, key: ec.EllipticCurvePrivateKey, signing: ec.EllipticCurvePrivateKey, begin: datetime
) -> x509.Certificate:
    """For the loopback address and the hosts alone, as server and as client."""
    loopback = x509.IPAddress(ipaddress.ip_address(ports.LOOPBACK))
    address = x509.SubjectAlternativeName([loopback, *map(x509.DNSName, files.hosts)])
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = _builder(*files.names, key, begin).add_extension(address, critical=False)
    return builder.add_extension(uses, critical=False).sign(signing, hashes.SHA256())


def _builder(issuer: str, name: str, key: ec.EllipticCurvePrivateKey, begin: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(_named(issuer), _named(name), key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(begin).not_valid_after(begin + VALID)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
