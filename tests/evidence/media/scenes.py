"""Real frames and findings for the tests of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import av
import numpy as np
import supervision as sv

from cv_engine.evidence.media.still import Box, Image, Role, Still
from cv_engine.finding import Finding, Place

BEGAN = datetime(2026, 5, 1, 0, 0, 7, 120_000, tzinfo=UTC)
CAR: Box = (293, 78, 513, 300)  # the car that leaves in lot_leave_arrive.mp4
NEIGHBOURS = [((0, 42, 150, 160), "car"), ((538, 110, 640, 360), "car")]


def detections(rows: Sequence[tuple[Box, str]]) -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([box for box, _ in rows], dtype=np.float32).reshape(-1, 4),
        class_id=np.zeros(len(rows), dtype=int),
        data={"class_name": np.array([name for _, name in rows], dtype=str)},
    )


def frames(path: Path, most: int | None = None) -> list[Image]:
    """The pictures of a video in display order, uint8 (H, W, 3) BGR."""
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
            for frame in islice(container.decode(video=0), most)
        ]


def frame_at(path: Path, time_s: float) -> Image:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time >= time_s:
                return np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
    raise AssertionError(f"{path} ends before {time_s} s")


def car_park_still(video: Path, role: Role, time_s: float) -> Still:
    return Still(
        role=role,
        time=BEGAN + timedelta(seconds=time_s),
        image=frame_at(video / "lot_leave_arrive.mp4", time_s),
        box=CAR,
        others=detections([(CAR, "car"), *NEIGHBOURS]),
    )


def parked(source: str = "市场街-03") -> Finding:
    return Finding(
        kind="motor_vehicle_parked",
        source=source,
        zone="pavement",
        place=Place(
            {"type": "Point", "coordinates": [121.54402, -29.86831]}, 2.1, "homography", CAR
        ),
        began=BEGAN,
        observed=BEGAN + timedelta(seconds=20),
        confidence=0.9,
        attributes={"limit_s": 15.0},
    )
