"""A real timestamping authority: OpenSSL's, behind a small HTTP server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tests.http_server import PostServer

_CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[signer]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
{certs}
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def openssl(*words: object) -> subprocess.CompletedProcess[str]:
    """Runs OpenSSL's command."""
    return subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False
    )


def _run(*words: object) -> None:
    done = openssl(*words)
    assert done.returncode == 0, done.stderr


def make_authority(folder: Path, *, chain: bool = False) -> None:
    """Makes the keys and certificates of an authority.

    Args:
        folder: Gets ``ca.pem``, the certificate to trust, and what the authority needs.
        chain: Whether a second certificate, which comes with each answer, lies in between.
    """
    folder.mkdir(parents=True, exist_ok=True)
    certs = f"certs = {folder}/middle.pem" if chain else ""
    config = folder / "openssl.cnf"
    config.write_text(_CONFIG.format(folder=folder, certs=certs))
    (folder / "serial").write_text("01\n")
    make = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", config]
    _run(
        *("req", "-x509", *make, "-keyout", folder / "ca.key", "-out", folder / "ca.pem"),
        *("-days", 30, "-extensions", "ca", "-subj", "/O=Trial/CN=Trial root"),
    )
    issuer = "ca"
    between = [("middle", "ca")] if chain else []
    for name, kind in [*between, ("signer", "signer")]:
        request = folder / f"{name}.csr"
        subject = f"/O=Trial/CN=Trial {name}"
        _run(
            "req",
            "-new",
            *make,
            "-keyout",
            folder / f"{name}.key",
            "-out",
            request,
            "-subj",
            subject,
        )
        _run(
            *("x509", "-req", "-in", request, "-CA", folder / f"{issuer}.pem"),
            *("-CAkey", folder / f"{issuer}.key", "-CAcreateserial", "-days", 30),
            *("-extfile", config, "-extensions", kind, "-out", folder / f"{name}.pem"),
        )
        issuer = name


@dataclass
class TimestampServer(PostServer):
    """An authority on a free port of loopback.

    Attributes:
        folder: What `make_authority` made.
        changed: Changes an answer before it is sent.
        status: The HTTP status of answers.
        asked: Number of requests that came.
    """

    answers: ClassVar[str] = "application/timestamp-reply"
    takes: ClassVar[str] = "application/timestamp-query"

    folder: Path
    changed: Callable[[bytes], bytes] = bytes
    status: int = 200
    asked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tsa"

    @property
    def certificate(self) -> Path:
        """The certificate to trust."""
        return self.folder / "ca.pem"

    def answer(self, request: bytes) -> tuple[int, bytes]:
        """The HTTP status, and the answer of OpenSSL to a request."""
        with self._lock:  # it keeps a serial number in a file
            self.asked += 1
            query, reply = self.folder / "query.tsq", self.folder / "reply.tsr"
            query.write_bytes(request)
            done = openssl(
                *("ts", "-reply", "-config", self.folder / "openssl.cnf", "-section", "here"),
                *("-queryfile", query, "-out", reply),
            )
            assert done.returncode == 0, done.stderr
            return self.status, self.changed(reply.read_bytes())
