"""The signing key is made once, whole, and readable by its owner only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cv_engine.evidence.errors import EvidenceError
from cv_engine.evidence.signing import SigningKey, is_signed

_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def test_created_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    first = SigningKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load_or_create(path).fingerprint == first.fingerprint
    assert [item.name for item in path.parent.iterdir()] == ["signing.pem"]
    signature = first.sign(b"message")
    assert is_signed(b"message", signature, first.public_key)
    assert not is_signed(b"massage", signature, first.public_key)
    assert not is_signed(b"message", signature[:-1], first.public_key)
    assert not is_signed(b"message", signature, b"short")
    assert not is_signed(b"message", signature, SigningKey(Ed25519PrivateKey.generate()).public_key)


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cv_engine.evidence.signing import SigningKey; "
        "print(SigningKey.load_or_create(Path(sys.argv[1])).fingerprint)"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "key.pem")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    names = {run.communicate(timeout=300)[0] for run in runs}
    assert [run.returncode for run in runs] == [0] * 4
    assert len(names) == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    SigningKey.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(EvidenceError, match=f"chmod 600 {path}"):
        SigningKey.load_or_create(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "not a private key", id="empty"),
        pytest.param(b"not a key", "not a private key", id="text"),
        pytest.param(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                _PEM, _PKCS8, serialization.NoEncryption()
            ),
            "not an Ed25519 key",
            id="elliptic curve",
        ),
        pytest.param(
            Ed25519PrivateKey.generate().private_bytes(
                _PEM, _PKCS8, serialization.BestAvailableEncryption(b"x")
            ),
            "password",
            id="encrypted",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(EvidenceError, match=message):
        SigningKey.load_or_create(path)
    assert path.read_bytes() == content


def test_unusable_places(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EvidenceError, match="could not be written"):
        SigningKey.load_or_create(tmp_path / "file" / "key.pem")
    with pytest.raises(EvidenceError, match="not a key file"):
        SigningKey.load_or_create(tmp_path)
