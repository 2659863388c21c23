"""The certificates that FFmpeg trusts when it reads RTSP over TLS."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from cv_engine.live.stream.address import Address
from cv_engine.live.stream.errors import StreamError
from cv_engine.live.stream.network import connect

_PORT = 322
_WAIT_S = 5.0


@contextmanager
def ffmpeg_options(address: Address) -> Iterator[Mapping[str, str]]:
    """Yields the options with which FFmpeg trusts what `Address.trust` says; none without TLS.

    FFmpeg knows no fingerprints, takes names and authorities by other rules than OpenSSL, and
    reports an I/O error where it trusts a certificate not. So the certificate is fetched and judged
    here first, and FFmpeg trusts this one only, under the name that is in it. One that has expired
    is never trusted by FFmpeg.

    Raises:
        StreamError: The certificate is not trusted.
        OSError: The camera cannot be reached.
    """
    if address.scheme != "rtsps" or not address.trust.verify:
        yield {}
        return
    pem, name = _judged(address)
    with tempfile.TemporaryDirectory(prefix="cv-engine-") as folder:
        file = Path(folder) / "camera.pem"
        file.write_text(pem)
        yield {"tls_verify": "1", "ca_file": str(file), "verifyhost": name}


def _judged(address: Address) -> tuple[str, str]:
    """The camera's certificate, which is trusted, in PEM form, and a name or address in it."""
    line = connect(address, urlsplit(address.url).port or _PORT, _WAIT_S, secure=True)
    assert isinstance(line, ssl.SSLSocket)
    with line:
        der = line.getpeercert(binary_form=True) or b""
    certificate = x509.load_der_x509_certificate(der)
    names: list[str] = []
    try:
        others = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += others.get_values_for_type(x509.DNSName)
        names += map(str, others.get_values_for_type(x509.IPAddress))
    except (x509.ExtensionNotFound, ValueError):
        pass
    common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    names += [str(each.value) for each in common]
    if not names:
        raise StreamError("the camera's certificate has no name; FFmpeg's reader cannot trust it")
    return ssl.DER_cert_to_PEM_cert(der), names[0]
