"""Areas whose images are compared periodically, in the order in which they were taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from satellite.compare.comparison_request import ComparisonRequest, DetectorName, Source
from satellite.errors import SatelliteError
from satellite.imagery.bands import Role
from satellite.imagery.grid import Grid
from satellite.vector.buildings import OutlineSettings

# Endings of files that may be an image of one date. A folder is an image too: of its tiles.
_ENDINGS = frozenset({".tif", ".tiff", ".jp2", ".vrt", ".img", ".json"})


@dataclass(frozen=True, slots=True)
class Area:
    """An area of a city.

    Attributes:
        name: The area's name, and the source of its cases.
        images: Folder with one entry for each date: an image, a folder of tiles or a STAC item.
        detector: Which detector judges the images.
        model: Name or path of the change network.
        resolution_m: Side of the pixels that are compared; ``None``: the coarser image's.
        align: Whether local shifts are removed.
        roles: Bands by role, where the images do not name them.
        nodata: Value of empty pixels, where the images do not give it.
        allow_remote: Whether STAC items may name images elsewhere than on this machine.
        max_cloud: Share of an image under cloud, 0 to 1, above which the image is refused.
        outline: What counts as a building.
    """

    name: str
    images: Path
    detector: DetectorName = "cascade"
    model: str = "tinycd"
    resolution_m: float | None = None
    align: bool = True
    roles: tuple[tuple[Role, int], ...] = ()
    nodata: float | None = None
    allow_remote: bool = False
    max_cloud: float = 0.8
    outline: OutlineSettings = field(default_factory=OutlineSettings)

    def requests(self) -> Iterator[ComparisonRequest]:
        """Yields a request for each image and the one before it.

        Raises:
            SatelliteError: The folder cannot be read, an image cannot be used or has no date, or
                two images were taken at the same time.
        """
        for before, after in pairwise(self._by_date()):
            yield ComparisonRequest(
                before,
                after,
                detector=self.detector,
                model=self.model,
                resolution_m=self.resolution_m,
                align=self.align,
                max_cloud=self.max_cloud,
            )

    def extent(self) -> Grid:
        """The pixel grid of the first image, for where the area lies.

        Raises:
            SatelliteError: See :meth:`requests`.
        """
        with self._by_date()[0].open() as scene:
            return scene.native

    def _by_date(self) -> Sequence[Source]:
        dated = []
        for path in _entries(self.images):
            source = Source(
                str(path), self.roles, nodata=self.nodata, allow_remote=self.allow_remote
            )
            with source.open() as scene:
                if scene.acquired is None:
                    raise SatelliteError(
                        f"{path}: the image does not say when it was taken: write its date into "
                        "its name, as YYYYMMDD"
                    )
                dated.append((scene.acquired, path))
        if not dated:
            raise SatelliteError(
                f"{self.images}: this folder has no images; put one for each date into it: "
                f"{', '.join(sorted(_ENDINGS))}, or a folder of tiles"
            )
        dated.sort()
        for (one, first), (other, second) in pairwise(dated):
            if one == other:
                raise SatelliteError(
                    f"{first.name} and {second.name} in {self.images} were taken at the same time, "
                    f"{one.isoformat()}: put the tiles of one date into one folder"
                )
        return [
            Source(str(path), self.roles, acquired, self.nodata, self.allow_remote)
            for acquired, path in dated
        ]


def _entries(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise SatelliteError(f"{folder}: cannot be read ({error.strerror})") from error
    return [
        path
        for path in found
        if not path.name.startswith(".") and (path.is_dir() or path.suffix.lower() in _ENDINGS)
    ]
