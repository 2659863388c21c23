from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import ModelError
from models.convert.torch_checkpoint import Record, read_checkpoint

GLOBAL_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
GLOBAL_STORAGE = b"ctorch\nFloatStorage\n"


def tensor_pickle(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """``{"w": tensor}``, as torch writes it."""

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(number(v) for v in values) + b"t"

    storage = b"(Vstorage\n" + GLOBAL_STORAGE + b"V0\nVcpu\n" + number(6) + b"tQ"
    tensor = GLOBAL_TENSOR + b"(" + storage + number(offset) + numbers(size) + numbers(stride)
    return b"\x80\x02}Vw\n" + tensor + b"\x89N" + b"tRs."


def archive(path: Path, content: bytes, storage: bytes = b"") -> str:
    """Write a checkpoint and return its digest."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        file.writestr("model/data.pkl", content)
        file.writestr("model/data/0", storage)
    path.write_bytes(memory.getvalue())
    return hashlib.sha256(memory.getvalue()).hexdigest()


SIX = np.arange(6, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("offset", "size", "stride", "expected"),
    [
        (0, (2, 3), (3, 1), [[0, 1, 2], [3, 4, 5]]),
        (0, (3, 2), (1, 3), [[0, 3], [1, 4], [2, 5]]),
        (4, (2,), (1,), [4, 5]),
    ],
)
def test_tensors_are_read(
    tmp_path: Path, offset: int, size: tuple[int, ...], stride: tuple[int, ...], expected: Any
) -> None:
    path = tmp_path / "model.pt"
    digest = archive(path, tensor_pickle(offset, size, stride), SIX)
    content = read_checkpoint(path, digest)
    assert content["w"].tolist() == expected


@pytest.mark.parametrize(
    ("offset", "size", "stride", "storage"),
    [
        (5, (2,), (1,), SIX),
        (0, (2, 3), (3, 2), SIX),
        (-1, (2,), (1,), SIX),
        (2, (3,), (-1,), SIX),
        (0, (2, 3), (3, 1), SIX[:-4]),
    ],
)
def test_tensors_beyond_their_storage_are_refused(
    tmp_path: Path, offset: int, size: tuple[int, ...], stride: tuple[int, ...], storage: bytes
) -> None:
    path = tmp_path / "model.pt"
    digest = archive(path, tensor_pickle(offset, size, stride), storage)
    with pytest.raises(ModelError, match="storage"):
        read_checkpoint(path, digest)


class Trap:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_code_of_the_pickle_is_never_run(tmp_path: Path, protocol: int) -> None:
    sprung = tmp_path / "sprung"
    content = {"model": Trap(os.mkdir, str(sprung)), "other": Trap(eval, "1/0")}
    path = tmp_path / "model.pt"
    digest = archive(path, pickle.dumps(content, protocol))
    read = read_checkpoint(path, digest)
    assert not sprung.exists()
    assert isinstance(read["model"], Record)
    assert read["model"].type_name.endswith(".mkdir")


def test_a_file_of_another_digest_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    archive(path, pickle.dumps({}))
    with pytest.raises(ModelError, match="SHA-256"):
        read_checkpoint(path, "0" * 64)


@pytest.mark.parametrize(
    "data", [b"", b"no archive at all", b"PK\x03\x04 cut short", pickle.dumps({})]
)
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="not a readable PyTorch checkpoint"):
        read_checkpoint(path, hashlib.sha256(data).hexdigest())


def test_a_pickle_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    digest = archive(path, pickle.dumps([1, 2]))
    with pytest.raises(ModelError, match="holds a list"):
        read_checkpoint(path, digest)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_checkpoint(tmp_path / "none.pt", "0" * 64)
