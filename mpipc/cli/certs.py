"""`mpipc certs`: certificates for a small deployment, signed by an authority of its own."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mpipc.errors import IpcError
from mpipc.ipc.tls import AUTHORITY, CERTIFICATE, KEY

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

_AUTHORITY_KEY = "ca.key"
_AUTHORITY_DAYS = 3650
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_CLOCKS_DIFFER = datetime.timedelta(hours=1)


def certs(directory: Path, wanted: Sequence[str], days: int) -> int:
    """Make an authority in a directory, unless it is there, and certificates: each wanted one is
    "NAME", of a client, or "NAME=HOST,HOST", of a server that is reached under these names. Returns
    the exit status. Raises IpcError."""
    parsed = [_parsed(each) for each in wanted]
    if days < 1:
        raise IpcError(f"--days {days}: a certificate is valid for a day at least")
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise IpcError("this needs the package cryptography: pip install 'mpipc[certs]'") from None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = Authority(directory)
        for name, hosts in parsed:
            authority.issue(name, hosts, days)
            use = f"a server that clients reach as {', '.join(hosts)}" if hosts else "a client"
            print(f"made {directory / name} for {use}")
    except OSError as e:
        raise IpcError(f"{e.filename}: {e.strerror}") from None
    except ValueError as e:
        raise IpcError(f"{directory}: {e}") from None
    print("Copy each to its machine, readable for its user alone: tcp:HOST:PORT?certs=DIRECTORY")
    print(f"Keep {directory / _AUTHORITY_KEY} here: who has it can make more certificates.")
    return 0


def _parsed(text: str) -> tuple[str, list[str]]:
    name, _, hosts = text.partition("=")
    if not _NAME.fullmatch(name):
        raise IpcError(f"{text}: a name has letters, digits, - and _")
    return name, [host for host in hosts.split(",") if host]


class Authority:
    """Whoever signs, from its two files."""

    def __init__(self, directory: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self._directory = directory
        certificate, key = directory / AUTHORITY, directory / _AUTHORITY_KEY
        if not key.exists():
            self._make()
        self._certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
        self._key: ec.EllipticCurvePrivateKey = load_pem_private_key(key.read_bytes(), None)  # type: ignore[assignment]

    def _make(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [_common_name(f"mpipc authority of {self._directory.absolute().name}"[:64])]
        )
        builder = _builder(name, name, key, _AUTHORITY_DAYS)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
        _write(self._directory, AUTHORITY, _AUTHORITY_KEY, builder, key, key)

    def issue(self, name: str, hosts: Sequence[str], days: int) -> None:
        """Write a certificate and its key to a directory of its own."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(x509.Name([_common_name(name)]), self._certificate.subject, key, days)
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if hosts:
            uses.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=True)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        directory = self._directory / name
        directory.mkdir(mode=0o700, exist_ok=True)
        (directory / AUTHORITY).write_bytes((self._directory / AUTHORITY).read_bytes())
        _write(directory, CERTIFICATE, KEY, builder, key, self._key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(text: str) -> x509.NameAttribute[str]:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.NameAttribute(NameOID.COMMON_NAME, text)


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)


def _write(
    directory: Path,
    certificate: str,
    key_file: str,
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
) -> None:
    """Sign and write both files; nobody else can ever read the key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    signed = builder.sign(signer, hashes.SHA256())
    path = directory / key_file
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (directory / certificate).write_bytes(signed.public_bytes(Encoding.PEM))
