"""Reader of PyTorch checkpoints (zip format) without torch and without executing the pickle.

A checkpoint is a pickle, and a pickle is a program: ``torch.load`` runs whatever the pickle names.
This reader's unpickler has a fixed list of constructors (containers and tensors) and turns every
other class into an inert :class:`Record`. No class named by the file is imported, no code of the
file is run. As a second protection, a file is opened only if its SHA-256 is the one that the caller
expects.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

_STORAGE_TYPES: dict[str, str] = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


class Record:
    """An object of a class that is not on the list, as the name of the class and the state.

    Attributes:
        type_name: Dotted name of the class in the checkpoint, such as
            ``"torch.nn.modules.conv.Conv2d"``.
        state: The object's attributes, as stored in the checkpoint.
    """

    type_name = ""

    def __new__(cls, *_: Any, **__: Any) -> Record:
        """Make an empty record whatever the arguments."""
        record = object.__new__(cls)
        record.state = {}
        return record

    state: dict[str, Any]

    def __setstate__(self, state: Any) -> None:
        """Keep the pickled state as data."""
        self.state = state if isinstance(state, dict) else {"": state}

    @property
    def short_type(self) -> str:
        """The class's name without its module."""
        return self.type_name.rpartition(".")[2]

    def __getitem__(self, name: str) -> Any:
        """Return the attribute, parameter, buffer or child module ``name``, as torch would."""
        for part in (
            self.state,
            self.state.get("_parameters") or {},
            self.state.get("_buffers") or {},
            self.state.get("_modules") or {},
        ):
            if name in part:
                return part[name]
        raise ModelError(f"the checkpoint's {self.type_name or 'object'} has no '{name}'")

    @property
    def children(self) -> list[Record]:
        """Child modules in order."""
        return list((self.state.get("_modules") or {}).values())


def read_checkpoint(path: Path, sha256: str) -> dict[str, Any]:
    """Read a checkpoint's content as plain data.

    Args:
        path: A checkpoint in torch's zip format (torch 1.6 and later).
        sha256: Required digest of the file, hexadecimal.

    Returns:
        The pickled mapping: tensors as numpy arrays, modules as :class:`Record`.

    Raises:
        ModelError: The digest differs, or the file is no such checkpoint.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{path}: not loaded: its SHA-256 is {found}, expected {sha256}; "
            "the file is damaged or another one: delete it and pull the model again"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            content = _unpickle(archive)
    except ModelError:
        raise
    except Exception as error:  # the unpickler raises whatever a malformed stream makes it raise
        raise ModelError(f"{path}: not a readable PyTorch checkpoint: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path}: not a checkpoint: holds a {type(content).__name__}, not a mapping"
        )
    return content


def _unpickle(archive: zipfile.ZipFile) -> Any:
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ModelError("not a PyTorch checkpoint: the archive has no data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    order = (
        archive.read(f"{folder}byteorder")
        if f"{folder}byteorder" in archive.namelist()
        else b"little"
    )
    if order != b"little":
        raise ModelError(
            "the checkpoint was written on a big-endian machine, which is not supported"
        )
    return _Unpickler(archive, folder, pickles[0]).load()


class _Unpickler(pickle.Unpickler):
    """An unpickler that builds only containers, tensors and records."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, name: str) -> None:
        super().__init__(io.BytesIO(archive.read(name)))
        self._archive = archive
        self._folder = folder
        self._storages: dict[str, NDArray[Any]] = {}
        self._types: dict[str, type[Record]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the listed constructor, or a record class for any other name."""
        allowed = _CONSTRUCTORS.get((module, name))
        if allowed is not None:
            return allowed
        if module in ("torch", "torch.storage") and name in _STORAGE_TYPES:
            return _STORAGE_TYPES[name]
        full = f"{module}.{name}"
        if full not in self._types:
            self._types[full] = type(name, (Record,), {"type_name": full})
        return self._types[full]

    def persistent_load(self, pid: Any) -> NDArray[Any]:
        """Return the storage for ``('storage', type, key, device, count)``."""
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage":
            raise ModelError("the checkpoint refers to data of an unknown kind")
        _, dtype, key, _, count = pid
        if not isinstance(dtype, str):
            raise ModelError("the checkpoint holds tensors of an unsupported number type")
        if key not in self._storages:
            values = np.frombuffer(self._archive.read(f"{self._folder}data/{key}"), dtype=dtype)
            if len(values) < count:
                raise ModelError(f"the checkpoint's storage {key} is cut short")
            self._storages[key] = values
        return self._storages[key]


def _rebuild_tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """Return a copy of a tensor, a view of a storage, after checking its bounds."""
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if math.prod(size) and not (0 <= offset <= last < len(storage) and min(stride, default=0) >= 0):
        raise ModelError("a tensor of the checkpoint reaches beyond its storage")
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps).copy()


def _rebuild_parameter(data: NDArray[Any], *_: Any) -> NDArray[Any]:
    return data


def _size(values: Any = ()) -> tuple[int, ...]:
    return tuple(values)


_CONSTRUCTORS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
    ("torch", "Size"): _size,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}
