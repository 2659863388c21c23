"""Files of the demo: the photograph, the clip, its zones and a configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cv_engine.demo.errors import DemoError
from cv_engine.errors import failure_of, failure_of_os_error
from models.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CAMERA = "demo-street"

# The photograph is one file of a wheel, which is neither installed nor run.
_PACKAGE, _VERSION = "ultralytics", "8.4.190"
_WHEEL_SHA256 = "bd309728efa168af64d39040136828edd2dbcb4aeceb4510bdff4f3ca0ea01b8"
_MEMBER = "ultralytics/assets/bus.jpg"
_PHOTO_SHA256 = "c02019c4979c191eb739ddd944445ef408dad5679acab6fd520ef9d434bfbc63"

# Counts changes to the composed clip; a clip of another version is composed again.
_CLIP_VERSION = 1

# Vehicles may stop neither at the kerb, where the bus's wheels touch the ground, nor on the
# pavement; nothing may be put down on the pavement. Pixels.
_ZONES: tuple[dict[str, Any], ...] = (
    {
        "zone": "no-stopping",
        "kinds": ["motor_vehicle_parked", "non_motor_vehicle_parked"],
        "dwell_s": 20,
        "polygon": [[0, 640], [810, 545], [810, 1080], [0, 1080]],
    },
    {
        "zone": "pavement",
        "kinds": ["clutter"],
        "dwell_s": 20,
        "polygon": [[0, 815], [480, 725], [810, 660], [810, 1080], [0, 1080]],
    },
)
_CONFIG = f"""\
# The demo's configuration; config.yaml in the repository documents every key.
cameras:
  - name: {CAMERA}
    latitude: 40.4177 # the street of the photograph is in Madrid; the exact place is not known
    longitude: -3.7003
    position_radius_m: 1000
    timezone: Europe/Madrid
    zones: zones.geojson
"""


@dataclass(frozen=True)
class DemoFiles:
    """Paths of the demo's files.

    Attributes:
        clip: The street clip, H.264 in MP4.
        config: The configuration with the camera and the zones.
    """

    clip: Path
    config: Path


def set_up(folder: Path, progress: Callable[[float], None] | None = None) -> DemoFiles:
    """Make the demo's files in ``folder``; a clip that was made before is kept.

    Args:
        folder: The folder, made if missing.
        progress: Called with the share of the clip that is composed, 0 to 1.

    Raises:
        DemoError: The photograph cannot be downloaded, or the folder cannot be written.
    """
    clip = folder / f"street-v{_CLIP_VERSION}.mp4"
    config = folder / "config.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "zones.geojson").write_text(zones_geojson(), encoding="utf-8")
        config.write_text(_CONFIG, encoding="utf-8")
        if not clip.is_file():
            from cv_engine.demo.clip import compose
            from cv_engine.demo.layers import split_photograph

            compose(split_photograph(_photograph(folder)), clip, progress)
    except OSError as error:
        raise DemoError(
            f"{folder}: the demo's files cannot be written ({error.strerror or error}); "
            "choose another folder with --data",
            failure_of_os_error(error),
        ) from error
    return DemoFiles(clip=clip, config=config)


def zones_geojson() -> str:
    """Return the demo's zones as GeoJSON, in pixels of the clip."""
    features = [
        {
            "type": "Feature",
            "properties": {
                **{key: value for key, value in zone.items() if key != "polygon"},
                "frame": "image",
                "camera": CAMERA,
            },
            "geometry": {
                "type": "Polygon",
                "coordinates": [[*zone["polygon"], zone["polygon"][0]]],
            },
        }
        for zone in _ZONES
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def _photograph(folder: Path) -> NDArray[np.uint8]:
    import cv2
    import numpy as np

    from models.files import sha256_of
    from models.registry.download import download
    from models.registry.manifest import ModelSpec, Wheel

    path = folder / Path(_MEMBER).name
    if not path.is_file() or sha256_of(path) != _PHOTO_SHA256:
        spec = ModelSpec(
            name=path.name,
            task="photograph",
            family=None,
            classes=(),
            input_size=0,
            licence="AGPL-3.0",
            sha256=_PHOTO_SHA256,
            sources=(Wheel(_PACKAGE, _VERSION, _WHEEL_SHA256, _MEMBER),),
        )
        try:
            download(spec, path)
        except ModelError as error:
            raise DemoError(f"the demo's photograph: {error}", failure_of(error)) from error
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DemoError(f"{path}: not a readable image; delete it and run the demo again")
    return image.astype(np.uint8)
