"""Odd cameras and recordings: how much of each is seen, beside FFmpeg, and what is said of it.

Cameras on loopback play a small stream with one oddity each. Every picture is counted, by FFmpeg
and by our reader; then `cv-engine watch` watches all of them for some time. Recordings are those
of the folder: every picture is counted, and each is analysed.

An input is *worse* where FFmpeg makes more pictures, and *silent* where pictures are missed and the
program says nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path

import yaml

from benchmarks.harness.program import Program
from benchmarks.oddities.oddities import ODDITIES, is_about_packets
from benchmarks.oddities.pictures import pictures
from benchmarks.oddities.reading import received, recorded, recorded_by_ffmpeg, streamed_by_ffmpeg
from benchmarks.oddities.rtsp_server import PASSWORD, USER, OddCameras
from cv_engine.config import Config
from cv_engine.live.control.status_snapshot import CameraEntry, read_snapshot
from cv_engine.live.stream.address import Address
from cv_engine.recorded.analyze import analyze
from cv_engine.video.paths import expand

_RATE = 10
_COUNTED = 30  # pictures of each camera
_SECONDS = 40.0
_SAMPLE_S = 2.0
# Time in which the program starts, seconds.
_STARTED_S = 90.0
_WORKERS = 2
_SECTIONS = {
    "video": {"sample_s": _SAMPLE_S},
    "rules": {"parking": {"dwell_s": 8.0}, "clutter": {"dwell_s": 8.0}},
    "evidence": {"redact": False},
}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one input.

    Attributes:
        name: The oddity.
        ffmpeg: Pictures that FFmpeg makes of it.
        ours: Pictures that our reader makes of it.
        samples: Samples taken, and
        cases: cases opened, by the program.
        state: What the program says of its state.
        said: What else it says.
    """

    name: str
    ffmpeg: int
    ours: int
    samples: int
    cases: int
    state: str
    said: str

    @property
    def is_worse(self) -> bool:
        """Whether FFmpeg makes more pictures of it."""
        return self.ours < self.ffmpeg

    @property
    def is_silent(self) -> bool:
        """Whether pictures are missed without a word."""
        missed = self.is_worse or not self.samples
        return missed and max(self.ours, self.ffmpeg) > 0 and not self.said


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks odd", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/odd"))
    parser.add_argument(
        "--seconds", type=float, default=_SECONDS, help="for how long cameras are watched"
    )
    options = parser.parse_args(argv)
    if not options.data.is_dir():
        parser.error(f"{options.data}: there is no such folder")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="odd-") as folder:
        for row in (
            *_streams(Path(folder), options.seconds),
            *_recordings(options.data, Path(folder)),
        ):
            rows.append(row)
            print(_line(*astuple(row)), flush=True)
    print(json.dumps(_figures(rows)))
    return 0


def _line(*values: object) -> str:
    widths = (46, 7, 5, 7, 5, 12)
    cells = [str(value).ljust(width) for value, width in zip(values, widths, strict=False)]
    return " ".join([*cells, *map(str, values[len(widths) :])]).rstrip()


def _figures(rows: Sequence[Row]) -> dict[str, object]:
    return {
        "inputs": len(rows),
        "worse_than_ffmpeg": sum(row.is_worse for row in rows),
        "silent": sum(row.is_silent for row in rows),
        "worse": [row.name for row in rows if row.is_worse],
        "silent_inputs": [row.name for row in rows if row.is_silent],
    }


def _streams(folder: Path, seconds: float) -> Iterator[Row]:
    print(_line("input", "FFmpeg", "ours", "samples", "cases", "state", "said"), flush=True)
    counts = {
        name: (streamed_by_ffmpeg(address), len(received(address).frames))
        for name, address in _addresses(_COUNTED)
    }
    length = round((seconds + _STARTED_S) * _RATE)
    with ExitStack() as stack:
        addresses = dict(_addresses(length, _RATE, stack))
        entries = _watched(folder, addresses, seconds)
    for name, (ffmpeg, ours) in counts.items():
        status = entries[name].status
        state = f"{status.state} {status.view}".strip()
        yield Row(name, ffmpeg, ours, status.samples, status.cases, state, status.message)


def _addresses(
    length: int, rate: float | None = None, stack: ExitStack | None = None
) -> Iterator[tuple[str, Address]]:
    """Each camera by name, while its server runs; all at once where there is a stack."""
    for codec in ("h264", "hevc"):
        slices = (1, 3) if codec == "h264" else (1,)
        films = {each: pictures(codec, length, slices=each) for each in slices}
        with ExitStack() as own:
            server = (stack or own).enter_context(OddCameras(codec, films, rate))
            for name, oddity in ODDITIES.items():
                if codec == "h264" or is_about_packets(oddity):
                    yield f"{codec} {name}", Address.of(server.url(name), USER, PASSWORD)


def _watched(
    folder: Path, addresses: Mapping[str, Address], seconds: float
) -> dict[str, CameraEntry]:
    """The status of each camera when all have been watched for some time."""
    cameras = [
        {"name": name, "url": address.with_credentials} for name, address in addresses.items()
    ]
    live = {"workers": _WORKERS, "calm_sample_s": _SAMPLE_S, "metrics_port": None, "stall_s": 10.0}
    config = folder / "watch.yaml"
    config.write_text(yaml.safe_dump({**_SECTIONS, "live": live, "cameras": cameras}))

    def entries() -> dict[str, CameraEntry]:
        snapshot = read_snapshot(folder / "watched")
        return {entry.status.camera: entry for entry in snapshot.cameras} if snapshot else {}

    with Program(config, folder / "watched") as program:
        program.start()
        program.until(lambda: _any_sampled(entries()), lambda: None)
        program.wait(seconds, lambda: None)
        return entries()


def _any_sampled(entries: Mapping[str, CameraEntry]) -> bool:
    return any(entry.status.samples for entry in entries.values())


def _recordings(data: Path, folder: Path) -> Iterator[Row]:
    """The recordings of a folder and of the folders in it."""
    for number, video in enumerate(expand([data])):
        config = Config.model_validate({**_SECTIONS, "data": folder / str(number)})
        (report,) = analyze([video], config=config).videos
        yield Row(
            str(video.relative_to(data)),
            recorded_by_ffmpeg(video),
            recorded(video),
            report.samples,
            len(report.cases),
            report.status,
            "; ".join(filter(None, (report.message, *report.skipped))),
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
