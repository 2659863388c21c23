"""TLS to cameras: which certificates are trusted, and what to do about one that is not."""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from cv_engine.live.stream.errors import StreamError

_REASONS = {  # OpenSSL's X509_V_ERR_...
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself",
    19: "it is signed by an authority that is not known here",
    20: "it is signed by an authority that is not known here",
    21: "it is signed by an authority that is not known here",
    62: "it is for another name than that of the address",
    64: "it is for another address",
}
_FINGERPRINT_S = 5.0  # longest wait for the certificate that a message names


@dataclass(frozen=True, slots=True)
class Trust:
    """Which certificate of a camera is trusted.

    Attributes:
        verify: Whether the certificate is verified at all; without it, anyone between the program
            and the camera may read the password and change the pictures.
        fingerprint: SHA-256 (hex) of the one certificate that is trusted, whatever name and dates
            it has; empty to verify names, dates and authorities.
        ca: PEM file of the authorities or certificates that are trusted; ``None`` for those of the
            operating system.
    """

    verify: bool = True
    fingerprint: str = ""
    ca: Path | None = None


def secured(plain: socket.socket, host: str, trust: Trust) -> ssl.SSLSocket:
    """Continues a connection by TLS; closes it where that fails.

    Args:
        plain: A connection.
        host: Name or IP address of the camera, which its certificate has to have.
        trust: Which certificate is trusted.

    Raises:
        StreamError: The certificate is not trusted, or `Trust.ca` cannot be used.
        OSError: TLS fails.
    """
    try:
        endpoint = plain.getpeername()[:2]
        line = _context(trust).wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        reason = _REASONS.get(error.verify_code, error.verify_message)
        raise StreamError(_advice(reason, _fingerprint_at(endpoint))) from None
    except BaseException:
        plain.close()
        raise
    if trust.verify and trust.fingerprint:
        seen = hashlib.sha256(line.getpeercert(binary_form=True) or b"").hexdigest()
        if seen != trust.fingerprint:
            line.close()
            raise StreamError(
                f"the camera's certificate has another fingerprint than tls_fingerprint, "
                f"sha256:{seen}; write this one if the camera or its certificate was replaced, "
                "else someone may be between"
            )
    return line


def _context(trust: Trust) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not trust.verify or trust.fingerprint:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif trust.ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(trust.ca)
        except OSError as error:  # ssl.SSLError is one
            raise StreamError(f"tls_ca {trust.ca}: {_unusable(error)}") from None
        # The camera's own certificate may be in the file, too.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _unusable(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "holds no certificate; give a file in PEM form"
    return f"cannot be read ({error.strerror}); correct the path"


def _advice(reason: str, fingerprint: str | None) -> str:
    pin = (
        "tls_fingerprint: sha256:..." if fingerprint is None else f"tls_fingerprint: {fingerprint}"
    )
    return (
        f"the camera's certificate is not trusted: {reason}. Compare it with the camera's own, and "
        f"write {pin} in the camera's entry, or tls_ca: with the file of its authority"
    )


def _fingerprint_at(endpoint: tuple[str, int]) -> str | None:
    """The fingerprint of the certificate at an endpoint; ``None`` where it cannot be read.

    A handshake that failed does not give the certificate to Python.
    """
    try:
        pem = ssl.get_server_certificate(endpoint, timeout=_FINGERPRINT_S)
        return f"sha256:{hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()}"
    except (OSError, ValueError):
        return None
