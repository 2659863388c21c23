"""Evidence packages in S3-compatible object storage.

A package is the objects ``<prefix>/<name>/<path>``, one for each of its files. The signature is
sent last: a package without one is incomplete.

Credentials and endpoint come from the environment, never from the address, and are never logged:

- ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY`` (and ``AWS_SESSION_TOKEN``): required;
- ``AWS_ENDPOINT_URL``: the server, where it is not Amazon's; ``http://`` only if written so;
- ``AWS_REGION``: the bucket's region, where the server requires it;
- ``AWS_CHECKSUM_ALGORITHM=SHA256``: for buckets with an object lock, which ask for one.

The credentials must allow listing the bucket and reading, writing and deleting objects.
Interrupted uploads of large files leave invisible parts: let the bucket's lifecycle rules drop
those after a day.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cv_engine.errors import Failure
from cv_engine.evidence.errors import EvidenceError, StoreError
from cv_engine.evidence.manifest import MANIFEST, SIGNATURE, parse
from cv_engine.evidence.signing import is_signed
from cv_engine.evidence.storage.address import Address
from cv_engine.evidence.storage.store import Store, checked_name, is_name
from cv_engine.evidence.timestamp import token
from cv_engine.evidence.verify import Problem, verify

if TYPE_CHECKING:
    from obstore import ObjectMeta

_PART = 5 * 1024 * 1024  # bytes of one request: the least that S3 takes for a part of an object
_CHUNK = 1024 * 1024  # bytes read at once
_LONGEST_READ = timedelta(hours=1)  # of one file, however slow the line
_PARTS_AT_ONCE = 2  # more would share a slow line, and each would time out
_RETRIES = 1000  # time ends the retries, not their number
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=4)
_LISTED_AT_ONCE = 1000  # objects that S3 lists per request
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_WEB_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(/|$)")
_REFUSED = re.compile("40[13]")


class ObjectStore(Store):
    """A bucket of an S3-compatible server.

    Args:
        address: The bucket, and the beginning of all objects' names.
        patience_s: See `opening.open_store`.

    Raises:
        EvidenceError: The extra is not installed, or the environment holds no credentials or a
            malformed endpoint.
    """

    in_place = False

    def __init__(self, address: Address, patience_s: float) -> None:
        try:
            from obstore.store import S3Store
        except ImportError:
            raise EvidenceError(
                "evidence in object storage (s3://) needs an extra that is not installed; run: "
                "pip install 'cv-engine[s3]'"
            ) from None
        missing = [key for key in _KEYS if not os.environ.get(key)]
        if missing:  # otherwise the library would search the machine's network for them
            raise EvidenceError(
                f"s3://{address.bucket} needs credentials; set {' and '.join(missing)} in the "
                "environment"
            )
        endpoint = next((os.environ[key] for key in _ENDPOINTS if os.environ.get(key)), None)
        if endpoint is not None and not _WEB_ADDRESS.match(endpoint):
            raise EvidenceError("AWS_ENDPOINT_URL is no address; write it as https://host:port")
        self._bucket = address.bucket
        patience = timedelta(seconds=patience_s)
        self._objects = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            disable_bulk_delete=True,  # not supported by all servers
            client_options={
                "allow_http": endpoint is not None and endpoint.startswith("http://"),
                "connect_timeout": patience,
                "read_timeout": patience,
                "timeout": _LONGEST_READ,
            },
            retry_config={
                "max_retries": _RETRIES,
                "retry_timeout": patience,
                "backoff": {
                    "init_backoff": _FIRST_PAUSE,
                    "max_backoff": _LONGEST_PAUSE,
                    "base": 2,
                },
            },
        )

    def put(self, folder: Path) -> None:
        """See `Store.put`."""
        name = checked_name(folder.name)
        problems = verify(folder)
        if problems:
            raise EvidenceError(f"{folder}: the package is damaged and was not sent: {problems[0]}")
        entries = parse((folder / MANIFEST).read_bytes()).files
        stamp = [path for path in token.FILES if (folder / path).exists()]
        paths = [*(entry.path for entry in entries), *stamp, MANIFEST, SIGNATURE]  # it comes last
        there = self._listed(name)
        self._clear(name, folder, there, set(paths))
        sent = [
            path
            for path in paths
            if not self._holds(folder / path, f"{name}/{path}", there.get(path))
            and self._send(folder / path, f"{name}/{path}")
        ]
        if sent:
            self._confirm(folder, name, paths)

    def has(self, name: str) -> bool:
        """See `Store.has`."""
        there = self._listed(checked_name(name))
        manifest = self._signed_manifest(name, there)
        if manifest is None:
            return False
        sizes = {entry.path: entry.size for entry in parse(manifest).files}
        unlisted = (MANIFEST, SIGNATURE, *token.FILES)
        return sizes == {path: meta["size"] for path, meta in there.items() if path not in unlisted}

    def manifest(self, name: str) -> bytes | None:
        """See `Store.manifest`."""
        return self._signed_manifest(name, self._listed(checked_name(name)))

    def add_timestamp(self, name: str, files: Mapping[str, bytes]) -> None:
        """See `Store.add_timestamp`."""
        for path, data in files.items():
            self.write(f"{checked_name(name)}/{path}", data)

    def names(self) -> list[str]:
        """See `Store.names`."""
        with self._explained():
            paths = (
                meta["path"].split("/")
                for some in self._objects.list(chunk_size=_LISTED_AT_ONCE)
                for meta in some
            )
            return sorted(
                path[0]
                for path in paths
                if len(path) == 2 and path[1] == SIGNATURE and is_name(path[0])
            )

    def remove(self, name: str) -> bool:
        """Deletes the objects, the signature first: see `Store.remove`."""
        there = self._listed(checked_name(name))
        with self._explained():
            for path in sorted(there, key=lambda path: (path != SIGNATURE, path)):
                self._objects.delete(f"{name}/{path}")
        return True

    def read(self, key: str) -> bytes | None:
        """Reads an object beside the packages, ``None`` if it does not exist.

        Raises:
            StoreError: The store does not answer, or refuses.
        """
        with self._explained():
            try:
                return bytes(self._objects.get(key).bytes())
            except FileNotFoundError:
                return None

    def write(self, key: str, data: bytes) -> None:
        """Writes an object beside the packages, replacing an earlier one.

        Raises:
            StoreError: The store does not answer, or refuses.
        """
        with self._explained():
            self._objects.put(key, data, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)

    def _copy(self, name: str, folder: Path) -> list[Problem]:
        problems = []
        for path in sorted(self._listed(name)):
            if not path.isprintable() or {"", ".", ".."} & set(path.split("/")):
                problem = Problem(ascii(path), "was added: no file of a package has such a name")
                problems.append(problem)
                continue
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                for chunk in self._chunks(f"{name}/{path}"):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        return problems

    def _listed(self, name: str) -> dict[str, ObjectMeta]:
        """The objects of a package, by their paths in the package."""
        with self._explained():
            return {
                meta["path"].removeprefix(f"{name}/"): meta
                for some in self._objects.list(name, chunk_size=_LISTED_AT_ONCE)
                for meta in some
            }

    def _chunks(self, key: str) -> Iterator[bytes]:
        """Reads an object in pieces."""
        with self._explained():
            for chunk in self._objects.get(key).stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)

    def _signed_manifest(self, name: str, there: Mapping[str, ObjectMeta]) -> bytes | None:
        """The manifest in the store, ``None`` unless the store holds its valid signature."""
        if not {MANIFEST, SIGNATURE} <= there.keys():
            return None
        data, signature = (
            b"".join(self._chunks(f"{name}/{path}")) for path in (MANIFEST, SIGNATURE)
        )
        try:
            return data if is_signed(data, signature, parse(data).public_key) else None
        except EvidenceError:
            return None

    def _clear(
        self, name: str, folder: Path, there: Mapping[str, ObjectMeta], paths: set[str]
    ) -> None:
        """Removes what an interrupted upload left, unless a signed package is there."""
        signed = self._signed_manifest(name, there)
        if signed is None:
            with self._explained():
                for stray in sorted(there.keys() - paths):
                    self._objects.delete(f"{name}/{stray}")
        elif signed != (folder / MANIFEST).read_bytes():
            raise EvidenceError(
                f"{name}: s3://{self._bucket} holds another signed package of this name, which is "
                "not overwritten; compare the two and remove one"
            )
        elif added := there.keys() - paths - set(token.FILES):
            raise EvidenceError(
                f"{name}: {min(added)!a} was added to the package in s3://{self._bucket}; find out "
                "by whom, and remove it"
            )

    def _holds(self, path: Path, key: str, meta: ObjectMeta | None) -> bool:
        """Whether the store holds a file's content as the object ``key``."""
        if meta is None or meta["size"] != path.stat().st_size:
            return False
        if (meta["e_tag"] or "").strip('"') in _tags(path):
            return True
        # Tags of encrypted or copied objects do not depend on the content: read the content.
        digest = hashlib.sha256()
        for chunk in self._chunks(key):
            digest.update(chunk)
        with path.open("rb") as file:
            return digest.digest() == hashlib.file_digest(file, "sha256").digest()

    def _send(self, path: Path, key: str) -> bool:
        with path.open("rb") as file, self._explained():
            self._objects.put(key, file, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
        return True

    def _confirm(self, folder: Path, name: str, paths: list[str]) -> None:
        """Compares what the store lists with the package: an accepted upload is no proof."""
        there = self._listed(name)
        for path in paths:
            if not self._holds(folder / path, f"{name}/{path}", there.get(path)):
                raise StoreError(
                    f"{name}/{path}: s3://{self._bucket} accepted the object but does not hold it "
                    "as it was sent; check the server"
                )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns an error of the library into a ``StoreError`` with advice."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            # Not chained: the library's message contains the request, and may name a key.
            raise self._error(str(error)) from None

    def _error(self, text: str) -> StoreError:
        found = re.search(r"<Code>(\w+)</Code>", text)
        status = re.search(r"status code: (\d{3})", text)
        code = found[1] if found else f"status {status[1]}" if status else ""
        if code == "NoSuchBucket":
            return StoreError(
                f"s3://{self._bucket}: there is no such bucket; make it, or correct the address",
                Failure.WRONG_INPUT,
            )
        if status is not None and _REFUSED.fullmatch(status[1]):
            return StoreError(
                f"s3://{self._bucket}: access was refused ({code}); check {' and '.join(_KEYS)} "
                "and what they are allowed",
                Failure.WRONG_INPUT,
            )
        if code:
            return StoreError(f"s3://{self._bucket}: the server answered {code}")
        return StoreError(
            f"s3://{self._bucket}: the server does not answer; check AWS_ENDPOINT_URL, the network "
            "and the server"
        )


def _tags(path: Path) -> set[str]:
    """The tags that servers give an object of this content, sent whole or in parts."""
    whole, parts = hashlib.md5(usedforsecurity=False), []
    with path.open("rb") as file:
        while part := file.read(_PART):
            whole.update(part)
            parts.append(hashlib.md5(part, usedforsecurity=False).digest())
    of_parts = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return {whole.hexdigest(), f"{of_parts}-{len(parts)}"}
