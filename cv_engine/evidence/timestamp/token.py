"""The timestamp in a package: the authority's answer, its certificate, and their check.

::

    timestamp/manifest.tsr   the authority's answer (RFC 3161) for the bytes of manifest.json
              authority.pem  the certificate from which the answer is verified
              SHA256SUMS     digests of the two, which `sha256sum --check` reads

The folder is added after the manifest is sealed, so the manifest does not list it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.timestamp.der import with_sorted_certificates

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampResponse
    from rfc3161_client.tsp import Accuracy

FOLDER = "timestamp"
TOKEN = f"{FOLDER}/manifest.tsr"
AUTHORITY = f"{FOLDER}/authority.pem"
SUMS = f"{FOLDER}/SHA256SUMS"
_LONGEST_REASON = 200  # characters of a library's error
FILES = (TOKEN, AUTHORITY, SUMS)
"""The files of a timestamp, in the order in which they are written and sent."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """When a third party saw a manifest.

    Attributes:
        at: The time that the authority states, UTC.
        accuracy_s: The accuracy that the authority states, seconds; ``None`` where it states none.
        authority: Name of the authority, from the certificate that signed.
        root: SHA-256 (hex) of the certificate from which the answer was verified.
    """

    at: datetime
    accuracy_s: float | None
    authority: str
    root: str


def check_token(
    response: bytes, authority: bytes, message: bytes, nonce: int | None = None
) -> Timestamp:
    """Verifies a timestamp of a message.

    Args:
        response: The authority's answer, DER.
        authority: Certificates to trust, PEM; those between them and the signer's may be among
            them or in the answer.
        message: What was stamped.
        nonce: The number that the answer must repeat; ``None`` where the request is not known.

    Raises:
        EvidenceError: The answer is malformed, grants no timestamp, is of other bytes, or was not
            signed by an authority that the certificates vouch for.
    """
    from rfc3161_client import VerifierBuilder

    roots = read_certificates(authority)
    decoded = decode(response)
    with _explained("is not a valid timestamp of this manifest"):
        verifier = VerifierBuilder(roots=roots, intermediates=_sent(decoded), nonce=nonce).build()
        verifier.verify_message(decoded, message)
        _check_chain(decoded, roots)
        digest = hashlib.sha256(_der(roots[0])).hexdigest()
        signer, at = _name(_signer(decoded)), decoded.tst_info.gen_time
        return Timestamp(at, _accuracy_s(decoded), signer, digest)


def decode(response: bytes) -> TimeStampResponse:
    """Decodes an authority's answer.

    Raises:
        EvidenceError: The answer is malformed, or the authority grants no timestamp.
    """
    from rfc3161_client import PKIStatus, decode_timestamp_response

    with _explained("is no timestamp response (RFC 3161)"):
        decoded = decode_timestamp_response(with_sorted_certificates(response))
        status = PKIStatus(decoded.status)
    if status is not PKIStatus.GRANTED:
        said = "; ".join(decoded.status_string)
        raise EvidenceError(f"grants no timestamp: {status.name.lower()}{said and f', {said}'}")
    return decoded


def read_certificates(data: bytes) -> list[Certificate]:
    """Reads certificates in PEM form.

    Raises:
        EvidenceError: There is none, or one is malformed.
    """
    from cryptography import x509

    with _explained("holds no certificate in PEM form"):
        return x509.load_pem_x509_certificates(data)


def sums(token: bytes, authority: bytes) -> bytes:
    """The content of ``SHA256SUMS``, in the form of GNU coreutils."""
    named = (("manifest.tsr", token), ("authority.pem", authority))
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in named).encode()


def problems_in(
    read: Callable[[str], bytes], message: bytes
) -> tuple[Timestamp | None, list[tuple[str, str]]]:
    """Checks the timestamp of a package.

    Args:
        read: Reads a file of the package; raises ``EvidenceError`` where that is not possible.
        message: The manifest.

    Returns:
        The timestamp, ``None`` where it is not valid, and what is wrong: file and words.
    """
    found, problems = {}, []
    for path in FILES:
        try:
            found[path] = read(path)
        except EvidenceError as error:
            problems.append((path, str(error)))
    problems = problems or _changed(found)
    if problems:
        return None, problems
    try:
        stamped = check_token(found[TOKEN], found[AUTHORITY], message)
    except EvidenceError as error:
        return None, [(TOKEN, str(error))]
    return stamped, []


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns any error about bytes of unknown origin into one that says what they are not."""
    try:
        yield
    except BaseException as error:  # a panic of the libraries' Rust is no Exception
        if isinstance(error, (EvidenceError, KeyboardInterrupt, SystemExit, MemoryError)):
            raise
        raise EvidenceError(f"{what}: {str(error)[:_LONGEST_REASON]}") from error


def _changed(found: dict[str, bytes]) -> list[tuple[str, str]]:
    """Bytes that no signature covers, such as those around a certificate, are in the sums."""
    expected = sums(found[TOKEN], found[AUTHORITY])
    if found[SUMS] == expected:
        return []
    given, wanted = found[SUMS].split(b"\n"), expected.split(b"\n")
    if len(given) != len(wanted):
        return [(SUMS, "its content was changed")]
    return [
        (path, f"does not match {SUMS}: one of the two was changed")
        for path, line, right in zip((TOKEN, AUTHORITY, SUMS), given, wanted, strict=True)
        if line != right
    ]


def _sent(response: TimeStampResponse) -> list[Certificate]:
    from cryptography import x509

    return [x509.load_der_x509_certificate(each) for each in response.signed_data.certificates]


def _signer(response: TimeStampResponse) -> Certificate:
    (signer,) = response.signed_data.signer_infos
    return next(
        each
        for each in _sent(response)
        if (each.issuer, each.serial_number) == (signer.issuer, signer.serial_number)
    )


def _check_chain(response: TimeStampResponse, roots: list[Certificate]) -> None:
    """Follows the issuers from the signer's certificate to one that is trusted.

    The library trusts every certificate that it is given, so those that only came with the answer
    must be vouched for here.

    Raises:
        EvidenceError: The chain leads to no trusted certificate, or one was not valid then.
    """
    at, known = response.tst_info.gen_time, [*_sent(response), *roots]
    certificate = _signer(response)
    for _ in range(len(known) + 1):
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise EvidenceError(f"was signed when {_name(certificate)}'s certificate was not valid")
        if certificate in roots:
            return
        issuer = next((each for each in known if _issued(each, certificate)), None)
        if issuer is None:
            break
        certificate = issuer
    raise EvidenceError("was not signed by an authority that the certificate given vouches for")


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    if issuer == certificate:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
        return issuer.extensions.get_extension_for_class(BasicConstraints).value.ca
    except (ExtensionNotFound, InvalidSignature, TypeError, ValueError):
        return False


def _accuracy_s(response: TimeStampResponse) -> float | None:
    accuracy: Accuracy | None = response.tst_info.accuracy  # RFC 3161 leaves it out freely
    if accuracy is None:
        return None
    return accuracy.seconds + (accuracy.millis or 0) / 1e3 + (accuracy.micros or 0) / 1e6


def _name(certificate: Certificate) -> str:
    from cryptography.x509 import NameOID

    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for name in certificate.subject.get_attributes_for_oid(kind):
            return str(name.value)
    return certificate.subject.rfc4514_string()


def _der(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)
