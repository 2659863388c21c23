"""Keys that encrypt contact data, kept outside of the tables: in a file or the environment."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cv_engine.files import sync_folder
from cv_engine.registry.errors import RegistryError
from cv_engine.registry.records import Contact, Kind

_KEY_BYTES = 32  # AES-256
_NONCE_BYTES = 12  # NIST SP 800-38D, section 8.2.2: random, for at most 2**32 values of one key
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LARGEST_FILE = 4096  # bytes; a key takes 45
_FIELDS = tuple[str | None, str | None, str | None]  # of contact data
_HOW = "make a key with: openssl rand -base64 32"


@dataclass(frozen=True)
class Key:
    """A key of AES-256-GCM.

    Attributes:
        secret: 32 bytes.
    """

    secret: bytes = field(repr=False)

    @cached_property
    def id(self) -> str:
        """Names the key without telling it: the first 8 bytes of a SHA-256, in hex."""
        return hashlib.sha256(b"cv-engine registry key\0" + self.secret).hexdigest()[:16]

    @cached_property
    def _cipher(self) -> AESGCM:
        return AESGCM(self.secret)

    def seal(self, kind: Kind, name: str, contact: Contact) -> bytes:
        """Encrypt contact data; they can be decrypted as those of the same record only.

        Args:
            kind: The registry.
            name: The record's plate or id.
            contact: The contact data.

        Returns:
            12 bytes of nonce, the encrypted data, 16 bytes of authentication tag.
        """
        nonce = os.urandom(_NONCE_BYTES)
        text = msgspec.msgpack.encode((contact.name, contact.phone, contact.address))
        return nonce + self._cipher.encrypt(nonce, text, f"{kind}\0{name}".encode())

    def unseal(self, kind: Kind, name: str, sealed: bytes) -> Contact:
        """Decrypt what :meth:`seal` has encrypted.

        Raises:
            RegistryError: The data were changed, or are those of another record or key.
        """
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, text, f"{kind}\0{name}".encode())
        except (InvalidTag, ValueError):
            raise RegistryError(
                f"the contact data of {name} in {kind} were changed: import the file again"
            ) from None
        return Contact(*msgspec.msgpack.decode(plain, type=_FIELDS))


def new_key() -> Key:
    """A new random key."""
    return Key(secrets.token_bytes(_KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys at hand: one, or two while the key is being changed.

    Attributes:
        keys: The keys, the newest first.
    """

    keys: tuple[Key, ...]

    @property
    def newest(self) -> Key:
        """The key that encrypts."""
        return self.keys[0]

    def find(self, key_id: str) -> Key | None:
        """The key of an id; ``None`` if the key is not at hand."""
        return next((key for key in self.keys if key.id == key_id), None)


def read_keyring(text: str, where: str) -> Keyring:
    """The keys of a text: 32 bytes in base64 each, with spaces or line ends between them.

    Args:
        text: The text.
        where: File or environment variable, for messages.

    Raises:
        RegistryError: The text has no keys; the message does not repeat any of it.
    """
    keys = []
    for word in text.split():
        try:
            secret = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != _KEY_BYTES:
            raise RegistryError(f"{where}: a key is not {_KEY_BYTES} bytes in base64; {_HOW}")
        keys.append(Key(secret))
    if not keys:
        raise RegistryError(f"{where}: there is no key; {_HOW}")
    return Keyring(tuple(keys))


class KeySource(Protocol):
    """Where the keys are."""

    @property
    def where(self) -> str:
        """File or environment variable, for messages."""

    @property
    def is_missing(self) -> bool:
        """Whether there is no key yet."""

    def read(self) -> Keyring:
        """The keys, read each time: another process may have changed them.

        Raises:
            RegistryError: The keys cannot be read.
        """

    def replace(self, keys: Iterable[Key]) -> None:
        """Keep other keys from now on, durably.

        Raises:
            RegistryError: The keys cannot be changed from here.
        """


@dataclass(frozen=True, slots=True)
class KeyFile:
    """Keys in a file that only its owner can read, a line each, the newest first.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def where(self) -> str:
        """The file's path."""
        return str(self.path)

    @property
    def is_missing(self) -> bool:
        """Whether there is no such file."""
        return not self.path.exists()

    def read(self) -> Keyring:
        """The keys of the file.

        Raises:
            RegistryError: The file is missing, can be read by others, or has no keys.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise RegistryError(
                f"{self.path}: the key of the contact data is missing: restore it from its backup, "
                "or correct registry.key_file"
            ) from None
        except OSError as error:
            raise self._unreadable(error) from error
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
            raise RegistryError(f"{self.path}: is not a key file; correct registry.key_file")
        if status.st_mode & _OTHERS:
            raise RegistryError(
                f"{self.path}: others can read this key (mode {stat.S_IMODE(status.st_mode):04o}); "
                f"run: chmod 600 {self.path} - and if someone may have copied the key, also: "
                "cv-engine registry rotate-key"
            )
        try:
            return read_keyring(self.path.read_text(encoding="ascii"), str(self.path))
        except OSError as error:
            raise self._unreadable(error) from error
        except UnicodeDecodeError:
            raise RegistryError(f"{self.path}: is not a key file; {_HOW}") from None

    def replace(self, keys: Iterable[Key]) -> None:
        """Write the file whole or not at all, with mode 0600.

        Raises:
            OSError: The file cannot be written.
        """
        text = "".join(base64.b64encode(key.secret).decode() + "\n" for key in keys)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f".{self.path.name}.new")
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        sync_folder(self.path.parent)

    def _unreadable(self, error: OSError) -> RegistryError:
        return RegistryError(
            f"{self.path}: the key of the contact data cannot be read ({error.strerror}): run as "
            "the user that owns the file"
        )


@dataclass(frozen=True, slots=True)
class KeyVariable:
    """Keys in an environment variable, with spaces between them, the newest first.

    Attributes:
        name: Name of the variable.
        text: Value of the variable; ``None`` where it is not set.
    """

    name: str
    text: str | None = field(repr=False)

    @property
    def where(self) -> str:
        """The variable's name."""
        return f"the environment variable {self.name}"

    @property
    def is_missing(self) -> bool:
        """``False``: a key of the environment is set by its owner, never made here."""
        return False

    def read(self) -> Keyring:
        """The keys of the variable.

        Raises:
            RegistryError: The variable is not set, or has no keys.
        """
        if self.text is None:
            raise RegistryError(f"registry.key_env: {self.where} is not set; {_HOW}")
        return read_keyring(self.text, self.where)

    def replace(self, keys: Iterable[Key]) -> None:
        """Refused: a program cannot change the environment of later ones.

        Raises:
            RegistryError: Always.
        """
        raise RegistryError(
            f"{self.where} holds one key: put a new one before the old one, with a space between "
            f"them, and run this again; {_HOW}"
        )
