"""Certificates for content credentials: the program's own authority, or the city's certificate.

The program's authority vouches for the station's signing key, so that one key signs manifests and
content credentials, and rotation and revocation hold for both.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from filelock import FileLock

from cv_engine.errors import Failure
from cv_engine.evidence.errors import EvidenceError, from_os_error
from cv_engine.evidence.media.credentials import Signer
from cv_engine.files import write_atomically

if TYPE_CHECKING:
    from cv_engine.evidence.signing import SigningKey

AUTHORITY = "c2pa-authority.pem"  # given to those who check pictures
_AUTHORITY_KEY = "c2pa-authority-key.pem"
# Readers compare with the present time, since a picture has no timestamp of its own, so a
# certificate has to hold for as long as pictures are looked at.
_VALID = timedelta(days=20 * 365)
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_ORGANISATION = "cv-engine"  # readers refuse a certificate without one


def own_signer(folder: Path, key: SigningKey, now: datetime, version: str) -> Signer:
    """A signer with the station's key, vouched for by the program's own authority.

    The authority is made once for a data folder, and a certificate for each key.

    Args:
        folder: The data folder.
        key: The station's key.
        now: The present time, timezone-aware.
        version: Version of this program.

    Raises:
        EvidenceError: The files cannot be read or written.
    """
    path = folder / f"c2pa-{key.fingerprint[:16]}.pem"
    try:
        if not path.exists():
            with FileLock(folder / f"{AUTHORITY}.lock"):
                _certify(folder, path, key, now)
        return Signer("ed25519", path.read_bytes(), key.pem, version)
    except OSError as error:
        raise from_os_error(error, path) from error
    except ValueError as error:
        raise EvidenceError(f"{path}: {error}; move it away, so that a new one is made") from error


def _certify(folder: Path, path: Path, key: SigningKey, now: datetime) -> None:
    authority, secret = _authority(folder, now)
    chain = _pem(_leaf(key, authority, secret, now)) + _pem(authority)
    write_atomically(path, chain, sync=True)


def given_signer(certificate: Path, key: Path, version: str) -> Signer:
    """A signer with the city's certificate.

    Args:
        certificate: PEM file: the certificate, then those above it.
        key: PEM file of the private key, Ed25519 or of an elliptic curve.
        version: Version of this program.

    Raises:
        EvidenceError: A file cannot be read, or the two do not belong together.
    """
    where = "evidence.credentials"
    try:
        chain, secret = certificate.read_bytes(), key.read_bytes()
        loaded = serialization.load_pem_private_key(secret, password=None)
        leaf = x509.load_pem_x509_certificate(chain)
    except OSError as error:
        name = error.filename
        raise EvidenceError(f"{name}: cannot be read ({error.strerror}); see {where}") from error
    except (ValueError, TypeError) as error:
        raise EvidenceError(f"{certificate}, {key}: {error}; see {where}") from error
    if loaded.public_key() != leaf.public_key():
        raise EvidenceError(
            f"{certificate}: is the certificate of another key than {key}; see {where}",
            Failure.WRONG_INPUT,
        )
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return Signer("ed25519", chain, secret, version)
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.curve.name in _CURVES:
        return Signer(_CURVES[loaded.curve.name], chain, secret, version)
    raise EvidenceError(f"{key}: is neither an Ed25519 key nor one of P-256, P-384, P-521; {where}")


def trusted_roots(folder: Path, given: Path | None) -> bytes | None:
    """The certificates that content credentials of this station lead to, PEM.

    Args:
        folder: The data folder.
        given: The city's certificate with those above it, if there is one.
    """
    found = [path for path in (folder / AUTHORITY, given) if path is not None and path.is_file()]
    return b"".join(path.read_bytes() for path in found) or None


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The program's own authority, made where there is none."""
    path, secret = folder / AUTHORITY, folder / _AUTHORITY_KEY
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _made_authority(key, now)
        _write_secret(secret, key)
        write_atomically(path, _pem(certificate), sync=True)
    loaded = serialization.load_pem_private_key(secret.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{secret} is not the key of the program's own authority")
    return x509.load_pem_x509_certificate(path.read_bytes()), loaded


def _made_authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("content credentials")
    return (
        _builder(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _leaf(
    key: SigningKey,
    authority: x509.Certificate,
    secret: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    public = ed25519.Ed25519PublicKey.from_public_bytes(key.public_key)
    name = _name(f"station {key.fingerprint[:16]}")
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(secret.public_key())
    return (
        _builder(name, authority.subject, public, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(issuer, critical=False)
        .sign(secret, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey,
    now: datetime,
) -> x509.CertificateBuilder:
    start = now.astimezone(UTC) - timedelta(days=1)  # clocks of readers may be behind
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_secret(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
