"""Certificates for tests, and servers that show them."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Identity:
    """A certificate with its key.

    Attributes:
        certificate: The certificate.
        key: The key.
    """

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate (hex)."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def write(self, path: Path) -> Path:
        """Writes the certificate alone in PEM form, beside a file with its key."""
        pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        path.write_bytes(pem)
        path.with_suffix(".key").write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path


def identity(
    host: str = HOST,
    *,
    issuer: Identity | None = None,
    days: tuple[float, float] = (-1, 1),
    is_ca: bool = False,
) -> Identity:
    """A new certificate.

    Args:
        host: Name or IP address that it is for.
        issuer: Who signs it; ``None``: itself.
        days: From when to when it is valid, days from now.
        is_ca: Whether it may sign others.
    """
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    now = dt.datetime.now(dt.UTC)
    begin, end = (now + dt.timedelta(days=day) for day in days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    )
    return Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def server_context(shown: Identity, folder: Path) -> ssl.SSLContext:
    """The TLS of a server that shows a certificate."""
    path = shown.write(folder / f"{shown.fingerprint[:16]}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, path.with_suffix(".key"))
    return context


@contextmanager
def tls_server(shown: Identity, folder: Path) -> Iterator[int]:
    """A server that shows a certificate and echoes what it receives; yields its port."""
    context = server_context(shown, folder)
    with socket.create_server((HOST, 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return  # closed
                try:
                    with context.wrap_socket(plain, server_side=True) as line:
                        line.sendall(line.recv(64))
                except OSError:
                    plain.close()  # the client trusts nothing

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
