"""The key that signs evidence packages, and the check of signatures."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from cv_engine.evidence.errors import EvidenceError, from_os_error
from cv_engine.files import atomic_file, sync_folder

PUBLIC_KEY_BYTES = 32  # RFC 8032, section 5.1.5
SIGNATURE_BYTES = 64  # RFC 8032, section 5.1.6
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LARGEST_KEY_FILE = 65_536  # bytes; an Ed25519 key takes 119


def fingerprint(public_key: bytes) -> str:
    """Names a public key: SHA-256 of its 32 raw bytes, in hex."""
    return hashlib.sha256(public_key).hexdigest()


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether ``signature`` over ``message`` was made with the key of ``public_key``."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class SigningKey:
    """An Ed25519 private key (RFC 8032), kept in a PEM file that only its owner can read.

    Args:
        private: The key.
        path: The file that the key was loaded from, if any.
    """

    def __init__(self, private: Ed25519PrivateKey, path: Path | None = None) -> None:
        self._private = private
        self._public = private.public_key().public_bytes_raw()
        self._path = path

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes of the public key."""
        return self._public

    @property
    def fingerprint(self) -> str:
        """The public key's name, for those who are to trust this station's evidence."""
        return fingerprint(self._public)

    @property
    def pem(self) -> bytes:
        """The private key, PKCS #8 in PEM form: for a library that signs by itself."""
        return _pem(self._private)

    def sign(self, message: bytes) -> bytes:
        """Signs ``message``: 64 bytes."""
        return self._private.sign(message)

    def current(self) -> SigningKey:
        """The key that the file holds now: another one, once the station's key was rotated.

        A program that runs for months asks before each package, so that none is sealed with a key
        that holds no more.

        Raises:
            EvidenceError: The file is not a key any more, or cannot be read.
        """
        if self._path is None:
            return self
        try:
            return SigningKey(_load(self._path), self._path)
        except OSError as error:
            raise from_os_error(error, self._path) from error

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """Loads the key at ``path``, or makes one there.

        A new file appears whole and with mode 0600, or not at all. Of several processes that start
        at once, one makes the key and the others load it.

        Raises:
            EvidenceError: The file is not an Ed25519 key, is readable by others, or cannot be
                written.
        """
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _create(path)
            return cls(_load(path), path)
        except OSError as error:
            raise from_os_error(error, path) from error

    @classmethod
    def replace(cls, path: Path) -> SigningKey:
        """Makes another key in place of the one at ``path``, which is destroyed.

        Raises:
            EvidenceError: The file cannot be written.
        """
        try:
            with atomic_file(path, sync=True) as fresh:
                _create(fresh)
            return cls(_load(path), path)
        except OSError as error:
            raise from_os_error(error, path) from error


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _create(path: Path) -> None:
    pem = _pem(Ed25519PrivateKey.generate())
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(fresh)  # unlike a rename, this never replaces another's key
        except FileExistsError:
            return
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def _load(path: Path) -> Ed25519PrivateKey:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_KEY_FILE:
        raise EvidenceError(f"{path}: is not a key file; name another path for the signing key")
    if status.st_mode & _OTHERS:
        raise EvidenceError(
            f"{path}: others can read this private key (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"run: chmod 600 {path} - and if someone may have copied the key, move it away, so "
            "that a new one is made"
        )
    advice = "move it away, so that a new one is made, or restore it from a backup"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except TypeError as error:
        raise EvidenceError(f"{path}: the key is protected by a password; {advice}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EvidenceError(f"{path}: is not a private key in PEM form; {advice}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceError(f"{path}: is not an Ed25519 key; {advice}")
    return key
