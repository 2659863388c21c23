"""Comparison requests: which two images are to be compared, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from models.change import open_change_network
from models.errors import ModelUnavailable
from models.registry.weights import cache_folder
from satellite.detection.cascade import CascadeDetector
from satellite.detection.classical import MEASURED_F1, ClassicalDetector
from satellite.detection.network import NetworkDetector
from satellite.detection.screen import Screen
from satellite.imagery.band_agreement import is_reversed
from satellite.imagery.bands import Role
from satellite.imagery.scene import Scene, open_scene
from satellite.imagery.views import Detector
from satellite.registration.pair import Pair

DetectorName = Literal["cascade", "network", "classical"]

# F1 of changed pixels of the published network on nine LEVIR-CD pairs at 0.5 m, judged in tiles as
# scenes are (`tiled_f1` of `python -m benchmarks change`). Other images and networks have others.
_NETWORK_F1 = 0.93


@dataclass(frozen=True, slots=True)
class Source:
    """An image, with metadata it lacks; see :func:`satellite.imagery.scene.open_scene`.

    Attributes:
        path: Path or address.
        roles: Bands by role.
        acquired: When the image was taken.
        nodata: Value of empty pixels.
        allow_remote: Whether a STAC item on this machine may name images elsewhere.
    """

    path: str
    roles: tuple[tuple[Role, int], ...] = ()
    acquired: datetime | None = None
    nodata: float | None = None
    # Not part of the text that names a comparison's folder, nor is `ComparisonRequest.max_cloud`:
    # they change no result.
    allow_remote: bool = field(default=False, repr=False)

    def open(self, roles: Mapping[Role, int] | None = None) -> Scene:
        """Opens the image.

        Args:
            roles: Bands by role, in place of those of the source.

        Raises:
            SatelliteError: The image cannot be used.
        """
        known = dict(self.roles) if roles is None else roles
        return open_scene(
            self.path,
            roles=known,
            acquired=self.acquired,
            nodata=self.nodata,
            allow_remote=self.allow_remote,
        )


def _without(model: str) -> str:
    """What to do where a network is neither in the cache nor reached."""
    return (
        f"a machine without a connection needs the network once: run `cv-engine models pull "
        f"{model}` on one that has it, and copy the files to {cache_folder()}; or give a network "
        "of your own (--model FILE, satellite.model), or compare without any, which finds far less "
        "(--detector classical, satellite.detector)"
    )


@dataclass(frozen=True, slots=True)
class ChosenDetector:
    """An opened detector.

    Attributes:
        detector: The detector.
        digest: Identifies the detector and its weights.
        f1: F1 measured on other images, 0 to 1; ``None`` where it was not measured.
    """

    detector: Detector
    digest: str
    f1: float | None


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """Which two images are to be compared, and how.

    Attributes:
        before: The earlier image.
        after: The later image.
        detector: Which detector; ``"cascade"`` runs the network on what a screen keeps,
            ``"classical"`` needs no network and finds far less.
        model: Name or path of the change network.
        resolution_m: Side of the pixels that are compared; ``None``: the coarser image's.
        align: Whether local shifts are removed.
        normalise: Whether differences of light are removed.
        masks: Whether clouds, shadows, haze, snow and water are masked.
        max_cloud: Share of an image under cloud, 0 to 1, above which the comparison is refused.
    """

    before: Source
    after: Source
    detector: DetectorName = "cascade"
    model: str = "tinycd"
    resolution_m: float | None = None
    align: bool = True
    normalise: bool = True
    masks: bool = True
    max_cloud: float = field(default=0.8, repr=False)

    @contextmanager
    def pair(self) -> Iterator[Pair]:
        """Opens both images as a pair.

        Raises:
            SatelliteError: An image cannot be used, or the two do not fit together.
        """
        with ExitStack() as stack:
            scenes = [stack.enter_context(source.open()) for source in (self.before, self.after)]
            for number, source in enumerate((self.before, self.after)):
                other = scenes[1 - number]
                if other.order_is_certain and is_reversed(scenes[number], other):
                    scenes[number] = stack.enter_context(source.open(scenes[number].exchanged))
            yield Pair(
                *scenes,
                resolution_m=self.resolution_m,
                align=self.align,
                normalise=self.normalise,
                masks=self.masks,
                max_cloud=self.max_cloud,
            )

    def choose(self, resolution_m: float) -> ChosenDetector:
        """Opens the detector.

        Args:
            resolution_m: Side of the pixels that the detector will be given.

        Raises:
            ModelError: The network is not available.
            SatelliteError: The network does not fit the images.
        """
        if self.detector == "classical":
            return ChosenDetector(ClassicalDetector(), self.detector, MEASURED_F1)
        try:
            network = open_change_network(self.model)
        except ModelUnavailable as error:
            raise ModelUnavailable(f"{error}\n{_without(self.model)}") from error
        measured = _NETWORK_F1 if network.name == "tinycd" else None
        detector: Detector = NetworkDetector(network, views_m=resolution_m)
        if self.detector == "cascade":
            detector = CascadeDetector(Screen(), detector)
        return ChosenDetector(detector, f"{self.detector} {network.digest}", measured)
