"""Where a run stands in the middle of the footage, on disk, so that a killed run can go on.

What is kept are plain values, arrays, and objects of the few classes listed here; nothing in the
file is ever executed. It is written whole or not at all, and one that is damaged, or was written
by other software or with other settings, is as good as none: the run then does that part again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from cv_engine.files import write_atomically
from cv_engine.rules.dwell import Dwell, Phase
from cv_engine.rules.rule import Candidate, Violation
from cv_engine.scene.background import Background, Region
from cv_engine.scene.view_health import ViewHealth, ViewState
from cv_engine.tracking.settled import SettledKeeper
from cv_engine.tracking.still import Still, StillTracker, Tolerance
from cv_engine.tracking.thing import Settled

# All that a checkpoint may hold besides plain values and arrays. None of them has a constructor
# that does more than set attributes, so that setting these restores it.
_CLASSES: dict[str, type] = {
    known.__name__: known
    for known in (
        Background,
        Candidate,
        Dwell,
        Region,
        Settled,
        SettledKeeper,
        Still,
        StillTracker,
        Tolerance,
        ViewHealth,
        Violation,
    )
}
_WORDS: dict[str, type[Enum]] = {known.__name__: known for known in (Phase, ViewState)}
_SEAL_BYTES = 32
_LENGTH_BYTES = 8
_BEGIN = np.dtype("<u4")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands.

    Attributes:
        key: Of the recording that was being looked at.
        seen_s: Media time of its last look, seconds.
        finished: Whether it has been looked at to its end.
        ended: Time of the last look.
        state: Whatever is needed to go on: plain values, arrays, and objects of known classes.
    """

    key: str
    seen_s: float
    finished: bool
    ended: datetime
    state: dict[str, Any]


class Checkpoints:
    """The latest checkpoint of each camera.

    Args:
        folder: Where they lie; must exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._software = _software()

    def load(self, camera: str, settings: str) -> Checkpoint | None:
        """The camera's checkpoint, ``None`` where there is none that can be used.

        Args:
            camera: The camera's name.
            settings: Digest of everything else that the state depends on.
        """
        try:
            tree, blocks = _opened(self.path(camera).read_bytes())
            if tree["software"] != self._software or tree["settings"] != settings:
                return None
            values = _Decoder(_unpacked(tree["arrays"], blocks)).decode(tree["checkpoint"])
            return Checkpoint(**values)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, camera: str, settings: str, checkpoint: Checkpoint) -> bool:
        """Keeps the camera's checkpoint in place of the last one.

        Returns:
            Whether it could be written; if not, that is logged, and a run that is stopped later
            will have more to do again.
        """
        encoder = _Encoder()
        tree = {
            "software": self._software,
            "settings": settings,
            "checkpoint": encoder.encode(
                {field.name: getattr(checkpoint, field.name) for field in fields(checkpoint)}
            ),
        }
        return self.write(camera, _packed(tree, encoder.arrays))

    def write(self, camera: str, data: bytes) -> bool:
        """Writes the file of a camera's checkpoint; see `save`."""
        try:
            write_atomically(self.path(camera), hashlib.sha256(data).digest(), data)
        except OSError as error:
            structlog.get_logger(__name__).warning(
                "cannot save where the run stands; if it is stopped, more is done again",
                camera=camera,
                reason=error.strerror,
            )
            return False
        return True

    def drop(self, camera: str) -> None:
        """Removes the camera's checkpoint: nothing will go on from there."""
        self.path(camera).unlink(missing_ok=True)

    def path(self, camera: str) -> Path:
        """The file of the camera's checkpoint, whether or not it is there."""
        return self._folder / f"{hashlib.sha256(camera.encode()).hexdigest()[:32]}.checkpoint"


def ended(data: bytes) -> datetime | None:
    """Time of the last look before a checkpoint was written, whoever wrote it.

    Args:
        data: Content of its file.

    Returns:
        The time, ``None`` where the file is damaged or is none.
    """
    try:
        tree, _ = _opened(data)
        return datetime.fromisoformat(dict(tree["checkpoint"]["map"])["ended"]["time"])
    except (ValueError, KeyError, TypeError):
        return None


def _opened(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """What a checkpoint's file holds: the tree, and the arrays one after another.

    Raises:
        ValueError: It is damaged.
    """
    seal, body = data[:_SEAL_BYTES], memoryview(data)[_SEAL_BYTES:]
    if hashlib.sha256(body).digest() != seal:
        raise ValueError("the checkpoint is damaged")
    end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "big")
    return json.loads(bytes(body[_LENGTH_BYTES:end])), body[end:]


def _packed(tree: dict[str, Any], arrays: Sequence[NDArray[Any]]) -> bytes:
    """The content of a checkpoint's file, but for the seal."""
    forms, blocks = [], []
    for array in arrays:
        parts = _parts(array)
        forms.append([array.dtype.str, array.shape, [len(part) for part in parts]])
        blocks += parts
    text = json.dumps(tree | {"arrays": forms}).encode()
    return b"".join([len(text).to_bytes(_LENGTH_BYTES, "big"), text, *blocks])


def _parts(array: NDArray[Any]) -> list[bytes]:
    """An array's values, or those of its runs of equal values and where each begins.

    Masks and times are hundreds of pixels alike, which this finds in a twentieth of the time that any
    general compression takes; pictures are not.
    """
    if array.dtype == np.float32 or array.ndim == 0:
        return [array.tobytes()]
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = flat.view(f"u{flat.itemsize}")  # so that what is no number is like itself
    begins = np.flatnonzero(np.concatenate([[True], bits[1:] != bits[:-1]])[: flat.size])
    if begins.size * (flat.itemsize + _BEGIN.itemsize) > flat.nbytes // 2:
        return [flat.tobytes()]
    return [flat[begins].tobytes(), begins.astype(_BEGIN).tobytes()]


def _unpacked(forms: list[Any], blocks: memoryview) -> list[NDArray[Any]]:
    """The way back.

    Raises:
        ValueError, TypeError: They are none.
    """
    arrays, at = [], 0
    for kind, shape, lengths in forms:
        parts = []
        for length in lengths:
            parts.append(blocks[at : at + length])
            at += length
        values = np.frombuffer(parts[0], kind)
        if len(parts) == 2:
            begins = np.frombuffer(parts[1], _BEGIN).astype(np.int64)
            values = np.repeat(values, np.diff(begins, append=math.prod(shape)))
        arrays.append(values.reshape(shape).copy())
    return arrays


class _Encoder:
    """Turns values into JSON and numbered arrays; an array met twice is one array."""

    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self._numbers: dict[int, int] = {}

    def encode(self, value: Any) -> Any:
        """The JSON form of a value.

        Raises:
            TypeError: Its class is none of the known ones.
        """
        match value:
            case Phase() | ViewState():
                return {"word": [type(value).__name__, value.value]}
            case np.generic():
                return {"scalar": [value.dtype.str, value.tobytes().hex()]}
            case None | bool() | int() | float() | str():
                return value
            case np.ndarray():
                return {"array": self._number(value)}
            case datetime():
                return {"time": value.isoformat()}
            case list():
                return [self.encode(item) for item in value]
            case tuple():
                return {"tuple": [self.encode(item) for item in value]}
            case dict():
                return {"map": [[self.encode(k), self.encode(v)] for k, v in value.items()]}
        name = type(value).__name__
        if _CLASSES.get(name) is not type(value):
            raise TypeError(f"a checkpoint holds no {name}")
        return {"object": [name, self.encode({n: getattr(value, n) for n in _attributes(value)})]}

    def _number(self, array: NDArray[Any]) -> int:
        if id(array) not in self._numbers:
            self._numbers[id(array)] = len(self.arrays)
            self.arrays.append(array)
        return self._numbers[id(array)]


class _Decoder:
    """The way back."""

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self._arrays = arrays

    def decode(self, form: Any) -> Any:
        """The value of a JSON form.

        Raises:
            ValueError, KeyError, TypeError: It is none.
        """
        if isinstance(form, list):
            return [self.decode(item) for item in form]
        if not isinstance(form, dict):
            return form
        ((kind, content),) = form.items()
        match kind:
            case "array":
                return self._arrays[content]
            case "scalar":
                return np.frombuffer(bytes.fromhex(content[1]), content[0])[0]
            case "time":
                return datetime.fromisoformat(content)
            case "tuple":
                return tuple(self.decode(item) for item in content)
            case "map":
                return {self.decode(key): self.decode(value) for key, value in content}
            case "word":
                return _WORDS[content[0]](content[1])
            case "object":
                return _restored(_CLASSES[content[0]], self.decode(content[1]))
        raise ValueError(f"unknown kind of value {kind!r}")


def _attributes(value: Any) -> list[str]:
    return [field.name for field in fields(value)] if is_dataclass(value) else list(vars(value))


def _restored(known: type, attributes: dict[str, Any]) -> Any:
    if is_dataclass(known) and {field.name for field in fields(known)} != set(attributes):
        raise ValueError(f"{known.__name__} has other attributes")
    value: Any = object.__new__(known)
    for name, content in attributes.items():
        object.__setattr__(value, name, content)
    return value


def _software() -> str:
    """Digest of the release and of its code: other code may keep another state."""
    digest = hashlib.sha256(metadata.version("cv-engine").encode())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
